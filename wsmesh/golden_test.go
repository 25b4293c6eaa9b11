// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/internal/golden"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// goldenReleases are those between which the output changes: the boundary for UPGRADE, and networking.istio.io/v1. The
// last is the newest.
var goldenReleases = []string{"1.11.8", "1.12.0", "1.21.6", "1.22.0", "1.27.9", "1.31.0"}

type goldenCase struct {
	name   string
	svc    func(*wsmesh.Service)
	opts   wsmesh.Options
	reason string
}

// Ports of each kind.
var (
	http = wsmesh.Port{Number: 8080, TargetPort: 80, Name: "http-websocket"}
	grpc = wsmesh.Port{Number: 9090, Name: "grpc-api"}
	tcp  = wsmesh.Port{Number: 6379, Name: "redis"}
)

func withPorts(ports ...wsmesh.Port) func(*wsmesh.Service) {
	return func(s *wsmesh.Service) { s.Ports = ports }
}

func goldenCases(t *testing.T) []goldenCase {
	return []goldenCase{
		{"sidecar", nil, wsmesh.Options{}, "the main job"},
		{"asm", nil, wsmesh.Options{ASM: true}, "the form of Alibaba Cloud Service Mesh's documents"},
		{"gateway", nil, wsmesh.Options{Gateways: []wsmesh.Gateway{gateway}}, "browsers over HTTP/2"},
		{"http1", nil, wsmesh.Options{HTTP1: true}, "HTTP/1.1 whatever the release"},
		{"ambient", func(s *wsmesh.Service) { s.Ambient = true }, wsmesh.Options{}, "ztunnel passes HTTP/2 on to the application"},
		{"ports-all-http1", withPorts(http, wsmesh.Port{Number: 9000, Name: "http-admin"}), wsmesh.Options{}, "one policy for all ports, at the destination level"},
		{"ports-none-http1", withPorts(grpc, tcp), wsmesh.Options{}, "no port takes a WebSocket over HTTP/2"},
		{"ports-some-http1", withPorts(http, grpc, tcp, wsmesh.Port{Number: 8081, Name: "chat", AppProtocol: "http"}), wsmesh.Options{},
			"the policy stands at the levels of the HTTP/1 ports alone"},
		{"ports-some-http1-base-rule", withPorts(http, grpc, tcp), wsmesh.Options{Base: parseRule(t, `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata:
  name: websockets-server
  namespace: default
spec:
  host: websockets-server
  trafficPolicy:
    connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxRetries: 3}}
    loadBalancer: {consistentHash: {httpHeaderName: x-user}}
    outlierDetection: {consecutive5xxErrors: 5}
    portLevelSettings:
    - port: {number: 9090}
      connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 100}}
  subsets:
  - name: inherits
    labels: {version: v1}
  - name: own-balance
    labels: {version: v2}
    trafficPolicy: {loadBalancer: {simple: RANDOM}}
  - name: own-pool
    labels: {version: v3}
    trafficPolicy: {connectionPool: {tcp: {maxConnections: 10}, http: {h2UpgradePolicy: UPGRADE}}}
  - name: own-port
    labels: {version: v4}
    trafficPolicy:
      portLevelSettings:
      - port: {number: 8080}
        loadBalancer: {simple: ROUND_ROBIN}
`)}, "the other ports are not upgraded any more, and every other setting stays"},
		{"by-pods", nil, wsmesh.Options{ByPods: true}, "the filter reaches new pods alone"},
		{"by-pods-gateway", nil, wsmesh.Options{ByPods: true, Gateways: []wsmesh.Gateway{gateway}}, "a gateway's filter has no such label"},
		{"base-rule", nil, wsmesh.Options{Base: parseRule(t, `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata:
  name: chat-pool
  namespace: default
  labels: {owner: chat}
spec:
  host: websockets-server.default.svc.cluster.local
  exportTo: ["*"]
  trafficPolicy:
    loadBalancer: {consistentHash: {httpCookie: {name: session, ttl: 3600s}}}
    connectionPool:
      tcp: {connectTimeout: 3s, tcpKeepalive: {time: 300s, interval: 60s}}
      http: {http1MaxPendingRequests: 1024}
    outlierDetection: {consecutive5xxErrors: 5, baseEjectionTime: 60s}
`)}, "every setting of an existing rule is kept"},
		{"ports-and-subsets", nil, wsmesh.Options{Base: parseRule(t, `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata:
  name: websockets-server
  namespace: default
spec:
  host: websockets-server
  trafficPolicy:
    portLevelSettings:
    - port: {number: 8080}
      connectionPool: {tcp: {maxConnections: 1000}}
    - port: {number: 9090}
      loadBalancer: {simple: LEAST_REQUEST}
  subsets:
  - name: v1
    labels: {version: v1}
  - name: v2
    labels: {version: v2}
    trafficPolicy:
      connectionPool: {tcp: {maxConnections: 10}}
  - name: v3
    labels: {version: v3}
    trafficPolicy:
      loadBalancer: {simple: RANDOM}
      portLevelSettings:
      - port: {number: 8080}
        loadBalancer: {simple: ROUND_ROBIN}
`)}, "the policy stands at each level that does not inherit it"},
	}
}

func parseRule(t *testing.T, doc string) *destinationrule.Rule {
	t.Helper()
	rule, err := destinationrule.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

// TestGolden compares the plans of each case with testdata/golden, release by release.
func TestGolden(t *testing.T) {
	for _, c := range goldenCases(t) {
		t.Run(c.name, func(t *testing.T) {
			golden.Releases(t, filepath.Join("testdata", "golden", c.name), ".yaml", goldenReleases, func(release string) []byte {
				svc := server()
				if c.svc != nil {
					c.svc(&svc)
				}
				return []byte(planYAML(t, mustPlan(t, svc, mesh(release), c.opts)))
			})
		})
	}
}

// TestExplanations compares what Explain says of some cases in a mesh of 1.31.0 with testdata/explain.
func TestExplanations(t *testing.T) {
	for _, c := range goldenCases(t) {
		path := filepath.Join("testdata", "explain", c.name+".txt")
		switch c.name {
		case "sidecar", "http1", "ports-none-http1", "ports-some-http1", "ports-some-http1-base-rule", "by-pods-gateway":
			t.Run(c.name, func(t *testing.T) {
				svc := server()
				if c.svc != nil {
					c.svc(&svc)
				}
				golden.Equal(t, path, []byte(explanation(t, mustPlan(t, svc, mesh("1.31.0"), c.opts))))
			})
		}
	}
}

// TestGoldenHasNoOrphans: each directory is of a case.
func TestGoldenHasNoOrphans(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("testdata", "golden"))
	if err != nil {
		t.Fatal(err)
	}
	cases := goldenCases(t)
	for _, e := range entries {
		if !slices.ContainsFunc(cases, func(c goldenCase) bool { return c.name == e.Name() }) {
			t.Errorf("testdata/golden/%s is of no case", e.Name())
		}
	}
	if len(entries) != len(cases) {
		t.Errorf("%d directories for %d cases", len(entries), len(cases))
	}
}
