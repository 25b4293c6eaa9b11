// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
)

// AppendYAML appends the object to dst as one YAML document, without a "---" line before it, and returns the extended
// slice; on an error, nil. Name, labels and annotations are written as they are: see [Object.Validate].
//
// The bytes are those that sigs.k8s.io/yaml makes of [Object.MarshalJSON], so that a file looks the same whether this
// module or another tool of the Kubernetes world wrote it. The exception are strings that sigs.k8s.io/yaml does not
// read back as they were (with NEL, DEL, and more control characters): they are double-quoted with escapes. And where
// sigs.k8s.io/yaml leaves the order of some keys to chance ("12", "1a", "2"), it is fixed here.
//
// It is an error where there is no spec, where a list or map of it has a nil entry, where a string is not UTF-8 or a
// number not finite, and where values are nested deeper than [Decode] reads them.
func (o Object) AppendYAML(dst []byte) ([]byte, error) {
	if err := o.encodable(); err != nil {
		return nil, err
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.dst, e.err = dst, nil
	e.object(o)
	dst, err := e.dst, e.err
	e.dst = nil
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o, err)
	}
	return dst, nil
}

// encodable refuses an object without a spec.
func (o Object) encodable() error {
	if o.Spec == nil || !o.Spec.ProtoReflect().IsValid() {
		return fmt.Errorf("%s: spec: there is none", o)
	}
	return nil
}

// An encoder writes YAML. After the first error it goes into no further value.
type encoder struct {
	dst  []byte
	err  error
	path fieldpath.Path // to the mapping or sequence that is being written

	// Of the maps that are being written, those of the innermost last.
	keys    []string
	entries []mapEntry

	// Of the messages that are being written: the fields that are set, as add collects them. One function for all messages
	// costs less than one for each.
	fields []setField
	add    func(protoreflect.FieldDescriptor, protoreflect.Value) bool
}

type setField struct {
	fd    protoreflect.FieldDescriptor
	value protoreflect.Value
}

type mapEntry struct {
	key   string
	value protoreflect.Value
}

// The encoders that are not in use, for their memory.
var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.add = func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		e.fields = append(e.fields, setField{fd, v})
		return true
	}
	return e
}}

// A place is where a value is to be written: a key of a mapping or an entry of a sequence.
type place struct {
	fieldpath.Step
	column int  // where the key or the "- " stands
	padded bool // the line is written up to the column: "- " stands before it
}

// A level is a mapping or sequence that is being written.
type level struct {
	column int
	padded bool // the line is written up to the column of the next place
}

func (l *level) at(s fieldpath.Step) place {
	p := place{Step: s, column: l.column, padded: l.padded}
	l.padded = false
	return p
}

func (e *encoder) object(o Object) {
	var root level
	e.string(root.at(fieldpath.Name("apiVersion")), o.APIVersion)
	e.string(root.at(fieldpath.Name("kind")), o.Kind)

	metadata := e.openMapping(root.at(fieldpath.Name("metadata")))
	if len(o.Annotations) > 0 {
		e.stringMap(metadata.at(fieldpath.Name("annotations")), o.Annotations)
	}
	if len(o.Labels) > 0 {
		e.stringMap(metadata.at(fieldpath.Name("labels")), o.Labels)
	}
	e.string(metadata.at(fieldpath.Name("name")), o.Name)
	if o.Namespace != "" {
		e.string(metadata.at(fieldpath.Name("namespace")), o.Namespace)
	}
	e.close()

	e.message(root.at(fieldpath.Name("spec")), o.Spec.ProtoReflect())
}

// fail keeps the first error.
func (e *encoder) fail(at place, err error) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %w", e.path.At(at.Step), err)
	}
}

// begin writes what stands before the value at the place: its key, or "- ". It returns the column that the value's own
// places have if they begin on the same line, inline, and else that of the key.
func (e *encoder) begin(at place) (column int, inline bool) {
	if !at.padded {
		e.pad(at.column)
	}
	name, isKey := at.Name()
	switch {
	case !isKey:
		e.dst = append(e.dst, "- "...)
		return at.column + 2, true
	case isPlainKey(name):
		e.dst = append(append(e.dst, name...), ':')
		return at.column, false
	}
	text, inline := keyText(name, at.column)
	e.dst = append(e.dst, text...)
	if inline {
		return at.column + 2, true
	}
	return at.column, false
}

func (e *encoder) pad(n int) {
	for range n {
		e.dst = append(e.dst, ' ')
	}
}

// scalar writes a value that is one word.
func (e *encoder) scalar(at place, text string) {
	e.beginScalar(at)
	e.dst = append(append(e.dst, text...), '\n')
}

func (e *encoder) beginScalar(at place) {
	if _, inline := e.begin(at); !inline {
		e.dst = append(e.dst, ' ')
	}
}

