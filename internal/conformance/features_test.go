// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"google.golang.org/protobuf/types/known/wrapperspb"
	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"

	"github.com/wsmesh/wsmesh/internal/conformance/judge"
	"github.com/wsmesh/wsmesh/version"
)

// An istioAtHand is the Istio that this module is built with: go.mod's, or that of a -modfile.
type istioAtHand struct {
	pseudo  string // the version of istio.io/istio
	release version.Release
	// without lists features whose release this one is, and which came into its branch later.
	without []string
}

// istios are the two that the tests know.
var istios = []istioAtHand{
	{"v0.0.0-20260827124520-eed52ebb66ad", version.MustParse("1.31.0"), nil},
	{"v0.0.0-20260423205519-b01690e6db7d", version.MustParse("1.31-dev"), []string{"default-traffic-policy", "http2-keepalive", "connection-settings", "merge-and-replace-list", "proxy-version-limit"}},
}

var atHand = func() istioAtHand {
	dir := judge.ModuleDir(config.ToRaw, "pkg")
	for _, i := range istios {
		if strings.HasSuffix(dir, "istio@"+i.pseudo) {
			return i
		}
	}
	panic("the tests do not know the Istio in " + dir + ": add it to istios")
}()

// has reports what the table of package version says of this Istio.
func (i istioAtHand) has(feature string) bool {
	if slices.Contains(i.without, feature) {
		return false
	}
	for _, f := range version.Features() {
		if f.Name == feature {
			return i.release.Supports(f)
		}
	}
	panic("there is no feature " + feature)
}

func TestIstioAtHandSaysItsRelease(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(judge.ModuleDir(config.ToRaw, "pkg"), "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := version.MustParse(strings.TrimSpace(string(text))), atHand.release; got.Compare(want) != 0 {
		t.Errorf("Istio calls itself %v, the test takes it for %v", got, want)
	}
}

// A probe finds out whether the Istio at hand has a feature.
type probe func(t *testing.T) bool

// taken reports that the API server and istiod accept a manifest.
func taken(manifest string) probe {
	return func(t *testing.T) bool { return judgeOf(t).Document([]byte(manifest)).Accepted() }
}

func refusedWith(manifest, words string) probe {
	return func(t *testing.T) bool {
		err := judgeOf(t).Document([]byte(manifest)).Err()
		return err != nil && strings.Contains(err.Error(), words)
	}
}

// changes reports that a filter changes what istiod sends.
func changes(manifest string) probe {
	return func(t *testing.T) bool { return snapshot(t, manifest) != snapshot(t) }
}

// says reports that `istioctl analyze` has a message for the manifests.
func says(code string, manifests ...string) probe {
	return func(t *testing.T) bool {
		for _, m := range analyze(t, manifests) {
			if m.Type.Code() == code {
				return true
			}
		}
		return false
	}
}

// toServer is which HTTP the client's sidecar speaks to the server, given its port, a rule and a change of the mesh.
func toServer(t *testing.T, p port, mesh func(*meshconfig.MeshConfig), rules ...string) protocol {
	p.number, p.target = 8080, 80
	w := server
	w.ports = []port{p}
	s := cluster{objects: objects(w, client), configs: rules, mesh: mesh}.start(t)
	return s.protocols(client.proxy(s, "1.31.0"))[serverCluster]
}

// notProbed are features that this module cannot show, with the reason.
var notProbed = map[string]string{
	"xds-v2-types":     "what an Envoy can load is not istiod's to show",
	"upgrade-boundary": "the documents' own; istiod shows no difference (finding WS304)",
}

