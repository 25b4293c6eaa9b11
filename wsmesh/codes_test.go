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
	plan := func(svc wsmesh.Service, m wsmesh.Mesh, opts ...wsmesh.Options) finding.List {
		p, err := wsmesh.NewPlan(svc, m, one(opts))
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
	opt := func(release string, opts ...wsmesh.Options) finding.List {
		return plan(server(), mesh(release), opts...)
	}
	base := func(f func(*destinationrule.Rule)) finding.List {
		r := baseRule()
		f(r)
		return opt("1.24.1", wsmesh.Options{Base: r})
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
	gateways := wsmesh.Options{Gateways: []wsmesh.Gateway{gateway}}
	good := opt("1.24.1")
	tests := map[string]struct{ firing, silent finding.List }{
		"WS301": {opt("1.24.1", wsmesh.Options{HTTP1: true}), good},
		"WS302": {with(func(s *wsmesh.Service) { s.Ambient = true }), good},
		"WS303": {with(func(s *wsmesh.Service) { s.NoSidecar = true }), good},
		"WS304": {opt("1.11.8"), opt("1.12.0")},
		"WS305": {opt("1.12.0"), opt("1.11.8")},
		"WS306": {opt("1.11.8", gateways), opt("1.12.0", gateways)},
		"WS307": {opt("1.12.0", gateways), good},
		"WS310": {base(func(r *destinationrule.Rule) { r.Spec.Host = "other" }), base(func(*destinationrule.Rule) {})},
		"WS311": {base(func(*destinationrule.Rule) {}), base(func(r *destinationrule.Rule) { r.Spec.TrafficPolicy, r.Spec.Subsets = nil, nil })},
		"WS312": {opt("1.31.0"), opt("1.30.3")},
		"WS313": {with(func(s *wsmesh.Service) { s.Namespace = "istio-system" }), good},
		"WS401": {plan(server(), wsmesh.Mesh{}), good},
		"WS402": {plan(server(), wsmesh.Mesh{Proxies: make([]version.Release, 1)}), good},
		"WS403": {opt("1.24.1", wsmesh.Options{ProxyVersion: "newest"}), opt("1.24.1", wsmesh.Options{ProxyVersion: ">=1.12"})},
		"WS404": {opt("1.24.1", wsmesh.Options{ProxyVersion: "<1.24.1"}), opt("1.24.1", wsmesh.Options{ProxyVersion: "<=1.24.1"})},
		"WS405": {opt("1.21.6", wsmesh.Options{APIVersion: "networking.istio.io/v1"}), opt("1.22.0", wsmesh.Options{APIVersion: "networking.istio.io/v1"})},
		"WS406": {opt("1.4.6"), opt("1.5.0")},
		"WS407": {opt("1.5.0"), opt("1.6.0")},
		"WS408": {read("pilot version: latest"), read("pilot version: 1.24.1")},
		"WS409": {release("latest"), release("1.24.1")},
		"WS410": {release("2.6.1"), release("latest")},
		"WS501": {with(func(s *wsmesh.Service) { s.Name = "A" }), good},
		"WS502": {with(func(s *wsmesh.Service) { s.Namespace = "A" }), good},
		"WS503": {with(func(s *wsmesh.Service) { s.Workload = nil }), good},
		"WS504": {with(func(s *wsmesh.Service) { s.Workload = map[string]string{"app": "*"} }), good},
		"WS505": {with(func(s *wsmesh.Service) { s.Ports[0].Number = 65536 }), with(func(s *wsmesh.Service) { s.Ports[0].Number = 65535 })},
		"WS506": {with(func(s *wsmesh.Service) { s.Ports = nil }), good},
		"WS507": {with(func(s *wsmesh.Service) { s.Ports[0].Name = "ws" }), good},
		"WS508": {opt("1.24.1", wsmesh.Options{Host: "websockets-server.default"}), opt("1.24.1", wsmesh.Options{Host: "websockets-server"})},
	}
	for _, c := range finding.Codes() {
		if !strings.ContainsAny(c.Code[2:3], "345") || c.Code[3] > '1' {
			continue // codes of other packages
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
