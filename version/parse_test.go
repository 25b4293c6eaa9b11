// SPDX-License-Identifier: Apache-2.0

package version_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/version"
)

// parseRows are texts that users have, and what Parse makes of them: a release, or one of the errors with a word that
// its text must hold.
var parseRows = []struct {
	in      string
	want    string // String of the release; "" where it is refused
	wantErr error
	says    string
	reason  string
}{
	// Releases and their pre-releases.
	{"1.11.8", "1.11.8", nil, "", "a tag, below 1.12"},
	{"1.10.1", "1.10.1", nil, "", "a tag, below 1.12"},
	{"1.12.0", "1.12.0", nil, "", "a tag, the boundary itself"},
	{"1.12.9", "1.12.9", nil, "", "a tag, at or above 1.12"},
	{"1.0.0", "1.0.0", nil, "", "the first release"},
	{"1.4.3", "1.4.3", nil, "", "from version.BuildInfo in istio#21430"},
	{"1.21.0", "1.21.0", nil, "", "client version of istioctl"},
	{"1.30.3", "1.30.3", nil, "", "a tag"},
	{"1.12.10", "1.12.10", nil, "", "a patch of two digits"},
	{"1.12.0-rc.0", "1.12.0", nil, "", "SemVer would put it below 1.12.0; istiod does not"},
	{"1.12.0-beta.1", "1.12.0", nil, "", "pre-release"},
	{"1.12.0-alpha.1", "1.12.0", nil, "", "pre-release"},
	{"1.31.0-rc.0", "1.31.0", nil, "", "tag style of candidates"},
	{"1.9.0-beta.0", "1.9.0", nil, "", "tag style of betas"},
	{"1.12-alpha.5c1b3a", "1.12.0", nil, "", "branch build; istiod would read patch 65535"},
	{"1.23-alpha.f653b34f", "1.23.0", nil, "", "branch build, istio#50980"},
	{"1.8-alpha.0c2d7a", "1.8.0", nil, "", "branch build, istio#21517"},
	{"1.16-alpha.c5fdc2a", "1.16.0", nil, "", "what a CI proxy reports"},
	{"1.31-dev", "1.31.0", nil, "", "Makefile.core.mk"},
	{"1.24-dev", "1.24.0", nil, "", "Makefile.core.mk"},
	{"release-1.2-123214234", "1.2.0", nil, "", "context_test.go: daily build of a release branch"},
	{"release-1.31", "1.31.0", nil, "", "a release branch"},
	{"release-1.12.4", "1.12.4", nil, "", "release- before a number"},

	// Images and vendors.
	{"1.24.1-distroless", "1.24.1", nil, "", "image flavour"},
	{"1.24.1-debug", "1.24.1", nil, "", "image flavour"},
	{"1.12.0-asm.3-distroless", "1.12.0", nil, "", "image of Google's mesh"},
	{"1.12.0-asm.3", "1.12.0", nil, "", "Google's mesh; SemVer would put it below 1.12.0"},
	{"1.20.8-asm.7", "1.20.8", nil, "", "Google's mesh"},
	{"1.30.3-asm.18", "1.30.3", nil, "", "Google's mesh"},
	{"1.9.8-asm.6+config1", "1.9.8", nil, "", "Google's mesh with build metadata"},
	{"1.4.10-gke.8", "1.4.10", nil, "", "GKE add-on"},
	{"1.14.5-gke.3", "1.14.5", nil, "", "GKE add-on"},
	{"v1.14.3.47-ga31201346f-aliyun", "1.14.3", nil, "", "Alibaba's mesh: a v and four numbers"},
	{"1.14.3.47", "1.14.3", nil, "", "four numbers without a suffix"},
	{"1.14.3.047", "1.14.3", nil, "", "the fourth number is a count of builds and no part of the release"},
	{"1.8.6", "1.8.6", nil, "", "older Alibaba images"},
	{"1.4.6", "1.4.6", nil, "", "older Alibaba images"},
	{"1.18.2-tetratefips-v0", "1.18.2", nil, "", "Tetrate, istio#48305"},
	{"1.16.0-tetratefips-v0", "1.16.0", nil, "", "Tetrate"},
	{"1.18.7-r4", "1.18.7", nil, "", "Huawei"},
	{"v1.24.4", "1.24.4", nil, "", "Sail operator, OpenShift Service Mesh 3"},
	{"v1.24-latest", "1.24.0", nil, "", "Sail operator: the minor is certain"},
	{"1.20.8", "1.20.8", nil, "", "what the proxies of OpenShift Service Mesh 2.6 report"},
	{"1.24.1_1", "", version.ErrUnknownRelease, `suffix begins with "-" or "+"`, "an underscore begins no suffix"},
	{"1.24.1-foo_bar", "1.24.1", nil, "", "an underscore within a suffix"},
	{"1.12+config1", "1.12.0", nil, "", "metadata right after the minor"},

	// Habits.
	{"1.12", "1.12.0", nil, "", "without a patch"},
	{"v1.12", "1.12.0", nil, "", "v"},
	{" 1.12.0\n", "1.12.0", nil, "", "spaces around, as a shell leaves them"},
	{"\t1.12\r\n", "1.12.0", nil, "", "spaces around"},
	{"istio-1.12.0", "1.12.0", nil, "", "the name of the archive"},
	{"istio-v1.12.0", "1.12.0", nil, "", "prefixes together"},
	{"release-v1.12", "1.12.0", nil, "", "prefixes together"},
	{"1.2", "1.2.0", nil, "", "numeric, not lexical"},
	{"1.20", "1.20.0", nil, "", "numeric, not lexical"},
	{"1.120", "1.120.0", nil, "", "numeric, however large"},
	{"1.999999999.999999999", "1.999999999.999999999", nil, "", "nine digits fit"},

	// No release.
	{"", "", version.ErrUnknownRelease, "empty", "nothing given"},
	{" \n", "", version.ErrUnknownRelease, "empty", "only spaces"},
	{"v", "", version.ErrUnknownRelease, "empty", "only a prefix"},
	{"latest", "", version.ErrUnknownRelease, "istioctl version", "istiod would assume the newest"},
	{"unknown", "", version.ErrUnknownRelease, "istioctl version", "what a proxy built without a version reports"},
	{"default", "", version.ErrUnknownRelease, "istioctl version", "a revision without a number"},
	{"none", "", version.ErrUnknownRelease, "istioctl version", "istioctl's word for no proxies"},
	{"canary", "", version.ErrUnknownRelease, "istioctl version", "a revision without a number"},
	{"prod-stable", "", version.ErrUnknownRelease, "istioctl version", "a revision tag"},
	{"asm-managed", "", version.ErrUnknownRelease, "istioctl version", "a managed channel"},
	{"asm-managed-rapid", "", version.ErrUnknownRelease, "istioctl version", "a managed channel"},
	{"master-20190612-09-16", "", version.ErrUnknownRelease, "istioctl version", "daily build of master"},
	{"master-0c2d7a", "", version.ErrUnknownRelease, "istioctl version", "build of master"},
	{"junk-1.2.3", "", version.ErrUnknownRelease, "does not begin with a number", "context_test.go"},
	{"V1.12", "", version.ErrUnknownRelease, "does not begin with a number", "nothing writes a capital V"},
	{"vv1.12", "", version.ErrUnknownRelease, "does not begin with a number", "each prefix once"},
	{"proxyv2:1.12.0", "", version.ErrUnknownRelease, "does not begin with a number", "an image, not a release"},
	{"-1.12.0", "", version.ErrUnknownRelease, "does not begin with a number", "a sign is no part of a release"},
	{"１.12.0", "", version.ErrUnknownRelease, "does not begin with a number", "a digit of another script"},

	// Numbers that are not complete, or more than a number.
	{"1", "", version.ErrUnknownRelease, "major.minor", "no minor"},
	{"2", "", version.ErrUnknownRelease, "major.minor", "no minor: it may be anything"},
	{"1.", "", version.ErrUnknownRelease, "major.minor", "no minor"},
	{"1.x", "", version.ErrUnknownRelease, "major.minor", "a constraint, not a release"},
	{"1.2.x", "", version.ErrUnknownRelease, "major.minor", "a constraint, not a release"},
	{"1.2.x.y", "", version.ErrUnknownRelease, "major.minor", "not numbers"},
	{"1.12.", "", version.ErrUnknownRelease, "major.minor", "the patch is missing after the dot"},
	{"1.12.0.", "", version.ErrUnknownRelease, "major.minor", "the fourth number is missing after the dot"},
	{"1.2.3.4.5", "", version.ErrUnknownRelease, "major.minor", "five numbers"},
	{"1.12.0-", "", version.ErrUnknownRelease, "suffix", "an empty suffix"},
	{"1.12.0+", "", version.ErrUnknownRelease, "suffix", "an empty suffix"},
	{"1.12.0rc1", "", version.ErrUnknownRelease, "suffix", "a suffix without its hyphen"},
	{"1.12.0 (3 proxies)", "", version.ErrUnknownRelease, "suffix", "more than the release, from istioctl's line"},
	{"1.12.4, 1.11.8", "", version.ErrUnknownRelease, "suffix", "two releases"},
	{"1.12.0-a b", "", version.ErrUnknownRelease, "suffix", "a space within"},
	{"1.12.0-\x00", "", version.ErrUnknownRelease, "suffix", "a control character"},
	{"1.12.0-\xff", "", version.ErrUnknownRelease, "suffix", "not UTF-8"},
	{">=1.12.0", "", version.ErrUnknownRelease, "does not begin with a number", "a constraint, not a release"},
	{"01.27.0", "", version.ErrUnknownRelease, "leading zeros", "SemVer libraries let it pass as 1.27.0"},
	{"1.012.0", "", version.ErrUnknownRelease, "starts with 0", "a leading zero"},
	{"1.1.06", "", version.ErrUnknownRelease, "starts with 0", "a leading zero"},
	{"1.1000000000", "", version.ErrUnknownRelease, "too large", "ten digits"},
	{"1.12.99999999999999999999", "", version.ErrUnknownRelease, `"99999999999999999999" is too large`, "more than 64 bits"},

	// Revision labels.
	{"1-12-4", "", version.ErrUnknownRelease, "ParseRevision", "istioctl's canary label"},
	{"1-24-1", "", version.ErrUnknownRelease, "ParseRevision", "istioctl's canary label; SemVer would read 1.0.0-24-1"},
	{"istio-1-24-1", "", version.ErrUnknownRelease, "ParseRevision", "a label with a prefix"},
	{"2-6-1", "", version.ErrUnknownRelease, "ParseRevision", "a label, whatever its major"},
	{"asm-1204-3", "", version.ErrUnknownRelease, "ParseRevision", "Google's label"},
	{"asm-1106-2", "", version.ErrUnknownRelease, "ParseRevision", "Google's label"},
	{"asm-1-17", "", version.ErrUnknownRelease, "ParseRevision", "Azure's label"},
	{"asm-1-29", "", version.ErrUnknownRelease, "ParseRevision", "Azure's label"},

	// Other products.
	{"2.6.1", "", version.ErrNotIstioRelease, "OpenShift Service Mesh", "OpenShift Service Mesh, whose proxies are 1.20"},
	{"2.6.x", "", version.ErrNotIstioRelease, "OpenShift Service Mesh", "OpenShift Service Mesh"},
	{"v2.6", "", version.ErrNotIstioRelease, "OpenShift Service Mesh", "OpenShift Service Mesh's spec.version"},
	{"3.0.1", "", version.ErrNotIstioRelease, "OpenShift Service Mesh", "OpenShift Service Mesh 3"},
	{"2.0.0", "", version.ErrNotIstioRelease, `begins with "1."`, "above 1.12 as a number, and no Istio"},
	{"0.8.0", "", version.ErrNotIstioRelease, `begins with "1."`, "Istio of before 1.0, which has another API"},
	{"11.12.0", "", version.ErrNotIstioRelease, `begins with "1."`, "another major"},
	{"10.1.2", "", version.ErrNotIstioRelease, `begins with "1."`, "another major; istiod's parser takes it for the newest"},
	{"maistra-2.3.0", "", version.ErrNotIstioRelease, "Maistra", "Maistra's product number"},
	{"maistra-1.1", "", version.ErrNotIstioRelease, "Maistra", "Maistra's product number, though it begins with 1"},
	{"OSSM-2.6", "", version.ErrNotIstioRelease, "OpenShift Service Mesh", "OpenShift Service Mesh by its initials"},
}

