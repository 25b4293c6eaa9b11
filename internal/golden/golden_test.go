// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper()                      {}
func (r *recorder) Errorf(f string, args ...any) { r.said = append(r.said, fmt.Sprintf(f, args...)) }
func (r *recorder) Error(args ...any)            { r.said = append(r.said, fmt.Sprint(args...)) }
func (r *recorder) Fatalf(f string, args ...any) { r.Errorf(f, args...); runtime.Goexit() }
func (r *recorder) Fatal(args ...any)            { r.Error(args...); runtime.Goexit() }

// said runs f as a test of its own and returns what it reported.
func said(update bool, f func(t testing.TB)) string {
	os.Setenv("WSMESH_UPDATE", fmt.Sprint(update))
	defer os.Unsetenv("WSMESH_UPDATE")
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return strings.Join(r.said, "\n")
}

// atDesk unsets the environment variable CI.
func atDesk(t *testing.T) { t.Setenv("CI", "") }

// other is a flag -update of another meaning, as a test may have one.
var other = flag.String("update", "", "what to write")

func TestUpdating(t *testing.T) {
	*other = "true"
	defer func() { *other = "" }()
	for _, test := range []struct {
		update, ci string
		want       bool
		refused    bool
	}{
		{"", "", false, false},
		{"1", "", true, false},
		{"true", "false", true, false},
		{"1", "0", true, false},
		{"0", "", false, false},
		{"false", "", false, false},
		{"no", "", false, false},
		{"1", "true", false, true},
		{"1", "1", false, true},
		{"1", "yes", false, true},
		{"1", "github", false, true},
		{"", "true", false, false},
	} {
		t.Setenv("CI", test.ci)
		var got bool
		r := &recorder{}
		done := make(chan struct{})
		t.Setenv("WSMESH_UPDATE", test.update)
		go func() {
			defer close(done)
			got = Updating(r)
		}()
		<-done
		if got != test.want || (len(r.said) > 0) != test.refused {
			t.Errorf("WSMESH_UPDATE=%s CI=%s: %v, %q", test.update, test.ci, got, r.said)
		}
	}
}

func TestEqual(t *testing.T) {
	atDesk(t)
	path := filepath.Join(t.TempDir(), "new", "want.yaml")
	compare := func(got string) func(testing.TB) {
		return func(t testing.TB) { Equal(t, path, []byte(got)) }
	}
	if got := said(false, compare("a: 1\n")); !strings.Contains(got, "WSMESH_UPDATE=1") {
		t.Errorf("a file that is missing: %q", got)
	}
	if got := said(true, compare("a: 1\n")); got != "" {
		t.Errorf("updating: %q", got)
	}
	if got := said(false, compare("a: 1\n")); got != "" {
		t.Errorf("the same: %q", got)
	}
	if got := said(false, compare("a: 2\n")); !strings.Contains(got, path+"\n+++ what the test gives\n@@ -1,1 +1,1 @@\n-a: 1\n+a: 2\n") {
		t.Errorf("another: %q", got)
	}
	t.Setenv("CI", "true")
	if got := said(true, compare("a: 2\n")); !strings.Contains(got, "CI is set") {
		t.Errorf("updating in CI: %q", got)
	}
	if data, _ := os.ReadFile(path); string(data) != "a: 1\n" {
		t.Errorf("CI wrote %q", data)
	}
}

func TestReleases(t *testing.T) {
	atDesk(t)
	dir := filepath.Join(t.TempDir(), "case")
	releases := []string{"1.11.8", "1.12.0", "1.22.0", "1.31.0"}
	compare := func(outputs ...string) func(testing.TB) {
		return func(t testing.TB) {
			Releases(t, dir, ".yaml", releases, func(release string) []byte {
				for i := range releases {
					if releases[i] == release {
						return []byte(outputs[i])
					}
				}
				return nil
			})
		}
	}
	files := func() string {
		entries, _ := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, " ")
	}
	if got := said(false, compare("a", "b", "b", "b")); !strings.Contains(got, "WSMESH_UPDATE=1") {
		t.Errorf("a directory that is missing: %q", got)
	}
	if got := said(true, compare("a", "c", "b", "b")); got != "" || files() != "1.11.8.yaml 1.12.0.yaml latest.yaml" {
		t.Errorf("updating: %q, %s", got, files())
	}
	if got := said(false, compare("a", "c", "b", "b")); got != "" {
		t.Errorf("the same: %q", got)
	}
	if got := said(false, compare("x", "c", "b", "b")); !strings.Contains(got, "1.11.8.yaml") {
		t.Errorf("an older release differs: %q", got)
	}
	if got := said(false, compare("a", "c", "x", "b")); !strings.Contains(got, "1.22.0.yaml") {
		t.Errorf("a release leaves the newest: %q", got)
	}
	if got := said(false, compare("a", "b", "b", "b")); !strings.Contains(got, "1.12.0.yaml is of no use") {
		t.Errorf("a file that is needed no more: %q", got)
	}
	if got := said(true, compare("a", "b", "b", "b")); got != "" || files() != "1.11.8.yaml latest.yaml" {
		t.Errorf("pruning: %q, %s", got, files())
	}
}

func TestCannotWrite(t *testing.T) {
	atDesk(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := said(true, func(t testing.TB) { Equal(t, filepath.Join(file, "below.yaml"), nil) }); got == "" {
		t.Error("a file as a directory: nothing said")
	}
	if got := said(true, func(t testing.TB) { Equal(t, dir, nil) }); got == "" {
		t.Error("a directory as a file: nothing said")
	}
	if err := os.MkdirAll(filepath.Join(dir, "case", "full", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := said(true, func(t testing.TB) {
		Releases(t, filepath.Join(dir, "case"), ".yaml", []string{"1.31.0"}, func(string) []byte { return nil })
	}); !strings.Contains(got, "full") {
		t.Errorf("a directory that cannot be removed: %q", got)
	}
}
