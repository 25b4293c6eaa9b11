// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// elsewhere are the commands that this test does not run, by page. Each has the file that runs it, and a text of that file that
// shows it.
var elsewhere = map[string]map[string][2]string{
	"README.md": {
		"go test ./...": {".ci/run", `[ "$command" = 'go test ./...' ]`},
	},
	"examples/krmfunction/README.md": {
		"go build -o krmfunction github.com/wsmesh/wsmesh/examples/krmfunction": {"examples/krmfunction/kustomizetest/kustomize_test.go", `"github.com/wsmesh/wsmesh/examples/krmfunction"`},
		"kustomize build --enable-alpha-plugins --enable-exec .":                {"examples/krmfunction/kustomizetest/kustomize_test.go", `"build", "--enable-alpha-plugins", "--enable-exec", "."`},
		"cd examples/krmfunction/kustomizetest && go test ./...":                {".ci/run", "examples/*/*/go.mod"},
	},
	"examples/kubernetes/README.md": {
		"cd examples/kubernetes && go run . -istio 1.24.1": {"examples/kubernetes/controller_test.go", `program, "-istio", "1.24.1"`},
		"(cd internal/e2e && go run ./setup)":              {".ci/run", "go run ./setup"},
		"cd examples/kubernetes && go test ./...":          {".ci/run", "examples/*/go.mod"},
	},
	".github/CONTRIBUTING.md": {
		"go test ./...": {".ci/run", "step 'tests'"},
		".ci/run":       {".github/workflows/ci.yml", "- run: .ci/run <"},
		".ci/run -long": {".github/workflows/long.yml", "- run: .ci/run -long <"},
		"WSMESH_UPDATE=1 go test ./wsmesh -run TestGolden":                                        {".ci/run", "CONTRIBUTING.md | "},
		"WSMESH_UPDATE=1 go test ./internal/docs -run TestFindingsTable":                          {".ci/run", "CONTRIBUTING.md | "},
		"WSMESH_UPDATE=1 go test ./internal/docs -run TestAPI":                                    {".ci/run", "CONTRIBUTING.md | "},
		"(cd internal/conformance && WSMESH_UPDATE=1 go test -run TestFindingsAreTrue .)":         {".ci/run", "CONTRIBUTING.md | "},
		"go generate ./internal/envoyapi/linked":                                                  {".ci/run", "CONTRIBUTING.md | "},
		"WSMESH_UPDATE=1 go test ./internal/envoyapi/linked -run 'TestDescriptors|TestRuleKinds'": {".ci/run", "CONTRIBUTING.md | "},
	},
}

// shell finds the blocks of commands in a page.
var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestCommands runs the commands of the READMEs as they stand there, and those of a page one after the other. The programs of
// the examples are built once, and `go run` runs the built ones. In place of kubectl and istioctl stand scripts that print what
// these print in a mesh with one rule.
func TestCommands(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	build := exec.Command("go", "build", "-o", bin+"/", "./examples/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	examples, err := filepath.Abs(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for page, text := range pages(t) {
		if page != "README.md" && page != ".github/CONTRIBUTING.md" && !strings.HasPrefix(page, "examples/") {
			continue
		}
		t.Run(page, func(t *testing.T) {
			work := t.TempDir()
			if page == "examples/audit/README.md" {
				if err := os.MkdirAll(filepath.Join(work, "manifests"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(work, "manifests", "chat.yaml"), []byte(served), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(examples, filepath.Join(work, "examples")); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, block := range shell.FindAllStringSubmatch(text, -1) {
				for line := range strings.Lines(block[1]) {
					line, _, _ = strings.Cut(line, "  #")
					command := strings.TrimSpace(line)
					seen[command] = true
					if by, ok := elsewhere[page][command]; ok {
						if !strings.Contains(read(t, by[0]), by[1]) {
							t.Errorf("%s runs %q no more: there is no %q in it", by[0], command, by[1])
						}
						continue
					}
					ran++
					cmd := exec.Command("sh", "-ec", command)
					cmd.Dir = work
					cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
					out, err := cmd.CombinedOutput()
					if strings.Contains(command, "./examples/audit") { // finds what is wrong with the rule, and so exits with 1
						if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "WS340") {
							t.Errorf("$ %s\n%s%v", command, out, err)
						}
						if page == "README.md" && !strings.Contains(text, "```text\n"+string(out)+"```\n") {
							t.Errorf("README does not show what the audit prints:\n%s", out)
						}
					} else if err != nil || len(out) == 0 && !strings.Contains(command, " > ") {
						t.Errorf("$ %s\n%s%v", command, out, err)
					}
				}
			}
			for command := range elsewhere[page] {
				if !seen[command] {
					t.Errorf("the page has no command %q", command)
				}
			}
		})
	}
	if ran < 8 {
		t.Errorf("only %d commands were run", ran)
	}
	for page := range elsewhere {
		if !exists(page) {
			t.Errorf("there is no %s", page)
		}
	}
}

// programs are the scripts in place of programs that a reader has, by name.
var programs = map[string]string{
	"go": `case "$1 $2" in
"run ./examples/"*) program=${2#./examples/}; shift 2; exec "$(dirname "$0")/$program" "$@";;
esac
echo "go $*: not a command of a README" >&2
exit 1
`,
	"istioctl": `case "$*" in
"version -o json") echo '{"clientVersion":{"version":"1.24.1"},"meshVersion":[{"Component":"pilot","Info":{"version":"1.24.1"}}],"dataPlaneVersion":[{"ID":"chat-0.prod","IstioVersion":"1.24.1"}]}';;
"version") printf 'client version: 1.24.1\ncontrol plane version: 1.24.1\ndata plane version: 1.24.1 (2 proxies)\n';;
*) echo "istioctl $*: not a command of a README" >&2; exit 1;;
esac
`,
	"kubectl": fmt.Sprintf(`case "$1" in
get) cat <<'END'
%sEND
;;
*) echo "kubectl $*: not a command of a README" >&2; exit 1;;
esac
`, served),
}

// served is what "kubectl get -o yaml" prints for a rule whose filter is missing.
const served = `apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: chat, namespace: prod, resourceVersion: "7", uid: 1f0c6c5e-7d4b-4a8e-9d0a-0c6b1f7a2b3c}
  spec:
    host: chat.prod.svc.cluster.local
    trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}
- apiVersion: v1
  kind: Service
  metadata: {name: chat, namespace: prod}
  spec:
    selector: {app: chat}
    ports: [{port: 80, name: http}]
`
