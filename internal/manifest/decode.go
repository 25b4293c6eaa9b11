// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Dialect is how a message is spelt in JSON.
type Dialect int

const (
	// CRD is what the Kubernetes API server takes by the CRD's schema: lowerCamelCase names only, enums by
	// name, integers as numbers.
	CRD Dialect = iota
	// ProtoJSON is what istiod takes in patch.value: either spelling of a name, numbers as strings too, and
	// every Any with a "@type" that resolves.
	ProtoJSON
)

// Bounds of what is read. Envoy's deepest configurations (matchers in matchers) stay far below maxDepth.
const (
	maxDepth    = 100
	maxFindings = 1000
)

// Decode reads a value of a document into the message. Each problem is a finding at its path below at, with its line; into
// is whole only where there is none, and else has what could be read: every field but those that the findings are about.
//
// It is strict where the API server would repair or round silently: a null in a list or a map, and in the [CRD] dialect a
// whole number that JSON writes as 8080.0 or 1e3, are refused. A null for any other field leaves the field unset, as the
// API server prunes it.
//
// The type of an Any is looked up in [envoyapi.Types]. A duration is read as istiod reads it, by time.ParseDuration:
// "90s", "1m30s".
func Decode(n *yamldoc.Node, at fieldpath.Path, dialect Dialect, into proto.Message) finding.List {
	w := walker{dialect: dialect, path: slices.Clone(at), base: len(at), line: n.Line}
	w.decode((*node)(n), into)
	return w.list()
}

// DecodeStruct is Decode in the [ProtoJSON] dialect, of the google.protobuf.Struct that the value of a patch is. There are
// no lines then.
func DecodeStruct(s *structpb.Struct, at fieldpath.Path, into proto.Message) finding.List {
	w := walker{dialect: ProtoJSON, path: slices.Clone(at), base: len(at)}
	w.decode((*structValue)(structpb.NewStructValue(s)), into)
	return w.list()
}

func (w *walker) decode(v value, into proto.Message) {
	proto.Reset(into)
	w.message(v, into.ProtoReflect())
}

// A walker reads values into messages.
type walker struct {
	dialect Dialect
	path    fieldpath.Path
	base    int   // how long the path was at the beginning
	line    int   // of the value at the path, 0 where it is not known
	above   []int // the lines on the way to it

	stack    []entry // of the maps that are being read
	findings finding.List
	unlisted int  // findings beyond maxFindings
	refused  bool // there is a finding of another kind than that a field is not known
}

// push goes down to a field, an entry of a map or an item of a list. The line is 0 where it is not known.
func (w *walker) push(s fieldpath.Step, line int) {
	w.path.Push(s)
	w.above = append(w.above, w.line)
	if line > 0 {
		w.line = line
	}
}

func (w *walker) pop() {
	w.path.Pop()
	w.line = w.above[len(w.above)-1]
	w.above = w.above[:len(w.above)-1]
}

// list returns the findings, with one that counts those which are not listed.
func (w *walker) list() finding.List {
	if w.unlisted > 0 {
		w.findings = append(w.findings, tooMany("", w.unlisted))
	}
	return w.findings
}

func tooMany(object string, n int) finding.Finding {
	f := finding.New(TooManyProblems, "", fmt.Sprintf("%d further problems are not listed", n), "correct those that are listed first")
	f.Object = object
	return f
}

// add reports a finding of the rule at the place where the walk is.
func (w *walker) add(rule finding.Rule, message, hint string) {
	w.report(finding.New(rule, w.path.String(), message, hint))
}

// report reports a finding on the line where the walk is.
func (w *walker) report(f finding.Finding) {
	w.refused = w.refused || !finding.Is(f, UnknownField)
	if w.full() {
		w.unlisted++
		return
	}
	f.Line = w.line
	w.findings = append(w.findings, f)
}

// full reports whether no further finding is to be listed.
func (w *walker) full() bool { return len(w.findings) >= maxFindings }

// open returns the entries of a Map in the order of their keys, until close is called with them.
func (w *walker) open(v value) []entry {
	first := len(w.stack)
	w.stack = v.entries(w.stack)
	return w.stack[first:]
}

func (w *walker) close(entries []entry) { w.stack = w.stack[:len(w.stack)-len(entries)] }

// get returns the value of a key, nil where there is none.
func get(entries []entry, key string) value {
	i, ok := slices.BinarySearchFunc(entries, key, func(e entry, key string) int { return strings.Compare(e.key, key) })
	if !ok {
		return nil
	}
	return entries[i].value
}

// isNull reports whether there is no value, or null.
func isNull(v value) bool { return v == nil || v.kind() == yamldoc.Null }

