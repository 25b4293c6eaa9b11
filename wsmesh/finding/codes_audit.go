// SPDX-License-Identifier: Apache-2.0

package finding

// The places that several rules of the audit come from.
const (
	istioPatch      = "istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go"
	istioProxyMatch = "istio/istio pilot/pkg/model/envoyfilter.go (proxyMatch)"
	istioLookup     = "istio/istio pilot/pkg/model/push_context.go (destinationRule)"
	istioFilters    = "istio/istio pilot/pkg/model/push_context.go (getMatchedEnvoyFilters)"
	istioProtocol   = "istio/istio pkg/config/kube/conversion.go; pilot/pkg/networking/core/cluster_builder.go (setUpstreamProtocol)"
	envoyUpgrades   = "Envoy docs intro/arch_overview/http/upgrades; istio/istio#33534"
)

// WS340 to WS389: DestinationRules and EnvoyFilters of one mesh beside each other, as an audit finds them.
var (
	WS340 = Rule{"WS340", SeverityError, "UPGRADE needs an EnvoyFilter that lets the server's proxies accept WebSocket over HTTP/2: without it clients get 503.",
		envoyUpgrades}
	WS341 = Rule{"WS341", SeverityError, "UPGRADE needs an EnvoyFilter for all of the workloads behind the host: those without it answer 503.",
		envoyUpgrades}
	WS342 = Rule{"WS342", Info, "An EnvoyFilter that accepts WebSocket over HTTP/2 has no use where no client speaks HTTP/2 to the workload.",
		"Envoy docs intro/arch_overview/http/upgrades"}
	WS343 = Rule{"WS343", Warning, "An EnvoyFilter whose labels select no workload does nothing, without a word.",
		istioFilters}
	WS344 = Rule{"WS344", Warning, "An EnvoyFilter selects workloads of its own namespace, and of others only from Istio's root namespace.",
		istioFilters}
	WS345 = Rule{"WS345", Warning, "An EnvoyFilter with targetRefs reaches no sidecar.",
		"istio/istio pilot/pkg/model/policyattachment.go"}
	WS346 = Rule{"WS346", Warning, "allow_connect is for the side of a proxy that accepts connections: on the outbound side of a sidecar it changes nothing for the server.",
		istioPatch + " (patchContextMatch)"}
	WS347 = Rule{"WS347", Warning, "On the inbound side match.listener.portNumber is the container's port, and not that of the Service.",
		istioPatch + " (filterChainMatch)"}
	WS348 = Rule{"WS348", Warning, "A match on a filter name that no filter has changes nothing, without a word.",
		istioPatch + " (networkFilterMatch)"}
	WS349 = Rule{"WS349", Warning, "In Istio's root namespace an EnvoyFilter without a selector applies to every proxy of the mesh.",
		istioFilters}
	WS350 = Rule{"WS350", Info, "In Istio's root namespace an EnvoyFilter selects workloads of every namespace.",
		istioFilters}
	WS351 = Rule{"WS351", Warning, "Of several DestinationRules for one host in one namespace, the oldest with a trafficPolicy holds whole, and the others' is ignored.",
		"istio/istio pilot/pkg/model/destination_rule.go (mergeDestinationRule); istio/istio#51545"}
	WS352 = Rule{"WS352", Warning, "A DestinationRule in the clients' own namespace hides the one in the Service's namespace from them.",
		istioLookup}
	WS353 = Rule{"WS353", Warning, "A DestinationRule in Istio's root namespace is hidden by one in the Service's namespace.",
		istioLookup}
	WS354 = Rule{"WS354", Warning, "A DestinationRule for a name inherits nothing from one for a wildcard that the name matches.",
		"istio/istio pilot/pkg/model/push_context.go (MostSpecificHostMatch)"}
	WS355 = Rule{"WS355", Warning, "UPGRADE for the whole mesh reaches every port named for HTTP, WebSockets included.",
		"istio/istio#39566; pilot/pkg/networking/core/cluster_traffic_policy.go (shouldH2Upgrade)"}
	WS356 = Rule{"WS356", Warning, "A timeout or limit that an EnvoyFilter sets on the HttpConnectionManager ends WebSockets that are open.",
		"envoyproxy/envoy api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto, api/envoy/config/core/v3/protocol.proto"}
	WS357 = Rule{"WS357", Warning, "An object with the label istio.io/rev is read by the control plane of that revision alone.",
		"istio/istio pkg/config/model.go (ObjectInRevision)"}
	WS358 = Rule{"WS358", Warning, "A buffer filter waits for the end of a request, which a WebSocket does not have.",
		"istio/istio#58926, istio/istio#36545; envoyproxy/envoy#19645"}
	WS359 = Rule{"WS359", Warning, "A DestinationRule whose host is no Service does nothing.",
		"istio/istio pkg/config/analysis/msg/messages.yaml (IST0174)"}
)

