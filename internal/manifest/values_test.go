// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strings"
	"testing"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// manifestOf is an EnvoyFilter with a value in both spellings, on lines that the tests name.
const manifestOf = `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: x
  labels:
    a.b/c: d
spec:
  configPatches:
  - applyTo: NETWORK_FILTER # 9
    patch:
      operation: MERGE
      value:
        typedConfig: # 13
          "@type": ` + hcmURL + `
          http2ProtocolOptions:
            allowConnect: true # 16
            max_concurrent_streams: 5
          upgrade_configs:
          - upgradeType: websocket
          streamIdleTimeout: 0s # 20
`

func readFilter(t *testing.T, text string) (*Reading, []proto.Message) {
	t.Helper()
	root, findings := yamldoc.Parse([]byte(text))
	if root == nil {
		t.Fatal(findings)
	}
	r := Read(root, findings, "EnvoyFilter", []string{"networking.istio.io/v1alpha3"}, &networking.EnvoyFilter{})
	return r, r.DecodeValues(root)
}

// TestValues reads the values of patches as messages, also where something else is wrong.
func TestValues(t *testing.T) {
	_, values := readFilter(t, manifestOf)
	var config anypb.Any
	m := values[0].ProtoReflect()
	proto.Merge(&config, m.Get(m.Descriptor().Fields().ByName("typed_config")).Message().Interface())
	hcm := &hcmv3.HttpConnectionManager{}
	if err := config.UnmarshalTo(hcm); err != nil || !hcm.GetHttp2ProtocolOptions().GetAllowConnect() || hcm.GetStreamIdleTimeout() == nil {
		t.Errorf("%v, %v", hcm, err)
	}

	patch := func(applyTo, value string) string {
		return "  - applyTo: " + applyTo + "\n    patch: {operation: MERGE, value: " + value + "}\n"
	}
	r, values := readFilter(t, strings.Replace(manifestOf, "name: x", "nam: x", 1)+
		patch("CLUSTER", "{connect_timeout: 1s, lb_polcy: RANDOM, name: 1e400}")+patch("NOTHING", "{name: a}")+
		patch("CLUSTER", "{connectTimeout: 1, connect_timeout: 2}")+patch("INVALID", "{name: a}")+"  - applyTo: CLUSTER\n  - 7\n"+patch("CLUSTER", "{a: .nan}"))
	checkFindings(t, r.Findings, []string{
		`WS920 metadata.nam: the field "nam" is not known in metadata (did you mean name?)`,
		"WS951 metadata.name: the object has no name",
		`WS922 spec.configPatches[2].applyTo: "NOTHING" is not a value of istio.networking.v1alpha3.EnvoyFilter.ApplyTo (The values are LISTENER, FILTER_CHAIN,`,
		"WS921 spec.configPatches[6]: the number 7 is not an object",
		"WS923 spec.configPatches[7].patch.value.a: the number NaN is not a number",
		`WS920 spec.configPatches[1].patch.value.lb_polcy: the field "lb_polcy" is not known in envoy.config.cluster.v3.Cluster (did you mean lb_policy?)`,
		"WS921 spec.configPatches[3].patch.value.connectTimeout: the number 1 is not a string",
		"WS926 spec.configPatches[3].patch.value.connect_timeout: connectTimeout and connect_timeout are two spellings",
		`WS920 spec.configPatches[7].patch.value.a: the field "a" is not known`,
	})
	if r.IsServed {
		t.Error("a filter with wrong types is served")
	}
	for i, want := range []bool{true, true, false, true, false, false, false, true} {
		if (values[i] != nil) != want {
			t.Errorf("value %d is %v", i, values[i])
		}
	}
	if m := values[1].ProtoReflect(); m.Get(m.Descriptor().Fields().ByName("name")).String() != "1e400" {
		t.Errorf("what can be read of the value is %v", values[1])
	}
	for _, f := range r.Findings {
		if f.Line == 0 || f.Object != "" {
			t.Errorf("%+v", f)
		}
	}
	if lines := r.Findings[len(r.Findings)-1].Line; lines != 2+strings.Count(manifestOf, "\n")+10 {
		t.Errorf("the last finding is on line %d", lines)
	}
}

