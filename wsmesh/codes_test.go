// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// TestEveryRule shows each rule of this package firing on an input, and silent on one that differs as little as can be.
func TestEveryRule(t *testing.T) {
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
	ports := func(names ...string) func(*wsmesh.Service) {
		return func(s *wsmesh.Service) {
			s.Ports = nil
			for i, name := range names {
				s.Ports = append(s.Ports, wsmesh.Port{Number: 8080 + uint32(i), Name: name})
			}
		}
	}
	upgrading := func(names ...string) finding.List {
		s, r := server(), baseRule()
		ports(names...)(&s)
		r.Spec.TrafficPolicy.ConnectionPool = &networking.ConnectionPoolSettings{
			Http: &networking.ConnectionPoolSettings_HTTPSettings{H2UpgradePolicy: networking.ConnectionPoolSettings_HTTPSettings_UPGRADE},
		}
		return plan(s, mesh("1.24.1"), wsmesh.Options{Base: r})
	}
	two, three := ports("http", "grpc"), ports("http", "http-admin")
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
		"WS314": {opt("1.24.1", wsmesh.Options{ByPods: true}), opt("1.11.8", wsmesh.Options{ByPods: true})},
		"WS315": {upgrading("http", "grpc"), upgrading("http", "http-admin")},
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
		"WS411": {plan(server(), wsmesh.Mesh{ControlPlanes: mesh("1.24.1").ControlPlanes}), good},
		"WS412": {opt("1.33.0"), opt("1.32.9")},
		"WS501": {with(func(s *wsmesh.Service) { s.Name = "A" }), good},
		"WS502": {with(func(s *wsmesh.Service) { s.Namespace = "A" }), good},
		"WS503": {with(func(s *wsmesh.Service) { s.Workload = nil }), good},
		"WS504": {with(func(s *wsmesh.Service) { s.Workload = map[string]string{"app": "*"} }), good},
		"WS505": {with(func(s *wsmesh.Service) { s.Ports[0].Number = 65536 }), with(func(s *wsmesh.Service) { s.Ports[0].Number = 65535 })},
		"WS506": {with(func(s *wsmesh.Service) { s.Ports = nil }), good},
		"WS507": {with(func(s *wsmesh.Service) { s.Ports[0].Name = "ws" }), good},
		"WS508": {opt("1.24.1", wsmesh.Options{Host: "websockets-server.default"}), opt("1.24.1", wsmesh.Options{Host: "websockets-server"})},
		"WS509": {with(func(s *wsmesh.Service) { two(s); s.Ports[1].Number = 0 }), with(two)},
		"WS510": {with(func(s *wsmesh.Service) { two(s); s.Ports[1].Number = 8080 }), with(two)},
		"WS511": {with(func(s *wsmesh.Service) { two(s); s.Ports[1].Name, s.Ports[1].AppProtocol = "", "grpc" }), with(two)},
		"WS512": {with(two), with(three)},
	}
	for _, rule := range wsmesh.Rules() {
		tt, ok := tests[rule.Code]
		if !ok {
			t.Errorf("%s has no row", rule.Code)
			continue
		}
		delete(tests, rule.Code)
		i := slices.IndexFunc(tt.firing, func(f finding.Finding) bool { return finding.Is(f, rule) })
		if i < 0 {
			t.Errorf("%s (%s) does not fire: %v", rule.Code, rule.Meaning, tt.firing)
		} else if f := tt.firing[i]; f.Severity != rule.Severity || f.Source != rule.Source || f.Message == "" {
			t.Errorf("%s fires as %+v", rule.Code, f)
		}
		if slices.ContainsFunc(tt.silent, func(f finding.Finding) bool { return finding.Is(f, rule) }) {
			t.Errorf("%s (%s) is not silent: %v", rule.Code, rule.Meaning, tt.silent)
		}
	}
	for code := range tests {
		t.Errorf("%s is no rule of this package", code)
	}
}

// TestRules: the table is in ascending order, each code of the classes 3 to 5 is there once, and each meaning is a sentence
// with a source.
func TestRules(t *testing.T) {
	rules := wsmesh.Rules()
	for i, r := range rules {
		if !regexp.MustCompile(`^WS[345][0-9]{2}$`).MatchString(r.Code) || i > 0 && rules[i-1].Code >= r.Code {
			t.Errorf("%q stands at place %d", r.Code, i)
		}
		if !strings.HasSuffix(r.Meaning, ".") || r.Source == "" {
			t.Errorf("%s means %q, by %q", r.Code, r.Meaning, r.Source)
		}
	}
	rules[0].Code = "changed"
	if wsmesh.Rules()[0].Code == "changed" {
		t.Error("a change of the table is kept")
	}
}
