// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// auditRanges are the codes that an audit alone reports.
var auditRanges = [][2]string{{"WS340", "WS389"}, {"WS440", "WS469"}, {"WS540", "WS589"}, {"WS990", "WS999"}}

func isAuditCode(code string) bool {
	return slices.ContainsFunc(auditRanges, func(r [2]string) bool { return r[0] <= code && code <= r[1] })
}

// auditFile audits a file of testdata/cases at the release that its first line names.
func auditFile(t testing.TB, path string) finding.List {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	release, ok := strings.CutPrefix(line, "# istio: ")
	if !ok {
		t.Fatalf("the first line names no release: %q", line)
	}
	return findings(t, string(text), release)
}

// TestAuditCodes: each code fires on its one document and is silent on the other, which differs as little as can be.
func TestAuditCodes(t *testing.T) {
	texts := map[string][2]string{ // what no file of this tree should hold
		"WS990": {"apiVersion: v1\nkind: Service\n#" + strings.Repeat("x", 3<<20), "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"},
		"WS991": {"apiVersion: v1\nkind: Service\nmetadata: {name: \xff}\n", "apiVersion: v1\nkind: Service\nmetadata: {name: ü}\n"},
	}
	for _, c := range finding.Codes() {
		if !isAuditCode(c.Code) {
			continue
		}
		t.Run(c.Code, func(t *testing.T) {
			audit := func(name string, i int) finding.List {
				if pair, ok := texts[c.Code]; ok {
					return findings(t, pair[i], "1.24.1")
				}
				return auditFile(t, filepath.Join("testdata", "cases", c.Code+"-"+name+".yaml"))
			}
			firing, silent := audit("firing", 0), audit("silent", 1)
			i := slices.IndexFunc(firing, func(f finding.Finding) bool { return f.Code == c.Code })
			if i < 0 {
				t.Fatalf("it does not fire (%s): %v", c.Meaning, firing)
			}
			if f := firing[i]; f.File != "a.yaml" || f.Line == 0 || f.Message == "" || f.Hint == "" || f.Source == "" {
				t.Errorf("the finding lacks a part: %#v", f)
			}
			if slices.Contains(codes(silent), c.Code) {
				t.Errorf("it is not silent: %v", silent)
			}
		})
	}
	files, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil || len(files) < 80 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		code, _, _ := strings.Cut(filepath.Base(f), "-")
		if !slices.ContainsFunc(finding.Codes(), func(c finding.Rule) bool { return c.Code == code && isAuditCode(code) }) {
			t.Errorf("%s is for no code", f)
		}
	}
}

