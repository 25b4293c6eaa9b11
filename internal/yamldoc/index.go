// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	yaml "sigs.k8s.io/yaml/goyaml.v3"
)

// An Index finds the bytes of values in a text, for those who change it.
type Index struct {
	text   []byte
	starts []int // of the lines; none where lines are not what they seem
}

// NewIndex returns an Index of the text of a document.
func NewIndex(text []byte) *Index {
	if hasOtherBreaks(text) {
		return &Index{}
	}
	return &Index{text, starts(text)}
}

// Start returns where a node of the text begins. For a null that is not written it is the end of what stands before it:
// the colon or the dash. It reports false where that is not known, as in a text with line breaks that editors do not
// show.
func (x *Index) Start(n *Node) (int, bool) {
	if n.Line < 1 || n.Line > len(x.starts) {
		return 0, false
	}
	at := x.starts[n.Line-1]
	for range n.Column - 1 {
		if at >= len(x.text) {
			return 0, false
		}
		_, size := utf8.DecodeRune(x.text[at:])
		at += size
	}
	return at, true
}

// Scalar returns where a string of the text begins and ends, with its quotes. It reports false for one with an anchor or
// a tag, for one of several lines without quotes, and for what is no string.
func (x *Index) Scalar(n *Node) (start, end int, ok bool) {
	start, ok = x.Start(n)
	if !ok || n.Type() != String || start == len(x.text) {
		return 0, 0, false
	}
	switch c := x.text[start]; {
	case n.Style == yaml.DoubleQuotedStyle && c == '"':
		return start, endOfQuoted(x.text, start), true
	case n.Style == yaml.SingleQuotedStyle && c == '\'':
		for end = start + 1; end < len(x.text); end++ {
			if x.text[end] != '\'' {
				continue
			}
			if end+1 == len(x.text) || x.text[end+1] != '\'' {
				return start, end + 1, true
			}
			end++
		}
	case n.Style == 0 && bytes.HasPrefix(x.text[start:], []byte(n.Value)):
		return start, start + len(n.Value), true
	}
	return 0, 0, false
}

// loneBang finds what may be a tag that says no more than that a scalar is none to be resolved.
var loneBang = regexp.MustCompile(`!([ \t\r\n]|$)`)

// isBang reports whether a scalar without quotes has the tag "!", with which goyaml.v2 takes it for a string. In the tree
// of goyaml.v3 it is not to be seen.
func (r *reader) isBang(n *yaml.Node) bool {
	if r.bangs == nil {
		return false
	}
	start, ok := r.bangs.Start((*Node)(n))
	if !ok {
		return false
	}
	text := string(r.text[start:])
	if n.Anchor != "" {
		text = strings.TrimLeft(strings.TrimPrefix(text, "&"+n.Anchor), " \t\r\n")
	}
	return strings.HasPrefix(text, "!")
}
