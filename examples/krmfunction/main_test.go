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
  mesh: {proxies: ["1.24.1"]}
`

func TestRun(t *testing.T) {
	tests := []struct {
		in     string
		err    string
		items  []string
		result string // severity, code, field and file of the first
		reason string
	}{
		{head + config + "  services: [{name: chat, namespace: prod, workload: {app: chat}, port: {number: 80, name: http}}]\n", "",
			[]string{"EnvoyFilter prod/chat-allow-connect", "DestinationRule prod/chat"}, "", "a generator"},
		{head + config + "  services: [{name: chat, namespace: prod, workload: {app: chat}, port: {number: 80, name: ws}}]\nitems:\n" +
			"- {apiVersion: networking.istio.io/v1beta1, kind: DestinationRule, metadata: {name: chat, namespace: prod}, spec: {host: x}}\n" +
			"- {apiVersion: v1, kind: Service, metadata: {name: chat, namespace: prod}}\n", "",
			[]string{"DestinationRule prod/chat", "Service prod/chat"}, "warning WS507 services[0].port fleet.yaml", "a transformer"},
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
			got = strings.Join([]string{r.Severity, r.Tags.Code, r.Field.Path, r.File.Path}, " ")
		}
		if got != tt.result {
			t.Errorf("%s: the first result is %q, not %q", tt.reason, got, tt.result)
		}
	}
	if err := run(iotest.ErrReader(os.ErrClosed), nil); err == nil {
		t.Error("an input that cannot be read is no error")
	}
}
