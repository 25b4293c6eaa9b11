// SPDX-License-Identifier: Apache-2.0

package version_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"

	"github.com/wsmesh/wsmesh/version"
)

// spellings returns what a proxy of release 1.minor.patch may report as ISTIO_VERSION.
func spellings(minor, patch int) []string {
	endings := []string{
		"", "-asm.3", "-asm.3-distroless", "-asm.6+config1", "-gke.8", "-distroless", "-debug", "-tetratefips-v0", "-r4", "-rc.0",
		"-beta.1", "-alpha.f653b34f", "-dev", "+config1", ".47", ".47-ga31201346f-aliyun", ".047-1.20.0",
	}
	bases := []string{fmt.Sprintf("1.%d.%d", minor, patch)}
	if patch == 0 {
		bases = append(bases, fmt.Sprintf("1.%d", minor))
	}
	var out []string
	for i, base := range bases {
		for _, ending := range endings {
			if i == 1 && strings.HasPrefix(ending, ".") {
				continue // 1.12.47 is a patch, not a fourth number
			}
			out = append(out, base+ending, "v"+base+ending)
		}
	}
	return out
}

type admits func(version.Release) bool

func from(s string) admits {
	o := version.MustParse(s)
	return func(r version.Release) bool { return r.Compare(o) >= 0 }
}
func before(s string) admits { return not(from(s)) }
func is(s string) admits {
	o := version.MustParse(s)
	return func(r version.Release) bool { return r.Compare(o) == 0 }
}
func not(a admits) admits { return func(r version.Release) bool { return !a(r) } }
func both(a, b admits) admits {
	return func(r version.Release) bool { return a(r) && b(r) }
}
func either(as ...admits) admits {
	return func(r version.Release) bool {
		for _, a := range as {
			if a(r) {
				return true
			}
		}
		return false
	}
}

// anyPatch is the part of a pattern that admits every patch, and none.
const anyPatch = `(\.(\d|[1-9]\d{1,8})(\.\d+)?)?`

