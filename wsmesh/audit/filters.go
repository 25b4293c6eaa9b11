// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/version"
)

// An auditFilter is an EnvoyFilter and what of it concerns WebSockets.
type auditFilter struct {
	*auditObject
	patches []auditPatch
	needed  bool            // some UPGRADE reaches a workload that it selects
	lacks   map[string]bool // the releases in which such a workload stays closed
}

// An auditPatch is a patch in an EnvoyFilter.
type auditPatch struct {
	index    int
	config   *networking.EnvoyFilter_EnvoyConfigObjectPatch
	pattern  *regexp.Regexp // nil for every release
	text     string         // of the pattern
	broken   bool           // the pattern is no regular expression
	connects bool           // it merges allow_connect into an HttpConnectionManager
}

const (
	managerName    = "envoy.filters.network.http_connection_manager"
	oldManagerName = "envoy.http_connection_manager"
)

func newAuditFilter(o *auditObject) *auditFilter {
	f := &auditFilter{auditObject: o, lacks: map[string]bool{}}
	for i, c := range o.filter.Spec.GetConfigPatches() {
		p := auditPatch{index: i, config: c, text: c.GetMatch().GetProxy().GetProxyVersion()}
		if p.text != "" {
			var err error
			if p.pattern, err = regexp.Compile(p.text); err != nil {
				p.broken = true // reported as WS227
			}
		}
		p.connects = c.GetApplyTo() == networking.EnvoyFilter_NETWORK_FILTER &&
			c.GetPatch().GetOperation() == networking.EnvoyFilter_Patch_MERGE && setsAllowConnect(c.GetPatch().GetValue())
		f.patches = append(f.patches, p)
	}
	return f
}

// field returns the value of a field in either of its two spellings.
func field(s *structpb.Struct, name, camel string) *structpb.Value {
	if v := s.GetFields()[name]; v != nil {
		return v
	}
	return s.GetFields()[camel]
}

// managerOf returns the configuration of an HttpConnectionManager in a value for NETWORK_FILTER.
func managerOf(value *structpb.Struct) *structpb.Struct {
	config := field(value, "typed_config", "typedConfig").GetStructValue()
	if strings.HasSuffix(config.GetFields()["@type"].GetStringValue(), ".HttpConnectionManager") {
		return config
	}
	return nil
}

func setsAllowConnect(value *structpb.Struct) bool {
	options := field(managerOf(value), "http2_protocol_options", "http2ProtocolOptions").GetStructValue()
	return field(options, "allow_connect", "allowConnect").GetBoolValue()
}

func (p *auditPatch) path(rest string) string {
	return "spec.configPatches[" + strconv.Itoa(p.index) + "]" + rest
}

func (p *auditPatch) context() networking.EnvoyFilter_PatchContext {
	return p.config.GetMatch().GetContext()
}

// inbound says whether the patch is for what a sidecar accepts.
func (p *auditPatch) inbound() bool {
	return p.context() == networking.EnvoyFilter_SIDECAR_INBOUND || p.context() == networking.EnvoyFilter_ANY
}

func (p *auditPatch) filterName() string {
	return p.config.GetMatch().GetListener().GetFilterChain().GetFilter().GetName()
}

// namesManager says whether the patch finds the HttpConnectionManager by its name, on all control planes.
func (p *auditPatch) namesManager(a *auditor) bool {
	switch p.filterName() {
	case "":
		return true // WS242 says what comes of it
	case managerName:
		return a.every(version.ConnectionManagerName)
	case oldManagerName:
		return a.every(version.OldConnectionManagerName)
	}
	return false
}

// admits says whether the patch is for proxies of the release.
func (p *auditPatch) admits(r version.Release) bool {
	return p.text == "" || !p.broken && (p.pattern.MatchString(r.Original()) || p.pattern.MatchString(r.String()))
}

// opens says whether the filter makes the proxies of a release accept WebSocket over HTTP/2 on a container's port, if
// it selects them.
func (f *auditFilter) opens(a *auditor, r version.Release, port uint32) bool {
	return slices.ContainsFunc(f.patches, func(p auditPatch) bool {
		l := p.config.GetMatch().GetListener()
		return p.connects && p.inbound() && p.namesManager(a) && p.admits(r) &&
			(l.GetName() == "" || l.GetName() == "virtualInbound") &&
			(l.GetPortNumber() == 0 || port == 0 || l.GetPortNumber() == port)
	})
}

