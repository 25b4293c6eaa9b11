// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	networking "istio.io/api/networking/v1alpha3"
	"sigs.k8s.io/yaml"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/http_inspector/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/envoyapi/envoyapitest"
	"github.com/wsmesh/wsmesh/internal/istio"
)

// specOf reads a spec as YAML.
func specOf(t *testing.T, text string) *networking.EnvoyFilter {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	spec := &networking.EnvoyFilter{}
	if err := protojson.Unmarshal(data, spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestBuild(t *testing.T) {
	cluster := &clusterv3.Cluster{Name: "c"}
	tests := []struct {
		reason string
		b      Builder
		want   string
	}{
		{"a target by labels, the other fields of a spec",
			Builder{Workload: map[string]string{"a": "b", "c": "d"}, Priority: -5, Patches: []Patch{AllowConnect(Gateway)}},
			`{workloadSelector: {labels: {a: b, c: d}}, priority: -5, configPatches: [` + strings.Replace(manager("http2_protocol_options: {allow_connect: true}"), "SIDECAR_INBOUND", "GATEWAY", 1) + `]}`},
		{"targetRefs",
			Builder{TargetRefs: []TargetRef{{"gateway.networking.k8s.io", "Gateway", "g"}, {Kind: "Service", Name: "s"}}, Patches: []Patch{AllowConnect(SidecarInbound)}},
			`{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}, {kind: Service, name: s}], configPatches: [` + manager("http2_protocol_options: {allow_connect: true}") + `]}`},
		{"no short field: the context alone; an object is written as it is",
			Builder{AllWorkloads: true, Patches: []Patch{{ApplyTo: networking.EnvoyFilter_CLUSTER, Context: SidecarOutbound, Operation: opAdd, Value: cluster}}},
			`{configPatches: [{applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND}, patch: {operation: ADD, value: {name: c}}}]}`},
		{"all short fields",
			Builder{AllWorkloads: true, Patches: []Patch{{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, ProxyVersion: `^1\.2`, Port: 80,
				Filter: istio.ManagerFilter, SubFilter: "x", Operation: opRemove}}},
			`{configPatches: [{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND, proxy: {proxyVersion: '^1\.2'}, listener: {portNumber: 80,
 filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: x}}}}}, patch: {operation: REMOVE}}]}`},
		{"HTTP filters are in one filter only",
			Builder{AllWorkloads: true, Patches: []Patch{{ApplyTo: networking.EnvoyFilter_HTTP_FILTER, SubFilter: "x", Operation: opRemove}}},
			`{configPatches: [{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND, listener: {
 filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: x}}}}}, patch: {operation: REMOVE}}]}`},
		{"a port alone; a bare configuration is wrapped",
			Builder{AllWorkloads: true, Patches: []Patch{{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Port: 80, Filter: "envoy.filters.network.tcp_proxy",
				Operation: opMerge, Value: &tcpproxyv3.TcpProxy{StatPrefix: "x"}}}},
			`{configPatches: [{applyTo: NETWORK_FILTER, match: {context: SIDECAR_INBOUND, listener: {portNumber: 80, filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}},
 patch: {operation: MERGE, value: {typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: x}}}}]}`},
		{"a filter is written as it is in a MERGE too",
			Builder{AllWorkloads: true, Patches: []Patch{{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, Filter: "envoy.filters.network.tcp_proxy",
				Operation: opMerge, Value: &listenerv3.Filter{ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: anyOf(&tcpproxyv3.TcpProxy{StatPrefix: "x"})}}}}},
			`{configPatches: [{applyTo: NETWORK_FILTER, match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}},
 patch: {operation: MERGE, value: {typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: x}}}}]}`},
		{"Filter names a listener filter where those are patched",
			Builder{AllWorkloads: true, Patches: []Patch{{ApplyTo: networking.EnvoyFilter_LISTENER_FILTER, Filter: "x", Operation: opInsertBefore,
				Value: &listenerv3.ListenerFilter{Name: "i", ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: anyOf(&inspectorv3.HttpInspector{})}}}}},
			`{configPatches: [{applyTo: LISTENER_FILTER, match: {context: SIDECAR_INBOUND, listener: {listenerFilter: x}},
 patch: {operation: INSERT_BEFORE, value: {name: i, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}}}]}`},
		{"a whole match, whose context counts",
			Builder{AllWorkloads: true, Patches: []Patch{{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opMerge, Value: cluster,
				Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: networking.EnvoyFilter_GATEWAY, ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Cluster{
					Cluster: &networking.EnvoyFilter_ClusterMatch{Service: "s"}}}}}},
			`{configPatches: [{applyTo: CLUSTER, match: {context: GATEWAY, cluster: {service: s}}, patch: {operation: MERGE, value: {name: c}}}]}`},
		{"a whole match without a context takes the patch's, and never comes out as ANY",
			Builder{AllWorkloads: true, Patches: []Patch{{ApplyTo: networking.EnvoyFilter_CLUSTER, Context: SidecarOutbound, Operation: opMerge, Value: cluster,
				Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{Proxy: &networking.EnvoyFilter_ProxyMatch{Metadata: map[string]string{"a": "b"}}}}}},
			`{configPatches: [{applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND, proxy: {metadata: {a: b}}}, patch: {operation: MERGE, value: {name: c}}}]}`},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			test.b.Name, test.b.Namespace, test.b.Labels, test.b.Annotations = "f", "ns", map[string]string{"l": "1"}, map[string]string{"a": "2"}
			got, err := test.b.Build()
			if err != nil {
				t.Fatal(err)
			}
			want := &Filter{Name: "f", Namespace: "ns", Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"a": "2"}, Spec: specOf(t, test.want)}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestBuildAllProblems checks that all problems come back together, with their paths, and nothing else does.
