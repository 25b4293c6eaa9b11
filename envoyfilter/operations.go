// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"

	_ "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3" // links the Go types of filters, one of which is in every plan
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The operations of the API.
const (
	opMerge               = networking.EnvoyFilter_Patch_MERGE
	opAdd                 = networking.EnvoyFilter_Patch_ADD
	opRemove              = networking.EnvoyFilter_Patch_REMOVE
	opInsertBefore        = networking.EnvoyFilter_Patch_INSERT_BEFORE
	opInsertAfter         = networking.EnvoyFilter_Patch_INSERT_AFTER
	opInsertFirst         = networking.EnvoyFilter_Patch_INSERT_FIRST
	opReplace             = networking.EnvoyFilter_Patch_REPLACE
	opMergeAndReplaceList = networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST
)

// Full names of messages.
const (
	httpConnectionManager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
	typedStruct           = "xds.type.v3.TypedStruct"
)

// An effect is what istiod does with an operation on a kind of object.
type effect int

const (
	applied  effect = iota
	nothing         // istiod ignores the patch without a warning
	likeAdd         // istiod takes it for an ADD
	disputed        // istiod applies it, and `istioctl analyze` reports it as an error
)

// An outcome is an effect and the reason for it.
type outcome struct {
	effect effect
	reason string
}

// A kind is a kind of object that applyTo selects: the type of its values, the match that it can have, and what each
// operation does with it.
//
// The outcomes are those of pilot/pkg/networking/core/envoyfilter (listener_patch.go, cluster_patch.go, rc_patch.go,
// extension_configuration_patch.go) and of convertToEnvoyFilterWrapper in pilot/pkg/model/envoyfilter.go in release
// 1.31. An operation that is not listed is applied.
type kind struct {
	object      protoreflect.FullName // see manifest.ValueType
	match       string                // the field of match for it, or ""
	typedConfig bool                  // the object is a filter, with its configuration in typed_config
	outcomes    map[networking.EnvoyFilter_Patch_Operation]outcome
}

// newMessage returns an empty message of the kind.
func (k *kind) newMessage() proto.Message {
	mt, err := envoyapi.Types.FindMessageByName(k.object)
	if err != nil {
		panic(err) // all messages in the table are in Envoy's API
	}
	return mt.New().Interface()
}

func init() {
	for applyTo, k := range kinds {
		if k != nil {
			k.object = manifest.ValueType(networking.EnvoyFilter_ApplyTo(applyTo))
		}
	}
}

// inserts adds the outcomes of the three INSERT operations for a kind for which istiod turns them into ADD.
func inserts(others map[networking.EnvoyFilter_Patch_Operation]outcome) map[networking.EnvoyFilter_Patch_Operation]outcome {
	for _, op := range []networking.EnvoyFilter_Patch_Operation{opInsertBefore, opInsertAfter, opInsertFirst} {
		others[op] = outcome{likeAdd, "istiod keeps an order only for filters and routes"}
	}
	return others
}

const (
	replacesFilters = "istiod replaces filters and virtual hosts only"
	listsInAny      = "istiod merges the configuration of a filter with MERGE only"
)

