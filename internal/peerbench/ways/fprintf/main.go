// SPDX-License-Identifier: Apache-2.0

// Fprintf is the floor: text without types, without quoting and without validation.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/wsmesh/wsmesh/internal/peerbench/ways/servers"
)

const pair = `---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: %[1]s-allow-connect
  namespace: %[2]s
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      context: SIDECAR_INBOUND
      listener:
        filterChain:
          filter:
            name: envoy.filters.network.http_connection_manager
    patch:
      operation: MERGE
      value:
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          http2_protocol_options:
            allow_connect: true
  workloadSelector:
    labels:
      app: %[1]s
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: %[1]s
  namespace: %[2]s
spec:
  host: %[1]s.%[2]s.svc.cluster.local
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
`

func main() {
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for i := range servers.N() {
		s := servers.At(i)
		fmt.Fprintf(w, pair, s.Name, s.Namespace)
	}
}
