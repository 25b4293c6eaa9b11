// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
)

// fleetOf yields n Services as a large mesh has them.
func fleetOf(n int) iter.Seq2[fleet.Member, error] {
	return func(yield func(fleet.Member, error) bool) {
		for i := range n {
			name := fmt.Sprintf("websockets-server-%d", i)
			svc := wsmesh.Service{Name: name, Namespace: fmt.Sprintf("team-%d", i%50), Workload: map[string]string{"app": name},
				Ports: webSocketPort}
			if !yield(fleet.Member{Service: svc}, nil) {
				return
			}
		}
	}
}

// webSocketPort is the same slice for all, as it is for the Services of an inventory with defaults.
var webSocketPort = []wsmesh.Port{{Number: 8080, Name: "http-websocket"}}

func sliceOf(n int) []wsmesh.Service {
	var services []wsmesh.Service
	for m := range fleetOf(n) {
		services = append(services, m.Service)
	}
	return services
}

// byPlans is what Generate has to write: the documents of each Service's plan, one after the other.
func byPlans(t testing.TB, services []wsmesh.Service, m wsmesh.Mesh, opts wsmesh.Options) []byte {
	t.Helper()
	var members []fleet.Member
	for _, s := range services {
		members = append(members, fleet.Member{Service: s})
	}
	return byMembers(t, &fleet.Fleet{Mesh: m, Options: opts}, members)
}