func TestParse(t *testing.T) {
	seen := map[string]bool{}
	for _, tt := range parseRows {
		if seen[tt.in] || tt.reason == "" {
			t.Fatalf("row %q is there twice or has no reason", tt.in)
		}
		seen[tt.in] = true
		t.Run(tt.in, func(t *testing.T) {
			got, err := version.Parse(tt.in)
			if !errors.Is(err, tt.wantErr) || got.String() != tt.want {
				t.Fatalf("Parse = %q, %v, want %q, %v: %s", got, err, tt.want, tt.wantErr, tt.reason)
			}
			if err == nil {
				if got.Original() != tt.in {
					t.Errorf("Original = %q, want what was given: %s", got.Original(), tt.reason)
				}
				return
			}
			if !got.IsZero() {
				t.Errorf("Parse gives a release together with an error: %q", got.Original())
			}
			if !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "give the release") {
				t.Errorf("the error is %q; it must say %q and what to give instead: %s", err, tt.says, tt.reason)
			}
			if other := version.ErrNotIstioRelease; !errors.Is(tt.wantErr, other) && errors.Is(err, other) {
				t.Errorf("the error is both %v and %v", tt.wantErr, other)
			}
		})
	}
}

func TestParseErrorQuotesTheValue(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"latest", `unknown Istio release "latest": `},
		{" 2.6.1\n", `not an Istio release " 2.6.1\n": `},
		{"asm-1106-2", `unknown Istio release "asm-1106-2": `},
		{strings.Repeat("x", 65), `unknown Istio release "` + strings.Repeat("x", 32) + `"... (65 bytes): `},
	} {
		_, err := version.Parse(tt.in)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("Parse(%q): %v, want it to begin with %s", tt.in, err, tt.want)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	fits := "1.12.0-" + strings.Repeat("a", 249)
	if r, err := version.Parse(fits); err != nil || r.String() != "1.12.0" {
		t.Errorf("256 bytes: %s, %v, want 1.12.0", r, err)
	}
	for name, parse := range map[string]func(string) (version.Release, error){"Parse": version.Parse, "ParseRevision": version.ParseRevision} {
		for _, in := range []string{
			fits + "a",
			"1.12.0" + strings.Repeat(" ", 1<<20),
			strings.Repeat("1-", 1<<19),
			strings.Repeat("\xf0\x9f\x98\x80", 1<<18),
			strings.Repeat("\x00", 1<<20),
		} {
			r, err := parse(in)
			if !errors.Is(err, version.ErrUnknownRelease) || !r.IsZero() {
				t.Errorf("%s of %d bytes: %s, %v, want ErrUnknownRelease", name, len(in), r, err)
				continue
			}
			if len(err.Error()) > 600 || !strings.Contains(err.Error(), "longer than 256 bytes") {
				t.Errorf("%s of %d bytes has an error of %d bytes, want a short one that says the limit: %.200s", name, len(in), len(err.Error()), err)
			}
		}
	}
}

