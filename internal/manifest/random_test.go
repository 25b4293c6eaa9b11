// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"math/rand/v2"
	"strings"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	networking "istio.io/api/networking/v1alpha3"
)

// hostile are strings that YAML reads as something else, or that need quoting, folding or escapes.
var hostile = []string{
	"", "true", "false", "True", "FALSE", "on", "off", "yes", "No", "y", "n", "null", "~", "<<", "=", ".inf", ".nan", "NaN",
	"1.10", "08", "0o7", "0x1F", "1_000", "1e3", "12:30", "2001-01-01", "2001-01-01T00:00:00Z", "-1", "+5", "0b1", ".5", "1.",
	`^1\.*.*`, `^v?1\.(1[2-9]|[2-9]\d)(\.(\d|[1-9]\d{1,8})(\.\d+)?)?([-+][\w.+-]+)?$`, "^", "^a b", "*", ".", "..", "...", "---", "-", "- x", "-x", "?", "? x", "?x", ":", ": x", "a:", "a: b", "a:b", "# c",
	"a #b", "a#b", "#", "&a", "*a", "!a", "!!str x", "%a", "@type", "@", "`a", "'", "''", "'a'", `"`, `"a"`, `a"b'c`, "{}", "{a", "[]", "[a", "a]", "a,b", ",",
	"|", ">", "|-", "a|b", `\`, `a\nb`, " ", " a", "a ", "  ", "\t", "\ta", "a\t", "a\tb", "\n", "\n\n", "\na", "a\n", "a\n\n", "a\nb", " a\nb", "a\n b\n", "a\n\nb\n\n\n", "a \nb", "\n a", "\r", "a\r\nb", "\r\n",
	"a b", "a  b", "héllo", "日本語", "日 本", "😀", "a😀 b", "e\u0301", "\u00a0", "\u2028", "a\u2029b", "\u200b", "\ufeff", "\ufeffa", "a\ufeff",
	"\u0085", "a\u0085b", "\x7f", "\x1b[0m", "\u0080", "\u009f", "\ufffe", "\uffff", "\ufffd", "\x00", "a\x01b", "<a>&'", "Ω", "K",
	"key: v\n- x\n# c", "kubectl.kubernetes.io/last-applied-configuration", "app.kubernetes.io/name", "a.b/c",
	"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
	"http2_protocol_options", "websockets-server.default.svc.cluster.local", "3600s", "UPGRADE",
}

// A maker makes random objects. The same seed makes the same ones.
type maker struct {
	*rand.Rand
	harmless bool // only strings that sigs.k8s.io/yaml reads back
}

func (r maker) text() string {
	for {
		if s := r.anyText(); !r.harmless || harmless(s) {
			return s
		}
	}
}

func (r maker) anyText() string {
	switch r.IntN(30) {
	case 0, 1, 2, 3, 4, 5:
		return hostile[r.IntN(len(hostile))]
	case 6, 7:
		return hostile[r.IntN(len(hostile))] + hostile[r.IntN(len(hostile))]
	case 8, 9:
		const bytes = "ab01 .:-#\n'\"\\{}[],&*?|>%@\t_/yn~"
		b := make([]byte, r.IntN(12))
		for i := range b {
			b[i] = bytes[r.IntN(len(bytes))]
		}
		return string(b)
	case 10: // long enough to be folded, or to be no simple key
		if r.IntN(500) == 0 {
			return strings.Repeat(hostile[r.IntN(len(hostile))]+" ", 2500)
		}
		return strings.Repeat("word"+hostile[r.IntN(len(hostile))]+" ", 5+r.IntN(10))
	case 11:
		return strings.Repeat("k", 95+r.IntN(40))
	}
	return []string{"a", "ab", "app", "websockets-server", "v1", "a1", "a2", "a10", "A", "host.name"}[r.IntN(10)]
}

// harmless reports whether sigs.k8s.io/yaml can read s back as it writes it. What it cannot are the control characters of
// Unicode, noncharacters, and line breaks that are no line feeds.
func harmless(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r == 0x7f || 0x80 <= r && r < 0xa0 || r == 0xfffe || r == 0xffff || r == 0x2028 || r == 0x2029 || r == 0xfeff
	})
}

// texts returns labels or annotations whose keys have one order.
func (r maker) texts() map[string]string {
	m := map[string]string{}
	for _, key := range r.keys(2) {
		m[key] = r.text()
	}
	return m
}

// keys returns up to n keys of which each two have the order that all have: the order of the others is left to
// chance by sigs.k8s.io/yaml.
func (r maker) keys(n int) []string {
	var keys []string
next:
	for range r.IntN(n + 1) {
		key := r.text()
		// A merge key, and more than YAML takes as a key: sigs.k8s.io/yaml does not read them back.
		if r.harmless && (key == "<<" || len(key) > 500) {
			continue
		}
		all := append([]string{key}, keys...)
		sortKeys(all)
		for i := range all {
			for j := range i {
				if compareKeys(all[j], all[i]) >= 0 {
					continue next
				}
			}
		}
		keys = append(keys, key)
	}
	return keys
}

func (r maker) object() Object {
	o := Object{APIVersion: "networking.istio.io/v1beta1", Kind: "DestinationRule", Name: r.text(), Namespace: r.text(),
		Labels: r.texts(), Annotations: r.texts(), Spec: &networking.DestinationRule{}}
	switch r.IntN(20) {
	case 0: // has kinds of fields that Istio's API has not
		o.Spec = &hcmv3.HttpConnectionManager{}
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		o.APIVersion, o.Kind, o.Spec = "networking.istio.io/v1alpha3", "EnvoyFilter", &networking.EnvoyFilter{}
	}
	if o.Name == "" {
		o.Name = "x"
	}
	r.message(o.Spec.ProtoReflect(), 0)
	return o
}

func (r maker) message(m protoreflect.Message, depth int) {
	switch m := m.Interface().(type) {
	case *structpb.Struct:
		proto.Merge(m, r.structure(0))
		return
	case *anypb.Any:
		m.TypeUrl, m.Value = hcmURL, nil
		return
	case *timestamppb.Timestamp:
		m.Seconds, m.Nanos = r.Int64N(1e10), r.Int32N(1e9)
		return
	case *durationpb.Duration:
		// Within what both protobuf and CEL take.
		m.Seconds = []int64{0, 1, 15, 3600, 86400, r.Int64N(9e9)}[r.IntN(6)]
		m.Nanos = []int32{0, 1, 1000, 500_000_000, 120_000_000, r.Int32N(1e9)}[r.IntN(6)]
		if r.IntN(8) == 0 {
			m.Seconds, m.Nanos = -m.GetSeconds(), -m.GetNanos()
		}
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if r.IntN(6) != 0 || depth > 6 {
			continue
		}
		switch {
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range r.IntN(3) {
				list.Append(r.single(fd, list.NewElement, depth))
			}
		case fd.IsMap():
			entries := m.Mutable(fd).Map()
			for _, key := range r.keys(3) {
				entries.Set(protoreflect.ValueOfString(key).MapKey(), r.single(fd.MapValue(), entries.NewValue, depth))
			}
		default:
			m.Set(fd, r.single(fd, func() protoreflect.Value { return m.NewField(fd) }, depth))
		}
	}
}

func (r maker) single(fd protoreflect.FieldDescriptor, fresh func() protoreflect.Value, depth int) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		v := fresh()
		r.message(v.Message(), depth+1)
		return v
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(r.text())
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(fd.Enum().Values().Get(r.IntN(fd.Enum().Values().Len())).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(r.Int32() - r.Int32())
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(r.Uint32())
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(r.Uint64() >> r.IntN(64))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(r.Int64() - r.Int64())
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(r.text()))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(r.number()))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(r.number())
	}
	panic("no random value for " + fd.Kind().String())
}

func (r maker) number() float64 {
	return []float64{0, 1, -1, 0.1, 1e6, 1e7, 123456789.5, 1e20, 1e21, 1e22, 1e-5, 1e-7, -1.5e300, 1 << 53, 1<<62 + 1, 1 << 63, 1 << 64,
		9007199254740993, r.NormFloat64(), float64(r.IntN(100000)), r.ExpFloat64() * 1e18, r.ExpFloat64() * 1e-9}[r.IntN(22)]
}

func (r maker) structure(depth int) *structpb.Struct {
	s := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, key := range r.keys(3) {
		s.Fields[key] = r.value(depth + 1)
	}
	return s
}

func (r maker) value(depth int) *structpb.Value {
	n := 8
	if depth > 3 {
		n = 5
	}
	switch r.IntN(n) {
	case 0:
		return structpb.NewNullValue()
	case 1:
		return structpb.NewBoolValue(r.IntN(2) == 0)
	case 2:
		return structpb.NewNumberValue(r.number())
	case 3, 4:
		return structpb.NewStringValue(r.text())
	case 5:
		list := &structpb.ListValue{}
		for range r.IntN(3) {
			list.Values = append(list.Values, r.value(depth+1))
		}
		return structpb.NewListValue(list)
	}
	return structpb.NewStructValue(r.structure(depth))
}
