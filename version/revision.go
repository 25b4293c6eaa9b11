// SPDX-License-Identifier: Apache-2.0

package version

import (
	"fmt"
	"slices"
	"strings"
)

// ParseRevision reads the release out of a revision label (istio.io/rev) of one of the well-known forms:
//
//	1-12-4, 1-24     istioctl's canary upgrades: the dots of the release as hyphens
//	asm-1-24         Azure's service mesh add-on: major and minor
//	asm-1204-3       Google's service mesh: one digit of major, two of minor, one of patch, then its own build: 1.20.4
//
// A label is free text, so the release that istiod itself reports is more reliable than one that is read from a label.
// Labels that could be read in more than one way are refused with [ErrUnknownRelease] and the reason, such as asm-1912-3
// (1.9.12 or 1.91.2), asm-124-1 and 1-12-4-2, and so are labels without a number, such as canary, default and asm-managed. A
// major other than 1 is refused with [ErrNotIstioRelease].
func ParseRevision(label string) (Release, error) {
	unknown := func(why string) (Release, error) {
		return Release{}, refuse(ErrUnknownRelease, "in revision "+quote(label), why, example)
	}
	if len(label) > maxText {
		return unknown(fmt.Sprintf("it is longer than %d bytes", maxText))
	}
	parts := strings.Split(strings.TrimSpace(label), "-")
	asm := parts[0] == "asm"
	if asm {
		parts = parts[1:]
	}
	if len(parts) < 2 || slices.ContainsFunc(parts, func(p string) bool { return p == "" || digits(p) != len(p) }) {
		return unknown("it is of no well-known form, which are 1-12-4, asm-1-24 and asm-1204-3 (a release such as 1.12.4 is for Parse)")
	}
	if asm && len(parts) == 2 && len(parts[0]) > 1 {
		// Nothing separates Google's digits. The four of 1.10.0 to 1.39.9 can be read in one way only, because 1.1.x, 1.2.x
		// and 1.3.x are older than the product. From 1.4.10 (or 1.41.0) on there are two ways.
		n := parts[0]
		if len(n) != 4 || n[0] != '1' || n[1] < '1' || n[1] > '3' {
			return unknown("its digits " + quote(n) + " can be split into major, minor and patch in more than one way; only 1, a minor from 10 to 39 and a patch of one digit are read")
		}
		return newRelease("1."+n[1:3]+"."+n[3:], label)
	}
	if len(parts) > 3 || asm && len(parts) > 2 {
		return unknown(fmt.Sprintf("it has %d numbers, and which of them are the release's is not known", len(parts)))
	}
	if slices.ContainsFunc(parts, func(p string) bool { return len(p) > 2 }) {
		return unknown("a number of more than two digits may be several, as in asm-1204-3")
	}
	if isOtherMajor(parts[0]) {
		return Release{}, otherMajor(label)
	}
	return newRelease(strings.Join(parts, "."), label)
}
