// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/traffic"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The places that several rules come from.
const (
	envoyUpgrades = "Envoy docs intro/arch_overview/http/upgrades; istio/istio#33534"
	istioFilters  = "istio/istio pilot/pkg/model/push_context.go (getMatchedEnvoyFilters)"
	istioProtocol = "istio/istio pkg/config/kube/conversion.go; pilot/pkg/networking/core/cluster_builder.go (setUpstreamProtocol)"
)

// What becomes of the WebSockets that are sent to a Service over HTTP/2.
var (
	// NoAllowConnect is rule WS340. UPGRADE needs an EnvoyFilter that lets the server's proxies accept WebSocket over
	// HTTP/2: without it clients get 503.
	NoAllowConnect = finding.Rule{Code: "WS340", Severity: finding.SeverityError,
		Meaning: "UPGRADE needs an EnvoyFilter that lets the server's proxies accept WebSocket over HTTP/2: without it clients get 503.",
		Source:  envoyUpgrades}
	// AllowConnectForSome is rule WS341. UPGRADE needs an EnvoyFilter for all of the workloads behind the host: those
	// without it answer 503.
	AllowConnectForSome = finding.Rule{Code: "WS341", Severity: finding.SeverityError,
		Meaning: "UPGRADE needs an EnvoyFilter for all of the workloads behind the host: those without it answer 503.",
		Source:  envoyUpgrades}
	// PortIsHTTP2 is rule WS540. On a port named for HTTP/2 the application itself is sent WebSocket as an extended
	// CONNECT.
	PortIsHTTP2 = finding.Rule{Code: "WS540", Severity: finding.Warning,
		Meaning: "On a port named for HTTP/2 the application itself is sent WebSocket as an extended CONNECT.",
		Source:  istioProtocol}
	// PortIsBytes is rule WS541. UPGRADE on a port that sidecars pass on as bytes makes gateways, which route HTTP to
	// it, send the application HTTP/2.
	PortIsBytes = finding.Rule{Code: "WS541", Severity: finding.Warning,
		Meaning: "UPGRADE on a port that sidecars pass on as bytes makes gateways, which route HTTP to it, send the application HTTP/2.",
		Source:  "istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go (shouldH2Upgrade asks for no protocol where a rule says UPGRADE)"}
	// PortIsSniffed is rule WS542. On a port whose protocol is sniffed, UPGRADE sends the application HTTP/2, or does
	// nothing from 1.28 on.
	PortIsSniffed = finding.Rule{Code: "WS542", Severity: finding.Warning,
		Meaning: "On a port whose protocol is sniffed, UPGRADE sends the application HTTP/2, or does nothing from 1.28 on.",
		Source:  istioProtocol}
	// UnknownAppProtocol is rule WS543. The appProtocol kubernetes.io/ws is HTTP since Istio 1.24, and unknown before.
	UnknownAppProtocol = finding.Rule{Code: "WS543", Severity: finding.Warning,
		Meaning: "The appProtocol kubernetes.io/ws is HTTP since Istio 1.24, and unknown before.",
		Source:  "istio/istio commit 2ea3753be92, pkg/config/kube/conversion.go"}
	// PolicyOnHTTP2Port is rule WS544. DO_NOT_UPGRADE does not bring HTTP/1.1 back to a port named for HTTP/2.
	PolicyOnHTTP2Port = finding.Rule{Code: "WS544", Severity: finding.Warning,
		Meaning: "DO_NOT_UPGRADE does not bring HTTP/1.1 back to a port named for HTTP/2.",
		Source:  istioProtocol}
	// UpgradeInAmbient is rule WS545. UPGRADE must not reach pods in ambient mode: ztunnel passes the HTTP/2 on to the
	// application itself.
	UpgradeInAmbient = finding.Rule{Code: "WS545", Severity: finding.SeverityError,
		Meaning: "UPGRADE must not reach pods in ambient mode: ztunnel passes the HTTP/2 on to the application itself.",
		Source:  "istio/istio tests/integration/ambient/baseline_test.go@release-1.31 (TestWaypoint: the application sees HTTP/2.0)"}
	// UpgradeBehindWaypoint is rule WS546. Behind a waypoint UPGRADE holds for the waypoint's own connections, which no
	// sidecar EnvoyFilter is on.
	UpgradeBehindWaypoint = finding.Rule{Code: "WS546", Severity: finding.Warning,
		Meaning: "Behind a waypoint UPGRADE holds for the waypoint's own connections, which no sidecar EnvoyFilter is on.",
		Source:  "istio/istio pilot/pkg/networking/core/cluster_waypoint.go (applyH2Upgrade)"}
	// UpgradeWithoutSidecar is rule WS547. UPGRADE must not reach pods without a sidecar: nothing there accepts
	// WebSocket over HTTP/2.
	UpgradeWithoutSidecar = finding.Rule{Code: "WS547", Severity: finding.SeverityError,
		Meaning: "UPGRADE must not reach pods without a sidecar: nothing there accepts WebSocket over HTTP/2.",
		Source:  "istio/istio#39566"}
	// UpgradeOutsideMesh is rule WS548. UPGRADE for hosts outside the mesh sends HTTP/2 to servers that may not speak
	// it.
	UpgradeOutsideMesh = finding.Rule{Code: "WS548", Severity: finding.Warning,
		Meaning: "UPGRADE for hosts outside the mesh sends HTTP/2 to servers that may not speak it.",
		Source:  "istio/istio#39566"}
	// WorkloadsUnknown is rule WS549. Without the workloads behind a Service, only its selector says which EnvoyFilters
	// reach them.
	WorkloadsUnknown = finding.Rule{Code: "WS549", Severity: finding.Info,
		Meaning: "Without the workloads behind a Service, only its selector says which EnvoyFilters reach them.",
		Source:  istioFilters}
	// ServiceUnknown is rule WS551. Without the Service of its host, what becomes of the WebSockets that a
	// DestinationRule upgrades is unknown.
	ServiceUnknown = finding.Rule{Code: "WS551", Severity: finding.Info,
		Meaning: "Without the Service of its host, what becomes of the WebSockets that a DestinationRule upgrades is unknown.",
		Source:  istioProtocol}
	// WebSocketPortSniffed is rule WS552. A port that serves WebSockets is named for HTTP, so that no policy or client
	// makes another protocol of it.
	WebSocketPortSniffed = finding.Rule{Code: "WS552", Severity: finding.Info,
		Meaning: "A port that serves WebSockets is named for HTTP, so that no policy or client makes another protocol of it.",
		Source:  istioProtocol}
	// PatchedToHTTP2 is rule WS361. A patch that makes clients speak HTTP/2 needs an EnvoyFilter that lets the server's
	// proxies accept WebSocket over it.
	PatchedToHTTP2 = finding.Rule{Code: "WS361", Severity: finding.SeverityError,
		Meaning: "A patch that makes clients speak HTTP/2 needs an EnvoyFilter that lets the server's proxies accept WebSocket over it.",
		Source:  envoyUpgrades}
	// NoSuchPort is rule WS550. A port level is for a port of the Service, and not of the container.
	NoSuchPort = finding.Rule{Code: "WS550", Severity: finding.Warning,
		Meaning: "A port level is for a port of the Service, and not of the container.",
		Source:  "istio/api networking/v1alpha3/destination_rule.proto (PortTrafficPolicy.port)"}
)

