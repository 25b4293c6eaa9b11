// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/wsmesh"
)

// portsAs reads ports as "8080 http-a, 9090 grpc, 80 x=kubernetes.io/ws": number, name and appProtocol.
func portsAs(text string) []wsmesh.Port {
	var ports []wsmesh.Port
	for entry := range strings.SplitSeq(text, ", ") {
		var p wsmesh.Port
		number, name, _ := strings.Cut(entry, " ")
		fmt.Sscan(number, &p.Number)
		p.Name, p.AppProtocol, _ = strings.Cut(name, "=")
		ports = append(ports, p)
	}
	return ports
}

// TestDecidePorts: each port has a policy of its own, and the first reason is the one that decided.
func TestDecidePorts(t *testing.T) {
	for _, tt := range []struct {
		reason, release, ports string
		opts                   wsmesh.Options
		want                   string // policies, then the codes of the reasons
	}{
		{"one port", "1.24.1", "8080 http", wsmesh.Options{}, "UPGRADE: UPGRADE; WS305"},
		{"all are HTTP/1", "1.24.1", "8080 http, 8081 http-admin", wsmesh.Options{}, "UPGRADE: UPGRADE UPGRADE; WS305"},
		{"one is not", "1.24.1", "9090 grpc, 8080 http", wsmesh.Options{}, "UPGRADE: DO_NOT_UPGRADE UPGRADE; WS305 WS512"},
		{"one is sniffed, and may be meant", "1.24.1", "8080 http, 8081 ws", wsmesh.Options{}, "UPGRADE: UPGRADE DO_NOT_UPGRADE; WS305 WS507"},
		{"none is", "1.24.1", "9090 grpc, 6379 redis", wsmesh.Options{}, "DO_NOT_UPGRADE: DO_NOT_UPGRADE DO_NOT_UPGRADE; WS507 WS507"},
		{"the oldest control plane reads the port", "1.23.6", "8080 http, 8081 x=kubernetes.io/ws", wsmesh.Options{}, "UPGRADE: UPGRADE DO_NOT_UPGRADE; WS305 WS507"},
		{"a later one reads it as HTTP/1", "1.24.1", "8080 http, 8081 x=kubernetes.io/ws", wsmesh.Options{}, "UPGRADE: UPGRADE UPGRADE; WS305"},
		{"an old release", "1.11.8", "8080 http, 9090 grpc", wsmesh.Options{}, "DO_NOT_UPGRADE: DO_NOT_UPGRADE DO_NOT_UPGRADE; WS304"},
		{"HTTP/1.1 asked for", "1.24.1", "8080 http, 9090 grpc", wsmesh.Options{HTTP1: true}, "DO_NOT_UPGRADE: DO_NOT_UPGRADE DO_NOT_UPGRADE; WS301"},
	} {
		svc := server()
		svc.Ports = portsAs(tt.ports)
		d := mustPlan(t, svc, mesh(tt.release), tt.opts).Decision()
		got := d.Policy.String() + ":"
		for i, p := range d.Ports {
			got += " " + p.Policy.String()
			if p.Port != svc.Ports[i] {
				t.Errorf("%s: port %d is %+v", tt.reason, i, p.Port)
			}
		}
		if got += "; " + strings.Join(codes(d.Reasons), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.reason, got, tt.want)
		}
	}
	svc := server()
	svc.Ports = nil
	if d := mustPlan(t, svc, mesh("1.24.1")).Decision(); len(d.Ports) != 0 {
		t.Errorf("no ports are given, and %v decided", d.Ports)
	}
}

// TestPortsRefused: ports that cannot be told apart are refused, each at its place.
func TestPortsRefused(t *testing.T) {
	for _, tt := range []struct{ reason, ports, want string }{
		{"no number", "8080 http, 0 grpc", "WS509 spec.ports[1].port"},
		{"two without a number", "0 http, 0 grpc", "WS509 spec.ports[0].port, WS509 spec.ports[1].port"},
		{"one number", "8080 http, 9090 grpc, 8080 http-x", "WS510 spec.ports[2].port"},
		{"no name", "8080 http, 9090 =grpc", "WS511 spec.ports[1].name"},
		{"one name", "8080 http, 9090 http", "WS511 spec.ports[1].name"},
		{"all at once", "8080 http, 8080 , 70000 http", "WS505 spec.ports[2].port, WS510 spec.ports[1].port, WS511 spec.ports[1].name, WS511 spec.ports[2].name"},
	} {
		svc := server()
		svc.Ports = portsAs(tt.ports)
		_, err := wsmesh.NewPlan(svc, mesh("1.24.1"), wsmesh.Options{})
		var got []string
		for _, f := range inError(t, err) {
			got = append(got, f.Code+" "+f.Path)
			if f.Hint == "" || f.Object != "Service default/websockets-server" {
				t.Errorf("%s: half a finding: %+v", tt.reason, f)
			}
		}
		if slices.Sort(got); strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %s, want %s", tt.reason, strings.Join(got, ", "), tt.want)
		}
	}
	one := server()
	one.Ports = []wsmesh.Port{{AppProtocol: "http"}}
	mustPlan(t, one, mesh("1.24.1")) // a port alone needs neither number nor name
}

