// SPDX-License-Identifier: Apache-2.0

// Package textdiff writes the difference of two texts as diff -u does. It imports nothing of this module: corrections, changes
// of a fleet and golden files are all shown with it.
package textdiff

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// context is the number of equal lines that are shown before and after those that differ.
const context = 3

// maxEdits bounds the search for the smallest number of edits, whose memory grows with the square of that number. Texts that
// differ more are shown as replaced from the first line that differs to the last.
const maxEdits = 1000

// Unified returns the difference between two texts, and "" where there is none. Lines that are only in the old text begin with
// "-", and lines that are only in the new one with "+". The lines are as they are in the texts. A name that could end its line
// or speak to a terminal is quoted as git quotes it, which patch and git apply read.
func Unified(oldName, newName, before, after string) string {
	if before == after {
		return ""
	}
	lines := diff(split(before), split(after))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", quoted(oldName), quoted(newName))
	for i := 0; i < len(lines); {
		if lines[i].mark == ' ' {
			i++
			continue
		}
		from, to, last := max(0, i-context), i, i
		for to = i; to < len(lines) && to <= last+2*context; to++ {
			if lines[to].mark != ' ' {
				last = to
			}
		}
		to = min(len(lines), last+context+1)
		writeHunk(&b, lines, from, to)
		i = to
	}
	return b.String()
}

// quoted returns the name as it is, or, if it has quotes, backslashes or characters that are not graphic, in quotes with octal
// escapes for these.
func quoted(name string) string {
	plain := func(r rune) bool { return unicode.IsGraphic(r) && r != '"' && r != '\\' && r != utf8.RuneError }
	if !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return name
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(name) {
		if c >= utf8.RuneSelf || !plain(rune(c)) {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// A line is a line of either text, and in which of them it is.
type line struct {
	mark byte // ' ' for both, '-' for the old text, '+' for the new one
	text string
}

// writeHunk writes lines[from:to] with the header that says where in the two texts they stand.
func writeHunk(b *strings.Builder, lines []line, from, to int) {
	count := func(lines []line, mark byte) (n int) {
		for _, l := range lines {
			if l.mark == ' ' || l.mark == mark {
				n++
			}
		}
		return n
	}
	position := func(mark byte) string {
		first, n := count(lines[:from], mark), count(lines[from:to], mark)
		if n > 0 {
			first++
		}
		return fmt.Sprintf("%d,%d", first, n)
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", position('-'), position('+'))
	for _, l := range lines[from:to] {
		b.WriteByte(l.mark)
		b.WriteString(l.text)
		if !strings.HasSuffix(l.text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// split returns the lines of s, each with its line feed.
func split(s string) []string { return slices.Collect(strings.Lines(s)) }

// diff returns the lines of both texts in order.
func diff(a, b []string) []line {
	var head, tail []line
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, line{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append(tail, line{' ', a[len(a)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	slices.Reverse(tail)
	return slices.Concat(head, shortest(a, b), tail)
}

// shortest returns the lines of both texts with the smallest number of edits, by the algorithm of E. W. Myers (An O(ND)
// Difference Algorithm and Its Variations, 1986): round d finds how far d edits lead on each diagonal k = x - y, and the way
// back through the rounds is the difference.
func shortest(a, b []string) []line {
	var rounds [][]int // furthest x on the diagonals -d to d
	for d := 0; d <= min(len(a)+len(b), maxEdits); d++ {
		furthest := make([]int, 2*d+1)
		for k := -d; k <= d; k += 2 {
			x := start(rounds, d, k)
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			furthest[k+d] = x
			if x >= len(a) && x-k >= len(b) {
				return back(append(rounds, furthest), a, b)
			}
		}
		rounds = append(rounds, furthest)
	}
	var lines []line
	for _, s := range a {
		lines = append(lines, line{'-', s})
	}
	for _, s := range b {
		lines = append(lines, line{'+', s})
	}
	return lines
}

// start returns the x that the d-th edit leads to on diagonal k: an addition or a removal, whichever leads further.
func start(rounds [][]int, d, k int) int {
	if d == 0 {
		return 0
	}
	if added(rounds, d, k) {
		return rounds[d-1][k+1+d-1]
	}
	return rounds[d-1][k-1+d-1] + 1
}

// added reports whether the d-th edit on diagonal k is an addition.
func added(rounds [][]int, d, k int) bool {
	last := rounds[d-1]
	return k == -d || k != d && last[k-1+d-1] < last[k+1+d-1]
}

// back returns the lines of both texts by the edits that the rounds found.
func back(rounds [][]int, a, b []string) []line {
	var lines []line
	x, y := len(a), len(b)
	for d := range slices.Backward(rounds) {
		k := x - y
		for from := start(rounds, d, k); x > from; x, y = x-1, y-1 {
			lines = append(lines, line{' ', a[x-1]})
		}
		switch {
		case d == 0:
		case added(rounds, d, k):
			y--
			lines = append(lines, line{'+', b[y]})
		default:
			x--
			lines = append(lines, line{'-', a[x]})
		}
	}
	slices.Reverse(lines)
	return lines
}
