// SPDX-License-Identifier: Apache-2.0

// Package audit judges manifests that exist: which of them break WebSockets in an Istio mesh, and where. It mends what has
// exactly one safe form, and draws what it judged.
//
// What is not among the manifests is unknown, and an unknown is neither a fault nor an all-clear: the [Report] says what
// could not be judged, and what to add.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/parallel"
	"github.com/wsmesh/wsmesh/internal/traffic"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// A Report is what an audit read, judged and found.
type Report struct {
	Findings finding.List // in the order of the files, and of the lines in each
	Files    int          // that were read
	Objects  int          // in them that take part in what becomes of a WebSocket
	Upgrades []Upgrade    // what makes clients speak HTTP/2, in the order of the rules
	// Unjudged is what could not be judged, since it depends on what is not among the manifests.
	Unjudged []Unjudged
	Kinds    map[string]int // how many objects of each kind were read, those that take no part included
	// Sound are the Services at which nothing of Istio breaks WebSockets, as far as the manifests say, and Broken those at
	// which something does. What lies outside Istio, such as TLS in the application or the idle time of a load balancer, is
	// not judged.
	Sound, Broken []string
	// Limit is the smallest number of open WebSockets that a rule holds a client's proxy to, and 0 where none does.
	Limit uint32

	set     *manifests.Set
	mesh    wsmesh.Mesh
	auditor *auditor
}

// Run finds what in the manifests breaks WebSockets in the mesh, or does not do what it says: what
// [destinationrule.Rule.Validate] and [envoyfilter.Filter.Validate] find in each object, and beyond that what becomes of
// all of them together, as istiod of the mesh's releases reads them.
//
// What is to be known of the mesh itself comes first (WS411, WS412). Each other finding has the file and line that it speaks of. An object without a namespace is taken to go to "default", as
// kubectl does. What is not among the manifests counts as unknown and never as missing: the pods of a namespace that is
// not given are taken to have sidecars.
//
// The error is that of ctx, or a [*finding.Error] for a mesh without a release (WS401): most of what is to be known
// depends on it.
func Run(ctx context.Context, set *manifests.Set, mesh wsmesh.Mesh) (*Report, error) {
	if set == nil {
		return nil, errors.New("audit: there are no manifests: the Set is nil")
	}
	problems := mesh.Validate()
	if len(problems.Errors()) > 0 {
		return nil, &finding.Error{Findings: problems, Causes: []error{version.ErrNoRelease}}
	}
	a, err := newAuditor(ctx, set, mesh)
	if err != nil {
		return nil, err
	}
	r := &Report{Files: len(set.Files()), set: set, mesh: mesh, auditor: a}
	if err := a.audit(ctx); err != nil {
		return nil, err
	}
	r.Findings = slices.Concat(problems, a.list())
	r.Kinds = a.kinds
	for _, o := range a.objects {
		if o.Kind != "" {
			r.Objects++
		}
	}
	r.Upgrades, r.Unjudged = a.reported(), a.unknown
	r.Sound, r.Broken = a.judged()
	r.Limit = a.limit
	return r, nil
}

// An auditor collects the findings of one audit.
type auditor struct {
	*traffic.Model
	objects []*manifests.Object
	alone   []finding.List // what the validation of each object finds
	hits    map[*manifests.Object]finding.List
	rules   map[*manifests.Object]*traffic.Rule
	filters map[*manifests.Object]*traffic.Filter
	said    map[string]bool // what is to be said once
	kinds   map[string]int

	reaches          []*traffic.Reach
	unknown          []Unjudged
	limit            uint32
	harmful          map[*traffic.Filter]bool // filters that break WebSockets of the workloads that they reach
	isEdge           bool                     // the mesh's connection settings end WebSockets
	unknownWorkloads []*traffic.Service
	unknownHosts     []*traffic.Rule
	needed           map[*traffic.Filter]bool            // some client speaks HTTP/2 to a workload that the filter reaches
	lacks            map[*traffic.Filter]map[string]bool // the releases in which such a workload stays closed

	closed   map[*traffic.Workload]bool // workloads that do not accept what they are sent
	closedIn map[string]*traffic.Reach  // the first reach to one, by its namespace
	counted  map[*traffic.Backend]bool
}

