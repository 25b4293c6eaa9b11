// SPDX-License-Identifier: Apache-2.0

package wsmeshtest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/wsmeshtest"
)

func objects(t testing.TB, name string, release version.Release) []wsmesh.Object {
	t.Helper()
	svc := wsmesh.Service{Name: name, Namespace: "prod", Workload: map[string]string{"app": name}, Ports: []wsmesh.Port{{Number: 80, Name: "http"}}}
	plan, err := wsmesh.NewPlan(svc, wsmesh.Mesh{Proxies: []version.Release{release}}, wsmesh.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Objects()
}

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

// update is a flag as users' tests have it. Importing wsmeshtest does not keep them from defining one.
var update = flag.Bool("update", false, "write golden files")

// said runs f as a test of its own and returns what it reported.
func said(updating bool, f func(t testing.TB)) string {
	*update = updating
	defer func() { *update = false }()
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return strings.Join(r.said, "\n")
}

func TestGolden(t *testing.T) {
	t.Setenv("CI", "")
	path := filepath.Join(t.TempDir(), "new", "want.yaml")
	newest := version.MustParse("1.31.0")
	compare := func(objs ...wsmesh.Object) func(testing.TB) {
		return func(t testing.TB) { wsmeshtest.Golden(t, path, objs...) }
	}
	chat, push := objects(t, "chat", newest), objects(t, "push", newest)
	broken := &destinationrule.Rule{Name: "A"}

	if got := said(false, compare(chat...)); !strings.Contains(got, "run the test with WSMESH_UPDATE=1") {
		t.Errorf("without a file the test says %q", got)
	}
	if got := said(true, compare(broken)); !strings.Contains(got, "is not valid") {
		t.Errorf("objects with errors are written: %q", got)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("objects with errors were written")
	}
	if got := said(true, compare(chat...)); got != "" {
		t.Errorf("-update says %q", got)
	}
	t.Setenv("WSMESH_UPDATE", "1")
	if got := said(false, compare(push...)); got != "" {
		t.Errorf("WSMESH_UPDATE=1 says %q", got)
	}
	t.Setenv("CI", "false")
	if got := said(false, compare(chat...)); got != "" {
		t.Errorf("WSMESH_UPDATE=1 CI=false says %q", got)
	}
	t.Setenv("WSMESH_UPDATE", "0")
	if got := said(false, compare(chat...)); got != "" {
		t.Errorf("what -update wrote is not what is compared: %q", got)
	}
	if got := said(false, compare(push...)); !strings.Contains(got, "\n--- "+path+"\n+++ what the test gives\n@@ ") ||
		!strings.Contains(got, "\n   workloadSelector:\n     labels:\n-      app: chat\n+      app: push\n") {
		t.Errorf("the diff is %s", got)
	}
	if got := said(true, compare(chat[0], nil)); !strings.Contains(got, "object 2 of 2 is nil") {
		t.Errorf("an object that is nil: %q", got)
	}
	if got := said(true, compare((*destinationrule.Rule)(nil))); !strings.Contains(got, "is not valid") {
		t.Errorf("a rule that is nil: %q", got)
	}
	t.Setenv("CI", "true")
	if got := said(true, compare(push...)); !strings.Contains(got, "CI is set") {
		t.Errorf("in CI -update says %q", got)
	}
	if got := said(false, compare(chat...)); got != "" {
		t.Errorf("-update in CI changed the file: %q", got)
	}
}

// unwritable is an object that is valid and cannot be written.
type unwritable struct{ wsmesh.Object }

func (unwritable) Validate() finding.List            { return nil }
func (unwritable) AppendYAML([]byte) ([]byte, error) { return nil, os.ErrInvalid }

func TestGoldenUnwritable(t *testing.T) {
	got := said(false, func(t testing.TB) { wsmeshtest.Golden(t, "testdata/want.yaml", unwritable{}) })
	if got != os.ErrInvalid.Error() {
		t.Errorf("an object that cannot be written: %q", got)
	}
}

func releases(texts ...string) []version.Release {
	var rs []version.Release
	for _, s := range texts {
		rs = append(rs, version.MustParse(s))
	}
	return rs
}

func TestGoldenReleases(t *testing.T) {
	t.Setenv("CI", "")
	dir := t.TempDir()
	compare := func(rs []version.Release) func(testing.TB) {
		return func(t testing.TB) {
			wsmeshtest.GoldenReleases(t, dir, rs, func(r version.Release) []wsmesh.Object { return objects(t, "chat", r) })
		}
	}
	files := func() []string {
		paths, _ := filepath.Glob(dir + "/*")
		for i := range paths {
			paths[i] = filepath.Base(paths[i])
		}
		return paths
	}
	all := releases("1.11.8", "1.12.0", "1.21.6", "1.22.0", "1.31.0")
	if got := said(true, compare(all)); got != "" {
		t.Fatalf("-update says %q", got)
	}
	if got, want := files(), []string{"1.11.8.yaml", "1.12.0.yaml", "1.21.6.yaml", "latest.yaml"}; !slices.Equal(got, want) {
		t.Errorf("the files are %v, not %v", got, want)
	}
	if got := said(false, compare(all)); got != "" {
		t.Errorf("what -update wrote is not what is compared: %q", got)
	}
	if got := said(false, compare(all[1:])); !strings.Contains(got, "1.11.8.yaml is of no use") {
		t.Errorf("a file that no release needs: %q", got)
	}
	if said(true, compare(all[1:])); slices.Contains(files(), "1.11.8.yaml") {
		t.Error("-update keeps a file that no release needs")
	}
	for reason, rs := range map[string][]version.Release{
		"are not in order":    releases("1.12.0", "1.11.8"),
		"no release is given": nil,
		"is the zero Release": {version.Release{}},
	} {
		if got := said(true, compare(rs)); !strings.Contains(got, reason) {
			t.Errorf("%q is not in %q", reason, got)
		}
	}
	if got := said(true, func(t testing.TB) { wsmeshtest.GoldenReleases(t, dir, all, nil) }); !strings.Contains(got, "objects is nil") {
		t.Errorf("a function that is nil: %q", got)
	}
	got := said(true, func(t testing.TB) {
		wsmeshtest.GoldenReleases(t, dir, all, func(version.Release) []wsmesh.Object { return []wsmesh.Object{unwritable{}} })
	})
	if got != os.ErrInvalid.Error() {
		t.Errorf("an object that cannot be written: %q", got)
	}
}

// TestTestdata is what a user's test looks like.
func TestTestdata(t *testing.T) {
	wsmeshtest.Golden(t, "testdata/want.yaml", objects(t, "chat", version.MustParse("1.24.1"))...)
	wsmeshtest.GoldenReleases(t, "testdata/releases", releases("1.11.8", "1.12.0", "1.22.0", "1.31.0"), func(r version.Release) []wsmesh.Object {
		return objects(t, "chat", r)
	})
}
