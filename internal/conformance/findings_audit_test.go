// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config"
)

// toServerOf is which HTTP the client's sidecar speaks to the server with these objects in the mesh.
func toServerOf(t *testing.T, configs ...string) protocol {
	t.Helper()
	return toServer(t, port{name: "http-websocket"}, nil, configs...)
}

// elsewhereIs moves a manifest to another namespace.
func elsewhereIs(namespace, manifest string) string {
	return strings.Replace(manifest, "namespace: default", "namespace: "+namespace, 1)
}

func younger(manifest string) string {
	return strings.NewReplacer("{name: r,", "{name: younger,", "{name: f,", "{name: younger,").Replace(manifest)
}

const (
	noUpgrade = "{connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}"
	balancing = "{loadBalancer: {simple: RANDOM}}"
)

// auditEvidence is about objects beside each other, which an audit finds: each shows it on such objects.
var auditEvidence = []evidence{
	{code: "WS340", shown: behaviour(func(t *testing.T, _ string) string {
		return must(t, toServerOf(t, on(upgrade)) == http2 && len(allowConnect(serverHCMs(t, on(upgrade)))) == 0, "clients speak HTTP/2, and no HttpConnectionManager of the server takes WebSocket over it")
	})},
	{code: "WS341", shown: behaviour(func(t *testing.T, _ string) string {
		v2 := workload{name: "websockets-server", ip: "10.0.1.8", labels: map[string]string{"app": "websockets-server-v2"}}
		s := cluster{objects: objects(server, client), configs: []string{on(upgrade), good}}.start(t)
		return must(t, len(allowConnect(s.hcms(server.proxy(s, "1.31.0")))) > 0 && len(allowConnect(s.hcms(v2.proxy(s, "1.31.0")))) == 0, "a pod with other labels is not patched")
	})},
	{code: "WS342", shown: behaviour(func(t *testing.T, _ string) string {
		return must(t, toServerOf(t, good) == http1 && len(allowConnect(serverHCMs(t, good))) > 0, "the server would take it, and clients speak HTTP/1.1")
	})},
	{code: "WS343", shown: proofOf(inert("no proxy is patched"), strings.Replace(good, "app: websockets-server", "app: websocket-server", 1))},
	{code: "WS344", shown: proofOf(inert("no proxy of another namespace is patched"), elsewhereIs("other", good))},
	{code: "WS345", shown: proofOf(inert("no sidecar is patched"), filter("{targetRefs: [{kind: Service, name: websockets-server}], configPatches: ["+merging(allow)+"]}"))},
	{code: "WS346", shown: behaviour(func(t *testing.T, _ string) string {
		hcms := serverHCMs(t, strings.Replace(good, "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", 1))
		at := allowConnect(hcms)
		return must(t, len(at) > 0 && !slices.ContainsFunc(at, func(at string) bool { return strings.HasPrefix(at, "virtualInbound") }), "what the sidecar sends is patched, and what it accepts is not", at)
	})},
	{code: "WS347", shown: behaviour(func(t *testing.T, _ string) string {
		number := func(n int) []string {
			return allowConnect(serverHCMs(t, strings.Replace(good, "listener: {", fmt.Sprintf("listener: {portNumber: %d, ", n), 1)))
		}
		return must(t, len(number(80)) == 2 && len(number(8080)) == 0, "the container's port 80 is matched, the Service's 8080 is not", number(80), number(8080))
	})},
	{code: "WS348", shown: proofOf(inert("a name that no filter has matches none"), strings.Replace(good, hcmFilter, "envoy.filters.network.http_conection_manager", 1))},
	{code: "WS349", shown: behaviour(func(t *testing.T, _ string) string {
		return reachesTheMesh(t, elsewhereIs("istio-system", filter("{configPatches: ["+merging(allow)+"]}")))
	})},
	{code: "WS350", shown: behaviour(func(t *testing.T, _ string) string { return reachesTheMesh(t, elsewhereIs("istio-system", good)) })},
	{code: "WS351", shown: behaviour(func(t *testing.T, _ string) string {
		first := toServerOf(t, on(noUpgrade), younger(on(upgrade)))
		second := toServerOf(t, rule("{host: "+serverHost+", subsets: [{name: v1}]}"), younger(on(upgrade)))
		return must(t, first == http1 && second == http2, "the oldest trafficPolicy counts, and a rule without one leaves it to the next", first, second)
	})},
	{code: "WS352", shown: behaviour(func(t *testing.T, _ string) string {
		remote := workload{name: "remote", namespace: "clients", ip: "10.0.3.1"}
		s := cluster{objects: objects(server, client, remote), configs: []string{on(upgrade), elsewhereIs("clients", on(balancing))}}.start(t)
		near, far := s.http2Clusters(client.proxy(s, "1.31.0")), s.http2Clusters(remote.proxy(s, "1.31.0"))
		return must(t, len(near) == 1 && len(far) == 0, "clients of that namespace have its rule alone", near, far)
	})},
	{code: "WS353", shown: behaviour(func(t *testing.T, _ string) string {
		root := elsewhereIs("istio-system", younger(on(upgrade)))
		return must(t, toServerOf(t, root) == http2 && toServerOf(t, on(balancing), root) == http1, "alone the root namespace's rule holds, beside the Service's it does not")
	})},
	{code: "WS354", shown: behaviour(func(t *testing.T, _ string) string {
		wildcard := younger(rule("{host: '*.default.svc.cluster.local', trafficPolicy: " + upgrade + "}"))
		return must(t, toServerOf(t, wildcard) == http2 && toServerOf(t, on(balancing), wildcard) == http1, "the rule for the name hides the one for the wildcard")
	})},
	{code: "WS355", shown: behaviour(func(t *testing.T, _ string) string {
		mesh := func(m *meshconfig.MeshConfig) { m.H2UpgradePolicy = meshconfig.MeshConfig_UPGRADE }
		return must(t, toServer(t, port{name: "http-websocket"}, mesh) == http2 && toServer(t, port{name: "tcp-websocket"}, mesh) == http1, "the WebSocket port is upgraded by its name")
	})},
	{code: "WS356", shown: behaviour(func(t *testing.T, _ string) string {
		return must(t, allInbound(serverHCMs(t), func(h hcm) bool { return h.StreamIdleTimeout != nil && h.StreamIdleTimeout.AsDuration() == 0 }) &&
			allInbound(serverHCMs(t, selecting(merging("stream_idle_timeout: 60s"))), func(h hcm) bool { return h.StreamIdleTimeout.GetSeconds() == 60 }),
			"istiod sets no stream_idle_timeout, and the filter's is passed on")
	})},
	{code: "WS357", shown: behaviour(func(t *testing.T, _ string) string {
		parsed, _, err := crd.ParseInputs(strings.Replace(good, "metadata: {", "metadata: {labels: {istio.io/rev: canary}, ", 1))
		if err != nil {
			t.Fatal(err)
		}
		return must(t, config.ObjectInRevision(&parsed[0], "canary") && !config.ObjectInRevision(&parsed[0], "default"), "another revision passes over it")
	})},
	{code: "WS358", shown: inTraffic("TestPitfalls", "a buffer filter before the router", "the WebSocket never reaches the application")},
	{code: "WS359", shown: behaviour(func(t *testing.T, _ string) string {
		lost := rule("{host: no-such-service.default.svc.cluster.local, trafficPolicy: " + upgrade + "}")
		return must(t, toServerOf(t, lost) == http1 && says("IST0174", lost)(t), "no cluster is changed, and istioctl analyze says IST0174")
	})},
	{code: "WS360", typed: audited("WS360"), shown: as("WS307")},
	{code: "WS361", typed: audited("WS361"), shown: behaviour(func(t *testing.T, _ string) string {
		patch := patchedToHTTP2("SIDECAR_OUTBOUND", "websockets-client")
		return must(t, toServerOf(t) == http1 && toServerOf(t, patch) == http2 && len(allowConnect(serverHCMs(t, patch))) == 0,
			"clients speak HTTP/2, and no HttpConnectionManager of the server takes WebSocket over it")
	})},
	{code: "WS362", typed: audited("WS362"), shown: behaviour(func(t *testing.T, _ string) string {
		s := cluster{objects: objects(server), configs: []string{patchedToHTTP2("SIDECAR_INBOUND", "websockets-server")}}.start(t)
		got := s.protocols(server.proxy(s, "1.31.0"))["inbound|80||"]
		return must(t, got == http2, "the application is sent HTTP/2", got)
	})},
	{code: "WS363", typed: audited("WS363"), shown: inTraffic("TestPitfalls", "a Lua filter that reads the whole body", "the WebSocket never reaches the application")},
	{code: "WS364", typed: audited("WS364"), shown: inTraffic("TestPitfalls", "a route on which upgrades are disabled", "the server's proxy answers 403")},
	{code: "WS366", typed: audited("WS366"), shown: inTraffic("TestPitfalls", "a limit of one request for each client", "the second WebSocket of a client gets 503")},
}

// patchedToHTTP2 is a filter that makes clusters of the workload's sidecar speak HTTP/2.
func patchedToHTTP2(context, app string) string {
	const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	return filter("{workloadSelector: {labels: {app: " + app + "}}, configPatches: [{applyTo: CLUSTER, match: {context: " + context + "}, patch: {operation: MERGE, value: " +
		"{typed_extension_protocol_options: {" + options + ": {'@type': type.googleapis.com/" + options + ", explicit_http_config: {http2_protocol_options: {}}}}}}}]}")
}

// proofOf shows it on this manifest, which alone does not make the library report the code.
func proofOf(p proof, manifest string) proof {
	return proof{p.by, func(t *testing.T, _ string) string { return p.show(t, manifest) }}
}

func reachesTheMesh(t *testing.T, manifest string) string {
	t.Helper()
	s := cluster{objects: objects(server, elsewhere), configs: []string{manifest}}.start(t)
	return must(t, len(allowConnect(s.hcms(server.proxy(s, "1.31.0")))) > 0 && len(allowConnect(s.hcms(elsewhere.proxy(s, "1.31.0")))) > 0, "workloads of every namespace are patched")
}
