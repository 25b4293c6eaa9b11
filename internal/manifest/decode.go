// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
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

// Bounds of what is read. Envoy's deepest configurations (matchers in matchers) stay far below maxDepth, and
// protojson's own limit of 10,000 would let a small document take a large stack.
const (
	maxDepth    = 100
	maxFindings = 1000
)

// Decode reads tree, as encoding/json gives it (map[string]any, []any, string, json.Number or float64, bool,
// nil), into the message. Each problem is a finding at its path below at; into is whole only where there is none,
// and empty else.
//
// The tree is walked along the message's descriptor, which finds every problem with its path, and then read by
// protojson. The walk is strict where the API server would repair or round silently: a null in a list or a map, and
// in the [CRD] dialect a whole number written as 8080.0 or 1e3, are refused. A null for any other field leaves the
// field unset, as the API server prunes it.
//
// The type of an Any is looked up in [envoyapi.Types].
//
// A duration is read as istiod reads it, by time.ParseDuration: "90s", "1m30s". The tree is the function's own from then
// on: durations in it are written in seconds.
func Decode(tree any, at string, dialect Dialect, into proto.Message) finding.List {
	w := walker{dialect: dialect, path: path{root: at}}
	w.decode(tree, into)
	return w.list()
}

func (w *walker) decode(tree any, into proto.Message) {
	proto.Reset(into)
	before := len(w.findings)
	tree = w.message(tree, into.ProtoReflect().Descriptor())
	if len(w.findings) > before || w.unlisted > 0 {
		return
	}
	data, err := json.Marshal(tree)
	if err == nil {
		err = protojson.UnmarshalOptions{Resolver: envoyapi.Types}.Unmarshal(data, into)
	}
	if err != nil {
		proto.Reset(into)
		w.refused(err)
	}
}

// A step leads from a value to one inside it.
type step struct {
	name  string // of a field, or a map's key
	key   bool   // name is a map's key, and written in brackets and quotes
	index int    // of a list's entry, where it is not negative
}

func field(name string) step { return step{name: name, index: -1} }
func entry(key string) step  { return step{name: key, key: true, index: -1} }
func item(i int) step        { return step{index: i} }

// A path is where in a tree a value stands. Its text is made only where there is a finding.
type path struct {
	root  string
	steps []step
}

func (p *path) push(s step) { p.steps = append(p.steps, s) }
func (p *path) pop()        { p.steps = p.steps[:len(p.steps)-1] }

func (p *path) String() string {
	text := []byte(p.root)
	for _, s := range p.steps {
		switch {
		case s.index >= 0:
			text = strconv.AppendInt(append(text, '['), int64(s.index), 10)
			text = append(text, ']')
		case s.key || !isFieldName(s.name):
			text = append(append(append(text, '['), quote(s.name)...), ']')
		default:
			if len(text) > 0 {
				text = append(text, '.')
			}
			text = append(text, s.name...)
		}
	}
	return string(text)
}

// isFieldName says whether name can stand after a dot in a path.
func isFieldName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return name != "" && len(name) <= 63
}

// A walker checks a tree against a message's descriptor.
type walker struct {
	dialect  Dialect
	path     path
	findings finding.List
	unlisted int // findings beyond maxFindings
}

// list returns the findings, with one that counts those which are not listed.
func (w *walker) list() finding.List {
	if w.unlisted > 0 {
		w.findings = append(w.findings, finding.New(finding.WS939, w.path.root,
			fmt.Sprintf("%d further problems are not listed", w.unlisted), "correct those that are listed first"))
	}
	return w.findings
}

func (w *walker) add(f finding.Finding) {
	if w.full() {
		w.unlisted++
	} else {
		w.findings = append(w.findings, f)
	}
}

// full says whether no further finding is to be listed.
func (w *walker) full() bool { return len(w.findings) == maxFindings }

// message checks a value that stands for a message, in the form that protobuf's JSON mapping gives the message.
func (w *walker) message(v any, md protoreflect.MessageDescriptor) any {
	if len(w.path.steps) > maxDepth {
		w.tooDeep()
		return v
	}
	switch md.FullName() {
	case "google.protobuf.Any":
		w.typed(v)
	case "google.protobuf.Struct":
		w.structure(v)
	case "google.protobuf.ListValue":
		w.listValue(v)
	case "google.protobuf.Value":
		w.value(v)
	case "google.protobuf.Duration":
		return w.duration(v)
	case "google.protobuf.Timestamp":
		w.text(v, &timestamppb.Timestamp{}, `write it as RFC 3339, for example "2006-01-02T15:04:05Z"`)
	case "google.protobuf.FieldMask":
		w.text(v, &fieldmaskpb.FieldMask{}, `write lowerCamelCase paths with commas between them, for example "user.displayName,photo"`)
	case "google.protobuf.Empty":
		w.plain(v, md)
	default:
		if envoyapi.HasOwnForm(md) { // a wrapper: its JSON form is that of its only field
			w.scalar(v, md.Fields().ByNumber(1))
		} else {
			w.plain(v, md)
		}
	}
	return v
}

