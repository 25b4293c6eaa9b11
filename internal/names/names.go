// SPDX-License-Identifier: Apache-2.0

// Package names holds the rules that Kubernetes has for names, label keys and label values. Each function
// returns "" where the string holds to the rule, and else what is wrong with it, ready to stand after the
// quoted value: `"a_b" must consist of …`.
//
// The rules are those of k8s.io/apimachinery/pkg/util/validation, which this module does not depend on.
package names

import "strings"

// Label checks a DNS label (RFC 1123), which a namespace, a subset and an exportTo entry are: at most 63
// lower-case letters, digits and '-', a letter or digit at both ends.
func Label(s string) string {
	if len(s) > 63 {
		return "must be no more than 63 bytes"
	}
	if !labelChars(s) {
		return "must consist of lower-case letters, digits and '-', and start and end with a letter or digit"
	}
	return ""
}

// Subdomain checks a DNS subdomain (RFC 1123), which the name of a DestinationRule or EnvoyFilter is: at most
// 253 bytes, DNS labels of any length joined by '.'.
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

// QualifiedName checks the key of a label or annotation: an optional DNS subdomain and '/', then at most 63
// letters, digits, '-', '_' and '.', a letter or digit at both ends.
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

// LabelValue checks the value of a label: empty, or at most 63 letters, digits, '-', '_' and '.', a letter or
// digit at both ends.
func LabelValue(s string) string {
	if len(s) > 63 {
		return "must be no more than 63 bytes"
	}
	if s != "" && !nameChars(s) {
		return "must consist of letters, digits, '-', '_' and '.', and start and end with a letter or digit"
	}
	return ""
}

func labelChars(s string) bool { return chars(s, inLabel) }

func nameChars(s string) bool { return chars(s, inLabel|inName) }

// What a byte may stand in. Looking it up is several times faster than comparing it with the ends of ranges, and every
// string of a fleet is looked at.
const (
	inLabel = 1 << iota // a DNS label
	inName              // only the name part of a label's key, or its value
	atEnd               // at the beginning and end of either
)

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

// chars reports whether s is not empty, holds only bytes of the classes allowed, and has a letter or digit of them at both
// ends.
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