// openMapping begins a mapping that has entries, which close ends.
func (e *encoder) openMapping(at place) level {
	column, inline := e.begin(at)
	e.path.Push(at.Step)
	if inline {
		return level{column: column, padded: true}
	}
	e.dst = append(e.dst, '\n')
	return level{column: column + 2}
}

// openSequence begins a sequence that has entries, which close ends. Below a key it is not indented.
func (e *encoder) openSequence(at place) level {
	column, inline := e.begin(at)
	e.path.Push(at.Step)
	if !inline {
		e.dst = append(e.dst, '\n')
	}
	return level{column: column, padded: inline}
}

func (e *encoder) close() { e.path.Pop() }

// string writes a string: as it is where that is plainly safe, and else as sigs.k8s.io/yaml writes it.
func (e *encoder) string(at place, s string) {
	switch {
	case isPlain(s):
		e.scalar(at, s)
	case quotedWord(s) != "":
		e.scalar(at, quotedWord(s))
	case !utf8.ValidString(s):
		e.fail(at, fmt.Errorf("%s is not valid UTF-8", quote(s)))
	default:
		text := foreignString(at.Step, s, at.column)
		if text == "" {
			e.beginScalar(at)
			e.dst = append(appendQuoted(e.dst, s), '\n')
			return
		}
		if at.padded {
			text = text[at.column:]
		}
		e.dst = append(e.dst, text...)
	}
}

// stringMap writes labels or annotations.
func (e *encoder) stringMap(at place, m map[string]string) {
	first := len(e.keys)
	for key := range m {
		e.keys = append(e.keys, key)
	}
	sortKeys(e.keys[first:])
	entries := e.openMapping(at)
	for i := first; i < first+len(m); i++ {
		at := entries.at(fieldpath.Name(e.keys[i]))
		if e.validKey(at) {
			e.string(at, m[e.keys[i]])
		}
	}
	e.close()
	e.keys = e.keys[:first]
}

func (e *encoder) validKey(at place) bool {
	if name, _ := at.Name(); !utf8.ValidString(name) {
		e.fail(at, errors.New("the key is not valid UTF-8"))
		return false
	}
	return true
}

// message writes a message in the form that protobuf's JSON mapping gives it.
func (e *encoder) message(at place, m protoreflect.Message) {
	switch {
	case e.err != nil:
		return
	case !m.IsValid():
		e.fail(at, errors.New("there is a nil entry"))
		return
	case len(e.path) > maxDepth:
		e.fail(at, errTooDeep)
		return
	case envoyapi.HasOwnForm(m.Descriptor()):
		e.wellKnown(at, m.Interface())
		return
	}
	first := len(e.fields)
	m.Range(e.add)
	last := len(e.fields)
	if first == last {
		e.scalar(at, "{}")
		return
	}
	slices.SortFunc(e.fields[first:], func(a, b setField) int { return compareKeys(a.fd.JSONName(), b.fd.JSONName()) })
	mapping := e.openMapping(at)
	for i := first; i < last; i++ {
		fd, v := e.fields[i].fd, e.fields[i].value
		at := mapping.at(fieldpath.Name(fd.JSONName()))
		switch {
		case fd.IsList():
			e.list(at, fd, v.List())
		case fd.IsMap():
			e.protoMap(at, fd.MapValue(), v.Map())
		default:
			e.single(at, fd, v)
		}
	}
	e.close()
	clear(e.fields[first:])
	e.fields = e.fields[:first]
}

var errTooDeep = fmt.Errorf("the values are nested more than %d levels deep", maxDepth)

func (e *encoder) list(at place, fd protoreflect.FieldDescriptor, list protoreflect.List) {
	items := e.openSequence(at)
	for i := range list.Len() {
		e.single(items.at(fieldpath.Index(i)), fd, list.Get(i))
	}
	e.close()
}

// protoMap writes a map whose values fd describes.
func (e *encoder) protoMap(at place, fd protoreflect.FieldDescriptor, m protoreflect.Map) {
	first := len(e.entries)
	m.Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
		e.entries = append(e.entries, mapEntry{key.String(), value})
		return true
	})
	// As in sortKeys.
	slices.SortFunc(e.entries[first:], func(a, b mapEntry) int { return strings.Compare(a.key, b.key) })
	slices.SortStableFunc(e.entries[first:], func(a, b mapEntry) int { return compareKeys(a.key, b.key) })
	mapping := e.openMapping(at)
	for i := first; i < first+m.Len(); i++ {
		at := mapping.at(fieldpath.Name(e.entries[i].key))
		if e.validKey(at) {
			e.single(at, fd, e.entries[i].value)
		}
	}
	e.close()
	clear(e.entries[first:])
	e.entries = e.entries[:first]
}

