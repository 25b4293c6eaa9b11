// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const broken = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: chat
  namespace: prod
spec:
  host: chat.prod.svc.cluster.local
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
---
apiVersion: v1
kind: Service
metadata:
  name: chat
  namespace: prod
spec:
  selector: {app: chat}
  ports:
  - {port: 80, name: http}
`

func runAudit(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &errs, false)
	return code, out.String(), errs.String()
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExitStatus(t *testing.T) {
	path := file(t, broken)
	fine := file(t, strings.Replace(broken, "UPGRADE", "DO_NOT_UPGRADE", 1))
	for reason, tt := range map[string]struct {
		stdin string
		args  []string
		want  int
	}{
		"nothing is found":            {"", []string{"-istio", "1.24.1", "-f", fine}, 0},
		"an error":                    {"", []string{"-istio", "1.24.1", path}, 1},
		"an error, and a fine file":   {"", []string{"-istio", "1.24.1", "-f", fine, "-f", path}, 1},
		"standard input":              {broken, []string{"-istio", "1.24.1", "-"}, 1},
		"no error":                    {broken, []string{"-istio", "1.24.1", "-fix", "-"}, 0},
		"an info counts":              {broken, []string{"-istio", "1.24.1", "-fix", "-severity", "info", "-"}, 1},
		"the releases of istioctl":    {"control plane version: 1.24.1\ndata plane version: 1.24.1 (1 proxies)\n", []string{"-istioctl-version", "-", "-f", path}, 1},
		"help":                        {"", []string{"-h"}, 0},
		"no manifests":                {"", []string{"-istio", "1.24.1"}, 2},
		"no release":                  {"", []string{path}, 2},
		"no such release":             {"", []string{"-istio", "latest", path}, 2},
		"no such output of istioctl":  {"pilot version: latest", []string{"-istioctl-version", "-", path}, 2},
		"no such file of istioctl":    {"", []string{"-istioctl-version", path + "x", path}, 2},
		"no such file":                {"", []string{"-istio", "1.24.1", path + "x"}, 2},
		"no such flag":                {"", []string{"-x"}, 2},
		"no such format":              {"", []string{"-istio", "1.24.1", "-o", "xml", path}, 2},
		"no such severity":            {"", []string{"-istio", "1.24.1", "-severity", "bad", path}, 2},
		"-w without -fix":             {"", []string{"-istio", "1.24.1", "-w", path}, 2},
		"-w to standard input":        {"", []string{"-istio", "1.24.1", "-w", "-fix", "-"}, 2},
		"standard input for two":      {"", []string{"-istioctl-version", "-", "-"}, 2},
		"releases from a file":        {"", []string{"-istioctl-version", file(t, "control plane version: 1.24.1\n"), fine}, 0},
		"a broken document is found":  {"kind: [", []string{"-istio", "1.24.1", "-"}, 1},
		"another domain, other hosts": {broken, []string{"-istio", "1.24.1", "-cluster-domain", "mesh.local", "-root-namespace", "root", "-"}, 0},
	} {
		t.Run(reason, func(t *testing.T) {
			code, stdout, stderr := runAudit(t, tt.stdin, tt.args...)
			if code != tt.want {
				t.Errorf("exit status %d, want %d\n%s%s", code, tt.want, stdout, stderr)
			}
			if code == exitUsage && (stdout != "" || stderr == "") {
				t.Errorf("stdout %q, stderr %q", stdout, stderr)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	_, text, _ := runAudit(t, broken, "-istio", "1.24.1", "-")
	if !strings.HasPrefix(text, "-:11: error WS340 DestinationRule prod/chat spec.trafficPolicy.connectionPool.http.h2UpgradePolicy: UPGRADE reaches Service prod/chat") {
		t.Error(text)
	}

	_, text, _ = runAudit(t, broken, "-istio", "1.24.1", "-o", "github", "-")
	if !strings.HasPrefix(text, "::error file=-,line=11,title=WS340::DestinationRule prod/chat spec.trafficPolicy") || strings.Count(text, "\n") != 1 || !strings.Contains(text, "503%0Aapply") {
		t.Error(text)
	}
	_, text, _ = runAudit(t, "kind: [", "-istio", "1.24.1", "-o", "github", "-")
	if !strings.HasPrefix(text, "::error file=-,line=1,title=WS992::the document") {
		t.Error(text)
	}

	_, text, _ = runAudit(t, broken, "-istio", "1.24.1", "-o", "json", "-")
	var list []struct {
		Code, Severity, File string
		Line                 int
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 || list[0].Code != "WS340" || list[0].Severity != "error" || list[0].Line != 11 {
		t.Error(err, text)
	}
	if _, text, _ = runAudit(t, "", "-istio", "1.24.1", "-o", "json", "-"); text != "[]\n" {
		t.Errorf("no findings are %q", text)
	}

	_, text, _ = runAudit(t, broken, "-istio", "1.24.1", "-severity", "info", "-o", "sarif", "-")
	var sarif struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID, Level string
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &sarif); err != nil || sarif.Version != "2.1.0" || len(sarif.Runs) != 1 {
		t.Fatal(err, text)
	}
	run := sarif.Runs[0]
	if len(run.Tool.Driver.Rules) != 2 || run.Tool.Driver.Rules[0].ID != "WS340" || len(run.Results) != 2 || run.Results[0].Level != "error" ||
		run.Results[0].Locations[0].PhysicalLocation.Region.StartLine != 11 || run.Results[1].Level != "note" {
		t.Error(text)
	}

	_, text, _ = runAudit(t, broken, "-istio", "1.24.1", "-o", "mermaid", "-")
	if !strings.HasPrefix(text, "flowchart LR\n") || !strings.Contains(text, "503") {
		t.Error(text)
	}
}

// TestColour: only a terminal is sent colours, and what a manifest or a file's name says cannot speak to it.
func TestColour(t *testing.T) {
	var out, errs bytes.Buffer
	nasty := strings.Replace(broken, "namespace: prod", `namespace: "\e[2J"`, 1)
	for _, format := range []string{"text", "json", "sarif", "github", "mermaid"} {
		if _, text, _ := runAudit(t, nasty, "-istio", "1.24.1", "-o", format, "-"); strings.Contains(text, "\x1b") || !strings.Contains(text, "2J") {
			t.Errorf("-o %s writes %q", format, text)
		}
	}
	if _, _, text := runAudit(t, nasty, "-istio", "1.24.1", "-fix", "-"); strings.Contains(text, "\x1b") {
		t.Errorf("-fix writes %q", text)
	}
	if _, _, text := runAudit(t, "", "-istio", "1.24.1", "no\x1b[2J\n::error::such.yaml"); strings.Contains(text, "\x1b") || !strings.Contains(text, `\x1b[2J`+"\n"+`\x3a:error::such.yaml`) {
		t.Errorf("an error is %q", text)
	}
	run([]string{"-istio", "1.24.1", "-"}, strings.NewReader(nasty), &out, &errs, true)
	if text := out.String(); !strings.Contains(text, "\x1b[31merror\x1b[0m WS") || strings.Contains(text, "\x1b[2J") {
		t.Errorf("%q", text)
	}
}

func TestFix(t *testing.T) {
	path := file(t, broken)
	code, diff, stderr := runAudit(t, "", "-istio", "1.24.1", "-fix", path)
	if code != 0 || !strings.HasPrefix(diff, "--- a/") || !strings.Contains(diff, "\n+            allow_connect: true\n") || strings.Contains(stderr, "WS549") || !strings.Contains(stderr, "read 1 file with 2 objects") {
		t.Errorf("%d\n%s\n%s", code, diff, stderr)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != broken {
		t.Error("it is written without -w")
	}
	code, again, _ := runAudit(t, "", "-istio", "1.24.1", "-fix", "-w", path)
	text, err := os.ReadFile(path)
	if code != 0 || again != diff || err != nil || !strings.HasSuffix(string(text), "---\n"+broken) {
		t.Errorf("%d %v\n%s", code, err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("the file's mode is another")
	}
	if _, none, _ := runAudit(t, "", "-istio", "1.24.1", "-fix", path); none != "" {
		t.Errorf("mended twice:\n%s", none)
	}
}

// TestWriteAllOrNone: a file that is there and was not given is not written over, and then no other one is written.
func TestWriteAllOrNone(t *testing.T) {
	dir := t.TempDir()
	rule, rest, _ := strings.Cut(broken, "---\n")
	list := "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSuffix(rule, "\n"), "\n", "\n  ") + "\n"
	second := strings.ReplaceAll(broken, "chat", "talk")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	paths := []string{write("a.yaml", second), write("list.yaml", list), write("rest.yaml", rest)}
	foreign := write("chat-allow-connect.yaml", "mine\n")
	args := append([]string{"-istio", "1.24.1", "-fix", "-w"}, paths...)
	if code, _, stderr := runAudit(t, "", args...); code != exitUsage || !strings.Contains(stderr, "chat-allow-connect.yaml is there already") {
		t.Errorf("%d %s", code, stderr)
	}
	for path, want := range map[string]string{foreign: "mine\n", paths[0]: second, paths[1]: list} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s is another: %v", path, err)
		}
	}
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Rename(paths[0], filepath.Join(dir, "real.yml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.yml", link); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runAudit(t, "", "-istio", "1.24.1", "-fix", "-w", link, paths[1], paths[2]); code != exitOK {
		t.Errorf("%d %s", code, stderr)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is a file now")
	}
	for path, part := range map[string]string{foreign: "name: chat-allow-connect", filepath.Join(dir, "real.yml"): "name: talk-allow-connect"} {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), part) {
			t.Errorf("%s: %v\n%s", path, err, text)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".audit-*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestFullDisk(t *testing.T) {
	if code := run([]string{"-istio", "1.24.1", "-"}, strings.NewReader(broken), full{}, &bytes.Buffer{}, false); code != exitUsage {
		t.Error(code)
	}
}

// TestReadme: the commands of README.md have the flags that there are.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, _, help := runAudit(t, "", "-h")
	for word := range strings.FieldsSeq(string(text)) {
		if name := strings.Trim(word, "`,.;:)("); strings.HasPrefix(name, "-") && len(name) > 1 && !strings.HasPrefix(name, "--") && name != "-A" {
			if !regexp.MustCompile(`(?m)^  ` + name + `\b`).MatchString(help) {
				t.Errorf("README.md has the flag %s", name)
			}
		}
	}
}
