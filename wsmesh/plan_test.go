// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const fqdn = "websockets-server.default.svc.cluster.local"

func TestPlanObjects(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.24.1"))
	rule, filters := plan.DestinationRule(), plan.EnvoyFilters()
	if got := rule.String(); got != "DestinationRule default/websockets-server" {
		t.Errorf("rule %s", got)
	}
	if rule.Spec.GetHost() != fqdn {
		t.Errorf("host %q", rule.Spec.GetHost())
	}
	if len(filters) != 1 || filters[0].String() != "EnvoyFilter default/websockets-server-allow-connect" {
		t.Errorf("filters %v", filters)
	}
	if got := filters[0].Spec.GetWorkloadSelector().GetLabels()["app"]; got != "websockets-server" {
		t.Errorf("selector app=%q", got)
	}
	if docs := strings.Split(planYAML(t, plan), "---\n"); len(docs) != 2 ||
		!strings.Contains(docs[0], "kind: EnvoyFilter\n") || !strings.Contains(docs[1], "kind: DestinationRule\n") {
		t.Errorf("stream of %d documents: want the EnvoyFilter, then the DestinationRule", len(docs))
	}
	if errs := plan.Findings().Errors(); len(errs) != 0 {
		t.Errorf("a plan with errors: %v", errs)
	}
}

func TestPlanHost(t *testing.T) {
	short := server()
	short.Namespace = ""
	custom := mesh("1.24.1")
	custom.ClusterDomain = "corp.example"
	tests := []struct {
		reason string
		svc    wsmesh.Service
		mesh   wsmesh.Mesh
		opts   wsmesh.Options
		want   string
	}{
		{"fully qualified where the namespace is known", server(), mesh("1.24.1"), wsmesh.Options{}, fqdn},
		{"short where it is not", short, mesh("1.24.1"), wsmesh.Options{}, "websockets-server"},
		{"the mesh's own domain", server(), custom, wsmesh.Options{}, "websockets-server.default.svc.corp.example"},
		{"the documents' form", server(), mesh("1.24.1"), wsmesh.Options{ASM: true}, "websockets-server"},
		{"a host of the caller's", server(), mesh("1.24.1"), wsmesh.Options{Host: "*.example.com"}, "*.example.com"},
		{"the caller's before the documents'", server(), mesh("1.24.1"), wsmesh.Options{ASM: true, Host: "x.example.com"}, "x.example.com"},
	}
	for _, tt := range tests {
		if got := mustPlan(t, tt.svc, tt.mesh, tt.opts).DestinationRule().Spec.GetHost(); got != tt.want {
			t.Errorf("%s: host %q, want %q", tt.reason, got, tt.want)
		}
	}
}

func TestPlanAPIVersion(t *testing.T) {
	old := mesh("1.24.1")
	old.ControlPlanes = mesh("1.21.6", "1.24.1").ControlPlanes
	tests := []struct {
		reason string
		mesh   wsmesh.Mesh
		opts   wsmesh.Options
		want   string
		codes  []string // among the findings
	}{
		{"v1 is served from 1.22 on", mesh("1.22.0"), wsmesh.Options{}, "networking.istio.io/v1", nil},
		{"and not before", mesh("1.21.6"), wsmesh.Options{}, "networking.istio.io/v1beta1", nil},
		{"the oldest control plane decides", old, wsmesh.Options{}, "networking.istio.io/v1beta1", nil},
		{"an older one may be asked for", mesh("1.31.0"), wsmesh.Options{APIVersion: "networking.istio.io/v1alpha3"}, "networking.istio.io/v1alpha3", nil},
		{"1.4 serves v1alpha3 only, and ignores the policy", mesh("1.4.6"), wsmesh.Options{}, "networking.istio.io/v1beta1", []string{"WS406", "WS407"}},
		{"1.5 ignores the policy still", mesh("1.5.0"), wsmesh.Options{}, "networking.istio.io/v1beta1", []string{"WS407"}},
		{"1.6 does not", mesh("1.6.0"), wsmesh.Options{}, "networking.istio.io/v1beta1", nil},
	}
	for _, tt := range tests {
		plan := mustPlan(t, server(), tt.mesh, tt.opts)
		if got := plan.DestinationRule().APIVersion; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.reason, got, tt.want)
		}
		for _, code := range []string{"WS406", "WS407"} {
			if got, want := slices.Contains(codes(plan.Findings()), code), slices.Contains(tt.codes, code); got != want {
				t.Errorf("%s: %s found: %v, want %v", tt.reason, code, got, want)
			}
		}
		for _, f := range plan.EnvoyFilters() {
			if y, err := f.YAML(); err != nil || !bytes.HasPrefix(y, []byte("apiVersion: networking.istio.io/v1alpha3\n")) {
				t.Errorf("%s: EnvoyFilter %s, %v", tt.reason, y, err)
			}
		}
	}
}

