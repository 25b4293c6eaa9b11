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
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
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
		{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}, Ports: []wsmesh.Port{{Number: 80, Name: "http"}}},
		{Name: "push", Namespace: "stage", Workload: map[string]string{"app": "push"}, Ports: []wsmesh.Port{{Number: 8080, TargetPort: 80, Name: "http-push"}}, Ambient: true},
		{Name: "feed", Namespace: "prod", Workload: map[string]string{"app": "feed"}, Ports: []wsmesh.Port{{Number: 80, Name: "http"}}, NoSidecar: true},
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
		inv, err := fleet.ParseInventory(data, "fleet.yaml")
		if err != nil {
			t.Fatalf("%s: %v", reason, err)
		}
		if diff := cmp.Diff(want, servicesOf(t, inv)); diff != "" {
			t.Errorf("%s: the Services differ (-want +got):\n%s", reason, diff)
		}
		m := inv.Mesh
		if fmt.Sprintln(m.ControlPlanes, m.Proxies, m.ClusterDomain, m.RootNamespace) != "[1.24.1] [1.23.6 1.24.1] corp.example istio-config\n" {
			t.Errorf("%s: the mesh is %v", reason, m)
		}
		var got bytes.Buffer
		if _, err := inv.Generate(context.Background(), &got); err != nil {
			t.Fatal(err)
		}
		opts := wsmesh.Options{
			ASM: true, Labels: map[string]string{"team": "realtime"}, Annotations: map[string]string{"example.com/owner": "chat: \u00fc"},
			ProxyVersion: ">=1.12", APIVersion: "networking.istio.io/v1beta1", MinimumRelease: version.MustParse("1.10.0"),
			Gateways: []wsmesh.Gateway{{Namespace: "istio-ingress", Workload: map[string]string{"istio": "ingressgateway"}}},
		}
		if plans := byPlans(t, want, m, opts); !bytes.Equal(got.Bytes(), plans) {
			t.Errorf("%s: the options are not those of the file:\n%s", reason, got.Bytes())
		}
	}
	inv, err := fleet.ParseInventory([]byte("{apiVersion: wsmesh.dev/v1alpha1, kind: Inventory, mesh: {proxies: [\"1.24.1\"]}, options: {http1: true}, services: []}"), "")
	if err != nil || len(servicesOf(t, inv)) != 0 {
		t.Errorf("an inventory without Services gives %v and %v", inv, err)
	}
}

func servicesOf(t testing.TB, f *fleet.Fleet) []wsmesh.Service {
	t.Helper()
	var services []wsmesh.Service
	for m, err := range f.Services {
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, m.Service)
	}
	return services
}

