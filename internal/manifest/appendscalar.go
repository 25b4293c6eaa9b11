// SPDX-License-Identifier: Apache-2.0

package manifest

import "strings"

// IsPlain reports whether AppendYAML writes s, at whatever place, as it stands. Text that begins with a plain string and
// goes on with '-', '.' and plain strings is plain too.
func IsPlain(s string) bool { return isPlain(s) }

// AppendScalar appends s as AppendYAML writes it after a key that is plain. The string must have no spaces, line breaks
// or control characters, as names and the values of labels have none: then how it is written depends on nothing else.
func AppendScalar(dst []byte, s string) []byte {
	if isPlain(s) {
		return append(dst, s...)
	}
	text := foreign(map[string]any{"a": s}, 0)
	return append(dst, strings.TrimSuffix(strings.TrimPrefix(text, "a: "), "\n")...)
}