func TestPlanLabels(t *testing.T) {
	labels := map[string]string{"team": "chat", "provider": "mine", "env": "dev"}
	opts := wsmesh.Options{ASM: true, Labels: labels, Annotations: map[string]string{"note": "a: b"}}
	plan := mustPlan(t, server(), mesh("1.24.1"), opts)
	labels["team"] = "changed"
	for _, got := range []map[string]string{plan.DestinationRule().Labels, plan.EnvoyFilters()[0].Labels} {
		if got["team"] != "chat" || got["env"] != "dev" || got["provider"] != "mine" {
			t.Errorf("labels %v: want the caller's, which go before the documents' own", got)
		}
	}
	if plan.DestinationRule().Labels["asm-system"] != "" || plan.EnvoyFilters()[0].Labels["asm-system"] != "true" {
		t.Error("asm-system is the filter's label alone")
	}
	if plan.DestinationRule().Annotations["note"] != "a: b" || plan.EnvoyFilters()[0].Annotations["note"] != "a: b" {
		t.Error("annotations are missing")
	}
}

func TestPlanGateway(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{Gateways: []wsmesh.Gateway{
		gateway, {Namespace: "edge", Workload: map[string]string{"app": "edge"}},
	}})
	var got []string
	for _, f := range plan.EnvoyFilters() {
		got = append(got, f.String()+" "+f.Spec.GetConfigPatches()[0].GetMatch().GetContext().String())
	}
	want := []string{
		"EnvoyFilter default/websockets-server-allow-connect SIDECAR_INBOUND",
		"EnvoyFilter istio-ingress/websockets-server.default-allow-connect-gateway GATEWAY",
		"EnvoyFilter edge/websockets-server.default-allow-connect-gateway-2 GATEWAY",
	}
	if !slices.Equal(got, want) {
		t.Errorf("filters %q\nwant %q", got, want)
	}
	asm := mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{ASM: true, Gateways: []wsmesh.Gateway{gateway}}).EnvoyFilters()
	if asm[1].Name != "h2-upgrade-wss-gateway" {
		t.Errorf("the documents' form names the gateway's filter %q", asm[1].Name)
	}
	left := mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{HTTP1: true, Gateways: []wsmesh.Gateway{gateway}})
	if len(left.EnvoyFilters()) != 0 || !slices.Contains(codes(left.Findings()), "WS306") {
		t.Errorf("with DO_NOT_UPGRADE: %v, %v", left.EnvoyFilters(), left.Findings())
	}
}

func TestPlanProxyVersion(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.12.4", "1.20.8"), wsmesh.Options{ASM: true, ProxyVersion: ">=1.12.0"})
	want, err := version.ProxyVersionPattern(">=1.12.0")
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.EnvoyFilters()[0].Spec.GetConfigPatches()[0].GetMatch().GetProxy().GetProxyVersion(); got != want {
		t.Errorf("proxyVersion %q, want %q before the documents' own", got, want)
	}
	if m := mustPlan(t, server(), mesh("1.12.4")).EnvoyFilters()[0].Spec.GetConfigPatches()[0].GetMatch(); m.GetProxy() != nil {
		t.Errorf("proxyVersion %v without the option", m.GetProxy())
	}
	future := wsmesh.Mesh{ControlPlanes: mesh("1.24.1").ControlPlanes}
	if _, err := wsmesh.NewPlan(server(), future, wsmesh.Options{ProxyVersion: "1.23.x"}); err == nil {
		t.Error("a constraint that leaves out the proxies to come was accepted")
	}
}

func baseRule() *destinationrule.Rule {
	return &destinationrule.Rule{
		Name: "chat", Namespace: "default", APIVersion: "networking.istio.io/v1alpha3",
		Labels: map[string]string{"owner": "chat"},
		Spec: &networking.DestinationRule{
			Host: "websockets-server",
			TrafficPolicy: &networking.TrafficPolicy{
				LoadBalancer: &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_Simple{Simple: networking.LoadBalancerSettings_LEAST_REQUEST}},
				PortLevelSettings: []*networking.TrafficPolicy_PortTrafficPolicy{{
					Port: &networking.PortSelector{Number: 8080},
					Tls:  &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_ISTIO_MUTUAL},
				}},
			},
			Subsets: []*networking.Subset{
				{Name: "v1", Labels: map[string]string{"version": "v1"}},
				{Name: "v2", Labels: map[string]string{"version": "v2"}, TrafficPolicy: &networking.TrafficPolicy{
					ConnectionPool: &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: 10}},
				}},
			},
		},
	}
}

