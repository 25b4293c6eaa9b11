// SPDX-License-Identifier: Apache-2.0

// Package golden compares what a test produced with files under version control, and writes these files where the
// test is run with -update. Package wsmeshtest offers the same to users.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Latest is the name of the file for the newest release, and for every release without a file of its own.
const Latest = "latest"

// Flags must be there before the test's main function parses them. A package imported earlier may have -update already;
// a test package that defines its own after this one is told so by package flag.
func init() {
	if flag.Lookup("update") == nil {
		flag.Bool("update", false, "write golden files instead of comparing with them; refused where CI is set")
	}
}

// Updating says whether golden files are to be written. In CI nobody would look at what was written, so it ends the test.
func Updating(t testing.TB) bool {
	t.Helper()
	f := flag.Lookup("update")
	if f == nil || f.Value.String() != "true" {
		return false
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("-update is refused where the environment variable CI is set: run it at your desk, and look at what changed")
	}
	return true
}

// Equal compares got with the file at path. With -update it writes the file.
func Equal(t testing.TB, path string, got []byte) {
	t.Helper()
	if Updating(t) {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v: run the test with -update to write it", err)
		return
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what the test gives (-file +test); where the change is meant, run it with -update:\n%s", path, diff)
	}
}

// Releases compares what got gives for each release with the files in dir. The releases go from the oldest to the newest.
// dir/latest+ext is for the newest, and for each release without a file dir/release+ext of its own; such a file is there
// only where the output differs. With -update the files are written, and those that no release needs are removed.
func Releases(t testing.TB, dir, ext string, releases []string, got func(release string) []byte) {
	t.Helper()
	newest := releases[len(releases)-1]
	latest := got(newest)
	files := map[string][]byte{Latest + ext: latest}
	for _, release := range releases[:len(releases)-1] {
		if output := got(release); string(output) != string(latest) {
			files[release+ext] = output
		}
	}
	prune := Updating(t)
	entries, err := os.ReadDir(dir)
	if err != nil && !prune {
		t.Errorf("%v: run the test with -update to write it", err)
		return
	}
	for _, e := range entries {
		if _, needed := files[e.Name()]; needed {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if !prune {
			t.Errorf("%s is of no use: its release gives what %s%s holds, or is not tested; run the test with -update to remove it", path, Latest, ext)
		} else if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		Equal(t, filepath.Join(dir, name), files[name])
	}
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
