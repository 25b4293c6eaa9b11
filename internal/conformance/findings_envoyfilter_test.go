// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const managerType = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

// selecting is a filter for the server with these patches.
func selecting(patches ...string) string {
	return filter("{workloadSelector: {labels: {app: websockets-server}}, configPatches: [" + strings.Join(patches, ", ") + "]}")
}

// patchOf is a patch of what the server's sidecar accepts.
func patchOf(applyTo, match, operation, value string) string {
	if match != "" {
		match = ", " + match
	}
	if value != "" {
		value = ", value: " + value
	}
	return fmt.Sprintf("{applyTo: %s, match: {context: SIDECAR_INBOUND%s}, patch: {operation: %s%s}}", applyTo, match, operation, value)
}

// merging is a MERGE of these fields into the server's HttpConnectionManagers.
func merging(fields string) string {
	return patchOf("NETWORK_FILTER", matchManager, "MERGE", `{typed_config: {"@type": `+managerType+", "+fields+"}}")
}

const (
	allow        = "http2_protocol_options: {allow_connect: true}"
	matchManager = "listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}"
	matchRouter  = "listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}"
	luaFilter    = `{name: lua, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: "x"}}}`
	routerFilter = `{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true}}`
	inspector    = `{name: i, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}`
)

// serverHCMs are the HttpConnectionManagers of the server's sidecar with these objects in the mesh.
func serverHCMs(t *testing.T, configs ...string) []hcm {
	t.Helper()
	s := cluster{objects: objects(server, client), configs: configs}.start(t)
	return s.hcms(server.proxy(s, "1.31.0"))
}

// good is the pair's filter, which is there beside the one that is tried where that one spoils it.
var good = strings.Replace(selecting(merging(allow)), "{name: f,", "{name: good,", 1)

// inert shows that the proxies of server and client get the same configuration with the filter and without.
func inert(claim string) proof {
	return behaviour(func(t *testing.T, manifest string) string {
		return must(t, snapshot(t, manifest) == snapshot(t), claim)
	})
}

// httpFilters are the names of the HTTP filters of each inbound HttpConnectionManager.
func httpFilters(m *hcmv3.HttpConnectionManager) []string {
	var names []string
	for _, f := range m.HttpFilters {
		names = append(names, f.Name)
	}
	return names
}

// allInbound reports whether something holds for all inbound HttpConnectionManagers, of which there are some.
func allInbound(hcms []hcm, holds func(hcm) bool) bool {
	n := 0
	for _, h := range hcms {
		if strings.HasPrefix(h.at, "virtualInbound/") {
			n++
			if !holds(h) {
				return false
			}
		}
	}
	return n > 0
}

// losesAll shows that istiod panics at the filter and recovers, and that a good filter for the same proxy is lost
// with it where the panic came first. (Listeners are patched in place: what came before stays.)
func losesAll() proof {
	return behaviour(func(t *testing.T, manifest string) string {
		ofThePort := func(configs ...string) int {
			n := 0
			for _, at := range allowConnect(serverHCMs(t, configs...)) {
				if strings.HasPrefix(at, inboundPort) {
					n++
				}
			}
			return n
		}
		alone, both := ofThePort(good), ofThePort(good, manifest)
		return must(t, alone == 2 && both == 0, "istiod panics and recovers, and the patches still to come are lost, those of other EnvoyFilters too", alone, both)
	})
}

