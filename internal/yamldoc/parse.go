// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	kubeyaml "sigs.k8s.io/yaml"
	yaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The bounds of one document.
const (
	// MaxSize is how many bytes a document may have: as many as the API server takes in one request.
	MaxSize = 3 << 20
	// MaxNodes is how many keys and values a document may have, those that aliases repeat counted again. Each takes 200
	// bytes of memory. An EnvoyFilter that fills 3 MiB has some 200,000.
	MaxNodes = 300_000
	// maxProblems is how many problems of one document are listed.
	maxProblems = 1000
)

// Parse reads the one document of a text, and returns its root. Where kubectl would not read the text, the root is nil
// and the findings say why, with their lines. Where it is nearly right, as with a key that stands twice, there are
// findings beside the root: of two equal keys the last counts.
//
// JSON is read as JSON, as kubectl does: YAML has no escapes for surrogate pairs ("\ud83d\ude00") and takes no tabs for
// indentation. After a byte order mark it is YAML, to kubectl too.
//
// The root is never Null: a text of nothing but comments holds no document. A text is read up to [MaxSize] bytes and
// [MaxNodes] keys and values, which are counted before memory is taken for them.
func Parse(text []byte) (*Node, finding.List) {
	if f, bad := refused(text); bad {
		return nil, finding.List{f}
	}
	r := reader{text: text, visited: 1} // goyaml.v2 counts the document, too
	r.last = 1 + bytes.Count(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	var root *yaml.Node
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(text) {
		r.isJSON = true
		root = (&jsonReader{text: text, line: 1, column: 1}).value()
	} else {
		root = r.document()
	}
	if root != nil {
		r.normalize(root)
	}
	if r.failed {
		return nil, r.problems
	}
	if root == nil || root.Tag == nullTag {
		return nil, finding.List{finding.New(NoDocument, "", "the manifest holds no document", "give one object with apiVersion, kind, metadata and spec")}
	}
	return (*Node)(root), r.problems
}

// refused refuses a text before a parser sees it.
func refused(text []byte) (finding.Finding, bool) {
	switch i := bytes.IndexByte(text, 0); {
	case len(text) > MaxSize:
		return finding.New(TooLarge, "", fmt.Sprintf("the manifest has %d bytes", len(text)),
			fmt.Sprintf("give at most %d bytes; the API server takes no more in one request", MaxSize)), true
	case i >= 0:
		return notText(text, i, "a NUL byte"), true
	case !utf8.Valid(text):
		i = 0
		for i < len(text) {
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			i += size
		}
		return notText(text, i, fmt.Sprintf("the byte 0x%02x, which is not UTF-8", text[i])), true
	}
	if n := count(text); n > MaxNodes {
		return tooMany(fmt.Sprintf("the manifest has up to %d keys and values, by its commas, colons, dashes and brackets", n)), true
	}
	return finding.Finding{}, false
}

func notText(text []byte, i int, what string) finding.Finding {
	f := finding.New(NotText, "", fmt.Sprintf("byte %d of the manifest is %s", i+1, what), "save the manifest as UTF-8 text")
	f.Line = 1 + bytes.Count(text[:i], []byte("\n"))
	return f
}

func tooMany(message string) finding.Finding {
	return finding.New(TooManyNodes, "", message, fmt.Sprintf("split it: at most %d are read", MaxNodes))
}

// count returns how many nodes the tree of a text has at the most: each key and each value of YAML and JSON has one of
// these characters beside it, and some have two.
func count(text []byte) int {
	n := 1
	for i, c := range text {
		switch c {
		case ',', ':', '?', '[', '{':
			n += 2
		case '-':
			if i+1 == len(text) || isSpace(text[i+1]) {
				n++
			}
		}
	}
	return n
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// A reader makes a tree of a text.
type reader struct {
	text     []byte
	isJSON   bool
	path     fieldpath.Path
	problems finding.List
	failed   bool  // there is no tree
	last     int   // the last line
	lines    []int // by the lines that YAML counts, those that editors count; nil where they are the same

	anchors map[*yaml.Node]anchor
	visited int    // keys and values so far
	aliased int    // those of them that aliases repeat
	bangs   *Index // of the text, where a "!" may stand alone before a scalar
}

// An anchor is what is known of a value with one.
type anchor struct {
	open bool // the value is being read
	cost int  // how many keys and values it has
}

// add reports a problem beside which there is a tree.
func (r *reader) add(f finding.Finding, line int) {
	if len(r.problems) < maxProblems {
		f.Line = line
		r.problems = append(r.problems, f)
	}
}

// fail reports why there is no tree.
func (r *reader) fail(f finding.Finding, line int) {
	if !r.failed {
		f.Line = line
		r.problems, r.failed = finding.List{f}, true
	}
}

// malformed reports an error in the words of the YAML parser.
func (r *reader) malformed(text string, line int) {
	r.fail(malformed("", "the manifest is not YAML: "+cut(text), "correct the indentation, quotes or colons there"), line)
}

// badKey reports a key that YAML allows and JSON does not.
func (r *reader) badKey(n *yaml.Node, message string) {
	r.add(malformed(r.path.String(), message, "write the key in quotes"), n.Line)
}

func malformed(path, message, hint string) finding.Finding {
	return finding.New(Malformed, path, message, hint)
}

// document reads YAML. It returns nil where there is none, or where it has failed.
func (r *reader) document() *yaml.Node {
	if line, what := misplaced(r.text); line > 0 {
		r.fail(finding.New(Misplaced, "", what+" stands where kubectl takes it for a document", "remove that line"), line)
		return nil
	}
	if hasOtherBreaks(r.text) {
		r.lines = editorLines(r.text)
	}
	if bytes.IndexByte(r.text, '\t') >= 0 && bytes.IndexByte(r.text, '#') >= 0 && leadingTab.Match(r.text) {
		if _, err := kubeyaml.YAMLToJSON(r.text); err != nil {
			r.unreadable(err)
			return nil
		}
	}
	if bytes.IndexByte(r.text, '!') >= 0 && loneBang.Match(r.text) {
		r.bangs = &Index{text: r.text, starts: starts(r.text)}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(r.text))
	var root *yaml.Node
	for {
		var doc yaml.Node
		if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
			return root
		} else if err != nil {
			r.unreadable(err)
			return nil
		}
		n := doc.Content[0]
		switch isNull := n.Kind == yaml.ScalarNode && n.Tag == nullTag; {
		case isNull: // nothing but comments between two "---"
		case root != nil:
			r.fail(finding.New(SecondDocument, "", "the manifest holds more than one document", "give each object as a manifest of its own"), r.line(n))
			return nil
		default:
			root = n
		}
	}
}

// leadingTab finds lines that begin with a tab. Goyaml.v3 takes some of them after a comment that goyaml.v2 does not.
var leadingTab = regexp.MustCompile(`[\n\r\x{85}\x{2028}\x{2029}][ \t]*\t`)

// unreadable reports what the parser refuses. The text of kubectl's own parser is preferred, since it names the line where
// the problem is, and goyaml.v3 that where the mapping or list around it begins.
func (r *reader) unreadable(err error) {
	if _, kubectls := kubeyaml.YAMLToJSON(r.text); kubectls != nil {
		err = kubectls
	}
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, rest, ok := strings.Cut(rest, ": "); ok {
			line, _ = strconv.Atoi(number)
			text = rest
		}
	}
	r.malformed(text, r.editorLine(line))
}

