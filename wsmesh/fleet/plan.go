// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/names"
	"github.com/wsmesh/wsmesh/internal/templates"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An outcome is what a plan gives for a member. Members of one shape may share it.
type outcome struct {
	objects  int
	filtered bool     // there are EnvoyFilters
	codes    []string // of the plan's findings
	warns    bool     // one of them is a warning

	// What the objects are called, for comparing members. Usual names are made of the Service's name and namespace alone.
	usualRule, usualFilter bool
	others                 []objectName // those that are not usual
	host                   string       // of the DestinationRule, with its domain; "" where the rule is usual
}

// An objectName names an object among those of a kind.
type objectName struct{ kind, namespace, name string }

// outcomeOf returns the outcome of the plan for a Service.
func (g *generator) outcomeOf(plan *wsmesh.Plan, svc *wsmesh.Service, opts *wsmesh.Options) *outcome {
	objects, findings, domain := plan.Objects(), g.ofMember(plan.Findings()), g.domain()
	m := &outcome{objects: len(objects), filtered: len(objects) > 1, warns: len(findings.Warnings()) > 0}
	for _, f := range findings {
		m.codes = append(m.codes, f.Code)
	}
	for i, o := range objects {
		switch o := o.(type) {
		case *envoyfilter.Filter:
			switch {
			case i == 0 && o.Namespace == svc.Namespace && o.Name == svc.Name+filterSuffix:
				m.usualFilter = true
			case i == 0 || opts.ASM: // the names of other filters for gateways hold the Service's name and namespace
				m.others = append(m.others, objectName{"EnvoyFilter", o.Namespace, o.Name})
			}
		case *destinationrule.Rule:
			host := istio.Host(o.Spec.GetHost(), cmp.Or(o.Namespace, svc.Namespace), domain)
			m.usualRule = o.Namespace == svc.Namespace && o.Name == svc.Name && host == istio.Host(svc.Name, svc.Namespace, domain)
			if !m.usualRule {
				m.others = append(m.others, objectName{"DestinationRule", o.Namespace, o.Name})
				m.host = host
			}
		}
	}
	return m
}

// ofMember returns the findings that do not come from the mesh.
func (g *generator) ofMember(l finding.List) finding.List {
	return slices.DeleteFunc(slices.Clone(l), func(f finding.Finding) bool {
		return slices.ContainsFunc(g.ofMesh, func(m finding.Finding) bool { return m.Code == f.Code && m.Path == f.Path })
	})
}

// filterSuffix is what the name of a server's EnvoyFilter has after that of the Service.
const filterSuffix = "-allow-connect"

// replace returns m with other strings in the names.
func (m *outcome) replace(r *strings.Replacer) *outcome {
	c := *m
	c.others = slices.Clone(m.others)
	for i := range c.others {
		o := &c.others[i]
		o.namespace, o.name = r.Replace(o.namespace), r.Replace(o.name)
	}
	return &c
}

// A shape is what the decision and the structure of the documents depend on: the documents of all members of a shape differ
// in the strings of their Services alone.
type shape struct {
	options                       *wsmesh.Options
	namespace, ambient, noSidecar bool
	port, http1                   bool          // there is one port; it is HTTP/1
	ports                         []wsmesh.Port // where there are several
}

func (g *generator) shapeOf(e *entry) shape {
	svc := &e.svc
	s := shape{options: e.options, namespace: svc.Namespace != "", ambient: svc.Ambient, noSidecar: svc.NoSidecar}
	switch p := svc.Ports; {
	case len(p) == 1:
		s.port = true
		_, s.http1 = istio.Protocol(p[0].Name, p[0].AppProtocol, g.oldestControlPlane)
	case len(p) > 1:
		s.ports = p
	}
	return s
}

// is reports whether f is the form for members of shape s with the labels.
func (f *form) is(s *shape, labels []label) bool {
	if f.options != s.options || f.namespace != s.namespace || f.ambient != s.ambient || f.noSidecar != s.noSidecar ||
		f.port != s.port || f.http1 != s.http1 || len(f.ports) != len(s.ports) || len(f.keys) != len(labels) {
		return false
	}
	for i := range labels {
		if f.keys[i] != labels[i].key {
			return false
		}
	}
	return slices.Equal(f.ports, s.ports)
}

// A form is the template of a shape.
type form struct {
	shape
	keys    []string            // of the workload's labels
	text    *templates.Template // nil where members of this shape are planned one by one
	outcome *outcome
	markers []string // the name and the namespace in the outcome
}

// shapes are the forms that the planners of a run share.
type shapes struct {
	mu    sync.Mutex
	forms atomic.Pointer[[]*form]
}

// maxForms is how many shapes have a form. A fleet has a few; where each member has label keys of its own, forms are no
// help.
const maxForms = 64

// find returns the form for an entry of shape s, nil where there is none.
func (fs *shapes) find(s *shape, labels []label) *form {
	if list := fs.forms.Load(); list != nil {
		for _, f := range *list {
			if f.is(s, labels) {
				return f
			}
		}
	}
	return nil
}

// add returns the form for an entry, and whether it is new; nil where there are too many.
func (g *generator) add(s *shape, e *entry) (f *form, isNew bool) {
	fs := &g.shapes
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.find(s, e.labels); f != nil {
		return f, false
	}
	var list []*form
	if l := fs.forms.Load(); l != nil {
		list = *l
	}
	if len(list) == maxForms {
		return nil, false
	}
	f = g.newForm(s, e)
	list = append(slices.Clip(list), f)
	fs.forms.Store(&list)
	return f, true
}

