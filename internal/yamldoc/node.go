// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// A Node is a value in the text of a document.
type Node struct {
	Kind       Kind
	Start, End int // its bytes in the text, without blanks and comments around it
	Flow       bool
	Entries    []Entry // of a Map or Seq, in the order of the text
}

// Kind is what a Node holds.
type Kind int

// The kinds of a Node.
const (
	Scalar Kind = iota
	Map
	Seq
	Null // nothing stands where the value would
)

// An Entry is an entry of a Map or Seq.
type Entry struct {
	Key   string // of a Map
	Start int    // of the key, or of the item's value
	Value *Node
}

// errUnknown is what Parse returns for what is no YAML, and for what of YAML it does not read.
var errUnknown = errors.New("yamldoc: this text has no positions")

const maxDepth = 100

// Parse returns where the values of one document stand. It reads the YAML that manifests are written in, and JSON:
// mappings and sequences in block and flow style, and every scalar. It refuses anchors, aliases, tags, merge and
// complex keys, directives, line breaks other than LF and CRLF, and a nesting of more than 100 levels. It is no judge of
// what is YAML: compare what a parser makes of the text before and after an edit.
func Parse(text []byte) (*Node, error) {
	if hasOtherBreaks(text) {
		return nil, errUnknown
	}
	s := &scanner{text: text}
	s.next()
	if s.pos < len(text) && isSeparator(text[s.pos:]) {
		s.pos = lineEnd(text, s.pos)
		s.next()
	}
	n := s.value(-1, 0)
	if s.next(); !s.failed && s.pos < len(text) && !isEnd(text[s.pos:]) {
		s.failed = true
	}
	if s.failed {
		return nil, errUnknown
	}
	return n, nil
}

// isEnd says whether the line ends a document.
func isEnd(line []byte) bool {
	return bytes.HasPrefix(line, []byte("...")) && (len(line) == 3 || isSpace(line[3]))
}

// hasOtherBreaks says whether the text has a line break of YAML 1.1 that editors do not show as one: CR alone, NEL, LS, PS.
func hasOtherBreaks(text []byte) bool {
	return bytes.Count(text, []byte("\r")) != bytes.Count(text, []byte("\r\n")) || bytes.ContainsAny(text, "\u0085\u2028\u2029")
}

// At follows steps, which are keys (string) and indexes (int), as far as they lead. It returns the last entry and
// whether it is the one that was asked for.
func (n *Node) At(steps ...any) (last Entry, found bool) {
	last = Entry{Start: n.Start, Value: n}
	for _, step := range steps {
		next, ok := last.Value.entry(step)
		if !ok {
			return last, false
		}
		last = next
	}
	return last, true
}

func (n *Node) entry(step any) (Entry, bool) {
	switch step := step.(type) {
	case string:
		for _, e := range n.Entries {
			if n.Kind == Map && e.Key == step {
				return e, true
			}
		}
	case int:
		if n.Kind == Seq && step >= 0 && step < len(n.Entries) {
			return n.Entries[step], true
		}
	}
	return Entry{}, false
}

// Steps reads a finding's path, such as `spec.configPatches[1].match` or `metadata.labels["a/b"]`.
func Steps(path string) []any {
	var steps []any
	for path != "" {
		switch {
		case path[0] == '.':
			path = path[1:]
		case strings.HasPrefix(path, `["`):
			quoted, err := strconv.QuotedPrefix(path[1:])
			if err != nil {
				return steps
			}
			key, _ := strconv.Unquote(quoted)
			steps = append(steps, key)
			path = strings.TrimPrefix(path[1+len(quoted):], "]")
		case path[0] == '[':
			number, rest, _ := strings.Cut(path[1:], "]")
			i, err := strconv.Atoi(number)
			if err != nil {
				return steps
			}
			steps = append(steps, i)
			path = rest
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			steps = append(steps, path[:end])
			path = path[end:]
		}
	}
	return steps
}

