// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsmesh/wsmesh/wsmesh"
)

const (
	gatewayHost   = "ws.example.test"
	gatewaySecret = "file-cert:/certs/cert.pem~/certs/key.pem" // what istiod calls the files of testdata/gateway.yaml
)

// TestGateway lets a browser load a page over HTTP/2 from a gateway, and open a WebSocket to it from that page.
func TestGateway(t *testing.T) {
	forEachTLS(t, func(t *testing.T, p *pair) { p.gateway(t) })
}

func (p *pair) gateway(t *testing.T) {
	c := p.c
	gateway := c.newPod(t, workload{
		namespace: "default", name: "ingress", app: "ingress", gateway: true, mtls: p.client.mtls, envoy: p.client.envoy,
	})
	browser := c.newPod(t, workload{namespace: "default", name: "browser", app: "browser"})
	if err := c.resolve(gatewayHost, gateway.address); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile("testdata/gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.apply(t, "default", string(manifest))

	key, err := os.ReadFile("testdata/gateway-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ingress := []wsmesh.Gateway{{Namespace: "default", Workload: map[string]string{"app": "ingress"}}}
	for _, x := range []struct {
		id, expectation, manifest string
		gateways                  []wsmesh.Gateway
		protocol                  string
		status                    int
		echo                      string
	}{
		{"6, without Gateways", "the browser opens three WebSockets over HTTP/1.1", "", nil, "HTTP/1.1", 101, "hello"},
		// Browsers send no Sec-WebSocket-Key over HTTP/2 (RFC 8441, section 5), and Envoy adds none when it passes the
		// WebSocket on over HTTP/1.1 (envoyproxy/envoy#8547), which the application does not take.
		{"6, Gateways", "the browser opens them over HTTP/2, without a Sec-WebSocket-Key", "", ingress, "HTTP/2", 400, "error"},
		{"6, Gateways and a key", "the same, where the gateway's route adds a key", string(key), ingress, "HTTP/2", 101, "hello"},
	} {
		if x.manifest != "" {
			c.apply(t, "default", x.manifest)
			gateway.awaitRoute(t, "sec-websocket-key")
		}
		plan := plan(t, "default", istioRelease, wsmesh.Options{Gateways: x.gateways})
		for _, stage := range plan.Stages() {
			p.carryOut(t, stage)
			p.done(t, stage)
		}
		p.await(t, true, true)
		gateway.awaitAccept(t, x.gateways != nil)
		gateway.awaitUpgrade(t, p.service.cluster(), true)

		// Without a port for debugging, the browser would end when the page is loaded.
		path := uniquePath()
		page := "/page?" + path
		chromium := browser.start(t, "chromium-"+path[1:], browser.exec(nil, c.Tools.Chromium, "--headless", "--no-sandbox",
			"--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--ignore-certificate-errors",
			"--user-data-dir="+browser.dir+"/profile"+path, "--remote-debugging-port=0", "https://"+gatewayHost+":8443"+page))
		if e := gateway.loggedWithin(t, 40*time.Second, page); e.Protocol != "HTTP/2" || e.ResponseCode != 200 {
			t.Errorf("the page: %+v\n%s", e, chromium.Tail())
		}
		entry, server := gateway.logged(t, path), p.server.logged(t, path)
		if entry.Protocol != x.protocol || entry.ResponseCode != x.status || server.Protocol != "HTTP/2" || server.ResponseCode != x.status {
			t.Errorf("%s: the gateway logs %+v, the server's proxy %+v", x.id, entry, server)
		}
		gateway.logged(t, "/echoed"+path+"/"+x.echo)
		eventually(t, 10*time.Second, "access log of the gateway", func() error {
			found, err := gateway.entries(path)
			if err == nil && len(found) != 3 {
				err = fmt.Errorf("%d entries for three WebSockets: %v", len(found), found)
			}
			for _, e := range found {
				if err == nil && e.String() != entry.String() {
					err = fmt.Errorf("not the same for all three WebSockets: %v", found)
				}
			}
			return err
		})
		p.row(x.id, x.expectation, x.echo, entry.String(), server.String())
	}
}

// TestGatewayUnnamedPort shows where UPGRADE for a port that does not say its protocol does harm: sidecars leave such
// a port alone since Istio 1.28, gateways upgrade it, and then the application is sent HTTP/2.
func TestGatewayUnnamedPort(t *testing.T) {
	c := mesh(t)
	s := seed(c.newNamespace(t, "unnamed-port"))
	s.portName = "ws"
	p := c.newPair(t, setup{service: s, envoy: c.Tools.Envoys[0]})
	gateway := c.newPod(t, workload{namespace: s.namespace, name: "ingress", app: "ingress", gateway: true, envoy: p.client.envoy})
	outside := c.newPod(t, workload{namespace: s.namespace, name: "outside", app: "outside"})
	if err := c.resolve(gatewayHost, gateway.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.clear(t, s.namespace) })
	if out, err := c.Kubectl("apply", "-n", s.namespace, "-f", "testdata/gateway.yaml"); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
	gateway.awaitRoute(t, s.host())
	for _, x := range []struct {
		expectation string
		manifest    string
		status      int
		protocol    string
	}{
		{"a gateway and a port named ws, no DestinationRule", "", 101, "HTTP/1.1"},
		{"the same with UPGRADE and the EnvoyFilter: the application is sent HTTP/2", "testdata/pitfalls/pair.yaml", 503, "HTTP/2"},
	} {
		if x.manifest != "" {
			if out, err := c.Kubectl("apply", "-n", s.namespace, "-f", x.manifest); err != nil {
				t.Fatalf("kubectl apply: %v: %s", err, out)
			}
			gateway.awaitUpgrade(t, s.cluster(), true)
			p.server.awaitAccept(t, true)
		}
		path := uniquePath()
		transport := outside.transport()
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		conn, resp, err := websocket.Dial(ctx, "wss://"+gatewayHost+":8443"+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
		if err == nil {
			err = conn.Close(websocket.StatusNormalClosure, "")
		}
		if resp == nil || resp.StatusCode != x.status {
			t.Fatalf("%s: %v, %v", x.expectation, resp, err)
		}
		entry, server := gateway.logged(t, path), p.server.logged(t, path)
		if server.Protocol != x.protocol {
			t.Errorf("%s: the server's proxy logs %+v", x.expectation, server)
		}
		p.row("8, WS507", x.expectation, fmt.Sprintf("HTTP %d, %s", x.status, entry.ResponseDetails), entry.String(), server.String())
	}
}

// awaitRoute waits until the routes of the pod's proxy contain a text.
func (p *pod) awaitRoute(t testing.TB, text string) {
	t.Helper()
	eventually(t, 20*time.Second, text+" in the routes of "+p.netns, func() error {
		out, err := p.get("/config_dump?resource=dynamic_route_configs")
		if err == nil && !strings.Contains(out, text) {
			err = errors.New("it is not there")
		}
		return err
	})
}