// kinds holds the kind of each applyTo.
var kinds = [...]*kind{
	networking.EnvoyFilter_LISTENER: {
		match:    "listener",
		outcomes: inserts(map[networking.EnvoyFilter_Patch_Operation]outcome{opReplace: {nothing, replacesFilters}}),
	},
	networking.EnvoyFilter_FILTER_CHAIN: {
		match:    "listener",
		outcomes: inserts(map[networking.EnvoyFilter_Patch_Operation]outcome{opReplace: {nothing, replacesFilters}}),
	},
	networking.EnvoyFilter_NETWORK_FILTER: {
		match: "listener", typedConfig: true,
		outcomes: map[networking.EnvoyFilter_Patch_Operation]outcome{opMergeAndReplaceList: {nothing, listsInAny}},
	},
	networking.EnvoyFilter_HTTP_FILTER: {
		match: "listener", typedConfig: true,
		outcomes: map[networking.EnvoyFilter_Patch_Operation]outcome{opMergeAndReplaceList: {nothing, listsInAny}},
	},
	networking.EnvoyFilter_ROUTE_CONFIGURATION: {
		match: "routeConfiguration",
		outcomes: map[networking.EnvoyFilter_Patch_Operation]outcome{
			opAdd:          {nothing, onlyMerged},
			opRemove:       {nothing, onlyMerged},
			opInsertBefore: {nothing, onlyMerged},
			opInsertAfter:  {nothing, onlyMerged},
			opInsertFirst:  {nothing, onlyMerged},
			opReplace:      {nothing, onlyMerged},
		},
	},
	networking.EnvoyFilter_VIRTUAL_HOST: {
		match:    "routeConfiguration",
		outcomes: inserts(map[networking.EnvoyFilter_Patch_Operation]outcome{}),
	},
	networking.EnvoyFilter_HTTP_ROUTE: {
		match: "routeConfiguration",
		outcomes: map[networking.EnvoyFilter_Patch_Operation]outcome{
			opAdd:     {disputed, "IST0153"},
			opRemove:  {disputed, "IST0154"},
			opReplace: {nothing, replacesFilters},
		},
	},
	networking.EnvoyFilter_CLUSTER: {
		match:    "cluster",
		outcomes: inserts(map[networking.EnvoyFilter_Patch_Operation]outcome{opReplace: {nothing, replacesFilters}}),
	},
	networking.EnvoyFilter_EXTENSION_CONFIG: {
		outcomes: inserts(map[networking.EnvoyFilter_Patch_Operation]outcome{
			opMerge:               {nothing, onlyAdded},
			opMergeAndReplaceList: {nothing, onlyAdded},
			opRemove:              {nothing, onlyAdded},
			opReplace:             {nothing, onlyAdded},
		}),
	},
	networking.EnvoyFilter_BOOTSTRAP: {},
	networking.EnvoyFilter_LISTENER_FILTER: {
		match: "listener", typedConfig: true,
		outcomes: map[networking.EnvoyFilter_Patch_Operation]outcome{
			opReplace:             {disputed, "IST0152"},
			opMergeAndReplaceList: {nothing, listsInAny},
		},
	},
}

const (
	onlyMerged = "istiod only merges into a route configuration"
	onlyAdded  = "istiod only adds extension configurations"
)

// kindOf returns the kind of applyTo, or nil if the API has no such value.
func kindOf(applyTo networking.EnvoyFilter_ApplyTo) *kind {
	if applyTo <= 0 || int(applyTo) >= len(kinds) {
		return nil
	}
	return kinds[applyTo]
}

// isObjectType reports whether name is the message of a kind, and so not the configuration of a filter.
func isObjectType(name protoreflect.FullName) bool {
	for _, k := range kinds[1:] {
		if k.object == name {
			return true
		}
	}
	return false
}

// isOperation reports whether the API has the operation.
func isOperation(op networking.EnvoyFilter_Patch_Operation) bool {
	return opMerge <= op && op <= opMergeAndReplaceList
}

// isMerge reports whether the operation merges the value into an object, so that the value may be incomplete.
func isMerge(op networking.EnvoyFilter_Patch_Operation) bool {
	return op == opMerge || op == opMergeAndReplaceList
}

// filterTypes holds the type of each filter that istiod configures itself, by the name of the filter. Merging a message of
// another type into one of them panics in istiod (pkg/proto/merge, "descriptor mismatch"), which recovers and drops all
// listener patches of the proxy.
var filterTypes = map[string]protoreflect.FullName{
	istio.ManagerFilter:               httpConnectionManager,
	"envoy.filters.network.tcp_proxy": "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
	"envoy.filters.http.cors":         "envoy.extensions.filters.http.cors.v3.Cors",
	"envoy.filters.http.fault":        "envoy.extensions.filters.http.fault.v3.HTTPFault",
	"envoy.filters.http.router":       "envoy.extensions.filters.http.router.v3.Router",
}

// deprecatedNames maps the names that filters had before Envoy 1.14 to those of today. Istiod generates the new names since
// release 1.7, and matches the old ones until 1.18 (istio/istio#45675). The list is that of pkg/config/xds/deprecated.go.
var deprecatedNames = map[string]string{
	"envoy.buffer":                  "envoy.filters.http.buffer",
	"envoy.client_ssl_auth":         "envoy.filters.network.client_ssl_auth",
	"envoy.cors":                    "envoy.filters.http.cors",
	"envoy.csrf":                    "envoy.filters.http.csrf",
	"envoy.ext_authz":               "envoy.filters.http.ext_authz or envoy.filters.network.ext_authz",
	"envoy.fault":                   "envoy.filters.http.fault",
	"envoy.grpc_http1_bridge":       "envoy.filters.http.grpc_http1_bridge",
	"envoy.grpc_json_transcoder":    "envoy.filters.http.grpc_json_transcoder",
	"envoy.grpc_web":                "envoy.filters.http.grpc_web",
	"envoy.gzip":                    "envoy.filters.http.gzip",
	"envoy.health_check":            "envoy.filters.http.health_check",
	istio.OldManagerFilter:          istio.ManagerFilter,
	"envoy.http_dynamo_filter":      "envoy.filters.http.dynamo",
	"envoy.ip_tagging":              "envoy.filters.http.ip_tagging",
	"envoy.listener.http_inspector": "envoy.filters.listener.http_inspector",
	"envoy.listener.original_dst":   "envoy.filters.listener.original_dst",
	"envoy.listener.original_src":   "envoy.filters.listener.original_src",
	"envoy.listener.proxy_protocol": "envoy.filters.listener.proxy_protocol",
	"envoy.listener.tls_inspector":  "envoy.filters.listener.tls_inspector",
	"envoy.lua":                     "envoy.filters.http.lua",
	"envoy.mongo_proxy":             "envoy.filters.network.mongo_proxy",
	"envoy.rate_limit":              "envoy.filters.http.ratelimit",
	"envoy.ratelimit":               "envoy.filters.network.ratelimit",
	"envoy.redis_proxy":             "envoy.filters.network.redis_proxy",
	"envoy.router":                  "envoy.filters.http.router",
	"envoy.squash":                  "envoy.filters.http.squash",
	"envoy.tcp_proxy":               "envoy.filters.network.tcp_proxy",
}

