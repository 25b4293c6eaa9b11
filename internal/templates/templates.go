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
	gaps []gap
	tail string // the text after the last gap
}

// A gap is a place for a string.
type gap struct {
	before string // the text between the gap before and this one
	value  int    // which of the strings goes here
	begins bool   // a YAML scalar begins with this gap
	rest   int    // how many bytes of the text after this gap are of the scalar still
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
	inScalar := false
	for {
		at, value := firstMarker(text, markers)
		if at < 0 {
			t.tail = text
			return t, nil
		}
		if !inScalar && !strings.HasSuffix(text[:at], ": ") {
			return nil, errors.New("a marker does not begin the value of a key")
		}
		g := gap{before: text[:at], value: value, begins: !inScalar}
		text = text[at+markerLength:]
		line, _, _ := strings.Cut(text, "\n")
		next, _ := firstMarker(line, markers)
		inScalar = next >= 0
		if inScalar {
			line = line[:next]
		}
		if g.rest = len(line); !isPlainRest(line) {
			return nil, errors.New("a scalar with a marker is not plain")
		}
		t.gaps = append(t.gaps, g)
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
	for i, v := range values {
		if v != "" && (i == 0 || v != values[0]) && !manifest.IsPlain(v) {
			return t.appendScalars(dst, values)
		}
	}
	for i := range t.gaps {
		g := &t.gaps[i]
		dst = append(append(dst, g.before...), values[g.value]...)
	}
	return append(dst, t.tail...)
}

// appendScalars is AppendText where some scalars are not plain.
func (t *Template) appendScalars(dst []byte, values []string) []byte {
	var scalar []byte
	for i := range t.gaps {
		g := &t.gaps[i]
		if g.begins {
			dst = append(dst, g.before[len(t.rest(i-1)):]...)
			scalar = scalar[:0]
		}
		scalar = append(append(scalar, values[g.value]...), t.rest(i)...)
		if i+1 == len(t.gaps) || t.gaps[i+1].begins {
			dst = manifest.AppendScalar(dst, string(scalar))
		}
	}
	return append(dst, t.tail[len(t.rest(len(t.gaps)-1)):]...)
}

// rest returns the text after gap i that is of its scalar.
func (t *Template) rest(i int) string {
	switch {
	case i < 0:
		return ""
	case i+1 < len(t.gaps):
		return t.gaps[i+1].before[:t.gaps[i].rest]
	}
	return t.tail[:t.gaps[i].rest]
}
