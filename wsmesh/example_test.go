// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// chat is a WebSocket server in a mesh of Istio 1.24.1.
func chat() (wsmesh.Service, wsmesh.Mesh) {
	istio := []version.Release{version.MustParse("1.24.1")}
	return wsmesh.Service{
		Name:      "chat",
		Namespace: "prod",
		Workload:  map[string]string{"app": "chat"},
		Ports:     []wsmesh.Port{{Number: 80, Name: "http"}},
	}, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio}
}

// plan is the plan for a Service, with the options or with none.
func plan(svc wsmesh.Service, mesh wsmesh.Mesh, opts ...wsmesh.Options) *wsmesh.Plan {
	plan, err := wsmesh.NewPlan(svc, mesh, one(opts))
	if err != nil {
		log.Fatal(err)
	}
	return plan
}

func printHosts(rule *destinationrule.Rule) { fmt.Println(rule, "for", rule.Spec.GetHost()) }

func Example() {
	pair := plan(chat())
	fmt.Println(pair.Decision().Policy)
	if err := pair.WriteYAML(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// UPGRADE
	// apiVersion: networking.istio.io/v1alpha3
	// kind: EnvoyFilter
	// metadata:
	//   name: chat-allow-connect
	//   namespace: prod
	// spec:
	//   configPatches:
	//   - applyTo: NETWORK_FILTER
	//     match:
	//       context: SIDECAR_INBOUND
	//       listener:
	//         filterChain:
	//           filter:
	//             name: envoy.filters.network.http_connection_manager
	//     patch:
	//       operation: MERGE
	//       value:
	//         typed_config:
	//           '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
	//           http2_protocol_options:
	//             allow_connect: true
	//   workloadSelector:
	//     labels:
	//       app: chat
	// ---
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: chat
	//   namespace: prod
	// spec:
	//   host: chat.prod.svc.cluster.local
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: UPGRADE
}

func ExampleNewPlan() {
	istio := []version.Release{version.MustParse("1.24.1")} // every release that runs in the mesh
	plan, err := wsmesh.NewPlan(wsmesh.Service{
		Name:      "chat",
		Namespace: "prod",
		Workload:  map[string]string{"app": "chat"}, // the labels of the server's pods
		Ports:     []wsmesh.Port{{Number: 80, Name: "http"}},
	}, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio}, wsmesh.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, stage := range plan.Stages() {
		fmt.Println(stage.Name, stage.Apply)
	}
	// Output:
	// let the proxies accept WebSocket over HTTP/2 [EnvoyFilter prod/chat-allow-connect]
	// apply the DestinationRule [DestinationRule prod/chat]
}

// A Service with a port for WebSockets and one for gRPC: the first alone is upgraded.
func ExampleNewPlan_ports() {
	svc, mesh := chat()
	svc.Ports = []wsmesh.Port{{Number: 80, Name: "http"}, {Number: 9090, Name: "grpc"}}
	pair := plan(svc, mesh)
	for _, p := range pair.Decision().Ports {
		fmt.Println(p.Port.Number, p.Policy)
	}
	if err := wsmesh.WriteYAML(os.Stdout, pair.DestinationRule()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 80 UPGRADE
	// 9090 DO_NOT_UPGRADE
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: chat
	//   namespace: prod
	// spec:
	//   host: chat.prod.svc.cluster.local
	//   trafficPolicy:
	//     portLevelSettings:
	//     - connectionPool:
	//         http:
	//           h2UpgradePolicy: UPGRADE
	//       port:
	//         number: 80
}

func ExampleNewPlan_refused() {
	_, err := wsmesh.NewPlan(wsmesh.Service{Name: "chat", Namespace: "prod"}, wsmesh.Mesh{}, wsmesh.Options{})
	fmt.Println(err)
	// Output:
	// error WS503 Service prod/chat spec.selector: no workload labels are given (give the labels of the server's pods, such as app=websockets-server; they are never guessed)
	// error WS401 mesh: no Istio release is given (give every control plane's and proxy's release, as `istioctl version` prints them)
}

func ExampleParseMesh() {
	mesh, err := wsmesh.ParseMesh(strings.NewReader(`client version: 1.30.3
control plane version: 1.24.1
data plane version: 1.23.6 (3 proxies), 1.24.1 (12 proxies)
`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(mesh.ControlPlanes, mesh.Proxies)
	// Output:
	// [1.24.1] [1.23.6 1.24.1]
}

func ExampleMeshOf() {
	mesh, err := wsmesh.MeshOf("1.23.6", "v1.24.1")
	fmt.Println(mesh.ControlPlanes, mesh.Proxies, err)
	_, err = wsmesh.MeshOf("latest")
	fmt.Println(finding.In(err)[0].Message)
	// Output:
	// [1.23.6 1.24.1] [1.23.6 1.24.1] <nil>
	// unknown Istio release "latest": it does not begin with a number, and what it stands for may change
}

func ExampleMesh_Validate() {
	mesh := wsmesh.Mesh{ControlPlanes: []version.Release{version.MustParse("1.24.1")}}
	fmt.Println(mesh.Validate())
	// Output:
	// warning WS411 mesh.proxies: no release of a proxy is given: sidecars and gateways may be older than the control planes (give them too, as `istioctl version` prints them)
}

func ExampleMesh_Oldest() {
	mesh := wsmesh.Mesh{
		ControlPlanes: []version.Release{version.MustParse("1.24.1")},
		Proxies:       []version.Release{version.MustParse("1.24.1"), version.MustParse("1.11.8")},
	}
	fmt.Println(mesh.Oldest())
	// Output:
	// 1.11.8 1.24.1 <nil>
}

func ExampleRules() {
	for _, rule := range wsmesh.Rules() {
		if rule.Code == wsmesh.UpgradeWithFilter.Code {
			fmt.Println(rule.Code, rule.Severity, rule.Meaning)
		}
	}
	// Output:
	// WS305 info UPGRADE, together with the EnvoyFilter that lets the server's proxies accept it.
}

func ExamplePlan_Decision() {
	fmt.Println(plan(chat()).Decision().Reasons[0])
	// Output:
	// info WS305 Service prod/chat: every release of the mesh is 1.12.0 or later (the oldest is 1.24.1)
}

func ExamplePlan_DestinationRule() {
	printHosts(plan(chat()).DestinationRule())
	// Output:
	// DestinationRule prod/chat for chat.prod.svc.cluster.local
}

func ExamplePlan_EnvoyFilters() {
	fmt.Println(plan(chat()).EnvoyFilters())
	// Output:
	// [EnvoyFilter prod/chat-allow-connect]
}

// The objects in the order in which they are to be applied.
func ExamplePlan_Objects() {
	fmt.Println(plan(chat()).Objects())
	// Output:
	// [EnvoyFilter prod/chat-allow-connect DestinationRule prod/chat]
}

// A plan as JSON: objects and stages are Lists that `kubectl apply -f -` takes.
func ExamplePlan_MarshalJSON() {
	text, err := plan(chat()).MarshalJSON()
	if err != nil {
		log.Fatal(err)
	}
	var read struct {
		Decision struct{ Policy string }
		Objects  struct{ Kind string }
		Stages   []struct{ Name string }
	}
	if err := json.Unmarshal(text, &read); err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Decision.Policy, read.Objects.Kind, read.Stages[0].Name)
	// Output:
	// UPGRADE List let the proxies accept WebSocket over HTTP/2
}

func ExamplePlan_Mermaid() {
	if err := plan(chat()).Mermaid(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// flowchart LR
	//   subgraph g1["chat.prod.svc.cluster.local"]
	//     n1["client"]
	//     n2["client's proxy"]
	//     n1 -->|"HTTP/1.1, Upgrade: websocket"| n2
	//     n3["server's proxy"]
	//     n2 -->|"HTTP/2, extended CONNECT"| n3
	//     n4["application"]
	//     n3 -->|"HTTP/1.1, Upgrade: websocket"| n4
	//   end
}

func ExamplePlan_Findings() {
	svc, mesh := chat()
	svc.Ports[0].Name = "ws"
	for _, f := range plan(svc, mesh).Findings().Warnings() {
		fmt.Println(f)
	}
	// Output:
	// warning WS507 Service prod/chat spec.ports[0]: the port name "ws" is not explicitly HTTP: its protocol is sniffed, and the application would be sent HTTP/2 (rename the Service's port to "http-ws", or set its appProtocol to "http", to have WebSocket over HTTP/2)
}

func ExamplePlan_Stages() {
	for i, stage := range plan(chat()).Stages() {
		fmt.Printf("%d. %s: %v\n   until %s\n", i+1, stage.Name, stage.Apply, stage.Until)
	}
	// Output:
	// 1. let the proxies accept WebSocket over HTTP/2: [EnvoyFilter prod/chat-allow-connect]
	//    until every proxy that the EnvoyFilter selects shows allow_connect
	// 2. apply the DestinationRule: [DestinationRule prod/chat]
	//    until the cluster of every client's proxy speaks HTTP/2 to the host
}

func ExamplePlan_Rollback() {
	for i, stage := range plan(chat()).Rollback() {
		fmt.Printf("%d. %s: apply %v, delete %v\n", i+1, stage.Name, stage.Apply, stage.Delete)
	}
	// Output:
	// 1. send the clients back to HTTP/1.1: apply [DestinationRule prod/chat], delete []
	// 2. delete the EnvoyFilters: apply [], delete [EnvoyFilter prod/chat-allow-connect]
}

func ExamplePlan_Explain() {
	svc, mesh := chat()
	if err := plan(svc, mesh, wsmesh.Options{HTTP1: true}).Explain(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// WebSocket to chat.prod.svc.cluster.local
	//
	// Decision: DO_NOT_UPGRADE
	//   info WS301: HTTP/1.1 was asked for, so every WebSocket keeps a connection of its own
	//     source: the caller's own choice (Options.HTTP1)
	//
	// Hops:
	//   client          -> its proxy       HTTP/1.1, Upgrade: websocket
	//   client's proxy  -> server's proxy  HTTP/1.1, Upgrade: websocket  h2UpgradePolicy DO_NOT_UPGRADE
	//   server's proxy  -> application     HTTP/1.1, Upgrade: websocket  port named http
	//
	// Rollout:
	//   1. apply the DestinationRule
	//        apply DestinationRule prod/chat
	//      until no cluster of a client's proxy speaks HTTP/2 to the host any more:
	//        for pod in $PODS; do out=$(istioctl proxy-config clusters "$pod" --fqdn 'chat.prod.svc.cluster.local' -o json) && ! printf %s "$out" | grep -q http2ProtocolOptions || echo "$pod"; done # PODS: the clients, as name.namespace
	//
	// Rollback:
	//   1. delete the DestinationRule
	//        delete DestinationRule prod/chat
}

func ExamplePlan_WriteYAML() {
	svc, mesh := chat()
	if err := plan(svc, mesh, wsmesh.Options{HTTP1: true}).WriteYAML(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: chat
	//   namespace: prod
	// spec:
	//   host: chat.prod.svc.cluster.local
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: DO_NOT_UPGRADE
}

func ExampleWriteYAML() {
	svc, mesh := chat()
	pair := plan(svc, mesh)
	if err := wsmesh.WriteYAML(os.Stdout, pair.DestinationRule()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: chat
	//   namespace: prod
	// spec:
	//   host: chat.prod.svc.cluster.local
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: UPGRADE
}

func ExampleOptions_Validate() {
	_, mesh := chat()
	for _, f := range (wsmesh.Options{ProxyVersion: ">=1.25"}).Validate(mesh) {
		fmt.Println(f.Code, f.Message)
	}
	// Output:
	// WS404 the constraint ">=1.25" leaves out the proxies of release 1.24.1, which clients would upgrade to all the same
}

// The filter reaches new pods alone, and the rule waits for the last of them.
func ExampleOptions_byPods() {
	svc, mesh := chat()
	pair := plan(svc, mesh, wsmesh.Options{ByPods: true})
	fmt.Println(pair.EnvoyFilters()[0].Spec.GetWorkloadSelector().GetLabels())
	for i, stage := range pair.Stages() {
		fmt.Printf("%d. %s\n   until %s\n", i+1, stage.Name, stage.Until)
	}
	// Output:
	// map[app:chat wsmesh.dev/allow-connect:true]
	// 1. let the proxies of new pods accept WebSocket over HTTP/2
	//    until the EnvoyFilter exists
	// 2. roll out the workload with the label wsmesh.dev/allow-connect=true on its pod template
	//    until every pod behind the Service has the label, and its proxy shows allow_connect
	// 3. apply the DestinationRule
	//    until the cluster of every client's proxy speaks HTTP/2 to the host
}

func ExampleOptions_asm() {
	svc, mesh := chat()
	pair := plan(svc, mesh, wsmesh.Options{ASM: true})
	printHosts(pair.DestinationRule())
	fmt.Println(pair.EnvoyFilters()[0], pair.EnvoyFilters()[0].Labels)
	// Output:
	// DestinationRule prod/chat for chat
	// EnvoyFilter prod/h2-upgrade-wss map[asm-system:true provider:asm]
}

func ExampleOptions_labels() {
	svc, mesh := chat()
	fmt.Println(plan(svc, mesh, wsmesh.Options{Labels: map[string]string{"team": "chat"}}).DestinationRule().Labels)
	// Output:
	// map[team:chat]
}

func ExampleOptions_annotations() {
	svc, mesh := chat()
	fmt.Println(plan(svc, mesh, wsmesh.Options{Annotations: map[string]string{"example.com/ticket": "42"}}).DestinationRule().Annotations)
	// Output:
	// map[example.com/ticket:42]
}

func ExampleOptions_host() {
	svc, mesh := chat()
	printHosts(plan(svc, mesh, wsmesh.Options{Host: "chat.prod.svc.corp.example"}).DestinationRule())
	// Output:
	// DestinationRule prod/chat for chat.prod.svc.corp.example
}

func ExampleOptions_gateways() {
	svc, mesh := chat()
	pair := plan(svc, mesh, wsmesh.Options{Gateways: []wsmesh.Gateway{{Namespace: "istio-ingress", Workload: map[string]string{"istio": "ingressgateway"}}}})
	for _, f := range pair.EnvoyFilters() {
		fmt.Println(f, f.Spec.GetConfigPatches()[0].GetMatch().GetContext())
	}
	// Output:
	// EnvoyFilter prod/chat-allow-connect SIDECAR_INBOUND
	// EnvoyFilter istio-ingress/chat.prod-allow-connect-gateway GATEWAY
}

func ExampleOptions_http1() {
	svc, mesh := chat()
	fmt.Println(plan(svc, mesh, wsmesh.Options{HTTP1: true}).Decision().Policy)
	// Output:
	// DO_NOT_UPGRADE
}

func ExampleOptions_base() {
	existing, err := destinationrule.Parse([]byte(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: chat-pool, namespace: prod}
spec:
  host: chat
  trafficPolicy:
    loadBalancer: {simple: LEAST_REQUEST}
`))
	if err != nil {
		log.Fatal(err)
	}
	svc, mesh := chat()
	pair := plan(svc, mesh, wsmesh.Options{Base: existing})
	if err := wsmesh.WriteYAML(os.Stdout, pair.DestinationRule()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: chat-pool
	//   namespace: prod
	// spec:
	//   host: chat
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: UPGRADE
	//     loadBalancer:
	//       simple: LEAST_REQUEST
}

func ExampleOptions_proxyVersion() {
	svc, mesh := chat()
	pair := plan(svc, mesh, wsmesh.Options{ProxyVersion: ">=1.12.0"})
	fmt.Println(pair.EnvoyFilters()[0].Spec.GetConfigPatches()[0].GetMatch().GetProxy().GetProxyVersion())
	// Output:
	// ^v?1\.(1[2-9]|[2-9]\d)(\.(\d|[1-9]\d{1,8})(\.\d+)?)?([-+][\w.+-]+)?$
}

func ExampleOptions_apiVersion() {
	svc, mesh := chat()
	fmt.Println(plan(svc, mesh, wsmesh.Options{APIVersion: "networking.istio.io/v1beta1"}).DestinationRule().APIVersion)
	// Output:
	// networking.istio.io/v1beta1
}

func ExampleOptions_minimumRelease() {
	svc, mesh := chat()
	mesh.Proxies = []version.Release{version.MustParse("1.10.1")}
	fmt.Println(plan(svc, mesh).Decision().Policy)
	fmt.Println(plan(svc, mesh, wsmesh.Options{MinimumRelease: version.MustParse("1.10.0")}).Decision().Policy)
	// Output:
	// DO_NOT_UPGRADE
	// UPGRADE
}

// A Service that differs in one option starts from a copy: a change of it is none of the others'.
func ExampleOptions_Clone() {
	all := wsmesh.Options{Labels: map[string]string{"team": "realtime"}}
	own := all.Clone()
	own.Labels["tier"] = "edge"
	fmt.Println(all.Labels, own.Labels)
	// Output: map[team:realtime] map[team:realtime tier:edge]
}
