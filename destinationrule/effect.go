// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/names"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// effect warns of settings that Istio accepts and that do not have the effect that they seem to have. It covers what can be
// judged only from the rule as a whole.
func (v *validator) effect(spec *networking.DestinationRule) {
	v.hostEffect(spec)
	v.reach(spec)
	v.selection(spec)
	v.lostPolicies(spec)
}

var (
	// HostTakenForFullName is rule WS161. A host with one dot is a full name to Istio, and not a Service and its
	// namespace.
	HostTakenForFullName = finding.Rule{Code: "WS161", Severity: finding.Warning,
		Meaning: "A host with one dot is a full name to Istio, and not a Service and its namespace.", Source: istioHostName}
	// HostDependsOnNamespace is rule WS162. A host without dots depends on the namespace that the rule is applied to.
	HostDependsOnNamespace = finding.Rule{Code: "WS162", Severity: finding.Warning,
		Meaning: "A host without dots depends on the namespace that the rule is applied to.", Source: istioHostName}
	// WildcardUpgraded is rule WS163. UPGRADE for a wildcard reaches destinations that do not speak HTTP/2.
	WildcardUpgraded = finding.Rule{Code: "WS163", Severity: finding.Warning,
		Meaning: "UPGRADE for a wildcard reaches destinations that do not speak HTTP/2.", Source: "istio/istio#39566"}
	// RuleSetsNothing is rule WS180. A rule without trafficPolicy and subsets does nothing.
	RuleSetsNothing = finding.Rule{Code: "WS180", Severity: finding.Warning,
		Meaning: "A rule without trafficPolicy and subsets does nothing.",
		Source:  "istio/istio pilot/pkg/model/push_context.go, destinationRule"}
)

// hostEffect warns of a host that Istio takes for another one. It follows ResolveShortnameToFQDN in
// pilot/pkg/model/config.go, which looks up a name without a dot in the rule's namespace and takes any other as it is.
func (v *validator) hostEffect(spec *networking.DestinationRule) {
	host := spec.GetHost()
	dots := strings.Count(host, ".")
	wildcard := strings.HasPrefix(host, "*")
	switch {
	case !isWildcardDomain(host):
	case wildcard && upgrades(spec):
		v.add(WildcardUpgraded, v.at("host"),
			fmt.Sprintf("UPGRADE goes to every destination that %q matches, and breaks those that do not speak HTTP/2 or lack a sidecar", host),
			"write a rule for each WebSocket server, with its full name")
	case wildcard:
	case dots == 1 && !strings.HasSuffix(host, "."):
		name, namespace, _ := strings.Cut(host, ".")
		v.add(HostTakenForFullName, v.at("host"),
			fmt.Sprintf("Istio takes %q for a full name, and not for Service %q in namespace %q", host, name, namespace),
			fmt.Sprintf("write \"%s.%s.svc.cluster.local\" for that Service; a host of just this name can stay", name, namespace))
	case dots == 0 && v.namespace == "":
		v.add(HostDependsOnNamespace, v.at("host"),
			fmt.Sprintf("%q is looked up in the namespace that the rule is applied to, whichever that is", host),
			fmt.Sprintf("write \"%s.<namespace>.svc.cluster.local\", or set metadata.namespace", host))
	}
	if spec.GetTrafficPolicy() == nil && len(spec.GetSubsets()) == 0 {
		v.add(RuleSetsNothing, v.here(), "the rule has neither a trafficPolicy nor subsets and does nothing but hide other rules for its host",
			"set a trafficPolicy, or delete the rule")
	}
}

// UpgradeForSomeClients is rule WS166. A workloadSelector or a private exportTo keeps UPGRADE from other clients,
// gateways among them.
var UpgradeForSomeClients = finding.Rule{Code: "WS166", Severity: finding.Warning,
	Meaning: "A workloadSelector or a private exportTo keeps UPGRADE from other clients, gateways among them.",
	Source:  apiDestinationRule + ", workloadSelector and exportTo"}

// reach warns of an upgrade that holds for some clients only. The others, which may be gateways, continue with HTTP/1.1.
func (v *validator) reach(spec *networking.DestinationRule) {
	if !upgrades(spec) {
		return
	}
	field := ""
	switch {
	case spec.GetWorkloadSelector() != nil:
		field = "workloadSelector"
	case len(spec.GetExportTo()) == 1 && (spec.GetExportTo()[0] == "." || spec.GetExportTo()[0] == v.namespace):
		field = "exportTo"
	default:
		return
	}
	v.add(UpgradeForSomeClients, v.at(field), "UPGRADE does not reach clients outside the rule's own namespace, among them gateways of other namespaces",
		"leave "+field+" out where all clients are to be upgraded")
}

