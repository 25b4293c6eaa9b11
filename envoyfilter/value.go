// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// maxDepth is how deep messages, lists and maps may be nested, counted from the document as internal/manifest does when it
// reads them. Envoy's own reader stops at 100 nested messages (protobuf's default), and a message that holds itself would
// never end.
const (
	maxDepth   = 100
	specDepth  = 1
	valueDepth = 5 // spec.configPatches[i].patch.value
)

// A writer writes a message as the google.protobuf.Struct that patch.value holds: the tree of the JSON that protojson writes
// with UseProtoNames. Writing and reading that JSON would take ten times as long.
//
// It reports what istiod could not read back: nil entries, invalid UTF-8, an Any that does not resolve, and unknown fields.
type writer struct {
	*report
	json bool // write field names in lowerCamelCase, as in the spec, and not as in the .proto files
}

// writer returns a writer that reports to r.
func (r *report) writer(json bool) writer {
	r.tooDeep = false
	return writer{report: r, json: json}
}

// An object is a google.protobuf.Value and the Struct in it, so that they are allocated at once.
type object struct {
	value  structpb.Value
	kind   structpb.Value_StructValue
	fields structpb.Struct
}

func newObject() *object {
	o := &object{}
	o.fields.Fields = map[string]*structpb.Value{}
	o.kind.StructValue = &o.fields
	o.value.Kind = &o.kind
	return o
}

func stringValue(s string) *structpb.Value {
	v := &struct {
		value structpb.Value
		kind  structpb.Value_StringValue
	}{}
	v.kind.StringValue = s
	v.value.Kind = &v.kind
	return &v.value
}

func boolValue(b bool) *structpb.Value {
	v := &struct {
		value structpb.Value
		kind  structpb.Value_BoolValue
	}{}
	v.kind.BoolValue = b
	v.value.Kind = &v.kind
	return &v.value
}

// message writes m as protobuf's JSON mapping does, in which the well-known types have forms of their own.
func (w writer) message(m protoreflect.Message, depth int) *structpb.Value {
	m = envoyapi.WellKnown(m)
	if !m.IsValid() {
		w.unwritable("the entry is nil", "remove it, or give it a value")
		return structpb.NewNullValue()
	}
	switch v := m.Interface().(type) {
	case *anypb.Any:
		return w.any(v, depth)
	case *durationpb.Duration:
		return w.duration(v)
	case *timestamppb.Timestamp:
		if err := v.CheckValid(); err != nil {
			w.unwritable(fmt.Sprintf("%d seconds and %d nanoseconds are not a time from year 1 to year 9999", v.GetSeconds(), v.GetNanos()), "correct the time")
		}
		return stringValue(fraction(v.AsTime().Format("2006-01-02T15:04:05.000000000")) + "Z")
	case *fieldmaskpb.FieldMask:
		// protojson writes a mask as a string, and istiod's reader (golang/protobuf jsonpb) requires an object. No message
		// of Envoy has a mask.
		w.unwritable("a google.protobuf.FieldMask has no form that istiod reads", "leave it out")
		return structpb.NewNullValue()
	case *structpb.Struct:
		return &w.structure(v, depth).value
	case *structpb.ListValue:
		return w.listValue(v, depth)
	case *structpb.Value:
		return w.value(v, depth)
	case *wrapperspb.BoolValue, *wrapperspb.StringValue, *wrapperspb.BytesValue,
		*wrapperspb.Int32Value, *wrapperspb.Int64Value, *wrapperspb.UInt32Value, *wrapperspb.UInt64Value,
		*wrapperspb.FloatValue, *wrapperspb.DoubleValue:
		fd := m.Descriptor().Fields().ByNumber(1)
		return w.single(m.Get(fd), fd, depth)
	}
	return &w.object(m, "", depth).value
}

// object writes the fields of m, and "@type" if url is not "".
func (w writer) object(m protoreflect.Message, url string, depth int) *object {
	o := newObject()
	if w.stop(depth) {
		return o
	}
	if url != "" {
		o.fields.Fields["@type"] = stringValue(url)
	}
	if len(m.GetUnknown()) > 0 {
		w.unwritable(fmt.Sprintf("the %s holds fields that its Go type does not know", m.Descriptor().FullName()),
			"build it with the version of go-control-plane that this module is built with")
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := fd.TextName()
		if w.json {
			name = fd.JSONName()
		}
		w.enter(name)
		o.fields.Fields[name] = w.fieldValue(fd, v, depth+1)
		w.leave()
		return true
	})
	return o
}

