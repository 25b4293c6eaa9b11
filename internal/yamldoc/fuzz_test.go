// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sigs.k8s.io/yaml reads YAML by goyaml.v2; its own functions do not say where a document ends.

package yamldoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v2"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// texts are what the tests and the fuzzing begin with.
var texts = []string{
	sample, "---\n" + sample, strings.ReplaceAll(sample, "\n", "\r\n"), "\ufeff" + sample,
	"a: [yes, on, y, N, 0x10, 1_000, 1e3, 0o17, 017, -0b11, 0b-1, 1.5, .5, +1, -0, ~, null, '', Null, .inf, 2001-01-01, 1:30]\n",
	"a: [18446744073709551615, 18446744073709551616, 9223372036854775808, 1e400, 1_0.5_0, _1, 0x_1, 00, 08, 1., +.5e-3, '1', \"yes\"]\n",
	"base: &b {x: 1, y: {z: 2}}\na: {<<: *b, y: 3}\nc: {y: 3, <<: *b}\nd: {<<: [*b, {x: 7, w: 8}], v: 9}\ne: {\"<<\": 1}\nf: {!!str <<: 1}\n",
	"a: &a 1\n*a : b\n? &c yes\n: *c\n", "&a a: *a\n", "a: &x [*x]\n", "a: &x {b: &y [*x]}\n", "a: *x\n", "<<: 1\n", "<<: [1]\n", "<<: []\n",
	"a: !!int '12'\nb: !!float 3\nc: !!str 4\nd: !!bool yes\ne: !!null ~\nf: !foo 5\ng: !!binary aGk=\nh: ! 6\ni: &q ! 7\nj: !!timestamp 2001-01-01\nk: !!set {a, b}\n",
	"a: !!int x\n", "a: !!binary x\n", "a: !!float 0x10\n", "a: !!float 18446744073709551615\n", "a: !!timestamp 1\n", "a: !!null x\n",
	"{1: a, true: b, 1.5: c, 0x10: d, .inf: e, -.inf: f, .nan: g, 2001-01-01: h, on: i}\n", "{~: a}\n", "{18446744073709551615: a}\n", "{[a]: b}\n", "? {a: b}\n: c\n",
	"a: 1\na: 2\n", "{1: a, '1': b}\n", "a: b: c\n", "a:\n\tb\n", "%YAML 1.1\n---\na: 1\n", "...\na: 1\n", "a: 1\n---\nb: 2\n", "--- ~\n---\na: 1\n", "# a\n",
	`{"a": "\ud83d\ude00", "b": "\ud83d", "c": 1e3, "d": -0, "e": [true, null, {}], "f": "\/` + "\x7f\u2028" + `"}`, "{\n\t\"a\": 1\n}\n", "{\"a\":1}\n{\"b\":2}\n", "{a: 1}\n",
	"a: |\n  x\n\n  y\nb: >-\n  p\n  q\nc: \"d\\x41\\\n   e\"\nf: 'it''s\n  g'\n", "- a\n-\n  - b\n- - c\n  - d: e\n    f:\n", "[a, b: c, {d, e: }, ? f : g]\n",
	"a: \x00", "a: b\n# \xff", "a: [1e-7, 1e21, 123456789.5, 0b11, -0b11, 0b_1]\n", "a: 2026-1-2t3:4:5Z\n", "!\r00\n", "# a\n\t# b\nc: 1\n", "a: |\n  b\n  \t# c\n", "--- \r--- a", "a: 1\n--- # \x7f\n", "- &a ! 7\n- [! 1 , x]\n- ! 'a'\n- Hello ! 1\n- b\u2028- ! 2\n", "\n::\n...:.:\n-\n-", "-\r-", "-\u2028-", "a:\r  b\u0085c: d\n", bomb(),
}

// same reports whether two values are those of one document. JSON has one kind of number.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if v, ok := b[k]; !ok || !same(a[k], v) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case json.Number:
		b, ok := b.(json.Number)
		if a == b {
			return true
		}
		x, errX := strconv.ParseFloat(string(a), 64)
		y, errY := strconv.ParseFloat(string(b), 64)
		return ok && x == y && (errX == nil) == (errY == nil)
	}
	return reflect.DeepEqual(a, b)
}

// isFinite reports whether all numbers are such as JSON has.
func isFinite(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, v := range v {
			if !isFinite(v) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(v any) bool { return !isFinite(v) })
	case json.Number:
		f, _ := v.Float64()
		return json.Valid([]byte(v)) && !math.IsNaN(f)
	}
	return true
}

// kubectls returns what kubectl makes of a text: JSON is read as it is, and all else by sigs.k8s.io/yaml, between two
// "---" lines. It reports false where the text is not one document to it.
func kubectls(text []byte) (v any, err error, ok bool) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var pieces [][]byte
	for line := range bytes.Lines(text) {
		if isSeparator(line) || len(pieces) == 0 {
			pieces = append(pieces, nil)
		}
		pieces[len(pieces)-1] = append(pieces[len(pieces)-1], line...)
	}
	for _, piece := range pieces {
		if _, err := yaml.YAMLToJSON(piece); err != nil && isBlank(piece) {
			return nil, err, true
		}
	}
	pieces = slices.DeleteFunc(pieces, isBlank)
	if len(pieces) != 1 {
		return nil, nil, false
	}
	v, err = kubectlOne(pieces[0])
	return v, err, true
}

