// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// PortLevelLosesSetting says that a port would lose a setting by an entry of its own.
var PortLevelLosesSetting = finding.Rule{
	Code: "WS149", Severity: finding.SeverityError,
	Meaning: "A port level has no tunnel, proxyProtocol or retryBudget, and replaces the policy that has one.",
	Source:  "istio/istio pilot/pkg/networking/util/util.go (GetPortLevelTrafficPolicy); istio/api networking/v1alpha3/destination_rule.proto (PortTrafficPolicy)",
}

// WithPortH2Upgrade returns a copy of the rule with the policy for these ports of the host alone: where the host has
// other ports, which speak another protocol. Every other setting is kept, and the rule itself is not changed.
//
// Istio lets a port level inherit nothing. So a port that has no entry in trafficPolicy.portLevelSettings gets one that
// repeats what the destination level sets for it, beside the policy. A subset with a connectionPool of its own replaces
// those entries, and gets entries of its own, with what holds for the port in that subset. Entries that are there
// already keep their settings, and get the policy. Wherever else the rule says UPGRADE it says DO_NOT_UPGRADE then, so
// that no other port is upgraded.
//
// The policy is DoNotUpgrade or Upgrade, and each port is given once. The error is a [*finding.Error] with everything in
// the outcome that Istio would refuse, and with each setting that a port would lose because a port level cannot hold it
// ([PortLevelLosesSetting]); the returned rule is then nil.
func (r *Rule) WithPortH2Upgrade(p UpgradePolicy, ports ...uint32) (*Rule, error) {
	if err := r.written().Err(); err != nil {
		return nil, err
	}
	out := r.clone()
	if out.Spec.GetTrafficPolicy() == nil {
		out.Spec.TrafficPolicy = &networking.TrafficPolicy{}
	}
	destination := out.Spec.GetTrafficPolicy()
	problems := repeatAtPorts(destination, nil, ports, fieldpath.Path{specStep})
	for i, subset := range out.Spec.GetSubsets() {
		if subset.GetTrafficPolicy().GetConnectionPool() != nil {
			problems = append(problems, repeatAtPorts(subset.GetTrafficPolicy(), destination, ports, fieldpath.Path{specStep, subsetsStep, fieldpath.Index(i)})...)
		}
	}
	lowerUpgrades(out.Spec)
	policies := make([]PortPolicy, len(ports))
	for i, port := range ports {
		policies[i] = PortPolicy{Number: port, H2Upgrade: p}
	}
	problems = append(problems, Builder{Ports: policies}.ports(out.Spec)...)
	for _, subset := range out.Spec.GetSubsets() {
		for _, port := range ports {
			if entry := portLevel(subset.GetTrafficPolicy(), port); entry != nil {
				setPolicy(&entry.ConnectionPool, p)
			}
		}
	}
	if isEmpty(destination) {
		out.Spec.TrafficPolicy = nil
	}
	if err := append(problems.WithObject(r.String()), out.Validate().Errors()...).Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// repeatAtPorts gives each port that has no entry in the policy one with what holds for it so far: the policy's own
// settings, and else, for the policy of a subset, those of the destination's entry for the port. The path is that of what
// holds the policy.
func repeatAtPorts(policy, destination *networking.TrafficPolicy, ports []uint32, path fieldpath.Path) finding.List {
	var added bool
	for _, port := range ports {
		if portLevel(policy, port) != nil {
			continue
		}
		added = true
		above := portLevel(destination, port)
		policy.PortLevelSettings = append(policy.PortLevelSettings, &networking.TrafficPolicy_PortTrafficPolicy{
			Port:             &networking.PortSelector{Number: port},
			ConnectionPool:   proto.CloneOf(policy.GetConnectionPool()),
			LoadBalancer:     proto.CloneOf(cmp.Or(policy.GetLoadBalancer(), above.GetLoadBalancer())),
			OutlierDetection: proto.CloneOf(cmp.Or(policy.GetOutlierDetection(), above.GetOutlierDetection())),
			Tls:              proto.CloneOf(cmp.Or(policy.GetTls(), above.GetTls())),
		})
	}
	if !added {
		return nil
	}
	var lost finding.List
	for _, s := range [...]struct {
		name string
		set  bool
	}{
		{"tunnel", policy.GetTunnel() != nil},
		{"proxyProtocol", policy.GetProxyProtocol() != nil},
		{"retryBudget", policy.GetRetryBudget() != nil},
	} {
		if s.set {
			lost = append(lost, finding.New(PortLevelLosesSetting, path.At(trafficPolicyStep, fieldpath.Name(s.name)),
				"a port that gets a policy of its own loses "+s.name+", which no port level can hold",
				"take "+s.name+" out of the rule, or keep one policy for all ports"))
		}
	}
	return lost
}

// portLevel returns the policy's entry for the port, the first of several as istiod does, or nil.
func portLevel(policy *networking.TrafficPolicy, port uint32) *networking.TrafficPolicy_PortTrafficPolicy {
	entries := policy.GetPortLevelSettings()
	if i := slices.IndexFunc(entries, func(e *networking.TrafficPolicy_PortTrafficPolicy) bool {
		return e.GetPort() != nil && e.GetPort().GetNumber() == port
	}); i >= 0 {
		return entries[i]
	}
	return nil
}

// lowerUpgrades turns every UPGRADE of the rule into DO_NOT_UPGRADE.
func lowerUpgrades(spec *networking.DestinationRule) {
	lower := func(pool *networking.ConnectionPoolSettings) {
		if policyOf(pool) == h2UpgradePolicy(Upgrade) {
			pool.Http.H2UpgradePolicy = h2UpgradePolicy(DoNotUpgrade)
		}
	}
	lowerAll := func(policy *networking.TrafficPolicy) {
		lower(policy.GetConnectionPool())
		for _, port := range policy.GetPortLevelSettings() {
			lower(port.GetConnectionPool())
		}
	}
	lowerAll(spec.GetTrafficPolicy())
	for _, subset := range spec.GetSubsets() {
		lowerAll(subset.GetTrafficPolicy())
	}
}
