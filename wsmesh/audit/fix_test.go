// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// patch applies a unified diff of one file to it, as patch does, and fails where a line is not what the diff says.
func patch(t testing.TB, before, diff string) string {
	t.Helper()
	lines := strings.SplitAfter(before, "\n")
	var out []string
	at := 0
	removed := false
	for line := range strings.SplitAfterSeq(diff, "\n") {
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "), line == "":
		case strings.HasPrefix(line, "@@ "):
			var from, n, to, m int
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &from, &n, &to, &m); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				from--
			}
			out = append(out, lines[at:from]...)
			at = from
		case strings.HasPrefix(line, `\ `):
			if !removed {
				out[len(out)-1] = strings.TrimSuffix(out[len(out)-1], "\n")
			}
		case line[0] == '+':
			removed = false
			out = append(out, line[1:])
		default:
			if lines[at] != line[1:] && lines[at]+"\n" != line[1:] {
				t.Fatalf("line %d is %q, and in the diff %q", at+1, lines[at], line[1:])
			}
			if removed = line[0] == '-'; !removed {
				out = append(out, line[1:])
			}
			at++
		}
	}
	return strings.Join(append(out, lines[at:]...), "")
}

// TestFixSeveral: several files, and places far apart in one of them, each with a hunk of its own.
func TestFixSeveral(t *testing.T) {
	text := caseText(t, "WS340-no-filter")
	dropped := caseText(t, "WS164-levels")
	var before strings.Builder
	for i := range 5 {
		before.WriteString(strings.NewReplacer("chat", "chat-"+strconv.Itoa(i)).Replace(text) + "---\n")
	}
	fixed := fix(t, setOf(t, before.String(), dropped, seedServer), "1.24.1")
	if len(fixed.Files) != 2 {
		t.Fatal(fixed.Diff())
	}
	one, two, _ := strings.Cut(fixed.Diff(), "--- a/b.yaml")
	if patch(t, before.String(), one) != string(fixed.Files[0].After) || patch(t, dropped, "--- a/b.yaml"+two) != string(fixed.Files[1].After) {
		t.Error(fixed.Diff())
	}
	if n := strings.Count(one, "\n@@ "); n != 5 {
		t.Errorf("%d hunks:\n%s", n, one)
	}
	if got := codes(fixed.Mended); !slices.Contains(got, "WS164") || len(finding.List(fixed.Left).Errors()) > 1 {
		t.Errorf("%v, left %v", got, fixed.Left)
	}
}

func FuzzFix(f *testing.F) {
	for _, name := range []string{"WS164-levels", "WS340-no-filter", "WS341-one-of-two", "WS441-pattern-misses-the-mesh", "WS443-cut-off"} {
		f.Add(caseText(f, name), "1.24.1")
	}
	f.Add(caseText(f, "WS164-levels-in-a-list"), "1.21.6")
	f.Fuzz(func(t *testing.T, text, release string) {
		if release != "1.21.6" {
			release = "1.24.1"
		}
		fixed := fix(t, setOf(t, text), release)
		for _, file := range fixed.Files {
			if file.Before != nil && patch(t, text, fixed.Diff()) != string(file.After) && len(fixed.Files) == 1 {
				t.Errorf("the diff does not lead to the file:\n%s", fixed.Diff())
			}
		}
	})
}
