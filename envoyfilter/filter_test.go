// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/istio"
)

func TestParseErrors(t *testing.T) {
	tests := []struct {
		reason string
		text   string
		want   []string // code and path
	}{
		{"a typo that Istio admits and that does nothing",
			patches(manager("stat_prefix: x"), manager("http2_protocol_options: {allow_conect: true}")),
			[]string{"WS920 spec.configPatches[1].patch.value.typed_config.http2_protocol_options.allow_conect"}},
		{"all of them, in all patches",
			patches(manager("a: 1, http2_protocol_options: {allow_connect: 1}"), patchOf("CLUSTER", "", "REMOVE", "{b: 1}")),
			[]string{
				"WS920 spec.configPatches[0].patch.value.typed_config.a",
				"WS921 spec.configPatches[0].patch.value.typed_config.http2_protocol_options.allow_connect",
				"WS920 spec.configPatches[1].patch.value.b",
			}},
		{"in an Any within a message within an Any",
			patches(manager("access_log: [{name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, x: 1}}]")),
			[]string{"WS920 spec.configPatches[0].patch.value.typed_config.access_log[0].typed_config.x"}},
		{"in the spec itself", "{configPatch: []}", []string{"WS920 spec.configPatch"}},
		{"a type that there is not",
			patches(patchOf("HTTP_FILTER", "", "INSERT_FIRST", "{name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.nope.v3.Nope}}")),
			[]string{`WS928 spec.configPatches[0].patch.value.typed_config["@type"]`}},
		{"a configuration without a type",
			patches(patchOf("HTTP_FILTER", "", "INSERT_FIRST", "{name: a, typed_config: {}}")),
			[]string{"WS927 spec.configPatches[0].patch.value.typed_config"}},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			f, err := Parse(manifestOf(test.text))
			if f != nil {
				t.Error("there is a filter")
			}
			var got []string
			for _, f := range listOf(t, err) {
				got = append(got, f.Code+" "+f.Path)
				if f.Object != "EnvoyFilter ns/f" {
					t.Errorf("the finding is about %q", f.Object)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestUnknownTypes checks that the hint says why a type is not known.
func TestUnknownTypes(t *testing.T) {
	for name, want := range map[string]string{
		"envoy.extensions.filters.network.sip_proxy.v3alpha.SipProxy":                  "contrib",
		"envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager": "v3",
		"envoy.config.listener.v3.ListenerManager":                                     "envoy.config.bootstrap.v3",
	} {
		_, err := Parse(manifestOf(patches(patchOf("NETWORK_FILTER", "", "INSERT_FIRST", "{name: a, typed_config: {'@type': type.googleapis.com/"+name+"}}"))))
		if list := listOf(t, err); len(list) != 1 || !strings.Contains(list[0].Hint, want) {
			t.Errorf("%s: %v", name, list)
		}
	}
}

// TestParseLeavesRulesToValidate checks that a manifest that only breaks rules is read.
func TestParseLeavesRulesToValidate(t *testing.T) {
	f, err := Parse(manifestOf("{configPatches: [{applyTo: CLUSTER}, {}]}"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Validate().Err() == nil {
		t.Error("Validate finds nothing")
	}
}

func TestOtherKindsAndVersions(t *testing.T) {
	good := string(manifestOf(patches(manager("stat_prefix: x"))))
	for _, text := range []string{
		strings.Replace(good, "kind: EnvoyFilter", "kind: DestinationRule", 1),
		strings.Replace(good, "v1alpha3", "v1", 1),
		strings.Replace(good, "v1alpha3", "v1beta1", 1),
		good + "---\n" + good,
		"",
		"\xff",
		"[",
	} {
		if f, err := Parse([]byte(text)); err == nil || f != nil {
			t.Errorf("%q was read", text)
		} else {
			listOf(t, err)
		}
	}
}

func TestValue(t *testing.T) {
	f, err := Parse(manifestOf(patches(
		patchOf("CLUSTER", "", "MERGE", "{connectTimeout: 1s}"),
		patchOf("CLUSTER", "cluster: {name: c}", "REMOVE", ""),
		"{}")))
	if err != nil {
		t.Fatal(err)
	}
	m, err := f.Value(0)
	if cluster, ok := m.(*clusterv3.Cluster); err != nil || !ok || cluster.GetConnectTimeout().GetSeconds() != 1 {
		t.Errorf("got %v, %v", m, err)
	}
	if m, err := f.Value(1); m != nil || err != nil {
		t.Errorf("got %v, %v for a patch without a value", m, err)
	}
	for i, want := range map[int]string{
		-1: "EnvoyFilter ns/f has no patch -1: it has 3",
		3:  "EnvoyFilter ns/f has no patch 3: it has 3",
		2:  "EnvoyFilter ns/f: patch 2 has the applyTo INVALID, which selects no kind of object",
	} {
		if m, err := f.Value(i); m != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, %v for patch %d", m, err, i)
		}
	}
	if _, err := (*Filter)(nil).Value(0); err == nil {
		t.Error("a filter that is nil has a value")
	}

	// By hand, a value may be one that cannot be read.
	for want, value := range map[string]*structpb.Struct{
		"WS240 spec.configPatches[0].patch.value.name": {Fields: map[string]*structpb.Value{"name": nil}},
		"WS920 spec.configPatches[0].patch.value.nam":  {Fields: map[string]*structpb.Value{"nam": structpb.NewBoolValue(true)}},
	} {
		m, err := (&Filter{Name: "f", Spec: spec(value)}).Value(0)
		if list := listOf(t, err); m != nil || len(list) != 1 || list[0].Code+" "+list[0].Path != want || list[0].Object != "EnvoyFilter f" {
			t.Errorf("got %v, %v", m, err)
		}
	}
}

func TestWithValue(t *testing.T) {
	text := manifestOf(patches(
		patchOf("CLUSTER", "", "MERGE", "{connectTimeout: 1s}"),
		patchOf("CLUSTER", "cluster: {name: c}", "REMOVE", ""),
		"{}",
		manager("stream_idle_timeout: 1s"),
		patchOf("HTTP_FILTER", "", "INSERT_FIRST", "{name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig, timeout: 1s}}")))
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	before := proto.CloneOf(f.Spec)
	f.Labels = map[string]string{"a": "b"}

	value := &clusterv3.Cluster{ConnectTimeout: durationpb.New(2 * time.Second)}
	got, err := f.WithValue(0, value)
	if err != nil {
		t.Fatal(err)
	}
	want := proto.CloneOf(before)
	want.ConfigPatches[0].Patch.Value = object1("connect_timeout", structpb.NewStringValue("2s"))
	if !proto.Equal(got.Spec, want) || got.String() != f.String() || got.Labels["a"] != "b" {
		t.Errorf("got %v, want %v", got.Spec, want)
	}
	value.ConnectTimeout = nil
	got.Labels["a"] = "c"
	if !proto.Equal(f.Spec, before) || f.Labels["a"] != "b" || !proto.Equal(got.Spec, want) {
		t.Error("the two filters share something")
	}

	// What Value returns goes back, be its type linked or not.
	for _, i := range []int{0, 1, 3, 4} {
		m, err := f.Value(i)
		if err != nil {
			t.Fatal(err)
		}
		back, err := f.WithValue(i, m)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := back.Value(i); err != nil || !proto.Equal(again, m) {
			t.Errorf("patch %d: got %v, %v, want %v", i, again, err, m)
		}
	}

	bare, err := f.WithValue(3, &hcmv3.HttpConnectionManager{StreamIdleTimeout: durationpb.New(2 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := bare.Value(3); err != nil || again.(*listenerv3.Filter).GetTypedConfig().GetTypeUrl() != typeURL(httpConnectionManager) {
		t.Errorf("got %v, %v", again, err)
	}

	for _, tt := range []struct {
		i     int
		value proto.Message
		want  string
	}{
		{0, nil, "WS217 spec.configPatches[0].patch.value"},
		{0, (*clusterv3.Cluster)(nil), "WS217 spec.configPatches[0].patch.value"},
		{0, &listenerv3.Listener{}, "WS219 spec.configPatches[0].patch.value"},
		{0, &clusterv3.Cluster{ConnectTimeout: durationpb.New(0)}, "WS260 spec.configPatches[0].patch.value.connect_timeout"},
		{0, &clusterv3.Cluster{Name: "\xff"}, "WS240 spec.configPatches[0].patch.value.name"},
		{1, &clusterv3.Cluster{}, "WS219 spec.configPatches[1].patch.value"},
		{3, &hcmv3.HttpConnectionManager{UpgradeConfigs: []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}}},
			"WS261 spec.configPatches[3].patch.value.typed_config.upgrade_configs"},
	} {
		f, err := f.WithValue(tt.i, tt.value)
		if list := listOf(t, err); f != nil || len(list) != 1 || list[0].Code+" "+list[0].Path != tt.want || list[0].Object != "EnvoyFilter ns/f" {
			t.Errorf("patch %d with %v: got %v, want %s", tt.i, tt.value, list, tt.want)
		}
	}
	for i, want := range map[int]string{
		-1: "EnvoyFilter ns/f has no patch -1: it has 5",
		5:  "EnvoyFilter ns/f has no patch 5: it has 5",
		2:  "EnvoyFilter ns/f: patch 2 has the applyTo INVALID, which selects no kind of object",
	} {
		if f, err := f.WithValue(i, value); f != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, %v for patch %d", f, err, i)
		}
	}
	if f, err := (*Filter)(nil).WithValue(0, value); f != nil || err == nil {
		t.Errorf("got %v, %v for a filter that is nil", f, err)
	}

	// A patch by hand may lack its operation, of which Validate tells.
	empty := &Filter{Name: "f", Spec: &networking.EnvoyFilter{ConfigPatches: []*networking.EnvoyFilter_EnvoyConfigObjectPatch{{ApplyTo: networking.EnvoyFilter_CLUSTER}}}}
	if f, err := empty.WithValue(0, &clusterv3.Cluster{Name: "a"}); err != nil || f.Spec.GetConfigPatches()[0].GetPatch().GetValue() == nil || empty.Spec.GetConfigPatches()[0].GetPatch() != nil {
		t.Errorf("got %v, %v", f, err)
	}
}

// TestValidateUnreadable checks that a value by hand that cannot be read does not hide other findings.
func TestValidateUnreadable(t *testing.T) {
	s := spec(&structpb.Struct{Fields: map[string]*structpb.Value{"nam": structpb.NewBoolValue(true)}})
	s.ConfigPatches[0].Patch.Operation = 0
	s.ConfigPatches = append(s.ConfigPatches, proto.CloneOf(s.GetConfigPatches()[0]))
	var got []string
	for _, f := range (&Filter{Name: "f", Spec: s}).Validate() {
		got = append(got, f.Code+" "+f.Path)
	}
	want := []string{
		"WS216 spec.configPatches[0].patch.operation", "WS920 spec.configPatches[0].patch.value.nam",
		"WS216 spec.configPatches[1].patch.operation", "WS920 spec.configPatches[1].patch.value.nam",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNilFilter checks that methods of a filter that is nil, or empty, do not panic.
func TestNilFilter(t *testing.T) {
	for _, f := range []*Filter{nil, {}} {
		if f.Validate().Err() == nil {
			t.Error("nothing is wrong with it")
		}
		if got := f.String(); got != "EnvoyFilter " {
			t.Errorf("its name is %q", got)
		}
		if _, err := f.YAML(); err != nil {
			t.Error(err)
		}
	}
}

func TestMarshal(t *testing.T) {
	f, err := seedBuilder().Build()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, again, protocmp.Transform()); diff != "" {
		t.Errorf("not the same after JSON:\n%s", diff)
	}
}

// TestOperations holds the table of operations against what reading pilot/pkg/networking/core/envoyfilter at release
// 1.31 gives: "ok" is applied, "add" is taken for an ADD, "no" does nothing, "ist" is applied and called an error by
// istioctl analyze. The match selects one filter where there are filters.
func TestOperations(t *testing.T) {
	const table = `
	                     MERGE ADD REMOVE INSERT_BEFORE INSERT_AFTER INSERT_FIRST REPLACE MERGE_AND_REPLACE_LIST
	LISTENER             ok    ok  ok     add           add          add          no      ok
	FILTER_CHAIN         ok    ok  ok     add           add          add          no      ok
	NETWORK_FILTER       ok    ok  ok     ok            ok           ok           ok      no
	HTTP_FILTER          ok    ok  ok     ok            ok           ok           ok      no
	ROUTE_CONFIGURATION  ok    no  no     no            no           no           no      ok
	VIRTUAL_HOST         ok    ok  ok     add           add          add          ok      ok
	HTTP_ROUTE           ok    ist ist    ok            ok           ok           no      ok
	CLUSTER              ok    ok  ok     add           add          add          no      ok
	EXTENSION_CONFIG     no    ok  no     add           add          add          no      no
	LISTENER_FILTER      ok    ok  ok     ok            ok           ok           ist     no
	`
	matches := map[string]string{"NETWORK_FILTER": matchManager, "HTTP_FILTER": matchRouter, "LISTENER_FILTER": matchInspector}
	var operations []string
	tried := 0
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		words := strings.Fields(line)
		if operations == nil {
			operations = words
			continue
		}
		for i, want := range words[1:] {
			applyTo, operation := words[0], operations[i]
			tried++
			config := &networking.EnvoyFilter_EnvoyConfigObjectPatch{
				ApplyTo: networking.EnvoyFilter_ApplyTo(networking.EnvoyFilter_ApplyTo_value[applyTo]),
				Match:   specOf(t, "{configPatches: [{match: {"+matches[applyTo]+"}}]}").GetConfigPatches()[0].GetMatch(),
				Patch:   &networking.EnvoyFilter_Patch{Operation: networking.EnvoyFilter_Patch_Operation(networking.EnvoyFilter_Patch_Operation_value[operation])},
			}
			var r report
			r.operation(config, kindOf(config.GetApplyTo()), 1)
			got := "ok"
			for _, f := range r.list {
				switch f.Code {
				case "WS241":
					got = "no"
				case "WS243":
					got = "add"
				case "WS244":
					got = "ist"
				}
			}
			if got != want {
				t.Errorf("%s with %s is %q, want %q", operation, applyTo, got, want)
			}
		}
	}
	if tried != (len(kinds)-2)*8 { // all but INVALID and BOOTSTRAP, which is reported as a whole
		t.Errorf("%d combinations were tried", tried)
	}
}

// FuzzParse checks that Parse and Validate never panic, and that what they take comes back from its own YAML as it was.
func FuzzParse(f *testing.F) {
	seed, err := os.ReadFile("testdata/envoyfilter-from-1.12.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	for _, spec := range []string{
		patches(manager("http2_protocol_options: {allow_conect: true}")),
		patches(manager("use_remote_address: false, access_log: [{name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]")),
		patches(patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", luaFilter), patchOf("CLUSTER", "cluster: {name: c}", "REMOVE", "")),
		patches(patchOf("HTTP_ROUTE", "routeConfiguration: {vhost: {route: {action: ANY}}}", "MERGE", "{typed_per_filter_config: {a: {'@type': type.googleapis.com/google.protobuf.Empty, value: {}}}}")),
		patches(patchOf("CLUSTER", "proxy: {proxyVersion: '^1'}", "MERGE", "{metadata: {filter_metadata: {a: {b: [null, 1.5, x]}}}, connect_timeout: 1.500s, lb_subset_config: {}}")),
		"{targetRefs: [{kind: Service, name: s}], priority: -1, configPatches: [" + manager("stat_prefix: x") + "]}",
	} {
		f.Add(manifestOf(spec))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		filter, err := Parse(data)
		if err != nil {
			if filter != nil {
				t.Error("Parse returned a filter together with an error")
			}
			listOf(t, err)
			return
		}
		if filter.Validate().Err() != nil {
			return
		}
		text, err := filter.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(filter, again, protocmp.Transform()); diff != "" {
			t.Errorf("not the same after YAML (-want +got):\n%s", diff)
		}
		for i := range filter.Spec.GetConfigPatches() {
			if _, err := filter.Value(i); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzBuild checks that Build never panics, and that what it lets through is without errors to Validate.
func FuzzBuild(f *testing.F) {
	value, err := proto.Marshal(AllowConnect(Gateway).Value)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("f", "ns", "app", "a", 3, 0, `^1\.2`, uint32(80), istio.ManagerFilter, "", 1, value)
	f.Add("f", "", "a/b", "*", 4, 2, "(", uint32(70000), "", "x", 4, []byte{})
	f.Fuzz(func(t *testing.T, name, namespace, key, label string, applyTo, context int, version string, port uint32, filter, subFilter string, operation int, value []byte) {
		p := Patch{ApplyTo: networking.EnvoyFilter_ApplyTo(applyTo), Context: Context(context), ProxyVersion: version, Port: port,
			Filter: filter, SubFilter: subFilter, Operation: networking.EnvoyFilter_Patch_Operation(operation)}
		if p.ApplyTo == networking.EnvoyFilter_NETWORK_FILTER {
			p.Value = AllowConnect(Gateway).Value.ProtoReflect().New().Interface()
		} else if k := kindOf(p.ApplyTo); k != nil {
			p.Value = k.newMessage()
		}
		if p.Value != nil && proto.Unmarshal(value, p.Value) != nil {
			return
		}
		built, err := Builder{Name: name, Namespace: namespace, Workload: map[string]string{key: label}, Patches: []Patch{p}}.Build()
		if err != nil {
			listOf(t, err)
			return
		}
		if list := built.Validate(); list.Err() != nil {
			t.Error(list.Errors())
		}
		text, err := built.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(text); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	})
}
