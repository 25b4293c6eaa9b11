// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
	"sigs.k8s.io/yaml"
)

// checkYAML holds AppendYAML against sigs.k8s.io/yaml, and reads the YAML back. It reports whether the bytes were compared:
// they are not where sigs.k8s.io/yaml cannot read its own.
func checkYAML(t *testing.T, o Object) (compared bool) {
	t.Helper()
	before := proto.Clone(o.Spec)
	got, err := o.AppendYAML([]byte("before"))
	if err != nil {
		t.Fatalf("AppendYAML: %v", err)
	}
	got, ok := bytes.CutPrefix(got, []byte("before"))
	if !ok {
		t.Fatal("AppendYAML does not append")
	}
	data, err := o.MarshalJSON()
	if err != nil {
		t.Fatalf("MarshalJSON: %v", err)
	}
	want, err := yaml.JSONToYAML(data)
	compared = err == nil && readsBack(data, want)
	if compared && !bytes.Equal(want, got) {
		t.Fatalf("the bytes are not those of sigs.k8s.io/yaml (-sigs.k8s.io/yaml +got):\n%s", cmp.Diff(string(want), string(got)))
	}
	if !compared && !readsBack(data, got) {
		t.Fatalf("sigs.k8s.io/yaml does not read this back as it was:\n%s", got)
	}
	back, findings := Parse(got, o.Kind, []string{o.APIVersion}, o.Spec.ProtoReflect().New().Interface())
	if err := findings.Err(); err != nil {
		t.Fatalf("Parse of the YAML: %v\n%s", err, got)
	}
	if !same(o, back) {
		t.Fatalf("the YAML reads back as another object (-want +got):\n%s\n%s", cmp.Diff(o, back, protocmp.Transform()), got)
	}
	if !proto.Equal(before, o.Spec) {
		t.Fatal("AppendYAML or MarshalJSON changed the spec")
	}
	return compared
}

// same reports whether two objects are equal, with an empty map the same as none.
func same(a, b Object) bool {
	return a.String() == b.String() && a.APIVersion == b.APIVersion && maps.Equal(a.Labels, b.Labels) &&
		maps.Equal(a.Annotations, b.Annotations) && proto.Equal(a.Spec, b.Spec)
}

// readsBack reports whether sigs.k8s.io/yaml reads the tree of the JSON data from text.
func readsBack(data, text []byte) bool {
	var want, got any
	return json.Unmarshal(data, &want) == nil && yaml.Unmarshal(text, &got) == nil && reflect.DeepEqual(want, got)
}

// TestAppendYAMLRandom holds the YAML of random objects with hostile strings against that of sigs.k8s.io/yaml, byte for
// byte, and reads it back.
func TestAppendYAMLRandom(t *testing.T) {
	for _, test := range []struct {
		name     string
		harmless bool
		objects  int
		compared int // at least
	}{
		{"strings that sigs.k8s.io/yaml reads back", true, 15000, 15000},
		{"all strings", false, 5000, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := maker{rand.New(rand.NewPCG(1, 2)), test.harmless}
			compared := 0
			for range test.objects / raceFactor {
				if checkYAML(t, r.object()) {
					compared++
				}
			}
			if compared < test.compared/raceFactor {
				t.Errorf("the bytes of only %d objects of %d were compared, want %d", compared, test.objects/raceFactor, test.compared/raceFactor)
			}
		})
	}
}

// withStrings returns objects that have a as a key and b as a value at every place that can hold any.
func withStrings(a, b string) []Object {
	value := structpb.NewStringValue
	var tree *structpb.Value
	for range 4 {
		next := &structpb.Struct{Fields: map[string]*structpb.Value{a: value(b)}}
		if tree != nil {
			next = &structpb.Struct{Fields: map[string]*structpb.Value{a: tree}}
		}
		tree = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{value(b), structpb.NewStructValue(next),
			structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{value(b)}}), value(a)}}),
			structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{a: structpb.NewStructValue(&structpb.Struct{})}})}})
	}
	name := b
	if name == "" {
		name = "x"
	}
	texts := map[string]string{a: b}
	return []Object{
		{APIVersion: "networking.istio.io/v1", Kind: "DestinationRule", Name: name, Namespace: a, Labels: texts, Annotations: texts,
			Spec: &networking.DestinationRule{Host: a, ExportTo: []string{a, b}, Subsets: []*networking.Subset{{Name: b, Labels: texts}, {Labels: texts}},
				TrafficPolicy: &networking.TrafficPolicy{LoadBalancer: &networking.LoadBalancerSettings{LocalityLbSetting: &networking.LocalityLoadBalancerSetting{
					Distribute: []*networking.LocalityLoadBalancerSetting_Distribute{{To: map[string]uint32{a: 1}}}}}}}},
		{APIVersion: "networking.istio.io/v1alpha3", Kind: "EnvoyFilter", Name: name, Spec: &networking.EnvoyFilter{
			WorkloadSelector: &networking.WorkloadSelector{Labels: texts},
			ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{Patch: &networking.EnvoyFilter_Patch{
				Value: &structpb.Struct{Fields: map[string]*structpb.Value{a: tree}}}}}}},
	}
}

