// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh"
)

func testGenerator(t *testing.T, opts wsmesh.Options) *generator {
	t.Helper()
	mesh, err := wsmesh.MeshOf("1.24.1")
	if err != nil {
		t.Fatal(err)
	}
	return &generator{mesh: mesh, own: &opts}
}

func (g *generator) testEntry() *entry {
	var b batch
	b.add(wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}}, g.own)
	return &b.entries[0]
}

// TestFormIsRefused: where no template can be made safely, members are planned one by one.
func TestFormIsRefused(t *testing.T) {
	marker := "marker-0-" + strings.Repeat("x", 54)
	tests := []struct {
		opts   wsmesh.Options
		usable bool
		reason string
	}{
		{wsmesh.Options{Annotations: map[string]string{"a": "b"}}, true, "constant text"},
		{wsmesh.Options{Annotations: map[string]string{"a": "on"}}, true, "constant text that is quoted"},
		{wsmesh.Options{Annotations: map[string]string{"a": marker}}, false, "the user's text is a marker"},
		{wsmesh.Options{Labels: map[string]string{"a b": "y"}}, false, "NewPlan refuses the shape"},
		{wsmesh.Options{Host: "chat.example.com"}, false, "a host for one Service"},
	}
	for _, tt := range tests {
		p := planner{generator: testGenerator(t, tt.opts)}
		if f, _ := p.formOf(p.testEntry()); (f != nil) != tt.usable {
			t.Errorf("%s: usable is %t", tt.reason, f != nil)
		}
	}
}

// TestFormIsChecked: a template that is not what NewPlan makes does not get far.
func TestFormIsChecked(t *testing.T) {
	for _, tt := range []struct {
		name   string // of the Service that the wrong template is for
		number int
		want   string
		reason string
	}{
		{"chat", 1000, "", "a good template"},
		{"push", 1000, "the template gives", "every 1,000th member is checked"},
		{"push", 999, "", "and no other"},
	} {
		p := planner{generator: testGenerator(t, wsmesh.Options{})}
		var b batch
		e := p.testEntry()
		if err := p.write(&b, e, formsFrom); err != nil {
			t.Fatal(err)
		}
		f, _ := p.formOf(e)
		if tt.name == "push" {
			other := planner{generator: testGenerator(t, wsmesh.Options{HTTP1: true})}
			wrong, _ := other.formOf(other.testEntry())
			f.text = wrong.text
		}
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
}
