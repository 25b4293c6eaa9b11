// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

func inventory(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseInventory(t *testing.T) {
	want := []wsmesh.Service{
		{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}, Port: wsmesh.Port{Number: 80, Name: "http"}},
		{Name: "push", Namespace: "stage", Workload: map[string]string{"app": "push"}, Port: wsmesh.Port{Number: 8080, TargetPort: 80, Name: "http-push"}, Ambient: true},
		{Name: "feed", Namespace: "prod", Workload: map[string]string{"app": "feed"}, Port: wsmesh.Port{Number: 80, Name: "http"}, External: true},
	}
	asJSON, err := yaml.YAMLToJSON(inventory(t))
	if err != nil {
		t.Fatal(err)
	}
	for reason, data := range map[string][]byte{
		"YAML":              inventory(t),
		"YAML with a mark":  append([]byte("\ufeff"), inventory(t)...),
		"JSON":              asJSON,
		"JSON with tabs":    bytes.ReplaceAll(asJSON, []byte(","), []byte(",\n\t\t")),
		"YAML with anchors": []byte(strings.Replace(string(inventory(t)), "{app: feed}", "&w {app: feed}", 1)),
	} {
		inv, err := wsmesh.ParseInventory(data, "fleet.yaml")
		if err != nil {
			t.Fatalf("%s: %v", reason, err)
		}
		if diff := cmp.Diff(want, inv.Services); diff != "" {
			t.Errorf("%s: the Services differ (-want +got):\n%s", reason, diff)
		}
		m := inv.Mesh
		if fmt.Sprintln(m.ControlPlanes, m.Proxies, m.ClusterDomain, m.RootNamespace) != "[1.24.1] [1.23.6 1.24.1] corp.example istio-config\n" {
			t.Errorf("%s: the mesh is %v", reason, m)
		}
		var got bytes.Buffer
		if _, err := wsmesh.Generate(context.Background(), &got, wsmesh.Services(inv.Services), inv.Mesh, inv.Options...); err != nil {
			t.Fatal(err)
		}
		opts := []wsmesh.Option{
			wsmesh.WithASM(), wsmesh.WithLabels(map[string]string{"team": "realtime"}), wsmesh.WithAnnotations(map[string]string{"example.com/owner": "chat: \u00fc"}),
			wsmesh.WithProxyVersion(">=1.12"), wsmesh.WithAPIVersion("networking.istio.io/v1beta1"), wsmesh.WithMinimumRelease(version.MustParse("1.10.0")),
			wsmesh.WithGateway("istio-ingress", map[string]string{"istio": "ingressgateway"}),
		}
		if plans := byPlans(t, want, m, opts...); !bytes.Equal(got.Bytes(), plans) {
			t.Errorf("%s: the options are not those of the file:\n%s", reason, got.Bytes())
		}
	}
	inv, err := wsmesh.ParseInventory([]byte("{apiVersion: wsmesh.dev/v1alpha1, kind: Inventory, mesh: {proxies: [\"1.24.1\"]}, options: {http1: true}, services: []}"), "")
	if err != nil || len(inv.Services) != 0 {
		t.Errorf("an inventory without Services gives %v and %v", inv, err)
	}
}

const inventoryHead = "apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\nmesh: {proxies: [\"1.24.1\"]}\n"

