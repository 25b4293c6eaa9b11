// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// TestEveryCode shows each code of this package firing on an input, and silent on one that differs as little as can be.
func TestEveryCode(t *testing.T) {
	plan := func(svc wsmesh.Service, m wsmesh.Mesh, opts ...wsmesh.Option) finding.List {
		p, err := wsmesh.NewPlan(svc, m, opts...)
		if err != nil {
			l := finding.In(err)
			return l
		}
		return p.Findings()
	}
	with := func(f func(*wsmesh.Service)) finding.List {
		s := server()
		f(&s)
		return plan(s, mesh("1.24.1"))
	}
	opt := func(release string, opts ...wsmesh.Option) finding.List {
		return plan(server(), mesh(release), opts...)
	}
	base := func(f func(*destinationrule.Rule)) finding.List {
		r := baseRule()
		f(r)
		return opt("1.24.1", wsmesh.WithBaseRule(r))
	}
	release := func(text string) finding.List {
		_, err := wsmesh.MeshOf(text)
		l := finding.In(err)
		return l
	}
	read := func(text string) finding.List {
		_, err := wsmesh.ParseMesh(strings.NewReader(text))
		l := finding.In(err)
		return l
	}
	gateway := wsmesh.WithGateway("istio-ingress", map[string]string{"istio": "ingressgateway"})
	good := opt("1.24.1")
	tests := map[string]struct{ firing, silent finding.List }{
		"WS301": {opt("1.24.1", wsmesh.WithHTTP1()), good},
		"WS302": {with(func(s *wsmesh.Service) { s.Ambient = true }), good},
		"WS303": {with(func(s *wsmesh.Service) { s.External = true }), good},
		"WS304": {opt("1.11.8"), opt("1.12.0")},
		"WS305": {opt("1.12.0"), opt("1.11.8")},
		"WS306": {opt("1.11.8", gateway), opt("1.12.0", gateway)},
		"WS307": {opt("1.12.0", gateway), good},
		"WS310": {base(func(r *destinationrule.Rule) { r.Spec.Host = "other" }), base(func(*destinationrule.Rule) {})},
		"WS311": {base(func(*destinationrule.Rule) {}), base(func(r *destinationrule.Rule) { r.Spec.TrafficPolicy, r.Spec.Subsets = nil, nil })},
		"WS312": {opt("1.31.0"), opt("1.30.3")},
		"WS313": {with(func(s *wsmesh.Service) { s.Namespace = "istio-system" }), good},
		"WS401": {plan(server(), wsmesh.Mesh{}), good},
		"WS402": {plan(server(), wsmesh.Mesh{Proxies: make([]version.Release, 1)}), good},
		"WS403": {opt("1.24.1", wsmesh.WithProxyVersion("newest")), opt("1.24.1", wsmesh.WithProxyVersion(">=1.12"))},
		"WS404": {opt("1.24.1", wsmesh.WithProxyVersion("<1.24.1")), opt("1.24.1", wsmesh.WithProxyVersion("<=1.24.1"))},
		"WS405": {opt("1.21.6", wsmesh.WithAPIVersion("networking.istio.io/v1")), opt("1.22.0", wsmesh.WithAPIVersion("networking.istio.io/v1"))},
		"WS406": {opt("1.4.6"), opt("1.5.0")},
		"WS407": {opt("1.5.0"), opt("1.6.0")},
		"WS408": {read("pilot version: latest"), read("pilot version: 1.24.1")},
		"WS409": {release("latest"), release("1.24.1")},
		"WS410": {release("2.6.1"), release("latest")},
		"WS501": {with(func(s *wsmesh.Service) { s.Name = "A" }), good},
		"WS502": {with(func(s *wsmesh.Service) { s.Namespace = "A" }), good},
		"WS503": {with(func(s *wsmesh.Service) { s.Workload = nil }), good},
		"WS504": {with(func(s *wsmesh.Service) { s.Workload = map[string]string{"app": "*"} }), good},
		"WS505": {with(func(s *wsmesh.Service) { s.Port.Number = 65536 }), with(func(s *wsmesh.Service) { s.Port.Number = 65535 })},
		"WS506": {with(func(s *wsmesh.Service) { s.Port = wsmesh.Port{} }), good},
		"WS507": {with(func(s *wsmesh.Service) { s.Port.Name = "ws" }), good},
		"WS508": {opt("1.24.1", wsmesh.WithHost("websockets-server.default")), opt("1.24.1", wsmesh.WithHost("websockets-server"))},
	}
	for _, c := range finding.Codes() {
		if !strings.ContainsAny(c.Code[2:3], "345") || c.Code >= "WS320" && c.Code < "WS340" || isAuditCode(c.Code) {
			continue // other packages' own, those of fleets, and those of TestAuditCodes
		}
		tt, ok := tests[c.Code]
		if !ok {
			t.Errorf("%s has no row", c.Code)
			continue
		}
		if got := codes(tt.firing); !slices.Contains(got, c.Code) {
			t.Errorf("%s (%s) does not fire: %v", c.Code, c.Meaning, tt.firing)
		}
		if got := codes(tt.silent); slices.Contains(got, c.Code) {
			t.Errorf("%s (%s) is not silent: %v", c.Code, c.Meaning, tt.silent)
		}
	}
}
