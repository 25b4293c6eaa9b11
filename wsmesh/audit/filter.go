// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"strconv"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/traffic"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The places that several rules come from.
const (
	istioPatch      = "istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go"
	istioProxyMatch = "istio/istio pilot/pkg/model/envoyfilter.go (proxyMatch)"
)

// Which proxies an EnvoyFilter reaches.
var (
	// UnneededAllowConnect is rule WS342. An EnvoyFilter that accepts WebSocket over HTTP/2 has no use where no client
	// speaks HTTP/2 to the workload.
	UnneededAllowConnect = finding.Rule{Code: "WS342", Severity: finding.Info,
		Meaning: "An EnvoyFilter that accepts WebSocket over HTTP/2 has no use where no client speaks HTTP/2 to the workload.",
		Source:  "Envoy docs intro/arch_overview/http/upgrades"}
	// SelectsNoWorkload is rule WS343. An EnvoyFilter whose labels select no workload does nothing, without a word.
	SelectsNoWorkload = finding.Rule{Code: "WS343", Severity: finding.Warning,
		Meaning: "An EnvoyFilter whose labels select no workload does nothing, without a word.",
		Source:  istioFilters}
	// WorkloadsElsewhere is rule WS344. An EnvoyFilter selects workloads of its own namespace, and of others only from
	// Istio's root namespace.
	WorkloadsElsewhere = finding.Rule{Code: "WS344", Severity: finding.Warning,
		Meaning: "An EnvoyFilter selects workloads of its own namespace, and of others only from Istio's root namespace.",
		Source:  istioFilters}
	// TargetRefsMissSidecars is rule WS345. An EnvoyFilter with targetRefs reaches no sidecar.
	TargetRefsMissSidecars = finding.Rule{Code: "WS345", Severity: finding.Warning,
		Meaning: "An EnvoyFilter with targetRefs reaches no sidecar.",
		Source:  "istio/istio pilot/pkg/model/policyattachment.go"}
	// FilterForWholeMesh is rule WS349. In Istio's root namespace an EnvoyFilter without a selector applies to every
	// proxy of the mesh.
	FilterForWholeMesh = finding.Rule{Code: "WS349", Severity: finding.Warning,
		Meaning: "In Istio's root namespace an EnvoyFilter without a selector applies to every proxy of the mesh.",
		Source:  istioFilters}
	// FilterForAllNamespaces is rule WS350. In Istio's root namespace an EnvoyFilter selects workloads of every
	// namespace.
	FilterForAllNamespaces = finding.Rule{Code: "WS350", Severity: finding.Info,
		Meaning: "In Istio's root namespace an EnvoyFilter selects workloads of every namespace.",
		Source:  istioFilters}
	// RevisionReadsAlone is rule WS357. An object with the label istio.io/rev is read by the control plane of that
	// revision alone.
	RevisionReadsAlone = finding.Rule{Code: "WS357", Severity: finding.Warning,
		Meaning: "An object with the label istio.io/rev is read by the control plane of that revision alone.",
		Source:  "istio/istio pkg/config/model.go (ObjectInRevision)"}
	// TargetRefsIgnored is rule WS448. istiod before 1.27 ignores targetRefs: the EnvoyFilter applies to every workload
	// of its namespace.
	TargetRefsIgnored = finding.Rule{Code: "WS448", Severity: finding.Warning,
		Meaning: "istiod before 1.27 ignores targetRefs: the EnvoyFilter applies to every workload of its namespace.",
		Source:  "istio/istio#56476; " + istioFilters}
)

// filtersAlone looks at each filter in the light of the mesh, after all that needs filters is known.
func (a *auditor) filtersAlone() {
	for _, f := range a.Filters {
		reaches := a.target(f)
		a.newFields(f.Object, filterFields(f))
		for _, p := range f.Patches {
			a.proxyVersion(f, p)
			if p.Connects() {
				a.connect(f, p)
			}
			if said := len(a.hits[f.Object]); reaches {
				if a.harms(f, p); len(a.hits[f.Object]) > said {
					a.harmful[f] = true
				}
			}
		}
	}
}