// byMembers is byPlans for members that may have options of their own.
func byMembers(t testing.TB, f *fleet.Fleet, members []fleet.Member) []byte {
	t.Helper()
	var objs []wsmesh.Object
	for _, m := range members {
		objs = append(objs, mustPlan(t, m.Service, f.Mesh, optionsOf(f, m)).Objects()...)
	}
	var b bytes.Buffer
	if err := wsmesh.WriteYAML(&b, objs...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func optionsOf(f *fleet.Fleet, m fleet.Member) wsmesh.Options {
	if m.Options != nil {
		return *m.Options
	}
	return f.Options
}

// TestGenerateIsNewPlan: over random fleets, options and options of members, on any number of cores, Generate writes what
// NewPlan and WriteYAML write, and counts the findings that the plans have.
func TestGenerateIsNewPlan(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	r := rand.New(rand.NewPCG(6, 6))
	fleets, written := 0, 0
	for range 80 {
		f := fleet.Fleet{Mesh: randomMesh(r), Options: randomOptions(r, randomService(r))}
		few := []*wsmesh.Options{nil, {}, {HTTP1: true}, {Labels: map[string]string{"a": "b"}}}
		var members []fleet.Member
		for i := range r.IntN(300) {
			svc := randomService(r)
			if r.IntN(2) == 0 {
				svc.Name = fmt.Sprintf("%s-%d", pick(r, "chat", "h2", "1"), i)
			}
			if r.IntN(10) == 0 {
				svc.Namespace = "istio-system" // the root namespace
			}
			if r.IntN(3) > 0 {
				svc.Workload = map[string]string{"app": svc.Name}
			}
			if r.IntN(5) == 0 {
				svc.Workload = map[string]string{"app": pick(r, svc.Name, "true", "1.10", "n"), pick(r, "version", "a.b/c", "track"): pick(r, "v1", "0x1F", "1e3", "on")}
			}
			m := fleet.Member{Service: svc, Options: pick(r, few...)}
			if r.IntN(20) == 0 {
				o := randomOptions(r, svc)
				m.Options = &o
			}
			members = append(members, m)
		}
		var ofMesh []string // which is said once
		for _, f := range f.Mesh.Validate() {
			ofMesh = append(ofMesh, f.Code)
		}
		// The plans that can be made, each object name once.
		seen := map[string]bool{}
		var good []fleet.Member
		want := map[string]int{}
		for _, m := range members {
			plan, err := wsmesh.NewPlan(m.Service, f.Mesh, optionsOf(&f, m))
			if err != nil {
				continue
			}
			names := []string{m.Namespace + "/" + m.Name, hostOf(plan.DestinationRule(), m.Namespace, f.Mesh)}
			for _, o := range plan.Objects() {
				names = append(names, o.String())
			}
			if slices.ContainsFunc(names, func(n string) bool { return seen[n] }) {
				continue
			}
			for _, n := range names {
				seen[n] = true
			}
			good = append(good, m)
			for _, f := range plan.Findings() {
				if !slices.Contains(ofMesh, f.Code) {
					want[f.Code]++
				}
			}
		}
		if len(good) == 0 || f.Options.Validate(f.Mesh).Err() != nil {
			continue
		}
		fleets++
		written += len(good)
		runtime.GOMAXPROCS(1 + r.IntN(4))
		var got bytes.Buffer
		f.Services = fleet.Members(good...)
		sum, err := f.Generate(context.Background(), &got)
		if err != nil {
			t.Fatalf("%v\n%v", err, good)
		}
		if plans := byMembers(t, &f, good); !bytes.Equal(got.Bytes(), plans) {
			t.Fatalf("Generate wrote\n%s\ninstead of\n%s", got.Bytes(), plans)
		}
		if sum.Services != len(good) || sum.Bytes != int64(got.Len()) {
			t.Errorf("the summary counts %d Services and %d bytes, not %d and %d", sum.Services, sum.Bytes, len(good), got.Len())
		}
		delete(sum.Codes, "WS322")
		for _, code := range ofMesh {
			want[code]++
		}
		if fmt.Sprint(sum.Codes) != fmt.Sprint(want) {
			t.Errorf("the summary counts the findings %v, not %v", sum.Codes, want)
		}
	}
	if fleets < 40 || written < 1_500 {
		t.Errorf("only %d fleets with %d Services could be planned", fleets, written)
	}
}

// TestGenerateRefuses: what is written before a refused Service is whole documents, and everything after it is only
// checked.
func TestGenerateRefuses(t *testing.T) {
	tests := []struct {
		change func([]wsmesh.Service)
		opts   wsmesh.Options
		codes  map[string]int
		before int
		reason string
	}{
		{func([]wsmesh.Service) {}, wsmesh.Options{}, map[string]int{"WS305": 200}, 200, "nothing is refused"},
		{func(s []wsmesh.Service) { s[150].Workload = nil }, wsmesh.Options{}, map[string]int{"WS305": 199, "WS503": 1}, 150, "in the middle of a batch"},
		{func(s []wsmesh.Service) { s[64].Name, s[199].Namespace = "A", "B" }, wsmesh.Options{}, map[string]int{"WS305": 198, "WS501": 1, "WS502": 1}, 64, "the first of a batch, and one more"},
		{func(s []wsmesh.Service) { s[0].Ports = []wsmesh.Port{{Number: 65536}} }, wsmesh.Options{}, map[string]int{"WS305": 199, "WS505": 1}, 0, "the very first"},
		{func(s []wsmesh.Service) { s[100] = s[3] }, wsmesh.Options{}, map[string]int{"WS305": 200, "WS320": 1}, 100, "given twice"},
		{func(s []wsmesh.Service) { s[100].Name, s[100].Namespace = s[3].Name, s[3].Namespace }, wsmesh.Options{}, map[string]int{"WS305": 200, "WS320": 1}, 100, "one name, two workloads"},
		{func(s []wsmesh.Service) { s[100].Workload = s[50].Workload }, wsmesh.Options{}, map[string]int{"WS305": 200, "WS322": 1}, 200, "the workload of an earlier Service"},
		{func(s []wsmesh.Service) { s[50].Workload = s[100].Workload }, wsmesh.Options{}, map[string]int{"WS305": 200, "WS322": 1}, 200, "the workload of a later Service"},
		{func(s []wsmesh.Service) {
			s[100].Workload = map[string]string{"app": s[50].Name, "v": "1"}
		}, wsmesh.Options{}, map[string]int{"WS305": 200, "WS322": 1}, 200, "among the pods of an earlier Service"},
		{func(s []wsmesh.Service) {
			s[50].Workload = map[string]string{"app": s[100].Name, "v": "1"}
		}, wsmesh.Options{}, map[string]int{"WS305": 200, "WS322": 1}, 200, "among the pods of a later Service"},
		{func(s []wsmesh.Service) {
			s[50].Workload = map[string]string{"a": "1", "b": "2", "v": "1"}
			s[100].Workload = map[string]string{"a": "1", "v": "1"}
		}, wsmesh.Options{}, map[string]int{"WS305": 200, "WS322": 1}, 200, "three labels and two of them"},
		{func(s []wsmesh.Service) {
			s[100].Workload = map[string]string{"a": "1", "b": "2", "v": "1"}
			s[50].Workload = map[string]string{"a": "1", "v": "1"}
		}, wsmesh.Options{}, map[string]int{"WS305": 200, "WS322": 1}, 200, "two labels and one more"},
		{func(s []wsmesh.Service) {
			s[50].Workload = map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}
			s[100].Workload = map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}
			s[150].Workload = map[string]string{"a": "1"}
		}, wsmesh.Options{}, map[string]int{"WS305": 200, "WS322": 1}, 200, "of five labels only the very same are seen"},
		{func(s []wsmesh.Service) { s[100].Workload = map[string]string{"app": "websockets-server-51"} }, wsmesh.Options{}, map[string]int{"WS305": 200}, 200, "another namespace's"},
		{func(s []wsmesh.Service) { s[100].Workload = map[string]string{"name": "websockets-server-50"} }, wsmesh.Options{}, map[string]int{"WS305": 200}, 200, "another key"},
		{func(s []wsmesh.Service) { s[100].Workload = s[50].Workload }, wsmesh.Options{HTTP1: true}, map[string]int{"WS301": 200}, 200, "no EnvoyFilters, so none that overlap"},
		{func([]wsmesh.Service) {}, wsmesh.Options{ASM: true}, map[string]int{"WS305": 200, "WS320": 150}, 50, "one filter name in a namespace"},
		{func([]wsmesh.Service) {}, wsmesh.Options{Host: "chat.example.com"}, map[string]int{"WS305": 200, "WS321": 199}, 1, "one host for all"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			services := sliceOf(200)
			tt.change(services)
			var got bytes.Buffer
			sum, err := plain(mesh("1.24.1"), tt.opts, services...).Generate(context.Background(), &got)
			if refused := tt.before < len(services); (err != nil) != refused {
				t.Errorf("the error is %v", err)
			}
			if err != nil && len(codesOf(t, err)) != len(sum.Findings.Errors()) {
				t.Errorf("the error lists %v, and the summary %v", err, sum.Findings)
			}
			if fmt.Sprint(codesOnly(sum.Codes, tt.codes)) != fmt.Sprint(tt.codes) {
				t.Errorf("the findings are %v, not %v", sum.Codes, tt.codes)
			}
			if want := byPlans(t, services[:tt.before], mesh("1.24.1"), tt.opts); !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes were written, not the %d of the %d Services before the first that is refused", got.Len(), len(want), tt.before)
			}
			if sum.Services != 200 || sum.Bytes != int64(got.Len()) {
				t.Errorf("the summary is %+v", sum)
			}
		})
	}
}

