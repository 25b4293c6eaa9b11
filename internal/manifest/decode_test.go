// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// intMap returns a message of what Istio's API has not: maps whose keys are no strings, m of int32 and b of bool, and a
// float f.
func intMap() proto.Message {
	entry := func(name string, key descriptorpb.FieldDescriptorProto_Type) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{
			Name:    new(name),
			Options: &descriptorpb.MessageOptions{MapEntry: new(true)},
			Field: []*descriptorpb.FieldDescriptorProto{
				{Name: new("key"), Number: proto.Int32(1), Type: key.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
				{Name: new("value"), Number: proto.Int32(2), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
			},
		}
	}
	field := func(name string, number int32, entry string) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: new(name), Number: new(number), TypeName: new(".test.Maps." + entry),
			Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("test.proto"), Package: new("test"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: new("Maps"),
			Field: []*descriptorpb.FieldDescriptorProto{field("m", 1, "MEntry"), field("b", 2, "BEntry"),
				{Name: new("f"), Number: proto.Int32(3), Type: descriptorpb.FieldDescriptorProto_TYPE_FLOAT.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}},
			NestedType: []*descriptorpb.DescriptorProto{entry("MEntry", descriptorpb.FieldDescriptorProto_TYPE_INT32), entry("BEntry", descriptorpb.FieldDescriptorProto_TYPE_BOOL)},
		}},
	}, nil)
	if err != nil {
		panic(err)
	}
	return dynamicpb.NewMessage(file.Messages().Get(0))
}

