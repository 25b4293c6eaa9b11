// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"io"

	"github.com/wsmesh/wsmesh/internal/chart"
	"github.com/wsmesh/wsmesh/internal/traffic"
)

// What a hop speaks.
const (
	h1        = "HTTP/1.1, Upgrade: websocket"
	h2        = "HTTP/2, extended CONNECT"
	bytesOnly = "TCP"
)

// Mermaid draws each Service of the manifests that a DestinationRule sets h2UpgradePolicy for, as [wsmesh.Plan.Mermaid] does
// for a plan, and where its WebSockets break.
func (r *Report) Mermaid(w io.Writer) error {
	if r == nil || r.auditor == nil {
		return errors.New("audit: the Report is not one of Run")
	}
	a := r.auditor
	c := chart.New()
	reaches := map[*traffic.Rule]map[*traffic.Service][]*traffic.Reach{}
	for _, reach := range a.reaches {
		if reach.Cause != traffic.ByRule || reach.Service == nil {
			continue
		}
		if reaches[reach.Rule] == nil {
			reaches[reach.Rule] = map[*traffic.Service][]*traffic.Reach{}
		}
		reaches[reach.Rule][reach.Service] = append(reaches[reach.Rule][reach.Service], reach)
	}
	for _, rule := range a.Rules {
		if len(rule.Sites) == 0 {
			continue
		}
		for _, service := range a.Reached(rule.Host) {
			draw(c, rule, service, reaches[rule][service])
		}
	}
	return c.Write(w)
}

// draw adds the hops to one Service, and what breaks them.
func draw(c *chart.Chart, rule *traffic.Rule, service *traffic.Service, reaches []*traffic.Reach) {
	protocol, broken := h1, ""
	last, lastBroken := h1, ""
	if rule.Upgrades() != nil {
		protocol = h2
	}
	for _, reach := range reaches {
		closed, _ := reach.Closed()
		switch {
		case reach.Outside:
			broken = UpgradeOutsideMesh.Code + " nothing there accepts it"
		case len(reach.In(traffic.NoSidecar)) > 0:
			broken = UpgradeWithoutSidecar.Code + " nothing there accepts it"
		case len(reach.In(traffic.Ambient)) > 0:
			broken = UpgradeInAmbient.Code + " nothing there accepts it"
		case len(closed) > 0:
			broken = NoAllowConnect.Code + " 503: no allow_connect"
		}
		for _, p := range reach.Ports {
			switch p.Kind {
			case traffic.HTTP2:
				last, lastBroken = h2, PortIsHTTP2.Code+" the application is sent HTTP/2"
			case traffic.Sniffed:
				last, lastBroken = h2, PortIsSniffed.Code+" the application is sent HTTP/2"
			case traffic.UnknownToWS:
				last, lastBroken = h2, UnknownAppProtocol.Code+" the application is sent HTTP/2"
			case traffic.Bytes:
				protocol, last = bytesOnly, bytesOnly
			case traffic.HTTP1:
			}
		}
	}
	c.Open(service.String() + " (" + rule.String() + ")")
	client, proxy, server, app := c.Node("client"), c.Node("client's proxy"), c.Node("server's proxy"), c.Node("application")
	c.Arrow(client, proxy, h1, false)
	c.Hop(proxy, server, protocol, broken)
	if broken == "" {
		c.Hop(server, app, last, lastBroken)
	}
	c.Close()
}
