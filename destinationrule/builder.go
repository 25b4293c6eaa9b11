// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	typev1beta1 "istio.io/api/type/v1beta1"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Builder describes a DestinationRule. Fields that are empty are not written.
//
// If Base is set, the rule begins as a copy of it, and the other fields change that copy. What they do not mention stays as
// it is in Base.
type Builder struct {
	Name, Namespace     string
	Labels, Annotations map[string]string

	// APIVersion is the version of the API to write. If it is empty, the rule has networking.istio.io/v1beta1, which every
	// Istio since 1.5 serves. Istio serves /v1 since 1.22, and /v1alpha3 in every release.
	APIVersion string

	// Host is the host of the Service or ServiceEntry that the rule is for. If it is empty, the rule has the host of Base,
	// or Name if there is no Base. Istio looks up a name without dots in the rule's own namespace, so a full name is better
	// ("websockets-server.default.svc.cluster.local"). A Host that differs from that of Base is an error, because the
	// settings of Base were made for another destination.
	Host string

	// H2Upgrade is the policy at the destination level. It does not reach ports and subsets that have a
	// connectionPool of their own in Base: see [Rule.WithH2Upgrade].
	H2Upgrade UpgradePolicy

	// Ports and Subsets change the entry of Base with the same number or name where there is one, and else are appended.
	Ports   []PortPolicy
	Subsets []SubsetPolicy

	// ExportTo replaces the list of Base. It holds namespaces, "." for the rule's own, or "*" alone.
	ExportTo []string

	// ClientWorkload is written as spec.workloadSelector.matchLabels. It selects client workloads in the rule's own
	// namespace (Istio 1.14 and later). No other client sees the rule, and that includes gateways of other namespaces.
	ClientWorkload map[string]string

	// Base is a spec to begin with, for everything that the fields above do not cover. It is copied and never changed.
	Base *networking.DestinationRule
}

// A PortPolicy is the policy for one port of the Service.
//
// Istio does not let a port inherit anything: the entry replaces the whole policy of the destination for its port,
// load balancing, outlier detection and TLS included.
type PortPolicy struct {
	Number uint32 // the Service's port, 1 to 65535

	// H2Upgrade must be DoNotUpgrade or Upgrade. UpgradeDefault is an error, because it writes nothing: Istio refuses an
	// entry without a setting, and without an entry the port would follow the destination's policy.
	H2Upgrade UpgradePolicy
}

// A SubsetPolicy is one subset of the destination, such as a version of it.
type SubsetPolicy struct {
	Name string

	// Labels select the pods. If they are set, they replace the labels of the subset in Base.
	Labels map[string]string

	// H2Upgrade, unless it is UpgradeDefault, gives the subset a connectionPool of its own. Istio does not merge that with
	// the connectionPool of the destination, but replaces the whole of it for the subset.
	H2Upgrade UpgradePolicy
}

// Build returns the rule that the builder describes. If Istio or Kubernetes would refuse the rule, Build returns nil and a
// [*finding.Error] with every reason. Warnings do not stop it; [Rule.Validate] reports them.
//
// The rule shares no map, slice or message with the builder.
func (b Builder) Build() (*Rule, error) {
	r := &Rule{
		APIVersion: cmp.Or(b.APIVersion, v1beta1), Name: b.Name, Namespace: b.Namespace,
		Labels: maps.Clone(b.Labels), Annotations: maps.Clone(b.Annotations),
		Spec: cmp.Or(proto.CloneOf(b.Base), &networking.DestinationRule{}),
	}
	problems := b.overlay(r.Spec)
	findings := r.Validate().Errors()
	if len(problems) > 0 {
		findings = append(problems.WithObject(r.String()), findings...)
	}
	if err := findings.Err(); err != nil {
		return nil, err
	}
	return r, nil
}

// HostNotOfBase is rule WS141. A builder's host is that of its Base.
var HostNotOfBase = finding.Rule{Code: "WS141", Severity: finding.SeverityError,
	Meaning: "A builder's host is that of its Base.", Source: istioHostName}

// overlay writes the builder's fields into spec, which is a copy of Base, and returns what it cannot write.
func (b Builder) overlay(spec *networking.DestinationRule) finding.List {
	var problems finding.List
	if base := spec.GetHost(); base != "" && b.Host != "" && base != b.Host {
		problems = append(problems, finding.New(HostNotOfBase, "spec.host",
			fmt.Sprintf("the host is %q, and Base is for %q", b.Host, base),
			"leave Host empty to keep Base's, or start from a Base for the same host"))
	}
	spec.Host = cmp.Or(b.Host, spec.GetHost(), b.Name)

	problems = append(problems, layPolicy(&spec.TrafficPolicy, b.H2Upgrade, fieldpath.Path{specStep})...)
	if len(b.Ports) > 0 {
		problems = append(problems, b.ports(spec)...)
	}
	if len(b.Subsets) > 0 {
		problems = append(problems, b.subsets(spec)...)
	}
	if len(b.ExportTo) > 0 {
		spec.ExportTo = slices.Clone(b.ExportTo)
	}
	if len(b.ClientWorkload) > 0 {
		spec.WorkloadSelector = &typev1beta1.WorkloadSelector{MatchLabels: maps.Clone(b.ClientWorkload)}
	}
	return problems
}