var patternRows = []struct {
	constraint string
	want       string // between `^v?1\.` and `([-+][\w.+-]+)?$`
	admits     admits
	reason     string
}{
	{">=1.12.0", `(1[2-9]|[2-9]\d)` + anyPatch, from("1.12.0"), "the boundary of the documents"},
	{">=1.12", `(1[2-9]|[2-9]\d)` + anyPatch, from("1.12.0"), "a constraint may leave the patch out"},
	{"=>1.12", `(1[2-9]|[2-9]\d)` + anyPatch, from("1.12.0"), "the other way to write it"},
	{" >= v1.12 ", `(1[2-9]|[2-9]\d)` + anyPatch, from("1.12.0"), "spaces and v"},
	{"^1.12", `(1[2-9]|[2-9]\d)` + anyPatch, from("1.12.0"), "up to the next major"},
	{"^1.12.4", `(12\.([4-9]|[1-9]\d{1,8})(\.\d+)?|(1[3-9]|[2-9]\d)` + anyPatch + `)`, from("1.12.4"), "up to the next major, from a patch"},
	{">=1.12.4", `(12\.([4-9]|[1-9]\d{1,8})(\.\d+)?|(1[3-9]|[2-9]\d)` + anyPatch + `)`, from("1.12.4"), "1.12 without a patch is 1.12.0 and not admitted"},
	{">1.12.4", `(12\.([5-9]|[1-9]\d{1,8})(\.\d+)?|(1[3-9]|[2-9]\d)` + anyPatch + `)`, from("1.12.5"), "after a patch"},
	{">1.12", `(1[3-9]|[2-9]\d)` + anyPatch, from("1.13.0"), "after every patch of 1.12"},
	{">1.12.0", `(12\.[1-9]\d{0,8}(\.\d+)?|(1[3-9]|[2-9]\d)` + anyPatch + `)`, from("1.12.1"), "after the first patch"},
	{"<1.12", `(\d|1[01])` + anyPatch, before("1.12.0"), "below the boundary"},
	{"<1.12.0", `(\d|1[01])` + anyPatch, before("1.12.0"), "below the boundary: no release candidate of 1.12.0 either"},
	{"<=1.12", `(\d|1[0-2])` + anyPatch, before("1.13.0"), "every patch of 1.12 is in"},
	{"<=1.12.4", `((\d|1[01])` + anyPatch + `|12(\.[0-4](\.\d+)?)?)`, before("1.12.5"), "up to a patch"},
	{">=1.12, <1.20", `1[2-9]` + anyPatch, both(from("1.12.0"), before("1.20.0")), "a comma is and"},
	{">=1.12 <1.20", `1[2-9]` + anyPatch, both(from("1.12.0"), before("1.20.0")), "a space is and"},
	{">=1.12.4, <1.20.7", `(12\.([4-9]|[1-9]\d{1,8})(\.\d+)?|1[3-9]` + anyPatch + `|20(\.[0-6](\.\d+)?)?)`, both(from("1.12.4"), before("1.20.7")), "patches at both ends"},
	{"1.12 - 1.20", `(1[2-9]|20)` + anyPatch, both(from("1.12.0"), before("1.21.0")), "a range includes its end"},
	{"1.12.2 - 1.12.15", `12\.([2-9]|1[0-5])(\.\d+)?`, both(from("1.12.2"), before("1.12.16")), "within a minor, over one and two digits"},
	{">=1.12.15, <=1.12.237", `12\.(1[5-9]|[2-9]\d|1\d\d|2[0-2]\d|23[0-7])(\.\d+)?`, both(from("1.12.15"), before("1.12.238")), "over two and three digits"},
	{">=1.12.7, <1.12.20250", `12\.([7-9]|[1-9]\d|[1-9]\d\d|[1-9]\d{3}|1\d{4}|20[01]\d\d|202[0-4]\d)(\.\d+)?`, both(from("1.12.7"), before("1.12.20250")), "over many digits"},
	{">=1.12.100", `(12\.[1-9]\d{2,8}(\.\d+)?|(1[3-9]|[2-9]\d)` + anyPatch + `)`, from("1.12.100"), "only patches of three digits and more"},
	{"1.24.x", `24` + anyPatch, both(from("1.24.0"), before("1.25.0")), "one minor"},
	{"1.24", `24` + anyPatch, both(from("1.24.0"), before("1.25.0")), "one minor"},
	{"=1.24", `24` + anyPatch, both(from("1.24.0"), before("1.25.0")), "one minor"},
	{"1.24.*", `24` + anyPatch, both(from("1.24.0"), before("1.25.0")), "one minor"},
	{"~1.24", `24` + anyPatch, both(from("1.24.0"), before("1.25.0")), "one minor"},
	{"~>1.24", `24` + anyPatch, both(from("1.24.0"), before("1.25.0")), "one minor"},
	{"~1.24.3", `24\.([3-9]|[1-9]\d{1,8})(\.\d+)?`, both(from("1.24.3"), before("1.25.0")), "one minor from a patch"},
	{"=1.12.4", `12\.4(\.\d+)?`, is("1.12.4"), "one release: 1.12.40 is another"},
	{"1.12.0", `12(\.0(\.\d+)?)?`, is("1.12.0"), "one release that can be written without its patch"},
	{"!=1.12.3", `((\d|1[01]|1[3-9]|[2-9]\d)` + anyPatch + `|12(\.([0-2]|[4-9]|[1-9]\d{1,8})(\.\d+)?)?)`, not(is("1.12.3")), "all but one"},
	{"!=1.12", `(\d|1[01]|1[3-9]|[2-9]\d)` + anyPatch, not(both(from("1.12.0"), before("1.13.0"))), "all but one minor"},
	{"1.12.x || 1.14.x", `(12|14)` + anyPatch, either(both(from("1.12"), before("1.13")), both(from("1.14"), before("1.15"))), "two minors"},
	{"<1.2 || >=1.98.1", `(([01]|99)` + anyPatch + `|98\.[1-9]\d{0,8}(\.\d+)?)`, either(before("1.2"), from("1.98.1")), "both ends"},
	{"1.12.3||1.12.5||1.14.3 || 1.14.5", `(12|14)\.(3|5)(\.\d+)?`, either(is("1.12.3"), is("1.12.5"), is("1.14.3"), is("1.14.5")), "minors with the same patches stand together"},
	{">=1.12.2, !=1.20.0 || 1.9.1", `(9\.1(\.\d+)?|12\.([2-9]|[1-9]\d{1,8})(\.\d+)?|(1[3-9]|2[1-9]|[3-9]\d)` + anyPatch + `|20\.[1-9]\d{0,8}(\.\d+)?)`, either(both(from("1.12.2"), not(is("1.20.0"))), is("1.9.1")), "and binds closer than or"},
	{">=1.8", `([89]|[1-9]\d)` + anyPatch, from("1.8.0"), "over one and two digits"},
	{">=1.1", `[1-9]\d{0,1}` + anyPatch, from("1.1.0"), "all minors but 0"},
	{"1.9 - 1.31", `(9|[12]\d|3[01])` + anyPatch, both(from("1.9.0"), before("1.32.0")), "over one and two digits"},
	{"*", `(\d|[1-9]\d)` + anyPatch, from("1.0.0"), "every release of Istio, and still no master-<date>"},
	{">=1.0", `(\d|[1-9]\d)` + anyPatch, from("1.0.0"), "every release of Istio"},
	{"1.x", `(\d|[1-9]\d)` + anyPatch, from("1.0.0"), "every release of Istio"},
	{">=0.8, <2", `(\d|[1-9]\d)` + anyPatch, from("1.0.0"), "no other major exists"},
	{"<1.999999999", `(\d|[1-9]\d)` + anyPatch, from("1.0.0"), "a bound beyond the minors that patterns know"},
	{">=1.99.999999999", `99\.999999999(\.\d+)?`, from("1.99.999999999"), "the last release that patterns know"},
}