func TestDecode(t *testing.T) {
	rule, filter, hcm := &networking.DestinationRule{}, &networking.EnvoyFilter{}, &hcmv3.HttpConnectionManager{}
	for _, test := range []struct {
		reason  string
		into    proto.Message
		dialect Dialect
		text    string
		want    []string // the findings, as "code path: message (hint)" cut at where it says enough
	}{
		{"names: the API server knows the lowerCamelCase spelling only", rule, CRD,
			`{"traffic_policy":{},"host":"a"}`,
			[]string{`WS920 spec.traffic_policy: the field "traffic_policy" is not known in istio.networking.v1alpha3.DestinationRule (did you mean trafficPolicy?)`}},
		{"names: istiod takes both spellings of a value", hcm, ProtoJSON, `{"stat_prefix":"a","routeConfig":{}}`, nil},
		{"names: the nearest is meant", rule, CRD,
			`{"host":"a","trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolcy":"UPGRADE","H2UpgradePolicy":"UPGRADE"}}}}`,
			[]string{"WS920 spec.trafficPolicy.connectionPool.http.H2UpgradePolicy: the field \"H2UpgradePolicy\" is not known in istio.networking.v1alpha3.ConnectionPoolSettings.HTTPSettings (did you mean h2UpgradePolicy?)",
				"WS920 spec.trafficPolicy.connectionPool.http.h2UpgradePolcy: the field \"h2UpgradePolcy\" is not known in istio.networking.v1alpha3.ConnectionPoolSettings.HTTPSettings (did you mean h2UpgradePolicy?)"}},
		{"names: the hint is in the spelling of the value", hcm, ProtoJSON, `{"http2_protocol_options":{"allow_conect":true,"allowConect":true}}`,
			[]string{`WS920 spec.http2_protocol_options.allowConect: the field "allowConect" is not known in envoy.config.core.v3.Http2ProtocolOptions (did you mean allowConnect?)`,
				`WS920 spec.http2_protocol_options.allow_conect: the field "allow_conect" is not known in envoy.config.core.v3.Http2ProtocolOptions (did you mean allow_connect?)`}},
		{"names: where none is near, all are named", rule, CRD, `{"host":"a","subsets":[{"something":1}]}`,
			[]string{"WS920 spec.subsets[0].something: the field \"something\" is not known in istio.networking.v1alpha3.Subset (the fields are name, labels, trafficPolicy)"}},
		{"names: of many fields only some", hcm, ProtoJSON, `{"something":1}`, []string{"WS920 spec.something: the field \"something\" is not known in envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager (the fields are codec_type, stat_prefix, rds,"}},
		{"names: a message without fields", hcm, ProtoJSON, `{"stripAnyHostPort":true,"requestIdExtension":null,"http_filters":[{"disabled":true,"config_discovery":{"config_source":{"ads":{"x":1},"self":null}}}]}`,
			[]string{"WS920 spec.http_filters[0].config_discovery.config_source.ads.x: the field \"x\" is not known in envoy.config.core.v3.AggregatedConfigSource (remove it: there are no fields here)"}},
		{"names: one that no path can hold is quoted", rule, CRD, `{"a b":1,"":1,"1a":1,"@type":"x","[a.b]":1}`,
			[]string{`WS920 spec[""]: the field "" is`, `WS920 spec["1a"]: `, `WS920 spec["@type"]: `, `WS920 spec["[a.b]"]: `, `WS920 spec["a b"]: `}},
		{"names: a very long one is cut", rule, CRD, `{"` + strings.Repeat("k", 1000) + `":1}`,
			[]string{`WS920 spec["` + strings.Repeat("k", 320) + `…"]: the field "` + strings.Repeat("k", 320) + `…" is not known in`}},

		{"null: the API server prunes it", rule, CRD, `{"host":"a","trafficPolicy":null,"subsets":null,"exportTo":null,"workloadSelector":{"matchLabels":null}}`, nil},
		{"null: not in a list", rule, CRD, `{"host":"a","subsets":[null],"exportTo":[null]}`,
			[]string{"WS921 spec.exportTo[0]: null is not a string", "WS921 spec.subsets[0]: null is not an object"}},
		{"null: not in a map", rule, CRD, `{"host":"a","subsets":[{"name":"b","labels":{"a.b/c":null}}]}`,
			[]string{`WS921 spec.subsets[0].labels["a.b/c"]: null is not a string`}},
		{"null: in a Struct it is a value", filter, CRD, `{"configPatches":[{"patch":{"value":{"a":null}}}]}`, nil},
		{"null: a whole spec of it is none", rule, CRD, `null`, []string{"WS921 spec: null is not an object"}},

		{"types: each in its place", rule, CRD,
			`{"host":["a"],"trafficPolicy":"x","subsets":{"name":"a"},"exportTo":["a",1],"workloadSelector":{"matchLabels":["a"]}}`,
			[]string{"WS921 spec.exportTo[1]: the number 1 is not a string (put the value in quotes)",
				"WS921 spec.host: a list is not a string",
				"WS921 spec.subsets: an object is not a list (write each entry",
				`WS921 spec.trafficPolicy: the string "x" is not an object (write its fields`,
				"WS921 spec.workloadSelector.matchLabels: a list is not an object"}},
		{"types: true and false", rule, CRD, `{"trafficPolicy":{"connectionPool":{"http":{"useClientProtocol":"true"}}}}`,
			[]string{`WS921 spec.trafficPolicy.connectionPool.http.useClientProtocol: the string "true" is not true or false (write true or false, without quotes)`}},
		{"types: wrappers are plain values", rule, CRD, `{"trafficPolicy":{"outlierDetection":{"consecutive5xxErrors":{"value":5}},"loadBalancer":{"localityLbSetting":{"enabled":1}}}}`,
			[]string{"WS921 spec.trafficPolicy.loadBalancer.localityLbSetting.enabled: the number 1 is not true or false",
				"WS921 spec.trafficPolicy.outlierDetection.consecutive5xxErrors: an object is not a whole number"}},
		{"types: wrappers", rule, CRD, `{"trafficPolicy":{"outlierDetection":{"consecutive5xxErrors":5},"loadBalancer":{"warmup":{"duration":"1s","aggression":1.5},"localityLbSetting":{"enabled":true}}}}`, nil},
		{"types: a patch's value is an object", filter, CRD, `{"configPatches":[{"patch":{"value":[1]}}]}`, []string{"WS921 spec.configPatches[0].patch.value: a list is not an object"}},

		{"enums: by name", rule, CRD, `{"trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":2}}}}`,
			[]string{"WS921 spec.trafficPolicy.connectionPool.http.h2UpgradePolicy: the number 2 is not the name of an enum's value (The values are DEFAULT, DO_NOT_UPGRADE, UPGRADE)"}},
		{"enums: a misspelt name", rule, CRD, `{"trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":"upgrade"}}}}`,
			[]string{`WS922 spec.trafficPolicy.connectionPool.http.h2UpgradePolicy: "upgrade" is not a value of istio.networking.v1alpha3.ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy (did you mean UPGRADE? The values are DEFAULT, DO_NOT_UPGRADE, UPGRADE)`}},
		{"enums: in a value numbers too", hcm, ProtoJSON, `{"codec_type":2,"server_header_transformation":99,"path_with_escaped_slashes_action":1.5}`,
			[]string{"WS923 spec.path_with_escaped_slashes_action: the number 1.5 is not a whole number from -2147483648 to 2147483647"}},
		{"enums: of another type", hcm, ProtoJSON, `{"codec_type":true}`, []string{"WS921 spec.codec_type: true is not the name of an enum's value (The values are AUTO, HTTP1, HTTP2, HTTP3)"}},

		{"numbers: in a CRD as digits", rule, CRD, `{"trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":8080.0},"http":{"http2MaxRequests":1e3,"maxRetries":"3","maxRequestsPerConnection":3.5,"http1MaxPendingRequests":2147483648}}}}`,
			[]string{"WS923 spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests: the number 2147483648 is not a whole number from -2147483648 to 2147483647 (write a number in this range, in digits only)",
				"WS923 spec.trafficPolicy.connectionPool.http.http2MaxRequests: the number 1e3 is not",
				"WS923 spec.trafficPolicy.connectionPool.http.maxRequestsPerConnection: the number 3.5 is not",
				`WS921 spec.trafficPolicy.connectionPool.http.maxRetries: the string "3" is not a whole number (write a whole number, without quotes)`,
				"WS923 spec.trafficPolicy.connectionPool.tcp.maxConnections: the number 8080.0 is not"}},
		{"numbers: unsigned ones", rule, CRD, `{"trafficPolicy":{"loadBalancer":{"consistentHash":{"ringHash":{"minimumRingSize":-1}}},"portLevelSettings":[{"port":{"number":4294967296}}]}}`,
			[]string{"WS923 spec.trafficPolicy.loadBalancer.consistentHash.ringHash.minimumRingSize: the number -1 is not a whole number from 0 to 18446744073709551615",
				"WS923 spec.trafficPolicy.portLevelSettings[0].port.number: the number 4294967296 is not a whole number from 0 to 4294967295"}},
		{"numbers: the largest", rule, CRD, `{"trafficPolicy":{"loadBalancer":{"consistentHash":{"ringHash":{"minimumRingSize":18446744073709551615}}}}}`, nil},
		{"numbers: fractions", rule, CRD, `{"trafficPolicy":{"loadBalancer":{"warmup":{"duration":"1s","aggression":1e400,"minimumPercent":"5"}}}}`,
			[]string{"WS923 spec.trafficPolicy.loadBalancer.warmup.aggression: the number 1e400 is not a number that fits into 64 bits of floating point (write a number in this range)",
				`WS921 spec.trafficPolicy.loadBalancer.warmup.minimumPercent: the string "5" is not a number (write a number, without quotes)`}},
		{"numbers: in a value in all spellings", hcm, ProtoJSON,
			`{"http2_protocol_options":{"hpack_table_size":"4096","max_concurrent_streams":1e3,"max_outbound_frames":8.0,"initial_stream_window_size":-0}}`, nil},
		{"numbers: in a value in no other", hcm, ProtoJSON,
			`{"http2_protocol_options":{"hpack_table_size":"x","max_concurrent_streams":" 1","max_outbound_frames":"","initial_stream_window_size":"1.5","max_outbound_control_frames":"NaN","max_consecutive_inbound_frames_with_empty_payload":true}}`,
			[]string{`WS921 spec.http2_protocol_options.hpack_table_size: the string "x" is not a whole number`,
				`WS923 spec.http2_protocol_options.initial_stream_window_size: the string "1.5" is not a whole number from 0 to 4294967295`,
				`WS921 spec.http2_protocol_options.max_concurrent_streams: the string " 1" is not`,
				`WS921 spec.http2_protocol_options.max_consecutive_inbound_frames_with_empty_payload: true is not a whole number`,
				`WS923 spec.http2_protocol_options.max_outbound_control_frames: the string "NaN" is not`,
				`WS921 spec.http2_protocol_options.max_outbound_frames: the string "" is not`}},
		{"numbers: in a Struct as double", filter, CRD, `{"configPatches":[{"patch":{"value":{"a":1.5,"b":-0,"c":1e400,"d":18446744073709551615}}}]}`,
			[]string{"WS923 spec.configPatches[0].patch.value.c: the number 1e400 is not"}},

		{"durations: what time.ParseDuration takes", rule, CRD, `{"trafficPolicy":{"connectionPool":{"tcp":{"connectTimeout":"1.5s","idleTimeout":"0.000000001s","maxConnectionDuration":"-3s"},"http":{"idleTimeout":"1h30m"}}}}`, nil},
		{"durations: and no other", rule, CRD, `{"trafficPolicy":{"connectionPool":{"tcp":{"connectTimeout":"1 h","idleTimeout":5,"maxConnectionDuration":"10000000000s"},"http":{"idleTimeout":""}}}}`,
			[]string{`WS924 spec.trafficPolicy.connectionPool.http.idleTimeout: the string "" is not a google.protobuf.Duration (write it with its unit, for example "1.5s" or "1m30s")`,
				`WS924 spec.trafficPolicy.connectionPool.tcp.connectTimeout: the string "1 h" is not`,
				`WS921 spec.trafficPolicy.connectionPool.tcp.idleTimeout: the number 5 is not a string (write it with its unit`,
				`WS924 spec.trafficPolicy.connectionPool.tcp.maxConnectionDuration: the string "10000000000s" is not`}},
		{"durations: the same in a value", hcm, ProtoJSON, `{"stream_idle_timeout":"10000000000s","request_timeout":"1m"}`, []string{`WS924 spec.stream_idle_timeout: the string "10000000000s" is not`}},

		{"oneofs: of three each later one", filter, CRD, `{"configPatches":[{"match":{"listener":{},"cluster":{},"routeConfiguration":{}}}]}`,
			[]string{"WS925 spec.configPatches[0].match.listener: listener is set together with", "WS925 spec.configPatches[0].match.routeConfiguration: routeConfiguration is set together with"}},
		{"oneofs: in both spellings", hcm, ProtoJSON, `{"route_config":{},"scopedRoutes":null,"rds":{}}`, []string{"WS925 spec.route_config: route_config is set together with rds (set only one of rds and route_config)"}},

		{"Any: a type that is unknown", hcm, ProtoJSON, `{"http_filters":[{"typed_config":{"@type":"type.googleapis.com/envoy.Nothing"}}]}`,
			[]string{`WS928 spec.http_filters[0].typed_config["@type"]: the type "type.googleapis.com/envoy.Nothing" is not known (correct the name`}},
		{"Any: a type of proto2", hcm, ProtoJSON, `{"http_filters":[{"typed_config":{"@type":"type.googleapis.com/google.protobuf.FileDescriptorProto"}}]}`,
			[]string{`WS928 spec.http_filters[0].typed_config["@type"]: the type "type.googleapis.com/google.protobuf.FileDescriptorProto" is not known`}},
		{"Any: a type of the old API", hcm, ProtoJSON, `{"http_filters":[{"typed_config":{"@type":"type.googleapis.com/envoy.config.filter.http.rbac.v2.RBAC"}}]}`,
			[]string{`WS928 spec.http_filters[0].typed_config["@type"]: the type "type.googleapis.com/envoy.config.filter.http.rbac.v2.RBAC" is not known (Envoy dropped its v2 API`}},
		{"Any: a type that has moved", hcm, ProtoJSON, `{"http_filters":[{"typed_config":{"@type":"type.googleapis.com/envoy.config.listener.v3.ApiListenerManager"}}]}`,
			[]string{`WS928 spec.http_filters[0].typed_config["@type"]: the type "type.googleapis.com/envoy.config.listener.v3.ApiListenerManager" is not known (Envoy moved its listener managers`}},
		{"Any: and where it is now", hcm, ProtoJSON, `{"http_filters":[{"typed_config":{"@type":"type.googleapis.com/envoy.config.bootstrap.v3.ApiListenerManager"}}]}`, nil},
		{"Any: a type that is no name", hcm, ProtoJSON, `{"http_filters":[{"typed_config":{"@type":"/"}},{"typed_config":{"@type":7}},{"typed_config":{"@type":""}},{"typed_config":{}},{"typed_config":[]},{"typed_config":{"@type":"google.protobuf.Any.type_url"}}]}`,
			[]string{`WS928 spec.http_filters[0].typed_config["@type"]: the type "/" is not known`,
				`WS927 spec.http_filters[1].typed_config: the "@type" of this configuration is the number 7`,
				`WS927 spec.http_filters[2].typed_config: the "@type" of this configuration is the string ""`,
				`WS927 spec.http_filters[3].typed_config: the "@type" of this configuration is missing`,
				`WS921 spec.http_filters[4].typed_config: a list is not an object`,
				`WS928 spec.http_filters[5].typed_config["@type"]: the type "google.protobuf.Any.type_url" is not known`}},
		{"Any: fields inside have its path", hcm, ProtoJSON, `{"http_filters":[{"typed_config":{"@type":"` + hcmURL + `","http2_protocol_options":{"allow_conect":true}}}]}`,
			[]string{"WS920 spec.http_filters[0].typed_config.http2_protocol_options.allow_conect: "}},
		{"Any: both names of TypedStruct", hcm, ProtoJSON, `{"http_filters":[
			{"typed_config":{"@type":"type.googleapis.com/udpa.type.v1.TypedStruct","type_url":"a","value":{"b":[1,"c",null,{"d":true}]}}},
			{"typed_config":{"@type":"type.googleapis.com/xds.type.v3.TypedStruct","typeUrl":"a"}}]}`, nil},
		{"Any: a typo in a TypedStruct", hcm, ProtoJSON, `{"http_filters":[{"typed_config":{"@type":"type.googleapis.com/udpa.type.v1.TypedStruct","typo_url":"a"}}]}`,
			[]string{"WS920 spec.http_filters[0].typed_config.typo_url: the field \"typo_url\" is not known in xds.type.v3.TypedStruct (did you mean type_url?)"}},
		{"Any: of a type with a JSON form of its own", hcm, ProtoJSON, `{"http_filters":[
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Empty"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Value","value":null}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.ListValue","value":[1,null]}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.BytesValue","value":"YQ=="}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.DoubleValue","value":"Infinity"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.FloatValue","value":1e30}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"-1"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Timestamp","value":"2026-01-02T03:04:05Z"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.FieldMask","value":"a.bC,d"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}}}]}`, nil},
		{"Any: and what is wrong with such", hcm, ProtoJSON, `{"http_filters":[
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Duration"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Empty","value":{"a":1}}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Struct","value":null,"valu":1}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.ListValue","value":{}}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.BytesValue","value":"?"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":9223372036854775808}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.FloatValue","value":1e300}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.Timestamp","value":"yesterday"}},
			{"typed_config":{"@type":"type.googleapis.com/google.protobuf.FieldMask","value":"a_b"}}]}`,
			[]string{`WS927 spec.http_filters[0].typed_config: the value of "type.googleapis.com/google.protobuf.Duration" is missing (write it in the field "value"`,
				`WS920 spec.http_filters[1].typed_config.value.a: the field "a" is not known in google.protobuf.Empty`,
				`WS920 spec.http_filters[2].typed_config.valu: the field "valu" is not known in a google.protobuf.Any of google.protobuf.Struct (did you mean value?)`,
				`WS921 spec.http_filters[2].typed_config.value: null is not an object`,
				`WS921 spec.http_filters[3].typed_config.value: an object is not a list`,
				`WS924 spec.http_filters[4].typed_config.value: the string "?" is not a google.protobuf.BytesValue`,
				`WS923 spec.http_filters[5].typed_config.value: the number 9223372036854775808 is not a whole number from -9223372036854775808`,
				`WS923 spec.http_filters[6].typed_config.value: the number 1e300 is not a number that fits into 32 bits`,
				`WS924 spec.http_filters[7].typed_config.value: the string "yesterday" is not a google.protobuf.Timestamp`,
				`WS924 spec.http_filters[8].typed_config.value: the string "a_b" is not a google.protobuf.FieldMask`}},

		{"maps: keys that are no strings", intMap(), CRD, `{"m":{"1":"a","-2":"b"},"b":{"true":"c","false":"d"}}`, nil},
		{"maps: and what is wrong with such", intMap(), CRD, `{"m":{"x":"a","1.5":"b","2147483648":"c","01":"d"},"b":{"1":"c"}}`,
			[]string{`WS921 spec.b["1"]: the string "1" is not true or false`, `WS921 spec.m["01"]: the string "01" is not a whole number`,
				`WS923 spec.m["1.5"]: the string "1.5" is not a whole number from`, `WS923 spec.m["2147483648"]: `, `WS921 spec.m.x: `}},
		{"what protobuf alone sees", intMap(), CRD, `{"m":{"0":"a","-0":"b"}}`, []string{`WS930 spec.m["0"]: protobuf refuses the value: duplicate map key`}},
		{"nesting: of messages", hcm, ProtoJSON, `{"access_log":[{"filter":` + strings.Repeat(`{"and_filter":{"filters":[`, 34) + `{}` + strings.Repeat(`]}}`, 34) + `}]}`,
			[]string{"WS929 spec.access_log[0].filter" + strings.Repeat(".and_filter.filters[0]", 33) + ": the value is nested more than 100 levels deep"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			m := test.into.ProtoReflect().New().Interface()
			checkFindings(t, decode(test.text, test.dialect, m), test.want)
		})
	}
}