// connects says whether a patch sets allow_connect for what sidecars accept.
func (f *auditFilter) connects() bool {
	return slices.ContainsFunc(f.patches, func(p auditPatch) bool { return p.connects && p.inbound() })
}

func (f *auditFilter) selector() map[string]string {
	return f.filter.Spec.GetWorkloadSelector().GetLabels()
}

// indexFilter enters the filter under one label of its selector, so that a workload finds it by its own labels.
func (a *auditor) indexFilter(f *auditFilter) {
	ns := f.namespace()
	if len(f.filter.Spec.GetTargetRefs()) > 0 {
		if a.every(version.TargetRefsHonoured) {
			return // it reaches no sidecar
		}
		a.filtersBy[podKey{ns, ""}] = append(a.filtersBy[podKey{ns, ""}], f)
		return
	}
	for k, v := range f.selector() {
		key := podKey{ns, k + "=" + v}
		a.filtersByAny[key] = append(a.filtersByAny[key], f)
	}
	label := ""
	if keys := slices.Sorted(maps.Keys(f.selector())); len(keys) > 0 {
		label = keys[0] + "=" + f.selector()[keys[0]]
	}
	a.filtersBy[podKey{ns, label}] = append(a.filtersBy[podKey{ns, label}], f)
}

// filtersOf returns the filters that istiod applies to the workload's sidecars. Of pods that are not known, a Service's
// selector says some labels; filters that ask for others too may select them.
func (a *auditor) filtersOf(w *workload) []*auditFilter {
	var out []*auditFilter
	add := func(ns, label string) {
		for _, f := range a.filtersBy[podKey{ns, label}] {
			if carries(w.labels, f.selector()) {
				out = append(out, f)
			}
		}
	}
	namespaces := []string{a.root}
	if w.namespace() != a.root {
		namespaces = append(namespaces, w.namespace())
	}
	for _, ns := range namespaces {
		add(ns, "")
		for k, v := range w.labels {
			if w.auditObject != nil {
				add(ns, k+"="+v)
				continue
			}
			for _, f := range a.filtersByAny[podKey{ns, k + "=" + v}] {
				if !contradicts(w.labels, f.selector()) && !slices.Contains(out, f) {
					out = append(out, f)
				}
			}
		}
	}
	return out
}

// contradicts says whether the two give a label different values.
func contradicts(labels, selector map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; ok && have != v {
			return true
		}
	}
	return false
}

// filtersAlone looks at each filter in the light of the mesh, after all that needs filters is known.
func (a *auditor) filtersAlone() {
	for _, o := range a.meshes {
		if o.mesh.H2UpgradePolicy == "UPGRADE" {
			for _, f := range a.filters {
				f.needed = true
			}
		}
	}
	for _, f := range a.filters {
		a.target(f)
		a.newFields(f.auditObject, filterFields(f))
		for i := range f.patches {
			p := &f.patches[i]
			a.proxyVersion(f, p)
			if p.connects {
				a.connect(f, p)
			}
			a.timeouts(f, p)
			a.buffer(f, p)
		}
	}
}

func filterFields(f *auditFilter) []usedField {
	var used []usedField
	if f.filter.Spec.GetPriority() != 0 {
		used = append(used, usedField{"spec.priority", version.EnvoyFilterPriority})
	}
	if len(f.filter.Spec.GetTargetRefs()) > 0 {
		used = append(used, usedField{"spec.targetRefs", version.TargetRefsField})
	}
	for _, p := range f.patches {
		switch p.config.GetPatch().GetOperation() {
		case networking.EnvoyFilter_Patch_REPLACE:
			used = append(used, usedField{p.path(".patch.operation"), version.ReplaceOperation})
		case networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST:
			used = append(used, usedField{p.path(".patch.operation"), version.MergeAndReplaceList})
		}
		if p.config.GetApplyTo() == networking.EnvoyFilter_LISTENER_FILTER {
			used = append(used, usedField{p.path(".applyTo"), version.ListenerFilterPatch})
		}
	}
	return used
}

