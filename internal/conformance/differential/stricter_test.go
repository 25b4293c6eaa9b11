// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"regexp"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/internal/conformance/judge"
)

// A stricter rule is one that the library has and Istio has not.
type stricter struct {
	code    string
	where   *regexp.Regexp // what the text of the finding looks like, where the code has other uses; nil for any
	reason  string
	example string // a manifest that the library refuses with the code, and the API server and istiod accept
}

// stricterThanIstio lists the rules by which the library refuses what the API server and istiod accept. A refusal
// for any other reason of an object that both accept fails the test.
var stricterThanIstio = []stricter{
	// Reading.
	{"WS902", regexp.MustCompile(`did not find expected <document start>`), "kubectl reads the first of two JSON objects in a YAML document, and drops the other without a word",
		"--- # a comment\n" + aRule + aRule},
	{"WS902", regexp.MustCompile(`found character that cannot start any token`), "kubectl reads a text that begins with { as JSON, where a tab may stand before it",
		"\t" + aRule + " # a comment\n"},
	{"WS902", regexp.MustCompile(`control characters are not allowed`), "kubectl reads a text that begins with { as JSON, in whose strings some control characters may stand as they are",
		strings.Replace(aRule, `"name":"a"`, `"name":"a","annotations":{"a":"`+"\x7f"+`"}`, 1) + " # a comment\n"},
	{"WS903", nil, "encoding/json puts U+FFFD for bytes that are not UTF-8",
		strings.Replace(aRule, `"name":"a"`, `"name":"a","annotations":{"a":"`+"\xff"+`"}`, 1)},
	{"WS920", regexp.MustCompile(`\.patch\.value`), "istiod drops an unknown field of an Envoy message with no more than a warning, and what it was to set is not set (istio/istio#26390)",
		aFilter(merge("CLUSTER", "", `{"connect_timout":"1s"}`))},
	{"WS921", regexp.MustCompile(`null is not`), "the API server drops a null, and an entry of a map or list that a file spells out is gone",
		`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a"},"spec":{"host":"a","subsets":[{"name":"v1","labels":{"version":null}}]}}`},
	{"WS921", regexp.MustCompile(`a list is not a string \(write the bytes in base64\)`), "encoding/json reads an empty list as no bytes",
		aFilter(merge("LISTENER", "", `{"name":"a","socket_options":[{"level":1,"name":1,"state":"STATE_PREBIND","buf_value":[]}]}`))},
	{"WS921", regexp.MustCompile(`the string "null" is not a`), "golang/protobuf's jsonpb takes the quotes off a number, and what is in them may be null",
		aFilter(merge("CLUSTER", "", `{"name":"a","per_connection_buffer_limit_bytes":"null"}`))},
	{"WS921", regexp.MustCompile(`the string "(\s[^"]*|[^"]*\s)" is not a`), "golang/protobuf's jsonpb takes the quotes off a number, and white space round what is in them is none",
		aFilter(merge("CLUSTER", "", `{"name":"a","per_connection_buffer_limit_bytes":" 1 "}`))},
	{"WS923", regexp.MustCompile(`in digits only`), "a whole number spelt 1e2 or 80.0 reads as an integer to the API server, and as a mistake to people",
		`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a"},"spec":{"host":"a","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":1e2}}}}}`},
	{"WS926", regexp.MustCompile(`\.patch\.value`), "istiod takes one of two spellings of a field, if not both are null",
		aFilter(merge("CLUSTER", "", `{"name":"a","connect_timeout":null,"connectTimeout":null}`))},
	{"WS928", regexp.MustCompile(`google\.protobuf\.FileDescriptorProto`), "istiod resolves every message that is linked into it; the library knows Envoy's, xDS's and Istio's own, and what protobuf calls well-known",
		aFilter(`{"applyTo":"HTTP_FILTER","match":{"context":"GATEWAY",` + connectionManager + `},"patch":{"operation":"INSERT_FIRST","value":{"name":"a","typed_config":{"@type":"type.googleapis.com/google.protobuf.FileDescriptorProto"}}}}`)},
	{"WS269", regexp.MustCompile(`: -0 is not`), "the API server drops the sign of -0 before istiod could stumble over it",
		aFilter(merge("CLUSTER", "", `{"name":"a","per_connection_buffer_limit_bytes":-0}`))},

	// DestinationRules.
	{"WS113", regexp.MustCompile(`DestinationRule [^/ ]+ spec`), "a rule that does not say its namespace may come to stand in one that exportTo names beside \".\"",
		`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a"},"spec":{"host":"a","exportTo":["ns1","."]}}`},
	{"WS115", regexp.MustCompile(`DestinationRule [^/ ]+ spec`), "a rule that does not say its namespace may come to stand in another than exportTo names",
		`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a"},"spec":{"host":"a","exportTo":["default"],"workloadSelector":{}}}`},
	{"WS138", regexp.MustCompile(`own namespace ""`), "a rule that does not say its namespace may come to stand in another than its ConfigMap",
		`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a"},"spec":{"host":"a","trafficPolicy":{"tls":{"credentialName":"configmap://default/ca"}}}}`},

	// EnvoyFilters: what istiod admits and then does not do, or what the proxy refuses.
	{"WS205", nil, "a selector with a value that no pod can carry selects nothing",
		strings.Replace(aFilter(good), `"app":"a"`, `"app":"a:b"`, 1)},
	{"WS208", nil, "a target that no object can be named like selects nothing",
		strings.Replace(aFilter(good), `"workloadSelector":{"labels":{"app":"a"}}`, `"targetRefs":[{"kind":"Gateway","name":".."}]`, 1)},
	{"WS213", nil, "a filter without patches does nothing", aFilter()},
	{"WS223", nil, "no istiod applies a patch with the context WAYPOINT",
		aFilter(`{"applyTo":"CLUSTER","match":{"context":"WAYPOINT","waypoint":{}},"patch":{"operation":"REMOVE"}}`)},
	{"WS225", regexp.MustCompile(`\.patch\.value`), "Envoy refuses an enum value that its API does not name",
		aFilter(merge("CLUSTER", "", `{"name":"a","lb_policy":99}`))},
	{"WS226", nil, "istiod admits a proxyVersion of more than 1,024 bytes with a warning and matches no proxy with it",
		aFilter(merge("CLUSTER", `"proxy":{"proxyVersion":"^1`+strings.Repeat("a", 1024)+`"}`, `{"name":"a"}`))},
	{"WS230", nil, "istiod passes over a match of another kind, and the patch reaches more than it says",
		aFilter(merge("BOOTSTRAP", `"listener":{}`, `{"flags_path":"/x"}`))},
	{"WS231", nil, "istiod checks the names of a match for some values of applyTo only",
		aFilter(`{"applyTo":"LISTENER_FILTER","match":{"context":"GATEWAY","listener":{"filterChain":{"filter":{}}}},"patch":{"operation":"ADD","value":` + inspector + `}}`)},
	{"WS232", nil, "istiod checks the subFilter for some values of applyTo only",
		aFilter(`{"applyTo":"LISTENER_FILTER","match":{"context":"GATEWAY","listener":{"filterChain":{"filter":{"name":"envoy.filters.network.http_connection_manager","subFilter":{"name":"a"}}}}},"patch":{"operation":"ADD","value":` + inspector + `}}`)},
	{"WS233", nil, "only the HttpConnectionManager has HTTP filters: the patch reaches none",
		aFilter(`{"applyTo":"HTTP_FILTER","match":{"context":"GATEWAY","listener":{"filterChain":{"filter":{"name":"envoy.filters.network.tcp_proxy"}}}},"patch":{"operation":"INSERT_FIRST","value":` + lua + `}}`)},
	{"WS235", nil, "there is no such port: the patch reaches none",
		aFilter(merge("LISTENER", `"listener":{"portNumber":65536}`, `{"name":"a"}`))},
	{"WS241", nil, "istiod passes over the operation for this kind of object",
		aFilter(`{"applyTo":"CLUSTER","match":{"context":"GATEWAY"},"patch":{"operation":"REPLACE","value":{"name":"a","connect_timeout":"1s"}}}`)},
	{"WS242", nil, "istiod panics in a MERGE that does not say which filter, and the listener patches still to come are lost",
		aFilter(merge("NETWORK_FILTER", `"listener":{"portNumber":80}`, manager(`"stat_prefix":"a"`)))},
	{"WS260", nil, "Envoy refuses the configuration",
		aFilter(merge("NETWORK_FILTER", connectionManager, manager(`"http2_protocol_options":{"initial_stream_window_size":1}`)))},
	{"WS261", nil, "istiod appends upgrade_configs to its own, and Envoy refuses the type that stands twice",
		aFilter(merge("NETWORK_FILTER", connectionManager, manager(`"upgrade_configs":[{"upgrade_type":"websocket"}]`)))},
	{"WS262", nil, "istiod panics in a MERGE of another type, and the listener patches still to come are lost",
		aFilter(merge("NETWORK_FILTER", connectionManager, `{"typed_config":{"@type":"type.googleapis.com/udpa.type.v1.TypedStruct"}}`))},
	{"WS263", nil, "istiod renames the filter, and finds no HTTP filters in it any more",
		aFilter(merge("NETWORK_FILTER", connectionManager, `{"name":"mine"}`))},
	{"WS264", nil, "istiod merges only some fields, and passes over the others",
		aFilter(merge("NETWORK_FILTER", connectionManager, `{"config_discovery":{"type_urls":["a"]}}`))},
	{"WS266", nil, "a MERGE of a false, zero or empty value changes nothing",
		aFilter(merge("NETWORK_FILTER", connectionManager, manager(`"http2_protocol_options":{"allow_connect":false}`)))},
}

