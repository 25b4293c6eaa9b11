// SPDX-License-Identifier: Apache-2.0

// Package templates makes YAML text for thousands of objects that differ in a few strings, without encoding each of them.
//
// A template is made from text that the caller's own encoder wrote for one object in which every string that differs is a
// marker: it is cut at the markers, and filled with other strings in their place. So it is no second encoder: everything
// but these strings is what the encoder wrote. Markers have the greatest length that a name in Kubernetes may have, so that
// what is valid with them is valid with every shorter name.
package templates

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/internal/manifest"
)

// A Template is text with gaps for strings. It is safe for concurrent use.
type Template struct {
	scalars []scalar
	tail    string // the text after the last scalar
}

// A scalar is a YAML scalar with placeholders.
type scalar struct {
	before string // the text between the scalar before and this one
	parts  []part
}

// A part is a placeholder, and the text between it and the next one or the end of the scalar.
type part struct {
	value int // which of the strings
	after string
}

// New returns the template for n strings. It calls write twice with n markers, which write has to use as these strings,
// and cuts the text that write returns. The error is that of write, or says that the text cannot be cut: a marker has to
// begin a scalar that stands on one line after a key, and every scalar with markers has to be plain where the strings are.
// Where some other text holds a marker by chance, the two texts differ by more than their markers, which is an error, too.
func New(n int, write func(markers []string) (string, error)) (*Template, error) {
	var both [2]*Template
	for i, letter := range []string{"x", "z"} {
		markers := make([]string, n)
		for j := range markers {
			markers[j] = "marker-" + strconv.Itoa(j) + "-"
			markers[j] += strings.Repeat(letter, markerLength-len(markers[j]))
		}
		text, err := write(markers)
		if err != nil {
			return nil, err
		}
		if both[i], err = cut(text, markers); err != nil {
			return nil, err
		}
	}
	if !reflect.DeepEqual(both[0], both[1]) {
		return nil, errors.New("the text depends on the markers")
	}
	return both[0], nil
}

// markerLength is the greatest length of a DNS label and of a label's value.
const markerLength = 63

func cut(text string, markers []string) (*Template, error) {
	t := &Template{}
	for {
		at, _ := firstMarker(text, markers)
		if at < 0 {
			t.tail = text
			return t, nil
		}
		if !strings.HasSuffix(text[:at], ": ") {
			return nil, errors.New("a marker does not begin the value of a key")
		}
		s := scalar{before: text[:at]}
		line, rest, found := strings.Cut(text[at:], "\n")
		if text = rest; found {
			text = "\n" + rest
		}
		for line != "" {
			at, value := firstMarker(line, markers)
			if at != 0 {
				return nil, errors.New("a scalar does not begin with a marker")
			}
			line = line[markerLength:]
			if at, _ = firstMarker(line, markers); at < 0 {
				at = len(line)
			}
			if !isPlainRest(line[:at]) {
				return nil, errors.New("a scalar with a marker is not plain")
			}
			s.parts = append(s.parts, part{value, line[:at]})
			line = line[at:]
		}
		t.scalars = append(t.scalars, s)
	}
}

// firstMarker returns where the first of the markers begins, and which it is; -1 where there is none.
func firstMarker(text string, markers []string) (at, which int) {
	at = -1
	for i, m := range markers {
		if j := strings.Index(text, m); j >= 0 && (at < 0 || j < at) {
			at, which = j, i
		}
	}
	return at, which
}

// isPlainRest reports whether a plain string with s after it is plain.
func isPlainRest(s string) bool {
	return s == "" || (s[0] == '-' || s[0] == '.') && manifest.IsPlain("a"+s)
}

// AppendText appends the text with the strings in the gaps, as many as New was told, to dst. They must have no spaces, line
// breaks or control characters, as names and the values of labels have none. A scalar that is not plain with them, such as
// "true", is written as [manifest.AppendScalar] writes it.
func (t *Template) AppendText(dst []byte, values []string) []byte {
	plain := true
	for i, v := range values {
		plain = plain && (v == "" || i > 0 && v == values[0] || manifest.IsPlain(v))
	}
	for i := range t.scalars {
		s := &t.scalars[i]
		dst = append(dst, s.before...)
		from := len(dst)
		for _, p := range s.parts {
			dst = append(append(dst, values[p.value]...), p.after...)
		}
		if !plain {
			text := string(dst[from:])
			dst = manifest.AppendScalar(dst[:from], text)
		}
	}
	return append(dst, t.tail...)
}
