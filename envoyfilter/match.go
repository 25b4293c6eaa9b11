// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// match checks which objects the patch is for. What of a match istiod reads is in listener_patch.go, rc_patch.go
// and cluster_patch.go of pilot/pkg/networking/core/envoyfilter.
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
	// The webhook leaves LISTENER_FILTER, EXTENSION_CONFIG and BOOTSTRAP out of this check, and istiod then passes
	// over the match: the patch applies to everything.
	if given != "" && given != k.match {
		hint := "match by " + k.match
		if k.match == "" {
			hint = "leave it out"
		}
		r.add(finding.New("WS230", ".match."+given, fmt.Sprintf("a match by %s does not go with the applyTo %s", given, config.GetApplyTo()), hint))
		return
	}
	mark := r.mark()
	switch given {
	case "listener":
		r.listener(config.GetApplyTo(), config.GetMatch().GetListener())
	case "routeConfiguration":
		r.routeConfiguration(config.GetMatch().GetContext(), config.GetMatch().GetRouteConfiguration())
	case "cluster":
		r.cluster(config.GetMatch().GetCluster())
	}
	r.below(mark, ".match."+given)
}

func (r *report) listener(applyTo networking.EnvoyFilter_ApplyTo, m *networking.EnvoyFilter_ListenerMatch) {
	r.port(".portNumber", m.GetPortNumber())
	if m.GetPortName() != "" {
		r.unread(".portName", "istiod does not match listeners by portName", "give portNumber")
	}
	chain, isListenerFilter := m.GetFilterChain(), applyTo == networking.EnvoyFilter_LISTENER_FILTER
	switch {
	case m.GetListenerFilter() == "":
	case !isListenerFilter:
		r.unread(".listenerFilter", fmt.Sprintf("listenerFilter has no effect with the applyTo %s", applyTo), "use it with LISTENER_FILTER only")
	default:
		r.deprecatedName(".listenerFilter", m.GetListenerFilter())
	}
	if chain == nil {
		return
	}
	if isListenerFilter || applyTo == networking.EnvoyFilter_LISTENER {
		r.unread(".filterChain", fmt.Sprintf("filterChain has no effect with the applyTo %s", applyTo), "match the listener by its name or portNumber")
	}
	r.port(".filterChain.destinationPort", chain.GetDestinationPort())
	switch chain.GetTransportSocket() {
	case "", "envoy.transport_sockets.raw_buffer", "envoy.transport_sockets.tls", "envoy.transport_sockets.quic":
	default:
		r.add(finding.New("WS237", ".filterChain.transportSocket",
			fmt.Sprintf("the transport socket %s is none of the three that the comments of Istio's API give filter chains", quote(chain.GetTransportSocket())),
			"give envoy.transport_sockets.tls, envoy.transport_sockets.raw_buffer or envoy.transport_sockets.quic"))
	}
	if chain.GetFilter() != nil {
		mark := r.mark()
		r.filter(applyTo, chain.GetFilter())
		r.below(mark, ".filterChain.filter")
	}
}

func (r *report) filter(applyTo networking.EnvoyFilter_ApplyTo, m *networking.EnvoyFilter_ListenerMatch_FilterMatch) {
	isManager := m.GetName() == managerFilter || m.GetName() == oldManagerFilter
	if applyTo == networking.EnvoyFilter_FILTER_CHAIN {
		r.unread("", "a filter to match has no effect with the applyTo FILTER_CHAIN", "match the chain by its name, sni or destinationPort")
	}
	if m.GetName() == "" {
		r.noName("", "the filter to match has no name")
	}
	r.deprecatedName(".name", m.GetName())
	if m.GetSubFilter() != nil {
		if applyTo != networking.EnvoyFilter_HTTP_FILTER {
			r.add(finding.New("WS232", ".subFilter", fmt.Sprintf("a subFilter does not go with the applyTo %s", applyTo), "use it with HTTP_FILTER only"))
		}
		if m.GetSubFilter().GetName() == "" {
			r.noName(".subFilter", "the subFilter to match has no name")
		}
		r.deprecatedName(".subFilter.name", m.GetSubFilter().GetName())
	}
	// The webhook asks for this name only where there is a subFilter. Without one istiod finds no HTTP filter all the same.
	if m.GetName() != "" && !isManager && (m.GetSubFilter() != nil || applyTo == networking.EnvoyFilter_HTTP_FILTER) {
		r.add(finding.New("WS233", ".name", fmt.Sprintf("the filter %s has no HTTP filters", quote(m.GetName())), "give "+managerFilter))
	}
}

func (r *report) noName(path, message string) {
	r.add(finding.New("WS231", path, message, "give the name of a filter, for example "+managerFilter))
}

func (r *report) deprecatedName(path, name string) {
	if today := deprecatedNames[name]; today != "" {
		r.add(finding.New("WS234", path, fmt.Sprintf("the filter name %s is deprecated and matches nothing since release 1.19", quote(name)), "give "+today))
	}
}

func (r *report) routeConfiguration(context networking.EnvoyFilter_PatchContext, m *networking.EnvoyFilter_RouteConfigurationMatch) {
	r.port(".portNumber", m.GetPortNumber())
	if context == networking.EnvoyFilter_SIDECAR_INBOUND || context == networking.EnvoyFilter_SIDECAR_OUTBOUND {
		for _, f := range []struct{ path, value string }{{".portName", m.GetPortName()}, {".gateway", m.GetGateway()}} {
			if f.value != "" {
				r.unread(f.path, fmt.Sprintf("%s has no effect with the context %s", f.path[1:], context), "use it with GATEWAY only")
			}
		}
	}
	if action := m.GetVhost().GetRoute().GetAction(); networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_Action_name[int32(action)] == "" {
		r.unknownEnum(".vhost.route.action", int32(action), action.Descriptor())
	}
}

func (r *report) cluster(m *networking.EnvoyFilter_ClusterMatch) {
	r.port(".portNumber", m.GetPortNumber())
	if m.GetName() != "" && (m.GetService() != "" || m.GetSubset() != "" || m.GetPortNumber() != 0) {
		r.unread("", "service, subset and portNumber have no effect beside the name of a cluster", "give the name alone, or the others")
	}
}

// port reports a port that no listener or cluster can have. The CRD takes all of 32 bits.
func (r *report) port(path string, port uint32) {
	if port > maxPort {
		r.add(finding.New("WS235", path, fmt.Sprintf("%d is no port", port), fmt.Sprintf("give a number from 1 to %d", maxPort)))
	}
}

// unread reports a field that istiod does not look at, so that the patch applies to more than it says.
func (r *report) unread(path, message, hint string) { r.add(finding.New("WS236", path, message, hint)) }