// selection returns the name by which the match selects a filter of the kind of applyTo, and the field with that name.
func selection(config *networking.EnvoyFilter_EnvoyConfigObjectPatch) (name, field string) {
	listener := config.GetMatch().GetListener()
	switch config.GetApplyTo() {
	case networking.EnvoyFilter_NETWORK_FILTER:
		return listener.GetFilterChain().GetFilter().GetName(), "match.listener.filterChain.filter.name"
	case networking.EnvoyFilter_HTTP_FILTER:
		return listener.GetFilterChain().GetFilter().GetSubFilter().GetName(), "match.listener.filterChain.filter.subFilter.name"
	case networking.EnvoyFilter_LISTENER_FILTER:
		return listener.GetListenerFilter(), "match.listener.listenerFilter"
	}
	return "", ""
}

var (
	// MergePanics is rule WS242. A MERGE on network or HTTP filters must name the filter, and none is for listener
	// filters: it panics in istiod at the first filter of another type.
	MergePanics = finding.Rule{Code: "WS242", Severity: finding.SeverityError,
		Meaning: "A MERGE on network or HTTP filters must name the filter, and none is for listener filters: it panics in istiod at the first filter of another type.",
		Source:  "istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go (patchNetworkFilter, mergeHTTPFilter, patchListenerFilters); pkg/proto/merge/merge.go"}
	// InsertIsAdd is rule WS243. An INSERT of what has no order is an ADD.
	InsertIsAdd = finding.Rule{Code: "WS243", Severity: finding.Warning,
		Meaning: "An INSERT of what has no order is an ADD.",
		Source:  "istio/istio pilot/pkg/model/envoyfilter.go (convertToEnvoyFilterWrapper)"}
	// OperationDisputed is rule WS244. istioctl analyze reports some operations as errors that istiod applies.
	OperationDisputed = finding.Rule{Code: "WS244", Severity: finding.Info,
		Meaning: "istioctl analyze reports some operations as errors that istiod applies.",
		Source:  "istio/istio pkg/config/analysis/analyzers/envoyfilter/envoyfilter.go (IST0152 to IST0154)"}
	// RemovesAll is rule WS245. A REMOVE without a match removes everything of its kind.
	RemovesAll = finding.Rule{Code: "WS245", Severity: finding.Warning,
		Meaning: "A REMOVE without a match removes everything of its kind.",
		Source:  "istio/istio pilot/pkg/networking/core/envoyfilter/cluster_patch.go"}
	// NoPriority is rule WS247. An operation relative to other filters depends on the order of EnvoyFilters, which
	// priority sets.
	NoPriority = finding.Rule{Code: "WS247", Severity: finding.Info,
		Meaning: "An operation relative to other filters depends on the order of EnvoyFilters, which priority sets.",
		Source:  "istio/istio pkg/config/analysis/msg/messages.yaml (IST0151)"}
	// BootstrapNotPatched is rule WS248. A patch with the applyTo BOOTSTRAP is not applied.
	BootstrapNotPatched = finding.Rule{Code: "WS248", Severity: finding.Warning,
		Meaning: "A patch with the applyTo BOOTSTRAP is not applied.",
		Source:  "istio/api networking/v1alpha3/envoy_filter.proto (BOOTSTRAP)"}
)

