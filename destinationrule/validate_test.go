// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// TestEveryField puts what cannot be written into each field of the API in turn, and expects an error at its path: text
// that is not UTF-8, an enum without a name, a duration out of range, NaN. The specs set every field between them.
func TestEveryField(t *testing.T) {
	data, err := os.ReadFile("testdata/every-field.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[protoreflect.FullName]bool{}
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		r, err := Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if list := r.Validate().Errors(); len(list) > 0 {
			t.Fatalf("before any change: %v", list)
		}
		spoil(t, r, r.Spec.ProtoReflect(), "spec", seen)
	}
	var all func(protoreflect.MessageDescriptor)
	all = func(md protoreflect.MessageDescriptor) {
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if !seen[fd.FullName()] {
				t.Errorf("testdata/every-field.yaml does not set %s", fd.FullName())
				continue
			}
			if fd.Message() != nil && !fd.IsMap() && strings.HasPrefix(string(fd.Message().FullName()), "istio.") {
				all(fd.Message())
			}
		}
	}
	all((&networking.DestinationRule{}).ProtoReflect().Descriptor())
}

func spoil(t *testing.T, r *Rule, m protoreflect.Message, path string, seen map[protoreflect.FullName]bool) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		seen[fd.FullName()] = true
		at := path + "." + fd.JSONName()
		try := func(at string, set func(), reset func()) {
			set()
			found := slices.ContainsFunc(r.Validate().Errors(), func(f finding.Finding) bool { return f.Path == at })
			if !found {
				t.Errorf("%s: no error for %v; got %v", at, r.Spec, r.Validate().Errors())
			}
			reset()
		}
		switch {
		case fd.IsMap():
			m := v.Map()
			key := protoreflect.ValueOfString("a\xff").MapKey()
			value := m.NewValue()
			if fd.MapValue().Kind() == protoreflect.StringKind {
				value = protoreflect.ValueOfString("a")
			}
			try(at+`["a\xff"]`, func() { m.Set(key, value) }, func() { m.Clear(key) })
			if fd.MapValue().Kind() == protoreflect.StringKind {
				key := protoreflect.ValueOfString("k").MapKey()
				try(at+`.k`, func() { m.Set(key, protoreflect.ValueOfString("a\xff")) }, func() { m.Clear(key) })
			}
		case fd.IsList():
			for i := range v.List().Len() {
				at := fmt.Sprintf("%s[%d]", at, i)
				if fd.Message() != nil {
					spoil(t, r, v.List().Get(i).Message(), at, seen)
				} else if bad, ok := spoilt(fd); ok {
					old := v.List().Get(i)
					try(at, func() { v.List().Set(i, bad) }, func() { v.List().Set(i, old) })
				}
			}
		case fd.Message() != nil:
			switch x := v.Message().Interface().(type) {
			case *durationpb.Duration:
				old := proto.CloneOf(x)
				for _, bad := range []*durationpb.Duration{{Nanos: -1, Seconds: 1}, {Seconds: math.MaxInt64}, {Seconds: -9223372037}, {Nanos: math.MaxInt32}} {
					try(at, func() { x.Seconds, x.Nanos = bad.GetSeconds(), bad.GetNanos() }, func() { x.Seconds, x.Nanos = old.GetSeconds(), old.GetNanos() })
				}
			default:
				if fd := v.Message().Descriptor().Fields().ByName("value"); fd != nil && fd.Kind() == protoreflect.DoubleKind {
					old := v.Message().Get(fd)
					for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
						try(at, func() { v.Message().Set(fd, protoreflect.ValueOfFloat64(bad)) }, func() { v.Message().Set(fd, old) })
					}
				} else if strings.HasPrefix(string(v.Message().Descriptor().FullName()), "istio.") {
					spoil(t, r, v.Message(), at, seen)
				}
			}
		default:
			if bad, ok := spoilt(fd); ok {
				try(at, func() { m.Set(fd, bad) }, func() { m.Set(fd, v) })
			}
		}
		return true
	})
}

func spoilt(fd protoreflect.FieldDescriptor) (protoreflect.Value, bool) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("a\xff"), true
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(99), true
	}
	return protoreflect.Value{}, false
}

// TestOneofOfNothing validates oneofs that hold a nil of a type, which protobuf takes for not set.
func TestOneofOfNothing(t *testing.T) {
	for reason, lb := range map[string]*networking.LoadBalancerSettings{
		"no simple":          {LbPolicy: (*networking.LoadBalancerSettings_Simple)(nil)},
		"no consistent hash": {LbPolicy: (*networking.LoadBalancerSettings_ConsistentHash)(nil)},
		"no header":          hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashKey: (*networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName)(nil)}).GetLoadBalancer(),
		"no parameter":       hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashKey: (*networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName)(nil)}).GetLoadBalancer(),
		"no cookie":          hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashKey: (*networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie)(nil)}).GetLoadBalancer(),
		"no ring":            hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashAlgorithm: (*networking.LoadBalancerSettings_ConsistentHashLB_RingHash_)(nil)}).GetLoadBalancer(),
		"no table":           hash(&networking.LoadBalancerSettings_ConsistentHashLB{HashAlgorithm: (*networking.LoadBalancerSettings_ConsistentHashLB_Maglev)(nil)}).GetLoadBalancer(),
	} {
		r := plain()
		r.Spec.TrafficPolicy.LoadBalancer = lb
		if list := r.Validate(); len(list) > 0 {
			t.Errorf("%s: %v", reason, list)
		}
		text, err := r.YAML()
		if err != nil {
			t.Errorf("%s: %v", reason, err)
		}
		if again, err := Parse(text); err != nil || len(again.Validate()) > 0 {
			t.Errorf("%s: %v, %v", reason, again.Validate(), err)
		}
	}
}

// TestValidateOrder checks that findings come in the order of the fields, and those of a map in that of its keys.
func TestValidateOrder(t *testing.T) {
	r := plain()
	r.Spec = parseSpec(t, `{host: a_b, subsets: [{name: v1, labels: {"d d": a, "b b": a, "a a": a, "c c": "c c"}}], workloadSelector: {matchLabels: {"*1": a, "*2": a, "*3": "x"}}}`)
	want := []string{
		"spec.host",
		`spec.subsets[0].labels["a a"]`, `spec.subsets[0].labels["b b"]`, `spec.subsets[0].labels["c c"]`, `spec.subsets[0].labels["c c"]`, `spec.subsets[0].labels["d d"]`,
		`spec.workloadSelector.matchLabels["*1"]`, `spec.workloadSelector.matchLabels["*2"]`, `spec.workloadSelector.matchLabels["*3"]`,
	}
	first := r.Validate().Errors()
	for range 20 {
		list := r.Validate().Errors()
		var got []string
		for i, f := range list {
			got = append(got, f.Path)
			if f != first[i] {
				t.Fatalf("another order: %v, then %v", first, list)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestValidateNil(t *testing.T) {
	var r *Rule
	if list := r.Validate(); len(list) != 1 || list[0].Code != "WS102" {
		t.Errorf("got %v", list)
	}
}

func TestValidateDoesNotAllocate(t *testing.T) {
	r := plain()
	r.Labels = map[string]string{"provider": "asm"}
	if list := r.Validate(); len(list) > 0 {
		t.Fatal(list)
	}
	if n := testing.AllocsPerRun(100, func() { r.Validate() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkValidate(b *testing.B) {
	r := plain()
	r.Labels = map[string]string{"provider": "asm"}
	b.ReportAllocs()
	for b.Loop() {
		if list := r.Validate(); len(list) > 0 {
			b.Fatal(list)
		}
	}
}
