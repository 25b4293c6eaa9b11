// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// MatchOfOtherKind is rule WS230. The match must be by the kind of object that applyTo selects: another one is
// refused, or passed over.
var MatchOfOtherKind = finding.Rule{Code: "WS230", Severity: finding.SeverityError,
	Meaning: "The match must be by the kind of object that applyTo selects: another one is refused, or passed over.",
	Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go; pilot/pkg/networking/core/envoyfilter"}

// match checks which objects the patch is for. Which parts of a match istiod reads is in listener_patch.go, rc_patch.go and
// cluster_patch.go of pilot/pkg/networking/core/envoyfilter.
func (r *report) match(config *networking.EnvoyFilter_EnvoyConfigObjectPatch, k *kind) {
	given := ""
	switch config.GetMatch().GetObjectTypes().(type) {
	case *networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener:
		given = "listener"
	case *networking.EnvoyFilter_EnvoyConfigObjectMatch_RouteConfiguration:
		given = "routeConfiguration"
	case *networking.EnvoyFilter_EnvoyConfigObjectMatch_Cluster:
		given = "cluster"
	}
	// The webhook does not check this for LISTENER_FILTER, EXTENSION_CONFIG and BOOTSTRAP. Istiod then ignores the match, and
	// the patch applies to everything.
	if given != "" && given != k.match {
		hint := "match by " + k.match
		if k.match == "" {
			hint = "leave it out"
		}
		r.add(MatchOfOtherKind, r.at("match", given), fmt.Sprintf("a match by %s does not go with the applyTo %s", given, config.GetApplyTo()), hint)
		return
	}
	r.enter("match")
	r.enter(given)
	switch given {
	case "listener":
		r.listener(config.GetApplyTo(), config.GetMatch().GetListener())
	case "routeConfiguration":
		r.routeConfiguration(config.GetMatch().GetContext(), config.GetMatch().GetRouteConfiguration())
	case "cluster":
		r.cluster(config.GetMatch().GetCluster())
	}
	r.leave()
	r.leave()
}

// UnknownTransportSocket is rule WS237. The transport socket of a filter chain is the one for plain bytes, for TLS or
// for QUIC.
var UnknownTransportSocket = finding.Rule{Code: "WS237", Severity: finding.Warning,
	Meaning: "The transport socket of a filter chain is the one for plain bytes, for TLS or for QUIC.",
	Source:  "istio/api networking/v1alpha3/envoy_filter.proto (FilterChainMatch.transport_socket)"}

func (r *report) listener(applyTo networking.EnvoyFilter_ApplyTo, m *networking.EnvoyFilter_ListenerMatch) {
	r.port(m.GetPortNumber(), "portNumber")
	if m.GetPortName() != "" {
		r.unread(r.at("portName"), "istiod does not match listeners by portName", "give portNumber")
	}
	chain, isListenerFilter := m.GetFilterChain(), applyTo == networking.EnvoyFilter_LISTENER_FILTER
	switch {
	case m.GetListenerFilter() == "":
	case !isListenerFilter:
		r.unread(r.at("listenerFilter"), fmt.Sprintf("listenerFilter has no effect with the applyTo %s", applyTo), "use it with LISTENER_FILTER only")
	default:
		r.deprecatedName(m.GetListenerFilter(), "listenerFilter")
	}
	if chain == nil {
		return
	}
	if isListenerFilter || applyTo == networking.EnvoyFilter_LISTENER {
		r.unread(r.at("filterChain"), fmt.Sprintf("filterChain has no effect with the applyTo %s", applyTo), "match the listener by its name or portNumber")
	}
	r.port(chain.GetDestinationPort(), "filterChain", "destinationPort")
	switch chain.GetTransportSocket() {
	case "", "envoy.transport_sockets.raw_buffer", "envoy.transport_sockets.tls", "envoy.transport_sockets.quic":
	default:
		r.add(UnknownTransportSocket, r.at("filterChain", "transportSocket"),
			fmt.Sprintf("the transport socket %s is none of the three that the comments of Istio's API give filter chains", quote(chain.GetTransportSocket())),
			"give envoy.transport_sockets.tls, envoy.transport_sockets.raw_buffer or envoy.transport_sockets.quic")
	}
	if chain.GetFilter() != nil {
		r.enter("filterChain")
		r.enter("filter")
		r.filter(applyTo, chain.GetFilter())
		r.leave()
		r.leave()
	}
}

var (
	// SubFilterOfOtherKind is rule WS232. A match by subFilter goes with HTTP_FILTER only.
	SubFilterOfOtherKind = finding.Rule{Code: "WS232", Severity: finding.SeverityError,
		Meaning: "A match by subFilter goes with HTTP_FILTER only.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go"}
	// NoHTTPFiltersThere is rule WS233. HTTP filters are in the HttpConnectionManager and in no other filter.
	NoHTTPFiltersThere = finding.Rule{Code: "WS233", Severity: finding.SeverityError,
		Meaning: "HTTP filters are in the HttpConnectionManager and in no other filter.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go; pilot/pkg/networking/core/envoyfilter/listener_patch.go"}
)

func (r *report) filter(applyTo networking.EnvoyFilter_ApplyTo, m *networking.EnvoyFilter_ListenerMatch_FilterMatch) {
	isManager := m.GetName() == istio.ManagerFilter || m.GetName() == istio.OldManagerFilter
	if applyTo == networking.EnvoyFilter_FILTER_CHAIN {
		r.unread(r.at(), "a filter to match has no effect with the applyTo FILTER_CHAIN", "match the chain by its name, sni or destinationPort")
	}
	if m.GetName() == "" {
		r.noName(r.at(), "the filter to match has no name")
	}
	r.deprecatedName(m.GetName(), "name")
	if m.GetSubFilter() != nil {
		if applyTo != networking.EnvoyFilter_HTTP_FILTER {
			r.add(SubFilterOfOtherKind, r.at("subFilter"), fmt.Sprintf("a subFilter does not go with the applyTo %s", applyTo), "use it with HTTP_FILTER only")
		}
		if m.GetSubFilter().GetName() == "" {
			r.noName(r.at("subFilter"), "the subFilter to match has no name")
		}
		r.deprecatedName(m.GetSubFilter().GetName(), "subFilter", "name")
	}
	// The webhook requires this name only beside a subFilter, but istiod finds no HTTP filter without it either.
	if m.GetName() != "" && !isManager && (m.GetSubFilter() != nil || applyTo == networking.EnvoyFilter_HTTP_FILTER) {
		r.add(NoHTTPFiltersThere, r.at("name"), fmt.Sprintf("the filter %s has no HTTP filters", quote(m.GetName())), "give "+istio.ManagerFilter)
	}
}

// NoFilterName is rule WS231. A match by filter must have the name of the filter.
var NoFilterName = finding.Rule{Code: "WS231", Severity: finding.SeverityError,
	Meaning: "A match by filter must have the name of the filter.",
	Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go"}

func (r *report) noName(path, message string) {
	r.add(NoFilterName, path, message, "give the name of a filter, for example "+istio.ManagerFilter)
}

// FilterNameDeprecated is rule WS234. Filter names from before Envoy 1.14 match nothing since Istio 1.19.
var FilterNameDeprecated = finding.Rule{Code: "WS234", Severity: finding.Warning,
	Meaning: "Filter names from before Envoy 1.14 match nothing since Istio 1.19.",
	Source:  "istio/istio#45675; pkg/config/xds/deprecated.go"}

func (r *report) deprecatedName(name string, field ...string) {
	if today := deprecatedNames[name]; today != "" {
		r.add(FilterNameDeprecated, r.at(field...), fmt.Sprintf("the filter name %s is deprecated and matches nothing since release 1.19", quote(name)), "give "+today)
	}
}

func (r *report) routeConfiguration(context networking.EnvoyFilter_PatchContext, m *networking.EnvoyFilter_RouteConfigurationMatch) {
	r.port(m.GetPortNumber(), "portNumber")
	if context == networking.EnvoyFilter_SIDECAR_INBOUND || context == networking.EnvoyFilter_SIDECAR_OUTBOUND {
		for _, f := range []struct{ name, value string }{{"portName", m.GetPortName()}, {"gateway", m.GetGateway()}} {
			if f.value != "" {
				r.unread(r.at(f.name), fmt.Sprintf("%s has no effect with the context %s", f.name, context), "use it with GATEWAY only")
			}
		}
	}
	if action := m.GetVhost().GetRoute().GetAction(); networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_Action_name[int32(action)] == "" {
		r.unknownEnum(int32(action), action.Descriptor(), "vhost", "route", "action")
	}
}

func (r *report) cluster(m *networking.EnvoyFilter_ClusterMatch) {
	r.port(m.GetPortNumber(), "portNumber")
	if m.GetName() != "" && (m.GetService() != "" || m.GetSubset() != "" || m.GetPortNumber() != 0) {
		r.unread(r.at(), "service, subset and portNumber have no effect beside the name of a cluster", "give the name alone, or the others")
	}
}

// InvalidPort is rule WS235. A port must be at most 65535.
var InvalidPort = finding.Rule{Code: "WS235", Severity: finding.SeverityError,
	Meaning: "A port must be at most 65535.", Source: "RFC 9293, section 3.1"}

// port reports a number that is not a port. The CRD accepts all 32 bits.
func (r *report) port(port uint32, field ...string) {
	if port > maxPort {
		r.add(InvalidPort, r.at(field...), fmt.Sprintf("%d is no port", port), fmt.Sprintf("give a number from 1 to %d", maxPort))
	}
}

// FieldNotRead is rule WS236. What istiod does not read narrows nothing down.
var FieldNotRead = finding.Rule{Code: "WS236", Severity: finding.Warning,
	Meaning: "What istiod does not read narrows nothing down.",
	Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go; pilot/pkg/networking/core/envoyfilter"}

// unread reports a field that istiod does not read, so that the patch applies to more than it seems to.
func (r *report) unread(path, message, hint string) {
	r.add(FieldNotRead, path, message, hint)
}