func TestPlanBaseRule(t *testing.T) {
	base := baseRule()
	before, err := base.YAML()
	if err != nil {
		t.Fatal(err)
	}
	plan := mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{Base: base, Labels: map[string]string{"team": "chat"}})
	rule := plan.DestinationRule()
	if rule.Name != "chat" || rule.Labels["owner"] != "chat" || rule.Labels["team"] != "chat" || rule.APIVersion != "networking.istio.io/v1" {
		t.Errorf("metadata %s %v %s", rule, rule.Labels, rule.APIVersion)
	}
	tp := rule.Spec.GetTrafficPolicy()
	const up = networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
	if tp.GetLoadBalancer().GetSimple() != networking.LoadBalancerSettings_LEAST_REQUEST || tp.GetConnectionPool().GetHttp().GetH2UpgradePolicy() != up {
		t.Errorf("destination level %v", tp)
	}
	if p := tp.GetPortLevelSettings()[0]; p.GetTls() == nil || p.GetConnectionPool().GetHttp().GetH2UpgradePolicy() != up {
		t.Errorf("port level %v", p)
	}
	if s := rule.Spec.GetSubsets(); s[0].GetTrafficPolicy() != nil || s[1].GetTrafficPolicy().GetConnectionPool().GetHttp().GetH2UpgradePolicy() != up || s[1].GetTrafficPolicy().GetConnectionPool().GetTcp().GetMaxConnections() != 10 {
		t.Errorf("subsets %v", s)
	}
	var said []string
	for _, f := range plan.Findings() {
		if f.Code == "WS311" {
			said = append(said, f.Path)
		}
	}
	if want := []string{"spec.trafficPolicy.portLevelSettings[0]", "spec.subsets[1].trafficPolicy"}; len(said) != len(want) || !strings.HasPrefix(said[0], want[0]) || !strings.HasPrefix(said[1], want[1]) {
		t.Errorf("said of %q, want %q", said, want)
	}
	if after, err := base.YAML(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the base rule changed:\n%s", after)
	}
	if quiet := mustPlan(t, server(), mesh("1.24.1")); slices.Contains(codes(quiet.Findings()), "WS311") {
		t.Error("WS311 without a base rule")
	}
}

// TestPlanBaseRuleDefaults: what a base rule does not say is filled in as for a rule of the plan's own.
func TestPlanBaseRuleDefaults(t *testing.T) {
	base := &destinationrule.Rule{Spec: &networking.DestinationRule{Host: fqdn}}
	rule := mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{Base: base}).DestinationRule()
	if rule.String() != "DestinationRule default/websockets-server" || rule.Spec.GetHost() != fqdn {
		t.Errorf("%s for %s", rule, rule.Spec.GetHost())
	}
	rule = mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{Base: base, Host: fqdn}).DestinationRule()
	if rule.Spec.GetHost() != fqdn {
		t.Errorf("host %s", rule.Spec.GetHost())
	}
}

func TestPlanMeshBaseline(t *testing.T) {
	for release, want := range map[string]bool{"1.30.3": false, "1.31.0": true} {
		if got := slices.Contains(codes(mustPlan(t, server(), mesh(release)).Findings()), "WS312"); got != want {
			t.Errorf("%s: WS312 said: %v, want %v", release, got, want)
		}
	}
}

