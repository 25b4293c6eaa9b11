// SPDX-License-Identifier: Apache-2.0

package finding

// 2xx: the EnvoyFilter: its target, its patches, their matches, operations and values.
var (
	WS201 = Rule{"WS201", SeverityError, "A builder must say which workloads the EnvoyFilter is for.",
		"istio/api networking/v1alpha3/envoy_filter.proto (workload_selector)"}
	WS202 = Rule{"WS202", SeverityError, "A builder must say only once which workloads the EnvoyFilter is for.",
		"istio/api networking/v1alpha3/envoy_filter.proto (workload_selector, targetRefs)"}
	WS203 = Rule{"WS203", SeverityError, "A label that a builder selects workloads by must have a value.",
		"kubernetes/apimachinery pkg/util/validation (IsValidLabelValue)"}
	WS204 = Rule{"WS204", SeverityError, "targetRefs and workloadSelector must not be set together.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml (CEL of spec)"}
	WS205 = Rule{"WS205", SeverityError, "A label of the workloadSelector must be one that a pod can have; \"*\" stands for nothing.",
		"istio/istio pkg/config/validation/validation.go (ValidateAlphaWorkloadSelector); kubernetes/apimachinery pkg/util/validation"}
	WS206 = Rule{"WS206", SeverityError, "A workloadSelector must have at most 256 labels.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml (maxProperties)"}
	WS207 = Rule{"WS207", SeverityError, "There must be at most 16 targetRefs.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml (maxItems)"}
	WS208 = Rule{"WS208", SeverityError, "A targetRef must name an object of the filter's own namespace by its group, kind and name.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml (patterns and CEL of targetRefs)"}
	WS209 = Rule{"WS209", Warning, "A workloadSelector without labels selects every workload of the namespace.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go"}
	WS210 = Rule{"WS210", Warning, "Without workloadSelector and targetRefs the filter applies to every workload of its namespace.",
		"istio/api networking/v1alpha3/envoy_filter.proto (workload_selector)"}
	WS211 = Rule{"WS211", Warning, "istiod attaches EnvoyFilters by targetRefs to gateways only: a Gateway, or the GatewayClass of waypoints.",
		"istio/istio pilot/pkg/model/push_context.go (getMatchedEnvoyFilters asks for no Service) and policyattachment.go@release-1.31"}
	WS212 = Rule{"WS212", Info, "targetRefs is in the API since release 1.22, and istiod reads it since 1.27.",
		"istio/istio#56476; pilot/pkg/model/push_context.go (getMatchedEnvoyFilters)"}
	WS213 = Rule{"WS213", SeverityError, "An EnvoyFilter must have a patch: without one it does nothing.",
		"istio/api networking/v1alpha3/envoy_filter.proto (config_patches)"}
	WS214 = Rule{"WS214", SeverityError, "A patch must say to which kind of object it applies.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (missing applyTo)"}
	WS215 = Rule{"WS215", SeverityError, "A patch must have an operation and a value.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (missing patch)"}
	WS216 = Rule{"WS216", SeverityError, "A patch must have an operation of the API.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (missing patch operation)"}
	WS217 = Rule{"WS217", SeverityError, "A patch that is no REMOVE must have a value.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (missing patch value)"}
	WS218 = Rule{"WS218", Info, "A REMOVE does not look at its value.",
		"istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go"}
	WS219 = Rule{"WS219", SeverityError, "The value given to a builder must be of the type that applyTo and the operation take.",
		"istio/istio pkg/config/xds/xds.go (BuildXDSObjectFromStruct)"}
	WS220 = Rule{"WS220", SeverityError, "A builder's context must be one of those that there are.",
		"istio/api networking/v1alpha3/envoy_filter.proto (PatchContext)"}
	WS221 = Rule{"WS221", SeverityError, "A builder's whole match and its short fields must not be set together.",
		"this library"}
	WS222 = Rule{"WS222", SeverityError, "A builder's context and the one in its whole match must agree.",
		"this library"}
	WS223 = Rule{"WS223", SeverityError, "The context WAYPOINT and the match for it have no effect.",
		"istio/istio pilot/pkg/networking/core/envoyfilter (no use of WAYPOINT); istio/api kubernetes/customresourcedefinitions.gen.yaml (CEL of match)"}
	WS224 = Rule{"WS224", Warning, "The context ANY applies a patch to every side of every proxy.",
		"istio/istio#33358; pilot/pkg/networking/core/envoyfilter/listener_patch.go (patchContextMatch)"}
	WS225 = Rule{"WS225", SeverityError, "An enum must have a value that the API gives a name.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml (enum); envoyproxy/envoy api (defined_only)"}
	WS226 = Rule{"WS226", SeverityError, "A proxyVersion must have at most 1,024 bytes: a longer one matches no proxy.",
		"istio/istio pilot/pkg/model/envoyfilter.go (maxProxyVersionLen)"}
	WS227 = Rule{"WS227", SeverityError, "A proxyVersion must be a regular expression in RE2 syntax.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go"}
	WS228 = Rule{"WS228", Warning, "A proxyVersion that is not anchored at its beginning matches releases that it does not mean.",
		"istio/istio pilot/pkg/model/envoyfilter.go (proxyMatch); istio/istio#43602"}
	WS230 = Rule{"WS230", SeverityError, "The match must be by the kind of object that applyTo selects: another one is refused, or passed over.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go; pilot/pkg/networking/core/envoyfilter"}
	WS231 = Rule{"WS231", SeverityError, "A match by filter must have the name of the filter.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go"}
	WS232 = Rule{"WS232", SeverityError, "A match by subFilter goes with HTTP_FILTER only.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go"}
	WS233 = Rule{"WS233", SeverityError, "HTTP filters are in the HttpConnectionManager and in no other filter.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go; pilot/pkg/networking/core/envoyfilter/listener_patch.go"}
	WS234 = Rule{"WS234", Warning, "Filter names from before Envoy 1.14 match nothing since Istio 1.19.",
		"istio/istio#45675; pkg/config/xds/deprecated.go"}
	WS235 = Rule{"WS235", SeverityError, "A port must be at most 65535.",
		"RFC 9293, section 3.1"}
	WS236 = Rule{"WS236", Warning, "What istiod does not read narrows nothing down.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go; pilot/pkg/networking/core/envoyfilter"}
	WS240 = Rule{"WS240", SeverityError, "A spec must have a form in JSON that istiod reads back.",
		"protobuf.dev/programming-guides/json; golang/protobuf jsonpb/decode.go"}
	WS241 = Rule{"WS241", SeverityError, "The operation must be one that istiod applies to this kind of object.",
		"istio/istio pilot/pkg/networking/core/envoyfilter; istioctl analyze IST0152 to IST0154"}
	WS242 = Rule{"WS242", SeverityError, "A MERGE on network or HTTP filters must name the filter, and none is for listener filters: it panics in istiod at the first filter of another type.",
		"istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go (patchNetworkFilter, mergeHTTPFilter, patchListenerFilters); pkg/proto/merge/merge.go"}
	WS243 = Rule{"WS243", Warning, "An INSERT of what has no order is an ADD.",
		"istio/istio pilot/pkg/model/envoyfilter.go (convertToEnvoyFilterWrapper)"}
	WS244 = Rule{"WS244", Info, "istioctl analyze reports some operations as errors that istiod applies.",
		"istio/istio pkg/config/analysis/analyzers/envoyfilter/envoyfilter.go (IST0152 to IST0154)"}
	WS245 = Rule{"WS245", Warning, "A REMOVE without a match removes everything of its kind.",
		"istio/istio pilot/pkg/networking/core/envoyfilter/cluster_patch.go"}
	WS246 = Rule{"WS246", Warning, "The filter that ends a chain must stay the last one in it.",
		"envoyproxy/envoy source/common/config/utility.h (validateTerminalFilters)"}
	WS247 = Rule{"WS247", Info, "An operation relative to other filters depends on the order of EnvoyFilters, which priority sets.",
		"istio/istio pkg/config/analysis/msg/messages.yaml (IST0151)"}
	WS248 = Rule{"WS248", Warning, "A patch with the applyTo BOOTSTRAP is not applied.",
		"istio/api networking/v1alpha3/envoy_filter.proto (BOOTSTRAP)"}
	WS260 = Rule{"WS260", SeverityError, "A value must hold to the rules of Envoy's API, or the proxy refuses the configuration.",
		"envoyproxy/envoy api (protoc-gen-validate rules)"}
	WS261 = Rule{"WS261", SeverityError, "A MERGE must not give upgrade_configs: they are appended, and Envoy refuses a type that stands twice.",
		"istio/istio pilot/pkg/networking/core/listener_builder.go; envoyproxy/envoy source/extensions/filters/network/http_connection_manager/config.cc"}
	WS262 = Rule{"WS262", SeverityError, "A MERGE must give a filter's configuration in the type that the filter has, and not as a TypedStruct.",
		"istio/istio pkg/proto/merge/merge.go (descriptor mismatch); pilot/pkg/networking/util/util.go (MergeAnyWithAny)"}
	WS263 = Rule{"WS263", SeverityError, "A MERGE must not rename the HttpConnectionManager.",
		"istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go (patchNetworkFilter)"}
	WS264 = Rule{"WS264", SeverityError, "A MERGE of a filter takes its name and typed_config only, and one of a cluster's transport_socket only that.",
		"istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go, cluster_patch.go"}
	WS265 = Rule{"WS265", Warning, "An extension must have its typed_config.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (validateMissingTypedConfigFilterTypes)"}
	WS266 = Rule{"WS266", SeverityError, "A MERGE cannot set a field to false, zero or empty.",
		"istio/istio pkg/proto/merge/merge.go; protobuf.dev/programming-guides/field_presence"}
	WS267 = Rule{"WS267", Info, "A MERGE of a wrapper that is false, zero or empty does not replace a value that is there.",
		"istio/istio pkg/proto/merge/merge.go (mergeMessage)"}
	WS268 = Rule{"WS268", SeverityError, "A value must be of a type that the newest istiod still knows.",
		"envoyproxy/go-control-plane envoy v1.40.0"}
	WS269 = Rule{"WS269", SeverityError, "A value must be written so that istiod reads it, which is narrower than protobuf's JSON mapping in places.",
		"golang/protobuf jsonpb/decode.go; istio/istio pkg/util/protomarshal/protomarshal.go"}
)