func (w writer) fieldValue(fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) *structpb.Value {
	switch {
	case fd.IsList():
		list := v.List()
		values := make([]*structpb.Value, list.Len())
		for i := range values {
			w.enterItem(i)
			values[i] = w.single(list.Get(i), fd, depth+1)
			w.leave()
		}
		return structpb.NewListValue(&structpb.ListValue{Values: values})
	case fd.IsMap():
		o, start := newObject(), w.mark()
		key, value := fd.MapKey(), fd.MapValue()
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			w.enter(k.String())
			if key.Kind() == protoreflect.StringKind {
				w.text(k.String())
			}
			o.fields.Fields[k.String()] = w.single(v, value, depth+1)
			w.leave()
			return true
		})
		w.sort(start)
		return &o.value
	}
	return w.single(v, fd, depth)
}

// single writes the value of a field, or one entry of its list or map.
func (w writer) single(v protoreflect.Value, fd protoreflect.FieldDescriptor, depth int) *structpb.Value {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return w.message(v.Message(), depth)
	case protoreflect.BoolKind:
		return boolValue(v.Bool())
	case protoreflect.StringKind:
		w.text(v.String())
		return stringValue(v.String())
	case protoreflect.BytesKind:
		return stringValue(base64.StdEncoding.EncodeToString(v.Bytes()))
	case protoreflect.EnumKind:
		if fd.Enum().FullName() == "google.protobuf.NullValue" {
			return structpb.NewNullValue()
		}
		if value := fd.Enum().Values().ByNumber(v.Enum()); value != nil {
			return stringValue(string(value.Name()))
		}
		return structpb.NewNumberValue(float64(v.Enum()))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return stringValue(strconv.FormatInt(v.Int(), 10))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return stringValue(strconv.FormatUint(v.Uint(), 10))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return structpb.NewNumberValue(float64(v.Int()))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return structpb.NewNumberValue(float64(v.Uint()))
	case protoreflect.FloatKind:
		return floatValue(v.Float(), 32)
	}
	return floatValue(v.Float(), 64)
}

// floatValue writes a float of 32 or 64 bits as the shortest text that stands for it, so that 0.1 of 32 bits does not become
// 0.10000000149011612.
func floatValue(f float64, bits int) *structpb.Value {
	switch {
	case math.IsNaN(f):
		return stringValue("NaN")
	case math.IsInf(f, 0):
		return stringValue(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, bits), "+") + "inity")
	}
	if bits == 32 {
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64) // the text of a float has no error
	}
	return structpb.NewNumberValue(f)
}

// any writes the message in an Any and its "@type".
func (w writer) any(a *anypb.Any, depth int) *structpb.Value {
	m, err := unpack(a)
	if err != nil {
		w.unwritable(err.Error(), "pack a message whose Go type is generated from Envoy's v3 API, for example with anypb.New")
		return structpb.NewNullValue()
	}
	if !envoyapi.HasOwnForm(m.Descriptor()) {
		return &w.object(m, a.GetTypeUrl(), depth).value
	}
	o := newObject()
	o.fields.Fields["@type"] = stringValue(a.GetTypeUrl())
	w.enter("value")
	if !w.stop(depth) {
		o.fields.Fields["value"] = w.message(m, depth+1)
	}
	w.leave()
	return &o.value
}

// unpack returns the message in an Any.
func unpack(a *anypb.Any) (protoreflect.Message, error) {
	mt, err := envoyapi.Types.FindMessageByURL(a.GetTypeUrl())
	if err != nil {
		return nil, fmt.Errorf("the type %s of the Any is not known", quote(a.GetTypeUrl()))
	}
	m := mt.New()
	if err := proto.Unmarshal(a.GetValue(), m.Interface()); err != nil {
		return nil, fmt.Errorf("the bytes in the Any are no %s", mt.Descriptor().FullName())
	}
	return m, nil
}

// typeURL returns the "@type" of a message.
func typeURL(name protoreflect.FullName) string { return "type.googleapis.com/" + string(name) }

