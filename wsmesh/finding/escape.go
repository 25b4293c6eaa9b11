// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"bytes"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Findings quote names, values and paths of files that other people wrote. This file is the one place that keeps such text from
// being anything but text where it is printed. It is in this package, and not below internal, because the printers and
// [Finding.String] need it, and this package imports nothing of its module.

// EscapeText returns text as one line that a terminal shows and does not obey, and neither does a CI system that reads its own
// log. Line breaks and tabs become spaces. Any other character that is not graphic, such as ESC, another control or an override
// of the direction of writing, and any byte that is not UTF-8, is written as in a Go string literal. So are the second # of "##"
// and the first colon of "::" at the beginning, with which commands to GitHub Actions, Azure Pipelines and TeamCity begin.
func EscapeText(text string) string {
	var b strings.Builder
	text = strings.ReplaceAll(text, "\r\n", "\n")
	last := rune(0)
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '#' && last == '#':
			b.WriteString(`\x23`)
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		case unicode.IsSpace(r): // tab, LF, VT, FF, CR, NEL, U+2028 and U+2029
			b.WriteByte(' ')
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		last = r
	}
	line := b.String()
	if rest := strings.TrimLeftFunc(line, unicode.IsSpace); strings.HasPrefix(rest, "::") {
		return line[:len(line)-len(rest)] + `\x3a` + rest[1:]
	}
	return line
}

// EscapeMarkdown returns text as one line that is nothing but text in Markdown and HTML: it begins no element, link, code or
// heading, and ends no cell of a table. Each ASCII character but letters, digits and spaces becomes a character reference.
func EscapeMarkdown(text string) string {
	return escapeASCII(EscapeText(text), "&#%d;", func(int) bool { return false })
}

// EscapeMermaid returns text that is nothing but text in a quoted label of mermaid, where HTML, Markdown, icons, formulas and
// directives could stand as well. A line feed is a line break of the label.
func EscapeMermaid(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = EscapeText(line)
		lines[i] = escapeASCII(line, "#%d;", func(i int) bool {
			switch before, after := at(line, i-1), at(line, i+1); line[i] {
			case ',', '/', '(', ')', '\'', ']':
				return true
			case '-', '.', '_': // within a word they begin no list and no emphasis
				return isAlphanumeric(before) && isAlphanumeric(after)
			case ':': // "fa:" before a name is an icon
				return after == ' '
			}
			return false
		})
	}
	return strings.Join(lines, "<br>")
}

// escapeASCII returns text with a reference in place of each ASCII character that is not a letter, digit or space, unless keep
// reports true for its index. A space at the beginning, which can make code of what follows, becomes a reference, too.
func escapeASCII(text, reference string, keep func(i int) bool) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || isAlphanumeric(c) || c == ' ' && i > 0 || keep(i) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, reference, c)
		}
	}
	return b.String()
}

// at returns the byte of text at i, and 0 beyond its ends.
func at(text string, i int) byte {
	if i < 0 || i >= len(text) {
		return 0
	}
	return text[i]
}

// isAlphanumeric reports whether c is an ASCII letter or digit.
func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// GitHub's runner decodes %25, %0D and %0A in the text of a command, and %3A and %2C in its properties as well
// (actions/runner src/Runner.Common/ActionCommand.cs).
var (
	commandText     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func escapeCommandText(text string) string     { return commandText.Replace(EscapeText(text)) }
func escapeCommandProperty(text string) string { return commandProperty.Replace(EscapeText(text)) }

// escapeJSON returns JSON with the same meaning that has no character which EscapeText would escape, and no "<", with which
// markup begins in a page that the JSON is put into. JSON has these characters in strings only.
func escapeJSON(data []byte) []byte {
	var b bytes.Buffer
	last := rune(0)
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == '\n' || unicode.IsGraphic(r) && r != '<' && (r != '#' || last != '#'):
			b.Write(data[:size])
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		data, last = data[size:], r
	}
	return b.Bytes()
}

// escapeSARIF returns text in which SARIF finds no link: "[text](target)", section 3.11.6 of SARIF 2.1.0.
func escapeSARIF(text string) string {
	return strings.ReplaceAll(EscapeText(text), "](", "] (")
}

// uriReference returns the URI reference for the path of a file: a relative one for a relative path, and a file URL for others.
// A path that begins with a drive is taken for one of Windows on every system.
func uriReference(file string) string {
	path := filepath.ToSlash(file)
	if drive.MatchString(path) {
		path = "/" + strings.ReplaceAll(path, `\`, "/")
	}
	u := url.URL{Path: path}
	if strings.HasPrefix(path, "/") {
		u.Scheme = "file"
	}
	return u.String()
}

var drive = regexp.MustCompile(`^[A-Za-z]:[/\\]`)