// message reads a value into a message, in the form that protobuf's JSON mapping gives that. It reports whether the value
// has the type that the form asks for.
func (w *walker) message(v value, m protoreflect.Message) bool {
	if w.tooDeep() {
		return false
	}
	md := m.Descriptor()
	if !envoyapi.HasOwnForm(md) || md.Name() == "Empty" {
		return w.plain(v, m)
	}
	switch md.Name() {
	case "Any":
		return w.typed(v, m)
	case "Struct":
		fields, ok := w.structure(v)
		return ok && set(m, &structpb.Struct{Fields: fields})
	case "ListValue":
		values, ok := w.listValue(v)
		return ok && set(m, &structpb.ListValue{Values: values})
	case "Value":
		return set(m, w.value(v))
	case "Duration":
		return w.duration(v, m)
	case "Timestamp":
		return w.string(v, m, `write it as RFC 3339, for example "2006-01-02T15:04:05Z"`)
	case "FieldMask":
		return w.string(v, m, `write lowerCamelCase paths with commas between them, for example "user.displayName,photo"`)
	}
	// A wrapper, whose form is that of its only field.
	fd := md.Fields().ByNumber(1)
	x, ok := w.scalar(v, fd)
	if ok {
		m.Set(fd, x)
	}
	return ok
}

// set moves what is in known to m, an empty message of the same name that may be of package dynamicpb. It returns true.
func set(m protoreflect.Message, known proto.Message) bool {
	if from := known.ProtoReflect(); m.Type() == from.Type() {
		from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			m.Set(fd, v)
			return true
		})
		return true
	}
	data, err := proto.Marshal(known)
	return err == nil && proto.Unmarshal(data, m.Interface()) == nil
}

// plain reads an object that stands for a message.
func (w *walker) plain(v value, m protoreflect.Message) bool {
	if !w.isMap(v) {
		return false
	}
	entries := w.open(v)
	w.fields(entries, m, false)
	w.close(entries)
	return true
}

// fields reads the fields of a message. Where the message is inside an Any, inAny, its "@type" is passed over.
func (w *walker) fields(entries []entry, m protoreflect.Message, inAny bool) {
	md := m.Descriptor()
	for _, e := range entries {
		if inAny && e.key == "@type" {
			continue
		}
		w.push(fieldpath.Name(e.key), e.line)
		if fd := w.fieldByName(e.key, md); fd == nil {
			w.unknown(e.key, string(md.FullName()), func() []string { return w.fieldNames(e.key, md) })
		} else {
			w.field(e, entries, fd, m)
		}
		w.pop()
	}
}

func (w *walker) fieldByName(name string, md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil || w.dialect == CRD {
		return fd
	}
	return md.Fields().ByTextName(name)
}

// field reads the field of m that e is, one of the entries.
func (w *walker) field(e entry, entries []entry, fd protoreflect.FieldDescriptor, m protoreflect.Message) {
	if w.dialect == ProtoJSON && e.key != fd.JSONName() && get(entries, fd.JSONName()) != nil {
		w.twice(e.key, fd.JSONName())
		return
	}
	// protojson leaves a field unset at null. For a google.protobuf.Value, null is a value.
	if isNull(e.value) && !isNullable(fd) {
		return
	}
	if oneof := fd.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		for i := range oneof.Fields().Len() {
			// Of each two, the later one is reported.
			if other := w.spelling(entries, oneof.Fields().Get(i)); other != "" && other < e.key {
				w.both(e.key, other)
				return
			}
		}
	}
	switch {
	case fd.IsList():
		w.items(e.value, fd, m)
	case fd.IsMap():
		w.entries(e.value, fd, m)
	case fd.Message() != nil:
		if field := m.NewField(fd); w.message(e.value, field.Message()) {
			m.Set(fd, field)
		}
	default:
		if x, ok := w.scalar(e.value, fd); ok {
			m.Set(fd, x)
		}
	}
}

// items reads a repeated field of m.
func (w *walker) items(v value, fd protoreflect.FieldDescriptor, m protoreflect.Message) {
	if !w.isList(v) || v.len() == 0 {
		return
	}
	list := m.Mutable(fd).List()
	for i := range v.len() {
		w.push(fieldpath.Index(i), v.item(i).line())
		if fd.Message() == nil {
			if x, ok := w.scalar(v.item(i), fd); ok {
				list.Append(x)
			}
		} else {
			w.message(v.item(i), list.AppendMutable().Message()) // also one that is wrong, so that the others keep their index
		}
		w.pop()
	}
}