func TestProxyVersionPattern(t *testing.T) {
	// 120 and the like are numbers that Compare puts after 12, and that no pattern ever matches.
	minors := []int{100, 112, 120, 121, 199, 1000, 1212}
	for m := range 100 {
		minors = append(minors, m)
	}
	patches := []int{40, 99, 100, 101, 237, 238, 999, 1000, 20249, 20250, 65535, 999_999_999}
	for p := range 31 {
		patches = append(patches, p)
	}
	type release struct {
		parsed    version.Release
		known     bool
		spellings []string
	}
	var releases []release
	for _, m := range minors {
		for _, p := range patches {
			releases = append(releases, release{version.MustParse(fmt.Sprintf("1.%d.%d", m, p)), m < 100, spellings(m, p)})
		}
	}
	for _, tt := range patternRows {
		t.Run(tt.constraint, func(t *testing.T) {
			t.Parallel()
			pattern, err := version.ProxyVersionPattern(tt.constraint)
			if err != nil {
				t.Fatalf("%v: %s", err, tt.reason)
			}
			if want := `^v?1\.` + tt.want + `([-+][\w.+-]+)?$`; pattern != want {
				t.Errorf("pattern\n%s, want\n%s: %s", pattern, want, tt.reason)
			}
			match := regexp.MustCompile(pattern).MatchString
			for _, r := range releases {
				want := r.known && tt.admits(r.parsed)
				for _, s := range r.spellings {
					if match(s) != want {
						t.Fatalf("%s matches %q: %t, want %t: %s", pattern, s, !want, want, tt.reason)
					}
				}
			}
		})
	}
}

// TestSpellings keeps the spellings of the tests honest: each is read as the release that it spells.
func TestSpellings(t *testing.T) {
	for _, r := range [][2]int{{12, 0}, {12, 4}, {0, 0}, {31, 20}} {
		want := version.MustParse(fmt.Sprintf("1.%d.%d", r[0], r[1]))
		for _, s := range spellings(r[0], r[1]) {
			if got, err := version.Parse(s); err != nil || got.Compare(want) != 0 {
				t.Errorf("Parse(%q) = %s, %v, want %s", s, got, err, want)
			}
		}
	}
}