// TestAppendYAMLStrings has each hostile string at every place, as a key and as a value.
func TestAppendYAMLStrings(t *testing.T) {
	strs := append([]string{strings.Repeat("0123456789", 1000), strings.Repeat("long words ", 100), strings.Repeat("line\n", 100)}, hostile...)
	compared := 0
	for _, a := range strs {
		t.Run(strconv.Quote(a[:min(len(a), 40)]), func(t *testing.T) {
			for _, o := range append(withStrings(a, "b"), withStrings("a", a)...) {
				if checkYAML(t, o) {
					compared++
				}
			}
		})
	}
	if compared < 4*len(strs)*3/4 {
		t.Errorf("only %d objects of %d had bytes to compare", compared, 4*len(strs))
	}
}

func FuzzAppendYAML(f *testing.F) {
	for i := 0; i < len(hostile); i += 8 {
		f.Add(uint64(i), hostile[i], hostile[(i*7+1)%len(hostile)])
	}
	f.Add(uint64(0), "\xff", "a\xc3")
	f.Fuzz(func(t *testing.T, seed uint64, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			for _, o := range withStrings(a, b) {
				if text, err := o.AppendYAML(nil); err == nil || text != nil {
					t.Fatalf("a string that is not UTF-8 gives the error %v and the YAML %q", err, text)
				}
			}
			return
		}
		for _, o := range withStrings(a, b) {
			checkYAML(t, o)
		}
		checkYAML(t, maker{rand.New(rand.NewPCG(seed, 0)), false}.object())
	})
}

// TestAppendYAMLQuotes fixes the forms of strings that sigs.k8s.io/yaml does not read back, and of the keys beside them.
func TestAppendYAMLQuotes(t *testing.T) {
	for _, test := range []struct{ reason, key, value, want string }{
		{"NEL", "a", "b\u0085c", `a: "b\u0085c"`},
		{"DEL and quotes", "a", "\x7f\"\\", `a: "\u007f\"\\"`},
		{"a character beyond the first plane beside it", "a", "\u0085😀", `a: "\u0085\U0001f600"`},
		{"as a key", "a\u0085", "b", `"a\u0085": b`},
		{"as a key of a value that needs quotes", "a\u0085", "on", `"a\u0085": "on"`},
		{"as both", "\x7f", "\x7f", `"\u007f": "\u007f"`},
		{"beside a key that needs quotes", "on", "\x7f", `"on": "\u007f"`},
		{"beside a key of two lines", "a\nb", "\x7f", "? |-\n      a\n      b\n    : \"\\u007f\""},
		{"as a long key", "\x7f" + strings.Repeat("k", 100), "b", `? "\u007f` + strings.Repeat("k", 100) + "\"\n    : b"},
		{"the key that YAML merges", "<<", "b", `"<<": b`},
	} {
		t.Run(test.reason, func(t *testing.T) {
			o := Object{APIVersion: "v1", Kind: "K", Name: "n", Labels: map[string]string{test.key: test.value}, Spec: &networking.EnvoyFilter{}}
			got, err := o.AppendYAML(nil)
			if err != nil {
				t.Fatal(err)
			}
			want := "apiVersion: v1\nkind: K\nmetadata:\n  labels:\n    " + test.want + "\n  name: \"n\"\nspec: {}\n"
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			checkYAML(t, Object{APIVersion: "v1", Kind: "EnvoyFilter", Name: "n", Labels: o.Labels, Spec: o.Spec})
		})
	}
}

// TestQuotedWords holds the words that are written without sigs.k8s.io/yaml against it.
func TestQuotedWords(t *testing.T) {
	words := append([]string{"a/b.c-d_e", `^v?1\.(1[2-9]|[2-9]\d{1,8})+?$*`}, hostile...)
	for _, word := range words {
		text := quotedWord(word)
		if isPlain(word) {
			text = word
		}
		if text == "" {
			continue
		}
		if want := foreign(map[string]any{"k": word}, 0); "k: "+text+"\n" != want {
			t.Errorf("%q is written as %q, want %q", word, text, want)
		}
	}
	if text, _ := keyText("@type", 0); text != strings.TrimSuffix(foreign(map[string]any{"@type": 0.0}, 0), " 0\n") {
		t.Errorf("the key @type is written as %q", text)
	}
}

