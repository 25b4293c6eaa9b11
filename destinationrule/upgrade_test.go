// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	networking "istio.io/api/networking/v1alpha3"
)

func TestUpgradePolicyString(t *testing.T) {
	for p, want := range map[UpgradePolicy]string{
		UpgradeDefault: "DEFAULT", DoNotUpgrade: "DO_NOT_UPGRADE", Upgrade: "UPGRADE", 3: "UpgradePolicy(3)", -1: "UpgradePolicy(-1)",
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWithH2Upgrade(t *testing.T) {
	for _, tt := range []struct {
		reason   string
		policy   UpgradePolicy
		in, want string
	}{
		{
			"a rule without a policy gets one", Upgrade,
			`{host: a.b.svc}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`,
		}, {
			"what is there stays", DoNotUpgrade,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, connectionPool: {tcp: {maxConnections: 5}, http: {maxRetries: 3, h2UpgradePolicy: UPGRADE}}}}`,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, connectionPool: {tcp: {maxConnections: 5}, http: {maxRetries: 3, h2UpgradePolicy: DO_NOT_UPGRADE}}}}`,
		}, {
			"a port level inherits nothing, whether it has a pool or not", Upgrade,
			`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}, {port: {number: 81}, connectionPool: {tcp: {maxConnections: 5}}}]}}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [
				{port: {number: 80}, tls: {}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}},
				{port: {number: 81}, connectionPool: {tcp: {maxConnections: 5}, http: {h2UpgradePolicy: UPGRADE}}}]}}`,
		}, {
			"a subset loses it by a pool of its own alone", Upgrade,
			`{host: a.b.svc, subsets: [{name: none}, {name: other, trafficPolicy: {tls: {}}}, {name: pool, trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}}}]}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}, subsets: [{name: none}, {name: other, trafficPolicy: {tls: {}}},
				{name: pool, trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}, http: {h2UpgradePolicy: UPGRADE}}}}]}`,
		}, {
			"a port level inside a subset, whose other ports go on inheriting", Upgrade,
			`{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}]}}]}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}, subsets: [
				{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}]}`,
		}, {
			"removed, with all that held nothing else", UpgradeDefault,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]},
				subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}, portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}]}`,
			`{host: a.b.svc, subsets: [{name: v1}]}`,
		}, {
			"removed, and other settings stay", UpgradeDefault,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}, http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [
				{port: {number: 80}, tls: {}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}},
				{port: {number: 81}, connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxRetries: 3}}}]}}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}, portLevelSettings: [
				{port: {number: 80}, tls: {}},
				{port: {number: 81}, connectionPool: {http: {maxRetries: 3}}}]}}`,
		}, {
			"a port level that keeps its port from the destination's TLS stays", UpgradeDefault,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}`,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, connectionPool: {http: {}}}]}}`,
		}, {
			"a subset's pool that keeps it from the destination's pool stays", UpgradeDefault,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}}, subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}]}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}}, subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {}}}}]}`,
		}, {
			"a subset's pool goes where the destination has other settings, which it inherits anyway", UpgradeDefault,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE}}, subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}]}`,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: SIMPLE}}, subsets: [{name: v1}]}`,
		}, {
			"a subset's port level that keeps its port from the subset's TLS stays", UpgradeDefault,
			`{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}]}`,
			`{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, connectionPool: {http: {}}}]}}]}`,
		}, {
			"what was empty before is left alone", UpgradeDefault,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {}, tcp: {}}}}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {}, tcp: {}}}}`,
		}, {
			"useClientProtocol stands in the way of UPGRADE alone", DoNotUpgrade,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: DO_NOT_UPGRADE}}}}`,
		},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			r := plain()
			r.Spec = parseSpec(t, tt.in)
			r.Labels, r.Annotations = map[string]string{"a": "b"}, map[string]string{"c": "d"}
			got, err := r.WithH2Upgrade(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parseSpec(t, tt.want), got.Spec, protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			got.Spec, r.Spec = nil, nil
			if diff := cmp.Diff(r, got); diff != "" {
				t.Errorf("metadata, -want +got:\n%s", diff)
			}
		})
	}
}

func TestWithH2UpgradeRefuses(t *testing.T) {
	for _, tt := range []struct{ reason, in, want string }{
		{"the destination", `{host: a.b.svc, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}`, "spec.trafficPolicy.connectionPool.http.useClientProtocol"},
		{"a port", `{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {useClientProtocol: true}}}]}}`, "spec.trafficPolicy.portLevelSettings[0].connectionPool.http.useClientProtocol"},
		{"a subset", `{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}]}`, "spec.subsets[0].trafficPolicy.connectionPool.http.useClientProtocol"},
		{"a port of a subset", `{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {useClientProtocol: true}}}]}}]}`, "spec.subsets[0].trafficPolicy.portLevelSettings[0].connectionPool.http.useClientProtocol"},
		{"what was wrong before", `{host: a_b.svc}`, "spec.host"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			r := plain()
			r.Spec = parseSpec(t, tt.in)
			got, err := r.WithH2Upgrade(Upgrade)
			if got != nil || err == nil || !strings.Contains(err.Error(), " DestinationRule default/websockets-server "+tt.want+": ") {
				t.Errorf("got %v, %v; want an error at %s", got, err, tt.want)
			}
		})
	}
	// An entry that says nothing is refused by Istio, so it is not silently dropped either.
	r := plain()
	r.Spec = parseSpec(t, `{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}}`)
	if got, err := r.WithH2Upgrade(UpgradeDefault); got != nil || err == nil || !strings.Contains(err.Error(), "WS122") {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestWithH2UpgradeAgainstInheritance applies Istio's inheritance, as effective has it, to random rules: with the
// policy, every port of every subset has it and keeps all its other settings, and no place has it in vain; without,
// none has it and all keep the rest.
func TestWithH2UpgradeAgainstInheritance(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 3000 {
		r := plain()
		r.Spec = randomInheritance(random)
		for _, p := range []UpgradePolicy{UpgradeDefault, DoNotUpgrade, Upgrade} {
			out, err := r.WithH2Upgrade(p)
			if err != nil {
				t.Fatalf("%v: %v", r.Spec, err)
			}
			checkEverywhere(t, r.Spec, out.Spec, p)
			if p == UpgradeDefault {
				again, err := out.WithH2Upgrade(p)
				if err != nil || !proto.Equal(again.Spec, out.Spec) {
					t.Fatalf("a second time: %v, %v, then %v", err, out.Spec, again)
				}
				continue
			}
			for i, pool := range poolsWith(out.Spec, p) {
				if i == 0 {
					continue // the destination level itself
				}
				pool.Http.H2UpgradePolicy = networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
				if everywhere(out.Spec, p) {
					t.Fatalf("place %d has the policy in vain: %v", i, out.Spec)
				}
				pool.Http.H2UpgradePolicy = h2UpgradePolicy(p)
			}
		}
	}
}

func checkEverywhere(t *testing.T, before, after *networking.DestinationRule, p UpgradePolicy) {
	t.Helper()
	if !everywhere(after, p) {
		t.Fatalf("%v is not everywhere in %v", p, after)
	}
	for subset := range len(before.GetSubsets()) + 1 {
		for _, port := range []uint32{80, 81, 82} {
			want, got := rest(effective(before, subset, port)), rest(effective(after, subset, port))
			if !proto.Equal(want, got) {
				t.Fatalf("%v changed port %d of subset %d from %v to %v:\n%v\n%v", p, port, subset, want, got, before, after)
			}
		}
	}
}

func everywhere(spec *networking.DestinationRule, p UpgradePolicy) bool {
	for subset := range len(spec.GetSubsets()) + 1 {
		for _, port := range []uint32{80, 81, 82} {
			if policyOf(effective(spec, subset, port).GetConnectionPool()) != h2UpgradePolicy(p) {
				return false
			}
		}
	}
	return true
}

// effective is what istiod applies to a port of a subset, counted from 1; 0 is the destination without a subset.
func effective(spec *networking.DestinationRule, subset int, port uint32) *networking.TrafficPolicy {
	general, _ := atPort(spec.GetTrafficPolicy(), port)
	if subset == 0 || spec.GetSubsets()[subset-1].GetTrafficPolicy() == nil {
		return general
	}
	own, whole := atPort(spec.GetSubsets()[subset-1].GetTrafficPolicy(), port)
	if own.GetConnectionPool() != nil || whole {
		general.ConnectionPool = own.GetConnectionPool()
	}
	if own.GetLoadBalancer() != nil || whole {
		general.LoadBalancer = own.GetLoadBalancer()
	}
	if own.GetOutlierDetection() != nil || whole {
		general.OutlierDetection = own.GetOutlierDetection()
	}
	if own.GetTls() != nil || whole {
		general.Tls = own.GetTls()
	}
	if own.GetRetryBudget() != nil {
		general.RetryBudget = own.GetRetryBudget()
	}
	return general
}

// atPort returns a copy of what the policy says for the port, and whether that comes from a port level.
func atPort(policy *networking.TrafficPolicy, port uint32) (*networking.TrafficPolicy, bool) {
	for _, s := range policy.GetPortLevelSettings() {
		if s.GetPort().GetNumber() == port {
			return proto.CloneOf(&networking.TrafficPolicy{ConnectionPool: s.GetConnectionPool(), LoadBalancer: s.GetLoadBalancer(), OutlierDetection: s.GetOutlierDetection(), Tls: s.GetTls()}), true
		}
	}
	if policy == nil {
		return &networking.TrafficPolicy{}, false
	}
	out := proto.CloneOf(policy)
	out.PortLevelSettings = nil
	return out, false
}

// rest is a policy without h2UpgradePolicy, and without a pool that sets nothing else.
func rest(policy *networking.TrafficPolicy) *networking.TrafficPolicy {
	if pool := policy.GetConnectionPool(); pool != nil {
		if pool.GetHttp() != nil {
			pool.Http.H2UpgradePolicy = networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
			if proto.Size(pool.GetHttp()) == 0 {
				pool.Http = nil
			}
		}
		if proto.Size(pool) == 0 {
			policy.ConnectionPool = nil
		}
	}
	return policy
}

func poolsWith(spec *networking.DestinationRule, p UpgradePolicy) []*networking.ConnectionPoolSettings {
	var pools []*networking.ConnectionPoolSettings
	add := func(pool *networking.ConnectionPoolSettings) {
		if policyOf(pool) == h2UpgradePolicy(p) {
			pools = append(pools, pool)
		}
	}
	policies := []*networking.TrafficPolicy{spec.GetTrafficPolicy()}
	for _, s := range spec.GetSubsets() {
		policies = append(policies, s.GetTrafficPolicy())
	}
	for _, policy := range policies {
		add(policy.GetConnectionPool())
		for _, s := range policy.GetPortLevelSettings() {
			add(s.GetConnectionPool())
		}
	}
	return pools
}

// randomInheritance returns a good spec whose blocks stand at random levels.
func randomInheritance(random *rand.Rand) *networking.DestinationRule {
	spec := &networking.DestinationRule{Host: "a.b.svc", TrafficPolicy: randomPolicy(random)}
	for i := range random.Intn(3) {
		spec.Subsets = append(spec.Subsets, &networking.Subset{Name: fmt.Sprintf("v%d", i), TrafficPolicy: randomPolicy(random)})
	}
	return spec
}

func randomPolicy(random *rand.Rand) *networking.TrafficPolicy {
	policy := &networking.TrafficPolicy{ConnectionPool: randomPool(random), Tls: randomTLS(random)}
	if random.Intn(4) == 0 {
		policy.RetryBudget = &networking.TrafficPolicy_RetryBudget{MinRetryConcurrency: uint32(1 + random.Intn(9))}
	}
	for _, port := range []uint32{80, 81} {
		s := &networking.TrafficPolicy_PortTrafficPolicy{Port: &networking.PortSelector{Number: port}, ConnectionPool: randomPool(random), Tls: randomTLS(random)}
		if random.Intn(2) == 0 && (s.GetConnectionPool() != nil || s.GetTls() != nil) {
			policy.PortLevelSettings = append(policy.PortLevelSettings, s)
		}
	}
	if proto.Size(policy) == 0 {
		return nil
	}
	return policy
}

func randomTLS(random *rand.Rand) *networking.ClientTLSSettings {
	if random.Intn(3) > 0 {
		return nil
	}
	return &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_SIMPLE, Sni: fmt.Sprintf("sni%d", random.Intn(99))}
}

func randomPool(random *rand.Rand) *networking.ConnectionPoolSettings {
	pool := &networking.ConnectionPoolSettings{}
	if random.Intn(2) == 0 {
		pool.Http = &networking.ConnectionPoolSettings_HTTPSettings{H2UpgradePolicy: h2UpgradePolicy(random.Intn(3))}
		if random.Intn(3) == 0 {
			pool.Http.MaxRetries = int32(1 + random.Intn(9))
		}
	}
	if random.Intn(3) == 0 {
		pool.Tcp = &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: int32(random.Intn(3))}
	}
	if pool.GetHttp() == nil && pool.GetTcp() == nil {
		return nil
	}
	return pool
}
