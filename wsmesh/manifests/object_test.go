// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

func read(t *testing.T, text string) []*manifests.Object {
	t.Helper()
	var s manifests.Set
	if err := s.Add("a.yaml", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	list, err := s.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestValues: what of each kind is read.
func TestValues(t *testing.T) {
	template := "metadata: {labels: {app: chat}}, spec: {containers: [{name: app, ports: [{name: web, containerPort: 8080}]}]}"
	pods := func(path string) any {
		return []*manifests.Workload{{Labels: map[string]string{"app": "chat"}, Path: path,
			Containers: []manifests.Container{{Name: "app", Ports: []manifests.ContainerPort{{Name: "web", Number: 8080}}}}}}
	}
	for name, tt := range map[string]struct {
		text string
		want any
	}{
		"Service": {service, &manifests.Service{Selector: map[string]string{"app": "chat"}, Ports: []manifests.ServicePort{{Port: 80, Name: "http"}}}},
		"Service, ports by number and by name": {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: ExternalName, ports: [{port: 80, targetPort: 8080, appProtocol: http}, {port: 81, targetPort: web}]}\n",
			&manifests.Service{Type: "ExternalName", Ports: []manifests.ServicePort{{Port: 80, TargetPort: "8080", AppProtocol: "http"}, {Port: 81, TargetPort: "web"}}}},
		"Deployment": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {" + template + "}}\n", pods("spec.template.metadata")},
		"CronJob":    {"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {jobTemplate: {spec: {template: {" + template + "}}}}\n", pods("spec.jobTemplate.spec.template.metadata")},
		"Rollout":    {"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\nspec: {template: {" + template + "}}\n", pods("spec.template.metadata")},
		"a kind of an operator": {"apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: a}\nspec: {workerGroupSpecs: [{template: {" + template + "}}]}\n",
			pods("spec.workerGroupSpecs[0].template.metadata")},
		"Pod": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {nodeName: n, hostNetwork: true, containers: []}\n",
			[]*manifests.Workload{{Running: true, HostNetwork: true, Path: "metadata"}}},
		"ServiceEntry": {"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec: {hosts: [a.example], location: MESH_INTERNAL, ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {app: a}}}\n",
			&manifests.ServiceEntry{Hosts: []string{"a.example"}, InMesh: true, Selector: map[string]string{"app": "a"}, Ports: []manifests.ServicePort{{Port: 80, Name: "http", AppProtocol: "HTTP"}}}},
		"VirtualService": {"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [a.example], gateways: [edge], http: [{match: [{uri: {prefix: /ws}, headers: {upgrade: {exact: websocket}}}], route: [{destination: {host: a, port: {number: 80}}}], websocketUpgrade: true}]}\n",
			&manifests.VirtualService{Hosts: []string{"a.example"}, Gateways: []string{"edge"}, Routes: []manifests.Route{{Path: "spec.http[0]", URIs: []string{"/ws"},
				Upgrades: []string{"websocket"}, Destinations: []manifests.Destination{{Host: "a", Port: 80}}, WebSocketUpgrade: true}}}},
		"ConfigMap": {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata:\n  mesh: |\n    rootNamespace: root\n    h2UpgradePolicy: UPGRADE\n    defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}\n    defaultConfig: {proxyHeaders: {preserveHttp1HeaderCase: true}, connectionSettings: {profile: EDGE}}\n",
			&manifests.MeshConfig{Path: "data.mesh", RootNamespace: "root", Upgrade: true, ConnectionPool: true, PreserveHTTP1HeaderCase: true, Connections: manifests.ConnectionSettings{Profile: "EDGE"}}},
		"Istio of the Sail operator": {"apiVersion: sailoperator.io/v1\nkind: Istio\nmetadata: {name: default}\nspec: {values: {meshConfig: {h2UpgradePolicy: UPGRADE}}}\n",
			&manifests.MeshConfig{Path: "spec.values.meshConfig", Upgrade: true}},
		"ServiceMeshControlPlane": {"apiVersion: maistra.io/v2\nkind: ServiceMeshControlPlane\nmetadata: {name: basic, namespace: mesh}\nspec: {version: v2.6}\n",
			&manifests.MeshConfig{RootNamespace: "mesh"}},
		"another kind":      {"apiVersion: v1\nkind: Secret\nmetadata: []\n", nil},
		"another ConfigMap": {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata: {meshNetworks: a}\n", nil},
		"no object":         {"a: 1\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			list := read(t, tt.text)
			if len(list) != 1 || len(list[0].Findings) > 0 {
				t.Fatalf("%d objects, %v", len(list), list[0].Findings)
			}
			if diff := cmp.Diff(tt.want, list[0].Value); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefuses: what cannot be read is a finding with its line, in a sentence.
func TestRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		text, message string
		rule          finding.Rule
		line          int
	}{
		"a list":            {"# all\n- a\n- b\n", "the document is a list, and a Kubernetes object has apiVersion, kind and metadata", manifests.Malformed, 1},
		"a single value":    {"hello\n", "the document is a single value, and a Kubernetes object has apiVersion, kind and metadata", manifests.Malformed, 1},
		"a JSON patch":      {"- {op: remove, path: /spec}\n", "the document is a patch, by its operations, and no manifest", manifests.Patch, 1},
		"a mapping":         {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  selector: [a]\n", "the value is a list, and the field takes a mapping", manifests.Malformed, 5},
		"a number":          {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: http\n", `the value is "http", and the field takes a number`, manifests.Malformed, 6},
		"a port":            {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 1.5\n", "the value is the number 1.5, and the field takes a port", manifests.Malformed, 6},
		"an item":           {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [a]\n", `the value is "a", and the field takes a mapping`, manifests.Malformed, 5},
		"a text":            {"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec:\n  hosts: [1]\n", "the value is the number 1, and the field takes a string", manifests.Malformed, 5},
		"a label":           {"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels: {a: true}\n", "the value is true, and the field takes a string", manifests.Malformed, 5},
		"MeshConfig":        {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata:\n  mesh: 1\n", "the value is the number 1, and the field takes a string", manifests.Malformed, 5},
		"a kind twice":      {"apiVersion: v1\nkind: Namespace\nkind: Service\nmetadata: {name: a}\n", `the key "kind" stands twice`, finding.Rule{Code: "WS909"}, 3},
		"a List in a flow":  {"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Service}]\n", `the items of a List are read where each begins with "- " on a line of its own, or in JSON`, manifests.Malformed, 3},
		"a map for a list":  {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: {}}\n", "the value is a mapping, and the field takes a list", manifests.Malformed, 4},
		"a long value":      {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: " + strings.Repeat("x", 300) + "\n", "the value is \"" + strings.Repeat("x", 200) + "…\", and the field takes a mapping", manifests.Malformed, 4},
		"a broken mesh":     {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata:\n  mesh: '['\n", "the MeshConfig cannot be read: the manifest is not YAML: did not find expected node content", manifests.Malformed, 5},
		"NUL":               {"apiVersion: v1\nkind: \x00\n", "byte 22 of the document is a NUL byte", manifests.NotText, 2},
		"no UTF-8":          {"apiVersion: v1\nkind: ü\xff\n", "byte 24 of the document is no UTF-8", manifests.NotText, 2},
		"too large":         {"# " + strings.Repeat("x", 3<<20) + "\na: 1\n", "the document has 3145736 bytes", manifests.TooLarge, 1},
		"a patch in a list": {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n  - $patch: replace\n", "the document is a patch, by its $patch, and no manifest", manifests.Patch, 7},
		"targetRefs set to nothing": {"apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\nspec:\n  targetRefs: []\n  workloadSelector: {labels: {a: b}}\n",
			"targetRefs is set together with workloadSelector", envoyfilter.SelectorAndTargetRefs, 5},
		"a broken template": {"apiVersion: v1\nkind: Service\nmetadata:\n  {{ include \"a\" . }}\n", "the document is a template and no manifest", manifests.Template, 1},
		"a template":        {"apiVersion: v1\nkind: Service\nmetadata: {name: '{{ .Release.Name }}'}\nspec: {ports: ['{{ .Values.port }}']}\n", "the document is a template and no manifest", manifests.Template, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := read(t, tt.text)[0].Findings
			if len(l) != 1 || l[0].Code != tt.rule.Code || l[0].Message != tt.message || l[0].Line != tt.line || l[0].File != "a.yaml" || l[0].Hint == "" {
				t.Errorf("%v", l)
			}
		})
	}
}

// TestPatches: what a kustomization names as a patch is no manifest, in whatever way it is named.
func TestPatches(t *testing.T) {
	var s manifests.Set
	for name, text := range map[string]string{
		"k/kustomization.yaml": "resources: [d.yaml]\npatches: [{path: a.yaml}, {patch: inline}]\npatchesStrategicMerge: [./b.yaml]\npatchesJson6902: [{path: sub/c.yaml}]\npatchesOther: {}\n",
		"k/a.yaml":             service, "k/b.yaml": service, "k/sub/c.yaml": service, "k/d.yaml": service, "a.yaml": service,
		"l/Kustomization": "patches: {}\n",
	} {
		if err := s.Add(name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		isPatch := len(o.Findings) == 1 && o.Findings[0].Code == manifests.Patch.Code && o.Value == nil
		if want := o.File == "k/a.yaml" || o.File == "k/b.yaml" || o.File == "k/sub/c.yaml"; isPatch != want {
			t.Errorf("%s: %v %v", o.File, o.Value, o.Findings)
		}
	}
}

// TestShared: what several EnvoyFilters have in common is kept once, and one in which something is wrong apart.
func TestShared(t *testing.T) {
	filter := func(name, patch string) string {
		return "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: " + name + "}\nspec:\n  workloadSelector: {labels: {app: a}}\n  configPatches:\n  - " + patch + "\n---\n"
	}
	const good = "{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 1s, lb_policy: RANDOM, respect_dns_ttl: true, http2_protocol_options: null, dns_resolvers: []}}}"
	list := read(t, filter("a", good)+filter("b", good)+filter("c", "{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeouts: 1s}}}"))
	a, _ := list[0].Value.(*manifests.EnvoyFilter)
	b, _ := list[1].Value.(*manifests.EnvoyFilter)
	c, _ := list[2].Value.(*manifests.EnvoyFilter)
	if len(list) != 3 || a.Values[0] == nil || a.Values[0] != b.Values[0] || a.Spec.GetConfigPatches()[0] != b.Spec.GetConfigPatches()[0] {
		t.Errorf("%v and %v", a, b)
	}
	if c == nil || len(list[2].Findings) != 1 || list[2].Findings[0].Line != 23 || list[2].Refused {
		t.Errorf("%v", list[2].Findings)
	}
}

// TestLineOf: each field has its line, and one that is not there that of what is around it.
func TestLineOf(t *testing.T) {
	list := read(t, "# first\n---\n"+strings.ReplaceAll(service, "spec: {", "spec:\n  {")+"---\n"+rule)
	for path, want := range map[string]int{"": 3, "metadata.name": 5, "spec": 6, "spec.ports[0].port": 7, "spec.ports[7].port": 7, "spec.none": 6, "none": 3, "?": 2} {
		if got := list[0].LineOf(path); got != want {
			t.Errorf("%q is on line %d, want %d", path, got, want)
		}
	}
	if got := list[1].LineOf("spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"); got != 14 {
		t.Errorf("the policy is on line %d", got)
	}
	if string(list[1].Text()) != "---\n"+rule || list[1].IsItem() || list[1].Line != 8 {
		t.Errorf("%q on line %d", list[1].Text(), list[1].Line)
	}
}
