// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/casetest"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// TestSeed: the pair of the documents audits clean but for its proxyVersion, which gates nothing, and below 1.12
// their DestinationRule has no finding at all.
func TestSeed(t *testing.T) {
	for _, tt := range []struct {
		release string
		files   []string
		want    []string
		reason  string
	}{
		{"1.12.0", []string{"destinationrule-from-1.12.yaml", "envoyfilter-from-1.12.yaml"}, []string{"WS444"}, "the pattern ^1\\.*.* matches every release"},
		{"1.11.8", []string{"destinationrule-before-1.12.yaml"}, nil, "DO_NOT_UPGRADE needs nothing else"},
		{"1.11.8", []string{"destinationrule-from-1.12.yaml"}, []string{"WS340", "WS440"}, "step 4 of the documents: 503"},
	} {
		var m manifests.Set
		for _, f := range tt.files {
			if err := m.AddPath(filepath.Join("..", "testdata", "seed", f)); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Add("server.yaml", strings.NewReader(seedServer)); err != nil {
			t.Fatal(err)
		}
		if got := codes(run(t, &m, tt.release).Findings); !slices.Equal(got, tt.want) {
			t.Errorf("%s %v: %v, want %v: %s", tt.release, tt.files, got, tt.want, tt.reason)
		}
	}
}

// seedServer is the server of the documents' scenario.
const seedServer = `apiVersion: v1
kind: Service
metadata:
  name: websockets-server
spec:
  ports:
  - port: 8080
    targetPort: 80
    name: http-websocket
  selector:
    app: websockets-server
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: websockets-server
spec:
  selector:
    matchLabels:
      app: websockets-server
  template:
    metadata:
      labels:
        app: websockets-server
    spec:
      containers:
      - name: websockets-test
        image: websockets-test:1.0
        ports:
        - containerPort: 80
`

// TestPlans: what this library plans audits without an error on every release.
func TestPlans(t *testing.T) {
	workload := strings.ReplaceAll(seedServer, "  name: websockets-server\n", "  name: websockets-server\n  namespace: default\n")
	svc := wsmesh.Service{
		Name: "websockets-server", Namespace: "default", Workload: map[string]string{"app": "websockets-server"},
		Ports: []wsmesh.Port{{Number: 8080, TargetPort: 80, Name: "http-websocket"}},
	}
	for _, release := range []string{"1.11.8", "1.12.0", "1.21.6", "1.22.0", "1.27.9", "1.31.0"} {
		plan, err := wsmesh.NewPlan(svc, mesh(release), wsmesh.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := plan.WriteYAML(&text); err != nil {
			t.Fatal(err)
		}
		for _, f := range run(t, setOf(t, text.String(), workload), release).Findings {
			t.Errorf("%s: %s", release, f)
		}
	}
}

func TestRunWithoutRelease(t *testing.T) {
	r, err := audit.Run(t.Context(), setOf(t, seedServer), wsmesh.Mesh{})
	if got := codes(finding.In(err)); r != nil || !slices.Equal(got, []string{"WS401"}) || !errors.Is(err, version.ErrNoRelease) {
		t.Errorf("%v, %v", r, err)
	}
}

// TestRunCancelled: nothing is judged once nobody waits for it.
func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := audit.Run(ctx, setOf(t, seedServer), mesh("1.24.1")); r != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", r, err)
	}
}

