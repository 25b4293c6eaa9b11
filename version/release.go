// SPDX-License-Identifier: Apache-2.0

package version

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/Masterminds/semver/v3"
)

// The reasons why a text is not accepted as a release. The errors of this package wrap one of them, for errors.Is.
var (
	// ErrUnknownRelease says that a text does not name one release: a tag that moves, a revision label, an incomplete
	// number.
	ErrUnknownRelease = errors.New("unknown Istio release")

	// ErrNotIstioRelease says that a text is the number of something else, such as OpenShift Service Mesh 2.6. Every
	// release of Istio so far has the major number 1.
	ErrNotIstioRelease = errors.New("not an Istio release")

	// ErrNoRelease says that there is no release where one is needed.
	ErrNoRelease = errors.New("no Istio release given")
)

// A Release is a release of Istio that [Parse] or [ParseRevision] has read. It is a value that can be copied.
// Compare releases with [Release.Compare] and not with ==, for which 1.12.0 and 1.12.0-asm.3 differ.
//
// The zero value stands for no release. It is before every release, supports no feature, and its text is "".
type Release struct {
	number   *semver.Version // major, minor and patch only; nil in the zero value; never changed
	original string
}

// IsZero reports whether r is the zero value.
func (r Release) IsZero() bool { return r.number == nil }

// String returns major, minor and patch of the release, such as "1.12.4". Releases that compare as equal have the same text:
// that of "1.12", "v1.12.0" and "1.12.0-asm.3" is "1.12.0". The text of the zero value is "".
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

// Original returns the text that the release was read from. For [ParseRevision] that is the label. It returns "" for the
// zero value.
func (r Release) Original() string { return r.original }

// Compare returns -1 if r is before o, 0 if they are equal, and 1 if r is after o, by major, minor and patch as numbers. The
// zero value is before every release.
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

// Supports reports whether f holds for r: whether r is not before f.Since and, if f.Until is set, is before that. Nothing
// holds for the zero value.
func (r Release) Supports(f Feature) bool {
	return !r.IsZero() && r.AtLeast(f.Since) && (f.Until.IsZero() || !r.AtLeast(f.Until))
}

// Oldest returns the earliest of rs, which is what decides about a mesh. If several are equal, it returns the first of them.
// If rs is empty, or one of them is the zero value, the error is [ErrNoRelease].
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

// Newest returns the newest release whose facts this library has. For a later release it knows no more than for this one.
func Newest() Release { return newest }

// MarshalText returns what String returns, so that a Release can be a field of a JSON document or a flag (flag.TextVar). For
// the zero value the error is [ErrNoRelease]: use `json:",omitzero"` for a field that may be empty.
func (r Release) MarshalText() ([]byte, error) {
	if r.IsZero() {
		return nil, ErrNoRelease
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads a release as [Parse] does. If Parse refuses the text, it does not change r. In YAML a release must be
// quoted: a plain 1.20 is the number 1.2 there, which encoding/json refuses to read into a Release.
func (r *Release) UnmarshalText(text []byte) error {
	read, err := Parse(string(text))
	if err != nil {
		return err
	}
	*r = read
	return nil
}
