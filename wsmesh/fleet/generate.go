// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Generate writes the manifests of the fleet: for each member what [wsmesh.NewPlan] with the mesh and the options and
// [wsmesh.Plan.WriteYAML] write, in the order of the sequence, as one stream of YAML documents. The bytes are the same on
// every run and on any number of cores. Memory does not grow with the fleet.
//
// What NewPlan finds in the mesh is reported once, and not for each member. Beside what it finds in one Service, Generate reports two that give objects the same name (WS320) or are for the
// same host (WS321), and warns of workloads that overlap (WS322): where the labels of one are among those of the other. Of
// more than four labels only the very same are seen. It remembers 65,536 Services for that, fewer where workloads have
// several labels; those after them are compared with these only, which is a warning too (WS323).
//
// The error lists the Services that are refused, as a [*finding.Error] in errors.As. Nothing of a refused Service is
// written, nor of any that comes after it: the stream then ends with a whole document, the rest of the sequence is
// checked only, and the Summary counts all that is wrong. To have all or nothing, run Generate with [io.Discard] as the
// writer first, or use [Fleet.Sync].
//
// Generate also ends with an error where the sequence yields one, the writer fails or the context is done; the Summary says
// how far it came. The calling goroutine reads the sequence and writes to w.
func (f *Fleet) Generate(ctx context.Context, w io.Writer) (Summary, error) {
	sum := Summary{Codes: map[string]int{}}
	if w == nil {
		return sum, errors.New("the writer is nil: give one, such as os.Stdout")
	}
	first := true
	err := f.generate(ctx, &sum, func(b *batch, n int) error {
		text := b.text(0, n)
		if len(text) == 0 {
			return nil
		}
		if first {
			text = text[len(separator):]
			first = false
		}
		written, err := w.Write(text)
		sum.Bytes += int64(written)
		if err == nil && written < len(text) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return fmt.Errorf("writing the manifests: %w", err)
		}
		for i := range n {
			sum.Objects += b.entries[i].outcome.objects
		}
		return nil
	})
	return sum, err
}

// separator stands before each document of a stream but the first.
const separator = "---\n"

// batchSize is how many members go from hand to hand together: enough to make the passing cheap, and few enough that all
// batches under way together are small.
const batchSize = 128

// An entry is a member of a batch: first what was read, then what came of it.
type entry struct {
	svc     wsmesh.Service // its Workload is nil: see labels
	labels  []label        // its Workload, in the order of the keys
	options *wsmesh.Options

	outcome  *outcome     // nil where the member is refused
	end      int          // of its documents in the batch's text
	findings finding.List // the errors, or the warnings where they are to be listed
}

type label struct{ key, value string }

// service returns the Service as it was read.
func (e *entry) service() wsmesh.Service {
	svc := e.svc
	svc.Workload = make(map[string]string, len(e.labels))
	for _, l := range e.labels {
		svc.Workload[l.key] = l.value
	}
	return svc
}

// object names the Service in findings.
func (e *entry) object() string {
	if e.svc.Namespace == "" {
		return "Service " + e.svc.Name
	}
	return "Service " + e.svc.Namespace + "/" + e.svc.Name
}

// A batch is consecutive members of the sequence.
type batch struct {
	first   int // the number of its first member in the sequence
	entries []entry
	labels  []label       // what the entries' labels point into
	ports   []wsmesh.Port // what the entries' ports point into
	out     []byte        // the documents, each with a separator before it
	err     error         // a plan that cannot be written
	planned chan struct{} // holds one value when the planner is done with the batch
}

func (b *batch) add(svc wsmesh.Service, options *wsmesh.Options) {
	labels := b.sorted(svc.Workload)
	svc.Workload = nil
	from := len(b.ports)
	b.ports = append(b.ports, svc.Ports...)
	svc.Ports = b.ports[from:len(b.ports):len(b.ports)]
	b.entries = append(b.entries, entry{svc: svc, labels: labels, options: options})
}