func filterFields(f *traffic.Filter) []usedField {
	var used []usedField
	if f.Spec.GetPriority() != 0 {
		used = append(used, usedField{"spec.priority", version.EnvoyFilterPriority})
	}
	if len(f.Spec.GetTargetRefs()) > 0 {
		used = append(used, usedField{"spec.targetRefs", version.TargetRefsField})
	}
	for _, p := range f.Patches {
		switch p.GetPatch().GetOperation() {
		case networking.EnvoyFilter_Patch_REPLACE:
			used = append(used, usedField{p.Path + ".patch.operation", version.ReplaceOperation})
		case networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST:
			used = append(used, usedField{p.Path + ".patch.operation", version.MergeAndReplaceList})
		}
		if p.GetApplyTo() == networking.EnvoyFilter_LISTENER_FILTER {
			used = append(used, usedField{p.Path + ".applyTo", version.ListenerFilterPatch})
		}
	}
	return used
}

// target reports which workloads the filter reaches other than it seems to. It returns false where it is known to reach none.
func (a *auditor) target(f *traffic.Filter) bool {
	o, ns := f.Object, f.InNamespace()
	refs := len(f.Spec.GetTargetRefs()) > 0
	switch {
	case refs && !a.Every(version.TargetRefsHonoured):
		a.add(TargetRefsIgnored, o, "spec.targetRefs", fmt.Sprintf("Istio %s ignores targetRefs, and applies the filter to every workload of the namespace %s", a.OldestControlPlane, ns),
			"use a workloadSelector until every control plane is 1.27 or later")
	case refs && f.Connects():
		a.add(TargetRefsMissSidecars, o, "spec.targetRefs", "targetRefs names gateways, so this allow_connect reaches no sidecar", "select the server's pods with a workloadSelector")
		return true
	case refs:
	case ns == a.Root && len(f.Selector()) == 0:
		a.add(FilterForWholeMesh, o, "spec.workloadSelector", fmt.Sprintf("without a workloadSelector in the root namespace %s, the filter applies to %s of the mesh", ns, f.Proxies()),
			"if only some workloads are meant, select them, in their own namespace")
	case ns == a.Root:
		a.add(FilterForAllNamespaces, o, "spec.workloadSelector", fmt.Sprintf("from the root namespace %s the filter selects pods with %s in every namespace", ns, traffic.Labels(f.Selector())),
			"move it to the namespace of the workloads, if only those are meant")
	}
	if len(f.Selector()) > 0 && a.missed(f) {
		return false
	}
	if !f.Connects() {
		return true
	}
	if rev := o.Labels[traffic.RevisionLabel]; rev != "" && a.needed[f] {
		a.add(RevisionReadsAlone, o, "metadata.labels["+strconv.Quote(traffic.RevisionLabel)+"]", fmt.Sprintf("only the control plane of the revision %q reads this filter, and proxies of the others stay closed", rev),
			"remove the label where proxies of other revisions run the server")
	}
	if !a.needed[f] {
		a.unneeded(f)
	}
	return true
}

// unneeded reports a filter for workloads whose clients are known to keep to HTTP/1.1, and says of others that it is not
// known what needs them.
func (a *auditor) unneeded(f *traffic.Filter) {
	services := a.Selecting(f.InNamespace(), f.Selector())
	for _, w := range a.Selected(f.InNamespace(), f.Selector()) {
		for k, v := range w.Workload.Labels {
			services = append(services, a.Selecting(f.InNamespace(), map[string]string{k: v})...)
		}
	}
	for _, s := range services {
		if r := a.KeepsHTTP1(s); r != nil && !s.IsOutside() && a.selectsPodsOf(f, s) {
			a.add(UnneededAllowConnect, f.Object, "", fmt.Sprintf("%s keeps the clients of %s at HTTP/1.1, and so nothing uses this allow_connect there", r, s),
				"leave it until no client has UPGRADE any more: it does no harm, and it must be there before a client has it")
			return
		}
	}
	a.unjudged(f.Object, "", "the DestinationRules, and the MeshConfig, that make clients of its workloads speak HTTP/2")
}

// selectsPodsOf reports whether the filter selects pods behind a Service, or all that the Service selects.
func (a *auditor) selectsPodsOf(f *traffic.Filter, s *traffic.Service) bool {
	return traffic.Carries(s.Selector, f.Selector()) || slices.ContainsFunc(a.Selected(s.InNamespace(), s.Selector), func(w *traffic.Workload) bool {
		return traffic.Carries(w.Workload.Labels, f.Selector())
	})
}

