// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// TestSeed holds the plan to the three manifests of the documents of Alibaba Cloud Service Mesh.
func TestSeed(t *testing.T) {
	tests := []struct {
		reason  string
		release string
		want    []string // in the order of the stream
	}{
		{"before 1.12 the documents keep HTTP/1.1", "1.11.8", []string{"destinationrule-before-1.12.yaml"}},
		{"from 1.12 on they upgrade, with the filter", "1.12.0", []string{"envoyfilter-from-1.12.yaml", "destinationrule-from-1.12.yaml"}},
	}
	for _, tt := range tests {
		t.Run(tt.release, func(t *testing.T) {
			svc := server()
			svc.Namespace = "" // the documents' manifests name none
			got := bytes.Split([]byte(planYAML(t, mustPlan(t, svc, mesh(tt.release), wsmesh.Options{ASM: true}))), []byte("---\n"))
			if len(got) != len(tt.want) {
				t.Fatalf("%s: %d documents, want %d", tt.reason, len(got), len(tt.want))
			}
			for i, name := range tt.want {
				want, err := os.ReadFile(filepath.Join("testdata", "seed", name))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tree(t, want), tree(t, got[i])); diff != "" {
					t.Errorf("%s: %s (-seed +plan):\n%s", tt.reason, name, diff)
				}
			}
		})
	}
}

// TestSeedInNamespace: a namespace that is given is written, and changes nothing else of the documents' form.
func TestSeedInNamespace(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.12.0"), wsmesh.Options{ASM: true})
	rule, filter := plan.DestinationRule(), plan.EnvoyFilters()[0]
	if rule.Namespace != "default" || filter.Namespace != "default" || rule.Spec.GetHost() != "websockets-server" {
		t.Errorf("namespaces %q, %q, host %q; want default, default, websockets-server", rule.Namespace, filter.Namespace, rule.Spec.GetHost())
	}
	if plan.Decision().Policy != destinationrule.Upgrade {
		t.Errorf("policy %v, want UPGRADE", plan.Decision().Policy)
	}
}

func tree(t *testing.T, doc []byte) any {
	t.Helper()
	var v any
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
