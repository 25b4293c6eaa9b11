// SPDX-License-Identifier: Apache-2.0

package textdiff_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/internal/textdiff"
)

func lines(s string) string { return strings.ReplaceAll(s, " ", "\n") + "\n" }

func TestUnified(t *testing.T) {
	tests := []struct{ old, new, want, reason string }{
		{lines("a b"), lines("a b"), "", "the same"},
		{"", "a\n", "--- o\n+++ n\n@@ -0,0 +1,1 @@\n+a\n", "a new text"},
		{"a\n", "", "--- o\n+++ n\n@@ -1,1 +0,0 @@\n-a\n", "no text any more"},
		{lines("1 2 3 4 5 6 7 8 9"), lines("1 2 3 4 x 6 7 8 9"), "--- o\n+++ n\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n", "three lines around"},
		{lines("a 1 2 3 4 5 6 7 b"), lines("1 2 3 4 5 6 7"), "--- o\n+++ n\n@@ -1,4 +1,3 @@\n-a\n 1\n 2\n 3\n@@ -6,4 +5,3 @@\n 5\n 6\n 7\n-b\n", "two places"},
		{lines("a 1 2 3 b"), lines("1 2 3"), "--- o\n+++ n\n@@ -1,5 +1,3 @@\n-a\n 1\n 2\n 3\n-b\n", "two places close together"},
		{"a", "a\n", "--- o\n+++ n\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n", "no newline"},
	}
	for _, tt := range tests {
		if got := textdiff.Unified("o", "n", tt.old, tt.new); got != tt.want {
			t.Errorf("%s:\n%s\nand not\n%s", tt.reason, got, tt.want)
		}
	}
}

// TestNames checks names that git apply has to read and that no terminal may obey.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"a/chat é 電話.yaml":           "a/chat é 電話.yaml",
		"a/\x1b[2J\n\"\\\u202e.yaml": `"a/\033[2J\012\042\134\342\200\256.yaml"`,
		"a/\xff":                     `"a/\377"`,
	} {
		got, _, _ := strings.Cut(textdiff.Unified(name, "b", "", "x\n"), "\n+++ b\n")
		if got != "--- "+want {
			t.Errorf("%q is in the line %q, want %q", name, got, want)
		}
	}
}

// TestBothTexts checks that a difference without the lines that begin with "+" is the old text, and without those that begin
// with "-" the new one.
func TestBothTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	text := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte("abcd"[r.IntN(4)])
			b.WriteByte('\n')
		}
		return b.String()
	}
	for i := range 300 {
		n := r.IntN(12)
		if i == 0 {
			n = 4000 // more edits than are searched for
		}
		before, after := text(n), text(r.IntN(12))
		if i == 0 {
			after = strings.ToUpper(text(n))
		}
		// All lines are context of a change where the texts are as short as this.
		got := textdiff.Unified("o", "n", before, after)
		var left, right strings.Builder
		for l := range strings.Lines(got) {
			if strings.HasPrefix(l, "@@") || strings.HasPrefix(l, "--- o") || strings.HasPrefix(l, "+++ n") {
				continue
			}
			if l[0] != '+' {
				left.WriteString(l[1:])
			}
			if l[0] != '-' {
				right.WriteString(l[1:])
			}
		}
		if got != "" && (!strings.Contains(before, left.String()) || !strings.Contains(after, right.String())) {
			t.Fatalf("the difference of\n%s\nand\n%s\nis\n%s", before, after, got)
		}
	}
}