var probes = map[string]probe{
	"old-connection-manager-name": changes(selecting(strings.Replace(merging(allow), hcmFilter, "envoy.http_connection_manager", 1))),
	"config-patches":              changes(good),
	"h2-upgrade-field":            taken(on(upgrade)),
	"h2-upgrade-schema":           refusedWith(on("{connectionPool: {http: {h2UpgradePolicy: MAYBE}}}"), "Unsupported value"),
	"networking-v1beta1":          taken(strings.Replace(on(upgrade), "/v1\n", "/v1beta1\n", 1)),
	"insert-first":                changes(selecting(patchOf("HTTP_FILTER", matchManager, "INSERT_FIRST", luaFilter))),
	"h2-upgrade-implemented": func(t *testing.T) bool {
		return toServer(t, port{name: "http-websocket"}, nil, on(upgrade)) == http2
	},
	"unbounded-streams": func(t *testing.T) bool {
		return httpOptions(t, clusterOf(t, serverCluster, on(upgrade))).GetExplicitHttpConfig().GetHttp2ProtocolOptions().GetMaxConcurrentStreams().GetValue() == 1073741824
	},
	"connection-manager-name": changes(good),
	"h2-upgrade-over-protocol": func(t *testing.T) bool {
		return toServer(t, port{name: "tcp-websocket"}, nil, on(upgrade)) == http2
	},
	"use-client-protocol":  refusedWith(on("{connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}"), "use client protocol must not be true"),
	"replace-operation":    changes(selecting(patchOf("HTTP_FILTER", matchRouter, "REPLACE", routerFilter))),
	"filter-class":         taken(selecting(strings.Replace(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter), "patch: {", "patch: {filterClass: STATS, ", 1))),
	"envoyfilter-priority": taken(filter("{priority: 5, workloadSelector: {labels: {app: a}}, configPatches: [" + merging(allow) + "]}")),
	"client-workload-selector": func(t *testing.T) bool {
		return toServer(t, port{name: "http"}, nil, rule("{host: "+serverHost+", workloadSelector: {matchLabels: {app: websockets-client}}, trafficPolicy: "+upgrade+"}")) == http2 &&
			toServer(t, port{name: "http"}, nil, rule("{host: "+serverHost+", workloadSelector: {matchLabels: {app: nobody}}, trafficPolicy: "+upgrade+"}")) == http1
	},
	"merge-replaces-durations": func(t *testing.T) bool {
		second := strings.Replace(selecting(merging("drain_timeout: 2s")), "{name: f,", "{name: g,", 1)
		return allInbound(serverHCMs(t, selecting(merging("drain_timeout: 1.5s")), second), func(h hcm) bool {
			return h.DrainTimeout.GetSeconds() == 2 && h.DrainTimeout.GetNanos() == 0
		})
	},
	"relative-operation-message": says("IST0151", selecting(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter))),
	"max-connection-duration": func(t *testing.T) bool {
		return httpOptions(t, clusterOf(t, serverCluster, on("{connectionPool: {tcp: {maxConnectionDuration: 60s}}}"))).GetCommonHttpProtocolOptions().GetMaxConnectionDuration().GetSeconds() == 60
	},
	"proxy-version-message": says("IST0155",
		selecting(strings.Replace(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter), "SIDECAR_INBOUND, ", "SIDECAR_INBOUND, proxy: {proxyVersion: '^1\\.31'}, ", 1), patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter))),
	"tunnel-allow-connect": func(t *testing.T) bool {
		s := cluster{ambient: true, objects: slices.Concat(behindWaypoint(server), waypointObjects), configs: waypointObjects}.start(t)
		hcms := s.hcms(s.waypoint())
		return len(allowConnect(hcms)) == 0 && slices.ContainsFunc(hcms, func(h hcm) bool {
			return strings.HasPrefix(h.at, "connect_terminate/") && h.GetHttp2ProtocolOptions().GetAllowConnect()
		})
	},
	"listener-filter-patch":  changes(selecting(patchOf("LISTENER_FILTER", "", "INSERT_FIRST", inspector))),
	"xds-v2-refused":         refusedWith(selecting(strings.Replace(merging(allow), "envoy.extensions.filters.network.http_connection_manager.v3", "envoy.config.filter.network.http_connection_manager.v2", 1)), "try using the v3 XDS API"),
	"tcp-idle-timeout":       taken(on("{connectionPool: {tcp: {idleTimeout: 60s}}}")),
	"max-concurrent-streams": taken(on("{connectionPool: {http: {maxConcurrentStreams: 5}}}")),
	"networking-v1":          taken(on(upgrade)),
	"target-refs-field":      taken(filter("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], configPatches: [" + merging(allow) + "]}")),
	"envoyfilter-warning": func(t *testing.T) bool {
		return slices.ContainsFunc(judgeOf(t).Document([]byte(good)).Warnings, func(w string) bool { return strings.HasPrefix(w, standing) })
	},
	"app-protocol-websocket": func(t *testing.T) bool {
		mesh := func(m *meshconfig.MeshConfig) { m.H2UpgradePolicy = meshconfig.MeshConfig_UPGRADE } // holds for HTTP ports alone
		return toServer(t, port{name: "tcp-x", appProtocol: "kubernetes.io/ws"}, mesh) == http2 && toServer(t, port{name: "http-x", appProtocol: "kubernetes.io/wss"}, mesh) == http1
	},
	"destinationrule-messages": says("IST0174", on(upgrade)),
	"client-protocol-over-mesh": func(t *testing.T) bool {
		return toServer(t, port{name: "http"}, func(m *meshconfig.MeshConfig) { m.H2UpgradePolicy = meshconfig.MeshConfig_UPGRADE }, on("{connectionPool: {http: {useClientProtocol: true}}}")) == follows
	},
	"target-refs-honoured": func(t *testing.T) bool {
		return !changes(filter("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], configPatches: [" + merging(allow) + "]}"))(t)
	},
	"waypoint-envoyfilter": func(t *testing.T) bool {
		patched := func(spec string) bool {
			s := cluster{ambient: true, objects: slices.Concat(behindWaypoint(server), waypointObjects), configs: append(slices.Clone(waypointObjects), filter(spec))}.start(t)
			return len(allowConnect(s.hcms(s.waypoint()))) > 0
		}
		return patched("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}], configPatches: ["+merging(allow)+"]}") &&
			!patched("{workloadSelector: {labels: {gateway.networking.k8s.io/gateway-name: waypoint}}, configPatches: ["+merging(allow)+"]}")
	},
	"merge-without-filter-panics": func(t *testing.T) bool {
		return len(inboundOfPort(serverHCMs(t, good))) == 2 &&
			len(inboundOfPort(serverHCMs(t, good, selecting(patchOf("NETWORK_FILTER", "", "MERGE", `{typed_config: {"@type": `+managerType+", server_name: x}}"))))) == 0
	},
	"upgraded-pool-settings": func(t *testing.T) bool {
		return httpOptions(t, clusterOf(t, serverCluster, on("{connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 5}}}"))).GetExplicitHttpConfig().GetHttp2ProtocolOptions().GetMaxConcurrentStreams().GetValue() == 5
	},
	"sniffed-port-ignores-upgrade": func(t *testing.T) bool {
		return toServer(t, port{name: "ws"}, nil, on(upgrade)) == follows
	},
	"header-case-keeps-http1": func(t *testing.T) bool {
		return toServer(t, port{name: "http"}, func(m *meshconfig.MeshConfig) {
			m.DefaultConfig.ProxyHeaders = &meshconfig.ProxyConfig_ProxyHeaders{PreserveHttp1HeaderCase: wrapperspb.Bool(true)}
		}, on(upgrade)) == explicit
	},
	"waypoint-context-field": taken(selecting("{applyTo: CLUSTER, match: {context: WAYPOINT, waypoint: {}}, patch: {operation: REMOVE}}")),
	"default-traffic-policy": func(t *testing.T) bool {
		s := cluster{objects: objects(server, client), mesh: func(m *meshconfig.MeshConfig) {
			m.DefaultTrafficPolicy = &meshconfig.MeshConfig_DefaultTrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: 7}}}
		}}.start(t)
		return s.cluster(client, serverCluster).CircuitBreakers.GetThresholds()[0].GetMaxConnections().GetValue() == 7
	},
	"http2-keepalive": func(t *testing.T) bool {
		return httpOptions(t, clusterOf(t, serverCluster, on("{connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 30s, timeout: 5s}}}}"))).GetExplicitHttpConfig().GetHttp2ProtocolOptions().GetConnectionKeepalive().GetInterval().GetSeconds() == 30
	},
	"connection-settings": func(t *testing.T) bool {
		s := cluster{objects: objects(server), configs: []string{gatewayConfig}, mesh: func(m *meshconfig.MeshConfig) {
			m.DefaultConfig.ConnectionSettings = &meshconfig.ProxyConfig_ConnectionSettings{Profile: meshconfig.ProxyConfig_ConnectionSettings_EDGE}
		}}.start(t)
		hcms := s.hcms(s.gateway("istio-ingress", "10.0.4.1", map[string]string{"istio": "ingressgateway"}))
		return len(hcms) == 1 && hcms[0].StreamIdleTimeout.GetSeconds() == 300
	},
	"merge-and-replace-list": changes(selecting(strings.Replace(patchOf("CLUSTER", "cluster: {name: 'inbound|80||'}", "MERGE_AND_REPLACE_LIST", "{connect_timeout: 7s}"), "SIDECAR_INBOUND", "SIDECAR_INBOUND", 1))),
	"proxy-version-limit": func(t *testing.T) bool {
		long := selecting(strings.Replace(merging(allow), "SIDECAR_INBOUND, ", "SIDECAR_INBOUND, proxy: {proxyVersion: '^1\\.31"+strings.Repeat(".*", 512)+"'}, ", 1))
		return !changes(long)(t)
	},
}

func inboundOfPort(hcms []hcm) []string {
	return slices.DeleteFunc(allowConnect(hcms), func(at string) bool { return !strings.HasPrefix(at, inboundPort) })
}

// The table of features says of the Istio at hand what it does. The table is printed with -v.
func TestFeaturesAreTrue(t *testing.T) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "feature\tsince\tuntil\there (%s)\n", atHand.pseudo)
	for _, f := range version.Features() {
		if reason, ok := notProbed[f.Name]; ok {
			fmt.Fprintf(w, "%s\t%s\t%s\tnot shown: %s\n", f.Name, f.Since, f.Until, reason)
			continue
		}
		p, ok := probes[f.Name]
		if !ok {
			t.Errorf("the feature %s has no probe", f.Name)
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			got := p(t)
			if want := atHand.has(f.Name); got != want {
				t.Errorf("%s: here %v, in the table %v (%s)", f.Name, got, want, f.Summary)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%v\n", f.Name, f.Since, f.Until, got)
		})
	}
	w.Flush()
	t.Log("\n" + table.String())
	for name := range probes {
		if !slices.ContainsFunc(version.Features(), func(f version.Feature) bool { return f.Name == name }) {
			t.Errorf("there is no feature %s", name)
		}
	}
}