// target reports which workloads the filter reaches other than it seems to.
func (a *auditor) target(f *auditFilter) {
	o, ns := f.auditObject, f.namespace()
	refs := len(f.filter.Spec.GetTargetRefs()) > 0
	switch {
	case refs && !a.every(version.TargetRefsHonoured):
		a.add(finding.WS448, o, "spec.targetRefs", fmt.Sprintf("Istio %s ignores targetRefs, and applies the filter to every workload of the namespace %s", a.oldestControlPlane, ns),
			"use a workloadSelector until every control plane is 1.27 or later")
	case refs && f.connects():
		a.add(finding.WS345, o, "spec.targetRefs", "targetRefs names gateways, so this allow_connect reaches no sidecar", "select the server's pods with a workloadSelector")
		return
	case refs:
	case ns == a.root && len(f.selector()) == 0:
		a.add(finding.WS349, o, "spec.workloadSelector", fmt.Sprintf("without a workloadSelector in the root namespace %s, the filter applies to every proxy of the mesh", ns),
			"select the workloads that need it, in their own namespace")
	case ns == a.root:
		a.add(finding.WS350, o, "spec.workloadSelector", fmt.Sprintf("from the root namespace %s the filter selects pods with %s in every namespace", ns, describeLabels(f.selector())),
			"move it to the namespace of the workloads, if only those are meant")
	}
	if f.connects() && len(f.selector()) > 0 && a.missed(f) {
		return
	}
	if rev := f.meta.Labels[revisionLabel]; rev != "" && f.connects() && f.needed {
		a.add(finding.WS357, o, "metadata.labels["+strconv.Quote(revisionLabel)+"]", fmt.Sprintf("only the control plane of the revision %q reads this filter, and proxies of the others stay closed", rev),
			"remove the label where proxies of other revisions run the server")
	}
	if f.connects() && !f.needed {
		a.add(finding.WS342, o, "", "no DestinationRule among the manifests has UPGRADE for a workload that this filter opens", "delete it, or audit the DestinationRules too")
	}
}

// missed reports a filter that selects none of the workloads that are known.
func (a *auditor) missed(f *auditFilter) bool {
	ns := f.namespace()
	everywhere := a.selects("", f.selector())
	switch {
	case ns == a.root && len(everywhere) > 0 || len(a.selects(ns, f.selector())) > 0:
		return false
	case len(everywhere) > 0:
		a.add(finding.WS344, f.auditObject, "metadata.namespace", fmt.Sprintf("the filter is in the namespace %s, and the pods with %s are elsewhere: %s", ns, describeLabels(f.selector()), listed(everywhere)),
			"move it to the namespace of the pods")
	case len(a.podsIn[ns]) > 0:
		a.add(finding.WS343, f.auditObject, "spec.workloadSelector.labels", fmt.Sprintf("no workload of the namespace %s has %s", ns, describeLabels(f.selector())),
			"write the labels that the pods carry")
	default:
		return false
	}
	return true
}

// connect reports why a patch with allow_connect does not do what it is for.
func (a *auditor) connect(f *auditFilter, p *auditPatch) {
	if p.context() == networking.EnvoyFilter_SIDECAR_OUTBOUND {
		a.add(finding.WS346, f.auditObject, p.path(".match.context"), "allow_connect in the context SIDECAR_OUTBOUND does not let a server accept WebSocket over HTTP/2",
			"write SIDECAR_INBOUND")
		return
	}
	if !p.namesManager(a) {
		a.add(finding.WS348, f.auditObject, p.path(".match.listener.filterChain.filter.name"), fmt.Sprintf("no filter of Istio %s is named %q", a.oldestControlPlane, p.filterName()),
			"write "+managerName)
	}
	port := p.config.GetMatch().GetListener().GetPortNumber()
	if port == 0 || !p.inbound() {
		return
	}
	for _, s := range a.servicesIn[f.namespace()] {
		for _, sp := range s.service.Ports {
			target := (&workload{}).containerPort(sp)
			if sp.Port == port && target != 0 && target != port && len(s.service.Selector) > 0 && carries(s.service.Selector, f.selector()) {
				a.add(finding.WS347, f.auditObject, p.path(".match.listener.portNumber"), fmt.Sprintf("%d is the port of %s, and the container's is %d", port, s, target),
					fmt.Sprintf("write %d, or leave portNumber out", target))
				return
			}
		}
	}
}

