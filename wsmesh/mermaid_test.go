// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
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
	draw := func(svc wsmesh.Service, opts ...wsmesh.Option) string {
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
	if got := draw(server(), wsmesh.WithGateway("istio-ingress", map[string]string{"istio": "ingressgateway"})); strings.Count(got, `["server's proxy"]`) != 1 || !strings.Contains(got, `["gateway"]`) {
		t.Errorf("a gateway has hops to the same proxy:\n%s", got)
	}
	svc := server()
	svc.Port.Name = "http2-ws"
	if got := draw(svc); !strings.Contains(got, `n2 --x|"HTTP/2, extended CONNECT<br>503: no allow_connect"| n3`) || !strings.HasSuffix(got, "  linkStyle 1 stroke:#c00,color:#c00\n") {
		t.Errorf("a port named for HTTP/2 breaks:\n%s", got)
	}
}

func TestAuditMermaid(t *testing.T) {
	for file, want := range map[string]string{
		"WS340-firing": `n2 --x|"HTTP/2, extended CONNECT<br>WS340 503: no allow_connect"| n3`,
		"WS340-silent": `n3 -->|"HTTP/1.1, Upgrade: websocket"| n4`,
		"WS342-firing": `n2 -->|"HTTP/1.1, Upgrade: websocket"| n3`,
		"WS540-firing": `n3 --x|"HTTP/2, extended CONNECT<br>WS540 the application is sent HTTP/2"| n4`,
		"WS541-firing": `n2 -->|"TCP"| n3`,
		"WS547-firing": `n2 --x|"HTTP/2, extended CONNECT<br>WS547 nothing there accepts it"| n3`,
		"WS354-firing": `subgraph g1["Service prod/chat (DestinationRule prod/all)"]`,
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "audit", file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		got := chart(t, func(w *bytes.Buffer) error {
			return wsmesh.AuditMermaid(w, manifestsOf(t, string(text)), mesh("1.24.1"))
		})
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q is not in\n%s", file, want, got)
		}
	}
	nasty := strings.ReplaceAll(dropped, "name: chat ", "name: \"a\\\"]<b>#`\\n\" ") + "---\napiVersion: v1\nkind: Service\nmetadata: {name: chat, namespace: prod}\n"
	got := chart(t, func(w *bytes.Buffer) error { return wsmesh.AuditMermaid(w, manifestsOf(t, nasty), mesh("1.24.1")) })
	if !strings.Contains(got, "prod/a#34;]#60;b#62;#35;#96;<br>)\"]\n") {
		t.Errorf("a name can end its label:\n%s", got)
	}
	if err := wsmesh.AuditMermaid(&bytes.Buffer{}, manifestsOf(t), wsmesh.Mesh{}); err == nil || !slices.Equal(codesOf(t, err), []string{"WS401"}) {
		t.Error(err)
	}
}