func TestProxyVersionPatternMatchesNothingElse(t *testing.T) {
	for _, constraint := range []string{">=1.12", ">=1.12.0", ">=1.12.4", "*", "1.12.x", "<1.20"} {
		pattern, err := version.ProxyVersionPattern(constraint)
		if err != nil {
			t.Fatal(err)
		}
		match := regexp.MustCompile(pattern).MatchString
		for _, tt := range []struct{ in, reason string }{
			{"", "a proxy that reports nothing"},
			{"unknown", "a build without a version"},
			{"master-20190612-09-16", "a daily build"},
			{"latest", "a moving tag"},
			{"maistra-1.12.4", "another product"},
			{"release-1.12.4", "only Parse takes the prefix off"},
			{"istio-1.12.4", "only Parse takes the prefix off"},
			{" 1.12.4", "only Parse takes spaces off"},
			{"1.12.4\n", "$ is the end of the text and not of a line"},
			{"junk 1.12.4", "anchored at the start"},
			{"1.12.4 junk", "anchored at the end"},
			{"1-12-4", "a revision label; a dot is a dot"},
			{"1x12x4", "a dot is a dot"},
			{"1.120.0", "Compare puts it after 1.12, and no release of Istio is near"},
			{"1.120", "as 1.120.0"},
			{"1.112.4", "ends as 1.12.4"},
			{"11.12.4", "another major"},
			{"10.1.2", "another major"},
			{"21.12.4", "another major that ends in 1"},
			{"2.12.4", "another major"},
			{"1", "no minor"},
			{"1.", "no minor"},
			{"1.x", "no minor"},
			{"1.12.", "no patch after the dot"},
			{"1.12.x", "no patch after the dot"},
			{"1.12.4.", "no number after the dot"},
			{"1.12.4.5.6", "five numbers"},
			{"1.12.4-", "an empty suffix"},
			{"1.12.4rc1", "a suffix without its hyphen"},
			{"1.12.4_1", "no suffix"},
			{"1.012.4", "a leading zero"},
			{"1.12.04", "a leading zero"},
			{"1.12.1000000000", "Parse refuses it as well"},
			{"V1.12.4", "nothing writes a capital V"},
			{"vv1.12.4", "one v at most"},
		} {
			if match(tt.in) {
				t.Errorf("%s of %q matches %q: %s", pattern, constraint, tt.in, tt.reason)
			}
		}
	}
}

func TestProxyVersionPatternRefuses(t *testing.T) {
	var manyLines, manyGroups strings.Builder
	for i := range 40 {
		fmt.Fprintf(&manyLines, "!=1.%d.%d ", 10+i, 10+i)
		fmt.Fprintf(&manyGroups, "1.%d || ", i)
	}
	for _, tt := range []struct{ in, says, reason string }{
		{"", "is empty", "nothing to match"},
		{" \n", "is empty", "nothing to match"},
		{"latest", "cannot be read", "no constraint"},
		{">=", "cannot be read", "no number"},
		{">=1.12,", "cannot be read", "nothing after the comma"},
		{"||", "cannot be read", "nothing at either side"},
		{">=1.12 ||", "cannot be read", "nothing after the bars"},
		{"==1.12", "cannot be read", "no such operator"},
		{"1.12.4.5", "cannot be read", "constraints have three numbers at most"},
		{"1|2", "cannot be read", "one bar"},
		{">=1.12 1.20 -", "cannot be read", "half a range"},
		{"release-1.12", "cannot be read", "no prefix in a constraint"},
		{`^1\.12.*`, "cannot be read", "already a pattern"},
		{">=1.12.0-rc.1", "suffixes never order", "a pre-release does not order"},
		{">=1.12.0-asm.3", "suffixes never order", "a vendor's build does not order"},
		{"1.12.x-0", "suffixes never order", "the habit that lets SemVer pre-releases in"},
		{">=1.12.0+config1", "suffixes never order", "metadata does not order"},
		{"1.12-1.20", `"1.12 - 1.20"`, "a range without its spaces would be 1.12 with the suffix 1.20"},
		{">=1.012", "leading zero", "SemVer libraries let it pass as 1.12"},
		{">=1.9999999999", "at most 9 digits", "too large"},
		{">=1.99999999999999999999999", "at most 9 digits", "more than 64 bits"},
		{">=2", "no Istio release satisfies it", "no other major"},
		{"2.6.x", "no Istio release satisfies it", "the number of another product"},
		{"<1.0", "no Istio release satisfies it", "before the first release"},
		{">1.20, <1.12", "no Istio release satisfies it", "an empty range"},
		{"1.12.x, 1.14.x", "no Istio release satisfies it", "and where or was meant"},
		{">=1.100", "no Istio release satisfies it", "beyond the minors that patterns know"},
		{"!=1.x", "no Istio release satisfies it", "all but all"},
		{manyLines.String(), "more than 1024", "each minor has patches of its own"},
		{manyGroups.String() + "1.99", "max 32", "the limit of semver"},
		{">=1.12" + strings.Repeat(" ", 1<<20), "longer than 512 bytes", "a hostile value"},
	} {
		got, err := version.ProxyVersionPattern(tt.in)
		if err == nil || got != "" {
			t.Errorf("%.80q gives %q, %v, want an error alone: %s", tt.in, got, err, tt.reason)
			continue
		}
		if !strings.Contains(err.Error(), tt.says) || len(err.Error()) > 1000 {
			t.Errorf("%.80q: %v\nmust say %q, in short: %s", tt.in, err, tt.says, tt.reason)
		}
	}
}

