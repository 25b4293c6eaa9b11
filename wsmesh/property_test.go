// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// input is everything a plan is made from, so that a test can look whether any of it changed.
type input struct {
	svc  wsmesh.Service
	mesh wsmesh.Mesh
	opts wsmesh.Options
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// randomInput draws mostly good input, and bad input now and then.
func randomInput(r *rand.Rand) *input {
	name := pick(r, "a", "websockets-server", "chat-1", "true", "1", "null", strings.Repeat("n", 63))
	in := &input{
		svc: wsmesh.Service{
			Name:      name,
			Namespace: pick(r, "", "default", "prod", "on"),
			Workload:  map[string]string{pick(r, "app", "app.kubernetes.io/name"): pick(r, name, "yes", "1.10", "x_y.z")},
			Ports: pick(r, nil, []wsmesh.Port{{Number: 8080}}, []wsmesh.Port{{Number: 80, TargetPort: 8080, Name: "http"}}, []wsmesh.Port{{Number: 443, Name: "http-ws"}},
				[]wsmesh.Port{{Number: 80, Name: "ws"}}, []wsmesh.Port{{Number: 80, Name: "grpc-x"}}, []wsmesh.Port{{Number: 80, AppProtocol: "kubernetes.io/ws"}}, []wsmesh.Port{{Number: 80, Name: "tcp", AppProtocol: "http"}},
				[]wsmesh.Port{{Number: 8080, Name: "http-a"}, {Number: 8081, Name: "http-b"}}, []wsmesh.Port{{Number: 9090, Name: "grpc"}, {Number: 8080, Name: "http"}},
				[]wsmesh.Port{{Number: 8080, Name: "http"}, {Number: 8081, Name: "ws"}, {Number: 8082, Name: "x", AppProtocol: "kubernetes.io/ws"}},
				[]wsmesh.Port{{Number: 8080, Name: "tcp"}, {Number: 8081, Name: "grpc"}}, []wsmesh.Port{{Number: 8080, Name: "http"}, {Number: 8080}}),
			Ambient:   r.IntN(8) == 0,
			NoSidecar: r.IntN(8) == 0,
		},
	}
	if r.IntN(20) == 0 {
		in.svc.Workload = pick(r, nil, map[string]string{"*": "x"}, map[string]string{"app": ""})
	}
	if r.IntN(20) == 0 {
		in.svc.Name = pick(r, "", "A", "a\nb", "a.b", "\xff")
	}
	for range r.IntN(4) {
		in.mesh.ControlPlanes = append(in.mesh.ControlPlanes, randomRelease(r))
	}
	for range r.IntN(4) {
		in.mesh.Proxies = append(in.mesh.Proxies, randomRelease(r))
	}
	in.mesh.ClusterDomain = pick(r, "", "", "corp.example")
	sometimes := func(n int, set func()) {
		if r.IntN(n) == 0 {
			set()
		}
	}
	sometimes(3, func() { in.opts.Base = randomBase(r, in) })
	sometimes(5, func() { in.opts.ASM = true })
	sometimes(5, func() { in.opts.HTTP1 = true })
	sometimes(5, func() { in.opts.ByPods = true })
	sometimes(5, func() { in.opts.Labels = map[string]string{"team": pick(r, "a", "0x1F", "1e3")} })
	sometimes(5, func() {
		in.opts.Annotations = map[string]string{"example.com/note": pick(r, "", "a: b", "# no comment", "two\nlines", "~", "  ", "ü")}
	})
	sometimes(5, func() {
		in.opts.Gateways = []wsmesh.Gateway{{Namespace: pick(r, "istio-ingress", "default"), Workload: map[string]string{"istio": "ingressgateway"}}}
	})
	sometimes(5, func() { in.opts.Host = pick(r, "*.example.com", "a.b.c", "short") })
	sometimes(5, func() { in.opts.ProxyVersion = pick(r, ">=1.0", ">=1.12.0", "1.24.x", ">=1.12, <1.20") })
	sometimes(5, func() { in.opts.MinimumRelease = randomRelease(r) })
	sometimes(5, func() { in.opts.APIVersion = pick(r, "networking.istio.io/v1", "networking.istio.io/v1beta1") })
	return in
}

func randomRelease(r *rand.Rand) version.Release {
	return version.MustParse(fmt.Sprintf("%s1.%d.%d%s", pick(r, "", "v"), pick(r, 4, 10, 11, 12, 13, 20, 21, 22, 24, 27, 30, 31), r.IntN(10), pick(r, "", "-asm.3", "-rc.0", "-distroless")))
}

func randomBase(r *rand.Rand, in *input) *destinationrule.Rule {
	rule := &destinationrule.Rule{Name: pick(r, "", "base"), Namespace: in.svc.Namespace, Labels: map[string]string{"owner": "x"}, Spec: &networking.DestinationRule{Host: pick(r, in.svc.Name, in.svc.Name, "other")}}
	pool := func() *networking.ConnectionPoolSettings {
		return &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: 1 + r.Int32N(9)},
			Http: &networking.ConnectionPoolSettings_HTTPSettings{MaxRetries: r.Int32N(3), UseClientProtocol: r.IntN(10) == 0,
				H2UpgradePolicy: pick(r, networking.ConnectionPoolSettings_HTTPSettings_DEFAULT, networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE, networking.ConnectionPoolSettings_HTTPSettings_UPGRADE)}}
	}
	if r.IntN(2) == 0 {
		rule.Spec.TrafficPolicy = &networking.TrafficPolicy{ConnectionPool: pool()}
		if r.IntN(2) == 0 {
			rule.Spec.TrafficPolicy.PortLevelSettings = []*networking.TrafficPolicy_PortTrafficPolicy{{Port: &networking.PortSelector{Number: 8080}, ConnectionPool: pool()}}
		}
	}
	if r.IntN(2) == 0 {
		rule.Spec.Subsets = []*networking.Subset{{Name: "v1", Labels: map[string]string{"v": "1"}, TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: pool()}}, {Name: "v2"}}
	}
	return rule
}