// TestDecodeStruct is for what no document gives.
func TestDecodeStruct(t *testing.T) {
	value := func(fields map[string]*structpb.Value) map[string]*structpb.Value {
		return map[string]*structpb.Value{"patch": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"value": structpb.NewStructValue(&structpb.Struct{Fields: fields})}})}
	}
	number, text := structpb.NewNumberValue, structpb.NewStringValue
	for _, test := range []struct {
		reason string
		fields map[string]*structpb.Value
		want   []string
	}{
		{"numbers", value(map[string]*structpb.Value{"a": number(8080), "b": number(0.5), "c": number(1e300), "d": nil, "e": {}}), nil},
		{"a fraction", map[string]*structpb.Value{"applyTo": number(0.5)}, []string{"WS923 spec.applyTo: the number 0.5 is not a whole number"}},
		{"not finite", value(map[string]*structpb.Value{"a": number(math.NaN()), "b": number(math.Inf(1))}),
			[]string{"WS923 spec.patch.value.a: the number NaN is not a number", "WS923 spec.patch.value.b: the number +Inf is not a number"}},
		{"text that is not UTF-8", value(map[string]*structpb.Value{"\xff": text("a"), "a": text("b\xff")}),
			[]string{`WS931 spec.patch.value.a: "b\xff" is not valid UTF-8`, `WS931 spec.patch.value["\xff"]: "\xff" is not valid UTF-8`}},
		{"other values", map[string]*structpb.Value{"patch": structpb.NewBoolValue(true), "match": structpb.NewListValue(&structpb.ListValue{}), "applyTo": text("CLUSTER")},
			[]string{"WS921 spec.match: a list is not an object", "WS921 spec.patch: true is not an object"}},
		{"lists", map[string]*structpb.Value{"match": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"route_configuration": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{number(1)}})}}),
			"patch": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"value": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
					"a": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{number(1), text("\xff")}})}})}})},
			[]string{"WS921 spec.match.route_configuration: a list is not an object", `WS931 spec.patch.value.a[1]: "\xff" is not`}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			checkFindings(t, decodeStruct(test.fields, &networking.EnvoyFilter_EnvoyConfigObjectPatch{}), test.want)
		})
	}
}

