// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/proto"
	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// The workloads of the tests: the server that a plan is for, the client, a bystander in the same namespace, and
// a workload with the server's labels in another one.
var (
	server    = workload{name: "websockets-server", ip: "10.0.1.1"}
	client    = workload{name: "websockets-client", ip: "10.0.1.2"}
	bystander = workload{name: "bystander", ip: "10.0.1.3"}
	elsewhere = workload{name: "elsewhere", namespace: "other", ip: "10.0.2.1", labels: map[string]string{"app": "websockets-server"}}
)

const serverCluster = "outbound|8080||websockets-server.default.svc.cluster.local"

func objects(ws ...workload) []string {
	var docs []string
	for _, w := range ws {
		docs = append(docs, w.objects()...)
	}
	return docs
}

// yamlOf returns the objects as YAML documents, which is how users apply them.
func yamlOf(t *testing.T, objs ...wsmesh.Object) []string {
	t.Helper()
	var docs []string
	for _, o := range objs {
		y, err := o.YAML()
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, string(y))
	}
	return docs
}

func meshOf(releases ...string) wsmesh.Mesh {
	var m wsmesh.Mesh
	for _, r := range releases {
		m.ControlPlanes = append(m.ControlPlanes, version.MustParse(r))
		m.Proxies = append(m.Proxies, version.MustParse(r))
	}
	return m
}

func serviceOf(w workload) wsmesh.Service {
	svc := wsmesh.Service{Name: w.name, Namespace: w.ns(), Workload: w.podLabels(), Ambient: w.ambient}
	for _, p := range w.servicePorts() {
		svc.Ports = append(svc.Ports, wsmesh.Port{Number: uint32(p.number), TargetPort: uint32(p.target), Name: p.name, AppProtocol: p.appProtocol})
	}
	return svc
}

// planOf returns the manifests of a plan, filters first as WriteYAML has them.
func planOf(t *testing.T, svc wsmesh.Service, mesh wsmesh.Mesh, opts wsmesh.Options) []string {
	t.Helper()
	plan, err := wsmesh.NewPlan(svc, mesh, opts)
	if err != nil {
		t.Fatal(err)
	}
	return yamlOf(t, plan.Objects()...)
}

func ruleOf(t *testing.T, b destinationrule.Builder) string {
	t.Helper()
	r, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return yamlOf(t, r)[0]
}

