// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Limits of Envoy's hash tables (envoy/config/cluster/v3/cluster.proto). istiod checks only the first, and has 5000010 as
// its upper bound.
const (
	maxTableSize = 5000010
	maxRingSize  = 8388608
)

// minUpdatePeriod is the least weightUpdatePeriod, according to destination_rule.proto of istio/api.
const minUpdatePeriod = 100 * time.Millisecond

// The labels of a locality, by which regions are ranked without failoverPriority.
const (
	topologyRegion  = "topology.kubernetes.io/region"
	topologyZone    = "topology.kubernetes.io/zone"
	topologySubzone = "topology.istio.io/subzone"
)

// LocalityAndZoneAware is rule WS129. A loadBalancer has either localityLbSetting or zoneAwareLbSetting.
var LocalityAndZoneAware = finding.Rule{Code: "WS129", Severity: finding.SeverityError,
	Meaning: "A loadBalancer has either localityLbSetting or zoneAwareLbSetting.", Source: istioLoadBalancer}

// loadBalancer checks the settings as validateLoadBalancer in pkg/config/validation does. ejects reports whether the policy
// has an outlierDetection.
func (v *validator) loadBalancer(lb *networking.LoadBalancerSettings, ejects bool) {
	if lb == nil {
		return
	}
	v.enter("loadBalancer")
	defer v.leave()
	switch policy := lb.GetLbPolicy().(type) {
	case *networking.LoadBalancerSettings_Simple:
		if policy != nil {
			v.enum("simple", int32(policy.Simple), networking.LoadBalancerSettings_SimpleLB_name,
				"UNSPECIFIED, RANDOM, PASSTHROUGH, ROUND_ROBIN or LEAST_REQUEST")
		}
	case *networking.LoadBalancerSettings_ConsistentHash:
		if policy != nil {
			v.consistentHash(policy.ConsistentHash)
		}
	case *networking.LoadBalancerSettings_BackendUtilization:
		if policy != nil {
			v.backendUtilization(policy.BackendUtilization)
		}
	}
	if lb.GetLocalityLbSetting() != nil && lb.GetZoneAwareLbSetting() != nil {
		v.add(LocalityAndZoneAware, v.at("zoneAwareLbSetting"), "zoneAwareLbSetting stands beside localityLbSetting", "keep one of the two")
	}
	v.locality(lb.GetLocalityLbSetting(), ejects)
	v.zoneAware(lb.GetZoneAwareLbSetting(), ejects)
	// Only the schema bounds this duration, so it may have parts of a millisecond.
	v.boundedDuration("warmupDurationSecs", lb.GetWarmupDurationSecs(), time.Nanosecond, "a duration from 1ms up")
	if warmup := lb.GetWarmup(); warmup != nil {
		v.enter("warmup")
		v.requiredDuration("duration", warmup.GetDuration())
		v.doublePercent("minimumPercent", warmup.GetMinimumPercent())
		if a := warmup.GetAggression(); a != nil && !(a.GetValue() > 0 && a.GetValue() <= math.MaxFloat64) {
			v.outOfRange(v.at("aggression"), strconv.FormatFloat(a.GetValue(), 'g', -1, 64), "a number above 0")
		}
		v.leave()
	}
}

var (
	// RingSizeAndHashAlgorithm is rule WS126. minimumRingSize does not stand beside ringHash or maglev.
	RingSizeAndHashAlgorithm = finding.Rule{Code: "WS126", Severity: finding.SeverityError,
		Meaning: "minimumRingSize does not stand beside ringHash or maglev.", Source: istioLoadBalancer}
	// RingSizeDeprecated is rule WS177. consistentHash.minimumRingSize is deprecated.
	RingSizeDeprecated = finding.Rule{Code: "WS177", Severity: finding.Warning,
		Meaning: "consistentHash.minimumRingSize is deprecated.", Source: istioLoadBalancer}
)

