// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsmesh/wsmesh/wsmesh"
)

func chart(t testing.TB, write func(w *bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPlanMermaid(t *testing.T) {
	draw := func(svc wsmesh.Service, opts ...wsmesh.Options) string {
		plan := mustPlan(t, svc, mesh("1.24.1"), opts...)
		return chart(t, func(w *bytes.Buffer) error { return plan.Mermaid(w) })
	}
	want := `flowchart LR
  subgraph g1["websockets-server.default.svc.cluster.local"]
    n1["client"]
    n2["client's proxy"]
    n1 -->|"HTTP/1.1, Upgrade: websocket"| n2
    n3["server's proxy"]
    n2 -->|"HTTP/2, extended CONNECT"| n3
    n4["application"]
    n3 -->|"HTTP/1.1, Upgrade: websocket"| n4
  end
`
	if diff := cmp.Diff(want, draw(server())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := draw(server(), wsmesh.Options{Gateways: []wsmesh.Gateway{gateway}}); strings.Count(got, `["server's proxy"]`) != 1 || !strings.Contains(got, `["gateway"]`) {
		t.Errorf("a gateway has hops to the same proxy:\n%s", got)
	}
	svc := server()
	svc.Ports[0].Name = "http2-ws"
	if got := draw(svc); !strings.Contains(got, `n2 --x|"HTTP/2, extended CONNECT<br>503: no allow_connect"| n3`) || !strings.HasSuffix(got, "  linkStyle 1 stroke:#c00,color:#c00\n") {
		t.Errorf("a port named for HTTP/2 breaks:\n%s", got)
	}
}
