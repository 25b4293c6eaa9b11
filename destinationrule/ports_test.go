// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"errors"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

func TestWithPortH2Upgrade(t *testing.T) {
	for _, tt := range []struct {
		reason   string
		policy   UpgradePolicy
		ports    []uint32
		in, want string
	}{
		{
			"a rule without a policy gets an entry", Upgrade, []uint32{80},
			`{host: a.b.svc}`,
			`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}`,
		}, {
			"an entry repeats what the destination level sets", Upgrade, []uint32{80, 81},
			`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}, outlierDetection: {consecutive5xxErrors: 5}, connectionPool: {tcp: {maxConnections: 5}}}}`,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}, outlierDetection: {consecutive5xxErrors: 5}, connectionPool: {tcp: {maxConnections: 5}}, portLevelSettings: [
				{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}, outlierDetection: {consecutive5xxErrors: 5}, connectionPool: {tcp: {maxConnections: 5}, http: {h2UpgradePolicy: UPGRADE}}},
				{port: {number: 81}, tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}, outlierDetection: {consecutive5xxErrors: 5}, connectionPool: {tcp: {maxConnections: 5}, http: {h2UpgradePolicy: UPGRADE}}}]}}`,
		}, {
			"an entry that is there keeps its settings, and takes none from the destination", Upgrade, []uint32{80},
			`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 5}}}]}}`,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 5}, http: {h2UpgradePolicy: UPGRADE}}}]}}`,
		}, {
			"no other port is upgraded any more", Upgrade, []uint32{80},
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}, portLevelSettings: [{port: {number: 81}, connectionPool: {http: {maxRetries: 3, h2UpgradePolicy: UPGRADE}}}]},
				subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 81}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}]}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}, portLevelSettings: [
				{port: {number: 81}, connectionPool: {http: {maxRetries: 3, h2UpgradePolicy: DO_NOT_UPGRADE}}},
				{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]},
				subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 81}, connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}]}}]}`,
		}, {
			"a subset without a pool inherits the entry", Upgrade, []uint32{80},
			`{host: a.b.svc, subsets: [{name: none}, {name: other, trafficPolicy: {tls: {}}}]}`,
			`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}, subsets: [{name: none}, {name: other, trafficPolicy: {tls: {}}}]}`,
		}, {
			"a subset with a pool gets an entry that repeats what holds in it", Upgrade, []uint32{80},
			`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}}, subsets: [{name: v1, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {tcp: {maxConnections: 5}}}}]}`,
			`{host: a.b.svc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}, portLevelSettings: [
				{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}, subsets: [{name: v1, trafficPolicy: {
				loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {tcp: {maxConnections: 5}}, portLevelSettings: [
				{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {tcp: {maxConnections: 5}, http: {h2UpgradePolicy: UPGRADE}}}]}}]}`,
		}, {
			"an entry of a subset gets the policy", Upgrade, []uint32{80},
			`{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}]}}]}`,
			`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]},
				subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}]}`,
		}, {
			"the way back touches the ports alone", DoNotUpgrade, []uint32{80},
			`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}`,
			`{host: a.b.svc, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}]}}`,
		}, {
			"no port at all: nothing says UPGRADE", Upgrade, nil,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`,
			`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}}`,
		}, {
			"no port and no policy: nothing is added", Upgrade, nil, `{host: a.b.svc}`, `{host: a.b.svc}`,
		}, {
			"a setting that no port level holds stays where no port gets a new entry", Upgrade, []uint32{80},
			`{host: a.b.svc, trafficPolicy: {retryBudget: {minRetryConcurrency: 3}, portLevelSettings: [{port: {number: 80}, tls: {}}]}}`,
			`{host: a.b.svc, trafficPolicy: {retryBudget: {minRetryConcurrency: 3}, portLevelSettings: [{port: {number: 80}, tls: {}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]}}`,
		},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			r := plain()
			r.Spec = parseSpec(t, tt.in)
			got, err := r.WithPortH2Upgrade(tt.policy, tt.ports...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parseSpec(t, tt.want), got.Spec, protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(parseSpec(t, tt.in), r.Spec, protocmp.Transform()); diff != "" {
				t.Errorf("the rule itself changed:\n%s", diff)
			}
		})
	}
}

