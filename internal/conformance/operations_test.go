// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	patching "istio.io/istio/pilot/pkg/networking/core/envoyfilter"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// snapshot is everything that istiod sends to the sidecars of server and client, with these objects in the mesh.
func snapshot(t *testing.T, configs ...string) string {
	t.Helper()
	s := cluster{objects: objects(server, client), configs: configs}.start(t)
	var all []string
	for _, w := range []workload{server, client} {
		p := w.proxy(s, "1.31.0")
		listeners := s.Listeners(p)
		slices.SortFunc(listeners, func(a, b *listenerv3.Listener) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, w.name)
		all = append(all, dump(t, listeners)...)
		clusters := dump(t, s.Clusters(p))
		slices.Sort(clusters)
		all = append(all, clusters...)
		// Routes by names that do not depend on what a patch did to the listeners.
		all = append(all, dump(t, s.RoutesFromListeners(p, listeners))...)
		all = append(all, dump(t, patching.InsertedExtensionConfigurations(s.PushContext().EnvoyFilters(p), []string{"added"}))...)
	}
	return strings.Join(all, "\n")
}

func dump[M proto.Message](t *testing.T, ms []M) []string {
	t.Helper()
	var out []string
	for _, m := range ms {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

// The same objects give the same snapshot: otherwise no comparison of two would show anything.
func TestSnapshotsAreComparable(t *testing.T) {
	first, again, without := snapshot(t, good), snapshot(t, good), snapshot(t)
	if first != again || first == without {
		t.Error("the snapshot is not a function of the objects")
	}
}

// routePatch is a patch of the routes that the server's sidecar has for what it sends.
func routePatch(operation, value string) string {
	if value != "" {
		value = ", value: " + value
	}
	return fmt.Sprintf("{applyTo: HTTP_ROUTE, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {vhost: {name: 'websockets-server.default.svc.cluster.local:8080'}}}, patch: {operation: %s%s}}", operation, value)
}

// objectKinds has for each kind of object a match that finds one, a value to merge into it, and a whole value to add.
var objectKinds = []struct {
	applyTo    networking.EnvoyFilter_ApplyTo
	context    string
	match      string
	part, full string
}{
	{networking.EnvoyFilter_LISTENER, "SIDECAR_OUTBOUND", "listener: {name: 0.0.0.0_8080}", "{per_connection_buffer_limit_bytes: 1000}", "{name: added, address: {socket_address: {address: 127.0.0.1, port_value: 7}}}"},
	{networking.EnvoyFilter_FILTER_CHAIN, "SIDECAR_INBOUND", "listener: {name: virtualInbound, filterChain: {destinationPort: 80}}", "{transport_socket_connect_timeout: 5s}", "{name: added, filters: [{name: echo, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}"},
	{networking.EnvoyFilter_NETWORK_FILTER, "SIDECAR_INBOUND", matchManager, "{typed_config: {'@type': " + managerType + ", server_name: x}}", "{name: added, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}"},
	{networking.EnvoyFilter_HTTP_FILTER, "SIDECAR_INBOUND", matchRouter, routerFilter, luaFilter},
	{networking.EnvoyFilter_ROUTE_CONFIGURATION, "SIDECAR_OUTBOUND", "routeConfiguration: {name: '8080'}", "{request_headers_to_remove: [x-a]}", "{name: added, virtual_hosts: [{name: a, domains: [a.example]}]}"},
	{networking.EnvoyFilter_VIRTUAL_HOST, "SIDECAR_OUTBOUND", "routeConfiguration: {vhost: {name: 'websockets-server.default.svc.cluster.local:8080'}}", "{request_headers_to_remove: [x-a]}", "{name: added, domains: [added.example]}"},
	{networking.EnvoyFilter_HTTP_ROUTE, "SIDECAR_OUTBOUND", "routeConfiguration: {vhost: {name: 'websockets-server.default.svc.cluster.local:8080', route: {name: default}}}", "{request_headers_to_remove: [x-a]}", "{name: added, match: {prefix: /x}, direct_response: {status: 200}}"},
	{networking.EnvoyFilter_CLUSTER, "SIDECAR_OUTBOUND", "cluster: {name: '" + serverCluster + "'}", "{connect_timeout: 7s}", "{name: added, connect_timeout: 1s}"},
	{networking.EnvoyFilter_EXTENSION_CONFIG, "SIDECAR_INBOUND", "", "{name: added, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}", "{name: added, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}"},
	{networking.EnvoyFilter_LISTENER_FILTER, "SIDECAR_INBOUND", "listener: {listenerFilter: envoy.filters.listener.tls_inspector}", "{name: envoy.filters.listener.tls_inspector, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector, enable_ja3_fingerprinting: true}}", inspector},
	{networking.EnvoyFilter_BOOTSTRAP, "SIDECAR_INBOUND", "", "{flags_path: /x}", "{flags_path: /x}"},
}

// Every operation on every kind of object: where the library reports that istiod passes over it (WS241, WS248) or
// panics at it (WS242), no proxy gets anything else; where it reports that istiod takes it for an ADD (WS243), the result is that of an ADD;
// elsewhere istiod does something.
func TestOperations(t *testing.T) {
	before := snapshot(t)
	var operations []networking.EnvoyFilter_Patch_Operation
	for n := range networking.EnvoyFilter_Patch_Operation_name {
		if n != int32(networking.EnvoyFilter_Patch_INVALID) {
			operations = append(operations, networking.EnvoyFilter_Patch_Operation(n))
		}
	}
	slices.Sort(operations)
	for _, kind := range objectKinds {
		patch := func(op networking.EnvoyFilter_Patch_Operation) string {
			match, value := kind.match, kind.full
			switch op {
			case networking.EnvoyFilter_Patch_MERGE, networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST:
				value = kind.part
			case networking.EnvoyFilter_Patch_REMOVE:
				value = ""
			}
			p := patchOf(kind.applyTo.String(), match, op.String(), value)
			return filter("{priority: 1, workloadSelector: {labels: {app: websockets-server}}, configPatches: [" + strings.Replace(p, "SIDECAR_INBOUND", kind.context, 1) + "]}")
		}
		added := snapshot(t, patch(networking.EnvoyFilter_Patch_ADD))
		for _, op := range operations {
			t.Run(kind.applyTo.String()+"/"+op.String(), func(t *testing.T) {
				manifest := patch(op)
				if err := judgeOf(t).Document([]byte(manifest)).Err(); err != nil {
					t.Fatalf("the webhook refuses it: %v", err)
				}
				list := findings(t, "EnvoyFilter", []byte(manifest))
				reports := func(codes ...string) bool {
					return slices.ContainsFunc(list, func(f finding.Finding) bool { return slices.Contains(codes, f.Code) })
				}
				after := snapshot(t, manifest)
				if op == networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST && !atHand.has("merge-and-replace-list") {
					if after != before {
						t.Error("an istiod that does not have the operation does something")
					}
					return
				}
				switch passedOver := reports("WS241", "WS242", "WS248"); {
				case passedOver && after != before:
					t.Errorf("istiod does something, and the library says %v", list)
				case !passedOver && after == before:
					t.Errorf("istiod does nothing, and the library says %v\n%s", list, manifest)
				case reports("WS243") && after != added:
					t.Errorf("istiod does another thing than with ADD, and the library says %v", list)
				}
			})
		}
	}
}
