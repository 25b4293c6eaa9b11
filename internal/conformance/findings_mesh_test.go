// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"istio.io/istio/pilot/pkg/model"

	"github.com/wsmesh/wsmesh/internal/casetest"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// audited returns what an audit says of a case that the root module keeps for a code.
func audited(code string) func(*testing.T) finding.List {
	return func(t *testing.T) finding.List {
		t.Helper()
		paths, err := filepath.Glob("../../wsmesh/audit/testdata/cases/" + code + "-*.txtar")
		paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Contains(p, code+"-silent-") })
		if err != nil || len(paths) == 0 {
			t.Fatalf("there is no case for %s: %v", code, err)
		}
		c := casetest.Read(t, paths[0])
		report, err := audit.Run(t.Context(), casetest.Set(t, c.Files), c.Mesh)
		if err != nil {
			t.Fatal(err)
		}
		return report.Findings
	}
}

// as shows a finding by what shows another one, which rests on the same fact.
func as(code string) proof {
	return proof{"as " + code, func(t *testing.T, manifest string) string {
		t.Helper()
		all := slices.Concat(destinationRuleEvidence, envoyFilterEvidence, pairEvidence)
		i := slices.IndexFunc(all, func(e evidence) bool { return e.code == code })
		if i < 0 {
			t.Fatalf("there is no evidence for %s", code)
		}
		return all[i].shown.show(t, all[i].manifest)
	}}
}

// dated shows a finding by the feature of package version that it rests on, which the Istio at hand has or has not.
func dated(feature, claim string) proof {
	return behaviour(func(t *testing.T, _ string) string {
		t.Helper()
		if !atHand.has(feature) {
			return must(t, !probes[feature](t), "this istiod does not do so yet")
		}
		return must(t, probes[feature](t), claim)
	})
}

// unknownRelease shows what istiod makes of a text that is no release of Istio.
func unknownRelease(text string) proof {
	return behaviour(func(t *testing.T, _ string) string {
		t.Helper()
		return must(t, model.ParseIstioVersion(text) == model.MaxIstioVersion, "istiod takes "+text+" for the newest release")
	})
}

// gated is the pair's filter with a proxyVersion.
func gated(pattern string) string {
	return strings.Replace(good, "SIDECAR_INBOUND, ", "SIDECAR_INBOUND, proxy: {proxyVersion: '"+pattern+"'}, ", 1)
}

// patches lists those of the releases whose sidecars the pattern lets the pair's filter reach.
func patches(t *testing.T, pattern string, releases ...string) []string {
	t.Helper()
	s := cluster{objects: objects(server), configs: []string{gated(pattern)}}.start(t)
	return slices.DeleteFunc(releases, func(r string) bool { return len(allowConnect(s.hcms(server.proxy(s, r)))) == 0 })
}

// leavesOut shows a server whose clients upgrade and whose own proxy the filter's proxyVersion leaves out.
func leavesOut() proof {
	return behaviour(func(t *testing.T, _ string) string {
		t.Helper()
		older := gated(`^1\.30`)
		return must(t, toServerOf(t, on(upgrade), older) == http2 && len(allowConnect(serverHCMs(t, on(upgrade), older))) == 0,
			"clients speak HTTP/2 to a server whose proxy the filter leaves out")
	})
}

// toApp is which HTTP the server's sidecar speaks to the application on such a port.
func toApp(t *testing.T, p port) protocol {
	t.Helper()
	p.number, p.target = 8080, 80
	w := server
	w.ports = []port{p}
	s := cluster{objects: objects(w, client)}.start(t)
	return s.protocols(w.proxy(s, "1.31.0"))["inbound|80||"]
}

// asBytes reports whether the client's sidecar passes on what it sends to such a port as bytes.
func asBytes(t *testing.T, p port) bool {
	t.Helper()
	p.number, p.target = 8080, 80
	w := server
	w.ports = []port{p}
	s := cluster{objects: objects(w, client), configs: []string{on(upgrade)}}.start(t)
	return slices.ContainsFunc(s.Listeners(client.proxy(s, "1.31.0")), func(l *listenerv3.Listener) bool {
		return strings.HasPrefix(l.Name, "10.96.") && strings.HasSuffix(l.Name, "_8080") && !slices.ContainsFunc(l.FilterChains, func(c *listenerv3.FilterChain) bool {
			return slices.ContainsFunc(c.Filters, func(f *listenerv3.Filter) bool { return f.Name == hcmFilter })
		})
	})
}