func TestBuildAllProblems(t *testing.T) {
	f, err := Builder{
		Name:     "No Name",
		Labels:   map[string]string{"a b": "c"},
		Workload: map[string]string{"app": "*", "x": ""},
		Patches: []Patch{
			AllowConnect(7),
			{ApplyTo: networking.EnvoyFilter_NETWORK_FILTER, ProxyVersion: "(", Operation: opMerge, Value: &tcpproxyv3.TcpProxy{StatPrefix: "x"}},
			AllowConnect(Gateway),
			{ApplyTo: networking.EnvoyFilter_CLUSTER, Operation: opInsertAfter},
		},
	}.Build()
	if f != nil {
		t.Error("there is a filter")
	}
	var got []string
	for _, f := range listOf(t, err) {
		got = append(got, f.Code+" "+f.Path)
	}
	want := []string{
		"WS952 metadata.name",
		`WS954 metadata.labels["a b"]`,
		`WS203 spec.workloadSelector.labels.x`,
		`WS205 spec.workloadSelector.labels.app`,
		"WS220 spec.configPatches[0].match.context",
		"WS227 spec.configPatches[1].match.proxy.proxyVersion",
		"WS242 spec.configPatches[1].patch.operation",
		"WS217 spec.configPatches[3].patch.value",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestBuildKeepsNothing checks that neither the builder changes with the filter nor the filter with the builder.
func TestBuildKeepsNothing(t *testing.T) {
	r := envoyapitest.New(3, envoyapi.Types)
	for range 300 {
		b := randomBuilder(r)
		before := describeBuilder(b)
		f, err := b.Build()
		if after := describeBuilder(b); before != after {
			t.Fatalf("Build changed the builder from\n%s\nto\n%s", before, after)
		}
		if err != nil {
			continue
		}
		want := proto.CloneOf(f.Spec)
		list := f.Validate()
		if !proto.Equal(want, f.Spec) {
			t.Fatal("Validate changed the spec")
		}
		if again := f.Validate(); !slices.Equal(list, again) {
			t.Fatalf("Validate said\n%v\nand then\n%v", list, again)
		}
		b.Workload["app"], b.Labels["l"], b.Annotations["a"] = "other", "other", "other"
		for i := range b.Patches {
			p := &b.Patches[i]
			if p.Value != nil {
				r.Fill(p.Value.ProtoReflect(), 0)
				proto.Reset(p.Value)
			}
			if p.Match != nil {
				proto.Reset(p.Match.GetCluster())
				proto.Reset(p.Match)
			}
		}
		if !proto.Equal(want, f.Spec) || f.Labels["l"] != "1" || f.Annotations["a"] != "2" {
			t.Fatal("the filter changed with its builder")
		}
	}
}

// randomBuilder is a builder with a random patch, which may or may not be one that can be built.
func randomBuilder(r *envoyapitest.Random) Builder {
	k := kinds[1+r.IntN(len(kinds)-1)]
	applyTo := networking.EnvoyFilter_ApplyTo(slices.Index(kinds[:], k))
	p := Patch{ApplyTo: applyTo, Context: Context(r.IntN(3)), Operation: networking.EnvoyFilter_Patch_Operation(1 + r.IntN(8))}
	if k.match == "listener" {
		p.Filter = envoyapitest.Pick(r, "", istio.ManagerFilter, "envoy.filters.network.tcp_proxy", "x")
		if applyTo == networking.EnvoyFilter_HTTP_FILTER {
			p.SubFilter = envoyapitest.Pick(r, "", "envoy.filters.http.router", "x")
		}
	} else if k.match == "cluster" {
		p.Match = &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: networking.EnvoyFilter_GATEWAY, ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Cluster{
			Cluster: &networking.EnvoyFilter_ClusterMatch{Name: "c"}}}
		p.Context = 0
	}
	if p.Operation != opRemove {
		p.Value = r.Message(k.newMessage().ProtoReflect().Type(), r.IntN(6)).Interface()
		if k.typedConfig && r.IntN(2) == 0 {
			p.Value = r.Message(r.Types[r.IntN(len(r.Types))], 3).Interface()
		}
	}
	return Builder{Name: "f", Namespace: "ns", Workload: map[string]string{"app": "a"}, Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"a": "2"}, Patches: []Patch{p}}
}

