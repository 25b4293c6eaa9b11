// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"slices"
	"strings"
	"testing"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// planned returns all that a plan says: its reasons and its findings, or why there is none.
func planned(svc wsmesh.Service, mesh wsmesh.Mesh, opts wsmesh.Options) func(*testing.T) finding.List {
	return func(*testing.T) finding.List {
		plan, err := wsmesh.NewPlan(svc, mesh, opts)
		if err != nil {
			return finding.In(err)
		}
		return append(slices.Clone(plan.Decision().Reasons), plan.Findings()...)
	}
}

// serverWith is the Service of the server after a change.
func serverWith(change func(*wsmesh.Service)) wsmesh.Service {
	svc := serviceOf(server)
	change(&svc)
	return svc
}

func ruleFor(host, name string, policy networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy) *destinationrule.Rule {
	return &destinationrule.Rule{APIVersion: "networking.istio.io/v1", Name: name, Namespace: "default", Spec: &networking.DestinationRule{
		Host: host, TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{Http: &networking.ConnectionPoolSettings_HTTPSettings{H2UpgradePolicy: policy}}},
	}}
}

var pairEvidence = []evidence{
	{code: "WS301", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{HTTP1: true}), shown: noManifest("the caller's own choice")},
	{code: "WS302", typed: planned(serverWith(func(s *wsmesh.Service) { s.Ambient = true }), meshOf("1.31.0"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		ambient := server
		ambient.ambient = true
		s := cluster{ambient: true, objects: slices.Concat(behindWaypoint(ambient), waypointObjects), configs: append(slices.Clone(waypointObjects), on(upgrade))}.start(t)
		got := s.protocols(s.waypoint())[inboundVIP]
		return must(t, got == http2, "with UPGRADE the waypoint speaks HTTP/2 to the application", got)
	})},
	{code: "WS303", typed: planned(serverWith(func(s *wsmesh.Service) { s.NoSidecar = true }), meshOf("1.31.0"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		s := cluster{objects: objects(server, client), configs: []string{on(upgrade)}}.start(t)
		p := client.proxy(s, "1.31.0")
		for _, cla := range s.Endpoints(p) {
			if cla.ClusterName != serverCluster {
				continue
			}
			tls := cla.Endpoints[0].LbEndpoints[0].Metadata.GetFilterMetadata()["envoy.transport_socket_match"].GetFields()["tlsMode"].GetStringValue()
			return must(t, tls != "istio" && s.protocols(p)[serverCluster] == http2, "an endpoint without a sidecar is sent HTTP/2 all the same, in clear text", tls)
		}
		return must(t, false, "the server has an endpoint")
	})},
	{code: "WS304", typed: planned(serviceOf(server), meshOf("1.11.8"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		s := cluster{objects: objects(server), configs: []string{good}}.start(t)
		old, recent := allowConnect(s.hcms(server.proxy(s, "1.11.8"))), allowConnect(s.hcms(server.proxy(s, "1.31.0")))
		return must(t, slices.Equal(old, recent) && len(old) > 0, "istiod patches a proxy of 1.11.8 like one of 1.31.0: the boundary is the documents' own", old, recent)
	})},
	{code: "WS305", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		s := cluster{objects: objects(server, client), configs: planOf(t, serviceOf(server), meshOf("1.31.0"), wsmesh.Options{})}.start(t)
		hcms := s.hcms(server.proxy(s, "1.31.0"))
		return must(t, slices.Equal(allowConnect(hcms), inbound(hcms)) && slices.Equal(s.http2Clusters(client.proxy(s, "1.31.0")), []string{serverCluster}), "the pair is in effect on both sides")
	})},
	{code: "WS306", typed: planned(serviceOf(server), meshOf("1.11.8"), wsmesh.Options{Gateways: ingress}), shown: behaviour(func(t *testing.T, _ string) string {
		docs := planOf(t, serviceOf(server), meshOf("1.11.8"), wsmesh.Options{Gateways: ingress})
		s := cluster{objects: objects(server), configs: append([]string{gatewayConfig}, docs...)}.start(t)
		return must(t, len(allowConnect(s.hcms(s.gateway("istio-ingress", "10.0.4.1", map[string]string{"istio": "ingressgateway"})))) == 0, "the gateway is not patched")
	})},
	{code: "WS307", shown: inTraffic("TestGateway", "", "Chromium's WebSocket over HTTP/2 is answered with 400 by the application")},
	{code: "WS310", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{Base: ruleFor("other.default.svc.cluster.local", "base", 0)}), shown: behaviour(func(t *testing.T, _ string) string {
		s := cluster{objects: objects(server, client), configs: yamlOf(t, ruleFor("other.default.svc.cluster.local", "base", networking.ConnectionPoolSettings_HTTPSettings_UPGRADE))}.start(t)
		return must(t, len(s.http2Clusters(client.proxy(s, "1.31.0"))) == 0, "a rule for another host does nothing for the Service")
	})},
	{code: "WS311", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{Base: portRule()}), shown: behaviour(func(t *testing.T, _ string) string {
		naive := portRule()
		naive.Spec.TrafficPolicy.ConnectionPool = &networking.ConnectionPoolSettings{Http: &networking.ConnectionPoolSettings_HTTPSettings{H2UpgradePolicy: networking.ConnectionPoolSettings_HTTPSettings_UPGRADE}}
		without := cluster{objects: objects(server, client), configs: yamlOf(t, naive)}.start(t)
		with := cluster{objects: objects(server, client), configs: planOf(t, serviceOf(server), meshOf("1.31.0"), wsmesh.Options{Base: portRule()})}.start(t)
		return must(t, len(without.http2Clusters(client.proxy(without, "1.31.0"))) == 0 && len(with.http2Clusters(client.proxy(with, "1.31.0"))) == 1,
			"at the destination level alone the policy is lost at the port; as planned it is not")
	})},
	{code: "WS312", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{}), shown: behaviour(func(t *testing.T, _ string) string {
		baseline := func(m *meshconfig.MeshConfig) {
			m.DefaultTrafficPolicy = &meshconfig.MeshConfig_DefaultTrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: 7}}}
		}
		limit := func(rules ...string) uint32 {
			s := cluster{objects: objects(server, client), configs: rules, mesh: baseline}.start(t)
			return s.cluster(client, serverCluster).CircuitBreakers.GetThresholds()[0].GetMaxConnections().GetValue()
		}
		if !atHand.has("default-traffic-policy") {
			return must(t, limit() != 7, "this istiod does not have defaultTrafficPolicy yet")
		}
		return must(t, limit() == 7 && limit(on(upgrade)) != 7, "the rule's connectionPool drops that of the mesh", limit(), limit(on(upgrade)))
	})},
	{code: "WS313", shown: behaviour(func(t *testing.T, _ string) string { return reachesTheMesh(t, elsewhereIs("istio-system", good)) })},
	{code: "WS314", typed: planned(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{ByPods: true}), shown: behaviour(func(t *testing.T, _ string) string {
		old, recent := serverPods()
		s := cluster{objects: objects(server, client), configs: planOf(t, serviceOf(server), meshOf("1.31.0"), wsmesh.Options{ByPods: true})}.start(t)
		before, after := allowConnect(s.hcms(old.proxy(s, "1.31.0"))), allowConnect(s.hcms(recent.proxy(s, "1.31.0")))
		return must(t, len(before) == 0 && len(after) > 0 && s.protocols(client.proxy(s, "1.31.0"))[serverCluster] == http2,
			"a pod without the label is not patched, and with the rule clients speak HTTP/2 to it all the same", before, after)
	})},
	{code: "WS315", typed: planned(serverWith(mixedPorts), meshOf("1.31.0"), wsmesh.Options{Base: ruleFor(serverHost, "base", networking.ConnectionPoolSettings_HTTPSettings_UPGRADE)}), shown: behaviour(func(t *testing.T, _ string) string {
		base := ruleFor(serverHost, "base", networking.ConnectionPoolSettings_HTTPSettings_UPGRADE)
		http2With := func(configs []string) []string {
			s := cluster{objects: objects(mixed, client), configs: configs}.start(t)
			return s.http2Clusters(client.proxy(s, "1.31.0"))
		}
		before, after := http2With(yamlOf(t, base)), http2With(planOf(t, serviceOf(mixed), meshOf("1.31.0"), wsmesh.Options{Base: base}))
		return must(t, slices.Contains(before, onPort(6379)) && !slices.Contains(after, onPort(6379)) && slices.Contains(after, serverCluster),
			"the base's UPGRADE holds for a port of bytes too, and as planned for the HTTP/1 ports alone", before, after)
	})},
	{code: "WS320", shown: noManifest("the one applied last replaces the other in the API server")},
	{code: "WS321", shown: behaviour(func(t *testing.T, _ string) string {
		s := cluster{objects: objects(server, client), configs: yamlOf(t,
			ruleFor(serverHost, "old", networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE), ruleFor(serverHost, "new", networking.ConnectionPoolSettings_HTTPSettings_UPGRADE))}.start(t)
		return must(t, len(s.http2Clusters(client.proxy(s, "1.31.0"))) == 0, "the oldest rule's settings count, and the younger one's are dropped")
	})},
	{code: "WS322", shown: behaviour(func(t *testing.T, _ string) string {
		both := workload{name: "both", ip: "10.0.1.7", labels: map[string]string{"app": "websockets-server", "tier": "chat"}}
		other := strings.NewReplacer("name: f,", "name: g,", "app: websockets-server", "tier: chat").Replace(selecting(merging(allow)))
		s := cluster{objects: objects(both), configs: []string{other}}.start(t)
		return must(t, len(allowConnect(s.hcms(both.proxy(s, "1.31.0")))) > 0, "with one of the two filters gone, the other still patches the pods")
	})},
	{code: "WS323", shown: noManifest("how many Services the library remembers")},
	{code: "WS329", shown: noManifest("how many findings the library lists")},
}

// ingress is the gateway of gatewayConfig.
var ingress = []wsmesh.Gateway{{Namespace: "istio-ingress", Workload: map[string]string{"istio": "ingressgateway"}}}

// portRule is an existing rule with settings of its own for the Service's port.
func portRule() *destinationrule.Rule {
	return &destinationrule.Rule{APIVersion: "networking.istio.io/v1", Name: "base", Namespace: "default", Spec: &networking.DestinationRule{
		Host: serverHost,
		TrafficPolicy: &networking.TrafficPolicy{PortLevelSettings: []*networking.TrafficPolicy_PortTrafficPolicy{{
			Port: &networking.PortSelector{Number: 8080}, ConnectionPool: &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: 9}}}}},
	}}
}
