// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/internal/names"
)

// A form is the documents of all Services of one shape, with gaps for what differs among them: name, namespace and the
// values of the workload's labels.
//
// It is no second set of builders: a form is the very text that NewPlan and WriteYAML make for a Service whose strings
// are markers, cut at the markers. The markers have the greatest length that a name may have, so that what is valid
// with them is valid with all shorter strings. A Service that its own strings do not qualify for the form, because
// one of them is not valid, is planned by NewPlan, which says why.
type form struct {
	shape
	keys     []string // of the workload's labels, in order
	scalars  []scalar
	tail     string // the text after the last of them
	objects  int
	codes    []string // of the plan's findings
	warns    bool     // one of them is a warning
	filtered bool
	usable   bool // else Services of this shape are planned one by one
}

// A shape is what the decision and the structure of the documents depend on, beside the keys of the labels.
type shape struct {
	namespace, port, http1, ambient, external bool
}

// A scalar is one that some of the Service's strings stand in.
type scalar struct {
	before string // the text since the last such scalar
	parts  []part
}

type part struct {
	v     int    // which of the Service's strings
	after string // what stands between it and the next, or the end of the scalar
}

// The strings of a Service, as parts count them. The labels' values follow.
const (
	varName = iota
	varNamespace
	varLabels
)

// forms are the forms that the planners of a run share.
type forms struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*form]
}

// maxForms is how many shapes have a form. A fleet has a few; where each Service has label keys of its own, forms are
// no help.
const maxForms = 64

// find returns the form for an entry, nil where there is none.
func (fs *forms) find(s shape, labels []label) *form {
	if list := fs.list.Load(); list != nil {
		for _, f := range *list {
			if f.fits(s, labels) {
				return f
			}
		}
	}
	return nil
}

// make returns the form for an entry, and whether it was made just now; nil where there are too many.
func (fs *forms) make(s shape, e *entry, base request) (f *form, isNew bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.find(s, e.labels); f != nil {
		return f, false
	}
	var list []*form
	if l := fs.list.Load(); l != nil {
		list = *l
	}
	if len(list) == maxForms {
		return nil, false
	}
	f = newForm(base, s, e)
	list = append(slices.Clip(list), f)
	fs.list.Store(&list)
	return f, true
}

// A filler fills forms in, one Service after the other.
type filler struct {
	last     *form
	vars     []string          // the strings of the Service at hand
	notPlain map[string]string // how some scalars are written
}

// formOf returns the form for an entry, and whether it was made just now; nil where the entry is to be planned.
func (p *planner) formOf(e *entry) (f *form, isNew bool) {
	if p.base.host != "" || p.base.hasBase { // which are for one Service, and not for a fleet
		return nil, false
	}
	if e.svc.Namespace == p.base.mesh.rootNamespace() || !e.fillsForm() { // NewPlan has more to say of a filter there
		return nil, false
	}
	s := p.base.shapeOf(&e.svc)
	if f = p.last; f == nil || !f.fits(s, e.labels) {
		if f = p.forms.find(s, e.labels); f == nil {
			f, isNew = p.forms.make(s, e, p.base)
		}
		p.last = f
	}
	if f == nil || !f.usable {
		return nil, false
	}
	return f, isNew
}

// fillsForm says whether NewPlan accepts the entry if it accepts its shape, label keys included.
func (e *entry) fillsForm() bool {
	svc := &e.svc
	if names.Label(svc.Name) != "" || svc.Namespace != "" && names.Label(svc.Namespace) != "" ||
		svc.Port.Number > 65535 || svc.Port.TargetPort > 65535 {
		return false
	}
	for i := range e.labels {
		if v := e.labels[i].value; v == "" || v != svc.Name && names.LabelValue(v) != "" {
			return false
		}
	}
	return true
}

func (r *request) shapeOf(svc *Service) shape {
	s := shape{namespace: svc.Namespace != "", port: svc.Port != Port{}, ambient: svc.Ambient, external: svc.External}
	if s.port {
		_, s.http1 = svc.Port.protocol(r.oldestControlPlane)
	}
	return s
}

func (f *form) fits(s shape, labels []label) bool {
	if f.shape != s || len(f.keys) != len(labels) {
		return false
	}
	for i := range labels {
		if f.keys[i] != labels[i].key {
			return false
		}
	}
	return true
}