// upgrades reports what becomes of WebSockets wherever clients speak HTTP/2.
func (a *auditor) upgrades(ctx context.Context) error {
	var err error
	if a.reaches, err = a.Judge(ctx); err != nil {
		return err
	}
	if a.Unread != nil {
		a.unjudged(a.Unread.Object, a.Unread.Host, "fewer rules for many Services at a time: those before this one are for 100,000")
	}
	for _, r := range a.Rules {
		if r == a.Unread {
			break
		}
		for _, s := range a.Reached(r.Host) {
			a.levels(r, s)
			for i := range r.Sites {
				if site := &r.Sites[i]; site.Policy != traffic.Upgrade && !a.IsHidden(r, s) {
					a.notUpgraded(r, site, s)
				}
			}
		}
	}
	for _, reach := range a.reaches {
		a.count(reach)
		switch {
		case reach.Service == nil:
			a.serviceUnknown(reach)
		case reach.Cause == traffic.ByRule:
			a.byRule(reach)
		case reach.Cause == traffic.ByPort:
			a.byPort(reach)
		case reach.Cause == traffic.ByPatch:
			a.byPatch(reach)
		}
	}
	return nil
}

// count remembers which filters a reach needs, and which pods it leaves closed.
func (a *auditor) count(reach *traffic.Reach) {
	if a.counted[reach.Backend] {
		return
	}
	a.counted[reach.Backend] = true
	for _, f := range reach.Filters {
		a.needed[f] = true
	}
	closed, _ := reach.Closed()
	for _, p := range closed {
		if p.IsKnown() {
			a.closed[p.Workload] = true
			a.closedIn[reach.Service.InNamespace()] = cmp.Or(a.closedIn[reach.Service.InNamespace()], reach)
		}
		for _, f := range p.Filters {
			if a.lacks[f] == nil {
				a.lacks[f] = map[string]bool{}
			}
			for _, r := range p.Lacking {
				a.lacks[f][r.String()] = true
			}
		}
	}
}