// TestNewPlanRefuses: bad input gives an error with code, path and hint, and no plan.
func TestNewPlanRefuses(t *testing.T) {
	ok := mesh("1.24.1")
	change := func(f func(*wsmesh.Service)) wsmesh.Service { s := server(); f(&s); return s }
	workload := func(k, v string) wsmesh.Service {
		return change(func(s *wsmesh.Service) { s.Workload = map[string]string{k: v} })
	}
	base := func(f func(*destinationrule.Rule)) wsmesh.Options {
		r := baseRule()
		f(r)
		return wsmesh.Options{Base: r}
	}
	tests := []struct {
		reason string
		svc    wsmesh.Service
		mesh   wsmesh.Mesh
		opts   wsmesh.Options
		code   string
		path   string
	}{
		{"no release", server(), wsmesh.Mesh{}, wsmesh.Options{}, "WS401", "mesh"},
		{"a release that is none", server(), wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1"), {}}}, wsmesh.Options{}, "WS402", "mesh.proxies[1]"},
		{"a control plane that is none", server(), wsmesh.Mesh{ControlPlanes: make([]version.Release, 1)}, wsmesh.Options{}, "WS402", "mesh.controlPlanes[0]"},
		{"HTTP/1.1 needs a release too", server(), wsmesh.Mesh{}, wsmesh.Options{HTTP1: true}, "WS401", "mesh"},
		{"no workload", change(func(s *wsmesh.Service) { s.Workload = nil }), ok, wsmesh.Options{}, "WS503", "spec.selector"},
		{"a workload with an empty key", workload("", "x"), ok, wsmesh.Options{}, "WS504", `spec.selector[""]`},
		{"a workload with an empty value", workload("app", ""), ok, wsmesh.Options{}, "WS504", `spec.selector["app"]`},
		{"a workload with * as key", workload("*", "x"), ok, wsmesh.Options{}, "WS504", `spec.selector["*"]`},
		{"a workload with * as value", workload("app", "*"), ok, wsmesh.Options{}, "WS504", `spec.selector["app"]`},
		{"no name", change(func(s *wsmesh.Service) { s.Name = "" }), ok, wsmesh.Options{}, "WS501", "metadata.name"},
		{"a name with a line break", change(func(s *wsmesh.Service) { s.Name = "a\nkind: Secret" }), ok, wsmesh.Options{}, "WS501", "metadata.name"},
		{"a name with YAML syntax", change(func(s *wsmesh.Service) { s.Name = "{a: b}" }), ok, wsmesh.Options{}, "WS501", "metadata.name"},
		{"a name with a dot", change(func(s *wsmesh.Service) { s.Name = "a.b" }), ok, wsmesh.Options{}, "WS501", "metadata.name"},
		{"a name in upper case", change(func(s *wsmesh.Service) { s.Name = "Chat" }), ok, wsmesh.Options{}, "WS501", "metadata.name"},
		{"a name over 63 bytes", change(func(s *wsmesh.Service) { s.Name = strings.Repeat("a", 64) }), ok, wsmesh.Options{}, "WS501", "metadata.name"},
		{"a namespace with a line break", change(func(s *wsmesh.Service) { s.Namespace = "a\nb" }), ok, wsmesh.Options{}, "WS502", "metadata.namespace"},
		{"a namespace with a dot", change(func(s *wsmesh.Service) { s.Namespace = "a.b" }), ok, wsmesh.Options{}, "WS502", "metadata.namespace"},
		{"a port out of range", change(func(s *wsmesh.Service) { s.Ports[0].Number = 70000 }), ok, wsmesh.Options{}, "WS505", "spec.ports[0].port"},
		{"a target port out of range", change(func(s *wsmesh.Service) { s.Ports[0].TargetPort = 70000 }), ok, wsmesh.Options{}, "WS505", "spec.ports[0].targetPort"},
		{"a host of the form service.namespace", server(), ok, wsmesh.Options{Host: "websockets-server.default"}, "WS508", "spec.host"},
		{"... with svc", server(), ok, wsmesh.Options{Host: "websockets-server.default.svc"}, "WS508", "spec.host"},
		{"... of a Service without a namespace", change(func(s *wsmesh.Service) { s.Namespace = "" }), ok, wsmesh.Options{Host: "websockets-server.prod"}, "WS508", "spec.host"},
		{"a gateway without labels", server(), ok, wsmesh.Options{Gateways: []wsmesh.Gateway{{Namespace: "istio-ingress", Workload: nil}}}, "WS503", "gateways[0].workload"},
		{"a gateway in no namespace of Kubernetes'", server(), ok, wsmesh.Options{Gateways: []wsmesh.Gateway{{Namespace: "*", Workload: map[string]string{"a": "b"}}}}, "WS502", "gateways[0].namespace"},
		{"an API version that is not served", server(), mesh("1.21.6"), wsmesh.Options{APIVersion: "networking.istio.io/v1"}, "WS405", "apiVersion"},
		{"an API version that is none", server(), ok, wsmesh.Options{APIVersion: "v1"}, "WS405", "apiVersion"},
		{"a constraint that cannot be read", server(), ok, wsmesh.Options{ProxyVersion: "newest"}, "WS403", "spec.configPatches[0].match.proxy.proxyVersion"},
		{"a constraint that leaves out a proxy", server(), mesh("1.12.4", "1.20.8"), wsmesh.Options{ProxyVersion: ">=1.20"}, "WS404", "spec.configPatches[0].match.proxy.proxyVersion"},
		{"a constraint whose pattern is too long", server(), ok, wsmesh.Options{ProxyVersion: exotic()}, "WS403", "spec.configPatches[0].match.proxy.proxyVersion"},
		{"a base rule for another host", server(), ok, base(func(r *destinationrule.Rule) { r.Spec.Host = "other" }), "WS310", "spec.host"},
		{"a base rule for the same name in another namespace", server(), ok, base(func(r *destinationrule.Rule) { r.Namespace = "prod" }), "WS310", "spec.host"},
		{"a base rule without a host", server(), ok, base(func(r *destinationrule.Rule) { r.Spec.Host = "" }), "WS310", "spec.host"},
		{"a base rule without a spec", server(), ok, wsmesh.Options{Base: &destinationrule.Rule{}}, "WS310", "spec.host"},
		{"a base rule with useClientProtocol", server(), ok, base(func(r *destinationrule.Rule) {
			r.Spec.TrafficPolicy.ConnectionPool = &networking.ConnectionPoolSettings{Http: &networking.ConnectionPoolSettings_HTTPSettings{UseClientProtocol: true}}
		}), "WS1", "spec.trafficPolicy.connectionPool.http.useClientProtocol"},
		{"a base rule that Istio refuses", server(), ok, base(func(r *destinationrule.Rule) { r.Spec.Subsets[1].Name = "v1" }), "WS1", "spec.subsets[1].name"},
		{"a label that Kubernetes refuses", server(), ok, wsmesh.Options{Labels: map[string]string{"a b": "c"}}, "WS9", `metadata.labels["a b"]`},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			plan, err := wsmesh.NewPlan(tt.svc, tt.mesh, tt.opts)
			if err == nil || plan != nil {
				t.Fatalf("plan %v, error %v", plan, err)
			}
			list := finding.In(err)
			if list == nil {
				t.Fatalf("no finding.List in %v", err)
			}
			i := slices.IndexFunc(list, func(f finding.Finding) bool { return strings.HasPrefix(f.Code, tt.code) && f.Path == tt.path })
			if i < 0 {
				t.Fatalf("no %s at %s among\n%v", tt.code, tt.path, err)
			}
			if f := list[i]; f.Severity != finding.SeverityError || f.Hint == "" || f.Message == "" || f.Source == "" {
				t.Errorf("half a finding: %+v", f)
			}
			if strings.Contains(err.Error(), "\n") && len(list.Errors()) < 2 {
				t.Errorf("one problem on several lines: %q", err)
			}
		})
	}
}

