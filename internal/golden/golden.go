// SPDX-License-Identifier: Apache-2.0

// Package golden compares what a test produced with files under version control, and writes these files where the
// environment variable WSMESH_UPDATE is true. It knows bytes and names only, so that the tests of every package can import it;
// package wsmeshtest offers the same for objects to users.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/wsmesh/wsmesh/internal/textdiff"
)

// Latest is the name of the file for the newest release, and for every release without a file of its own.
const Latest = "latest"

// Updating reports whether golden files are to be written: WSMESH_UPDATE is true, or the test has a boolean flag -update and
// that is true. It is an environment variable because go test passes a flag to the tests of every package, and those that do
// not define it fail. No flag is defined here because a test that defines its own would panic. In CI nobody would look at
// what was written, so Updating ends the test there.
func Updating(t testing.TB) bool {
	t.Helper()
	update, _ := strconv.ParseBool(os.Getenv("WSMESH_UPDATE"))
	if f := flag.Lookup("update"); f != nil {
		if getter, ok := f.Value.(flag.Getter); ok {
			given, _ := getter.Get().(bool)
			update = update || given
		}
	}
	if update && inCI() {
		t.Fatalf("golden files are not written where the environment variable CI is set: do it at your desk, and look at what changed")
	}
	return update
}

// inCI reports whether the environment variable CI is set to anything but what [strconv.ParseBool] reads as false.
func inCI() bool {
	value := os.Getenv("CI")
	set, err := strconv.ParseBool(value)
	return value != "" && (set || err != nil)
}

// Equal compares got with the file at path, and fails the test with a unified diff where they differ. If [Updating] reports
// true, it writes the file.
func Equal(t testing.TB, path string, got []byte) {
	t.Helper()
	if Updating(t) {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v: run the test with WSMESH_UPDATE=1 to write it", err)
		return
	}
	if diff := textdiff.Unified(path, "what the test gives", string(want), string(got)); diff != "" {
		t.Errorf("%s is not what the test gives; where the change is meant, run it with WSMESH_UPDATE=1:\n%s", path, diff)
	}
}

// Releases compares what got returns for each release with the files in dir. The releases go from the oldest to the newest.
// The file latest has the output for the newest release, and for every release without a file of its own; a release has one
// only where its output differs. The names of the files end in ext. If [Updating] reports true, the files are written, and
// those that no release needs are removed.
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
		t.Errorf("%v: run the test with WSMESH_UPDATE=1 to write it", err)
		return
	}
	for _, e := range entries {
		if _, needed := files[e.Name()]; needed {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if !prune {
			t.Errorf("%s is of no use: its release gives what %s%s holds, or is not tested; run the test with WSMESH_UPDATE=1 to remove it", path, Latest, ext)
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

// write writes a file, and the folder that it stands in.
func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
