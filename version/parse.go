// SPDX-License-Identifier: Apache-2.0

package version

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

const (
	// maxText is how many bytes Parse and ParseRevision read. Image tags have at most 128 characters.
	maxText = 256

	// maxDigits is how many digits major, minor and patch may have. The patterns of ProxyVersionPattern have the same
	// limit, so that they match what Parse accepts and no more.
	maxDigits = 9
)

// example is the hint of errors that ask for a release.
const example = `give the release that the proxy or istiod reports, such as "1.24.1" ("istioctl version" prints it)`

// Parse reads one release of Istio: major, minor and optionally patch, a fourth number after the patch, which Alibaba's
// builds have, and a suffix that begins with "-" or "+" and consists of letters, digits, ".", "_", "+" and "-". Spaces,
// "istio-", "release-" and "v" before the number are ignored. Only major, minor and patch count: see the package comment
// for the reason.
//
// Parse refuses these texts with a [*ParseError] that says what to give instead:
//   - with [ErrUnknownRelease]: the empty text; names without a number (latest, unknown, default, asm-managed,
//     master-20240101); numbers without a minor ("1", "1.x"), with something else in them ("1.2.x.y"), with a leading
//     zero or of more than nine digits; revision labels such as "1-12-4", which are for [ParseRevision]; and texts of
//     more than 256 bytes;
//   - with [ErrNotIstioRelease]: any major other than 1, and the numbers of Maistra and OpenShift Service Mesh
//     ("maistra-2.3.0", "2.6.1"), whose proxies report another number, that of Istio.
func Parse(s string) (Release, error) {
	if len(s) > maxText {
		return Release{}, refuse(ErrUnknownRelease, quote(s), fmt.Sprintf("it is longer than %d bytes", maxText), example)
	}
	text := strings.TrimSpace(s)
	for _, prefix := range []string{"istio-", "release-", "v"} {
		text = strings.TrimPrefix(text, prefix)
	}
	number, ok := leadingNumber(text)
	if !ok || !strings.HasPrefix(number, "1.") {
		return Release{}, refusal(s, text)
	}
	return newRelease(number, s)
}

// MustParse is like Parse but panics if the text is not a release. It is for constants, never for what a user wrote.
func MustParse(s string) Release {
	r, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return r
}

// newRelease returns the Release with the number, which is "major.minor" or "major.minor.patch" in digits.
func newRelease(number, original string) (Release, error) {
	if strings.Count(number, ".") == 1 {
		number += ".0"
	}
	for part := range strings.SplitSeq(number, ".") {
		if len(part) > maxDigits {
			return Release{}, refuse(ErrUnknownRelease, quote(original), quote(part)+" is too large for a release number", example)
		}
	}
	v, err := semver.StrictNewVersion(number)
	if err != nil { // a leading zero
		return Release{}, refuse(ErrUnknownRelease, quote(original), err.Error(), example)
	}
	return Release{number: v, original: original}, nil
}

// leadingNumber returns the "major.minor" or "major.minor.patch" that text begins with, and reports whether the rest of text
// may follow it.
func leadingNumber(text string) (string, bool) {
	major := digits(text)
	if major == 0 || !strings.HasPrefix(text[major:], ".") {
		return "", false
	}
	minor := digits(text[major+1:])
	if minor == 0 {
		return "", false
	}
	end := major + 1 + minor
	rest := text[end:]
	if patch := dotDigits(rest); patch > 0 {
		end += patch
		rest = text[end:]
		rest = rest[dotDigits(rest):] // the fourth number counts builds
	}
	return text[:end], isSuffix(rest)
}

// digits returns how many digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// dotDigits returns the length of the dot and digits that s begins with, or 0 if it begins with something else.
func dotDigits(s string) int {
	if !strings.HasPrefix(s, ".") {
		return 0
	}
	n := digits(s[1:])
	if n == 0 {
		return 0
	}
	return n + 1
}

// isSuffix reports whether s is empty or a suffix such as "-asm.6+config1". The patterns of ProxyVersionPattern match the same
// suffixes.
func isSuffix(s string) bool {
	if s == "" {
		return true
	}
	if len(s) == 1 || s[0] != '-' && s[0] != '+' {
		return false
	}
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("._+-", rune(c)) {
			return false
		}
	}
	return true
}

// refusal returns the error for s, which is not a release. text is s without what may stand before a number.
func refusal(s, text string) error {
	major := digits(text)
	lower := strings.ToLower(text)
	switch {
	case text == "":
		return refuse(ErrUnknownRelease, quote(s), "it is empty", example)
	case strings.HasPrefix(lower, "maistra") || strings.HasPrefix(lower, "ossm"):
		return refuse(ErrNotIstioRelease, quote(s), "Maistra and OpenShift Service Mesh number their product apart from Istio", example)
	case major > 0 && isOtherMajor(text[:major]) && strings.HasPrefix(text[major:], "."):
		return otherMajor(s)
	case strings.HasPrefix(text, "asm-") && digits(text[4:]) > 0, major > 0 && strings.HasPrefix(text[major:], "-"):
		return refuse(ErrUnknownRelease, quote(s), "it looks like a revision label, not a release", "read it with ParseRevision, or "+example)
	case major > 0:
		return refuse(ErrUnknownRelease, quote(s), `a release is major.minor or major.minor.patch without leading zeros, and a suffix begins with "-" or "+"`, example)
	}
	return refuse(ErrUnknownRelease, quote(s), "it does not begin with a number, and what it stands for may change", example)
}

// isOtherMajor reports whether major, in digits, is the major number of another product than Istio.
func isOtherMajor(major string) bool { return major == "0" || major != "1" && major[0] != '0' }

// otherMajor refuses a number of another major, such as "2.6.1".
func otherMajor(s string) error {
	return refuse(ErrNotIstioRelease, quote(s), `every release of Istio begins with "1.", and OpenShift Service Mesh 2.x and other products have numbers of their own`, example)
}

// A ParseError says why a text is not a release.
type ParseError struct {
	Reason string // what is wrong with the text, which it quotes
	Hint   string // what to give instead
	Err    error  // ErrUnknownRelease or ErrNotIstioRelease
}

// Error returns the error, its reason and the hint on one line.
func (e *ParseError) Error() string { return e.Err.Error() + " " + e.Reason + "; " + e.Hint }

// Unwrap returns e.Err.
func (e *ParseError) Unwrap() error { return e.Err }

// refuse returns the error for a text that is not a release. what quotes the text.
func refuse(why error, what, reason, hint string) error {
	return &ParseError{Reason: what + ": " + reason, Hint: hint, Err: why}
}

// quote returns s in quotation marks. If s is long, it returns the beginning and the length.
func quote(s string) string {
	const most = 64
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%.*q... (%d bytes)", most/2, s, len(s))
}