func TestWithPortH2UpgradeRefuses(t *testing.T) {
	for _, tt := range []struct {
		reason, in string
		policy     UpgradePolicy
		ports      []uint32
		want       string // in the error
	}{
		{"port 0", `{host: a.b.svc}`, Upgrade, []uint32{0}, "WS142 DestinationRule default/websockets-server spec.trafficPolicy.portLevelSettings[0].port.number: "},
		{"a port given twice", `{host: a.b.svc}`, Upgrade, []uint32{80, 80}, "WS143"},
		{"no policy", `{host: a.b.svc}`, UpgradeDefault, []uint32{80}, "WS144"},
		{"a policy that is none", `{host: a.b.svc}`, 7, []uint32{80}, "UpgradePolicy(7)"},
		{"useClientProtocol", `{host: a.b.svc, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}`, Upgrade, []uint32{80},
			"spec.trafficPolicy.portLevelSettings[0].connectionPool.http.useClientProtocol: "},
		{"a tunnel", `{host: a.b.svc, trafficPolicy: {tunnel: {targetHost: a, targetPort: 80}}}`, Upgrade, []uint32{80},
			"WS149 DestinationRule default/websockets-server spec.trafficPolicy.tunnel: "},
		{"the PROXY protocol", `{host: a.b.svc, trafficPolicy: {proxyProtocol: {version: V2}}}`, Upgrade, []uint32{80}, "spec.trafficPolicy.proxyProtocol: "},
		{"a subset's retry budget", `{host: a.b.svc, subsets: [{name: v1, trafficPolicy: {retryBudget: {minRetryConcurrency: 3}, connectionPool: {tcp: {maxConnections: 5}}}}]}`,
			Upgrade, []uint32{80}, "spec.subsets[0].trafficPolicy.retryBudget: "},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			r := plain()
			r.Spec = parseSpec(t, tt.in)
			got, err := r.WithPortH2Upgrade(tt.policy, tt.ports...)
			if got != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want an error with %q", got, err, tt.want)
			}
		})
	}
	for _, r := range []*Rule{nil, {}} {
		if got, err := r.WithPortH2Upgrade(Upgrade, 80); got != nil || err == nil {
			t.Errorf("of %v: %v, %v", r, got, err)
		}
	}
}

// TestWithPortH2UpgradeAgainstInheritance applies Istio's inheritance to random rules: the ports have the policy in every
// subset, no other port is upgraded in any, and all of them keep every other setting.
func TestWithPortH2UpgradeAgainstInheritance(t *testing.T) {
	random := rand.New(rand.NewSource(2))
	made := 0
	for range 3000 {
		r := plain()
		r.Spec = randomInheritance(random)
		before := proto.CloneOf(r.Spec)
		ports := [][]uint32{{80}, {82}, {81, 82}, {80, 81, 82}}[random.Intn(4)]
		p := []UpgradePolicy{DoNotUpgrade, Upgrade}[random.Intn(2)]
		out, err := r.WithPortH2Upgrade(p, ports...)
		if !proto.Equal(before, r.Spec) {
			t.Fatalf("the rule itself changed from %v to %v", before, r.Spec)
		}
		if err != nil {
			var e *finding.Error
			if !errors.As(err, &e) || slices.ContainsFunc(e.Findings, func(f finding.Finding) bool { return !finding.Is(f, PortLevelLosesSetting) }) {
				t.Fatalf("%v: %v", r.Spec, err)
			}
			continue
		}
		made++
		for subset := range len(before.GetSubsets()) + 1 {
			for _, port := range []uint32{80, 81, 82, 83} {
				was, is := effective(before, subset, port), effective(out.Spec, subset, port)
				want := policyOf(was.GetConnectionPool())
				switch {
				case slices.Contains(ports, port):
					want = h2UpgradePolicy(p)
				case want == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE:
					want = h2UpgradePolicy(DoNotUpgrade)
				}
				if got := policyOf(is.GetConnectionPool()); got != want {
					t.Fatalf("port %d of subset %d has %v, want %v:\n%v\n%v", port, subset, got, want, before, out.Spec)
				}
				if was, is := rest(was), rest(is); !proto.Equal(was, is) {
					t.Fatalf("port %d of subset %d changed from %v to %v:\n%v\n%v", port, subset, was, is, before, out.Spec)
				}
			}
		}
	}
	if made < 1000 {
		t.Errorf("only %d rules were made", made)
	}
}
