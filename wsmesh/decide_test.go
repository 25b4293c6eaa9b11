// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

func TestDecide(t *testing.T) {
	port := func(name string) func(*wsmesh.Service) {
		return func(s *wsmesh.Service) { s.Ports = []wsmesh.Port{{Number: 8080, Name: name}} }
	}
	app := func(proto string) func(*wsmesh.Service) {
		return func(s *wsmesh.Service) { s.Ports = []wsmesh.Port{{Number: 8080, Name: "tcp-x", AppProtocol: proto}} }
	}
	none := func(*wsmesh.Service) {}
	const up, down = destinationrule.Upgrade, destinationrule.DoNotUpgrade
	tests := []struct {
		reason string
		mesh   wsmesh.Mesh
		change func(*wsmesh.Service)
		opts   wsmesh.Options
		want   destinationrule.UpgradePolicy
		code   string // of the first reason
	}{
		{"the boundary itself", mesh("1.12.0"), none, wsmesh.Options{}, up, "WS305"},
		{"just below the boundary", mesh("1.11.8"), none, wsmesh.Options{}, down, "WS304"},
		{"newest", mesh("1.31.0"), none, wsmesh.Options{}, up, "WS305"},
		{"a vendor's suffix does not order", mesh("1.12.0-asm.3"), none, wsmesh.Options{}, up, "WS305"},
		{"a release candidate of the boundary counts as it", mesh("1.12.0-rc.0"), none, wsmesh.Options{}, up, "WS305"},
		{"1.2 is not 1.20", mesh("1.2.0"), none, wsmesh.Options{}, down, "WS304"},
		{"one old proxy keeps the whole mesh back",
			wsmesh.Mesh{ControlPlanes: mesh("1.24.1").ControlPlanes, Proxies: mesh("1.24.1", "1.11.8").Proxies}, none, wsmesh.Options{}, down, "WS304"},
		{"one old control plane does too",
			wsmesh.Mesh{ControlPlanes: mesh("1.11.8", "1.24.1").ControlPlanes, Proxies: mesh("1.24.1").Proxies}, none, wsmesh.Options{}, down, "WS304"},
		{"proxies alone are enough", wsmesh.Mesh{Proxies: mesh("1.24.1").Proxies}, none, wsmesh.Options{}, up, "WS305"},
		{"control planes alone are enough", wsmesh.Mesh{ControlPlanes: mesh("1.24.1").ControlPlanes}, none, wsmesh.Options{}, up, "WS305"},
		{"ambient", mesh("1.24.1"), func(s *wsmesh.Service) { s.Ambient = true }, wsmesh.Options{}, down, "WS302"},
		{"no sidecar", mesh("1.24.1"), func(s *wsmesh.Service) { s.NoSidecar = true }, wsmesh.Options{}, down, "WS303"},
		{"ambient goes before a missing sidecar", mesh("1.24.1"), func(s *wsmesh.Service) { s.Ambient, s.NoSidecar = true, true }, wsmesh.Options{}, down, "WS302"},
		{"a missing sidecar goes before the port", mesh("1.24.1"), func(s *wsmesh.Service) { s.NoSidecar = true; s.Ports[0].Name = "ws" }, wsmesh.Options{}, down, "WS303"},
		{"the port goes before the release", mesh("1.11.8"), port("ws"), wsmesh.Options{}, down, "WS507"},
		{"HTTP/1.1 goes before all", mesh("1.11.8"), func(s *wsmesh.Service) { s.Ambient = true }, wsmesh.Options{HTTP1: true}, down, "WS301"},
		{"http alone", mesh("1.24.1"), port("http"), wsmesh.Options{}, up, "WS305"},
		{"upper case", mesh("1.24.1"), port("HTTP-Web"), wsmesh.Options{}, up, "WS305"},
		{"no name", mesh("1.24.1"), port(""), wsmesh.Options{}, down, "WS507"},
		{"ws is no protocol of Istio's", mesh("1.24.1"), port("ws"), wsmesh.Options{}, down, "WS507"},
		{"websocket-x is none either", mesh("1.24.1"), port("websocket-x"), wsmesh.Options{}, down, "WS507"},
		{"tcp", mesh("1.24.1"), port("tcp-ws"), wsmesh.Options{}, down, "WS507"},
		{"http2", mesh("1.24.1"), port("http2-ws"), wsmesh.Options{}, down, "WS507"},
		{"grpc", mesh("1.24.1"), port("grpc-ws"), wsmesh.Options{}, down, "WS507"},
		{"grpc-web", mesh("1.24.1"), port("grpc-web"), wsmesh.Options{}, down, "WS507"},
		{"https", mesh("1.24.1"), port("https-ws"), wsmesh.Options{}, down, "WS507"},
		{"httpx is no prefix before a dash", mesh("1.24.1"), port("httpx"), wsmesh.Options{}, down, "WS507"},
		{"appProtocol goes before the name", mesh("1.24.1"), app("http"), wsmesh.Options{}, up, "WS305"},
		{"appProtocol kubernetes.io/ws from 1.24", mesh("1.24.0"), app("kubernetes.io/ws"), wsmesh.Options{}, up, "WS305"},
		{"... and not before", mesh("1.23.6"), app("kubernetes.io/ws"), wsmesh.Options{}, down, "WS507"},
		{"... counted over the oldest control plane",
			wsmesh.Mesh{ControlPlanes: mesh("1.23.6", "1.24.0").ControlPlanes, Proxies: mesh("1.24.0").Proxies}, app("kubernetes.io/ws"), wsmesh.Options{}, down, "WS507"},
		{"appProtocol kubernetes.io/wss is TLS", mesh("1.31.0"), app("kubernetes.io/wss"), wsmesh.Options{}, down, "WS507"},
		{"appProtocol kubernetes.io/h2c is HTTP/2", mesh("1.31.0"), app("kubernetes.io/h2c"), wsmesh.Options{}, down, "WS507"},
		{"a boundary moved down", mesh("1.10.1"), none, wsmesh.Options{MinimumRelease: version.MustParse("1.10.0")}, up, "WS305"},
		{"a boundary moved up", mesh("1.19.9"), none, wsmesh.Options{MinimumRelease: version.MustParse("1.20")}, down, "WS304"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			svc := server()
			tt.change(&svc)
			d := mustPlan(t, svc, tt.mesh, tt.opts).Decision()
			if d.Policy != tt.want || d.Reasons[0].Code != tt.code {
				t.Errorf("%v because of %v, want %v because of %s", d.Policy, d.Reasons, tt.want, tt.code)
			}
		})
	}
}

