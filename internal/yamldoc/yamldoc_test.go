// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
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
