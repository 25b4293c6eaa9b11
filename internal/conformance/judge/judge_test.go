// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"strings"
	"testing"
)

const (
	rule   = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}\n"
	filter = `{"apiVersion":"networking.istio.io/v1alpha3","kind":"EnvoyFilter","metadata":{"name":"a"},"spec":{"configPatches":[{"applyTo":"CLUSTER","patch":{"operation":"MERGE","value":{"name":"a"}}}]}}`
)

// The judge says what kubectl, kube-apiserver and istiod were seen to say.
func TestDocument(t *testing.T) {
	j, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason   string
		document string
		crd      string // what the API server says
		webhook  string // what istiod says
		warning  string
	}{
		{"a good rule", rule, "", "", ""},
		{"the standing warning", filter, "", "", "exposes internal implementation details"},
		{"empty documents are passed over", "---\n# nothing\n---\n" + rule + "---\n", "", "", ""},
		{"two documents are two objects", rule + "---\n" + rule, "2 documents, want one", "", ""},
		{"nothing is no object", "# nothing\n", "0 documents, want one", "", ""},
		{"strict: an unknown field", strings.Replace(rule, "host: a", "host: a, hots: b", 1), `unknown fields ["spec.hots"]`, "", ""},
		{"strict: unknown metadata", strings.Replace(rule, "{name: a}", "{name: a, label: b}", 1), `unknown fields ["metadata.label"]`, "", ""},
		{"strict: snake case", strings.Replace(rule, "connectionPool", "connection_pool", 1), "unknown fields", "", ""},
		{"strict: a duplicate key in YAML", strings.Replace(rule, "host: a", "host: a, host: b", 1), `key "host" already set in map`, "", ""},
		{"strict: a duplicate key in JSON", strings.Replace(filter, `"metadata":`, `"kind":"EnvoyFilter","metadata":`, 1), `duplicate field "kind"`, "", ""},
		{"the schema: an enum", strings.Replace(rule, "UPGRADE", "MAYBE", 1), "Unsupported value", "", ""},
		{"the schema: a version that is not served", strings.Replace(filter, "v1alpha3", "v1", 1), "no matches for kind", "", ""},
		{"metadata: a name", strings.Replace(rule, "name: a", "name: A_b", 1), "metadata.name", "", ""},
		{"CEL: a duration", strings.Replace(rule, "h2UpgradePolicy: UPGRADE", "idleTimeout: 0s", 1), "must be a valid duration greater than 1ms", "", ""},
		{"a null is dropped", strings.Replace(rule, "host: a", "host: a, exportTo: null", 1), "", "", ""},
		{"the status is dropped", rule + "status: {a: 1}\n", "", "", ""},
		{"what the schema does not know of: the host", strings.Replace(rule, "host: a", "host: a_b", 1), "", "denied the request", ""},
		{"what the schema does not look into: the value", strings.Replace(filter, `{"name":"a"}}}`, `{"load_assignment":{"endpoints":7}}}}`, 1), "", "denied the request", ""},
		{"a field that istiod drops", strings.Replace(filter, `{"name":"a"}}}`, `{"nam":"a"}}}`, 1), "", "", `unknown field "nam"`},
	} {
		v := j.Document([]byte(tc.document))
		for what, pair := range map[string][2]string{"the API server": {errorText(v.CRD), tc.crd}, "istiod": {errorText(v.Webhook), tc.webhook}} {
			if (pair[0] == "") != (pair[1] == "") || !strings.Contains(pair[0], pair[1]) {
				t.Errorf("%s: %s says %q, want %q", tc.reason, what, pair[0], pair[1])
			}
		}
		if got := strings.Join(v.Warnings, "\n"); !strings.Contains(got, tc.warning) || tc.warning == "" && got != "" {
			t.Errorf("%s: the warnings %q, want %q", tc.reason, got, tc.warning)
		}
		if v.Accepted() {
			if spec, err := v.Spec(); err != nil || spec == nil {
				t.Errorf("%s: istiod reads %v, %v", tc.reason, spec, err)
			}
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func BenchmarkDocument(b *testing.B) {
	j, err := New()
	if err != nil {
		b.Fatal(err)
	}
	for name, doc := range map[string]string{"rule": rule, "filter": filter} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if v := j.Document([]byte(doc)); !v.Accepted() {
					b.Fatal(v.Err())
				}
			}
		})
	}
}