// operation checks what istiod does with the operation on an object of the kind.
func (r *report) operation(config *networking.EnvoyFilter_EnvoyConfigObjectPatch, k *kind, priority int32) {
	op, applyTo := config.GetPatch().GetOperation(), config.GetApplyTo()
	if applyTo == networking.EnvoyFilter_BOOTSTRAP {
		r.add(BootstrapNotPatched, r.at("applyTo"), "istiod of release 1.31 applies no patch to BOOTSTRAP, which the API marks as deprecated",
			"set what the proxy starts with in its ProxyConfig")
		return
	}
	switch o := k.outcomes[op]; o.effect {
	case nothing:
		r.noEffect(r.at("patch", "operation"), fmt.Sprintf("%s does nothing with the applyTo %s: %s", op, applyTo, o.reason), "use another operation")
		return
	case likeAdd:
		r.add(InsertIsAdd, r.at("patch", "operation"), fmt.Sprintf("%s is an ADD with the applyTo %s: %s", op, applyTo, o.reason), "write ADD")
	case applied:
	case disputed:
		r.add(OperationDisputed, r.at("patch", "operation"), fmt.Sprintf("istiod applies %s with the applyTo %s, and istioctl analyze reports it as the error %s", op, applyTo, o.reason),
			"pass -S to istioctl analyze to suppress it")
	}

	name, field := selection(config)
	isFilter := k.typedConfig
	switch {
	case isFilter && op == opMerge && (name == "") != (applyTo == networking.EnvoyFilter_LISTENER_FILTER):
		// Istiod merges the value into every filter then, and protobuf's merge panics at the first of another type. Of
		// listener filters it does so where a name is given: it asks for the name, and does not look at it.
		what, hint := "without the name of the filter", "give "+field
		if applyTo == networking.EnvoyFilter_LISTENER_FILTER {
			what, hint = "is for every listener filter, whatever the match, and", "use REPLACE"
		}
		r.add(MergePanics, r.at("patch", "operation"), fmt.Sprintf("a MERGE on %s %s panics in istiod, which loses the listener patches that were still to come for the proxy, those of other EnvoyFilters too", applyTo, what), hint)
	case isFilter && name == "" && (op == opMerge || op == opRemove || op == opReplace):
		r.noEffect(r.at("patch", "operation"), fmt.Sprintf("%s does nothing with the applyTo %s where no filter is selected", op, applyTo), "give "+field)
	case !isFilter && op == opRemove && config.GetMatch().GetObjectTypes() == nil:
		r.add(RemovesAll, r.at("patch", "operation"), fmt.Sprintf("the patch removes every %s of the context, because it matches none in particular", applyTo), "match those that are meant")
	}
	if isLast(applyTo, op, name) {
		r.afterLast(r.at("patch", "operation"), fmt.Sprintf("%s puts the filter after the one that ends the chain", op), "use INSERT_BEFORE or INSERT_FIRST")
	}
	if priority == 0 && (op == opRemove || op == opReplace || op == opInsertBefore || op == opInsertAfter) {
		r.add(NoPriority, r.at("patch", "operation"), fmt.Sprintf("%s depends on what other EnvoyFilters did before, and the filter has no priority", op),
			"set spec.priority where several EnvoyFilters patch the same objects")
	}
}

// isLast reports whether the operation puts a filter behind the one that Envoy requires to be last: the router among HTTP
// filters, the HttpConnectionManager or the TCP proxy among network filters.
func isLast(applyTo networking.EnvoyFilter_ApplyTo, op networking.EnvoyFilter_Patch_Operation, name string) bool {
	if applyTo != networking.EnvoyFilter_HTTP_FILTER && applyTo != networking.EnvoyFilter_NETWORK_FILTER {
		return false
	}
	switch op {
	case opAdd:
		return true
	case opInsertAfter:
		return name == "" || name == "envoy.filters.http.router" || name == istio.ManagerFilter || name == "envoy.filters.network.tcp_proxy"
	}
	return false
}

// AfterLastFilter is rule WS246. The filter that ends a chain must stay the last one in it.
var AfterLastFilter = finding.Rule{Code: "WS246", Severity: finding.Warning,
	Meaning: "The filter that ends a chain must stay the last one in it.",
	Source:  "envoyproxy/envoy source/common/config/utility.h (validateTerminalFilters)"}

func (r *report) afterLast(path, message, hint string) {
	r.add(AfterLastFilter, path, message+", and Envoy refuses the listener", hint)
}

// OperationDoesNothing is rule WS241. The operation must be one that istiod applies to this kind of object.
var OperationDoesNothing = finding.Rule{Code: "WS241", Severity: finding.SeverityError,
	Meaning: "The operation must be one that istiod applies to this kind of object.",
	Source:  "istio/istio pilot/pkg/networking/core/envoyfilter; istioctl analyze IST0152 to IST0154"}

func (r *report) noEffect(path, message, hint string) {
	r.add(OperationDoesNothing, path, message, hint)
}