// TestPortLevelLosesSetting: a base rule with a setting that no port level holds is refused where ports get levels, with the
// way out, and taken where all ports have one policy.
func TestPortLevelLosesSetting(t *testing.T) {
	base := baseRule()
	base.Spec.TrafficPolicy.PortLevelSettings = nil
	base.Spec.TrafficPolicy.RetryBudget = &networking.TrafficPolicy_RetryBudget{MinRetryConcurrency: 3}
	svc := server()
	svc.Ports = portsAs("8080 http, 9090 grpc")
	_, err := wsmesh.NewPlan(svc, mesh("1.31.0"), wsmesh.Options{Base: base})
	if l := inError(t, err); len(l) != 1 || l[0].Code != "WS149" || l[0].Path != "spec.trafficPolicy.retryBudget" || l[0].Hint == "" {
		t.Errorf("%v", l)
	}
	for _, opts := range []wsmesh.Options{{Base: base, HTTP1: true}} {
		if rule := mustPlan(t, svc, mesh("1.31.0"), opts).DestinationRule(); rule.Spec.GetTrafficPolicy().GetRetryBudget().GetMinRetryConcurrency() != 3 {
			t.Errorf("the retry budget is lost: %v", rule.Spec)
		}
	}
	svc.Ports = portsAs("8080 http, 9090 http-admin")
	mustPlan(t, svc, mesh("1.31.0"), wsmesh.Options{Base: base})
}

// TestBaseOfSomePorts: what the plan changed of a base rule's own levels is said, with the place.
func TestBaseOfSomePorts(t *testing.T) {
	svc := server()
	svc.Ports = portsAs("8080 http, 9090 grpc")
	for _, c := range goldenCases(t) {
		if c.name != "ports-some-http1-base-rule" {
			continue
		}
		var got []string
		for _, f := range mustPlan(t, svc, mesh("1.31.0"), c.opts).Findings() {
			if f.Code == "WS311" || f.Code == "WS315" {
				got = append(got, f.Code+" "+f.Path)
			}
		}
		want := []string{
			"WS315 spec.trafficPolicy.connectionPool",
			"WS315 spec.trafficPolicy.portLevelSettings[0].connectionPool",
			"WS315 spec.subsets[2].trafficPolicy.connectionPool",
			"WS311 spec.subsets[2].trafficPolicy.portLevelSettings[0].connectionPool",
			"WS311 spec.subsets[3].trafficPolicy.portLevelSettings[0].connectionPool",
		}
		if !slices.Equal(got, want) {
			t.Errorf("said\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestStagesOfPorts: the commands ask for the ports that the policy is for, and for none that speaks HTTP/2 by its name.
func TestStagesOfPorts(t *testing.T) {
	for _, tt := range []struct {
		reason, release, ports string
		until, loop            string
	}{
		{"all alike", "1.24.1", "8080 http, 8081 http-x", "speaks HTTP/2 to the host", "for pod in $PODS; do out="},
		{"some", "1.24.1", "8080 http, 8081 http-x, 9090 grpc", "speaks HTTP/2 to the ports 8080, 8081 of the host", "for port in 8080 8081; do"},
		{"HTTP/1.1 beside HTTP/2", "1.11.8", "8080 http, 9090 grpc", "speaks HTTP/2 to port 8080 of the host any more", "for port in 8080; do"},
		{"HTTP/2 by name", "1.24.1", "9090 grpc", "", ""},
		{"all of them HTTP/2 by name", "1.24.1", "9090 grpc, 9091 http2-x", "", ""},
	} {
		svc := server()
		svc.Ports = portsAs(tt.ports)
		plan := mustPlan(t, svc, mesh(tt.release))
		stages := plan.Stages()
		last := stages[len(stages)-1]
		if !strings.HasSuffix(last.Until, tt.until) || !strings.Contains(last.Command, tt.loop) || (last.Until == "") != (tt.until == "") || (last.Command == "") != (tt.until == "") {
			t.Errorf("%s: until %q: %s", tt.reason, last.Until, last.Command)
		}
	}
}