// levels reports port levels for ports that the Service does not have: mostly the container's port.
func (a *auditor) levels(r *traffic.Rule, s *traffic.Service) {
	if r.IsWildcard() {
		return
	}
	for i, level := range r.Spec.GetTrafficPolicy().GetPortLevelSettings() {
		port := level.GetPort().GetNumber()
		hint, found := "write the number of a port of the Service", false
		for _, p := range s.Ports {
			found = found || p.Port == port
			if p.TargetPort == strconv.Itoa(int(port)) {
				hint = fmt.Sprintf("write %d, the port of the Service in front of it", p.Port)
			}
		}
		if !found {
			a.add(NoSuchPort, r.Object, fmt.Sprintf("spec.trafficPolicy.portLevelSettings[%d].port.number", i), fmt.Sprintf("%s has no port %d", s, port), hint)
		}
	}
}

// notUpgraded reports DO_NOT_UPGRADE for ports that are HTTP/2 by their name.
func (a *auditor) notUpgraded(r *traffic.Rule, site *traffic.Site, s *traffic.Service) {
	for i, p := range s.Ports {
		if site.Covers(p.Port) && a.Kind(s, i) == traffic.HTTP2 && a.once(PolicyOnHTTP2Port.Code, s.String(), strconv.Itoa(i)) {
			a.add(PolicyOnHTTP2Port, s.Object, s.PortPath(i), fmt.Sprintf("the port %s is HTTP/2 by its name, whatever %s says", traffic.PortName(p), r),
				"if the application speaks HTTP/1.1 there, name the port http-…; else leave it as it is, and h2UpgradePolicy out for it")
		}
	}
}

// serviceUnknown remembers a rule for a host that nothing is known of.
func (a *auditor) serviceUnknown(reach *traffic.Reach) {
	a.unjudged(reach.Object, reach.Host, "the Service and its workloads, or the ServiceEntry")
	if a.mistyped(reach.Rule) == nil {
		a.unknownHosts = append(a.unknownHosts, reach.Rule)
	}
}

// byRule reports what becomes of one UPGRADE of a rule at one Service.
func (a *auditor) byRule(reach *traffic.Reach) {
	r, s := reach.Rule, reach.Service
	if reach.Outside {
		a.outside(reach)
		return
	}
	for _, p := range reach.Ports {
		if p.Kind != traffic.HTTP1 && a.once("protocol", s.String(), strconv.Itoa(p.Index)) {
			a.protocol(reach, p)
		}
	}
	if len(reach.Pods) == 0 || !reach.Speaks(traffic.HTTP1) {
		return
	}
	if reach.Waypoint != "" && a.once(UpgradeBehindWaypoint.Code, r.String(), s.String()) {
		a.add(UpgradeBehindWaypoint, r.Object, reach.Path, fmt.Sprintf("%s is behind the waypoint %q, which UPGRADE makes speak HTTP/2 to the application", s, reach.Waypoint), "set DO_NOT_UPGRADE")
	}
	a.pods(reach)
}