// entries reads a map field of m.
func (w *walker) entries(v value, fd protoreflect.FieldDescriptor, m protoreflect.Message) {
	if !w.isMap(v) {
		return
	}
	entries := w.open(v)
	for _, e := range entries {
		w.push(fieldpath.Name(e.key), e.line)
		w.entry(e, fd, m.Mutable(fd).Map())
		w.pop()
	}
	w.close(entries)
}

// entry reads one entry of a map field.
func (w *walker) entry(e entry, fd protoreflect.FieldDescriptor, into protoreflect.Map) {
	key, ok := w.mapKey(e.key, fd.MapKey())
	if ok && into.Has(key) {
		w.refusedByProtobuf("duplicate map key")
		ok = false
	}
	x := into.NewValue()
	if fd.MapValue().Message() != nil {
		w.message(e.value, x.Message())
	} else {
		var isGood bool
		x, isGood = w.scalar(e.value, fd.MapValue())
		ok = ok && isGood
	}
	if ok {
		into.Set(key, x)
	}
}

// spelling returns how the field is spelt among the entries, and "" where it is not set.
func (w *walker) spelling(entries []entry, fd protoreflect.FieldDescriptor) string {
	if !isNull(get(entries, fd.JSONName())) {
		return fd.JSONName()
	}
	if w.dialect == ProtoJSON && !isNull(get(entries, fd.TextName())) {
		return fd.TextName()
	}
	return ""
}

// isNullable reports whether null is a value of the field and not its absence.
func isNullable(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Value"
}

// typed reads an Any: an object whose "@type" says which message its other fields are of.
func (w *walker) typed(v value, m protoreflect.Message) bool {
	if !w.isMap(v) {
		return false
	}
	entries := w.open(v)
	defer w.close(entries)
	at := get(entries, "@type")
	if at == nil || at.kind() != yamldoc.String || at.text() == "" {
		w.badAny(fmt.Sprintf(`the "@type" of this configuration is %s`, found(at)), `give the type, for example "@type": `+
			`"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"`)
		return false
	}
	mt, err := envoyapi.Types.FindMessageByURL(at.text())
	// The descriptors that every Go program links are proto2, with required fields that protojson does not ask for inside an
	// Any, and istiod does. No configuration of Envoy holds one.
	if err != nil || mt.Descriptor().ParentFile().Syntax() == protoreflect.Proto2 {
		w.push(fieldpath.Name("@type"), at.line())
		w.unknownType(at.text())
		w.pop()
		return false
	}
	in := mt.New()
	if envoyapi.HasOwnForm(mt.Descriptor()) {
		w.ownForm(entries, at.text(), in)
	} else {
		w.fields(entries, in, true)
	}
	data, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(in.Interface())
	if err != nil {
		w.refusedByProtobuf(protoText(err))
		return false
	}
	if a, ok := m.Interface().(*anypb.Any); ok {
		a.TypeUrl, a.Value = at.text(), data
		return true
	}
	m.Set(m.Descriptor().Fields().ByNumber(1), protoreflect.ValueOfString(at.text()))
	m.Set(m.Descriptor().Fields().ByNumber(2), protoreflect.ValueOfBytes(data))
	return true
}

// ownForm reads the message of an Any that has a JSON form of its own, in the field "value".
func (w *walker) ownForm(entries []entry, url string, m protoreflect.Message) {
	md := m.Descriptor()
	if get(entries, "value") == nil && md.Name() != "Empty" {
		w.badAny(fmt.Sprintf("the value of %s is missing", quote(url)), `write it in the field "value" beside "@type"`)
	}
	for _, e := range entries {
		w.push(fieldpath.Name(e.key), e.line)
		switch e.key {
		case "@type":
		case "value":
			w.message(e.value, m)
		default:
			w.unknown(e.key, "a google.protobuf.Any of "+string(md.FullName()),
				func() []string { return []string{"@type", "value"} })
		}
		w.pop()
	}
}

// structure reads the fields of a google.protobuf.Struct.
func (w *walker) structure(v value) (map[string]*structpb.Value, bool) {
	if !w.isMap(v) {
		return nil, false
	}
	entries := w.open(v)
	fields := make(map[string]*structpb.Value, len(entries))
	for _, e := range entries {
		w.push(fieldpath.Name(e.key), e.line)
		w.utf8(e.key)
		fields[e.key] = w.value(e.value)
		w.pop()
	}
	w.close(entries)
	return fields, true
}

func (w *walker) listValue(v value) ([]*structpb.Value, bool) {
	if !w.isList(v) {
		return nil, false
	}
	values := make([]*structpb.Value, v.len())
	for i := range values {
		w.push(fieldpath.Index(i), v.item(i).line())
		values[i] = w.value(v.item(i))
		w.pop()
	}
	return values, true
}