var envoyFilterEvidence = []evidence{
	{code: "WS201", shown: noManifest("what a Builder was given")},
	{code: "WS202", shown: noManifest("what a Builder was given")},
	{code: "WS203", shown: noManifest("what a Builder was given")},
	{code: "WS204", manifest: filter("{workloadSelector: {labels: {app: a}}, targetRefs: [{kind: Service, name: s}], configPatches: [" + merging(allow) + "]}"), shown: refusedByCRD("only one of targetRefs or workloadSelector can be set")},
	{code: "WS205", manifest: filter("{workloadSelector: {labels: {app: '*'}}, configPatches: [" + merging(allow) + "]}"), shown: refusedByCRD("wildcard is not supported in selector")},
	{code: "WS205", manifest: filter("{workloadSelector: {labels: {'app*': a}}, configPatches: [" + merging(allow) + "]}"), shown: refusedByWebhook("wildcard is not supported in selector")},
	{code: "WS206", manifest: filter("{workloadSelector: {labels: {" + strings.Join(numbered("k%d: a", 257), ", ") + "}}, configPatches: [" + merging(allow) + "]}"), shown: refusedByCRD("must have at most 256 items")},
	{code: "WS207", manifest: filter("{targetRefs: [" + strings.Repeat("{kind: Service, name: s}, ", 17) + "], configPatches: [" + merging(allow) + "]}"), shown: refusedByCRD("must have at most 16 items")},
	{code: "WS208", manifest: filter("{targetRefs: [{kind: Service, name: s, namespace: other}], configPatches: [" + merging(allow) + "]}"), shown: refusedByCRD("cross namespace referencing is not currently supported")},
	{code: "WS209", manifest: filter("{workloadSelector: {labels: {}}, configPatches: [" + merging(allow) + "]}"), shown: warnedOf("will be applied to all services in namespace")},
	{code: "WS209", manifest: filter("{workloadSelector: {labels: {}}, configPatches: [" + merging(allow) + "]}"), shown: behaviour(reachesTheNamespace)},
	{code: "WS210", manifest: filter("{configPatches: [" + merging(allow) + "]}"), shown: behaviour(reachesTheNamespace)},
	{code: "WS210", manifest: strings.Replace(filter("{configPatches: ["+merging(allow)+"]}"), "namespace: default", "namespace: istio-system", 1), shown: behaviour(func(t *testing.T, manifest string) string {
		return reachesTheMesh(t, manifest)
	})},
	{code: "WS211", manifest: filter("{targetRefs: [{group: apps, kind: Deployment, name: websockets-server}], configPatches: [" + merging(allow) + "]}"), shown: inert("it reaches no proxy")},
	{code: "WS212", manifest: filter("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], configPatches: [" + merging(allow) + "]}"), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, len(allowConnect(serverHCMs(t, manifest))) == 0, "this istiod looks at targetRefs; releases 1.22 to 1.26 are not at hand")
	})},
	{code: "WS213", manifest: filter("{workloadSelector: {labels: {app: websockets-server}}}"), shown: inert("no proxy gets anything of it")},
	{code: "WS214", manifest: selecting("{match: {context: SIDECAR_INBOUND}, patch: {operation: MERGE, value: {name: a}}}"), shown: refusedByWebhook("missing applyTo")},
	{code: "WS215", manifest: selecting("{applyTo: CLUSTER, match: {context: SIDECAR_INBOUND}}"), shown: refusedByWebhook("missing patch")},
	{code: "WS216", manifest: selecting("{applyTo: CLUSTER, match: {context: SIDECAR_INBOUND}, patch: {value: {name: a}}}"), shown: refusedByWebhook("missing patch operation")},
	{code: "WS217", manifest: selecting(patchOf("CLUSTER", "", "ADD", "")), shown: refusedByWebhook("missing patch value for non-remove operation")},
	{code: "WS218", manifest: selecting(patchOf("HTTP_FILTER", matchRouter, "REMOVE", routerFilter)), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, snapshot(t, manifest) == snapshot(t, selecting(patchOf("HTTP_FILTER", matchRouter, "REMOVE", ""))) && snapshot(t, manifest) != snapshot(t), "the same is removed without the value")
	})},
	{code: "WS219", shown: noManifest("what a Builder was given")},
	{code: "WS220", shown: noManifest("what a Builder was given")},
	{code: "WS221", shown: noManifest("what a Builder was given")},
	{code: "WS222", shown: noManifest("what a Builder was given")},
	{code: "WS223", manifest: filter("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}], configPatches: [{applyTo: NETWORK_FILTER, match: {context: WAYPOINT, waypoint: {filter: {name: " + hcmFilter + "}}}, patch: {operation: MERGE, value: {typed_config: {'@type': " + managerType + ", " + allow + "}}}}]}"), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{ambient: true, objects: slices.Concat(behindWaypoint(server), waypointObjects), configs: append(slices.Clone(waypointObjects), manifest)}.start(t)
		return must(t, len(allowConnect(s.hcms(s.waypoint()))) == 0, "not even a waypoint is patched")
	})},
	{code: "WS223", manifest: selecting(patchOf("NETWORK_FILTER", "waypoint: {portNumber: 80}", "REMOVE", "")), shown: refusedByCRD("only support waypointMatch when context is WAYPOINT")},
	{code: "WS224", manifest: filter("{workloadSelector: {labels: {app: websockets-server}}, configPatches: [" + strings.Replace(merging(allow), "context: SIDECAR_INBOUND, ", "", 1) + "]}"), shown: behaviour(func(t *testing.T, manifest string) string {
		hcms := serverHCMs(t, manifest)
		return must(t, len(allowConnect(hcms)) == len(hcms) && len(hcms) > len(inbound(hcms)), "what the sidecar sends is patched as well", allowConnect(hcms))
	})},
	{code: "WS225", manifest: selecting(merging("codec_type: 99")), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, allInbound(serverHCMs(t, manifest), func(h hcm) bool {
			err := h.ValidateAll()
			return h.CodecType == 99 && err != nil && strings.Contains(err.Error(), "CodecType")
		}), "istiod passes on a number that Envoy's API refuses")
	})},
	{code: "WS226", manifest: selecting(strings.Replace(merging(allow), "SIDECAR_INBOUND, ", "SIDECAR_INBOUND, proxy: {proxyVersion: '^1\\.31"+strings.Repeat(".*", 512)+"'}, ", 1)), shown: behaviour(func(t *testing.T, manifest string) string {
		changed := snapshot(t, manifest) != snapshot(t)
		if !atHand.has("proxy-version-limit") {
			return must(t, changed, "this istiod has no limit yet")
		}
		return must(t, !changed, "no proxy is patched, although the pattern matches its release")
	})},
	{code: "WS227", manifest: selecting(strings.Replace(merging(allow), "SIDECAR_INBOUND, ", "SIDECAR_INBOUND, proxy: {proxyVersion: '^1\\.(2'}, ", 1)), shown: refusedByWebhook("invalid regex for proxy version")},
	{code: "WS228", manifest: selecting(strings.Replace(merging(allow), "SIDECAR_INBOUND, ", "SIDECAR_INBOUND, proxy: {proxyVersion: '1\\.2'}, ", 1)), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(server), configs: []string{manifest}}.start(t)
		var hit []string
		for _, release := range []string{"1.2.3", "1.20.8", "1.29.0", "11.2.0", "1.31.0"} {
			if len(allowConnect(s.hcms(server.proxy(s, release)))) > 0 {
				hit = append(hit, release)
			}
		}
		return must(t, slices.Equal(hit, []string{"1.2.3", "1.20.8", "1.29.0", "11.2.0"}), "1\\.2 is found in 1.20.8, 1.29.0 and 11.2.0", hit)
	})},
	{code: "WS230", manifest: selecting(patchOf("CLUSTER", "listener: {portNumber: 80}", "MERGE", "{connect_timeout: 7s}")), shown: refusedByWebhook("applyTo for cluster class objects cannot have non cluster match")},
	{code: "WS230", manifest: selecting(patchOf("LISTENER_FILTER", "routeConfiguration: {portNumber: 1}", "INSERT_FIRST", inspector)), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, snapshot(t, manifest) == snapshot(t, selecting(patchOf("LISTENER_FILTER", "", "INSERT_FIRST", inspector))) && snapshot(t, manifest) != snapshot(t), "the match is passed over, and every listener is patched")
	})},
	{code: "WS231", manifest: selecting(patchOf("NETWORK_FILTER", "listener: {filterChain: {filter: {}}}", "INSERT_FIRST", "{name: a}")), shown: refusedByWebhook("filter match has no name to match on")},
	{code: "WS232", manifest: selecting(patchOf("NETWORK_FILTER", matchRouter, "INSERT_FIRST", "{name: a}")), shown: refusedByWebhook("subfilter match can be used with applyTo HTTP_FILTER only")},
	{code: "WS233", manifest: selecting(patchOf("HTTP_FILTER", "listener: {filterChain: {filter: {name: envoy.filters.network.tcp_proxy, subFilter: {name: a}}}}", "INSERT_FIRST", luaFilter)), shown: refusedByWebhook("subfilter match requires filter match with " + hcmFilter)},
	{code: "WS233", manifest: selecting(patchOf("HTTP_FILTER", "listener: {filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}", "INSERT_FIRST", luaFilter)), shown: inert("no HTTP filter is inserted")},
	{code: "WS234", manifest: selecting(strings.Replace(merging(allow), hcmFilter, "envoy.http_connection_manager", 1)), shown: inert("the old name matches no filter")},
	{code: "WS234", manifest: selecting(strings.Replace(merging(allow), hcmFilter, "envoy.http_connection_manager", 1)), shown: warnedOf("using deprecated filter name")},
	{code: "WS235", manifest: selecting(strings.Replace(merging(allow), "listener: {", "listener: {portNumber: 65536, ", 1)), shown: inert("no listener has the port")},
	{code: "WS236", manifest: selecting(strings.Replace(merging(allow), "listener: {", "listener: {portName: tcp-no-such-port, ", 1)), shown: behaviour(func(t *testing.T, manifest string) string {
		hcms := serverHCMs(t, manifest)
		return must(t, slices.Equal(allowConnect(hcms), inbound(hcms)), "every listener is patched: portName is not looked at", allowConnect(hcms))
	})},
	{code: "WS236", manifest: selecting(strings.Replace(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter), "patch: {", "patch: {filterClass: STATS, ", 1)), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, snapshot(t, manifest) == snapshot(t, selecting(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter))), "the place is the same without filterClass")
	})},
	{code: "WS237", manifest: selecting(patchOf("FILTER_CHAIN", "listener: {filterChain: {transportSocket: tls}}", "MERGE", "{name: c}")), shown: saidOfTheAPI("envoy_filter.proto",
		"Accepted values include: * `envoy.transport_sockets.raw_buffer`", "* `envoy.transport_sockets.tls`", "* `envoy.transport_sockets.quic`")},
	{code: "WS240", typed: func(*testing.T) finding.List {
		return (&envoyfilter.Filter{Name: "f", Spec: &networking.EnvoyFilter{ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{nil}}}).Validate()
	}, shown: proof{"refused by CRD", func(t *testing.T, _ string) string {
		return refusal(t, filter("{configPatches: [null]}"), "must be of type object", true)
	}}},
	{code: "WS241", manifest: selecting(patchOf("CLUSTER", "cluster: {name: 'inbound|80||'}", "REPLACE", "{name: 'inbound|80||', connect_timeout: 7s}")), shown: inert("istiod does not replace clusters; all operations: TestOperations")},
	{code: "WS242", manifest: selecting(patchOf("NETWORK_FILTER", "listener: {portNumber: 80}", "MERGE", `{typed_config: {"@type": `+managerType+", "+allow+"}}")), shown: losesAll()},
	{code: "WS242", manifest: selecting(patchOf("HTTP_FILTER", matchManager, "MERGE", routerFilter)), shown: losesAll()},
	{code: "WS243", manifest: selecting(patchOf("CLUSTER", "", "INSERT_FIRST", "{name: added, connect_timeout: 1s}")), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, snapshot(t, manifest) == snapshot(t, selecting(patchOf("CLUSTER", "", "ADD", "{name: added, connect_timeout: 1s}"))) && snapshot(t, manifest) != snapshot(t), "the cluster stands where an ADD puts it; all operations: TestOperations")
	})},
	{code: "WS244", manifest: selecting(routePatch("ADD", "{name: added, match: {prefix: /x}, direct_response: {status: 200}}")), shown: behaviour(func(t *testing.T, manifest string) string {
		codes := ""
		for _, m := range analyze(t, []string{manifest}) {
			codes += m.Type.Code() + " "
		}
		return must(t, strings.Contains(codes, "IST0153") && snapshot(t, manifest) != snapshot(t), "istioctl analyze reports IST0153, and istiod adds the route; all operations: TestOperations", codes)
	})},
	{code: "WS245", manifest: strings.Replace(selecting(patchOf("CLUSTER", "", "REMOVE", "")), "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", 1), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(server, client), configs: []string{manifest}}.start(t)
		for name := range s.protocols(server.proxy(s, "1.31.0")) {
			if strings.HasPrefix(name, "outbound|") {
				t.Errorf("%s is left", name)
			}
		}
		return "the sidecar has no outbound cluster any more"
	})},
	{code: "WS246", manifest: selecting(patchOf("HTTP_FILTER", matchManager, "ADD", luaFilter)), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, allInbound(serverHCMs(t, manifest), func(h hcm) bool {
			names := httpFilters(h.HttpConnectionManager)
			return names[len(names)-1] == "lua" && names[len(names)-2] == "envoy.filters.http.router"
		}), "the filter comes after the router, which Envoy wants last")
	})},
	{code: "WS247", manifest: selecting(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter)), shown: behaviour(func(t *testing.T, manifest string) string {
		// The second filter is younger. With a lower priority it comes first all the same.
		second := strings.NewReplacer("name: f,", "name: g,", "name: lua,", "name: lua2,").Replace(manifest)
		order := func(configs ...string) string {
			for _, h := range serverHCMs(t, configs...) {
				if strings.HasPrefix(h.at, inboundPort) {
					return strings.Join(httpFilters(h.HttpConnectionManager), " ")
				}
			}
			return ""
		}
		first, swapped := order(manifest, second), order(manifest, strings.Replace(second, "spec: {", "spec: {priority: -1, ", 1))
		return must(t, strings.Contains(first, "lua lua2 envoy.filters.http.router") && strings.Contains(swapped, "lua2 lua envoy.filters.http.router"), "the older filter goes first, unless priority says otherwise", first, swapped)
	})},
	{code: "WS248", manifest: selecting(patchOf("BOOTSTRAP", "", "MERGE", "{flags_path: /x}")), shown: inert("nothing that istiod sends has it")},
	{code: "WS260", manifest: selecting(merging("http2_protocol_options: {initial_stream_window_size: 1}")), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, allInbound(serverHCMs(t, manifest), func(h hcm) bool {
			err := h.ValidateAll()
			return err != nil && strings.Contains(err.Error(), "InitialStreamWindowSize")
		}), "istiod sends a configuration that breaks Envoy's rules")
	})},
	{code: "WS261", manifest: selecting(merging("upgrade_configs: [{upgrade_type: websocket}]")), shown: behaviour(func(t *testing.T, manifest string) string {
		hcms := serverHCMs(t, manifest)
		n := websocketUpgrades(hcms)
		return must(t, allInbound(hcms, func(h hcm) bool { return n[h.at] == 2 }), "the upgrade to WebSocket is listed twice", n)
	})},
	{code: "WS262", manifest: selecting(patchOf("NETWORK_FILTER", matchManager, "MERGE", `{typed_config: {"@type": type.googleapis.com/udpa.type.v1.TypedStruct, type_url: `+managerType+`, value: {`+allow+`}}}`)), shown: losesAll()},
	{code: "WS262", manifest: selecting(patchOf("NETWORK_FILTER", matchManager, "MERGE", `{typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: x}}`)), shown: losesAll()},
	{code: "WS263", manifest: selecting(patchOf("NETWORK_FILTER", matchManager, "MERGE", `{name: mine, typed_config: {"@type": `+managerType+`, stat_prefix: x}}`)), shown: behaviour(func(t *testing.T, manifest string) string {
		lua := strings.Replace(selecting(patchOf("HTTP_FILTER", matchManager, "INSERT_FIRST", luaFilter)), "name: f,", "name: g,", 1)
		has := func(h hcm) bool { return slices.Contains(httpFilters(h.HttpConnectionManager), "lua") }
		return must(t, allInbound(serverHCMs(t, lua), has) && !slices.ContainsFunc(serverHCMs(t, manifest, lua), has), "a patch of the HTTP filters finds the renamed filter no more")
	})},
	{code: "WS264", manifest: selecting(patchOf("HTTP_FILTER", matchRouter, "MERGE", "{disabled: true, "+routerFilter[1:])), shown: behaviour(func(t *testing.T, manifest string) string {
		return must(t, allInbound(serverHCMs(t, manifest), func(h hcm) bool {
			f := h.HttpFilters[len(h.HttpFilters)-1]
			return f.Name == "envoy.filters.http.router" && !f.Disabled
		}), "typed_config is merged and disabled is not")
	})},
	{code: "WS265", manifest: selecting(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", "{name: a}")), shown: warnedOf("using deprecated types by name without typed_config")},
	{code: "WS266", manifest: strings.Replace(selecting(merging("http2_protocol_options: {allow_connect: false}")), "name: f,", "name: g,", 1), shown: behaviour(func(t *testing.T, manifest string) string {
		hcms := serverHCMs(t, good, manifest)
		return must(t, slices.Equal(allowConnect(hcms), inbound(hcms)), "the older filter's true stays", allowConnect(hcms))
	})},
	{code: "WS267", manifest: filter("{workloadSelector: {labels: {istio: ingressgateway}}, configPatches: [{applyTo: NETWORK_FILTER, match: {context: GATEWAY, " + matchManager + "}, patch: {operation: MERGE, value: {typed_config: {'@type': " + managerType + ", use_remote_address: false}}}}]}"), shown: behaviour(func(t *testing.T, manifest string) string {
		manifest = strings.Replace(manifest, "namespace: default", "namespace: istio-ingress", 1)
		s := cluster{objects: objects(server), configs: []string{gatewayConfig, manifest}}.start(t)
		hcms := s.hcms(s.gateway("istio-ingress", "10.0.4.1", map[string]string{"istio": "ingressgateway"}))
		return must(t, len(hcms) == 1 && hcms[0].GetUseRemoteAddress().GetValue(), "use_remote_address of the gateway stays true")
	})},
	{code: "WS269", manifest: selecting(patchOf("HTTP_ROUTE", "", "INSERT_FIRST", "{match: {prefix: /}, direct_response: {status: 200, body: {inline_bytes: '_-8='}}}")), shown: refusedByWebhook("illegal base64 data")},
}

func numbered(format string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// reachesTheNamespace shows that every workload of the filter's namespace is patched, and none of another.
func reachesTheNamespace(t *testing.T, manifest string) string {
	s := cluster{objects: objects(server, bystander, elsewhere), configs: []string{manifest}}.start(t)
	return must(t, len(allowConnect(s.hcms(server.proxy(s, "1.31.0")))) > 0 && len(allowConnect(s.hcms(bystander.proxy(s, "1.31.0")))) > 0 &&
		len(allowConnect(s.hcms(elsewhere.proxy(s, "1.31.0")))) == 0, "it reaches every workload of its namespace")
}
