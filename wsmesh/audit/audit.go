// SPDX-License-Identifier: Apache-2.0

// Package audit judges manifests that exist: which of them break WebSockets in an Istio mesh, and where. It mends what has
// exactly one safe form, and draws what it judged.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
	"maps"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Report is what an audit found, and what it read and judged.
type Report struct {
	Findings finding.List // in the order of the files
	Files    int          // read
	Objects  int          // of kinds that take part in an audit

	manifests *manifests.Set
	mesh      wsmesh.Mesh
	auditor   *auditor
}

// Run finds what in the manifests breaks WebSockets in the mesh, or does not do what it says: what
// [destinationrule.Rule.Validate] and [envoyfilter.Filter.Validate] find in each object, and beyond that what becomes of
// all of them together, as istiod of the mesh's releases reads them. It looks at DestinationRules, EnvoyFilters,
// ServiceEntries, Services, Deployments, StatefulSets, DaemonSets, Pods, Namespaces and the ConfigMap istio; other kinds are passed over.
//
// Each finding has the file and line that it speaks of, where it was read from one; they come in the order of the files.
// An object without a namespace is taken to go to "default", as kubectl does. What is not among the manifests counts as
// unknown and never as missing: the pods of a namespace that is not given are taken to have sidecars.
//
// The error is that of ctx, or a [*finding.Error] for a mesh without a release (WS401): most of what is to be known
// depends on it.
func Run(ctx context.Context, m *manifests.Set, mesh wsmesh.Mesh) (*Report, error) {
	a, problems := newAuditor(m, mesh)
	if problems != nil {
		return nil, &finding.Error{Findings: problems, Causes: []error{version.ErrNoRelease}}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &Report{Findings: a.audit(), Files: len(m.Files), Objects: len(a.objects), manifests: m, mesh: mesh, auditor: a}
	return r, ctx.Err()
}

func (a *auditor) audit() finding.List {
	a.rulesAlone()
	a.rulesTogether()
	a.upgrades()
	a.filtersAlone()
	a.meshWide()
	return a.list()
}

// An auditor holds the objects of one audit, found by what istiod finds them by.
type auditor struct {
	mesh                       wsmesh.Mesh
	root, domain               string
	controlPlanes, proxies     []version.Release
	oldest, oldestControlPlane version.Release

	objects       []*auditObject
	rules         []*auditObject
	filters       []*auditFilter
	services      []*auditObject
	workloads     []*workload
	namespaces    map[string]*auditObject
	meshes        []*auditObject
	external      map[string]bool // hosts of ServiceEntries
	serviceByHost map[string]*auditObject
	servicesIn    map[string][]*auditObject
	rulesFor      map[string][]*auditObject // by host
	firstFor      map[string]*auditObject   // by shareOf: the oldest, as far as that is known, else the first
	wildcards     []*auditObject
	podsByLabel   map[podKey][]*workload
	podsIn        map[string][]*workload
	filtersBy     map[podKey][]*auditFilter // by namespace and one label of the selector; with no label those for all
	filtersByAny  map[podKey][]*auditFilter // by namespace and each label of the selector

	said   map[string]bool // what is to be said once
	hits   []hit
	closed []closedService
	unfit  map[*auditObject]bool // Services with pods that no EnvoyFilter can open
}

// A podKey finds workloads by their namespace and one label, and with an empty namespace in all of them.
type podKey struct{ namespace, label string }

type hit struct {
	object *auditObject
	finding.Finding
}

// A closedService is a Service that a rule upgrades and no filter opens.
type closedService struct{ rule, service *auditObject }

// add reports a finding about an object.
func (a *auditor) add(rule finding.Rule, o *auditObject, path, message, hint string) {
	a.hits = append(a.hits, hit{o, finding.New(rule, path, message, hint)})
}

// once says whether it is the first time that it is asked about key.
func (a *auditor) once(key ...string) bool {
	k := strings.Join(key, "\x00")
	if a.said[k] {
		return false
	}
	a.said[k] = true
	return true
}

func newAuditor(objects *manifests.Set, mesh wsmesh.Mesh) (*auditor, finding.List) {
	a := &auditor{
		mesh: mesh, domain: cmp.Or(mesh.ClusterDomain, istio.DefaultClusterDomain), root: mesh.RootNamespace,
		controlPlanes: mesh.ControlPlanes, proxies: mesh.Proxies,
		namespaces: map[string]*auditObject{}, external: map[string]bool{}, serviceByHost: map[string]*auditObject{},
		servicesIn: map[string][]*auditObject{}, rulesFor: map[string][]*auditObject{}, firstFor: map[string]*auditObject{},
		podsByLabel: map[podKey][]*workload{}, podsIn: map[string][]*workload{}, filtersBy: map[podKey][]*auditFilter{}, filtersByAny: map[podKey][]*auditFilter{},
		said: map[string]bool{}, unfit: map[*auditObject]bool{},
	}
	if problems := mesh.Validate(); problems != nil {
		return nil, problems
	}
	a.oldest, a.oldestControlPlane, _ = mesh.Oldest() // which a valid mesh has
	// A release that is not given is that of the other side, as it is in a mesh at rest.
	if len(a.controlPlanes) == 0 {
		a.controlPlanes = mesh.Proxies
	}
	if len(a.proxies) == 0 {
		a.proxies = mesh.ControlPlanes
	}
	a.proxies = distinct(a.proxies)
	a.objects = load(objects)
	last := map[string]*auditObject{}
	for _, o := range a.objects {
		last[o.id()] = o
	}
	earlier := map[string]*auditObject{}
	for _, o := range a.objects {
		for _, f := range o.found {
			a.hits = append(a.hits, hit{o, f})
		}
		if first := earlier[o.id()]; first != nil && o.kind != "" {
			a.add(finding.WS993, o, "metadata.name", fmt.Sprintf("%s stands in %s:%d already", o, first.file.Name, first.doc.Line),
				"remove one of them, or audit them apart where only one is applied at a time")
		}
		earlier[o.id()] = o
		if last[o.id()] == o {
			a.index(o)
		}
	}
	a.root = cmp.Or(a.root, istio.DefaultRootNamespace)
	for _, f := range a.filters {
		a.indexFilter(f)
	}
	return a, nil
}

// id is what Kubernetes tells objects apart by.
func (o *auditObject) id() string { return o.kind + "/" + o.namespace() + "/" + o.meta.Name }

func distinct(releases []version.Release) []version.Release {
	var out []version.Release
	for _, r := range releases {
		if !slices.ContainsFunc(out, func(o version.Release) bool { return o.Original() == r.Original() }) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, version.Release.Compare)
	return out
}

func (a *auditor) index(o *auditObject) {
	ns := o.namespace()
	switch {
	case o.rule != nil:
		a.rules = append(a.rules, o)
		host := a.hostOf(o)
		if first := a.firstFor[shareOf(o, host)]; sharesHost(o) && (first == nil || knownOlder(o, first)) {
			a.firstFor[shareOf(o, host)] = o
		}
		if strings.HasPrefix(host, "*") {
			a.wildcards = append(a.wildcards, o)
		} else {
			a.rulesFor[host] = append(a.rulesFor[host], o)
		}
	case o.filter != nil:
		a.filters = append(a.filters, newAuditFilter(o))
	case o.service != nil:
		a.services = append(a.services, o)
		a.serviceByHost[a.fqdn(o)] = o
		a.servicesIn[ns] = append(a.servicesIn[ns], o)
	case o.workload != nil:
		a.addWorkload(&workload{auditObject: o, labels: o.workload.labels})
	case o.mesh != nil:
		a.meshes = append(a.meshes, o)
		a.root = cmp.Or(a.root, o.mesh.RootNamespace)
	case o.kind == "Namespace":
		a.namespaces[o.meta.Name] = o
	}
	for _, h := range o.hosts {
		a.external[h] = true
	}
}

// fqdn is the host by which a Service is known.
func (a *auditor) fqdn(service *auditObject) string {
	return service.meta.Name + "." + service.namespace() + ".svc." + a.domain
}

// hostOf is the host of a rule, as istiod takes it.
func (a *auditor) hostOf(rule *auditObject) string {
	return strings.TrimSuffix(istio.Host(rule.rule.Spec.GetHost(), rule.namespace(), a.domain), ".")
}

// every says whether all control planes support f.
func (a *auditor) every(f version.Feature) bool {
	return !slices.ContainsFunc(a.controlPlanes, func(r version.Release) bool { return !r.Supports(f) })
}

// some says whether one of the control planes supports f.
func (a *auditor) some(f version.Feature) bool {
	return slices.ContainsFunc(a.controlPlanes, func(r version.Release) bool { return r.Supports(f) })
}

// list returns the findings in the order of the files, with their lines.
func (a *auditor) list() finding.List {
	byObject := map[*auditObject][]int{}
	for i, h := range a.hits {
		if !a.passes(h) {
			continue
		}
		byObject[h.object] = append(byObject[h.object], i)
	}
	var order []*auditObject
	for _, o := range a.objects {
		if byObject[o] != nil {
			order = append(order, o)
		}
	}
	out := make([]finding.List, len(order))
	parallel(len(order), func(i int) { out[i] = a.locate(order[i], byObject[order[i]]) })
	return slices.Concat(out...)
}

// passes drops what the validation of one object cannot know better, and the audit does.
func (a *auditor) passes(h hit) bool {
	switch h.Code {
	case destinationrule.HostDependsOnNamespace.Code: // a short host: where its Service is given, it goes to the same namespace
		return a.serviceByHost[a.hostOf(h.object)] == nil
	case envoyfilter.NoSelector.Code: // no selector: in the root namespace WS349 says it
		return h.object.namespace() != a.root
	case envoyfilter.TargetRefsNotReadBefore127.Code: // targetRefs before 1.27: WS448 says it for the mesh
		return false
	case envoyfilter.FilterNameDeprecated.Code: // old filter names
		return !a.every(version.OldConnectionManagerName)
	}
	return true
}

// locate adds object, file and line to the findings of one object, and sorts them by line.
func (a *auditor) locate(o *auditObject, hits []int) finding.List {
	var l finding.List
	var tree *yamldoc.Node
	if o.doc != nil {
		tree, _ = yamldoc.Parse(o.doc.Text)
	}
	for _, i := range hits {
		f := a.hits[i].Finding
		f.Object = cmp.Or(o.String(), f.Object)
		f.File = o.file.Name
		if o.doc != nil {
			f.Line = o.line(tree, f.Path, f.Line)
		}
		l = append(l, f)
	}
	slices.SortStableFunc(l, func(x, y finding.Finding) int {
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Code, y.Code))
	})
	return l
}

