// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// patch applies a unified diff of one file to it, as patch does, and fails where a line is not what the diff says.
func patch(t testing.TB, before, diff string) string {
	t.Helper()
	lines := strings.SplitAfter(before, "\n")
	var out []string
	at := 0
	removed := false
	for line := range strings.SplitAfterSeq(diff, "\n") {
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "), line == "":
		case strings.HasPrefix(line, "@@ "):
			var from, n, to, m int
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &from, &n, &to, &m); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				from--
			}
			out = append(out, lines[at:from]...)
			at = from
		case strings.HasPrefix(line, `\ `):
			if !removed {
				out[len(out)-1] = strings.TrimSuffix(out[len(out)-1], "\n")
			}
		case line[0] == '+':
			removed = false
			out = append(out, line[1:])
		default:
			if lines[at] != line[1:] && lines[at]+"\n" != line[1:] {
				t.Fatalf("line %d is %q, and in the diff %q", at+1, lines[at], line[1:])
			}
			if removed = line[0] == '-'; !removed {
				out = append(out, line[1:])
			}
			at++
		}
	}
	return strings.Join(append(out, lines[at:]...), "")
}

const dropped = `# Our chat, since 2019.
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: chat   # do not rename
  namespace: prod
spec:
  trafficPolicy:
    portLevelSettings:
    - port:
        number: 80 # the Service's
      loadBalancer: {simple: RANDOM}
    connectionPool:
      http: {h2UpgradePolicy: UPGRADE}
  host: chat.prod.svc.cluster.local
  subsets:
  - labels: {version: v1}
    name: v1
    trafficPolicy:
      connectionPool:
        # few
        tcp:
          maxConnections: 10
`

const droppedMended = `# Our chat, since 2019.
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: chat   # do not rename
  namespace: prod
spec:
  trafficPolicy:
    portLevelSettings:
    - connectionPool:
        http:
          h2UpgradePolicy: UPGRADE
      port:
        number: 80 # the Service's
      loadBalancer: {simple: RANDOM}
    connectionPool:
      http: {h2UpgradePolicy: UPGRADE}
  host: chat.prod.svc.cluster.local
  subsets:
  - labels: {version: v1}
    name: v1
    trafficPolicy:
      connectionPool:
        # few
        http:
          h2UpgradePolicy: UPGRADE
        tcp:
          maxConnections: 10
`