func TestDecidePortNotGiven(t *testing.T) {
	svc := server()
	svc.Ports = nil
	d := mustPlan(t, svc, mesh("1.24.1")).Decision()
	if d.Policy != destinationrule.Upgrade {
		t.Fatalf("%v; want UPGRADE", d)
	}
	if got := codes(d.Reasons); len(got) != 2 || got[1] != "WS506" {
		t.Errorf("reasons %v, want WS506 beside the decision", got)
	}
}

// TestPortHints: the warning says what to rename the port to, in a form that would be explicit.
func TestPortHints(t *testing.T) {
	for port, want := range map[wsmesh.Port]string{
		{Number: 80}:                                     `"http-websockets-server"`,
		{Number: 80, Name: "ws"}:                         `"http-ws"`,
		{Number: 80, Name: "tcp-ws"}:                     `"http-ws"`,
		{Number: 80, Name: "http2-ws"}:                   `"http-ws"`,
		{Number: 80, Name: "grpc"}:                       `"http-websockets-server"`,
		{Number: 80, Name: "http-x", AppProtocol: "tcp"}: `appProtocol to "http"`,
	} {
		svc := server()
		svc.Ports = []wsmesh.Port{port}
		if hint := mustPlan(t, svc, mesh("1.24.1")).Decision().Reasons[0].Hint; !strings.Contains(hint, want) {
			t.Errorf("%+v: hint %q, want %s in it", port, hint, want)
		}
	}
}
