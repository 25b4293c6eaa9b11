// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/wsmesh/wsmesh/internal/yamldoc"
)

// A value is what a message is decoded from: a node of a document, or the value of a google.protobuf.Struct that came
// from one.
type value interface {
	kind() yamldoc.Kind
	text() string // of a scalar, as in yamldoc.Node.Text
	isTrue() bool // of a Bool
	len() int
	item(i int) value
	line() int // 0 where it is not known
	// entries appends the entries of a Map in the order of their keys.
	entries(dst []entry) []entry
}

// An entry is an entry of a Map.
type entry struct {
	key   string
	line  int // of the key
	value value
}

// A node is a value of a document.
type node yamldoc.Node

func (n *node) node() *yamldoc.Node { return (*yamldoc.Node)(n) }

func (n *node) kind() yamldoc.Kind { return n.node().Type() }
func (n *node) text() string       { return n.node().Text() }
func (n *node) isTrue() bool       { return n.node().IsTrue() }
func (n *node) len() int           { return n.node().Len() }
func (n *node) item(i int) value   { return (*node)(n.node().Item(i)) }
func (n *node) line() int          { return n.Line }

func (n *node) entries(dst []entry) []entry {
	first := len(dst)
	for i := range n.len() {
		key, v := n.node().Entry(i)
		dst = append(dst, entry{key.Text(), key.Line, (*node)(v)})
	}
	return sorted(dst, first)
}

// sorted sorts the entries from first on.
func sorted(dst []entry, first int) []entry {
	slices.SortFunc(dst[first:], func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return dst
}

// A structValue is a value of a Struct.
type structValue structpb.Value

func (v *structValue) value() *structpb.Value { return (*structpb.Value)(v) }

func (v *structValue) kind() yamldoc.Kind {
	switch v.value().GetKind().(type) {
	case *structpb.Value_BoolValue:
		return yamldoc.Bool
	case *structpb.Value_NumberValue:
		return yamldoc.Number
	case *structpb.Value_StringValue:
		return yamldoc.String
	case *structpb.Value_ListValue:
		return yamldoc.List
	case *structpb.Value_StructValue:
		return yamldoc.Map
	}
	return yamldoc.Null
}

func (v *structValue) text() string {
	switch k := v.value().GetKind().(type) {
	case *structpb.Value_StringValue:
		return k.StringValue
	case *structpb.Value_NumberValue:
		return yamldoc.FormatFloat(k.NumberValue)
	}
	return strconv.FormatBool(v.isTrue())
}

func (v *structValue) isTrue() bool { return v.value().GetBoolValue() }
func (v *structValue) len() int     { return len(v.value().GetListValue().GetValues()) }
func (v *structValue) item(i int) value {
	return (*structValue)(v.value().GetListValue().GetValues()[i])
}
func (v *structValue) line() int { return 0 }

func (v *structValue) entries(dst []entry) []entry {
	first := len(dst)
	for key, v := range v.value().GetStructValue().GetFields() {
		dst = append(dst, entry{key, 0, (*structValue)(v)})
	}
	return sorted(dst, first)
}
