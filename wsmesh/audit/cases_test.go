// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsmesh/wsmesh/internal/casetest"
	"github.com/wsmesh/wsmesh/internal/textdiff"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// auditRanges are the codes that an audit alone reports.
var auditRanges = [][2]string{{"WS340", "WS389"}, {"WS440", "WS469"}, {"WS540", "WS589"}, {"WS990", "WS999"}}

func isAuditCode(code string) bool {
	return slices.ContainsFunc(auditRanges, func(r [2]string) bool { return r[0] <= code && code <= r[1] })
}

// casePaths returns the case files of a folder of testdata.
func casePaths(t testing.TB, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("testdata/%s has no cases: %v", folder, err)
	}
	return paths
}

// caseText returns the manifests of a case as one text.
func caseText(t testing.TB, name string) string {
	t.Helper()
	var texts []string
	for _, f := range casetest.Read(t, filepath.Join("testdata", "cases", name+".txtar")).Files {
		texts = append(texts, f.Text)
	}
	return strings.Join(texts, "---\n")
}

// TestCases: each file of testdata/cases has the findings that it expects and no other, whatever its lines end in, and Fix
// makes of it what it says. A case is called after the rule that it shows: WS340-reason fires on one of its lines, and
// WS340-silent-reason does not.
func TestCases(t *testing.T) {
	for _, path := range casePaths(t, "cases") {
		t.Run(caseName(path), func(t *testing.T) {
			c := casetest.Read(t, path)
			check(t, c)
			code, silent := ruleOf(path)
			if fires := slices.ContainsFunc(c.Files, func(f casetest.File) bool {
				return slices.ContainsFunc(f.Wants, func(w casetest.Want) bool { return w.Code == code })
			}); fires == silent {
				t.Errorf("its name tells whether %s fires, and it is the other way round", code)
			}
		})
	}
}

// publicReport is how the comment of a case of the corpus names what it stands for.
var publicReport = regexp.MustCompile(`\b[\w-]+/[\w.-]+#\d+\b|https://`)

// TestCorpus: situations that people met, written for the project. Each names the public report or page that it stands for. A
// healthy one has no error and no warning. A sick one has its findings where they belong, and what the hints say, done in
// a second set of files, makes the audit clean.
func TestCorpus(t *testing.T) {
	count := map[string]int{}
	for _, path := range casePaths(t, "corpus") {
		t.Run(caseName(path), func(t *testing.T) {
			c := casetest.Read(t, path)
			check(t, c)
			if !publicReport.MatchString(c.Comment) {
				t.Error("its comment names no public report")
			}
			l := runFiles(t, c.Mesh, c.Files).Findings
			loud := len(l.Errors())+len(l.Warnings()) > 0
			condition, _, _ := strings.Cut(caseName(path), "-")
			count[condition]++
			switch condition {
			case "healthy":
				if loud || len(c.Mended) > 0 {
					t.Error("it is healthy, and has errors, warnings or what mends it")
				}
			case "sick":
				if !loud || len(c.Mended) == 0 {
					t.Error("it is sick, and lacks its errors and warnings, or what mends it")
				}
			default:
				t.Error("its name does not begin with healthy or sick")
			}
		})
	}
	if count["healthy"] < 30 || count["sick"] < 30 {
		t.Errorf("there are %v, and 30 of each at least make a picture", count)
	}
}

func caseName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".txtar") }

// ruleOf returns the code that a case is about, and whether it shows that the rule is silent.
func ruleOf(path string) (code string, silent bool) {
	code, reason, _ := strings.Cut(caseName(path), "-")
	return code, strings.HasPrefix(reason, "silent-")
}

// TestEveryRule: each rule of an audit has a case in which it fires, and one in which it is silent.
func TestEveryRule(t *testing.T) {
	shown := map[string]bool{}
	for _, path := range casePaths(t, "cases") {
		code, silent := ruleOf(path)
		shown[fmt.Sprint(code, silent)] = true
	}
	texts := map[string][2]string{ // what no file of this tree should hold
		"WS990": {"apiVersion: v1\nkind: Service\n#" + strings.Repeat("x", 3<<20), "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"},
		"WS991": {"apiVersion: v1\nkind: Service\nmetadata: {name: \xff}\n", "apiVersion: v1\nkind: Service\nmetadata: {name: ü}\n"},
	}
	for _, rule := range audit.Rules() {
		if !isAuditCode(rule.Code) || rule == manifests.Unreadable { // which is shown by TestUnreadable of package manifests
			continue
		}
		if pair, ok := texts[rule.Code]; ok {
			firing := findings(t, pair[0])
			if !slices.Equal(codes(firing), []string{rule.Code}) || firing[0].File != "a.yaml" || firing[0].Line == 0 || firing[0].Message == "" || firing[0].Hint == "" {
				t.Errorf("%s (%s) does not fire: %v", rule.Code, rule.Meaning, firing)
			}
			if silent := findings(t, pair[1]); len(silent) != 0 {
				t.Errorf("%s is not silent: %v", rule.Code, silent)
			}
			continue
		}
		if !shown[rule.Code+"false"] || !shown[rule.Code+"true"] {
			t.Errorf("%s (%s) needs a case %s-reason.txtar in testdata/cases, and a case %s-silent-reason.txtar", rule.Code, rule.Meaning, rule.Code, rule.Code)
		}
	}
}