// TestFixTexts: what is mended within a document, to the byte.
func TestFixTexts(t *testing.T) {
	filter := func(pattern string) string {
		text, err := os.ReadFile("testdata/cases/WS441-firing.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(string(text), `'^1\.1[2-9]\..*'`, pattern, 1)
	}
	const pattern = `^v?1\.(1[2-9]|[2-9]\d)(\.(\d|[1-9]\d{1,8})(\.\d+)?)?([-+][\w.+-]+)?$`
	for name, tt := range map[string]struct {
		release, before, after string
		codes                  []string
	}{
		"levels":       {"1.24.1", dropped, droppedMended, []string{"WS164", "WS165"}},
		"levels, CRLF": {"1.24.1", strings.ReplaceAll(dropped, "\n", "\r\n"), strings.ReplaceAll(droppedMended, "\n", "\r\n"), []string{"WS164", "WS165"}},
		"levels, list": {"1.24.1", asItem(dropped), asItem(droppedMended), []string{"WS164", "WS165"}},
		"levels, flow": {"1.24.1",
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: b}\nspec: {host: a.b.svc.cluster.local, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}},\n portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}}",
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: b}\nspec: {host: a.b.svc.cluster.local, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}},\n portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}, tcp: {maxConnections: 1}}}]}}",
			[]string{"WS164"}},
		"levels, JSON": {"1.24.1",
			`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a","namespace":"b"},"spec":{"host":"a.b.svc.cluster.local","trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":"DO_NOT_UPGRADE"}}},"subsets":[{"name":"s","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":1}}}}]}}`,
			`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a","namespace":"b"},"spec":{"host":"a.b.svc.cluster.local","trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":"DO_NOT_UPGRADE"}}},"subsets":[{"name":"s","trafficPolicy":{"connectionPool":{"http": {"h2UpgradePolicy": "DO_NOT_UPGRADE"}, "tcp":{"maxConnections":1}}}}]}}`,
			[]string{"WS165"}},
		"null": {"1.24.1",
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: b}\nspec:\n  host: a.b.svc.cluster.local\n  trafficPolicy:\n    connectionPool: {http: {h2UpgradePolicy: UPGRADE}}\n    portLevelSettings:\n    - port: {number: 80}\n      connectionPool:\n        tcp: {maxConnections: 1}\n        http: # nothing yet\n",
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: b}\nspec:\n  host: a.b.svc.cluster.local\n  trafficPolicy:\n    connectionPool: {http: {h2UpgradePolicy: UPGRADE}}\n    portLevelSettings:\n    - port: {number: 80}\n      connectionPool:\n        tcp: {maxConnections: 1}\n        http: {h2UpgradePolicy: UPGRADE} # nothing yet\n",
			[]string{"WS164"}},
		"apiVersion": {"1.21.6",
			"kind: DestinationRule\napiVersion: \"networking.istio.io/v1\" # new\nmetadata: {name: a, namespace: b}\nspec: {host: a.b.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n",
			"kind: DestinationRule\napiVersion: networking.istio.io/v1beta1 # new\nmetadata: {name: a, namespace: b}\nspec: {host: a.b.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n",
			[]string{"WS446"}},
		"apiVersion, 1.4": {"1.4.6",
			"kind: DestinationRule\napiVersion: networking.istio.io/v1beta1\nmetadata: {name: a, namespace: b}\nspec: {host: a.b.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n",
			"kind: DestinationRule\napiVersion: networking.istio.io/v1alpha3\nmetadata: {name: a, namespace: b}\nspec: {host: a.b.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n",
			[]string{"WS446"}},
		"pattern that misses":   {"1.24.1", filter(`'^1\.1[2-9]\..*'`), filter("'" + pattern + "'"), []string{"WS441", "WS340"}},
		"pattern without start": {"1.24.1", filter(`"1.24"`), filter("'" + pattern + "'"), []string{"WS228"}},
		"pattern cut off":       {"1.24.1", filter(`"^1\\.2.*"`), filter("'" + pattern + "'"), []string{"WS443"}},
		"anchors are not read":  {"1.24.1", strings.Replace(dropped, "metadata:", "metadata: &m", 1), "", nil},
		"two policies": {"1.24.1",
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: b}\nspec:\n  host: a.b.svc.cluster.local\n  trafficPolicy:\n    connectionPool: {http: {h2UpgradePolicy: UPGRADE}}\n    portLevelSettings:\n    - port: {number: 80}\n      loadBalancer: {simple: RANDOM}\n    - port: {number: 81}\n      connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}\n",
			"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := setOf(t, tt.before)
			fixed := fix(t, m, tt.release)
			if tt.after == "" {
				if len(fixed.Files) != 0 || len(fixed.Mended) != 0 || len(fixed.Left) == 0 || fixed.Diff() != "" {
					t.Errorf("it was mended: %s", fixed.Diff())
				}
				return
			}
			if len(fixed.Files) != 1 || string(fixed.Files[0].After) != tt.after {
				t.Fatalf("%s", fixed.Diff())
			}
			if got := patch(t, tt.before, fixed.Diff()); got != tt.after {
				t.Errorf("the diff does not lead to the file:\n%s", fixed.Diff())
			}
			for _, code := range tt.codes {
				if !slices.Contains(codes(fixed.Mended), code) || slices.Contains(codes(fixed.Left), code) {
					t.Errorf("%s: mended %v, left %v", code, codes(fixed.Mended), fixed.Left)
				}
			}
			if again := fix(t, setOf(t, string(fixed.Files[0].After)), tt.release); len(again.Files) != 0 {
				t.Errorf("mended twice:\n%s", again.Diff())
			}
		})
	}
}

// asItem returns a document as the item of a List, as kubectl prints it.
func asItem(doc string) string {
	return "apiVersion: v1\nitems:\n- " + strings.ReplaceAll(strings.TrimSuffix(doc, "\n"), "\n", "\n  ") + "\nkind: List\n"
}

