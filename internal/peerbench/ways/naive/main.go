// SPDX-License-Identifier: Apache-2.0

// Naive is the typed way that comes to mind first: the types of istio.io/api, protojson, a map, sigs.k8s.io/yaml.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/internal/peerbench/ways/servers"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func main() {
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for i := range servers.N() {
		s := servers.At(i)
		write(w, "networking.istio.io/v1alpha3", "EnvoyFilter", s.Name+"-allow-connect", s.Namespace, filter(s))
		write(w, "networking.istio.io/v1", "DestinationRule", s.Name, s.Namespace, rule(s))
	}
}

func filter(s servers.Server) *networking.EnvoyFilter {
	hcm := must(anypb.New(&hcmv3.HttpConnectionManager{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{AllowConnect: true}}))
	var config structpb.Struct
	if err := protojson.Unmarshal(must(protojson.MarshalOptions{UseProtoNames: true}.Marshal(hcm)), &config); err != nil {
		panic(err)
	}
	value := &structpb.Struct{Fields: map[string]*structpb.Value{"typed_config": structpb.NewStructValue(&config)}}
	return &networking.EnvoyFilter{
		WorkloadSelector: &networking.WorkloadSelector{Labels: map[string]string{"app": s.Name}},
		ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{
			ApplyTo: networking.EnvoyFilter_NETWORK_FILTER,
			Match: &networking.EnvoyFilter_EnvoyConfigObjectMatch{
				Context: networking.EnvoyFilter_SIDECAR_INBOUND,
				ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{Listener: &networking.EnvoyFilter_ListenerMatch{
					FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{
						Filter: &networking.EnvoyFilter_ListenerMatch_FilterMatch{Name: "envoy.filters.network.http_connection_manager"},
					},
				}},
			},
			Patch: &networking.EnvoyFilter_Patch{Operation: networking.EnvoyFilter_Patch_MERGE, Value: value},
		}},
	}
}

func rule(s servers.Server) *networking.DestinationRule {
	return &networking.DestinationRule{
		Host: s.Name + "." + s.Namespace + ".svc.cluster.local",
		TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{Http: &networking.ConnectionPoolSettings_HTTPSettings{
			H2UpgradePolicy: networking.ConnectionPoolSettings_HTTPSettings_UPGRADE,
		}}},
	}
}

func write(w *bufio.Writer, apiVersion, kind, name, namespace string, spec proto.Message) {
	var m map[string]any
	if err := json.Unmarshal(must(protojson.Marshal(spec)), &m); err != nil {
		panic(err)
	}
	w.WriteString("---\n")
	w.Write(must(yaml.Marshal(map[string]any{
		"apiVersion": apiVersion, "kind": kind, "metadata": map[string]string{"name": name, "namespace": namespace}, "spec": m,
	})))
}
