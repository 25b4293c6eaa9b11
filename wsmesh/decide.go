// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"fmt"
	"slices"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// What decides.
var (
	// HTTP1Chosen is rule WS301. DO_NOT_UPGRADE, because HTTP/1.1 was asked for.
	HTTP1Chosen = finding.Rule{Code: "WS301", Severity: finding.Info,
		Meaning: "DO_NOT_UPGRADE, because HTTP/1.1 was asked for.",
		Source:  "the caller's own choice (Options.HTTP1)"}
	// AmbientServer is rule WS302. DO_NOT_UPGRADE, because ztunnel passes the upgraded HTTP/2 on to the application
	// itself.
	AmbientServer = finding.Rule{Code: "WS302", Severity: finding.Info,
		Meaning: "DO_NOT_UPGRADE, because ztunnel passes the upgraded HTTP/2 on to the application itself.",
		Source:  "istio/istio tests/integration/ambient/baseline_test.go@release-1.31 (TestWaypoint: the application sees HTTP/2.0)"}
	// ServerWithoutSidecar is rule WS303. DO_NOT_UPGRADE, because endpoints without the patched sidecar do not accept
	// WebSocket over HTTP/2.
	ServerWithoutSidecar = finding.Rule{Code: "WS303", Severity: finding.Info,
		Meaning: "DO_NOT_UPGRADE, because endpoints without the patched sidecar do not accept WebSocket over HTTP/2.",
		Source:  "istio/istio#39566"}
	// ReleaseBeforeBoundary is rule WS304. DO_NOT_UPGRADE, because a release of the mesh is earlier than the boundary
	// for UPGRADE.
	ReleaseBeforeBoundary = finding.Rule{Code: "WS304", Severity: finding.Info,
		Meaning: "DO_NOT_UPGRADE, because a release of the mesh is earlier than the boundary for UPGRADE.",
		Source:  "Alibaba Cloud Service Mesh documents (WebSocket over HTTP/2 from Istio 1.12 on); upstream code shows no change there, istio/istio#33534"}
	// UpgradeWithFilter is rule WS305. UPGRADE, together with the EnvoyFilter that lets the server's proxies accept it.
	UpgradeWithFilter = finding.Rule{Code: "WS305", Severity: finding.Info,
		Meaning: "UPGRADE, together with the EnvoyFilter that lets the server's proxies accept it.",
		Source:  "istio/istio#33534; Envoy docs intro/arch_overview/http/upgrades (allow_connect at the second layer Envoy)"}
	// PortsNotGiven is rule WS506. Without the Service's port its protocol goes unchecked: WebSocket over HTTP/2 needs a
	// port that Istio reads as HTTP/1.
	PortsNotGiven = finding.Rule{Code: "WS506", Severity: finding.Info,
		Meaning: "Without the Service's port its protocol goes unchecked: WebSocket over HTTP/2 needs a port that Istio reads as HTTP/1.",
		Source:  "istio/istio pkg/config/kube/conversion.go"}
	// OtherPort is rule WS512. A port that is not HTTP/1 is not upgraded, and the HTTP/1 ports beside it are.
	OtherPort = finding.Rule{Code: "WS512", Severity: finding.Info,
		Meaning: "A port that is not HTTP/1 is not upgraded, and the HTTP/1 ports beside it are.",
		Source:  "istio/istio pilot/pkg/networking/util/util.go (GetPortLevelTrafficPolicy)"}
)

// A Decision is whether the proxies of clients speak HTTP/2 to the server's, and why.
type Decision struct {
	Policy  destinationrule.UpgradePolicy // Upgrade where it is that of some port; else DoNotUpgrade
	Ports   []PortDecision                // one for each port of the Service, in its order; none where no ports are given
	Oldest  version.Release               // the oldest release of the mesh
	Reasons []finding.Finding             // the reason first, then what else to know about it
}

// A PortDecision is the policy for one port of a Service.
type PortDecision struct {
	Port   Port
	Policy destinationrule.UpgradePolicy // Upgrade or DoNotUpgrade
}

