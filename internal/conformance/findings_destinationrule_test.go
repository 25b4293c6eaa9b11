// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"
	k8svalidation "k8s.io/apimachinery/pkg/util/validation"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const serverHost = "websockets-server.default.svc.cluster.local"

// handmade validates a rule that a program filled in.
func handmade(spec *networking.DestinationRule) func(*testing.T) finding.List {
	return func(*testing.T) finding.List {
		return (&destinationrule.Rule{APIVersion: "networking.istio.io/v1", Name: "r", Namespace: "default", Spec: spec}).Validate()
	}
}

// unwritable shows that protobuf itself cannot write the message: no manifest of it ever reaches a cluster.
func unwritable(m proto.Message) proof {
	return proof{"never reaches Istio", func(t *testing.T, _ string) string {
		_, err := protojson.Marshal(m)
		if err == nil {
			t.Errorf("protojson writes %v", m)
			return ""
		}
		return err.Error()
	}}
}

// clusterOf returns the cluster of that name that the proxy of the client gets, with these rules in the mesh.
func clusterOf(t *testing.T, name string, rules ...string) *clusterv3.Cluster {
	t.Helper()
	s := cluster{objects: objects(server, client), configs: rules}.start(t)
	return s.cluster(client, name)
}

// cluster returns one cluster of a workload's sidecar.
func (s *istiod) cluster(w workload, name string) *clusterv3.Cluster {
	s.t.Helper()
	for _, c := range s.Clusters(w.proxy(s, "1.31.0")) {
		if c.Name == name {
			return c
		}
	}
	s.t.Fatalf("%s has no cluster %s", w.name, name)
	return nil
}

func httpOptions(t *testing.T, c *clusterv3.Cluster) *upstreamsv3.HttpProtocolOptions {
	t.Helper()
	o := &upstreamsv3.HttpProtocolOptions{}
	if a := c.TypedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]; a != nil {
		if err := a.UnmarshalTo(o); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// must fails the test where the claim does not hold, and returns the claim.
func must(t *testing.T, holds bool, claim string, seen ...any) string {
	t.Helper()
	if !holds {
		t.Errorf("it does not hold that %s; seen: %v", claim, seen)
	}
	return claim
}

// loses shows that the policy of the destination does not reach a cluster of the client.
func loses(name, claim string) proof {
	return behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(server, client), configs: []string{manifest}}.start(t)
		got := s.protocols(client.proxy(s, "1.31.0"))
		return must(t, got[name] == http1, claim, got)
	})
}