// plain checks an object that stands for a message.
func (w *walker) plain(v any, md protoreflect.MessageDescriptor) {
	if obj, ok := w.object(v); ok {
		w.fields(obj, md, false)
	}
}

// fields checks the fields of a message. Where the message is inside an Any, inAny, its "@type" is passed over.
func (w *walker) fields(obj map[string]any, md protoreflect.MessageDescriptor, inAny bool) {
	for _, name := range sortedKeys(obj) {
		if inAny && name == "@type" {
			continue
		}
		w.path.push(field(name))
		if fd := w.fieldByName(name, md); fd == nil {
			w.unknown(name, string(md.FullName()), func() []string { return w.fieldNames(name, md) })
		} else {
			w.field(name, obj, fd)
		}
		w.path.pop()
	}
}

func (w *walker) fieldByName(name string, md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil || w.dialect == CRD {
		return fd
	}
	return md.Fields().ByTextName(name)
}

// field checks the field of obj that is spelt name.
func (w *walker) field(name string, obj map[string]any, fd protoreflect.FieldDescriptor) {
	v := obj[name]
	if w.dialect == ProtoJSON && name != fd.JSONName() {
		if _, again := obj[fd.JSONName()]; again {
			w.twice(name, fd.JSONName())
			return
		}
	}
	// protojson leaves a field unset at null. For a google.protobuf.Value, null is a value.
	if v == nil && !isNullable(fd) {
		return
	}
	if oneof := fd.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		for i := range oneof.Fields().Len() {
			// Of each two, the later one is reported.
			if other := w.spelling(obj, oneof.Fields().Get(i)); other != "" && other < name {
				w.both(name, other)
				return
			}
		}
	}
	switch {
	case fd.IsList():
		items, ok := w.items(v)
		if !ok {
			return
		}
		for i, v := range items {
			w.path.push(item(i))
			items[i] = w.single(v, fd)
			w.path.pop()
		}
	case fd.IsMap():
		entries, ok := w.object(v)
		if !ok {
			return
		}
		for _, key := range sortedKeys(entries) {
			w.path.push(entry(key))
			w.mapKey(key, fd.MapKey())
			entries[key] = w.single(entries[key], fd.MapValue())
			w.path.pop()
		}
	default:
		obj[name] = w.single(v, fd)
	}
}

// spelling returns how the field is spelt in obj, and "" where it is not set.
func (w *walker) spelling(obj map[string]any, fd protoreflect.FieldDescriptor) string {
	if obj[fd.JSONName()] != nil {
		return fd.JSONName()
	}
	if w.dialect == ProtoJSON && obj[fd.TextName()] != nil {
		return fd.TextName()
	}
	return ""
}

// isNullable says whether null is a value of the field and not its absence.
func isNullable(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Value"
}

// single checks one value of a field: the field's own, or an entry of its list or map. It returns the value as
// protojson reads it.
func (w *walker) single(v any, fd protoreflect.FieldDescriptor) any {
	if fd.Message() != nil {
		return w.message(v, fd.Message())
	}
	w.scalar(v, fd)
	return v
}

// typed checks an Any: an object whose "@type" says which message its other fields are of.
func (w *walker) typed(v any) {
	obj, ok := w.object(v)
	if !ok {
		return
	}
	url, ok := obj["@type"].(string)
	if !ok || url == "" {
		w.badAny(fmt.Sprintf(`the "@type" of this configuration is %s`, found(obj["@type"])), `give the type, for example "@type": `+
			`"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"`)
		return
	}
	mt, err := envoyapi.Types.FindMessageByURL(url)
	// The descriptors that every Go program links are proto2, with required fields that protojson does not ask for inside an
	// Any, and istiod does. No configuration of Envoy holds one.
	if err != nil || mt.Descriptor().ParentFile().Syntax() == protoreflect.Proto2 {
		w.path.push(field("@type"))
		w.unknownType(url)
		w.path.pop()
		return
	}
	md := mt.Descriptor()
	if !envoyapi.HasOwnForm(md) {
		w.fields(obj, md, true)
		return
	}
	if _, ok := obj["value"]; !ok && md.Name() != "Empty" {
		w.badAny(fmt.Sprintf("the value of %s is missing", quote(url)), `write it in the field "value" beside "@type"`)
	}
	for _, name := range sortedKeys(obj) {
		w.path.push(field(name))
		switch name {
		case "@type":
		case "value":
			obj[name] = w.message(obj[name], md)
		default:
			w.unknown(name, "a google.protobuf.Any of "+string(md.FullName()),
				func() []string { return []string{"@type", "value"} })
		}
		w.path.pop()
	}
}

