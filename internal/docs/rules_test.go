// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/golden"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// ruleSets are the functions Rules of the public packages that report findings, by their folders.
var ruleSets = map[string]func() []finding.Rule{
	"destinationrule":  destinationrule.Rules,
	"envoyfilter":      envoyfilter.Rules,
	"wsmesh":           wsmesh.Rules,
	"wsmesh/audit":     audit.Rules,
	"wsmesh/fleet":     fleet.Rules,
	"wsmesh/manifests": manifests.Rules,
}

// rules returns the rules of all public packages in the order of their codes, each once.
func rules(t *testing.T) []finding.Rule {
	t.Helper()
	all := map[string]finding.Rule{}
	for dir, set := range ruleSets {
		last := ""
		for _, r := range set() {
			if r.Code <= last {
				t.Errorf("%s.Rules returns %s after %s", dir, r.Code, last)
			}
			last = r.Code
			if other, ok := all[r.Code]; ok && other != r {
				t.Errorf("%s has the rule %+v, and another package %+v", dir, r, other)
			}
			all[r.Code] = r
		}
	}
	return slices.SortedFunc(maps.Values(all), byCode)
}

func byCode(a, b finding.Rule) int { return cmp.Compare(a.Code, b.Code) }

// TestRules checks what each rule says of itself.
func TestRules(t *testing.T) {
	form := regexp.MustCompile(`^WS[1-69][0-9]{2}$`)
	list := rules(t)
	if len(list) < 200 {
		t.Errorf("there are only %d rules", len(list))
	}
	for _, r := range list {
		if !form.MatchString(r.Code) {
			t.Errorf("%q is no code of the classes 1 to 6 and 9", r.Code)
		}
		if r.Severity < finding.Info || r.Severity > finding.SeverityError {
			t.Errorf("%s has the severity %v", r.Code, r.Severity)
		}
		if !strings.HasSuffix(r.Meaning, ".") || strings.TrimSpace(r.Meaning) != r.Meaning {
			t.Errorf("the meaning of %s is no sentence: %q", r.Code, r.Meaning)
		}
		if strings.TrimSpace(r.Source) == "" || strings.TrimSpace(r.Source) != r.Source {
			t.Errorf("%s has the source %q", r.Code, r.Source)
		}
	}
}

// A variable is a variable with a rule.
type variable struct{ dir, name string }