// exotic is a constraint with so many gaps that no pattern of 1,024 characters holds them.
func exotic() string {
	var b strings.Builder
	for i := range 90 {
		b.WriteString(", !=1." + string(rune('0'+i/10)) + string(rune('0'+i%10)) + ".7")
	}
	return strings.TrimPrefix(strings.ReplaceAll(b.String(), "1.0", "1."), ", ")
}

// TestPlanIsItsOwn: what a plan returns belongs to the caller, and changes nothing of the plan.
func TestPlanIsItsOwn(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{Labels: map[string]string{"a": "b"}})
	before := planYAML(t, plan)
	rule, filters := plan.DestinationRule(), plan.EnvoyFilters()
	rule.Labels["a"], rule.Spec.Host = "changed", "changed"
	filters[0].Labels["a"], filters[0].Spec.WorkloadSelector.Labels["app"] = "changed", "changed"
	filters[0] = nil
	plan.Decision().Reasons[0].Code = "changed"
	plan.Stages()[0].Apply[0] = nil
	if after := planYAML(t, plan); after != before || plan.Decision().Reasons[0].Code != "WS305" {
		t.Errorf("the plan changed:\n%s", after)
	}
}

func TestWriteYAMLWriteError(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.24.1"))
	full := errors.New("no space left")
	if err := plan.WriteYAML(writer(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Errorf("%v, want the writer's error", err)
	}
	if err := plan.Explain(writer(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Errorf("%v, want the writer's error", err)
	}
	wrote := false
	broken := &destinationrule.Rule{Name: "x", Spec: &networking.DestinationRule{Host: "\xff"}}
	err := wsmesh.WriteYAML(writer(func(p []byte) (int, error) { wrote = true; return len(p), nil }), plan.DestinationRule(), broken)
	if err == nil || wrote {
		t.Errorf("an object that cannot be encoded: error %v, something written: %v", err, wrote)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
