// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"encoding/base64"
	"fmt"
	"strconv"

	yaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// normalize makes of a tree as goyaml.v3 reads it one as kubectl reads it, in place. Kubectl reads with
// sigs.k8s.io/yaml, which is goyaml.v2 and makes JSON of what that gives. It returns how many keys and values there are
// in the tree, as goyaml.v2 counts them to find aliases that blow a document up.
func (r *reader) normalize(n *yaml.Node) int {
	before := r.visited
	if n.Kind == yaml.ScalarNode && !r.isJSON {
		r.scalar(n)
	}
	n.Line = r.line(n)
	if n.Anchor != "" {
		r.open(n)
	}
	r.visit(1, 0, n.Line)
	switch n.Kind {
	case yaml.MappingNode:
		r.mapping(n)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			r.path.Push(fieldpath.Index(i))
			n.Content[i] = r.child(item)
			r.path.Pop()
		}
	}
	cost := r.visited - before
	if n.Anchor != "" {
		r.anchors[n] = anchor{cost: cost}
	}
	return cost
}

func (r *reader) open(n *yaml.Node) {
	if r.anchors == nil {
		r.anchors = map[*yaml.Node]anchor{}
	}
	r.anchors[n] = anchor{open: true}
}

// child normalizes a value, and returns what an alias stands for.
func (r *reader) child(n *yaml.Node) *yaml.Node {
	if r.failed {
		return n
	}
	if n.Kind != yaml.AliasNode {
		r.normalize(n)
		return n
	}
	at := r.anchors[n.Alias]
	if at.open {
		r.malformed(fmt.Sprintf("anchor '%s' value contains itself", n.Value), r.line(n))
		return n
	}
	r.visit(1+at.cost, at.cost, r.line(n))
	return n.Alias
}

// visit counts keys and values, and those of them that aliases repeat. A document is refused where goyaml.v2 refuses it for
// its aliases.
func (r *reader) visit(n, aliased, line int) {
	r.visited += n
	r.aliased += aliased
	switch {
	case r.aliased > 100 && r.visited > 1000 && float64(r.aliased)/float64(r.visited) > 0.99:
		r.malformed("document contains excessive aliasing", line)
	case r.visited > MaxNodes:
		r.fail(tooMany("the manifest has too many keys and values, those that aliases repeat included"), line)
	}
}

// mapping merges what "<<" names, makes the keys strings and leaves each only once.
func (r *reader) mapping(n *yaml.Node) {
	merges := false
	for i := 0; i < len(n.Content) && !r.failed; i += 2 {
		if !r.isJSON && isMerge(n.Content[i]) {
			merges = true
			n.Content[i+1] = r.merged(n.Content[i+1])
			continue
		}
		n.Content[i] = r.key(n.Content[i])
		r.path.Push(fieldpath.Name(n.Content[i].Value))
		n.Content[i+1] = r.child(n.Content[i+1])
		r.path.Pop()
	}
	if r.failed {
		return
	}
	if merges || r.repeats(n) {
		r.unique(n)
	}
}

// repeats reports whether a key of the mapping stands twice.
func (r *reader) repeats(n *yaml.Node) bool {
	const few = 16
	if len(n.Content) <= 2*few {
		for i := 2; i < len(n.Content); i += 2 {
			for j := 0; j < i; j += 2 {
				if n.Content[i].Value == n.Content[j].Value {
					return true
				}
			}
		}
		return false
	}
	seen := make(map[string]struct{}, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		seen[n.Content[i].Value] = struct{}{}
	}
	return len(seen) < len(n.Content)/2
}

// unique rebuilds the entries of a mapping with merge keys, or with keys that stand twice. The later of two equal keys
// counts, also where one of them is merged: so goyaml.v2 reads it, whatever YAML says.
func (r *reader) unique(n *yaml.Node) {
	entries := make([]*yaml.Node, 0, len(n.Content))
	at := map[string]int{}
	own := map[string]bool{}
	set := func(key, value *yaml.Node) {
		if i, again := at[key.Value]; again {
			entries[i], entries[i+1] = key, value
			return
		}
		at[key.Value] = len(entries)
		entries = append(entries, key, value)
	}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !r.isJSON && isMerge(key) {
			for _, from := range mergeOrder(value) {
				for j := 0; j < len(from.Content); j += 2 {
					set(from.Content[j], from.Content[j+1])
				}
			}
			continue
		}
		if own[key.Value] {
			r.path.Push(fieldpath.Name(key.Value))
			r.add(finding.New(DuplicateKey, r.path.String(), fmt.Sprintf("the key %s stands twice", strconv.Quote(cut(key.Value))), "remove one of them"), key.Line)
			r.path.Pop()
		}
		own[key.Value] = true
		set(key, value)
	}
	n.Content = entries
}

