// SPDX-License-Identifier: Apache-2.0

package destinationrule_test

import (
	"fmt"
	"os"

	"github.com/wsmesh/wsmesh/destinationrule"
)

// A Service with a port for WebSockets and one for gRPC: the first alone is upgraded, and keeps the load balancing that
// the destination level sets.
func ExampleRule_WithPortH2Upgrade() {
	rule, err := destinationrule.Parse([]byte(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: chat, namespace: prod}
spec:
  host: chat.prod.svc.cluster.local
  trafficPolicy:
    loadBalancer: {simple: LEAST_REQUEST}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	up, err := rule.WithPortH2Upgrade(destinationrule.Upgrade, 8080)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := up.YAML()
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Stdout.Write(text)
	// Output:
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: chat
	//   namespace: prod
	// spec:
	//   host: chat.prod.svc.cluster.local
	//   trafficPolicy:
	//     loadBalancer:
	//       simple: LEAST_REQUEST
	//     portLevelSettings:
	//     - connectionPool:
	//         http:
	//           h2UpgradePolicy: UPGRADE
	//       loadBalancer:
	//         simple: LEAST_REQUEST
	//       port:
	//         number: 8080
}