// TestPairInvariant: UPGRADE never comes out without its EnvoyFilter, no EnvoyFilter comes out with DO_NOT_UPGRADE, and
// each port of each subset has the policy that the decision says.
func TestPairInvariant(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 12))
	made := map[destinationrule.UpgradePolicy]int{}
	for range 20_000 {
		in := randomInput(r)
		plan, err := wsmesh.NewPlan(in.svc, in.mesh, in.opts)
		if err != nil {
			if plan != nil {
				t.Fatalf("a plan beside the error %v", err)
			}
			continue
		}
		policy := plan.Decision().Policy
		made[policy]++
		checkPair(t, plan)
		checkStages(t, plan)
		if errs := plan.Findings().Errors(); len(errs) > 0 {
			t.Fatalf("a plan with errors: %v", errs)
		}
		if policy == destinationrule.Upgrade && plan.Decision().Oldest.Compare(version.MustParse("1.4")) < 0 {
			t.Fatalf("UPGRADE at %v", plan.Decision().Oldest)
		}
	}
	if made[destinationrule.Upgrade] < 1000 || made[destinationrule.DoNotUpgrade] < 1000 || len(made) != 2 {
		t.Errorf("the random input makes too few plans of a kind to show anything: %v", made)
	}
}

func checkPair(t testing.TB, plan *wsmesh.Plan) {
	t.Helper()
	policy, filters := plan.Decision().Policy, plan.EnvoyFilters()
	want := networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE
	if policy == destinationrule.Upgrade {
		want = networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
	}
	if (len(filters) > 0) != (policy == destinationrule.Upgrade) {
		t.Fatalf("%v with %d EnvoyFilters", policy, len(filters))
	}
	for _, f := range filters {
		if len(f.Spec.GetWorkloadSelector().GetLabels()) == 0 {
			t.Fatalf("%s selects everything", f)
		}
		v := f.Spec.GetConfigPatches()[0].GetPatch().GetValue().GetFields()["typed_config"].GetStructValue().GetFields()["http2_protocol_options"].GetStructValue()
		if !v.GetFields()["allow_connect"].GetBoolValue() {
			t.Fatalf("%s does not set allow_connect", f)
		}
	}
	rule := plan.DestinationRule().Spec
	ports := plan.Decision().Ports
	if len(ports) == 0 {
		ports = []wsmesh.PortDecision{{Policy: policy}} // any port
	}
	upgraded := 0
	for _, p := range ports {
		if p.Policy == destinationrule.Upgrade {
			upgraded++
		}
	}
	if (upgraded > 0) != (policy == destinationrule.Upgrade) {
		t.Fatalf("%v, and %d ports are upgraded", policy, upgraded)
	}
	for subset := range len(rule.GetSubsets()) + 1 {
		for _, p := range ports {
			got := effectivePolicy(rule, subset, p.Port.Number)
			if all := upgraded == 0 || upgraded == len(ports); all && got != want {
				t.Fatalf("port %d of subset %d has %v beside the decision %v:\n%v", p.Port.Number, subset, got, policy, rule)
			}
			if up := got == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE; up != (p.Policy == destinationrule.Upgrade) {
				t.Fatalf("port %d of subset %d has %v, decided was %v:\n%v", p.Port.Number, subset, got, p.Policy, rule)
			}
		}
	}
}

