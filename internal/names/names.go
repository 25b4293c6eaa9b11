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

func labelChars(s string) bool {
	return chars(s, func(c byte) bool { return c == '-' || isLower(c) || isDigit(c) })
}

func nameChars(s string) bool {
	return chars(s, func(c byte) bool { return c == '-' || c == '_' || c == '.' || isLower(c) || isUpper(c) || isDigit(c) })
}

// chars says whether s is not empty, holds only allowed bytes, and has a letter or digit at both ends.
func chars(s string, allowed func(byte) bool) bool {
	if s == "" || !isAlnum(s[0]) || !isAlnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlnum(c byte) bool { return isLower(c) || isUpper(c) || isDigit(c) }