func (r *reader) line(n *yaml.Node) int { return r.editorLine(n.Line) }

// editorLine returns the line of the text for one that YAML counts. What is missing at the end is on the last line.
func (r *reader) editorLine(line int) int {
	if line < len(r.lines) {
		line = r.lines[line]
	}
	return min(line, r.last)
}

// misplaced returns the line, counted from 1, of a directive such as "%YAML 1.1" or a document's end "..." before the
// first document, and 0 where there is neither. Kubectl cuts the text at "---" lines alone, and takes all that stands
// between two of them for one document; and what follows a JSON object for another (apimachinery pkg/util/yaml).
func misplaced(text []byte) (int, string) {
	n := 0
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		var object json.RawMessage
		decoder := json.NewDecoder(bytes.NewReader(text))
		if decoder.Decode(&object) == nil {
			n = bytes.Count(text[:decoder.InputOffset()], []byte("\n")) + 1
			_, text, _ = bytes.Cut(text[decoder.InputOffset():], []byte("\n"))
		}
	}
	for line := range bytes.Lines(text) {
		n++
		trimmed := bytes.TrimSpace(line)
		switch {
		case len(trimmed) == 0 || trimmed[0] == '#' || bytes.Equal(trimmed, []byte("---")):
		case trimmed[0] == '%':
			return n, "a YAML directive"
		case bytes.HasPrefix(line, []byte("...")) && (len(trimmed) == 3 || line[3] == ' ' || line[3] == '\t'):
			return n, "the end of a document"
		default:
			return 0, ""
		}
	}
	return 0, ""
}

