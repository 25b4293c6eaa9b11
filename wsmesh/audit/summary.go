// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/internal/traffic"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// judged returns the Services at which nothing of Istio breaks WebSockets, and those at which something does. A Service of
// which too little is known is among neither.
func (a *auditor) judged() (sound, broken []string) {
	worst := map[*traffic.Service]Verdict{}
	for _, reach := range a.reaches {
		for _, p := range reach.Ports {
			v := Verdict(p.Verdict)
			if v == Unknown && p.Kind == traffic.HTTP2 && !a.SaysWebSocket(reach.Service, p.Index) {
				continue // a port for gRPC, of which nothing says that it serves WebSockets
			}
			switch had, ok := worst[reach.Service]; {
			case v == Fails, !ok, v == Unknown && had != Fails:
				worst[reach.Service] = v
			}
		}
	}
	for _, s := range a.Services {
		verdict, reached := worst[s]
		if len(a.harmful) > 0 && !s.IsOutside() && slices.ContainsFunc(a.FiltersFor(s), func(f *traffic.Filter) bool { return a.harmful[f] }) {
			verdict, reached = Fails, true
		}
		serves := slices.ContainsFunc(s.Ports, func(p manifests.ServicePort) bool {
			kind := a.Kind(s, slices.Index(s.Ports, p))
			return kind == traffic.HTTP1 || kind == traffic.Bytes
		})
		switch {
		case verdict == Fails && reached:
			broken = append(broken, s.String())
		case a.isEdge:
		case verdict != Unknown && reached, !reached && serves && !s.IsOutside():
			sound = append(sound, s.String())
		}
	}
	return sound, broken
}

// Summary says on one line what was read and judged, and what was not.
func (r *Report) Summary() string {
	if r == nil || r.auditor == nil {
		return "no manifests were audited"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "read %s with %s", count(r.Files, "file"), count(r.Objects, "object"))
	if len(r.Kinds) > 0 {
		var kinds []string
		for _, kind := range slices.SortedFunc(maps.Keys(r.Kinds), func(x, y string) int { return cmp.Or(cmp.Compare(r.Kinds[y], r.Kinds[x]), strings.Compare(x, y)) }) {
			kinds = append(kinds, fmt.Sprintf("%d %s", r.Kinds[kind], kind))
		}
		b.WriteString(" (" + some(kinds) + ")")
	}
	if len(r.Sound)+len(r.Broken) == 0 {
		b.WriteString("; no Service could be judged")
	}
	if len(r.Broken) > 0 {
		fmt.Fprintf(&b, "; WebSockets break at %s (%s)", count(len(r.Broken), "Service"), some(r.Broken))
	}
	if len(r.Sound) > 0 {
		fmt.Fprintf(&b, "; the Istio side is sound for WebSockets at %s (%s)", count(len(r.Sound), "Service"), some(r.Sound))
		limit := ", and sets no limit to how many a client's proxy opens"
		if r.Limit > 0 {
			limit = fmt.Sprintf(", where a rule lets a client's proxy open %d at the most", r.Limit)
		}
		b.WriteString(limit)
	}
	if len(r.Unjudged) > 0 {
		var add []string
		for _, u := range r.Unjudged {
			if !slices.Contains(add, u.Add) {
				add = append(add, u.Add)
			}
		}
		fmt.Fprintf(&b, "; not enough is known of %s: add %s", count(len(r.Unjudged), "object"), some(add))
	}
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// some returns the first few of the texts, and says how many there are beside them.
func some(texts []string) string {
	const most = 4
	text := strings.Join(texts[:min(most, len(texts))], ", ")
	if more := len(texts) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