// sorted returns the labels in the order of the keys. Most Services have the keys of the one before, and to look these up
// takes a third of the time of a walk over the map.
func (b *batch) sorted(workload map[string]string) []label {
	from := len(b.labels)
	if n := len(b.entries); n > 0 && len(b.entries[n-1].labels) == len(workload) {
		for _, l := range b.entries[n-1].labels {
			value, ok := workload[l.key]
			if !ok {
				b.labels = b.labels[:from]
				break
			}
			b.labels = append(b.labels, label{l.key, value})
		}
	}
	if len(b.labels)-from < len(workload) {
		for k, v := range workload {
			b.labels = append(b.labels, label{k, v})
		}
		slices.SortFunc(b.labels[from:], func(a, b label) int { return strings.Compare(a.key, b.key) })
	}
	return b.labels[from:len(b.labels):len(b.labels)]
}

// text returns the documents of the entries from i up to n.
func (b *batch) text(i, n int) []byte {
	from, to := 0, 0
	if i > 0 {
		from = b.entries[i-1].end
	}
	if n > 0 {
		to = b.entries[n-1].end
	}
	return b.out[from:to]
}

func (b *batch) reset(first int) {
	if b.out == nil {
		b.out = make([]byte, 0, batchSize<<10) // the documents of a Service have about 1 kB
		b.entries = make([]entry, 0, batchSize)
		b.labels = make([]label, 0, batchSize)
		b.ports = make([]wsmesh.Port, 0, batchSize)
	}
	clear(b.entries) // of what the last members hold in memory
	clear(b.labels)
	clear(b.ports)
	b.first, b.entries, b.labels, b.ports, b.out, b.err = first, b.entries[:0], b.labels[:0], b.ports[:0], b.out[:0], nil
}

// A generator is one run over a fleet.
type generator struct {
	mesh               wsmesh.Mesh
	ofMesh             finding.List // what there is to know of the mesh, which every plan repeats
	oldestControlPlane version.Release
	own                *wsmesh.Options   // the fleet's
	known              []*wsmesh.Options // the fleet's, and those of members
	shapes             shapes
	listed             atomic.Bool // the Summary's list is full
}