// missed reports a filter that selects none of the workloads that are known, where that leaves others closed. It returns
// whether the filter reaches nothing. What is not among the manifests may carry its labels all the same.
func (a *auditor) missed(f *traffic.Filter) bool {
	ns := f.InNamespace()
	if ns == a.Root && a.Selects("", f.Selector()) || a.Selects(ns, f.Selector()) || len(a.Selecting(ns, f.Selector())) > 0 ||
		!f.Connects() || len(f.Spec.GetTargetRefs()) > 0 {
		return false
	}
	everywhere := a.Selected("", f.Selector())
	if slices.ContainsFunc(everywhere, func(w *traffic.Workload) bool { return a.closed[w] }) {
		a.add(WorkloadsElsewhere, f.Object, "metadata.namespace", fmt.Sprintf("the filter is in the namespace %s, and the pods with %s are elsewhere: %s", ns, traffic.Labels(f.Selector()), traffic.Listed(everywhere)),
			"if it is meant for them, move it to their namespace")
		return true
	}
	if reach := a.closedIn[ns]; reach != nil {
		closed, _ := reach.Closed()
		a.add(SelectsNoWorkload, f.Object, "spec.workloadSelector.labels", fmt.Sprintf("no workload among the manifests of the namespace %s has %s, and %s stays closed", ns, traffic.Labels(f.Selector()), traffic.Listed(closed)),
			"if it is meant for "+reach.Service.String()+", write "+traffic.Labels(reach.Service.Selector))
		return true
	}
	return false
}

// What an allow_connect patch is for.
var (
	// AllowConnectOutbound is rule WS346. allow_connect is for the side of a proxy that accepts connections: on the
	// outbound side of a sidecar it changes nothing for the server.
	AllowConnectOutbound = finding.Rule{Code: "WS346", Severity: finding.Warning,
		Meaning: "allow_connect is for the side of a proxy that accepts connections: on the outbound side of a sidecar it changes nothing for the server.",
		Source:  istioPatch + " (patchContextMatch)"}
	// ServicePortInMatch is rule WS347. On the inbound side match.listener.portNumber is the container's port, and not
	// that of the Service.
	ServicePortInMatch = finding.Rule{Code: "WS347", Severity: finding.Warning,
		Meaning: "On the inbound side match.listener.portNumber is the container's port, and not that of the Service.",
		Source:  istioPatch + " (filterChainMatch)"}
	// NoSuchFilter is rule WS348. A match on a filter name that no filter has changes nothing, without a word.
	NoSuchFilter = finding.Rule{Code: "WS348", Severity: finding.Warning,
		Meaning: "A match on a filter name that no filter has changes nothing, without a word.",
		Source:  istioPatch + " (networkFilterMatch)"}
)

// connect reports why a patch with allow_connect does not do what it is for.
func (a *auditor) connect(f *traffic.Filter, p *traffic.Patch) {
	if p.Context() == networking.EnvoyFilter_SIDECAR_OUTBOUND {
		a.add(AllowConnectOutbound, f.Object, p.Path+".match.context", "allow_connect in the context SIDECAR_OUTBOUND does not let a server accept WebSocket over HTTP/2",
			"write SIDECAR_INBOUND")
		return
	}
	if !a.NamesManager(p) {
		a.add(NoSuchFilter, f.Object, p.Path+".match.listener.filterChain.filter.name", fmt.Sprintf("no filter of Istio %s is named %q", a.OldestControlPlane, p.FilterName()),
			"write "+istio.ManagerFilter)
	}
	port := p.GetMatch().GetListener().GetPortNumber()
	if port == 0 || !p.Inbound() {
		return
	}
	for _, s := range a.ServicesIn(f.InNamespace()) {
		for _, sp := range s.Ports {
			target := traffic.TargetPort(sp)
			if sp.Port == port && target != 0 && target != port && len(s.Selector) > 0 && traffic.Carries(s.Selector, f.Selector()) {
				a.add(ServicePortInMatch, f.Object, p.Path+".match.listener.portNumber", fmt.Sprintf("%d is the port of %s, and the container's is %d", port, s, target),
					fmt.Sprintf("write %d, or leave portNumber out", target))
				return
			}
		}
	}
}

