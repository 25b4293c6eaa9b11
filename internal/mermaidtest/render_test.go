// SPDX-License-Identifier: Apache-2.0

package mermaidtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/casetest"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// install fetches mermaid as package-lock.json pins it, and returns the file that a browser loads.
func install(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return filepath.Join(dir, "node_modules", "mermaid", "dist", "mermaid.min.js")
}

var drawn = regexp.MustCompile(`(?s)<pre id="out">(.*?)</pre>`)

// render draws the charts, and returns the texts in each picture, or the error that mermaid has for it.
func render(t *testing.T, script string, charts map[string]string) map[string]string {
	t.Helper()
	list, err := json.Marshal(charts) // which writes < as \u003c, so that no chart ends the script
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "page.html")
	text := fmt.Sprintf(`<!doctype html><meta charset="utf-8"><pre id="out"></pre><script src="file://%s"></script><script>
mermaid.initialize({startOnLoad: false});
(async () => {
  const out = {}, charts = %s;
  for (const [name, chart] of Object.entries(charts)) {
    try {
      const {svg} = await mermaid.render("chart" + Object.keys(out).length, chart);
      const box = document.createElement("div");
      box.innerHTML = svg;
      const shapes = box.querySelectorAll("g.node").length, edges = box.querySelectorAll("path.flowchart-link").length;
      box.querySelectorAll("style").forEach(s => s.remove());
      box.querySelectorAll("br").forEach(b => b.replaceWith(" / "));
      out[name] = shapes + " nodes, " + edges + " edges: " + box.textContent;
    } catch (e) { out[name] = "error: " + e; }
  }
  document.getElementById("out").textContent = JSON.stringify(out);
})();
</script>`, script, list)
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=60000", "--dump-dom", "file://"+page).Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	m := drawn.FindSubmatch(out)
	if m == nil {
		t.Fatalf("the page has no output:\n%s", out)
	}
	var texts map[string]string
	if err := json.Unmarshal([]byte(html.UnescapeString(string(m[1]))), &texts); err != nil {
		t.Fatalf("%v: %s", err, m[1])
	}
	return texts
}

// inPage is the picture of a page.
var inPage = regexp.MustCompile("(?ms)^```mermaid\n(.*?)^```$")

// nasty are texts that mermaid, or the HTML and Markdown in its labels, reads as more than text where they are not escaped.
var nasty = []string{
	"%%{init: {'theme':'forest'}}%%", "$$x^2$$", "<img src=x onerror=alert(1)>", "&lt;b&gt;", "#quot;", "#36;", "\"]; click a", "`code`",
	"_x_", "__x__", "*x*", "**x**", "~~x~~", "[x](http://example.com)", "http://example.com", "www.example.com", "a@b.example", "fa:fa-car", "1. item", "- item",
	"+ item", "# heading", "> quote", "    code", "end", "\x1b[2J", "\u202egnp", "\\n", "a|b", "{x}", "a_b-c.d: e",
}

func TestRender(t *testing.T) {
	mesh, err := wsmesh.MeshOf("1.24.1")
	if err != nil {
		t.Fatal(err)
	}
	svc := wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}, Ports: []wsmesh.Port{{Number: 80, Name: "http"}}}
	charts := map[string]string{"broken on purpose": "flowchart LR\n  a[\"]--\n"}
	plan := func(name string, svc wsmesh.Service, opts wsmesh.Options) {
		p, err := wsmesh.NewPlan(svc, mesh, opts)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.Mermaid(&b); err != nil {
			t.Fatal(err)
		}
		charts[name] = b.String()
	}
	plan("plan", svc, wsmesh.Options{})
	plan("plan with a gateway", svc, wsmesh.Options{Gateways: []wsmesh.Gateway{{Namespace: "istio-ingress", Workload: map[string]string{"istio": "ingressgateway"}}}})
	ambient := svc
	ambient.Ambient = true
	plan("ambient plan", ambient, wsmesh.Options{})
	http2 := svc
	http2.Ports = []wsmesh.Port{{Number: 80, Name: "http2"}}
	plan("plan that breaks", http2, wsmesh.Options{})
	ports := svc
	ports.Ports = []wsmesh.Port{{Number: 80, Name: "http"}, {Number: 9090, Name: "grpc"}}
	plan("plan of several ports", ports, wsmesh.Options{})

	for _, page := range []string{"README.md", "wsmesh/README.md"} {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		chart := inPage.FindSubmatch(text)
		if chart == nil {
			t.Fatalf("%s has no picture", page)
		}
		charts[page] = string(chart[1])
	}

	files, err := filepath.Glob("../../wsmesh/audit/testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	draw := func(name string, m wsmesh.Mesh, files []casetest.File) {
		report, err := audit.Run(t.Context(), casetest.Set(t, files), m)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := report.Mermaid(&b); err != nil {
			t.Fatal(err)
		}
		charts[name] = b.String()
	}
	for _, f := range files {
		c := casetest.Read(t, f)
		draw(filepath.Base(f), c.Mesh, c.Files)
	}
	c := casetest.Read(t, "../../wsmesh/audit/testdata/cases/WS340-no-filter.txtar")
	for i := range c.Files {
		c.Files[i].Text = strings.Replace(c.Files[i].Text, "kind: DestinationRule\nmetadata: {name: chat,", "kind: DestinationRule\nmetadata: {name: \"a\\\"]<b>#`;end\\\\\",", 1)
	}
	draw("a nasty name", c.Mesh, c.Files)

	for _, text := range nasty {
		label := finding.EscapeMermaid(text)
		charts["label "+text] = fmt.Sprintf("flowchart LR\n  subgraph g[\"%s\"]\n    a[\"%s\"] -->|\"%s\"| b\n  end\n", label, label, label)
	}

	texts := render(t, install(t), charts)
	for name := range charts {
		if strings.HasPrefix(texts[name], "error: ") != (name == "broken on purpose") {
			t.Errorf("%s: %s\n%s", name, texts[name], charts[name])
		}
	}
	for _, text := range nasty { // each of the three labels shows it
		shown := strings.TrimSpace(finding.EscapeText(text))
		if got := texts["label "+text]; !strings.HasPrefix(got, "2 nodes, 1 edges: ") || strings.Count(got, shown) != 3 {
			t.Errorf("%q is drawn as %q", text, got)
		}
	}
	for name, want := range map[string][]string{
		"plan":                      {"4 nodes, 3 edges", "client's proxy", "HTTP/2, extended CONNECT", "chat.prod.svc.cluster.local"},
		"plan with a gateway":       {"6 nodes, 5 edges", "gateway"},
		"plan of several ports":     {"8 nodes, 6 edges", "chat.prod.svc.cluster.local, port 80", "chat.prod.svc.cluster.local, port 9090"},
		"ambient plan":              {"3 nodes, 2 edges", "ztunnel"},
		"plan that breaks":          {"503: no allow_connect"},
		"WS340-no-filter.txtar":     {"4 nodes, 2 edges", "HTTP/2, extended CONNECT / WS340 503: no allow_connect"},
		"WS340-silent-filter.txtar": {"4 nodes, 3 edges"},
		"README.md":                 {"4 nodes, 2 edges", "503: no allow_connect"},
		"wsmesh/README.md":          {"6 nodes, 5 edges", "allow_connect: true"},
		"a nasty name":              {"DestinationRule prod/a\"]<b>#`;end\\"},
	} {
		for _, w := range want {
			if !strings.Contains(texts[name], w) {
				t.Errorf("%s: %q is not in %q", name, w, texts[name])
			}
		}
	}
}
