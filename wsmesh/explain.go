// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const (
	h1 = "HTTP/1.1, Upgrade: websocket"
	h2 = "HTTP/2, extended CONNECT"

	bytesOnly = "TCP"
)

// Explain writes for people what the plan does: the decision and its reasons, each hop with the protocol that a
// WebSocket crosses it by, port by port where there are several, and the stages with the commands that show when one is
// done. The text may change from one version of this library to the next; programs read [Plan.Decision] and
// [Plan.Findings].
func (p *Plan) Explain(w io.Writer) error {
	if err := p.writable(w); err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "WebSocket to %s\n\n", p.rule.Spec.GetHost())
	fmt.Fprintf(&b, "Decision: %s\n", p.decision.Policy)
	routes := p.routes()
	if len(routes) > 1 {
		for _, d := range p.Decision().Ports {
			fmt.Fprintf(&b, "  port %d, %s: %s\n", d.Port.Number, finding.EscapeText(d.Port.describe()), d.Policy)
		}
	}
	for _, f := range p.Findings() {
		at := ""
		if f.Path != "" {
			at = " " + finding.EscapeText(f.Path)
		}
		fmt.Fprintf(&b, "  %s %s%s: %s\n", f.Severity, f.Code, at, finding.EscapeText(f.Message))
		if f.Hint != "" {
			fmt.Fprintf(&b, "    -> %s\n", finding.EscapeText(f.Hint))
		}
		if f.Source != "" {
			fmt.Fprintf(&b, "    source: %s\n", f.Source)
		}
	}
	for _, r := range routes {
		fmt.Fprintf(&b, "\nHops%s:\n", r.to)
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, h := range r.hops {
			fmt.Fprintf(tw, "  %s\t-> %s\t%s\t%s\n", h.from, h.to, h.protocol, finding.EscapeText(h.because))
		}
		tw.Flush()
	}
	b.WriteString("\nRollout:\n")
	writeStages(&b, p.Stages())
	b.WriteString("\nRollback:\n")
	writeStages(&b, p.Rollback())
	_, err := w.Write(trimLines(b.Bytes()))
	return err
}

// A route is how a WebSocket comes to a port of the Service.
type route struct {
	to   string // " to port 8080" where the Service has several
	hops []hop
}

type hop struct {
	from, to, protocol, because string
	broken                      string // why no WebSocket crosses it, or ""
}

// routes returns one route for each port of the Service, and one where no ports are given.
func (p *Plan) routes() []route {
	ports := p.req.svc.Ports
	if len(ports) == 0 {
		return []route{{hops: p.hops(nil)}}
	}
	var routes []route
	for i := range ports {
		r := route{hops: p.hops(&ports[i])}
		if len(ports) > 1 {
			r.to = fmt.Sprintf(" to port %d", ports[i].Number)
		}
		routes = append(routes, r)
	}
	return routes
}

// hops returns the hops to a port of the Service, which may be nil.
func (p *Plan) hops(to *Port) []hop {
	port := "if Istio reads the Service's port as HTTP/1"
	policy, protocol := p.decision.Policy, "http"
	if to != nil {
		port, policy = to.describe(), p.policyOf(*to)
		protocol, _ = p.req.protocol(*to)
	}
	middle := hop{from: "client's proxy", to: "server's proxy", protocol: h1, because: "h2UpgradePolicy DO_NOT_UPGRADE"}
	last := hop{from: "server's proxy", to: "application", protocol: h1, because: port}
	switch {
	case policy == destinationrule.Upgrade:
		middle.protocol, middle.because = h2, "h2UpgradePolicy UPGRADE, accepted by "+p.acceptedBy()
	case istio.IsHTTP2(protocol):
		// The port's protocol is set before the policy is looked at (setUpstreamProtocol in Istio's cluster_builder.go).
		middle.protocol, last.protocol = h2, h2
		if len(p.filters) == 0 {
			middle.because, middle.broken = port+", HTTP/2 whatever the policy, and nothing accepts it", "503: no allow_connect"
		} else {
			middle.because = port + ", HTTP/2 whatever the policy, accepted by " + p.acceptedBy()
			last.because = port + ", so that the application has to accept it too"
		}
	case istio.IsTCP(protocol):
		middle.protocol, last.protocol, middle.because = bytesOnly, bytesOnly, port+", passed on as bytes"
	}
	var hops []hop
	if policy == destinationrule.Upgrade {
		for _, f := range p.filters[1:] {
			hops = append(hops, hop{from: "browser", to: "gateway", protocol: h2, because: "accepted by allow_connect in " + f.String()},
				hop{from: "gateway", to: middle.to, protocol: middle.protocol, because: middle.because})
		}
	}
	if p.req.svc.Ambient {
		return append(hops,
			hop{from: "client", to: "ztunnel", protocol: h1, because: "passed on as bytes"},
			hop{from: "ztunnel", to: "application", protocol: h1, because: "passed on as bytes"})
	}
	return append(hops, hop{from: "client", to: "its proxy", protocol: h1}, middle, last)
}

// acceptedBy names what accepts WebSocket over HTTP/2 at the server's proxies.
func (p *Plan) acceptedBy() string {
	text := "allow_connect in " + p.filters[0].String()
	if p.byPods() {
		text += ", on pods with the label " + AllowConnectLabel + "=true"
	}
	return text
}

// describe names the port as Istio sees it.
func (p Port) describe() string {
	switch {
	case p.AppProtocol != "":
		return fmt.Sprintf("appProtocol %s", p.AppProtocol)
	case p.Name != "":
		return fmt.Sprintf("port named %s", p.Name)
	}
	return fmt.Sprintf("port %d, without a name", p.Number)
}

func writeStages(b *bytes.Buffer, stages []Stage) {
	for i, s := range stages {
		fmt.Fprintf(b, "  %d. %s\n", i+1, s.Name)
		for _, o := range s.Apply {
			fmt.Fprintf(b, "       apply %s\n", o)
		}
		for _, o := range s.Delete {
			fmt.Fprintf(b, "       delete %s\n", o)
		}
		if s.Until != "" {
			fmt.Fprintf(b, "     until %s:\n       %s\n", s.Until, s.Command)
		}
	}
}

// trimLines removes the blanks that tabwriter leaves behind the last column, and what a terminal would do more with than
// show it.
func trimLines(text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	for i := range lines {
		lines[i] = finding.EscapeText(strings.TrimRight(lines[i], " "))
	}
	return []byte(strings.Join(lines, "\n"))
}