// TestRulesStandOnce reads the code of the module. Each code stands in it once, in a finding.Rule that is a variable. A function
// Rules of a public package returns the rule, and one place in the code reports it.
func TestRulesStandOnce(t *testing.T) {
	type file struct {
		dir, path string
		*ast.File
	}
	var files []file
	fset := token.NewFileSet()
	for dir, paths := range packages(t) {
		for _, path := range paths {
			parsed, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file{dir, path, parsed})
			for _, d := range parsed.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "Rules" && ruleSets[dir] == nil && !strings.HasPrefix(dir, "internal/") {
					t.Errorf("%s has a function Rules: add it to ruleSets", dir)
				}
			}
		}
	}

	codes := map[string][]variable{}
	inRule := map[ast.Node]bool{} // literals that are the code of a rule
	for _, f := range files {
		ast.Inspect(f.File, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, value := range spec.Values {
				if lit, ok := value.(*ast.CompositeLit); ok && isRule(f.dir, lit.Type) {
					code := codeOf(lit)
					if code == nil {
						t.Errorf("%s: %s has no code", fset.Position(lit.Pos()), spec.Names[i])
						continue
					}
					inRule[code] = true
					text, _ := strconv.Unquote(code.Value)
					codes[text] = append(codes[text], variable{f.dir, spec.Names[i].Name})
					if f.dir == "wsmesh/finding" {
						t.Errorf("%s: package finding holds the rule %s", fset.Position(lit.Pos()), text)
					}
				}
			}
			return true
		})
	}

	inText := regexp.MustCompile(`\bWS[0-9]{3}\b`)
	reported := map[variable][]string{}
	for _, f := range files {
		packageOf := map[string]string{} // the folder of each package of the module that the file imports, by its name
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if dir, ok := strings.CutPrefix(path, module+"/"); ok {
				name := dir[strings.LastIndex(dir, "/")+1:]
				if spec.Name != nil {
					name = spec.Name.Name
				}
				packageOf[name] = dir
			}
		}
		var inspect func(ast.Node) bool
		inspect = func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.STRING && !inRule[n] && inText.MatchString(n.Value) {
					t.Errorf("%s: a code stands in %s: use the variable of its rule", fset.Position(n.Pos()), n.Value)
				}
			case *ast.ValueSpec: // a declaration of a variable is no use of it
				for _, v := range n.Values {
					ast.Inspect(v, inspect)
				}
				return false
			case *ast.CompositeLit: // a list of rules reports none
				if list, ok := n.Type.(*ast.ArrayType); ok && isRule(f.dir, list.Elt) {
					return false
				}
			case *ast.CallExpr: // finding.Is(f, rule) asks
				if name := lastName(n.Fun); name == "Is" && (f.dir == "wsmesh/finding" || packageOf[firstName(n.Fun)] == "wsmesh/finding") {
					return false
				}
			case *ast.SelectorExpr:
				if dir := packageOf[firstName(n)]; dir != "" {
					reported[variable{dir, n.Sel.Name}] = append(reported[variable{dir, n.Sel.Name}], fset.Position(n.Pos()).String())
					return false
				}
				if x, ok := n.X.(*ast.SelectorExpr); ok && packageOf[firstName(x)] != "" {
					return false // a field of a rule
				}
				if _, ok := n.X.(*ast.Ident); ok {
					return false
				}
			case *ast.KeyValueExpr:
				ast.Inspect(n.Value, inspect)
				return false
			case *ast.Ident:
				reported[variable{f.dir, n.Name}] = append(reported[variable{f.dir, n.Name}], fset.Position(n.Pos()).String())
			}
			return true
		}
		ast.Inspect(f.File, inspect)
	}

	returned := map[string]bool{}
	for _, r := range rules(t) {
		returned[r.Code] = true
		if codes[r.Code] == nil {
			t.Errorf("%s is returned and stands in no variable", r.Code)
		}
	}
	for code, where := range codes {
		if len(where) != 1 {
			t.Errorf("%s stands in %v", code, where)
		}
		if !returned[code] {
			t.Errorf("%s in %v is in no public package's Rules", code, where)
		}
		for _, v := range where {
			if set := ruleSets[v.dir]; set != nil && !slices.ContainsFunc(set(), func(r finding.Rule) bool { return r.Code == code }) {
				t.Errorf("%s is declared in %s, whose function Rules does not return it", code, v.dir)
			}
			if len(reported[v]) != 1 {
				t.Errorf("%s (%s in %s) is reported in %d places: %s", code, v.name, v.dir, len(reported[v]), strings.Join(reported[v], ", "))
			}
		}
	}
}

// isRule reports whether the expression, in a file of the package in dir, is the type finding.Rule.
func isRule(dir string, typ ast.Expr) bool {
	switch typ := typ.(type) {
	case *ast.Ident:
		return dir == "wsmesh/finding" && typ.Name == "Rule"
	case *ast.SelectorExpr:
		return firstName(typ) == "finding" && typ.Sel.Name == "Rule"
	}
	return false
}

// codeOf returns the code in a composite literal of a rule, and nil where there is none.
func codeOf(lit *ast.CompositeLit) *ast.BasicLit {
	for i, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if lastName(kv.Key) == "Code" {
				code, _ := kv.Value.(*ast.BasicLit)
				return code
			}
		} else if code, ok := e.(*ast.BasicLit); ok && i == 0 {
			return code
		}
	}
	return nil
}

