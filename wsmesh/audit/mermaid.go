// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"io"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/internal/chart"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const (
	h1 = "HTTP/1.1, Upgrade: websocket"
	h2 = "HTTP/2, extended CONNECT"

	bytesOnly = "TCP"
)

// Mermaid draws each Service of the manifests that a DestinationRule sets h2UpgradePolicy for, as [wsmesh.Plan.Mermaid] does
// for a plan, and where its WebSockets break: with the code and the first words of the finding.
func (r *Report) Mermaid(w io.Writer) error {
	a := r.auditor
	found := map[*auditObject]finding.List{}
	for _, h := range a.hits {
		found[h.object] = append(found[h.object], h.Finding)
	}
	c := chart.New()
	for _, o := range a.rules {
		sites := policySites(o.rule.Spec)
		if len(sites) == 0 {
			continue
		}
		for _, service := range a.matched(a.hostOf(o)) {
			draw(c, o, service, hasUpgrade(sites), found)
		}
	}
	return c.Write(w)
}

// draw adds the hops to one Service, and where what was found for it and its rule breaks them.
func draw(c *chart.Chart, o, service *auditObject, upgrade bool, found map[*auditObject]finding.List) {
	protocol, broken := h1, ""
	last, lastBroken := h1, ""
	if upgrade {
		protocol = h2
		for _, f := range found[o] {
			switch mine := strings.Contains(f.Message, " "+service.String()); {
			case mine && slices.Contains([]string{finding.WS340.Code, finding.WS341.Code}, f.Code):
				broken = f.Code + " 503: no allow_connect"
			case mine && slices.Contains([]string{finding.WS545.Code, finding.WS547.Code, finding.WS548.Code}, f.Code):
				broken = f.Code + " nothing there accepts it"
			}
		}
		for _, f := range found[service] {
			switch f.Code {
			case finding.WS540.Code, finding.WS542.Code, finding.WS543.Code:
				last, lastBroken = h2, f.Code+" the application is sent HTTP/2"
			case finding.WS541.Code:
				protocol, last = bytesOnly, bytesOnly
			}
		}
	}
	c.Open(service.String() + " (" + o.String() + ")")
	client, proxy, server, app := c.Node("client"), c.Node("client's proxy"), c.Node("server's proxy"), c.Node("application")
	c.Arrow(client, proxy, h1, false)
	c.Hop(proxy, server, protocol, broken)
	if broken == "" {
		c.Hop(server, app, last, lastBroken)
	}
	c.Close()
}
