// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"os/exec"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// outline writes stages as "+Kind" for apply and "-Kind" for delete, with the policy of a DestinationRule.
func outline(stages []wsmesh.Stage) string {
	var out []string
	for _, s := range stages {
		var objs []string
		note := func(sign string, o wsmesh.Object) {
			kind, _, _ := strings.Cut(o.String(), " ")
			text := sign + kind
			if r, ok := o.(*destinationrule.Rule); ok {
				text += " " + r.Spec.GetTrafficPolicy().GetConnectionPool().GetHttp().GetH2UpgradePolicy().String()
			}
			objs = append(objs, text)
		}
		for _, o := range s.Apply {
			note("+", o)
		}
		for _, o := range s.Delete {
			note("-", o)
		}
		out = append(out, strings.Join(objs, " "))
	}
	return strings.Join(out, " | ")
}

func TestStages(t *testing.T) {
	tests := []struct {
		reason             string
		release            string
		opts               wsmesh.Options
		rollout, backwards string
	}{
		{"the filter first, the rule last; back in reverse", "1.24.1", wsmesh.Options{},
			"+EnvoyFilter | +DestinationRule UPGRADE", "+DestinationRule DO_NOT_UPGRADE | -EnvoyFilter"},
		{"all filters in one stage", "1.24.1", wsmesh.Options{Gateways: []wsmesh.Gateway{gateway}},
			"+EnvoyFilter +EnvoyFilter | +DestinationRule UPGRADE", "+DestinationRule DO_NOT_UPGRADE | -EnvoyFilter -EnvoyFilter"},
		{"HTTP/1.1 is one step", "1.11.8", wsmesh.Options{}, "+DestinationRule DO_NOT_UPGRADE", "-DestinationRule DO_NOT_UPGRADE"},
		{"back to the rule that was there", "1.11.8", wsmesh.Options{Base: baseRule()},
			"+DestinationRule DO_NOT_UPGRADE", "+DestinationRule DEFAULT"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			plan := mustPlan(t, server(), mesh(tt.release), tt.opts)
			if got := outline(plan.Stages()); got != tt.rollout {
				t.Errorf("stages   %s\nwant     %s", got, tt.rollout)
			}
			if got := outline(plan.Rollback()); got != tt.backwards {
				t.Errorf("rollback %s\nwant     %s", got, tt.backwards)
			}
			for _, s := range append(plan.Stages(), plan.Rollback()...) {
				if s.Name == "" || (s.Until == "") != (s.Command == "") {
					t.Errorf("half a stage: %+v", s)
				}
			}
			for _, s := range plan.Stages() {
				if s.Command == "" {
					t.Errorf("no command shows that %q is done", s.Name)
				}
			}
		})
	}
}

// TestRollbackOfBase: the rule of the rollback says DO_NOT_UPGRADE at each level that decides for itself.
func TestRollbackOfBase(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{Base: baseRule()})
	spec := plan.Rollback()[0].Apply[0].(*destinationrule.Rule).Spec
	for _, p := range []networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy{
		spec.GetTrafficPolicy().GetConnectionPool().GetHttp().GetH2UpgradePolicy(),
		spec.GetTrafficPolicy().GetPortLevelSettings()[0].GetConnectionPool().GetHttp().GetH2UpgradePolicy(),
		spec.GetSubsets()[1].GetTrafficPolicy().GetConnectionPool().GetHttp().GetH2UpgradePolicy(),
	} {
		if p != networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE {
			t.Errorf("%v is left in %v", p, spec)
		}
	}
}

// TestCommandsAreShell: the commands that stages name can be read by a shell.
func TestCommandsAreShell(t *testing.T) {
	svc := server()
	svc.Workload = map[string]string{"app.kubernetes.io/name": "a_b.c", "app": "x"}
	plan := mustPlan(t, svc, mesh("1.24.1"), wsmesh.Options{Gateways: []wsmesh.Gateway{{Namespace: "", Workload: map[string]string{"istio": "ingressgateway"}}}})
	for _, s := range append(plan.Stages(), plan.Rollback()...) {
		if out, err := exec.Command("sh", "-n", "-c", s.Command).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", s.Command, err, out)
		}
	}
	if c := plan.Stages()[0].Command; !strings.Contains(c, "-n default -l 'app=x,app.kubernetes.io/name=a_b.c'") {
		t.Errorf("the command does not name the server's pods: %s", c)
	}
}

// TestExplainIsInert: what a port is called speaks to no terminal, and begins no line.
func TestExplainIsInert(t *testing.T) {
	svc := server()
	svc.Ports[0].AppProtocol = "x\x1b[2J\u202e\n::error::y"
	var b strings.Builder
	if err := mustPlan(t, svc, mesh("1.24.1")).Explain(&b); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); !strings.Contains(text, `appProtocol x\x1b[2J\u202e ::error::y`) || strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("%q", text)
	}
}

func TestExplain(t *testing.T) {
	ambient := server()
	ambient.Ambient = true
	noPort := server()
	noPort.Ports = nil
	number := server()
	number.Ports = []wsmesh.Port{{Number: 8080}}
	named := func(name string) wsmesh.Service {
		s := server()
		s.Ports[0].Name = name
		return s
	}
	app := server()
	app.Ports = []wsmesh.Port{{Number: 8080, AppProtocol: "http"}}
	tests := []struct {
		reason string
		plan   *wsmesh.Plan
		want   []string
	}{
		{"UPGRADE", mustPlan(t, server(), mesh("1.24.1")), []string{
			"WebSocket to " + fqdn, "Decision: UPGRADE", "info WS305: every release of the mesh is 1.12.0 or later (the oldest is 1.24.1)",
			"client's proxy  -> server's proxy  HTTP/2, extended CONNECT", "server's proxy  -> application     HTTP/1.1, Upgrade: websocket  port named http-websocket",
			"1. let the proxies accept", "apply EnvoyFilter default/websockets-server-allow-connect", "2. apply the DestinationRule", "Rollback:"}},
		{"a gateway", mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{Gateways: []wsmesh.Gateway{gateway}}), []string{"browser         -> gateway         HTTP/2, extended CONNECT", "gateway         -> server's proxy  HTTP/2"}},
		{"HTTP/1.1", mustPlan(t, server(), mesh("1.11.8")), []string{"Decision: DO_NOT_UPGRADE", "client's proxy  -> server's proxy  HTTP/1.1, Upgrade: websocket", "delete DestinationRule"}},
		{"ambient", mustPlan(t, ambient, mesh("1.24.1")), []string{"client   -> ztunnel      HTTP/1.1, Upgrade: websocket  passed on as bytes"}},
		{"no port", mustPlan(t, noPort, mesh("1.24.1")), []string{"if Istio reads the Service's port as HTTP/1"}},
		{"a port without a name", mustPlan(t, number, mesh("1.24.1")), []string{"warning WS507", "port 8080, without a name"}},
		{"a port of HTTP/2", mustPlan(t, named("grpc-x"), mesh("1.24.1")), []string{"client's proxy  -> server's proxy  HTTP/2, extended CONNECT      port named grpc-x, HTTP/2 whatever the policy"}},
		{"a port of TCP", mustPlan(t, named("tcp-x"), mesh("1.24.1")), []string{"server's proxy  -> application     TCP"}},
		{"appProtocol", mustPlan(t, app, mesh("1.24.1")), []string{"appProtocol http"}},
	}
	for _, tt := range tests {
		got := explanation(t, tt.plan)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in\n%s", tt.reason, want, got)
			}
		}
	}
}