// checkStages: a filter is applied before the rule that says UPGRADE, and deleted after the rule that takes it back; with
// Options.ByPods the pods are rolled out in between.
func checkStages(t testing.TB, plan *wsmesh.Plan) {
	t.Helper()
	if plan.Decision().Policy != destinationrule.Upgrade {
		return
	}
	up, back := plan.Stages(), plan.Rollback()
	if len(up) != len(back) || len(up[0].Apply) != len(plan.EnvoyFilters()) || len(back[len(back)-1].Delete) != len(up[0].Apply) {
		t.Fatalf("stages %v, rollback %v", up, back)
	}
	byPods := plan.EnvoyFilters()[0].Spec.GetWorkloadSelector().GetLabels()[wsmesh.AllowConnectLabel] == "true"
	if want := 2; byPods && len(up) != want+1 || !byPods && len(up) != want {
		t.Fatalf("%d stages, by pods: %v", len(up), byPods)
	}
	rule := back[0].Apply[0].(*destinationrule.Rule)
	for subset := range len(rule.Spec.GetSubsets()) + 1 {
		for _, p := range plan.Decision().Ports {
			if effectivePolicy(rule.Spec, subset, p.Port.Number) == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
				t.Fatalf("the way back leaves UPGRADE for port %d:\n%v", p.Port.Number, rule.Spec)
			}
		}
	}
	if f := rule.Validate().Errors(); len(f) > 0 {
		t.Fatalf("the way back is refused: %v", f)
	}
}

// effectivePolicy is what istiod takes for a port of a subset, counted from 1, or of no subset: a port level replaces all
// of its level, and the connectionPool of a subset that of the destination (istio/istio pilot/pkg/networking/util,
// MergeSubsetTrafficPolicy).
func effectivePolicy(spec *networking.DestinationRule, subset int, port uint32) networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy {
	at := func(policy *networking.TrafficPolicy) (*networking.ConnectionPoolSettings, bool) {
		for _, p := range policy.GetPortLevelSettings() {
			if p.GetPort().GetNumber() == port {
				return p.GetConnectionPool(), true
			}
		}
		return policy.GetConnectionPool(), false
	}
	pool, _ := at(spec.GetTrafficPolicy())
	if subset > 0 {
		if own, level := at(spec.GetSubsets()[subset-1].GetTrafficPolicy()); level || own != nil {
			pool = own
		}
	}
	return pool.GetHttp().GetH2UpgradePolicy()
}