func newAuditor(ctx context.Context, set *manifests.Set, mesh wsmesh.Mesh) (*auditor, error) {
	objects, err := set.Objects(ctx)
	if err != nil {
		return nil, err
	}
	a := &auditor{
		hits: map[*manifests.Object]finding.List{}, rules: map[*manifests.Object]*traffic.Rule{}, filters: map[*manifests.Object]*traffic.Filter{}, said: map[string]bool{}, kinds: map[string]int{},
		needed: map[*traffic.Filter]bool{}, lacks: map[*traffic.Filter]map[string]bool{}, closed: map[*traffic.Workload]bool{}, closedIn: map[string]*traffic.Reach{}, harmful: map[*traffic.Filter]bool{}, counted: map[*traffic.Backend]bool{},
	}
	for _, o := range objects {
		if o.Kind != "" {
			a.kinds[o.Kind]++
		}
		if o.Value != nil || len(o.Findings) > 0 || o.Kind == "Namespace" { // others take no part
			a.objects = append(a.objects, o)
		}
	}
	// What many objects are validated with is gone before the model of them takes memory.
	a.alone = make([]finding.List, len(a.objects))
	if err := parallel.Do(ctx, len(a.objects), func(i int) { a.alone[i] = validated(a.objects[i]) }); err != nil {
		return nil, err
	}
	if a.Model, err = traffic.New(ctx, a.lastOfEach(), mesh); err != nil {
		return nil, err
	}
	for _, r := range a.Rules {
		a.rules[r.Object] = r
	}
	for _, f := range a.Filters {
		a.filters[f.Object] = f
	}
	return a, nil
}

// lastOfEach returns the objects that count: of one that is given twice the last.
func (a *auditor) lastOfEach() []*manifests.Object {
	last := make(map[key]int, len(a.objects))
	counted := make([]*manifests.Object, 0, len(a.objects))
	for _, o := range a.objects {
		if o.Kind == "" {
			continue
		}
		if i, again := last[keyOf(o)]; again {
			first := counted[i]
			a.add(GivenTwice, o, "metadata.name", fmt.Sprintf("%s stands in %s:%d already", o, first.File, first.Line),
				"remove one of them, or audit them apart where only one is applied at a time")
			counted[i] = nil
		}
		last[keyOf(o)] = len(counted)
		counted = append(counted, o)
	}
	return slices.DeleteFunc(counted, func(o *manifests.Object) bool { return o == nil })
}

// A key is what Kubernetes tells objects apart by.
type key struct{ kind, namespace, name string }

func keyOf(o *manifests.Object) key { return key{o.Kind, o.InNamespace(), o.Name} }

func (a *auditor) audit(ctx context.Context) error {
	if err := a.upgrades(ctx); err != nil {
		return err
	}
	for _, judge := range []func(){a.rulesAlone, a.rulesTogether, a.filtersAlone, a.meshWide, a.sniffed, a.unknownOnce} {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		judge()
	}
	return nil
}

// Unjudged is an object of which not enough is known.
type Unjudged struct {
	Object string `json:"object"` // such as "DestinationRule prod/chat"
	Host   string `json:"host,omitempty"`
	Add    string `json:"add"` // what would settle it, if it were among the manifests
}

func (a *auditor) unjudged(o *manifests.Object, host, add string) {
	a.unknown = append(a.unknown, Unjudged{o.String(), host, add})
}

// unknownOnce reports once what is not known of many objects.
func (a *auditor) unknownOnce() {
	if n := len(a.unknownWorkloads); n > 0 {
		s := a.unknownWorkloads[0]
		message := "no workload with " + traffic.Labels(s.Selector) + " is among the manifests of the namespace " + s.InNamespace()
		if n > 1 {
			message = fmt.Sprintf("the workloads of %d Services are not among the manifests: those of %s", n, traffic.Listed(a.unknownWorkloads))
		}
		a.add(WorkloadsUnknown, s.Object, s.SelectorPath(), message, "audit the workloads too")
	}
	if n := len(a.unknownHosts); n > 0 {
		r := a.unknownHosts[0]
		message := fmt.Sprintf("no Service of %q is among the manifests, and so what becomes of its WebSockets is not known", r.Host)
		if n > 1 {
			message = fmt.Sprintf("no Services of the hosts of %d DestinationRules with UPGRADE are among the manifests, and so what becomes of their WebSockets is not known: %s", n, traffic.Listed(a.unknownHosts))
		}
		a.add(ServiceUnknown, r.Object, "spec.host", message, "audit the Services and their workloads too")
	}
}

// add reports a finding about an object.
func (a *auditor) add(rule finding.Rule, o *manifests.Object, path, message, hint string) {
	f := finding.New(rule, path, message, hint)
	f.Object, f.File, f.Path, f.Line = o.String(), o.File, o.Spelt(path), o.LineOf(path)
	a.hits[o] = append(a.hits[o], f)
}

