// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/traffic"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// istioLookup is where istiod finds the rule of a host.
const istioLookup = "istio/istio pilot/pkg/model/push_context.go (destinationRule)"

// DestinationRules in the light of the mesh's releases.
var (
	// UpgradeBeforeBoundary is rule WS440. UPGRADE is documented for meshes whose every release is 1.12 or later.
	UpgradeBeforeBoundary = finding.Rule{Code: "WS440", Severity: finding.Warning,
		Meaning: "UPGRADE is documented for meshes whose every release is 1.12 or later.",
		Source:  "Alibaba Cloud Service Mesh documents (WebSocket over HTTP/2 from Istio 1.12 on); upstream code shows no change there, istio/istio#33534"}
	// VersionNotServed is rule WS446. The apiVersion of a DestinationRule must be one that every control plane of the
	// mesh serves.
	VersionNotServed = finding.Rule{Code: "WS446", Severity: finding.SeverityError,
		Meaning: "The apiVersion of a DestinationRule must be one that every control plane of the mesh serves.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml (v1beta1 since 1.5, v1 since 1.22)"}
	// PolicyIgnored is rule WS447. Istio before 1.6 accepts h2UpgradePolicy and ignores it.
	PolicyIgnored = finding.Rule{Code: "WS447", Severity: finding.Warning,
		Meaning: "Istio before 1.6 accepts h2UpgradePolicy and ignores it.",
		Source:  "istio/istio#21809 (commit 65db4113895)"}
	// ReplacesMeshPool is rule WS449. From Istio 1.31 on, a connectionPool in a DestinationRule replaces that of
	// MeshConfig.defaultTrafficPolicy for the host.
	ReplacesMeshPool = finding.Rule{Code: "WS449", Severity: finding.Warning,
		Meaning: "From Istio 1.31 on, a connectionPool in a DestinationRule replaces that of MeshConfig.defaultTrafficPolicy for the host.",
		Source:  "istio/istio releasenotes/notes/mesh-default-traffic-policy.yaml@release-1.31"}
	// HeaderCaseKeepsHTTP1 is rule WS451. From Istio 1.28 on, preserveHttp1HeaderCase keeps HTTP/1.1 to ports named for
	// HTTP in spite of UPGRADE.
	HeaderCaseKeepsHTTP1 = finding.Rule{Code: "WS451", Severity: finding.Info,
		Meaning: "From Istio 1.28 on, preserveHttp1HeaderCase keeps HTTP/1.1 to ports named for HTTP in spite of UPGRADE.",
		Source:  "istio/istio commit 531c61709aa, pilot/pkg/networking/core/cluster_builder.go"}
	// LimitsWebSockets is rule WS366. Each open WebSocket counts as a connection over HTTP/1.1 and as a request over
	// both protocols, for as long as it is open.
	LimitsWebSockets = finding.Rule{Code: "WS366", Severity: finding.Info,
		Meaning: "Each open WebSocket counts as a connection over HTTP/1.1 and as a request over both protocols, for as long as it is open.",
		Source:  "Envoy docs intro/arch_overview/upstream/circuit_breaking; measured on Envoy 1.40.0"}
	// FieldTooNew is rule WS452. A field or value that a control plane's release does not have yet is refused or dropped
	// there.
	FieldTooNew = finding.Rule{Code: "WS452", Severity: finding.Warning,
		Meaning: "A field or value that a control plane's release does not have yet is refused or dropped there.",
		Source:  "istio/api networking/v1alpha3/destination_rule.proto and envoy_filter.proto, by release branch"}
)

