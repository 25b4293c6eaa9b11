// SPDX-License-Identifier: Apache-2.0

package version

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/Masterminds/semver/v3"
)

// The reasons for which a release is refused. The errors of this package wrap one of them, for errors.Is.
var (
	// ErrUnknownRelease says that a text names no release: a moving tag, a revision label, a number that is not
	// complete.
	ErrUnknownRelease = errors.New("unknown Istio release")

	// ErrNotIstioRelease says that a text is the number of something else, such as OpenShift Service Mesh 2.6. Every
	// release of Istio so far has the major number 1.
	ErrNotIstioRelease = errors.New("not an Istio release")

	// ErrNoRelease says that there is no release where one is needed.
	ErrNoRelease = errors.New("no Istio release given")
)

// A Release is one release of Istio, as [Parse] or [ParseRevision] read it. It is a value: copy it freely.
// Compare releases with [Release.Compare] and not with ==, which would tell 1.12.0 from 1.12.0-asm.3.
//
// The zero value is no release. It comes before every release, supports nothing, and prints as "".
type Release struct {
	number   *semver.Version // major, minor and patch alone; nil in the zero value; never changed
	original string
}

// IsZero reports whether r is the zero value, which is no release.
func (r Release) IsZero() bool { return r.number == nil }

// String returns the release as major.minor.patch, such as "1.12.4", without what stood around it. Releases that
// compare as equal give the same text: "1.12", "v1.12.0" and "1.12.0-asm.3" all give "1.12.0". The zero value
// gives "".
func (r Release) String() string {
	if r.number == nil {
		return ""
	}
	// semver's own String does the same by fmt, at five times the allocations.
	var text [3*20 + 2]byte
	b := strconv.AppendUint(text[:0], r.number.Major(), 10)
	b = strconv.AppendUint(append(b, '.'), r.number.Minor(), 10)
	b = strconv.AppendUint(append(b, '.'), r.number.Patch(), 10)
	return string(b)
}

// Original returns the text that the release was read from, as it was written: for [ParseRevision] that is the
// label. The zero value gives "".
func (r Release) Original() string { return r.original }

// Compare returns -1 where r is earlier than o, 0 where they are equal, and 1 where r is later, by major, minor and
// patch as numbers. The zero value is earlier than every release.
func (r Release) Compare(o Release) int {
	switch {
	case r.number == nil && o.number == nil:
		return 0
	case r.number == nil:
		return -1
	case o.number == nil:
		return 1
	}
	return r.number.Compare(o.number)
}

// AtLeast reports whether r is o or later.
func (r Release) AtLeast(o Release) bool { return r.Compare(o) >= 0 }

// Supports reports whether f holds for r: from f.Since on and before f.Until, where it has one. Nothing holds for the
// zero value.
func (r Release) Supports(f Feature) bool {
	return !r.IsZero() && r.AtLeast(f.Since) && (f.Until.IsZero() || !r.AtLeast(f.Until))
}

// Oldest returns the earliest of rs, and the first of those where several are equal. A mesh is as capable as the
// oldest of its control planes and proxies. Where rs is empty or holds the zero value, which could stand for
// anything, the error is [ErrNoRelease].
func Oldest(rs ...Release) (Release, error) {
	if len(rs) == 0 {
		return Release{}, fmt.Errorf("%w: name the release of every control plane and proxy, as \"istioctl version\" prints them", ErrNoRelease)
	}
	oldest := rs[0]
	for i, r := range rs {
		if r.IsZero() {
			return Release{}, fmt.Errorf("%w at position %d of %d: read each one with Parse", ErrNoRelease, i+1, len(rs))
		}
		if !r.AtLeast(oldest) {
			oldest = r
		}
	}
	return oldest, nil
}

var newest = MustParse("1.32.0")

// Newest returns the newest release whose facts this library has. What it says of a later one is what holds for this one.
func Newest() Release { return newest }

// MarshalText returns what String returns, so that a Release can be a field of a JSON document or a flag
// (flag.TextVar). The zero value is refused with [ErrNoRelease]: use `json:",omitzero"` where there may be none.
func (r Release) MarshalText() ([]byte, error) {
	if r.IsZero() {
		return nil, ErrNoRelease
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads a release as [Parse] does, and leaves r as it is where Parse refuses the text. In YAML, quote
// the release: a plain 1.20 is the number 1.2 there, which encoding/json refuses to put in a Release.
func (r *Release) UnmarshalText(text []byte) error {
	read, err := Parse(string(text))
	if err != nil {
		return err
	}
	*r = read
	return nil
}
