// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	networking "istio.io/api/networking/v1alpha3"
)

func TestParse(t *testing.T) {
	want := Object{APIVersion: "networking.istio.io/v1", Kind: "DestinationRule", Name: "x", Spec: &networking.DestinationRule{Host: "a"}}
	full := want
	full.Namespace, full.Labels, full.Annotations = "b", map[string]string{"true": "1"}, map[string]string{"a.b/c": "1.10"}
	for _, test := range []struct {
		reason string
		text   string
		want   Object
	}{
		{"YAML", good, want},
		{"line ends of Windows", strings.ReplaceAll(good, "\n", "\r\n"), want},
		{"a byte order mark, as some editors of Windows write it", "\ufeff" + good, want},
		{"a byte order mark before JSON", "\ufeff" + `{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"x"},"spec":{"host":"a"}}`, want},
		{"a document between others of comments", "# a\n---\n# b\n---\n" + good + "...\n---\n# c\n--- ~\n", want},
		{"JSON with tabs", "{\n\t\"apiVersion\": \"networking.istio.io/v1\",\n\t\"kind\": \"DestinationRule\",\n\t\"metadata\": {\"name\": \"x\"},\n\t\"spec\": {\"host\": \"a\"}\n}\n", want},
		{"YAML in the style of JSON", `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x}, spec: {host: a}}`, want},
		{"anchors and aliases", "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: &n x}\nspec: {host: a, subsets: [{name: *n}, {name: &m z}]}\n",
			Object{APIVersion: want.APIVersion, Kind: want.Kind, Name: "x", Spec: &networking.DestinationRule{Host: "a", Subsets: []*networking.Subset{{Name: "x"}, {Name: "z"}}}}},
		{"all of metadata", strings.Replace(good, "  name: x\n", "  name: x\n  namespace: b\n  labels: {on: \"1\"}\n  annotations: {a.b/c: \"1.10\"}\n", 1), full},
		{"what kubectl get adds", strings.Replace(good, "  name: x\n", `  name: x
  annotations: null
  creationTimestamp: "2026-01-01T00:00:00Z"
  deletionGracePeriodSeconds: 0
  deletionTimestamp: null
  finalizers: [a]
  generateName: x-
  generation: 3
  labels: {}
  managedFields: [{manager: kubectl, operation: Update}]
  namespace: null
  ownerReferences: []
  resourceVersion: "12"
  selfLink: /a
  uid: b
`, 1) + "status: {conditions: []}\n", want},
		{"no spec, which the CRDs do not require", strings.Replace(good, "spec:\n  host: a\n", "", 1), Object{APIVersion: want.APIVersion, Kind: want.Kind, Name: "x", Spec: &networking.DestinationRule{}}},
		{"a null spec", strings.Replace(good, "spec:\n  host: a\n", "spec:\n", 1), Object{APIVersion: want.APIVersion, Kind: want.Kind, Name: "x", Spec: &networking.DestinationRule{}}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			spec := &networking.DestinationRule{Host: "before", ExportTo: []string{"*"}}
			got, findings := Parse([]byte(test.text), "DestinationRule", []string{"networking.istio.io/v1"}, spec)
			checkFindings(t, findings, nil)
			if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.Spec != proto.Message(spec) {
				t.Error("the object's spec is not the message that was given")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct {
		reason string
		text   string
		want   []string // as in checkFindings, with "line: " before it where there is one
	}{
		{"nothing", "", []string{"WS901: the manifest holds no document (give one object with"}},
		{"white space", " \n\n", []string{"WS901"}},
		{"comments", "# a\n", []string{"WS901"}},
		{"null", "null\n", []string{"WS901"}},
		{"a word", "websockets-server\n", []string{`1: WS921: the document is the string "websockets-server" (give one object with apiVersion, kind`}},
		{"a list", "[]", []string{"1: WS921: the document is a list (give one object"}},
		{"a JSON word", `"a"`, []string{`1: WS921: the document is the string "a" (give one object`}},
		{"a JSON null", " null ", []string{"WS901"}},
		{"JSON that was cut off", `{"apiVersion": "networking.istio.io/v1",` + "\n" + `"kind": "Dest`, []string{"2: WS902: the manifest is not YAML: found unexpected end of stream"}},
		{"YAML that was cut off", "apiVersion: networking.istio.io/v1\nkind: [\n", []string{"2: WS902: the manifest is not YAML: did not find expected node content"}},
		{"tabs for indentation", "kind: x\nmetadata:\n\tname: x\n", []string{"3: WS902: the manifest is not YAML: found character that cannot start any token"}},
		{"an unknown anchor", "kind: *x\n", []string{"WS902: the manifest is not YAML: unknown anchor 'x' referenced (correct"}},
		{"an anchor inside itself", "kind: &x [*x]\n", []string{"1: WS902: the manifest is not YAML: anchor 'x' value contains itself"}},
		{"a key that is an object", "{a: b}: c\n", []string{"1: WS902: the manifest is not YAML: invalid map key"}},
		{"a control character", "kind: \"a\x01\"\n", []string{"WS902: the manifest is not YAML: control characters are not allowed"}},
		{"many aliases", bomb(), []string{"4: WS902: the manifest is not YAML: document contains excessive aliasing"}},
		{"deep YAML", strings.Repeat("[", 20000), []string{"WS902: the manifest is not YAML: exceeded max depth of 10000"}},
		{"deep JSON", nested(9000), []string{"1: WS907 kind: the kind is missing (give a DestinationRule)"}},
		{"deep JSON in the spec", strings.Replace(jsonRule(`{"host":"a","trafficPolicy":%s}`), "%s", nested(5000), 1), []string{"1: WS920 spec.trafficPolicy.a: the field"}},
		{"a NUL byte", "kind: a\nx: \x00", []string{"2: WS903: byte 12 of the manifest is a NUL byte (save"}},
		{"UTF-16", "\xff\xfek\x00i\x00", []string{"1: WS903: byte 4 of the manifest is a NUL byte"}},
		{"Latin-1", "# gr\xfc\xdfe\n", []string{"1: WS903: byte 5 of the manifest is the byte 0xfc, which is not UTF-8"}},
		{"a second document", good + "---\na: 1\n", []string{"8: WS905: the manifest holds more than one document (give each"}},
		{"a second document that is broken", good + "---\na: [\n", []string{"8: WS902: the manifest is not YAML: "}},
		{"JSON after JSON", jsonRule(`{}`) + "\n" + jsonRule(`{}`), []string{"1: WS902: the manifest is not YAML: did not find expected <document start>"}},
		{"a List", "apiVersion: v1\nkind: List\nitems: [{}]\n", []string{"2: WS906 kind: the manifest is a List (give each entry"}},
		{"a DestinationRuleList", "apiVersion: networking.istio.io/v1\nkind: DestinationRuleList\n", []string{"2: WS906 kind: the manifest is a DestinationRuleList"}},
		{"another kind", "apiVersion: networking.istio.io/v1\nkind: VirtualService\nspec: {http: []}\n", []string{`2: WS907 kind: the kind is the string "VirtualService" (give a DestinationRule)`}},
		{"a kind of another type", "kind: {a: b}\n", []string{`1: WS907 kind: the kind is an object`}},
		{"no apiVersion", strings.Replace(good, "apiVersion: networking.istio.io/v1\n", "", 1),
			[]string{"1: WS908 apiVersion: the apiVersion is missing (DestinationRule is served as networking.istio.io/v1, networking.istio.io/v1beta1)"}},
		{"an apiVersion of another type", strings.Replace(good, "networking.istio.io/v1\n", "1\n", 1), []string{"1: WS908 apiVersion: the apiVersion is the number 1 (Dest"}},
		{"no metadata, and all the other problems", "kind: DestinationRule\nmetdata: {name: x}\nspec: {hots: a}\n",
			[]string{"1: WS908 apiVersion:", "1: WS951 metadata.name: the object has no name", "3: WS920 spec.hots:", `2: WS920 metdata: the field "metdata" is not known in DestinationRule (did you mean metadata?)`}},
		{"generateName, but no name", strings.Replace(good, "name: x", "generateName: x-", 1), []string{"3: WS951 metadata.name: the object has no name (give it a name; generateName does not do)"}},
		{"an empty name", strings.Replace(good, "name: x", `name: ""`, 1), []string{"4: WS951 metadata.name"}},
		{"a name that is a number", strings.Replace(good, "name: x", "name: 12", 1), []string{"4: WS921 metadata.name: the number 12 is not a string (put the value in quotes)"}},
		{"metadata that is a list", strings.Replace(good, "metadata:\n  name: x", "metadata: [x]", 1), []string{"3: WS921 metadata: a list is not an object"}},
		{"metadata of other types", strings.Replace(good, "  name: x\n", "  name: x\n  namespace: [a]\n  labels: {b: true, a: 1.10, c: }\n  annotations: [a]\n  lables: {}\n", 1), []string{
			"7: WS921 metadata.annotations: a list is not an object",
			`6: WS921 metadata.labels.a: the number 1.1 is not a string (put the value in quotes)`,
			`6: WS921 metadata.labels.b: true is not a string`,
			`6: WS921 metadata.labels.c: null is not a string`,
			`8: WS920 metadata.lables: the field "lables" is not known in metadata (did you mean labels?)`,
			"5: WS921 metadata.namespace: a list is not a string"}},
		{"a field that no object has", good + "data: {}\n", []string{`7: WS920 data: the field "data" is not known in DestinationRule (the fields are apiVersion, kind, metadata, spec, status)`}},
		{"keys that stand twice", rule("host: a", "host: b", "subsets: []", "subsets: []"), []string{`7: WS909 spec.host: the key "host" stands twice (remove one of them)`, `9: WS909 spec.subsets: the key "subsets" stands twice`}},
		{"keys that stand twice in JSON", jsonRule(`{"host":"a","host":"b","subsets":[{"labels":{"a.b/c":"d","a.b/c":"e"}}]}`),
			[]string{`1: WS909 spec.subsets[0].labels["a.b/c"]: the key "a.b/c" stands twice`, `1: WS909 spec.host: the key "host" stands twice`}},
		{"keys that become the same", strings.Replace(good, "  name: x\n", "  name: x\n  labels: {1: a, \"1\": b, true: c, on: d, 1.5: e, \"1.5\": f}\n", 1),
			[]string{`5: WS909 metadata.labels["1"]: the key "1" stands twice`, `5: WS909 metadata.labels.true: the key "true" stands`, `5: WS909 metadata.labels["1.5"]: the key "1.5" stands twice`}},
		{"a key that is a large number", strings.Replace(good, "  name: x\n", "  name: x\n  labels: {18446744073709551615: a}\n", 1),
			[]string{`5: WS902 metadata.labels: the key 18446744073709551615 is a number of more than 63 bits (write the key in quotes)`}},
		{"a key that is null", rule("? ~\n  : a"), []string{`6: WS902 spec: a key is null (write the key in quotes)`, `6: WS920 spec.null: the field`}},
		{"all problems at once", rule("host: a", "host: b", "hots: c", "trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {}}, tls: {sni: y}}"), []string{
			`7: WS909 spec.host: the key "host" stands twice`, `8: WS920 spec.hots: the field "hots" is not`, `9: WS925 spec.trafficPolicy.loadBalancer.simple: simple is set together with`,
			`9: WS921 spec.trafficPolicy.tls.sni: y, which is true in YAML, is not a string (put the value in quotes)`}},
		{"binary data", strings.Replace(good, "  name: x\n", "  name: x\nspec: {host: !!binary /w==}\n", 1), []string{`6: WS909 spec: the key`}},
		{"binary data that is not UTF-8", rule("host: !!binary /w=="), []string{`6: WS931 spec.host: "\xff" is not valid UTF-8`}},
		{"binary data in metadata", strings.Replace(good, "name: x", "name: !!binary /w==", 1), nil},
	} {
		t.Run(test.reason, func(t *testing.T) {
			spec := &networking.DestinationRule{Host: "before"}
			got, findings := Parse([]byte(test.text), "DestinationRule", []string{"networking.istio.io/v1", "networking.istio.io/v1beta1"}, spec)
			var lines []string
			for _, f := range findings {
				line := ""
				if f.Line > 0 {
					line = fmt.Sprintf("%d: ", f.Line)
				}
				at := f.Path
				if at != "" {
					at = " " + at
				}
				lines = append(lines, fmt.Sprintf("%s%s%s: %s (%s)", line, f.Code, at, f.Message, f.Hint))
			}
			checkLines(t, lines, test.want)
			if len(test.want) > 0 && !cmp.Equal(got, Object{}) {
				t.Errorf("the object is not empty: %v", got)
			}
		})
	}
}

// jsonRule is a DestinationRule in JSON.
func jsonRule(spec string) string {
	return `{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"x"},"spec":` + spec + `}`
}

// bomb is a small YAML that is millions of strings.
func bomb() string {
	text := "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		text += fmt.Sprintf("b%d: &a%d [", i, i+1) + strings.Repeat(fmt.Sprintf("*a%d, ", i), 10) + "]\n"
	}
	return text
}

func TestParseNamesTheObject(t *testing.T) {
	findings := read(strings.Replace(rule("hots: a"), "name: x", "name: x\n  namespace: b", 1))
	if len(findings) != 1 || findings[0].Object != "DestinationRule b/x" {
		t.Errorf("the findings are %v, want one of DestinationRule b/x", findings)
	}
	if findings := read("kind: DestinationRule\nmetadata: {name: [a]}\n"); len(findings) == 0 || findings[0].Object != "" {
		t.Errorf("the findings are %v, want some of no object", findings)
	}
}

func TestParseKeepsNumbers(t *testing.T) {
	for _, text := range []string{
		rule("host: a", "trafficPolicy: {loadBalancer: {consistentHash: {ringHash: {minimumRingSize: 18446744073709551615}}}}"),
		jsonRule(`{"host":"a","trafficPolicy":{"loadBalancer":{"consistentHash":{"ringHash":{"minimumRingSize":18446744073709551615}}}}}`),
	} {
		spec := &networking.DestinationRule{}
		_, findings := Parse([]byte(text), "DestinationRule", []string{"networking.istio.io/v1"}, spec)
		checkFindings(t, findings, nil)
		if got := spec.GetTrafficPolicy().GetLoadBalancer().GetConsistentHash().GetRingHash().GetMinimumRingSize(); got != 1<<64-1 {
			t.Errorf("minimumRingSize is %d", got)
		}
	}
}

// TestParseReadsEscapes is for JSON that YAML cannot read: letters beyond the first plane in two escapes.
func TestParseReadsEscapes(t *testing.T) {
	spec := &networking.DestinationRule{}
	_, findings := Parse([]byte(jsonRule(`{"host":"\ud83d\ude00\/"}`)), "DestinationRule", []string{"networking.istio.io/v1"}, spec)
	checkFindings(t, findings, nil)
	if spec.GetHost() != "😀/" {
		t.Errorf("the host is %q", spec.GetHost())
	}
}

// TestParseDoesNotKeepOrChange mutates what was passed in afterwards.
func TestParseDoesNotKeepOrChange(t *testing.T) {
	data := []byte(strings.Replace(good, "  name: x\n", "  name: x\n  labels: {a: b}\n", 1))
	before := bytes.Clone(data)
	spec := &networking.DestinationRule{}
	got, _ := Parse(data, "DestinationRule", []string{"networking.istio.io/v1"}, spec)
	if !bytes.Equal(data, before) {
		t.Error("Parse changed the data")
	}
	for i := range data {
		data[i] = 'z'
	}
	want := Object{APIVersion: "networking.istio.io/v1", Kind: "DestinationRule", Name: "x", Labels: map[string]string{"a": "b"}, Spec: &networking.DestinationRule{Host: "a"}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(jsonRule(`{"host":"a"}`)))
	f.Add([]byte("---\n# a\n---\n" + good + "...\n"))
	f.Add([]byte("kind: &a [*a]\n<<: {b: c}\n? {d: e}\n"))
	f.Add([]byte("a: |+\n  b\n\n\nc: >-\n  d\n   e\n\"f\\u0085\": 'g'\n"))
	f.Add([]byte(bomb()))
	rule, filter := pair()
	for _, o := range []Object{rule, filter} {
		data, err := o.AppendYAML(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, spec := range []proto.Message{&networking.DestinationRule{}, &networking.EnvoyFilter{}} {
			kind := string(spec.ProtoReflect().Descriptor().Name())
			o, findings := Parse(data, kind, []string{"networking.istio.io/v1", "networking.istio.io/v1alpha3"}, spec)
			_, again := Parse(data, kind, []string{"networking.istio.io/v1", "networking.istio.io/v1alpha3"}, proto.Clone(spec))
			if diff := cmp.Diff(findings, again); diff != "" {
				t.Fatalf("the findings differ from one run to the next:\n%s", diff)
			}
			if len(findings) > 0 {
				if o.Spec != nil || proto.Size(spec) > 0 {
					t.Fatalf("there are findings and an object: %v", o)
				}
				continue
			}
			o.Validate()
			if _, err := o.AppendYAML(nil); err == nil {
				checkYAML(t, o)
			}
		}
	})
}
