// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
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

// TestParse: the place of each value, as the line that it stands on.
func TestParse(t *testing.T) {
	for _, text := range []string{sample, "---\n" + sample, strings.ReplaceAll(sample, "\n", "\r\n"), sample + "...\n", strings.TrimSuffix(sample, "\n")} {
		n, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			"kind":                      "'Service'",
			"apiVersion":                "v1",
			"metadata.name":             "chat",
			"metadata.labels.app":       "chat",
			`metadata.labels["a/b"]`:    "'it''s'",
			"metadata.labels.empty":     "",
			"metadata.labels.last[1].y": "1",
			"metadata.annotations.url":  "http://example.com:80/#part",
			"spec.ports[0].name":        "http",
			"spec.ports[1].port":        "81",
			"spec.ports[2][0]":          "nested",
			"spec.ports[2][1][1]":       "b",
			"spec.nothing":              "",
			"spec.list[1].b":            "2",
		} {
			e, found := n.At(Steps(path)...)
			if got := text[e.Value.Start:e.Value.End]; !found || got != want {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
		if e, found := n.At(Steps("metadata.annotations.nothing")...); found || text[e.Start:e.Start+11] != "annotations" {
			t.Errorf("a path that leads nowhere ends at %q", text[e.Start:e.Start+11])
		}
		if _, found := n.At("spec", "ports", 3); found {
			t.Error("an index out of range was found")
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for reason, text := range map[string]string{
		"anchor": "a: &x 1\n", "alias": "a: *x\n", "tag": "a: !!str 1\n", "merge key": "<<: {a: 1}\n", "merge key in flow": "a: {<<: {b: 1}}\n",
		"complex key": "? a\n: b\n", "anchor of a document": "&a\nb: 1\n", "tab": "a:\n\tb: 1\n", "open flow": "a: {b: 1\n", "wrong end": "a: {b: 1]\n",
		"open quote": "a: \"b\n", "two values": "a: 1\n  b: 2\n", "less indented": "  a: 1\n b: 2\n", "sequence after key": "a: - b\n", "flow key": "{[a]: b}\n",
		"comma first": "a: [, b]\n", "flow anchor": "a: [&b c]\n", "no comma": "a: [b {}]\n", "after a comment": "a: b # c\n  d\n", "empty flow scalar": "a: [:]\n",
		"too deep": strings.Repeat("[", 102) + strings.Repeat("]", 102), "too deep in blocks": strings.Repeat("- ", 101) + "a\n", "no colon": "a: 1\nb\n", "a colon too many": "a: b: c\n",
		"flow without colon": "{a}\n",
	} {
		if n, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: %q was read as %+v", reason, text, n)
		}
	}
}

// tree makes of the nodes what a parser makes of the text, with the scalars read one by one.
func tree(n *Node) any {
	switch n.Kind {
	case Map:
		m := map[string]any{}
		for _, e := range n.Entries {
			m[e.Key] = tree(e.Value)
		}
		return m
	case Seq:
		l := []any{}
		for _, e := range n.Entries {
			l = append(l, tree(e.Value))
		}
		return l
	case Scalar, Null:
	}
	return "scalar"
}

// shape replaces the scalars of a parsed text.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = shape(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = shape(v[i])
		}
		return v
	}
	return "scalar"
}

// sameAsYAML: what Parse reads has the keys and items that sigs.k8s.io/yaml reads in it.
func sameAsYAML(t *testing.T, text []byte) {
	n, err := Parse(text)
	if err != nil {
		return
	}
	for _, e := range n.Entries {
		if e.Start < n.Start || e.Value.End > n.End {
			t.Fatalf("an entry is outside of what it is in: %q", text)
		}
	}
	var v any
	if yaml.UnmarshalStrict(text, &v) != nil {
		return // Parse is no judge of what is YAML
	}
	if plainKeys(n) && !reflect.DeepEqual(shape(v), tree(n)) {
		t.Errorf("%q:\nparsed  %v\nread as %v", text, v, tree(n))
	}
}

// plainKeys says whether all keys are those that YAML takes as they are written: 0x1 and yes are not.
func plainKeys(n *Node) bool {
	return !slices.ContainsFunc(n.Entries, func(e Entry) bool {
		var v map[string]any
		err := yaml.Unmarshal([]byte(e.Key+": 1"), &v)
		return n.Kind == Map && (err != nil || v[e.Key] == nil) || !plainKeys(e.Value)
	})
}

// odd are texts that are read as YAML reads them, or not at all.
var odd = []string{
	sample, `{"a":[1,"b",{"c":null}],"d":{}}`, "a: [b, c: d]\n", "- - a\n  - b: c\n    d:\n    - e\n",
	"-\r-", "-\u2028-", "\n::\n...:.:\n-\n-",
}

func TestOdd(t *testing.T) {
	for _, text := range odd {
		sameAsYAML(t, []byte(text))
	}
}

// FuzzParse: whatever the text, what is found stands inside of it. What stands there is compared with what a YAML parser
// reads by those who edit a document: Parse is no judge of YAML.
func FuzzParse(f *testing.F) {
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if n, err := Parse(text); err == nil {
			inside(t, text, n, 0, len(text))
		}
		for _, d := range Split(text) {
			if d.Offset < 0 || d.Offset+len(d.Text) > len(text) || d.Line != 1+bytes.Count(text[:d.Offset], []byte("\n")) {
				t.Errorf("%q: %d, line %d: %q", text, d.Offset, d.Line, d.Text)
			}
		}
	})
}

func inside(t *testing.T, text []byte, n *Node, start, end int) {
	if n.Start < start || n.End > end || n.Start > n.End {
		t.Fatalf("%q: %d to %d is not inside of %d to %d", text, n.Start, n.End, start, end)
	}
	for _, e := range n.Entries {
		if e.Start < n.Start {
			t.Fatalf("%q: an entry at %d begins before what it is in, at %d", text, e.Start, n.Start)
		}
		inside(t, text, e.Value, n.Start, n.End)
	}
}

func TestSteps(t *testing.T) {
	for path, want := range map[string]string{
		`spec.a[1].b["c.d"].e`: `["spec" "a" '\x01' "b" "c.d" "e"]`,
		`["a`:                  `[]`,
		`a[x]`:                 `["a"]`,
		"":                     `[]`,
	} {
		if got := fmt.Sprintf("%q", Steps(path)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
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

// TestLinear: texts that make a reader go back again and again take no long time.
func TestLinear(t *testing.T) {
	for _, unit := range []string{"- a: {b: [c, \"d\"]}\n", "a: ", "{a: ", "\"", "'a' ", "- ", "a\n", "---\n", "# a\n", "a:\n", "\"a\": "} {
		text := []byte(strings.Repeat(unit, 1<<20/len(unit)))
		start := time.Now()
		_, _ = Parse(text)
		Split(text)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q again and again took %s", unit, took)
		}
	}
}