// newForm makes the form of an entry's shape. It is not usable where the shape is refused, or where the text cannot be
// cut safely: where the user's own text holds a marker, say.
func newForm(base request, s shape, e *entry) *form {
	f, again := cutForm(base, s, e, 'x'), cutForm(base, s, e, 'z')
	f.usable = f.usable && again.usable && f.tail == again.tail && reflect.DeepEqual(f.scalars, again.scalars)
	return f
}

// cutForm plans the entry with markers that end in the letter, and cuts the text.
func cutForm(base request, s shape, e *entry, letter byte) *form {
	f := &form{shape: s}
	svc := e.service()
	markers := make([]string, varLabels+len(e.labels))
	for i := range markers {
		markers[i] = "marker-" + strconv.Itoa(i) + "-"
		markers[i] += strings.Repeat(string(letter), 63-len(markers[i]))
	}
	svc.Name = markers[varName]
	if s.namespace {
		svc.Namespace = markers[varNamespace]
	}
	for i, l := range e.labels {
		f.keys = append(f.keys, l.key)
		svc.Workload[l.key] = markers[varLabels+i]
	}

	base.svc = svc
	plan, err := newPlan(base)
	if err != nil {
		return f
	}
	all := plan.Findings()
	f.codes, f.warns = codesOf(all), len(all.Warnings()) > 0
	f.objects, f.filtered = 1+len(plan.filters), len(plan.filters) > 0
	text, err := appendPlan(nil, plan)
	f.usable = err == nil && f.cut(string(text), markers)
	return f
}

// cut finds the scalars that hold markers. Each must begin with one and stand on one line after a key, and what else is
// in it must be such that it is plain where the strings for the markers are (see [manifest.IsPlain]).
func (f *form) cut(text string, markers []string) bool {
	for {
		at, _ := firstMarker(text, markers)
		if at < 0 {
			f.tail = text
			return true
		}
		if !strings.HasSuffix(text[:at], ": ") {
			return false
		}
		sc := scalar{before: text[:at]}
		var line string
		line, text, _ = strings.Cut(text[at:], "\n")
		text = "\n" + text
		for at := 0; line != ""; {
			var v int
			at, v = firstMarker(line, markers)
			if at != 0 {
				return false
			}
			line = line[len(markers[v]):]
			if at, _ = firstMarker(line, markers); at < 0 {
				at = len(line)
			}
			if !isPlainRest(line[:at]) {
				return false
			}
			sc.parts = append(sc.parts, part{v, line[:at]})
			line = line[at:]
		}
		f.scalars = append(f.scalars, sc)
	}
}

// firstMarker returns where the first of the markers begins, and which it is; -1 where there is none.
func firstMarker(text string, markers []string) (at, which int) {
	at = -1
	for i, m := range markers {
		if j := strings.Index(text, m); j >= 0 && (at < 0 || j < at) {
			at, which = j, i
		}
	}
	return at, which
}

func isPlainRest(s string) bool {
	return s == "" || (s[0] == '-' || s[0] == '.') && manifest.IsPlain("a"+s)
}

// fill appends the entry's documents, each with a separator before it.
func (l *filler) fill(dst []byte, f *form, e *entry) []byte {
	l.vars = append(l.vars[:0], e.svc.Name, e.svc.Namespace)
	plain := manifest.IsPlain(e.svc.Name) && (!f.namespace || manifest.IsPlain(e.svc.Namespace))
	for i := range e.labels {
		v := e.labels[i].value
		l.vars = append(l.vars, v)
		plain = plain && (v == e.svc.Name || manifest.IsPlain(v))
	}
	for i := range f.scalars {
		sc := &f.scalars[i]
		dst = append(dst, sc.before...)
		from := len(dst)
		for _, p := range sc.parts {
			dst = append(append(dst, l.vars[p.v]...), p.after...)
		}
		if !plain {
			text := string(dst[from:])
			dst = append(dst[:from], l.written(text)...)
		}
	}
	return append(dst, f.tail...)
}

// maxWritten bounds what is remembered of scalars that are not plain.
const maxWritten = 1000

// written returns how a scalar is written.
func (l *filler) written(text string) string {
	if s, ok := l.notPlain[text]; ok {
		return s
	}
	s := string(manifest.AppendScalar(nil, text))
	if s != text && len(l.notPlain) < maxWritten {
		if l.notPlain == nil {
			l.notPlain = map[string]string{}
		}
		l.notPlain[text] = s
	}
	return s
}
