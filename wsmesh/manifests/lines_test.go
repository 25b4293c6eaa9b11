// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"slices"
	"testing"

	"github.com/wsmesh/wsmesh/internal/yamldoc"
)

// TestSharedLinesAreEqual: documents share their lines where these are the same, and not where their hashes alone are.
func TestSharedLinesAreEqual(t *testing.T) {
	root, problems := yamldoc.Parse([]byte("a: 1\nb:\n- c: 2\n"))
	if root == nil {
		t.Fatal(problems)
	}
	var s shared
	first := linesOf(root, &s)
	want := slices.Clone(*first)
	if again := linesOf(root, &s); again != first {
		t.Error("the lines of one form are kept twice")
	}
	for key := range s.values {
		s.values[key] = &lines{{top, 7}}
	}
	if got := *linesOf(root, &s); !slices.Equal(got, want) {
		t.Errorf("the lines are those of another document: %v, want %v", got, want)
	}
}