func TestDecodeReadsIntoAFreshMessage(t *testing.T) {
	for _, test := range []struct {
		text string
		want *networking.DestinationRule
	}{
		{`{"exportTo":["."]}`, &networking.DestinationRule{ExportTo: []string{"."}}},
		{`{"exportTo":1}`, &networking.DestinationRule{}},
	} {
		got := &networking.DestinationRule{Host: "before"}
		decode(test.text, CRD, got)
		if !proto.Equal(got, test.want) {
			t.Errorf("%s gives %v, want %v", test.text, got, test.want)
		}
	}
}

// checkDecode holds Decode against protojson, which must take what Decode takes and give the same message. What protojson
// refuses must be found by the walk, which knows the path. It reports whether Decode takes the data.
func checkDecode(t *testing.T, data []byte, dialect Dialect, m proto.Message) (taken bool) {
	t.Helper()
	root, findings := yamldoc.Parse([]byte(`{"spec":` + string(data) + `}`))
	if len(findings) > 0 {
		return false // a key stands twice
	}
	got, want := m.ProtoReflect().New().Interface(), m.ProtoReflect().New().Interface()
	findings = Decode(root.Get("spec"), fieldpath.Path{fieldpath.Name("spec")}, dialect, got)
	if len(findings) == 0 {
		data, _ = json.Marshal(seconds(root.Get("spec").Interface(), m.ProtoReflect().Descriptor())) // protojson reads durations in seconds alone
	}
	err := protojson.UnmarshalOptions{Resolver: envoyapi.Types}.Unmarshal(data, want)
	switch {
	case err != nil && len(findings) == 0:
		t.Fatalf("protojson refuses %s: %v", data, err)
	case err == nil && len(findings) == 0 && !proto.Equal(got, want):
		t.Fatalf("%s is read as %v, want %v", data, got, want)
	case err == nil && dialect == ProtoJSON && slices.ContainsFunc(findings, func(f finding.Finding) bool {
		return f.Code != "WS924" && f.Code != "WS927" && f.Code != "WS929" && f.Code != "WS931"
	}):
		t.Fatalf("protojson takes %s, and the findings are %v", data, findings)
	}
	for _, f := range findings {
		if !strings.HasPrefix(f.Path, "spec") || f.Message == "" {
			t.Fatalf("a finding of %s has no path or message: %+v", data, f)
		}
	}
	return len(findings) == 0
}