// value reads what a google.protobuf.Value takes: any JSON.
func (w *walker) value(v value) *structpb.Value {
	if w.tooDeep() {
		return structpb.NewNullValue()
	}
	switch v.kind() {
	case yamldoc.Bool:
		return structpb.NewBoolValue(v.isTrue())
	case yamldoc.String:
		w.utf8(v.text())
		return structpb.NewStringValue(v.text())
	case yamldoc.Number:
		if x, ok := w.number(v, protoreflect.DoubleKind); ok {
			return structpb.NewNumberValue(x.Float())
		}
	case yamldoc.List:
		values, _ := w.listValue(v)
		return structpb.NewListValue(&structpb.ListValue{Values: values})
	case yamldoc.Map:
		fields, _ := w.structure(v)
		return structpb.NewStructValue(&structpb.Struct{Fields: fields})
	case yamldoc.Null:
	}
	return structpb.NewNullValue()
}

// duration reads a google.protobuf.Duration. Istiod reads it with golang/protobuf's jsonpb and a CRD's rules with CEL, both
// by time.ParseDuration; Istio's own documentation writes "5m".
func (w *walker) duration(v value, m protoreflect.Message) bool {
	const hint = `write it with its unit, for example "1.5s" or "1m30s"`
	if v.kind() != yamldoc.String {
		w.wrongType(v, "a string", hint)
		return false
	}
	d, err := time.ParseDuration(v.text())
	if err != nil {
		w.malformed(v, "google.protobuf.Duration", hint)
		return false
	}
	return set(m, durationpb.New(d))
}

// string reads a string that protojson reads in a way of its own into m.
func (w *walker) string(v value, m protoreflect.Message, hint string) bool {
	if v.kind() != yamldoc.String {
		w.wrongType(v, "a string", hint)
		return false
	}
	if !reads(jsonString(v.text()), m.Interface()) {
		w.malformed(v, string(m.Descriptor().FullName()), hint)
		return false
	}
	return true
}

// reads reports whether protojson takes the JSON text for m.
func reads(text string, m proto.Message) bool { return protojson.Unmarshal([]byte(text), m) == nil }

func jsonString(s string) string {
	text, _ := json.Marshal(s) // a string has no error
	return string(text)
}

// scalar reads a value of a field that is not a message.
func (w *walker) scalar(v value, fd protoreflect.FieldDescriptor) (x protoreflect.Value, ok bool) {
	switch kind := fd.Kind(); kind {
	case protoreflect.BoolKind:
		if v.kind() == yamldoc.Bool {
			return protoreflect.ValueOfBool(v.isTrue()), true
		}
		w.wrongType(v, "true or false", "write true or false, without quotes")
	case protoreflect.StringKind:
		if v.kind() == yamldoc.String {
			return protoreflect.ValueOfString(v.text()), w.utf8(v.text())
		}
		w.wrongType(v, "a string", "put the value in quotes")
	case protoreflect.BytesKind:
		m := &wrapperspb.BytesValue{}
		ok := w.string(v, m.ProtoReflect(), "write the bytes in base64")
		return protoreflect.ValueOfBytes(m.GetValue()), ok
	case protoreflect.EnumKind:
		return w.enum(v, fd)
	default:
		return w.number(v, kind)
	}
	return x, false
}

// enum reads a value of an enum: one of its names, or in ProtoJSON any number, as protobuf keeps unknown ones.
func (w *walker) enum(v value, fd protoreflect.FieldDescriptor) (x protoreflect.Value, ok bool) {
	switch {
	case v.kind() == yamldoc.String:
		if named := fd.Enum().Values().ByName(protoreflect.Name(v.text())); named != nil {
			return protoreflect.ValueOfEnum(named.Number()), true
		}
		w.unknownName(v.text(), fd.Enum())
	case v.kind() == yamldoc.Number && w.dialect == ProtoJSON:
		if x, ok = w.number(v, protoreflect.Int32Kind); ok {
			return protoreflect.ValueOfEnum(protoreflect.EnumNumber(x.Int())), true
		}
	default:
		w.wrongType(v, "the name of an enum's value", valueHint(fd.Enum()))
	}
	return x, false
}