// TestManyProblemsOfValues shows how many problems of all values are listed.
func TestManyProblemsOfValues(t *testing.T) {
	text := manifestOf
	for range maxFindings {
		text += "  - applyTo: CLUSTER\n    patch: {operation: MERGE, value: {a: 1, b: 2, c: 3}}\n"
	}
	r, _ := readFilter(t, text)
	if last := r.Findings[len(r.Findings)-1]; len(r.Findings) != maxFindings+1 || last.Code != "WS939" || last.Object != "EnvoyFilter x" {
		t.Errorf("%d problems are listed, the last is %v", len(r.Findings), last)
	}
}

// TestReadWhatCanBeRead shows what is left of a document with findings.
func TestReadWhatCanBeRead(t *testing.T) {
	text := rule("host: a", "hots: b", "exportTo: [\".\", 5]", "subsets:", "- name: v1", "  labels: {a: 1, b: c}", "- 7", "- {name: v2, trafficPolicy: {tls: 1}}",
		"trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {httpHeaderName: x}}, connectionPool: {tcp: {maxConnections: 1, connectTimeout: x}}}")
	text = strings.Replace(text, "  name: x\n", "  name: x\n  namespace: [a]\n  labels: {a: b, c: 1}\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n", 1)
	root, findings := yamldoc.Parse([]byte(text))
	got := Read(root, findings, "DestinationRule", []string{"networking.istio.io/v1"}, &networking.DestinationRule{Host: "before"})
	want := &networking.DestinationRule{Host: "a", ExportTo: []string{"."},
		Subsets: []*networking.Subset{{Name: "v1", Labels: map[string]string{"b": "c"}}, {}, {Name: "v2", TrafficPolicy: &networking.TrafficPolicy{}}},
		TrafficPolicy: &networking.TrafficPolicy{
			LoadBalancer: &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_ConsistentHash{ConsistentHash: &networking.LoadBalancerSettings_ConsistentHashLB{
				HashKey: &networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName{HttpHeaderName: "x"}}}},
			ConnectionPool: &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: 1}},
		}}
	if diff := cmp.Diff(proto.Message(want), got.Spec, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got.Name != "x" || got.Namespace != "" || got.Labels["a"] != "b" || len(got.Labels) != 1 || got.CreationTimestamp != "2026-01-01T00:00:00Z" || got.IsServed {
		t.Errorf("%+v", got)
	}
	header, created := ReadHeader(root)
	if header.String() != "DestinationRule x" || header.APIVersion != "networking.istio.io/v1" || len(header.Labels) != 1 || created != got.CreationTimestamp {
		t.Errorf("%+v, %s", header, created)
	}

	for text, want := range map[string]bool{
		rule("host: a"):                             true,
		rule("host: a", "hots: b"):                  true,
		rule("host: a", "host: b"):                  true,
		rule("host: 1"):                             false,
		strings.Replace(good, "name: x", "a: 1", 1): true,
		strings.Replace(good, "/v1", "/v2", 1):      true,
	} {
		root, findings := yamldoc.Parse([]byte(text))
		if got := Read(root, findings, "DestinationRule", []string{"networking.istio.io/v1"}, &networking.DestinationRule{}); got.IsServed != want {
			t.Errorf("%s\nserved: %t, %v", text, got.IsServed, got.Findings)
		}
	}
	for _, text := range []string{"[a]", "kind: [a]\nmetadata: b", "kind: a"} {
		root, _ := yamldoc.Parse([]byte(text))
		if header, created := ReadHeader(root); header.Name != "" || created != "" {
			t.Errorf("%s: %+v", text, header)
		}
	}
}

// TestLinesOfFindings gives each finding the line of its field.
func TestLinesOfFindings(t *testing.T) {
	_, findings := Parse([]byte(rule("# a comment", "hots: a", "subsets:", "- name: b", "  labels:", "    c:", "      d", "", "    e: 1", "trafficPolicy:", "  tls: {mode: MUTUAL,", "    sni: 5}")),
		"DestinationRule", []string{"networking.istio.io/v1"}, &networking.DestinationRule{})
	var got []string
	for _, f := range findings {
		got = append(got, fmt.Sprint(f.Line, " ", f.Path))
	}
	if diff := cmp.Diff([]string{"7 spec.hots", "14 spec.subsets[0].labels.e", "17 spec.trafficPolicy.tls.sni"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, r := range Rules() {
		if r.Severity != finding.SeverityError || r.Meaning == "" || r.Source == "" {
			t.Errorf("%+v", r)
		}
	}
}