// codesOnly leaves out of counts what the plans' objects are warned of (WS1xx and WS2xx), unless want has it.
func codesOnly(counts, want map[string]int) map[string]int {
	out := map[string]int{}
	for code, n := range counts {
		if _, ok := want[code]; ok || code > "WS300" {
			out[code] = n
		}
	}
	return out
}

// TestGenerateReportsAll: everything is counted, and so much listed as a reader can make use of.
func TestGenerateReportsAll(t *testing.T) {
	n := 0
	bad := func(yield func(fleet.Member, error) bool) {
		for svc := range fleetOf(3_000) {
			if n++; n > 500 {
				svc.Workload = nil
			}
			svc.Ports = []wsmesh.Port{{Number: 8080, Name: "ws"}}
			if !yield(svc, nil) {
				return
			}
		}
	}
	sum, err := (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: bad}).Generate(context.Background(), io.Discard)
	if len(sum.Findings) != 1000 || sum.Codes["WS507"] != 500 || sum.Codes["WS503"] != 2500 {
		t.Errorf("%d findings are listed of %v", len(sum.Findings), sum.Codes)
	}
	for i, f := range sum.Findings {
		if want := fmt.Sprintf("Service team-%d/websockets-server-%d", i%50, i); f.Object != want {
			t.Fatalf("finding %d is of %s, not %s", i, f.Object, want)
		}
	}
	codes := codesOf(t, err)
	if len(codes) != 501 || codes[500] != "WS329" || !strings.Contains(err.Error(), "2000 more") {
		t.Errorf("the error lists %d findings, the last %s", len(codes), codes[len(codes)-1])
	}

	sum, err = (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: fleetOf(70_000)}).Generate(context.Background(), io.Discard)
	if err != nil || sum.Codes["WS323"] != 1 || len(sum.Findings.Warnings()) != 1 || sum.Findings[0].Object != "Service team-36/websockets-server-65536" {
		t.Errorf("for a fleet that is not wholly remembered: %v, %v", sum, err)
	}
}

