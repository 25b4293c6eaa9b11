// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/wsmesh"
)

// plan is the library's plan for the documents' server in a mesh of one release.
func plan(t testing.TB, namespace, release string, options wsmesh.Options) *wsmesh.Plan {
	t.Helper()
	p, err := wsmesh.NewPlan(
		wsmesh.Service{
			Name: "websockets-server", Namespace: namespace, Workload: map[string]string{"app": "websockets-server"},
			Ports: []wsmesh.Port{{Number: 8080, TargetPort: 80, Name: "http-websocket"}},
		},
		meshOf(t, release), options)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// meshOf is a mesh of one release.
func meshOf(t testing.TB, release string) wsmesh.Mesh {
	t.Helper()
	m, err := wsmesh.MeshOf(release)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestDocuments runs the documents' experiment on each Envoy, in plaintext and with Istio mutual TLS.
func TestDocuments(t *testing.T) {
	c := mesh(t)
	for _, envoy := range c.Tools.Envoys {
		for _, mtls := range []bool{false, true} {
			t.Run(fmt.Sprintf("envoy-%s/mtls-%v", envoy.Release, mtls), func(t *testing.T) {
				p := c.newPair(t, setup{service: seed("default"), envoy: envoy, mtls: mtls, workers: 1})
				t.Cleanup(func() { c.clear(t, "default") })
				p.documents(t)
				if n := p.server.stat(t, `^listener\..*15006\.ssl\.handshake$`); (n > 0) != mtls {
					t.Errorf("%d TLS handshakes at the server's proxy", n)
				}
			})
		}
	}
}

func (p *pair) documents(t *testing.T) {
	// Case 1.
	p.await(t, false, false)
	p.works(t, "1", "no DestinationRule: HTTP/1.1 and 101 in both logs", "HTTP/1.1")

	// Case 2.
	before := plan(t, "default", "1.11.8", wsmesh.Options{})
	p.c.apply(t, "default", yaml(t, before.Objects()...))
	p.awaitRule(t)
	p.await(t, false, false)
	p.works(t, "2", "plan for 1.11.8: the same", "HTTP/1.1")

	// Case 3.
	after := plan(t, "default", "1.12.0", wsmesh.Options{})
	p.c.apply(t, "default", yaml(t, after.DestinationRule()))
	p.await(t, false, true)
	p.breaks(t, "3", "UPGRADE without the EnvoyFilter: HTTP 503", 503, terminated)
	if p.server.stat(t, `http2\.rx_messaging_error$`) == 0 {
		t.Error("the server's proxy counts no http2.rx_messaging_error")
	}
	p.sharedConnection(t)

	// Case 4.
	p.c.apply(t, "default", yaml(t, after.Objects()...))
	p.await(t, true, true)
	p.works(t, "4", "plan for 1.12.0: HTTP/1.1 and 101 in the client's log, HTTP/2 and 101 in the server's", "HTTP/2")
}

func protocolName(http2 bool) string {
	if http2 {
		return "HTTP/2"
	}
	return "HTTP/1.1"
}

// works runs the documents' client and expects hello and world back, HTTP/1.1 and 101 in the log of the client's
// proxy, and the protocol and 101 in the log of the server's.
func (p *pair) works(t testing.TB, id, expectation, protocol string) {
	t.Helper()
	path, text := p.helloWorld(t)
	if err := echoed(text); err != nil {
		t.Fatal(err)
	}
	client, server := p.client.logged(t, path), p.server.logged(t, path)
	if client.Protocol != "HTTP/1.1" || client.ResponseCode != 101 || server.Protocol != protocol || server.ResponseCode != 101 {
		t.Errorf("case %s: access logs: %+v, %+v", id, client, server)
	}
	if client.UpstreamCluster != p.service.cluster() {
		t.Errorf("case %s: the client's proxy logs the cluster %q", id, client.UpstreamCluster)
	}
	if want := fmt.Sprintf("inbound|%d||", p.service.targetPort); server.UpstreamCluster != want {
		t.Errorf("case %s: the server's proxy logs the cluster %q", id, server.UpstreamCluster)
	}
	p.row(id, expectation, "hello, world, 1000 (OK)", client.String(), server.String())
}

// breaks runs the documents' client and expects that it is refused with the status, and that its proxy logs the
// response flags and details.
func (p *pair) breaks(t testing.TB, id, expectation string, status int, flags string) {
	t.Helper()
	path, text := p.helloWorld(t)
	if err := refused(text, status); err != nil {
		t.Fatal(err)
	}
	client := p.client.logged(t, path)
	if got := client.ResponseFlags + " " + client.ResponseDetails; client.ResponseCode != status || got != flags {
		t.Errorf("case %s: access log: %+v, want %d %s", id, client, status, flags)
	}
	server := "-"
	if p.server.proxy != nil {
		if found, err := p.server.entries(path); err != nil {
			t.Fatal(err)
		} else if len(found) > 0 {
			server = found[0].String()
		}
	}
	p.row(id, expectation, fmt.Sprintf("HTTP %d, %s", status, client.ResponseDetails), client.String(), server)
}

func (p *pair) row(id, expectation, result, client, server string) {
	report.add(row{
		id: id, envoy: p.client.envoy.Release, tls: tlsName(p.client.mtls),
		expectation: expectation, result: result, client: client, server: server,
	})
}

func tlsName(mtls bool) string {
	if mtls {
		return "mutual"
	}
	return "none"
}

// sharedConnection shows what a refused WebSocket does to another request on the same HTTP/2 connection, which the
// server is about to answer.
func (p *pair) sharedConnection(t testing.TB) {
	t.Helper()
	const slow = "/slow?3"
	type answer struct {
		status int
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		status, err := p.plain(slow)
		done <- answer{status, err}
	}()
	eventually(t, 10*time.Second, "slow request", func() error {
		if n := p.server.stat(t, `^cluster\.inbound\|.*upstream_rq_active$`); n != 1 {
			return fmt.Errorf("%d requests are under way", n)
		}
		return nil
	})
	_, text := p.helloWorld(t)
	if err := refused(text, 503); err != nil {
		t.Fatal(err)
	}
	a := <-done
	if a.err != nil || a.status != 503 {
		t.Errorf("the other request: status %d, error %v; want 503", a.status, a.err)
	}
	client, server := p.client.logged(t, slow), p.server.logged(t, slow)
	p.row("3, shared", "another request on the same HTTP/2 connection as the refused WebSocket is lost with it",
		fmt.Sprintf("HTTP %d, %s", a.status, client.ResponseDetails), client.String(), server.String())
}
