// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/version"
)

func testEntry() *entry {
	var b batch
	b.add(Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}})
	return &b.entries[0]
}

func testBase(opts ...Option) request {
	r := newRequest(Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}}, opts)
	r.checkMesh()
	return r
}

// TestFormIsRefused: a form that cannot be cut safely is not used.
func TestFormIsRefused(t *testing.T) {
	marker := "marker-0-" + strings.Repeat("x", 54)
	tests := []struct {
		opt    Option
		usable bool
		reason string
	}{
		{WithAnnotations(map[string]string{"a": "b"}), true, "constant text"},
		{WithAnnotations(map[string]string{"a": "on"}), true, "constant text that is quoted"},
		{WithAnnotations(map[string]string{"a": marker}), false, "the user's text is a marker"},
		{WithAnnotations(map[string]string{"a": "x " + marker}), false, "the user's text holds a marker"},
		{WithAnnotations(map[string]string{"a": "k: " + marker + " y"}), false, "the user's text looks like a key with a marker"},
		{WithLabels(map[string]string{marker: "y"}), false, "a marker as a key"},
		{WithLabels(map[string]string{"a b": "y"}), false, "NewPlan refuses the shape"},
	}
	for _, tt := range tests {
		base := testBase(tt.opt)
		e := testEntry()
		if f := newForm(base, base.shapeOf(&e.svc), e); f.usable != tt.usable {
			t.Errorf("%s: usable is %t", tt.reason, f.usable)
		}
	}
}

// TestFormIsChecked: a form that is not what NewPlan makes does not get far.
func TestFormIsChecked(t *testing.T) {
	for _, tt := range []struct {
		spoil  func(*form)
		name   string
		number int
		want   string
		reason string
	}{
		{func(*form) {}, "chat", 0, "", "a good form"},
		{func(f *form) { f.tail += "x" }, "chat", 1000, "the form gives", "every 1,000th Service is checked"},
		{func(f *form) { f.tail += "x" }, "chat", 999, "", "and no other"},
	} {
		g := &generator{base: testBase(), ids: newIdentifier()}
		p := planner{generator: g}
		var b batch
		e := testEntry()
		if err := p.write(&b, e, formsFrom); err != nil {
			t.Fatal(err)
		}
		f, _ := p.formOf(e)
		tt.spoil(f)
		err := p.write(&b, e, tt.number)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.reason, err)
		}
	}
}

// TestFailedBatch: a batch with an error ends the run, as the error that Generate returns.
func TestFailedBatch(t *testing.T) {
	c := collector{sum: &Summary{}}
	if err := c.collect(&batch{err: io.ErrUnexpectedEOF}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the error is %v", err)
	}
	if _, err := Generate(context.Background(), io.Discard, Services(nil), testBase().mesh); err != nil {
		t.Error(err)
	}
}

func TestHashSet(t *testing.T) {
	var s hashSet
	if s.has(0) {
		t.Error("an empty set has a hash")
	}
	for i := range uint64(20_000) {
		h := mix(i, 7)
		if s.has(h) || !s.add(h) || !s.has(h) || s.add(h) {
			t.Fatalf("the hash %d is not new before it is added, or not there after", i)
		}
	}
	if s.len != 20_000 {
		t.Errorf("there are %d hashes", s.len)
	}
}