// layPolicy writes p into the trafficPolicy of a destination or subset. at is the path of that destination or subset.
func layPolicy(policy **networking.TrafficPolicy, p UpgradePolicy, at fieldpath.Path) finding.List {
	switch {
	case !p.known():
		return finding.List{unknownEnum(at.At(trafficPolicyStep, connectionPoolStep, httpStep, policyStep), p.String(), upgradePolicies)}
	case p == UpgradeDefault:
		return nil
	case *policy == nil:
		*policy = &networking.TrafficPolicy{}
	}
	setPolicy(&(*policy).ConnectionPool, p)
	return nil
}

var (
	// InvalidBuilderPort is rule WS142. A builder's port is from 1 to 65535.
	InvalidBuilderPort = finding.Rule{Code: "WS142", Severity: finding.SeverityError,
		Meaning: "A builder's port is from 1 to 65535.", Source: "Kubernetes API, ServicePort"}
	// PortWithoutPolicy is rule WS144. A builder's port has a policy to write.
	PortWithoutPolicy = finding.Rule{Code: "WS144", Severity: finding.SeverityError,
		Meaning: "A builder's port has a policy to write.",
		Source:  "istio/istio pkg/config/validation/validation.go, validatePortTrafficPolicies"}
)

func (b Builder) ports(spec *networking.DestinationRule) finding.List {
	var problems finding.List
	settings := spec.GetTrafficPolicy().GetPortLevelSettings()
	entries := make(map[uint32]int, len(settings)) // index of the entry of each port; istiod reads the first of several
	for i, s := range settings {
		if _, ok := entries[s.GetPort().GetNumber()]; !ok {
			entries[s.GetPort().GetNumber()] = i
		}
	}
	given := make(map[uint32]int, len(b.Ports))
	for i, port := range b.Ports {
		at, exists := entries[port.Number]
		if !exists {
			at = len(settings)
		}
		path := fieldpath.Path{specStep, trafficPolicyStep, portLevelSettingsStep, fieldpath.Index(at)}
		before := len(problems)
		if port.Number == 0 || port.Number > maxPort {
			problems = append(problems, finding.New(InvalidBuilderPort, path.At(fieldpath.Name("port"), fieldpath.Name("number")),
				fmt.Sprintf("Ports[%d] has the number %d, which no Service port has", i, port.Number),
				"give the number of the Service's port, 1 to 65535"))
		}
		if first, again := given[port.Number]; again {
			problems = append(problems, givenTwice(path.At(fieldpath.Name("port"), fieldpath.Name("number")), "Ports", first, i, strconv.FormatUint(uint64(port.Number), 10)))
		} else {
			given[port.Number] = i
		}
		switch {
		case !port.H2Upgrade.known():
			problems = append(problems, unknownEnum(path.At(connectionPoolStep, httpStep, policyStep), port.H2Upgrade.String(), upgradePolicies))
		case port.H2Upgrade == UpgradeDefault:
			problems = append(problems, finding.New(PortWithoutPolicy, path.At(connectionPoolStep, httpStep, policyStep),
				fmt.Sprintf("Ports[%d] gives port %d UpgradeDefault, which writes nothing", i, port.Number),
				"say DoNotUpgrade or Upgrade, or leave the port out so that it follows the destination"))
		}
		if len(problems) > before {
			continue
		}
		if !exists {
			settings = append(settings, &networking.TrafficPolicy_PortTrafficPolicy{Port: &networking.PortSelector{Number: port.Number}})
			entries[port.Number] = at
		}
		setPolicy(&settings[at].ConnectionPool, port.H2Upgrade)
	}
	if spec.GetTrafficPolicy() == nil && len(settings) > 0 {
		spec.TrafficPolicy = &networking.TrafficPolicy{}
	}
	if spec.GetTrafficPolicy() != nil {
		spec.TrafficPolicy.PortLevelSettings = settings
	}
	return problems
}

func (b Builder) subsets(spec *networking.DestinationRule) finding.List {
	var problems finding.List
	entries := make(map[string]int, len(spec.GetSubsets()))
	for i, s := range spec.GetSubsets() {
		entries[s.GetName()] = i
	}
	given := make(map[string]int, len(b.Subsets))
	for i, subset := range b.Subsets {
		at, exists := entries[subset.Name]
		if !exists {
			at = len(spec.GetSubsets())
		}
		path := fieldpath.Path{specStep, subsetsStep, fieldpath.Index(at)}
		if first, again := given[subset.Name]; again {
			problems = append(problems, givenTwice(path.At(fieldpath.Name("name")), "Subsets", first, i, strconv.Quote(subset.Name)))
			continue
		}
		given[subset.Name] = i
		if !exists {
			spec.Subsets = append(spec.Subsets, &networking.Subset{Name: subset.Name})
			entries[subset.Name] = at
		}
		target := spec.GetSubsets()[at]
		if len(subset.Labels) > 0 {
			target.Labels = maps.Clone(subset.Labels)
		}
		problems = append(problems, layPolicy(&target.TrafficPolicy, subset.H2Upgrade, path)...)
	}
	return problems
}

// GivenTwice is rule WS143. A builder names each port and subset once.
var GivenTwice = finding.Rule{Code: "WS143", Severity: finding.SeverityError,
	Meaning: "A builder names each port and subset once.", Source: istioInheritance}

func givenTwice(path, field string, first, again int, value string) finding.Finding {
	return finding.New(GivenTwice, path,
		fmt.Sprintf("%s[%d] and %s[%d] are both for %s", field, first, field, again, value),
		"give each of them once")
}
