// SPDX-License-Identifier: Apache-2.0

package version

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

const (
	// maxMinor and maxPatch are the greatest minor and patch that a pattern matches.
	maxMinor = 99
	maxPatch = 999_999_999 // the greatest number of maxDigits digits

	// maxPattern is the limit of Istio (maxProxyVersionLen in pilot/pkg/model/envoyfilter.go). Since 1.31 a longer
	// proxyVersion matches no proxy.
	maxPattern = 1024
)

// The parts of a pattern beside the numbers. As in Parse, a fourth number may follow the patch, and a suffix the number.
const (
	patternStart = `^v?1\.`
	patternBuild = `(\.\d+)?`
	patternEnd   = `([-+][\w.+-]+)?$`
)

// ProxyVersionPattern returns the regular expression for the field proxyVersion of an EnvoyFilter that matches the
// proxies whose release satisfies constraint. It is in RE2 syntax and anchored at both ends, because Istio searches
// for it anywhere in what the proxy reports as ISTIO_VERSION (proxyMatch in pilot/pkg/model/envoyfilter.go), where an
// unanchored "1.12" also finds 1.1.12.
//
// A constraint is written as for github.com/Masterminds/semver: ">=1.12.0", ">=1.12, <1.20" (both must hold),
// "1.24.x", "~1.24", "^1.12", "1.12 - 1.20", "=1.12.4", "!=1.12.3", "1.12.x || 1.14.x" (one must hold). It is checked
// on major, minor and patch alone, as [Release.Compare] orders them, so ">=1.12.0" admits 1.12, 1.12.0-rc.0 and
// 1.12.0-asm.3.
//
// The pattern matches a release in each spelling in which proxies report it: with or without a leading v, with or
// without the patch where that is 0, with a fourth number, with a suffix. It matches nothing else: not a name
// (master-<date>, unknown), not the empty version, not what only [Parse] takes off (spaces, "istio-", "release-"),
// and no minor above 99 and no patch above 999999999, which no release of Istio comes near. So 1.120.0 never matches,
// although Compare puts it after 1.12.0.
//
// A constraint that every release satisfies, such as "*" or ">=1.0", gives the pattern of all releases of Istio; that
// is not the same as an empty proxyVersion, which matches proxies that report no release too.
//
// Refused with an error: a constraint that is empty or cannot be read; one with a pre-release or build suffix, since
// suffixes never order; one that no release satisfies, such as ">=2" or ">1.20, <1.12"; and one whose pattern would
// be longer than the 1024 characters that Istio accepts.
func ProxyVersionPattern(constraint string) (string, error) {
	c, minors, patches, err := readConstraint(constraint)
	if err != nil {
		return "", err
	}
	lines := admitted(c, minors, patches)
	if len(lines) == 0 {
		return "", fmt.Errorf("constraint %s: no Istio release satisfies it; releases are 1.0 to 1.%d", quote(constraint), maxMinor)
	}
	alternatives := make([]string, len(lines))
	for i, l := range lines {
		alternatives[i] = l.pattern()
	}
	pattern := patternStart + group(alternatives) + patternEnd
	if len(pattern) > maxPattern {
		return "", fmt.Errorf("constraint %s: its pattern has %d characters, and from 1.31 on Istio matches no proxy to a proxyVersion of more than %d; write fewer ranges", quote(constraint), len(pattern), maxPattern)
	}
	return pattern, nil
}

var (
	constraintNumber = regexp.MustCompile(`(\d+)(?:\.(\d+))?(?:\.(\d+))?`)
	constraintSuffix = regexp.MustCompile(`[\dxX*][-+]`)
)

// readConstraint reads a constraint, and returns the minors and patches in it too.
func readConstraint(constraint string) (c *semver.Constraints, minors, patches []int, err error) {
	fail := func(format string, args ...any) (*semver.Constraints, []int, []int, error) {
		return nil, nil, nil, fmt.Errorf("constraint %s "+format, append([]any{quote(constraint)}, args...)...)
	}
	if strings.TrimSpace(constraint) == "" {
		return fail("is empty; write one such as \">=1.12.0\", or leave proxyVersion empty for every proxy")
	}
	if len(constraint) > semver.MaxConstraintLen {
		return fail("is longer than %d bytes", semver.MaxConstraintLen)
	}
	if constraintSuffix.MatchString(constraint) {
		return fail("has a suffix, and suffixes never order Istio releases (1.12.0-rc.1 compares as 1.12.0); leave it out, and write a range with spaces, as in \"1.12 - 1.20\"")
	}
	for _, number := range constraintNumber.FindAllStringSubmatch(constraint, -1) {
		for i, s := range number[1:] {
			if len(s) > maxDigits || len(s) > 1 && s[0] == '0' {
				return fail("has %s, which is no number of a release: those have no leading zero and at most %d digits", quote(s), maxDigits)
			}
			n, _ := strconv.Atoi(s) // at most nine digits, or none where the constraint leaves the number out
			switch i {
			case 1:
				minors = append(minors, n)
			case 2:
				patches = append(patches, n)
			}
		}
	}
	if c, err = semver.NewConstraint(constraint); err != nil {
		return fail("cannot be read; write one such as \">=1.12.0\", \">=1.12, <1.20\" or \"1.24.x\": %w", err)
	}
	return c, minors, patches, nil
}

// A span is a range of numbers from lo to hi, both included.
type span struct{ lo, hi int }