// isMerge reports whether a key is the one that merges, and not a string of the same characters.
func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Tag == "!!merge"
}

// merged normalizes the value of a merge key: a mapping, or a list of mappings.
func (r *reader) merged(n *yaml.Node) *yaml.Node {
	wants := func(n *yaml.Node) *yaml.Node {
		n = r.child(n)
		if n.Kind != yaml.MappingNode {
			r.malformed("map merge requires map or sequence of maps as the value", n.Line)
		}
		return n
	}
	if n.Kind != yaml.SequenceNode {
		return wants(n)
	}
	n.Line = r.line(n)
	for i := len(n.Content) - 1; i >= 0 && !r.failed; i-- {
		n.Content[i] = wants(n.Content[i])
	}
	return n
}

// mergeOrder returns the mappings that a merge key names, the one that counts most last.
func mergeOrder(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.MappingNode {
		return []*yaml.Node{n}
	}
	list := make([]*yaml.Node, 0, len(n.Content))
	for i := len(n.Content) - 1; i >= 0; i-- {
		list = append(list, n.Content[i])
	}
	return list
}

// key returns a node with the string that sigs.k8s.io/yaml makes of a key.
func (r *reader) key(n *yaml.Node) *yaml.Node {
	if r.isJSON {
		r.visit(1, 0, n.Line)
		return n
	}
	at := n
	n = r.child(n)
	if n.Kind != yaml.ScalarNode {
		r.malformed("invalid map key", r.line(at))
		return n
	}
	text := n.Value
	switch n.Tag {
	case nullTag:
		r.badKey(n, "a key is null")
		text = "null"
	case boolTag:
		text = words[text].value
	case intTag:
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			r.badKey(n, "the key "+text+" is a number of more than 63 bits")
		}
	case floatTag:
		f, _ := strconv.ParseFloat(text, 64)
		switch text = strconv.FormatFloat(f, 'g', -1, 32); text {
		case "+Inf":
			text = ".inf"
		case "-Inf":
			text = "-.inf"
		case "NaN":
			text = ".nan"
		}
	}
	if at == n && n.Anchor == "" {
		n.Tag, n.Value = strTag, text
		return n
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: strTag, Value: text, Style: n.Style, Line: n.Line, Column: at.Column}
}

// scalar gives a scalar the tag and the text of its value.
func (r *reader) scalar(n *yaml.Node) {
	if n.Style&yaml.TaggedStyle == 0 && (n.Style != 0 || r.isBang(n)) {
		n.Tag = strTag
		return
	}
	tag := ""
	if n.Style&yaml.TaggedStyle != 0 {
		tag = n.Tag
	}
	switch tag {
	case "", strTag, boolTag, intTag, floatTag, nullTag, timestampTag:
	case binaryTag:
		data, err := base64.StdEncoding.DecodeString(n.Value)
		if err != nil {
			r.malformed("!!binary value contains invalid base64 data", r.line(n))
		}
		n.Tag, n.Value = strTag, string(data)
		return
	default: // a tag of the user's own
		n.Tag = strTag
		return
	}
	if tag == strTag {
		return
	}
	was := n.Value
	n.Tag, n.Value = resolve(n.Value)
	switch {
	case tag == "" || tag == n.Tag || tag == timestampTag && isTimestamp(was):
	case tag == floatTag && n.Tag == intTag && isInt64(n.Value):
		f, _ := strconv.ParseFloat(n.Value, 64)
		n.Tag, n.Value = floatTag, FormatFloat(f)
	default:
		r.malformed(fmt.Sprintf("cannot decode %s `%s` as a %s", n.Tag, was, tag), r.line(n))
	}
}
