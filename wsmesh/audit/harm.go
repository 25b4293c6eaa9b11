// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	bufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/buffer/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/traffic"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// What of a filter breaks WebSockets.
var (
	// TimeoutEndsWebSockets is rule WS356. A timeout or limit that an EnvoyFilter sets ends WebSockets that are open.
	TimeoutEndsWebSockets = finding.Rule{Code: "WS356", Severity: finding.Warning,
		Meaning: "A timeout or limit that an EnvoyFilter sets ends WebSockets that are open.",
		Source:  "envoyproxy/envoy api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto, api/envoy/config/core/v3/protocol.proto"}
	// BufferHoldsHandshake is rule WS358. A buffer filter waits for the end of a request, which a WebSocket does not
	// have.
	BufferHoldsHandshake = finding.Rule{Code: "WS358", Severity: finding.Warning,
		Meaning: "A buffer filter waits for the end of a request, which a WebSocket does not have.",
		Source:  "istio/istio#58926, istio/istio#36545; envoyproxy/envoy#19645"}
	// GatewayWithoutKey is rule WS360. A WebSocket that a browser opens over HTTP/2 has no Sec-WebSocket-Key, Envoy adds
	// none towards HTTP/1.1, and most applications answer 400.
	GatewayWithoutKey = finding.Rule{Code: "WS360", Severity: finding.Warning,
		Meaning: "A WebSocket that a browser opens over HTTP/2 has no Sec-WebSocket-Key, Envoy adds none towards HTTP/1.1, and most applications answer 400.",
		Source:  "envoyproxy/envoy#8547; RFC 8441, section 5"}
	// PatchedInboundHTTP2 is rule WS362. A patch of a sidecar's inbound cluster that sets HTTP/2 sends the application
	// WebSockets as extended CONNECT.
	PatchedInboundHTTP2 = finding.Rule{Code: "WS362", Severity: finding.Warning,
		Meaning: "A patch of a sidecar's inbound cluster that sets HTTP/2 sends the application WebSockets as extended CONNECT.",
		Source:  "istio/istio pilot/pkg/networking/core/envoyfilter/cluster_patch.go; RFC 8441"}
	// LuaHoldsHandshake is rule WS363. A Lua filter that reads the whole body waits for the end of a request or
	// response, which a WebSocket does not have.
	LuaHoldsHandshake = finding.Rule{Code: "WS363", Severity: finding.Warning,
		Meaning: "A Lua filter that reads the whole body waits for the end of a request or response, which a WebSocket does not have.",
		Source:  "Envoy docs configuration/http/http_filters/lua_filter (body())"}
	// RouteRefusesUpgrade is rule WS364. A route on which upgrades to WebSocket are disabled answers 403.
	RouteRefusesUpgrade = finding.Rule{Code: "WS364", Severity: finding.Warning,
		Meaning: "A route on which upgrades to WebSocket are disabled answers 403.",
		Source:  "Envoy docs intro/arch_overview/http/upgrades (route-level upgrade_configs)"}
)

// harms reports what of a patch breaks WebSockets of the workloads that the filter reaches.
func (a *auditor) harms(f *traffic.Filter, p *traffic.Patch) {
	a.timeouts(f, p)
	switch config := p.Config.(type) {
	case *bufferv3.Buffer:
		if !a.disabled(f) {
			a.add(BufferHoldsHandshake, f.Object, p.Path+".patch.value", "envoy.filters.http.buffer waits for the end of a WebSocket's request, which never comes",
				"where the workloads serve WebSockets, disable the filter on their routes")
		}
	case *luav3.Lua:
		if readsBody(config) {
			a.add(LuaHoldsHandshake, f.Object, p.Path+".patch.value", "the Lua filter calls body(), which waits for the end of a WebSocket's request or response, and the handshake hangs",
				"where the workloads serve WebSockets, call it only if the header upgrade is not websocket, or read bodyChunks()")
		}
	case *hcmv3.HttpConnectionManager:
		gateway := p.Context() == networking.EnvoyFilter_GATEWAY && config.GetHttp2ProtocolOptions().GetAllowConnect()
		if gateway && !a.givesKey(f) && a.once(GatewayWithoutKey.Code, f.String()) {
			a.add(GatewayWithoutKey, f.Object, p.ValuePath("typed_config", "http2_protocol_options", "allow_connect"),
				"allow_connect at gateways has browsers open WebSockets over HTTP/2, without a Sec-WebSocket-Key, and most applications answer 400",
				"add an HTTP filter that sets the key where it is missing, as a plan with Options.Gateways has it")
		}
	}
	if p.MakesHTTP2() && p.Context() == networking.EnvoyFilter_SIDECAR_INBOUND {
		a.add(PatchedInboundHTTP2, f.Object, p.Path+".patch.value", "the patch makes the sidecar speak HTTP/2 to the application, to which WebSockets come as extended CONNECT",
			"if the application speaks HTTP/1.1 on a port, leave that port out of the match")
	}
	if route, ok := p.Value.(*routev3.Route); ok {
		for i, u := range route.GetRoute().GetUpgradeConfigs() {
			if strings.EqualFold(u.GetUpgradeType(), "websocket") && u.GetEnabled() != nil && !u.GetEnabled().GetValue() {
				a.add(RouteRefusesUpgrade, f.Object, fmt.Sprintf("%s[%d]", p.ValuePath("route", "upgrade_configs"), i), "the route does not take upgrades to WebSocket, and answers 403",
					"leave the entry out for routes that WebSockets use")
			}
		}
	}
}

