// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"io"
	"strings"

	"github.com/wsmesh/wsmesh/internal/chart"
)

// Mermaid writes the hops of a WebSocket to the plan's Service, and what is spoken on each, as a flowchart in the language
// of mermaid, which GitHub draws in a block of ```mermaid. Where the Service has several ports, each has a group of its
// own. The text may change from one version of this library to the next.
func (p *Plan) Mermaid(w io.Writer) error {
	if err := p.writable(w); err != nil {
		return err
	}
	c := chart.New()
	for _, r := range p.routes() {
		c.Open(p.rule.Spec.GetHost() + strings.Replace(r.to, " to", ",", 1))
		ids := map[string]string{}
		node := func(name string) string {
			if ids[name] == "" {
				ids[name] = c.Node(name)
			}
			return ids[name]
		}
		for _, h := range r.hops {
			to := h.to
			if to == "its proxy" {
				to = "client's proxy"
			}
			c.Hop(node(h.from), node(to), h.protocol, h.broken)
		}
		c.Close()
	}
	return c.Write(w)
}