// proxyReports reports whether a proxy may report s as its version, and if so the release that it is.
func proxyReports(s string) (version.Release, bool) {
	r, err := version.Parse(s)
	number := strings.TrimPrefix(s, "v")
	return r, err == nil && strings.HasPrefix(number, "1.") && strings.TrimSpace(s) == s
}

var simpleConstraint = regexp.MustCompile(`^(>=|<=|!=|>|<|=|)(\d+\.\d+\.\d+)$`)

// FuzzProxyVersionPattern checks patterns in two ways: against every spelling of a release, and against any text,
// which they must match exactly where it is a release that Parse reads and that satisfies the constraint. For
// constraints of one comparison the judge is Compare, for others semver's Check of the three numbers.
func FuzzProxyVersionPattern(f *testing.F) {
	for i, tt := range patternRows {
		f.Add(tt.constraint, uint8(i+5), uint32(i), spellings(i, i%5)[i%7])
	}
	for _, op := range []string{"", "=", "!=", "<", "<=", ">", ">="} {
		f.Add(op+"1.12.4", uint8(12), uint32(4), "1.12.04")
	}
	f.Add(">=1.12", uint8(120), uint32(0), "1.120.0")
	f.Fuzz(func(t *testing.T, constraint string, minor uint8, patch uint32, text string) {
		pattern, err := version.ProxyVersionPattern(constraint)
		if err != nil {
			if pattern != "" {
				t.Fatalf("%q gives %q together with %v", constraint, pattern, err)
			}
			return
		}
		if len(pattern) > 1024 || !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") {
			t.Fatalf("%q gives a pattern that is too long or not anchored: %s", constraint, pattern)
		}
		match := regexp.MustCompile(pattern).MatchString

		var satisfies admits
		if m := simpleConstraint.FindStringSubmatch(constraint); m != nil && strings.HasPrefix(m[2], "1.") {
			o := version.MustParse(m[2])
			satisfies = map[string]admits{
				"": is(m[2]), "=": is(m[2]), "!=": not(is(m[2])), ">=": from(m[2]), "<": before(m[2]),
				">":  func(r version.Release) bool { return r.Compare(o) > 0 },
				"<=": func(r version.Release) bool { return r.Compare(o) <= 0 },
			}[m[1]]
		} else {
			c, err := semver.NewConstraint(constraint)
			if err != nil {
				t.Fatalf("%q has a pattern, and semver cannot read it: %v", constraint, err)
			}
			satisfies = func(r version.Release) bool { return c.Check(semver.MustParse(r.String())) }
		}
		known := version.MustParse("1.100")

		p := int(patch % 1_000_000_000)
		r := version.MustParse(fmt.Sprintf("1.%d.%d", minor, p))
		want := r.Compare(known) < 0 && satisfies(r)
		for _, s := range spellings(int(minor), p) {
			if match(s) != want {
				t.Fatalf("%q gives %s, which matches %q: %t, want %t", constraint, pattern, s, !want, want)
			}
		}

		r, ok := proxyReports(text)
		if len(text) <= 256 && match(text) != (ok && r.Compare(known) < 0 && satisfies(r)) {
			t.Fatalf("%q gives %s, which matches %q: %t; Parse reads %q", constraint, pattern, text, match(text), r)
		}
	})
}

func BenchmarkProxyVersionPattern(b *testing.B) {
	for _, constraint := range []string{">=1.12.0", ">=1.12.4, <1.20.7 || 1.24.x"} {
		b.Run(constraint, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := version.ProxyVersionPattern(constraint); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