// SelectorWithoutLabels is rule WS172. A workloadSelector without labels selects everything.
var SelectorWithoutLabels = finding.Rule{Code: "WS172", Severity: finding.Warning,
	Meaning: "A workloadSelector without labels selects everything.",
	Source:  "istio/istio pkg/config/validation/validation.go, validateWorkloadSelector"}

// selection warns of labels that no pod can carry, and of a selector without labels.
func (v *validator) selection(spec *networking.DestinationRule) {
	v.enter("subsets")
	for i, s := range spec.GetSubsets() {
		v.enterItem(i)
		v.impossible("labels", s.GetLabels())
		v.leave()
	}
	v.leave()
	if spec.GetWorkloadSelector() == nil {
		return
	}
	v.enter("workloadSelector")
	defer v.leave()
	v.impossible("matchLabels", spec.GetWorkloadSelector().GetMatchLabels())
	if len(spec.GetWorkloadSelector().GetMatchLabels()) == 0 {
		v.add(SelectorWithoutLabels, v.here(), "the workload selector has no labels, so it selects all workloads of the rule's namespace",
			"write matchLabels, or leave workloadSelector out")
	}
}

// LabelOfNoPod is rule WS173. A label that no pod can carry selects nothing.
var LabelOfNoPod = finding.Rule{Code: "WS173", Severity: finding.Warning,
	Meaning: "A label that no pod can carry selects nothing.",
	Source:  "k8s.io/apimachinery pkg/util/validation, IsQualifiedName and IsValidLabelValue"}

func (v *validator) impossible(field string, labels map[string]string) {
	start := len(v.findings)
	for key, value := range labels {
		reason := names.QualifiedName(key)
		if reason == "" {
			if reason = names.LabelValue(value); reason != "" {
				reason = "value " + reason
			}
		}
		if reason != "" {
			v.add(LabelOfNoPod, v.atKey(field, key), fmt.Sprintf("no pod can carry the label %q: %q, whose %s", key, value, reason),
				"write a label as the pods have it")
		}
	}
	v.sortFrom(start)
}

var (
	// PortLevelDropsPolicy is rule WS164. A port level does not inherit h2UpgradePolicy.
	PortLevelDropsPolicy = finding.Rule{Code: "WS164", Severity: finding.Warning,
		Meaning: "A port level does not inherit h2UpgradePolicy.", Source: istioInheritance}
	// SubsetDropsPolicy is rule WS165. A subset with a connectionPool of its own does not inherit h2UpgradePolicy.
	SubsetDropsPolicy = finding.Rule{Code: "WS165", Severity: finding.Warning,
		Meaning: "A subset with a connectionPool of its own does not inherit h2UpgradePolicy.", Source: istioInheritance}
)

// lostPolicies warns of each port level and subset that drops the policy of the destination.
func (v *validator) lostPolicies(spec *networking.DestinationRule) {
	for _, d := range drops(spec, policyOf(spec.GetTrafficPolicy().GetConnectionPool())) {
		policy := h2UpgradePolicy(d.Policy)
		if d.IsPort {
			v.add(PortLevelDropsPolicy, d.Path,
				fmt.Sprintf("the entry replaces the whole policy for port %d, which so loses h2UpgradePolicy %s", d.Port, policy),
				"write h2UpgradePolicy in the entry's connectionPool too")
			continue
		}
		v.add(SubsetDropsPolicy, d.Path,
			fmt.Sprintf("the connection pool replaces the one with h2UpgradePolicy %s, which the subset %q so loses", policy, d.Subset),
			"write h2UpgradePolicy here too")
	}
}

func policyOf(pool *networking.ConnectionPoolSettings) h2UpgradePolicy {
	return pool.GetHttp().GetH2UpgradePolicy()
}

// upgrades reports whether the rule says UPGRADE anywhere.
func upgrades(spec *networking.DestinationRule) bool {
	return upgradesIn(spec.GetTrafficPolicy()) || slices.ContainsFunc(spec.GetSubsets(), func(s *networking.Subset) bool { return upgradesIn(s.GetTrafficPolicy()) })
}

func upgradesIn(policy *networking.TrafficPolicy) bool {
	const upgrade = networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
	return policyOf(policy.GetConnectionPool()) == upgrade ||
		slices.ContainsFunc(policy.GetPortLevelSettings(), func(s *networking.TrafficPolicy_PortTrafficPolicy) bool {
			return policyOf(s.GetConnectionPool()) == upgrade
		})
}