func TestAppendYAMLRefuses(t *testing.T) {
	deep := structpb.NewBoolValue(true)
	for range 99 {
		deep = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"a": deep}})
	}
	loop := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	loop.Fields["a"], loop.Fields["b"] = structpb.NewStructValue(loop), structpb.NewStructValue(loop)
	patch := func(v *structpb.Value) proto.Message {
		return &networking.EnvoyFilter{ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{Patch: &networking.EnvoyFilter_Patch{
			Value: &structpb.Struct{Fields: map[string]*structpb.Value{"a": v}}}}}}
	}
	for _, test := range []struct {
		reason string
		change func(*Object)
		want   string
	}{
		{"no spec", func(o *Object) { o.Spec = nil }, "K b/a: spec: there is none"},
		{"a nil spec", func(o *Object) { o.Spec = (*networking.EnvoyFilter)(nil) }, "K b/a: spec: there is none"},
		{"a nil entry of a list", func(o *Object) {
			o.Spec = &networking.EnvoyFilter{ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{}, nil}}
		}, "K b/a: spec.configPatches[1]: there is a nil entry"},
		{"a nil value", func(o *Object) { o.Spec = patch(nil) }, "K b/a: spec.configPatches[0].patch.value.a: there is a value of no kind"},
		{"a value of no kind", func(o *Object) { o.Spec = patch(&structpb.Value{}) }, "K b/a: spec.configPatches[0].patch.value.a: there is a value of no kind"},
		{"not a number", func(o *Object) { o.Spec = patch(structpb.NewNumberValue(math.NaN())) }, "K b/a: spec.configPatches[0].patch.value.a: NaN is no number that JSON can hold"},
		{"infinite", func(o *Object) { o.Spec = patch(structpb.NewNumberValue(math.Inf(-1))) }, "K b/a: spec.configPatches[0].patch.value.a: -Inf is no number"},
		{"too deep", func(o *Object) { o.Spec = patch(deep) }, "K b/a: spec.configPatches[0].patch.value" + strings.Repeat(".a", 97) + ": the values are nested more than 100 levels deep"},
		{"a value inside itself", func(o *Object) { o.Spec = patch(structpb.NewStructValue(loop)) }, "K b/a: spec.configPatches[0].patch.value.a.a."},
		{"messages that are too deep", func(o *Object) {
			filter := &accesslogv3.AccessLogFilter{}
			for range 60 {
				filter = &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{AndFilter: &accesslogv3.AndFilter{Filters: []*accesslogv3.AccessLogFilter{filter}}}}
			}
			o.Spec = filter
		}, "K b/a: spec.andFilter.filters[0]."},
		{"a duration out of range", func(o *Object) {
			o.Spec = &networking.ConnectionPoolSettings_TCPSettings{ConnectTimeout: &durationpb.Duration{Seconds: 1, Nanos: -1}}
		}, "K b/a: spec.connectTimeout: duration"},
		{"a timestamp out of range", func(o *Object) { o.Spec = &timestamppb.Timestamp{Nanos: -1} }, "K b/a: spec: google.protobuf.Timestamp: nanos out of range -1"},
		{"an Any that nobody can read", func(o *Object) { o.Spec = &anypb.Any{TypeUrl: "x"} }, "K b/a: spec: google.protobuf.Any: unable to resolve"},
		{"a name that is not UTF-8", func(o *Object) { o.Name = "\xff" }, `metadata.name: "\xff" is not valid UTF-8`},
		{"a namespace that is not UTF-8", func(o *Object) { o.Namespace = "\xff" }, `metadata.namespace: "\xff" is not valid UTF-8`},
		{"an apiVersion that is not UTF-8", func(o *Object) { o.APIVersion = "\xff" }, `K b/a: apiVersion: "\xff" is not valid UTF-8`},
		{"a label that is not UTF-8", func(o *Object) { o.Labels = map[string]string{"a.b/c": "\xff"} }, `K b/a: metadata.labels["a.b/c"]: "\xff" is not valid UTF-8`},
		{"the key of an annotation that is not UTF-8", func(o *Object) { o.Annotations = map[string]string{"\xff": ""} }, `K b/a: metadata.annotations["\xff"]: the key is not valid UTF-8`},
		{"a key of a spec's map that is not UTF-8", func(o *Object) {
			o.Spec = &networking.WorkloadSelector{Labels: map[string]string{"\xff": "a"}}
		}, `K b/a: spec.labels["\xff"]: the key is not valid UTF-8`},
		{"a key of a value that is not UTF-8", func(o *Object) {
			o.Spec = patch(structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"\xff": structpb.NewNullValue()}}))
		}, `K b/a: spec.configPatches[0].patch.value.a["\xff"]: the key is not valid UTF-8`},
	} {
		t.Run(test.reason, func(t *testing.T) {
			o := Object{APIVersion: "v1", Kind: "K", Name: "a", Namespace: "b", Spec: &networking.EnvoyFilter{}}
			test.change(&o)
			text, err := o.AppendYAML([]byte("before"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("AppendYAML: the error is %v, want %s", err, test.want)
			}
			if text != nil {
				t.Errorf("AppendYAML gives %q with its error", text)
			}
			if data, err := o.MarshalJSON(); err == nil || !strings.Contains(err.Error(), test.want) || data != nil {
				t.Errorf("MarshalJSON gives %q and the error %v, want %s", data, err, test.want)
			}
			// The encoder that failed is used again.
			if text, err := (Object{APIVersion: "v1", Kind: "EnvoyFilter", Name: "a", Spec: &networking.EnvoyFilter{}}).AppendYAML(nil); err != nil ||
				string(text) != "apiVersion: v1\nkind: EnvoyFilter\nmetadata:\n  name: a\nspec: {}\n" {
				t.Errorf("the next object is %q, %v", text, err)
			}
		})
	}
}

