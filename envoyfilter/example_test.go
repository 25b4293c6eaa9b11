// SPDX-License-Identifier: Apache-2.0

package envoyfilter_test

import (
	"fmt"
	"log"
	"os"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The EnvoyFilter that a server needs for WebSocket over HTTP/2.
func Example() {
	filter, err := envoyfilter.Builder{
		Name:      "websockets-server",
		Namespace: "default",
		Workload:  map[string]string{"app": "websockets-server"},
		Patches:   []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.SidecarInbound)},
	}.Build()
	if err != nil {
		log.Fatal(err)
	}
	text, err := filter.YAML()
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(text)
	// Output:
	// apiVersion: networking.istio.io/v1alpha3
	// kind: EnvoyFilter
	// metadata:
	//   name: websockets-server
	//   namespace: default
	// spec:
	//   configPatches:
	//   - applyTo: NETWORK_FILTER
	//     match:
	//       context: SIDECAR_INBOUND
	//       listener:
	//         filterChain:
	//           filter:
	//             name: envoy.filters.network.http_connection_manager
	//     patch:
	//       operation: MERGE
	//       value:
	//         typed_config:
	//           '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
	//           http2_protocol_options:
	//             allow_connect: true
	//   workloadSelector:
	//     labels:
	//       app: websockets-server
}

// What is wrong comes back all at once, each with the path of its field.
func ExampleBuilder_Build() {
	_, err := envoyfilter.Builder{
		Name:     "websockets-server",
		Workload: map[string]string{"app": "*"},
		Patches: []envoyfilter.Patch{
			envoyfilter.MergeHTTPConnectionManager(envoyfilter.SidecarInbound, &hcmv3.HttpConnectionManager{
				UpgradeConfigs: []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
			}),
		},
	}.Build()
	for _, f := range finding.In(err) {
		fmt.Println(f.Code, f.Path)
		fmt.Println("  " + f.Message)
	}
	// Output:
	// WS205 spec.workloadSelector.labels.app
	//   the value "*" of the label "app" must consist of letters, digits, '-', '_' and '.', and start and end with a letter or digit
	// WS261 spec.configPatches[0].patch.value.typed_config.upgrade_configs
	//   the MERGE appends upgrade_configs to those of istiod, with websocket among them, and Envoy refuses the listener where a type stands twice
}

func ExampleAllowConnect() {
	patch := envoyfilter.AllowConnect(envoyfilter.Gateway)
	fmt.Println(patch.ApplyTo, patch.Operation, patch.Context)
	fmt.Println(patch.Filter)
	// Output:
	// NETWORK_FILTER MERGE GATEWAY
	// envoy.filters.network.http_connection_manager
}

// A MERGE changes what it sets and leaves the rest as istiod makes it.
func ExampleMergeHTTPConnectionManager() {
	filter, err := envoyfilter.Builder{
		Name:     "server-http2",
		Workload: map[string]string{"app": "websockets-server"},
		Patches: []envoyfilter.Patch{
			envoyfilter.MergeHTTPConnectionManager(envoyfilter.SidecarInbound, &hcmv3.HttpConnectionManager{
				Http2ProtocolOptions: &corev3.Http2ProtocolOptions{AllowConnect: true},
				DelayedCloseTimeout:  durationpb.New(0), // a duration of zero is one, unlike a plain field of zero
			}),
		},
	}.Build()
	if err != nil {
		log.Fatal(err)
	}
	text, err := filter.YAML()
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(text)
	// Output:
	// apiVersion: networking.istio.io/v1alpha3
	// kind: EnvoyFilter
	// metadata:
	//   name: server-http2
	// spec:
	//   configPatches:
	//   - applyTo: NETWORK_FILTER
	//     match:
	//       context: SIDECAR_INBOUND
	//       listener:
	//         filterChain:
	//           filter:
	//             name: envoy.filters.network.http_connection_manager
	//     patch:
	//       operation: MERGE
	//       value:
	//         typed_config:
	//           '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
	//           delayed_close_timeout: 0s
	//           http2_protocol_options:
	//             allow_connect: true
	//   workloadSelector:
	//     labels:
	//       app: websockets-server
}