// check holds a case to what it expects, in the forms that files come in.
func check(t *testing.T, c *casetest.Case) {
	for _, form := range []struct {
		name string
		of   func(text string) string
	}{
		{"as it is", func(text string) string { return text }},
		{"CRLF", func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }},
		{"byte order mark", func(text string) string { return "\ufeff" + text }},
	} {
		if !t.Run(form.name, func(t *testing.T) {
			report := runFiles(t, c.Mesh, reformed(c.Files, form.of))
			casetest.Check(t, report.Findings, c.Files, nil)
			checkParts(t, report.Findings)
			checkFix(t, c, report, form.of)
		}) {
			return // the other forms would say the same again
		}
	}
	if len(c.Mended) > 0 {
		t.Run("mended", func(t *testing.T) {
			l := runFiles(t, c.Mesh, c.With(c.Mended)).Findings
			casetest.Check(t, l, c.Mended, c.Untouched(c.Mended))
			if len(l.Errors())+len(l.Warnings()) > 0 {
				t.Errorf("what the hints say does not make the audit clean: %v", l)
			}
		})
	}
}

func runFiles(t *testing.T, m wsmesh.Mesh, files []casetest.File) *audit.Report {
	t.Helper()
	r, err := audit.Run(t.Context(), casetest.Set(t, files), m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func reformed(files []casetest.File, of func(text string) string) []casetest.File {
	files = slices.Clone(files)
	for i := range files {
		files[i].Text = of(files[i].Text)
	}
	return files
}

// checkParts: a finding says what is wrong where, what to do about it, and which fact is behind it.
func checkParts(t *testing.T, l finding.List) {
	t.Helper()
	for _, f := range l {
		if f.Message == "" || f.Hint == "" || f.Source == "" {
			t.Errorf("the finding lacks a part: %#v", f)
		}
		// Of a document that is not read neither object nor path is known.
		unread := slices.Contains([]string{manifests.TooLarge.Code, manifests.NotText.Code, manifests.Malformed.Code, manifests.Template.Code, manifests.Patch.Code}, f.Code)
		if (f.Object == "") != unread {
			t.Errorf("the object is %q: %s", f.Object, f)
		}
		// WS342 is about the whole object.
		if (f.Path == "") != (unread || f.Code == audit.UnneededAllowConnect.Code) {
			t.Errorf("the path is %q: %s", f.Path, f)
		}
	}
}

// checkFix: Fix makes of the manifests what the case says, its diff leads there, what it says to be left is what the next
// audit finds, and there is nothing for a second Fix to do.
func checkFix(t *testing.T, c *casetest.Case, r *audit.Report, of func(text string) string) {
	t.Helper()
	fixed, err := r.Fix()
	if err != nil {
		t.Fatal(err)
	}
	after := reformed(c.Files, of)
	for _, f := range fixed.Files {
		i := slices.IndexFunc(after, func(o casetest.File) bool { return o.Name == f.Name })
		if i < 0 {
			after = append(after, casetest.File{Name: f.Name})
			i = len(after) - 1
		}
		if after[i].Text != string(f.Before) {
			t.Errorf("%s was not what Fix says:\n%s", f.Name, textdiff.Unified("manifest", "Before", after[i].Text, string(f.Before)))
		}
		after[i].Text = string(f.After)
		if len(c.Fixed) > 0 && !slices.ContainsFunc(c.Fixed, func(o casetest.File) bool { return o.Name == f.Name }) {
			t.Errorf("Fix changes %s, of which the case says nothing:\n%s", f.Name, fixed.Diff())
		}
	}
	for _, want := range c.Fixed {
		i := slices.IndexFunc(after, func(f casetest.File) bool { return f.Name == want.Name })
		if i < 0 {
			t.Errorf("Fix does not write %s:\n%s", want.Name, fixed.Diff())
			continue
		}
		text := want.Text
		if i < len(c.Files) {
			text = of(text)
		}
		if after[i].Text != text {
			t.Errorf("%s is another after Fix:\n%s", want.Name, textdiff.Unified("case", "Fix", text, after[i].Text))
		}
	}
	checkDiff(t, fixed)
	again := runFiles(t, c.Mesh, after)
	if diff := cmp.Diff(fixed.Left, again.Findings); diff != "" {
		t.Errorf("what is left, and what the next audit finds (-left +found):\n%s", diff)
	}
	if len(c.Fixed) > 0 {
		casetest.Check(t, again.Findings, c.Fixed, c.Untouched(c.Fixed))
	}
	second, err := again.Fix()
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Files) > 0 {
		t.Errorf("a second Fix changes more:\n%s", second.Diff())
	}
}

// checkDiff: the diff of each file leads from what it was to what it is.
func checkDiff(t *testing.T, fixed *audit.Fixed) {
	t.Helper()
	rest := fixed.Diff()
	for i, f := range fixed.Files {
		diff := rest
		if i+1 < len(fixed.Files) {
			next := (&audit.Fixed{Files: fixed.Files[i+1:]}).Diff()
			diff, rest = strings.TrimSuffix(rest, next), next
		}
		from := "a/" + f.Name
		if f.Before == nil {
			from = "/dev/null"
		}
		if !strings.HasPrefix(diff, "--- "+from+"\n+++ b/"+f.Name+"\n@@ -") {
			t.Errorf("the diff is not from %s to %s:\n%s", from, f.Name, diff)
		}
		if got := patch(t, string(f.Before), diff); got != string(f.After) {
			t.Errorf("the diff does not lead to %s:\n%s", f.Name, diff)
		}
	}
}
