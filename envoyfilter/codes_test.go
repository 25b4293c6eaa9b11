// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRules checks that Rules returns every rule of this package once, in the order of their codes, and that no code is
// written anywhere but in its rule.
func TestRules(t *testing.T) {
	var got []string
	for i, r := range Rules() {
		if i > 0 && Rules()[i-1].Code >= r.Code {
			t.Errorf("%s stands after %s", r.Code, Rules()[i-1].Code)
		}
		if !strings.HasSuffix(r.Meaning, ".") || r.Source == "" {
			t.Errorf("%s lacks a part: %+v", r.Code, r)
		}
		if strings.HasPrefix(r.Code, "WS2") {
			got = append(got, r.Code)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		rules := regexp.MustCompile(`finding\.Rule\{\s*Code: "(WS\d{3})"`).FindAllSubmatch(src, -1)
		for _, m := range rules {
			declared = append(declared, string(m[1]))
		}
		if n := len(regexp.MustCompile(`\bWS\d{3}"`).FindAll(src, -1)); n != len(rules) {
			t.Errorf("%s has %d codes and %d rules", name, n, len(rules))
		}
	}
	slices.Sort(declared)
	if !slices.Equal(got, declared) {
		t.Errorf("Rules returns %v, and the package declares %v", got, declared)
	}
}
