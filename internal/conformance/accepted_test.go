// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/diag"
	"istio.io/istio/pkg/config/analysis/local"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/internal/conformance/judge"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

var plans = flag.Int("plans", 0, "how many random plans to try (10,000; with -short 500)")

// standing is Istio's warning about every EnvoyFilter.
const standing = "EnvoyFilter exposes internal implementation details"

// accepted fails the test unless the API server and istiod take the manifest, with no warning but the standing one.
func accepted(t *testing.T, j *judge.Judge, what string, doc []byte) {
	t.Helper()
	v := j.Document(doc)
	if err := v.Err(); err != nil {
		t.Errorf("%s: %v\n%s", what, err, doc)
	}
	for _, w := range v.Warnings {
		if !strings.HasPrefix(w, standing) {
			t.Errorf("%s: the warning %q\n%s", what, w, doc)
		}
	}
}

// Every manifest under a testdata folder of the root module that the library is to write (golden files), and every
// manifest of the seed scenario, is one that a cluster takes.
func TestGoldenFilesAreAccepted(t *testing.T) {
	j := judgeOf(t)
	root := filepath.Join("..", "..")
	count := map[string]int{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != root || path == filepath.Join(root, "internal")) {
			return filepath.SkipDir
		}
		if !strings.Contains(filepath.ToSlash(path), "/testdata/") || filepath.Ext(path) != ".yaml" || notGolden(path) {
			return nil
		}
		stream, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, doc := range bytes.Split(stream, []byte("\n---\n")) {
			var head struct{ Kind string }
			if err := yaml.Unmarshal(doc, &head); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if head.Kind == "DestinationRule" || head.Kind == "EnvoyFilter" {
				count[head.Kind]++
				v := j.Document(doc)
				if err := v.Err(); err != nil {
					t.Errorf("%s#%d: %v\n%s", path, i+1, err, doc)
				}
				for _, w := range v.Warnings {
					// A few files show on purpose what the library warns of as well.
					if !strings.HasPrefix(w, standing) && len(findings(t, head.Kind, doc).Warnings()) == 0 {
						t.Errorf("%s#%d: istiod alone warns %q\n%s", path, i+1, w, doc)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("accepted: %v", count)
	if count["DestinationRule"] < 10 || count["EnvoyFilter"] < 5 {
		t.Errorf("only %v golden manifests were found", count)
	}
}

// notGolden tells the inputs of tests, which may be broken on purpose, from what the library writes.
func notGolden(path string) bool {
	for _, part := range strings.Split(filepath.ToSlash(path), "/") {
		if part == "fuzz" || part == "audit" {
			return true
		}
	}
	return false
}

// A landscape draws Services and what plans for them are asked for.
type landscape struct{ *rand.Rand }

func oneOf[T any](r landscape, of ...T) T { return of[r.IntN(len(of))] }

// plan draws the n-th Service of a cluster and makes a plan for it; nil where the library refuses what was drawn.
func (r landscape) plan(t *testing.T, n int) (*wsmesh.Plan, workload, string) {
	name := fmt.Sprintf("%s-%d", oneOf(r, "websockets-server", "a", "chat", "on", "null", "x1", strings.Repeat("n", 50)), n)
	w := workload{
		name: name, ip: fmt.Sprintf("10.%d.%d.%d", 1+n>>16, n>>8&255, n&255),
		namespace: oneOf(r, "", "default", "prod", "istio-system", "yes", "1"),
		labels:    map[string]string{oneOf(r, "app", "app.kubernetes.io/name", "k8s-app", "App_1.x"): oneOf(r, name, "1", "true", "a.b_c-D", "null")},
		ambient:   r.IntN(10) == 0,
	}
	names := []string{"http", "http-websocket", "http-admin", "ws", "tcp-ws", "http2-ws", "grpc", "web"}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for i := range oneOf(r, 1, 1, 2, 3) {
		name := names[i] // of several ports each has its own
		if i == 0 && r.IntN(2) == 0 {
			name = "http-chat"
		}
		w.ports = append(w.ports, port{number: 1 + r.IntN(65535), target: 1 + r.IntN(65535), name: name,
			appProtocol: oneOf(r, "", "", "", "", "http", "kubernetes.io/ws", "tcp")})
	}
	if r.IntN(3) == 0 {
		w.labels["version"] = oneOf(r, "v1", "1.10", "0x1F")
	}
	svc := serviceOf(w)
	svc.Namespace = w.namespace
	svc.NoSidecar = r.IntN(10) == 0
	if r.IntN(5) == 0 {
		svc.Ports = nil
	}
	mesh := wsmesh.Mesh{}
	old := r.IntN(4) == 0 // may some release be older than the boundary for UPGRADE?
	for range 1 + r.IntN(3) {
		mesh.ControlPlanes = append(mesh.ControlPlanes, r.release(old))
		mesh.Proxies = append(mesh.Proxies, r.release(old))
	}
	domain := "cluster.local"
	if r.IntN(10) == 0 {
		domain = "corp.example"
		mesh.ClusterDomain = domain
	}
	var opts wsmesh.Options
	for _, set := range []func(){
		func() { opts.ASM = true },
		func() { opts.HTTP1 = true },
		func() { opts.ByPods = true },
		func() {
			opts.Labels = map[string]string{"team": oneOf(r, "a", "yes", "1e3"), "app.kubernetes.io/managed-by": "wsmesh"}
		},
		func() {
			opts.Annotations = map[string]string{"example.com/note": oneOf(r, "", "a: b", "# no comment", "two\nlines", "ü")}
		},
		func() {
			opts.Gateways = append(opts.Gateways, wsmesh.Gateway{Namespace: oneOf(r, "istio-ingress", "istio-system", ""), Workload: map[string]string{"istio": oneOf(r, "ingressgateway", "other")}})
		},
		func() { opts.ProxyVersion = oneOf(r, ">=1.0", ">=1.6", ">=1.12.0") },
		func() { opts.MinimumRelease = r.release(true) },
		func() {
			opts.APIVersion = oneOf(r, "networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3")
		},
		func() { opts.Base = r.base(name, w) },
	} {
		if r.IntN(5) == 0 {
			set()
		}
	}
	plan, err := wsmesh.NewPlan(svc, mesh, opts)
	if err != nil {
		return nil, w, domain
	}
	return plan, w, domain
}

func (r landscape) release(old bool) version.Release {
	minor := oneOf(r, 12, 12, 14, 20, 22, 24, 27, 30, 31)
	if old {
		minor = oneOf(r, 6, 10, 11, minor)
	}
	return version.MustParse(fmt.Sprintf("%s1.%d.%d%s", oneOf(r, "", "", "v"), minor, r.IntN(10), oneOf(r, "", "", "-asm.3", "-rc.0", "-distroless")))
}

func (r landscape) base(name string, w workload) *destinationrule.Rule {
	pool := func() *networking.ConnectionPoolSettings {
		return &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: 1 + r.Int32N(9)},
			Http: &networking.ConnectionPoolSettings_HTTPSettings{MaxRetries: r.Int32N(3)}}
	}
	rule := &destinationrule.Rule{Name: oneOf(r, "", "base-"+name), Namespace: w.namespace, APIVersion: "networking.istio.io/v1", Spec: &networking.DestinationRule{Host: name}}
	if r.IntN(2) == 0 {
		rule.Spec.TrafficPolicy = &networking.TrafficPolicy{ConnectionPool: pool(), LoadBalancer: &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_Simple{Simple: networking.LoadBalancerSettings_LEAST_REQUEST}}}
		if r.IntN(2) == 0 {
			rule.Spec.TrafficPolicy.PortLevelSettings = []*networking.TrafficPolicy_PortTrafficPolicy{{Port: &networking.PortSelector{Number: uint32(w.ports[0].number)}, ConnectionPool: pool()}}
		}
	}
	if r.IntN(2) == 0 {
		rule.Spec.Subsets = []*networking.Subset{{Name: "v1", Labels: w.labels, TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: pool()}}, {Name: "v2", Labels: w.labels}}
	}
	return rule
}

