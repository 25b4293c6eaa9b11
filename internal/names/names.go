// SPDX-License-Identifier: Apache-2.0

// Package names checks names, label keys and label values by the rules of Kubernetes. Each function returns "" for a string
// that is valid, and otherwise what is wrong with it, in words that follow the quoted value: `"a_b" must consist of …`.
//
// The rules are those of k8s.io/apimachinery/pkg/util/validation, on which this module does not depend. The package imports
// nothing of this module.
package names

import "strings"

// Label checks a DNS label (RFC 1123), as namespaces, subsets and exportTo entries are: at most 63 lower-case letters, digits
// and '-', with a letter or digit at both ends.
func Label(s string) string {
	if len(s) > 63 {
		return "must be no more than 63 bytes"
	}
	if !labelChars(s) {
		return "must consist of lower-case letters, digits and '-', and start and end with a letter or digit"
	}
	return ""
}

// Subdomain checks a DNS subdomain (RFC 1123), as the name of a DestinationRule or EnvoyFilter is: at most 253 bytes of DNS
// labels, each of any length, joined by '.'.
func Subdomain(s string) string {
	if len(s) > 253 {
		return "must be no more than 253 bytes"
	}
	for part := range strings.SplitSeq(s, ".") {
		if !labelChars(part) {
			return "must consist of lower-case letters, digits, '-' and '.', and each part between dots must start and end with a letter or digit"
		}
	}
	return ""
}

// QualifiedName checks the key of a label or annotation: an optional DNS subdomain and '/', then at most 63 letters, digits,
// '-', '_' and '.', with a letter or digit at both ends.
func QualifiedName(s string) string {
	name := s
	if prefix, rest, ok := strings.Cut(s, "/"); ok {
		if prefix == "" {
			return "must not start with '/'"
		}
		if reason := Subdomain(prefix); reason != "" {
			return "has a prefix that " + reason
		}
		name = rest
	}
	if name == "" {
		return "must not be empty"
	}
	if len(name) > 63 {
		return "has a name part that must be no more than 63 bytes"
	}
	if !nameChars(name) {
		return "must consist of letters, digits, '-', '_' and '.', and start and end with a letter or digit, with an optional DNS subdomain and '/' before it"
	}
	return ""
}

// LabelValue checks the value of a label: empty, or at most 63 letters, digits, '-', '_' and '.', with a letter or digit at
// both ends.
func LabelValue(s string) string {
	if len(s) > 63 {
		return "must be no more than 63 bytes"
	}
	if s != "" && !nameChars(s) {
		return "must consist of letters, digits, '-', '_' and '.', and start and end with a letter or digit"
	}
	return ""
}

// labelChars reports whether s has the characters of a DNS label.
func labelChars(s string) bool { return chars(s, inLabel) }

// nameChars reports whether s has the characters of the name in a label's key, or of a label's value.
func nameChars(s string) bool { return chars(s, inLabel|inName) }

// The classes of a byte. Looking them up is several times faster than comparing the byte with the ends of ranges, and every
// string of a fleet is checked.
const (
	inLabel = 1 << iota // it may stand in a DNS label
	inName              // it may stand in the name of a label's key and in a label's value, but not in a DNS label
	atEnd               // it may stand at the beginning and end of either
)

// classes are the classes of each byte.
var classes = func() (table [256]uint8) {
	for c := range table {
		switch c := byte(c); {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			table[c] = inLabel | atEnd
		case 'A' <= c && c <= 'Z':
			table[c] = inName | atEnd
		case c == '-':
			table[c] = inLabel
		case c == '_' || c == '.':
			table[c] = inName
		}
	}
	return table
}()

// chars reports whether s is not empty, holds only bytes of the allowed classes, and has a letter or digit at both ends.
func chars(s string, allowed uint8) bool {
	if s == "" || classes[s[0]]&atEnd == 0 || classes[s[len(s)-1]]&atEnd == 0 {
		return false
	}
	for i := range len(s) {
		if classes[s[i]]&allowed == 0 {
			return false
		}
	}
	return true
}
