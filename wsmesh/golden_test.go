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

func goldenCases(t *testing.T) []goldenCase {
	return []goldenCase{
		{"sidecar", nil, wsmesh.Options{}, "the main job"},
		{"asm", nil, wsmesh.Options{ASM: true}, "the form of Alibaba Cloud Service Mesh's documents"},
		{"gateway", nil, wsmesh.Options{Gateways: []wsmesh.Gateway{gateway}}, "browsers over HTTP/2"},
		{"http1", nil, wsmesh.Options{HTTP1: true}, "HTTP/1.1 whatever the release"},
		{"ambient", func(s *wsmesh.Service) { s.Ambient = true }, wsmesh.Options{}, "ztunnel passes HTTP/2 on to the application"},
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
