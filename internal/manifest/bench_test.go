// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"
	"sigs.k8s.io/yaml"
)

// pair returns the two objects with which WebSocket over HTTP/2 works from Istio 1.12 on.
func pair() (rule, filter Object) {
	str, obj := structpb.NewStringValue, func(fields map[string]*structpb.Value) *structpb.Value {
		return structpb.NewStructValue(&structpb.Struct{Fields: fields})
	}
	rule = Object{
		APIVersion: "networking.istio.io/v1beta1", Kind: "DestinationRule", Name: "websockets-server",
		Labels: map[string]string{"provider": "asm"},
		Spec: &networking.DestinationRule{
			Host: "websockets-server",
			TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{
				Http: &networking.ConnectionPoolSettings_HTTPSettings{H2UpgradePolicy: networking.ConnectionPoolSettings_HTTPSettings_UPGRADE},
			}},
		},
	}
	filter = Object{
		APIVersion: "networking.istio.io/v1alpha3", Kind: "EnvoyFilter", Name: "h2-upgrade-wss",
		Labels: map[string]string{"asm-system": "true", "provider": "asm"},
		Spec: &networking.EnvoyFilter{
			WorkloadSelector: &networking.WorkloadSelector{Labels: map[string]string{"app": "websockets-server"}},
			ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{
				ApplyTo: networking.EnvoyFilter_NETWORK_FILTER,
				Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{
					Context: networking.EnvoyFilter_SIDECAR_INBOUND,
					Proxy:   &networking.EnvoyFilter_ProxyMatch{ProxyVersion: `^1\.*.*`},
					ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{Listener: &networking.EnvoyFilter_ListenerMatch{
						FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{
							Filter: &networking.EnvoyFilter_ListenerMatch_FilterMatch{Name: "envoy.filters.network.http_connection_manager"},
						},
					}},
				},
				Patch: &networking.EnvoyFilter_Patch{
					Operation: networking.EnvoyFilter_Patch_MERGE,
					Value: &structpb.Struct{Fields: map[string]*structpb.Value{"typed_config": obj(map[string]*structpb.Value{
						"@type":                  str("type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
						"http2_protocol_options": obj(map[string]*structpb.Value{"allow_connect": structpb.NewBoolValue(true)}),
					})}},
				},
			}},
		},
	}
	return rule, filter
}

func BenchmarkAppendYAML(b *testing.B) {
	rule, filter := pair()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = rule.AppendYAML(dst[:0]); err != nil {
			b.Fatal(err)
		}
		if dst, err = filter.AppendYAML(dst); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}

// BenchmarkMarshalYAML is the same by sigs.k8s.io/yaml.
func BenchmarkMarshalYAML(b *testing.B) {
	rule, filter := pair()
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range []Object{rule, filter} {
			if _, err := yaml.Marshal(o); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	rule, filter := pair()
	var documents [2][]byte
	var specs [2]proto.Message
	for i, o := range []Object{rule, filter} {
		documents[i], _ = o.AppendYAML(nil)
		specs[i] = o.Spec.ProtoReflect().New().Interface()
	}
	b.ReportAllocs()
	for b.Loop() {
		for i, o := range []Object{rule, filter} {
			if _, findings := Parse(documents[i], o.Kind, []string{o.APIVersion}, specs[i]); len(findings) > 0 {
				b.Fatal(findings)
			}
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	rule, filter := pair()
	b.ReportAllocs()
	for b.Loop() {
		if rule.Validate() != nil || filter.Validate() != nil {
			b.Fatal("the pair is not valid")
		}
	}
}