// TestFixFilter: the filter that a Service lacks comes before the rule that needs it.
func TestFixFilter(t *testing.T) {
	for _, name := range []string{"WS340", "WS341"} {
		text, err := os.ReadFile(filepath.Join("testdata", "cases", name+"-firing.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for form, before := range map[string]string{
			"as it is":  string(text),
			"separator": "---\n" + string(text),
			"CRLF":      strings.ReplaceAll(string(text), "\n", "\r\n"),
		} {
			fixed := fix(t, setOf(t, before), "1.24.1")
			if len(fixed.Files) != 1 || !slices.Equal(codes(fixed.Mended), []string{name}) || len(fixed.Left.Errors()) != 0 {
				t.Fatalf("%s, %s: %v %v", name, form, fixed.Mended, fixed.Left)
			}
			after := string(fixed.Files[0].After)
			if got := patch(t, before, fixed.Diff()); got != after {
				t.Errorf("%s, %s: the diff does not lead to the file:\n%s", name, form, fixed.Diff())
			}
			filter, rule := strings.Index(after, "name: chat-allow-connect"), strings.Index(after, "kind: DestinationRule")
			if filter < 0 || rule < filter {
				t.Errorf("%s, %s: the filter is not before the rule:\n%s", name, form, after)
			}
			if form == "CRLF" && strings.Count(after, "\n") != strings.Count(after, "\r\n") {
				t.Errorf("%s: the ends of lines are mixed", name)
			}
		}
	}
}

// TestFixBeside: a List keeps its form, and the filter gets a file of its own.
func TestFixBeside(t *testing.T) {
	text, err := os.ReadFile("testdata/cases/WS340-firing.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rule, rest, _ := strings.Cut(string(text), "---\n")
	var m manifests.Set
	for _, name := range []string{"all/rules.yaml", "all/chat-allow-connect.yaml", "all/rest.yaml"} {
		text := map[string]string{"all/rules.yaml": asItem(rule), "all/rest.yaml": rest}[name]
		if err := m.Add(name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	fixed := fix(t, &m, "1.24.1")
	if len(fixed.Files) != 1 || fixed.Files[0].Name != filepath.Join("all", "chat-allow-connect-2.yaml") || fixed.Files[0].Before != nil {
		t.Fatalf("%s", fixed.Diff())
	}
	if !slices.Equal(codes(fixed.Mended), []string{"WS340"}) || len(fixed.Left) != 0 {
		t.Errorf("mended %v, left %v", fixed.Mended, fixed.Left)
	}
	if diff := fixed.Diff(); !strings.HasPrefix(diff, "--- /dev/null\n+++ b/all/chat-allow-connect-2.yaml\n@@ -0,0 +1,") || patch(t, "", diff) != string(fixed.Files[0].After) {
		t.Error(diff)
	}
}

// TestFixLeaves: where a filter would not be enough, or is not known to be wanted, there is none.
func TestFixLeaves(t *testing.T) {
	text, err := os.ReadFile("testdata/cases/WS340-firing.yaml")
	if err != nil {
		t.Fatal(err)
	}
	taken := "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: chat-allow-connect, namespace: prod}\nspec:\n  workloadSelector: {labels: {app: other}}\n  configPatches:\n" +
		"  - {applyTo: NETWORK_FILTER, match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}},\n     patch: {operation: REMOVE}}\n---\n"
	bare := strings.Replace(string(text), "kind: Deployment\nmetadata:\n  name: chat\n", "kind: Deployment\nmetadata:\n  name: bare\n", 1)
	bare = strings.Replace(bare, "      labels: {app: chat}", "      labels: {app: chat, sidecar.istio.io/inject: \"false\"}", 1)
	unread := strings.Replace(string(text), "# istio", "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a, namespace: prod}\nspec: {configPatches: 1}\n---\n# istio", 1)
	_, deployment, _ := strings.Cut(string(text), "apiVersion: apps/v1")
	for reason, tt := range map[string]struct{ release, text string }{
		"a release before 1.12":     {"1.11.8", strings.Replace(string(text), "istio.io/v1\n", "istio.io/v1beta1\n", 1)},
		"a filter is not read":      {"1.24.1", unread},
		"the name is taken":         {"1.24.1", taken + string(text)},
		"some pods have no sidecar": {"1.24.1", bare + "---\napiVersion: apps/v1" + deployment},
		"a selector of no pod":      {"1.24.1", strings.ReplaceAll(string(text), "app: chat", "app: 'a b'")},
	} {
		fixed := fix(t, setOf(t, tt.text), tt.release)
		if len(fixed.Files) != 0 || !slices.Contains(codes(fixed.Left), "WS340") {
			t.Errorf("%s: %v\n%s", reason, fixed.Left, fixed.Diff())
		}
	}
}

// TestFixSeveral: several files, and places far apart in one of them, each with a hunk of its own.
func TestFixSeveral(t *testing.T) {
	text, err := os.ReadFile("testdata/cases/WS340-firing.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var before strings.Builder
	for i := range 5 {
		before.WriteString(strings.NewReplacer("chat", "chat-"+strconv.Itoa(i)).Replace(string(text)) + "---\n")
	}
	fixed := fix(t, setOf(t, before.String(), dropped, seedServer), "1.24.1")
	if len(fixed.Files) != 2 {
		t.Fatal(fixed.Diff())
	}
	one, two, _ := strings.Cut(fixed.Diff(), "--- a/b.yaml")
	if patch(t, before.String(), one) != string(fixed.Files[0].After) || patch(t, dropped, "--- a/b.yaml"+two) != string(fixed.Files[1].After) {
		t.Error(fixed.Diff())
	}
	if n := strings.Count(one, "\n@@ "); n != 5 {
		t.Errorf("%d hunks:\n%s", n, one)
	}
	if got := codes(fixed.Mended); !slices.Contains(got, "WS164") || len(finding.List(fixed.Left).Errors()) > 1 {
		t.Errorf("%v, left %v", got, fixed.Left)
	}
}

func FuzzFix(f *testing.F) {
	f.Add(dropped, "1.24.1")
	f.Add(asItem(dropped), "1.21.6")
	for _, code := range []string{"WS340", "WS341", "WS441", "WS443", "WS446"} {
		text, err := os.ReadFile(filepath.Join("testdata", "cases", code+"-firing.yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "1.24.1")
	}
	f.Fuzz(func(t *testing.T, text, release string) {
		if release != "1.21.6" {
			release = "1.24.1"
		}
		fixed := fix(t, setOf(t, text), release)
		for _, file := range fixed.Files {
			if file.Before != nil && patch(t, text, fixed.Diff()) != string(file.After) && len(fixed.Files) == 1 {
				t.Errorf("the diff does not lead to the file:\n%s", fixed.Diff())
			}
		}
	})
}