func (v *validator) consistentHash(hash *networking.LoadBalancerSettings_ConsistentHashLB) {
	v.enter("consistentHash")
	defer v.leave()
	if hash == nil {
		v.null()
		return
	}
	switch key := hash.GetHashKey().(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		if key != nil {
			v.hashName("httpHeaderName", key.HttpHeaderName)
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		if key != nil {
			v.hashName("httpQueryParameterName", key.HttpQueryParameterName)
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		if key != nil {
			v.cookie(key.HttpCookie)
		}
	}

	//lint:ignore SA1019 deprecated, and in use
	size := hash.GetMinimumRingSize()
	v.ringSize(size)
	if size != 0 {
		if hash.HashAlgorithm != nil {
			v.add(RingSizeAndHashAlgorithm, v.at("minimumRingSize"), "minimumRingSize stands beside ringHash or maglev",
				"write ringHash: {minimumRingSize: …} alone")
		}
		v.add(RingSizeDeprecated, v.at("minimumRingSize"), "minimumRingSize directly under consistentHash is deprecated",
			"write ringHash: {minimumRingSize: …}")
	}
	switch algorithm := hash.GetHashAlgorithm().(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_RingHash_:
		if algorithm != nil {
			v.ringHash(algorithm.RingHash)
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_Maglev:
		if algorithm != nil {
			v.maglev(algorithm.Maglev)
		}
	}
}

// hashName warns of an empty name, for which Envoy refuses the route. Neither istiod nor the schema checks it.
func (v *validator) hashName(field, name string) {
	v.text(field, name)
	if name == "" {
		v.envoyRefuses(v.at(field), "an empty name to hash by", "name the header or query parameter")
	}
}

// DuplicateCookieAttribute is rule WS128. An attribute of a cookie is given once.
var DuplicateCookieAttribute = finding.Rule{Code: "WS128", Severity: finding.SeverityError,
	Meaning: "An attribute of a cookie is given once.", Source: istioLoadBalancer}

func (v *validator) cookie(cookie *networking.LoadBalancerSettings_ConsistentHashLB_HTTPCookie) {
	v.enter("httpCookie")
	defer v.leave()
	if cookie == nil {
		v.null()
		return
	}
	if cookie.GetName() == "" {
		v.missing(v.at("name"), "name the cookie to hash by")
	}
	v.text("name", cookie.GetName())
	v.text("path", cookie.GetPath())
	v.writable("ttl", cookie.GetTtl())
	seen := make(map[string]int, len(cookie.GetAttributes()))
	items(v, "attributes", cookie.GetAttributes(), func(i int, a *networking.LoadBalancerSettings_ConsistentHashLB_HTTPCookie_Attribute) {
		v.text("name", a.GetName())
		v.text("value", a.GetValue())
		if a.GetName() == "" {
			v.missing(v.at("name"), "name the attribute")
			return
		}
		if first, again := seen[a.GetName()]; again {
			v.add(DuplicateCookieAttribute, v.at("name"), fmt.Sprintf("the attribute %q is attributes[%d] too", a.GetName(), first),
				"give each attribute once")
			return
		}
		seen[a.GetName()] = i
	})
}

// ringSize checks that the API server can read the size, as an int64, and that Envoy accepts it.
func (v *validator) ringSize(n uint64) {
	switch {
	case n > math.MaxInt64:
		v.outOfRange(v.at("minimumRingSize"), strconv.FormatUint(n, 10), "at most "+strconv.Itoa(maxRingSize))
	case n > maxRingSize:
		v.envoyRefuses(v.at("minimumRingSize"), "a ring of "+strconv.FormatUint(n, 10), "write at most "+strconv.Itoa(maxRingSize))
	}
}

func (v *validator) ringHash(ring *networking.LoadBalancerSettings_ConsistentHashLB_RingHash) {
	v.enter("ringHash")
	defer v.leave()
	if ring == nil {
		v.null()
		return
	}
	v.ringSize(ring.GetMinimumRingSize())
}

// InvalidMaglevTableSize is rule WS127. The size of a Maglev table is a prime number below 5000011.
var InvalidMaglevTableSize = finding.Rule{Code: "WS127", Severity: finding.SeverityError,
	Meaning: "The size of a Maglev table is a prime number below 5000011.", Source: istioLoadBalancer}

func (v *validator) maglev(table *networking.LoadBalancerSettings_ConsistentHashLB_MagLev) {
	v.enter("maglev")
	defer v.leave()
	if table == nil {
		v.null()
		return
	}
	if n := table.GetTableSize(); n > maxTableSize || !isPrime(n) {
		v.add(InvalidMaglevTableSize, v.at("tableSize"), strconv.FormatUint(n, 10)+" is no size for a Maglev table",
			"write a prime number below 5000011, such as Envoy's default 65537")
	}
}

// isPrime reports whether n, which is at most maxTableSize, is a prime number or 1, as Envoy and istiod have it.
func isPrime(n uint64) bool {
	if n < 4 {
		return n != 0
	}
	if n%2 == 0 {
		return false
	}
	for f := uint64(3); f*f <= n; f += 2 {
		if n%f == 0 {
			return false
		}
	}
	return true
}

// UpdatePeriodTooShort is rule WS181. backendUtilization.weightUpdatePeriod is 100ms or more.
var UpdatePeriodTooShort = finding.Rule{Code: "WS181", Severity: finding.Warning,
	Meaning: "backendUtilization.weightUpdatePeriod is 100ms or more.", Source: apiDestinationRule + ", BackendUtilizationLB.weight_update_period"}

// backendUtilization checks the settings as the schema does, which accepts any duration. What istiod of release 1.32 refuses
// is not known, so the bound in the comments of the API gives a warning.
func (v *validator) backendUtilization(balance *networking.LoadBalancerSettings_BackendUtilizationLB) {
	v.enter("backendUtilization")
	defer v.leave()
	if balance == nil {
		v.null()
		return
	}
	v.writable("weightStabilizationPeriod", balance.GetWeightStabilizationPeriod())
	v.writable("weightExpirationPeriod", balance.GetWeightExpirationPeriod())
	update := balance.GetWeightUpdatePeriod()
	if v.writable("weightUpdatePeriod", update) && update != nil && update.AsDuration() < minUpdatePeriod {
		v.add(UpdatePeriodTooShort, v.at("weightUpdatePeriod"),
			fmt.Sprintf("weightUpdatePeriod is %s, and the comments of Istio's API give 100ms for the least", update.AsDuration()),
			"write 0.1s or more")
	}
	v.texts("metricNamesForComputingUtilization", balance.GetMetricNamesForComputingUtilization())
}

// DistributeAndFailover is rule WS130. A localityLbSetting has either distribute or failover.
var DistributeAndFailover = finding.Rule{Code: "WS130", Severity: finding.SeverityError,
	Meaning: "A localityLbSetting has either distribute or failover.", Source: istioLocality}

// locality checks the settings as agent.ValidateLocalityLbSetting does. ejects reports whether the policy has an
// outlierDetection.
func (v *validator) locality(lb *networking.LocalityLoadBalancerSetting, ejects bool) {
	if lb == nil {
		return
	}
	v.enter("localityLbSetting")
	defer v.leave()
	if len(lb.GetDistribute()) > 0 && len(lb.GetFailover()) > 0 {
		v.add(DistributeAndFailover, v.at("failover"), "failover stands beside distribute", "keep one of the two")
	}
	v.texts("failoverPriority", lb.GetFailoverPriority())
	if len(lb.GetFailover()) > 0 {
		v.priorities(lb.GetFailoverPriority())
	}

	var from localities
	items(v, "distribute", lb.GetDistribute(), func(_ int, d *networking.LocalityLoadBalancerSetting_Distribute) {
		v.localityText(func() string { return v.at("from") }, d.GetFrom(), &from)
		v.weights(d.GetTo())
	})
	items(v, "failover", lb.GetFailover(), func(_ int, f *networking.LocalityLoadBalancerSetting_Failover) {
		v.failover(f.GetFrom(), f.GetTo())
	})
	v.failoverNeedsEjection(len(lb.GetFailover())+len(lb.GetFailoverPriority()) > 0, ejects)
}

// zoneAware checks the settings as agent.ValidateZoneAwareLbSetting does.
func (v *validator) zoneAware(lb *networking.ZoneAwareLoadBalancerSetting, ejects bool) {
	if lb == nil {
		return
	}
	v.enter("zoneAwareLbSetting")
	defer v.leave()
	v.texts("failoverPriority", lb.GetFailoverPriority())
	v.priorities(lb.GetFailoverPriority())
	items(v, "failover", lb.GetFailover(), func(_ int, f *networking.ZoneAwareLoadBalancerSetting_Failover) {
		v.failover(f.GetFrom(), f.GetTo())
	})
	if lb.GetMinClusterSize() != nil && lb.GetMinClusterSize().GetValue() == 0 {
		v.outOfRange(v.at("minClusterSize"), "0", "1 or more")
	}
	v.failoverNeedsEjection(len(lb.GetFailover())+len(lb.GetFailoverPriority()) > 0, ejects)
}

// LocalityLabelRanked is rule WS131. failoverPriority does not name the labels of a locality where regions are ranked
// without them.
var LocalityLabelRanked = finding.Rule{Code: "WS131", Severity: finding.SeverityError,
	Meaning: "failoverPriority does not name the labels of a locality where regions are ranked without them.",
	Source:  istioLocality + " and ValidateZoneAwareLbSetting"}

// priorities refuses the labels of a locality, by which regions are ranked already.
func (v *validator) priorities(labels []string) {
	for i, label := range labels {
		switch label {
		case topologyRegion, topologyZone, topologySubzone:
			v.add(LocalityLabelRanked, v.atItem("failoverPriority", i),
				fmt.Sprintf("%q ranks localities, which are ranked without it here", label),
				"leave the label out of failoverPriority")
		}
	}
}

// InvalidFailover is rule WS135. A failover is from one region to another.
var InvalidFailover = finding.Rule{Code: "WS135", Severity: finding.SeverityError,
	Meaning: "A failover is from one region to another.", Source: istioLocality + " and ValidateZoneAwareLbSetting"}

func (v *validator) failover(from, to string) {
	v.text("from", from)
	v.text("to", to)
	if from == to || strings.ContainsAny(from, "/*") || strings.ContainsAny(to, "/*") {
		v.add(InvalidFailover, v.here(), fmt.Sprintf("a failover from %q to %q is not from one region to another", from, to),
			"name two regions, without zones and wildcards")
	}
}

// FailoverWithoutOutlierDetection is rule WS178. Failover does nothing without outlierDetection.
var FailoverWithoutOutlierDetection = finding.Rule{Code: "WS178", Severity: finding.Warning,
	Meaning: "Failover does nothing without outlierDetection.", Source: istioLocality + " and ValidateZoneAwareLbSetting"}

func (v *validator) failoverNeedsEjection(failover, ejects bool) {
	if failover && !ejects {
		v.add(FailoverWithoutOutlierDetection, v.here(), "failover does nothing without outlierDetection, which tells what is unhealthy",
			"set outlierDetection in the same policy")
	}
}

func (v *validator) weights(to map[string]uint32) {
	start := len(v.findings)
	var total uint64
	for locality, weight := range to {
		total += uint64(weight)
		if weight == 0 || weight > 100 {
			v.weight(v.atKey("to", locality), fmt.Sprintf("the weight %d is not from 1 to 100", weight))
		}
	}
	v.sortFrom(start)
	if total != 100 {
		v.weight(v.at("to"), fmt.Sprintf("the weights come to %d, not 100", total))
	}

	// istiod walks the map in Go's random order, and refuses localities that overlap if it meets the wider one first. Here
	// the wider one always comes first, so that nothing is accepted that istiod may refuse.
	keys := slices.SortedFunc(maps.Keys(to), func(a, b string) int {
		return cmp.Or(-cmp.Compare(width(a), width(b)), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	var seen localities
	for _, locality := range keys {
		v.localityText(func() string { return v.atKey("to", locality) }, locality, &seen)
	}
}

// InvalidWeights is rule WS132. The weights of a distribution are from 1 to 100 and come to 100.
var InvalidWeights = finding.Rule{Code: "WS132", Severity: finding.SeverityError,
	Meaning: "The weights of a distribution are from 1 to 100 and come to 100.", Source: istioLocality}

func (v *validator) weight(path, message string) {
	v.add(InvalidWeights, path, message, "give each locality a weight from 1 to 100, 100 in all")
}

// width returns 1 for a locality that ends in a wildcard, and 0 for any other.
func width(locality string) int {
	if locality == "*" || strings.HasSuffix(locality, "/*") {
		return 1
	}
	return 0
}

// localities is a set of the localities of one list. The zero value is empty.
type localities struct {
	seen  map[string]bool
	under map[string]bool // regions and region/zones that a locality of the set lies in
}

var (
	// InvalidLocality is rule WS133. A locality is region, region/zone or region/zone/subzone, with a wildcard at the
	// end at most.
	InvalidLocality = finding.Rule{Code: "WS133", Severity: finding.SeverityError,
		Meaning: "A locality is region, region/zone or region/zone/subzone, with a wildcard at the end at most.",
		Source:  "istio/istio pkg/config/validation/agent/validation.go, validateLocalities"}
	// OverlappingLocalities is rule WS134. The localities of a list do not overlap.
	OverlappingLocalities = finding.Rule{Code: "WS134", Severity: finding.SeverityError,
		Meaning: "The localities of a list do not overlap.",
		Source:  "istio/istio pkg/config/validation/agent/validation.go, validateLocalities"}
)

// localityText checks a locality and adds it to the set before. It is "region", "region/zone" or "region/zone/subzone", and
// "*" may stand for its last part and all below.
func (v *validator) localityText(path func() string, locality string, before *localities) {
	switch {
	case !utf8.ValidString(locality):
		v.notUTF8(path(), locality)
	case !isLocality(locality):
		v.add(InvalidLocality, path(), fmt.Sprintf("%q is no locality", locality),
			`write region/zone/subzone, region/zone or region, with "*" at the end at most`)
	case before.overlaps(locality):
		v.add(OverlappingLocalities, path(), fmt.Sprintf("%q overlaps with another locality of the same list", locality),
			"name each place once; a wildcard goes after the localities that it holds")
	default:
		before.add(locality)
	}
}

func isLocality(s string) bool {
	if n := strings.Count(s, "*"); n > 1 || n == 1 && !strings.HasSuffix(s, "*") {
		return false
	}
	parts := strings.SplitN(s, "/", 3)
	return !slices.Contains(parts, "")
}

// overlaps reports whether validateLocalities in pkg/config/validation/agent refuses the locality after those of the set. A
// wildcard may come after the localities that it covers, but not before them.
func (l *localities) overlaps(locality string) bool {
	if l.seen["*"] || l.seen[locality] || width(locality) == 0 && l.under[locality] {
		return true
	}
	parts := strings.SplitN(locality, "/", 3)
	region := parts[0]
	if len(parts) > 1 && (l.seen[region] || l.seen[region+"/*"]) {
		return true
	}
	if len(parts) > 2 {
		zone := region + "/" + parts[1]
		return l.seen[zone] || l.seen[zone+"/*"]
	}
	return false
}

func (l *localities) add(locality string) {
	if l.seen == nil {
		l.seen, l.under = map[string]bool{}, map[string]bool{}
	}
	l.seen[locality] = true
	parts := strings.SplitN(locality, "/", 3)
	for n := 1; n < len(parts); n++ {
		l.under[strings.Join(parts[:n], "/")] = true
	}
}
