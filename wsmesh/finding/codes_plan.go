// SPDX-License-Identifier: Apache-2.0

package finding

// 3xx: the DestinationRule and the EnvoyFilter as a pair.
var (
	WS301 = Rule{"WS301", Info, "DO_NOT_UPGRADE, because HTTP/1.1 was asked for.",
		"the caller's own choice (WithHTTP1)"}
	WS302 = Rule{"WS302", Info, "DO_NOT_UPGRADE, because ztunnel passes the upgraded HTTP/2 on to the application itself.",
		"istio/istio tests/integration/ambient/baseline_test.go@release-1.31 (TestWaypoint: the application sees HTTP/2.0)"}
	WS303 = Rule{"WS303", Info, "DO_NOT_UPGRADE, because endpoints without the patched sidecar do not accept WebSocket over HTTP/2.",
		"istio/istio#39566"}
	WS304 = Rule{"WS304", Info, "DO_NOT_UPGRADE, because a release of the mesh is earlier than the boundary for UPGRADE.",
		"Alibaba Cloud Service Mesh documents (WebSocket over HTTP/2 from Istio 1.12 on); upstream code shows no change there, istio/istio#33534"}
	WS305 = Rule{"WS305", Info, "UPGRADE, together with the EnvoyFilter that lets the server's proxies accept it.",
		"istio/istio#33534; Envoy docs intro/arch_overview/http/upgrades (allow_connect at the second layer Envoy)"}
	WS306 = Rule{"WS306", Info, "The gateway's EnvoyFilter is left out where the policy is DO_NOT_UPGRADE.",
		"Envoy docs intro/arch_overview/http/upgrades"}
	WS307 = Rule{"WS307", Warning, "A WebSocket that a browser opens over HTTP/2 has no Sec-WebSocket-Key, Envoy adds none towards HTTP/1.1, and most applications answer 400.",
		"envoyproxy/envoy#8547; shown by internal/e2e (TestGateway)"}
	WS310 = Rule{"WS310", SeverityError, "The base DestinationRule must be for the host of the Service.",
		"istio/istio pilot/pkg/model/push_context.go (destinationRule: one host, one rule)"}
	WS311 = Rule{"WS311", Info, "Port levels and subsets of the base rule with settings of their own got the policy too: they replace the destination's and would have dropped it.",
		"istio/istio pilot/pkg/networking/util (GetPortLevelTrafficPolicy), pilot/pkg/networking/core (MergeSubsetTrafficPolicy)"}
	WS312 = Rule{"WS312", Info, "From Istio 1.31 on, a connectionPool in a DestinationRule replaces that of MeshConfig.defaultTrafficPolicy for the host.",
		"istio/istio releasenotes/notes/mesh-default-traffic-policy.yaml@release-1.31"}
	WS313 = Rule{"WS313", Info, "An EnvoyFilter in the mesh's root namespace applies to pods of every namespace.",
		"istio/istio pilot/pkg/model/push_context.go (EnvoyFilters); istio/api networking/v1alpha3/envoy_filter.proto"}
)

// 4xx: the releases of the mesh.
var (
	WS401 = Rule{"WS401", SeverityError, "A decision needs at least one Istio release of the mesh.",
		"istio/istio pilot/pkg/model/context.go (istiod takes an unknown release for the newest; this library does not guess)"}
	WS402 = Rule{"WS402", SeverityError, "Each release given must be a release: its zero value is none.",
		"istio/istio pilot/pkg/model/context.go (istiod takes an unknown release for the newest; this library does not guess)"}
	WS403 = Rule{"WS403", SeverityError, "The constraint for proxyVersion must be readable and within what a pattern can say.",
		"istio/istio pilot/pkg/model/envoyfilter.go (proxyMatch)"}
	WS404 = Rule{"WS404", SeverityError, "The constraint for proxyVersion must not leave out a proxy of the mesh: the DestinationRule has no such gate and upgrades the clients of that proxy all the same.",
		"istio/istio pilot/pkg/model/envoyfilter.go (proxyMatch)"}
	WS405 = Rule{"WS405", SeverityError, "The apiVersion must be one that every control plane of the mesh serves.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml (networking.istio.io/v1 since 1.22)"}
	WS406 = Rule{"WS406", Warning, "Istio before 1.5 serves DestinationRules as networking.istio.io/v1alpha3 only.",
		"istio/istio install/kubernetes/helm/istio-init/files/crd-10.yaml@release-1.4"}
	WS407 = Rule{"WS407", Warning, "Istio before 1.6 accepts h2UpgradePolicy and ignores it.",
		"istio/istio#21809 (commit 65db4113895)"}
	WS408 = Rule{"WS408", SeverityError, "The output of `istioctl version` must name a release for each component.",
		"istio/istio pkg/version/cobra.go"}
	WS409 = Rule{"WS409", SeverityError, "A release is a number such as 1.24.1: moving tags, revision labels and incomplete numbers name none.",
		"istio/istio pilot/pkg/model/context.go (istiod takes an unknown release for the newest; this library does not guess)"}
	WS410 = Rule{"WS410", SeverityError, "Every release of Istio has the major number 1: other products number themselves apart from it.",
		"istio.io/latest/docs/releases/supported-releases"}
)

// 5xx: Services and workloads.
var (
	WS501 = Rule{"WS501", SeverityError, "A Service needs a name that Kubernetes takes: a DNS label.",
		"Kubernetes docs concepts/overview/working-with-objects/names"}
	WS502 = Rule{"WS502", SeverityError, "A namespace must be a DNS label.",
		"Kubernetes docs concepts/overview/working-with-objects/names"}
	WS503 = Rule{"WS503", SeverityError, "The labels of the server's pods must be given: a filter without them reaches every proxy of the namespace.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (\"will be applied to all services in namespace\")"}
	WS504 = Rule{"WS504", SeverityError, "Labels that select pods need keys and values that Kubernetes takes; a wildcard selects nothing.",
		"istio/istio pkg/config/validation/validation.go (ValidateAlphaWorkloadSelector)"}
	WS505 = Rule{"WS505", SeverityError, "A port is a number from 1 to 65535.",
		"Kubernetes docs concepts/services-networking/service"}
	WS506 = Rule{"WS506", Info, "Without the Service's port its protocol goes unchecked: WebSocket over HTTP/2 needs a port that Istio reads as HTTP/1.",
		"istio/istio pkg/config/kube/conversion.go"}
	WS507 = Rule{"WS507", Warning, "DO_NOT_UPGRADE, because the port is not explicitly HTTP/1: the application itself would be sent HTTP/2, or the policy has no effect.",
		"istio/istio pilot/pkg/networking/core/cluster_builder.go (setUpstreamProtocol), pkg/config/kube/conversion.go"}
	WS508 = Rule{"WS508", SeverityError, "A host with a dot is taken as fully qualified: \"service.namespace\" names no Service.",
		"istio/istio pkg/config/model.go (ResolveShortnameToFQDN); istio/api networking/v1alpha3/destination_rule.proto"}
)
