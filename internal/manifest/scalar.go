// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
)

// maxPlainKey is less than the 128 bytes beyond which sigs.k8s.io/yaml writes a key as "? key".
const maxPlainKey = 100

// plain marks the bytes that a plainly safe string may have after the first. None of them can begin or end anything
// in YAML while there is no space; brackets, braces, commas and '?' would, at the beginning or in flow style.
var plain = func() (table [256]bool) {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + "._/-" +
		`^$\()[]{}|?*+,` // regular expressions: proxyVersion of each EnvoyFilter
	for i := range len(safe) {
		table[safe[i]] = true
	}
	return table
}()

// isPlain reports whether sigs.k8s.io/yaml writes s, at whatever place, as it stands. It is narrow: a letter or '^' first,
// no spaces, no word that YAML 1.1 reads as anything but a string.
func isPlain(s string) bool {
	if s == "" || s[0] != '^' && !isASCIILetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if !plain[s[i]] {
			return false
		}
	}
	return !isWord(s)
}

// isPlainKey reports whether s is plainly safe as a key.
func isPlainKey(s string) bool { return len(s) <= maxPlainKey && isPlain(s) }

func isASCIILetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// isWord reports whether YAML 1.1 has a meaning for s, in some spelling: a boolean or null.
func isWord(s string) bool {
	if len(s) > len("false") {
		return false
	}
	switch s[0] | 0x20 { // the first letter as a small one
	case 'y', 'n', 'o', 't', 'f':
		return slices.ContainsFunc([]string{"y", "n", "no", "on", "yes", "off", "true", "null", "false"}, func(word string) bool {
			return strings.EqualFold(s, word)
		})
	}
	return false
}

// quotedWord returns how sigs.k8s.io/yaml writes some strings that most manifests have and that are not plain, and ""
// for all others.
func quotedWord(s string) string {
	switch s {
	case "":
		return `""`
	case "*": // exportTo
		return `'*'`
	case ".": // exportTo
		return `.`
	case "true": // labels
		return `"true"`
	case "false":
		return `"false"`
	}
	return ""
}

// foreignString returns the lines with which sigs.k8s.io/yaml writes the string s as the entry at of a mapping or
// sequence whose keys or "- " stand at column; and "" where sigs.k8s.io/yaml does not read them back as they were.
func foreignString(at fieldpath.Step, s string, column int) string {
	if name, ok := at.Name(); ok {
		return foreign(map[string]any{name: s}, column/2)
	}
	return foreign([]any{s}, column/2+1)
}

// keyText returns what stands before a value whose key is not plainly safe: `"on":`, or the two lines "? …" and ": "
// for a key that is too long or has line breaks. Then the value begins on the second line, inline.
func keyText(key string, column int) (text string, inline bool) {
	if key == "@type" { // each value of an EnvoyFilter has it
		return "'@type':", false
	}
	if text = foreign(map[string]any{key: 0.0}, column/2); text != "" {
		text = strings.TrimSuffix(text[column:], "0\n")
		if strings.HasPrefix(text, "? ") {
			return text, true
		}
		return strings.TrimSuffix(text, " "), false
	}
	text = string(appendQuoted(nil, key))
	if len(text) > maxPlainKey {
		return "? " + text + "\n" + strings.Repeat(" ", column) + ": ", true
	}
	return text + ":", false
}

// foreign returns how sigs.k8s.io/yaml writes tree below as many levels of mappings, without the lines of these; and
// "" where it does not read back what it has written. A scalar is written in its surroundings because its folding,
// quoting and indentation depend on them.
func foreign(tree any, levels int) string {
	for range levels {
		tree = map[string]any{"a": tree}
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		return ""
	}
	var back any
	if err := yaml.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(tree, back) {
		return ""
	}
	for range levels {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return string(text)
}

// appendQuoted appends s in double quotes, with all but printable ASCII escaped: every reader of YAML takes that.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case ' ' <= r && r <= '~':
			dst = append(dst, byte(r))
		case r <= 0xffff:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		}
	}
	return append(dst, '"')
}

// sortKeys sorts keys in the order of [compareKeys]. That is no order of all strings: "12" comes before "1a", "1a"
// before "2", and "2" before "12". Sorting by bytes first makes the result depend on the keys alone.
func sortKeys(keys []string) {
	slices.Sort(keys)
	slices.SortStableFunc(keys, compareKeys)
}

// compareKeys orders two keys as sigs.k8s.io/yaml does: at the first difference letters come after all else, and digits
// count as the number that they and those after them make.
func compareKeys(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	for !utf8.RuneStart(a[i]) {
		i--
	}
	ar, _ := utf8.DecodeRuneInString(a[i:])
	br, _ := utf8.DecodeRuneInString(b[i:])
	aLetter, bLetter := unicode.IsLetter(ar), unicode.IsLetter(br)
	if aLetter != bLetter {
		if bLetter {
			return -1
		}
		return 1
	}
	if !aLetter {
		// Zeros after a digit that is not zero are digits of one number, and not leading ones.
		var start int64
		if (ar == '0' || br == '0') && endsInNumber(a[:i]) {
			start = 1
		}
		an, ad := leadingNumber(a[i:], start)
		bn, bd := leadingNumber(b[i:], start)
		if an != bn {
			return cmp.Compare(an, bn)
		}
		if ad != bd {
			return ad - bd
		}
	}
	return cmp.Compare(ar, br)
}

// endsInNumber reports whether the digits at the end of s are more than zeros.
func endsInNumber(s string) bool {
	for {
		r, size := utf8.DecodeLastRuneInString(s)
		if !unicode.IsDigit(r) {
			return false
		}
		if r != '0' {
			return true
		}
		s = s[:len(s)-size]
	}
}

// leadingNumber returns the number that the digits at the beginning of s make after those of n, and how many they are.
// It overflows as that of sigs.k8s.io/yaml does.
func leadingNumber(s string, n int64) (number int64, digits int) {
	for _, r := range s {
		if !unicode.IsDigit(r) {
			break
		}
		n = n*10 + int64(r-'0')
		digits++
	}
	return n, digits
}