// notServed shows that the API server does not know the API version.
func notServed() proof {
	return proofOf(refusedByCRD("no matches for kind"), strings.Replace(on(upgrade), "/v1\n", "/v1alpha1\n", 1))
}

var (
	olderThan15  = notHere("releases before 1.5 are no modules that can be built beside this one; the source is a file of 1.4")
	olderThan16  = notHere("releases before 1.6 are no modules that can be built beside this one; the source is the commit that came with 1.6")
	noPod        = noManifest("no object is made of such a name")
	unreadable   = noManifest("what a builder or a program was given")
	externalHost = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: api, namespace: default}\n" +
		"spec: {hosts: [api.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 192.0.2.1}]}\n"
)

// meshEvidence is about the releases of a mesh (4xx), and its Services and workloads (5xx).
var meshEvidence = []evidence{
	{code: "WS401", typed: planned(serviceOf(server), wsmesh.Mesh{}, wsmesh.Options{}), shown: unknownRelease("")},
	{code: "WS402", typed: planned(serviceOf(server), wsmesh.Mesh{ControlPlanes: []version.Release{{}}, Proxies: []version.Release{{}}}, wsmesh.Options{}), shown: unknownRelease("")},
	{code: "WS403", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{ProxyVersion: "newest"}), shown: unreadable},
	{code: "WS404", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{ProxyVersion: "1.30.x"}), shown: leavesOut()},
	{code: "WS405", typed: planned(serviceOf(server), meshOf("1.20.0"), wsmesh.Options{APIVersion: "networking.istio.io/v1"}), shown: notServed()},
	{code: "WS406", typed: planned(serviceOf(server), meshOf("1.4.0"), wsmesh.Options{}), shown: olderThan15},
	{code: "WS407", typed: planned(serviceOf(server), meshOf("1.5.0"), wsmesh.Options{}), shown: olderThan16},
	{code: "WS408", typed: func(t *testing.T) finding.List {
		_, err := wsmesh.ParseMesh(strings.NewReader("pilot version: latest"))
		return finding.In(err)
	}, shown: unreadable},
	{code: "WS409", typed: unparsed("latest"), shown: unknownRelease("latest")},
	{code: "WS410", typed: unparsed("2.5.0"), shown: unreadable},
	{code: "WS411", typed: planned(serviceOf(server), wsmesh.Mesh{ControlPlanes: meshOf("1.31.0").ControlPlanes}, wsmesh.Options{}), shown: noManifest("what is not given is not looked at")},
	{code: "WS412", typed: planned(serviceOf(server), meshOf("1.99.0"), wsmesh.Options{}), shown: notHere("a release that is not out yet is no module")},
	{code: "WS440", typed: audited("WS440"), shown: as("WS304")},
	{code: "WS441", typed: audited("WS441"), shown: leavesOut()},
	{code: "WS442", shown: proofOf(inert("no proxy is patched"), gated(`^1\.30`))},
	{code: "WS443", typed: audited("WS443"), shown: behaviour(func(t *testing.T, _ string) string {
		got := patches(t, `^1\.2`, "1.2.0", "1.20.8", "1.29.1", "1.31.0")
		return must(t, slices.Equal(got, []string{"1.2.0", "1.20.8", "1.29.1"}), `^1\.2 patches 1.2, 1.20 and 1.29 alike`, got)
	})},
	{code: "WS444", typed: audited("WS444"), shown: behaviour(func(t *testing.T, _ string) string {
		got := patches(t, `^1\.`, "1.2.0", "1.12.0", "1.31.0")
		return must(t, len(got) == 3, `^1\. patches every release`, got)
	})},
	{code: "WS445", typed: audited("WS445"), shown: behaviour(func(t *testing.T, _ string) string {
		got := patches(t, `^1\.31`, "1.31.0", "1.32.0")
		return must(t, slices.Equal(got, []string{"1.31.0"}), `^1\.31 patches a proxy of 1.31, and not one of 1.32`, got)
	})},
	{code: "WS446", typed: audited("WS446"), shown: notServed()},
	{code: "WS447", typed: audited("WS447"), shown: olderThan16},
	{code: "WS448", shown: dated("target-refs-honoured", "since 1.27 targetRefs choose; releases before it are not at hand")},
	{code: "WS449", shown: as("WS312")},
	{code: "WS450", shown: dated("connection-settings", "the profile EDGE sets a stream_idle_timeout of 300 s")},
	{code: "WS451", shown: dated("header-case-keeps-http1", "the client's proxy keeps explicit HTTP/1.1 in spite of UPGRADE")},
	{code: "WS452", shown: proofOf(refusedByCRD("unknown field"), on("{connectionPool: {http: {noSuchFieldYet: 1}}}"))},

	{code: "WS501", typed: planned(serverWith(func(s *wsmesh.Service) { s.Name = "" }), meshOf("1.31.0"), wsmesh.Options{}), shown: noPod},
	{code: "WS502", typed: planned(serverWith(func(s *wsmesh.Service) { s.Namespace = "a.b" }), meshOf("1.31.0"), wsmesh.Options{}), shown: noPod},
	{code: "WS503", typed: planned(serverWith(func(s *wsmesh.Service) { s.Workload = nil }), meshOf("1.31.0"), wsmesh.Options{}), shown: as("WS210")},
	{code: "WS504", typed: planned(serverWith(func(s *wsmesh.Service) { s.Workload = map[string]string{"app": "*"} }), meshOf("1.31.0"), wsmesh.Options{}), shown: as("WS205")},
	{code: "WS505", typed: planned(serverWith(func(s *wsmesh.Service) { s.Ports[0].Number = 70000 }), meshOf("1.31.0"), wsmesh.Options{}), shown: noManifest("Kubernetes takes no Service with such a port")},
	{code: "WS506", typed: planned(serverWith(func(s *wsmesh.Service) { s.Ports = nil }), meshOf("1.31.0"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		return must(t, toApp(t, port{name: "http-websocket"}) == http1 && toApp(t, port{name: "http2-ws"}) == http2, "what the application is sent follows from the port")
	})},
	{code: "WS507", typed: planned(serverWith(func(s *wsmesh.Service) { s.Ports[0].Name = "ws" }), meshOf("1.31.0"), wsmesh.Options{}), shown: proof{"`TestPortsThatAreHTTP1`", func(t *testing.T, _ string) string {
		return must(t, toApp(t, port{name: "http2-ws"}) == http2, "the application is sent HTTP/2; the test holds 52 names and appProtocols to istiod's reading")
	}}},
	{code: "WS508", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{Host: "websockets-server.default"}), shown: behaviour(func(t *testing.T, _ string) string {
		return must(t, toServerOf(t, rule("{host: websockets-server.default, trafficPolicy: "+upgrade+"}")) == http1, "a rule for service.namespace changes nothing")
	})},
	{code: "WS509", typed: planned(serverWith(func(s *wsmesh.Service) { mixedPorts(s); s.Ports[0].Number = 0 }), meshOf("1.31.0"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		err := judgeOf(t).Document([]byte(on("{portLevelSettings: [{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}"))).Err()
		return must(t, err != nil, "a port level without a number is refused", err)
	})},
	{code: "WS510", typed: planned(serverWith(func(s *wsmesh.Service) { mixedPorts(s); s.Ports[1].Number = s.Ports[0].Number }), meshOf("1.31.0"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		level := func(policy string) string {
			return "{port: {number: 8080}, connectionPool: {http: {h2UpgradePolicy: " + policy + "}}}"
		}
		first := toServerOf(t, on("{portLevelSettings: ["+level("UPGRADE")+", "+level("DO_NOT_UPGRADE")+"]}"))
		second := toServerOf(t, on("{portLevelSettings: ["+level("DO_NOT_UPGRADE")+", "+level("UPGRADE")+"]}"))
		return must(t, first == http2 && second == http1, "of two port levels with one number the first holds", first, second)
	})},
	{code: "WS511", typed: planned(serverWith(func(s *wsmesh.Service) { mixedPorts(s); s.Ports[1].Name = "" }), meshOf("1.31.0"), wsmesh.Options{}), shown: noManifest("Kubernetes takes no Service with such ports")},
	{code: "WS512", typed: planned(serverWith(mixedPorts), meshOf("1.31.0"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		docs := planOf(t, serviceOf(mixed), meshOf("1.31.0"), wsmesh.Options{})
		protocols := func(configs ...string) map[string]protocol {
			s := cluster{objects: objects(mixed, client), configs: configs}.start(t)
			return s.protocols(client.proxy(s, "1.31.0"))
		}
		before, after := protocols(), protocols(docs...)
		return must(t, before[serverCluster] == http1 && after[serverCluster] == http2 && before[onPort(6379)] == after[onPort(6379)] && before[onPort(9090)] == after[onPort(9090)],
			"the HTTP/1 port is upgraded, and the others are as they were", before, after)
	})},
	{code: "WS540", typed: audited("WS540"), shown: behaviour(func(t *testing.T, _ string) string {
		return must(t, toApp(t, port{name: "http2-ws"}) == http2 && toApp(t, port{name: "grpc-ws"}) == http2, "the application is sent HTTP/2")
	})},
	{code: "WS541", typed: audited("WS541"), shown: behaviour(func(t *testing.T, _ string) string {
		w := server
		w.ports = []port{{8080, 80, "tcp-ws", ""}}
		s := cluster{objects: objects(w), configs: []string{gatewayConfig, on(upgrade)}}.start(t)
		toServer := s.http2Clusters(s.gateway("istio-ingress", "10.0.4.1", ingress[0].Workload))
		return must(t, asBytes(t, port{name: "tcp-ws"}) && !asBytes(t, port{name: "http-ws"}) && slices.Equal(toServer, []string{serverCluster}),
			"the client's proxy has no HttpConnectionManager for the port, and a gateway speaks HTTP/2 to it", toServer)
	})},
	{code: "WS542", typed: audited("WS542"), shown: dated("sniffed-port-ignores-upgrade", "the client's proxy speaks what its client spoke, in spite of UPGRADE")},
	{code: "WS543", typed: audited("WS543"), shown: dated("app-protocol-websocket", "kubernetes.io/ws is HTTP here")},
	{code: "WS544", typed: audited("WS544"), shown: behaviour(func(t *testing.T, _ string) string {
		return must(t, toServer(t, port{name: "http2-ws"}, nil, on(noUpgrade)) == http2, "with DO_NOT_UPGRADE the port still speaks HTTP/2")
	})},
	{code: "WS545", typed: audited("WS545"), shown: as("WS302")},
	{code: "WS546", typed: audited("WS546"), shown: as("WS302")},
	{code: "WS547", typed: audited("WS547"), shown: as("WS303")},
	{code: "WS548", typed: audited("WS548"), shown: behaviour(func(t *testing.T, _ string) string {
		s := cluster{objects: objects(client), configs: []string{externalHost, rule("{host: api.example.com, trafficPolicy: " + upgrade + "}")}}.start(t)
		got := s.http2Clusters(client.proxy(s, "1.31.0"))
		return must(t, slices.Equal(got, []string{"outbound|80||api.example.com"}), "clients speak HTTP/2 to a host outside the mesh", got)
	})},
	{code: "WS549", shown: noManifest("what is not among the manifests is not looked at")},
	{code: "WS550", typed: audited("WS550"), shown: behaviour(func(t *testing.T, _ string) string {
		level := func(number string) protocol {
			return toServerOf(t, on("{portLevelSettings: [{port: {number: "+number+"}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}"))
		}
		return must(t, level("8080") == http2 && level("80") == http1, "the Service's port 8080 is meant, the container's 80 is not")
	})},
	{code: "WS551", typed: audited("WS551"), shown: noManifest("what is not among the manifests is not looked at")},
	{code: "WS552", typed: audited("WS552"), shown: behaviour(func(t *testing.T, _ string) string {
		return must(t, toApp(t, port{name: "ws"}) == follows && toApp(t, port{name: "http-websocket"}) == http1, "the application is sent what the client speaks, and from a port named for HTTP HTTP/1.1")
	})},
}

// mixed is the server with ports of three protocols, and mixedPorts gives its ports to a Service.
var mixed = workload{name: "websockets-server", ip: "10.0.1.1", ports: []port{
	{8080, 80, "http-websocket", ""}, {9090, 90, "grpc", ""}, {6379, 63, "redis", ""}, {8081, 81, "http-admin", ""}}}

func mixedPorts(s *wsmesh.Service) { s.Ports = serviceOf(mixed).Ports }

// onPort is the client's cluster for a port of the server.
func onPort(number int) string { return fmt.Sprintf("outbound|%d||%s", number, serverHost) }

// unparsed is what is said of a text that is no release of Istio.
func unparsed(text string) func(*testing.T) finding.List {
	return func(t *testing.T) finding.List {
		_, err := wsmesh.MeshOf(text)
		return finding.In(err)
	}
}
