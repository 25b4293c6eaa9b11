// SPDX-License-Identifier: Apache-2.0

package version

// A Feature is a dated fact of Istio: something that holds since one release and, if Until is set, until another. Some are
// capabilities and some are faults; the summary says which. [Release.Supports] reports whether one holds for a release.
type Feature struct {
	Name    string  // short and stable, such as "networking-v1"
	Since   Release // first release for which it holds; zero if it held in the first one that was examined
	Until   Release // first release for which it does not hold any more; zero if it still holds
	Summary string  // one sentence
	Source  string  // file@branch, commit or issue of istio/istio, unless another repository is named
}

// The dated facts, earliest first. Those that decide something in this module are exported, and [Features] returns all. A
// fact that was not read in code or tags, or that was read and not run, says so in its summary.
var (
	xdsV2Types = Feature{
		Name:    "xds-v2-types",
		Until:   MustParse("1.10.0"),
		Summary: "Proxies can load filters whose @type is of Envoy's v2 API; from Envoy 1.18 on they cannot.",
		Source:  "releasenotes/notes/drop-xds-v2.yaml; Envoy 1.18",
	}

	OldConnectionManagerName = Feature{
		Name:    "old-connection-manager-name",
		Until:   MustParse("1.19.0"),
		Summary: "A listener match on the filter name envoy.http_connection_manager finds the connection manager; later it matches nothing and validation only warns.",
		Source:  "c2225561517 (istio#45675)",
	}

	configPatches = Feature{
		Name:    "config-patches",
		Since:   MustParse("1.3.0"),
		Summary: "EnvoyFilter has configPatches, workloadSelector and match.proxy.proxyVersion.",
		Source:  "istio/api 812ed8895, networking/v1alpha3/envoy_filter.proto",
	}

	h2UpgradeField = Feature{
		Name:    "h2-upgrade-field",
		Since:   MustParse("1.3.0"),
		Summary: "DestinationRule and MeshConfig have the field h2UpgradePolicy, which pilot ignores before 1.6.",
		Source:  "istio/api 5dd7dbbe4 (istio/api#930)",
	}

	h2UpgradeSchema = Feature{
		Name:    "h2-upgrade-schema",
		Since:   MustParse("1.4.0"),
		Summary: "The schema of the DestinationRule CRD has h2UpgradePolicy with DEFAULT, DO_NOT_UPGRADE and UPGRADE.",
		Source:  "crd-10.yaml@release-1.4",
	}

	NetworkingV1beta1 = Feature{
		Name:    "networking-v1beta1",
		Since:   MustParse("1.5.0"),
		Summary: "DestinationRule is served as networking.istio.io/v1beta1.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml@release-1.5",
	}

	insertFirst = Feature{
		Name:    "insert-first",
		Since:   MustParse("1.5.0"),
		Summary: "EnvoyFilter has the operation INSERT_FIRST.",
		Source:  "istio/api networking/v1alpha3/envoy_filter.proto@release-1.5",
	}

	H2UpgradeImplemented = Feature{
		Name:    "h2-upgrade-implemented",
		Since:   MustParse("1.6.0"),
		Summary: "Pilot acts on h2UpgradePolicy, for ports whose protocol is HTTP.",
		Source:  "65db4113895 (istio#21809)",
	}

	unboundedStreams = Feature{
		Name:    "unbounded-streams",
		Since:   MustParse("1.6.0"),
		Until:   MustParse("1.15.0"),
		Summary: "Clusters allow 1073741824 concurrent HTTP/2 streams on a connection; afterwards Envoy's default holds (1024 in current Envoy).",
		Source:  "cac3b5a1f1f (istio#40009)",
	}

	ConnectionManagerName = Feature{
		Name:    "connection-manager-name",
		Since:   MustParse("1.7.0"),
		Summary: "Pilot names the connection manager envoy.filters.network.http_connection_manager; up to 1.6 it is envoy.http_connection_manager.",
		Source:  "go-control-plane v0.9.5 wellknown, as 1.6 uses it",
	}

	h2UpgradeOverProtocol = Feature{
		Name:    "h2-upgrade-over-protocol",
		Since:   MustParse("1.8.0"),
		Summary: "UPGRADE in a DestinationRule holds whatever the protocol of the port; mesh-wide UPGRADE still holds for HTTP ports alone.",
		Source:  "b26ae68f7ff (istio#27035)",
	}

	UseClientProtocol = Feature{
		Name:    "use-client-protocol",
		Since:   MustParse("1.8.0"),
		Summary: "DestinationRule has useClientProtocol, and validation refuses it together with UPGRADE.",
		Source:  "istio/api bea3ed0ba; pkg/config/validation/validation.go@release-1.8",
	}

	ReplaceOperation = Feature{
		Name:    "replace-operation",
		Since:   MustParse("1.8.0"),
		Summary: "EnvoyFilter has the operation REPLACE.",
		Source:  "istio/api d119b043d",
	}

	filterClass = Feature{
		Name:    "filter-class",
		Since:   MustParse("1.8.0"),
		Summary: "EnvoyFilter patches have filterClass.",
		Source:  "istio/api d119b043d",
	}

	EnvoyFilterPriority = Feature{
		Name:    "envoyfilter-priority",
		Since:   MustParse("1.11.0"),
		Summary: "EnvoyFilter has priority; the lower is applied first, and the default is 0.",
		Source:  "istio/api 260a45372",
	}

	UpgradeBoundary = Feature{
		Name:    "upgrade-boundary",
		Since:   MustParse("1.12.0"),
		Summary: "The documents of Alibaba Cloud Service Mesh give UPGRADE together with an EnvoyFilter for WebSocket from 1.12 on; the boundary is theirs, and upstream code shows no technical change at 1.12.",
		Source:  "Alibaba Cloud Service Mesh documents (alibabacloud.com blog 600045); against it istio#33534, istio#33581",
	}

	ClientWorkloadSelector = Feature{
		Name:    "client-workload-selector",
		Since:   MustParse("1.14.0"),
		Summary: "DestinationRule has workloadSelector, which selects client workloads of its own namespace.",
		Source:  "f72bf28a230 (istio#37174)",
	}

	mergeReplacesDurations = Feature{
		Name:    "merge-replaces-durations",
		Since:   MustParse("1.14.0"),
		Summary: "MERGE of an EnvoyFilter replaces a Duration as a whole; before, its seconds and nanoseconds were merged apart.",
		Source:  "pkg/proto/merge/merge.go@release-1.14",
	}

	relativeOperationMessage = Feature{
		Name:    "relative-operation-message",
		Since:   MustParse("1.14.0"),
		Summary: "istioctl analyze warns (IST0151) of REMOVE, REPLACE, INSERT_BEFORE and INSERT_AFTER without a priority; MERGE is not among them.",
		Source:  "pkg/config/analysis/analyzers/envoyfilter/envoyfilter.go@release-1.31",
	}

	MaxConnectionDuration = Feature{
		Name:    "max-connection-duration",
		Since:   MustParse("1.15.0"),
		Summary: "DestinationRule has tcp.maxConnectionDuration, which must stay unset where WebSockets are to live longer.",
		Source:  "istio/api networking/v1alpha3/destination_rule.proto@release-1.15",
	}

	proxyVersionMessage = Feature{
		Name:    "proxy-version-message",
		Since:   MustParse("1.15.0"),
		Summary: "istioctl analyze warns (IST0155) of a relative operation without a priority where an earlier filter of the same filter name has a proxyVersion.",
		Source:  "pkg/config/analysis/analyzers/envoyfilter/envoyfilter.go@release-1.31",
	}

	tunnelAllowConnect = Feature{
		Name:    "tunnel-allow-connect",
		Since:   MustParse("1.16.0"),
		Summary: "istiod sets allow_connect on the listeners of its own HBONE tunnel, and up to 1.31 on no sidecar or gateway listener that an application's WebSocket reaches.",
		Source:  "listener_inbound.go:206@release-1.16; listener_waypoint.go:257@release-1.31 (pilot/pkg/networking/core)",
	}

	ListenerFilterPatch = Feature{
		Name:    "listener-filter-patch",
		Since:   MustParse("1.17.0"),
		Summary: "EnvoyFilter has applyTo LISTENER_FILTER.",
		Source:  "istio/api 1179712ae",
	}

	xdsV2Refused = Feature{
		Name:    "xds-v2-refused",
		Since:   MustParse("1.19.0"),
		Summary: "Validation refuses an EnvoyFilter value whose @type is of Envoy's v2 API; before, it only warned.",
		Source:  "releasenotes/notes/drop-xds-v2.yaml",
	}

	TCPIdleTimeout = Feature{
		Name:    "tcp-idle-timeout",
		Since:   MustParse("1.21.0"),
		Summary: "DestinationRule has tcp.idleTimeout.",
		Source:  "istio/api networking/v1alpha3/destination_rule.proto@release-1.21; istio#43066",
	}

	MaxConcurrentStreams = Feature{
		Name:    "max-concurrent-streams",
		Since:   MustParse("1.21.0"),
		Summary: "DestinationRule has http.maxConcurrentStreams, which has no effect on upgraded clusters before 1.28.",
		Source:  "istio/api networking/v1alpha3/destination_rule.proto@release-1.21",
	}

	NetworkingV1 = Feature{
		Name:    "networking-v1",
		Since:   MustParse("1.22.0"),
		Summary: "DestinationRule is served as networking.istio.io/v1; EnvoyFilter stays v1alpha3.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml@release-1.22",
	}

	TargetRefsField = Feature{
		Name:    "target-refs-field",
		Since:   MustParse("1.22.0"),
		Summary: "EnvoyFilter has targetRefs, which istiod ignores before 1.27: the filter then applies to its whole namespace.",
		Source:  "istio/api 2410bbc01",
	}

	envoyFilterWarning = Feature{
		Name:    "envoyfilter-warning",
		Since:   MustParse("1.22.0"),
		Summary: "Validation warns of every EnvoyFilter that it exposes internal implementation details.",
		Source:  "afac4e3f9fa, pkg/config/validation/envoyfilter/envoyfilter.go",
	}

	AppProtocolWebSocket = Feature{
		Name:    "app-protocol-websocket",
		Since:   MustParse("1.24.0"),
		Summary: "The appProtocol kubernetes.io/ws of a Service port is HTTP, and kubernetes.io/wss is HTTPS.",
		Source:  "2ea3753be92, pkg/config/kube/conversion.go",
	}

	destinationRuleMessages = Feature{
		Name:    "destinationrule-messages",
		Since:   MustParse("1.24.0"),
		Summary: "istioctl analyze reports subsets that select no pod (IST0173) and hosts that match no service (IST0174).",
		Source:  "pkg/config/analysis/msg/messages.yaml@release-1.31",
	}

	ClientProtocolOverMesh = Feature{
		Name:    "client-protocol-over-mesh",
		Since:   MustParse("1.24.2"),
		Summary: "useClientProtocol of a DestinationRule wins over a mesh-wide UPGRADE; the fix is in 1.22.7 and 1.23.4 as well, which one date cannot say.",
		Source:  "194ab8c1b93 (istio#53876)",
	}

	TargetRefsHonoured = Feature{
		Name:    "target-refs-honoured",
		Since:   MustParse("1.27.0"),
		Summary: "istiod applies an EnvoyFilter with targetRefs to what they name and to nothing else.",
		Source:  "2c533b4870d, 001621b0aed (istio#56476)",
	}

	waypointEnvoyFilter = Feature{
		Name:    "waypoint-envoyfilter",
		Since:   MustParse("1.27.0"),
		Summary: "EnvoyFilter reaches waypoints by targetRefs, in context SIDECAR_INBOUND; a workloadSelector never selects a waypoint.",
		Source:  "2c533b4870d; policyattachment.go@release-1.31",
	}

	mergeWithoutFilterPanics = Feature{
		Name:    "merge-without-filter-panics",
		Since:   MustParse("1.27.9"),
		Summary: "A MERGE on NETWORK_FILTER without a filter name makes istiod panic and drop all listener patches of the proxy; seen on 1.27.9, 1.29.6, 1.30.3 and 1.31, not on 1.11.8 to 1.24.6, and what lies between was not run.",
		Source:  "ApplyListenerPatches in pilot/pkg/networking/core/envoyfilter/listener_patch.go, run on the releases named",
	}

	upgradedPoolSettings = Feature{
		Name:    "upgraded-pool-settings",
		Since:   MustParse("1.28.0"),
		Summary: "HTTP/2 settings of a connection pool, such as maxConcurrentStreams, take effect on clusters that UPGRADE made HTTP/2.",
		Source:  "531c61709aa (istio#57569, istio#57583)",
	}

	SniffedPortIgnoresUpgrade = Feature{
		Name:    "sniffed-port-ignores-upgrade",
		Since:   MustParse("1.28.0"),
		Summary: "From a sidecar to a Service port whose protocol is sniffed, UPGRADE of a DestinationRule has no effect, as read in code and not run; before, the application received HTTP/2.",
		Source:  "531c61709aa, pilot/pkg/networking/core/cluster_builder.go",
	}

	HeaderCaseKeepsHTTP1 = Feature{
		Name:    "header-case-keeps-http1",
		Since:   MustParse("1.28.0"),
		Summary: "Where preserveHttp1HeaderCase is on, explicit HTTP ports stay HTTP/1.1 in spite of UPGRADE, as read in code and not run.",
		Source:  "531c61709aa, pilot/pkg/networking/core/cluster_builder.go",
	}

	waypointContextField = Feature{
		Name:    "waypoint-context-field",
		Since:   MustParse("1.29.0"),
		Summary: "EnvoyFilter has the context WAYPOINT and match.waypoint, which istiod up to 1.31 neither validates nor applies.",
		Source:  "istio/api 20d26b484",
	}

	DefaultTrafficPolicy = Feature{
		Name:    "default-traffic-policy",
		Since:   MustParse("1.31.0"),
		Summary: "MeshConfig has defaultTrafficPolicy, whose connectionPool a DestinationRule with a connectionPool of its own replaces as a whole.",
		Source:  "79bca08e748, releasenotes/notes/mesh-default-traffic-policy.yaml",
	}

	HTTP2KeepAlive = Feature{
		Name:    "http2-keepalive",
		Since:   MustParse("1.31.0"),
		Summary: "DestinationRule has http.http2KeepAlive, which needs both interval and timeout.",
		Source:  "releasenotes/notes/http2-keepalive-destinationrule.yaml",
	}

	ConnectionSettings = Feature{
		Name:    "connection-settings",
		Since:   MustParse("1.31.0"),
		Summary: "ProxyConfig has connectionSettings, whose profile EDGE sets a stream idle timeout of five minutes on gateways and so ends idle WebSockets.",
		Source:  "releasenotes/notes/connection-settings.yaml; connection_settings.go@release-1.31",
	}

	MergeAndReplaceList = Feature{
		Name:    "merge-and-replace-list",
		Since:   MustParse("1.31.0"),
		Summary: "EnvoyFilter has the operation MERGE_AND_REPLACE_LIST, which does nothing on NETWORK_FILTER and HTTP_FILTER.",
		Source:  "bbcc281448b; pilot/pkg/networking/core/envoyfilter/listener_patch.go:401,542@release-1.31",
	}

	proxyVersionLimit = Feature{
		Name:    "proxy-version-limit",
		Since:   MustParse("1.31.0"),
		Summary: "An EnvoyFilter patch whose proxyVersion has more than 1024 characters matches no proxy, with a warning.",
		Source:  "2e5fe20cefc, releasenotes/notes/envoyfilter-proxyversion-length.yaml",
	}
)

