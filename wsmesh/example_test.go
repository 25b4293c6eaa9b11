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
		Port:      wsmesh.Port{Number: 80, Name: "http"},
	}, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio}
}

func must(plan *wsmesh.Plan, err error) *wsmesh.Plan {
	if err != nil {
		log.Fatal(err)
	}
	return plan
}

func printHosts(rule *destinationrule.Rule) { fmt.Println(rule, "for", rule.Spec.GetHost()) }

func Example() {
	plan := must(wsmesh.NewPlan(chat()))
	fmt.Println(plan.Decision().Policy)
	if err := plan.WriteYAML(os.Stdout); err != nil {
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

func ExampleDecide() {
	svc, mesh := chat()
	mesh.Proxies = append(mesh.Proxies, version.MustParse("1.11.8")) // one gateway that was not restarted yet
	decision, err := wsmesh.Decide(svc, mesh)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(decision.Policy)
	fmt.Println(decision.Reasons[0].Message)
	// Output:
	// DO_NOT_UPGRADE
	// the oldest release of the mesh is 1.11.8, earlier than 1.12.0, the boundary for UPGRADE
}

func ExampleNewPlan() {
	istio := []version.Release{version.MustParse("1.24.1")} // every release that runs in the mesh
	plan, err := wsmesh.NewPlan(wsmesh.Service{
		Name:      "chat",
		Namespace: "prod",
		Workload:  map[string]string{"app": "chat"}, // the labels of the server's pods
		Port:      wsmesh.Port{Number: 80, Name: "http"},
	}, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio})
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
	_, err := wsmesh.NewPlan(wsmesh.Service{Name: "chat", Namespace: "prod"}, wsmesh.Mesh{})
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
	fmt.Println(must(wsmesh.NewPlan(chat())).Decision().Reasons[0])
	// Output:
	// info WS305 Service prod/chat: every release of the mesh is 1.12.0 or later (the oldest is 1.24.1)
}

func ExamplePlan_DestinationRule() {
	printHosts(must(wsmesh.NewPlan(chat())).DestinationRule())
	// Output:
	// DestinationRule prod/chat for chat.prod.svc.cluster.local
}

func ExamplePlan_EnvoyFilters() {
	fmt.Println(must(wsmesh.NewPlan(chat())).EnvoyFilters())
	// Output:
	// [EnvoyFilter prod/chat-allow-connect]
}

func ExamplePlan_Findings() {
	svc, mesh := chat()
	svc.Port.Name = "ws"
	for _, f := range must(wsmesh.NewPlan(svc, mesh)).Findings().Warnings() {
		fmt.Println(f)
	}
	// Output:
	// warning WS507 Service prod/chat spec.ports[0]: the port name "ws" is not explicitly HTTP: its protocol is sniffed, and the application would be sent HTTP/2 (rename the Service's port to "http-ws", or set its appProtocol to "http", to have WebSocket over HTTP/2)
}

func ExamplePlan_Stages() {
	for i, stage := range must(wsmesh.NewPlan(chat())).Stages() {
		fmt.Printf("%d. %s: %v\n   until %s\n", i+1, stage.Name, stage.Apply, stage.Until)
	}
	// Output:
	// 1. let the proxies accept WebSocket over HTTP/2: [EnvoyFilter prod/chat-allow-connect]
	//    until every proxy that the EnvoyFilter selects shows allow_connect
	// 2. apply the DestinationRule: [DestinationRule prod/chat]
	//    until the cluster of every client's proxy speaks HTTP/2 to the host
}

func ExamplePlan_Rollback() {
	for i, stage := range must(wsmesh.NewPlan(chat())).Rollback() {
		fmt.Printf("%d. %s: apply %v, delete %v\n", i+1, stage.Name, stage.Apply, stage.Delete)
	}
	// Output:
	// 1. send the clients back to HTTP/1.1: apply [DestinationRule prod/chat], delete []
	// 2. delete the EnvoyFilters: apply [], delete [EnvoyFilter prod/chat-allow-connect]
}

func ExamplePlan_Explain() {
	svc, mesh := chat()
	if err := must(wsmesh.NewPlan(svc, mesh, wsmesh.WithHTTP1())).Explain(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// WebSocket to chat.prod.svc.cluster.local
	//
	// Decision: DO_NOT_UPGRADE
	//   info WS301: HTTP/1.1 was asked for, so every WebSocket keeps a connection of its own
	//     source: the caller's own choice (WithHTTP1)
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
	if err := must(wsmesh.NewPlan(svc, mesh, wsmesh.WithHTTP1())).WriteYAML(os.Stdout); err != nil {
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
	plan := must(wsmesh.NewPlan(svc, mesh))
	if err := wsmesh.WriteYAML(os.Stdout, plan.DestinationRule()); err != nil {
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

func ExampleWithASM() {
	svc, mesh := chat()
	plan := must(wsmesh.NewPlan(svc, mesh, wsmesh.WithASM()))
	printHosts(plan.DestinationRule())
	fmt.Println(plan.EnvoyFilters()[0], plan.EnvoyFilters()[0].Labels)
	// Output:
	// DestinationRule prod/chat for chat
	// EnvoyFilter prod/h2-upgrade-wss map[asm-system:true provider:asm]
}

func ExampleWithLabels() {
	svc, mesh := chat()
	fmt.Println(must(wsmesh.NewPlan(svc, mesh, wsmesh.WithLabels(map[string]string{"team": "chat"}))).DestinationRule().Labels)
	// Output:
	// map[team:chat]
}

func ExampleWithAnnotations() {
	svc, mesh := chat()
	fmt.Println(must(wsmesh.NewPlan(svc, mesh, wsmesh.WithAnnotations(map[string]string{"example.com/ticket": "42"}))).DestinationRule().Annotations)
	// Output:
	// map[example.com/ticket:42]
}

func ExampleWithHost() {
	svc, mesh := chat()
	printHosts(must(wsmesh.NewPlan(svc, mesh, wsmesh.WithHost("chat.prod.svc.corp.example"))).DestinationRule())
	// Output:
	// DestinationRule prod/chat for chat.prod.svc.corp.example
}

func ExampleWithGateway() {
	svc, mesh := chat()
	plan := must(wsmesh.NewPlan(svc, mesh, wsmesh.WithGateway("istio-ingress", map[string]string{"istio": "ingressgateway"})))
	for _, f := range plan.EnvoyFilters() {
		fmt.Println(f, f.Spec.GetConfigPatches()[0].GetMatch().GetContext())
	}
	// Output:
	// EnvoyFilter prod/chat-allow-connect SIDECAR_INBOUND
	// EnvoyFilter istio-ingress/chat.prod-allow-connect-gateway GATEWAY
}

func ExampleWithHTTP1() {
	svc, mesh := chat()
	fmt.Println(must(wsmesh.NewPlan(svc, mesh, wsmesh.WithHTTP1())).Decision().Policy)
	// Output:
	// DO_NOT_UPGRADE
}

func ExampleWithBaseRule() {
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
	plan := must(wsmesh.NewPlan(svc, mesh, wsmesh.WithBaseRule(existing)))
	if err := wsmesh.WriteYAML(os.Stdout, plan.DestinationRule()); err != nil {
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

func ExampleWithProxyVersion() {
	svc, mesh := chat()
	plan := must(wsmesh.NewPlan(svc, mesh, wsmesh.WithProxyVersion(">=1.12.0")))
	fmt.Println(plan.EnvoyFilters()[0].Spec.GetConfigPatches()[0].GetMatch().GetProxy().GetProxyVersion())
	// Output:
	// ^v?1\.(1[2-9]|[2-9]\d)(\.(\d|[1-9]\d{1,8})(\.\d+)?)?([-+][\w.+-]+)?$
}

func ExampleWithAPIVersion() {
	svc, mesh := chat()
	fmt.Println(must(wsmesh.NewPlan(svc, mesh, wsmesh.WithAPIVersion("networking.istio.io/v1beta1"))).DestinationRule().APIVersion)
	// Output:
	// networking.istio.io/v1beta1
}

func ExampleWithMinimumRelease() {
	svc, mesh := chat()
	mesh.Proxies = []version.Release{version.MustParse("1.10.1")}
	fmt.Println(must(wsmesh.NewPlan(svc, mesh)).Decision().Policy)
	fmt.Println(must(wsmesh.NewPlan(svc, mesh, wsmesh.WithMinimumRelease(version.MustParse("1.10.0")))).Decision().Policy)
	// Output:
	// DO_NOT_UPGRADE
	// UPGRADE
}