// rulesAlone looks at each rule for itself, in the light of the mesh's releases.
func (a *auditor) rulesAlone() {
	baseline := slices.IndexFunc(a.Meshes, func(m *traffic.Mesh) bool { return m.Config.ConnectionPool })
	keepsCase := slices.IndexFunc(a.Meshes, func(m *traffic.Mesh) bool { return m.Config.PreserveHTTP1HeaderCase })
	for _, r := range a.Rules {
		a.servedVersion(r)
		a.newFields(r.Object, ruleFields(r.Spec))
		if len(r.Sites) > 0 && !a.Every(version.H2UpgradeImplemented) {
			a.add(PolicyIgnored, r.Object, r.Sites[0].Path, fmt.Sprintf("Istio %s accepts h2UpgradePolicy %s and ignores it", a.OldestControlPlane, r.Sites[0].Policy),
				"upgrade Istio to 1.6 or later")
		}
		if pool := r.Spec.GetTrafficPolicy().GetConnectionPool(); pool != nil && baseline >= 0 && a.Some(version.DefaultTrafficPolicy) {
			a.add(ReplacesMeshPool, r.Object, "spec.trafficPolicy.connectionPool",
				"this connectionPool takes the place of that in defaultTrafficPolicy of "+a.Meshes[baseline].String()+" for the host",
				"repeat the settings of the mesh here")
		}
		a.limits(r)
		site := r.Upgrades()
		if site == nil {
			continue
		}
		if minimum := version.UpgradeBoundary.Since; a.Oldest.Compare(minimum) < 0 {
			a.add(UpgradeBeforeBoundary, r.Object, site.Path, fmt.Sprintf("h2UpgradePolicy is UPGRADE, and the oldest release of the mesh is %s, earlier than %s", a.Oldest, minimum),
				"set DO_NOT_UPGRADE until every control plane and proxy is upgraded")
		}
		if keepsCase >= 0 && a.Some(version.HeaderCaseKeepsHTTP1) {
			a.add(HeaderCaseKeepsHTTP1, r.Object, site.Path, "UPGRADE has no effect on ports named for HTTP, since preserveHttp1HeaderCase is on in "+a.Meshes[keepsCase].String(),
				"remove one of the two")
		}
	}
}

// limits reports how many WebSockets a client's proxy may open to the host of a rule that is about WebSockets.
func (a *auditor) limits(r *traffic.Rule) {
	if len(r.Sites) == 0 && !slices.ContainsFunc(a.Reached(r.Host), func(s *traffic.Service) bool {
		return slices.ContainsFunc(s.Ports, func(p manifests.ServicePort) bool { return a.SaysWebSocket(s, slices.Index(s.Ports, p)) })
	}) {
		return
	}
	limit := func(n int32, path, message string) {
		if a.limit == 0 || uint32(n) < a.limit {
			a.limit = uint32(n)
		}
		a.add(LimitsWebSockets, r.Object, path, message, "set it to the number that one client needs, or leave it out: Istio sets none")
	}
	for _, pool := range r.Pools() {
		upgrade := pool.GetHttp().GetH2UpgradePolicy() == traffic.Upgrade
		if n := pool.GetTcp().GetMaxConnections(); n > 0 && !upgrade {
			limit(n, pool.Path+".tcp.maxConnections", fmt.Sprintf("the proxy of a client opens at most %d WebSockets over HTTP/1.1, and the handshake of the next one hangs", n))
		}
		if n := pool.GetHttp().GetHttp2MaxRequests(); n > 0 {
			limit(n, pool.Path+".http.http2MaxRequests", fmt.Sprintf("the proxy of a client opens at most %d WebSockets, over HTTP/1.1 and HTTP/2 alike, and the next one gets 503", n))
		}
	}
}

func (a *auditor) servedVersion(r *traffic.Rule) {
	served := true
	switch r.APIVersion {
	case istio.NetworkingV1:
		served = a.Every(version.NetworkingV1)
	case istio.NetworkingV1beta1:
		served = a.Every(version.NetworkingV1beta1)
	}
	if !served {
		a.add(VersionNotServed, r.Object, "apiVersion", fmt.Sprintf("Istio %s does not serve DestinationRules as %s", a.OldestControlPlane, r.APIVersion), "write "+a.wantedVersion())
	}
}

// wantedVersion is the apiVersion that every control plane serves.
func (a *auditor) wantedVersion() string {
	if a.Every(version.NetworkingV1beta1) {
		return istio.NetworkingV1beta1
	}
	return istio.NetworkingV1alpha3
}

// A usedField is a field that an object sets, and since when there is one.
type usedField struct {
	path  string
	since version.Feature
}

