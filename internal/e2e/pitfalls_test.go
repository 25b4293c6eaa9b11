// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A pitfall is a pair of objects, or a place for them, that does not do what its author wants.
type pitfall struct {
	name     string
	manifest string          // in testdata/pitfalls
	codes    []string        // what the library says about the manifest, or about a plan for the service
	plan     *wsmesh.Service // the service that the plan is for, where the fault is not in the manifest
	options  wsmesh.Options  // of that plan
	portName string          // of the Service, where not the documents' own
	log      string          // what istiod logs
	subset   string          // that the manifest routes to
	bare     bool            // the server has no sidecar
	rejected bool            // the server's Envoy refuses the listener
	webhook  string          // istiod's refusal
	warning  string          // istiod's warning
	protocol string          // at the server's proxy, where it accepts the WebSocket all the same
	sniffed  bool            // with mutual TLS it takes Istio's ALPN filter, which upstream Envoy lacks, to be known as HTTP
	second   bool            // the client has a WebSocket open already
	hangs    bool            // the client's handshake is answered by nobody
	status   int             // else what the client is refused with
	flags    string
}

var pitfalls = []pitfall{
	{name: "upgrade_configs repeated in the MERGE", manifest: "upgrade-configs", codes: []string{"WS261"},
		rejected: true, status: 503, flags: terminated},
	{name: "a wrong @type", manifest: "wrong-type", codes: []string{"WS928"}, webhook: "v9.HttpConnectionManager"},
	{name: "allow_conect", manifest: "misspelt-field", codes: []string{"WS920"},
		warning: `unknown field "allow_conect"`, status: 503, flags: terminated},
	{name: "the old name of the filter", manifest: "old-filter-name", codes: []string{"WS234"}, status: 503, flags: terminated},
	{name: "no name of a filter in a MERGE", manifest: "no-filter-name", codes: []string{"WS242"},
		log: "listeners patch caused panic, so the patches did not take effect", status: 503, flags: terminated},
	{name: "proxyVersion away from the server's proxy", manifest: "proxy-version", codes: []string{"WS404"},
		plan:    &wsmesh.Service{Ports: []wsmesh.Port{{Number: 8080, TargetPort: 80, Name: "http-websocket"}}},
		options: wsmesh.Options{ProxyVersion: "1.12.x"}, status: 503, flags: terminated},
	{name: "a subset with a connectionPool of its own drops UPGRADE", manifest: "subset", subset: "all", codes: []string{"WS165"}, protocol: "HTTP/1.1"},
	{name: "a port level with a connectionPool of its own drops UPGRADE", manifest: "port-level", codes: []string{"WS164"}, protocol: "HTTP/1.1"},
	{name: "a port named ws: UPGRADE has no effect", manifest: "pair", codes: []string{"WS507"},
		plan: &wsmesh.Service{Ports: []wsmesh.Port{{Number: 8080, TargetPort: 80, Name: "ws"}}}, portName: "ws", protocol: "HTTP/1.1", sniffed: true},
	{name: "a port named http2-: the application is sent HTTP/2", manifest: "pair", codes: []string{"WS507"},
		plan: &wsmesh.Service{Ports: []wsmesh.Port{{Number: 8080, TargetPort: 80, Name: "http2-ws"}}}, portName: "http2-ws", status: 503, flags: "- via_upstream"},
	{name: "an endpoint without sidecar", manifest: "pair", codes: []string{"WS303"},
		plan: &wsmesh.Service{NoSidecar: true}, bare: true, status: 503, flags: terminated},
	{name: "a buffer filter before the router", manifest: "buffer-filter", codes: []string{"WS358"}, protocol: "HTTP/2", hangs: true},
	{name: "a Lua filter that reads the whole body", manifest: "lua-body", codes: []string{"WS363"}, protocol: "HTTP/2", hangs: true},
	{name: "a route on which upgrades are disabled", manifest: "route-without-upgrades", codes: []string{"WS364"},
		protocol: "HTTP/2", status: 403, flags: "- via_upstream"},
	{name: "a limit of one request for each client", manifest: "one-request", codes: []string{"WS366"},
		protocol: "HTTP/2", second: true, status: 503, flags: "UO upstream_reset_before_response_started{overflow}"},
}

const terminated = "UC upstream_reset_before_response_started{connection_termination}"