// TestAppendYAMLKinds is for kinds of fields that Istio's API does not have, and for values that are at an edge.
func TestAppendYAMLKinds(t *testing.T) {
	for _, test := range []struct {
		spec proto.Message
		want string
	}{
		{&wrapperspb.BoolValue{}, "false"},
		{&wrapperspb.StringValue{Value: "on"}, `"on"`},
		{&wrapperspb.BytesValue{Value: []byte("a?>")}, "YT8+"},
		{&wrapperspb.Int32Value{Value: -1}, "-1"},
		{&wrapperspb.Int64Value{Value: math.MinInt64}, "-9223372036854775808"},
		{&wrapperspb.UInt32Value{Value: math.MaxUint32}, "4294967295"},
		{&wrapperspb.UInt64Value{Value: math.MaxUint64}, "18446744073709551615"},
		{&wrapperspb.FloatValue{Value: 0.1}, "0.1"},
		{&wrapperspb.FloatValue{Value: 1 << 24}, "16777216"},
		{&wrapperspb.DoubleValue{Value: math.Copysign(0, -1)}, "0"},
		{&wrapperspb.DoubleValue{Value: 5}, "5"},
		{&wrapperspb.DoubleValue{Value: 0.1}, "0.1"},
		{&wrapperspb.DoubleValue{Value: 1e21}, "1e+21"},
		{&wrapperspb.DoubleValue{Value: 1e19}, "10000000000000000000"},
		{&wrapperspb.DoubleValue{Value: 1e20}, "1e+20"},
		{&wrapperspb.DoubleValue{Value: 1e7 + 0.5}, "1.00000005e+07"},
		{&wrapperspb.DoubleValue{Value: math.SmallestNonzeroFloat64}, "5e-324"},
		{&durationpb.Duration{}, "0s"},
		{&durationpb.Duration{Seconds: 1, Nanos: 500_000_000}, "1.500s"},
		{&durationpb.Duration{Nanos: 1_000}, "0.000001s"},
		{&durationpb.Duration{Nanos: -1}, "-0.000000001s"},
		{&durationpb.Duration{Seconds: -315576000000, Nanos: -999_999_999}, "-315576000000.999999999s"},
		{&timestamppb.Timestamp{Seconds: 1}, `"1970-01-01T00:00:01Z"`},
		{&fieldmaskpb.FieldMask{Paths: []string{"a_b", "c"}}, "aB,c"},
		{&emptypb.Empty{}, "{}"},
		{&anypb.Any{}, "{}"},
		{&anypb.Any{TypeUrl: hcmURL}, "\n  '@type': " + hcmURL},
		{&structpb.Struct{}, "{}"},
		{&structpb.ListValue{}, "[]"},
		{structpb.NewStructValue(nil), "{}"},
		{structpb.NewListValue(nil), "[]"},
		{structpb.NewNullValue(), "null"},
		{&structpb.ListValue{Values: []*structpb.Value{structpb.NewBoolValue(true), structpb.NewListValue(nil)}}, "\n- true\n- []"},
		{&networking.ConnectionPoolSettings_HTTPSettings{H2UpgradePolicy: 99}, "\n  h2UpgradePolicy: 99"},
		{&networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_Simple{}}, "\n  simple: UNSPECIFIED"},
		{&networking.TrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{}}, "\n  connectionPool: {}"},
	} {
		o := Object{APIVersion: "v1", Kind: "K", Name: "a", Spec: test.spec}
		got, err := o.AppendYAML(nil)
		if err != nil {
			t.Errorf("%v: %v", test.spec, err)
			continue
		}
		sep := " "
		if test.want[0] == '\n' {
			sep = ""
		}
		if want := "apiVersion: v1\nkind: K\nmetadata:\n  name: a\nspec:" + sep + test.want + "\n"; string(got) != want {
			t.Errorf("%v is written as\n%s\nwant\n%s", test.spec, got, want)
		}
		if want, err := yaml.Marshal(o); err != nil || string(want) != string(got) {
			t.Errorf("sigs.k8s.io/yaml writes\n%s (%v), and this is\n%s", want, err, got)
		}
	}
	maps := intMap()
	if findings := decode(`{"m":{"10":"a","-2":"b","3":"c"},"b":{"true":"d"},"f":0.1}`, CRD, maps); findings != nil {
		t.Fatal(findings)
	}
	checkMaps := Object{APIVersion: "v1", Kind: "K", Name: "a", Spec: maps}
	got, err := checkMaps.AppendYAML(nil)
	if want, wantErr := yaml.Marshal(checkMaps); err != nil || wantErr != nil || string(got) != string(want) {
		t.Errorf("maps of other keys are written as\n%s (%v), want\n%s (%v)", got, err, want, wantErr)
	}
}

