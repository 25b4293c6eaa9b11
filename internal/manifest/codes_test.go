// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const hcmURL = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

// read parses a DestinationRule.
func read(text string) finding.List {
	_, findings := Parse([]byte(text), "DestinationRule", []string{"networking.istio.io/v1", "networking.istio.io/v1beta1"},
		&networking.DestinationRule{})
	return findings
}

// rule is a DestinationRule whose spec has the lines.
func rule(lines ...string) string {
	return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: x\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

// decode reads a JSON text into m.
func decode(text string, dialect Dialect, m proto.Message) finding.List {
	root, findings := yamldoc.Parse([]byte(`{"spec":` + text + `}`))
	if len(findings) > 0 {
		panic(findings)
	}
	return Decode(root.Get("spec"), fieldpath.Path{fieldpath.Name("spec")}, dialect, m)
}

// decodeStruct reads a Struct into m.
func decodeStruct(fields map[string]*structpb.Value, m proto.Message) finding.List {
	return DecodeStruct(&structpb.Struct{Fields: fields}, fieldpath.Path{fieldpath.Name("spec")}, m)
}

func hcm(text string) finding.List { return decode(text, ProtoJSON, &hcmv3.HttpConnectionManager{}) }

func spec(text string) finding.List { return decode(text, CRD, &networking.DestinationRule{}) }

// nested is JSON with n objects in each other under one key, which many messages have.
func nested(n int) string {
	return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
}

var good = rule("host: a")

func labels(key, value string) finding.List {
	return Object{Name: "x", Labels: map[string]string{key: value}}.Validate()
}

func annotations(key, value string) finding.List {
	return Object{Name: "x", Annotations: map[string]string{key: value}}.Validate()
}

func unknownFields(n int) []string {
	lines := []string{"host: a"}
	for i := range n {
		lines = append(lines, fmt.Sprintf("unknown%d: 1", i))
	}
	return lines
}

// Each code fires on one input and is silent on another that differs from it as little as possible.
func TestCodes(t *testing.T) {
	rows := []struct {
		code          string
		fires, silent finding.List
		path          string // of the finding that fires
		line          int    // of it
		reason        string
	}{
		{"WS901", read("# nothing\n---\n"), read("---\n# nothing\n---\n" + good), "", 0, "comments are no document"},
		{"WS902", read(good + "  a: b: c\n"), read(good), "", 7, "a line with two colons"},
		{"WS903", read("a: \xff"), read(good), "", 1, "not UTF-8"},
		{"WS904", read(good + strings.Repeat("#", yamldoc.MaxSize)), read(good + strings.Repeat("#", yamldoc.MaxSize-len(good))), "", 0, "one byte too many"},
		{"WS905", read(good + "---\n" + good), read(good + "---\n# nothing more\n"), "", 8, "two objects"},
		{"WS906", read("kind: List\nitems: []\n"), read(good), "kind", 1, "a List of kubectl get"},
		{"WS907", read(strings.Replace(good, "DestinationRule", "VirtualService", 1)), read(good), "kind", 2, "another kind"},
		{"WS908", read(strings.Replace(good, "/v1", "/v1alpha1", 1)), read(strings.Replace(good, "/v1", "/v1beta1", 1)), "apiVersion", 1, "a version that no release served"},
		{"WS909", read(rule("host: a", "host: b")), read(good), "spec.host", 7, "a key that stands twice"},
		{"WS910", read("# a comment\n%YAML 1.1\n---\n" + rule("host: a")), read("# a comment\n---\n" + rule("host: \"%a\"")), "", 2, "a directive"},
		{"WS910", read("# a comment\n... # an end\n" + rule("host: a")), read(rule("host: a") + "...\n"), "", 2, "a document's end"},
		{"WS910", read(jsonRule(`{"host":"a"}`) + "\n# an end\n...\n"), read(jsonRule(`{"host":"a"}`) + "\n# nothing more\n"), "", 3, "a document's end after JSON"},

		{"WS912", read(good + "#" + strings.Repeat(",", yamldoc.MaxNodes/2)), read(good + "#" + strings.Repeat(",", yamldoc.MaxNodes/2-20)), "", 0, "too many separators"},

		{"WS920", spec(`{"hots":"a"}`), spec(`{"host":"a"}`), "spec.hots", 1, "a misspelt field"},
		{"WS921", spec(`{"host":1}`), spec(`{"host":"1"}`), "spec.host", 1, "a number for a string"},
		{"WS922", spec(`{"trafficPolicy":{"loadBalancer":{"simple":"LAST_REQUEST"}}}`),
			spec(`{"trafficPolicy":{"loadBalancer":{"simple":"LEAST_REQUEST"}}}`), "spec.trafficPolicy.loadBalancer.simple", 1, "no such value"},
		{"WS923", spec(`{"trafficPolicy":{"portLevelSettings":[{"port":{"number":-1}}]}}`),
			spec(`{"trafficPolicy":{"portLevelSettings":[{"port":{"number":1}}]}}`), "spec.trafficPolicy.portLevelSettings[0].port.number", 1, "a negative port"},
		{"WS924", spec(`{"trafficPolicy":{"connectionPool":{"tcp":{"connectTimeout":"60"}}}}`),
			spec(`{"trafficPolicy":{"connectionPool":{"tcp":{"connectTimeout":"1m"}}}}`), "spec.trafficPolicy.connectionPool.tcp.connectTimeout", 1, "a duration without a unit"},
		{"WS925", spec(`{"trafficPolicy":{"loadBalancer":{"simple":"RANDOM","consistentHash":{}}}}`),
			spec(`{"trafficPolicy":{"loadBalancer":{"simple":"RANDOM","consistentHash":null}}}`), "spec.trafficPolicy.loadBalancer.simple", 1, "two of one oneof"},
		{"WS926", hcm(`{"statPrefix":"a","stat_prefix":"a"}`), hcm(`{"stat_prefix":"a"}`), "spec.stat_prefix", 1, "both spellings"},
		{"WS927", hcm(`{"httpFilters":[{"typedConfig":{"name":"a"}}]}`), hcm(`{"httpFilters":[{"typedConfig":{"@type":"` + hcmURL + `"}}]}`),
			"spec.httpFilters[0].typedConfig", 1, "an Any without its type"},
		{"WS928", hcm(`{"httpFilters":[{"typedConfig":{"@type":"type.googleapis.com/envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager"}}]}`),
			hcm(`{"httpFilters":[{"typedConfig":{"@type":"` + hcmURL + `"}}]}`), `spec.httpFilters[0].typedConfig["@type"]`, 1, "a type of Envoy's v2 API"},
		{"WS929", decode(`{"patch":{"value":`+nested(99)+`}}`, CRD, &networking.EnvoyFilter_EnvoyConfigObjectPatch{}),
			decode(`{"patch":{"value":`+nested(98)+`}}`, CRD, &networking.EnvoyFilter_EnvoyConfigObjectPatch{}),
			"spec.patch.value" + strings.Repeat(".a", 99), 1, "one level too deep"},
		{"WS930", decode(`{"m":{"0":"a","-0":"b"}}`, CRD, intMap()), decode(`{"m":{"0":"a","-1":"b"}}`, CRD, intMap()), `spec.m["0"]`, 1, "two keys that are one number"},
		{"WS931", decodeStruct(map[string]*structpb.Value{"host": structpb.NewStringValue("a\xff")}, &networking.DestinationRule{}),
			decodeStruct(map[string]*structpb.Value{"host": structpb.NewStringValue("ä")}, &networking.DestinationRule{}), "spec.host", 0, "half a character"},
		{"WS939", read(rule(unknownFields(maxFindings + 1)...)), read(rule(unknownFields(maxFindings)...)), "", 0, "one problem more than are listed"},

		{"WS951", Object{}.Validate(), Object{Name: "x"}.Validate(), "metadata.name", 0, "no name"},
		{"WS952", Object{Name: "a_b"}.Validate(), Object{Name: "a.b"}.Validate(), "metadata.name", 0, "an underscore"},
		{"WS953", Object{Name: "x", Namespace: "a.b"}.Validate(), Object{Name: "x", Namespace: "a-b"}.Validate(), "metadata.namespace", 0, "a dot"},
		{"WS954", labels("a b", "c"), labels("a.b/c", "d"), `metadata.labels["a b"]`, 0, "a space in the key"},
		{"WS955", labels("a", "b c"), labels("a", "b.c"), `metadata.labels.a`, 0, "a space in the value"},
		{"WS956", annotations("a b", "c"), annotations("A.B/c", "any text: \n"), `metadata.annotations["a b"]`, 0, "a space in the key"},
		{"WS957", annotations("a", strings.Repeat("b", maxAnnotations)), annotations("a", strings.Repeat("b", maxAnnotations-1)), "metadata.annotations", 0, "one byte too many"},
		{"WS958", annotations("istio.io/dry-run", "true"), annotations("istio.io/rev", "true"), `metadata.annotations["istio.io/dry-run"]`, 0, "for AuthorizationPolicy"},
		{"WS959", annotations("a", "\xff"), annotations("a", "ÿ"), `metadata.annotations.a`, 0, "not UTF-8"},
	}
	var tested []string
	for _, row := range rows {
		t.Run(row.code+" "+row.reason, func(t *testing.T) {
			i := slices.IndexFunc(row.fires, func(f finding.Finding) bool { return f.Code == row.code })
			if i < 0 {
				t.Fatalf("it does not fire: %v", row.fires)
			}
			if f := row.fires[i]; f.Path != row.path || f.Line != row.line {
				t.Errorf("it fires at path %q and line %d, want %q and %d", f.Path, f.Line, row.path, row.line)
			} else if f.Message == "" || f.Hint == "" || f.Source == "" {
				t.Errorf("it has no message, hint or source: %+v", f)
			}
			if slices.ContainsFunc(row.silent, func(f finding.Finding) bool { return f.Code == row.code }) {
				t.Errorf("it is not silent: %v", row.silent)
			}
			if row.code != "WS939" && len(row.silent) > 0 {
				t.Errorf("other codes are not silent: %v", row.silent)
			}
		})
		tested = append(tested, row.code)
	}
	for _, rule := range Rules() {
		if !slices.Contains(tested, rule.Code) {
			t.Errorf("there is no row for %s", rule.Code)
		}
	}
}