func TestGenerateMesh(t *testing.T) {
	sum, err := (&fleet.Fleet{Services: fleetOf(3)}).Generate(context.Background(), io.Discard)
	if got := codesOf(t, err); len(got) != 1 || got[0] != "WS401" || sum.Codes["WS401"] != 1 || len(sum.Findings) != 1 || sum.Services != 0 {
		t.Errorf("a mesh without releases gives %v and %v", sum, err)
	}
	sum, err = (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: fleetOf(0)}).Generate(context.Background(), io.Discard)
	if err != nil || sum.Services+sum.Objects != 0 || sum.Bytes != 0 {
		t.Errorf("an empty fleet gives %v and %v", sum, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestGenerateEndsEarly: a writer that fails, a sequence that does, and a context that is cancelled.
func TestGenerateEndsEarly(t *testing.T) {
	broken := errors.New("broken")
	written := 0
	some := writerFunc(func(p []byte) (int, error) {
		if written += len(p); written > 200_000 {
			return 10, broken
		}
		return len(p), nil
	})
	sum, err := (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: fleetOf(10_000)}).Generate(context.Background(), some)
	if !errors.Is(err, broken) || sum.Objects != 256 || sum.Services == 10_000 {
		t.Errorf("a writer that fails: %v, %+v", err, sum)
	}
	short := writerFunc(func(p []byte) (int, error) { return len(p) - 1, nil })
	if _, err := (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: fleetOf(1)}).Generate(context.Background(), short); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a writer that writes too little: %v", err)
	}

	sequence := func(yield func(fleet.Member, error) bool) {
		for svc := range fleetOf(100) {
			if !yield(svc, nil) {
				return
			}
		}
		yield(fleet.Member{}, broken)
	}
	var got bytes.Buffer
	sum, err = (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: sequence}).Generate(context.Background(), &got)
	if !errors.Is(err, broken) || sum.Services != 100 || !bytes.Equal(got.Bytes(), byPlans(t, sliceOf(100), mesh("1.24.1"), wsmesh.Options{})) {
		t.Errorf("a sequence that fails: %v, %+v", err, sum)
	}

	ctx, cancel := context.WithCancel(context.Background())
	endless := func(yield func(fleet.Member, error) bool) {
		for svc := range fleetOf(1_000_000_000) {
			if svc.Name == "websockets-server-1000" {
				cancel()
			}
			if !yield(svc, nil) {
				return
			}
		}
	}
	if sum, err := (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: endless}).Generate(ctx, io.Discard); !errors.Is(err, context.Canceled) || sum.Services > 1001 {
		t.Errorf("a context that is cancelled: %v, %+v", err, sum)
	}
}

// TestGenerateKeepsNothing: the sequence may use one map for all Services.
func TestGenerateKeepsNothing(t *testing.T) {
	one := func(yield func(fleet.Member, error) bool) {
		workload := map[string]string{}
		for svc := range fleetOf(1000) {
			clear(workload)
			maps.Copy(workload, svc.Workload)
			svc.Workload = workload
			if !yield(svc, nil) {
				return
			}
		}
	}
	var got bytes.Buffer
	if _, err := (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: one}).Generate(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), byPlans(t, sliceOf(1000), mesh("1.24.1"), wsmesh.Options{})) {
		t.Error("the Services were mixed up")
	}
}

