// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wsmesh/wsmesh/internal/yamldoc"
)

// unknown reports a field that is none of known.
func (w *walker) unknown(name, in string, known func() []string) {
	hint := ""
	if !w.full() { // a hint takes its time
		hint = nameHint(name, known())
	}
	w.add(UnknownField, fmt.Sprintf("the field %s is not known in %s", quote(name), in), hint)
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

// wrongType reports a value of another type than the one that the field takes.
func (w *walker) wrongType(v value, want, hint string) {
	w.hasWrongType(describe(v)+" is not "+want, hint)
}

func (w *walker) hasWrongType(message, hint string) { w.add(WrongType, message, hint) }

// refusedByProtobuf reports what only protobuf knows to be wrong.
func (w *walker) refusedByProtobuf(why string) {
	w.add(RefusedByProtobuf, "protobuf refuses the value: "+why, "correct the value")
}

func (w *walker) unknownName(name string, ed protoreflect.EnumDescriptor) {
	hint := ""
	if !w.full() {
		hint = valueHint(ed)
		if n := nearest(name, valueNames(ed)); n != "" {
			hint = fmt.Sprintf("did you mean %s? %s", n, hint)
		}
	}
	w.add(UnknownValue, fmt.Sprintf("%s is not a value of %s", quote(name), ed.FullName()), hint)
}

func (w *walker) outOfRange(v value, kind protoreflect.Kind) {
	hint := "write a number in this range"
	if !isFloat(kind) {
		hint += ", in digits only"
	}
	w.add(OutOfRange, fmt.Sprintf("%s is not %s", describe(v), rangeOf(kind)), hint)
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

func (w *walker) malformed(v value, what, hint string) {
	w.add(BadText, fmt.Sprintf("%s is not a %s", describe(v), what), hint)
}

func (w *walker) both(name, first string) {
	w.add(OneofTwice, fmt.Sprintf("%s is set together with %s", name, first),
		fmt.Sprintf("set only one of %s and %s", first, name))
}

func (w *walker) twice(name, first string) {
	w.add(SpeltTwice, fmt.Sprintf("%s and %s are two spellings of one field", first, name), "remove one of them")
}

func (w *walker) badAny(message, hint string) {
	w.add(NoType, message, hint)
}

func (w *walker) unknownType(url string) {
	hint := "correct the name: it is the full name of an Envoy message, as its documentation gives it, after \"type.googleapis.com/\""
	switch name := url[strings.LastIndexByte(url, '/')+1:]; {
	case strings.Contains(name, ".v2.") || strings.Contains(name, ".v2alpha."):
		hint = "Envoy dropped its v2 API in release 1.18: give the v3 type"
	case strings.HasPrefix(name, "envoy.config.listener.v3.") && strings.HasSuffix(name, "ListenerManager"):
		hint = "Envoy moved its listener managers in release 1.39, and istiod follows in 1.31: give the type of the same name in envoy.config.bootstrap.v3"
	case strings.HasSuffix(name[:max(0, strings.LastIndexByte(name, '.'))], ".v3alpha"):
		hint += "; this library does not know the types of Envoy's contrib extensions, of which this may be one"
	}
	w.add(UnknownType, fmt.Sprintf("the type %s is not known", quote(url)), hint)
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
func describe(v value) string {
	switch v.kind() {
	case yamldoc.Bool:
		if name := strconv.FormatBool(v.isTrue()); v.text() != name {
			return fmt.Sprintf("%s, which is %s in YAML,", v.text(), name)
		}
		return v.text()
	case yamldoc.String:
		return "the string " + quote(v.text())
	case yamldoc.Number:
		return "the number " + cut(v.text())
	case yamldoc.Map:
		return "an object"
	case yamldoc.List:
		return "a list"
	case yamldoc.Null:
	}
	return "null"
}

// found is as describe, for a field that must be there.
func found(v value) string {
	if isNull(v) {
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
	var names []string
	for i := range ed.Values().Len() {
		// Istio's enums begin with an INVALID that nobody may write.
		if name := string(ed.Values().Get(i).Name()); name != "INVALID" {
			names = append(names, name)
		}
	}
	return names
}

// nearest returns the one of names that differs least from name, where it is near enough to be a slip, else "".
func nearest(name string, names []string) string {
	if len(name) > 63 {
		return ""
	}
	best, least := "", min(3+len(name)/16, 2+len(name)/5)
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