// TestAuditSeed: the pair of the documents audits clean but for its proxyVersion, which gates nothing, and below 1.12
// their DestinationRule has no finding at all.
func TestAuditSeed(t *testing.T) {
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

// TestAuditPlans: what this library plans audits without an error on every release.
func TestAuditPlans(t *testing.T) {
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

// TestAuditForms: the same objects are found in whatever way they come, each finding with the line it stands on.
func TestAuditForms(t *testing.T) {
	const rule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: chat
  namespace: prod
  creationTimestamp: "2024-01-01T00:00:00Z"
  uid: 0d4f
  resourceVersion: "1"
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"kind":"DestinationRule"}'
  managedFields:
  - {operation: Update,
    fieldsV1: {"f:spec": {}}}
spec:
  host: chat.prod.svc.cluster.local
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
status: {}
`
	const service = `apiVersion: v1
kind: Service
metadata: {name: chat, namespace: prod}
spec:
  selector: {app: chat}
  ports:
  - {port: 80, name: http}
status:
  loadBalancer: {}
`
	item := func(doc string) string {
		return "- " + strings.ReplaceAll(strings.TrimSuffix(doc, "\n"), "\n", "\n  ") + "\n"
	}
	const json = `{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"chat","namespace":"prod"},
"spec":{"host":"chat.prod.svc.cluster.local","trafficPolicy":{"connectionPool":{"http":{
  "h2UpgradePolicy":"UPGRADE"}}}}},
{"apiVersion":"v1","kind":"Service","metadata":{"name":"chat","namespace":"prod","annotations":{"face":"\ud83d\ude00"}},"spec":{"selector":{"app":"chat"},"ports":[{"port":80,"name":"http"}]}}]}
`
	for name, tt := range map[string]struct {
		text string
		line int
	}{
		"documents":           {rule + "---\n" + service, 19},
		"documents, CRLF":     {strings.ReplaceAll(rule+"---\n"+service, "\n", "\r\n"), 19},
		"byte order mark":     {"\ufeff" + rule + "---\n" + service, 19},
		"separator, comments": {"# a\n---\n# b\n--- # c\n" + rule + "--- \n" + service + "...\n", 23},
		"list":                {"apiVersion: v1\nitems:\n" + item(rule) + item(service) + "kind: List\nmetadata:\n  resourceVersion: \"\"\n", 21},
		"indented list":       {"apiVersion: v1\nkind: List\nitems: # all\n\n  # one\n  " + strings.ReplaceAll(item(rule)+item(service), "\n", "\n  ") + "\n", 24},
		"typed list":          {"apiVersion: networking.istio.io/v1\nkind: DestinationRuleList\nitems:\n" + item(rule) + "---\n" + service, 22},
		"JSON":                {json, 4},
		"JSON, two documents": {`{"apiVersion":"v1","kind":"Other"}` + "\n" + json, 5},
	} {
		t.Run(name, func(t *testing.T) {
			l := findings(t, tt.text, "1.24.1")
			if got := codes(l); !slices.Equal(got, []string{"WS340", "WS549"}) {
				t.Fatalf("%v", l)
			}
			if f := l[0]; f.Line != tt.line || f.Object != "DestinationRule prod/chat" || f.File != "a.yaml" {
				t.Errorf("line %d, want %d: %s", f.Line, tt.line, f)
			}
		})
	}
}

// TestAuditKeepsGoing: what is wrong in one object does not keep others from being audited.
func TestAuditKeepsGoing(t *testing.T) {
	pair, err := os.ReadFile("testdata/cases/WS340-silent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	typo := strings.Replace(string(pair), "allow_connect", "allow_conect", 1)
	if got := codes(findings(t, typo, "1.24.1")); !slices.Equal(got, []string{"WS920", "WS340"}) {
		t.Errorf("a misspelt field in a patch is dropped by Istio, which leaves the server closed: %v", got)
	}
	typo = strings.Replace(string(pair), "  host:", "  exportsTo: ['*']\n  host:", 1)
	if got := codes(findings(t, typo, "1.24.1")); !slices.Equal(got, []string{"WS920"}) {
		t.Errorf("the API server prunes an unknown field: %v", got)
	}
}

// TestAuditHostile: input that nobody means well with is a finding with a line, soon.
func TestAuditHostile(t *testing.T) {
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
			l := findings(t, text, "1.24.1")
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

// TestAuditSamples: manifests as Istio's documentation has them audit without an error.
func TestAuditSamples(t *testing.T) {
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

// TestAuditRevisions: of several releases in the mesh each counts, and a filter for each range of them is enough.
func TestAuditRevisions(t *testing.T) {
	pair, err := os.ReadFile("testdata/cases/WS340-silent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	gate := func(text, name, constraint string) string {
		pattern, err := version.ProxyVersionPattern(constraint)
		if err != nil {
			t.Fatal(err)
		}
		text = strings.Replace(text, "  name: chat\n", "  name: "+name+"\n", 1)
		return strings.Replace(text, "      listener:\n", "      proxy: {proxyVersion: '"+pattern+"'}\n      listener:\n", 1)
	}
	filter, rest, _ := strings.Cut(strings.ReplaceAll(string(pair), "istio.io/v1\n", "istio.io/v1beta1\n"), "---\n")
	two := gate(filter, "older", "<1.24") + "---\n" + gate(filter, "newer", ">=1.24") + "---\n" + rest
	if l := run(t, setOf(t, two), "1.24.1", "1.20.8").Findings; len(l.Errors())+len(l.Warnings()) > 0 {
		t.Errorf("one filter for each release: %v", l)
	}
	one := gate(filter, "newer", ">=1.24") + "---\n" + rest
	l := run(t, setOf(t, one), "1.24.1", "1.20.8").Findings
	if got := codes(l); !slices.Equal(got, []string{"WS441", "WS340"}) || !strings.Contains(l[1].Message, "1.20.8") {
		t.Errorf("%v", l)
	}
}

// auditFleet writes n Services with all that belongs to them, four documents each.
func auditFleet(t testing.TB, n int) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/cases/WS340-silent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for i := range n {
		name, ns := fmt.Sprintf("chat-%d", i), fmt.Sprintf("prod-%d", i%100)
		b.WriteString(strings.NewReplacer("app: chat", "app: "+name, "name: chat", "name: "+name, "namespace: prod", "namespace: "+ns,
			"chat.prod.svc", name+"."+ns+".svc").Replace(string(text)))
		b.WriteString("---\n")
	}
	return b.Bytes()
}

// TestAuditFleet: 1,000 Services in bounded memory and time; BenchmarkAudit has the 10,000 of the promise.
func TestAuditFleet(t *testing.T) {
	var m manifests.Set
	if err := m.Add("fleet.yaml", bytes.NewReader(auditFleet(t, 1000))); err != nil {
		t.Fatal(err)
	}
	if l := run(t, &m, "1.24.1").Findings; len(l) > 0 {
		t.Errorf("%d findings, the first: %s", len(l), l[0])
	}
}

// BenchmarkAudit audits 10,000 Services: 40,000 documents.
func BenchmarkAudit(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		fleet := auditFleet(b, n)
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

func FuzzAudit(f *testing.F) {
	files, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("{}{\"kind\":\"List\",\"items\":[{}]}")
	f.Add("kind: List\nitems:\n- \n-\n")
	f.Add("kind: DestinationRule\n#\r#\r#\r#\u0085#\nspec: [\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := 1 + strings.Count(text, "\n")
		for _, found := range findings(t, text, "1.24.1") {
			if found.Line < 1 || found.Line > lines+1 || found.Message == "" || found.Code == "" {
				t.Errorf("%#v", found)
			}
		}
	})
}
