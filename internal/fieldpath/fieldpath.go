// SPDX-License-Identifier: Apache-2.0

// Package fieldpath names places in a document, such as spec.configPatches[0].patch.value or
// metadata.labels["app.kubernetes.io/name"].
//
// Every package that reports findings builds its paths here, so that there is one text for each place: a name is written after
// a dot, an index in brackets, and a name that is not the name of a field, as keys of labels often are, in brackets and quotes.
// That is how jq writes a path, but for the dot at its beginning. The package imports nothing of this module.
package fieldpath

import (
	"fmt"
	"strconv"
	"strings"
)

// A Step leads from a value to one inside it: by the name of a field, by the key of a map, or by an index of a list.
// Steps can be compared with ==.
type Step struct {
	name   string
	index  int
	isItem bool
}

// Name returns the step to the field, or to the entry of a map, with the name.
func Name(name string) Step { return Step{name: name} }

// Index returns the step to item i of a list, counted from 0.
func Index(i int) Step { return Step{index: i, isItem: true} }

// Name returns the name of the field or of the map's entry. It reports false where the step is an index.
func (s Step) Name() (string, bool) { return s.name, !s.isItem }

// Index returns the index of the item. It reports false where the step is a name.
func (s Step) Index() (int, bool) { return s.index, s.isItem }

// A Path is the steps from the top of a document to a value in it. The empty path is the document itself.
//
// A walk through a document pushes a step before it goes down and pops it when it comes back. Text is made only where
// String, At or Append is called.
type Path []Step

// Push adds a step at the end of the path.
func (p *Path) Push(s Step) { *p = append(*p, s) }

// Pop removes the last step. It panics where there is none.
func (p *Path) Pop() { *p = (*p)[:len(*p)-1] }

// String returns the text of the path: "" for the document itself.
func (p Path) String() string { return string(p.Append(nil)) }

// At returns the text of the place that lies the given steps below p.
func (p Path) At(below ...Step) string { return string(Path(below).Append(p.Append(nil))) }

// Append appends the text of the path to dst, after a dot where dst is not empty and the first step is the name of a
// field, and returns the extended slice.
func (p Path) Append(dst []byte) []byte {
	for _, s := range p {
		switch {
		case s.isItem:
			dst = strconv.AppendInt(append(dst, '['), int64(s.index), 10)
			dst = append(dst, ']')
		case isFieldName(s.name):
			if len(dst) > 0 {
				dst = append(dst, '.')
			}
			dst = append(dst, s.name...)
		default:
			dst = strconv.AppendQuote(append(dst, '['), cut(s.name))
			dst = append(dst, ']')
		}
	}
	return dst
}

// isFieldName reports whether name can be written after a dot.
func isFieldName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return name != "" && len(name) <= 63
}

// maxName is the length up to which a name is written. No name that Kubernetes knows is longer; one of a document that
// nobody has checked may be, and a finding has to stay readable.
const maxName = 320

// cut returns name, or its beginning and "…" where it is too long to be written.
func cut(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "") + "…"
}

// Parse reads the text of a path. It returns the path that the text was made from, unless that had a name of more than
// 320 bytes, of which the text has only the beginning.
func Parse(text string) (Path, error) {
	var p Path
	for rest := text; rest != ""; {
		step, after, ok := cutStep(rest, len(p) == 0)
		if !ok {
			return nil, fmt.Errorf("%q is not the path of a field: it cannot be read from %q on", cut(text), cut(rest))
		}
		p.Push(step)
		rest = after
	}
	return p, nil
}

// cutStep reads the step that text begins with, and returns it and what follows.
func cutStep(text string, isFirst bool) (step Step, rest string, ok bool) {
	if text[0] != '[' {
		if !isFirst {
			if text[0] != '.' {
				return Step{}, "", false
			}
			text = text[1:]
		}
		end := strings.IndexAny(text, ".[")
		if end < 0 {
			end = len(text)
		}
		return Name(text[:end]), text[end:], isFieldName(text[:end])
	}
	text = text[1:]
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return Step{}, "", false
		}
		name, err := strconv.Unquote(quoted)
		rest, ok = strings.CutPrefix(text[len(quoted):], "]")
		return Name(name), rest, ok && err == nil
	}
	digits, rest, ok := strings.Cut(text, "]")
	i, err := strconv.Atoi(digits)
	return Index(i), rest, ok && err == nil && digits == strconv.Itoa(i) && i >= 0
}
