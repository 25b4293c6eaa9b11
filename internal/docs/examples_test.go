// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"go/ast"
	"go/doc"
	"slices"
	"strings"
	"testing"
)

// TestExamples checks that each exported function has an example, and each method that does something. A method that returns a
// field or an expression without a call needs none, and neither does one of an interface of the standard library, such as
// String.
func TestExamples(t *testing.T) {
	count := 0
	for _, dir := range publicPackages(t) {
		_, pkg := load(t, dir)
		named := map[string]bool{} // "NewPlan", "Plan_Stages"
		note := func(examples []*doc.Example) {
			for _, e := range examples {
				count++
				named[e.Name] = true
				if i := strings.LastIndex(e.Name, "_"); e.Suffix != "" && i > 0 {
					named[e.Name[:i]] = true
				}
				if e.Output == "" && !e.EmptyOutput && !e.Unordered && !writesNothing(e) {
					t.Errorf("%s: Example%s has no output, and so is not run", dir, e.Name)
				}
			}
		}
		note(pkg.Examples)
		funcs := slices.Clone(pkg.Funcs)
		for _, f := range pkg.Funcs {
			note(f.Examples)
		}
		for _, typ := range pkg.Types {
			note(typ.Examples)
			funcs = append(funcs, typ.Funcs...)
			for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
				note(f.Examples)
			}
		}
		for _, f := range funcs {
			if !named[f.Name] {
				t.Errorf("%s.%s has no example", dir, f.Name)
			}
		}
		for _, typ := range pkg.Types {
			for _, m := range typ.Methods {
				if !named[typ.Name+"_"+m.Name] && !plain(m) {
					t.Errorf("%s.%s.%s has no example", dir, typ.Name, m.Name)
				}
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d examples are found", count)
	}
}

// plain reports whether a method needs no example.
func plain(m *doc.Func) bool {
	switch m.Name {
	case "String", "Error", "Unwrap", "MarshalText", "UnmarshalText", "MarshalJSON":
		return true
	}
	if len(m.Decl.Body.List) != 1 {
		return false
	}
	ret, ok := m.Decl.Body.List[0].(*ast.ReturnStmt)
	calls := false
	ast.Inspect(m.Decl.Body, func(n ast.Node) bool {
		_, call := n.(*ast.CallExpr)
		calls = calls || call
		return true
	})
	return ok && len(ret.Results) == 1 && !calls
}

// writesNothing reports whether the example is one of a test, which has a *testing.T and prints nothing.
func writesNothing(e *doc.Example) bool {
	found := false
	ast.Inspect(e.Code, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		found = found || ok && s.Sel.Name == "T"
		return true
	})
	return found
}
