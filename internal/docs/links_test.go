// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages returns the Markdown files of the repository, by their paths from its root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	walk(t, func(path string) {
		if strings.HasSuffix(path, ".md") {
			found[path] = read(t, path)
		}
	})
	if len(found) < 8 {
		t.Fatalf("only %d Markdown files are found", len(found))
	}
	return found
}

// walk calls f for each file of the repository, with its path from the root.
func walk(t *testing.T, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		f(filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// read returns the text of the file at a path from the root of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// exists reports whether there is a file or folder at a path from the root of the repository.
func exists(path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}

var (
	mdLink   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence    = regexp.MustCompile("(?ms)^```.*?^```$")
	code     = regexp.MustCompile("`([^`\n]+)`")
	testName = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)[A-Z]\w*$`)
	repoPath = regexp.MustCompile(`^(?:wsmesh|envoyfilter|destinationrule|version|examples|internal|testdata|\.github|\.ci)(?:/[\w.-]+)+/?$`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notSlug  = regexp.MustCompile(`[^\w\- ]`)
)

// TestMarkdownLinks checks that the files and headings that a page links to are there, and the tests and paths that it has in
// code font.
func TestMarkdownLinks(t *testing.T) {
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w*)\(`)
	walk(t, func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range function.FindAllStringSubmatch(read(t, path), -1) {
				tests[m[1]] = true
			}
		}
	})
	links, names := 0, 0
	for page, text := range pages(t) {
		dir := filepath.Dir(page)
		text = fence.ReplaceAllString(text, "")
		for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.Contains(target, "://") {
				continue // nothing here may use the network
			}
			links++
			file, anchor, _ := strings.Cut(target, "#")
			path := page
			if file != "" {
				path = filepath.Join(dir, file)
			}
			if !exists(path) {
				t.Errorf("%s links to %s, which is not there", page, target)
			} else if anchor != "" && !slices.Contains(anchors(read(t, path)), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", page, target)
			}
		}
		for _, m := range code.FindAllStringSubmatch(text, -1) {
			switch name := m[1]; {
			case testName.MatchString(name):
				names++
				if !tests[name] {
					t.Errorf("%s names %s, which is nowhere", page, name)
				}
			case repoPath.MatchString(name):
				names++
				if !exists(name) && !exists(filepath.Join(dir, name)) {
					t.Errorf("%s names %s, which is not there", page, name)
				}
			}
		}
	}
	if links < 5 || names < 30 {
		t.Errorf("only %d links and %d names are found", links, names)
	}
}

// anchors returns the fragments of links to the headings of a page.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// TestDocLinks checks that links in the comments of public packages, such as [Plan.Stages], lead to a symbol.
func TestDocLinks(t *testing.T) {
	all := map[string]*doc.Package{}
	for _, dir := range publicPackages(t) {
		_, all[module+"/"+dir] = load(t, dir)
	}
	links := 0
	for path, pkg := range all {
		check := func(where, text string) {
			for _, block := range pkg.Parser().Parse(text).Content {
				inline(block, func(part comment.Text) {
					switch part := part.(type) {
					case *comment.DocLink:
						links++
						target := path
						if part.ImportPath != "" {
							target = part.ImportPath
						}
						if to := all[target]; to != nil && part.Name != "" && !has(to, part.Recv, part.Name) {
							t.Errorf("%s, %s: [%s.%s] is nowhere", path, where, part.Recv, part.Name)
						}
					case comment.Plain:
						if m := bracketed.FindString(string(part)); m != "" {
							t.Errorf("%s, %s: %s is no link", path, where, m)
						}
					}
				})
			}
		}
		check("the package", pkg.Doc)
		for _, f := range pkg.Funcs {
			check(f.Name, f.Doc)
		}
		for _, v := range slices.Concat(pkg.Consts, pkg.Vars) {
			check(v.Names[0], v.Doc)
		}
		for _, typ := range pkg.Types {
			check(typ.Name, typ.Doc)
			for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
				check(typ.Name+"."+f.Name, f.Doc)
			}
			for _, v := range slices.Concat(typ.Consts, typ.Vars) {
				check(v.Names[0], v.Doc)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links are found", links)
	}
}

// bracketed finds what its author took for a link.
var bracketed = regexp.MustCompile(`\[\*?(?:[a-z]+\.)?[A-Z]\w*(?:\.\w+)?\]`)

// inline calls f for each part of the text in a block.
func inline(block comment.Block, f func(comment.Text)) {
	switch block := block.(type) {
	case *comment.Paragraph:
		each(block.Text, f)
	case *comment.Heading:
		each(block.Text, f)
	case *comment.List:
		for _, item := range block.Items {
			for _, b := range item.Content {
				inline(b, f)
			}
		}
	}
}

// each calls f for each of the parts.
func each(parts []comment.Text, f func(comment.Text)) {
	for _, part := range parts {
		f(part)
	}
}

// has reports whether the package exports the name, or the type recv of it a method or field of that name.
func has(pkg *doc.Package, recv, name string) bool {
	inValues := func(values []*doc.Value) bool {
		return slices.ContainsFunc(values, func(v *doc.Value) bool { return slices.Contains(v.Names, name) })
	}
	inFuncs := func(funcs []*doc.Func) bool {
		return slices.ContainsFunc(funcs, func(f *doc.Func) bool { return f.Name == name })
	}
	for _, typ := range pkg.Types {
		switch {
		case recv == typ.Name:
			return inFuncs(typ.Methods) || isField(typ, name)
		case recv == "" && (typ.Name == name || inFuncs(typ.Funcs) || inValues(typ.Consts) || inValues(typ.Vars)):
			return true
		}
	}
	return recv == "" && (inFuncs(pkg.Funcs) || inValues(pkg.Consts) || inValues(pkg.Vars))
}

// isField reports whether the type is a struct with a field of that name.
func isField(typ *doc.Type, name string) bool {
	return slices.ContainsFunc(typ.Decl.Specs, func(spec ast.Spec) bool {
		s, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType)
		return ok && slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
			return slices.ContainsFunc(f.Names, func(id *ast.Ident) bool { return id.Name == name })
		})
	})
}
