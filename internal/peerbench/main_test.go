// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// TestSameObjects: the ways that build in seconds write the same objects, and the table has a line for each.
func TestSameObjects(t *testing.T) {
	var out bytes.Buffer
	b := bench{out: &out, log: io.Discard, sizes: []int{1, 60, 101}, runs: 1, limit: time.Minute, only: []string{"fprintf", "template", "library", "naive", "jsonnet"}}
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	for _, w := range b.only {
		if got := strings.Count(out.String(), w+"  "); got < 3 {
			t.Errorf("%s has %d lines in\n%s", w, got, out.String())
		}
	}
}

func TestObjectsDiffer(t *testing.T) {
	one, err := objects([]byte("---\na: 1\n---\nb: x\n"))
	if err != nil {
		t.Fatal(err)
	}
	same, err := objects([]byte("b: \"x\"\n---\n# a comment\n\n---\na: 1\n...\n"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := objects([]byte("a: 1\n---\nb: y\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !equal(one, same) || equal(one, other) {
		t.Errorf("%v, %v and %v", one, same, other)
	}
}
