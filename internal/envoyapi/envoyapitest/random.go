// SPDX-License-Identifier: Apache-2.0

// Package envoyapitest makes random messages of Envoy's API, for tests.
package envoyapitest

import (
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
)

// A Random makes messages from their descriptors.
type Random struct {
	*rand.Rand
	Types []protoreflect.MessageType // for the messages in Anys, those of Envoy's API and of package google.protobuf
}

// New returns a Random that gives the same messages for the same seed, of the types that the resolver finds.
func New(seed uint64, types envoyapi.Resolver) *Random {
	r := &Random{Rand: rand.New(rand.NewPCG(seed, 1))}
	for _, name := range append(types.Names(),
		"google.protobuf.BoolValue", "google.protobuf.BytesValue", "google.protobuf.DoubleValue", "google.protobuf.Duration", "google.protobuf.Empty",
		"google.protobuf.FloatValue", "google.protobuf.Int32Value", "google.protobuf.Int64Value", "google.protobuf.ListValue", "google.protobuf.StringValue",
		"google.protobuf.Struct", "google.protobuf.UInt32Value", "google.protobuf.UInt64Value", "google.protobuf.Value") {
		mt, err := types.FindMessageByName(name)
		if err != nil {
			panic(err)
		}
		r.Types = append(r.Types, mt)
	}
	return r
}

// Pick returns one of from.
func Pick[T any](r *Random, from ...T) T { return from[r.IntN(len(from))] }

// Message returns a message of the type with some fields set, fewer the deeper it is.
func (r *Random) Message(mt protoreflect.MessageType, depth int) protoreflect.Message {
	m := mt.New()
	r.Fill(m, depth)
	return m
}

// Fill sets some fields of m.
func (r *Random) Fill(m protoreflect.Message, depth int) {
	if known := envoyapi.WellKnown(m); known != m {
		r.Fill(known, depth)
		proto.Merge(m.Interface(), known.Interface())
		return
	}
	switch v := m.Interface().(type) {
	case *anypb.Any:
		mt := r.Types[r.IntN(len(r.Types))]
		if err := v.MarshalFrom(r.Message(mt, depth+1).Interface()); err != nil {
			panic(err)
		}
		return
	case *durationpb.Duration:
		proto.Merge(v, Pick(r, &durationpb.Duration{}, &durationpb.Duration{Seconds: 3600}, &durationpb.Duration{Seconds: -1, Nanos: -500_000_000},
			&durationpb.Duration{Nanos: -1000}, &durationpb.Duration{Seconds: 9223372035, Nanos: 999_999_999}, &durationpb.Duration{Nanos: 1}))
		return
	case *timestamppb.Timestamp:
		proto.Merge(v, Pick(r, &timestamppb.Timestamp{}, &timestamppb.Timestamp{Seconds: 1, Nanos: 5_000_000}, &timestamppb.Timestamp{Seconds: 253402300799, Nanos: 999_999_999}))
		return
	case *structpb.Struct, *structpb.Value, *structpb.ListValue:
		value, err := structpb.NewValue(Pick[any](r, nil, 1.5, "x", true, []any{nil, "é"}, map[string]any{"a": []any{map[string]any{"@type": "b"}}, "": 0}))
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
func (r *Random) value(fd protoreflect.FieldDescriptor, fresh protoreflect.Value, depth int) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		r.Fill(fresh.Message(), depth+1)
		return fresh
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(Pick(r, "", "a", "é \"\n", "x.y/z", "a-b"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(Pick(r, "", "a", "\xff\xfe", "abc")))
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(Pick(r, values.Get(r.IntN(values.Len())).Number(), values.Get(r.IntN(values.Len())).Number(), 12345))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(Pick(r, 0, 1, -1, math.MaxInt32, math.MinInt32, r.Int32N(100)))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(Pick(r, 0, 1, -1, math.MaxInt64, math.MinInt64, r.Int64N(100)))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(Pick(r, 0, 1, math.MaxUint32, 65536, r.Uint32N(100)))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(Pick(r, 0, 1, math.MaxUint64, r.Uint64N(100)))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(Pick(r, 0, 0.1, -1.5, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))))
	}
	return protoreflect.ValueOfFloat64(Pick(r, 0, 0.1, -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1), 1e21))
}
