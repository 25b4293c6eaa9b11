// SPDX-License-Identifier: Apache-2.0

package envoyapi_test

import (
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"sigs.k8s.io/yaml"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
)

// TestFindMessage looks up messages that are linked here, messages that are not, and names that are not those of messages.
func TestFindMessage(t *testing.T) {
	tests := []struct {
		name          protoreflect.FullName
		found, linked bool
	}{
		{"google.protobuf.Duration", true, true},
		{"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", true, true},
		{"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig", true, true},
		{"envoy.extensions.filters.http.lua.v3.Lua", true, false},
		{"envoy.extensions.filters.http.lua.v3.Lua.SourceCodesEntry", true, false},
		{"envoy.config.cluster.v3.Cluster.RingHashLbConfig", true, false},
		{"envoy.config.bootstrap.v3.Bootstrap", true, false},
		{"istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig", true, false},
		{"stats.PluginConfig", true, false},
		{"xds.type.v3.TypedStruct", true, true},
		{"envoy.config.cluster.v3.Cluster.DiscoveryType", false, false}, // an enum
		{"envoy.config.cluster.v3.Cluster.Nothing", false, false},
		{"envoy.extensions.filters.http.lua.v2.Lua", false, false},
		{"index", false, false},
		{"", false, false},
	}
	for _, test := range tests {
		mt, err := envoyapi.Types.FindMessageByName(test.name)
		if err != nil {
			if test.found || mt != nil {
				t.Errorf("%s: %v, %v", test.name, mt, err)
			}
			continue
		}
		_, isDynamic := mt.New().Interface().(*dynamicpb.Message)
		if !test.found || isDynamic == test.linked || mt.Descriptor().FullName() != test.name {
			t.Errorf("%s is found as %s, a Go type: %v", test.name, mt.Descriptor().FullName(), !isDynamic)
		}
	}
	for url, name := range map[string]protoreflect.FullName{
		"type.googleapis.com/udpa.type.v1.TypedStruct": "xds.type.v3.TypedStruct",
		"x/y/stats.PluginConfig":                       "stats.PluginConfig",
		"stats.PluginConfig":                           "stats.PluginConfig",
	} {
		if mt, err := envoyapi.Types.FindMessageByURL(url); err != nil || mt.Descriptor().FullName() != name {
			t.Errorf("%s: %v, %v", url, mt, err)
		}
	}
	if names := envoyapi.Types.Names(); len(names) < 800 || !slices.Contains(names, "envoy.extensions.filters.http.lua.v3.Lua") {
		t.Errorf("there are %d names", len(names))
	}
}

// TestFindMessageAtOnce looks up every message from several goroutines, which all get the same types.
func TestFindMessageAtOnce(t *testing.T) {
	types := envoyapi.NewResolver(envoyapi.Types.Types)
	names := types.Names()
	found := make([][]protoreflect.MessageType, 4)
	var wg sync.WaitGroup
	for i := range found {
		found[i] = make([]protoreflect.MessageType, len(names))
		wg.Go(func() {
			for n := range names {
				n := (n + i*len(names)/len(found)) % len(names) // each begins elsewhere
				mt, err := types.FindMessageByName(names[n])
				if err != nil {
					t.Error(err)
				}
				found[i][n] = mt
			}
		})
	}
	wg.Wait()
	for i := range found {
		if !slices.Equal(found[i], found[0]) {
			t.Error("two goroutines got different types")
		}
	}
}

// TestWellKnown reads messages of package google.protobuf in a message whose Go type is not linked here.
func TestWellKnown(t *testing.T) {
	mt, err := envoyapi.Types.FindMessageByName("envoy.config.cluster.v3.Cluster")
	if err != nil {
		t.Fatal(err)
	}
	m := mt.New()
	data, err := yaml.YAMLToJSON([]byte(`{connect_timeout: 1.5s, upstream_config: {name: d, typed_config: {'@type': type.googleapis.com/google.protobuf.Duration, value: 2s}},
		per_connection_buffer_limit_bytes: 7, metadata: {filter_metadata: {a: {b: [1, {c: null}]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := (protojson.UnmarshalOptions{Resolver: envoyapi.Types}).Unmarshal(data, m.Interface()); err != nil {
		t.Fatal(err)
	}
	get := func(m protoreflect.Message, names ...protoreflect.Name) protoreflect.Message {
		for _, name := range names {
			m = m.Get(m.Descriptor().Fields().ByName(name)).Message()
		}
		return m
	}
	config, err := anypb.New(durationpb.New(2_000_000_000))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		got  protoreflect.Message
		want proto.Message
	}{
		{get(m, "connect_timeout"), durationpb.New(1_500_000_000)},
		{get(m, "upstream_config", "typed_config"), config},
		{get(m, "per_connection_buffer_limit_bytes"), wrapperspb.UInt32(7)},
		{get(m, "metadata").Get(get(m, "metadata").Descriptor().Fields().ByName("filter_metadata")).Map().Get(protoreflect.ValueOfString("a").MapKey()).Message(),
			&structpb.Struct{Fields: map[string]*structpb.Value{"b": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
				structpb.NewNumberValue(1), structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"c": structpb.NewNullValue()}})}})}}},
	} {
		got := envoyapi.WellKnown(test.got)
		if got.Type() != test.want.ProtoReflect().Type() || !proto.Equal(got.Interface(), test.want) {
			t.Errorf("got %v, want %v", got, test.want)
		}
	}
	if none := envoyapi.WellKnown(get(m, "cleanup_interval")); none.IsValid() || none.Type() != (&durationpb.Duration{}).ProtoReflect().Type() {
		t.Errorf("a duration that is not there is %v", none)
	}
	for _, m := range []protoreflect.Message{m, (&hcmv3.HttpConnectionManager{}).ProtoReflect(), durationpb.New(1).ProtoReflect()} {
		if envoyapi.WellKnown(m) != m {
			t.Errorf("%s is not returned as it is", m.Descriptor().FullName())
		}
	}
}