func filterOf(t *testing.T, b envoyfilter.Builder) string {
	t.Helper()
	f, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return yamlOf(t, f)[0]
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// inbound are the HttpConnectionManagers of a sidecar's inbound side.
func inbound(hcms []hcm) []string {
	var at []string
	for _, h := range hcms {
		if strings.HasPrefix(h.at, "virtualInbound/") {
			at = append(at, h.at)
		}
	}
	return at
}

// upgradesOnce checks that every HttpConnectionManager lists the upgrade to WebSocket once, as istiod makes it.
func upgradesOnce(t *testing.T, hcms []hcm) {
	t.Helper()
	for _, h := range hcms {
		if n := websocketUpgrades(hcms)[h.at]; n != 1 && !strings.HasPrefix(h.at, "connect_terminate") {
			t.Errorf("%s: %d entries of upgrade_configs for WebSocket, want 1: Envoy refuses two", h.at, n)
		}
	}
}

// The pair reaches the server's inbound side and the client's cluster, and nothing else.
func TestPlanReachesTheServerAlone(t *testing.T) {
	s := cluster{
		objects: objects(server, client, bystander, elsewhere),
		configs: planOf(t, serviceOf(server), meshOf("1.31.0"), wsmesh.Options{}),
	}.start(t)

	hcms := s.hcms(server.proxy(s, "1.31.0"))
	if len(inbound(hcms)) != 4 {
		t.Fatalf("the inbound side has the HttpConnectionManagers %v, want the port's and the catch-all, each for plaintext and mTLS", inbound(hcms))
	}
	equal(t, "allow_connect on the server", allowConnect(hcms), inbound(hcms))
	upgradesOnce(t, hcms)
	for _, w := range []workload{client, bystander, elsewhere} {
		hcms := s.hcms(w.proxy(s, "1.31.0"))
		equal(t, "allow_connect on "+w.name, allowConnect(hcms), nil)
		upgradesOnce(t, hcms)
		equal(t, "HTTP/2 of "+w.name, s.http2Clusters(w.proxy(s, "1.31.0")), []string{serverCluster})
	}
	equal(t, "HTTP/2 on the server's way to its application", []protocol{s.protocols(server.proxy(s, "1.31.0"))["inbound|80||"]}, []protocol{http1})
}

// Every option that changes the objects, against the same cluster: what it says it does, istiod does.
func TestPlansForHTTP1ReachNobody(t *testing.T) {
	for name, docs := range map[string][]string{
		"before the boundary": planOf(t, serviceOf(server), meshOf("1.31.0", "1.11.8"), wsmesh.Options{}),
		"asked for":           planOf(t, serviceOf(server), meshOf("1.31.0"), wsmesh.Options{HTTP1: true}),
		"ASM form":            planOf(t, serviceOf(server), meshOf("1.11.8"), wsmesh.Options{ASM: true}),
		"endpoints without sidecar": planOf(t, func() wsmesh.Service {
			svc := serviceOf(server)
			svc.NoSidecar = true
			return svc
		}(), meshOf("1.31.0"), wsmesh.Options{}),
	} {
		t.Run(name, func(t *testing.T) {
			s := cluster{
				objects: objects(server, client),
				configs: docs,
				// The rule must hold against a mesh that upgrades by default, or it would not be needed.
				mesh: func(m *meshconfig.MeshConfig) { m.H2UpgradePolicy = meshconfig.MeshConfig_UPGRADE },
			}.start(t)
			equal(t, "allow_connect", allowConnect(s.hcms(server.proxy(s, "1.31.0"))), nil)
			if got := s.protocols(client.proxy(s, "1.31.0"))[serverCluster]; got != http1 {
				t.Errorf("the client's cluster speaks %s", got)
			}
		})
	}
}

func TestASMFormReachesTheServer(t *testing.T) {
	s := cluster{objects: objects(server, client), configs: planOf(t, serviceOf(server), meshOf("1.12.0"), wsmesh.Options{ASM: true})}.start(t)
	hcms := s.hcms(server.proxy(s, "1.12.0"))
	equal(t, "allow_connect", allowConnect(hcms), inbound(hcms))
	equal(t, "HTTP/2", s.http2Clusters(client.proxy(s, "1.12.0")), []string{serverCluster})
}

// A patch for one port of the container reaches the chains of that port only.
func TestPatchForOnePort(t *testing.T) {
	two := server
	two.ports = []port{{8080, 80, "http-websocket", ""}, {9090, 90, "http-other", ""}}
	patch := envoyfilter.AllowConnect(envoyfilter.SidecarInbound)
	patch.Port = 80
	s := cluster{objects: objects(two, client), configs: []string{
		filterOf(t, envoyfilter.Builder{Name: "a", Namespace: "default", Workload: two.podLabels(), Patches: []envoyfilter.Patch{patch}}),
	}}.start(t)
	var want []string
	for _, at := range inbound(s.hcms(two.proxy(s, "1.31.0"))) {
		if strings.HasPrefix(at, inboundPort) {
			want = append(want, at)
		}
	}
	if len(want) != 2 {
		t.Fatalf("chains of port 80: %v, want two", want)
	}
	equal(t, "allow_connect", allowConnect(s.hcms(two.proxy(s, "1.31.0"))), want)
}

// upgradeCases are DestinationRules and the clusters that they give HTTP/2.
func TestHTTP2OnTheClustersMeant(t *testing.T) {
	two := server
	two.ports = []port{{8080, 80, "http-websocket", ""}, {9090, 90, "http-other", ""}}
	const (
		host   = "websockets-server.default.svc.cluster.local"
		on8080 = "outbound|8080||" + host
		on9090 = "outbound|9090||" + host
	)
	up, down := destinationrule.Upgrade, destinationrule.DoNotUpgrade
	rule := destinationrule.Builder{Name: "websockets-server", Namespace: "default", Host: host}
	with := func(change func(*destinationrule.Builder)) destinationrule.Builder {
		b := rule
		change(&b)
		return b
	}
	for _, tc := range []struct {
		name   string
		rule   destinationrule.Builder
		want   []string
		reason string
	}{
		{"destination", with(func(b *destinationrule.Builder) { b.H2Upgrade = up }), []string{on8080, on9090}, "the destination level holds for every port"},
		{"short host", with(func(b *destinationrule.Builder) { b.H2Upgrade, b.Host = up, "websockets-server" }), []string{on8080, on9090}, "a host without a dot is looked up in the rule's namespace"},
		{"service.namespace", with(func(b *destinationrule.Builder) { b.H2Upgrade, b.Host = up, "websockets-server.default" }), nil, "a host with a dot is taken as it stands (WS161, WS508)"},
		{"one port up", with(func(b *destinationrule.Builder) {
			b.Ports = []destinationrule.PortPolicy{{Number: 8080, H2Upgrade: up}}
		}), []string{on8080}, "a port level holds for its port"},
		{"one port down", with(func(b *destinationrule.Builder) {
			b.H2Upgrade, b.Ports = up, []destinationrule.PortPolicy{{Number: 8080, H2Upgrade: down}}
		}), []string{on9090}, "a port level goes before the destination level"},
		{"subsets", with(func(b *destinationrule.Builder) {
			b.H2Upgrade = down
			b.Subsets = []destinationrule.SubsetPolicy{{Name: "v1", Labels: map[string]string{"version": "v1"}, H2Upgrade: up}, {Name: "v2", Labels: map[string]string{"version": "v2"}}}
		}), []string{"outbound|8080|v1|" + host, "outbound|9090|v1|" + host}, "a subset's policy holds for the subset"},
		{"subset inherits", with(func(b *destinationrule.Builder) {
			b.H2Upgrade = up
			b.Subsets = []destinationrule.SubsetPolicy{{Name: "v1", Labels: map[string]string{"version": "v1"}}}
		}), []string{"outbound|8080|v1|" + host, on8080, "outbound|9090|v1|" + host, on9090}, "a subset without a connectionPool has the destination's"},
		{"client workload", with(func(b *destinationrule.Builder) { b.H2Upgrade, b.ClientWorkload = up, bystander.podLabels() }), nil, "the selector chooses clients, and this one is not chosen"},
		{"exported to its own namespace", with(func(b *destinationrule.Builder) { b.H2Upgrade, b.ExportTo = up, []string{"."} }), []string{on8080, on9090}, "the client is in that namespace"},
		{"exported elsewhere", with(func(b *destinationrule.Builder) { b.H2Upgrade, b.ExportTo = up, []string{"other"} }), nil, "the client does not see the rule"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := cluster{objects: objects(two, client, bystander), configs: []string{ruleOf(t, tc.rule)}}.start(t)
			slices.Sort(tc.want)
			equal(t, tc.reason, s.http2Clusters(client.proxy(s, "1.31.0")), tc.want)
		})
	}
}