func ruleFields(spec *networking.DestinationRule) []usedField {
	var used []usedField
	if spec.GetWorkloadSelector() != nil {
		used = append(used, usedField{"spec.workloadSelector", version.ClientWorkloadSelector})
	}
	pool := spec.GetTrafficPolicy().GetConnectionPool()
	const path = "spec.trafficPolicy.connectionPool."
	for _, f := range [...]struct {
		set   bool
		field usedField
	}{
		{pool.GetHttp().GetUseClientProtocol(), usedField{path + "http.useClientProtocol", version.UseClientProtocol}},
		{pool.GetTcp().GetMaxConnectionDuration() != nil, usedField{path + "tcp.maxConnectionDuration", version.MaxConnectionDuration}},
		{pool.GetTcp().GetIdleTimeout() != nil, usedField{path + "tcp.idleTimeout", version.TCPIdleTimeout}},
		{pool.GetHttp().GetMaxConcurrentStreams() != 0, usedField{path + "http.maxConcurrentStreams", version.MaxConcurrentStreams}},
		{pool.GetHttp().GetHttp2KeepAlive() != nil, usedField{path + "http.http2KeepAlive", version.HTTP2KeepAlive}},
	} {
		if f.set {
			used = append(used, f.field)
		}
	}
	return used
}

func (a *auditor) newFields(o *manifests.Object, used []usedField) {
	for _, f := range used {
		if !a.Every(f.since) {
			a.add(FieldTooNew, o, f.path, fmt.Sprintf("Istio %s does not have what stands here, which came with %s", a.OldestControlPlane, f.since.Since),
				"leave it out until every control plane is "+f.since.Since.String()+" or later")
		}
	}
}

// DestinationRules beside each other.
var (
	// SameHost is rule WS351. Of several DestinationRules for one host in one namespace, the oldest with a trafficPolicy
	// holds whole, and the others' is ignored.
	SameHost = finding.Rule{Code: "WS351", Severity: finding.Warning,
		Meaning: "Of several DestinationRules for one host in one namespace, the oldest with a trafficPolicy holds whole, and the others' is ignored.",
		Source:  "istio/istio pilot/pkg/model/destination_rule.go (mergeDestinationRule); istio/istio#51545"}
	// HidesOwnRule is rule WS352. A DestinationRule in the clients' own namespace hides the one in the Service's
	// namespace from them.
	HidesOwnRule = finding.Rule{Code: "WS352", Severity: finding.Warning,
		Meaning: "A DestinationRule in the clients' own namespace hides the one in the Service's namespace from them.",
		Source:  istioLookup}
	// HiddenInRoot is rule WS353. A DestinationRule in Istio's root namespace is hidden by one in the Service's
	// namespace.
	HiddenInRoot = finding.Rule{Code: "WS353", Severity: finding.Warning,
		Meaning: "A DestinationRule in Istio's root namespace is hidden by one in the Service's namespace.",
		Source:  istioLookup}
	// WildcardNotInherited is rule WS354. A DestinationRule for a name inherits nothing from one for a wildcard that the
	// name matches.
	WildcardNotInherited = finding.Rule{Code: "WS354", Severity: finding.Warning,
		Meaning: "A DestinationRule for a name inherits nothing from one for a wildcard that the name matches.",
		Source:  "istio/istio pilot/pkg/model/push_context.go (MostSpecificHostMatch)"}
	// HostIsNoService is rule WS359. A DestinationRule whose host is no Service does nothing.
	HostIsNoService = finding.Rule{Code: "WS359", Severity: finding.Warning,
		Meaning: "A DestinationRule whose host is no Service does nothing.",
		Source:  "istio/istio pkg/config/analysis/msg/messages.yaml (IST0174)"}
)

// rulesTogether finds the rules that are not used, because another one stands before them.
func (a *auditor) rulesTogether() {
	for _, r := range a.Rules {
		if r.IsWildcard() {
			a.wildcardHides(r)
			continue
		}
		a.sameHost(r)
		a.wildcardBehind(r)
		service := a.Service(r.Host)
		if service == nil {
			a.unknownHost(r)
			continue
		}
		a.otherNamespace(r, service)
	}
}

// sameHost reports that another rule of the namespace is for the same host.
func (a *auditor) sameHost(r *traffic.Rule) {
	first := a.First(r)
	if first == nil || first == r {
		return
	}
	message := fmt.Sprintf("%s is for the host %q too, and only the trafficPolicy of the older of the two has effect", first, r.Host)
	if first.KnownOlder(r) {
		message = fmt.Sprintf("%s is for the host %q too and is older, and so this rule's trafficPolicy has no effect", first, r.Host)
	}
	a.add(SameHost, r.Object, "spec.host", message, "write one DestinationRule for the host")
}