// proxyVersion reports patterns that match other releases than they seem to.
func (a *auditor) proxyVersion(f *auditFilter, p *auditPatch) {
	if p.text == "" || p.broken {
		return
	}
	path := p.path(".match.proxy.proxyVersion")
	var left []version.Release
	for _, r := range a.proxies {
		if !p.admits(r) {
			left = append(left, r)
		}
	}
	gates, cut, next := a.reach(p)
	switch {
	case p.connects && p.inbound() && slices.ContainsFunc(left, func(r version.Release) bool { return f.lacks[r.String()] }):
		a.add(finding.WS441, f.auditObject, path, fmt.Sprintf("%q leaves out the proxies of release %s, which clients upgrade to all the same", p.text, listed(left)),
			"leave proxyVersion out, or write a pattern with version.ProxyVersionPattern")
	case len(left) == len(a.proxies):
		a.add(finding.WS442, f.auditObject, path, fmt.Sprintf("%q matches no proxy of the mesh, which runs %s", p.text, listed(left)), "remove the patch, or correct the pattern")
	case !gates:
		a.add(finding.WS444, f.auditObject, path, fmt.Sprintf("%q matches every release, and gates nothing", p.text), "leave proxyVersion out")
	case !next && p.connects && p.inbound():
		a.add(finding.WS445, f.auditObject, path, fmt.Sprintf("%q does not match the release after %s: the patch falls away with the upgrade", p.text, a.proxies[len(a.proxies)-1]),
			"leave proxyVersion out, or widen the pattern before the upgrade")
	}
	if gates && cut > 0 {
		a.add(finding.WS443, f.auditObject, path, fmt.Sprintf("%q matches 1.%d and 1.%d0 to 1.%d9 alike", p.text, cut, cut, cut),
			`end the number with (\.|-|$), or use version.ProxyVersionPattern`)
	}
}

// reach says whether the pattern leaves any release out, after which minor its number is cut off (0 for none), and
// whether it matches the release after the newest of the mesh.
func (a *auditor) reach(p *auditPatch) (gates bool, cut int, next bool) {
	var matched [100]bool
	count := 0
	for minor := range matched {
		if matched[minor] = p.pattern.MatchString("1." + strconv.Itoa(minor) + ".3"); matched[minor] {
			count++
		}
	}
	for m := 1; m < 10; m++ {
		if matched[m] && !slices.Contains(matched[10*m:10*m+10], false) && slices.Contains(matched[m+1:10*m], false) {
			cut = m
		}
	}
	var newest int
	_, _ = fmt.Sscanf(a.proxies[len(a.proxies)-1].String(), "1.%d", &newest)
	return count < len(matched), cut, newest+1 >= len(matched) || matched[newest+1]
}

// timeouts reports what ends WebSockets that are open.
func (a *auditor) timeouts(f *auditFilter, p *auditPatch) {
	m := managerOf(p.config.GetPatch().GetValue())
	if m == nil || p.config.GetPatch().GetOperation() == networking.EnvoyFilter_Patch_REMOVE {
		return
	}
	prefix := p.path(".patch.value.typed_config")
	if p.config.GetPatch().GetValue().GetFields()["typedConfig"] != nil {
		prefix = p.path(".patch.value.typedConfig")
	}
	common := field(m, "common_http_protocol_options", "commonHttpProtocolOptions").GetStructValue()
	for _, s := range [...]struct {
		in          *structpb.Struct
		at          string
		name, camel string
	}{
		{m, "", "stream_idle_timeout", "streamIdleTimeout"},
		{common, ".common_http_protocol_options", "max_connection_duration", "maxConnectionDuration"},
		{common, ".common_http_protocol_options", "max_stream_duration", "maxStreamDuration"},
	} {
		v := field(s.in, s.name, s.camel)
		if v == nil {
			continue
		}
		text := cmp.Or(v.GetStringValue(), strconv.FormatFloat(v.GetNumberValue(), 'f', -1, 64))
		if text == "0" || text == "0s" {
			continue
		}
		a.add(finding.WS356, f.auditObject, prefix+s.at+"."+s.name, fmt.Sprintf("%s %s ends WebSockets that are open", s.name, text), "leave it out for proxies that pass WebSockets on")
	}
}

// buffer reports filters that hold a request back until its end.
func (a *auditor) buffer(f *auditFilter, p *auditPatch) {
	const name = "envoy.filters.http.buffer"
	v := p.config.GetPatch().GetValue()
	config := field(v, "typed_config", "typedConfig").GetStructValue()
	if p.config.GetApplyTo() == networking.EnvoyFilter_HTTP_FILTER && p.config.GetPatch().GetOperation() != networking.EnvoyFilter_Patch_REMOVE &&
		(v.GetFields()["name"].GetStringValue() == name || strings.HasSuffix(config.GetFields()["@type"].GetStringValue(), ".buffer.v3.Buffer")) {
		a.add(finding.WS358, f.auditObject, p.path(".patch.value"), name+" waits for the end of a WebSocket's request, which never comes", "select workloads without WebSockets, or disable the filter on their routes")
	}
}
