// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
	typev1beta1 "istio.io/api/type/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A row says where a code fires, or with an empty path that it is silent.
type row struct {
	code   string
	reason string
	list   func(testing.TB) finding.List
	path   string
}

var rows = []row{
	{"WS101", "a version that Istio never served", rule(func(r *Rule) { r.APIVersion = "networking.istio.io/v2" }), "apiVersion"},
	{"WS101", "no version", rule(func(r *Rule) { r.APIVersion = "" }), "apiVersion"},
	{"WS101", "v1", rule(func(r *Rule) { r.APIVersion = v1 }), ""},
	{"WS101", "v1alpha3", rule(func(r *Rule) { r.APIVersion = v1alpha3 }), ""},

	{"WS102", "a rule without a spec", rule(func(r *Rule) { r.Spec = nil }), "spec"},
	{"WS102", "a rule with one", spec(`{host: a.b.svc}`), ""},

	{"WS103", "tls.sni", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{Tls: &networking.ClientTLSSettings{Sni: "a\xff"}}
	}), "spec.trafficPolicy.tls.sni"},
	{"WS103", "a list of texts", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{Tls: &networking.ClientTLSSettings{SubjectAltNames: []string{"a", "\xff"}}}
	}), "spec.trafficPolicy.tls.subjectAltNames[1]"},
	{"WS103", "a key of a map", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = locality(&networking.LocalityLoadBalancerSetting{Distribute: []*networking.LocalityLoadBalancerSetting_Distribute{
			{From: "a", To: map[string]uint32{"b\xff": 100}},
		}})
	}), `spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to["b\xff"]`},
	{"WS103", "text beyond ASCII", spec(`{host: a.b.svc, trafficPolicy: {tls: {sni: "é"}}}`), ""},

	{"WS104", "a subset", rule(func(r *Rule) { r.Spec.Subsets = []*networking.Subset{{Name: "a"}, nil} }), "spec.subsets[1]"},
	{"WS104", "a port level", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{PortLevelSettings: []*networking.TrafficPolicy_PortTrafficPolicy{nil}}
	}), "spec.trafficPolicy.portLevelSettings[0]"},
	{"WS104", "a distribution", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = locality(&networking.LocalityLoadBalancerSetting{Distribute: []*networking.LocalityLoadBalancerSetting_Distribute{nil}})
	}), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0]"},
	{"WS104", "a failover", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = locality(&networking.LocalityLoadBalancerSetting{Failover: []*networking.LocalityLoadBalancerSetting_Failover{nil}})
	}), "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0]"},
	{"WS104", "a zone-aware failover", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{LoadBalancer: &networking.LoadBalancerSettings{ZoneAwareLbSetting: &networking.ZoneAwareLoadBalancerSetting{
			Failover: []*networking.ZoneAwareLoadBalancerSetting_Failover{nil},
		}}}
	}), "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.failover[0]"},
	{"WS104", "a cookie attribute", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashKey: &networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie{
			HttpCookie: &networking.LoadBalancerSettings_ConsistentHashLB_HTTPCookie{
				Name: "c", Attributes: []*networking.LoadBalancerSettings_ConsistentHashLB_HTTPCookie_Attribute{nil},
			},
		}})
	}), "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[0]"},
	{"WS104", "a cookie", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashKey: &networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie{}})
	}), "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie"},
	{"WS104", "a ring", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashAlgorithm: &networking.LoadBalancerSettings_ConsistentHashLB_RingHash_{}})
	}), "spec.trafficPolicy.loadBalancer.consistentHash.ringHash"},
	{"WS104", "a table", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashAlgorithm: &networking.LoadBalancerSettings_ConsistentHashLB_Maglev{}})
	}), "spec.trafficPolicy.loadBalancer.consistentHash.maglev"},
	{"WS104", "a hash", rule(func(r *Rule) { r.Spec.TrafficPolicy = hash(nil) }), "spec.trafficPolicy.loadBalancer.consistentHash"},
	{"WS104", "a utilization", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{LoadBalancer: &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_BackendUtilization{}}}
	}), "spec.trafficPolicy.loadBalancer.backendUtilization"},
	{"WS104", "an empty list", rule(func(r *Rule) { r.Spec.Subsets = []*networking.Subset{} }), ""},

	{"WS105", "h2UpgradePolicy", rule(func(r *Rule) {
		r.Spec.TrafficPolicy.ConnectionPool.Http.H2UpgradePolicy = 3
	}), "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"},
	{"WS105", "simple", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{LoadBalancer: &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_Simple{Simple: 6}}}
	}), "spec.trafficPolicy.loadBalancer.simple"},
	{"WS105", "mode", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{Tls: &networking.ClientTLSSettings{Mode: -1}}
	}), "spec.trafficPolicy.tls.mode"},
	{"WS105", "version", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{ProxyProtocol: &networking.TrafficPolicy_ProxyProtocol{Version: 2}}
	}), "spec.trafficPolicy.proxyProtocol.version"},
	{"WS105", "a builder's policy", build(Builder{Name: "a", H2Upgrade: 3}), "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"},
	{"WS105", "a builder's port", build(Builder{Name: "a", Ports: []PortPolicy{{Number: 80, H2Upgrade: -1}}}), "spec.trafficPolicy.portLevelSettings[0].connectionPool.http.h2UpgradePolicy"},
	{"WS105", "a builder's subset", build(Builder{Name: "a", Subsets: []SubsetPolicy{{Name: "v1", H2Upgrade: 9}}}), "spec.subsets[0].trafficPolicy.connectionPool.http.h2UpgradePolicy"},
	{"WS149", "a port of a rule with a tunnel", forPort(`{host: a.b.svc, trafficPolicy: {tunnel: {targetHost: a, targetPort: 80}}}`), "spec.trafficPolicy.tunnel"},
	{"WS149", "a port of a rule with what port levels have", forPort(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}}}`), ""},
	{"WS105", "the policy of WithH2Upgrade", func(t testing.TB) finding.List {
		_, err := plain().WithH2Upgrade(7)
		return errorList(t, err)
	}, "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"},
	{"WS105", "every value of the API", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {simple: UNSPECIFIED}, tls: {mode: ISTIO_MUTUAL}, proxyProtocol: {version: V2}}}`), ""},

	{"WS106", "nanoseconds of a second", pool(func(p *networking.ConnectionPoolSettings) { p.Http.IdleTimeout = &durationpb.Duration{Nanos: 1e9} }), "spec.trafficPolicy.connectionPool.http.idleTimeout"},
	{"WS106", "two signs", pool(func(p *networking.ConnectionPoolSettings) {
		p.Tcp.ConnectTimeout = &durationpb.Duration{Seconds: 1, Nanos: -1}
	}), "spec.trafficPolicy.connectionPool.tcp.connectTimeout"},
	{"WS106", "more than istiod can read, in a field without bounds", spec(`{host: a.b.svc, trafficPolicy: {retryBudget: {budgetInterval: 9223372037s}}}`), "spec.trafficPolicy.retryBudget.budgetInterval"},
	{"WS106", "a cookie's ttl", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: -315576000000s}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl"},
	{"WS106", "a weight's", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {backendUtilization: {weightExpirationPeriod: 9223372037s}}}}`), "spec.trafficPolicy.loadBalancer.backendUtilization.weightExpirationPeriod"},
	{"WS106", "the longest that istiod reads", spec(`{host: a.b.svc, trafficPolicy: {retryBudget: {budgetInterval: 9223372036.854775807s}}}`), ""},
	{"WS106", "the shortest", spec(`{host: a.b.svc, trafficPolicy: {retryBudget: {budgetInterval: -9223372036.854775808s}}}`), ""},

	{"WS107", "a part of a millisecond", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {interval: 1.0005s}}}`), "spec.trafficPolicy.outlierDetection.interval"},
	{"WS107", "less than 1ms", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {baseEjectionTime: 0s}}}`), "spec.trafficPolicy.outlierDetection.baseEjectionTime"},
	{"WS107", "http.idleTimeout 0s, which Istio takes for tcp alone", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {idleTimeout: 0s}}}}`), "spec.trafficPolicy.connectionPool.http.idleTimeout"},
	{"WS107", "tcp.idleTimeout that is more than nothing", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {idleTimeout: -1s}}}}`), "spec.trafficPolicy.connectionPool.tcp.idleTimeout"},
	{"WS107", "a keepalive", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 0.0001s}}}}}`), "spec.trafficPolicy.connectionPool.tcp.tcpKeepalive.time"},
	{"WS107", "the deprecated warmup", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {warmupDurationSecs: 0.0009s}}}`), "spec.trafficPolicy.loadBalancer.warmupDurationSecs"},
	{"WS107", "1ms", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {interval: 0.001s}}}`), ""},
	{"WS107", "tcp.idleTimeout 0s turns it off", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 0s}}}}`), ""},
	{"WS107", "the schema takes parts of a millisecond here", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {warmupDurationSecs: 1.0005s}}}`), ""},

	{"WS108", "a negative count", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {http2MaxRequests: -1}}}}`), "spec.trafficPolicy.connectionPool.http.http2MaxRequests"},
	{"WS108", "a percentage", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}`), "spec.trafficPolicy.outlierDetection.maxEjectionPercent"},
	{"WS108", "a percentage with a fraction", spec(`{host: a.b.svc, trafficPolicy: {retryBudget: {percent: 100.5}}}`), "spec.trafficPolicy.retryBudget.percent"},
	{"WS108", "NaN", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{RetryBudget: &networking.TrafficPolicy_RetryBudget{Percent: wrapperspb.Double(math.NaN())}}
	}), "spec.trafficPolicy.retryBudget.percent"},
	{"WS108", "an HTTP status", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {outlierDetectionHttpErrorCodes: [100, 599, 600]}}}`), "spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[2]"},
	{"WS108", "the aggression of a warmup", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {warmup: {duration: 1s, aggression: 0}}}}`), "spec.trafficPolicy.loadBalancer.warmup.aggression"},
	{"WS108", "infinity", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{LoadBalancer: &networking.LoadBalancerSettings{
			Warmup: &networking.WarmupConfiguration{Duration: durationpb.New(1e9), Aggression: wrapperspb.Double(math.Inf(1))},
		}}
	}), "spec.trafficPolicy.loadBalancer.warmup.aggression"},
	{"WS108", "minClusterSize", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {minClusterSize: 0}}}}`), "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.minClusterSize"},
	{"WS108", "a number that the API server cannot read", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {ringHash: {minimumRingSize: "9223372036854775808"}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.ringHash.minimumRingSize"},
	{"WS108", "the port of a tunnel", spec(`{host: a.b.svc, trafficPolicy: {tunnel: {targetHost: proxy.example.com, targetPort: 65536}}}`), "spec.trafficPolicy.tunnel.targetPort"},
	{"WS108", "the threshold of failures", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {failurePercentageThreshold: 101}}}`), "spec.trafficPolicy.outlierDetection.failurePercentageThreshold"},
	{"WS108", "all at their limits", spec(`{host: a.b.svc, trafficPolicy: {retryBudget: {percent: 100}, outlierDetection: {maxEjectionPercent: 100, minHealthPercent: 0, failurePercentageThreshold: 100}, loadBalancer: {warmup: {duration: 1s, minimumPercent: 0, aggression: 0.1}}}}`), ""},

	{"WS109", "a keepalive without an interval", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {http2KeepAlive: {timeout: 1s}}}}}`), "spec.trafficPolicy.connectionPool.http.http2KeepAlive.interval"},
	{"WS109", "a warmup without a duration", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {warmup: {}}}}`), "spec.trafficPolicy.loadBalancer.warmup.duration"},
	{"WS109", "a port level without a port", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{tls: {}}]}}`), "spec.trafficPolicy.portLevelSettings[0].port"},
	{"WS109", "one of two port levels without a port", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}, {tls: {}}]}}`), "spec.trafficPolicy.portLevelSettings[1].port"},
	{"WS109", "a cookie without a name", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name"},
	{"WS109", "an attribute without a name", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, attributes: [{value: x}]}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[0].name"},
	{"WS109", "MUTUAL without a certificate", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: MUTUAL, privateKey: k}}}`), "spec.trafficPolicy.tls.clientCertificate"},
	{"WS109", "MUTUAL without a key", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: c}}}`), "spec.trafficPolicy.tls.privateKey"},
	{"WS109", "MUTUAL with a credential", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: MUTUAL, credentialName: c}}}`), ""},
	{"WS109", "a whole keepalive", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 1s, timeout: 1s}}}}}`), ""},

	{"WS110", "port levels", rule(func(r *Rule) { r.Spec.TrafficPolicy.PortLevelSettings = portLevels(4097) }), "spec.trafficPolicy.portLevelSettings"},
	{"WS110", "labels of a selector", rule(func(r *Rule) { r.Spec.WorkloadSelector = selector(4097) }), "spec.workloadSelector.matchLabels"},
	{"WS110", "as many as there may be", rule(func(r *Rule) {
		r.Spec.TrafficPolicy.PortLevelSettings, r.Spec.WorkloadSelector = portLevels(4096), selector(4096)
	}), ""},

	{"WS111", "no host", spec(`{}`), "spec.host"},
	{"WS111", "an underscore", spec(`{host: a_b.svc}`), "spec.host"},
	{"WS111", "an IPv4 address", spec(`{host: 10.0.0.1}`), "spec.host"},
	{"WS111", "a wildcard in the second label", spec(`{host: a.*.svc}`), "spec.host"},
	{"WS111", "a wildcard at the end of a label", spec(`{host: "a*.b.svc"}`), "spec.host"},
	{"WS111", "a wildcard and nothing of the label", spec(`{host: "*-.b.svc"}`), "spec.host"},
	{"WS111", "an empty label", spec(`{host: a..svc}`), "spec.host"},
	{"WS111", "a label of 64 bytes", spec(`{host: ` + strings.Repeat("a", 64) + `.b.svc}`), "spec.host"},
	{"WS111", "a wildcard label of 64 bytes", spec(`{host: "*` + strings.Repeat("a", 63) + `.b.svc"}`), "spec.host"},
	{"WS111", "256 bytes", spec(`{host: ` + strings.Repeat("a.", 127) + `ab}`), "spec.host"},
	{"WS111", "255 bytes", spec(`{host: ` + strings.Repeat("a.", 127) + `a}`), ""},
	{"WS111", "every form of wildcard", func(t testing.TB) finding.List {
		var list finding.List
		for _, host := range []string{"*", "*.b.svc", "*a.b.svc", "*-a.b.svc", "*a"} {
			list = append(list, spec(`{host: "`+host+`"}`)(t)...)
		}
		return list
	}, ""},
	{"WS111", "upper case, a dot at the end, a number alone", func(t testing.TB) finding.List {
		var list finding.List
		for _, host := range []string{"A.B.Svc", "a.b.svc.", "123", "a.b.99999999999999999999"} {
			list = append(list, spec(`{host: "`+host+`"}`)(t)...)
		}
		return list
	}, ""},

	{"WS112", "~ is for ServiceEntry and Service", spec(`{host: a.b.svc, exportTo: ["~"]}`), "spec.exportTo[0]"},
	{"WS112", "an empty entry", spec(`{host: a.b.svc, exportTo: [a, ""]}`), "spec.exportTo[1]"},
	{"WS112", "a namespace with upper case, which Istio takes", spec(`{host: a.b.svc, exportTo: [Foo]}`), ""},

	{"WS113", "the same namespace", spec(`{host: a.b.svc, exportTo: [a, b, a]}`), "spec.exportTo[2]"},
	{"WS113", "the rule's own by name", spec(`{host: a.b.svc, exportTo: [default, .]}`), "spec.exportTo[1]"},
	{"WS113", "maybe the rule's own", rule(func(r *Rule) { r.Namespace, r.Spec.ExportTo = "", []string{"foo", "."} }), "spec.exportTo[1]"},
	{"WS113", "two namespaces", spec(`{host: a.b.svc, exportTo: [., foo]}`), ""},
	{"WS113", "the rule's own alone, whichever it is", rule(func(r *Rule) { r.Namespace, r.Spec.ExportTo = "", []string{"."} }), ""},

	{"WS114", "all and one more", spec(`{host: a.b.svc, exportTo: [a, "*"]}`), "spec.exportTo[1]"},
	{"WS114", "all", spec(`{host: a.b.svc, exportTo: ["*"]}`), ""},

	{"WS115", "another namespace", spec(`{host: a.b.svc, exportTo: [foo], workloadSelector: {matchLabels: {app: a}}}`), "spec.exportTo[0]"},
	{"WS115", "all namespaces", spec(`{host: a.b.svc, exportTo: ["*"], workloadSelector: {matchLabels: {app: a}}}`), "spec.exportTo[0]"},
	{"WS115", "another beside its own", spec(`{host: a.b.svc, exportTo: [., foo], workloadSelector: {matchLabels: {app: a}}}`), "spec.exportTo[1]"},
	{"WS115", "its own, by either name", func(t testing.TB) finding.List {
		return append(spec(`{host: a.b.svc, exportTo: [.], workloadSelector: {matchLabels: {app: a}}}`)(t),
			spec(`{host: a.b.svc, exportTo: [default], workloadSelector: {matchLabels: {app: a}}}`)(t)...)
	}, ""},

	{"WS116", "a wildcard in the value", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {app: "a*"}}}`), `spec.workloadSelector.matchLabels.app`},
	{"WS116", "a wildcard in the key", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {"a*": a}}}`), `spec.workloadSelector.matchLabels["a*"]`},
	{"WS116", "no key", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {"": a}}}`), `spec.workloadSelector.matchLabels[""]`},
	{"WS116", "a long value", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {app: ` + strings.Repeat("a", 64) + `}}}`), `spec.workloadSelector.matchLabels.app`},
	{"WS116", "not UTF-8", rule(func(r *Rule) {
		r.Spec.WorkloadSelector = &typev1beta1.WorkloadSelector{MatchLabels: map[string]string{"app": "\xff"}}
	}), `spec.workloadSelector.matchLabels.app`},
	{"WS116", "63 characters of two bytes", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {app: ` + strings.Repeat("é", 63) + `}}}`), ""},

	{"WS117", "no name", spec(`{host: a.b.svc, subsets: [{labels: {v: a}}]}`), "spec.subsets[0].name"},
	{"WS117", "a dot", spec(`{host: a.b.svc, subsets: [{name: v1.2}]}`), "spec.subsets[0].name"},
	{"WS117", "64 bytes", spec(`{host: a.b.svc, subsets: [{name: ` + strings.Repeat("a", 64) + `}]}`), "spec.subsets[0].name"},
	{"WS117", "63 bytes", spec(`{host: a.b.svc, subsets: [{name: ` + strings.Repeat("a", 63) + `}]}`), ""},
	{"WS117", "upper case, which Istio takes", spec(`{host: a.b.svc, subsets: [{name: V1}]}`), ""},

	{"WS118", "the same name", spec(`{host: a.b.svc, subsets: [{name: v1}, {name: v2}, {name: v1}]}`), "spec.subsets[2].name"},
	{"WS118", "another name", spec(`{host: a.b.svc, subsets: [{name: v1}, {name: V1}]}`), ""},

	{"WS119", "a value", spec(`{host: a.b.svc, subsets: [{name: v1, labels: {app: "a b"}}]}`), `spec.subsets[0].labels.app`},
	{"WS119", "a key", spec(`{host: a.b.svc, subsets: [{name: v1, labels: {"a/b/c": a}}]}`), `spec.subsets[0].labels["a/b/c"]`},
	{"WS119", "a prefix", spec(`{host: a.b.svc, subsets: [{name: v1, labels: {"a_b/c": a}}]}`), `spec.subsets[0].labels["a_b/c"]`},
	{"WS119", "a long prefix", spec(`{host: a.b.svc, subsets: [{name: v1, labels: {"` + strings.Repeat("a", 254) + `/c": a}}]}`), `spec.subsets[0].labels["` + strings.Repeat("a", 254) + `/c"]`},
	{"WS119", "no key", spec(`{host: a.b.svc, subsets: [{name: v1, labels: {"": a}}]}`), `spec.subsets[0].labels[""]`},
	{"WS119", "an empty value, a prefix, a long label in the prefix", spec(`{host: a.b.svc, subsets: [{name: v1, labels: {app: "", "a.b/c_d.e": v1.2, "` + strings.Repeat("a", 64) + `/c": a}}]}`), ""},

	{"WS120", "an empty policy", spec(`{host: a.b.svc, trafficPolicy: {}}`), "spec.trafficPolicy"},
	{"WS120", "an empty list is not written", rule(func(r *Rule) {
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{PortLevelSettings: []*networking.TrafficPolicy_PortTrafficPolicy{}}
	}), "spec.trafficPolicy"},
	{"WS120", "in a subset", spec(`{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {}}]}`), "spec.subsets[0].trafficPolicy"},
	{"WS120", "any field does", spec(`{host: a.b.svc, trafficPolicy: {retryBudget: {}}}`), ""},

	{"WS121", "both", spec(`{host: a.b.svc, trafficPolicy: {proxyProtocol: {}, tunnel: {targetHost: a.b.svc, targetPort: 80}}}`), "spec.trafficPolicy.proxyProtocol"},
	{"WS121", "one", spec(`{host: a.b.svc, trafficPolicy: {proxyProtocol: {}}}`), ""},

	{"WS122", "a port alone", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}}`), "spec.trafficPolicy.portLevelSettings[0]"},
	{"WS122", "a setting without content", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}}`), ""},

	{"WS123", "an empty pool", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {}}}`), "spec.trafficPolicy.connectionPool"},
	{"WS123", "at a port", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {}}]}}`), "spec.trafficPolicy.portLevelSettings[0].connectionPool"},
	{"WS123", "a block without content", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {}}}}`), ""},

	{"WS124", "both", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}}`), "spec.trafficPolicy.connectionPool.http.useClientProtocol"},
	{"WS124", "in Base", build(Builder{Name: "a", H2Upgrade: Upgrade, Base: clientProtocol("a")}), "spec.trafficPolicy.connectionPool.http.useClientProtocol"},
	{"WS124", "DO_NOT_UPGRADE", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE, useClientProtocol: true}}}}`), ""},

	{"WS125", "without the split", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 5}}}`), "spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures"},
	{"WS125", "with it", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 5, splitExternalLocalOriginErrors: true}}}`), ""},
	{"WS125", "zero failures", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 0}}}`), ""},

	{"WS126", "both", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 9, ringHash: {}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.minimumRingSize"},
	{"WS126", "the size within ringHash", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 9}}}}}`), ""},

	{"WS127", "no prime", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: 9}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"},
	{"WS127", "even", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: 65536}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"},
	{"WS127", "not set", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"},
	{"WS127", "the prime that is too large", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: 5000011}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"},
	{"WS127", "primes", func(t testing.TB) finding.List {
		var list finding.List
		for _, size := range []int{1, 2, 3, 5, 23, 65537, 4999999} {
			list = append(list, spec(fmt.Sprintf(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: %d}}}}}`, size))(t)...)
		}
		return list
	}, ""},

	{"WS128", "the same attribute", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, attributes: [{name: a}, {name: a}]}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[1].name"},
	{"WS128", "two attributes", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, attributes: [{name: a}, {name: b}]}}}}}`), ""},

	{"WS129", "both", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {}, zoneAwareLbSetting: {}}}}`), "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting"},
	{"WS129", "one", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {minClusterSize: 1}}}}`), ""},

	{"WS130", "both", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}], failover: [{from: a, to: b}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.failover"},
	{"WS130", "distribute alone", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}]}}}}`), ""},

	{"WS131", "beside failover", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}], failoverPriority: [x, topology.kubernetes.io/zone]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority[1]"},
	{"WS131", "for zone-aware balancing", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {zoneAwareLbSetting: {failoverPriority: [topology.istio.io/subzone]}}}}`), "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.failoverPriority[0]"},
	{"WS131", "without failover", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [topology.kubernetes.io/region]}}}}`), ""},
	{"WS131", "with a value", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {zoneAwareLbSetting: {failoverPriority: [topology.istio.io/network=n1]}}}}`), ""},

	{"WS132", "not 100", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 50, c: 49}}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to"},
	{"WS132", "no weights", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to"},
	{"WS132", "a weight of 0", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100, c: 0}}]}}}}`), `spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to.c`},
	{"WS132", "a weight of 101", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 101}}]}}}}`), `spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to.b`},
	{"WS132", "100 in one", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}]}}}}`), ""},
	{"WS132", "100", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 99, c: 1}}]}}}}`), ""},

	{"WS133", "an empty zone", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a//b, to: {c: 100}}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].from"},
	{"WS133", "a wildcard within", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {"*/b": 100}}]}}}}`), `spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to["*/b"]`},
	{"WS133", "two wildcards", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: "*/*", to: {c: 100}}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].from"},
	{"WS133", "every form", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a/b/c, to: {a/b/*: 50, d/*: 50}}, {from: "*", to: {"us*": 100}}]}}}}`), ""},

	{"WS134", "the same", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}, {from: a, to: {b: 100}}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].from"},
	{"WS134", "after the wildcard", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: "*", to: {b: 100}}, {from: a, to: {b: 100}}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].from"},
	{"WS134", "after the wildcard of its region", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a/*, to: {b: 100}}, {from: a/b/c, to: {b: 100}}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].from"},
	{"WS134", "after its zone", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a/b, to: {b: 100}}, {from: a/b/c, to: {b: 100}}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].from"},
	{"WS134", "a region after a zone of it", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a/b, to: {b: 100}}, {from: a, to: {b: 100}}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].from"},
	{"WS134", "in a map, where istiod has no order, the narrower one is named", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {a/!x: 50, a/*: 50}}]}}}}`), `spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to["a/!x"]`},
	{"WS134", "in a map, two wildcards", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {a/b/*: 50, a/*: 50}}]}}}}`), `spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to["a/b/*"]`},
	{"WS134", "a wildcard after what it holds is for the rest", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a/b/c, to: {b: 100}}, {from: a/b/*, to: {b: 100}}, {from: a/*, to: {b: 100}}, {from: "*", to: {b: 100}}]}}}}`), ""},

	{"WS135", "a zone", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: a/b, to: c}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0]"},
	{"WS135", "a wildcard", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {zoneAwareLbSetting: {failover: [{from: a, to: "*"}]}}}}`), "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.failover[0]"},
	{"WS135", "the same region", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: a, to: a}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0]"},
	{"WS135", "two regions", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}}}`), ""},

	{"WS136", "SIMPLE with a credential", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true, credentialName: c}}}`), "spec.trafficPolicy.tls.insecureSkipVerify"},
	{"WS136", "MUTUAL with a CA", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: MUTUAL, insecureSkipVerify: true, clientCertificate: c, privateKey: k, caCertificates: ca}}}`), "spec.trafficPolicy.tls.insecureSkipVerify"},
	{"WS136", "SIMPLE with names", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]}}}`), "spec.trafficPolicy.tls.insecureSkipVerify"},
	{"WS136", "MUTUAL with a credential, which may hold the client's part only", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: MUTUAL, insecureSkipVerify: true, credentialName: c}}}`), ""},
	{"WS136", "ISTIO_MUTUAL is not looked at", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, insecureSkipVerify: true, caCertificates: c}}}`), ""},
	{"WS136", "false", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: false, caCertificates: c}}}`), ""},

	{"WS137", "both", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c, caCertificates: ca}}}`), "spec.trafficPolicy.tls.credentialName"},
	{"WS137", "a revocation list", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: MUTUAL, credentialName: c, caCrl: crl}}}`), "spec.trafficPolicy.tls.credentialName"},
	{"WS137", "the credential alone", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c}}}`), ""},

	{"WS138", "another namespace", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, credentialName: "configmap://foo/ca"}}}`), "spec.trafficPolicy.tls.credentialName"},
	{"WS138", "no name", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, credentialName: "configmap://default/"}}}`), "spec.trafficPolicy.tls.credentialName"},
	{"WS138", "no namespace", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, credentialName: "configmap://ca"}}}`), "spec.trafficPolicy.tls.credentialName"},
	{"WS138", "a rule without a namespace cannot be shown to be in that of the ConfigMap", rule(func(r *Rule) {
		r.Namespace = ""
		r.Spec.TrafficPolicy = &networking.TrafficPolicy{Tls: &networking.ClientTLSSettings{CredentialName: "configmap://default/ca"}}
	}), "spec.trafficPolicy.tls.credentialName"},
	{"WS138", "its own namespace", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, credentialName: "configmap://default/ca"}}}`), ""},

	{"WS139", "lower case", spec(`{host: a.b.svc, trafficPolicy: {tunnel: {protocol: connect, targetHost: a.b.svc, targetPort: 80}}}`), "spec.trafficPolicy.tunnel.protocol"},
	{"WS139", "POST", spec(`{host: a.b.svc, trafficPolicy: {tunnel: {protocol: POST, targetHost: a.b.svc, targetPort: 80}}}`), ""},

	{"WS140", "a wildcard", spec(`{host: a.b.svc, trafficPolicy: {tunnel: {targetHost: "*.b.svc", targetPort: 80}}}`), "spec.trafficPolicy.tunnel.targetHost"},
	{"WS140", "none", spec(`{host: a.b.svc, trafficPolicy: {tunnel: {targetPort: 80}}}`), "spec.trafficPolicy.tunnel.targetHost"},
	{"WS140", "256 bytes", spec(`{host: a.b.svc, trafficPolicy: {tunnel: {targetHost: ` + strings.Repeat("a.", 127) + `ab, targetPort: 80}}}`), "spec.trafficPolicy.tunnel.targetHost"},
	{"WS140", "255 bytes", spec(`{host: a.b.svc, trafficPolicy: {tunnel: {targetHost: ` + strings.Repeat("a.", 127) + `a, targetPort: 80}}}`), ""},
	{"WS140", "an IPv6 address", spec(`{host: a.b.svc, trafficPolicy: {tunnel: {targetHost: "::1", targetPort: 80}}}`), ""},

	{"WS141", "two hosts", build(Builder{Name: "a", Host: "a.b.svc", Base: &networking.DestinationRule{Host: "c.d.svc"}}), "spec.host"},
	{"WS141", "the same host", build(Builder{Name: "a", Host: "a.b.svc", Base: &networking.DestinationRule{Host: "a.b.svc"}}), ""},
	{"WS141", "Base's host is kept", build(Builder{Name: "a", Base: &networking.DestinationRule{Host: "c.d.svc"}}), ""},

	{"WS142", "port 0", build(Builder{Name: "a", Ports: []PortPolicy{{H2Upgrade: Upgrade}}}), "spec.trafficPolicy.portLevelSettings[0].port.number"},
	{"WS142", "port 65536", build(Builder{Name: "a", Ports: []PortPolicy{{Number: 80, H2Upgrade: Upgrade}, {Number: 65536, H2Upgrade: Upgrade}}}), "spec.trafficPolicy.portLevelSettings[1].port.number"},
	{"WS142", "port 65535", build(Builder{Name: "a", Ports: []PortPolicy{{Number: 65535, H2Upgrade: Upgrade}}}), ""},

	{"WS143", "a port", build(Builder{Name: "a", Ports: []PortPolicy{{Number: 80, H2Upgrade: Upgrade}, {Number: 80, H2Upgrade: DoNotUpgrade}}}), "spec.trafficPolicy.portLevelSettings[0].port.number"},
	{"WS143", "a subset", build(Builder{Name: "a", Subsets: []SubsetPolicy{{Name: "v1"}, {Name: "v1"}}}), "spec.subsets[0].name"},
	{"WS143", "two of each", build(Builder{
		Name:    "a",
		Ports:   []PortPolicy{{Number: 80, H2Upgrade: Upgrade}, {Number: 81, H2Upgrade: Upgrade}},
		Subsets: []SubsetPolicy{{Name: "v1"}, {Name: "v2"}},
	}), ""},

	{"WS144", "a port that writes nothing", build(Builder{Name: "a", H2Upgrade: Upgrade, Ports: []PortPolicy{{Number: 80}}}), "spec.trafficPolicy.portLevelSettings[0].connectionPool.http.h2UpgradePolicy"},
	{"WS144", "a port that says so", build(Builder{Name: "a", H2Upgrade: Upgrade, Ports: []PortPolicy{{Number: 80, H2Upgrade: DoNotUpgrade}}}), ""},

	{"WS161", "service and namespace", spec(`{host: websockets-server.default}`), "spec.host"},
	{"WS161", "a full name", spec(`{host: websockets-server.default.svc.cluster.local}`), ""},
	{"WS161", "a dot at the end", spec(`{host: websockets-server.}`), ""},
	{"WS161", "a wildcard", spec(`{host: "*.local"}`), ""},

	{"WS162", "no namespace", rule(func(r *Rule) { r.Namespace, r.Spec.Host = "", "websockets-server" }), "spec.host"},
	{"WS162", "a namespace", rule(func(r *Rule) { r.Spec.Host = "websockets-server" }), ""},
	{"WS162", "the wildcard for all hosts", rule(func(r *Rule) { r.Namespace, r.Spec.Host = "", "*" }), ""},

	{"WS163", "UPGRADE for a domain", spec(`{host: "*.default.svc.cluster.local", trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`), "spec.host"},
	{"WS163", "UPGRADE for a port of a domain", spec(`{host: "*.default.svc.cluster.local", trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}`), "spec.host"},
	{"WS163", "DO_NOT_UPGRADE breaks nothing", spec(`{host: "*.default.svc.cluster.local", trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}}`), ""},

	{"WS164", "a port with TLS settings alone", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [{port: {number: 8080}, tls: {mode: ISTIO_MUTUAL}}]}}`), "spec.trafficPolicy.portLevelSettings[0]"},
	{"WS164", "DO_NOT_UPGRADE is lost too", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}, portLevelSettings: [{port: {number: 8080}, connectionPool: {tcp: {maxConnections: 1}}}]}}`), "spec.trafficPolicy.portLevelSettings[0]"},
	{"WS164", "a port of a subset, from the destination", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}]}}]}`), "spec.subsets[0].trafficPolicy.portLevelSettings[0]"},
	{"WS164", "a port of a subset, from the same port", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}]}}]}`), "spec.subsets[0].trafficPolicy.portLevelSettings[0]"},
	{"WS164", "a port of a subset, from the subset", spec(`{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [{port: {number: 80}, tls: {}}]}}]}`), "spec.subsets[0].trafficPolicy.portLevelSettings[0]"},
	{"WS164", "a policy of its own", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [{port: {number: 8080}, connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}]}}`), ""},
	{"WS164", "a protocol of its own", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [{port: {number: 8080}, connectionPool: {http: {useClientProtocol: true}}}]}}`), ""},
	{"WS164", "nothing to lose", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}, {port: {number: 81}, tls: {}}]}, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 81}, tls: {}}]}}]}`), ""},

	{"WS165", "a pool with tcp alone", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}, subsets: [{name: v1, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}]}`), "spec.subsets[0].trafficPolicy.connectionPool"},
	{"WS165", "the policy of a port", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}]}, subsets: [{name: v1, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}]}`), "spec.subsets[0].trafficPolicy.connectionPool"},
	{"WS165", "no pool", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}, subsets: [{name: v1, trafficPolicy: {tls: {}}}, {name: v2}]}`), ""},
	{"WS165", "no policy to lose", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}, subsets: [{name: v1, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}]}`), ""},

	{"WS166", "selected clients", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {app: a}}, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`), "spec.workloadSelector"},
	{"WS166", "clients of one namespace", spec(`{host: a.b.svc, exportTo: [.], trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`), "spec.exportTo"},
	{"WS166", "the same by name", spec(`{host: a.b.svc, exportTo: [default], subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}]}`), "spec.exportTo"},
	{"WS166", "more namespaces", spec(`{host: a.b.svc, exportTo: [., istio-ingress], trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`), ""},
	{"WS166", "DO_NOT_UPGRADE", spec(`{host: a.b.svc, exportTo: [.], trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}}`), ""},

	{"WS167", "http without content", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {}}}}`), "spec.trafficPolicy.connectionPool"},
	{"WS167", "DEFAULT is not written", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DEFAULT}, tcp: {}}}}`), "spec.trafficPolicy.connectionPool"},
	{"WS167", "a keepalive without content is a setting", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {}, tcp: {tcpKeepalive: {}}}}}`), ""},

	{"WS168", "a minute", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 60s}}}}`), "spec.trafficPolicy.connectionPool.tcp.idleTimeout"},
	{"WS168", "Istio's own hour", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 3600s}}}}`), ""},
	{"WS168", "none", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 0s}}}}`), ""},
	{"WS168", "http.idleTimeout runs only while no request is open, and a WebSocket is one", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {idleTimeout: 60s}}}}`), ""},

	{"WS169", "an hour", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 3600s}}}}`), "spec.trafficPolicy.connectionPool.tcp.maxConnectionDuration"},
	{"WS169", "not set", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {maxConnections: 100}}}}`), ""},

	{"WS170", "one request a connection", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxRequestsPerConnection: 1}}}}`), "spec.trafficPolicy.connectionPool.http.maxRequestsPerConnection"},
	{"WS170", "over HTTP/1.1 each WebSocket has a connection anyway", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE, maxRequestsPerConnection: 1}}}}`), ""},

	{"WS171", "the client's protocol", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}`), "spec.trafficPolicy.connectionPool.http.useClientProtocol"},
	{"WS171", "false", spec(`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {useClientProtocol: false, maxRetries: 1}}}}`), ""},

	{"WS172", "no labels", spec(`{host: a.b.svc, workloadSelector: {}}`), "spec.workloadSelector"},
	{"WS172", "labels", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {app: a}}}`), ""},

	{"WS173", "a value of a selector", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {app: "a b"}}}`), `spec.workloadSelector.matchLabels.app`},
	{"WS173", "a key of a selector", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {"A.b/c": a}}}`), `spec.workloadSelector.matchLabels["A.b/c"]`},
	{"WS173", "a long value of a subset, which Istio takes", spec(`{host: a.b.svc, subsets: [{name: v1, labels: {app: ` + strings.Repeat("a", 64) + `}}]}`), `spec.subsets[0].labels.app`},
	{"WS173", "labels of pods", spec(`{host: a.b.svc, workloadSelector: {matchLabels: {app.kubernetes.io/name: A_b}}, subsets: [{name: v1, labels: {version: v1}}]}`), ""},

	{"WS174", "port 0", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {}, tls: {}}]}}`), "spec.trafficPolicy.portLevelSettings[0].port.number"},
	{"WS174", "port 65536", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 65536}, tls: {}}]}}`), "spec.trafficPolicy.portLevelSettings[0].port.number"},
	{"WS174", "port 443", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {}}]}}`), ""},

	{"WS175", "the same port", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}, {port: {number: 80}, tls: {}}]}}`), "spec.trafficPolicy.portLevelSettings[1]"},
	{"WS175", "two ports", spec(`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}, {port: {number: 81}, tls: {}}]}}`), ""},

	{"WS176", "set", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {consecutiveErrors: 5}}}`), "spec.trafficPolicy.outlierDetection.consecutiveErrors"},
	{"WS176", "its successor", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5}}}`), ""},

	{"WS177", "set", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 9}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.minimumRingSize"},
	{"WS177", "its successor", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 9}}}}}`), ""},

	{"WS178", "failover alone", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}}}`), "spec.trafficPolicy.loadBalancer.localityLbSetting"},
	{"WS178", "zone-aware, at a port: the port inherits no outlierDetection", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, portLevelSettings: [{port: {number: 80}, loadBalancer: {zoneAwareLbSetting: {failoverPriority: [x]}}}]}}`), "spec.trafficPolicy.portLevelSettings[0].loadBalancer.zoneAwareLbSetting"},
	{"WS178", "with outlierDetection", spec(`{host: a.b.svc, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}}}`), ""},

	{"WS179", "a ring", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 8388609}}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.ringHash.minimumRingSize"},
	{"WS179", "an SNI", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, sni: ` + strings.Repeat("a", 256) + `}}}`), "spec.trafficPolicy.tls.sni"},
	{"WS179", "a header without a name", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: ""}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.httpHeaderName"},
	{"WS179", "a parameter without a name", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {httpQueryParameterName: ""}}}}`), "spec.trafficPolicy.loadBalancer.consistentHash.httpQueryParameterName"},
	{"WS179", "all at their limits", spec(`{host: a.b.svc, trafficPolicy: {tls: {sni: ` + strings.Repeat("a", 255) + `}, loadBalancer: {consistentHash: {httpHeaderName: x-user, ringHash: {minimumRingSize: 8388608}}}}}`), ""},

	{"WS180", "a host alone", spec(`{host: a.b.svc}`), "spec"},
	{"WS180", "a subset", spec(`{host: a.b.svc, subsets: [{name: v1}]}`), ""},

	{"WS181", "less", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {backendUtilization: {weightUpdatePeriod: 0.099s}}}}`), "spec.trafficPolicy.loadBalancer.backendUtilization.weightUpdatePeriod"},
	{"WS181", "less than nothing, at a port of a subset", spec(`{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, loadBalancer: {backendUtilization: {weightUpdatePeriod: -1s}}}]}}]}`), "spec.subsets[0].trafficPolicy.portLevelSettings[0].loadBalancer.backendUtilization.weightUpdatePeriod"},
	{"WS181", "the least", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {backendUtilization: {weightUpdatePeriod: 0.1s}}}}`), ""},
	{"WS181", "none, and no least for the others", spec(`{host: a.b.svc, trafficPolicy: {loadBalancer: {backendUtilization: {weightStabilizationPeriod: 0s, weightExpirationPeriod: 0s}}}}`), ""},

	{"WS182", "the mesh's own certificates", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, caCertCredentialName: c}}}`), "spec.trafficPolicy.tls.caCertCredentialName"},
	{"WS182", "no TLS", spec(`{host: a.b.svc, trafficPolicy: {tls: {caCertCredentialName: c}}}`), "spec.trafficPolicy.tls.caCertCredentialName"},
	{"WS182", "SIMPLE", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE, caCertCredentialName: c}}}`), ""},
	{"WS182", "MUTUAL", spec(`{host: a.b.svc, trafficPolicy: {tls: {mode: MUTUAL, credentialName: d, caCertCredentialName: c}}}`), ""},
}

// TestRows checks each row: where the code fires, it is the only error, at its path and complete; where it is
// silent, there is no error at all.
func TestRows(t *testing.T) {
	for _, r := range rows {
		t.Run(r.code+"/"+r.reason, func(t *testing.T) {
			list := r.list(t)
			var fired finding.List
			for _, f := range list {
				switch {
				case f.Code == r.code:
					fired = append(fired, f)
				case f.Severity == finding.SeverityError:
					t.Errorf("another error: %v", f)
				}
			}
			if r.path == "" {
				if len(fired) > 0 {
					t.Errorf("fired: %v", fired)
				}
				return
			}
			if len(fired) == 0 || fired[0].Path != r.path {
				t.Fatalf("got %v, want %s at %s", list, r.code, r.path)
			}
			f := fired[0]
			if f.Message == "" || f.Hint == "" || f.Source == "" || !strings.HasPrefix(f.Object, "DestinationRule ") {
				t.Errorf("incomplete: %#v", f)
			}
		})
	}
}

// TestEveryCodeHasRows fails where a code of this package has no row that fires or none that is silent.
func TestEveryCodeHasRows(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		if r.path != "" {
			fires[r.code] = true
		} else {
			silent[r.code] = true
		}
	}
	known := map[string]bool{}
	for _, c := range Rules() {
		if c.Code < "WS101" || c.Code > "WS199" {
			continue
		}
		known[c.Code] = true
		if !fires[c.Code] || !silent[c.Code] {
			t.Errorf("%s: a row that fires: %t, a silent row: %t", c.Code, fires[c.Code], silent[c.Code])
		}
		if c.Meaning == "" || c.Source == "" {
			t.Errorf("%s has no meaning or source", c.Code)
		}
		if want := finding.SeverityError; (c.Code < "WS161") != (c.Severity == want) {
			t.Errorf("%s has severity %v", c.Code, c.Severity)
		}
	}
	for _, r := range rows {
		if !known[r.code] {
			t.Errorf("%s is not in the table", r.code)
		}
	}
}

// The ways to make a row's findings.

func spec(text string) func(testing.TB) finding.List {
	return func(t testing.TB) finding.List {
		r := plain()
		r.Spec = parseSpec(t, text)
		return r.Validate()
	}
}

// rule changes a good rule with UPGRADE.
func rule(change func(*Rule)) func(testing.TB) finding.List {
	return func(testing.TB) finding.List {
		r := plain()
		change(r)
		return r.Validate()
	}
}

func pool(change func(*networking.ConnectionPoolSettings)) func(testing.TB) finding.List {
	return rule(func(r *Rule) {
		p := r.Spec.GetTrafficPolicy().GetConnectionPool()
		p.Tcp = &networking.ConnectionPoolSettings_TCPSettings{}
		change(p)
	})
}

func build(b Builder) func(testing.TB) finding.List {
	return func(t testing.TB) finding.List {
		r, err := b.Build()
		if (r == nil) == (err == nil) {
			t.Errorf("Build returned both or neither: %v, %v", r, err)
		}
		if err == nil {
			return r.Validate()
		}
		return errorList(t, err)
	}
}

func plain() *Rule {
	return &Rule{APIVersion: v1beta1, Name: "websockets-server", Namespace: "default", Spec: &networking.DestinationRule{
		Host: "websockets-server.default.svc.cluster.local",
		TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{
			Http: &networking.ConnectionPoolSettings_HTTPSettings{H2UpgradePolicy: networking.ConnectionPoolSettings_HTTPSettings_UPGRADE},
		}},
	}}
}

// parseSpec reads a spec with protojson and not with Parse, so that the tests of Validate stand alone.
func parseSpec(t testing.TB, text string) *networking.DestinationRule {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := &networking.DestinationRule{}
	if err := protojson.Unmarshal(j, s); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func locality(l *networking.LocalityLoadBalancerSetting) *networking.TrafficPolicy {
	return &networking.TrafficPolicy{LoadBalancer: &networking.LoadBalancerSettings{LocalityLbSetting: l}, OutlierDetection: &networking.OutlierDetection{}}
}

func hash(h *networking.LoadBalancerSettings_ConsistentHashLB) *networking.TrafficPolicy {
	return &networking.TrafficPolicy{LoadBalancer: &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_ConsistentHash{ConsistentHash: h}}}
}

func portLevels(n int) []*networking.TrafficPolicy_PortTrafficPolicy {
	list := make([]*networking.TrafficPolicy_PortTrafficPolicy, n)
	for i := range list {
		list[i] = &networking.TrafficPolicy_PortTrafficPolicy{Port: &networking.PortSelector{Number: uint32(i + 1)}, Tls: &networking.ClientTLSSettings{}}
	}
	return list
}

func selector(n int) *typev1beta1.WorkloadSelector {
	labels := make(map[string]string, n)
	for i := range n {
		labels[fmt.Sprintf("l%d", i)] = "x"
	}
	return &typev1beta1.WorkloadSelector{MatchLabels: labels}
}

func clientProtocol(host string) *networking.DestinationRule {
	return &networking.DestinationRule{Host: host, TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{
		Http: &networking.ConnectionPoolSettings_HTTPSettings{UseClientProtocol: true},
	}}}
}

func errorList(t testing.TB, err error) finding.List {
	t.Helper()
	list := finding.In(err)
	if list == nil {
		t.Fatalf("got %v, want a finding.List", err)
	}
	return list
}

// forPort sets the policy of one port of a rule with the spec.
func forPort(spec string) func(testing.TB) finding.List {
	return func(t testing.TB) finding.List {
		r := plain()
		r.Spec = parseSpec(t, spec)
		_, err := r.WithPortH2Upgrade(Upgrade, 80)
		return finding.In(err)
	}
}