const inventoryHead = "apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\nmesh: {controlPlanes: [\"1.24.1\"], proxies: [\"1.24.1\"]}\n"

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
		{inventoryHead + "services:\n- <<: [{name: x}, {nme: y}]\n", []string{"f.yaml:5 WS963 services[0].nme"}, "an unknown key that is merged in"},
		{inventoryHead + "services:\n- <<: x\n", []string{"f.yaml WS962 "}, "a merge key without a mapping"},
		{inventoryHead + "services: []\nservices: []\n", []string{"f.yaml:5 WS965 services"}, "a key twice"},
		{inventoryHead + "services:\n- workload:\n    app: x\n    app: y\n", []string{"f.yaml:7 WS965 services[0].workload[\"app\"]"}, "a label twice"},
		{inventoryHead + "services:\n- name: {a: b}\n  workload: {app: [x]}\n  ports: http\n  ambient: maybe\n", []string{
			"f.yaml:5 WS964 services[0].name", "f.yaml:6 WS964 services[0].workload[\"app\"]", "f.yaml:7 WS964 services[0].ports", "f.yaml:8 WS964 services[0].ambient"}, "types"},
		{inventoryHead + "services:\n- ports: [{number: -1, targetPort: 1}, {number: 1, targetPort: x}]\n- ports: [{number: \"80\"}]\n- workload: [app]\n- [x]\n", []string{
			"f.yaml:5 WS964 services[0].ports[0].number", "f.yaml:5 WS964 services[0].ports[1].targetPort", "f.yaml:6 WS964 services[1].ports[0].number", "f.yaml:7 WS964 services[2].workload", "f.yaml:8 WS964 services[3]"}, "more types"},
		{inventoryHead + "services: {}\n", []string{"f.yaml:4 WS964 services"}, "a mapping for a list"},
		{"apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\nmesh:\n  proxies:\n  - latest\n  controlPlanes:\n  - \"2.6.1\"\nservices: []\n", []string{
			"f.yaml:7 WS410 mesh.controlPlanes[0]", "f.yaml:5 WS409 mesh.proxies[0]"}, "releases"},
		{"apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\nservices: []\n", []string{"f.yaml:1 WS401 mesh"}, "no mesh"},
		{inventoryHead + "services: []\noptions:\n  proxyVersion: newest\n  minimumRelease: \"1.12\"\n  gateways:\n  - namespace: A\n    workload: {a: b}\n", []string{
			"f.yaml:9 WS502 options.gateways[0].namespace", "f.yaml:6 WS403 options.proxyVersion"}, "options"},
	}
	for _, tt := range tests {
		inv, err := fleet.ParseInventory([]byte(tt.text), "f.yaml")
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

// TestInventoryValues: what is read as kubectl or a reader of the text takes it, and how options are merged.
func TestInventoryValues(t *testing.T) {
	text := `apiVersion: wsmesh.dev/v1alpha1
kind: Inventory
metadata: {name: realtime}
mesh: {proxies: [1.24.1, 1.20], controlPlanes: [1.30]}
options:
  labels: {team: realtime, tier: a}
  http1: true
  gateways: [{namespace: istio-ingress, workload: {istio: ingressgateway}}]
defaults:
  namespace: prod
  ports: &ports [{number: 010, name: http}]
services:
- &chat
  name: chat
  workload: {&app app: chat}
  ambient: yes
- <<: *chat
  name: push
  workload: {*app : 1.10}
  ports: [{number: 0x1F, name: grpc}, {number: 81, name: http-push}]
  ambient: off
  options:
    http1: false
    host: push.example.com
    labels: {tier: b, on: "off"}
    annotations: {a: b}
    gateways: []
- name: feed
  namespace: stage
  workload: {app: yes}
  ports: []
  options:
    base:
      apiVersion: networking.istio.io/v1
      kind: DestinationRule
      metadata: {name: old}
      spec: {host: feed, trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}}
`
	f, err := fleet.ParseInventory([]byte(text), "f.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(f.Name, f.Mesh.Proxies, f.Mesh.ControlPlanes) != "realtime[1.24.1 1.20.0] [1.30.0]" {
		t.Errorf("the name and the releases are %v, %v, %v", f.Name, f.Mesh.Proxies, f.Mesh.ControlPlanes)
	}
	want := []wsmesh.Service{
		{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}, Ports: []wsmesh.Port{{Number: 8, Name: "http"}}, Ambient: true},
		{Name: "push", Namespace: "prod", Workload: map[string]string{"app": "1.10"}, Ports: []wsmesh.Port{{Number: 31, Name: "grpc"}, {Number: 81, Name: "http-push"}}},
		{Name: "feed", Namespace: "stage", Workload: map[string]string{"app": "yes"}},
	}
	if diff := cmp.Diff(want, servicesOf(t, f)); diff != "" {
		t.Errorf("the Services differ (-want +got):\n%s", diff)
	}
	var opts []*wsmesh.Options
	for m := range f.Services {
		opts = append(opts, m.Options)
	}
	if opts[0] != nil || opts[2].Base.Name != "old" || !opts[2].HTTP1 || len(opts[2].Gateways) != 1 || opts[2].Labels["tier"] != "a" {
		t.Errorf("the options of chat are %v, and those of feed %+v", opts[0], opts[2])
	}
	wantOptions := &wsmesh.Options{Host: "push.example.com", Labels: map[string]string{"team": "realtime", "tier": "b", "on": "off"}, Annotations: map[string]string{"a": "b"}}
	if diff := cmp.Diff(wantOptions, opts[1], cmp.Comparer(func(a, b version.Release) bool { return a.Original() == b.Original() })); diff != "" {
		t.Errorf("the options of push differ (-want +got):\n%s", diff)
	}
	if f, err := fleet.ParseInventory([]byte(inventoryHead+"services: []\n"), "teams/chat.yaml"); err != nil || f.Name != "chat.yaml" {
		t.Errorf("a fleet without a name is %v, %v", f, err)
	}
}

// TestInventoryBase: what is wrong with a base rule has its place in the inventory.
func TestInventoryBase(t *testing.T) {
	text := inventoryHead + `services:
- name: chat
  options:
    base:
      apiVersion: networking.istio.io/v1
      kind: DestinationRule
      metadata: {name: chat}
      spec:
        hots: chat
- name: push
  options: {base: {kind: Service}, minimumRelease: newest}
`
	_, err := fleet.ParseInventory([]byte(text), "f.yaml")
	got := places(finding.In(err))
	if len(got) < 3 || got[0] != "f.yaml:12 WS920 services[0].options.base.spec.hots" || !slices.Contains(got, "f.yaml:14 WS409 services[1].options.minimumRelease") {
		t.Errorf("the findings are\n%q\n%v", got, err)
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
  ports: [{number: 70000, targetPort: 80}]
- name: feed
  workload: {app: feed}
  ports: [{number: 80, name: ws}]
- name: feed
  workload: {app: feed}
`
	inv, err := fleet.ParseInventory([]byte(text), "f.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sum, _ := inv.Generate(context.Background(), io.Discard)
	want := []string{
		"f.yaml:5 WS501 services[0].name", `f.yaml:8 WS504 services[0].workload["*"]`,
		"f.yaml:9 WS503 services[1].workload", "f.yaml:10 WS505 services[1].ports[0].number",
		"f.yaml:13 WS507 services[2].ports[0]", "f.yaml:11 WS162 services[2].spec.host", "f.yaml:14 WS162 services[3].spec.host", "f.yaml:14 WS320 services[3].name",
	}
	if got := places(sum.Findings); !slices.Equal(got, want) {
		t.Errorf("the findings are\n%q\nand not\n%q", got, want)
	}
}

func TestInventoryProblemsAreCut(t *testing.T) {
	_, err := fleet.ParseInventory([]byte(inventoryHead+"services:\n"+strings.Repeat("- {nme: x}\n", 5000)), "f.yaml")
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
		inv, err := fleet.ParseInventory(data, "f")
		if (inv == nil) == (err == nil) {
			t.Fatalf("%v beside %v", inv, err)
		}
		if err != nil && finding.In(err) == nil {
			t.Fatalf("%v has no findings", err)
		}
	})
}