const (
	aRule             = `{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a"},"spec":{"host":"a"}}` + "\n"
	connectionManager = `"listener":{"filterChain":{"filter":{"name":"envoy.filters.network.http_connection_manager"}}}`
	inspector         = `{"name":"a","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"}}`
	lua               = `{"name":"a","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua","default_source_code":{"inline_string":"a"}}}`
)

var good = merge("NETWORK_FILTER", connectionManager, manager(`"http2_protocol_options":{"allow_connect":true}`))

func manager(fields string) string {
	return `{"typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",` + fields + `}}`
}

func merge(applyTo, match, value string) string {
	if match != "" {
		match = "," + match
	}
	return `{"applyTo":"` + applyTo + `","match":{"context":"GATEWAY"` + match + `},"patch":{"operation":"MERGE","value":` + value + `}}`
}

func aFilter(patches ...string) string {
	return `{"apiVersion":"networking.istio.io/v1alpha3","kind":"EnvoyFilter","metadata":{"name":"a"},"spec":{"workloadSelector":{"labels":{"app":"a"}},"configPatches":[` + strings.Join(patches, ",") + "]}}\n"
}

// Each row of the table has an example that shows it. A row that has become untrue must go.
func TestStricterThanIstio(t *testing.T) {
	j, err := judge.New()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range stricterThanIstio {
		kind := destinationRule
		if strings.Contains(row.example, `"kind":"EnvoyFilter"`) {
			kind = envoyFilter
		}
		out := askText(j, kind, []byte(row.example), true)
		if !out.theirs.Accepted() {
			t.Errorf("%s (%s): Istio refuses the example: %v", row.code, row.reason, out.theirs.Err())
		}
		shown := false
		for _, f := range out.ours {
			shown = shown || rowFor(f) == i
		}
		if !shown {
			t.Errorf("%s (%s): the library does not refuse the example for that: %v", row.code, row.reason, out.ours)
		}
	}
}
