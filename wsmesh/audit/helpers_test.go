// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// setOf reads one text for each file, named a.yaml, b.yaml and so on.
func setOf(t testing.TB, texts ...string) *manifests.Set {
	t.Helper()
	var m manifests.Set
	for i, text := range texts {
		if err := m.Add(string(rune('a'+i))+".yaml", strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	return &m
}

// run audits the manifests for a mesh that all of the releases run in.
func run(t testing.TB, m *manifests.Set, releases ...string) *audit.Report {
	t.Helper()
	r, err := audit.Run(t.Context(), m, mesh(releases...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// findings audits one file at release 1.24.1.
func findings(t testing.TB, text string) finding.List {
	t.Helper()
	return run(t, setOf(t, text), "1.24.1").Findings
}

func fix(t testing.TB, m *manifests.Set, release string) *audit.Fixed {
	t.Helper()
	fixed, err := run(t, m, release).Fix()
	if err != nil {
		t.Fatal(err)
	}
	return fixed
}

func mesh(releases ...string) wsmesh.Mesh {
	var m wsmesh.Mesh
	for _, s := range releases {
		r := version.MustParse(s)
		m.ControlPlanes = append(m.ControlPlanes, r)
		m.Proxies = append(m.Proxies, r)
	}
	return m
}

func codes(list finding.List) []string {
	var out []string
	for _, f := range list {
		out = append(out, f.Code)
	}
	return out
}