// TestPitfalls shows that traffic suffers what the library's findings say.
func TestPitfalls(t *testing.T) {
	c := mesh(t)
	for i, x := range append(pitfalls[:len(pitfalls):len(pitfalls)], pitfalls...) {
		mtls := i >= len(pitfalls)
		if mtls && x.sniffed {
			continue
		}
		t.Run(fmt.Sprintf("%s/mtls-%v", x.name, mtls), func(t *testing.T) {
			namespace := c.newNamespace(t, fmt.Sprintf("pitfall-%d", i))
			x.checkCodes(t)
			s := seed(namespace)
			if x.portName != "" {
				s.portName = x.portName
			}
			p := c.newPair(t, setup{service: s, envoy: c.Tools.Envoys[0], mtls: mtls, bare: x.bare, rejects: x.rejected})
			before := c.istiodLogs(t, x.log)
			out, err := c.Kubectl("apply", "-n", namespace, "-f", x.file())
			id := "8, " + x.codes[0]
			if x.webhook != "" {
				if err == nil || !strings.Contains(out, x.webhook) || !strings.Contains(out, "denied the request") {
					t.Errorf("kubectl apply: %v: %s", err, out)
				}
				p.row(id, x.name, "refused by istiod's webhook", "-", "-")
				return
			}
			if err != nil || !strings.Contains(out, x.warning) {
				t.Fatalf("kubectl apply: %v: %s", err, out)
			}
			p.service.subset = x.subset
			if x.log != "" {
				eventually(t, 20*time.Second, "istiod's log", func() error {
					if c.istiodLogs(t, x.log) == before {
						return fmt.Errorf("no new line says %q", x.log)
					}
					return nil
				})
			}
			x.await(t, p)
			if x.second {
				s := p.open(t)
				if err := s.say("first"); err != nil {
					t.Fatal(err)
				}
				defer s.close()
			}
			switch {
			case x.hangs:
				p.hangs(t, id, x.name)
			case x.status == 0:
				p.works(t, id, x.name, x.protocol)
			default:
				p.breaks(t, id, x.name, x.status, x.flags)
			}
		})
	}
}

// hangs runs the documents' client and expects that its handshake is not answered until it gives up, and that the
// WebSocket has not reached the application.
func (p *pair) hangs(t testing.TB, id, expectation string) {
	t.Helper()
	_, text := p.helloWorld(t)
	if !strings.Contains(text, "timed out during opening handshake") {
		t.Errorf("case %s: the client printed %q", id, text)
	}
	if n := p.server.stat(t, `^cluster\.inbound\|.*upstream_rq_total$`); n != 0 {
		t.Errorf("case %s: the server's proxy sent the application %d requests", id, n)
	}
	p.row(id, expectation, "no answer, until the client gives up", "-", "-")
}

func (x pitfall) file() string { return "testdata/pitfalls/" + x.manifest + ".yaml" }

// await waits until the manifest has arrived at the client's proxy, and at the server's as far as it can.
func (x pitfall) await(t *testing.T, p *pair) {
	t.Helper()
	switch {
	case x.protocol != "":
		p.awaitRule(t)
		p.server.awaitAccept(t, true)
	case x.rejected:
		p.await(t, false, true)
		eventually(t, 20*time.Second, "the listener is refused", func() error {
			out, err := p.server.get("/config_dump?resource=dynamic_listeners")
			if err == nil && !strings.Contains(out, "multiple upgrade configs with the same name") {
				err = errors.New("it is not")
			}
			return err
		})
	case x.bare:
		p.await(t, false, true)
	default:
		p.await(t, x.portName != "", true)
	}
}

// checkCodes shows that the library finds the fault.
func (x pitfall) checkCodes(t *testing.T) {
	t.Helper()
	var found finding.List
	if x.plan != nil {
		svc := *x.plan
		svc.Name, svc.Workload = "websockets-server", map[string]string{"app": "websockets-server"}
		plan, err := wsmesh.NewPlan(svc, meshOf(t, istioRelease), x.options)
		found = finding.In(err)
		if err == nil {
			if found = plan.Findings(); plan.Decision().Policy != destinationrule.DoNotUpgrade {
				t.Errorf("the plan's policy is %s", plan.Decision().Policy)
			}
		}
	} else {
		data, err := os.ReadFile(x.file())
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(data), "---\n") {
			found = append(found, findings(document)...)
		}
		found = append(found, audited(t, string(data))...)
	}
	var codes []string
	for _, f := range found {
		codes = append(codes, f.Code)
	}
	for _, code := range x.codes {
		if !slices.Contains(codes, code) {
			t.Errorf("the library finds %v, and not %s", found, code)
		}
	}
}

// findings parses and validates a DestinationRule or an EnvoyFilter.
func findings(document string) finding.List {
	type validator interface{ Validate() finding.List }
	var object validator
	var err error
	switch {
	case strings.Contains(document, "kind: EnvoyFilter"):
		object, err = envoyfilter.Parse([]byte(document))
	case strings.Contains(document, "kind: DestinationRule"):
		object, err = destinationrule.Parse([]byte(document))
	default:
		return nil
	}
	if err == nil {
		return object.Validate()
	}
	return finding.In(err)
}