// The strings of a Service that differ within a shape, in the order in which templates have them. The values of the labels
// follow.
const (
	nameString = iota
	namespaceString
	labelStrings
)

// newForm plans the Service of an entry with markers for its strings.
func (g *generator) newForm(s *shape, e *entry) *form {
	f := &form{shape: *s}
	f.ports = slices.Clone(s.ports)
	for _, l := range e.labels {
		f.keys = append(f.keys, l.key)
	}
	text, err := templates.New(labelStrings+len(e.labels), func(markers []string) (string, error) {
		svc := e.service()
		svc.Name = markers[nameString]
		if s.namespace {
			svc.Namespace = markers[namespaceString]
		}
		for i, l := range e.labels {
			svc.Workload[l.key] = markers[labelStrings+i]
		}
		plan, err := wsmesh.NewPlan(svc, g.mesh, *s.options)
		if err != nil {
			return "", err
		}
		f.outcome, f.markers = g.outcomeOf(plan, &svc, s.options), markers[:labelStrings]
		text, err := appendPlan(nil, plan)
		return string(text), err
	})
	if err == nil {
		f.text = text
	}
	return f
}

func (g *generator) domain() string { return cmp.Or(g.mesh.ClusterDomain, istio.DefaultClusterDomain) }

// A planner makes the documents of one batch after the other.
type planner struct {
	*generator
	values []string // the strings of the Service at hand
}

func (p *planner) plan(b *batch) {
	for i := range b.entries {
		e := &b.entries[i]
		if err := p.write(b, e, b.first+i); err != nil && b.err == nil {
			b.err = err
		}
		e.end = len(b.out)
	}
}

// formsFrom is how many members are planned one by one first: forms do not pay for a few.
const formsFrom = 4

// checkEvery is how many members of a fleet there are between two for which a form is held against the plan.
const checkEvery = 1000

func (p *planner) write(b *batch, e *entry, number int) error {
	if number < formsFrom {
		return p.byPlan(b, e)
	}
	f, isNew := p.formOf(e)
	if f == nil {
		return p.byPlan(b, e)
	}
	p.values = append(p.values[:0], e.svc.Name, e.svc.Namespace)
	for i := range e.labels {
		p.values = append(p.values, e.labels[i].value)
	}
	from := len(b.out)
	b.out = f.text.AppendText(b.out, p.values)
	if e.outcome = f.outcome; len(f.outcome.others) > 0 {
		e.outcome = f.outcome.replace(strings.NewReplacer(f.markers[nameString], e.svc.Name, f.markers[namespaceString], e.svc.Namespace))
	}
	list := f.outcome.warns && !p.listed.Load()
	if !isNew && number%checkEvery != 0 && !list {
		return nil
	}
	plan, err := wsmesh.NewPlan(e.service(), p.mesh, *e.options)
	if err != nil {
		return formError(e, err.Error())
	}
	if list {
		e.findings = p.ofMember(plan.Findings()).Warnings()
	}
	byForm := b.out[from:]
	if b.out, err = appendPlan(b.out, plan); err != nil {
		return err
	}
	end := from + len(byForm)
	if !bytes.Equal(b.out[end:], byForm) {
		return formError(e, fmt.Sprintf("the template gives\n%s\nand the plan\n%s", byForm, b.out[end:]))
	}
	b.out = b.out[:end]
	return nil
}

func formError(e *entry, what string) error {
	return fmt.Errorf("%s: an error of wsmesh, please report it: NewPlan and the fleet differ: %s", e.object(), what)
}

// formOf returns the form for an entry, and whether it is new; nil where the entry is to be planned.
func (p *planner) formOf(e *entry) (f *form, isNew bool) {
	if e.options.Host != "" || e.options.Base != nil { // which are for one Service
		return nil, false
	}
	if e.svc.Namespace == p.rootNamespace() || !e.isValid() { // NewPlan has more to say of a filter there
		return nil, false
	}
	s := p.shapeOf(e)
	if f = p.shapes.find(&s, e.labels); f == nil {
		f, isNew = p.add(&s, e)
	}
	if f == nil || f.text == nil {
		return nil, false
	}
	return f, isNew
}

func (g *generator) rootNamespace() string {
	return cmp.Or(g.mesh.RootNamespace, istio.DefaultRootNamespace)
}

// isValid reports whether NewPlan accepts the entry if it accepts its shape.
func (e *entry) isValid() bool {
	svc := &e.svc
	if names.Label(svc.Name) != "" || svc.Namespace != "" && names.Label(svc.Namespace) != "" {
		return false
	}
	if len(svc.Ports) == 1 && (svc.Ports[0].Number > 65535 || svc.Ports[0].TargetPort > 65535) {
		return false
	}
	for i := range e.labels {
		if v := e.labels[i].value; v == "" || v != svc.Name && names.LabelValue(v) != "" {
			return false
		}
	}
	return true
}

// byPlan makes the documents of any member.
func (p *planner) byPlan(b *batch, e *entry) error {
	svc := e.service()
	plan, err := wsmesh.NewPlan(svc, p.mesh, *e.options)
	if err != nil {
		e.findings = p.ofMember(finding.In(err))
		return nil
	}
	e.outcome = p.outcomeOf(plan, &svc, e.options)
	if e.outcome.warns && !p.listed.Load() {
		e.findings = p.ofMember(plan.Findings()).Warnings()
	}
	b.out, err = appendPlan(b.out, plan)
	return err
}

// appendPlan appends the plan's documents, each with a separator before it.
func appendPlan(dst []byte, plan *wsmesh.Plan) ([]byte, error) {
	w := bytes.NewBuffer(append(dst, separator...))
	err := plan.WriteYAML(w)
	return w.Bytes(), err
}
