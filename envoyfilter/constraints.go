// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Envoy checks what it loads against the rules in its .proto files (protoc-gen-validate). istiod does not: a value that
// breaks one is admitted, and then every proxy that gets it refuses the whole listener, cluster or route configuration.
//
// For a message with the role whole all rules hold. For one that is merged the rules of the fields that it sets
// hold all the same, because they come out of the merge as they are; the rules of fields that it does not set, such
// as a required one, are for the message that it is merged into. Each message is asked for the rules of its own
// fields only, since its child may have another role.

// constraints reports the rules that m's own fields break.
func (c checker) constraints(m protoreflect.Message, tree *structpb.Struct, as role) {
	if as == whole {
		for _, v := range envoyapi.Violations(m) {
			c.violation(m, tree, v)
		}
		return
	}
	fields := m.Descriptor().Fields()
	for name := range tree.GetFields() {
		fd := fieldByName(fields, name)
		if fd == nil || !m.Has(fd) {
			continue // "@type", or what the message merged into has
		}
		for _, v := range envoyapi.FieldViolations(m, fd) {
			// MERGE appends to the list that is there, which may make it long enough.
			if c.op != merge || !v.TooFew {
				c.violation(m, tree, v)
			}
		}
	}
}

func (c checker) violation(m protoreflect.Message, tree *structpb.Struct, v envoyapi.Violation) {
	fd := v.Field
	if fd == nil {
		var members []string
		for i := range v.Oneof.Fields().Len() {
			members = append(members, v.Oneof.Fields().Get(i).TextName())
		}
		c.broken(nil, "the choice of "+strings.Join(members, ", "), v.Reason)
		return
	}
	path, what := fieldpath.Path{fieldpath.Name(spelling(tree, fd))}, fd.TextName()
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

var BreaksEnvoyRule = finding.Rule{Code: "WS260", Severity: finding.SeverityError,
	Meaning: "A value must hold to the rules of Envoy's API, or the proxy refuses the configuration.",
	Source:  "envoyproxy/envoy api (protoc-gen-validate rules)"}

func (c checker) broken(below fieldpath.Path, what, reason string) {
	c.add(BreaksEnvoyRule, c.path.At(below...), fmt.Sprintf("%s breaks a rule of Envoy's API: %s", what, reason), "correct the value: Envoy refuses the configuration with it")
}

// describe returns a value ready to stand after its field's name, or "" for what is too large for that.
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
