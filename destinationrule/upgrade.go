// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// UpgradePolicy is a value of connectionPool.http.h2UpgradePolicy: whether client proxies upgrade their HTTP/1.1
// connections to a destination to HTTP/2.
type UpgradePolicy int

// The upgrade policies.
const (
	// UpgradeDefault writes nothing, so that Istio follows MeshConfig.h2UpgradePolicy, which is DO_NOT_UPGRADE if the mesh
	// does not set it. DEFAULT itself is never written: it is the zero value of the enum, which protobuf leaves out, and
	// the empty blocks that would stay are ones that Istio refuses in places.
	UpgradeDefault UpgradePolicy = iota
	// DoNotUpgrade keeps connections at HTTP/1.1, even if the policy of the mesh is UPGRADE.
	DoNotUpgrade
	// Upgrade makes client proxies speak HTTP/2 to the destination, whatever the protocol of the port (Istio 1.8
	// and later; pilot/pkg/networking/core/cluster_traffic_policy.go, shouldH2Upgrade).
	Upgrade
)

// The name and number of each policy are those of Istio's enum.
type h2UpgradePolicy = networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy

// String returns Istio's name of the policy: "DEFAULT", "DO_NOT_UPGRADE" or "UPGRADE".
func (p UpgradePolicy) String() string {
	if !p.known() {
		return "UpgradePolicy(" + strconv.Itoa(int(p)) + ")"
	}
	return h2UpgradePolicy(p).String()
}

func (p UpgradePolicy) known() bool { return p >= UpgradeDefault && p <= Upgrade }

// WithH2Upgrade returns a copy of the rule with the policy at the destination level and at every place that
// would otherwise lose it. Every other setting is kept, and the rule itself is not changed.
//
// In Istio the more specific places do not inherit the policy (pilot/pkg/networking/util/util.go,
// GetPortLevelTrafficPolicy and MergeSubsetTrafficPolicy). So these get it too:
//
//   - each entry of trafficPolicy.portLevelSettings, because it replaces the whole policy for its port;
//   - each subset with a connectionPool of its own, because that replaces the whole connectionPool of the destination;
//   - each entry of portLevelSettings inside a subset's trafficPolicy.
//
// A subset without a connectionPool inherits that of the destination and stays as it is. [Rule.Drops] returns the places
// that had no policy.
//
// With [UpgradeDefault] the field is removed from all these places, together with blocks that become empty. An empty block
// that keeps a port or subset from inheriting the destination's settings stays as "connectionPool: {http: {}}", which Istio
// accepts.
//
// If Istio would refuse the new rule, WithH2Upgrade returns nil and a [*finding.Error] with every reason. The most common
// one is UPGRADE where useClientProtocol is true.
func (r *Rule) WithH2Upgrade(p UpgradePolicy) (*Rule, error) {
	if err := r.written().Err(); err != nil {
		return nil, err
	}
	if !p.known() {
		path := fieldpath.Path{specStep, trafficPolicyStep, connectionPoolStep, httpStep, policyStep}
		return nil, finding.List{unknownEnum(path.String(), p.String(), upgradePolicies)}.WithObject(r.String()).Err()
	}
	out := r.clone()
	if p == UpgradeDefault {
		removePolicy(out.Spec)
	} else {
		spreadPolicy(out.Spec, p)
	}
	if err := out.Validate().Errors().Err(); err != nil {
		return nil, err
	}
	return out, nil
}

func spreadPolicy(spec *networking.DestinationRule, p UpgradePolicy) {
	if spec.GetTrafficPolicy() == nil {
		spec.TrafficPolicy = &networking.TrafficPolicy{}
	}
	setPolicy(&spec.TrafficPolicy.ConnectionPool, p)
	for _, port := range spec.GetTrafficPolicy().GetPortLevelSettings() {
		setPolicy(&port.ConnectionPool, p)
	}
	for _, subset := range spec.GetSubsets() {
		if subset.GetTrafficPolicy().GetConnectionPool() != nil {
			setPolicy(&subset.TrafficPolicy.ConnectionPool, p)
		}
		for _, port := range subset.GetTrafficPolicy().GetPortLevelSettings() {
			setPolicy(&port.ConnectionPool, p)
		}
	}
}

