// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Decision is whether the proxies of clients speak HTTP/2 to the server's, and why.
type Decision struct {
	Policy  destinationrule.UpgradePolicy // Upgrade or DoNotUpgrade
	Oldest  version.Release               // the oldest release of the mesh
	Reasons []finding.Finding             // the reason first, then what else to know about it
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
		return because(finding.WS301, "HTTP/1.1 was asked for, so every WebSocket keeps a connection of its own", "")
	case r.svc.Ambient:
		return because(finding.WS302, "the server's pods are in ambient mode: ztunnel would pass the upgraded HTTP/2 on to the application itself", "")
	case r.svc.NoSidecar:
		return because(finding.WS303, "some endpoint has no sidecar, and would be sent HTTP/2 that nothing there accepts as a WebSocket", "")
	}
	if len(r.svc.Ports) > 0 {
		if proto, http1 := r.svc.Ports[0].protocol(r.oldestControlPlane); !http1 {
			d.Reasons = append(d.Reasons, r.svc.portFinding(0, proto))
			return d
		}
	}
	minimum := r.minimum()
	if r.oldest.Compare(minimum) < 0 {
		return because(finding.WS304, "the oldest release of the mesh is "+r.oldest.String()+", earlier than "+minimum.String()+", the boundary for UPGRADE",
			"upgrade every control plane and proxy, or move the boundary with Options.MinimumRelease after trying it")
	}
	d.Policy = destinationrule.Upgrade
	because(finding.WS305, "every release of the mesh is "+minimum.String()+" or later (the oldest is "+r.oldest.String()+")", "")
	if len(r.svc.Ports) == 0 {
		because(finding.WS506, "the Service's port is not given, so its protocol is unchecked",
			"give the port, or see to it that its name is http or begins with http-")
	}
	return d
}