// line returns the line of the file for a path, or for a line of the object's own text where that is known.
func (o *auditObject) line(tree *yamldoc.Node, path string, own int) int {
	switch {
	case own > 0:
		return o.doc.Line + own - 1
	case tree == nil:
		return o.doc.Line
	}
	entry, _ := tree.At(yamldoc.Steps(path)...)
	line := o.doc.Line
	for _, c := range o.doc.Text[:entry.Start] {
		if c == '\n' {
			line++
		}
	}
	return line
}

// workloads

// A workload is pods of one template: what a Service and an EnvoyFilter select.
type workload struct {
	*auditObject // nil for what a Service would select
	ns           string
	labels       map[string]string
}

func (w *workload) namespace() string {
	if w.auditObject == nil {
		return w.ns
	}
	return w.auditObject.namespace()
}

func (a *auditor) addWorkload(w *workload) {
	a.workloads = append(a.workloads, w)
	a.podsIn[w.namespace()] = append(a.podsIn[w.namespace()], w)
	for k, v := range w.labels {
		for _, ns := range []string{w.namespace(), ""} {
			key := podKey{ns, k + "=" + v}
			a.podsByLabel[key] = append(a.podsByLabel[key], w)
		}
	}
}

// selects returns the workloads of a namespace that carry the labels, of which there is one at least; with an empty
// namespace, those of all. Its cost is that of the rarest label.
func (a *auditor) selects(namespace string, selector map[string]string) []*workload {
	var rarest []*workload
	first := true
	for k, v := range selector {
		if pods := a.podsByLabel[podKey{namespace, k + "=" + v}]; first || len(pods) < len(rarest) {
			rarest, first = pods, false
		}
	}
	var out []*workload
	for _, w := range rarest {
		if carries(w.labels, selector) {
			out = append(out, w)
		}
	}
	return out
}

