// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
)

// MarshalJSON returns the object as compact JSON with sorted keys and with '<', '>' and '&' as they are. The same object
// gives the same bytes in every build. The spec is in the form that the CRDs take, which is that of protobuf's JSON
// mapping but for 64-bit integers: they are numbers. It fails where [Object.AppendYAML] does.
func (o Object) MarshalJSON() ([]byte, error) {
	// One place decides what can be written, and none of what follows can fail after it.
	if _, err := o.AppendYAML(nil); err != nil {
		return nil, err
	}
	meta := map[string]any{"name": o.Name}
	if o.Namespace != "" {
		meta["namespace"] = o.Namespace
	}
	if len(o.Labels) > 0 {
		meta["labels"] = o.Labels
	}
	if len(o.Annotations) > 0 {
		meta["annotations"] = o.Annotations
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]any{
		"apiVersion": o.APIVersion,
		"kind":       o.Kind,
		"metadata":   meta,
		"spec":       jsonMessage(o.Spec.ProtoReflect()),
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", o, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// jsonMessage returns a message as a tree that encoding/json writes.
func jsonMessage(m protoreflect.Message) any {
	if envoyapi.HasOwnForm(m.Descriptor()) {
		return jsonOwnForm(m)
	}
	obj := map[string]any{}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList():
			items := make([]any, v.List().Len())
			for i := range items {
				items[i] = jsonSingle(fd, v.List().Get(i))
			}
			obj[fd.JSONName()] = items
		case fd.IsMap():
			entries := map[string]any{}
			v.Map().Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
				entries[key.String()] = jsonSingle(fd.MapValue(), v)
				return true
			})
			obj[fd.JSONName()] = entries
		default:
			obj[fd.JSONName()] = jsonSingle(fd, v)
		}
		return true
	})
	return obj
}

func jsonSingle(fd protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return jsonMessage(v.Message())
	case protoreflect.EnumKind:
		if value := fd.Enum().Values().ByNumber(v.Enum()); value != nil {
			return value.Name()
		}
		return v.Enum()
	}
	return v.Interface() // encoding/json writes bytes in base64, as protobuf's JSON mapping does
}

// jsonOwnForm reads back what protojson writes, which has spaces in some builds and not in others.
func jsonOwnForm(m protoreflect.Message) any {
	switch m := m.Interface().(type) {
	case *wrapperspb.Int64Value:
		return m.GetValue()
	case *wrapperspb.UInt64Value:
		return m.GetValue()
	}
	data, _ := protojson.Marshal(m.Interface())
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var tree any
	_ = decoder.Decode(&tree) // it is JSON
	return tree
}