// generate reads the sequence, plans its members on all cores, and calls emit with each batch in turn and the number of its
// entries that may be written. It fills in the Summary, except for what emit writes. The sequence and emit run in the
// calling goroutine: where one of them panics, nothing is left running.
func (f *Fleet) generate(ctx context.Context, sum *Summary, emit func(*batch, int) error) error {
	if ctx == nil {
		return errors.New("the context is nil: give one, such as context.Background()")
	}
	ofMesh, err := f.check()
	for _, p := range ofMesh {
		sum.Codes[p.Code]++
		if f.locate != nil {
			p = f.locate(-1, p)
		}
		sum.Findings = append(sum.Findings, p)
	}
	if err != nil {
		return err
	}
	own, mesh := f.Options.Clone(), f.Mesh
	mesh.ControlPlanes, mesh.Proxies = slices.Clone(mesh.ControlPlanes), slices.Clone(mesh.Proxies)
	g := &generator{mesh: mesh, ofMesh: ofMesh, own: &own, known: []*wsmesh.Options{&own}}
	_, g.oldestControlPlane, _ = mesh.Oldest() // the mesh has a release: it was checked
	c := collector{generator: g, locate: f.locate, sum: sum, emit: emit, registry: newRegistry(&mesh)}

	workers := min(runtime.GOMAXPROCS(0), 8)
	batches := make([]batch, 2*workers+2) // a ring: each is collected before it is used again
	for i := range batches {
		batches[i].planned = make(chan struct{}, 1)
	}
	work := make(chan *batch, len(batches))
	var planners sync.WaitGroup
	for range workers {
		planners.Go(func() {
			p := planner{generator: g}
			for b := range work {
				p.plan(b)
				b.planned <- struct{}{}
			}
		})
	}
	defer planners.Wait()
	defer close(work)

	passed, collected := 0, 0 // batches
	collect := func() error {
		b := &batches[collected%len(batches)]
		collected++
		<-b.planned
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return c.collect(b)
	}
	var failed error
	b := &batches[0]
	b.reset(0)
	for m, err := range f.Services {
		if err != nil {
			failed = fmt.Errorf("reading the Services: %w", err)
			break
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b.add(m.Service, g.options(m.Options))
		sum.Services++
		if len(b.entries) < batchSize {
			continue
		}
		work <- b
		if passed++; passed-collected == len(batches) {
			if err := collect(); err != nil {
				return err
			}
		}
		b = &batches[passed%len(batches)]
		b.reset(sum.Services)
	}
	work <- b
	for passed++; collected < passed; {
		if err := collect(); err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	return c.refused()
}

// maxKnown is how many different options are remembered: a fleet has a few.
const maxKnown = 16

// options returns a copy of a member's options: the same for members whose options are equal, so that they share templates.
func (g *generator) options(o *wsmesh.Options) *wsmesh.Options {
	if o == nil {
		return g.own
	}
	if o.Base == nil {
		for _, known := range g.known {
			if reflect.DeepEqual(known, o) {
				return known
			}
		}
	}
	c := o.Clone()
	if o.Base == nil && len(g.known) < maxKnown {
		g.known = append(g.known, &c)
	}
	return &c
}

// A collector takes the batches in their order.
type collector struct {
	*generator
	locate   func(int, finding.Finding) finding.Finding
	sum      *Summary
	emit     func(*batch, int) error
	registry *registry
	stopped  bool // at a member that is refused
	unlisted int  // errors
}

func (c *collector) collect(b *batch) error {
	if b.err != nil {
		return b.err
	}
	n := len(b.entries)
	for i := range b.entries {
		e := &b.entries[i]
		if e.outcome != nil {
			for _, code := range e.outcome.codes {
				c.sum.Codes[code]++
			}
		} else {
			c.count(e.findings)
		}
		c.list(b.first+i, e.findings)
		refused := e.outcome == nil
		if !refused {
			problems := c.registry.check(e)
			c.count(problems)
			c.list(b.first+i, problems)
			refused = problems.Err() != nil
		}
		if c.registry.full && c.sum.Codes[NotAllRemembered.Code] == 0 {
			c.full(b.first+i, e)
		}
		if refused && !c.stopped {
			c.stopped = true
			n = i
		}
	}
	if c.stopped && n == len(b.entries) {
		n = 0 // a member of an earlier batch was refused
	}
	return c.emit(b, n)
}

// full says that no more Services are remembered.
func (c *collector) full(number int, e *entry) {
	f := finding.New(NotAllRemembered, "", "from here on Services are compared with earlier ones only, and not with each other", "generate the manifests of each cluster apart")
	f.Object = e.object()
	c.sum.Codes[f.Code]++
	c.list(number, finding.List{f})
}

func (c *collector) count(l finding.List) {
	for _, f := range l {
		c.sum.Codes[f.Code]++
	}
}

func (c *collector) list(number int, l finding.List) {
	for _, f := range l {
		if len(c.sum.Findings) < maxListed {
			if c.locate != nil {
				f = c.locate(number, f)
			}
			c.sum.Findings = append(c.sum.Findings, f)
			continue
		}
		c.listed.Store(true)
		if f.Severity == finding.SeverityError {
			c.unlisted++
		}
	}
}

// refused returns the errors that were found in members.
func (c *collector) refused() error {
	l := c.sum.Findings.Errors()
	if c.unlisted > 0 {
		l = append(l, finding.New(MoreErrors, "", fmt.Sprintf("%d more errors are not listed", c.unlisted), "correct those that are, and try again"))
	}
	return l.Err()
}
