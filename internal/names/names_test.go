// SPDX-License-Identifier: Apache-2.0

package names

import (
	"regexp"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	long := strings.Repeat
	for _, test := range []struct {
		reason string
		check  func(string) string
		s      string
		want   string // the beginning of what is wrong; "" where nothing is
	}{
		{"a word", Label, "default", ""},
		{"one character", Label, "a", ""},
		{"digits only", Label, "1", ""},
		{"the longest", Label, long("a", 63), ""},
		{"too long", Label, long("a", 64), "must be no more than 63 bytes"},
		{"empty", Label, "", "must consist of lower-case letters, digits and '-'"},
		{"a capital", Label, "A", "must consist of"},
		{"a dot", Label, "a.b", "must consist of"},
		{"an underscore", Label, "a_b", "must consist of"},
		{"a hyphen first", Label, "-a", "must consist of"},
		{"a hyphen last", Label, "a-", "must consist of"},
		{"a line break last", Label, "a\n", "must consist of"},
		{"a line break inside", Label, "a\nb", "must consist of"},
		{"a letter beyond ASCII", Label, "ä", "must consist of"},
		{"a NUL byte", Label, "a\x00b", "must consist of"},
		{"the syntax of YAML", Label, "a: b", "must consist of"},

		{"a word", Subdomain, "websockets-server", ""},
		{"parts", Subdomain, "a.b-c.1", ""},
		{"a part of any length", Subdomain, long("a", 200), ""},
		{"the longest", Subdomain, long("a", 253), ""},
		{"too long", Subdomain, long("a", 254), "must be no more than 253 bytes"},
		{"empty", Subdomain, "", "must consist of lower-case letters, digits, '-' and '.'"},
		{"an empty part", Subdomain, "a..b", "must consist of"},
		{"a dot last", Subdomain, "a.", "must consist of"},
		{"a hyphen at the end of a part", Subdomain, "a-.b", "must consist of"},
		{"a capital", Subdomain, "a.B", "must consist of"},
		{"a slash", Subdomain, "a/b", "must consist of"},

		{"a word", QualifiedName, "app", ""},
		{"capitals, dots and underscores", QualifiedName, "A_b.C-1", ""},
		{"a prefix", QualifiedName, "app.kubernetes.io/name", ""},
		{"the longest name", QualifiedName, "a/" + long("b", 63), ""},
		{"a name too long", QualifiedName, "a/" + long("b", 64), "has a name part that must be no more than 63 bytes"},
		{"the longest prefix", QualifiedName, long("a", 253) + "/b", ""},
		{"a prefix too long", QualifiedName, long("a", 254) + "/b", "has a prefix that must be no more than 253 bytes"},
		{"empty", QualifiedName, "", "must not be empty"},
		{"no prefix", QualifiedName, "/a", "must not start with '/'"},
		{"no name", QualifiedName, "a/", "must not be empty"},
		{"two slashes", QualifiedName, "a/b/c", "must consist of letters"},
		{"a capital in the prefix", QualifiedName, "A/b", "has a prefix that must consist of"},
		{"a space", QualifiedName, "a b", "must consist of letters"},
		{"a dot first", QualifiedName, ".a", "must consist of letters"},
		{"a wildcard", QualifiedName, "*", "must consist of letters"},
		{"the key of YAML's merge", QualifiedName, "<<", "must consist of letters"},

		{"empty", LabelValue, "", ""},
		{"a word", LabelValue, "websockets-server", ""},
		{"what YAML reads as a number", LabelValue, "1.10", ""},
		{"capitals", LabelValue, "A_b.C-1", ""},
		{"the longest", LabelValue, long("a", 63), ""},
		{"too long", LabelValue, long("a", 64), "must be no more than 63 bytes"},
		{"a space", LabelValue, "a b", "must consist of letters"},
		{"a slash", LabelValue, "a/b", "must consist of letters"},
		{"an underscore last", LabelValue, "a_", "must consist of letters"},
		{"a wildcard", LabelValue, "*", "must consist of letters"},
		{"a line break last", LabelValue, "a\n", "must consist of letters"},
	} {
		t.Run(test.reason+" "+test.s, func(t *testing.T) {
			got := test.check(test.s)
			if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) {
				t.Errorf("%q %q, want %q", test.s, got, test.want)
			}
		})
	}
}

// The regular expressions of k8s.io/apimachinery/pkg/util/validation.
var (
	label     = regexp.MustCompile(`\A[a-z0-9]([-a-z0-9]*[a-z0-9])?\z`)
	subdomain = regexp.MustCompile(`\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z`)
	name      = regexp.MustCompile(`\A([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\z`)
)

func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "a", "a-b.c", "a.b/C_d", "/", "a//b", "a\n", "ä", "\xff", strings.Repeat("a", 64), strings.Repeat("a", 254) + "/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		prefix, rest, ok := strings.Cut(s, "/")
		if !ok {
			prefix, rest = "a", s
		}
		for _, test := range []struct {
			rule  string
			got   string
			valid bool
		}{
			{"Label", Label(s), len(s) <= 63 && label.MatchString(s)},
			{"Subdomain", Subdomain(s), len(s) <= 253 && subdomain.MatchString(s)},
			{"QualifiedName", QualifiedName(s), len(prefix) <= 253 && subdomain.MatchString(prefix) && len(rest) <= 63 && name.MatchString(rest)},
			{"LabelValue", LabelValue(s), s == "" || len(s) <= 63 && name.MatchString(s)},
		} {
			if (test.got == "") != test.valid {
				t.Errorf("%s(%q) is %q, and Kubernetes takes it: %t", test.rule, s, test.got, test.valid)
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		_, _, _, _ = Label("default"), Subdomain("websockets-server.a"), QualifiedName("app.kubernetes.io/name"), LabelValue("1.10")
	}); n > 0 {
		t.Errorf("valid names take %v allocations", n)
	}
}
