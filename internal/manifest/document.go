// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sigs.k8s.io/yaml reads YAML by this package; its own functions hide which keys collide.

package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	goyaml "sigs.k8s.io/yaml/goyaml.v2"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// maxSize is what the API server takes in one request.
const maxSize = 3 << 20

// document reads the one document of a manifest into a tree as encoding/json gives it. Numbers keep their precision:
// whole ones are json.Number, and fractions of YAML float64, as kubectl sends them.
func document(data []byte) (any, finding.List) {
	if f := unreadable(data); f != nil {
		return nil, f
	}
	// JSON is read as JSON: YAML has no escapes for surrogate pairs ("\ud83d\ude00") and takes no tabs for indentation.
	// After a byte order mark it is YAML, to kubectl too.
	read := readYAML
	if json.Valid(data) {
		read = readJSON
	}
	tree, findings := read(data)
	if tree == nil && len(findings) == 0 {
		findings = finding.List{finding.New(finding.WS901, "", "the manifest holds no document",
			"give one object with apiVersion, kind, metadata and spec")}
	}
	return tree, findings
}

// unreadable refuses what is no text at all before a parser sees it.
func unreadable(data []byte) finding.List {
	switch i := bytes.IndexByte(data, 0); {
	case len(data) > maxSize:
		return finding.List{finding.New(finding.WS904, "", fmt.Sprintf("the manifest has %d bytes", len(data)),
			fmt.Sprintf("give at most %d bytes; the API server takes no more in one request", maxSize))}
	case i >= 0:
		return notText(data, i, "a NUL byte")
	case !utf8.Valid(data):
		i = 0
		for i < len(data) {
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			i += size
		}
		return notText(data, i, fmt.Sprintf("the byte 0x%02x, which is not UTF-8", data[i]))
	}
	return nil
}

func notText(data []byte, i int, what string) finding.List {
	f := finding.New(finding.WS903, "", fmt.Sprintf("byte %d of the manifest is %s", i+1, what), "save the manifest as UTF-8 text")
	f.Line = 1 + bytes.Count(data[:i], []byte("\n"))
	return finding.List{f}
}

func readYAML(data []byte) (any, finding.List) {
	if line, what := misplaced(data); line > 0 {
		f := finding.New(finding.WS910, "", what+" stands where kubectl takes it for a document", "remove that line")
		f.Line = line
		return nil, finding.List{f}
	}
	decoder := goyaml.NewDecoder(bytes.NewReader(data))
	decoder.SetStrict(true)
	var tree any
	for {
		var doc any
		if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, malformed(err)
		}
		if doc == nil { // nothing but comments between two "---"
			continue
		}
		if tree != nil {
			return nil, finding.List{finding.New(finding.WS905, "", "the manifest holds more than one document",
				"give each object as a manifest of its own")}
		}
		tree = doc
	}
	var w walker
	tree = w.yamlTree(tree)
	return tree, w.list()
}

// misplaced returns the line, counted from 1, of a directive such as "%YAML 1.1" or a document's end "..." before the
// first document, and 0 where there is neither. Kubectl cuts the text at "---" lines alone, and takes all that stands
// between two of them for one document; and what follows a JSON object for another (apimachinery pkg/util/yaml).
func misplaced(data []byte) (int, string) {
	var object json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(data))
	n := 0
	if decoder.Decode(&object) == nil && object[0] == '{' {
		n = bytes.Count(data[:decoder.InputOffset()], []byte("\n"))
		_, data, _ = bytes.Cut(data[decoder.InputOffset():], []byte("\n"))
		n++
	}
	for line := range bytes.Lines(data) {
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

// malformed turns an error of the YAML parser, whose text begins with the line, into findings.
func malformed(err error) finding.List {
	var duplicates *goyaml.TypeError
	if !errors.As(err, &duplicates) {
		text, line := cutLine(strings.TrimPrefix(err.Error(), "yaml: "))
		f := finding.New(finding.WS902, "", "the manifest is not YAML: "+cut(text), "correct the indentation, quotes or colons there")
		f.Line = line
		return finding.List{f}
	}
	var w walker
	for _, text := range duplicates.Errors {
		text, line := cutLine(text)
		w.repeated(strings.TrimSuffix(strings.TrimPrefix(text, "key "), " already set in map"), line)
	}
	return w.list()
}

// cutLine cuts "line 3: " off.
func cutLine(text string) (string, int) {
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, rest, ok := strings.Cut(rest, ": "); ok {
			line, _ := strconv.Atoi(number)
			return rest, line
		}
	}
	return text, 0
}

// repeated reports a key, as it is quoted in the message, that stands twice.
func (w *walker) repeated(key string, line int) {
	f := finding.New(finding.WS909, w.path.String(), fmt.Sprintf("the key %s stands twice", cut(key)), "remove one of them")
	f.Line = line
	w.add(f)
}

// yamlTree returns v, as the YAML parser gives it, in the types of encoding/json. Keys that are numbers or booleans in
// YAML become strings, as in kubectl; two keys that become the same string are a finding, where kubectl takes one of
// them by chance.
func (w *walker) yamlTree(v any) any {
	switch v := v.(type) {
	case map[any]any:
		keys := make([]string, 0, len(v))
		values := make(map[string]any, len(v))
		for k, value := range v {
			key, ok := keyString(k)
			if !ok {
				w.wrongType(k, "a key", "put the key in quotes")
			}
			keys = append(keys, key)
			values[key] = value
		}
		slices.Sort(keys)
		for i, key := range keys {
			w.path.push(field(key))
			if i > 0 && key == keys[i-1] {
				w.repeated(quote(key), 0)
			} else {
				values[key] = w.yamlTree(values[key])
			}
			w.path.pop()
		}
		return values
	case []any:
		for i := range v {
			w.path.push(item(i))
			v[i] = w.yamlTree(v[i])
			w.path.pop()
		}
		return v
	case int, int64, uint64:
		return json.Number(fmt.Sprint(v))
	}
	return v
}

// keyString returns the text that sigs.k8s.io/yaml makes of a key.
func keyString(k any) (string, bool) {
	switch k := k.(type) {
	case string:
		return k, true
	case bool:
		return strconv.FormatBool(k), true
	case float64:
		return strconv.FormatFloat(k, 'g', -1, 32), true
	case int, int64, uint64:
		return fmt.Sprint(k), true
	}
	return "", false
}

func readJSON(data []byte) (any, finding.List) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var w walker
	tree := w.jsonTree(decoder)
	return tree, w.list()
}

// jsonTree reads the next value, which is known to be valid JSON, and reports each key that stands twice.
func (w *walker) jsonTree(decoder *json.Decoder) any {
	token, _ := decoder.Token()
	switch token {
	case json.Delim('{'):
		obj := map[string]any{}
		for decoder.More() {
			token, _ := decoder.Token()
			key := token.(string)
			w.path.push(field(key))
			if _, again := obj[key]; again {
				w.repeated(quote(key), 0)
			}
			obj[key] = w.jsonTree(decoder)
			w.path.pop()
		}
		_, _ = decoder.Token() // the end of it
		return obj
	case json.Delim('['):
		items := []any{}
		for i := 0; decoder.More(); i++ {
			w.path.push(item(i))
			items = append(items, w.jsonTree(decoder))
			w.path.pop()
		}
		_, _ = decoder.Token()
		return items
	}
	return token
}
