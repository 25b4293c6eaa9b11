// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Mermaid writes the hops of a WebSocket to the plan's Service, and what is spoken on each, as a flowchart in the language
// of mermaid, which GitHub draws in a block of ```mermaid. The text may change from one version of this library to the next.
func (p *Plan) Mermaid(w io.Writer) error {
	c := newChart()
	var ids []string
	node := func(name string) string {
		for _, id := range ids {
			if c.names[id] == name {
				return id
			}
		}
		ids = append(ids, c.node(name))
		return ids[len(ids)-1]
	}
	c.open(p.rule.Spec.GetHost())
	for _, h := range p.hops() {
		from, to := h.from, h.to
		if from == "client" && to == "its proxy" {
			to = "client's proxy"
		}
		broken := ""
		if h.protocol == h2 && to == "server's proxy" && p.decision.Policy != destinationrule.Upgrade {
			broken = "503: no allow_connect" // the port is HTTP/2 by its name, whatever the policy
		}
		c.hop(node(from), node(to), h.protocol, broken)
	}
	c.close()
	return c.write(w)
}

// AuditMermaid draws each Service of the manifests that a DestinationRule sets h2UpgradePolicy for, as [Plan.Mermaid] does
// for a plan, and where its WebSockets break: with the code and the first words of the finding.
func AuditMermaid(w io.Writer, objects *Manifests, mesh Mesh) error {
	a, problems := newAuditor(objects, mesh)
	if problems != nil {
		return problems.Err()
	}
	a.audit()
	found := map[*auditObject]finding.List{}
	for _, h := range a.hits {
		found[h.object] = append(found[h.object], h.Finding)
	}
	c := newChart()
	for _, o := range a.rules {
		sites := policySites(o.rule.Spec)
		if len(sites) == 0 {
			continue
		}
		for _, service := range a.matched(a.hostOf(o)) {
			draw(c, o, service, hasUpgrade(sites), found)
		}
	}
	return c.write(w)
}

// draw adds the hops to one Service, and where what was found for it and its rule breaks them.
func draw(c *chart, o, service *auditObject, upgrade bool, found map[*auditObject]finding.List) {
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
	c.open(service.String() + " (" + o.String() + ")")
	client, proxy, server, app := c.node("client"), c.node("client's proxy"), c.node("server's proxy"), c.node("application")
	c.arrow(client, proxy, h1, false)
	c.hop(proxy, server, protocol, broken)
	if broken == "" {
		c.hop(server, app, last, lastBroken)
	}
	c.close()
}

// quoted returns text as a quoted label.
func quoted(text string) string { return `"` + finding.EscapeMermaid(text) + `"` }

// A chart is a flowchart of mermaid in the making.
type chart struct {
	text          bytes.Buffer
	names         map[string]string
	links, groups int
	broken        []string
}

func newChart() *chart {
	c := &chart{names: map[string]string{}}
	c.text.WriteString("flowchart LR\n")
	return c
}

func (c *chart) open(title string) {
	c.groups++
	fmt.Fprintf(&c.text, "  subgraph g%d[%s]\n", c.groups, quoted(title))
}

func (c *chart) close() { c.text.WriteString("  end\n") }

func (c *chart) node(name string) string {
	id := "n" + strconv.Itoa(len(c.names)+1)
	c.names[id] = name
	fmt.Fprintf(&c.text, "    %s[%s]\n", id, quoted(name))
	return id
}

func (c *chart) hop(from, to, protocol, broken string) {
	if broken != "" {
		protocol += "\n" + broken
	}
	c.arrow(from, to, protocol, broken != "")
}

// arrow draws one hop; a broken one ends in a cross, and is red.
func (c *chart) arrow(from, to, text string, broken bool) {
	end := "-->"
	if broken {
		end = "--x"
		c.broken = append(c.broken, strconv.Itoa(c.links))
	}
	c.links++
	fmt.Fprintf(&c.text, "    %s %s|%s| %s\n", from, end, quoted(text), to)
}

func (c *chart) write(w io.Writer) error {
	if len(c.broken) > 0 {
		fmt.Fprintf(&c.text, "  linkStyle %s stroke:#c00,color:#c00\n", strings.Join(c.broken, ","))
	}
	_, err := w.Write(c.text.Bytes())
	return err
}
