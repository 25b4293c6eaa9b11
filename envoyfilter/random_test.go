// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// random makes messages from their descriptors.
type random struct {
	*rand.Rand
	types []protoreflect.MessageType // for the messages in Anys
}

func newRandom(seed uint64) *random {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 1))}
	protoregistry.GlobalTypes.RangeMessages(func(mt protoreflect.MessageType) bool {
		name := string(mt.Descriptor().FullName())
		switch {
		case strings.HasPrefix(name, "envoy.") && strings.Contains(name, ".v3."):
			r.types = append(r.types, mt)
		case strings.HasPrefix(name, "google.protobuf.") && strings.HasSuffix(name, "Value"), name == "google.protobuf.Duration", name == "google.protobuf.Struct", name == "google.protobuf.Empty":
			r.types = append(r.types, mt)
		}
		return true
	})
	slices.SortFunc(r.types, func(a, b protoreflect.MessageType) int {
		return strings.Compare(string(a.Descriptor().FullName()), string(b.Descriptor().FullName()))
	})
	return r
}

func pick[T any](r *random, from ...T) T { return from[r.IntN(len(from))] }

// message returns a message of the type with some fields set, fewer the deeper it is.
func (r *random) message(mt protoreflect.MessageType, depth int) protoreflect.Message {
	m := mt.New()
	r.fill(m, depth)
	return m
}

func (r *random) fill(m protoreflect.Message, depth int) {
	switch v := m.Interface().(type) {
	case *anypb.Any:
		mt := r.types[r.IntN(len(r.types))]
		if err := v.MarshalFrom(r.message(mt, depth+1).Interface()); err != nil {
			panic(err)
		}
		return
	case *durationpb.Duration:
		proto.Merge(v, pick(r, &durationpb.Duration{}, &durationpb.Duration{Seconds: 3600}, &durationpb.Duration{Seconds: -1, Nanos: -500_000_000},
			&durationpb.Duration{Nanos: -1000}, &durationpb.Duration{Seconds: 9223372035, Nanos: 999_999_999}, &durationpb.Duration{Nanos: 1}))
		return
	case *timestamppb.Timestamp:
		proto.Merge(v, pick(r, &timestamppb.Timestamp{}, &timestamppb.Timestamp{Seconds: 1, Nanos: 5_000_000}, &timestamppb.Timestamp{Seconds: 253402300799, Nanos: 999_999_999}))
		return
	case *structpb.Struct, *structpb.Value, *structpb.ListValue:
		value, err := structpb.NewValue(pick[any](r, nil, 1.5, "x", true, []any{nil, "é"}, map[string]any{"a": []any{map[string]any{"@type": "b"}}, "": 0}))
		if err != nil {
			panic(err)
		}
		switch v := v.(type) {
		case *structpb.Struct:
			v.Fields = map[string]*structpb.Value{"k": value}
		case *structpb.ListValue:
			v.Values = []*structpb.Value{value, value}
		case *structpb.Value:
			v.Kind = value.GetKind()
		}
		return
	}
	fields := m.Descriptor().Fields()
	if fields.Len() == 0 {
		return
	}
	for range r.IntN(6) {
		fd := fields.Get(r.IntN(fields.Len()))
		if fd.Message() != nil && depth > 5 {
			continue
		}
		switch {
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range 1 + r.IntN(2) {
				list.Append(r.value(fd, list.NewElement(), depth))
			}
		case fd.IsMap():
			entries := m.Mutable(fd).Map()
			for range 1 + r.IntN(2) {
				entries.Set(r.value(fd.MapKey(), protoreflect.Value{}, depth).MapKey(), r.value(fd.MapValue(), entries.NewValue(), depth))
			}
		default:
			m.Set(fd, r.value(fd, m.NewField(fd), depth))
		}
	}
}

// value returns a value for the field, or for an entry of its list or map. Where it is a message, it is fresh.
func (r *random) value(fd protoreflect.FieldDescriptor, fresh protoreflect.Value, depth int) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		r.fill(fresh.Message(), depth+1)
		return fresh
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(pick(r, "", "a", "é \"\n", "x.y/z", "a-b"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(pick(r, "", "a", "\xff\xfe", "abc")))
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(pick(r, values.Get(r.IntN(values.Len())).Number(), values.Get(r.IntN(values.Len())).Number(), 12345))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(pick(r, 0, 1, -1, math.MaxInt32, math.MinInt32, r.Int32N(100)))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(pick(r, 0, 1, -1, math.MaxInt64, math.MinInt64, r.Int64N(100)))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(pick(r, 0, 1, math.MaxUint32, 65536, r.Uint32N(100)))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(pick(r, 0, 1, math.MaxUint64, r.Uint64N(100)))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(pick(r, 0, 0.1, -1.5, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))))
	}
	return protoreflect.ValueOfFloat64(pick(r, 0, 0.1, -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1), 1e21))
}