// TestInventoryFindings: each with file, line and path.
func TestInventoryFindings(t *testing.T) {
	tests := []struct {
		text   string
		want   []string // file:line code path
		reason string
	}{
		{inventoryHead + "services: []\n", nil, "a good one"},
		{"", []string{"f.yaml WS962 "}, "empty"},
		{"- a\n", []string{"f.yaml:1 WS962 "}, "a list"},
		{"a: [1, 2\nb: 3\n", []string{"f.yaml:1 WS962 "}, "cut off in a list"},
		{inventoryHead + "services:\n- name: \"chat\n", []string{"f.yaml:5 WS962 "}, "cut off in a text"},
		{inventoryHead + "services:\n- name: chat\n  work", []string{"f.yaml:6 WS962 "}, "cut off in a key"},
		{inventoryHead + "services: []\n---\na: 1\n", []string{"f.yaml:5 WS962 "}, "two documents"},
		{inventoryHead, []string{"f.yaml:1 WS966 services"}, "no services"},
		{"kind: ConfigMap\nservices: []\nmesh: {proxies: [\"1.24.1\"]}\n", []string{"f.yaml:1 WS961 apiVersion"}, "another kind"},
		{"apiVersion: v1\nkind: Inventory\nservices: []\nmesh: {proxies: [\"1.24.1\"]}\n", []string{"f.yaml:1 WS961 apiVersion"}, "another apiVersion"},
		{inventoryHead + "services:\n- name: chat\n  wrkload: {app: chat}\n", []string{"f.yaml:6 WS963 services[0].wrkload"}, "an unknown key"},
		{inventoryHead + "services:\n- <<: {name: x}\n", []string{"f.yaml:5 WS963 services[0].<<"}, "a merge key"},
		{inventoryHead + "services: []\nservices: []\n", []string{"f.yaml:5 WS965 services"}, "a key twice"},
		{inventoryHead + "services:\n- workload:\n    app: x\n    app: y\n", []string{"f.yaml:7 WS965 services[0].workload.app"}, "a label twice"},
		{inventoryHead + "services:\n- name: 1.10\n  workload: {app: true}\n  port: http\n  ambient: yes\n", []string{
			"f.yaml:5 WS964 services[0].name", "f.yaml:6 WS964 services[0].workload[\"app\"]", "f.yaml:7 WS964 services[0].port", "f.yaml:8 WS964 services[0].ambient"}, "types"},
		{inventoryHead + "services:\n- port: {number: -1}\n- port: {number: \"80\"}\n- workload: [app]\n- [x]\n", []string{
			"f.yaml:5 WS964 services[0].port.number", "f.yaml:6 WS964 services[1].port.number", "f.yaml:7 WS964 services[2].workload", "f.yaml:8 WS964 services[3]"}, "more types"},
		{inventoryHead + "services: {}\n", []string{"f.yaml:4 WS964 services"}, "a mapping for a list"},
		{"apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\nmesh:\n  proxies:\n  - latest\n  controlPlanes:\n  - \"2.6.1\"\nservices: []\n", []string{
			"f.yaml:7 WS410 mesh.controlPlanes[0]", "f.yaml:5 WS409 mesh.proxies[0]"}, "releases"},
		{"apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\nservices: []\n", []string{"f.yaml:1 WS401 mesh"}, "no mesh"},
		{inventoryHead + "services: []\noptions:\n  proxyVersion: newest\n  minimumRelease: \"1.12\"\n  gateways:\n  - namespace: A\n    workload: {a: b}\n", []string{
			"f.yaml:9 WS502 options.gateways[0].namespace", "f.yaml:6 WS403 options.proxyVersion"}, "options"},
	}
	for _, tt := range tests {
		inv, err := wsmesh.ParseInventory([]byte(tt.text), "f.yaml")
		if (err == nil) != (inv != nil) || (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: %v", tt.reason, err)
			continue
		}
		l := finding.In(err)
		if got := places(l); !slices.Equal(got, tt.want) {
			t.Errorf("%s: the findings are\n%q\nand not\n%q\n%v", tt.reason, got, tt.want, err)
		}
	}
}

// places returns where the findings are: file:line code path.
func places(l finding.List) []string {
	var out []string
	for _, f := range l {
		place := f.File
		if f.Line > 0 {
			place += fmt.Sprint(":", f.Line)
		}
		out = append(out, place+" "+f.Code+" "+f.Path)
	}
	return out
}

// TestInventoryOfServices: what Generate finds in the Services has file, line and path, too.
func TestInventoryOfServices(t *testing.T) {
	text := inventoryHead + `services:
- name: A
  workload:
    app: chat
    "*": x
- name: push
  port: {number: 70000, targetPort: 80}
- name: feed
  workload: {app: feed}
  port: {number: 80, name: ws}
- name: feed
  workload: {app: feed}
`
	inv, err := wsmesh.ParseInventory([]byte(text), "f.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sum, _ := wsmesh.Generate(context.Background(), io.Discard, wsmesh.Services(inv.Services), inv.Mesh, inv.Options...)
	want := []string{
		"f.yaml:5 WS501 services[0].name", `f.yaml:8 WS504 services[0].workload["*"]`,
		"f.yaml:9 WS503 services[1].workload", "f.yaml:10 WS505 services[1].port.number",
		"f.yaml:13 WS507 services[2].port", "f.yaml:11 WS162 services[2].spec.host", "f.yaml:14 WS162 services[3].spec.host", "f.yaml:14 WS320 services[3].name",
	}
	if got := places(sum.Findings); !slices.Equal(got, want) {
		t.Errorf("the findings are\n%q\nand not\n%q", got, want)
	}
}

func TestInventoryProblemsAreCut(t *testing.T) {
	_, err := wsmesh.ParseInventory([]byte(inventoryHead+"services:\n"+strings.Repeat("- {nme: x}\n", 5000)), "f.yaml")
	codes := codesOf(t, err)
	if len(codes) != 1001 || codes[1000] != "WS969" {
		t.Errorf("of 5,000 problems %d are listed, the last as %s", len(codes), codes[len(codes)-1])
	}
}

func FuzzParseInventory(f *testing.F) {
	f.Add(inventory(f))
	f.Add([]byte("a: &a [*a]\nservices: *a\n"))
	f.Add([]byte("services: [[[[[{port: {number: 1}}]]]]]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, err := wsmesh.ParseInventory(data, "f")
		if (inv == nil) == (err == nil) {
			t.Fatalf("%v beside %v", inv, err)
		}
		if err != nil && finding.In(err) == nil {
			t.Fatalf("%v has no findings", err)
		}
	})
}