// A base rule keeps its settings, and the policy reaches every cluster that it would otherwise have lost.
func TestBaseRuleIsKept(t *testing.T) {
	two := server
	two.ports = []port{{8080, 80, "http-websocket", ""}, {9090, 90, "http-other", ""}}
	base, err := destinationrule.Parse([]byte(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: existing, namespace: default}
spec:
  host: websockets-server.default.svc.cluster.local
  trafficPolicy:
    loadBalancer: {simple: RANDOM}
    connectionPool: {tcp: {maxConnections: 7}}
    outlierDetection: {consecutive5xxErrors: 3}
    portLevelSettings:
    - port: {number: 9090}
      connectionPool: {tcp: {maxConnections: 9}}
  subsets:
  - name: v1
    labels: {version: v1}
    trafficPolicy: {connectionPool: {tcp: {maxConnections: 11}}}
  - name: v2
    labels: {version: v2}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := cluster{
		objects: objects(two, client),
		configs: planOf(t, serviceOf(two), meshOf("1.31.0"), wsmesh.Options{Base: base}),
	}.start(t)
	p := client.proxy(s, "1.31.0")
	var all []string
	for _, port := range []string{"8080", "9090"} {
		for _, subset := range []string{"", "v1", "v2"} {
			all = append(all, "outbound|"+port+"|"+subset+"|websockets-server.default.svc.cluster.local")
		}
	}
	slices.Sort(all)
	equal(t, "HTTP/2", s.http2Clusters(p), all)

	clusters := map[string]*clusterv3.Cluster{}
	for _, c := range s.Clusters(p) {
		clusters[c.Name] = c
	}
	c := clusters[serverCluster]
	if c.LbPolicy != clusterv3.Cluster_RANDOM || c.OutlierDetection.GetConsecutive_5Xx().GetValue() != 3 {
		t.Errorf("the base rule's load balancing and outlier detection are lost: %v, %v", c.LbPolicy, c.OutlierDetection)
	}
	for _, name := range all {
		want := uint32(7)
		switch {
		case strings.Contains(name, "|v1|"):
			want = 11 // the subset's own connectionPool
		case strings.HasPrefix(name, "outbound|9090|"):
			want = 9 // the port level's
		}
		if got := clusters[name].CircuitBreakers.GetThresholds()[0].GetMaxConnections().GetValue(); got != want {
			t.Errorf("%s: maxConnections %d, want %d", name, got, want)
		}
	}
}

// Of several ports those that are HTTP/1 are upgraded, at the port levels, and the others keep what they have.
func TestPlanForSomePorts(t *testing.T) {
	plan, err := wsmesh.NewPlan(serviceOf(mixed), meshOf("1.31.0"), wsmesh.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policy := plan.DestinationRule().Spec.GetTrafficPolicy()
	if policy.GetConnectionPool().GetHttp().GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		t.Error("UPGRADE stands at the destination level, and so holds for every port")
	}
	levels := map[uint32]networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy{}
	for _, level := range policy.GetPortLevelSettings() {
		levels[level.GetPort().GetNumber()] = level.GetConnectionPool().GetHttp().GetH2UpgradePolicy()
	}
	if want := map[uint32]networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy{
		8080: networking.ConnectionPoolSettings_HTTPSettings_UPGRADE, 8081: networking.ConnectionPoolSettings_HTTPSettings_UPGRADE,
	}; !maps.Equal(levels, want) {
		t.Errorf("port levels %v, want %v", levels, want)
	}

	without := cluster{objects: objects(mixed, client, bystander)}.start(t)
	with := cluster{objects: objects(mixed, client, bystander), configs: yamlOf(t, plan.Objects()...)}.start(t)
	before, after := without.protocols(client.proxy(without, "1.31.0")), with.protocols(client.proxy(with, "1.31.0"))
	for name, was := range before {
		want := was
		if name == onPort(8080) || name == onPort(8081) {
			want = http2
		}
		if after[name] != want {
			t.Errorf("%s speaks %s, want %s (without the plan %s)", name, after[name], want, was)
		}
	}
	if before[onPort(9090)] != http2 || before[onPort(6379)] != http1 || before[onPort(8080)] != http1 || len(after) != len(before) {
		t.Errorf("without the plan the clusters speak %v, with it %v", before, after)
	}

	server := mixed.proxy(with, "1.31.0")
	hcms := with.hcms(server)
	equal(t, "allow_connect on the server", allowConnect(hcms), inbound(hcms))
	upgradesOnce(t, hcms)
	toApp := with.protocols(server)
	if toApp["inbound|80||"] != http1 || toApp["inbound|81||"] != http1 || toApp["inbound|90||"] != http2 {
		t.Errorf("the application is sent %v", toApp)
	}
	equal(t, "allow_connect on the client", allowConnect(with.hcms(client.proxy(with, "1.31.0"))), nil)
}

// Where all ports are HTTP/1 the policy stands at the destination level; where none is, no cluster is upgraded.
func TestPlanForAllPortsOrNone(t *testing.T) {
	for name, tc := range map[string]struct {
		ports []port
		want  []string
	}{
		"all":  {[]port{{8080, 80, "http-websocket", ""}, {8081, 81, "web", "http"}}, []string{onPort(8080), onPort(8081)}},
		"none": {[]port{{8080, 80, "tcp-websocket", ""}, {6379, 63, "redis", ""}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := server
			w.ports = tc.ports
			plan, err := wsmesh.NewPlan(serviceOf(w), meshOf("1.31.0"), wsmesh.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if levels := plan.DestinationRule().Spec.GetTrafficPolicy().GetPortLevelSettings(); len(levels) > 0 {
				t.Errorf("port levels %v, want the destination level alone", levels)
			}
			s := cluster{objects: objects(w, client), configs: yamlOf(t, plan.Objects()...)}.start(t)
			equal(t, "HTTP/2", s.http2Clusters(client.proxy(s, "1.31.0")), tc.want)
		})
	}
}

// A base rule of a Service with several ports: every cluster keeps what the base sets for it, also where the plan has to
// repeat it at a port level, and only those of HTTP/1 ports are upgraded, in each subset.
func TestBaseRuleOfSomePorts(t *testing.T) {
	base, err := destinationrule.Parse([]byte(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: existing, namespace: default}
spec:
  host: websockets-server.default.svc.cluster.local
  trafficPolicy:
    loadBalancer: {simple: RANDOM}
    connectionPool: {tcp: {maxConnections: 7}, http: {h2UpgradePolicy: UPGRADE}}
    outlierDetection: {consecutive5xxErrors: 3}
    portLevelSettings:
    - port: {number: 9090}
      connectionPool: {tcp: {maxConnections: 9}}
    - port: {number: 8081}
      connectionPool: {tcp: {maxConnections: 8}}
  subsets:
  - name: own-pool
    labels: {version: v1}
    trafficPolicy: {connectionPool: {tcp: {maxConnections: 11}, http: {h2UpgradePolicy: UPGRADE}}}
  - name: own-balancing
    labels: {version: v2}
    trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}
  - name: inherits
    labels: {version: v3}
  - name: own-port
    labels: {version: v4}
    trafficPolicy:
      portLevelSettings:
      - port: {number: 8080}
        connectionPool: {tcp: {maxConnections: 12}}
`))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := wsmesh.NewPlan(serviceOf(mixed), meshOf("1.31.0"), wsmesh.Options{Base: base})
	if err != nil {
		t.Fatal(err)
	}
	clusters := func(configs []string) (*istiod, map[string]*clusterv3.Cluster) {
		s := cluster{objects: objects(mixed, client), configs: configs}.start(t)
		byName := map[string]*clusterv3.Cluster{}
		for _, c := range s.Clusters(client.proxy(s, "1.31.0")) {
			if strings.HasSuffix(c.Name, "|"+serverHost) {
				byName[c.Name] = c
			}
		}
		return s, byName
	}
	_, before := clusters(yamlOf(t, base))
	s, after := clusters(yamlOf(t, plan.Objects()...))
	if len(before) != 20 || len(after) != len(before) {
		t.Fatalf("%d clusters by the base, %d by the plan, want those of 4 ports without a subset and in 4", len(before), len(after))
	}
	for name, b := range before {
		a := after[name]
		if limit, want := a.CircuitBreakers.GetThresholds()[0].GetMaxConnections().GetValue(), b.CircuitBreakers.GetThresholds()[0].GetMaxConnections().GetValue(); limit != want {
			t.Errorf("%s: maxConnections %d, the base sets %d", name, limit, want)
		}
		if a.LbPolicy != b.LbPolicy || !proto.Equal(a.OutlierDetection, b.OutlierDetection) {
			t.Errorf("%s: %v and %v, by the base %v and %v", name, a.LbPolicy, a.OutlierDetection, b.LbPolicy, b.OutlierDetection)
		}
		want := http1
		if !strings.HasPrefix(name, "outbound|6379|") { // HTTP/1 ports by the plan, gRPC by its name
			want = http2
		}
		if got := protocolOf(t, a); got != want {
			t.Errorf("%s speaks %s, want %s", name, got, want)
		}
	}
	hcms := s.hcms(mixed.proxy(s, "1.31.0"))
	equal(t, "allow_connect on the server", allowConnect(hcms), inbound(hcms))
}

// serverPods are a pod of the server from before a rollout by pods, and one from after it.
func serverPods() (old, recent workload) {
	old, recent = server, server
	recent.ip, recent.labels = "10.0.1.8", maps.Clone(server.podLabels())
	recent.labels[wsmesh.AllowConnectLabel] = "true"
	return old, recent
}

// With ByPods the filter reaches the pods with the label and no other, at no stage any that runs, and a gateway's as ever.
func TestByPods(t *testing.T) {
	plan, err := wsmesh.NewPlan(serviceOf(server), meshOf("1.31.0"), wsmesh.Options{ByPods: true, Gateways: ingress})
	if err != nil {
		t.Fatal(err)
	}
	old, recent := serverPods()
	var applied []wsmesh.Object
	for _, stage := range plan.Stages() {
		t.Run(stage.Name, func(t *testing.T) {
			applied = append(applied, stage.Apply...)
			rolledOut := slices.ContainsFunc(applied, func(o wsmesh.Object) bool { _, ok := o.(*destinationrule.Rule); return ok })
			s := cluster{objects: objects(server, client, bystander, elsewhere), configs: append([]string{gatewayConfig}, yamlOf(t, applied...)...)}.start(t)
			for _, w := range []workload{old, client, bystander, elsewhere} {
				equal(t, "allow_connect on "+w.name+" without the label", allowConnect(s.hcms(w.proxy(s, "1.31.0"))), nil)
			}
			hcms := s.hcms(recent.proxy(s, "1.31.0"))
			equal(t, "allow_connect on a pod with the label", allowConnect(hcms), inbound(hcms))
			upgradesOnce(t, hcms)
			equal(t, "allow_connect on the gateway", allowConnect(s.hcms(s.gateway("istio-ingress", "10.0.4.1", ingress[0].Workload))), []string{"0.0.0.0_80"})
			if got := s.protocols(client.proxy(s, "1.31.0"))[serverCluster] == http2; got != rolledOut {
				t.Errorf("clients upgrade: %v, want %v", got, rolledOut)
			}
		})
	}
	if len(applied) != len(plan.Objects()) {
		t.Errorf("the stages apply %v, the plan has %v", applied, plan.Objects())
	}
}

// proxyReleases are what node metadata calls the release of a proxy, as the facts of Istio and its vendors have it.
var proxyReleases = []string{"1.11.8", "1.12.0", "1.12-alpha.1f2e3d4c5b6a", "v1.14.3.47-ga31201346f-aliyun", "1.20.8-asm.7", "1.24.1-distroless", "1.31.0-rc.0", "1.31-dev", "1.2.0", "1.1.12"}

// A proxyVersion pattern reaches the proxies whose release satisfies the constraint, in istiod's own reading of the
// node metadata, over a stream as an Envoy opens one and for a proxy without a release.
func TestProxyVersionPatterns(t *testing.T) {
	for _, constraint := range []string{">=1.12.0", ">=1.12, <1.20", "1.14.x", ">=1.31", "<1.12"} {
		t.Run(constraint, func(t *testing.T) {
			pattern, err := version.ProxyVersionPattern(constraint)
			if err != nil {
				t.Fatal(err)
			}
			patch := envoyfilter.AllowConnect(envoyfilter.SidecarInbound)
			patch.ProxyVersion = pattern
			s := cluster{objects: objects(server), configs: []string{
				filterOf(t, envoyfilter.Builder{Name: "a", Namespace: "default", Workload: server.podLabels(), Patches: []envoyfilter.Patch{patch}}),
			}}.start(t)
			reached := func(release string) bool {
				hcms := hcmsOf(t, s.adsListeners(server, release))
				at := allowConnect(hcms)
				if len(at) != 0 && !slices.Equal(at, inbound(hcms)) {
					t.Fatalf("%s: allow_connect on %v alone", release, at)
				}
				return len(at) > 0
			}
			for _, release := range proxyReleases {
				if got, want := reached(release), satisfies(t, release, constraint); got != want {
					t.Errorf("a proxy of %s: patched %v, want %v (pattern %s)", release, got, want, pattern)
				}
			}
			if reached("") {
				t.Error("a proxy without a release is patched: istiod never matches one")
			}
		})
	}
}

// satisfies reads the constraints of the test above by themselves, by major and minor.
func satisfies(t *testing.T, release, constraint string) bool {
	t.Helper()
	r := version.MustParse(release)
	for part := range strings.SplitSeq(constraint, ",") {
		m := regexp.MustCompile(`^\s*(>=|<|)\s*([0-9]+\.[0-9]+)(\.0|\.x)?$`).FindStringSubmatch(part)
		if m == nil {
			t.Fatalf("the test does not read the constraint %q", part)
		}
		bound := version.MustParse(m[2])
		switch m[1] {
		case ">=":
			if !r.AtLeast(bound) {
				return false
			}
		case "<":
			if r.AtLeast(bound) {
				return false
			}
		default:
			if r.Compare(bound) < 0 || !strings.HasPrefix(strings.TrimPrefix(r.String(), "v"), m[2]+".") {
				return false
			}
		}
	}
	return true
}

// With h2UpgradePolicy UPGRADE in the mesh config every HTTP port of the mesh is upgraded; a rule for a host goes
// before it in either direction.
func TestMeshWideUpgrade(t *testing.T) {
	mixed := bystander
	mixed.ports = []port{{8081, 81, "http-a", ""}, {8082, 82, "tcp-b", ""}, {8083, 83, "", ""}}
	mixed.ports = mixed.ports[:2]
	unnamed := workload{name: "unnamed", ip: "10.0.1.9", ports: []port{{8083, 83, "", ""}}}
	upgrade := func(m *meshconfig.MeshConfig) { m.H2UpgradePolicy = meshconfig.MeshConfig_UPGRADE }
	const (
		httpA = "outbound|8081||bystander.default.svc.cluster.local"
	)
	own := "outbound|8080||websockets-client.default.svc.cluster.local"
	for _, tc := range []struct {
		name, policy string
		docs         []string
		want         []string
	}{
		{"no rule", "", nil, []string{own, serverCluster, httpA}},
		{"plan for HTTP/1", "", planOf(t, serviceOf(server), meshOf("1.11.8"), wsmesh.Options{}), []string{own, httpA}},
		{"plan for HTTP/2", "", planOf(t, serviceOf(server), meshOf("1.31.0"), wsmesh.Options{}), []string{own, serverCluster, httpA}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := cluster{objects: objects(server, client, mixed, unnamed), configs: tc.docs, mesh: upgrade}.start(t)
			slices.Sort(tc.want)
			equal(t, "HTTP/2", s.http2Clusters(client.proxy(s, "1.31.0")), tc.want)
		})
	}
}

// Which of several rules for a host istiod takes: that of the client's namespace, else of the Service's, else of the
// root namespace; within one namespace the oldest.
func TestWhichRuleCounts(t *testing.T) {
	const host = "websockets-server.default.svc.cluster.local"
	in := func(namespace, name string, policy destinationrule.UpgradePolicy) string {
		return ruleOf(t, destinationrule.Builder{Name: name, Namespace: namespace, Host: host, H2Upgrade: policy})
	}
	up, down := destinationrule.Upgrade, destinationrule.DoNotUpgrade
	remote := workload{name: "remote", namespace: "clients", ip: "10.0.3.1"}
	for _, tc := range []struct {
		name         string
		rules        []string
		near, remote bool // does the client in the Service's namespace upgrade, does the one in namespace clients
	}{
		{"service's namespace", []string{in("default", "a", up)}, true, true},
		{"client's namespace goes first", []string{in("default", "a", up), in("clients", "b", down)}, true, false},
		{"client's namespace alone", []string{in("clients", "b", up)}, false, true},
		{"root namespace last", []string{in("istio-system", "r", up)}, true, true},
		{"service's before root", []string{in("istio-system", "r", up), in("default", "a", down)}, false, false},
		{"the oldest of two", []string{in("default", "old", down), in("default", "new", up)}, false, false},
		{"the oldest of two, by name the other way", []string{in("default", "z-old", up), in("default", "a-new", down)}, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := cluster{objects: objects(server, client, remote), configs: tc.rules}.start(t)
			for w, want := range map[string]bool{"near": tc.near, "remote": tc.remote} {
				from := map[string]workload{"near": client, "remote": remote}[w]
				if got := s.protocols(from.proxy(s, "1.31.0"))[serverCluster] == http2; got != want {
					t.Errorf("the %s client upgrades: %v, want %v", w, got, want)
				}
			}
		})
	}
}

const gatewayConfig = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ingress, namespace: istio-ingress}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: other, namespace: istio-ingress}
spec:
  selector: {istio: othergateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ingress, namespace: istio-ingress}
spec:
  hosts: ["*"]
  gateways: [ingress, other]
  http: [{route: [{destination: {host: websockets-server.default.svc.cluster.local, port: {number: 8080}}}]}]
`

// A gateway is a client of the server, and takes WebSocket over HTTP/2 from browsers only with a filter of its own.
func TestGateways(t *testing.T) {
	labels := map[string]string{"istio": "ingressgateway"}
	for _, tc := range []struct {
		name string
		opts wsmesh.Options
		want []string
	}{
		{"without Gateways", wsmesh.Options{}, nil},
		{"Gateways", wsmesh.Options{Gateways: []wsmesh.Gateway{{Namespace: "istio-ingress", Workload: labels}}}, []string{"0.0.0.0_80"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := cluster{
				objects: objects(server),
				configs: append([]string{gatewayConfig}, planOf(t, serviceOf(server), meshOf("1.31.0"), tc.opts)...),
			}.start(t)
			gateway := s.gateway("istio-ingress", "10.0.4.1", labels)
			hcms := s.hcms(gateway)
			equal(t, "allow_connect", allowConnect(hcms), tc.want)
			upgradesOnce(t, hcms)
			equal(t, "HTTP/2 to the server", s.http2Clusters(gateway), []string{serverCluster})
			other := s.hcms(s.gateway("istio-ingress", "10.0.4.2", map[string]string{"istio": "othergateway"}))
			equal(t, "allow_connect on another gateway", allowConnect(other), nil)
			sidecar := s.hcms(server.proxy(s, "1.31.0"))
			equal(t, "allow_connect on the server", allowConnect(sidecar), inbound(sidecar))
		})
	}
}

// behindWaypoint are the objects of a workload in ambient mode whose Service uses the waypoint.
func behindWaypoint(w workload) []string {
	docs := w.objects()
	docs[0] = strings.Replace(docs[0], "  namespace: \"default\"\n", "  namespace: \"default\"\n  labels: {istio.io/use-waypoint: waypoint}\n", 1)
	return docs
}

const inboundVIP = "inbound-vip|8080|http|websockets-server.default.svc.cluster.local"

// In ambient mode the waypoint would speak the upgraded HTTP/2 to the application: the plan keeps it from doing so.
func TestWaypoints(t *testing.T) {
	ambient := server
	ambient.ambient = true
	upgrade := ruleOf(t, destinationrule.Builder{Name: "a", Namespace: "default", Host: "websockets-server.default.svc.cluster.local", H2Upgrade: destinationrule.Upgrade})
	bySelector := filterOf(t, envoyfilter.Builder{Name: "s", Namespace: "default", Workload: map[string]string{"gateway.networking.k8s.io/gateway-name": "waypoint"}, Patches: []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.SidecarInbound)}})
	byTarget := func(kind, group, name string, context envoyfilter.Context) string {
		return filterOf(t, envoyfilter.Builder{Name: "t", Namespace: "default",
			TargetRefs: []envoyfilter.TargetRef{{Group: group, Kind: kind, Name: name}},
			Patches:    []envoyfilter.Patch{envoyfilter.AllowConnect(context)}})
	}
	const gatewayGroup = "gateway.networking.k8s.io"
	all := []string{"main_internal/" + inboundVIP, "main_internal/direct-http"}
	for _, tc := range []struct {
		name     string
		docs     []string
		protocol protocol
		patched  []string
	}{
		{"the plan", planOf(t, serviceOf(ambient), meshOf("1.31.0"), wsmesh.Options{}), http1, nil},
		{"UPGRADE all the same", []string{upgrade}, http2, nil},
		{"filter by the labels of the waypoint's pods", []string{bySelector}, http1, nil},
		{"filter by targetRefs to the Gateway", []string{byTarget("Gateway", gatewayGroup, "waypoint", envoyfilter.SidecarInbound)}, http1, all},
		// istiod looks for the Services of a policy, and of an EnvoyFilter it does not.
		{"filter by targetRefs to the Service", []string{byTarget("Service", "", "websockets-server", envoyfilter.SidecarInbound)}, http1, nil},
		{"filter by targetRefs to the GatewayClass, in the root namespace", []string{strings.Replace(byTarget("GatewayClass", gatewayGroup, "istio-waypoint", envoyfilter.SidecarInbound), "namespace: default", "namespace: istio-system", 1)}, http1, all},
		{"context GATEWAY", []string{byTarget("Gateway", gatewayGroup, "waypoint", envoyfilter.Gateway)}, http1, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := cluster{
				ambient: true,
				objects: slices.Concat(behindWaypoint(ambient), waypointObjects),
				configs: slices.Concat(waypointObjects, tc.docs),
			}.start(t)
			p := s.waypoint()
			if got := s.protocols(p)[inboundVIP]; got != tc.protocol {
				t.Errorf("the waypoint speaks %q to the application, want %q", got, tc.protocol)
			}
			equal(t, "allow_connect", allowConnect(s.hcms(p)), tc.patched)
		})
	}
}