// unknownHost reports a host that no Service has, where one has a name that is nearly the same. That a Service is not among
// the manifests does not say that there is none.
func (a *auditor) unknownHost(r *traffic.Rule) {
	if s := a.mistyped(r); s != nil {
		a.add(HostIsNoService, r.Object, "spec.host", fmt.Sprintf("no Service of %q is among the manifests, and there is a %s that no rule is for", r.Host, s),
			fmt.Sprintf("if that is meant, write %q", s.Host))
	}
}

// mistyped returns the Service of the same namespace whose name differs from the rule's host in a letter or two, and that
// no other rule is for.
func (a *auditor) mistyped(r *traffic.Rule) *traffic.Service {
	name, isService := strings.CutSuffix(r.Host, ".svc."+a.Domain)
	name, namespace, _ := strings.Cut(name, ".")
	if !isService || a.IsExternal(r.Host) || len(name) < 4 {
		return nil
	}
	for _, s := range a.ServicesIn(namespace) {
		if len(a.RulesFor(s)) == 0 && nearly(name, s.Name) {
			return s
		}
	}
	return nil
}

// nearly reports whether one letter more, less or other makes b of a, or two letters change places.
func nearly(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	switch len(a) - len(b) {
	case 0:
		return i < len(a) && (a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:])
	case 1:
		return a[i+1:] == b[i:]
	}
	return false
}

// otherNamespace reports a rule that hides the one in the Service's namespace, or is hidden by it.
func (a *auditor) otherNamespace(r *traffic.Rule, service *traffic.Service) {
	ns := service.InNamespace()
	if r.InNamespace() == ns || r.ForSomeClients() {
		return
	}
	for _, own := range a.RulesFor(service) {
		if own.InNamespace() != ns || own.ForSomeClients() {
			continue
		}
		switch {
		case r.InNamespace() == a.Root && own.Exported():
			a.add(HiddenInRoot, r.Object, "spec.host", fmt.Sprintf("%s stands before this rule, which no client uses", own), "set what is needed in that rule, and delete this one")
			return
		case r.InNamespace() != a.Root && differ(r, own, service):
			a.hides(r, own)
			return
		}
	}
}

func (a *auditor) hides(r, own *traffic.Rule) {
	a.add(HidesOwnRule, r.Object, "spec.host", fmt.Sprintf("for clients of the namespace %s this rule takes the place of %s, whose h2UpgradePolicy is another", r.InNamespace(), own),
		"set the same h2UpgradePolicy here, or delete this rule")
}

// differ reports whether two rules give a port of the Service different policies.
func differ(x, y *traffic.Rule, service *traffic.Service) bool {
	for _, p := range service.Ports {
		if x.PolicyFor(p.Port) != y.PolicyFor(p.Port) {
			return true
		}
	}
	return false
}

// wildcardBehind reports a rule that keeps a wildcard's policy from its host.
func (a *auditor) wildcardBehind(r *traffic.Rule) {
	if len(r.Sites) > 0 || r.ForSomeClients() {
		return
	}
	for _, w := range a.Wildcards() {
		if w.InNamespace() == r.InNamespace() && traffic.Matches(w.Host, r.Host) && len(w.Sites) > 0 {
			a.add(WildcardNotInherited, r.Object, "spec.host", fmt.Sprintf("%s has h2UpgradePolicy %s for %q, which this rule for a single host does not inherit",
				w, w.Sites[0].Policy, w.Spec.GetHost()), "set h2UpgradePolicy here too")
			return
		}
	}
}

// wildcardHides reports a wildcard in a client's namespace that hides the rules of other namespaces.
func (a *auditor) wildcardHides(r *traffic.Rule) {
	if r.InNamespace() == a.Root || r.ForSomeClients() {
		return
	}
	for _, service := range a.Reached(r.Host) {
		for _, own := range a.RulesFor(service) {
			if own.InNamespace() != r.InNamespace() && own.InNamespace() == service.InNamespace() && differ(r, own, service) {
				a.hides(r, own)
				return
			}
		}
	}
}

// GivenTwice is reported for all but the first of several objects with one name.
var GivenTwice = finding.Rule{Code: "WS993", Severity: finding.Warning,
	Meaning: "An object that is given twice is applied twice, and the last one stays.",
	Source:  "kubernetes/kubectl pkg/cmd/apply"}
