// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports says which packages of this module the code of each package may import, except its tests. Imports go one way: from
// the last rows to the first. A path that ends in /... stands for all packages below it. The first row that names a package
// counts, and each package needs one.
var imports = []struct{ of, from string }{
	{"version", ""},
	{"wsmesh/finding", ""},
	{"internal/traffic", "version wsmesh/finding destinationrule envoyfilter wsmesh wsmesh/manifests internal/..."}, // what audit, fleet and proxy judge by
	{"internal/casetest", "version wsmesh/finding wsmesh wsmesh/manifests wsmesh/audit internal/..."},               // for tests alone
	{"internal/...", "version wsmesh/finding destinationrule envoyfilter internal/..."},
	{"destinationrule", "version wsmesh/finding internal/..."},
	{"envoyfilter", "version wsmesh/finding internal/..."},
	{"wsmesh", "version wsmesh/finding destinationrule envoyfilter internal/..."},
	{"wsmesh/manifests", "version wsmesh/finding destinationrule envoyfilter internal/..."},
	{"wsmesh/audit", "version wsmesh/finding destinationrule envoyfilter wsmesh wsmesh/manifests internal/..."},
	{"wsmesh/fleet", "version wsmesh/finding destinationrule envoyfilter wsmesh wsmesh/manifests internal/..."},
	{"wsmesh/proxy", "version wsmesh/finding destinationrule envoyfilter wsmesh wsmesh/manifests internal/..."},
	{"wsmesh/wsmeshtest", "version wsmesh/finding destinationrule envoyfilter wsmesh internal/..."},
	{"examples/...", "version destinationrule envoyfilter wsmesh wsmesh/..."}, // what users can import
}

// mayImport reports whether the package in one folder may import the one in another.
func mayImport(from, to string) bool {
	for _, row := range imports {
		if matches(row.of, from) {
			return slices.ContainsFunc(strings.Fields(row.from), func(pattern string) bool { return matches(pattern, to) })
		}
	}
	return false
}

// matches reports whether the pattern names the package in dir.
func matches(pattern, dir string) bool {
	below, all := strings.CutSuffix(pattern, "...")
	return dir == pattern || all && strings.HasPrefix(dir, below)
}

// TestImports checks the imports of each package, and that CONTRIBUTING says what the package is.
func TestImports(t *testing.T) {
	for _, wrong := range [][2]string{
		{"version", "wsmesh/finding"}, {"wsmesh/finding", "internal/names"}, {"destinationrule", "envoyfilter"}, {"envoyfilter", "wsmesh"},
		{"internal/manifest", "wsmesh"}, {"internal/traffic", "wsmesh/audit"}, {"wsmesh", "wsmesh/manifests"}, {"wsmesh/audit", "wsmesh/fleet"},
		{"wsmesh/proxy", "wsmesh/audit"}, {"wsmesh/fleet", "examples/fleet"}, {"examples/audit", "internal/golden"}, {"wsmesh/new", "version"},
	} {
		if mayImport(wrong[0], wrong[1]) {
			t.Errorf("%s may import %s", wrong[0], wrong[1])
		}
	}
	all := packages(t)
	contributing := read(t, ".github/CONTRIBUTING.md")
	count := 0
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		if !slices.ContainsFunc(imports, func(row struct{ of, from string }) bool { return matches(row.of, dir) }) {
			t.Errorf("nothing says what %s may import: give it a row", dir)
		}
		if !strings.Contains(contributing, "`"+dir+"`") {
			t.Errorf(".github/CONTRIBUTING.md does not say what %s is", dir)
		}
		for _, path := range all[dir] {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if to, ok := strings.CutPrefix(imported, module+"/"); ok {
					count++
					if !mayImport(dir, to) {
						t.Errorf("%s imports %s, and %s must not", filepath.ToSlash(path), to, dir)
					}
				}
			}
		}
	}
	if count < 50 {
		t.Errorf("only %d imports are found", count)
	}
}
