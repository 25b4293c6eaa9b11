// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Summary says what [Generate] read, wrote and found.
type Summary struct {
	Services int            // read
	Objects  int            // written
	Bytes    int64          // written
	Codes    map[string]int // how many findings of each code there are, all counted
	Findings finding.List   // the first 1,000 warnings and errors, in the order of the Services
}

// maxListed is how many warnings and errors a Summary lists.
const maxListed = 1000

// Services returns a slice of Services as the sequence that [Generate] reads.
func Services(services []Service) iter.Seq2[Service, error] {
	return func(yield func(Service, error) bool) {
		for _, s := range services {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// Generate writes the manifests of a fleet: for each Service of the sequence what [NewPlan] with the same mesh and
// options and [Plan.WriteYAML] write, in the order of the sequence, as one stream of YAML documents. The bytes are the
// same on every run and on any number of cores.
//
// Memory does not grow with the fleet.
//
// Beside what NewPlan finds in one Service, Generate reports two that give objects the same name (WS320) or are for
// the same host (WS321), and warns of workloads that overlap (WS322): where the labels of one are among those of the
// other. Of more than four labels only the very same are seen. It remembers 65,536 Services for that, fewer where
// workloads have several labels; those after them are compared with these only, which is a warning too (WS323). Services
// are told apart by 53 bits of a hash, another one on every run: among 50,000 Services one is wrongly taken for another
// in one of 7,200,000 runs.
//
// The error lists the Services that are refused, as a [*finding.Error] in errors.As. Nothing of a refused Service is
// written, nor of any that comes after it: the stream then ends with a whole document, the rest of the sequence is
// checked only, and the Summary counts all that is wrong. To have all or nothing, run Generate with [io.Discard] as the
// writer first, or use [Sync].
//
// Generate also ends with an error where the sequence yields one, the writer fails or the context is cancelled; the
// Summary says how far it came. The sequence is read by the calling goroutine, and w is written by another, in calls
// one after the other. A Service's Workload is copied at once, so that the sequence may use one map for all.
func Generate(ctx context.Context, w io.Writer, services iter.Seq2[Service, error], mesh Mesh, opts ...Option) (Summary, error) {
	sum := Summary{Codes: map[string]int{}}
	first := true
	err := generate(ctx, services, mesh, opts, &sum, func(b *batch, n int) error {
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
			sum.Objects += b.entries[i].objects
		}
		return nil
	})
	return sum, err
}

// separator stands before each document of a stream but the first.
const separator = "---\n"

// batchSize is how many Services go from hand to hand together: enough to make the passing cheap, and few enough that
// all batches under way together are small.
const batchSize = 128

// An entry is a Service of a batch: first what was read, then what came of it.
type entry struct {
	svc    Service // its Workload is nil: see labels
	labels []label // its Workload, in the order of the keys

	end      int // of its documents in the batch's text
	objects  int
	codes    []string     // of the plan's findings
	findings finding.List // the errors, or the warnings where they are to be listed
	filtered bool         // the plan has EnvoyFilters
	id       identity
}

type label struct{ key, value string }

// service returns the Service as it was read.
func (e *entry) service() Service {
	svc := e.svc
	svc.Workload = make(map[string]string, len(e.labels))
	for _, l := range e.labels {
		svc.Workload[l.key] = l.value
	}
	return svc
}

// A batch is consecutive Services of the sequence.
type batch struct {
	first   int // the number of its first Service in the sequence
	entries []entry
	labels  []label // what the entries' labels point into
	out     []byte  // the documents, each with a separator before it
	err     error   // a plan that cannot be written
	done    chan struct{}
}

func (b *batch) add(svc Service) {
	labels := b.workload(svc.Workload)
	svc.Workload = nil
	b.entries = append(b.entries, entry{svc: svc, labels: labels})
}

// workload returns the labels in the order of the keys. Most Services have the keys of the one before, and to look these
// up takes a third of the time of a walk over the map.
func (b *batch) workload(workload map[string]string) []label {
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

// A generator is one run over a sequence.
type generator struct {
	base   request
	ids    identifier
	forms  forms
	listed atomic.Bool // as many findings are listed as may be
}

// generate reads the sequence, plans its Services on all cores, and calls emit with each batch in turn and the number
// of its entries that may be written. It fills in the Summary, except for what emit writes.
func generate(ctx context.Context, services iter.Seq2[Service, error], mesh Mesh, opts []Option, sum *Summary, emit func(*batch, int) error) error {
	mesh.ControlPlanes, mesh.Proxies = slices.Clone(mesh.ControlPlanes), slices.Clone(mesh.Proxies)
	g := &generator{base: newRequest(mesh, opts), ids: newIdentifier()}
	if problems := g.base.checkMesh(); problems.Err() != nil {
		for _, f := range problems {
			sum.Codes[f.Code]++
		}
		sum.Findings = problems
		return problems.Err()
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers := min(runtime.GOMAXPROCS(0), 8)
	flight := 2*workers + 2
	work, ordered, free := make(chan *batch, flight), make(chan *batch, flight), make(chan *batch, flight)
	for range flight {
		free <- &batch{done: make(chan struct{}, 1)}
	}
	for range workers {
		go func() {
			p := planner{generator: g}
			for b := range work {
				p.plan(b)
				b.done <- struct{}{}
			}
		}()
	}
	c := collector{generator: g, sum: sum, emit: emit, fleet: &fleet{req: g.base, ids: g.ids}}
	var collecting sync.WaitGroup
	collecting.Add(1)
	go func() {
		defer collecting.Done()
		for b := range ordered {
			<-b.done
			if ctx.Err() == nil {
				if err := c.collect(b); err != nil {
					cancel(err)
				}
			}
			free <- b
		}
	}()

	err := read(ctx, services, &sum.Services, work, ordered, free)
	collecting.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	return c.refused()
}

// read passes the Services on in batches, until there are no more or the context is done.
func read(ctx context.Context, services iter.Seq2[Service, error], n *int, work, ordered chan<- *batch, free <-chan *batch) error {
	// Also where the sequence panics nobody is left waiting.
	defer close(ordered)
	defer close(work)
	b := <-free
	pass := func() {
		ordered <- b
		work <- b
	}
	b.reset(0)
	for svc, err := range services {
		if err != nil {
			pass()
			return fmt.Errorf("reading the Services: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		b.add(svc)
		*n++
		if len(b.entries) == batchSize {
			pass()
			b = <-free
			b.reset(*n)
		}
	}
	pass()
	return nil
}

func (b *batch) reset(first int) {
	if b.out == nil {
		b.out = make([]byte, 0, batchSize<<10) // the documents of a Service have about 1 kB
		b.entries = make([]entry, 0, batchSize)
		b.labels = make([]label, 0, batchSize)
	}
	clear(b.entries) // of what the last Services hold in memory
	clear(b.labels)
	b.first, b.entries, b.labels, b.out, b.err = first, b.entries[:0], b.labels[:0], b.out[:0], nil
}

// A planner makes the documents of one batch after the other.
type planner struct {
	*generator
	filler
}

func (p *planner) plan(b *batch) {
	for i := range b.entries {
		e := &b.entries[i]
		e.id = p.ids.of(e)
		if err := p.write(b, e, b.first+i); err != nil && b.err == nil {
			b.err = err
		}
		e.end = len(b.out)
	}
}

// formsFrom is how many Services are planned one by one first: forms do not pay for a few.
const formsFrom = 4

// checkEvery is how many Services of a fleet there are between two for which a form is held against the plan.
const checkEvery = 1000

func (p *planner) write(b *batch, e *entry, number int) error {
	if number < formsFrom {
		return p.byPlan(b, e)
	}
	f, isNew := p.formOf(e)
	if f == nil {
		return p.byPlan(b, e)
	}
	from := len(b.out)
	b.out = p.fill(b.out, f, e)
	e.objects, e.codes, e.filtered = f.objects, f.codes, f.filtered
	list := f.warns && !p.listed.Load()
	if !isNew && number%checkEvery != 0 && !list {
		return nil
	}
	r := p.base
	r.svc = e.service()
	plan, err := newPlan(r)
	if err != nil {
		return formError(e, err.Error())
	}
	if list {
		e.findings = plan.Findings().Warnings()
	}
	byForm := b.out[from:]
	if b.out, err = appendPlan(b.out, plan); err != nil {
		return err
	}
	end := from + len(byForm)
	if !bytes.Equal(b.out[end:], byForm) {
		return formError(e, fmt.Sprintf("the form gives\n%s\nand the plan\n%s", byForm, b.out[end:]))
	}
	b.out = b.out[:end]
	return nil
}

func formError(e *entry, what string) error {
	return fmt.Errorf("%s: an error of wsmesh, please report it: NewPlan and Generate differ: %s", e.svc.object(), what)
}

// byPlan makes the documents of any Service.
func (p *planner) byPlan(b *batch, e *entry) error {
	r := p.base
	r.svc = e.service()
	plan, err := newPlan(r)
	if err != nil {
		e.findings = finding.In(err)
		e.codes = codesOf(e.findings)
		return nil
	}
	all := plan.Findings()
	e.codes = codesOf(all)
	if !p.listed.Load() {
		e.findings = all.Warnings()
	}
	e.objects, e.filtered = 1+len(plan.filters), len(plan.filters) > 0
	b.out, err = appendPlan(b.out, plan)
	return err
}

// appendPlan appends the plan's documents, each with a separator before it.
func appendPlan(dst []byte, plan *Plan) ([]byte, error) {
	for _, o := range plan.objects() {
		var err error
		if dst, err = o.AppendYAML(append(dst, separator...)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func codesOf(l finding.List) []string {
	codes := make([]string, len(l))
	for i, f := range l {
		codes[i] = f.Code
	}
	return codes
}

// A collector takes the batches in their order.
type collector struct {
	*generator
	sum      *Summary
	emit     func(*batch, int) error
	fleet    *fleet
	stopped  bool // at a Service that is refused
	unlisted int  // errors
	tally    tally
}

func (c *collector) collect(b *batch) error {
	if b.err != nil {
		return b.err
	}
	n := len(b.entries)
	for i := range b.entries {
		e := &b.entries[i]
		c.tally.add(c.sum, e.codes)
		c.list(b.first+i, e.findings)
		refused := e.objects == 0
		if !refused {
			problems := c.fleet.check(e)
			for _, f := range problems {
				c.sum.Codes[f.Code]++
			}
			c.list(b.first+i, problems)
			refused = problems.Err() != nil
		}
		c.full(b.first+i, e)
		if refused && !c.stopped {
			c.stopped = true
			n = i
		}
	}
	c.tally.flush(c.sum)
	if c.stopped && n == len(b.entries) {
		n = 0 // an earlier batch's Service was refused
	}
	return c.emit(b, n)
}

// full says once that no more Services are remembered.
func (c *collector) full(number int, e *entry) {
	if !c.fleet.full || c.sum.Codes[finding.WS323.Code] > 0 {
		return
	}
	f := finding.New(finding.WS323, "", "from here on Services are compared with earlier ones only, and not with each other", "generate the manifests of each cluster apart")
	f.Object = e.svc.object()
	c.sum.Codes[f.Code]++
	c.list(number, finding.List{f})
}

func (c *collector) list(number int, l finding.List) {
	for _, f := range l {
		if len(c.sum.Findings) < maxListed {
			if c.base.locate != nil {
				f = c.base.locate(number, f)
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

// refused returns the errors that were found in Services.
func (c *collector) refused() error {
	l := c.sum.Findings.Errors()
	if c.unlisted > 0 {
		l = append(l, finding.New(finding.WS329, "", fmt.Sprintf("%d more errors are not listed", c.unlisted), "correct those that are, and try again"))
	}
	return l.Err()
}

// A tally counts codes. Most Services have the very codes of the one before.
type tally struct {
	codes []string
	n     int
}

func (t *tally) add(sum *Summary, codes []string) {
	if len(codes) == 0 || len(codes) != len(t.codes) || &codes[0] != &t.codes[0] {
		t.flush(sum)
		t.codes = codes
	}
	t.n++
}

func (t *tally) flush(sum *Summary) {
	for _, code := range t.codes {
		sum.Codes[code] += t.n
	}
	t.codes, t.n = nil, 0
}