// describeBuilder is all that a builder holds, as text.
func describeBuilder(b Builder) string {
	text := fmt.Sprint(b.Name, b.Namespace, slices.Sorted(maps.Keys(b.Workload)), b.Workload, b.Labels, b.Annotations, b.AllWorkloads, b.TargetRefs, b.Priority)
	for _, p := range b.Patches {
		value, match := []byte(nil), []byte(nil)
		if p.Value != nil {
			value, _ = proto.MarshalOptions{Deterministic: true}.Marshal(p.Value)
		}
		if p.Match != nil {
			match, _ = proto.MarshalOptions{Deterministic: true}.Marshal(p.Match)
		}
		text += fmt.Sprintf("%v %v %q %v %q %q %v %x %x", p.ApplyTo, p.Context, p.ProxyVersion, p.Port, p.Filter, p.SubFilter, p.Operation, value, match)
	}
	return text
}

// TestBuildAgreesWithValidate checks on random patches that what Build lets through is without errors to Validate,
// comes back from its own YAML as it was, and that what Build refuses because of a value, Validate refuses too.
func TestBuildAgreesWithValidate(t *testing.T) {
	r := envoyapitest.New(4, envoyapi.Types)
	built := 0
	for range 3000 {
		b := randomBuilder(r)
		f, err := b.Build()
		if err != nil {
			listOf(t, err)
			continue
		}
		built++
		if list := f.Validate(); list.Err() != nil {
			t.Fatalf("Build let through what Validate refuses: %v\n%s", list.Errors(), describeBuilder(b))
		}
		text, err := f.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(f, again, protocmp.Transform()); diff != "" {
			t.Fatalf("not the same after YAML:\n%s", diff)
		}
	}
	if built < 100 {
		t.Errorf("only %d filters were built", built)
	}
}

// TestContext pins the names of the contexts: the zero value is the server's side.
func TestContext(t *testing.T) {
	for c, want := range map[Context]string{SidecarInbound: "SIDECAR_INBOUND", SidecarOutbound: "SIDECAR_OUTBOUND", Gateway: "GATEWAY", -1: "Context(-1)", 3: "Context(3)"} {
		if got := c.String(); got != want {
			t.Errorf("%d is %s, want %s", int(c), got, want)
		}
	}
}

// TestConcurrentUse checks under the race detector that one builder and one filter can be used by many at once.
func TestConcurrentUse(t *testing.T) {
	b := seedBuilder()
	f, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				built, err := b.Build()
				if err != nil || !proto.Equal(built.Spec, f.Spec) {
					t.Errorf("built %v, %v", built, err)
				}
				if list := f.Validate(); list != nil {
					t.Error(list)
				}
			}
		})
	}
	wg.Wait()
}
