// SPDX-License-Identifier: Apache-2.0

// Package wsmeshtest compares the manifests that a program makes with files under version control, in tests. It stands apart
// from package wsmesh so that programs do not link package testing.
//
//	WSMESH_UPDATE=1 go test ./...
//
// writes the files instead of comparing with them. It is an environment variable because go test passes a flag to the tests
// of all packages, and those that do not define it fail. A test that defines a boolean flag -update may use that as well.
// Both are refused where the environment variable CI is set to anything but false, since nobody would look there at what has
// changed.
package wsmeshtest

import (
	"bytes"
	"testing"

	"github.com/wsmesh/wsmesh/internal/golden"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// Golden compares the objects, as [wsmesh.WriteYAML] writes them, with the file at path. It fails the test with a unified
// diff if they differ, and if there is no file. Objects with errors, and objects that are nil, fail the test and are neither
// compared nor written.
func Golden(t testing.TB, path string, objs ...wsmesh.Object) {
	t.Helper()
	if data, ok := marshal(t, objs); ok {
		golden.Equal(t, path, data)
	}
}

// GoldenReleases compares what the function objects returns for each release with the files of a directory, in which nothing
// else may stand. The file latest.yaml is for the newest release and for every release that has no file of its own; a file
// such as 1.21.6.yaml exists only where the output differs. When files are written, those that no release needs any more are
// removed.
//
// The releases go from the oldest to the newest.
func GoldenReleases(t testing.TB, dir string, releases []version.Release, objects func(version.Release) []wsmesh.Object) {
	t.Helper()
	if objects == nil {
		t.Errorf("the function objects is nil: give one that returns the objects for a release")
		return
	}
	files := map[string][]byte{}
	var order []string
	for i, r := range releases {
		if r.IsZero() {
			t.Errorf("releases[%d] is the zero Release: give one that version.Parse returned", i)
			return
		}
		if i > 0 && r.Compare(releases[i-1]) <= 0 {
			t.Errorf("the releases %s and %s are not in order: give the oldest first, and each once", releases[i-1], r)
			return
		}
		data, ok := marshal(t, objects(r))
		if !ok {
			return
		}
		files[r.String()] = data
		order = append(order, r.String())
	}
	if len(order) == 0 {
		t.Errorf("no release is given: there is nothing to compare with %s", dir)
		return
	}
	golden.Releases(t, dir, ".yaml", order, func(release string) []byte { return files[release] })
}

// marshal returns the objects as YAML. If one is not valid or cannot be written, it fails the test and ok is false.
func marshal(t testing.TB, objs []wsmesh.Object) (data []byte, ok bool) {
	t.Helper()
	ok = true
	for i, o := range objs {
		if o == nil {
			t.Errorf("object %d of %d is nil: give a rule or a filter", i+1, len(objs))
			return nil, false
		}
		if err := o.Validate().Err(); err != nil {
			t.Errorf("%s is not valid:\n%v", o, err)
			ok = false
		}
	}
	var b bytes.Buffer
	if err := wsmesh.WriteYAML(&b, objs...); err != nil && ok {
		t.Error(err)
		ok = false
	}
	return b.Bytes(), ok
}