// TestGenerateManyShapes: where each Service has label keys of its own, all are planned one by one.
func TestGenerateManyShapes(t *testing.T) {
	services := sliceOf(200)
	for i := range services {
		services[i].Workload = map[string]string{fmt.Sprintf("app-%d", i): "1"}
	}
	services[7].Workload = map[string]string{"*": "x"}
	var got bytes.Buffer
	_, err := plain(mesh("1.24.1"), wsmesh.Options{}, services...).Generate(context.Background(), &got)
	if got := codesOf(t, err); len(got) != 1 || got[0] != "WS504" {
		t.Errorf("a label that selects nothing gives %v", err)
	}
	if _, err := plain(mesh("1.24.1"), wsmesh.Options{}, services[8:]...).Generate(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	if want := byPlans(t, append(services[:7:7], services[8:]...), mesh("1.24.1"), wsmesh.Options{}); strings.ReplaceAll(got.String(), "---\n", "") != strings.ReplaceAll(string(want), "---\n", "") {
		t.Error("the documents are not those of the plans")
	}
}

// hostOf returns the host as Istio resolves it, in the mesh's domain.
func hostOf(rule *destinationrule.Rule, namespace string, m wsmesh.Mesh) string {
	namespace = cmp.Or(rule.Namespace, namespace)
	host := rule.Spec.GetHost()
	if namespace != "" && !strings.Contains(host, ".") {
		host += "." + namespace + ".svc." + cmp.Or(m.ClusterDomain, "cluster.local")
	}
	return "host " + host
}

// TestGenerateKeys has Services whose workloads have as many labels as the one before, and other keys.
func TestGenerateKeys(t *testing.T) {
	services := sliceOf(40)
	for i := range services {
		name := services[i].Name
		services[i].Workload = []map[string]string{{"a": name, "b": "x"}, {"a": name, "c": "x"}, {"b": "x", "c": name}, {"c": name}, {"a": name}}[i%5]
	}
	var got bytes.Buffer
	if _, err := plain(mesh("1.24.1"), wsmesh.Options{}, services...).Generate(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), byPlans(t, services, mesh("1.24.1"), wsmesh.Options{})) {
		t.Error("the documents are not those of the plans")
	}

	// The second and the fourth select the same pods, whichever keys the Service before each has.
	services = services[:4]
	for i := range services {
		services[i].Namespace = "default"
		services[i].Workload = []map[string]string{{"a": "1", "b": "1", "c": "1", "d": "1"}, {"a": "2", "b": "2", "c": "2", "e": "2"},
			{"a": "3", "b": "3", "c": "3", "e": "3"}, {"a": "2", "b": "2", "c": "2", "e": "2"}}[i]
	}
	sum, err := plain(mesh("1.24.1"), wsmesh.Options{}, services...).Generate(context.Background(), io.Discard)
	if err != nil || sum.Codes["WS322"] != 1 {
		t.Errorf("%v, %+v", err, sum)
	}
}

func BenchmarkGenerate(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000, 100_000} {
		f := plain(mesh("1.24.1"), wsmesh.Options{}, sliceOf(n)...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Generate(context.Background(), io.Discard); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/pair")
		})
	}
}

// BenchmarkFprintf is the floor: the same bytes without looking at what goes in.
func BenchmarkFprintf(b *testing.B) {
	services := sliceOf(100_000)
	b.ReportAllocs()
	for b.Loop() {
		w := bufio.NewWriter(io.Discard)
		for i := range services {
			s := &services[i]
			fmt.Fprintf(w, fprintfPair, s.Name, s.Namespace, s.Workload["app"], s.Name, s.Namespace, s.Name, s.Namespace)
		}
		w.Flush()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(services)), "ns/pair")
}

const fprintfPair = `---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: %s-allow-connect
  namespace: %s
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      context: SIDECAR_INBOUND
      listener:
        filterChain:
          filter:
            name: envoy.filters.network.http_connection_manager
    patch:
      operation: MERGE
      value:
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          http2_protocol_options:
            allow_connect: true
  workloadSelector:
    labels:
      app: %s
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: %s
  namespace: %s
spec:
  host: %s.%s.svc.cluster.local
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
`