// maxSeconds is the number of whole seconds in the longest time.Duration, less one for the nanoseconds.
const maxSeconds = math.MaxInt64/1_000_000_000 - 1

// duration writes seconds with as many digits as protojson does. Istiod reads them with time.ParseDuration, which refuses
// more than 292 years.
func (w writer) duration(d *durationpb.Duration) *structpb.Value {
	if d.CheckValid() != nil || d.GetSeconds() > maxSeconds || d.GetSeconds() < -maxSeconds {
		w.unwritable(fmt.Sprintf("%d seconds and %d nanoseconds are not a duration of less than 292 years", d.GetSeconds(), d.GetNanos()), "correct the duration")
		return structpb.NewNullValue()
	}
	text := fmt.Sprintf("%d.%09d", d.GetSeconds(), max(d.GetNanos(), -d.GetNanos()))
	if d.GetSeconds() == 0 && d.GetNanos() < 0 {
		text = "-" + text
	}
	return stringValue(fraction(text) + "s")
}

// fraction cuts the nanoseconds at the end of text to 9, 6, 3 or no digits, as protojson does.
func fraction(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(text, "000"), "000"), ".000")
}

// structure copies a Struct, and reports what JSON cannot express.
func (w writer) structure(s *structpb.Struct, depth int) *object {
	o := newObject()
	if w.stop(depth) {
		return o
	}
	for _, key := range slices.Sorted(maps.Keys(s.GetFields())) {
		w.enter(key)
		w.text(key)
		o.fields.Fields[key] = w.value(s.GetFields()[key], depth+1)
		w.leave()
	}
	return o
}

func (w writer) listValue(l *structpb.ListValue, depth int) *structpb.Value {
	values := make([]*structpb.Value, len(l.GetValues()))
	for i, v := range l.GetValues() {
		w.enterItem(i)
		values[i] = w.value(v, depth+1)
		w.leave()
	}
	return structpb.NewListValue(&structpb.ListValue{Values: values})
}

func (w writer) value(v *structpb.Value, depth int) *structpb.Value {
	if w.stop(depth) {
		return structpb.NewNullValue()
	}
	switch k := v.GetKind().(type) {
	case *structpb.Value_NullValue:
		return structpb.NewNullValue()
	case *structpb.Value_NumberValue:
		if math.IsNaN(k.NumberValue) || math.IsInf(k.NumberValue, 0) {
			w.unwritable(fmt.Sprintf("%v is no number of JSON", k.NumberValue), "give a finite number")
		}
		return structpb.NewNumberValue(k.NumberValue)
	case *structpb.Value_StringValue:
		w.text(k.StringValue)
		return stringValue(k.StringValue)
	case *structpb.Value_BoolValue:
		return boolValue(k.BoolValue)
	case *structpb.Value_StructValue:
		return &w.structure(k.StructValue, depth).value
	case *structpb.Value_ListValue:
		return w.listValue(k.ListValue, depth)
	}
	w.unwritable("the google.protobuf.Value is empty", "give it a kind, for example with structpb.NewNullValue")
	return structpb.NewNullValue()
}

// text reports a string that is not valid UTF-8: neither JSON nor protobuf can carry it.
func (w writer) text(s string) {
	if !utf8.ValidString(s) {
		w.unwritable(quote(s)+" is not valid UTF-8", "write the text in UTF-8")
	}
}

// stop reports whether depth is more than maxDepth, or was before. The first time it adds a finding.
func (w writer) stop(depth int) bool {
	if depth > maxDepth && !w.tooDeep {
		w.tooDeep = true
		w.unwritable(fmt.Sprintf("the value is nested more than %d levels deep", maxDepth), "flatten the configuration")
	}
	return w.tooDeep
}

// UnwritableValue is rule WS240. A spec must have a form in JSON that istiod reads back.
var UnwritableValue = finding.Rule{Code: "WS240", Severity: finding.SeverityError,
	Meaning: "A spec must have a form in JSON that istiod reads back.",
	Source:  "protobuf.dev/programming-guides/json; golang/protobuf jsonpb/decode.go"}

func (w writer) unwritable(message, hint string) {
	w.add(UnwritableValue, w.at(), message, hint)
}