// outside reports UPGRADE for endpoints that are not pods of the mesh. TLS that clients open themselves is passed on.
func (a *auditor) outside(reach *traffic.Reach) {
	r, s := reach.Rule, reach.Service
	if len(s.Ports) > 0 && !slices.ContainsFunc(reach.Ports, func(p traffic.PortReach) bool { return p.Kind != traffic.Bytes }) {
		return
	}
	if !a.once("outside", r.String(), s.String()) {
		return
	}
	path, what := reach.Path, "the endpoints of "+s.String()+", which selects no pods"
	if s.IsEntry() {
		if !a.once("outside", r.String()) {
			return
		}
		path, what = "spec.host", strconv.Quote(r.Host)+", a host of a ServiceEntry"
	}
	a.add(UpgradeOutsideMesh, r.Object, path, "UPGRADE sends HTTP/2 to "+what, "set DO_NOT_UPGRADE unless each endpoint has a sidecar that an EnvoyFilter opens, or accepts WebSockets over HTTP/2 itself")
}

// protocol reports what an UPGRADE does to a port that is not HTTP/1.
func (a *auditor) protocol(reach *traffic.Reach, p traffic.PortReach) {
	r, s := reach.Rule, reach.Service
	path, port := s.PortPath(p.Index), traffic.PortName(s.Ports[p.Index])
	const hint = "if the application speaks HTTP/1.1, name the port http-… or set its appProtocol to http; else set DO_NOT_UPGRADE for the port"
	switch p.Kind {
	case traffic.HTTP2:
		if a.SaysWebSocket(s, p.Index) {
			a.http2(s, p.Index, fmt.Sprintf("the port %s makes the server's proxy speak HTTP/2 to the application, to which %s sends UPGRADE", port, r),
				"one that takes WebSocket as an extended CONNECT can stay")
		}
	case traffic.UnknownToWS:
		a.add(UnknownAppProtocol, s.Object, path, fmt.Sprintf("Istio %s does not know the appProtocol %q and sniffs the port's protocol", a.OldestControlPlane, istio.AppProtocolWebSocket),
			"set the appProtocol to http until every control plane is 1.24 or later")
	case traffic.Bytes:
		a.add(PortIsBytes, s.Object, path, fmt.Sprintf("sidecars pass on as bytes what comes to the port %s, and gateways that route HTTP to it send the application HTTP/2, with the UPGRADE of %s", port, r),
			"set DO_NOT_UPGRADE for the port")
	case traffic.Sniffed:
		if !a.SaysWebSocket(s, p.Index) && namesHTTP2(s.Ports[p.Index].Name) {
			return
		}
		effect := "the application itself is sent HTTP/2"
		if a.Every(version.SniffedPortIgnoresUpgrade) {
			effect = "sidecars do not upgrade and gateways send the application HTTP/2"
		}
		a.add(PortIsSniffed, s.Object, path, fmt.Sprintf("the protocol of the port %s is sniffed, and with the UPGRADE of %s %s", port, r, effect), hint)
	case traffic.HTTP1:
	}
}

// namesHTTP2 reports whether a name that tells Istio nothing tells people that the application speaks HTTP/2.
func namesHTTP2(name string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' }),
		func(word string) bool { return word == "grpc" || word == "h2" || word == "h2c" || word == "http2" })
}

