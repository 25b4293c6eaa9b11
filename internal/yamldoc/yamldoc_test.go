// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	yaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const sample = `# a comment
apiVersion: v1 # of the API
"kind": 'Service'
metadata:
  name: chat
  labels: {app: chat, "a/b": 'it''s', empty: , last: [x, {y: 1}]}
  annotations:
    text: |
      kind: no
        - key

      end
    folded: >-
      a: b
    url: http://example.com:80/#part
    long: one
      two
      three
spec:
  ports:
  - port: 80
    name: http
  -
    port: 81
  - - nested
    - [a,
       b]
  nothing:
  list:
    - a: 1

    # between
    - b: 2
`

// bomb is a small YAML that is millions of strings.
func bomb() string {
	text := "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		text += fmt.Sprintf("b%d: &a%d [", i, i+1) + strings.Repeat(fmt.Sprintf("*a%d, ", i), 10) + "]\n"
	}
	return text
}

// TestLines finds values by their paths, and on their lines.
func TestLines(t *testing.T) {
	for _, text := range []string{sample, "---\n" + sample, strings.ReplaceAll(sample, "\n", "\r\n"), "\ufeff" + sample, sample + "...\n", strings.TrimSuffix(sample, "\n")} {
		root, findings := Parse([]byte(text))
		if findings != nil {
			t.Fatal(findings)
		}
		lines := strings.Split(text, "\n")
		for path, want := range map[string]string{
			"kind":                         "'Service'",
			"apiVersion":                   "v1",
			"metadata.name":                "chat",
			`metadata.labels["a/b"]`:       "'it''s'",
			"metadata.labels.last[1].true": "1",
			"metadata.annotations.text":    "|",
			"metadata.annotations.url":     "http://example.com:80/#part",
			"spec.ports[1].port":           "81",
			"spec.ports[2][1][1]":          "b",
			"spec.nothing":                 "",
			"spec.list[1].b":               "2",
		} {
			p, err := fieldpath.Parse(path)
			if err != nil {
				t.Fatal(err)
			}
			_, n, depth := root.At(p)
			if depth != len(p) {
				t.Fatalf("%s leads %d steps far", path, depth)
			}
			if line := lines[n.Line-1]; !strings.Contains(line, want) {
				t.Errorf("%s is on line %d: %s", path, n.Line, line)
			}
			if start, ok := NewIndex([]byte(text)).Start(n); !ok || !strings.HasPrefix(text[start:], want) {
				t.Errorf("%s begins at byte %d: %q", path, start, text[start:])
			}
		}
		p := fieldpath.Path{fieldpath.Name("metadata"), fieldpath.Name("annotations"), fieldpath.Name("none"), fieldpath.Index(0)}
		if key, _, depth := root.At(p); depth != 2 || key.Text() != "annotations" {
			t.Errorf("a path that leads nowhere ends after %d steps at %v", depth, key)
		}
		if _, n, depth := root.At(fieldpath.Path{fieldpath.Name("spec"), fieldpath.Name("list"), fieldpath.Index(2)}); depth != 2 || n.Type() != List {
			t.Errorf("an index out of range leads %d steps far", depth)
		}
		if _, _, depth := root.At(fieldpath.Path{fieldpath.Index(0)}); depth != 0 {
			t.Error("a mapping has an index")
		}
	}
	if (*Node)(nil).Get("a") != nil {
		t.Error("nothing has a key")
	}
}

// TestScalar finds the bytes that a string has in the text.
func TestScalar(t *testing.T) {
	for text, want := range map[string]string{
		"a: b":                      "b",
		"a: b c # d":                "b c",
		"a: \"b\\\"c\" # d":         `"b\"c"`,
		"a: 'it''s'":                "'it''s'",
		"{\"ä\": \"ö\", \"b\": 1}":  `"ö"`,
		"{\n\t\"x\": \"\\u00e9\" }": `"\u00e9"`,
		"ä: {é: 1, ö: b}\nc: d":     "",
		"a: b\n  c":                 "",
		"a: |\n  b":                 "",
		"a: &b c":                   "",
		"a: !!str c":                "",
		"a: 1":                      "",
		"a:":                        "",
		"a: b\rc: d":                "",
		"a: b # \u0085":             "",
		"\ufeffa: b":                "b",
		"# ä\na: 'b'":               "'b'",
	} {
		root, findings := Parse([]byte(text))
		if findings != nil {
			t.Fatal(text, findings)
		}
		_, n := root.Entry(0)
		start, end, ok := NewIndex([]byte(text)).Scalar(n)
		if ok != (want != "") || text[start:end] != want {
			t.Errorf("%q: %t, %q, want %q", text, ok, text[start:end], want)
		}
	}
}

// TestIndexOfAnother is about nodes that the text does not have.
func TestIndexOfAnother(t *testing.T) {
	x := NewIndex([]byte("a\n'"))
	for _, n := range []*Node{{Line: 0, Column: 1}, {Line: 3, Column: 1}, {Line: 2, Column: 9}} {
		if at, ok := x.Start(n); ok {
			t.Errorf("line %d, column %d is at byte %d", n.Line, n.Column, at)
		}
	}
	for _, style := range []yaml.Style{yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle} {
		if _, _, ok := x.Scalar(&Node{Kind: yaml.ScalarNode, Tag: strTag, Style: style, Line: 2, Column: 1}); ok {
			t.Error("a quote that is open is a scalar")
		}
	}
	if _, _, ok := x.Scalar(&Node{Kind: yaml.ScalarNode, Tag: strTag, Line: 2, Column: 2}); ok {
		t.Error("the end of the text is a scalar")
	}
}

// TestOtherBreaks is about line breaks of YAML that editors do not show.
func TestOtherBreaks(t *testing.T) {
	root, findings := Parse([]byte("# a\rb: 1 # \u2028c: 2\r\nd: 3\ne: \"f\u0085\n  g\"\nh: x: y\n"))
	if root != nil || len(findings) != 1 || findings[0].Line != 5 {
		t.Errorf("%v", findings)
	}
	root, findings = Parse([]byte("# a\rb: 1 # \u2028c: 2\r\nd: 3\n"))
	if findings != nil || root.Get("b").Line != 1 || root.Get("c").Line != 1 || root.Get("d").Line != 2 {
		t.Errorf("%v %v", findings, root.Interface())
	}
}

// TestTooManyNodes shows that a document is refused before its tree takes memory, and is not where it is at the bound.
func TestTooManyNodes(t *testing.T) {
	allocated := func(text string) (n uint64, isRefused bool) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, findings := Parse([]byte(text))
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc, len(findings) == 1 && finding.Is(findings[0], TooManyNodes)
	}
	for _, unit := range []string{"a,", "{},", "{a,b},", "[[],a],", "a:\n- ", "a: b\n", "? a\n", "\"a\":1,"} {
		text := strings.Repeat(unit, (MaxSize-1)/len(unit))
		if n, isRefused := allocated("[" + text); !isRefused || n > 16<<20 {
			t.Errorf("%q: %d bytes are allocated, refused: %t", unit, n, isRefused)
		}
	}
	at := "[" + strings.Repeat("a,", (MaxNodes-3)/2) + "]"
	if n, isRefused := allocated(at); isRefused || n > 200<<20 {
		t.Errorf("at the bound %d bytes are allocated, refused: %t", n, isRefused)
	}
	if _, isRefused := allocated(strings.Replace(at, "]", "a,]", 1)); !isRefused {
		t.Error("beyond the bound it is read")
	}
	// An alias counts as what it repeats. 99 of 100 are taken from aliases, as goyaml.v2 allows.
	alias := "a: &a [" + strings.Repeat("x, ", 4000) + "]\nb: ["
	if _, findings := Parse([]byte(alias + strings.Repeat("*a, ", 70) + "]\n")); findings != nil {
		t.Error(findings)
	}
	if _, isRefused := allocated(alias + strings.Repeat("*a, ", 80) + "]\n"); !isRefused {
		t.Error("aliases go beyond the bound")
	}
}

// TestManyProblems shows how many are listed.
func TestManyProblems(t *testing.T) {
	root, findings := Parse([]byte(strings.Repeat("a: 1\n", maxProblems+10)))
	if root == nil || len(findings) != maxProblems {
		t.Errorf("%d problems are listed", len(findings))
	}
}

func TestRules(t *testing.T) {
	for i, r := range Rules() {
		if i > 0 && Rules()[i-1].Code >= r.Code || r.Meaning == "" || r.Source == "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestSplit(t *testing.T) {
	for reason, tt := range map[string]struct {
		text string
		want []string // "line:text" of each document
	}{
		"nothing":             {"", nil},
		"comments":            {"# a\n---\n\n--- # b\n...\n", nil},
		"two":                 {"a: 1\n---\nb: 2\n", []string{"1:a: 1\n", "2:---\nb: 2\n"}},
		"on the line":         {"--- {a: 1}\n---\tb\n", []string{"1:--- {a: 1}\n", "2:---\tb\n"}},
		"no separator":        {"a: 1\n---x: 2\n", []string{"1:a: 1\n---x: 2\n"}},
		"list":                {"kind: List\nitems:\n- a: 1\n  b: 2\n\n- c\nx: 1\n", []string{"3:  a: 1\n  b: 2\n\n", "6:  c\n"}},
		"kind last":           {"items:\n- a\nkind: \"PodList\" # x\n", []string{"2:  a\n"}},
		"lists in items":      {"kind: List\nitems:\n  - a:\n    - b\n  - c\n", []string{"3:    a:\n    - b\n", "5:    c\n"}},
		"no items":            {"kind: List\nitems:\nx: 1\n", []string{"1:kind: List\nitems:\nx: 1\n"}},
		"no list":             {"kind: Pod\nitems:\n- a\n", []string{"1:kind: Pod\nitems:\n- a\n"}},
		"JSON":                {" {\"a\":1}\n{\"b\":2}", []string{"1:{\"a\":1}", "2:{\"b\":2}"}},
		"JSON list":           {"{\"items\":[1,\n{\"a\":[]}],\"kind\":\"List\",\"x\":{}}", []string{"1:1", "2:{\"a\":[]}"}},
		"JSON with items":     {`{"items":[1]}`, []string{`1:{"items":[1]}`}},
		"JSON items, no list": {`{"items":{"a":1},"kind":"List"}`, nil},
		"no JSON":             {"{a: 1}\n---\n{b: 2}\n", []string{"1:{a: 1}\n", "2:---\n{b: 2}\n"}},
	} {
		var got []string
		for _, d := range Split([]byte(tt.text)) {
			got = append(got, fmt.Sprintf("%d:%s", d.Line, d.Text))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", reason, got, tt.want)
		}
	}
}

// TestLinear reads texts that make a reader go back again and again, or ahead.
func TestLinear(t *testing.T) {
	for _, unit := range []string{"- a: {b: [c, \"d\"]}\n", "a: ", "{a: ", "\"", "'a' ", "- ", "a\n", "---\n", "# a\n", "a:\n", "\"a\": ", "- a\n  # b\n\n", "- a # b\n",
		"\n", " \n", "[", "? ", "! a\n", "a\r", "- &a b\n", "- |\n  a\n", "x\u2028", "{\"a\":1}\n", "- \"\\u0041\"\n", "%\n", "...\n"} {
		text := []byte(strings.Repeat(unit, 1<<20/len(unit)))
		start := time.Now()
		Parse(text)
		Split(text)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q again and again took %s", unit, took)
		}
	}
}
