// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Envoy checks what it loads against the rules in its .proto files, which go-control-plane carries as ValidateAll
// (protoc-gen-validate). istiod does not: a value that breaks one is admitted, and then every proxy that gets it
// refuses the whole listener, cluster or route configuration.
//
// For a message with the role whole all rules hold. For one that is merged the rules of the fields that it sets
// hold all the same, because they come out of the merge as they are; the rules of fields that it does not set, such
// as a required one, are for the message that it is merged into. Each message is asked for the rules of its own
// fields only, since its child may have another role.

// violation is one error of ValidateAll.
type violation interface {
	Field() string  // the Go name of the field or oneof, with "[index]" or "[key]" for an entry
	Reason() string // the rule, as "value must be greater than 0s"
}

// embedded is the reason for which a message reports the violations of its child.
const embedded = "embedded message failed validation"

// constraints reports the rules that m's own fields break. It returns whether they are known to hold for m and for
// all that is in it.
func (c checker) constraints(m protoreflect.Message, tree *structpb.Struct, as role) bool {
	v, ok := m.Interface().(interface{ ValidateAll() error })
	if !ok || as != whole && !hasRules(m, tree) {
		return false
	}
	err := v.ValidateAll()
	if err == nil {
		return true
	}
	if all, ok := err.(interface{ AllErrors() []error }); ok {
		for _, err := range all.AllErrors() {
			if v, ok := err.(violation); ok && v.Reason() != embedded {
				c.violation(m, tree, as, v)
			}
		}
	}
	return false
}

// hasRules says whether m sets a field with rules of its own that can be broken. A field with a message has none,
// unless it is a list or map or of a well-known type: what rules there are on it ask for it to be set.
func hasRules(m protoreflect.Message, tree *structpb.Struct) bool {
	for name := range tree.GetFields() {
		fd := fieldByName(m.Descriptor().Fields(), name)
		if fd != nil && (fd.Message() == nil || fd.IsList() || fd.IsMap() || fd.Message().FullName().Parent() == "google.protobuf") {
			return true
		}
	}
	return false
}

func (c checker) violation(m protoreflect.Message, tree *structpb.Struct, as role, v violation) {
	name, index, isEntry := strings.Cut(strings.TrimSuffix(v.Field(), "]"), "[")
	fd, oneof := fieldByGoName(m, name)
	if as != whole {
		if fd == nil || !m.Has(fd) {
			return // a field, or a oneof, that the message merged into has
		}
		// MERGE appends to the list that is there, which may make it long enough.
		if c.op == merge && (strings.HasPrefix(v.Reason(), "value must contain at least") || strings.HasPrefix(v.Reason(), "value must contain exactly")) {
			return
		}
	}
	if fd == nil {
		c.broken("", "the choice of "+oneof, v.Reason())
		return
	}
	if fd.Enum() != nil && v.Reason() == "value must be one of the defined enum values" {
		return // reported for every enum, with or without that rule
	}
	path, what := step(spelling(tree, fd)), fd.TextName()
	switch {
	case isEntry && fd.IsList():
		path += "[" + index + "]"
		if i, err := strconv.Atoi(index); err == nil && i < m.Get(fd).List().Len() {
			what += describe(fd, m.Get(fd).List().Get(i))
		}
	case isEntry:
		path += entryStep(index)
	case m.Has(fd) && !fd.IsList() && !fd.IsMap():
		what += describe(fd, m.Get(fd))
	}
	c.broken(path, what, v.Reason())
}

func (c checker) broken(path, what, reason string) {
	c.add(finding.New("WS260", path, fmt.Sprintf("%s breaks a rule of Envoy's API: %s", what, reason), "correct the value: Envoy refuses the configuration with it"))
}

// fieldByGoName returns the field that protoc-gen-validate calls name. For a oneof it returns the member that is set,
// or none and the names of all of them.
func fieldByGoName(m protoreflect.Message, name string) (protoreflect.FieldDescriptor, string) {
	md := m.Descriptor()
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); isGoName(fd.Name(), name) {
			return fd, ""
		}
	}
	for i := range md.Oneofs().Len() {
		od := md.Oneofs().Get(i)
		if !isGoName(od.Name(), name) {
			continue
		}
		var members []string
		for j := range od.Fields().Len() {
			members = append(members, od.Fields().Get(j).TextName())
		}
		return m.WhichOneof(od), strings.Join(members, ", ")
	}
	return nil, name
}

// isGoName says whether goName is what protoc-gen-go makes of name, whichever rule it has for capitals and "_".
func isGoName(name protoreflect.Name, goName string) bool {
	return strings.EqualFold(strings.ReplaceAll(string(name), "_", ""), strings.ReplaceAll(goName, "_", ""))
}

// describe returns a value ready to stand after its field's name, or "" for what is too large for that.
func describe(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if fd.Message() != nil {
		switch v := v.Message().Interface().(type) {
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
