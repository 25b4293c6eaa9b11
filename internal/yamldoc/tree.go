// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"encoding/json"

	yaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
)

// A Node is a value in the tree of a document, as kubectl reads it. Scalars are those of YAML 1.1, in which yes, 0x10 and
// 1_000 are no strings; merge keys are merged; aliases are replaced by what they stand for; keys are strings, and each
// stands once in its mapping.
//
// Line and Column say where the value begins in the text. They are counted from 1, columns in characters. A mapping in
// block style begins where its first key does. An [Index] finds the bytes.
type Node yaml.Node

// Kind is what a Node holds.
type Kind int

// The kinds of a Node.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Map
)

// The tags of the scalars in a tree.
const (
	nullTag  = "!!null"
	boolTag  = "!!bool"
	intTag   = "!!int"
	floatTag = "!!float"
	strTag   = "!!str"
)

// Type returns what the node holds.
func (n *Node) Type() Kind {
	switch n.Kind {
	case yaml.MappingNode:
		return Map
	case yaml.SequenceNode:
		return List
	}
	switch n.Tag {
	case nullTag:
		return Null
	case boolTag:
		return Bool
	case intTag, floatTag:
		return Number
	}
	return String
}

// Text returns a scalar as text: a string itself, a number as JSON writes it, so that 0x10 is "16", and a Bool or Null as
// it is written, which may be "on" or "~". A number that JSON does not have is "NaN", "+Inf" or "-Inf".
func (n *Node) Text() string { return n.Value }

// IsTrue reports whether a Bool is true.
func (n *Node) IsTrue() bool { return words[n.Value].value == "true" }

// Len returns the number of items of a List or of entries of a Map.
func (n *Node) Len() int {
	if n.Kind == yaml.MappingNode {
		return len(n.Content) / 2
	}
	return len(n.Content)
}

// Item returns item i of a List.
func (n *Node) Item(i int) *Node { return (*Node)(n.Content[i]) }

// Entry returns the key and the value of entry i of a Map, in the order of the text. Merged entries stand where the merge
// key does.
func (n *Node) Entry(i int) (key, value *Node) {
	return (*Node)(n.Content[2*i]), (*Node)(n.Content[2*i+1])
}

// Get returns the value of a key of a Map, and nil where there is none or n is no Map. The node may be nil.
func (n *Node) Get(key string) *Node {
	_, value := n.get(key)
	return value
}

func (n *Node) get(key string) (k, v *Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Entry(i / 2)
		}
	}
	return nil, nil
}

// At follows the path as far as it leads. It returns the last value on the way and its key, which is nil for the root and
// the items of a List, and how many steps of the path lead there.
func (n *Node) At(path fieldpath.Path) (key, value *Node, depth int) {
	for depth = 0; depth < len(path); depth++ {
		if name, ok := path[depth].Name(); ok {
			k, v := n.get(name)
			if v == nil {
				break
			}
			key, n = k, v
		} else if i, _ := path[depth].Index(); n.Kind == yaml.SequenceNode && i < len(n.Content) {
			key, n = nil, n.Item(i)
		} else {
			break
		}
	}
	return key, n, depth
}

// Interface returns the value and all that is in it as encoding/json does: map[string]any, []any, string, json.Number, bool and
// nil.
func (n *Node) Interface() any {
	switch n.Type() {
	case Map:
		m := make(map[string]any, n.Len())
		for i := range n.Len() {
			key, value := n.Entry(i)
			m[key.Value] = value.Interface()
		}
		return m
	case List:
		l := make([]any, n.Len())
		for i := range l {
			l[i] = n.Item(i).Interface()
		}
		return l
	case Null:
		return nil
	case Bool:
		return n.IsTrue()
	case Number:
		return json.Number(n.Value)
	case String:
	}
	return n.Value
}