// pods reports the workloads that do not accept what the ports of the Service are sent.
func (a *auditor) pods(reach *traffic.Reach) {
	r, s, path := reach.Rule, reach.Service, reach.Path
	a.workloadsUnknown(reach)
	if pods := reach.In(traffic.Ambient); len(pods) > 0 && a.once(UpgradeInAmbient.Code, r.String(), path, s.String()) {
		a.add(UpgradeInAmbient, r.Object, path, fmt.Sprintf("UPGRADE reaches pods in ambient mode (%s) behind %s: %s", why(pods), s, traffic.Listed(pods)), "set DO_NOT_UPGRADE")
	}
	if pods := reach.In(traffic.NoSidecar); len(pods) > 0 && a.once(UpgradeWithoutSidecar.Code, r.String(), path, s.String()) {
		a.add(UpgradeWithoutSidecar, r.Object, path, fmt.Sprintf("UPGRADE reaches pods without a sidecar (%s) behind %s: %s", why(pods), s, traffic.Listed(pods)),
			"give them a sidecar, or set DO_NOT_UPGRADE")
	}
	closed, open := reach.Closed()
	if len(closed) == 0 {
		return
	}
	if open == 0 {
		a.add(NoAllowConnect, r.Object, path, fmt.Sprintf("UPGRADE reaches %s, and no EnvoyFilter sets allow_connect for %s: if it serves WebSockets, they get 503%s", s, a.closedPods(reach, closed), because(reach)), remedy(s))
	} else {
		a.add(AllowConnectForSome, r.Object, path, fmt.Sprintf("UPGRADE reaches all of %s, and no EnvoyFilter sets allow_connect for %s: if it serves WebSockets, those to it get 503%s", s, a.closedPods(reach, closed), because(reach)), remedy(s))
	}
}

// workloadsUnknown reports that the pods behind a Service are not known.
func (a *auditor) workloadsUnknown(reach *traffic.Reach) {
	if s := reach.Service; !reach.Known && a.once(WorkloadsUnknown.Code, s.String()) {
		a.unknownWorkloads = append(a.unknownWorkloads, s)
		a.unjudged(s.Object, s.Host, "the workloads with "+traffic.Labels(s.Selector)+" in the namespace "+s.InNamespace())
	}
}

// closedPods names the pods that are closed, and the releases in which they are where that is not all.
func (a *auditor) closedPods(reach *traffic.Reach, closed []*traffic.Pod) string {
	if missing := reach.Missing(); len(missing) < len(a.Proxies) {
		return traffic.Listed(closed) + " in proxies of the release " + strings.Join(missing, ", ")
	}
	return traffic.Listed(closed)
}

// because says why filters that set allow_connect leave the pods closed.
func because(reach *traffic.Reach) string {
	if misses := reach.Misses(); len(misses) > 0 {
		return " (" + strings.Join(misses, "; ") + ")"
	}
	return ""
}

func remedy(s *traffic.Service) string {
	return "apply an EnvoyFilter that sets allow_connect for " + traffic.Labels(s.Selector) + " in the namespace " + s.InNamespace() + ", or set DO_NOT_UPGRADE"
}

// why returns what keeps the last of the pods from having a sidecar.
func why(pods []*traffic.Pod) string { return pods[len(pods)-1].Why }

// byPort reports WebSockets on a port that is HTTP/2 itself.
func (a *auditor) byPort(reach *traffic.Reach) {
	s := reach.Service
	for _, p := range reach.Ports {
		closed, _ := reach.Closed()
		if p.Verdict == traffic.Fails && len(closed) > 0 {
			a.http2(s, p.Index, fmt.Sprintf("the port %s makes clients speak HTTP/2, and no EnvoyFilter sets allow_connect for %s: WebSockets get 503%s",
				traffic.PortName(s.Ports[p.Index]), a.closedPods(reach, closed), because(reach)),
				"one that takes WebSocket as an extended CONNECT needs an EnvoyFilter that sets allow_connect")
		}
	}
}

// http2 reports, once for each port, WebSockets on one that is HTTP/2 itself.
func (a *auditor) http2(s *traffic.Service, port int, message, otherwise string) {
	if a.once(PortIsHTTP2.Code, s.String(), strconv.Itoa(port)) {
		a.add(PortIsHTTP2, s.Object, s.PortPath(port), message, "if the application speaks HTTP/1.1, name the port http-…; "+otherwise)
	}
}