// number reads a number of the given kind: a JSON number, and in ProtoJSON a string that holds one.
func (w *walker) number(v value, kind protoreflect.Kind) (x protoreflect.Value, ok bool) {
	want := "a whole number"
	if isFloat(kind) {
		want = "a number"
	}
	text := v.text()
	switch v.kind() {
	case yamldoc.Number:
		// The API server keeps 8080.0 and 1e3 as JSON has them, and not all who read them as integers can.
		if w.dialect != CRD || isFloat(kind) || !strings.ContainsAny(text, ".eE") {
			x, ok = parseNumber(text, kind)
		}
	case yamldoc.String:
		if _, err := strconv.ParseFloat(text, 64); w.dialect == CRD || errors.Is(err, strconv.ErrSyntax) {
			w.wrongType(v, want, "write "+want+", without quotes")
			return x, false
		}
		x, ok = readNumber(jsonString(text), kind)
	default:
		w.wrongType(v, want, "write "+want+", without quotes")
		return x, false
	}
	if !ok {
		w.outOfRange(v, kind)
	}
	return x, ok
}

func isFloat(kind protoreflect.Kind) bool {
	return kind == protoreflect.FloatKind || kind == protoreflect.DoubleKind
}

// parseNumber reads the text of a number.
func parseNumber(text string, kind protoreflect.Kind) (x protoreflect.Value, ok bool) {
	switch numberMessage(kind).(type) {
	case *wrapperspb.Int32Value:
		if n, err := strconv.ParseInt(text, 10, 32); err == nil {
			return protoreflect.ValueOfInt32(int32(n)), true
		}
	case *wrapperspb.UInt32Value:
		if n, err := strconv.ParseUint(text, 10, 32); err == nil {
			return protoreflect.ValueOfUint32(uint32(n)), true
		}
	}
	return readNumber(text, kind)
}

// readNumber reads a number as JSON writes it, or in quotes, in all forms that protojson takes.
func readNumber(text string, kind protoreflect.Kind) (x protoreflect.Value, ok bool) {
	m := numberMessage(kind)
	if !reads(text, m) {
		return x, false
	}
	return m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByNumber(1)), true
}

// numberMessage returns a message whose JSON form is one number of the kind.
func numberMessage(kind protoreflect.Kind) proto.Message {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return &wrapperspb.Int32Value{}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return &wrapperspb.Int64Value{}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return &wrapperspb.UInt32Value{}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return &wrapperspb.UInt64Value{}
	case protoreflect.FloatKind:
		return &wrapperspb.FloatValue{}
	}
	return &wrapperspb.DoubleValue{}
}

// mapKey reads the key of a map, which JSON writes as a string whatever its type.
func (w *walker) mapKey(key string, fd protoreflect.FieldDescriptor) (k protoreflect.MapKey, ok bool) {
	switch kind := fd.Kind(); kind {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(key).MapKey(), w.utf8(key)
	case protoreflect.BoolKind:
		if key == "true" || key == "false" {
			return protoreflect.ValueOfBool(key == "true").MapKey(), true
		}
		w.wrongType(keyValue(key), "true or false", "write true or false as the key")
	default:
		if !isJSONNumber(key) {
			w.wrongType(keyValue(key), "a whole number", "write a whole number as the key")
		} else if x, ok := parseNumber(key, kind); ok && !strings.ContainsAny(key, ".eE") {
			return x.MapKey(), true
		} else {
			w.outOfRange(keyValue(key), kind)
		}
	}
	return k, false
}

// keyValue returns a key as a value that a message can describe.
func keyValue(key string) value { return (*structValue)(structpb.NewStringValue(key)) }

// isJSONNumber reports whether s is a number as JSON writes it.
func isJSONNumber(s string) bool {
	return s != "" && strings.Trim(s[:1]+s[len(s)-1:], "-0123456789") == "" && json.Valid([]byte(s))
}

// isMap reports whether the value is an object, and says so where it is not.
func (w *walker) isMap(v value) bool {
	if v.kind() != yamldoc.Map {
		w.wrongType(v, "an object", "write its fields below it, each as 'name: value'")
		return false
	}
	return true
}

// isList reports whether the value is a list, and says so where it is not.
func (w *walker) isList(v value) bool {
	if v.kind() != yamldoc.List {
		w.wrongType(v, "a list", "write each entry on a line of its own, with '- ' before it")
		return false
	}
	return true
}

// utf8 checks that text is valid UTF-8, which protobuf's strings and JSON are.
func (w *walker) utf8(s string) bool {
	if !utf8.ValidString(s) {
		w.add(NotUTF8, quote(s)+" is not valid UTF-8", "save the text as UTF-8")
		return false
	}
	return true
}

// tooDeep reports whether the walk is too deep, and says so where it is.
func (w *walker) tooDeep() bool {
	if len(w.path)-w.base <= maxDepth {
		return false
	}
	w.add(TooDeep, fmt.Sprintf("the value is nested more than %d levels deep", maxDepth), "flatten the configuration")
	return true
}
