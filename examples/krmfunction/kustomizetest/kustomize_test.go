// SPDX-License-Identifier: Apache-2.0

package kustomizetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// build builds a program into a directory.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.Base(strings.TrimSuffix(pkg, "/v5")))
	if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

const inventory = `apiVersion: wsmesh.dev/v1alpha1
kind: Inventory
metadata:
  name: realtime
  annotations:
    config.kubernetes.io/function: |
      exec:
        path: ./krmfunction
mesh:
  proxies: ["1.24.1"]
services:
- name: chat
  namespace: prod
  workload: {app: chat}
  ports: [{number: 80, name: http}]
`

// service and a rule by hand, whose settings a transformer is to keep.
const resources = `apiVersion: v1
kind: Service
metadata: {name: chat, namespace: prod}
spec:
  selector: {app: chat}
  ports: [{port: 80, name: http}]
---
` + rule

const rule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: by-hand, namespace: prod}
spec: {host: chat, trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}}
`

func TestKustomize(t *testing.T) {
	bin := t.TempDir()
	kustomize := build(t, bin, "sigs.k8s.io/kustomize/kustomize/v5")
	function := build(t, bin, "github.com/wsmesh/wsmesh/examples/krmfunction")
	base, err := destinationrule.Parse([]byte(rule))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		kustomization, inventory string
		base                     *destinationrule.Rule
		others                   int
		err                      string
		reason                   string
	}{
		{"generators: [realtime.yaml]\n", inventory, nil, 0, "", "a generator"},
		{"resources: [resources.yaml]\ntransformers: [realtime.yaml]\n", inventory, base, 1, "", "a transformer"},
		{"generators: [realtime.yaml]\n", strings.Replace(inventory, "workload", "wrkload", 1), nil, 0, "WS963", "an inventory that is refused"},
	}
	for _, tt := range tests {
		want := planned(t, tt.base)
		dir := t.TempDir()
		if err := os.Symlink(function, filepath.Join(dir, "krmfunction")); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string]string{"kustomization.yaml": tt.kustomization, "realtime.yaml": tt.inventory, "resources.yaml": resources} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(kustomize, "build", "--enable-alpha-plugins", "--enable-exec", ".")
		cmd.Dir = dir
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if tt.err != "" {
			if err == nil || !strings.Contains(stderr.String(), tt.err) || stdout.Len() > 0 {
				t.Errorf("%s: %v\n%s\n%s", tt.reason, err, stderr.String(), stdout.String())
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", tt.reason, err, stderr.String())
		}
		others := 0
		found := map[string]bool{}
		for doc := range strings.SplitSeq(stdout.String(), "\n---\n") {
			data, err := yaml.YAMLToJSON([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			if want[string(data)] {
				found[string(data)] = true
			} else {
				others++
			}
		}
		if len(found) != len(want) || others != tt.others {
			t.Errorf("%s: kustomize gives\n%s", tt.reason, stdout.String())
		}
		if kubectl, err := exec.LookPath("kubectl"); err == nil {
			apply(t, kubectl, stdout.Bytes())
		}
	}
}

// apply has kubectl read the manifests. Without a cluster it knows no kinds of Istio, and so it is only asked for what
// it makes of the documents; with one it applies them, too.
func apply(t *testing.T, kubectl string, manifests []byte) {
	t.Helper()
	cmd := exec.Command(kubectl, "apply", "--dry-run=client", "--validate=false", "-f", "-")
	cmd.Stdin = bytes.NewReader(manifests)
	out, err := cmd.CombinedOutput()
	if err == nil {
		if !bytes.Contains(out, []byte("destinationrule.networking.istio.io/")) {
			t.Errorf("kubectl says\n%s", out)
		}
		return
	}
	for _, noCluster := range []string{"connection refused", "couldn't get current server API group list", "no matches for kind", "Unable to connect"} {
		if bytes.Contains(out, []byte(noCluster)) {
			t.Logf("kubectl has no cluster with Istio to ask: %s", out)
			return
		}
	}
	t.Errorf("kubectl: %v\n%s", err, out)
}

// planned is what the library gives for the Service, each object as JSON.
func planned(t *testing.T, base *destinationrule.Rule) map[string]bool {
	t.Helper()
	svc := wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}, Ports: []wsmesh.Port{{Number: 80, Name: "http"}}}
	plan, err := wsmesh.NewPlan(svc, wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}}, wsmesh.Options{Base: base})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, o := range plan.Objects() {
		doc, err := o.YAML()
		if err != nil {
			t.Fatal(err)
		}
		data, err := yaml.YAMLToJSON(doc)
		if err != nil {
			t.Fatal(err)
		}
		want[string(data)] = true
	}
	return want
}