// firstName returns the first name of an expression such as finding.Rule.
func firstName(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		e = s.X
	}
	id, _ := e.(*ast.Ident)
	if id == nil {
		return ""
	}
	return id.Name
}

// lastName returns the last name of an expression such as finding.Rule.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestFindingsTable compares the README of package finding, which documentation servers show with the package, with the rules.
func TestFindingsTable(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Findings

What each code means, and where its rule comes from. Written by ` + "`WSMESH_UPDATE=1 go test ./internal/docs -run TestFindingsTable`" + ` from the rules of
all packages; what shows that a rule is true stands in [the table of the conformance tests](../../internal/conformance/findings.md).

| code | severity | meaning | source |
|---|---|---|---|
`)
	for _, c := range rules(t) {
		cells := []string{c.Code, c.Severity.String(), cell(c.Meaning), linked(cell(c.Source))}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	golden.Equal(t, filepath.Join(root, "wsmesh", "finding", "README.md"), []byte(b.String()))
}

// cell returns text for a cell of a table in Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(s)
}

var (
	issue    = `(?P<issue>[a-z-]+/[a-z-]+)#(?P<number>\d+)`
	commit   = `commit (?P<commit>[0-9a-f]{7,40})`
	repo     = `(?P<repo>istio/istio|istio/api|envoyproxy/envoy|kubernetes/[a-z]+|golang/protobuf|google/cel-spec)`
	file     = `(?P<file>(?:[\w.-]+/)+[\w.-]*\w)(?:@(?P<branch>[\w.-]+\w))?`
	own      = `\b(?P<own>(?:pilot|pkg|api|envoy)/[\w./-]*\w)`
	rfc      = `RFC (?P<rfc>\d+)`
	docs     = `(?P<docs>Envoy|Kubernetes) docs (?P<page>[\w/-]+)`
	site     = `(?P<site>(?:protobuf\.dev|istio\.io)/[\w/-]+)`
	linkable = regexp.MustCompile(strings.Join([]string{issue, commit, docs, rfc, site, repo + ` ` + file, repo, own}, "|"))
)

// branches are the branches of repositories for files whose source names none.
var branches = map[string]string{"istio/istio": "release-1.31", "istio/api": "release-1.32", "envoyproxy/envoy": "main"}

// linked returns the source of a rule with its issues, files and pages as links. A file without a repository belongs to the
// repository that is named before it, or to that of Istio.
func linked(source string) string {
	last := "istio/istio"
	return linkable.ReplaceAllStringFunc(source, func(text string) string {
		part := map[string]string{}
		for i, s := range linkable.FindStringSubmatch(text) {
			if name := linkable.SubexpNames()[i]; s != "" {
				part[name] = s
			}
		}
		url := "https://github.com/"
		switch {
		case part["issue"] != "":
			last = part["issue"]
			url += last + "/issues/" + part["number"]
		case part["commit"] != "":
			url += last + "/commit/" + part["commit"]
		case part["docs"] == "Envoy":
			url = "https://www.envoyproxy.io/docs/envoy/latest/" + part["page"]
		case part["docs"] != "":
			url = "https://kubernetes.io/docs/" + part["page"]
		case part["rfc"] != "":
			url = "https://www.rfc-editor.org/rfc/rfc" + part["rfc"]
		case part["site"] != "":
			url = "https://" + part["site"]
		case part["own"] != "":
			of, path := last, part["own"]
			if strings.HasPrefix(path, "envoy/") {
				of, path = "envoyproxy/envoy", "api/"+path
			}
			url += of + "/blob/" + cmp.Or(branches[of], "master") + "/" + path
		case part["file"] != "":
			last = part["repo"]
			url += last + "/blob/" + cmp.Or(part["branch"], branches[last], "master") + "/" + part["file"]
		default:
			last = part["repo"]
			url += last
		}
		return "[" + text + "](" + url + ")"
	})
}