// hasOtherBreaks reports whether the text has a line break of YAML 1.1 that editors do not show as one: a carriage return
// alone, NEL, LS or PS.
func hasOtherBreaks(text []byte) bool {
	return bytes.IndexByte(text, '\r') >= 0 && bytes.Count(text, []byte("\r")) != bytes.Count(text, []byte("\r\n")) ||
		bytes.Contains(text, []byte("\u0085")) || bytes.Contains(text, []byte("\u2028")) || bytes.Contains(text, []byte("\u2029"))
}

// starts returns where the lines begin that YAML counts.
func starts(text []byte) []int {
	lines := []int{len(text) - len(bytes.TrimPrefix(text, []byte("\ufeff")))}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		i += size
		switch r {
		case '\n', '\u0085', '\u2028', '\u2029':
			lines = append(lines, i)
		case '\r':
			if i == len(text) || text[i] != '\n' {
				lines = append(lines, i)
			}
		}
	}
	return lines
}

// editorLines returns, by the lines that YAML counts from 1, the lines that editors count.
func editorLines(text []byte) []int {
	lines := []int{0}
	line, pos := 1, 0
	for _, start := range starts(text) {
		line += bytes.Count(text[pos:start], []byte("\n"))
		pos = start
		lines = append(lines, line)
	}
	return lines
}

// cut returns s, or its beginning and "…" where it is longer than any name of Kubernetes.
func cut(s string) string {
	const limit = 320
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// A jsonReader makes nodes of a text that is known to be valid JSON.
type jsonReader struct {
	text         []byte
	pos          int // of the next token, or of white space, a comma or a colon before it
	line, column int // of pos
}

// to goes on to an offset.
func (r *jsonReader) to(pos int) {
	for ; r.pos < pos; r.pos++ {
		switch c := r.text[r.pos]; {
		case c == '\n':
			r.line++
			r.column = 1
		case utf8.RuneStart(c):
			r.column++
		}
	}
}

// value reads the next value, or the next key.
func (r *jsonReader) value() *yaml.Node {
	r.next()
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line, Column: r.column}
	switch c := r.text[r.pos]; c {
	case '{', '[':
		n.Style = yaml.FlowStyle
		n.Kind = yaml.MappingNode
		if c == '[' {
			n.Kind = yaml.SequenceNode
		}
		r.to(r.pos + 1)
		for !r.ends() {
			n.Content = append(n.Content, r.value())
		}
		r.to(r.pos + 1)
	case '"':
		n.Style, n.Tag = yaml.DoubleQuotedStyle, strTag
		end := endOfQuoted(r.text, r.pos)
		if raw := r.text[r.pos+1 : end-1]; bytes.IndexByte(raw, '\\') < 0 {
			n.Value = string(raw)
		} else {
			_ = json.Unmarshal(r.text[r.pos:end], &n.Value) // it is valid
		}
		r.to(end)
	case 'n':
		n.Tag = nullTag
		r.to(r.pos + len("null"))
	case 't', 'f':
		n.Tag, n.Value = boolTag, "true"
		if c == 'f' {
			n.Value = "false"
		}
		r.to(r.pos + len(n.Value))
	default:
		n.Tag = intTag
		end := r.pos
		for end < len(r.text) && strings.IndexByte("+-.0123456789eE", r.text[end]) >= 0 {
			end++
		}
		n.Value = string(r.text[r.pos:end])
		r.to(end)
	}
	return n
}

// next goes on to the next token that is no comma or colon.
func (r *jsonReader) next() {
	for strings.IndexByte(" \t\r\n,:", r.text[r.pos]) >= 0 {
		r.to(r.pos + 1)
	}
}

// ends reports whether the next token ends an object or a list.
func (r *jsonReader) ends() bool {
	r.next()
	return r.text[r.pos] == '}' || r.text[r.pos] == ']'
}

// endOfQuoted returns where the text in double quotes that begins at start ends, after its last quote; and the end of the
// text where it does not.
func endOfQuoted(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