// carries says whether labels has all of selector.
func carries(labels, selector map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// A sidecar is what stands before the pods of a workload.
type sidecar int

const (
	hasSidecar sidecar = iota // or nothing is known to the contrary
	isAmbient
	noSidecar
)

// The labels and annotations that decide about injection and ambient mode.
const (
	injectLabel     = "sidecar.istio.io/inject"
	statusLabel     = "sidecar.istio.io/status"
	injectionLabel  = "istio-injection"
	revisionLabel   = "istio.io/rev"
	dataplaneLabel  = "istio.io/dataplane-mode"
	waypointLabel   = "istio.io/use-waypoint"
	sidecarName     = "istio-proxy"
	templatesAnnotn = "inject.istio.io/templates"
)

// sidecar follows the injection webhook (istio/istio manifests/charts/istio-control/istio-discovery/templates/
// mutatingwebhook.yaml; pkg/kube/inject/inject.go, injectRequired) and the CNI agent's choice of ambient pods
// (cni/pkg/util/podutil.go, PodRedirectionEnabled). The reason goes into a message.
func (a *auditor) sidecar(w *workload) (sidecar, string) {
	var spec workloadSpec
	if w.auditObject != nil {
		spec = *w.workload
	}
	if spec.annotations[statusLabel] != "" || spec.pod.hasProxy() {
		return hasSidecar, ""
	}
	ns := a.namespaces[w.namespace()]
	var nsLabels map[string]string
	if ns != nil {
		nsLabels = ns.meta.Labels
	}
	inject := cmp.Or(w.labels[injectLabel], spec.annotations[injectLabel])
	mode := cmp.Or(w.labels[dataplaneLabel], nsLabels[dataplaneLabel])
	switch {
	case mode == "ambient" && inject != "true" && !spec.pod.HostNetwork:
		return isAmbient, dataplaneLabel + "=ambient"
	case spec.pod.HostNetwork:
		return noSidecar, "hostNetwork: true"
	case inject == "false":
		return noSidecar, injectLabel + "=false"
	case nsLabels[injectionLabel] == "disabled":
		return noSidecar, "the namespace's label " + injectionLabel + "=disabled"
	case spec.running:
		return noSidecar, "no container " + sidecarName
	case inject == "true" || w.labels[revisionLabel] != "" || ns == nil,
		nsLabels[injectionLabel] == "enabled", nsLabels[revisionLabel] != "":
		return hasSidecar, ""
	}
	return noSidecar, "neither the namespace nor the pods ask for injection"
}

func (p *podSpec) hasProxy() bool {
	return slices.ContainsFunc(slices.Concat(p.Containers, p.InitContainers), func(c container) bool { return c.Name == sidecarName })
}

// isGateway says whether the workload's proxy is a gateway's.
func (w *workload) isGateway() bool {
	if w.auditObject == nil {
		return false
	}
	return w.workload.annotations[templatesAnnotn] == "gateway" || w.labels["gateway.networking.k8s.io/gateway-name"] != "" ||
		strings.HasSuffix(w.labels["istio"], "gateway")
}

// String names the workload in a message.
func (w *workload) String() string {
	if w.auditObject == nil {
		return "pods with " + describeLabels(w.labels)
	}
	return w.auditObject.String()
}

func describeLabels(labels map[string]string) string {
	if len(labels) == 0 {
		return "no labels"
	}
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, k+"="+labels[k])
	}
	return strings.Join(pairs, ",")
}

// names joins what has a name, and says how many more there are where they are many.
func listed[T fmt.Stringer](items []T) string {
	const most = 3
	var texts []string
	for _, item := range items[:min(most, len(items))] {
		texts = append(texts, item.String())
	}
	text := strings.Join(texts, ", ")
	if more := len(items) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
