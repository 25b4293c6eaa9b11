// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"cmp"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
)

// A Drop is a port level or subset of a rule with settings of its own but no upgrade policy. Its settings replace those
// of the destination, and with them the policy.
type Drop struct {
	Path   string        // of the entry of portLevelSettings, or of the connectionPool of a subset
	Subset string        // name of the subset; "" for a port level of the destination
	IsPort bool          // reports whether this is an entry of portLevelSettings
	Port   uint32        // port of that entry
	Policy UpgradePolicy // policy that the place does not get
}

// Drops returns the places that would not get the policy p if the rule set p at the destination level only.
// [Rule.WithH2Upgrade] sets p at these places too. A place with useClientProtocol has chosen its protocol and is not among
// them.
func (r *Rule) Drops(p UpgradePolicy) []Drop {
	if r == nil {
		return nil
	}
	return drops(r.Spec, h2UpgradePolicy(p))
}

// The steps of the paths to an upgrade policy.
var (
	specStep              = fieldpath.Name("spec")
	subsetsStep           = fieldpath.Name("subsets")
	trafficPolicyStep     = fieldpath.Name("trafficPolicy")
	portLevelSettingsStep = fieldpath.Name("portLevelSettings")
	connectionPoolStep    = fieldpath.Name("connectionPool")
	httpStep              = fieldpath.Name("http")
	policyStep            = fieldpath.Name("h2UpgradePolicy")
)

// drops returns the places of spec that do not get a policy, if the policy of the destination level is wide.
func drops(spec *networking.DestinationRule, wide h2UpgradePolicy) []Drop {
	var list []Drop
	add := func(d Drop, pool *networking.ConnectionPoolSettings, policy h2UpgradePolicy, path ...fieldpath.Step) {
		if policy == 0 || policyOf(pool) != 0 || pool.GetHttp().GetUseClientProtocol() {
			return
		}
		d.Policy, d.Path = UpgradePolicy(policy), fieldpath.Path(path).String()
		list = append(list, d)
	}
	ports := spec.GetTrafficPolicy().GetPortLevelSettings()
	byPort := make(map[uint32]h2UpgradePolicy, len(ports))
	some := wide // a policy that at least one port has
	for i, s := range ports {
		port := s.GetPort().GetNumber()
		add(Drop{IsPort: true, Port: port}, s.GetConnectionPool(), wide,
			specStep, trafficPolicyStep, portLevelSettingsStep, fieldpath.Index(i))
		if _, again := byPort[port]; !again { // Istio takes the first of two entries for one port
			byPort[port] = policyOf(s.GetConnectionPool())
		}
		some = cmp.Or(some, policyOf(s.GetConnectionPool()))
	}
	for i, s := range spec.GetSubsets() {
		pool := s.GetTrafficPolicy().GetConnectionPool()
		if pool != nil {
			add(Drop{Subset: s.GetName()}, pool, some,
				specStep, subsetsStep, fieldpath.Index(i), trafficPolicyStep, connectionPoolStep)
		}
		for j, entry := range s.GetTrafficPolicy().GetPortLevelSettings() {
			port := entry.GetPort().GetNumber()
			inherited := policyOf(pool)
			if pool == nil {
				inherited = wide
				if own, ok := byPort[port]; ok {
					inherited = own
				}
			}
			add(Drop{Subset: s.GetName(), IsPort: true, Port: port}, entry.GetConnectionPool(), inherited,
				specStep, subsetsStep, fieldpath.Index(i), trafficPolicyStep, portLevelSettingsStep, fieldpath.Index(j))
		}
	}
	return list
}