func TestParseRevision(t *testing.T) {
	for _, tt := range []struct {
		in      string
		want    string
		wantErr error
		says    string
		reason  string
	}{
		{"1-12-4", "1.12.4", nil, "", "istioctl's canary label"},
		{"1-24-1", "1.24.1", nil, "", "istioctl's canary label"},
		{"1-12-10", "1.12.10", nil, "", "a patch of two digits"},
		{" 1-24\n", "1.24.0", nil, "", "without a patch; spaces around"},
		{"1-2", "1.2.0", nil, "", "hyphens are dots: 1.2, not 1.20"},
		{"asm-1-17", "1.17.0", nil, "", "Azure"},
		{"asm-1-24", "1.24.0", nil, "", "Azure"},
		{"asm-1-29", "1.29.0", nil, "", "Azure"},
		{"asm-1204-3", "1.20.4", nil, "", "Google"},
		{"asm-1106-2", "1.10.6", nil, "", "Google; below 1.12, and never 1.1.06"},
		{"asm-1104-6", "1.10.4", nil, "", "Google"},
		{"asm-1134-4", "1.13.4", nil, "", "Google"},
		{"asm-1396-0", "1.39.6", nil, "", "the last minor that can be read in one way"},

		{"", "", version.ErrUnknownRelease, "no well-known form", "nothing given"},
		{"default", "", version.ErrUnknownRelease, "no well-known form", "no number"},
		{"canary", "", version.ErrUnknownRelease, "no well-known form", "no number"},
		{"prod-stable", "", version.ErrUnknownRelease, "no well-known form", "no number"},
		{"asm-managed", "", version.ErrUnknownRelease, "no well-known form", "no number"},
		{"asm-managed-rapid", "", version.ErrUnknownRelease, "no well-known form", "no number"},
		{"asm", "", version.ErrUnknownRelease, "no well-known form", "no number"},
		{"asm-1106", "", version.ErrUnknownRelease, "no well-known form", "Google's labels have a build"},
		{"prod-1-24", "", version.ErrUnknownRelease, "no well-known form", "whose number is it?"},
		{"1", "", version.ErrUnknownRelease, "no well-known form", "no minor"},
		{"1-", "", version.ErrUnknownRelease, "no well-known form", "no minor"},
		{"1--4", "", version.ErrUnknownRelease, "no well-known form", "no minor"},
		{"1-12-x", "", version.ErrUnknownRelease, "no well-known form", "not a number"},
		{"1.12.4", "", version.ErrUnknownRelease, "is for Parse", "a release, not a label"},

		{"asm-1410-4", "", version.ErrUnknownRelease, `"1410" can be split`, "1.4.10 or 1.41.0"},
		{"asm-1912-3", "", version.ErrUnknownRelease, `"1912" can be split`, "1.9.12 or 1.91.2"},
		{"asm-124-1", "", version.ErrUnknownRelease, `"124" can be split`, "1.2.4 or 1.24"},
		{"asm-11910-9", "", version.ErrUnknownRelease, `"11910" can be split`, "1.19.10 or 1.191.0"},
		{"asm-1006-2", "", version.ErrUnknownRelease, `"1006" can be split`, "1.0.06 is no release, 1.00.6 neither"},
		{"asm-2106-2", "", version.ErrUnknownRelease, `"2106" can be split`, "2.10.6 or 21.0.6"},
		{"asm-1-24-1", "", version.ErrUnknownRelease, "3 numbers", "a patch or Azure's own build"},
		{"1-12-4-2", "", version.ErrUnknownRelease, "4 numbers", "where does the release end?"},
		{"1-124", "", version.ErrUnknownRelease, "more than two digits", "1.12.4 or 1.124"},
		{"2024-01-01", "", version.ErrUnknownRelease, "more than two digits", "a date"},
		{"1-012", "", version.ErrUnknownRelease, "more than two digits", "a leading zero"},
		{"1-02-4", "", version.ErrUnknownRelease, "starts with 0", "a leading zero"},
		{"01-12", "", version.ErrUnknownRelease, "starts with 0", "a leading zero"},

		{"2-6-1", "", version.ErrNotIstioRelease, `begins with "1."`, "another product"},
		{"asm-2-6", "", version.ErrNotIstioRelease, `begins with "1."`, "another major"},
		{"0-8-0", "", version.ErrNotIstioRelease, `begins with "1."`, "another major"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := version.ParseRevision(tt.in)
			if !errors.Is(err, tt.wantErr) || got.String() != tt.want {
				t.Fatalf("ParseRevision = %q, %v, want %q, %v: %s", got, err, tt.want, tt.wantErr, tt.reason)
			}
			if err == nil {
				if got.Original() != tt.in {
					t.Errorf("Original = %q, want the label: %s", got.Original(), tt.reason)
				}
				return
			}
			if !got.IsZero() || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "give the release") {
				t.Errorf("got %q and the error %q; it must say %q and what to give instead: %s", got.Original(), err, tt.says, tt.reason)
			}
		})
	}
}

