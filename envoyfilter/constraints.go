// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Envoy checks what it loads against the rules in its .proto files (protoc-gen-validate). Istiod does not: it admits a value
// that breaks one, and every proxy that gets the value refuses the whole listener, cluster or route configuration.
//
// To a message with the role whole all rules apply. To one that is merged only the rules of the fields that it sets apply,
// because these come out of the merge unchanged. The rules of other fields, such as required ones, are for the message that
// it is merged into. Only the fields of the message itself are checked at a time, because the messages in it may have
// another role.

// constraints reports the rules that the fields of m break.
func (c checker) constraints(m protoreflect.Message, fields []writtenField, as role) {
	if as == whole {
		for _, v := range envoyapi.Violations(m) {
			c.violation(m, fields, v)
		}
		return
	}
	for _, f := range fields {
		if !m.Has(f.fd) {
			continue // the message that m is merged into has the value
		}
		for _, v := range envoyapi.FieldViolations(m, f.fd) {
			// MERGE appends to a list, which may make it long enough.
			if c.op != opMerge || !v.TooFew {
				c.violation(m, fields, v)
			}
		}
	}
}

func (c checker) violation(m protoreflect.Message, fields []writtenField, v envoyapi.Violation) {
	fd := v.Field
	if fd == nil {
		var members []string
		for i := range v.Oneof.Fields().Len() {
			members = append(members, v.Oneof.Fields().Get(i).TextName())
		}
		c.broken(nil, "the choice of "+strings.Join(members, ", "), v.Reason)
		return
	}
	path, what := fieldpath.Path{fieldpath.Name(nameOf(fd, fields))}, fd.TextName()
	switch {
	case v.Index >= 0:
		path.Push(fieldpath.Index(v.Index))
		what += describe(fd, m.Get(fd).List().Get(v.Index))
	case v.Key.IsValid():
		path.Push(fieldpath.Name(v.Key.String()))
	case m.Has(fd) && !fd.IsList() && !fd.IsMap():
		what += describe(fd, m.Get(fd))
	}
	c.broken(path, what, v.Reason)
}

// BreaksEnvoyRule is rule WS260. A value must hold to the rules of Envoy's API, or the proxy refuses the
// configuration.
var BreaksEnvoyRule = finding.Rule{Code: "WS260", Severity: finding.SeverityError,
	Meaning: "A value must hold to the rules of Envoy's API, or the proxy refuses the configuration.",
	Source:  "envoyproxy/envoy api (protoc-gen-validate rules)"}

func (c checker) broken(below fieldpath.Path, what, reason string) {
	c.add(BreaksEnvoyRule, c.path.At(below...), fmt.Sprintf("%s breaks a rule of Envoy's API: %s", what, reason), "correct the value: Envoy refuses the configuration with it")
}

// describe returns a value with a space before it, to be written after the name of its field, or "" for a message.
func describe(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if fd.Message() != nil {
		switch v := envoyapi.WellKnown(v.Message()).Interface().(type) {
		case *durationpb.Duration:
			return " " + v.AsDuration().String()
		case *timestamppb.Timestamp:
			return " " + v.AsTime().String()
		case *anypb.Any:
			return " " + quote(v.GetTypeUrl())
		case *wrapperspb.UInt32Value, *wrapperspb.UInt64Value, *wrapperspb.Int32Value, *wrapperspb.Int64Value,
			*wrapperspb.DoubleValue, *wrapperspb.FloatValue, *wrapperspb.BoolValue, *wrapperspb.StringValue, *wrapperspb.BytesValue:
			value := v.ProtoReflect().Descriptor().Fields().ByNumber(1)
			return describe(value, v.ProtoReflect().Get(value))
		}
		return ""
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return " " + quote(v.String())
	case protoreflect.BytesKind:
		return fmt.Sprintf(" of %d bytes", len(v.Bytes()))
	case protoreflect.EnumKind:
		if value := fd.Enum().Values().ByNumber(v.Enum()); value != nil {
			return " " + string(value.Name())
		}
	}
	return " " + v.String()
}