// seconds writes the durations in the tree of a message as protojson reads them.
func seconds(tree any, md protoreflect.MessageDescriptor) any {
	if text, ok := tree.(string); ok && md.FullName() == "google.protobuf.Duration" {
		if d, err := time.ParseDuration(text); err == nil {
			text, _ := protojson.Marshal(durationpb.New(d))
			return strings.Trim(string(text), `"`)
		}
	}
	fields, ok := tree.(map[string]any)
	if !ok {
		return tree
	}
	if url, ok := fields["@type"].(string); ok && md.FullName() == "google.protobuf.Any" {
		if mt, err := envoyapi.Types.FindMessageByURL(url); err == nil {
			if md = mt.Descriptor(); envoyapi.HasOwnForm(md) {
				fields["value"] = seconds(fields["value"], md)
				return fields
			}
		}
	}
	for name, v := range fields {
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			fd = md.Fields().ByTextName(name)
		}
		switch {
		case fd == nil || fd.Message() == nil:
		case fd.IsList():
			items, _ := v.([]any)
			for i := range items {
				items[i] = seconds(items[i], fd.Message())
			}
		case fd.IsMap():
			entries, _ := v.(map[string]any)
			for key := range entries {
				if fd.MapValue().Message() != nil {
					entries[key] = seconds(entries[key], fd.MapValue().Message())
				}
			}
		default:
			fields[name] = seconds(v, fd.Message())
		}
	}
	return fields
}

