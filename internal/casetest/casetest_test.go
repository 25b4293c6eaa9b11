// SPDX-License-Identifier: Apache-2.0

package casetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const example = `Two rules for one host.
istiod takes the older one.

-- mesh --
controlPlanes: 1.24.1 1.20.8
proxies: 1.20.8
rootNamespace: root
clusterDomain: example.org
-- a.yaml --
one: 1
two: 2 # why  # want WS340 WS340
--- # want WS342
-- b.json --
{
}
-- want --
b.json:2 WS341
fixed/a.yaml:1 WS343
mended/new.yaml:1 WS344
-- fixed/a.yaml --
one: 1
-- mended/b.json --
-- mended/new.yaml --
x: 1
`

func release(texts ...string) []version.Release {
	var out []version.Release
	for _, text := range texts {
		out = append(out, version.MustParse(text))
	}
	return out
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.txtar")
	if err := os.WriteFile(path, []byte(example), 0o644); err != nil {
		t.Fatal(err)
	}
	where := func(line string) string { return path + ":" + line }
	want := &Case{
		Comment: "Two rules for one host.\nistiod takes the older one.",
		Mesh:    wsmesh.Mesh{ControlPlanes: release("1.24.1", "1.20.8"), Proxies: release("1.20.8"), RootNamespace: "root", ClusterDomain: "example.org"},
		Files: []File{
			{"a.yaml", "one: 1\ntwo: 2 # why\n---\n", []Want{{"WS340", 2, where("11")}, {"WS340", 2, where("11")}, {"WS342", 3, where("12")}}},
			{"b.json", "{\n}\n", []Want{{"WS341", 2, where("17")}}},
		},
		Fixed:  []File{{"a.yaml", "one: 1\n", []Want{{"WS343", 1, where("18")}}}},
		Mended: []File{{"b.json", "", nil}, {"new.yaml", "x: 1\n", []Want{{"WS344", 1, where("19")}}}},
	}
	got := Read(t, path)
	if diff := cmp.Diff(want, got, cmp.Comparer(func(x, y version.Release) bool { return x.Original() == y.Original() })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	names := func(files []File) string {
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		return strings.Join(names, " ")
	}
	if got := names(got.With(got.Fixed)); got != "a.yaml b.json" {
		t.Errorf("fixed: %s", got)
	}
	if got := names(got.With(got.Mended)); got != "a.yaml new.yaml" {
		t.Errorf("mended: %s", got)
	}
	if got := names(got.Untouched(got.Mended)); got != "a.yaml" {
		t.Errorf("untouched: %s", got)
	}
	if m := Set(t, got.Files); len(m.Files()) != 2 {
		t.Errorf("%d files", len(m.Files()))
	}
}

// TestParse checks that a file which is not a case is an error with its line.
func TestParse(t *testing.T) {
	const mesh = "-- mesh --\nistio: 1.24.1\n"
	for text, want := range map[string]string{
		mesh + "-- a --\nx\n": "c: no comment says what the situation is",
		"why\n" + mesh:        "c: there is no manifest",
		"why\n-- a --\n":      "c: there is no file mesh",
		"why\n-- mesh --\nistio: latest\n-- a --\n":          `c:3: unknown Istio release "latest"`,
		"why\n-- mesh --\nistio 1.24.1\n-- a --\n":           `c:3: a mesh has no "istio 1.24.1"`,
		"why\n" + mesh + "-- a --\nx # want\n":               "c:5: nothing is expected",
		"why\n" + mesh + "-- a --\nx # want WS999\n":         `c:5: no rule is "WS999"`,
		"why\n" + mesh + "-- a --\nx\n-- want --\nb:1 WS340": `c:7: "b:1" is no line of a manifest`,
		"why\n" + mesh + "-- a --\nx\n-- want --\na:3 WS340": `c:7: "a:3" is no line of a manifest`,
		"why\n" + mesh + "-- a --\nx\n-- want --\na WS340":   `c:7: "a" is no line of a manifest`,
		"why\n" + mesh + "-- a --\nx\n-- want --\na:1":       "c:7: nothing is expected",
	} {
		if _, err := parse("c", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	said []any
}

func (r *recorder) Helper()           {}
func (r *recorder) Error(args ...any) { r.said = append(r.said, args...) }

func TestCheck(t *testing.T) {
	found := func(file string, line int, code string) finding.Finding {
		return finding.Finding{File: file, Line: line, Code: code, Message: "m"}
	}
	file := []File{{Name: "a", Wants: []Want{{"WS340", 2, "c:7"}, {"WS340", 2, "c:7"}}}}
	for reason, tt := range map[string]struct {
		found         finding.List
		files, others []File
		want          []any
	}{
		"all there":        {finding.List{found("a", 2, "WS340"), found("a", 2, "WS340")}, file, nil, nil},
		"one of two":       {finding.List{found("a", 2, "WS340")}, file, nil, []any{"c:7: WS340 is expected on line 2 of a, and is not found there"}},
		"one too many":     {finding.List{found("a", 2, "WS340"), found("a", 2, "WS340"), found("a", 2, "WS340")}, file, nil, []any{"not expected: a:2: info WS340: m"}},
		"another line":     {finding.List{found("a", 3, "WS340")}, nil, file, []any{"not expected: a:3: info WS340: m"}},
		"another file":     {finding.List{found("b", 2, "WS340")}, nil, file, []any{"not expected: b:2: info WS340: m"}},
		"what may be gone": {nil, nil, file, nil},
	} {
		r := &recorder{}
		Check(r, tt.found, tt.files, tt.others)
		if diff := cmp.Diff(tt.want, r.said); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
}