// TestInputIsNeitherKeptNorChanged: a plan neither changes what it was made from nor sees it change afterwards.
func TestInputIsNeitherKeptNorChanged(t *testing.T) {
	for seed := range uint64(2_000) {
		in, same := randomInput(rand.New(rand.NewPCG(seed, 0))), randomInput(rand.New(rand.NewPCG(seed, 0)))
		plan, err := wsmesh.NewPlan(in.svc, in.mesh, in.opts)
		opt := []cmp.Option{protocmp.Transform(), cmp.Comparer(func(a, b version.Release) bool { return a.Original() == b.Original() })}
		for what, pair := range map[string][2]any{
			"service": {in.svc, same.svc}, "mesh": {in.mesh, same.mesh}, "options": {in.opts, same.opts},
		} {
			if diff := cmp.Diff(pair[1], pair[0], opt...); diff != "" {
				t.Fatalf("seed %d: the %s changed:\n%s", seed, what, diff)
			}
		}
		if err != nil {
			continue
		}
		before, explained := planYAML(t, plan), explanation(t, plan)
		maps := []map[string]string{in.svc.Workload, in.opts.Labels, in.opts.Annotations}
		for _, g := range in.opts.Gateways {
			maps = append(maps, g.Workload)
		}
		for _, m := range maps {
			for k := range m {
				m[k] = "changed"
			}
		}
		clear(in.mesh.ControlPlanes)
		clear(in.mesh.Proxies)
		clear(in.svc.Ports)
		clear(in.opts.Gateways)
		if base := in.opts.Base; base != nil {
			base.Labels["owner"] = "changed"
			base.Spec.Host = "changed"
			base.Spec.TrafficPolicy = nil
			base.Spec.Subsets = nil
		}
		if after := planYAML(t, plan); after != before {
			t.Fatalf("seed %d: the plan saw its input change:\n%s", seed, cmp.Diff(before, after))
		}
		if after := explanation(t, plan); after != explained {
			t.Fatalf("seed %d: the explanation saw its input change:\n%s", seed, cmp.Diff(explained, after))
		}
	}
}

func explanation(t testing.TB, plan *wsmesh.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := plan.Explain(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSameInputSameBytes: 1,000 runs, on one processor and on eight.
func TestSameInputSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	once := func() string {
		labels := map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}
		svc := server()
		svc.Workload = labels
		plan := mustPlan(t, svc, mesh("1.24.1", "1.31.0"), wsmesh.Options{Labels: labels, Annotations: labels, Base: baseRule(), Gateways: []wsmesh.Gateway{{Namespace: "istio-ingress", Workload: labels}}})
		return planYAML(t, plan) + explanation(t, plan)
	}
	want := once()
	for _, procs := range []int{1, 8} {
		runtime.GOMAXPROCS(procs)
		results := concurrently(500, once)
		for got := range results {
			if got != want {
				t.Fatalf("GOMAXPROCS %d:\n%s", procs, cmp.Diff(want, got))
			}
		}
	}
}

// concurrently runs f n times, several at once.
func concurrently(n int, f func() string) <-chan string {
	out := make(chan string, n)
	done := make(chan struct{})
	const workers = 4
	for range workers {
		go func() {
			for range n / workers {
				out <- f()
			}
			done <- struct{}{}
		}()
	}
	go func() {
		for range workers {
			<-done
		}
		close(out)
	}()
	return out
}

// FuzzNewPlan: whatever strings come in, there is a plan that holds together or an error with findings.
func FuzzNewPlan(f *testing.F) {
	f.Add("websockets-server", "default", "app", "websockets-server", "http-ws", "", "", "", uint32(8080))
	f.Add("a\nb", "*", "", "*", "ws", "kubernetes.io/ws", "svc.ns", ">=1.12", uint32(1<<31))
	f.Fuzz(func(t *testing.T, name, namespace, key, value, portName, appProtocol, host, constraint string, port uint32) {
		svc := wsmesh.Service{Name: name, Namespace: namespace, Workload: map[string]string{key: value}, Ports: []wsmesh.Port{{Number: port, Name: portName, AppProtocol: appProtocol}}}
		labels := map[string]string{key: value}
		plan, err := wsmesh.NewPlan(svc, mesh("1.24.1"), wsmesh.Options{
			Host: host, ProxyVersion: constraint, Labels: labels, Annotations: labels,
			Gateways: []wsmesh.Gateway{{Namespace: namespace, Workload: labels}},
		})
		if err != nil {
			if len(codesOf(t, err)) == 0 {
				t.Fatalf("no findings in %v", err)
			}
			return
		}
		checkPair(t, plan)
		for i, doc := range strings.Split(planYAML(t, plan), "\n---\n") {
			var err error
			if strings.Contains(doc, "kind: EnvoyFilter\n") {
				_, err = envoyfilter.Parse([]byte(doc))
			} else {
				_, err = destinationrule.Parse([]byte(doc))
			}
			if err != nil {
				t.Fatalf("document %d is not read back: %v\n%s", i, err, doc)
			}
		}
	})
}