// TestHostile: input that nobody means well with is a finding with a line, soon.
func TestHostile(t *testing.T) {
	head := "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\n"
	bomb := head + "spec:\n  host: a\n  a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("  %c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, text := range map[string]string{
		"bomb":           bomb,
		"cyclic alias":   head + "spec: &a\n  host: a\n  b: *a\n",
		"deep flow":      head + "spec: " + strings.Repeat("[", 100_000),
		"deep block":     head + "spec:\n" + deepBlock(2000),
		"deep JSON":      `{"apiVersion":"v1","kind":"Service","spec":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + "}",
		"duplicate key":  head + "spec: {host: a, host: b}\n",
		"NUL":            head + "spec: {host: \"a\x00\"}\n",
		"not UTF-8":      head + "spec: {host: \xff\xfe}\n",
		"UTF-16":         "\xff\xfea\x00p\x00i\x00V\x00",
		"large":          head + "spec: {host: a" + strings.Repeat("a", 4<<20) + "}\n",
		"no YAML":        "\t\t: : :\n- }{",
		"flow list":      "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Service}]\n",
		"wrong types":    "apiVersion: v1\nkind: Service\nmetadata: []\nspec: 7\n",
		"spec is a list": head + "spec: []\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			l := findings(t, text)
			if len(l.Errors()) == 0 || l[0].Line == 0 || l[0].File != "a.yaml" {
				t.Errorf("%v", l)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func deepBlock(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return b.String()
}

// TestSamples: manifests as Istio's documentation has them audit without an error.
func TestSamples(t *testing.T) {
	var m manifests.Set
	if err := m.AddPath("testdata/samples"); err != nil {
		t.Fatal(err)
	}
	for _, release := range []string{"1.22.0", "1.24.1", "1.31.0"} {
		for _, f := range run(t, &m, release).Findings {
			if f.Severity != finding.Info {
				t.Errorf("%s: %s", release, f)
			}
		}
	}
}

// TestMessages: what a reader looks for in a message, beside what a line and a code say.
func TestMessages(t *testing.T) {
	for name, want := range map[string]string{
		"WS340-many-workloads":      "Deployment prod/chat-a, Deployment prod/chat-b, Deployment prod/chat-c and 1 more",
		"WS441-one-of-two-releases": "Deployment prod/chat in proxies of the release 1.20.8",
	} {
		c := casetest.Read(t, filepath.Join("testdata", "cases", name+".txtar"))
		if l := runFiles(t, c.Mesh, c.Files).Findings; !strings.Contains(l.String(), want) {
			t.Errorf("%s: %q is not in\n%v", name, want, l)
		}
	}
}

// fleetText writes n Services with all that belongs to them, four documents each.
func fleetText(t testing.TB, n int) []byte {
	t.Helper()
	text := caseText(t, "WS340-silent-filter")
	var b bytes.Buffer
	for i := range n {
		name, ns := fmt.Sprintf("chat-%d", i), fmt.Sprintf("prod-%d", i%100)
		b.WriteString(strings.NewReplacer("app: chat", "app: "+name, "name: chat", "name: "+name, "namespace: prod", "namespace: "+ns,
			"chat.prod.svc", name+"."+ns+".svc").Replace(text))
		b.WriteString("---\n")
	}
	return b.Bytes()
}

// TestFleet: 1,000 Services in bounded memory and time; BenchmarkRun has the 10,000 of the promise.
func TestFleet(t *testing.T) {
	var m manifests.Set
	if err := m.Add("fleet.yaml", bytes.NewReader(fleetText(t, 1000))); err != nil {
		t.Fatal(err)
	}
	if l := run(t, &m, "1.24.1").Findings; len(l) > 0 {
		t.Errorf("%d findings, the first: %s", len(l), l[0])
	}
}

// BenchmarkRun audits 10,000 Services: 40,000 documents.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		fleet := fleetText(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var m manifests.Set
				if err := m.Add("fleet.yaml", bytes.NewReader(fleet)); err != nil {
					b.Fatal(err)
				}
				if l := run(b, &m, "1.24.1").Findings; len(l) > 0 {
					b.Fatal(l[0])
				}
			}
			var ms runtime.MemStats
			runtime.ReadMemStats(&ms)
			b.ReportMetric(float64(ms.Sys>>20), "MiB")
		})
	}
}

func FuzzRun(f *testing.F) {
	for _, path := range casePaths(f, "cases") {
		f.Add(caseText(f, caseName(path)))
	}
	f.Add("{}{\"kind\":\"List\",\"items\":[{}]}")
	f.Add("kind: List\nitems:\n- \n-\n")
	f.Add("kind: DestinationRule\n#\r#\r#\r#\u0085#\nspec: [\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := 1 + strings.Count(text, "\n")
		for _, found := range findings(t, text) {
			if found.Line < 1 || found.Line > lines+1 || found.Message == "" || found.Code == "" {
				t.Errorf("%#v", found)
			}
		}
	})
}

// TestMeshIsSaid: what is to be known of the mesh itself stands before what is to be known of the manifests.
func TestMeshIsSaid(t *testing.T) {
	release := func(text string) []version.Release { return []version.Release{version.MustParse(text)} }
	for _, tt := range []struct {
		reason string
		mesh   wsmesh.Mesh
		want   []string
	}{
		{"a release later than the newest", wsmesh.Mesh{ControlPlanes: release("1.33.0"), Proxies: release("1.33.0")}, []string{"WS412"}},
		{"no proxies", wsmesh.Mesh{ControlPlanes: release("1.24.1")}, []string{"WS411"}},
		{"all that there is to know", wsmesh.Mesh{ControlPlanes: release("1.24.1"), Proxies: release("1.24.1")}, nil},
	} {
		r, err := audit.Run(t.Context(), new(manifests.Set), tt.mesh)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.Code)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: the findings are %v, want %v", tt.reason, r.Findings, tt.want)
		}
	}
}

// TestSoundBesideGRPC: a Service whose WebSockets have a port of their own is sound, whatever its port for gRPC is.
func TestSoundBesideGRPC(t *testing.T) {
	mesh, err := wsmesh.MeshOf("1.24.1")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := wsmesh.NewPlan(wsmesh.Service{
		Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"},
		Ports: []wsmesh.Port{{Number: 80, Name: "http"}, {Number: 9000, Name: "grpc-x"}},
	}, mesh, wsmesh.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := plan.WriteYAML(&text); err != nil {
		t.Fatal(err)
	}
	text.WriteString(`---
apiVersion: v1
kind: Service
metadata: {name: chat, namespace: prod}
spec: {selector: {app: chat}, ports: [{port: 80, name: http}, {port: 9000, name: grpc-x}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat, namespace: prod}
spec: {template: {metadata: {labels: {app: chat}}, spec: {containers: []}}}
`)
	var set manifests.Set
	if err := set.Add("chat.yaml", &text); err != nil {
		t.Fatal(err)
	}
	r, err := audit.Run(t.Context(), &set, mesh)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) > 0 || !slices.Equal(r.Sound, []string{"Service prod/chat"}) || r.Broken != nil {
		t.Errorf("the findings are %v, sound are %v, broken are %v", r.Findings, r.Sound, r.Broken)
	}
}
