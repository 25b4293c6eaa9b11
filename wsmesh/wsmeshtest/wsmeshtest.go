// SPDX-License-Identifier: Apache-2.0

// Package wsmeshtest compares the manifests that a program makes with files under version control.
//
//	go test ./... -update
//
// writes the files instead of comparing with them. That is refused where the environment variable CI is set, since
// nobody would look there at what has changed. Importing this package gives a test the flag -update.
package wsmeshtest

import (
	"bytes"
	"testing"

	"github.com/wsmesh/wsmesh/internal/golden"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// Golden compares the objects, as [wsmesh.WriteYAML] writes them, with the file at path, and fails the test with a diff
// where they differ or there is no file. Objects with errors fail the test, and are neither compared nor written.
func Golden(t testing.TB, path string, objs ...wsmesh.Object) {
	t.Helper()
	if data, ok := marshal(t, objs); ok {
		golden.Equal(t, path, data)
	}
}

// GoldenReleases compares what objects returns for each release with the files of a directory, which belongs
// to this function alone. latest.yaml is for the newest release and for each that has no file of its own; a file such as
// 1.21.6.yaml is there only where the output differs. With -update files that no release needs any more are removed.
//
// The releases go from the oldest to the newest.
func GoldenReleases(t testing.TB, dir string, releases []version.Release, objects func(version.Release) []wsmesh.Object) {
	t.Helper()
	files := map[string][]byte{}
	var order []string
	for i, r := range releases {
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

func marshal(t testing.TB, objs []wsmesh.Object) (data []byte, ok bool) {
	t.Helper()
	ok = true
	for _, o := range objs {
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