// A scanner reads a text once, from the beginning to the end. Where it fails it stays where it is.
type scanner struct {
	text   []byte
	pos    int
	failed bool
}

func (s *scanner) fail() *Node {
	s.failed = true
	s.pos = len(s.text)
	return &Node{}
}

// next goes on to what is neither blank nor a comment, over the ends of lines too.
func (s *scanner) next() {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\r' || c == '\n':
			s.pos++
		case c == '#' && (s.pos == 0 || isSpace(s.text[s.pos-1])):
			s.pos = lineEnd(s.text, s.pos)
		default:
			return
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// lineStart is where the line of pos begins.
func (s *scanner) lineStart(pos int) int { return bytes.LastIndexByte(s.text[:pos], '\n') + 1 }

// column counts the bytes before pos on its line.
func (s *scanner) column(pos int) int { return pos - s.lineStart(pos) }

// value reads the value that begins at pos, and belongs to what stands at column parent.
func (s *scanner) value(parent, depth int) *Node {
	if s.failed || depth > maxDepth {
		return s.fail()
	}
	if s.pos >= len(s.text) {
		return &Node{Kind: Null, Start: s.pos, End: s.pos}
	}
	start := s.pos
	switch c := s.text[s.pos]; {
	case strings.IndexByte("&*!?%@`\t", c) >= 0:
		return s.fail()
	case c == '|' || c == '>':
		return s.block(parent)
	case s.dash(s.pos):
		return s.sequence(depth)
	}
	if _, ok := s.key(); ok {
		s.pos = start
		return s.mapping(depth)
	}
	s.pos = start
	switch c := s.text[start]; c {
	case '{', '[':
		return s.flow(depth)
	case '"', '\'':
		return s.quoted()
	}
	return s.plain(parent)
}

// dash says whether an item of a sequence begins at pos.
func (s *scanner) dash(pos int) bool {
	return pos < len(s.text) && s.text[pos] == '-' && (pos+1 == len(s.text) || isSpace(s.text[pos+1]))
}

// key reads a key of a block mapping and its colon, and says whether there was one.
func (s *scanner) key() (string, bool) {
	start := s.pos
	var key string
	switch c := s.text[s.pos]; c {
	case '"', '\'':
		n := s.quoted()
		if s.failed {
			s.failed, s.pos = false, start
			return "", false
		}
		key = s.unquote(n)
	case '{', '[', '\t':
		return "", false
	default:
		end := bytes.IndexByte(s.text[s.pos:lineEnd(s.text, s.pos)], '\n')
		if end < 0 {
			end = len(s.text) - s.pos
		}
		line := s.text[s.pos : s.pos+end]
		i := 0
		for ; i < len(line); i++ {
			if line[i] == ':' && (i+1 == len(line) || isSpace(line[i+1])) {
				break
			}
			if line[i] == '#' && i > 0 && isSpace(line[i-1]) {
				return "", false
			}
		}
		if i == len(line) || i == 0 {
			return "", false
		}
		key = strings.TrimRight(string(line[:i]), " \t")
		s.pos += i
	}
	for s.pos < len(s.text) && s.text[s.pos] == ' ' {
		s.pos++
	}
	if s.pos >= len(s.text) || s.text[s.pos] != ':' || bytes.IndexByte(s.text[start:s.pos], '\n') >= 0 ||
		s.pos+1 < len(s.text) && !isSpace(s.text[s.pos+1]) {
		s.pos = start
		return "", false
	}
	s.pos++
	return key, true
}

// unquote returns the text of a quoted scalar on one line.
func (s *scanner) unquote(n *Node) string {
	raw := string(s.text[n.Start:n.End])
	if raw[0] == '\'' {
		return strings.ReplaceAll(raw[1:len(raw)-1], "''", "'")
	}
	var text string
	if json.Unmarshal([]byte(raw), &text) == nil { // YAML has more escapes than JSON, which no key of a manifest needs
		return text
	}
	return raw
}

func (s *scanner) mapping(depth int) *Node {
	n := &Node{Kind: Map, Start: s.pos}
	column := s.column(s.pos)
	for !s.failed {
		start := s.pos
		key, ok := s.key()
		if !ok || key == "<<" {
			return s.fail()
		}
		n.End = s.pos
		value := s.entry(column, depth)
		if value.Kind != Null {
			n.End = value.End
		}
		n.Entries = append(n.Entries, Entry{Key: key, Start: start, Value: value})
		if s.next(); !s.more(column) {
			break
		}
	}
	return n
}

// more says whether another entry follows at column, and fails where something else does.
func (s *scanner) more(column int) bool {
	if s.pos >= len(s.text) || s.failed {
		return false
	}
	c := s.column(s.pos)
	if c > column || bytes.ContainsAny(s.text[s.lineStart(s.pos):s.pos], "\t") || len(bytes.Trim(s.text[s.lineStart(s.pos):s.pos], " ")) > 0 {
		s.fail()
		return false
	}
	return c == column && !(column == 0 && (isSeparator(s.text[s.pos:]) || isEnd(s.text[s.pos:])))
}

// entry reads the value after a key whose mapping stands at column.
func (s *scanner) entry(column, depth int) *Node {
	colon := s.pos
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
	if s.pos < len(s.text) && !strings.ContainsRune("\r\n#", rune(s.text[s.pos])) {
		if s.dash(s.pos) {
			return s.fail()
		}
		// On the line of its key a value is no block mapping.
		switch s.text[s.pos] {
		case '&', '*', '!', '?', '%', '@', '`':
			return s.fail()
		case '|', '>':
			return s.block(column)
		case '{', '[':
			return s.flow(depth + 1)
		case '"', '\'':
			return s.quoted()
		}
		return s.plain(column)
	}
	s.next()
	if s.pos < len(s.text) {
		if c := s.column(s.pos); c > column || c == column && s.dash(s.pos) {
			return s.value(column, depth+1)
		}
	}
	return &Node{Kind: Null, Start: colon, End: colon}
}

func (s *scanner) sequence(depth int) *Node {
	n := &Node{Kind: Seq, Start: s.pos}
	column := s.column(s.pos)
	for !s.failed {
		dash := s.pos
		s.pos++
		n.End = s.pos
		line := lineEnd(s.text, dash)
		s.next()
		value := &Node{Kind: Null, Start: dash + 1, End: dash + 1}
		if s.pos < len(s.text) && (s.pos < line || s.column(s.pos) > column) {
			value = s.value(column, depth+1)
			n.End = value.End
		}
		n.Entries = append(n.Entries, Entry{Start: value.Start, Value: value})
		if s.next(); !s.more(column) || !s.dash(s.pos) {
			break
		}
	}
	return n
}

// block reads a block scalar: all lines that are indented more than the parent.
func (s *scanner) block(parent int) *Node {
	n := &Node{Start: s.pos}
	s.pos = lineEnd(s.text, s.pos)
	n.End = s.pos
	for s.pos < len(s.text) {
		end := lineEnd(s.text, s.pos)
		content := bytes.TrimLeft(s.text[s.pos:end], " ")
		if len(bytes.TrimSpace(content)) > 0 && end-s.pos-len(content) <= parent {
			break
		}
		s.pos, n.End = end, end
	}
	return n
}

// plain reads a scalar without quotes, over the lines that are indented more than the parent.
func (s *scanner) plain(parent int) *Node {
	n := &Node{Start: s.pos}
	for {
		end := s.pos
		for end < len(s.text) && s.text[end] != '\n' && !(s.text[end] == '#' && isSpace(s.text[max(end-1, 0)])) {
			if s.text[end] == ':' && end > s.pos && (end+1 == len(s.text) || isSpace(s.text[end+1])) {
				return s.fail()
			}
			end++
		}
		n.End = s.pos + len(bytes.TrimRight(s.text[s.pos:end], " \t\r"))
		comment := end < len(s.text) && s.text[end] == '#'
		s.pos = end
		s.next()
		if s.pos >= len(s.text) || s.column(s.pos) <= parent || isSeparator(s.text[s.pos:]) {
			return n
		}
		if comment { // a comment ends the scalar
			return s.fail()
		}
	}
}

func (s *scanner) quoted() *Node {
	n := &Node{Start: s.pos}
	quote := s.text[s.pos]
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '\\' && quote == '"':
			s.pos++
		case c == quote && quote == '\'' && s.pos+1 < len(s.text) && s.text[s.pos+1] == quote:
			s.pos++
		case c == quote:
			s.pos++
			n.End = s.pos
			return n
		}
	}
	return s.fail()
}

