// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		reason string
		object Object
		want   []string
	}{
		{"all that Kubernetes takes", Object{Name: "a.b-1", Namespace: "c-1",
			Labels:      map[string]string{"app.kubernetes.io/name": "", "A_b.C": "1.10", "true": "on"},
			Annotations: map[string]string{"Example.COM/A": "any text\n: # \x7f", "istio.io/rev": "canary"}}, nil},
		{"no namespace, which kubectl fills in", Object{Name: "a"}, nil},
		{"nothing", Object{}, []string{"WS951 metadata.name: the object has no name (give it a name; generateName does not do)"}},
		{"a name with the syntax of YAML", Object{Name: "a\nb: c", Namespace: "d\n"}, []string{
			`WS952 metadata.name: "a\nb: c" must consist of lower-case letters, digits, '-' and '.', and each part`,
			`WS953 metadata.namespace: "d\n" must consist of lower-case letters, digits and '-'`}},
		{"names that are too long", Object{Name: strings.Repeat("a", 254), Namespace: strings.Repeat("a", 64)}, []string{
			`WS952 metadata.name: "` + strings.Repeat("a", 254) + `" must be no more than 253 bytes`,
			`WS953 metadata.namespace: "` + strings.Repeat("a", 64) + `" must be no more than 63 bytes`}},
		{"labels in their order", Object{Name: "a", Labels: map[string]string{"b c": "d e", "a/": "\xff", "f": "g"}}, []string{
			`WS954 metadata.labels["a/"]: the key "a/" must not be empty (write a key such as`,
			`WS955 metadata.labels["a/"]: "\xff" must consist of`,
			`WS954 metadata.labels["b c"]: the key "b c" must consist of`,
			`WS955 metadata.labels["b c"]: "d e" must consist of letters, digits, '-', '_' and '.', and start and end with a letter or digit (shorten`}},
		{"a long value is cut", Object{Name: "a", Labels: map[string]string{"b": strings.Repeat("c", 1000)}}, []string{
			`WS955 metadata.labels.b: "` + strings.Repeat("c", 320) + `…" must be no more than 63 bytes`}},
		{"annotations in their order", Object{Name: "a", Annotations: map[string]string{
			"": "", "b": "\xff", "istio.io/dry-run": "true", "internal.istio.io/webhook-always-reject": "", "internal.istio.io/parents": "a", "internal.istio.io/parent-namespace": "a"}}, []string{
			`WS956 metadata.annotations[""]: the key "" must not be empty`,
			`WS959 metadata.annotations.b: "\xff" is not valid UTF-8 (save`,
			`WS958 metadata.annotations["internal.istio.io/parent-namespace"]: "internal.istio.io/parent-namespace" is set by istiod alone (remove the annotation)`,
			`WS958 metadata.annotations["internal.istio.io/parents"]: "internal.istio.io/parents" is set by`,
			`WS958 metadata.annotations["internal.istio.io/webhook-always-reject"]: "internal.istio.io/webhook-always-reject" makes istiod refuse`,
			`WS958 metadata.annotations["istio.io/dry-run"]: "istio.io/dry-run" is for AuthorizationPolicy only`}},
		{"annotations that are too large", Object{Name: "a", Annotations: map[string]string{"b": strings.Repeat("c", maxAnnotations), "d e": ""}}, []string{
			`WS957 metadata.annotations: the annotations have 262148 bytes (keep the keys and values together below 262144 bytes)`,
			`WS956 metadata.annotations["d e"]: `}},
	} {
		t.Run(test.reason, func(t *testing.T) { checkFindings(t, test.object.Validate(), test.want) })
	}
}

// TestAppendScalar holds it against sigs.k8s.io/yaml for strings that labels may have.
func TestAppendScalar(t *testing.T) {
	for _, s := range hostile {
		if labels("a", s) != nil {
			continue
		}
		want, err := yaml.Marshal(map[string]string{"a": s})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendScalar([]byte("a: "), s)) + "\n"; got != string(want) {
			t.Errorf("%q is written as %q, want %q", s, got, want)
		}
		if got := "a: " + s + "\n"; IsPlain(s) && got != string(want) {
			t.Errorf("%q is not plain: %q", s, want)
		}
	}
}
