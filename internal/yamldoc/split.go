// SPDX-License-Identifier: Apache-2.0

// Package yamldoc reads documents of YAML and JSON as kubectl does. [Split] cuts a file into them, [Parse] makes a tree of
// one, in which each value has its line, and an [Index] finds the bytes of a value, for those who change it.
//
// The tree is that of sigs.k8s.io/yaml/goyaml.v3, which is the only reader of YAML that gives positions. It reads YAML in
// another way than sigs.k8s.io/yaml does, so that Parse gives its scalars, keys and merges the meaning that they have there.
package yamldoc

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// A Document is the text of one object in a file.
type Document struct {
	// Text has as many bytes as the object has in the file. It differs from them in a list's item alone, where the "-"
	// before it is a blank, so that the item is a document of its own with every column as it was.
	Text   []byte
	Offset int  // of Text in the file
	Line   int  // on which Text begins in the file, counted from 1
	Item   bool // it is an entry of a List's items
}

// Split cuts data into its documents: at the lines that begin with "---" as kubectl does, JSON texts one after the other,
// and the items of each List one by one. Nothing but the items of a List is parsed: a List that is written in another
// way than kubectl and people write it stays a document of its own, and so does all that is no YAML.
func Split(data []byte) []Document {
	if text := bytes.TrimLeft(data, " \t\r\n"); len(text) > 0 && text[0] == '{' {
		if docs, ok := splitJSON(data); ok {
			return docs
		}
	}
	var docs []Document
	start, line, startLine := 0, 1, 1
	cut := func(end int) {
		if text := data[start:end]; !isBlank(text) {
			docs = append(docs, items(Document{Text: text, Offset: start, Line: startLine})...)
		}
	}
	for at := 0; at < len(data); line++ {
		end := lineEnd(data, at)
		if isSeparator(data[at:end]) {
			cut(at)
			start, startLine = at, line
		}
		at = end
	}
	cut(len(data))
	return docs
}

// lineEnd returns where the line after the one at begins.
func lineEnd(data []byte, at int) int {
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(data)
}

func isSeparator(line []byte) bool {
	return bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0)
}

// isBlank reports whether text holds nothing but comments and "---" lines.
func isBlank(text []byte) bool {
	for at := 0; at < len(text); {
		end := lineEnd(text, at)
		line := bytes.TrimSpace(text[at:end])
		if isSeparator(line) || bytes.HasPrefix(line, []byte("...")) {
			line = bytes.TrimLeft(line[3:], " \t")
		}
		if len(line) > 0 && line[0] != '#' {
			return false
		}
		at = end
	}
	return true
}

var (
	listKind  = regexp.MustCompile(`(?m)^kind:[ \t]+["']?[A-Za-z]*List["']?[ \t]*(#.*)?\r?$`)
	listItems = regexp.MustCompile(`(?m)^items:[ \t]*(#.*)?\r?$`)
)

// items returns the items of a List in block style, or the document itself.
func items(doc Document) []Document {
	text := doc.Text
	if !bytes.Contains(text, []byte("items:")) { // which is found much faster
		return []Document{doc}
	}
	at := listItems.FindIndex(text)
	if at == nil || !listKind.Match(text) {
		return []Document{doc}
	}
	var docs []Document
	line := doc.Line + bytes.Count(text[:at[0]], []byte("\n")) + 1
	start, startLine, column := -1, 0, -1
	cut := func(end int) {
		if start >= 0 {
			item := append([]byte(nil), text[start:end]...)
			item[column] = ' '
			docs = append(docs, Document{Text: item, Offset: doc.Offset + start, Line: startLine, Item: true})
		}
	}
	pos := lineEnd(text, at[0])
	for ; pos < len(text); line++ {
		end := lineEnd(text, pos)
		content := bytes.TrimLeft(text[pos:end], " ")
		indent := end - pos - len(content)
		content = bytes.TrimRight(content, "\r\n")
		switch dash := bytes.HasPrefix(content, []byte("- ")) || bytes.Equal(content, []byte("-")); {
		case len(content) == 0 || content[0] == '#' && (column < 0 || indent <= column):
		case dash && (column < 0 || indent == column):
			cut(pos)
			start, startLine, column = pos, line, indent
		case column < 0 || indent <= column: // the next key of the List
			cut(pos)
			return orWhole(docs, doc)
		}
		pos = end
	}
	cut(len(text))
	return orWhole(docs, doc)
}

func orWhole(items []Document, doc Document) []Document {
	if len(items) == 0 {
		return []Document{doc}
	}
	return items
}

// splitJSON cuts a sequence of JSON texts. It returns false where data is no such thing.
func splitJSON(data []byte) ([]Document, bool) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	l := lines{data: data, line: 1}
	var docs []Document
	for {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return docs, len(bytes.TrimSpace(data[decoder.InputOffset():])) == 0
		}
		end := int(decoder.InputOffset())
		text := data[end-len(raw) : end]
		if in := jsonItems(text); in != nil {
			for _, d := range in {
				d.Offset += end - len(raw)
				d.Line = l.at(d.Offset)
				docs = append(docs, d)
			}
			continue
		}
		docs = append(docs, Document{Text: text, Offset: end - len(raw), Line: l.at(end - len(raw))})
	}
}

// jsonItems returns the items of a List, which is known to be valid JSON, with their offsets in it; nil where it is none.
func jsonItems(text []byte) []Document {
	if !bytes.Contains(text, []byte(`"items"`)) {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, _ := decoder.Token(); token != json.Delim('{') {
		return nil
	}
	docs := []Document{}
	isList := false
	for decoder.More() {
		key, _ := decoder.Token()
		if key == "items" && bytes.HasPrefix(bytes.TrimLeft(text[decoder.InputOffset():], ": \t\r\n"), []byte("[")) {
			_, _ = decoder.Token()
			for decoder.More() {
				var raw json.RawMessage
				_ = decoder.Decode(&raw)
				end := int(decoder.InputOffset())
				docs = append(docs, Document{Text: text[end-len(raw) : end], Offset: end - len(raw), Item: true})
			}
			_, _ = decoder.Token()
			continue
		}
		var value any
		_ = decoder.Decode(&value)
		if kind, ok := value.(string); ok && key == "kind" {
			isList = len(kind) >= 4 && kind[len(kind)-4:] == "List"
		}
	}
	if !isList {
		return nil
	}
	return docs
}

// lines counts the lines of data up to offsets that only grow.
type lines struct {
	data      []byte
	pos, line int
}

func (l *lines) at(offset int) int {
	l.line += bytes.Count(l.data[l.pos:offset], []byte("\n"))
	l.pos = offset
	return l.line
}