// wide is a ServiceEntry with endpoints in two regions, for the rules about localities.
const wide = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wide, namespace: default}
spec:
  hosts: [wide.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints:
  - {address: 10.9.0.1, locality: region1/zone1}
  - {address: 10.9.0.2, locality: region2/zone1}
`

// priorities are those of the endpoints of wide for a client in region1.
func priorities(t *testing.T, rule string) []uint32 {
	t.Helper()
	s := cluster{objects: objects(client), configs: []string{wide, rule}}.start(t)
	p := client.proxy(s, "1.31.0")
	p.Locality = &corev3.Locality{Region: "region1", Zone: "zone1"}
	var out []uint32
	for _, cla := range s.Endpoints(p) {
		if strings.Contains(cla.ClusterName, "wide.example.com") {
			for _, l := range cla.Endpoints {
				out = append(out, l.Priority)
			}
		}
	}
	return out
}

const upgrade = "{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}"

// on is a rule for the server with this trafficPolicy.
func on(trafficPolicy string) string {
	return rule("{host: " + serverHost + ", trafficPolicy: " + trafficPolicy + "}")
}

var destinationRuleEvidence = []evidence{
	{code: "WS101", typed: func(*testing.T) finding.List {
		return (&destinationrule.Rule{APIVersion: "networking.istio.io/v2", Name: "r", Spec: &networking.DestinationRule{Host: "a"}}).Validate()
	}, shown: proof{"refused by CRD", func(t *testing.T, _ string) string {
		return refusal(t, "apiVersion: networking.istio.io/v2\nkind: DestinationRule\nmetadata: {name: r}\nspec: {host: a}\n", "no matches for kind", true)
	}}},
	{code: "WS102", typed: handmade(nil), shown: proof{"refused by webhook", func(t *testing.T, _ string) string {
		return refusal(t, "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\n", "domain name", false)
	}}},
	{code: "WS103", typed: handmade(&networking.DestinationRule{Host: "a.b.c", Subsets: []*networking.Subset{{Name: "v1", TrafficPolicy: &networking.TrafficPolicy{Tls: &networking.ClientTLSSettings{Sni: "a\xff"}}}}}), shown: unwritable(&networking.ClientTLSSettings{Sni: "a\xff"})},
	{code: "WS104", typed: handmade(&networking.DestinationRule{Host: "a.b.c", Subsets: []*networking.Subset{nil}}), shown: proof{"refused by CRD", func(t *testing.T, _ string) string {
		return refusal(t, rule("{host: a.b.c, subsets: [null]}"), "must be of type object", true)
	}}},
	{code: "WS105", typed: handmade(&networking.DestinationRule{Host: "a.b.c", TrafficPolicy: &networking.TrafficPolicy{Tls: &networking.ClientTLSSettings{Mode: 99}}}), shown: proof{"refused by CRD", func(t *testing.T, _ string) string {
		return refusal(t, on("{tls: {mode: 99}}"), "Unsupported value", true)
	}}},
	{code: "WS106", typed: handmade(&networking.DestinationRule{Host: "a.b.c", TrafficPolicy: &networking.TrafficPolicy{OutlierDetection: &networking.OutlierDetection{Interval: &durationpb.Duration{Seconds: 1, Nanos: -1}}}}), shown: unwritable(&durationpb.Duration{Seconds: 1, Nanos: -1})},
	{code: "WS107", manifest: on("{connectionPool: {http: {idleTimeout: 0s}}}"), shown: refusedByCRD("must be a valid duration greater than 1ms")},
	{code: "WS107", manifest: on("{connectionPool: {http: {idleTimeout: 1.0005s}}}"), shown: refusedByWebhook("only durations to ms precision are supported")},
	{code: "WS108", manifest: on("{connectionPool: {http: {maxRetries: -1}}}"), shown: refusedByWebhook("max retries must be non-negative")},
	{code: "WS108", manifest: on("{outlierDetection: {failurePercentageThreshold: 101}}"), shown: refusedByCRD("should be less than or equal to 100")},
	{code: "WS109", manifest: on("{connectionPool: {http: {http2KeepAlive: {interval: 1s}}}}"), shown: from131(refusedByWebhook("http2 keepalive timeout is required"))},
	{code: "WS110", manifest: on("{portLevelSettings: [" + strings.Repeat("{port: {number: 80}, tls: {}}, ", 4097) + "]}"), shown: refusedByCRD("Too many: 4097: must have at most 4096 items")},
	{code: "WS111", manifest: rule("{host: a_b.c}"), shown: refusedByWebhook("domain name")},
	{code: "WS112", manifest: rule("{host: a.b.c, exportTo: [A_b]}"), shown: refusedByWebhook("only .,*, or a valid DNS 1123 label is allowed")},
	{code: "WS113", manifest: rule("{host: a.b.c, exportTo: [x, x]}"), shown: refusedByWebhook("duplicate entries in exportTo")},
	{code: "WS114", manifest: rule("{host: a.b.c, exportTo: ['*', x]}"), shown: refusedByWebhook("cannot have both public (*) and non-public exportTo values")},
	{code: "WS115", manifest: rule("{host: a.b.c, exportTo: [x], workloadSelector: {matchLabels: {app: a}}}"), shown: refusedByWebhook("cannot have exportTo beyond current namespace")},
	{code: "WS116", manifest: rule("{host: a.b.c, workloadSelector: {matchLabels: {app: '*'}}}"), shown: refusedByCRD("wildcard not allowed in label value match")},
	{code: "WS117", manifest: rule("{host: a.b.c, subsets: [{name: A_b}]}"), shown: refusedByWebhook("subset name is invalid")},
	{code: "WS118", manifest: rule("{host: a.b.c, subsets: [{name: a}, {name: a}]}"), shown: refusedByWebhook("duplicate subset names")},
	{code: "WS119", manifest: rule("{host: a.b.c, subsets: [{name: a, labels: {app: 'a b'}}]}"), shown: refusedByWebhook("invalid tag value")},
	{code: "WS120", manifest: on("{}"), shown: refusedByWebhook("traffic policy must have at least one field")},
	{code: "WS121", manifest: on("{proxyProtocol: {}, tunnel: {targetHost: a.b.c, targetPort: 80}}"), shown: refusedByWebhook("tunnel and proxyProtocol must not be set together")},
	{code: "WS122", manifest: on("{portLevelSettings: [{port: {number: 80}}]}"), shown: refusedByWebhook("port traffic policy must have at least one field")},
	{code: "WS123", manifest: on("{connectionPool: {}}"), shown: refusedByWebhook("connection pool must have at least one field")},
	{code: "WS124", manifest: on("{connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}"), shown: refusedByWebhook("use client protocol must not be true when H2UpgradePolicy is UPGRADE")},
	{code: "WS125", manifest: on("{outlierDetection: {consecutiveLocalOriginFailures: 5}}"), shown: refusedByWebhook("split external local origin errors is set to false")},
	{code: "WS126", manifest: on("{loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 9, ringHash: {}}}}"), shown: refusedByWebhook("only one of MinimumRingSize or Maglev/Ringhash can be specified")},
	{code: "WS127", manifest: on("{loadBalancer: {consistentHash: {maglev: {tableSize: 9}}}}"), shown: refusedByWebhook("tableSize must be a prime number for maglev")},
	{code: "WS128", manifest: on("{loadBalancer: {consistentHash: {httpCookie: {name: c, attributes: [{name: a}, {name: a}]}}}}"), shown: refusedByWebhook("duplicate cookie attribute name")},
	{code: "WS129", manifest: on("{loadBalancer: {localityLbSetting: {}, zoneAwareLbSetting: {}}}"), shown: from131(refusedByWebhook("only one of localityLbSetting and zoneAwareLbSetting can be set"))},
	{code: "WS130", manifest: on("{outlierDetection: {}, loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}], failover: [{from: a, to: b}]}}}"), shown: refusedByWebhook("can not simultaneously specify 'distribute' and 'failover'")},
	{code: "WS131", manifest: on("{outlierDetection: {}, loadBalancer: {zoneAwareLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}}}"), shown: from131(refusedByWebhook("must not use topology label"))},
	{code: "WS132", manifest: on("{loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 50, c: 49}}]}}}"), shown: refusedByWebhook("total locality weight 99 != 100")},
	{code: "WS133", manifest: on("{loadBalancer: {localityLbSetting: {distribute: [{from: a//b, to: {c: 100}}]}}}"), shown: refusedByWebhook("must not contain empty region/zone/subzone")},
	{code: "WS134", manifest: on("{loadBalancer: {localityLbSetting: {distribute: [{from: a/*, to: {b: 100}}, {from: a/b/c, to: {b: 100}}]}}}"), shown: refusedByWebhook("overlap")},
	{code: "WS135", manifest: on("{outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: a, to: a}]}}}"), shown: refusedByWebhook("must specify different regions")},
	{code: "WS136", manifest: on("{tls: {mode: SIMPLE, insecureSkipVerify: true, caCertificates: ca}}"), shown: refusedByWebhook("when InsecureSkipVerify is set true")},
	{code: "WS137", manifest: on("{tls: {mode: SIMPLE, credentialName: c, caCertificates: ca}}"), shown: refusedByWebhook("cannot specify client certificates or CA certificate or CA CRL If credentialName is set")},
	{code: "WS138", manifest: on("{tls: {mode: SIMPLE, credentialName: 'configmap://foo/ca'}}"), shown: refusedByWebhook("namespace")},
	{code: "WS139", manifest: on("{tunnel: {protocol: connect, targetHost: a.b.c, targetPort: 80}}"), shown: refusedByWebhook(`tunnel protocol must be "CONNECT" or "POST"`)},
	{code: "WS140", manifest: on("{tunnel: {targetHost: '*.b.c', targetPort: 80}}"), shown: refusedByWebhook("tunnel target host must be valid FQDN or IP address")},
	{code: "WS141", shown: noManifest("what a Builder was given")},
	{code: "WS142", shown: noManifest("what a Builder was given")},
	{code: "WS143", shown: noManifest("what a Builder was given")},
	{code: "WS144", shown: noManifest("what a Builder was given")},
	{code: "WS149", typed: func(*testing.T) finding.List {
		rule, err := destinationrule.Parse([]byte(on("{retryBudget: {minRetryConcurrency: 7}}")))
		if err != nil {
			return finding.In(err)
		}
		_, err = rule.WithPortH2Upgrade(destinationrule.Upgrade, 8080)
		return finding.In(err)
	}, shown: behaviour(func(t *testing.T, _ string) string {
		budget := func(levels string) uint32 {
			c := clusterOf(t, serverCluster, on("{retryBudget: {minRetryConcurrency: 7}"+levels+"}"))
			return c.CircuitBreakers.GetThresholds()[0].GetRetryBudget().GetMinRetryConcurrency().GetValue()
		}
		return must(t, budget("") == 7 && budget(", portLevelSettings: [{port: {number: 8080}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]") == 0,
			"the port level drops the destination's retryBudget, and has none")
	})},

	{code: "WS161", manifest: rule("{host: websockets-server.default, trafficPolicy: " + upgrade + "}"),
		shown: loses(serverCluster, "the rule is for no Service: the client's cluster stays at HTTP/1.1")},
	{code: "WS162", manifest: strings.Replace(rule("{host: websockets-server, trafficPolicy: "+upgrade+"}"), ", namespace: default", "", 1), shown: behaviour(func(t *testing.T, manifest string) string {
		here := cluster{objects: objects(server, client), configs: []string{manifest}}.start(t)
		there := cluster{objects: objects(server, client), configs: []string{strings.Replace(manifest, "{name: r", "{namespace: other, name: r", 1)}}.start(t)
		return must(t, len(here.http2Clusters(client.proxy(here, "1.31.0"))) == 1 && len(there.http2Clusters(client.proxy(there, "1.31.0"))) == 0,
			"applied to the Service's namespace it upgrades, to another it does not")
	})},
	{code: "WS163", manifest: rule("{host: '*.example.com', trafficPolicy: " + upgrade + "}"), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(client), configs: []string{wide, manifest}}.start(t)
		got := s.http2Clusters(client.proxy(s, "1.31.0"))
		return must(t, slices.Equal(got, []string{"outbound|80||wide.example.com"}), "an external host is sent HTTP/2", got)
	})},
	{code: "WS164", manifest: on("{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [{port: {number: 8080}, tls: {mode: ISTIO_MUTUAL}}]}"),
		shown: loses(serverCluster, "the port level has no h2UpgradePolicy and drops that of the destination")},
	{code: "WS165", manifest: rule("{host: " + serverHost + ", trafficPolicy: " + upgrade + ", subsets: [{name: v1, labels: {app: websockets-server}, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}]}"),
		shown: loses("outbound|8080|v1|"+serverHost, "the subset's connectionPool drops the policy of the destination")},
	{code: "WS166", manifest: rule("{host: " + serverHost + ", exportTo: [.], trafficPolicy: " + upgrade + "}"), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(server, client, elsewhere), configs: []string{manifest, gatewayConfig}}.start(t)
		near, far := s.http2Clusters(client.proxy(s, "1.31.0")), s.http2Clusters(elsewhere.proxy(s, "1.31.0"))
		gateway := s.http2Clusters(s.gateway("istio-ingress", "10.0.4.1", map[string]string{"istio": "ingressgateway"}))
		return must(t, len(near) == 1 && len(far) == 0 && len(gateway) == 0, "clients and gateways of other namespaces are not upgraded", near, far, gateway)
	})},
	{code: "WS166", manifest: rule("{host: " + serverHost + ", workloadSelector: {matchLabels: {app: websockets-client}}, trafficPolicy: " + upgrade + "}"), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(server, client, bystander), configs: []string{manifest}}.start(t)
		chosen, other := s.http2Clusters(client.proxy(s, "1.31.0")), s.http2Clusters(bystander.proxy(s, "1.31.0"))
		return must(t, len(chosen) == 1 && len(other) == 0, "the selector chooses clients: others are not upgraded", chosen, other)
	})},
	{code: "WS167", manifest: rule("{host: " + serverHost + ", trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}, subsets: [{name: v1, labels: {app: websockets-server}, trafficPolicy: {connectionPool: {http: {}}}}]}"), shown: behaviour(func(t *testing.T, manifest string) string {
		limit := func(name string) uint32 {
			return clusterOf(t, name, manifest).CircuitBreakers.GetThresholds()[0].GetMaxConnections().GetValue()
		}
		return must(t, limit(serverCluster) == 7 && limit("outbound|8080|v1|"+serverHost) != 7, "the subset's empty connectionPool drops the destination's maxConnections")
	})},
	{code: "WS168", manifest: on("{connectionPool: {tcp: {idleTimeout: 60s}}}"), shown: behaviour(func(t *testing.T, manifest string) string {
		tcp := server
		tcp.ports = []port{{8080, 80, "tcp-websocket", ""}}
		s := cluster{objects: objects(tcp, client), configs: []string{manifest}}.start(t)
		for _, l := range s.Listeners(client.proxy(s, "1.31.0")) {
			for _, chain := range l.FilterChains {
				for _, f := range chain.Filters {
					p := &tcpproxyv3.TcpProxy{}
					if f.GetTypedConfig().UnmarshalTo(p) == nil && p.GetCluster() == serverCluster {
						return must(t, p.IdleTimeout.GetSeconds() == 60, "the TCP proxy of the client ends a connection that is silent for so long", p.IdleTimeout)
					}
				}
			}
		}
		return must(t, false, "there is a TCP proxy for the port")
	})},
	{code: "WS169", manifest: on("{connectionPool: {tcp: {maxConnectionDuration: 3600s}}}"), shown: behaviour(func(t *testing.T, manifest string) string {
		o := httpOptions(t, clusterOf(t, serverCluster, manifest)).GetCommonHttpProtocolOptions()
		return must(t, o.GetMaxConnectionDuration().GetSeconds() == 3600, "the client's cluster gets max_connection_duration", o)
	})},
	{code: "WS170", manifest: on("{connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxRequestsPerConnection: 1}}}"), shown: behaviour(func(t *testing.T, manifest string) string {
		o := httpOptions(t, clusterOf(t, serverCluster, manifest))
		return must(t, o.GetCommonHttpProtocolOptions().GetMaxRequestsPerConnection().GetValue() == 1 && o.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil,
			"the HTTP/2 cluster gets max_requests_per_connection", o)
	})},
	{code: "WS171", manifest: on("{connectionPool: {http: {useClientProtocol: true}}}"), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(server, client), configs: []string{manifest}}.start(t)
		got := s.protocols(server.proxy(s, "1.31.0"))["inbound|80||"]
		return must(t, got == follows, "the server's proxy speaks the client's protocol to the application", got)
	})},
	{code: "WS172", manifest: rule("{host: " + serverHost + ", workloadSelector: {}, trafficPolicy: " + upgrade + "}"), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(server, client, bystander), configs: []string{manifest}}.start(t)
		return must(t, len(s.http2Clusters(client.proxy(s, "1.31.0"))) == 1 && len(s.http2Clusters(bystander.proxy(s, "1.31.0"))) == 1, "every workload of the namespace has the rule")
	})},
	{code: "WS173", manifest: rule("{host: " + serverHost + ", subsets: [{name: v1, labels: {version: " + strings.Repeat("a", 64) + "}}]}"), shown: proof{"rules of Kubernetes", func(t *testing.T, manifest string) string {
		if err := judgeOf(t).Document([]byte(manifest)).Err(); err != nil {
			t.Errorf("Istio refuses it: %v", err)
		}
		reasons := k8svalidation.IsValidLabelValue(strings.Repeat("a", 64))
		return must(t, len(reasons) == 1, "Istio takes the label, and a pod cannot have it: "+strings.Join(reasons, ""))
	}}},
	{code: "WS174", manifest: on("{portLevelSettings: [{port: {number: 65536}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}"), shown: behaviour(func(t *testing.T, manifest string) string {
		s := cluster{objects: objects(server, client), configs: []string{manifest}}.start(t)
		got := s.http2Clusters(client.proxy(s, "1.31.0"))
		return must(t, len(got) == 0, "no cluster is changed", got)
	})},
	{code: "WS175", manifest: on("{portLevelSettings: [{port: {number: 8080}, connectionPool: {tcp: {maxConnections: 7}}}, {port: {number: 8080}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}"),
		shown: loses(serverCluster, "the second entry for the port does nothing")},
	{code: "WS176", manifest: on("{outlierDetection: {interval: 5s, consecutiveErrors: 3}}"), shown: behaviour(func(t *testing.T, manifest string) string {
		with, without := clusterOf(t, serverCluster, manifest), clusterOf(t, serverCluster, on("{outlierDetection: {interval: 5s}}"))
		return must(t, with.OutlierDetection != nil && proto.Equal(with.OutlierDetection, without.OutlierDetection), "the cluster is the same without it", with.OutlierDetection)
	})},
	{code: "WS177", manifest: on("{loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 9}}}"), shown: warnedOf("consistent hash MinimumRingSize is deprecated")},
	{code: "WS178", manifest: rule("{host: wide.example.com, trafficPolicy: {loadBalancer: {localityLbSetting: {enabled: true, failover: [{from: region1, to: region2}]}}}}"), shown: behaviour(func(t *testing.T, manifest string) string {
		without := priorities(t, manifest)
		with := priorities(t, strings.Replace(manifest, "trafficPolicy: {", "trafficPolicy: {outlierDetection: {interval: 5s}, ", 1))
		slices.Sort(with)
		return must(t, slices.Equal(without, []uint32{0, 0}) && slices.Equal(with, []uint32{0, 1}), "both regions have the same priority; with outlierDetection the other region comes second", without, with)
	})},
	{code: "WS179", manifest: on("{loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 8388609}}}}"), shown: behaviour(func(t *testing.T, manifest string) string {
		err := clusterOf(t, serverCluster, manifest).ValidateAll()
		return must(t, err != nil && strings.Contains(err.Error(), "MinimumRingSize"), "istiod sends a cluster that breaks Envoy's rules (minimum_ring_size)", err)
	})},
	{code: "WS180", manifest: rule("{host: " + serverHost + "}"), shown: behaviour(func(t *testing.T, manifest string) string {
		dump := func(rules ...string) string {
			s := cluster{objects: objects(server, client), configs: rules}.start(t)
			var all []string
			for _, c := range s.Clusters(client.proxy(s, "1.31.0")) {
				c.Metadata = nil // names the rule that was applied
				all = append(all, fmt.Sprint(proto.MarshalOptions{Deterministic: true}.Marshal(c)))
			}
			slices.SortFunc(all, cmp.Compare[string])
			return strings.Join(all, "\n")
		}
		return must(t, dump(manifest) == dump(), "every cluster is the same without it")
	})},
	{code: "WS181", manifest: on("{loadBalancer: {backendUtilization: {weightUpdatePeriod: 0.05s}}}"), shown: saidOfTheAPI("destination_rule.proto",
		"Minimum 100ms. Default is 1s. +protoc-gen-crd:duration-validation:none google.protobuf.Duration weight_update_period")},
	{code: "WS182", manifest: on("{tls: {mode: ISTIO_MUTUAL, caCertCredentialName: c}}"), shown: saidOfTheAPI("destination_rule.proto",
		"Applies to `SIMPLE` and `MUTUAL` TLS modes. Should be empty when using `ISTIO_MUTUAL`.")},
}
