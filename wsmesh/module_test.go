// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
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