// FuzzParse checks that no text makes Parse or ParseRevision panic, and that what they accept is a release that reads
// back as an equal one.
func FuzzParse(f *testing.F) {
	for _, tt := range parseRows {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, parse := range map[string]func(string) (version.Release, error){"Parse": version.Parse, "ParseRevision": version.ParseRevision} {
			r, err := parse(s)
			if err != nil {
				if !r.IsZero() || errors.Is(err, version.ErrUnknownRelease) == errors.Is(err, version.ErrNotIstioRelease) {
					t.Errorf("%s(%q) = %q, %v: want no release and one of the two reasons", name, s, r, err)
				}
				if len(err.Error()) > 1000 {
					t.Errorf("%s(%q) has an error of %d bytes", name, s, len(err.Error()))
				}
				continue
			}
			again, err := version.Parse(r.String())
			if err != nil || again.Compare(r) != 0 || again.String() != r.String() {
				t.Errorf("%s(%q) = %s, which reads back as %s, %v", name, s, r, again, err)
			}
			if r.Original() != s || !strings.HasPrefix(r.String(), "1.") {
				t.Errorf("%s(%q) = %s, original %q", name, s, r, r.Original())
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, s := range []string{"1.24.1", "v1.14.3.47-ga31201346f-aliyun", "latest"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = version.Parse(s)
			}
		})
	}
}

// TestParseError: a refused text has its reason and the way out apart, for those who report them elsewhere.
func TestParseError(t *testing.T) {
	for text, why := range map[string]error{"latest": version.ErrUnknownRelease, "1-12-4": version.ErrUnknownRelease, "2.6.1": version.ErrNotIstioRelease, "maistra-2.3.0": version.ErrNotIstioRelease} {
		_, err := version.Parse(text)
		var e *version.ParseError
		if !errors.As(err, &e) || !errors.Is(e, why) || !strings.Contains(e.Reason, text) || e.Hint == "" {
			t.Errorf("%q: the error is %+v, want one of %v with a reason that quotes it and a hint", text, err, why)
		}
	}
}
