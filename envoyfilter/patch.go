// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Patch is one entry of spec.configPatches.
//
// Two ways say which object is patched: Context and the short fields ProxyVersion, Port, Filter and SubFilter, or Match, for
// what the short fields cannot express. A context in Match counts. If Match has none, Context applies, so that no patch gets
// the context ANY. A Context and a Match with different contexts are an error, and so is Match together with a short field.
// A Context that is zero cannot be told from one that is not set, so it never contradicts Match.
type Patch struct {
	// ApplyTo is the kind of object to patch.
	ApplyTo networking.EnvoyFilter_ApplyTo
	// Context is the side of the proxy; the zero value is [SidecarInbound].
	Context Context
	// ProxyVersion is an RE2 pattern that istiod searches for in the release of the proxy; "" matches every proxy.
	// The search is not anchored: "1.12" is found in "1.1.12". version.ProxyVersionPattern returns patterns that are.
	ProxyVersion string
	// Port is the port of the listener, up to 65535; 0 matches every port. On the inbound side it is the port of the
	// container and not of the Service, because istiod compares it with the destination port of the filter chain
	// (pilot/pkg/networking/core/envoyfilter/listener_patch.go, filterChainMatch).
	Port uint32
	// Filter is the name of the network filter to match, or with LISTENER_FILTER that of the listener filter.
	Filter string
	// SubFilter is the name of the HTTP filter to match. Filter may then be empty, because HTTP filters are only in the
	// HttpConnectionManager.
	SubFilter string
	// Operation is what to do with the object.
	Operation networking.EnvoyFilter_Patch_Operation
	// Value is a message of the type that belongs to ApplyTo (envoy.config.listener.v3.Filter for NETWORK_FILTER). In a
	// MERGE of a filter it may be the configuration of the filter, which is then wrapped in typed_config. A REMOVE has none.
	Value proto.Message
	// Match is the whole match, for what the short fields cannot express. It is copied.
	Match *networking.EnvoyFilter_EnvoyConfigObjectMatch
}

// MergeHTTPConnectionManager returns the patch that merges value into every HttpConnectionManager of the context.
//
// Istiod merges as protobuf does: a field that is set replaces that of istiod, messages are merged field by field, lists are
// appended, and a scalar field that is false, zero or empty changes nothing.
func MergeHTTPConnectionManager(ctx Context, value *hcmv3.HttpConnectionManager) Patch {
	return Patch{
		ApplyTo:   networking.EnvoyFilter_NETWORK_FILTER,
		Context:   ctx,
		Filter:    istio.ManagerFilter,
		Operation: networking.EnvoyFilter_Patch_MERGE,
		Value:     value,
	}
}

// AllowConnect returns the patch with which the proxies of the context accept WebSocket over HTTP/2, the extended CONNECT of
// RFC 8441. No release of Istio sets this itself ([istio/istio#27078], [istio/istio#33534]). A MERGE cannot undo it: delete
// the EnvoyFilter to turn it off again.
//
// [istio/istio#27078]: https://github.com/istio/istio/issues/27078
// [istio/istio#33534]: https://github.com/istio/istio/issues/33534
func AllowConnect(ctx Context) Patch {
	return MergeHTTPConnectionManager(ctx, &hcmv3.HttpConnectionManager{
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{AllowConnect: true},
	})
}

// A parts holds the messages of a patch, so that they are allocated at once.
type parts struct {
	config      networking.EnvoyFilter_EnvoyConfigObjectPatch
	patch       networking.EnvoyFilter_Patch
	match       networking.EnvoyFilter_EnvoyConfigObjectMatch
	objectTypes networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener
	listener    networking.EnvoyFilter_ListenerMatch
	chain       networking.EnvoyFilter_ListenerMatch_FilterChainMatch
	filter      networking.EnvoyFilter_ListenerMatch_FilterMatch
}

// build returns the patch as the API has it, and its value. It reports what cannot be written.
func (p Patch) build(r *report) (*networking.EnvoyFilter_EnvoyConfigObjectPatch, patchValue) {
	all := &parts{}
	all.config.ApplyTo = p.ApplyTo
	all.config.Match = p.match(r, all)
	all.config.Patch = &all.patch
	value, t := p.write(r)
	all.patch.Operation, all.patch.Value = p.Operation, value
	return &all.config, t
}

var (
	// UnknownContext is rule WS220. A builder's context must be one of those that there are.
	UnknownContext = finding.Rule{Code: "WS220", Severity: finding.SeverityError,
		Meaning: "A builder's context must be one of those that there are.",
		Source:  "istio/api networking/v1alpha3/envoy_filter.proto (PatchContext)"}
	// MatchAndShortFields is rule WS221. A builder's whole match and its short fields must not be set together.
	MatchAndShortFields = finding.Rule{Code: "WS221", Severity: finding.SeverityError,
		Meaning: "A builder's whole match and its short fields must not be set together.", Source: "this library"}
	// TwoContexts is rule WS222. A builder's context and the one in its whole match must agree.
	TwoContexts = finding.Rule{Code: "WS222", Severity: finding.SeverityError,
		Meaning: "A builder's context and the one in its whole match must agree.", Source: "this library"}
)