// once reports whether it is the first time that it is asked about key.
func (a *auditor) once(key ...string) bool {
	k := strings.Join(key, "\x00")
	if a.said[k] {
		return false
	}
	a.said[k] = true
	return true
}

// list returns the findings in the order of the files, with those that each object has by itself.
func (a *auditor) list() finding.List {
	var list finding.List
	for i, o := range a.objects {
		alone := slices.DeleteFunc(a.alone[i], func(f finding.Finding) bool { return a.knowsBetter(o, f) })
		if len(o.Findings)+len(alone)+len(a.hits[o]) == 0 {
			continue
		}
		l := slices.Concat(o.Findings, alone, a.hits[o])
		slices.SortStableFunc(l, func(x, y finding.Finding) int {
			return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Code, y.Code))
		})
		list = append(list, l...)
	}
	return list
}

// validated returns what the validation of one object finds. Where something is wrong with the reading of a field, what is
// said of it and of what is around it may be nothing else.
func validated(o *manifests.Object) finding.List {
	var l finding.List
	switch v := o.Value.(type) {
	case *destinationrule.Rule:
		l = v.Validate()
	case *manifests.EnvoyFilter:
		l = v.Validate()
	}
	for i := range l {
		path := l[i].Path
		l[i].Object, l[i].File, l[i].Path, l[i].Line = o.String(), o.File, o.Spelt(path), o.LineOf(path)
	}
	return slices.DeleteFunc(l, func(f finding.Finding) bool {
		return slices.ContainsFunc(o.Findings, func(read finding.Finding) bool { return within(f.Path, read.Path) || within(read.Path, f.Path) })
	})
}

// within reports whether a path is another one or leads on from it. What is wrong with the reading of a field may be all that
// is wrong with what is around it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (a *auditor) knowsBetter(o *manifests.Object, f finding.Finding) bool {
	r := a.rules[o]
	switch f.Code {
	case destinationrule.HostTakenForFullName.Code:
		return r != nil && a.IsExternal(r.Host) // the ServiceEntry's own name
	case destinationrule.HostDependsOnNamespace.Code: // where its Service is given, it goes to the same namespace
		return r != nil && a.Service(r.Host) != nil
	case destinationrule.PortLevelDropsPolicy.Code, destinationrule.SubsetDropsPolicy.Code:
		return r != nil && r.Upgrades() != nil && !a.dropIsLoss(r, f.Path)
	case destinationrule.MaxDurationCutsWebSockets.Code:
		return r != nil && a.isHTTP(r) // Envoy drains an HTTP connection, and waits for its streams
	case envoyfilter.NoSelector.Code: // in the root namespace WS349 says it
		return o.InNamespace() == a.Root
	case envoyfilter.TargetRefsNotReadBefore127.Code: // WS448 says it for the mesh
		return true
	case envoyfilter.FilterNameDeprecated.Code:
		return a.Every(version.OldConnectionManagerName)
	}
	return false
}

// dropIsLoss reports whether UPGRADE would be right at the level at a path, which drops it.
func (a *auditor) dropIsLoss(r *traffic.Rule, path string) bool {
	steps, err := fieldpath.Parse(path)
	if err != nil {
		return true
	}
	policy, subset := r.Spec.GetTrafficPolicy(), map[string]string(nil)
	var port uint32
	for i, step := range steps[:len(steps)-1] {
		name, _ := step.Name()
		index, isIndex := steps[i+1].Index()
		switch {
		case name == "subsets" && isIndex && index < len(r.Spec.GetSubsets()):
			subset, policy = r.Spec.GetSubsets()[index].GetLabels(), r.Spec.GetSubsets()[index].GetTrafficPolicy()
		case name == "portLevelSettings" && isIndex && index < len(policy.GetPortLevelSettings()):
			port = policy.GetPortLevelSettings()[index].GetPort().GetNumber()
		}
	}
	return a.TakesUpgrade(r, subset, port)
}

// isHTTP reports whether all Services of a rule's host are among the manifests, and no port of theirs is passed on as bytes
// or may be.
func (a *auditor) isHTTP(r *traffic.Rule) bool {
	services := a.Reached(r.Host)
	return len(services) > 0 && !slices.ContainsFunc(services, func(s *traffic.Service) bool {
		for i := range s.Ports {
			if kind := a.Kind(s, i); kind != traffic.HTTP1 && kind != traffic.HTTP2 {
				return true
			}
		}
		return len(s.Ports) == 0
	})
}