// timeouts reports what ends WebSockets that are open. What limits the duration of a connection does not: Envoy drains an
// HTTP connection and waits for its streams. It does end a connection that is passed on as bytes.
func (a *auditor) timeouts(f *traffic.Filter, p *traffic.Patch) {
	type limit struct {
		value *durationpb.Duration
		at    []string
		idle  bool
	}
	var limits []limit
	switch m := p.Config.(type) {
	case *hcmv3.HttpConnectionManager:
		limits = []limit{
			{m.GetStreamIdleTimeout(), []string{"typed_config", "stream_idle_timeout"}, true},
			{m.GetCommonHttpProtocolOptions().GetMaxStreamDuration(), []string{"typed_config", "common_http_protocol_options", "max_stream_duration"}, false},
		}
	case *tcpproxyv3.TcpProxy:
		limits = []limit{
			{m.GetIdleTimeout(), []string{"typed_config", "idle_timeout"}, true},
			{m.GetMaxDownstreamConnectionDuration(), []string{"typed_config", "max_downstream_connection_duration"}, false},
		}
	}
	switch m := p.Value.(type) {
	case *routev3.Route:
		limits = append(limits,
			limit{m.GetRoute().GetIdleTimeout(), []string{"route", "idle_timeout"}, true},
			limit{m.GetRoute().GetMaxStreamDuration().GetMaxStreamDuration(), []string{"route", "max_stream_duration", "max_stream_duration"}, false})
	case *clusterv3.Cluster:
		limits = append(limits, limit{p.ClusterOptions().GetMaxStreamDuration(), p.ClusterOptionsPath("max_stream_duration"), false})
	}
	for _, l := range limits {
		if l.value.AsDuration() == 0 {
			continue
		}
		message := fmt.Sprintf("%s %s ends WebSockets that are open", l.at[len(l.at)-1], p.Text(l.at...))
		if l.idle {
			message = fmt.Sprintf("%s %s ends WebSockets on which nothing is sent for so long", l.at[len(l.at)-1], p.Text(l.at...))
		}
		a.add(TimeoutEndsWebSockets, f.Object, p.ValuePath(l.at...), message, "leave it out for proxies and routes that pass WebSockets on: Istio sets none")
	}
}

// disabled reports whether a patch of routes switches the buffer filter off for the workloads that f reaches.
func (a *auditor) disabled(f *traffic.Filter) bool {
	return slices.ContainsFunc(a.beside(f), func(p *traffic.Patch) bool {
		route, ok := p.Value.(interface {
			GetTypedPerFilterConfig() map[string]*anypb.Any
		})
		if !ok {
			return false
		}
		for _, config := range route.GetTypedPerFilterConfig() {
			switch c := traffic.Unpack(config).(type) {
			case *bufferv3.BufferPerRoute:
				if c.GetDisabled() {
					return true
				}
			case *routev3.FilterConfig:
				if c.GetDisabled() {
					return true
				}
			}
		}
		return false
	})
}

// beside returns the patches of all filters that reach whatever f reaches.
func (a *auditor) beside(f *traffic.Filter) []*traffic.Patch {
	var patches []*traffic.Patch
	for _, other := range a.Filters {
		if (other.InNamespace() == f.InNamespace() || other.InNamespace() == a.Root) && traffic.Carries(f.Selector(), other.Selector()) {
			patches = append(patches, other.Patches...)
		}
	}
	return patches
}

// givesKey reports whether an HTTP filter at the gateways that f reaches speaks of the key.
func (a *auditor) givesKey(f *traffic.Filter) bool {
	return slices.ContainsFunc(a.beside(f), func(p *traffic.Patch) bool {
		if p.GetApplyTo() != networking.EnvoyFilter_HTTP_FILTER || p.Config == nil {
			return false
		}
		// Many filters can set a header, each in a field of its own.
		text, err := proto.Marshal(p.Config)
		return err == nil && strings.Contains(strings.ToLower(string(text)), "sec-websocket-key")
	})
}

// bodyCall finds the call that waits for a whole body, and not those of bodyChunks and setBytes.
var bodyCall = regexp.MustCompile(`:\s*body\s*\(`)

// readsBody reports whether a program reads a whole body without a word of upgrades.
func readsBody(config *luav3.Lua) bool {
	//lint:ignore SA1019 inline_code is deprecated, and what most filters set
	programs := []string{config.GetInlineCode(), config.GetDefaultSourceCode().GetInlineString()}
	for _, source := range config.GetSourceCodes() {
		programs = append(programs, source.GetInlineString())
	}
	return slices.ContainsFunc(programs, func(code string) bool {
		return bodyCall.MatchString(code) && !strings.Contains(strings.ToLower(code), "upgrade")
	})
}
