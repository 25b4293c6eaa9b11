// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"html"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscapeText(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"prod/chat ☎ 電話 e\u0301 \u00a0":       "prod/chat ☎ 電話 e\u0301 \u00a0",
		"a\nb\rc\r\nd\te":                     "a b c d e",
		"a\v\f\u0085\u2028\u2029b":            "a     b",
		"\x1b]0;title\a\x1b[2J":               `\x1b]0;title\a\x1b[2J`,
		"\x00\x7f\u009b31m":                   `\x00\x7f\u009b31m`,
		"user\u202Egnp.exe\u2066\u200b\ufeff": `user\u202egnp.exe\u2066\u200b\ufeff`,
		"\U000E0041":                          `\U000e0041`,
		"\x9b31m \xff \ufffd":                 `\x9b31m \xff ` + "\ufffd",
		"a #1 ##[group]x ###":                 `a #1 #\x23[group]x #\x23\x23`,
		"##vso[task.setvariable]":             `#\x23vso[task.setvariable]`,
		"::add-mask::x":                       `\x3a:add-mask::x`,
		" \u00a0::add-mask::x":                " \u00a0" + `\x3a:add-mask::x`,
		"\n::add-mask::x":                     ` \x3a:add-mask::x`,
		"a ::add-mask::x":                     `a ::add-mask::x`,
		"a:: b":                               `a:: b`,
	} {
		if got := EscapeText(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestEscapeMarkdown(t *testing.T) {
	for text, want := range map[string]string{
		"plain text 1":      "plain text 1",
		"    code":          "&#32;   code",
		"| <b>*x*</b>\n# h": "&#124; &#60;b&#62;&#42;x&#42;&#60;&#47;b&#62; &#35; h",
		"\x1b":              "&#92;x1b",
		"é":                 "é",
	} {
		if got := EscapeMarkdown(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestEscapeMermaid(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1, Upgrade: websocket": "HTTP/1.1, Upgrade: websocket",
		"WS340 503: no allow_connect":  "WS340 503: no allow_connect",
		"client's (proxy) a-b\nc":      "client's (proxy) a-b<br>c",
		"%%{init: {}}%%":               "#37;#37;#123;init: #123;#125;#125;#37;#37;",
		"$$x$$":                        "#36;#36;x#36;#36;",
		"fa:fa-car":                    "fa#58;fa-car",
		"\"]<b>#`;\\":                  "#34;]#60;b#62;#35;#96;#59;#92;",
		"_x_ - 1. +":                   "#95;x#95; #45; 1#46; #43;",
		"\x1b\u202e":                   "#92;x1b#92;u202e",
	} {
		if got := EscapeMermaid(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestURIReference(t *testing.T) {
	for file, want := range map[string]string{
		"chat.yaml":              "chat.yaml",
		"-":                      "-",
		"a b/100%/#1?.yaml":      "a%20b/100%25/%231%3F.yaml",
		"é\xff\x1b.yaml":         "%C3%A9%FF%1B.yaml",
		"a:b/c.yaml":             "./a:b/c.yaml",
		"/srv/a b.yaml":          "file:///srv/a%20b.yaml",
		"//srv/a.yaml":           "file:////srv/a.yaml",
		`C:\manifests\a b.yaml`:  "file:///C:/manifests/a%20b.yaml",
		"c:/manifests/chat.yaml": "file:///c:/manifests/chat.yaml",
		"../chat.yaml":           "../chat.yaml",
		"[x](javascript:y)":      "./%5Bx%5D%28javascript:y%29",
		"javascript:alert(1)":    "./javascript:alert%281%29",
	} {
		if got := uriReference(file); got != want {
			t.Errorf("%q is %q, want %q", file, got, want)
		}
	}
}

// isInert reports whether neither a terminal obeys the line nor a CI system that reads its log.
func isInert(line string) bool {
	for _, r := range line {
		if !unicode.IsGraphic(r) {
			return false
		}
	}
	return utf8.ValidString(line) && !strings.Contains(line, "##") && !strings.HasPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::")
}

var reference = regexp.MustCompile(`#[0-9]+;`)

// FuzzEscape checks what each function that makes text safe promises.
func FuzzEscape(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := EscapeText(s)
		if !isInert(line) {
			t.Errorf("a terminal or a log is told something by %q", line)
		}
		if EscapeText(line) != line {
			t.Errorf("%q is escaped twice", line)
		}

		markdown := EscapeMarkdown(s)
		if html.UnescapeString(markdown) != line {
			t.Errorf("a browser shows %q instead of %q", html.UnescapeString(markdown), line)
		}
		if rest := strings.ReplaceAll(reference.ReplaceAllString(markdown, ""), "&", ""); !alphanumeric(rest, "") || strings.HasPrefix(markdown, " ") {
			t.Errorf("%q may be markup", markdown)
		}

		label := EscapeMermaid(s)
		for line := range strings.SplitSeq(label, "<br>") {
			if rest := reference.ReplaceAllString(line, ""); !isInert(rest) || !alphanumeric(rest, ",/()']-._:") {
				t.Errorf("%q may be more than a label", label)
			}
			shown := reference.ReplaceAllStringFunc(line, func(r string) string {
				n, err := strconv.Atoi(r[1 : len(r)-1])
				if err != nil {
					t.Error(err)
				}
				return string(rune(n))
			})
			if !isInert(shown) {
				t.Errorf("the label %q shows %q", line, shown)
			}
		}

		uri := uriReference(s)
		u, err := url.Parse(uri)
		if err != nil || !isInert(uri) || strings.ContainsAny(uri, " <>\"`") || !isASCII(uri) {
			t.Fatalf("%q is no URI reference: %v", uri, err)
		}
		path := filepath.ToSlash(s)
		if drive.MatchString(path) {
			path = "/" + strings.ReplaceAll(path, `\`, "/")
		}
		if absolute := strings.HasPrefix(path, "/"); absolute != (u.Scheme == "file") || u.Scheme != "" && !absolute || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || strings.TrimPrefix(u.Path, "./") != strings.TrimPrefix(path, "./") {
			t.Errorf("%q leads to %q instead of %q", uri, u.Path, path)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// alphanumeric reports whether each ASCII character of s is a letter, a digit, a space or one of others.
func alphanumeric(s, others string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < utf8.RuneSelf && !isAlphanumeric(byte(r)) && r != ' ' && !strings.ContainsRune(others, r)
	})
}

// nasty are texts that mean something to what findings are printed to.
var nasty = []string{
	"", "chat", "\x1b]0;pwned\a", "\x1b[2J", "\u009b31m", "\x9b31m", "\u202egnp", "\u2028::error::x", "\u0085::error::x", "a\nb", "a\r\nb",
	"::error file=a,line=1::x", "\n::stop-commands::x", " ::add-mask::x", "##[add-mask]x", "###[error]x", "##vso[task.complete]", "##teamcity[x]",
	"%0A::error::x", "%25", "a,line=7", "a:b", "<script>alert(1)</script>", "</script>", "<!--", "&lt;b&gt;", "[x](http://example.com)", "](", "![x](y)",
	"| a | b |", "`code`", "# heading", "- item", "1. item", "    code", "**b**", "%%{init: {'theme':'forest'}}%%", "$$x^2$$", "\"]; click a", "#quot;", "#36;",
	"fa:fa-car", "C:\\a b\\c.yaml", "c:/a.yaml", "/srv/a#b?c.yaml", "//host/share", "javascript:alert(1)", "é.yaml", "..", "\xff\xfe", "\U000E0041", "\ufffd", "\x00",
}
