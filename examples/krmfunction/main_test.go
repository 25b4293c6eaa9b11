// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"sigs.k8s.io/yaml"
)

const head = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n"

const config = `functionConfig:
  apiVersion: wsmesh.dev/v1alpha1
  kind: Inventory
  metadata:
    name: realtime
    annotations: {config.kubernetes.io/path: fleet.yaml}
  mesh: {controlPlanes: ["1.24.1"], proxies: ["1.24.1"]}
`

func TestRun(t *testing.T) {
	tests := []struct {
		in     string
		err    string
		items  []string
		result string // severity, code, field and file of the first
		reason string
	}{
		{head + config + "  services: [{name: chat, namespace: prod, workload: {app: chat}, ports: [{number: 80, name: http}]}]\n", "",
			[]string{"EnvoyFilter prod/chat-allow-connect", "DestinationRule prod/chat"}, "", "a generator"},
		{head + config + "  services: [{name: chat, namespace: prod, workload: {app: chat}, ports: [{number: 80, name: ws}]}]\nitems:\n" +
			"- {apiVersion: networking.istio.io/v1beta1, kind: DestinationRule, metadata: {name: chat, namespace: prod}, spec: {host: chat}}\n" +
			"- {apiVersion: v1, kind: Service, metadata: {name: chat, namespace: prod}}\n", "",
			[]string{"DestinationRule prod/chat", "Service prod/chat"}, "info", "a transformer"},
		{head + config + "  services: [{name: chat, namespace: prod, workload: {app: chat}, ports: [{number: 80, name: http}]}]\nitems:\n" +
			"- {apiVersion: networking.istio.io/v1beta1, kind: DestinationRule, metadata: {name: chat, namespace: prod}, spec: {host: x}}\n", "rename that rule",
			[]string{"DestinationRule prod/chat"}, "error", "a rule of the same name for another host"},
		{head + config + "  services: [{name: chat, namespace: prod, workload: {app: chat}}]\nitems:\n" +
			"- {apiVersion: networking.istio.io/v1beta1, kind: DestinationRule, metadata: {name: chat, namespace: prod}, spec: {hots: x}}\n", "WS920",
			[]string{"DestinationRule prod/chat"}, "error WS920 spec.hots", "a rule that cannot be read"},
		{head + config + "  services: []\n", "", nil, "", "no Services"},
		{head + config + "  services: [{name: chat, namespace: prod}]\nitems: [{apiVersion: v1, kind: Service, metadata: {name: chat, namespace: prod}}]\n", "WS503",
			[]string{"Service prod/chat"}, "error WS503 services[0].workload fleet.yaml", "a Service that is refused"},
		{head + config + "  svcs: []\n", "WS963", nil, "error WS963 svcs fleet.yaml", "a misspelt key"},
		{head + "functionConfig: 1\n", "no object", nil, "", "a functionConfig that is a number"},
		{head, "no functionConfig", nil, "", "no functionConfig"},
		{head + config + "  services: []\nitems: [1]\n", "no object", nil, "", "an item that is a number"},
		{"kind: List\n", "give a ResourceList", nil, "", "another kind"},
		{"a: [", "no ResourceList", nil, "", "no YAML"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		err := run(strings.NewReader(tt.in), &out)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v", tt.reason, err)
		}
		var list struct {
			Items   []object `json:"items"`
			Results []result `json:"results"`
		}
		if err := yaml.Unmarshal(out.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		var items []string
		for _, o := range list.Items {
			items = append(items, o.Kind+" "+o.Metadata.Namespace+"/"+o.Metadata.Name)
		}
		if strings.Join(items, ",") != strings.Join(tt.items, ",") {
			t.Errorf("%s: the items are %v, not %v", tt.reason, items, tt.items)
		}
		got := ""
		if len(list.Results) > 0 {
			r := list.Results[0]
			got = strings.TrimSpace(r.Severity + " " + r.Tags.Code)
			if r.Field != nil {
				got += " " + r.Field.Path
			}
			if r.File != nil {
				got += " " + r.File.Path
			}
		}
		if got != tt.result {
			t.Errorf("%s: the first result is %q, not %q", tt.reason, got, tt.result)
		}
	}
	if err := run(iotest.ErrReader(os.ErrClosed), nil); err == nil {
		t.Error("an input that cannot be read is no error")
	}
}

// TestBase: a rule that an item has keeps its name and its settings, also in a second run; no other rule for its host is
// added, and a second one is reported.
func TestBase(t *testing.T) {
	in := head + config + `  services: [{name: chat, namespace: prod, workload: {app: chat}, ports: [{number: 80, name: http}]}]
items:
- apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata:
    name: by-hand
    namespace: prod
    annotations: {config.kubernetes.io/path: rules.yaml, config.kubernetes.io/index: "3"}
  spec:
    host: chat
    trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}
- apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: second, namespace: prod}
  spec: {host: chat.prod.svc.cluster.local}
- apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: some-clients, namespace: prod}
  spec: {host: chat, workloadSelector: {matchLabels: {app: web}}}
- apiVersion: networking.istio.io/v1alpha3
  kind: EnvoyFilter
  metadata:
    name: chat-allow-connect
    namespace: prod
    annotations: {config.kubernetes.io/path: filters.yaml, example.com/x: z}
`
	for range 2 {
		var out bytes.Buffer
		if err := run(strings.NewReader(in), &out); err != nil {
			t.Fatal(err)
		}
		in = out.String()
		for _, want := range []string{"maxEjectionPercent: 50", "h2UpgradePolicy: UPGRADE", "config.kubernetes.io/path: rules.yaml", "config.kubernetes.io/path: filters.yaml", "allow_connect: true",
			"message: 'DestinationRule prod/by-hand is the rule for the host chat.prod.svc.cluster.local", "DestinationRule prod/second is a second rule"} {
			if !strings.Contains(in, want) {
				t.Errorf("%q is not in\n%s", want, in)
			}
		}
		if n := strings.Count(in, "kind: DestinationRule"); n != 3 || strings.Contains(in, "example.com/x") {
			t.Errorf("there are %d rules in\n%s", n, in)
		}
	}
}