// setPolicy writes p into the pool, which it creates if there is none.
func setPolicy(pool **networking.ConnectionPoolSettings, p UpgradePolicy) {
	if *pool == nil {
		*pool = &networking.ConnectionPoolSettings{}
	}
	if (*pool).GetHttp() == nil {
		(*pool).Http = &networking.ConnectionPoolSettings_HTTPSettings{}
	}
	(*pool).Http.H2UpgradePolicy = h2UpgradePolicy(p)
}

func removePolicy(spec *networking.DestinationRule) {
	// The destination level inherits nothing. It comes first, because what is left of it decides what the other places
	// would inherit.
	policy := spec.GetTrafficPolicy()
	if policy != nil {
		prunePool(&policy.ConnectionPool, false)
		policy.PortLevelSettings = prunePorts(policy.GetPortLevelSettings(), settles(policy))
		if isEmpty(policy) {
			spec.TrafficPolicy = nil
		}
	}
	for _, subset := range spec.GetSubsets() {
		own := subset.GetTrafficPolicy()
		if own == nil {
			continue
		}
		prunePool(&own.ConnectionPool, hasPool(spec.GetTrafficPolicy()))
		inherits := settles(own) || spec.GetTrafficPolicy() != nil
		own.PortLevelSettings = prunePorts(own.GetPortLevelSettings(), inherits)
		if isEmpty(own) {
			subset.TrafficPolicy = nil
		}
	}
}

// prunePool removes the policy from the pool, and the pool itself if that leaves it empty. If shields is set, an empty pool
// stays, because without it the place would inherit another pool.
func prunePool(pool **networking.ConnectionPoolSettings, shields bool) {
	http := (*pool).GetHttp()
	if http.GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_DEFAULT {
		return
	}
	http.H2UpgradePolicy = networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
	if !isEmpty(http) || shields && (*pool).GetTcp() == nil {
		return
	}
	if (*pool).GetTcp() != nil {
		(*pool).Http = nil
		return
	}
	*pool = nil
}

// prunePorts removes the policy from each entry. An entry that sets nothing else is removed too, unless its port would then
// inherit other settings: it stays with an empty pool.
func prunePorts(ports []*networking.TrafficPolicy_PortTrafficPolicy, inherits bool) []*networking.TrafficPolicy_PortTrafficPolicy {
	kept := ports[:0]
	for _, port := range ports {
		alone := port.GetLoadBalancer() == nil && port.GetOutlierDetection() == nil && port.GetTls() == nil
		hadPool := port.GetConnectionPool() != nil
		prunePool(&port.ConnectionPool, alone && inherits)
		if alone && hadPool && port.GetConnectionPool() == nil {
			continue
		}
		kept = append(kept, port)
	}
	return kept
}

// settles reports whether the policy has settings that a port or subset would inherit: any but port levels.
func settles(p *networking.TrafficPolicy) bool {
	return p.GetConnectionPool() != nil || p.GetLoadBalancer() != nil || p.GetOutlierDetection() != nil || p.GetTls() != nil ||
		p.GetTunnel() != nil || p.GetProxyProtocol() != nil || p.GetRetryBudget() != nil
}

// hasPool reports whether the policy has a connectionPool, for all ports or for one.
func hasPool(p *networking.TrafficPolicy) bool {
	return p.GetConnectionPool() != nil || slices.ContainsFunc(p.GetPortLevelSettings(), func(port *networking.TrafficPolicy_PortTrafficPolicy) bool {
		return port.GetConnectionPool() != nil
	})
}

// isEmpty reports whether the message would be written as {}.
func isEmpty(m proto.Message) bool { return proto.Size(m) == 0 }
