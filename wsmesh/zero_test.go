// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// inError returns the findings of an error, which must hold some.
func inError(t testing.TB, err error) finding.List {
	t.Helper()
	var e *finding.Error
	if !errors.As(err, &e) || len(e.Findings) == 0 {
		t.Fatalf("the error holds no findings: %v", err)
	}
	return e.Findings
}

// TestNothingGiven: zero values are refused with all that is missing.
func TestNothingGiven(t *testing.T) {
	plan, err := wsmesh.NewPlan(wsmesh.Service{}, wsmesh.Mesh{}, wsmesh.Options{})
	if plan != nil || strings.Join(codes(inError(t, err)), " ") != "WS501 WS503 WS401" {
		t.Errorf("%v, %v", plan, err)
	}
	if l := (wsmesh.Options{}).Validate(wsmesh.Mesh{}); len(l) != 0 {
		t.Errorf("options that ask for nothing: %v", l)
	}
	if l := (wsmesh.Options{Gateways: make([]wsmesh.Gateway, 1), Base: &destinationrule.Rule{}}).Validate(mesh("1.24.1")); len(l) != 1 || !finding.Is(l[0], wsmesh.NoWorkloadLabels) {
		t.Errorf("a gateway that is none: %v", l)
	}
}

// TestErrNoRelease: whatever needs a release and has none says so with the same error.
func TestErrNoRelease(t *testing.T) {
	_, planned := wsmesh.NewPlan(server(), wsmesh.Mesh{}, wsmesh.Options{})
	_, zero := wsmesh.NewPlan(server(), wsmesh.Mesh{ControlPlanes: make([]version.Release, 1)}, wsmesh.Options{})
	_, read := wsmesh.ParseMesh(strings.NewReader(""))
	_, unread := wsmesh.ParseMesh(nil)
	_, _, oldest := wsmesh.Mesh{}.Oldest()
	for what, err := range map[string]error{"NewPlan": planned, "NewPlan of a zero release": zero, "ParseMesh": read, "ParseMesh of nil": unread, "Oldest": oldest} {
		if !errors.Is(err, version.ErrNoRelease) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := wsmesh.NewPlan(wsmesh.Service{}, mesh("1.24.1"), wsmesh.Options{}); errors.Is(err, version.ErrNoRelease) {
		t.Errorf("a release is given: %v", err)
	}
}

// TestMeshValidate: what is unknown of a mesh is named, and a later release is said once.
func TestMeshValidate(t *testing.T) {
	r := func(texts ...string) []version.Release { return mesh(texts...).Proxies }
	for _, tt := range []struct {
		reason string
		mesh   wsmesh.Mesh
		want   string
	}{
		{"all is known", mesh("1.24.1"), ""},
		{"no proxies", wsmesh.Mesh{ControlPlanes: r("1.24.1")}, "WS411 mesh.proxies"},
		{"no control planes", wsmesh.Mesh{Proxies: r("1.24.1")}, "WS411 mesh.controlPlanes"},
		{"nothing", wsmesh.Mesh{}, "WS401 mesh"},
		{"a zero release is enough to say", wsmesh.Mesh{Proxies: make([]version.Release, 1)}, "WS402 mesh.proxies[0]"},
		{"the newest", mesh("1.32.0"), ""},
		{"a patch of the newest", mesh("1.32.7"), ""},
		{"the next", mesh("1.33.0", "1.24.1"), "WS412 mesh"},
		{"two later ones are one finding", wsmesh.Mesh{ControlPlanes: r("1.34.0", "1.33.0")}, "WS411 mesh.proxies, WS412 mesh"},
		{"1.320 is no 1.32", mesh("1.320.0"), "WS412 mesh"},
	} {
		var got []string
		for _, f := range tt.mesh.Validate() {
			got = append(got, f.Code+" "+f.Path)
			if f.Hint == "" {
				t.Errorf("%s: no way out in %v", tt.reason, f)
			}
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %s, want %s", tt.reason, strings.Join(got, ", "), tt.want)
		}
	}
	plan := mustPlan(t, server(), wsmesh.Mesh{ControlPlanes: r("1.40.0")})
	if got := strings.Join(codes(plan.Findings().Warnings()), " "); got != "WS411 WS412" {
		t.Errorf("the plan warns of %s", got)
	}
	if before, after := planYAML(t, mustPlan(t, server(), mesh("1.32.0"))), planYAML(t, mustPlan(t, server(), mesh("1.40.0"))); before != after {
		t.Errorf("a later release gives other objects:\n%s", after)
	}
}

// TestNoPlan: methods of a nil plan and of the zero value give nothing or an error, and do not panic.
func TestNoPlan(t *testing.T) {
	for _, p := range []*wsmesh.Plan{nil, {}} {
		if d := p.Decision(); d.Policy != destinationrule.UpgradeDefault || d.Reasons != nil {
			t.Errorf("decision %v", d)
		}
		if p.DestinationRule() != nil || p.EnvoyFilters() != nil || p.Objects() != nil || p.Findings() != nil || p.Stages() != nil || p.Rollback() != nil {
			t.Error("there is something in no plan")
		}
		for _, err := range []error{p.WriteYAML(io.Discard), p.Explain(io.Discard), p.Mermaid(io.Discard)} {
			if err == nil || !strings.Contains(err.Error(), "NewPlan") {
				t.Errorf("error %v", err)
			}
		}
		if _, err := p.MarshalJSON(); err == nil {
			t.Error("no plan has JSON")
		}
	}
}

// TestNoWriter: a nil writer is an error, and so is a nil object.
func TestNoWriter(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.24.1"))
	for _, err := range []error{plan.WriteYAML(nil), plan.Explain(nil), plan.Mermaid(nil), wsmesh.WriteYAML(nil, plan.Objects()...)} {
		if err == nil || !strings.Contains(err.Error(), "nil") {
			t.Errorf("error %v", err)
		}
	}
	for _, obj := range []wsmesh.Object{nil, (*destinationrule.Rule)(nil), &destinationrule.Rule{}} {
		var b bytes.Buffer
		if err := wsmesh.WriteYAML(&b, plan.DestinationRule(), obj); err == nil || b.Len() > 0 {
			t.Errorf("%T: error %v, %d bytes", obj, err, b.Len())
		}
	}
	if err := wsmesh.WriteYAML(io.Discard); err != nil {
		t.Errorf("no objects: %v", err)
	}
	if text, err := json.Marshal((*wsmesh.Plan)(nil)); err != nil || string(text) != "null" {
		t.Errorf("%s, %v", text, err)
	}
}

// TestMeshOfRefuses: each text that is no release has its finding.
func TestMeshOfRefuses(t *testing.T) {
	m, err := wsmesh.MeshOf("1.24.1", "latest", "2.6.1", "1.24.1")
	if got := strings.Join(codes(inError(t, err)), " "); got != "WS409 WS410" || len(m.Proxies) != 0 {
		t.Errorf("%s, %v", got, m)
	}
	if !errors.Is(err, version.ErrUnknownRelease) || !errors.Is(err, version.ErrNotIstioRelease) {
		t.Errorf("%v", err)
	}
	if m, err := wsmesh.MeshOf("1.24.1", "1.24.1"); err != nil || len(m.ControlPlanes) != 1 || len(m.Proxies) != 1 {
		t.Errorf("%v, %v", m, err)
	}
}