func TestMarshalJSON(t *testing.T) {
	spec := &networking.EnvoyFilter{Priority: -1, ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{
		Patch: &networking.EnvoyFilter_Patch{Value: &structpb.Struct{Fields: map[string]*structpb.Value{"b": structpb.NewNullValue(), "a<&>": structpb.NewNumberValue(1e21)}}},
	}}}
	o := Object{APIVersion: "v1", Kind: "EnvoyFilter", Name: "<x>", Namespace: "y", Labels: map[string]string{"b": "1", "a": "&"}, Annotations: map[string]string{"c": "\u2028"}, Spec: spec}
	const want = `{"apiVersion":"v1","kind":"EnvoyFilter","metadata":{"annotations":{"c":"\u2028"},"labels":{"a":"&","b":"1"},"name":"<x>","namespace":"y"},` +
		`"spec":{"configPatches":[{"patch":{"value":{"a<&>":1e+21,"b":null}}}],"priority":-1}}`
	for range 10 {
		if got, err := o.MarshalJSON(); err != nil || string(got) != want {
			t.Fatalf("the JSON is\n%s (%v), want\n%s", got, err, want)
		}
	}
	minimum := Object{APIVersion: "v1", Kind: "K", Name: "a", Spec: &networking.LoadBalancerSettings_ConsistentHashLB_RingHash{MinimumRingSize: 1 << 63}}
	if got, err := minimum.MarshalJSON(); err != nil || !strings.Contains(string(got), `"spec":{"minimumRingSize":9223372036854775808}`) {
		t.Errorf("the JSON is %s (%v): the CRD takes a number only", got, err)
	}
}

// TestSortKeys fixes an order where sigs.k8s.io/yaml leaves it to chance, and one that goes beyond ASCII.
func TestSortKeys(t *testing.T) {
	for _, want := range [][]string{
		{"12", "1a", "2"},
		{"a-b", "a1", "a2", "a10", "a010", "ab"},
		{"100", "101", "1000"},
		{"a00", "a1", "a01"},
		{"é1", "é٢", "é日"},
		{"è", "éa", "éb"},
		{"A", "B", "a", "ab", "b", "é"},
	} {
		for range 20 {
			got := slices.Clone(want)
			rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
			sortKeys(got)
			if !slices.Equal(got, want) {
				t.Fatalf("the order is %q, want %q", got, want)
			}
		}
	}
}

func TestAppendYAMLIsSafeForConcurrentUse(t *testing.T) {
	rule, filter := pair()
	want, err := filter.AppendYAML(nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				if _, err := rule.AppendYAML(nil); err != nil {
					t.Error(err)
				}
				if got, err := filter.AppendYAML(nil); err != nil || !bytes.Equal(got, want) {
					t.Errorf("the YAML is %s (%v)", got, err)
				}
			}
		})
	}
	group.Wait()
}