// byPatch reports a patch that makes clients speak HTTP/2 to pods that do not accept WebSockets over it.
func (a *auditor) byPatch(reach *traffic.Reach) {
	s := reach.Service
	if !reach.Breaks() || !slices.ContainsFunc(reach.Ports, func(p traffic.PortReach) bool {
		return p.Kind == traffic.HTTP1 && p.Verdict == traffic.Fails
	}) || !a.once(PatchedToHTTP2.Code, reach.Object.String(), reach.Path, s.String()) {
		return
	}
	closed, _ := reach.Closed()
	pods := slices.Concat(reach.In(traffic.Ambient), reach.In(traffic.NoSidecar), closed)
	a.add(PatchedToHTTP2, reach.Object, reach.Path, fmt.Sprintf("the patch makes clients speak HTTP/2 to %s, and nothing accepts WebSockets over it before %s: if it serves WebSockets, they get 503%s",
		s, traffic.Listed(pods), because(reach)), "leave the ports that serve WebSockets out of the match, or apply an EnvoyFilter that sets allow_connect for "+traffic.Labels(s.Selector)+" in the namespace "+s.InNamespace())
}

// sniffed reports ports that serve WebSockets and whose protocol Istio has to find out for each connection.
func (a *auditor) sniffed() {
	for _, s := range a.Services {
		for i, p := range s.Ports {
			if !s.IsOutside() && a.Kind(s, i) == traffic.Sniffed && a.SaysWebSocket(s, i) && a.once("protocol", s.String(), strconv.Itoa(i)) {
				a.add(WebSocketPortSniffed, s.Object, s.PortPath(i), fmt.Sprintf("the protocol of the port %s, which by its names or routes serves WebSockets, is sniffed for each connection", traffic.PortName(p)),
					"if the application speaks HTTP/1.1, name the port http-… or set its appProtocol to http")
			}
		}
	}
}

// An Upgrade is what makes clients speak HTTP/2 to one port of one Service, and what becomes of its WebSockets.
type Upgrade struct {
	Rule    string   `json:"rule"`              // or what else it is that does, such as "DestinationRule prod/chat"
	Path    string   `json:"path"`              // of the field that does
	Service string   `json:"service,omitempty"` // such as "Service prod/chat"; "" where none is known
	Host    string   `json:"host"`
	Port    uint32   `json:"port,omitempty"`    // of the Service; 0 where no Service is known
	Pods    []string `json:"pods,omitempty"`    // that are behind the Service, such as "Deployment prod/chat"
	Filters []string `json:"filters,omitempty"` // EnvoyFilters that reach these pods and set allow_connect
	Verdict Verdict  `json:"verdict"`
	Reason  string   `json:"reason,omitempty"` // of any verdict but [Works]
}

// A Verdict says what becomes of WebSockets.
type Verdict int

// The verdicts.
const (
	Unknown  Verdict = iota // it cannot be judged: the reason says what is not among the manifests
	Works                   // they reach the application
	Fails                   // they break
	Harmless                // clients do not speak HTTP/2 there after all
)

// String returns "unknown", "works", "fails" or "harmless".
func (v Verdict) String() string {
	switch v {
	case Unknown:
		return "unknown"
	case Works:
		return "works"
	case Fails:
		return "fails"
	case Harmless:
		return "harmless"
	}
	return "verdict(" + strconv.Itoa(int(v)) + ")"
}

// MarshalText returns what String returns.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// reported returns what was judged in the words of a Report.
func (a *auditor) reported() []Upgrade {
	var out []Upgrade
	for _, reach := range a.reaches {
		u := Upgrade{Rule: reach.Object.String(), Path: reach.Path, Host: reach.Host, Reason: "no Service of the host is among the manifests"}
		if reach.Service == nil {
			out = append(out, u)
			continue
		}
		u.Service = reach.Service.String()
		u.Pods = reach.Names()
		for _, f := range reach.Filters {
			if f.Connects() {
				u.Filters = append(u.Filters, f.String())
			}
		}
		for _, p := range reach.Ports {
			u.Port, u.Verdict, u.Reason = reach.Service.Ports[p.Index].Port, Verdict(p.Verdict), p.Reason
			out = append(out, u)
		}
	}
	return out
}