// Features returns every fact of this package, earliest first. The slice is the caller's own.
func Features() []Feature {
	return []Feature{
		xdsV2Types, OldConnectionManagerName,
		configPatches, h2UpgradeField,
		h2UpgradeSchema,
		NetworkingV1beta1, insertFirst,
		H2UpgradeImplemented, unboundedStreams,
		ConnectionManagerName,
		h2UpgradeOverProtocol, UseClientProtocol, ReplaceOperation, filterClass,
		EnvoyFilterPriority,
		UpgradeBoundary,
		ClientWorkloadSelector, mergeReplacesDurations, relativeOperationMessage,
		MaxConnectionDuration, proxyVersionMessage,
		tunnelAllowConnect,
		ListenerFilterPatch,
		xdsV2Refused,
		TCPIdleTimeout, MaxConcurrentStreams,
		NetworkingV1, TargetRefsField, envoyFilterWarning,
		AppProtocolWebSocket, destinationRuleMessages,
		ClientProtocolOverMesh,
		TargetRefsHonoured, waypointEnvoyFilter,
		mergeWithoutFilterPanics,
		upgradedPoolSettings, SniffedPortIgnoresUpgrade, HeaderCaseKeepsHTTP1,
		waypointContextField,
		DefaultTrafficPolicy, HTTP2KeepAlive, ConnectionSettings, MergeAndReplaceList, proxyVersionLimit,
	}
}