// A filter to insert is given whole: its name, and its own configuration in typed_config.
func ExamplePatch() {
	lua, err := anypb.New(&luav3.Lua{DefaultSourceCode: &corev3.DataSource{
		Specifier: &corev3.DataSource_InlineString{InlineString: "function envoy_on_request(handle) end"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	filter, err := envoyfilter.Builder{
		Name:     "lua",
		Workload: map[string]string{"app": "websockets-server"},
		Priority: 10,
		Patches: []envoyfilter.Patch{{
			ApplyTo:      networking.EnvoyFilter_HTTP_FILTER,
			Context:      envoyfilter.SidecarInbound,
			ProxyVersion: `^1\.(2[0-9]|3[0-9])\.`,
			Port:         80, // of the container
			SubFilter:    "envoy.filters.http.router",
			Operation:    networking.EnvoyFilter_Patch_INSERT_BEFORE,
			Value:        &hcmv3.HttpFilter{Name: "lua", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: lua}},
		}},
	}.Build()
	if err != nil {
		log.Fatal(err)
	}
	text, err := filter.YAML()
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(text)
	// Output:
	// apiVersion: networking.istio.io/v1alpha3
	// kind: EnvoyFilter
	// metadata:
	//   name: lua
	// spec:
	//   configPatches:
	//   - applyTo: HTTP_FILTER
	//     match:
	//       context: SIDECAR_INBOUND
	//       listener:
	//         filterChain:
	//           filter:
	//             name: envoy.filters.network.http_connection_manager
	//             subFilter:
	//               name: envoy.filters.http.router
	//         portNumber: 80
	//       proxy:
	//         proxyVersion: ^1\.(2[0-9]|3[0-9])\.
	//     patch:
	//       operation: INSERT_BEFORE
	//       value:
	//         name: lua
	//         typed_config:
	//           '@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
	//           default_source_code:
	//             inline_string: function envoy_on_request(handle) end
	//   priority: 10
	//   workloadSelector:
	//     labels:
	//       app: websockets-server
}

func ExampleContext_String() {
	var zero envoyfilter.Context
	fmt.Println(zero, envoyfilter.SidecarOutbound, envoyfilter.Gateway)
	// Output: SIDECAR_INBOUND SIDECAR_OUTBOUND GATEWAY
}

const typo = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: websockets-server
  namespace: default
spec:
  workloadSelector:
    labels:
      app: websockets-server
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      context: SIDECAR_INBOUND
      listener:
        filterChain:
          filter:
            name: envoy.filters.network.http_connection_manager
    patch:
      operation: MERGE
      value:
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          http2_protocol_options:
            allow_conect: true
`

// Istio admits this manifest, and it does nothing.
func ExampleParse() {
	_, err := envoyfilter.Parse([]byte(typo))
	fmt.Println(err)
	// Output:
	// error WS920 EnvoyFilter default/websockets-server spec.configPatches[0].patch.value.typed_config.http2_protocol_options.allow_conect: the field "allow_conect" is not known in envoy.config.core.v3.Http2ProtocolOptions (did you mean allow_connect?)
}

const everywhere = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: everywhere
  namespace: istio-system
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      context: GATEWAY
      proxy:
        proxyVersion: 1\.2
    patch:
      operation: MERGE
      value:
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          http2_protocol_options:
            allow_connect: true
`

func ExampleFilter_Validate() {
	filter, err := envoyfilter.Parse([]byte(everywhere))
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range filter.Validate() {
		fmt.Println(f.Severity, f.Code, f.Path)
	}
	// Output:
	// warning WS210 spec.workloadSelector
	// warning WS228 spec.configPatches[0].match.proxy.proxyVersion
	// error WS242 spec.configPatches[0].patch.operation
}

func ExampleFilter_Value() {
	filter, err := envoyfilter.Builder{
		Name:     "websockets-server",
		Workload: map[string]string{"app": "websockets-server"},
		Patches:  []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.SidecarInbound)},
	}.Build()
	if err != nil {
		log.Fatal(err)
	}
	value, err := filter.Value(0)
	if err != nil {
		log.Fatal(err)
	}
	var manager hcmv3.HttpConnectionManager
	if err := value.(*listenerv3.Filter).GetTypedConfig().UnmarshalTo(&manager); err != nil {
		log.Fatal(err)
	}
	fmt.Println(manager.GetHttp2ProtocolOptions().GetAllowConnect())
	// Output: true
}

// A program changes one field of a value that exists.
func ExampleFilter_WithValue() {
	filter, err := envoyfilter.Builder{
		Name:     "websockets-server",
		Workload: map[string]string{"app": "websockets-server"},
		Patches:  []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.SidecarInbound)},
	}.Build()
	if err != nil {
		log.Fatal(err)
	}
	value, err := filter.Value(0)
	if err != nil {
		log.Fatal(err)
	}
	config := value.(*listenerv3.Filter).GetTypedConfig()
	var manager hcmv3.HttpConnectionManager
	if err := config.UnmarshalTo(&manager); err != nil {
		log.Fatal(err)
	}
	manager.Http2ProtocolOptions.MaxConcurrentStreams = wrapperspb.UInt32(100)
	if err := config.MarshalFrom(&manager); err != nil {
		log.Fatal(err)
	}
	filter, err = filter.WithValue(0, value)
	if err != nil {
		log.Fatal(err)
	}
	text, err := filter.YAML()
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(text)
	// Output:
	// apiVersion: networking.istio.io/v1alpha3
	// kind: EnvoyFilter
	// metadata:
	//   name: websockets-server
	// spec:
	//   configPatches:
	//   - applyTo: NETWORK_FILTER
	//     match:
	//       context: SIDECAR_INBOUND
	//       listener:
	//         filterChain:
	//           filter:
	//             name: envoy.filters.network.http_connection_manager
	//     patch:
	//       operation: MERGE
	//       value:
	//         typed_config:
	//           '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
	//           http2_protocol_options:
	//             allow_connect: true
	//             max_concurrent_streams: 100
	//   workloadSelector:
	//     labels:
	//       app: websockets-server
}