// minimum returns the release from which on plans choose UPGRADE.
func (r *request) minimum() version.Release {
	if !r.opts.MinimumRelease.IsZero() {
		return r.opts.MinimumRelease
	}
	return version.UpgradeBoundary.Since
}

// decide expects a request without problems.
func (r *request) decide() Decision {
	d := Decision{Policy: destinationrule.DoNotUpgrade, Oldest: r.oldest}
	because := func(rule finding.Rule, message, hint string) Decision {
		f := finding.New(rule, "", message, hint)
		f.Object = r.svc.object()
		d.Reasons = append(d.Reasons, f)
		return d
	}
	switch {
	case r.opts.HTTP1:
		return because(HTTP1Chosen, "HTTP/1.1 was asked for, so every WebSocket keeps a connection of its own", "")
	case r.svc.Ambient:
		return because(AmbientServer, "the server's pods are in ambient mode: ztunnel would pass the upgraded HTTP/2 on to the application itself", "")
	case r.svc.NoSidecar:
		return because(ServerWithoutSidecar, "some endpoint has no sidecar, and would be sent HTTP/2 that nothing there accepts as a WebSocket", "")
	}
	if len(r.svc.Ports) > 0 && !slices.ContainsFunc(r.svc.Ports, r.isHTTP1) {
		for i := range r.svc.Ports {
			d.Reasons = append(d.Reasons, r.portFinding(i))
		}
		return d
	}
	minimum := r.minimum()
	if r.oldest.Compare(minimum) < 0 {
		return because(ReleaseBeforeBoundary, "the oldest release of the mesh is "+r.oldest.String()+", earlier than "+minimum.String()+", the boundary for UPGRADE",
			"upgrade every control plane and proxy, or move the boundary with Options.MinimumRelease after trying it")
	}
	d.Policy = destinationrule.Upgrade
	because(UpgradeWithFilter, "every release of the mesh is "+minimum.String()+" or later (the oldest is "+r.oldest.String()+")", "")
	if len(r.svc.Ports) == 0 {
		because(PortsNotGiven, "the Service's port is not given, so its protocol is unchecked",
			"give the port, or see to it that its name is http or begins with http-")
	}
	for i := range r.svc.Ports {
		if !r.isHTTP1(r.svc.Ports[i]) {
			d.Reasons = append(d.Reasons, r.otherPort(i))
		}
	}
	return d
}

// isHTTP1 reports whether every control plane of the mesh reads the port as HTTP/1.
func (r *request) isHTTP1(p Port) bool {
	_, http1 := r.protocol(p)
	return http1
}

// protocol returns what Istio reads as the port's protocol, and whether it is HTTP/1 on every control plane of the mesh.
func (r *request) protocol(p Port) (protocol string, http1 bool) {
	return istio.Protocol(p.Name, p.AppProtocol, r.oldestControlPlane)
}

// someAreHTTP1 returns the numbers of the ports that are HTTP/1 where some of the Service's ports are and some are not:
// the policy stands at the levels of these ports then. Where it stands at the destination level, there are none.
func (r *request) someAreHTTP1() []uint32 {
	if len(r.svc.Ports) < 2 {
		return nil
	}
	var numbers []uint32
	for _, p := range r.svc.Ports {
		if r.isHTTP1(p) {
			numbers = append(numbers, p.Number)
		}
	}
	if len(numbers) == len(r.svc.Ports) {
		return nil
	}
	return numbers
}

// otherPort says that port i, which is not HTTP/1, is not upgraded while others are. A port that Istio sniffs may be meant
// for WebSockets, and its finding says how to name it then; one that is named for another protocol is right as it is.
func (r *request) otherPort(i int) finding.Finding {
	if protocol, _ := r.protocol(r.svc.Ports[i]); !istio.IsHTTP2(protocol) && !istio.IsTCP(protocol) {
		return r.portFinding(i)
	}
	p := r.svc.Ports[i]
	f := finding.New(OtherPort, fmt.Sprintf("spec.ports[%d]", i),
		fmt.Sprintf("port %d is not HTTP/1 (%s), so it is not upgraded", p.Number, p.describe()), "")
	f.Object = r.svc.object()
	return f
}
