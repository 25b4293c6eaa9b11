// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
)

func mesh(releases ...string) wsmesh.Mesh {
	m, err := wsmesh.MeshOf(releases...)
	if err != nil {
		panic(err)
	}
	return m
}

// plain returns the fleet of Services that all have the fleet's options.
func plain(m wsmesh.Mesh, opts wsmesh.Options, services ...wsmesh.Service) *fleet.Fleet {
	members := make([]fleet.Member, len(services))
	for i, s := range services {
		members[i].Service = s
	}
	return &fleet.Fleet{Mesh: m, Options: opts, Services: fleet.Members(members...)}
}

func mustPlan(t testing.TB, svc wsmesh.Service, m wsmesh.Mesh, opts wsmesh.Options) *wsmesh.Plan {
	t.Helper()
	plan, err := wsmesh.NewPlan(svc, m, opts)
	if err != nil {
		t.Fatalf("NewPlan: %v", err)
	}
	return plan
}

// codesOf returns the codes of the findings that the error holds.
func codesOf(t testing.TB, err error) []string {
	t.Helper()
	list := finding.In(err)
	if list == nil {
		t.Fatalf("the error holds no findings: %v", err)
	}
	var codes []string
	for _, f := range list {
		codes = append(codes, f.Code)
	}
	return codes
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// randomService draws mostly good Services, and bad ones now and then.
func randomService(r *rand.Rand) wsmesh.Service {
	name := pick(r, "a", "websockets-server", "chat-1", "true", "1", "null", strings.Repeat("n", 63))
	svc := wsmesh.Service{
		Name:      name,
		Namespace: pick(r, "", "default", "prod", "on"),
		Workload:  map[string]string{pick(r, "app", "app.kubernetes.io/name"): pick(r, name, "yes", "1.10", "x_y.z")},
		Ambient:   r.IntN(8) == 0,
		NoSidecar: r.IntN(8) == 0,
	}
	for range pick(r, 0, 1, 1, 1, 1, 2, 3) {
		svc.Ports = append(svc.Ports, pick(r, wsmesh.Port{Number: 8080}, wsmesh.Port{Number: 80, TargetPort: 8080, Name: "http"}, wsmesh.Port{Number: 443, Name: "http-ws"},
			wsmesh.Port{Number: 81, Name: "ws"}, wsmesh.Port{Number: 82, Name: "grpc-x"}, wsmesh.Port{Number: 83, AppProtocol: "kubernetes.io/ws"}, wsmesh.Port{Number: 84, Name: "tcp", AppProtocol: "http"}))
	}
	if r.IntN(20) == 0 {
		svc.Workload = pick(r, nil, map[string]string{"*": "x"}, map[string]string{"app": ""})
	}
	if r.IntN(20) == 0 {
		svc.Name = pick(r, "", "A", "a\nb", "a.b", "\xff")
	}
	return svc
}

func randomRelease(r *rand.Rand) version.Release {
	return version.MustParse(fmt.Sprintf("%s1.%d.%d%s", pick(r, "", "v"), pick(r, 4, 10, 11, 12, 13, 20, 21, 22, 24, 27, 30, 31), r.IntN(10), pick(r, "", "-asm.3", "-rc.0", "-distroless")))
}

func randomMesh(r *rand.Rand) wsmesh.Mesh {
	var m wsmesh.Mesh
	for range r.IntN(4) {
		m.ControlPlanes = append(m.ControlPlanes, randomRelease(r))
	}
	for range r.IntN(4) {
		m.Proxies = append(m.Proxies, randomRelease(r))
	}
	m.ClusterDomain = pick(r, "", "", "corp.example")
	return m
}

// randomOptions draws options; svc is the Service that a base rule is for, where there is one.
func randomOptions(r *rand.Rand, svc wsmesh.Service) wsmesh.Options {
	var o wsmesh.Options
	set := func(f func()) {
		if r.IntN(5) == 0 {
			f()
		}
	}
	set(func() { o.ASM = true })
	set(func() { o.HTTP1 = true })
	set(func() { o.Labels = map[string]string{"team": pick(r, "a", "0x1F", "1e3")} })
	set(func() {
		o.Annotations = map[string]string{"example.com/note": pick(r, "", "a: b", "# no comment", "two\nlines", "~", "  ", "ü")}
	})
	set(func() {
		o.Gateways = []wsmesh.Gateway{{Namespace: pick(r, "istio-ingress", "default"), Workload: map[string]string{"istio": "ingressgateway"}}}
	})
	set(func() { o.ProxyVersion = pick(r, ">=1.0", ">=1.12.0", "1.24.x", ">=1.12, <1.20") })
	set(func() { o.MinimumRelease = randomRelease(r) })
	set(func() { o.APIVersion = pick(r, "networking.istio.io/v1", "networking.istio.io/v1beta1") })
	set(func() { o.Host = pick(r, "*.example.com", "a.b.c", "short") })
	set(func() {
		o.Base = &destinationrule.Rule{Name: pick(r, "", "base"), Namespace: svc.Namespace, Labels: map[string]string{"owner": "x"},
			Spec: &networking.DestinationRule{Host: pick(r, svc.Name, svc.Name, "other"), TrafficPolicy: &networking.TrafficPolicy{
				OutlierDetection: &networking.OutlierDetection{MaxEjectionPercent: 1 + r.Int32N(9)}}}}
	})
	return o
}