// single writes one value of a field: the field's own, or an entry of its list or map.
func (e *encoder) single(at place, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		e.message(at, v.Message())
	case protoreflect.StringKind:
		e.string(at, v.String())
	case protoreflect.BytesKind:
		e.string(at, base64.StdEncoding.EncodeToString(v.Bytes()))
	case protoreflect.BoolKind:
		e.bool(at, v.Bool())
	case protoreflect.EnumKind:
		e.enum(at, fd.Enum(), v.Enum())
	case protoreflect.FloatKind:
		e.float(at, v.Float(), 32)
	case protoreflect.DoubleKind:
		e.float(at, v.Float(), 64)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		e.uint(at, v.Uint())
	default:
		e.int(at, v.Int())
	}
}

func (e *encoder) bool(at place, b bool) { e.scalar(at, strconv.FormatBool(b)) }

// int and uint write a number also for the 64-bit kinds, for which protobuf's JSON mapping has a string: the CRDs take
// a number only (minimumRingSize of a DestinationRule).
func (e *encoder) int(at place, n int64) {
	e.beginScalar(at)
	e.dst = append(strconv.AppendInt(e.dst, n, 10), '\n')
}

func (e *encoder) uint(at place, n uint64) {
	e.beginScalar(at)
	e.dst = append(strconv.AppendUint(e.dst, n, 10), '\n')
}

// float writes a number as sigs.k8s.io/yaml does, which reads its JSON text first: as an integer where it can be one.
func (e *encoder) float(at place, f float64, bits int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.fail(at, fmt.Errorf("%v is no number that JSON can hold", f))
		return
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e21 { // in JSON without an exponent
		text := strconv.FormatFloat(f, 'f', -1, bits)
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			e.int(at, n)
			return
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			e.uint(at, n)
			return
		}
	}
	if bits == 32 {
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	}
	e.beginScalar(at)
	e.dst = append(strconv.AppendFloat(e.dst, f, 'g', -1, 64), '\n')
}

func (e *encoder) enum(at place, ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber) {
	if value := ed.Values().ByNumber(n); value != nil {
		e.string(at, string(value.Name()))
	} else {
		e.int(at, int64(n))
	}
}

// wellKnown writes a message that has a JSON form of its own.
func (e *encoder) wellKnown(at place, m proto.Message) {
	switch m := m.(type) {
	case *structpb.Struct:
		e.structure(at, m)
	case *structpb.ListValue:
		e.listValue(at, m)
	case *structpb.Value:
		e.value(at, m)
	case *durationpb.Duration:
		if err := m.CheckValid(); err != nil {
			e.fail(at, errors.New(protoText(err)))
			return
		}
		e.byProtojson(at, m)
	case *timestamppb.Timestamp, *fieldmaskpb.FieldMask, *anypb.Any, *emptypb.Empty:
		e.byProtojson(at, m)
	default: // a wrapper, whose form is that of its only field
		fd := m.ProtoReflect().Descriptor().Fields().ByNumber(1)
		e.single(at, fd, m.ProtoReflect().Get(fd))
	}
}

// byProtojson writes a message whose form takes more than one line of code.
func (e *encoder) byProtojson(at place, m proto.Message) {
	var v structpb.Value
	data, err := protojson.Marshal(m)
	if err == nil {
		err = protojson.Unmarshal(data, &v)
	}
	if err != nil {
		e.fail(at, errors.New(protoText(err)))
		return
	}
	e.value(at, &v)
}

func (e *encoder) structure(at place, s *structpb.Struct) {
	if len(s.GetFields()) == 0 {
		e.scalar(at, "{}")
		return
	}
	first := len(e.keys)
	for key := range s.GetFields() {
		e.keys = append(e.keys, key)
	}
	sortKeys(e.keys[first:])
	entries := e.openMapping(at)
	for i := first; i < first+len(s.GetFields()); i++ {
		at := entries.at(fieldpath.Name(e.keys[i]))
		if e.validKey(at) {
			e.value(at, s.GetFields()[e.keys[i]])
		}
	}
	e.close()
	e.keys = e.keys[:first]
}

func (e *encoder) listValue(at place, l *structpb.ListValue) {
	if len(l.GetValues()) == 0 {
		e.scalar(at, "[]")
		return
	}
	items := e.openSequence(at)
	for i, v := range l.GetValues() {
		e.value(items.at(fieldpath.Index(i)), v)
	}
	e.close()
}

func (e *encoder) value(at place, v *structpb.Value) {
	if len(e.path) > maxDepth {
		e.fail(at, errTooDeep)
	}
	if e.err != nil { // a value that holds itself twice would go on for ages
		return
	}
	switch v := v.GetKind().(type) {
	case *structpb.Value_NullValue:
		e.scalar(at, "null")
	case *structpb.Value_BoolValue:
		e.bool(at, v.BoolValue)
	case *structpb.Value_NumberValue:
		e.float(at, v.NumberValue, 64)
	case *structpb.Value_StringValue:
		e.string(at, v.StringValue)
	case *structpb.Value_StructValue:
		e.structure(at, v.StructValue)
	case *structpb.Value_ListValue:
		e.listValue(at, v.ListValue)
	default:
		e.fail(at, errors.New("there is a value of no kind"))
	}
}
