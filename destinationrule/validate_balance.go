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

// Limits of Envoy's hash tables (envoy/config/cluster/v3/cluster.proto). istiod checks the first alone, and takes
// 5000010 for its highest.
const (
	maxTableSize = 5000010
	maxRingSize  = 8388608
)

// minUpdatePeriod is the least weightUpdatePeriod that destination_rule.proto of istio/api names.
const minUpdatePeriod = 100 * time.Millisecond

// The labels that failoverPriority may name, and which a region's failover is about already.
const (
	topologyRegion  = "topology.kubernetes.io/region"
	topologyZone    = "topology.kubernetes.io/zone"
	topologySubzone = "topology.istio.io/subzone"
)

// loadBalancer follows validateLoadBalancer in pkg/config/validation.
func (v *validator) loadBalancer(parent *path, lb *networking.LoadBalancerSettings, ejects bool) {
	if lb == nil {
		return
	}
	p := parent.field("loadBalancer")
	switch policy := lb.GetLbPolicy().(type) {
	case *networking.LoadBalancerSettings_Simple:
		if policy != nil {
			v.enum(&p, "simple", int32(policy.Simple), networking.LoadBalancerSettings_SimpleLB_name,
				"UNSPECIFIED, RANDOM, PASSTHROUGH, ROUND_ROBIN or LEAST_REQUEST")
		}
	case *networking.LoadBalancerSettings_ConsistentHash:
		if policy != nil {
			v.consistentHash(&p, policy.ConsistentHash)
		}
	case *networking.LoadBalancerSettings_BackendUtilization:
		if policy != nil {
			v.backendUtilization(&p, policy.BackendUtilization)
		}
	}
	if lb.GetLocalityLbSetting() != nil && lb.GetZoneAwareLbSetting() != nil {
		v.add(finding.New("WS129", p.at("zoneAwareLbSetting"), "zoneAwareLbSetting stands beside localityLbSetting", "keep one of the two"))
	}
	v.locality(&p, lb.GetLocalityLbSetting(), ejects)
	v.zoneAware(&p, lb.GetZoneAwareLbSetting(), ejects)
	// The schema alone bounds this one, so a part of a millisecond is allowed.
	v.boundedDuration(&p, "warmupDurationSecs", lb.GetWarmupDurationSecs(), time.Nanosecond, "a duration from 1ms up")
	if warmup := lb.GetWarmup(); warmup != nil {
		sub := p.field("warmup")
		v.requiredDuration(&sub, "duration", warmup.GetDuration())
		v.doublePercent(&sub, "minimumPercent", warmup.GetMinimumPercent())
		if a := warmup.GetAggression(); a != nil && !(a.GetValue() > 0 && a.GetValue() <= math.MaxFloat64) {
			v.outOfRange(sub.at("aggression"), strconv.FormatFloat(a.GetValue(), 'g', -1, 64), "a number above 0")
		}
	}
}