// goesOn reports whether a document ends before the text does.
func goesOn(text []byte) bool {
	decoder := goyaml.NewDecoder(bytes.NewReader(text))
	var doc, more any
	return decoder.Decode(&doc) == nil && !errors.Is(decoder.Decode(&more), io.EOF)
}

func kubectlOne(data []byte) (any, error) {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); !bytes.HasPrefix(trimmed, []byte("{")) || !json.Valid(data) {
		var err error
		if data, err = yaml.YAMLToJSON(data); err != nil {
			return nil, err
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	return v, err
}

// check holds what Parse makes of a text against kubectl. There may be differences for these reasons:
//
//   - A key that stands twice is refused (WS909), as kubectl --validate=strict does.
//   - Bytes that are no UTF-8 text, more than MaxSize bytes or MaxNodes values, a second document and no document are
//     refused (WS901, WS903 to WS905, WS912). So is what kubectl, which cuts a stream at "---" lines, would not come to
//     read (WS910).
//   - What follows the end of the document is read, too, and may be refused (WS902), or be what counts after a document of
//     null. Kubectl drops it.
//   - A number that JSON does not have (.inf, .nan) is kept, so that the finding about it has a path. Nothing takes it.
func check(t *testing.T, text []byte) {
	t.Helper()
	root, findings := Parse(text)
	for _, f := range findings {
		if f.Line < 0 || f.Line > lineCount(text) || f.Message == "" || f.Code == "" {
			t.Fatalf("%q: a finding on line %d of %d: %v", text, f.Line, lineCount(text), f)
		}
	}
	if root != nil {
		inside(t, text, root)
	}
	want, err, ok := kubectls(text)
	if !ok {
		return
	}
	has := func(rules ...finding.Rule) bool {
		return slices.ContainsFunc(findings, func(f finding.Finding) bool {
			return slices.ContainsFunc(rules, func(r finding.Rule) bool { return finding.Is(f, r) })
		})
	}
	switch {
	case has(NoDocument, NotText, TooLarge, SecondDocument, Misplaced, TooManyNodes):
	case err != nil:
		if len(findings) == 0 && isFinite(root.Interface()) {
			t.Fatalf("%q is read as %v, and kubectl says %v", text, root.Interface(), err)
		}
	case goesOn(text) && (root == nil && has(Malformed) || want == nil):
	case root == nil:
		t.Fatalf("%q is refused, and kubectl reads %v: %v", text, want, findings)
	case has(DuplicateKey):
	case len(findings) > 0:
		t.Fatalf("%q has findings, and kubectl reads %v: %v", text, want, findings)
	case !same(root.Interface(), want) && !strings.Contains(string(text), "!!binary"): // what is not UTF-8 in it becomes U+FFFD
		t.Fatalf("%q is read as\n%v, and by kubectl as\n%v", text, root.Interface(), want)
	}
}

func lineCount(text []byte) int { return max(1, len(slices.Collect(bytes.Lines(text)))) }

// inside checks that each value is found in the text, in the order of the text where nothing is merged.
func inside(t *testing.T, text []byte, root *Node) {
	x := NewIndex(text)
	var walk func(n *Node, depth int)
	walk = func(n *Node, depth int) {
		if n.Line < 1 || n.Line > lineCount(text) {
			t.Fatalf("%q: %v is on line %d", text, n.Interface(), n.Line)
		}
		if start, ok := x.Start(n); ok && (start < 0 || start > len(text)) {
			t.Fatalf("%q: %v begins at byte %d", text, n.Interface(), start)
		}
		if start, end, ok := x.Scalar(n); ok {
			alone, _ := Parse(append([]byte("- "), text[start:end]...))
			// What JSON has in quotes may be none of YAML's.
			if start > end || alone != nil && !bytes.Contains(text[start:end], []byte("\n")) && n.Style != 0 && alone.Item(0).Text() != n.Text() {
				t.Fatalf("%q: %q is said to be at %d to %d", text, n.Text(), start, end)
			}
		}
		if depth > 100 {
			return
		}
		for i := range n.Len() {
			if n.Type() == Map {
				key, value := n.Entry(i)
				walk(key, depth+1)
				walk(value, depth+1)
			} else {
				walk(n.Item(i), depth+1)
			}
		}
	}
	walk(root, 0)
}

func TestLikeKubectl(t *testing.T) {
	for _, text := range texts {
		check(t, []byte(text))
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		check(t, text)
		for _, d := range Split(text) {
			if d.Offset < 0 || d.Offset+len(d.Text) > len(text) || d.Line != 1+bytes.Count(text[:d.Offset], []byte("\n")) {
				t.Errorf("%q: %d, line %d: %q", text, d.Offset, d.Line, d.Text)
			}
		}
	})
}