// match returns the match that Match or the short fields describe.
func (p Patch) match(r *report, all *parts) *networking.EnvoyFilter_EnvoyConfigObjectMatch {
	context := networking.EnvoyFilter_SIDECAR_INBOUND
	if p.Context.isValid() {
		context = contexts[p.Context]
	} else {
		r.add(UnknownContext, r.at("match", "context"), fmt.Sprintf("%s is none of the contexts", p.Context),
			"give SidecarInbound, SidecarOutbound or Gateway")
	}
	if p.Match != nil {
		if p.ProxyVersion != "" || p.Port != 0 || p.Filter != "" || p.SubFilter != "" {
			r.add(MatchAndShortFields, r.at("match"), "Match is set together with ProxyVersion, Port, Filter or SubFilter",
				"write what they say into Match")
		}
		if p.Match.GetContext() != networking.EnvoyFilter_ANY {
			if p.Context != 0 && p.Match.GetContext() != context {
				r.add(TwoContexts, r.at("match", "context"), fmt.Sprintf("Context is %s and the context in Match is %s", p.Context, p.Match.GetContext()),
					"give one of them")
			}
			context = p.Match.GetContext()
		}
		r.enter("match")
		r.writer(true).message(p.Match.ProtoReflect(), specDepth)
		r.leave()
		match := proto.CloneOf(p.Match)
		match.Context = context
		return match
	}

	all.match.Context = context
	if p.ProxyVersion != "" {
		all.match.Proxy = &networking.EnvoyFilter_ProxyMatch{ProxyVersion: p.ProxyVersion}
	}
	if p.Port == 0 && p.Filter == "" && p.SubFilter == "" {
		return &all.match
	}
	all.listener.PortNumber = p.Port
	all.objectTypes.Listener = &all.listener
	all.match.ObjectTypes = &all.objectTypes
	switch {
	case p.Filter == "" && p.SubFilter == "":
	case p.ApplyTo == networking.EnvoyFilter_LISTENER_FILTER && p.SubFilter == "":
		r.filterName(p.Filter, "match", "listener", "listenerFilter")
		all.listener.ListenerFilter = p.Filter
	default:
		r.filterName(p.Filter, "match", "listener", "filterChain", "filter", "name")
		r.filterName(p.SubFilter, "match", "listener", "filterChain", "filter", "subFilter", "name")
		all.filter.Name = p.Filter
		all.chain.Filter = &all.filter
		all.listener.FilterChain = &all.chain
		if p.SubFilter != "" {
			all.filter.SubFilter = &networking.EnvoyFilter_ListenerMatch_SubFilterMatch{Name: p.SubFilter}
		}
		if p.Filter == "" {
			all.filter.Name = istio.ManagerFilter
		}
	}
	return &all.match
}

// filterName reports a name of a filter that cannot be written.
func (r *report) filterName(name string, fields ...string) {
	for _, f := range fields {
		r.enter(f)
	}
	r.writer(true).text(name)
	for range fields {
		r.leave()
	}
}

// write returns Value as the Struct that patch.value holds, and as a message. The configuration of a filter is wrapped in
// typed_config. There is no message if there is no Value, or none that can be written.
func (p Patch) write(r *report) (*structpb.Struct, patchValue) {
	k := kindOf(p.ApplyTo)
	if p.Value == nil || !p.Value.ProtoReflect().IsValid() {
		return nil, patchValue{} // hasValue reports it
	}
	written := newObject()
	if k == nil {
		return &written.fields, patchValue{}
	}
	m := p.Value.ProtoReflect()
	name := m.Descriptor().FullName()
	mt, err := envoyapi.Types.FindMessageByName(name)
	mark := r.mark()
	r.enter("patch")
	r.enter("value")
	defer r.leave()
	defer r.leave()
	w := r.writer(false)
	t := patchValue{message: m}
	switch {
	case err != nil || mt != m.Type():
		r.wrongType(p, k, fmt.Sprintf("%T is not the Go type that is generated for %s", p.Value, name))
	case p.Operation == opRemove:
		r.wrongType(p, k, "a REMOVE takes no value")
	case name == k.object:
		written = w.object(m, "", valueDepth)
		t.text = &written.fields
	case !k.typedConfig || isObjectType(name):
		r.wrongType(p, k, fmt.Sprintf("the type %s cannot be applied to %s", name, p.ApplyTo))
	case isOperation(p.Operation) && !isMerge(p.Operation):
		r.wrongType(p, k, fmt.Sprintf("a bare %s has no name, and %s needs a filter with one", name, p.Operation))
	default:
		r.enter("typed_config")
		bare := w.object(m, typeURL(name), valueDepth+1)
		r.leave()
		written.fields.Fields["typed_config"] = &bare.value
		t.text, t.isBare = &bare.fields, true
	}
	if r.since(mark) {
		return &written.fields, patchValue{}
	}
	return &written.fields, t
}

// WrongValueType is rule WS219. The value given to a builder must be of the type that applyTo and the operation take.
var WrongValueType = finding.Rule{Code: "WS219", Severity: finding.SeverityError,
	Meaning: "The value given to a builder must be of the type that applyTo and the operation take.",
	Source:  "istio/istio pkg/config/xds/xds.go (BuildXDSObjectFromStruct)"}

func (r *report) wrongType(p Patch, k *kind, message string) {
	hint := "give an " + string(k.object)
	switch {
	case p.Operation == opRemove:
		hint = "leave Value out"
	case k.typedConfig && isMerge(p.Operation):
		hint += ", or the bare message of the filter's own configuration"
	case k.typedConfig:
		hint += " with a name, and with the filter's own configuration in its typed_config"
	}
	r.add(WrongValueType, r.at(), message, hint)
}