// What the library takes for a port that is explicitly HTTP/1 is one where the server's proxy speaks HTTP/1 to the
// application although the client's proxy speaks HTTP/2 to it, and where that client's listener is an HTTP one.
func TestPortsThatAreHTTP1(t *testing.T) {
	var ports []port
	for _, name := range []string{"http", "http-websocket", "HTTP-x", "Http", "http2", "http2-ws", "grpc", "grpc-web", "grpc-web-x", "https", "https-x", "tls", "tcp", "tcp-ws", "ws", "wss", "websocket", "http1", "httpx", "web-http", "mongo", "redis", "mysql", "udp", "", "http-proxy"} {
		ports = append(ports, port{name: name})
	}
	for _, app := range []string{"http", "HTTP", "http2", "grpc", "tcp", "https", "kubernetes.io/ws", "kubernetes.io/wss", "kubernetes.io/h2c", "ws", "http-x", "mycompany.com/foo", "kubernetes.io/http"} {
		ports = append(ports, port{name: "http-websocket", appProtocol: app}, port{name: "tcp-x", appProtocol: app})
	}
	agree := map[bool]int{}
	for i, p := range ports {
		p.number, p.target = 8080, 80
		w := workload{name: "websockets-server", ip: "10.0.1.1", ports: []port{p}}
		t.Run(fmt.Sprintf("%d %s %s", i, p.name, p.appProtocol), func(t *testing.T) {
			plan, err := wsmesh.NewPlan(serviceOf(w), meshOf("1.31.0"), wsmesh.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s := cluster{objects: objects(w, client), configs: []string{
				ruleOf(t, destinationrule.Builder{Name: "a", Namespace: "default", Host: "websockets-server.default.svc.cluster.local", H2Upgrade: destinationrule.Upgrade}),
				filterOf(t, envoyfilter.Builder{Name: "a", Namespace: "default", Workload: w.podLabels(), Patches: []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.SidecarInbound)}}),
			}}.start(t)
			toApp := s.protocols(w.proxy(s, "1.31.0"))["inbound|80||"]
			toServer := s.protocols(client.proxy(s, "1.31.0"))[serverCluster]
			asHTTP := slices.ContainsFunc(s.Listeners(w.proxy(s, "1.31.0")), func(l *listenerv3.Listener) bool {
				return l.Name == "virtualInbound" && slices.ContainsFunc(l.FilterChains, func(c *listenerv3.FilterChain) bool {
					return c.Name == "0.0.0.0_80" && c.GetFilterChainMatch().GetApplicationProtocols() == nil && c.Filters[len(c.Filters)-1].Name == hcmFilter
				})
			})
			works := toApp == http1 && toServer == http2 && asHTTP
			if got := plan.Decision().Policy == destinationrule.Upgrade; got != works {
				t.Errorf("the library upgrades: %v. istiod: %s to the server, %s to the application, an HTTP listener: %v", got, toServer, toApp, asHTTP)
			}
			agree[works]++
		})
	}
	if agree[true] < 5 || agree[false] < 20 {
		t.Errorf("ports that work %d, that do not %d: the test has lost one side", agree[true], agree[false])
	}
}