// TestDecodeMutants reads the JSON of random messages in which up to two values or keys were replaced.
func TestDecodeMutants(t *testing.T) {
	r := maker{rand.New(rand.NewPCG(3, 4)), false}
	messages := []proto.Message{&networking.DestinationRule{}, &networking.EnvoyFilter{}, &hcmv3.HttpConnectionManager{}, &tlsv3.UpstreamTlsContext{}}
	taken, total := 0, 4000/raceFactor
	for range total {
		m := messages[r.IntN(len(messages))].ProtoReflect().New().Interface()
		r.message(m.ProtoReflect(), 0)
		dialect := Dialect(r.IntN(2))
		data, err := protojson.MarshalOptions{UseProtoNames: dialect == ProtoJSON && r.IntN(2) == 0, Resolver: envoyapi.Types}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(data, &tree); err != nil {
			t.Fatal(err)
		}
		for range r.IntN(3) {
			tree = r.mutant(tree)
		}
		mutant, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if checkDecode(t, mutant, dialect, m) {
			taken++
		}
	}
	if taken < total/10 || taken > total*9/10 {
		t.Errorf("%d mutants of %d were taken: there should be many of both", taken, total)
	}
}

// mutant returns a tree with another value or key somewhere.
func (r maker) mutant(tree any) any {
	if r.IntN(4) != 0 {
		switch v := tree.(type) {
		case map[string]any:
			if keys := slices.Sorted(maps.Keys(v)); len(keys) > 0 {
				key := keys[r.IntN(len(keys))]
				if r.IntN(10) == 0 {
					v[strings.ToUpper(key)] = v[key]
					return v
				}
				v[key] = r.mutant(v[key])
				return v
			}
		case []any:
			if len(v) > 0 {
				i := r.IntN(len(v))
				v[i] = r.mutant(v[i])
				return v
			}
		}
	}
	return []any{nil, true, "", "x", "1", " 1", "1.5", "1e3", "NaN", "5s", "1.000s", "+.5s", "1h", "00s", "YQ", "YQ==", "-_", "2026-01-01T00:00:00Z",
		json.Number("0"), json.Number("-0"), json.Number("-1"), json.Number("1.0"), json.Number("1e2"), json.Number("1.5"), json.Number("4294967296"), json.Number("1e400"),
		[]any{}, []any{nil}, map[string]any{}, map[string]any{"x": nil}, map[string]any{"@type": hcmURL}, map[string]any{"@type": hcmURL, "statPrefix": 1.0},
		map[string]any{"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}, map[string]any{"@type": "x"}}[r.IntN(34)]
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{"host":"a","trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":"UPGRADE","maxRetries":1.5}}}}`,
		`{"configPatches":[{"patch":{"value":{"a":[null,1e3]}}}]}`, `{"http_filters":[{"typed_config":{"@type":"` + hcmURL + `"}}]}`,
		`{"stat_prefix":"a","statPrefix":"b"}`, `{"httpFilters":[{"typedConfig":{"@type":"type.googleapis.com/google.protobuf.Any","value":{}}}]}`} {
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, protoJSON bool) {
		if !json.Valid(data) || !utf8.Valid(data) || len(data) > 1<<20 {
			return
		}
		dialect := CRD
		if protoJSON {
			dialect = ProtoJSON
		}
		for _, m := range []proto.Message{&networking.DestinationRule{}, &networking.EnvoyFilter{}, &hcmv3.HttpConnectionManager{}} {
			checkDecode(t, data, dialect, m)
		}
	})
}

// checkFindings compares each finding, as "code path: message (hint)", with the beginning that is wanted of it.
func checkFindings(t *testing.T, got finding.List, want []string) {
	t.Helper()
	var lines []string
	for _, f := range got {
		at := f.Path
		if at != "" {
			at = " " + at
		}
		lines = append(lines, fmt.Sprintf("%s%s: %s (%s)", f.Code, at, f.Message, f.Hint))
	}
	checkLines(t, lines, want)
}

func checkLines(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("the findings are:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