func (w *walker) structure(v any) {
	obj, ok := w.object(v)
	if !ok {
		return
	}
	for _, key := range sortedKeys(obj) {
		w.path.push(field(key))
		w.utf8(key)
		w.value(obj[key])
		w.path.pop()
	}
}

func (w *walker) listValue(v any) {
	items, ok := w.items(v)
	if !ok {
		return
	}
	for i, v := range items {
		w.path.push(item(i))
		w.value(v)
		w.path.pop()
	}
}

// value checks what a google.protobuf.Value takes: any JSON.
func (w *walker) value(v any) {
	if len(w.path.steps) > maxDepth {
		w.tooDeep()
		return
	}
	switch v := v.(type) {
	case nil, bool:
	case string:
		w.utf8(v)
	case json.Number, float64:
		w.number(v, protoreflect.DoubleKind)
	case []any:
		w.listValue(v)
	default:
		w.structure(v)
	}
}

// duration checks a google.protobuf.Duration, and returns it in seconds. Istiod reads it with golang/protobuf's jsonpb
// and a CRD's rules with CEL, both by time.ParseDuration; Istio's own documentation writes "5m".
func (w *walker) duration(v any) any {
	const hint = `write it with its unit, for example "1.5s" or "1m30s"`
	s, ok := v.(string)
	if !ok {
		w.wrongType(v, "a string", hint)
		return v
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		w.malformed(v, "google.protobuf.Duration", hint)
		return v
	}
	return string(appendDuration(nil, durationpb.New(d)))
}

// text checks a string that protojson reads in a way of its own into m.
func (w *walker) text(v any, m proto.Message, hint string) {
	s, ok := v.(string)
	if !ok {
		w.wrongType(v, "a string", hint)
	} else if !reads(s, m) {
		w.malformed(v, string(m.ProtoReflect().Descriptor().FullName()), hint)
	}
}

// reads says whether protojson takes the value for m.
func reads(v any, m proto.Message) bool {
	data, err := json.Marshal(v)
	return err == nil && protojson.Unmarshal(data, m) == nil
}

// scalar checks a value of a field that is not a message.
func (w *walker) scalar(v any, fd protoreflect.FieldDescriptor) {
	switch kind := fd.Kind(); kind {
	case protoreflect.BoolKind:
		if _, ok := v.(bool); !ok {
			w.wrongType(v, "true or false", "write true or false, without quotes")
		}
	case protoreflect.StringKind:
		if s, ok := v.(string); ok {
			w.utf8(s)
		} else {
			w.wrongType(v, "a string", "put the value in quotes")
		}
	case protoreflect.BytesKind:
		w.text(v, &wrapperspb.BytesValue{}, "write the bytes in base64")
	case protoreflect.EnumKind:
		w.enum(v, fd)
	default:
		w.number(v, kind)
	}
}

// enum checks a value of an enum: one of its names, or in ProtoJSON any number, as protobuf keeps unknown ones.
func (w *walker) enum(v any, fd protoreflect.FieldDescriptor) {
	switch v := v.(type) {
	case string:
		if fd.Enum().Values().ByName(protoreflect.Name(v)) == nil {
			w.unknownName(v, fd.Enum())
		}
		return
	case json.Number, float64:
		if w.dialect == ProtoJSON {
			w.number(v, protoreflect.Int32Kind)
			return
		}
	}
	w.wrongType(v, "the name of an enum's value", valueHint(fd.Enum()))
}

// number checks a number of the given kind: a JSON number, and in ProtoJSON a string that holds one.
func (w *walker) number(v any, kind protoreflect.Kind) {
	want := "a whole number"
	if isFloat(kind) {
		want = "a number"
	}
	switch n := v.(type) {
	case json.Number:
		if !isJSONNumber(string(n)) {
			w.wrongType(v, want, "write "+want+", without quotes")
			return
		}
		// The API server keeps 8080.0 and 1e3 as they are written, and not all who read them as integers can.
		if w.dialect == CRD && !isFloat(kind) && strings.ContainsAny(string(n), ".eE") || !reads(n, numberMessage(kind)) {
			w.outOfRange(v, kind)
		}
	case float64:
		text := strconv.FormatFloat(n, 'f', -1, 64)
		if !isJSONNumber(text) || !reads(json.Number(text), numberMessage(kind)) {
			w.outOfRange(v, kind)
		}
	case string:
		switch _, err := strconv.ParseFloat(n, 64); {
		case w.dialect == CRD || errors.Is(err, strconv.ErrSyntax):
			w.wrongType(v, want, "write "+want+", without quotes")
		case !reads(n, numberMessage(kind)):
			w.outOfRange(v, kind)
		}
	default:
		w.wrongType(v, want, "write "+want+", without quotes")
	}
}

