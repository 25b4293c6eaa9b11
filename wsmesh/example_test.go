// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
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