func ExampleFilter_YAML() {
	filter, err := envoyfilter.Builder{
		Name:         "gateway",
		Namespace:    "istio-ingress",
		AllWorkloads: true,
		Patches:      []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.Gateway)},
	}.Build()
	if err != nil {
		log.Fatal(err)
	}
	text, err := filter.YAML()
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(text)
	// Output:
	// apiVersion: networking.istio.io/v1alpha3
	// kind: EnvoyFilter
	// metadata:
	//   name: gateway
	//   namespace: istio-ingress
	// spec:
	//   configPatches:
	//   - applyTo: NETWORK_FILTER
	//     match:
	//       context: GATEWAY
	//       listener:
	//         filterChain:
	//           filter:
	//             name: envoy.filters.network.http_connection_manager
	//     patch:
	//       operation: MERGE
	//       value:
	//         typed_config:
	//           '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
	//           http2_protocol_options:
	//             allow_connect: true
}

func ExampleFilter_MarshalJSON() {
	filter, err := envoyfilter.Builder{
		Name:         "gateway",
		AllWorkloads: true,
		Patches:      []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.Gateway)},
	}.Build()
	if err != nil {
		log.Fatal(err)
	}
	text, err := filter.MarshalJSON()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output:
	// {"apiVersion":"networking.istio.io/v1alpha3","kind":"EnvoyFilter","metadata":{"name":"gateway"},"spec":{"configPatches":[{"applyTo":"NETWORK_FILTER","match":{"context":"GATEWAY","listener":{"filterChain":{"filter":{"name":"envoy.filters.network.http_connection_manager"}}}},"patch":{"operation":"MERGE","value":{"typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager","http2_protocol_options":{"allow_connect":true}}}}}]}}
}

func ExampleFilter_String() {
	fmt.Println(&envoyfilter.Filter{Name: "websockets-server", Namespace: "default"})
	// Output: EnvoyFilter default/websockets-server
}

func ExampleFilter_AppendYAML() {
	filter, err := envoyfilter.Builder{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"},
		Patches: []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.SidecarInbound)}}.Build()
	if err != nil {
		log.Fatal(err)
	}
	text, err := filter.AppendYAML([]byte("# For WebSockets over HTTP/2.\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.85s…", text)
	// Output:
	// # For WebSockets over HTTP/2.
	// apiVersion: networking.istio.io/v1alpha3
	// kind: EnvoyFil…
}

// A program finds a rule by its variable.
func ExampleRules() {
	filter := envoyfilter.Filter{Name: "websockets-server", Spec: &networking.EnvoyFilter{}}
	for _, f := range filter.Validate() {
		fmt.Println(f.Path, finding.Is(f, envoyfilter.NoPatches))
	}
	first := envoyfilter.Rules()[0]
	fmt.Println(first.Code, first.Severity, first.Meaning)
	// Output:
	// spec.workloadSelector false
	// spec.configPatches true
	// WS201 error A builder must say which workloads the EnvoyFilter is for.
}