// Every plan is one that a cluster takes without a warning but Istio's standing one, and on which `istioctl analyze`
// has nothing to say, given the Service and its pods.
func TestPlansAreAccepted(t *testing.T) {
	j := judgeOf(t)
	if *plans == 0 {
		*plans = 10_000
		if testing.Short() {
			*plans = 500
		}
	}
	// A cluster holds as many plans as an analysis takes; each plan has its Service.
	const perCluster = 250
	made, upgraded, mixed, refused := 0, 0, 0, 0
	for batch := uint64(0); made < *plans; batch++ {
		r := landscape{rand.New(rand.NewPCG(12, batch))}
		var docs []string
		for n := range perCluster {
			plan, w, domain := r.plan(t, n)
			if plan == nil {
				refused++
				continue
			}
			made++
			if plan.Decision().Policy == destinationrule.Upgrade {
				upgraded++
			}
			if slices.ContainsFunc(plan.Findings(), func(f finding.Finding) bool { return finding.Is(f, wsmesh.OtherPort) }) {
				mixed++
			}
			manifests := yamlOf(t, plan.Objects()...)
			for _, m := range manifests {
				accepted(t, j, "a plan for "+w.name, []byte(m))
			}
			if domain == "cluster.local" { // istioctl knows no other
				docs = append(append(docs, w.injected()...), manifests...)
			}
		}
		for _, m := range analyze(t, docs) {
			if !mayBeSaid(m) {
				t.Errorf("istioctl analyze: %v", m)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d plans, %d of them UPGRADE, %d for some ports alone; %d requests were refused", made, upgraded, mixed, refused)
	if upgraded < made/10 || upgraded > made*9/10 || mixed < made/20 || refused > made/2 {
		t.Error("the random requests have lost their balance")
	}
}

// mayBeSaid reports that a message is Istio's standing one about EnvoyFilters, or speaks of the Service.
func mayBeSaid(m diag.Message) bool {
	text := m.String()
	return m.Type.Code() == "IST0133" && strings.Contains(text, standing) || // every EnvoyFilter
		m.Type.Code() == "IST0118" // the Service's port is not named for a protocol; the plan says so too (WS507)
}

// injected are the workload's Service and Pod, with a sidecar, and their namespace.
func (w workload) injected() []string {
	docs := w.objects()[:2]
	docs[1] = strings.Replace(docs[1], "containers: [{name: app}]", "containers: [{name: app, image: app}, {name: istio-proxy, image: proxyv2:1.31.0}]", 1)
	return docs
}

// analyze runs the analyzers of `istioctl analyze` over the documents.
func analyze(t *testing.T, docs []string) diag.Messages {
	t.Helper()
	for _, ns := range []string{"default", "prod", "istio-system", "istio-ingress", "yes", "1"} {
		docs = append(docs, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %q\n  labels: {istio-injection: enabled}\n", ns))
	}
	a := local.NewIstiodAnalyzer(analyzers.AllCombined(), "default", "istio-system", nil)
	if err := a.AddTestReaderKubeSource([]local.ReaderSource{{Name: "cluster.yaml", Reader: strings.NewReader(strings.Join(docs, "\n---\n"))}}); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	result, err := a.Analyze(stop)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.ExecutedAnalyzers) < 20 {
		t.Fatalf("only the analyzers %v ran", result.ExecutedAnalyzers)
	}
	return result.Messages
}

// The analyzers do find what is wrong: a rule without its Service is one of those things.
func TestAnalyzersSeeTheObjects(t *testing.T) {
	messages := analyze(t, planOf(t, serviceOf(server), meshOf("1.31.0"), wsmesh.Options{}))
	found := map[string]bool{}
	for _, m := range messages {
		found[m.Type.Code()] = true
	}
	if !found["IST0174"] || !found["IST0133"] {
		t.Errorf("of a plan without its Service the analyzers say %v, want IST0174 (unknown host) and IST0133 (the standing warning)", messages)
	}
}