// WS440 to WS469: manifests that do not fit the releases of the mesh.
var (
	WS440 = Rule{"WS440", Warning, "UPGRADE is documented for meshes whose every release is 1.12 or later.",
		"Alibaba Cloud Service Mesh documents (WebSocket over HTTP/2 from Istio 1.12 on); upstream code shows no change there, istio/istio#33534"}
	WS441 = Rule{"WS441", SeverityError, "The proxyVersion of an allow_connect patch must not leave out a proxy of the mesh: the DestinationRule has no such gate.",
		istioProxyMatch}
	WS442 = Rule{"WS442", Warning, "A patch whose proxyVersion matches no release of the mesh does nothing.",
		istioProxyMatch}
	WS443 = Rule{"WS443", Warning, "A proxyVersion that stops within a number matches releases that it does not mean: ^1\\.2 is found in 1.2 and in 1.20.",
		"istio/istio#43602; " + istioProxyMatch}
	WS444 = Rule{"WS444", Info, "A proxyVersion that matches every release gates nothing.",
		istioProxyMatch}
	WS445 = Rule{"WS445", Info, "A proxyVersion that does not match the release after the newest takes the patch away with the next upgrade of Istio.",
		"istio/istio#38214; " + istioProxyMatch}
	WS446 = Rule{"WS446", SeverityError, "The apiVersion of a DestinationRule must be one that every control plane of the mesh serves.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml (v1beta1 since 1.5, v1 since 1.22)"}
	WS447 = Rule{"WS447", Warning, "Istio before 1.6 accepts h2UpgradePolicy and ignores it.",
		"istio/istio#21809 (commit 65db4113895)"}
	WS448 = Rule{"WS448", Warning, "istiod before 1.27 ignores targetRefs: the EnvoyFilter applies to every workload of its namespace.",
		"istio/istio#56476; " + istioFilters}
	WS449 = Rule{"WS449", Warning, "From Istio 1.31 on, a connectionPool in a DestinationRule replaces that of MeshConfig.defaultTrafficPolicy for the host.",
		"istio/istio releasenotes/notes/mesh-default-traffic-policy.yaml@release-1.31"}
	WS450 = Rule{"WS450", Warning, "Connection settings of Istio 1.31 for the edge end idle WebSockets after five minutes.",
		"istio/istio pilot/pkg/networking/core/connection_settings.go@release-1.31"}
	WS451 = Rule{"WS451", Info, "From Istio 1.28 on, preserveHttp1HeaderCase keeps HTTP/1.1 to ports named for HTTP in spite of UPGRADE.",
		"istio/istio commit 531c61709aa, pilot/pkg/networking/core/cluster_builder.go"}
	WS452 = Rule{"WS452", Warning, "A field or value that a control plane's release does not have yet is refused or dropped there.",
		"istio/api networking/v1alpha3/destination_rule.proto and envoy_filter.proto, by release branch"}
)

// WS540 to WS589: the Services and workloads behind a DestinationRule.
var (
	WS540 = Rule{"WS540", Warning, "On a port named for HTTP/2 the application itself is sent WebSocket as an extended CONNECT.",
		istioProtocol}
	WS541 = Rule{"WS541", Info, "UPGRADE has no use on a port that is passed on as bytes: WebSocket flows through it untouched.",
		istioProtocol}
	WS542 = Rule{"WS542", Warning, "On a port whose protocol is sniffed, UPGRADE sends the application HTTP/2, or does nothing from 1.28 on.",
		istioProtocol}
	WS543 = Rule{"WS543", Warning, "The appProtocol kubernetes.io/ws is HTTP since Istio 1.24, and unknown before.",
		"istio/istio commit 2ea3753be92, pkg/config/kube/conversion.go"}
	WS544 = Rule{"WS544", Warning, "DO_NOT_UPGRADE does not bring HTTP/1.1 back to a port named for HTTP/2.",
		istioProtocol}
	WS545 = Rule{"WS545", SeverityError, "UPGRADE must not reach pods in ambient mode: ztunnel passes the HTTP/2 on to the application itself.",
		"istio/istio tests/integration/ambient/baseline_test.go@release-1.31 (TestWaypoint: the application sees HTTP/2.0)"}
	WS546 = Rule{"WS546", Warning, "Behind a waypoint UPGRADE holds for the waypoint's own connections, which no sidecar EnvoyFilter is on.",
		"istio/istio pilot/pkg/networking/core/cluster_waypoint.go (applyH2Upgrade)"}
	WS547 = Rule{"WS547", SeverityError, "UPGRADE must not reach pods without a sidecar: nothing there accepts WebSocket over HTTP/2.",
		"istio/istio#39566"}
	WS548 = Rule{"WS548", Warning, "UPGRADE for hosts outside the mesh sends HTTP/2 to servers that may not speak it.",
		"istio/istio#39566"}
	WS549 = Rule{"WS549", Info, "Without the workloads behind a Service, only its selector says which EnvoyFilters reach them.",
		istioFilters}
	WS550 = Rule{"WS550", Warning, "A port level is for a port of the Service, and not of the container.",
		"istio/api networking/v1alpha3/destination_rule.proto (PortTrafficPolicy.port)"}
)

// WS990 to WS999: reading manifests that exist.
var (
	WS990 = Rule{"WS990", SeverityError, "Manifests are read up to 256 MiB together, and one object up to 3 MiB.",
		"kubernetes/apiserver pkg/server/config.go (MaxRequestBodyBytes)"}
	WS991 = Rule{"WS991", SeverityError, "A manifest must be UTF-8 text.",
		"YAML 1.2, section 5.1; RFC 8259, section 8.1"}
	WS992 = Rule{"WS992", SeverityError, "A document must be YAML or JSON, with values of the types that Kubernetes gives them.",
		"Kubernetes API reference"}
	WS993 = Rule{"WS993", Warning, "An object that is given twice is applied twice, and the last one stays.",
		"kubernetes/kubectl pkg/cmd/apply"}
	WS994 = Rule{"WS994", Warning, "A template is no manifest before it is rendered.",
		"Helm docs chart_template_guide"}
)
