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
// WebSocket crosses it by, and the stages with the commands that show when one is done. The text may change from one
// version of this library to the next; programs read [Plan.Decision] and [Plan.Findings].
func (p *Plan) Explain(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "WebSocket to %s\n\n", p.rule.Spec.GetHost())
	fmt.Fprintf(&b, "Decision: %s\n", p.decision.Policy)
	for _, f := range p.Findings() {
		fmt.Fprintf(&b, "  %s %s: %s\n", f.Severity, f.Code, finding.EscapeText(f.Message))
		if f.Hint != "" {
			fmt.Fprintf(&b, "    -> %s\n", finding.EscapeText(f.Hint))
		}
		if f.Source != "" {
			fmt.Fprintf(&b, "    source: %s\n", f.Source)
		}
	}
	b.WriteString("\nHops:\n")
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, h := range p.hops() {
		fmt.Fprintf(tw, "  %s\t-> %s\t%s\t%s\n", h.from, h.to, h.protocol, finding.EscapeText(h.because))
	}
	tw.Flush()
	b.WriteString("\nRollout:\n")
	writeStages(&b, p.Stages())
	b.WriteString("\nRollback:\n")
	writeStages(&b, p.Rollback())
	_, err := w.Write(trimLines(b.Bytes()))
	return err
}

type hop struct{ from, to, protocol, because string }

func (p *Plan) hops() []hop {
	svc := &p.req.svc
	port := "if Istio reads the Service's port as HTTP/1"
	middle, last, because := h1, h1, "h2UpgradePolicy DO_NOT_UPGRADE"
	if len(svc.Ports) > 0 {
		port = svc.Ports[0].describe()
		switch proto, _ := svc.Ports[0].protocol(p.req.oldestControlPlane); {
		case istio.IsHTTP2(proto):
			// The port's protocol is set before the policy is looked at (setUpstreamProtocol in Istio's cluster_builder.go).
			middle, last, because = h2, h2, port+", HTTP/2 whatever the policy, and nothing accepts it"
		case istio.IsTCP(proto):
			middle, last, because = bytesOnly, bytesOnly, port+", passed on as bytes"
		}
	}
	var hops []hop
	if p.decision.Policy == destinationrule.Upgrade {
		middle, because = h2, "h2UpgradePolicy UPGRADE, accepted by allow_connect in "+p.filters[0].String()
		for _, f := range p.filters[1:] {
			hops = append(hops,
				hop{"browser", "gateway", h2, "accepted by allow_connect in " + f.String()},
				hop{"gateway", "server's proxy", middle, because})
		}
	}
	if svc.Ambient {
		return append(hops,
			hop{"client", "ztunnel", h1, "passed on as bytes"},
			hop{"ztunnel", "application", h1, "passed on as bytes"})
	}
	return append(hops,
		hop{"client", "its proxy", h1, ""},
		hop{"client's proxy", "server's proxy", middle, because},
		hop{"server's proxy", "application", last, port})
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