// Which releases a patch is for.
var (
	// PatternLeavesOutProxy is rule WS441. The proxyVersion of an allow_connect patch must not leave out a proxy of the
	// mesh: the DestinationRule has no such gate.
	PatternLeavesOutProxy = finding.Rule{Code: "WS441", Severity: finding.SeverityError,
		Meaning: "The proxyVersion of an allow_connect patch must not leave out a proxy of the mesh: the DestinationRule has no such gate.",
		Source:  istioProxyMatch}
	// PatternMatchesNoProxy is rule WS442. A patch whose proxyVersion matches no release of the mesh does nothing.
	PatternMatchesNoProxy = finding.Rule{Code: "WS442", Severity: finding.Warning,
		Meaning: "A patch whose proxyVersion matches no release of the mesh does nothing.",
		Source:  istioProxyMatch}
	// PatternCutsNumber is rule WS443. A proxyVersion that stops within a number matches releases that it does not mean:
	// ^1\.2 is found in 1.2 and in 1.20.
	PatternCutsNumber = finding.Rule{Code: "WS443", Severity: finding.Warning,
		Meaning: "A proxyVersion that stops within a number matches releases that it does not mean: ^1\\.2 is found in 1.2 and in 1.20.",
		Source:  "istio/istio#43602; " + istioProxyMatch}
	// PatternGatesNothing is rule WS444. A proxyVersion that matches every release gates nothing.
	PatternGatesNothing = finding.Rule{Code: "WS444", Severity: finding.Info,
		Meaning: "A proxyVersion that matches every release gates nothing.",
		Source:  istioProxyMatch}
	// PatternMissesNextRelease is rule WS445. A proxyVersion that does not match the release after the newest takes the
	// patch away with the next upgrade of Istio.
	PatternMissesNextRelease = finding.Rule{Code: "WS445", Severity: finding.Info,
		Meaning: "A proxyVersion that does not match the release after the newest takes the patch away with the next upgrade of Istio.",
		Source:  "istio/istio#38214; " + istioProxyMatch}
)

// proxyVersion reports patterns that match other releases than they seem to.
func (a *auditor) proxyVersion(f *traffic.Filter, p *traffic.Patch) {
	releases := p.Releases
	if releases.Pattern == "" || releases.Broken {
		return
	}
	path := p.Path + ".match.proxy.proxyVersion"
	var left []version.Release
	for _, r := range a.Proxies {
		if !releases.Admits(r) {
			left = append(left, r)
		}
	}
	opens := p.Connects() && p.Inbound()
	switch {
	case opens && slices.ContainsFunc(left, func(r version.Release) bool { return a.lacks[f][r.String()] }):
		a.add(PatternLeavesOutProxy, f.Object, path, fmt.Sprintf("%q leaves out the proxies of release %s, which clients upgrade to all the same", releases.Pattern, traffic.Listed(left)),
			"leave proxyVersion out, or write a pattern with version.ProxyVersionPattern")
	case len(left) == len(a.Proxies):
		a.add(PatternMatchesNoProxy, f.Object, path, fmt.Sprintf("%q matches no proxy of the mesh, which runs %s", releases.Pattern, traffic.Listed(left)), "remove the patch, or correct the pattern")
	case !releases.Gates:
		a.add(PatternGatesNothing, f.Object, path, fmt.Sprintf("%q matches every release, and gates nothing", releases.Pattern), "leave proxyVersion out")
	case !releases.Next && opens:
		a.add(PatternMissesNextRelease, f.Object, path, fmt.Sprintf("%q does not match the release after %s: the patch falls away with the upgrade", releases.Pattern, a.Proxies[len(a.Proxies)-1]),
			"leave proxyVersion out, or widen the pattern before the upgrade")
	}
	if cut := releases.Cut; releases.Gates && cut > 0 {
		a.add(PatternCutsNumber, f.Object, path, fmt.Sprintf("%q matches 1.%d and 1.%d0 to 1.%d9 alike", releases.Pattern, cut, cut, cut),
			`end the number with (\.|-|$), or use version.ProxyVersionPattern`)
	}
}
