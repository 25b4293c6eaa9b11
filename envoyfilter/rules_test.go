// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An input is an EnvoyFilter from one of its three origins, and what this package says about it.
type input func(t *testing.T) finding.List

// text is the spec of a manifest, which is parsed and validated.
func text(format string, args ...any) input {
	return func(t *testing.T) finding.List {
		f, err := Parse(manifestOf(fmt.Sprintf(format, args...)))
		if err != nil {
			return listOf(t, err)
		}
		return f.Validate()
	}
}

// built is a builder, whose filter is validated where there is one.
func built(b Builder) input {
	return func(t *testing.T) finding.List {
		b.Name, b.Namespace = "f", "ns"
		f, err := b.Build()
		if err != nil {
			if f != nil {
				t.Errorf("Build returned a filter together with the error %v", err)
			}
			return listOf(t, err)
		}
		list := f.Validate()
		if list.Err() != nil {
			t.Errorf("Build lets through what Validate refuses: %v", list.Err())
		}
		return list
	}
}

// patched is a builder with one patch.
func patched(p Patch) input {
	return built(Builder{Workload: map[string]string{"app": "a"}, Patches: []Patch{p}})
}

// made is a spec that a program has filled in by hand.
func made(spec *networking.EnvoyFilter) input {
	return func(*testing.T) finding.List {
		return (&Filter{Name: "f", Namespace: "ns", Spec: spec}).Validate()
	}
}

func manifestOf(spec string) []byte {
	return []byte("apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: f, namespace: ns}\nspec: " + spec + "\n")
}

func listOf(t *testing.T, err error) finding.List {
	t.Helper()
	list := finding.In(err)
	if list == nil {
		t.Fatalf("the error is no finding.List: %v", err)
	}
	return list
}

// patches is a spec with a selector and these patches.
func patches(p ...string) string {
	return "{workloadSelector: {labels: {app: a}}, configPatches: [" + strings.Join(p, ", ") + "]}"
}

// manager is a MERGE into the HttpConnectionManager, with these fields beside the "@type".
func manager(fields string) string {
	if fields != "" {
		fields = ", " + fields
	}
	return `{applyTo: NETWORK_FILTER, match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}},
 patch: {operation: MERGE, value: {typed_config: {"@type": type.googleapis.com/` + httpConnectionManager + fields + `}}}}`
}

// patchOf is a patch in the context of what a sidecar accepts, with more of a match and of a patch.
func patchOf(applyTo, match, operation, value string) string {
	if match != "" {
		match = ", " + match
	}
	if value != "" {
		value = ", value: " + value
	}
	return fmt.Sprintf("{applyTo: %s, match: {context: SIDECAR_INBOUND%s}, patch: {operation: %s%s}}", applyTo, match, operation, value)
}

const (
	routerFilter    = `{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}`
	luaFilter       = `{name: lua, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: "x"}}}`
	echoFilter      = `{name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}`
	inspectorFilter = `{name: i, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}`
	matchManager    = `listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}`
	matchRouter     = `listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}`
	matchInspector  = `listener: {listenerFilter: envoy.filters.listener.http_inspector}`
	clusterValue    = `{name: c, connect_timeout: 1s}`
	routeValue      = `{name: r, match: {prefix: /}, direct_response: {status: 200}}`
)

func labels(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("k%d", i)] = "v"
	}
	return m
}

func flow(m map[string]string) string {
	var parts []string
	for k, v := range m {
		parts = append(parts, k+": "+v)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func anyOf(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return a
}

// spec is a spec with one patch that merges the value into the HttpConnectionManager.
func spec(value *structpb.Struct) *networking.EnvoyFilter {
	return &networking.EnvoyFilter{
		WorkloadSelector: &networking.WorkloadSelector{Labels: map[string]string{"app": "a"}},
		ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{
			ApplyTo: networking.EnvoyFilter_CLUSTER,
			Match:   &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: networking.EnvoyFilter_SIDECAR_OUTBOUND},
			Patch:   &networking.EnvoyFilter_Patch{Operation: networking.EnvoyFilter_Patch_MERGE, Value: value},
		}},
	}
}

func object1(key string, v *structpb.Value) *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{key: v}}
}

// edited is a good spec after edit.
func edited(edit func(*networking.EnvoyFilter)) input {
	s := spec(object1("name", structpb.NewStringValue("c")))
	edit(s)
	return made(s)
}

func hcm(m *hcmv3.HttpConnectionManager) input {
	return patched(MergeHTTPConnectionManager(SidecarInbound, m))
}

var goodManager = text("%s", patches(manager("http2_protocol_options: {allow_connect: true}")))

