// SPDX-License-Identifier: Apache-2.0

package pkgsitetest

import (
	"context"
	"html"
	"image/color"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const module = "/github.com/wsmesh/wsmesh"

// pages are the public packages, with a few words that their page must have.
var pages = map[string][]string{
	"":                  {"WebSocket through an Istio mesh", "The decision"},
	"version":           {"Suffixes never order"},
	"destinationrule":   {"h2UpgradePolicy"},
	"envoyfilter":       {"https://github.com/istio/istio/issues/26390"},
	"wsmesh":            {"Two hops, two objects", "The boundary 1.12.0", "https://www.rfc-editor.org/rfc/rfc8441"},
	"wsmesh/audit":      {"Package audit judges manifests that exist"},
	"wsmesh/fleet":      {"Package fleet writes the manifests of thousands of WebSocket servers"},
	"wsmesh/manifests":  {"Package manifests"},
	"wsmesh/finding":    {"What each code means", "https://github.com/istio/istio/issues/33534"},
	"wsmesh/wsmeshtest": {"WSMESH_UPDATE=1 go test ./..."},
}

// TestPages serves the module with pkgsite, from this folder alone, and looks at the page of each public package: what is
// exported and each example are there, links within the module lead somewhere, and Chromium draws it. Screenshots go to
// the test's artifact directory: run it with -artifacts to keep them.
func TestPages(t *testing.T) {
	site := serve(t)
	links := map[string]string{}
	for pkg, words := range pages {
		path := strings.TrimSuffix(module+"/"+pkg, "/")
		t.Run(pkg, func(t *testing.T) {
			status, text := get(t, site+path)
			if status != http.StatusOK {
				t.Fatalf("%s: HTTP %d", path, status)
			}
			text = html.UnescapeString(text)
			for _, w := range words {
				if !strings.Contains(text, w) {
					t.Errorf("%q is not on the page", w)
				}
			}
			if pkg != "" {
				symbols := exported(t, pkg)
				for _, s := range symbols {
					if !strings.Contains(text, `id="`+s+`"`) {
						t.Errorf("%s is not on the page", s)
					}
				}
				for _, e := range examples(t, pkg) {
					if !strings.Contains(text, `id="example-`+e+`"`) {
						t.Errorf("the example %s is not on the page", e)
					}
				}
			}
			for _, m := range regexp.MustCompile(`href="(`+module+`[^"#?]*)`).FindAllStringSubmatch(text, -1) {
				links[m[1]] = path
			}
			screenshot(t, site+path, strings.ReplaceAll("page "+pkg, "/", "-")+".png")
		})
	}
	if len(links) < len(pages) {
		t.Errorf("only %d links within the module", len(links))
	}
	for link, page := range links {
		if strings.Contains(link, "@") {
			continue // of a version, which there is none of here
		}
		if status, _ := get(t, site+link); status != http.StatusOK {
			t.Errorf("%s links to %s: HTTP %d", page, link, status)
		}
	}
}

// serve builds pkgsite, runs it on the repository without a network until the test ends, and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "pkgsite")
	if out, err := exec.Command("go", "build", "-o", program, "golang.org/x/pkgsite/cmd/pkgsite").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-http", address, "-list=false", ".")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOPROXY=off")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		resp, err := http.Get("http://" + address + module)
		if err == nil {
			resp.Body.Close()
			return "http://" + address
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("pkgsite does not answer: %v\n%s", err, text)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// exported are the identifiers of what the package exports, from the lines that hold its API.
func exported(t *testing.T, pkg string) []string {
	t.Helper()
	data, err := os.ReadFile("../docs/testdata/api/" + strings.ReplaceAll(pkg, "/", "-") + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range regexp.MustCompile(`(?m)^(?:func|type|const|var) (?:\(\w+ \*?(\w+)\) )?(\w+)[ (]?`).FindAllStringSubmatch(string(data), -1) {
		ids = append(ids, strings.TrimPrefix(m[1]+"."+m[2], "."))
	}
	return ids
}

// examples are the identifiers of the package's examples.
func examples(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob("../../" + pkg + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func Example(\w*)\(\)`).FindAllStringSubmatch(string(data), -1) {
			id := m[1]
			if id == "" {
				id = "package"
			}
			// Example Rule_Validate is of the method Rule.Validate; a suffix begins with a small letter.
			parts := strings.Split(id, "_")
			id = parts[0]
			for _, p := range parts[1:] {
				if p[0] >= 'a' {
					id += "-" + strings.ToUpper(p[:1]) + p[1:]
				} else {
					id += "." + p
				}
			}
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		t.Errorf("%s has no examples", pkg)
	}
	return ids
}

// screenshot draws a page in Chromium, and checks that there is something on the picture.
func screenshot(t *testing.T, url, name string) {
	t.Helper()
	path := filepath.Join(t.ArtifactDir(), name)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--user-data-dir="+t.TempDir(), "--window-size=1280,4000", "--screenshot="+path, url).CombinedOutput()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	colours := map[color.Color]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 2 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 2 {
			colours[img.At(x, y)] = true
		}
	}
	if len(colours) < 50 {
		t.Errorf("the picture has %d colours: %s", len(colours), path)
	}
}