func (v *validator) consistentHash(parent *path, hash *networking.LoadBalancerSettings_ConsistentHashLB) {
	p := parent.field("consistentHash")
	if hash == nil {
		v.null(p.String())
		return
	}
	switch key := hash.GetHashKey().(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		if key != nil {
			v.hashName(&p, "httpHeaderName", key.HttpHeaderName)
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		if key != nil {
			v.hashName(&p, "httpQueryParameterName", key.HttpQueryParameterName)
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		if key != nil {
			v.cookie(&p, key.HttpCookie)
		}
	}

	//lint:ignore SA1019 deprecated, and in use
	size := hash.GetMinimumRingSize()
	v.ringSize(&p, size)
	if size != 0 {
		if hash.HashAlgorithm != nil {
			v.add(finding.New("WS126", p.at("minimumRingSize"), "minimumRingSize stands beside ringHash or maglev",
				"write ringHash: {minimumRingSize: …} alone"))
		}
		if v.warn {
			v.add(finding.New("WS177", p.at("minimumRingSize"), "minimumRingSize directly under consistentHash is deprecated",
				"write ringHash: {minimumRingSize: …}"))
		}
	}
	switch algorithm := hash.GetHashAlgorithm().(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_RingHash_:
		if algorithm != nil {
			v.ringHash(&p, algorithm.RingHash)
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_Maglev:
		if algorithm != nil {
			v.maglev(&p, algorithm.Maglev)
		}
	}
}

// hashName warns of a name that makes Envoy refuse the route; neither istiod nor the schema looks at it.
func (v *validator) hashName(p *path, field, name string) {
	v.text(p, field, name)
	if name == "" {
		v.envoyRefuses(p.at(field), "an empty name to hash by", "name the header or query parameter")
	}
}

func (v *validator) cookie(parent *path, cookie *networking.LoadBalancerSettings_ConsistentHashLB_HTTPCookie) {
	p := parent.field("httpCookie")
	if cookie == nil {
		v.null(p.String())
		return
	}
	if cookie.GetName() == "" {
		v.missing(p.at("name"), "name the cookie to hash by")
	}
	v.text(&p, "name", cookie.GetName())
	v.text(&p, "path", cookie.GetPath())
	v.writable(&p, "ttl", cookie.GetTtl())
	seen := make(map[string]int, len(cookie.GetAttributes()))
	for i, a := range cookie.GetAttributes() {
		sub := p.entry("attributes", i)
		if a == nil {
			v.null(sub.String())
			continue
		}
		v.text(&sub, "name", a.GetName())
		v.text(&sub, "value", a.GetValue())
		if a.GetName() == "" {
			v.missing(sub.at("name"), "name the attribute")
			continue
		}
		if first, again := seen[a.GetName()]; again {
			v.add(finding.New("WS128", sub.at("name"), fmt.Sprintf("the attribute %q is attributes[%d] too", a.GetName(), first),
				"give each attribute once"))
			continue
		}
		seen[a.GetName()] = i
	}
}

// ringSize checks a size that the API server must read into 64 bits with a sign, and Envoy into its limit.
func (v *validator) ringSize(p *path, n uint64) {
	switch {
	case n > math.MaxInt64:
		v.outOfRange(p.at("minimumRingSize"), strconv.FormatUint(n, 10), "at most "+strconv.Itoa(maxRingSize))
	case n > maxRingSize:
		v.envoyRefuses(p.at("minimumRingSize"), "a ring of "+strconv.FormatUint(n, 10), "write at most "+strconv.Itoa(maxRingSize))
	}
}

func (v *validator) ringHash(parent *path, ring *networking.LoadBalancerSettings_ConsistentHashLB_RingHash) {
	p := parent.field("ringHash")
	if ring == nil {
		v.null(p.String())
		return
	}
	v.ringSize(&p, ring.GetMinimumRingSize())
}

func (v *validator) maglev(parent *path, table *networking.LoadBalancerSettings_ConsistentHashLB_MagLev) {
	p := parent.field("maglev")
	if table == nil {
		v.null(p.String())
		return
	}
	if n := table.GetTableSize(); n > maxTableSize || !isPrime(n) {
		v.add(finding.New("WS127", p.at("tableSize"), strconv.FormatUint(n, 10)+" is no size for a Maglev table",
			"write a prime number below 5000011, such as Envoy's default 65537"))
	}
}

// isPrime takes 1 for a prime, as Envoy and istiod do. n is at most maxTableSize.
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

// backendUtilization follows the schema, which takes any duration. What istiod of release 1.32 refuses is not known, so the
// bound that the API's comments give is a warning.
func (v *validator) backendUtilization(parent *path, balance *networking.LoadBalancerSettings_BackendUtilizationLB) {
	p := parent.field("backendUtilization")
	if balance == nil {
		v.null(p.String())
		return
	}
	v.writable(&p, "weightStabilizationPeriod", balance.GetWeightStabilizationPeriod())
	v.writable(&p, "weightExpirationPeriod", balance.GetWeightExpirationPeriod())
	update := balance.GetWeightUpdatePeriod()
	if v.writable(&p, "weightUpdatePeriod", update) && v.warn && update != nil && update.AsDuration() < minUpdatePeriod {
		v.add(finding.New("WS181", p.at("weightUpdatePeriod"),
			fmt.Sprintf("weightUpdatePeriod is %s, and the comments of Istio's API give 100ms for the least", update.AsDuration()),
			"write 0.1s or more"))
	}
	v.texts(&p, "metricNamesForComputingUtilization", balance.GetMetricNamesForComputingUtilization())
}

// locality follows agent.ValidateLocalityLbSetting. ejects says that the policy has an outlierDetection.
func (v *validator) locality(parent *path, lb *networking.LocalityLoadBalancerSetting, ejects bool) {
	if lb == nil {
		return
	}
	p := parent.field("localityLbSetting")
	if len(lb.GetDistribute()) > 0 && len(lb.GetFailover()) > 0 {
		v.add(finding.New("WS130", p.at("failover"), "failover stands beside distribute", "keep one of the two"))
	}
	v.texts(&p, "failoverPriority", lb.GetFailoverPriority())
	if len(lb.GetFailover()) > 0 {
		v.priorities(&p, lb.GetFailoverPriority())
	}

	var from localities
	for i, d := range lb.GetDistribute() {
		sub := p.entry("distribute", i)
		if d == nil {
			v.null(sub.String())
			continue
		}
		v.localityText(func() string { return sub.at("from") }, d.GetFrom(), &from)
		v.weights(&sub, d.GetTo())
	}
	for i, f := range lb.GetFailover() {
		sub := p.entry("failover", i)
		if f == nil {
			v.null(sub.String())
			continue
		}
		v.failover(&sub, f.GetFrom(), f.GetTo())
	}
	v.failoverNeedsEjection(&p, len(lb.GetFailover())+len(lb.GetFailoverPriority()) > 0, ejects)
}

// zoneAware follows agent.ValidateZoneAwareLbSetting.
func (v *validator) zoneAware(parent *path, lb *networking.ZoneAwareLoadBalancerSetting, ejects bool) {
	if lb == nil {
		return
	}
	p := parent.field("zoneAwareLbSetting")
	v.texts(&p, "failoverPriority", lb.GetFailoverPriority())
	v.priorities(&p, lb.GetFailoverPriority())
	for i, f := range lb.GetFailover() {
		sub := p.entry("failover", i)
		if f == nil {
			v.null(sub.String())
			continue
		}
		v.failover(&sub, f.GetFrom(), f.GetTo())
	}
	if lb.GetMinClusterSize() != nil && lb.GetMinClusterSize().GetValue() == 0 {
		v.outOfRange(p.at("minClusterSize"), "0", "1 or more")
	}
	v.failoverNeedsEjection(&p, len(lb.GetFailover())+len(lb.GetFailoverPriority()) > 0, ejects)
}

// priorities refuses the labels of a locality where regions have an order already.
func (v *validator) priorities(p *path, labels []string) {
	for i, label := range labels {
		switch label {
		case topologyRegion, topologyZone, topologySubzone:
			v.add(finding.New("WS131", p.atEntry("failoverPriority", i),
				fmt.Sprintf("%q ranks localities, which are ranked without it here", label),
				"leave the label out of failoverPriority"))
		}
	}
}

func (v *validator) failover(p *path, from, to string) {
	v.text(p, "from", from)
	v.text(p, "to", to)
	if from == to || strings.ContainsAny(from, "/*") || strings.ContainsAny(to, "/*") {
		v.add(finding.New("WS135", p.String(), fmt.Sprintf("a failover from %q to %q is not from one region to another", from, to),
			"name two regions, without zones and wildcards"))
	}
}

func (v *validator) failoverNeedsEjection(p *path, failover, ejects bool) {
	if v.warn && failover && !ejects {
		v.add(finding.New("WS178", p.String(), "failover does nothing without outlierDetection, which tells what is unhealthy",
			"set outlierDetection in the same policy"))
	}
}

func (v *validator) weights(p *path, to map[string]uint32) {
	start := len(v.findings)
	var total uint64
	for locality, weight := range to {
		total += uint64(weight)
		if weight == 0 || weight > 100 {
			v.weight(p.value("to", locality), fmt.Sprintf("the weight %d is not from 1 to 100", weight))
		}
	}
	v.sortFrom(start)
	if total != 100 {
		v.weight(p.at("to"), fmt.Sprintf("the weights come to %d, not 100", total))
	}

	// istiod walks the map in Go's random order and refuses localities that overlap where it sees the wider one
	// first. In this order the wider one always comes first, so that nothing passes that it may refuse.
	keys := slices.SortedFunc(maps.Keys(to), func(a, b string) int {
		return cmp.Or(-cmp.Compare(width(a), width(b)), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	var seen localities
	for _, locality := range keys {
		v.localityText(func() string { return p.value("to", locality) }, locality, &seen)
	}
}

func (v *validator) weight(path, message string) {
	v.add(finding.New("WS132", path, message, "give each locality a weight from 1 to 100, 100 in all"))
}

// width is 1 for a locality that ends in a wildcard of its own.
func width(locality string) int {
	if locality == "*" || strings.HasSuffix(locality, "/*") {
		return 1
	}
	return 0
}

// localities are those of a list that came before; the zero value is none.
type localities struct {
	seen  map[string]bool
	under map[string]bool // localities within this region or region/zone were seen
}

// localityText checks "region", "region/zone" or "region/zone/subzone", where "*" may stand for the last part
// and all below it, and adds it to those seen.
func (v *validator) localityText(path func() string, locality string, before *localities) {
	switch {
	case !utf8.ValidString(locality):
		v.notUTF8(path(), locality)
	case !isLocality(locality):
		v.add(finding.New("WS133", path(), fmt.Sprintf("%q is no locality", locality),
			`write region/zone/subzone, region/zone or region, with "*" at the end at most`))
	case before.overlaps(locality):
		v.add(finding.New("WS134", path(), fmt.Sprintf("%q overlaps with another locality of the same list", locality),
			"name each place once; a wildcard goes after the localities that it holds"))
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

// overlaps follows validateLocalities in pkg/config/validation/agent: a wildcard may come after what it holds, but
// not before it.
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
