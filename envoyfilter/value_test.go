// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/envoyapi/envoyapitest"
)

// TestWriterAgainstProtojson writes random messages of every type and compares the tree with the one that protojson
// writes.
func TestWriterAgainstProtojson(t *testing.T) {
	r := envoyapitest.New(1, envoyapi.Types)
	types := r.Types
	for _, k := range kinds[1:] {
		types = append(types, k.newMessage().ProtoReflect().Type(), k.newMessage().ProtoReflect().Type(), k.newMessage().ProtoReflect().Type())
	}
	for i := range 3000 {
		m := r.Message(types[i%len(types)], 0)
		text, err := protojson.MarshalOptions{UseProtoNames: true, Resolver: envoyapi.Types}.Marshal(m.Interface())
		if err != nil {
			t.Fatal(err)
		}
		want := &structpb.Value{}
		if err := protojson.Unmarshal(text, want); err != nil {
			t.Fatal(err)
		}
		w := newReport(nil).writer(false)
		got := w.message(m, 0)
		if len(w.list) > 0 {
			t.Fatalf("%s: %v", m.Descriptor().FullName(), w.list)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Fatalf("%s is not written as protojson writes it (-want +got):\n%s", m.Descriptor().FullName(), diff)
		}
	}
}

// TestWriterUnwritable has the messages that protojson refuses or that istiod does not read, where no rule's row
// of TestCodes has them.
func TestWriterUnwritable(t *testing.T) {
	const anyHint = " (pack a message whose Go type is generated from Envoy's v3 API, for example with anypb.New)"
	tests := []struct {
		reason string
		m      proto.Message
		want   string
	}{
		{"a time before the year 1", &timestamppb.Timestamp{Seconds: -1e12},
			"-1000000000000 seconds and 0 nanoseconds are not a time from year 1 to year 9999 (correct the time)"},
		{"a mask, which protojson and istiod write in two ways", &fieldmaskpb.FieldMask{Paths: []string{"a"}},
			"a google.protobuf.FieldMask has no form that istiod reads (leave it out)"},
		{"an Any without a type", &anypb.Any{}, `the type "" of the Any is not known` + anyHint},
		{"a bad message in the Any of an Any", mustAny(&anypb.Any{TypeUrl: "x/y"}), `.value: the type "x/y" of the Any is not known` + anyHint},
		{"a map with a nil entry", &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"b": nil, "a": nil}},
			`.filter_metadata.a: the entry is nil (remove it, or give it a value)` + "\n" +
				`error WS240 spec.filter_metadata.b: the entry is nil (remove it, or give it a value)`},
		{"a member of a oneof that is nil", &clusterv3.Cluster{LbConfig: &clusterv3.Cluster_RingHashLbConfig_{}}, ".ring_hash_lb_config: the entry is nil (remove it, or give it a value)"},
		{"an Any within an Any that goes too deep", deep(), "the value is nested more than 100 levels deep (flatten the configuration)"},
		{"a long text is cut", &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewStringValue(strings.Repeat("\xff", 400))}},
			`.a: "…" is not valid UTF-8 (write the text in UTF-8)`},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			w := newReport(nil).writer(false)
			w.message(test.m.ProtoReflect(), 0)
			got := strings.TrimPrefix(strings.TrimPrefix(w.list.String(), "error WS240 spec"), ": ")
			if strings.Contains(test.want, "nested") {
				got = got[strings.Index(got, ": ")+2:] // the way down is long
			}
			if got != test.want {
				t.Errorf("got  %s\nwant  %s", got, test.want)
			}
		})
	}
}

func mustAny(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return a
}

// deep is an Any in an Any, and so on.
func deep() *anypb.Any {
	a := mustAny(&emptypb.Empty{})
	for range 200 {
		a = mustAny(a)
	}
	return a
}