func isFloat(kind protoreflect.Kind) bool {
	return kind == protoreflect.FloatKind || kind == protoreflect.DoubleKind
}

// isJSONNumber says whether s is a number as JSON writes it; a json.Number is any string until it is marshalled.
func isJSONNumber(s string) bool {
	return s != "" && strings.Trim(s[:1]+s[len(s)-1:], "-0123456789") == "" && json.Valid([]byte(s))
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

// mapKey checks the key of a map, which JSON writes as a string whatever its type.
func (w *walker) mapKey(key string, fd protoreflect.FieldDescriptor) {
	switch kind := fd.Kind(); kind {
	case protoreflect.StringKind:
		w.utf8(key)
	case protoreflect.BoolKind:
		if key != "true" && key != "false" {
			w.wrongType(key, "true or false", "write true or false as the key")
		}
	default:
		if !isJSONNumber(key) {
			w.wrongType(key, "a whole number", "write a whole number as the key")
		} else if strings.ContainsAny(key, ".eE") || !reads(json.Number(key), numberMessage(kind)) {
			w.outOfRange(key, kind)
		}
	}
}

func (w *walker) object(v any) (map[string]any, bool) {
	obj, ok := v.(map[string]any)
	if !ok {
		w.wrongType(v, "an object", "write its fields below it, each as 'name: value'")
	}
	return obj, ok
}

func (w *walker) items(v any) ([]any, bool) {
	items, ok := v.([]any)
	if !ok {
		w.wrongType(v, "a list", "write each entry on a line of its own, with '- ' before it")
	}
	return items, ok
}

// utf8 checks that text is valid UTF-8, which protobuf's strings and JSON are.
func (w *walker) utf8(s string) {
	if !utf8.ValidString(s) {
		w.add(finding.New(finding.WS931, w.path.String(), quote(s)+" is not valid UTF-8", "save the text as UTF-8"))
	}
}

// unknown reports a field that is none of known.
func (w *walker) unknown(name, in string, known func() []string) {
	hint := ""
	if !w.full() { // a hint takes its time
		hint = nameHint(name, known())
	}
	w.add(finding.New(finding.WS920, w.path.String(), fmt.Sprintf("the field %s is not known in %s", quote(name), in), hint))
}

// fieldNames returns the names of the message's fields that can stand for name.
func (w *walker) fieldNames(name string, md protoreflect.MessageDescriptor) []string {
	if fd := md.Fields().ByTextName(name); fd != nil { // the CRD's other spelling
		return []string{fd.JSONName()}
	}
	names := make([]string, md.Fields().Len())
	for i := range names {
		fd := md.Fields().Get(i)
		// Values of EnvoyFilters are mostly written with proto field names, as in Envoy's documentation.
		if w.dialect == ProtoJSON && strings.ToLower(name) == name {
			names[i] = fd.TextName()
		} else {
			names[i] = fd.JSONName()
		}
	}
	return names
}

func (w *walker) wrongType(v any, want, hint string) {
	w.add(finding.New(finding.WS921, w.path.String(), fmt.Sprintf("%s is not %s", describe(v), want), hint))
}

func (w *walker) unknownName(name string, ed protoreflect.EnumDescriptor) {
	hint := ""
	if !w.full() {
		hint = valueHint(ed)
		if n := nearest(name, valueNames(ed)); n != "" {
			hint = fmt.Sprintf("did you mean %s? %s", n, hint)
		}
	}
	w.add(finding.New(finding.WS922, w.path.String(), fmt.Sprintf("%s is not a value of %s", quote(name), ed.FullName()), hint))
}

func (w *walker) outOfRange(v any, kind protoreflect.Kind) {
	hint := "write a number in this range"
	if !isFloat(kind) {
		hint += ", in digits only"
	}
	w.add(finding.New(finding.WS923, w.path.String(), fmt.Sprintf("%s is not %s", describe(v), rangeOf(kind)), hint))
}

// rangeOf says which numbers a kind takes.
func rangeOf(kind protoreflect.Kind) string {
	switch numberMessage(kind).(type) {
	case *wrapperspb.Int32Value:
		return "a whole number from -2147483648 to 2147483647"
	case *wrapperspb.Int64Value:
		return "a whole number from -9223372036854775808 to 9223372036854775807"
	case *wrapperspb.UInt32Value:
		return "a whole number from 0 to 4294967295"
	case *wrapperspb.UInt64Value:
		return "a whole number from 0 to 18446744073709551615"
	case *wrapperspb.FloatValue:
		return "a number that fits into 32 bits of floating point"
	}
	return "a number that fits into 64 bits of floating point"
}

func (w *walker) malformed(v any, what, hint string) {
	w.add(finding.New(finding.WS924, w.path.String(), fmt.Sprintf("%s is not a %s", describe(v), what), hint))
}

func (w *walker) both(name, first string) {
	w.add(finding.New(finding.WS925, w.path.String(), fmt.Sprintf("%s is set together with %s", name, first),
		fmt.Sprintf("set only one of %s and %s", first, name)))
}

func (w *walker) twice(name, first string) {
	w.add(finding.New(finding.WS926, w.path.String(), fmt.Sprintf("%s and %s are two spellings of one field", first, name), "remove one of them"))
}

func (w *walker) badAny(message, hint string) {
	w.add(finding.New(finding.WS927, w.path.String(), message, hint))
}

func (w *walker) unknownType(url string) {
	hint := "correct the name: it is the full name of an Envoy message, as its documentation gives it, after \"type.googleapis.com/\""
	name := url[strings.LastIndexByte(url, '/')+1:]
	switch {
	case strings.Contains(name, ".v2.") || strings.Contains(name, ".v2alpha."):
		hint = "Envoy dropped its v2 API in release 1.18: give the v3 type"
	case strings.HasPrefix(name, "envoy.config.listener.v3.") && strings.HasSuffix(name, "ListenerManager"):
		hint = "Envoy moved its listener managers in release 1.39, and istiod follows in 1.31: give the type of the same name in envoy.config.bootstrap.v3"
	}
	w.add(finding.New(finding.WS928, w.path.String(), fmt.Sprintf("the type %s is not known", quote(url)), hint))
}

func (w *walker) tooDeep() {
	w.add(finding.New(finding.WS929, w.path.String(), fmt.Sprintf("the value is nested more than %d levels deep", maxDepth), "flatten the configuration"))
}

// refused turns what protojson alone finds into a finding.
func (w *walker) refused(err error) {
	w.add(finding.New(finding.WS930, w.path.String(), "protobuf refuses the value: "+protoText(err), "correct the value"))
}

// protoText returns what an error of protobuf says. Its text has no-break spaces in some builds and not in others, and
// the position in a JSON text that the user has not seen.
func protoText(err error) string {
	text := strings.TrimSpace(strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto:"))
	if position, rest, ok := strings.Cut(text, "): "); ok && strings.Contains(position, "(line ") {
		return rest
	}
	return text
}

// describe names a value with its type, cut to a length that a message can hold.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return "the string " + quote(v)
	case json.Number:
		return "the number " + cut(string(v))
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return fmt.Sprintf("a value of the Go type %T", v)
}

// found is as describe, for a field that must be there.
func found(v any) string {
	if v == nil {
		return "missing"
	}
	return describe(v)
}

// quote returns s in quotes with its line breaks and control characters escaped, cut to a length that a message can hold.
func quote(s string) string { return strconv.Quote(cut(s)) }

// cut returns s, or its beginning and "…" where it is longer than any name of Kubernetes.
func cut(s string) string {
	const limit = 320
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// nameHint names the field that was probably meant, or else those that there are.
func nameHint(name string, known []string) string {
	switch n := nearest(name, known); {
	case n != "":
		return fmt.Sprintf("did you mean %s?", n)
	case len(known) == 0:
		return "remove it: there are no fields here"
	}
	return "the fields are " + some(known)
}

func valueHint(ed protoreflect.EnumDescriptor) string {
	return "The values are " + some(valueNames(ed))
}

// some lists names, up to a number that a hint can hold.
func some(names []string) string {
	const most = 12
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func valueNames(ed protoreflect.EnumDescriptor) []string {
	names := make([]string, ed.Values().Len())
	for i := range names {
		names[i] = string(ed.Values().Get(i).Name())
	}
	return names
}

// nearest returns the one of names that differs least from name, where it is near enough to be a slip, else "".
func nearest(name string, names []string) string {
	if len(name) > 63 {
		return ""
	}
	best, least := "", 2+len(name)/5
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance counts the bytes to insert, delete or replace to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