// flow reads a value in flow style, which JSON is a part of.
func (s *scanner) flow(depth int) *Node {
	if depth > maxDepth {
		return s.fail()
	}
	n := &Node{Start: s.pos, Flow: true}
	switch s.text[s.pos] {
	case '{':
		n.Kind = Map
	case '[':
		n.Kind = Seq
	case '"', '\'':
		return s.quoted()
	default:
		return s.flowPlain()
	}
	s.pos++
	for s.flowNext(); s.pos < len(s.text); s.flowNext() {
		switch s.text[s.pos] {
		case '}', ']':
			if (s.text[s.pos] == '}') != (n.Kind == Map) {
				return s.fail()
			}
			s.pos++
			n.End = s.pos
			return n
		case ',':
			if len(n.Entries) == 0 {
				return s.fail()
			}
			s.pos++
			continue
		}
		e := Entry{Start: s.pos}
		e.Value = s.flow(depth + 1)
		if s.failed {
			return n
		}
		if n.Kind == Map {
			if e.Value.Kind != Scalar {
				return s.fail()
			}
			e.Key = string(s.text[e.Value.Start:e.Value.End])
			if c := e.Key[0]; c == '"' || c == '\'' {
				e.Key = s.unquote(e.Value)
			}
			if s.flowNext(); s.pos >= len(s.text) || s.text[s.pos] != ':' || e.Key == "<<" {
				return s.fail()
			}
			s.pos++
			if s.flowNext(); s.pos < len(s.text) && strings.IndexByte(",}", s.text[s.pos]) >= 0 {
				e.Value = &Node{Kind: Null, Start: s.pos, End: s.pos}
			} else if s.pos < len(s.text) {
				e.Value = s.flow(depth + 1)
			}
		}
		n.Entries = append(n.Entries, e)
		if s.flowNext(); s.pos < len(s.text) && strings.IndexByte(",}]", s.text[s.pos]) < 0 {
			return s.fail()
		}
	}
	return s.fail()
}

// flowNext is next, over tabs too.
func (s *scanner) flowNext() {
	for s.next(); s.pos < len(s.text) && s.text[s.pos] == '\t'; s.next() {
		s.pos++
	}
}

// flowPlain reads a scalar without quotes on one line.
func (s *scanner) flowPlain() *Node {
	n := &Node{Start: s.pos, Flow: true}
	if strings.IndexByte("&*!?%@`|>#", s.text[s.pos]) >= 0 {
		return s.fail()
	}
	for ; s.pos < len(s.text); s.pos++ {
		c := s.text[s.pos]
		if strings.IndexByte(",[]{}\n", c) >= 0 || c == ':' && (s.pos+1 == len(s.text) || strings.IndexByte(" \t\r\n,[]{}", s.text[s.pos+1]) >= 0) ||
			c == '#' && isSpace(s.text[s.pos-1]) {
			break
		}
	}
	if n.End = n.Start + len(bytes.TrimRight(s.text[n.Start:s.pos], " \t\r")); n.End == n.Start {
		return s.fail()
	}
	return n
}