// TestWriterWellKnown pins the forms of the well-known types.
func TestWriterWellKnown(t *testing.T) {
	tests := []struct {
		m    proto.Message
		want string
	}{
		{durationpb.New(1_500_000_000), `"1.500s"`},
		{durationpb.New(0), `"0s"`},
		{durationpb.New(-1), `"-0.000000001s"`},
		{&durationpb.Duration{Seconds: -3, Nanos: -250_000}, `"-3.000250s"`},
		{&timestamppb.Timestamp{Seconds: 1136214245, Nanos: 500_000_000}, `"2006-01-02T15:04:05.500Z"`},
		{wrapperspb.UInt64(1 << 60), `"1152921504606846976"`},
		{wrapperspb.UInt32(7), `7`},
		{wrapperspb.Bytes([]byte("\xff\xef")), `"/+8="`},
		{wrapperspb.Bool(false), `false`},
		{mustAny(&emptypb.Empty{}), `{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}`},
		{mustAny(wrapperspb.Float(0.1)), `{"@type":"type.googleapis.com/google.protobuf.FloatValue","value":0.1}`},
		{structpb.NewNullValue(), `null`},
	}
	for _, test := range tests {
		w := newReport(nil).writer(false)
		want := &structpb.Value{}
		if err := protojson.Unmarshal([]byte(test.want), want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, w.message(test.m.ProtoReflect(), 0), protocmp.Transform()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.m, diff)
		}
	}
}

// TestAliasOfTypedStruct checks that the older name of TypedStruct reads as the newer one.
func TestAliasOfTypedStruct(t *testing.T) {
	f, err := Parse(manifestOf(patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", `{name: w, typed_config:
 {"@type": type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, value: {config: {name: x}}}}`))))
	if err != nil {
		t.Fatal(err)
	}
	if list := f.Validate().Errors(); list != nil {
		t.Error(list)
	}
	m, err := f.Value(0)
	if err != nil {
		t.Fatal(err)
	}
	config := m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName("typed_config")).Message().Interface().(*anypb.Any)
	payload, err := unpack(config)
	if err != nil || payload.Descriptor().FullName() != typedStruct {
		t.Errorf("the typed_config is %v (%v)", config, err)
	}
}

// TestKnownTypes checks that the types that EnvoyFilters name are known.
func TestKnownTypes(t *testing.T) {
	for _, name := range []string{
		"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"envoy.extensions.filters.http.lua.v3.Lua",
		"envoy.extensions.filters.http.wasm.v3.Wasm",
		"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
		"envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
		"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
		"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
		"istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
		"istio.envoy.config.filter.network.tcp_cluster_rewrite.v2alpha1.TcpClusterRewrite",
		"istio.envoy.config.filter.http.jwt_auth.v2alpha1.JwtRule",
		"stats.PluginConfig",
		"udpa.type.v1.TypedStruct",
		"xds.type.v3.TypedStruct",
	} {
		if _, err := envoyapi.Types.FindMessageByURL("type.googleapis.com/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDynamicValue checks that a type of the same name as a linked one is told apart from it.
func TestDynamicValue(t *testing.T) {
	list := patched(Patch{ApplyTo: 8, Operation: opMerge, Value: dynamicpb.NewMessage((&clusterv3.Cluster{}).ProtoReflect().Descriptor())})(t)
	if len(list) != 1 || list[0].Message != "*dynamicpb.Message is not the Go type that is generated for envoy.config.cluster.v3.Cluster" {
		t.Error(list)
	}
}

// TestDepthOfEachPatch checks that a value that goes too deep does not hide the others.
func TestDepthOfEachPatch(t *testing.T) {
	_, err := Builder{Name: "f", AllWorkloads: true, Patches: []Patch{
		MergeHTTPConnectionManager(Gateway, endlessManager()), AllowConnect(Gateway), MergeHTTPConnectionManager(Gateway, endlessManager()),
	}}.Build()
	list := listOf(t, err)
	if len(list) != 2 || list[0].Code != "WS240" || list[1].Code != "WS240" || !strings.HasPrefix(list[1].Path, "spec.configPatches[2].") {
		t.Error(list)
	}
}
