// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/internal/golden"
)

const module = "github.com/wsmesh/wsmesh"

// root is the path of the module's folder from that of this package.
const root = "../.."

// TestAPI compares what each public package exports with testdata/api, which has a line for each name, field and method. A
// line that goes away or changes breaks the builds of users: if that is meant, run the test with WSMESH_UPDATE=1, and say it in
// the changelog.
func TestAPI(t *testing.T) {
	files := map[string]bool{}
	for _, dir := range publicPackages(t) {
		file := strings.ReplaceAll(dir, "/", "-") + ".txt"
		files[file] = true
		t.Run(dir, func(t *testing.T) {
			fset, pkg := load(t, dir)
			lines := exported(fset, pkg)
			if len(lines) == 0 {
				t.Fatal("the package exports nothing")
			}
			golden.Equal(t, filepath.Join("testdata", "api", file), []byte(strings.Join(lines, "\n")+"\n"))
		})
	}
	entries, err := os.ReadDir(filepath.Join("testdata", "api"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !files[e.Name()] {
			t.Errorf("testdata/api/%s is of no package any more: remove it", e.Name())
		}
	}
}

// publicPackages returns the folders of the packages that users import, sorted: all packages of the module but those below
// internal and examples.
func publicPackages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for dir := range packages(t) {
		if top, _, _ := strings.Cut(dir, "/"); top != "internal" && top != "examples" {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	if len(dirs) < 6 {
		t.Fatalf("only the public packages %v are found", dirs)
	}
	return dirs
}

// packages returns the Go files of each package except its tests, by the path of its folder from the module's. Modules of their
// own are left out.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if err == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
				return filepath.SkipDir
			}
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			dir, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			dir = filepath.ToSlash(dir)
			found[dir] = append(found[dir], path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// load parses the package in dir, with its examples. dir is the path of its folder from the module's.
func load(t *testing.T, dir string) (*token.FileSet, *doc.Package) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("\n//go:build ignore\n")) {
			continue
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, module+"/"+dir, doc.PreserveAST)
	if err != nil {
		t.Fatal(err)
	}
	return fset, pkg
}

// exported returns a line for each exported constant, variable, function, type, field and method, sorted.
func exported(fset *token.FileSet, pkg *doc.Package) []string {
	a := &api{fset: fset}
	a.values(pkg.Consts)
	a.values(pkg.Vars)
	a.funcs(pkg.Funcs)
	for _, t := range pkg.Types {
		a.values(t.Consts)
		a.values(t.Vars)
		a.funcs(t.Funcs)
		a.funcs(t.Methods)
		for _, spec := range t.Decl.Specs {
			a.typ(spec.(*ast.TypeSpec))
		}
	}
	slices.Sort(a.lines)
	return a.lines
}

// An api is the lines for what a package exports.
type api struct {
	fset  *token.FileSet
	lines []string
}

// add adds a line.
func (a *api) add(format string, args ...any) {
	a.lines = append(a.lines, fmt.Sprintf(format, args...))
}

// text returns the source of a node on one line.
func (a *api) text(node any) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, a.fset, node); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// values adds a line for each exported constant or variable.
func (a *api) values(values []*doc.Value) {
	for _, v := range values {
		for _, spec := range v.Decl.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, name := range spec.Names {
				if !name.IsExported() {
					continue
				}
				line := v.Decl.Tok.String() + " " + name.Name
				if spec.Type != nil {
					line += " " + a.text(spec.Type)
				}
				if v.Decl.Tok == token.CONST && i < len(spec.Values) {
					line += " = " + a.text(spec.Values[i])
				}
				a.add("%s", line)
			}
		}
	}
}

// funcs adds a line for each function or method.
func (a *api) funcs(funcs []*doc.Func) {
	for _, f := range funcs {
		decl := *f.Decl
		decl.Doc, decl.Body = nil, nil
		a.add("%s", a.text(&decl))
	}
}

// typ adds a line for a type, and one for each of its fields or methods.
func (a *api) typ(spec *ast.TypeSpec) {
	kind := func(what string) { a.add("type %s%s %s", spec.Name, a.params(spec), what) }
	member := func(field *ast.Field) {
		if len(field.Names) == 0 { // embedded
			a.add("type %s, %s", spec.Name, a.text(field.Type))
		}
		for _, name := range field.Names {
			if name.IsExported() {
				tag := ""
				if field.Tag != nil {
					tag = " " + field.Tag.Value
				}
				a.add("type %s, %s %s%s", spec.Name, name, a.text(field.Type), tag)
			}
		}
	}
	switch t := spec.Type.(type) {
	case *ast.StructType:
		kind("struct")
		for _, field := range t.Fields.List {
			member(field)
		}
	case *ast.InterfaceType:
		if t.Incomplete {
			kind("interface, with unexported methods")
		} else {
			kind("interface")
		}
		for _, field := range t.Methods.List {
			member(field)
		}
	default:
		kind(a.text(t))
	}
}

// params returns the type parameters of a type, in brackets.
func (a *api) params(spec *ast.TypeSpec) string {
	if spec.TypeParams == nil {
		return ""
	}
	return "[" + a.text(spec.TypeParams) + "]"
}