// rules has for each code the inputs for which it is reported, at the path, and similar ones for which it is not:
// those are without any error.
var rules = []struct {
	code   string
	reason string
	path   string // relative to spec.configPatches[0] where it begins with "."
	fires  input
	silent input
}{
	{"WS201", "a filter without a target hits the whole namespace, so it must be said", "spec.workloadSelector",
		built(Builder{Patches: []Patch{AllowConnect(Gateway)}}),
		built(Builder{Patches: []Patch{AllowConnect(Gateway)}, AllWorkloads: true})},
	{"WS201", "an empty map selects as little as none", "spec.workloadSelector",
		built(Builder{Workload: map[string]string{}, Patches: []Patch{AllowConnect(Gateway)}}),
		built(Builder{TargetRefs: []TargetRef{{"gateway.networking.k8s.io", "Gateway", "g"}}, Patches: []Patch{AllowConnect(Gateway)}})},
	{"WS202", "all workloads and a selection contradict each other", "spec",
		built(Builder{Workload: labels(1), AllWorkloads: true, Patches: []Patch{AllowConnect(Gateway)}}),
		built(Builder{Workload: labels(1), Patches: []Patch{AllowConnect(Gateway)}})},
	{"WS202", "all workloads and targetRefs contradict each other", "spec",
		built(Builder{TargetRefs: []TargetRef{{"", "Service", "s"}}, AllWorkloads: true, Patches: []Patch{AllowConnect(Gateway)}}),
		built(Builder{TargetRefs: []TargetRef{{"", "Service", "s"}}, Patches: []Patch{AllowConnect(Gateway)}})},
	{"WS203", "an empty value is a setting that came out empty", `spec.workloadSelector.labels.app`,
		built(Builder{Workload: map[string]string{"app": ""}, Patches: []Patch{AllowConnect(Gateway)}}),
		text("{workloadSelector: {labels: {app: ''}}, configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS204", "the CRD's CEL rule", "spec.targetRefs",
		built(Builder{Workload: labels(1), TargetRefs: []TargetRef{{"", "Service", "s"}}, Patches: []Patch{AllowConnect(Gateway)}}),
		built(Builder{TargetRefs: []TargetRef{{"", "Service", "s"}}, Patches: []Patch{AllowConnect(Gateway)}})},
	{"WS204", "a selector without labels is one too", "spec.targetRefs",
		text("{workloadSelector: {}, targetRefs: [{kind: Service, name: s}], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{targetRefs: [{kind: Service, name: s}], configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS204", "so are targetRefs without any", "spec.targetRefs",
		text("{workloadSelector: {labels: {app: a}}, targetRefs: [], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{workloadSelector: {labels: {app: a}}, targetRefs: null, configPatches: [%s]} # no targetRefs", manager("stat_prefix: x"))},
	{"WS205", "the webhook refuses a wildcard in a value", `spec.workloadSelector.labels.app`,
		text("{workloadSelector: {labels: {app: 'a*'}}, configPatches: [%s]}", manager("stat_prefix: x")),
		text("{workloadSelector: {labels: {app: a}}, configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS205", "the webhook refuses an empty key", `spec.workloadSelector.labels[""]`,
		text("{workloadSelector: {labels: {'': a}}, configPatches: [%s]}", manager("stat_prefix: x")),
		text("{workloadSelector: {labels: {app.kubernetes.io/name: a}}, configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS205", "a builder is held to the same", `spec.workloadSelector.labels["*"]`,
		built(Builder{Workload: map[string]string{"*": "*"}, Patches: []Patch{AllowConnect(Gateway)}}),
		built(Builder{Workload: map[string]string{"a": "A_b.c-1"}, Patches: []Patch{AllowConnect(Gateway)}})},
	{"WS205", "the CRD takes 63 characters", `spec.workloadSelector.labels.app`,
		built(Builder{Workload: map[string]string{"app": strings.Repeat("a", 64)}, Patches: []Patch{AllowConnect(Gateway)}}),
		built(Builder{Workload: map[string]string{"app": strings.Repeat("a", 63)}, Patches: []Patch{AllowConnect(Gateway)}})},
	{"WS206", "the CRD's maxProperties", "spec.workloadSelector.labels",
		text("{workloadSelector: {labels: %s}, configPatches: [%s]}", flow(labels(257)), manager("stat_prefix: x")),
		text("{workloadSelector: {labels: %s}, configPatches: [%s]}", flow(labels(256)), manager("stat_prefix: x"))},
	{"WS207", "the CRD's maxItems", "spec.targetRefs",
		text("{targetRefs: [%s], configPatches: [%s]}", strings.Repeat("{kind: Service, name: s}, ", 17), manager("stat_prefix: x")),
		text("{targetRefs: [%s], configPatches: [%s]}", strings.Repeat("{kind: Service, name: s}, ", 16), manager("stat_prefix: x"))},
	{"WS208", "the CRD's pattern of a group", "spec.targetRefs[0].group",
		text("{targetRefs: [{group: 'Apps_', kind: Service, name: s}], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: s}], configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS208", "the CRD's pattern of a kind", "spec.targetRefs[0].kind",
		text("{targetRefs: [{kind: 'Service-', name: s}], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{targetRefs: [{kind: S-1, name: s}], configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS208", "a kind begins with a letter", "spec.targetRefs[0].kind",
		text("{targetRefs: [{kind: 1S, name: s}], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{targetRefs: [{kind: S1, name: s}], configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS208", "the CRD requires a kind", "spec.targetRefs[1].kind",
		built(Builder{TargetRefs: []TargetRef{{"", "Service", "s"}, {"", "", "s"}}, Patches: []Patch{AllowConnect(Gateway)}}),
		built(Builder{TargetRefs: []TargetRef{{"", "Service", "s"}, {"core", "Service", "s"}}, Patches: []Patch{AllowConnect(Gateway)}})},
	{"WS208", "the CRD requires a name", "spec.targetRefs[0].name",
		text("{targetRefs: [{kind: Service}], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{targetRefs: [{kind: Service, name: s}], configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS208", "the CRD's CEL rule of the namespace", "spec.targetRefs[0].namespace",
		text("{targetRefs: [{kind: Service, name: s, namespace: ns}], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{targetRefs: [{kind: Service, name: s, namespace: ''}], configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS209", "the webhook warns", "spec.workloadSelector",
		text("{workloadSelector: {labels: {}}, configPatches: [%s]}", manager("stat_prefix: x")), goodManager},
	{"WS210", "nothing selects workloads", "spec.workloadSelector",
		text("{configPatches: [%s]}", manager("stat_prefix: x")), goodManager},
	{"WS211", "istiod attaches to four kinds", "spec.targetRefs[0]",
		text("{targetRefs: [{group: apps, kind: Deployment, name: s}], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{targetRefs: [{group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint}], configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS211", "and to no Service: no filter is matched by one", "spec.targetRefs[0]",
		text("{targetRefs: [{kind: Service, name: s}], configPatches: [%s]}", manager("stat_prefix: x")),
		text("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: s}], configPatches: [%s]}", manager("stat_prefix: x"))},
	{"WS212", "releases 1.22 to 1.26 do not look at it", "spec.targetRefs",
		text("{targetRefs: [{kind: Service, name: s}], configPatches: [%s]}", manager("stat_prefix: x")), goodManager},
	{"WS213", "an empty filter does nothing", "spec.configPatches", text("{workloadSelector: {labels: {a: b}}}"), goodManager},
	{"WS213", "an empty builder does nothing", "spec.configPatches", built(Builder{AllWorkloads: true}), patched(AllowConnect(Gateway))},
	{"WS213", "so does a filter without a spec", "spec.configPatches", made(nil), goodManager},
	{"WS214", "the webhook refuses a missing applyTo", ".applyTo",
		text("%s", patches("{match: {context: GATEWAY}, patch: {operation: MERGE, value: {a: 1}}}")), goodManager},
	{"WS214", "a number that the API does not have", ".applyTo", patched(Patch{ApplyTo: 99, Operation: opMerge, Value: &clusterv3.Cluster{}}),
		patched(AllowConnect(Gateway))},
	{"WS214", "a negative number", ".applyTo", patched(Patch{ApplyTo: -1, Operation: opMerge, Value: &clusterv3.Cluster{}}),
		patched(AllowConnect(Gateway))},
	{"WS215", "the webhook refuses a missing patch", ".patch", text("%s", patches("{applyTo: CLUSTER, match: {context: GATEWAY}}")), goodManager},
	{"WS216", "the webhook refuses a missing operation", ".patch.operation",
		text("%s", patches("{applyTo: CLUSTER, match: {context: GATEWAY}, patch: {value: {name: c}}}")), goodManager},
	{"WS216", "a number that the API does not have", ".patch.operation",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: 99, Value: &clusterv3.Cluster{Name: "c"}}), patched(AllowConnect(Gateway))},
	{"WS217", "the webhook refuses a missing value", ".patch.value", text("%s", patches(patchOf("CLUSTER", "", "ADD", ""))),
		text("%s", patches(patchOf("CLUSTER", "cluster: {name: c}", "REMOVE", "")))},
	{"WS217", "nil is no value", ".patch.value", patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opMerge}),
		patched(AllowConnect(Gateway))},
	{"WS217", "a nil pointer in an interface is none either", ".patch.value", hcm(nil), hcm(&hcmv3.HttpConnectionManager{StatPrefix: "x"})},
	{"WS218", "istiod takes the match alone", ".patch.value", text("%s", patches(patchOf("CLUSTER", "cluster: {name: c}", "REMOVE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "cluster: {name: c}", "REMOVE", "")))},
	{"WS219", "a listener is no cluster", ".patch.value",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opMerge, Value: &listenerv3.Listener{Name: "x"}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opMerge, Value: &clusterv3.Cluster{Name: "x"}})},
	{"WS219", "a cluster is no filter's configuration", ".patch.value",
		patched(Patch{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Filter: "f", Operation: opMerge, Value: &clusterv3.Cluster{Name: "x"}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Filter: "f", Operation: opMerge, Value: &tcpproxyv3.TcpProxy{StatPrefix: "x"}})},
	{"WS219", "an inserted filter needs a name", ".patch.value",
		patched(Patch{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "f", Operation: opInsertBefore, Value: &faultv3.HTTPFault{}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "f", Operation: opInsertBefore, Value: &hcmv3.HttpFilter{
			Name: "fault", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: anyOf(&faultv3.HTTPFault{})}}})},
	{"WS219", "a REMOVE takes no value", ".patch.value",
		patched(Patch{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "f", Operation: opRemove, Value: &faultv3.HTTPFault{}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "f", Operation: opRemove})},
	{"WS219", "a dynamic message has no rules to hold it to", ".patch.value",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opMerge, Value: dynamicpb.NewMessage((&clusterv3.Cluster{}).ProtoReflect().Descriptor())}),
		patched(AllowConnect(Gateway))},
	{"WS220", "there is no such context", ".match.context", patched(AllowConnect(3)), patched(AllowConnect(SidecarOutbound))},
	{"WS220", "nor one below zero, which would be ANY in the API", ".match.context", patched(AllowConnect(-1)), patched(AllowConnect(Gateway))},
	{"WS221", "two ways to say one thing", ".match",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, ProxyVersion: "^1", Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"},
			Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"},
			Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{Proxy: &networking.EnvoyFilter_ProxyMatch{ProxyVersion: "^1"}}})},
	{"WS222", "the contexts contradict each other", ".match.context",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Context: Gateway, Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"},
			Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: networking.EnvoyFilter_SIDECAR_OUTBOUND}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Context: Gateway, Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"},
			Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: networking.EnvoyFilter_GATEWAY}})},
	{"WS223", "the webhook looks no further, and istiod neither", ".match.context",
		text("%s", patches("{applyTo: CLUSTER, match: {context: WAYPOINT, waypoint: {portNumber: 80}}, patch: {operation: MERGE, value: {name: c}}}")), goodManager},
	{"WS223", "the CRD takes the match for waypoints with their context only", ".match.context",
		text("%s", patches(patchOf("CLUSTER", "waypoint: {portNumber: 80}", "MERGE", "{name: c}"))), goodManager},
	{"WS223", "a builder has no way round", ".match.context",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"},
			Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: networking.EnvoyFilter_WAYPOINT}}),
		patched(AllowConnect(Gateway))},
	{"WS224", "no match is ANY", ".match.context", text("%s", patches("{applyTo: CLUSTER, patch: {operation: MERGE, value: {name: c}}}")), goodManager},
	{"WS224", "extension configurations are added in every context", ".match.context",
		text("%s", patches("{applyTo: CLUSTER, match: {context: ANY}, patch: {operation: MERGE, value: {name: c}}}")),
		text("%s", patches("{applyTo: EXTENSION_CONFIG, patch: {operation: ADD, value: "+luaFilter+"}}"))},
	{"WS225", "a context by a number", ".match.context",
		edited(func(s *networking.EnvoyFilter) { s.ConfigPatches[0].Match.Context = 9 }), edited(func(*networking.EnvoyFilter) {})},
	{"WS225", "a filterClass by a number", ".patch.filterClass",
		edited(func(s *networking.EnvoyFilter) { s.ConfigPatches[0].Patch.FilterClass = 9 }), edited(func(*networking.EnvoyFilter) {})},
	{"WS225", "an action by a number", ".match.routeConfiguration.vhost.route.action",
		edited(func(s *networking.EnvoyFilter) {
			p := s.GetConfigPatches()[0]
			p.ApplyTo = networking.EnvoyFilter_HTTP_ROUTE
			p.Match.ObjectTypes = &networking.EnvoyFilter_EnvoyConfigObjectMatch_RouteConfiguration{
				RouteConfiguration: &networking.EnvoyFilter_RouteConfigurationMatch{Vhost: &networking.EnvoyFilter_RouteConfigurationMatch_VirtualHostMatch{
					Route: &networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch{Action: 9}}}}
		}), edited(func(*networking.EnvoyFilter) {})},
	{"WS225", "an enum of Envoy's by a number", ".patch.value.typed_config.codec_type",
		text("%s", patches(manager("codec_type: 99"))), text("%s", patches(manager("codec_type: 2")))},
	{"WS225", "an enum in a list", ".patch.value.common_lb_config.override_host_status.statuses[1]",
		text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{common_lb_config: {override_host_status: {statuses: [HEALTHY, 99]}}}"))),
		text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{common_lb_config: {override_host_status: {statuses: [HEALTHY, 3]}}}")))},
	{"WS226", "istiod matches no proxy with it", ".match.proxy.proxyVersion",
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '^"+strings.Repeat("1", 1024)+"'}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '^"+strings.Repeat("1", 1023)+"'}", "MERGE", "{name: c}")))},
	{"WS227", "the webhook refuses it", ".match.proxy.proxyVersion",
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '^1\\.(2'}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '^1\\.(2)'}", "MERGE", "{name: c}")))},
	{"WS227", "Perl's lookahead is not in RE2", ".match.proxy.proxyVersion",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, ProxyVersion: "^(?!1.2)", Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, ProxyVersion: "(?i)^(1|(2)+|3{2})", Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"}})},
	{"WS228", "1.2 is found in 1.1.2", ".match.proxy.proxyVersion",
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '1\\.2'}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '(^1\\.2|^1\\.3)+'}", "MERGE", "{name: c}")))},
	{"WS228", "one branch is enough", ".match.proxy.proxyVersion",
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '^1\\.2|1\\.3'}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '(?m:^)1\\.2'}", "MERGE", "{name: c}")))},
	{"WS228", "an optional anchor is none", ".match.proxy.proxyVersion",
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '(^1){0,2}'}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "proxy: {proxyVersion: '(^1){1,2}'}", "MERGE", "{name: c}")))},
	{"WS230", "the webhook refuses a listener for a cluster", ".match.listener",
		text("%s", patches(patchOf("CLUSTER", "listener: {portNumber: 80}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "cluster: {portNumber: 80}", "MERGE", "{name: c}")))},
	{"WS230", "and a cluster for a route", ".match.cluster",
		text("%s", patches(patchOf("HTTP_ROUTE", "cluster: {portNumber: 80}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("HTTP_ROUTE", "routeConfiguration: {portNumber: 80}", "MERGE", "{name: c}")))},
	{"WS230", "and a route for a listener", ".match.routeConfiguration",
		text("%s", patches(patchOf("LISTENER", "routeConfiguration: {portNumber: 80}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("LISTENER", "listener: {portNumber: 80}", "MERGE", "{name: c}")))},
	{"WS230", "istiod passes over a route for a listener filter", ".match.routeConfiguration",
		text("%s", patches(patchOf("LISTENER_FILTER", "routeConfiguration: {portNumber: 80}", "INSERT_FIRST", inspectorFilter))),
		text("%s", patches(patchOf("LISTENER_FILTER", "listener: {portNumber: 80}", "INSERT_FIRST", inspectorFilter)))},
	{"WS230", "extension configurations match nothing", ".match.listener",
		text("%s", patches(patchOf("EXTENSION_CONFIG", "listener: {portNumber: 80}", "ADD", luaFilter))),
		text("%s", patches(patchOf("EXTENSION_CONFIG", "", "ADD", luaFilter)))},
	{"WS230", "the short fields are for listeners", ".match.listener",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Port: 80, Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_LISTENER, Port: 80, Operation: opMerge, Value: &listenerv3.Listener{Name: "c"}})},
	{"WS231", "the webhook refuses a filter without a name", ".match.listener.filterChain.filter",
		text("%s", patches(patchOf("NETWORK_FILTER", "listener: {filterChain: {filter: {}}}", "INSERT_FIRST", echoFilter))),
		text("%s", patches(patchOf("NETWORK_FILTER", "listener: {filterChain: {sni: a}}", "INSERT_FIRST", echoFilter)))},
	{"WS231", "the webhook refuses a subFilter without a name", ".match.listener.filterChain.filter.subFilter",
		text("%s", patches(patchOf("HTTP_FILTER", "listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {}}}}", "INSERT_FIRST", luaFilter))),
		text("%s", patches(patchOf("HTTP_FILTER", matchManager, "INSERT_FIRST", luaFilter)))},
	{"WS232", "the webhook refuses it", ".match.listener.filterChain.filter.subFilter",
		text("%s", patches(patchOf("NETWORK_FILTER", matchRouter, "INSERT_FIRST", echoFilter))),
		text("%s", patches(patchOf("NETWORK_FILTER", matchManager, "INSERT_FIRST", echoFilter)))},
	{"WS233", "the webhook refuses a subFilter of another filter", ".match.listener.filterChain.filter.name",
		text("%s", patches(patchOf("HTTP_FILTER", "listener: {filterChain: {filter: {name: envoy.filters.network.tcp_proxy, subFilter: {name: a}}}}", "INSERT_FIRST", luaFilter))),
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_FIRST", luaFilter)))},
	{"WS233", "istiod finds none without a subFilter either", ".match.listener.filterChain.filter.name",
		text("%s", patches(patchOf("HTTP_FILTER", "listener: {filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}", "INSERT_FIRST", luaFilter))),
		text("%s", patches(patchOf("HTTP_FILTER", "listener: {portNumber: 80}", "INSERT_FIRST", luaFilter)))},
	{"WS234", "the name before release 1.7", ".match.listener.filterChain.filter.name",
		text("%s", patches(strings.Replace(manager("stat_prefix: x"), "{name: envoy.filters.network.http_connection_manager}", "{name: envoy.http_connection_manager}", 1))),
		goodManager},
	{"WS234", "of an HTTP filter", ".match.listener.filterChain.filter.subFilter.name",
		text("%s", patches(patchOf("HTTP_FILTER", strings.Replace(matchRouter, "envoy.filters.http.router", "envoy.router", 1), "INSERT_FIRST", luaFilter))),
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_FIRST", luaFilter)))},
	{"WS234", "of a listener filter", ".match.listener.listenerFilter",
		text("%s", patches(patchOf("LISTENER_FILTER", "listener: {listenerFilter: envoy.listener.tls_inspector}", "INSERT_AFTER", inspectorFilter))),
		text("%s", patches(patchOf("LISTENER_FILTER", matchInspector, "INSERT_AFTER", inspectorFilter)))},
	{"WS235", "no listener has it", ".match.listener.portNumber",
		text("%s", patches(patchOf("LISTENER", "listener: {portNumber: 65536}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("LISTENER", "listener: {portNumber: 65535}", "MERGE", "{name: c}")))},
	{"WS235", "no filter chain has it", ".match.listener.filterChain.destinationPort",
		text("%s", patches(patchOf("FILTER_CHAIN", "listener: {filterChain: {destinationPort: 65536}}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("FILTER_CHAIN", "listener: {filterChain: {destinationPort: 65535}}", "MERGE", "{name: c}")))},
	{"WS235", "no route has it", ".match.routeConfiguration.portNumber",
		text("%s", patches(patchOf("VIRTUAL_HOST", "routeConfiguration: {portNumber: 4294967295}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("VIRTUAL_HOST", "routeConfiguration: {portNumber: 1}", "MERGE", "{name: c}")))},
	{"WS235", "no cluster has it", ".match.cluster.portNumber",
		text("%s", patches(patchOf("CLUSTER", "cluster: {portNumber: 70000}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "cluster: {portNumber: 443}", "MERGE", "{name: c}")))},
	{"WS236", "the webhook warns of a filter to match a chain", ".match.listener.filterChain.filter",
		text("%s", patches(patchOf("FILTER_CHAIN", matchManager, "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("FILTER_CHAIN", "listener: {filterChain: {name: c}}", "MERGE", "{name: c}")))},
	{"WS236", "and of one to match a listener", ".match.listener.filterChain",
		text("%s", patches(patchOf("LISTENER", matchManager, "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("LISTENER", "listener: {name: c}", "MERGE", "{name: c}")))},
	{"WS236", "listener filters come before the chains", ".match.listener.filterChain",
		text("%s", patches(patchOf("LISTENER_FILTER", "listener: {filterChain: {sni: a}}", "ADD", inspectorFilter))),
		text("%s", patches(patchOf("LISTENER_FILTER", "listener: {name: a}", "ADD", inspectorFilter)))},
	{"WS236", "only listener filters are matched by it", ".match.listener.listenerFilter",
		text("%s", patches(patchOf("NETWORK_FILTER", matchInspector, "INSERT_FIRST", echoFilter))),
		text("%s", patches(patchOf("LISTENER_FILTER", matchInspector, "INSERT_FIRST", inspectorFilter)))},
	{"WS236", "portName is not implemented", ".match.listener.portName",
		text("%s", patches(patchOf("LISTENER", "listener: {portName: http}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("LISTENER", "listener: {portNumber: 80}", "MERGE", "{name: c}")))},
	{"WS236", "filterClass is not implemented", ".patch.filterClass",
		text("%s", patches("{applyTo: HTTP_FILTER, match: {context: GATEWAY}, patch: {operation: INSERT_FIRST, filterClass: AUTHN, value: "+luaFilter+"}}")),
		text("%s", patches("{applyTo: HTTP_FILTER, match: {context: GATEWAY}, patch: {operation: INSERT_FIRST, filterClass: UNSPECIFIED, value: "+luaFilter+"}}"))},
	{"WS236", "sidecars have no Gateway", ".match.routeConfiguration.gateway",
		text("%s", patches(patchOf("VIRTUAL_HOST", "routeConfiguration: {gateway: a/b}", "MERGE", "{name: c}"))),
		text("%s", patches("{applyTo: VIRTUAL_HOST, match: {context: GATEWAY, routeConfiguration: {gateway: a/b, portName: http}}, patch: {operation: MERGE, value: {name: c}}}"))},
	{"WS236", "nor its ports", ".match.routeConfiguration.portName",
		text("%s", patches(patchOf("VIRTUAL_HOST", "routeConfiguration: {portName: http}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("VIRTUAL_HOST", "routeConfiguration: {name: http}", "MERGE", "{name: c}")))},
	{"WS236", "a cluster's name is looked at alone", ".match.cluster",
		text("%s", patches(patchOf("CLUSTER", "cluster: {name: c, portNumber: 80}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("CLUSTER", "cluster: {subset: c, portNumber: 80}", "MERGE", "{name: c}")))},

	{"WS237", "a short name", ".match.listener.filterChain.transportSocket",
		text("%s", patches(patchOf("FILTER_CHAIN", "listener: {filterChain: {transportSocket: tls}}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("FILTER_CHAIN", "listener: {filterChain: {transportSocket: envoy.transport_sockets.tls}}", "MERGE", "{name: c}")))},
	{"WS237", "that of a cluster", ".match.listener.filterChain.transportSocket",
		text("%s", patches(patchOf("FILTER_CHAIN", "listener: {filterChain: {transportSocket: envoy.transport_sockets.internal_upstream}}", "MERGE", "{name: c}"))),
		text("%s", patches(patchOf("FILTER_CHAIN", "listener: {filterChain: {transportSocket: envoy.transport_sockets.raw_buffer}}", "MERGE", "{name: c}")))},
	{"WS240", "a nil entry panics in istiod", "spec.configPatches[1]",
		edited(func(s *networking.EnvoyFilter) { s.ConfigPatches = append(s.ConfigPatches, nil) }), edited(func(*networking.EnvoyFilter) {})},
	{"WS240", "a nil targetRef", "spec.targetRefs[0]",
		edited(func(s *networking.EnvoyFilter) { s.WorkloadSelector = nil; s.TargetRefs = append(s.TargetRefs, nil) }), edited(func(*networking.EnvoyFilter) {})},
	{"WS240", "invalid UTF-8 in a match", ".match.cluster.name",
		edited(func(s *networking.EnvoyFilter) {
			s.ConfigPatches[0].Match.ObjectTypes = &networking.EnvoyFilter_EnvoyConfigObjectMatch_Cluster{Cluster: &networking.EnvoyFilter_ClusterMatch{Name: "\xff"}}
		}), edited(func(*networking.EnvoyFilter) {})},
	{"WS240", "invalid UTF-8 in a key of the node metadata", `.match.proxy.metadata["\xff"]`,
		edited(func(s *networking.EnvoyFilter) {
			s.ConfigPatches[0].Match.Proxy = &networking.EnvoyFilter_ProxyMatch{Metadata: map[string]string{"\xff": ""}}
		}), edited(func(*networking.EnvoyFilter) {})},
	{"WS240", "invalid UTF-8 in a builder's match", ".match.cluster.name",
		patched(Patch{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opMerge, Value: &clusterv3.Cluster{Name: "c"}, Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{
			ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Cluster{Cluster: &networking.EnvoyFilter_ClusterMatch{Name: "\xff"}}}}),
		patched(AllowConnect(Gateway))},
	{"WS240", "invalid UTF-8 in a builder's name to match", ".match.listener.filterChain.filter.name",
		patched(Patch{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Filter: "\xff", Operation: opMerge, Value: &tcpproxyv3.TcpProxy{StatPrefix: "c"}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Filter: "ÿ", Operation: opMerge, Value: &tcpproxyv3.TcpProxy{StatPrefix: "c"}})},
	{"WS240", "invalid UTF-8 in a builder's name of an HTTP filter", ".match.listener.filterChain.filter.subFilter.name",
		patched(Patch{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "\xff", Operation: opMerge, Value: &hcmv3.HttpFilter{Name: "c"}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "ÿ", Operation: opMerge, Value: &hcmv3.HttpFilter{Name: "c"}})},
	{"WS240", "invalid UTF-8 in a builder's name of a listener filter", ".match.listener.listenerFilter",
		patched(Patch{ApplyTo: networking.EnvoyFilter_LISTENER_FILTER, Filter: "\xff", Operation: networking.EnvoyFilter_Patch_REPLACE, Value: &listenerv3.ListenerFilter{Name: "c"}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_LISTENER_FILTER, Filter: "ÿ", Operation: networking.EnvoyFilter_Patch_REPLACE, Value: &listenerv3.ListenerFilter{Name: "c"}})},
	{"WS240", "NaN is no number of JSON", ".patch.value.a",
		made(spec(object1("a", structpb.NewNumberValue(math.NaN())))), made(spec(object1("name", structpb.NewStringValue("c"))))},
	{"WS240", "an empty Value", ".patch.value.name[0]",
		made(spec(object1("name", structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{{}}})))), edited(func(*networking.EnvoyFilter) {})},
	{"WS240", "a nil Value", ".patch.value.name", made(spec(object1("name", nil))), edited(func(*networking.EnvoyFilter) {})},
	{"WS240", "a Struct in itself", ".patch.value" + strings.Repeat(".name", 96), made(spec(endless())), edited(func(*networking.EnvoyFilter) {})},
	{"WS240", "a list in itself", ".patch.value.name" + strings.Repeat("[0]", 95), made(spec(endlessList())), edited(func(*networking.EnvoyFilter) {})},
	{"WS240", "a message in itself", ".patch.value.typed_config.access_log[0].filter" + strings.Repeat(".and_filter.filters[0]", 31),
		hcm(endlessManager()), hcm(&hcmv3.HttpConnectionManager{StatPrefix: "x"})},
	{"WS240", "a nil entry in a typed value", ".patch.value.typed_config.access_log[0]",
		hcm(&hcmv3.HttpConnectionManager{AccessLog: []*accesslogv3.AccessLog{nil}}), hcm(&hcmv3.HttpConnectionManager{StatPrefix: "x"})},
	{"WS240", "an Any of a type that is not linked", ".patch.value.typed_config.request_id_extension.typed_config",
		hcm(&hcmv3.HttpConnectionManager{RequestIdExtension: &hcmv3.RequestIDExtension{TypedConfig: &anypb.Any{TypeUrl: "type.googleapis.com/no.such.Type"}}}),
		hcm(&hcmv3.HttpConnectionManager{RequestIdExtension: &hcmv3.RequestIDExtension{TypedConfig: anyOf(&routerv3.Router{})}})},
	{"WS240", "an Any whose bytes are none of its type", ".patch.value.typed_config.request_id_extension.typed_config",
		hcm(&hcmv3.HttpConnectionManager{RequestIdExtension: &hcmv3.RequestIDExtension{TypedConfig: &anypb.Any{TypeUrl: typeURL(httpConnectionManager), Value: []byte{0xff}}}}),
		hcm(&hcmv3.HttpConnectionManager{RequestIdExtension: &hcmv3.RequestIDExtension{TypedConfig: anyOf(&routerv3.Router{})}})},
	{"WS240", "fields that the Go type does not know are lost in JSON", ".patch.value.typed_config",
		hcm(withUnknown(&hcmv3.HttpConnectionManager{StatPrefix: "x"})), hcm(&hcmv3.HttpConnectionManager{StatPrefix: "x"})},
	{"WS240", "a duration that istiod cannot read", ".patch.value.typed_config.drain_timeout",
		hcm(&hcmv3.HttpConnectionManager{DrainTimeout: &durationpb.Duration{Seconds: 9223372036}}),
		hcm(&hcmv3.HttpConnectionManager{DrainTimeout: &durationpb.Duration{Seconds: 9223372035, Nanos: 999999999}})},
	{"WS240", "a duration that is none", ".patch.value.typed_config.drain_timeout",
		hcm(&hcmv3.HttpConnectionManager{DrainTimeout: &durationpb.Duration{Seconds: 1, Nanos: -1}}),
		hcm(&hcmv3.HttpConnectionManager{DrainTimeout: &durationpb.Duration{Seconds: 1, Nanos: 1}})},

	{"WS241", "MERGE_AND_REPLACE_LIST does not reach a network filter", ".patch.operation",
		text("%s", patches(strings.Replace(manager("stat_prefix: x"), "operation: MERGE", "operation: MERGE_AND_REPLACE_LIST", 1))), goodManager},
	{"WS241", "a builder is held to the same", ".patch.operation",
		patched(Patch{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "a", Operation: opMergeAndReplaceList, Value: &routerv3.Router{SuppressEnvoyHeaders: true}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "a", Operation: opMerge, Value: &routerv3.Router{SuppressEnvoyHeaders: true}})},
	{"WS241", "REMOVE needs to know which network filter", ".patch.operation",
		text("%s", patches(patchOf("NETWORK_FILTER", "", "REMOVE", ""))), text("%s", patches(patchOf("NETWORK_FILTER", matchManager, "REMOVE", "")))},
	{"WS241", "REPLACE needs to know which HTTP filter", ".patch.operation",
		text("%s", patches(patchOf("HTTP_FILTER", matchManager, "REPLACE", routerFilter))), text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "REPLACE", routerFilter)))},
	{"WS241", "MERGE needs to know which listener filter", ".patch.operation",
		text("%s", patches(patchOf("LISTENER_FILTER", "", "MERGE", inspectorFilter))), text("%s", patches(patchOf("LISTENER_FILTER", matchInspector, "REPLACE", inspectorFilter)))},
	{"WS242", "the value is merged into the metadata exchange filter", ".patch.operation",
		text("%s", patches(patchOf("NETWORK_FILTER", "listener: {portNumber: 80}", "MERGE", `{typed_config: {"@type": type.googleapis.com/`+httpConnectionManager+`, stat_prefix: x}}`))), goodManager},
	{"WS242", "and into the router", ".patch.operation",
		text("%s", patches(patchOf("HTTP_FILTER", matchManager, "MERGE", `{typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true}}`))),
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "MERGE", `{typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true}}`)))},
	{"WS242", "and into every listener filter, whatever the match", ".patch.operation",
		text("%s", patches(patchOf("LISTENER_FILTER", "listener: {listenerFilter: envoy.filters.listener.tls_inspector}", "MERGE", tlsInspector))),
		text("%s", patches(patchOf("LISTENER_FILTER", "listener: {listenerFilter: envoy.filters.listener.tls_inspector}", "REPLACE", tlsInspector)))},
	{"WS242", "a builder is held to the same", ".patch.operation",
		patched(Patch{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Operation: opMerge, Value: &hcmv3.HttpConnectionManager{StatPrefix: "x"}}),
		hcm(&hcmv3.HttpConnectionManager{StatPrefix: "x"})},
	{"WS243", "clusters have no order", ".patch.operation",
		text("%s", patches(patchOf("CLUSTER", "", "INSERT_FIRST", clusterValue))), text("%s", patches(patchOf("CLUSTER", "", "ADD", clusterValue)))},
	{"WS244", "IST0153 is wrong about routes", ".patch.operation",
		text("%s", patches(patchOf("HTTP_ROUTE", "", "ADD", routeValue))), text("%s", patches(patchOf("HTTP_ROUTE", "", "INSERT_FIRST", routeValue)))},
	{"WS245", "all clusters are gone", ".patch.operation",
		text("%s", patches(patchOf("CLUSTER", "", "REMOVE", ""))), text("%s", patches(patchOf("CLUSTER", "cluster: {name: c}", "REMOVE", "")))},
	{"WS246", "ADD comes after the router", ".patch.operation",
		text("%s", patches(patchOf("HTTP_FILTER", matchManager, "ADD", luaFilter))), text("%s", patches(patchOf("HTTP_FILTER", matchManager, "INSERT_FIRST", luaFilter)))},
	{"WS246", "so does INSERT_AFTER the router", ".patch.operation",
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_AFTER", luaFilter))), text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter)))},
	{"WS246", "so do the http_filters of a MERGE", ".patch.value.typed_config.http_filters",
		text("%s", patches(manager("http_filters: ["+luaFilter+"]"))), text("%s", patches(manager("access_log: [{name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]")))},
	{"WS247", "IST0151", ".patch.operation",
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter))),
		text("%s", strings.Replace(patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter)), "{", "{priority: 10, ", 1))},
	{"WS248", "the API marks it as deprecated", ".applyTo",
		text("%s", patches(patchOf("BOOTSTRAP", "", "MERGE", "{flags_path: /x}"))), text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{name: c}")))},

	{"WS260", "a window that is too small", ".patch.value.typed_config.http2_protocol_options.initial_stream_window_size",
		hcm(&hcmv3.HttpConnectionManager{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{InitialStreamWindowSize: wrapperspb.UInt32(1)}}),
		hcm(&hcmv3.HttpConnectionManager{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{InitialStreamWindowSize: wrapperspb.UInt32(65535)}})},
	{"WS260", "the same from a manifest, in its own spelling", ".patch.value.typed_config.http2ProtocolOptions.initialStreamWindowSize",
		text("%s", patches(manager("http2ProtocolOptions: {initialStreamWindowSize: 1}"))), text("%s", patches(manager("http2ProtocolOptions: {initialStreamWindowSize: 65535}")))},
	{"WS260", "a scalar that the MERGE sets; the missing stat_prefix is not the patch's to give", ".patch.value.typed_config.server_name",
		hcm(&hcmv3.HttpConnectionManager{ServerName: "a\nb"}), hcm(&hcmv3.HttpConnectionManager{ServerName: "a"})},
	{"WS260", "an entry of a list is a new message, with all that it requires", ".patch.value.typed_config.access_log[0].filter.and_filter.filters",
		text("%s", patches(manager("access_log: [{name: a, filter: {and_filter: {filters: []}}, typed_config: {'@type': type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]"))),
		text("%s", patches(manager("access_log: [{name: a, filter: {not_health_check_filter: {}}, typed_config: {'@type': type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]")))},
	{"WS260", "so is the value of a map's entry", `.patch.value.load_assignment.named_endpoints.a.health_check_config.port_value`,
		text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{load_assignment: {cluster_name: c, named_endpoints: {a: {health_check_config: {port_value: 70000}}}}}"))),
		text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{load_assignment: {cluster_name: c, named_endpoints: {a: {health_check_config: {port_value: 7000}}}}}")))},
	{"WS260", "an added object must be whole", ".patch.value.name",
		text("%s", patches(patchOf("CLUSTER", "", "ADD", "{connect_timeout: 1s}"))), text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{connect_timeout: 1s}")))},
	{"WS260", "a oneof that is required", ".patch.value",
		text("%s", patches(patchOf("HTTP_ROUTE", "", "INSERT_FIRST", "{match: {prefix: /}}"))), text("%s", patches(patchOf("HTTP_ROUTE", "", "MERGE", "{match: {prefix: /}}")))},
	{"WS260", "what is in an Any", ".patch.value.typed_config.stat_prefix",
		text("%s", patches(patchOf("NETWORK_FILTER", "", "INSERT_FIRST", "{name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, cluster: c}}"))),
		text("%s", patches(patchOf("NETWORK_FILTER", "", "INSERT_FIRST", "{name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, cluster: c, stat_prefix: x}}")))},
	{"WS260", "nobody looks at the value of a REMOVE", ".patch.value.domains",
		text("%s", patches(patchOf("VIRTUAL_HOST", "", "ADD", "{name: v, routes: [{}]}"))),
		text("%s", patches(patchOf("VIRTUAL_HOST", "routeConfiguration: {vhost: {name: v}}", "REMOVE", "{name: v, routes: [{typed_per_filter_config: {a: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig}}}]}")))},
	{"WS261", "Envoy refuses a type that stands twice", ".patch.value.typed_config.upgrade_configs",
		hcm(&hcmv3.HttpConnectionManager{UpgradeConfigs: []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}}}),
		hcm(&hcmv3.HttpConnectionManager{StatPrefix: "x"})},
	{"WS261", "the same from a manifest", ".patch.value.typed_config.upgradeConfigs",
		text("%s", patches(manager("upgradeConfigs: [{upgradeType: websocket}]"))), goodManager},
	{"WS262", "istiod panics at a TypedStruct", ".patch.value.typed_config",
		text("%s", patches(strings.Replace(manager("type_url: type.googleapis.com/"+httpConnectionManager+", value: {http2_protocol_options: {allow_connect: true}}"), "type.googleapis.com/"+httpConnectionManager, "type.googleapis.com/udpa.type.v1.TypedStruct", 1))),
		goodManager},
	{"WS262", "and at any other type", ".patch.value.typed_config",
		patched(Patch{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Filter: istio.OldManagerFilter, Operation: opMerge, Value: &tcpproxyv3.TcpProxy{StatPrefix: "x"}}),
		patched(Patch{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Filter: "envoy.filters.network.tcp_proxy", Operation: opMerge, Value: &tcpproxyv3.TcpProxy{StatPrefix: "x"}})},
	{"WS262", "an HttpConnectionManager in another filter", ".patch.value.typed_config",
		patched(Patch{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Filter: "envoy.filters.network.rbac", Operation: opMerge, Value: &hcmv3.HttpConnectionManager{StatPrefix: "x"}}),
		hcm(&hcmv3.HttpConnectionManager{StatPrefix: "x"})},
	{"WS263", "istiod looks for the name", ".patch.value.name",
		text("%s", patches(strings.Replace(manager("stat_prefix: x"), "value: {", "value: {name: mine, ", 1))),
		text("%s", patches(strings.Replace(manager("stat_prefix: x"), "value: {", "value: {name: envoy.filters.network.http_connection_manager, ", 1)))},
	{"WS264", "a filter's other fields stay as they are", ".patch.value.disabled",
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "MERGE", "{disabled: true, "+routerFilter[1:]))),
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "REPLACE", "{disabled: true, "+routerFilter[1:])))},
	{"WS264", "istiod stops at the transport_socket", ".patch.value.connect_timeout",
		text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{connect_timeout: 1s, transport_socket: {name: tls, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: a}}}"))),
		text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{transport_socket: {name: tls, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: a}}}")))},
	{"WS265", "the webhook warns", ".patch.value",
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", "{name: a}"))), text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter)))},
	{"WS265", "a filter that is discovered needs none", ".patch.value",
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "MERGE", "{name: a}"))),
		text("%s", patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", "{name: a, config_discovery: {config_source: {ads: {}}, type_urls: [a]}}")))},
	{"WS266", "false cannot be merged", ".patch.value.typed_config.http2_protocol_options.allow_connect",
		text("%s", patches(manager("http2_protocol_options: {allow_connect: false}"))), goodManager},
	{"WS266", "a typed false cannot be told from none", ".patch.value.typed_config.http2_protocol_options",
		hcm(&hcmv3.HttpConnectionManager{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{AllowConnect: false}}),
		hcm(&hcmv3.HttpConnectionManager{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{AllowConnect: true}})},
	{"WS266", "nor can null", ".patch.value.typed_config.http2_protocol_options.allow_connect",
		text("%s", patches(manager("stat_prefix: x, http2_protocol_options: {allow_connect: null}"))), goodManager},
	{"WS266", "nor the first value of an enum", ".patch.value.typed_config.codec_type",
		text("%s", patches(manager("codec_type: AUTO"))), text("%s", patches(manager("codec_type: HTTP2")))},
	{"WS266", "nor an empty text", ".patch.value.typed_config.serverName",
		text("%s", patches(manager("serverName: ''"))), text("%s", patches(manager("serverName: a")))},
	{"WS266", "nor an empty list", ".patch.value.typed_config.access_log",
		text("%s", patches(manager("access_log: []"))), text("%s", patches(manager("http3_protocol_options: {}")))},
	{"WS266", "nor zero", ".patch.value.typed_config.xff_num_trusted_hops",
		text("%s", patches(manager("xff_num_trusted_hops: 0"))), text("%s", patches(manager("xff_num_trusted_hops: 1")))},
	{"WS266", "a value without anything", ".patch.value.typed_config", text("%s", patches(manager(""))), goodManager},
	{"WS266", "a builder's too", ".patch.value.typed_config", hcm(&hcmv3.HttpConnectionManager{}), hcm(&hcmv3.HttpConnectionManager{StatPrefix: "x"})},
	{"WS266", "an object without anything", ".patch.value",
		text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{}"))), text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{http2_protocol_options: {}}")))},
	{"WS266", "in a transport socket", ".patch.value.transport_socket.typed_config.allow_renegotiation",
		text("%s", patches(patchOf("CLUSTER", "", "MERGE", "{transport_socket: {name: tls, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: a, allow_renegotiation: false}}}"))),
		text("%s", patches(patchOf("CLUSTER", "", "ADD", "{name: c, connect_timeout: 1s, transport_socket: {name: tls, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: a, allow_renegotiation: false}}}")))},
	{"WS267", "false does not replace true", ".patch.value.typed_config.use_remote_address",
		text("%s", patches(manager("use_remote_address: false"))), text("%s", patches(manager("use_remote_address: true")))},
	{"WS269", "encoding/json has one alphabet", ".patch.value.direct_response.body.inline_bytes",
		read("HTTP_ROUTE", `{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_bytes": "_-8="}}}`),
		read("HTTP_ROUTE", `{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_bytes": "/+8="}}}`)},
	{"WS269", "and does without no padding", ".patch.value.direct_response.body.inline_bytes",
		read("HTTP_ROUTE", `{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_bytes": "YQ"}}}`),
		read("HTTP_ROUTE", `{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_bytes": "YQ=="}}}`)},
	{"WS269", "an exponent in quotes", ".patch.value.direct_response.status",
		read("HTTP_ROUTE", `{"match": {"prefix": "/"}, "direct_response": {"status": "2e2"}}`), read("HTTP_ROUTE", `{"match": {"prefix": "/"}, "direct_response": {"status": "200"}}`)},
	{"WS269", "an exponent in a wrapper", ".patch.value.per_connection_buffer_limit_bytes",
		read("CLUSTER", `{"name": "c", "per_connection_buffer_limit_bytes": "1e3"}`), read("CLUSTER", `{"name": "c", "per_connection_buffer_limit_bytes": "0"}`)},
	{"WS269", "less than nothing", ".patch.value.per_connection_buffer_limit_bytes",
		read("CLUSTER", `{"name": "c", "per_connection_buffer_limit_bytes": -0}`), read("CLUSTER", `{"name": "c", "per_connection_buffer_limit_bytes": 0}`)},
	{"WS269", "an exponent with a sign", ".patch.value.match.headers[0].range_match.start",
		read("HTTP_ROUTE", `{"match": {"prefix": "/", "headers": [{"name": "a", "range_match": {"start": "-1e1"}}]}, "direct_response": {"status": 200}}`),
		read("HTTP_ROUTE", `{"match": {"prefix": "/", "headers": [{"name": "a", "range_match": {"start": "-10"}}]}, "direct_response": {"status": 200}}`)},
	{"WS269", "a google.protobuf.Empty is written with a value", `.patch.value.typed_per_filter_config.a`,
		text("%s", patches(patchOf("HTTP_ROUTE", "", "MERGE", "{typed_per_filter_config: {a: {'@type': type.googleapis.com/google.protobuf.Empty}}}"))),
		text("%s", patches(patchOf("HTTP_ROUTE", "", "MERGE", "{typed_per_filter_config: {a: {'@type': type.googleapis.com/google.protobuf.Empty, value: {}}}}")))},
}

// read is the value of an ADD as protojson reads it, which takes more than istiod does.
func read(applyTo, value string) input {
	return func(t *testing.T) finding.List {
		config := &networking.EnvoyFilter_EnvoyConfigObjectPatch{
			ApplyTo: networking.EnvoyFilter_ApplyTo(networking.EnvoyFilter_ApplyTo_value[applyTo]),
			Patch:   &networking.EnvoyFilter_Patch{Operation: opAdd, Value: &structpb.Struct{}},
		}
		m := kindOf(config.GetApplyTo()).newMessage()
		if err := errors.Join(protojson.Unmarshal([]byte(value), m), protojson.Unmarshal([]byte(value), config.GetPatch().GetValue())); err != nil {
			t.Fatal(err)
		}
		r := newReport(nil)
		r.enter("configPatches")
		r.enterItem(0)
		r.checkValue(config, patchValue{message: m.ProtoReflect(), text: config.GetPatch().GetValue()})
		return r.list.WithObject("EnvoyFilter ns/f")
	}
}

// endless is a Struct that holds itself.
func endless() *structpb.Struct {
	s := object1("name", nil)
	s.Fields["name"] = structpb.NewStructValue(s)
	return s
}

// endlessList is a Struct with a list that holds itself.
func endlessList() *structpb.Struct {
	list := &structpb.ListValue{}
	list.Values = []*structpb.Value{structpb.NewListValue(list)}
	return object1("name", structpb.NewListValue(list))
}

// endlessManager is a message that holds itself.
func endlessManager() *hcmv3.HttpConnectionManager {
	and := &accesslogv3.AndFilter{}
	filter := &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{AndFilter: and}}
	and.Filters = []*accesslogv3.AccessLogFilter{filter, filter}
	return &hcmv3.HttpConnectionManager{AccessLog: []*accesslogv3.AccessLog{{Name: "a", Filter: filter}}}
}

func withUnknown(m *hcmv3.HttpConnectionManager) *hcmv3.HttpConnectionManager {
	m.ProtoReflect().SetUnknown([]byte{0xf8, 0xff, 0x7f, 1}) // field 262143, a varint
	return m
}

// TestCodes checks that every code of this package's range is reported where it should be, and not where all is well.
func TestCodes(t *testing.T) {
	known := map[string]finding.Rule{}
	for _, c := range Rules() {
		if strings.HasPrefix(c.Code, "WS2") {
			known[c.Code] = c
		}
	}
	tried := map[string]bool{}
	for i, rule := range rules {
		t.Run(fmt.Sprintf("%d %s %s", i, rule.code, rule.reason), func(t *testing.T) {
			tried[rule.code] = true
			path := rule.path
			if strings.HasPrefix(path, ".") {
				path = "spec.configPatches[0]" + path
			}
			fired := rule.fires(t)
			at := slices.IndexFunc(fired, func(f finding.Finding) bool { return f.Code == rule.code && f.Path == path })
			if at < 0 {
				t.Fatalf("no %s at %s, but:\n%v", rule.code, path, fired)
			}
			switch f := fired[at]; {
			case f.Object != "EnvoyFilter ns/f":
				t.Errorf("the finding is about %q", f.Object)
			case f.Severity != known[rule.code].Severity, f.Source != known[rule.code].Source:
				t.Errorf("the finding does not have the severity and source of the table: %v", f)
			case f.Message == "", f.Hint == "":
				t.Errorf("the finding has no message, or no hint: %v", f)
			}
			silent := rule.silent(t)
			for _, f := range silent {
				if f.Code == rule.code || f.Severity == finding.SeverityError {
					t.Errorf("where all is well: %v", f)
				}
			}
		})
	}
	for code := range known {
		if !tried[code] {
			t.Errorf("there is no row for %s", code)
		}
	}
}

const tlsInspector = `{name: envoy.filters.listener.tls_inspector, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector, enable_ja3_fingerprinting: true}}`
