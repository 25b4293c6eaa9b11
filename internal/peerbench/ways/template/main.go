// SPDX-License-Identifier: Apache-2.0

// Template is text/template, without quoting and without validation.
package main

import (
	"bufio"
	"os"
	"text/template"

	"github.com/wsmesh/wsmesh/internal/peerbench/ways/servers"
)

const pair = `---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: {{.Name}}-allow-connect
  namespace: {{.Namespace}}
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
      app: {{.Name}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: {{.Name}}
  namespace: {{.Namespace}}
spec:
  host: {{.Name}}.{{.Namespace}}.svc.cluster.local
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
`

func main() {
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	t := template.Must(template.New("").Parse(pair))
	for i := range servers.N() {
		if err := t.Execute(w, servers.At(i)); err != nil {
			panic(err)
		}
	}
}
