// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// existing is what a cluster has: UPGRADE, and nothing that accepts it.
const existing = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: chat, namespace: prod}
spec:
  host: chat.prod.svc.cluster.local
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
---
apiVersion: v1
kind: Service
metadata: {name: chat, namespace: prod}
spec:
  selector: {app: chat}
  ports:
  - {port: 80, targetPort: 8080, name: http}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat, namespace: prod}
spec:
  template:
    metadata:
      labels: {app: chat}
`

func exampleReport() *audit.Report {
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader(existing)); err != nil { // or AddPath("manifests/")
		log.Fatal(err)
	}
	istio := []version.Release{version.MustParse("1.24.1")}
	report, err := audit.Run(context.Background(), &set, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio})
	if err != nil {
		log.Fatal(err)
	}
	return report
}

// An audit of a DestinationRule alone does not know the Service and the pods behind it, and says so.
func Example() {
	var set manifests.Set
	err := set.Add("chat.yaml", strings.NewReader(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: chat, namespace: prod}
spec:
  host: chat.prod.svc.cluster.local
  trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}
`))
	if err != nil {
		log.Fatal(err)
	}
	mesh, err := wsmesh.MeshOf("1.24.1")
	if err != nil {
		log.Fatal(err)
	}
	report, err := audit.Run(context.Background(), &set, mesh)
	if err != nil {
		log.Fatal(err)
	}
	for _, u := range report.Upgrades {
		fmt.Println(u.Rule, "->", u.Host, u.Verdict)
	}
	for _, u := range report.Unjudged {
		fmt.Println("add:", u.Add)
	}
	// Output:
	// DestinationRule prod/chat -> chat.prod.svc.cluster.local unknown
	// add: the Service and its workloads, or the ServiceEntry
}

func ExampleRun() {
	for _, f := range exampleReport().Findings {
		fmt.Printf("%s:%d: %s %s\n%s\n-> %s\n", f.File, f.Line, f.Severity, f.Code, f.Message, f.Hint)
	}
	// Output:
	// chat.yaml:9: error WS340
	// UPGRADE reaches Service prod/chat, and no EnvoyFilter sets allow_connect for Deployment prod/chat: if it serves WebSockets, they get 503
	// -> apply an EnvoyFilter that sets allow_connect for app=chat in the namespace prod, or set DO_NOT_UPGRADE
}

func ExampleReport_Summary() {
	fmt.Println(exampleReport().Summary())
	// Output: read 1 file with 3 objects (1 Deployment, 1 DestinationRule, 1 Service); WebSockets break at 1 Service (Service prod/chat)
}

func ExampleReport_Fix() {
	fixed, err := exampleReport().Fix()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(fixed.Mended), "mended,", len(fixed.Left), "left")
	fmt.Print(fixed.Diff())
	// Output:
	// 1 mended, 0 left
	// --- a/chat.yaml
	// +++ b/chat.yaml
	// @@ -1,3 +1,28 @@
	// +apiVersion: networking.istio.io/v1alpha3
	// +kind: EnvoyFilter
	// +metadata:
	// +  name: chat-allow-connect
	// +  namespace: prod
	// +spec:
	// +  configPatches:
	// +  - applyTo: NETWORK_FILTER
	// +    match:
	// +      context: SIDECAR_INBOUND
	// +      listener:
	// +        filterChain:
	// +          filter:
	// +            name: envoy.filters.network.http_connection_manager
	// +    patch:
	// +      operation: MERGE
	// +      value:
	// +        typed_config:
	// +          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
	// +          http2_protocol_options:
	// +            allow_connect: true
	// +  workloadSelector:
	// +    labels:
	// +      app: chat
	// +---
	//  apiVersion: networking.istio.io/v1
	//  kind: DestinationRule
	//  metadata: {name: chat, namespace: prod}
}

func ExampleReport_Mermaid() {
	if err := exampleReport().Mermaid(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// flowchart LR
	//   subgraph g1["Service prod/chat (DestinationRule prod/chat)"]
	//     n1["client"]
	//     n2["client's proxy"]
	//     n3["server's proxy"]
	//     n4["application"]
	//     n1 -->|"HTTP/1.1, Upgrade: websocket"| n2
	//     n2 --x|"HTTP/2, extended CONNECT<br>WS340 503: no allow_connect"| n3
	//   end
	//   linkStyle 1 stroke:#c00,color:#c00
}

func ExampleFixed_Diff() {
	fixed, err := exampleReport().Fix()
	if err != nil {
		log.Fatal(err)
	}
	diff := fixed.Diff() // for `patch -p1`, or for people; fixed.Files has the whole text of each file
	fmt.Println(strings.Count(diff, "\n+"), "lines more")
	// Output: 26 lines more
}

// Code scanning shows the findings of a log of SARIF, in which each rule is described.
func ExampleRules() {
	if err := exampleReport().Findings.WriteSARIF(io.Discard, audit.Rules()); err != nil { // or a file
		log.Fatal(err)
	}
	for _, f := range exampleReport().Findings {
		fmt.Println(f.Code, finding.Is(f, audit.NoAllowConnect))
	}
	// Output: WS340 true
}
