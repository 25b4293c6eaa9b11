// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"io"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/internal/chart"
)

// Mermaid writes the hops of a WebSocket to the plan's Service, and what is spoken on each, as a flowchart in the language
// of mermaid, which GitHub draws in a block of ```mermaid. The text may change from one version of this library to the next.
func (p *Plan) Mermaid(w io.Writer) error {
	c := chart.New()
	var ids []string
	node := func(name string) string {
		for _, id := range ids {
			if c.Names[id] == name {
				return id
			}
		}
		ids = append(ids, c.Node(name))
		return ids[len(ids)-1]
	}
	c.Open(p.rule.Spec.GetHost())
	for _, h := range p.hops() {
		from, to := h.from, h.to
		if from == "client" && to == "its proxy" {
			to = "client's proxy"
		}
		broken := ""
		if h.protocol == h2 && to == "server's proxy" && p.decision.Policy != destinationrule.Upgrade {
			broken = "503: no allow_connect" // the port is HTTP/2 by its name, whatever the policy
		}
		c.Hop(node(from), node(to), h.protocol, broken)
	}
	c.Close()
	return c.Write(w)
}
