// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// TestDependencies: users who import this module compile no package of Kubernetes and no gRPC, and need no newer Go.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 100 {
		t.Fatalf("go list names only %d packages", len(packages))
	}
	for _, p := range packages {
		if strings.HasPrefix(p, "k8s.io/") || strings.HasPrefix(p, "sigs.k8s.io/") && !strings.HasPrefix(p, "sigs.k8s.io/yaml") || strings.HasPrefix(p, "google.golang.org/grpc") {
			t.Errorf("%s is compiled in", p)
		}
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^go 1\.26\.0$`).Match(mod) || regexp.MustCompile(`(?m)^toolchain`).Match(mod) {
		t.Errorf("go.mod must say go 1.26.0 and name no toolchain:\n%s", mod)
	}
}

// TestFewEnvoyTypes: a program that imports this module links, compiles and starts with the few packages of Envoy types that a
// plan is built of, and not the 300 whose messages an EnvoyFilter may carry. See internal/envoyapi.
func TestFewEnvoyTypes(t *testing.T) {
	count := func(pkg string) (n int) {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for p := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(p, "github.com/envoyproxy/go-control-plane/envoy/") {
				n++
			}
		}
		return n
	}
	if n := count("../wsmesh"); n < 10 || n > 30 {
		t.Errorf("wsmesh links %d packages of Envoy types", n)
	}
	if n := count("../internal/envoyapi/linked"); n < 200 {
		t.Errorf("internal/envoyapi/linked, the yardstick, links %d packages", n)
	}
}

// TestCodesStandOnce: each code has one place in the code of this module, and no place names a code without an entry.
func TestCodesStandOnce(t *testing.T) {
	places := map[string][]string{}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil || d.Name() == "testdata" {
				return filepath.SkipDir
			}
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "finding/codes_") {
			return nil
		}
		src, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?:(?:New|because|add)\(|\bcode :?= )"(WS[0-9]{3})"`).FindAllSubmatch(src, -1) {
			places[string(m[1])] = append(places[string(m[1])], path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range finding.Codes() {
		if len(places[c.Code]) != 1 {
			t.Errorf("%s stands in %d places: %v", c.Code, len(places[c.Code]), places[c.Code])
		}
		delete(places, c.Code)
	}
	for code, where := range places {
		t.Errorf("%s in %v is not in the table of codes", code, where)
	}
}