// A line is a set of minors with the patches that are admitted for each of them.
type line struct{ minors, patches []span }

// admitted returns the releases of major 1 that satisfy c. Between two minors, or two patches, that c names, either all
// releases satisfy it or none, so one of them is checked.
func admitted(c *semver.Constraints, minors, patches []int) []line {
	var lines []line
	patchStretches := stretches(patches, maxPatch)
	for _, m := range stretches(minors, maxMinor) {
		var at []span
		for _, p := range patchStretches {
			if c.Check(semver.New(1, uint64(m.lo), uint64(p.lo), "", "")) {
				at = appendSpan(at, p)
			}
		}
		if len(at) == 0 {
			continue
		}
		i := slices.IndexFunc(lines, func(l line) bool { return slices.Equal(l.patches, at) })
		if i < 0 {
			i = len(lines)
			lines = append(lines, line{patches: at})
		}
		lines[i].minors = appendSpan(lines[i].minors, m)
	}
	return lines
}

// stretches divides the numbers from 0 to most before and after each of numbers.
func stretches(numbers []int, most int) []span {
	starts := []int{0}
	for _, n := range numbers {
		starts = append(starts, n, n+1)
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	var spans []span
	for i, lo := range starts {
		if lo > most {
			break
		}
		hi := most
		if i+1 < len(starts) {
			hi = min(most, starts[i+1]-1)
		}
		spans = append(spans, span{lo, hi})
	}
	return spans
}

// appendSpan appends next, which lies after all of spans, or extends the last of them if next follows it directly.
func appendSpan(spans []span, next span) []span {
	if last := len(spans) - 1; last >= 0 && spans[last].hi+1 == next.lo {
		spans[last].hi = next.hi
		return spans
	}
	return append(spans, next)
}

// pattern returns the expression for what stands between "1." and the suffix. If patch 0 is admitted, the patch is optional,
// because a release without a patch is ordered as one with patch 0.
func (l line) pattern() string {
	patch := `\.` + group(numberPatterns(l.patches)) + patternBuild
	if l.patches[0].lo == 0 {
		patch = "(" + patch + ")?"
	}
	return group(numberPatterns(l.minors)) + patch
}

// group joins alternatives, in parentheses if there are several.
func group(alternatives []string) string {
	if len(alternatives) == 1 {
		return alternatives[0]
	}
	return "(" + strings.Join(alternatives, "|") + ")"
}

// numberPatterns returns expressions that together match the numbers in spans, without leading zeros, and nothing else.
func numberPatterns(spans []span) []string {
	var out []string
	for _, s := range spans {
		lo, hi := strconv.Itoa(s.lo), strconv.Itoa(s.hi)
		for len(lo) < len(hi) && !(isLeast(lo) && isMost(hi)) {
			out = append(out, sameLength(lo, strings.Repeat("9", len(lo)))...)
			lo = "1" + strings.Repeat("0", len(lo))
		}
		if len(lo) < len(hi) { // all numbers with this many digits
			out = append(out, fmt.Sprintf(`[1-9]\d{%d,%d}`, len(lo)-1, len(hi)-1))
			continue
		}
		out = append(out, sameLength(lo, hi)...)
	}
	return out
}

// isLeast reports whether n is the least number with its number of digits: 1, 10, 100.
func isLeast(n string) bool { return n[0] == '1' && strings.Trim(n[1:], "0") == "" }

// isMost reports whether n is the greatest number with its number of digits: 9, 99, 999.
func isMost(n string) bool { return strings.Trim(n, "9") == "" }

// sameLength returns expressions that together match the numbers from lo to hi, which have the same number of digits, and
// nothing else.
func sameLength(lo, hi string) []string {
	low, high := strings.Trim(lo[1:], "0") == "", isMost(hi[1:])
	switch {
	case low && high:
		return []string{digitClass(lo[0], hi[0]) + anyDigits(len(lo)-1)}
	case lo[0] == hi[0]:
		return withPrefix(lo[0], sameLength(lo[1:], hi[1:]))
	}
	var out []string
	from, to := lo[0], hi[0]
	if !low { // the numbers that begin as lo
		out = withPrefix(from, sameLength(lo[1:], strings.Repeat("9", len(lo)-1)))
		from++
	}
	var last []string
	if !high { // the numbers that begin as hi
		last = withPrefix(to, sameLength(strings.Repeat("0", len(hi)-1), hi[1:]))
		to--
	}
	if from <= to {
		out = append(out, digitClass(from, to)+anyDigits(len(lo)-1))
	}
	return append(out, last...)
}

// withPrefix puts the digit before each of patterns.
func withPrefix(digit byte, patterns []string) []string {
	out := make([]string, len(patterns))
	for i, p := range patterns {
		out[i] = string(digit) + p
	}
	return out
}

// digitClass matches one digit from lo to hi.
func digitClass(lo, hi byte) string {
	switch {
	case lo == hi:
		return string(lo)
	case lo == '0' && hi == '9':
		return `\d`
	case lo+1 == hi:
		return fmt.Sprintf("[%c%c]", lo, hi)
	}
	return fmt.Sprintf("[%c-%c]", lo, hi)
}

// anyDigits matches n digits.
func anyDigits(n int) string {
	if n < 3 {
		return strings.Repeat(`\d`, n)
	}
	return fmt.Sprintf(`\d{%d}`, n)
}
