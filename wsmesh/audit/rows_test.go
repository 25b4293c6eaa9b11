// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestAuditRows: changes of the pair that audits clean, and what an audit says of each.
func TestAuditRows(t *testing.T) {
	data, err := os.ReadFile("testdata/cases/WS340-silent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(data), "---\n")
	filter, rule, service, deployment := parts[0], parts[1], parts[2], parts[3]
	all := func(docs ...string) string { return strings.Join(docs, "---\n") }
	sub := func(text, old, with string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in\n%s", old, text)
		}
		return strings.ReplaceAll(text, old, with)
	}
	namespace := func(labels string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod, labels: {" + labels + "}}\n"
	}
	template := func(key, value string) string {
		return sub(deployment, "      labels: {app: chat}\n", "      labels: {app: chat}\n      "+key+": {"+value+"}\n")
	}
	labelled := func(label string) string {
		return sub(deployment, "      labels: {app: chat}", "      labels: {app: chat, "+label+"}")
	}
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: chat-1, namespace: prod, labels: {app: chat}}\nspec:\n  nodeName: a\n  containers:\n  - name: app\n"
	subset := sub(rule, "  trafficPolicy:", "  subsets:\n  - name: v2\n    labels: {version: v2}\n    trafficPolicy:\n      connectionPool: {http: {h2UpgradePolicy: UPGRADE}}\n  trafficPolicy:")
	subset = sub(subset, "        h2UpgradePolicy: UPGRADE\n", "        h2UpgradePolicy: DO_NOT_UPGRADE\n")
	wildcard := sub(sub(rule, "chat.prod.svc", "*.prod.svc"), "name: chat", "name: all")
	mesh1 := func(text string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio-1-24, namespace: istio-system}\ndata:\n  mesh: '" + text + "'\n"
	}
	for reason, tt := range map[string]struct {
		text    string
		release string
		want    []string
	}{
		"a namespace that says nothing injects nothing":              {all(namespace(""), filter, rule, service, deployment), "", []string{"WS342", "WS547"}},
		"a revision's label injects":                                 {all(namespace("istio.io/rev: canary"), filter, rule, service, deployment), "", nil},
		"a pod's label injects":                                      {all(namespace(""), filter, rule, service, labelled(`sidecar.istio.io/inject: "true"`)), "", nil},
		"a pod's annotation keeps the sidecar away":                  {all(filter, rule, service, template("annotations", `sidecar.istio.io/inject: "false"`)), "", []string{"WS342", "WS547"}},
		"pods on the host's network have none":                       {all(filter, rule, service, sub(deployment, "      containers:", "      hostNetwork: true\n      containers:")), "", []string{"WS342", "WS547"}},
		"a sidecar injected by hand":                                 {all(namespace(""), filter, rule, service, sub(deployment, "- name: app", "- name: istio-proxy")), "", nil},
		"a pod that runs without a sidecar":                          {all(namespace("istio-injection: enabled"), filter, rule, service, pod), "", []string{"WS342", "WS547"}},
		"a pod that runs with one":                                   {all(filter, rule, service, pod+"  - name: istio-proxy\n"), "", nil},
		"a pod in ambient mode":                                      {all(filter, rule, service, labelled("istio.io/dataplane-mode: ambient")), "", []string{"WS342", "WS545"}},
		"a waypoint of the namespace":                                {all(namespace("istio-injection: enabled, istio.io/use-waypoint: edge"), filter, rule, service, deployment), "", []string{"WS546"}},
		"no waypoint after all":                                      {all(namespace("istio-injection: enabled, istio.io/use-waypoint: none"), filter, rule, service, deployment), "", nil},
		"the target is a port's name":                                {all(sub(filter, "      listener:\n", "      listener:\n        portNumber: 8080\n"), rule, sub(service, "targetPort: 8080", "targetPort: web"), sub(deployment, "- containerPort: 8080", "- {containerPort: 8080, name: web}")), "", nil},
		"the target is a port's name that is not known":              {all(filter, rule, sub(service, "targetPort: 8080", "targetPort: web"), deployment), "", nil},
		"no targetPort":                                              {all(sub(filter, "      listener:\n", "      listener:\n        portNumber: 80\n"), rule, sub(service, "    targetPort: 8080\n", ""), deployment), "", nil},
		"a port level for another port":                              {all(filter, sub(rule, "  trafficPolicy:\n", "  trafficPolicy:\n    portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}]\n"), service, deployment), "", []string{"WS342"}},
		"UPGRADE for pods of a subset that there are":                {all(subset, service, labelled("version: v2")), "", []string{"WS340"}},
		"UPGRADE for pods of a subset that there are not":            {all(subset, service, deployment), "", nil},
		"a wildcard reaches each Service":                            {all(wildcard, service, deployment), "", []string{"WS163", "WS340"}},
		"a wildcard for all":                                         {all(sub(wildcard, "*.prod.svc.cluster.local", "*"), service, deployment), "", []string{"WS163", "WS340"}},
		"a wildcard in the clients' namespace":                       {all(sub(sub(wildcard, "namespace: prod", "namespace: web"), "h2UpgradePolicy: UPGRADE", "h2UpgradePolicy: DO_NOT_UPGRADE"), filter, rule, service, deployment), "", []string{"WS352"}},
		"a wildcard in the root namespace":                           {all(sub(sub(wildcard, "namespace: prod", "namespace: istio-system"), "h2UpgradePolicy: UPGRADE", "h2UpgradePolicy: DO_NOT_UPGRADE"), filter, rule, service, deployment), "", nil},
		"the root namespace's rule where the Service has none":       {all(filter, sub(rule, "namespace: prod", "namespace: istio-system"), service, deployment), "", nil},
		"UPGRADE of the root namespace that the Service's own hides": {all(sub(rule, "namespace: prod", "namespace: istio-system"), sub(rule, "h2UpgradePolicy: UPGRADE", "h2UpgradePolicy: DO_NOT_UPGRADE"), service, deployment), "", []string{"WS353"}},
		"two rules of unknown age":                                   {all(filter, rule, sub(rule, "name: chat", "name: chat-2"), service, deployment), "", []string{"WS351"}},
		"an older rule that is given later":                          {all(filter, sub(rule, "  name: chat\n", "  name: chat\n  creationTimestamp: \"2025-01-01T00:00:00Z\"\n"), sub(rule, "  name: chat\n", "  name: old\n  creationTimestamp: \"2024-01-01T00:00:00Z\"\n"), service, deployment), "", []string{"WS351"}},
		"an older rule hides UPGRADE":                                {all(sub(rule, "  name: chat\n", "  name: chat\n  creationTimestamp: \"2025-01-01T00:00:00Z\"\n"), sub(sub(rule, "  name: chat\n", "  name: old\n  creationTimestamp: \"2024-01-01T00:00:00Z\"\n"), "UPGRADE", "DO_NOT_UPGRADE"), service, deployment), "", []string{"WS351"}},
		"a rule for some clients stands apart":                       {all(filter, rule, sub(sub(rule, "name: chat", "name: chat-2"), "  host:", "  workloadSelector: {matchLabels: {app: web}}\n  host:"), service, deployment), "", []string{"WS166"}},
		"a host of a ServiceEntry":                                   {all("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a, namespace: prod}\nspec: {hosts: [api.example.com]}\n", sub(rule, "chat.prod.svc.cluster.local", "api.example.com")), "", []string{"WS548"}},
		"hosts of ServiceEntries":                                    {all("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a, namespace: prod}\nspec: {hosts: [api.example.com]}\n", sub(rule, "chat.prod.svc.cluster.local", "*.example.com")), "", []string{"WS163", "WS548"}},
		"a wildcard for nothing that is known":                       {sub(rule, "chat.prod.svc.cluster.local", "*.example.com"), "", []string{"WS163"}},
		"ExternalName":                                               {all(rule, sub(service, "spec:\n", "spec:\n  type: ExternalName\n")), "", []string{"WS548"}},
		"an appProtocol of HTTP/2":                                   {all(filter, rule, sub(service, "    name: http-ws\n", "    appProtocol: kubernetes.io/h2c\n"), deployment), "", []string{"WS342", "WS540"}},
		"a port without a name":                                      {all(rule, sub(service, "    name: http-ws\n", ""), deployment), "1.28.0", []string{"WS542"}},
		"DO_NOT_UPGRADE of a port without a name":                    {all(sub(rule, "UPGRADE", "DO_NOT_UPGRADE"), sub(service, "    name: http-ws\n", ""), deployment), "", nil},
		"the old name of the filter, while it worked":                {all(sub(filter, "envoy.filters.network.http_connection_manager", "envoy.http_connection_manager"), sub(rule, "io/v1\n", "io/v1beta1\n"), service, deployment), "1.16.7", nil},
		"the old name of the filter, later":                          {all(sub(filter, "envoy.filters.network.http_connection_manager", "envoy.http_connection_manager"), rule, service, deployment), "", []string{"WS234", "WS340", "WS348"}},
		"no name of the filter":                                      {all(sub(filter, "            name: envoy.filters.network.http_connection_manager\n", "            {}\n"), rule, service, deployment), "", []string{"WS231", "WS242"}},
		"a filter for an outbound listener":                          {all(sub(filter, "      listener:\n", "      listener:\n        name: virtualOutbound\n"), rule, service, deployment), "", []string{"WS340"}},
		"a selector of more labels than the Service's, pods unknown": {all(sub(filter, "      app: chat\n", "      app: chat\n      version: v1\n"), rule, service), "", []string{"WS549"}},
		"a selector of other labels, pods unknown":                   {all(sub(filter, "      app: chat\n", "      app: chat\n      version: v1\n"), rule, sub(service, "    app: chat\n", "    app: chat\n    version: v2\n")), "", []string{"WS340", "WS342", "WS549"}},
		"targetRefs that are ignored open the whole namespace":       {all(sub(filter, "  workloadSelector:\n    labels:\n      app: chat\n", "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}]\n"), rule, service, deployment), "", []string{"WS448"}},
		"targetRefs before there were any":                           {all(sub(filter, "  workloadSelector:\n    labels:\n      app: chat\n", "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}]\n"), sub(rule, "io/v1\n", "io/v1beta1\n"), service, deployment), "1.21.6", []string{"WS448", "WS452"}},
		"newer fields of a filter":                                   {sub(sub(filter, "  workloadSelector:", "  priority: 1\n  workloadSelector:"), "operation: MERGE", "operation: REPLACE"), "1.7.0", []string{"WS260", "WS260", "WS260", "WS452", "WS452"}},
		"a listener filter before there were patches for it":         {sub(filter, "NETWORK_FILTER", "LISTENER_FILTER"), "1.16.0", []string{"WS236", "WS241", "WS452"}},
		"a list that is replaced before there was such an operation": {sub(filter, "operation: MERGE", "operation: MERGE_AND_REPLACE_LIST"), "1.30.3", []string{"WS241", "WS452"}},
		"newer fields of a rule":                                     {sub(rule, "    connectionPool:\n", "    connectionPool:\n      tcp: {idleTimeout: 7200s}\n"), "1.12.0", []string{"WS446", "WS452"}},
		"a filter for every workload of its namespace":               {all(sub(filter, "  workloadSelector:\n    labels:\n      app: chat\n", ""), rule, service, deployment), "", []string{"WS210"}},
		"a filter of the root namespace that selects nothing":        {sub(filter, "namespace: prod", "namespace: istio-system"), "", []string{"WS342", "WS350"}},
		"the ConfigMap of another control plane":                     {all(mesh1("{h2UpgradePolicy: UPGRADE, rootNamespace: root}"), sub(filter, "namespace: prod", "namespace: root"), rule, service, deployment), "", []string{"WS350"}},
		"a ConfigMap without a mesh":                                 {sub(mesh1("a"), "  mesh:", "  meshNetworks:"), "", nil},
		"a ConfigMap that is broken":                                 {mesh1("[a"), "", []string{"WS992"}},
		"a mesh-wide UPGRADE and wildcards":                          {all(mesh1("h2UpgradePolicy: UPGRADE"), sub(wildcard, "UPGRADE", "DO_NOT_UPGRADE"), service, deployment), "", nil},
		"a mesh-wide UPGRADE and a Service without pods":             {all(mesh1("h2UpgradePolicy: UPGRADE"), "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80, name: http}]}\n"), "", nil},
		"a mesh-wide UPGRADE and a gateway":                          {all(mesh1("h2UpgradePolicy: UPGRADE"), service, labelled("istio: ingressgateway")), "", nil},
		"a mesh-wide UPGRADE needs the filter":                       {all(mesh1("h2UpgradePolicy: UPGRADE"), filter, service, deployment), "", nil},
		"settings for the edge on one workload":                      {template("annotations", `proxy.istio.io/config: "connectionSettings: {httpStreamIdleTimeout: 60s}"`), "1.31.0", []string{"WS450"}},
		"a proxy config that is broken":                              {template("annotations", `proxy.istio.io/config: "["`), "1.31.0", nil},
		"no timeout at all, in the other spelling":                   {all(sub(sub(sub(filter, "typed_config", "typedConfig"), "http2_protocol_options:", "streamIdleTimeout: 0s\n          http2ProtocolOptions:"), "allow_connect", "allowConnect"), rule, service, deployment), "", nil},
		"a timeout, in the other spelling":                           {all(sub(filter, "typed_config:", "typedConfig:\n          streamIdleTimeout: 60s"), rule, service, deployment), "", []string{"WS356"}},
		"a selector that some of the pods carry":                     {all(filter, rule, sub(service, "    app: chat\n", "    app: chat\n    version: v1\n"), labelled("version: v2"), sub(labelled("version: v1"), "  name: chat\n", "  name: b\n"), sub(labelled("version: v1"), "app: chat,", "app: other,")), "", []string{"WS993"}},
		"a rule that is not read":                                    {all("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: chat, namespace: prod}\nspec: {host: [a]}\n", service, deployment), "", []string{"WS921"}},
		"a rule that is a template":                                  {"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec:\n  {{ toYaml .Values.spec }}\n", "", []string{"WS994"}},
		"a filter that is a template":                                {"apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\nspec:\n  {{ toYaml .Values.spec }}\n", "", []string{"WS994"}},
		"a host in the namespace of the control plane":               {all(sub(service, "namespace: prod", "namespace: istio-system"), sub(sub(rule, "chat.prod.svc", "istiod.istio-system.svc"), "UPGRADE", "DO_NOT_UPGRADE")), "", nil},
		"a short host without a namespace":                           {sub(sub(rule, "  namespace: prod\n", ""), "chat.prod.svc.cluster.local", "chat"), "", []string{"WS162"}},
		"kinds that take no part, a document of none, an empty list": {all("a: 1\n", "apiVersion: v1\nkind: Secret\nmetadata: []\n", "kind: *List\n", "apiVersion: v1\nkind: List\nitems: []\n"), "", []string{"WS992"}},
		"a pattern that is no regular expression opens nothing":      {all(sub(filter, "      listener:\n", "      proxy: {proxyVersion: '['}\n      listener:\n"), rule, service, deployment), "", []string{"WS227", "WS340"}},
		"more workloads than a message lists":                        {all(rule, service, deployment, sub(deployment, "  name: chat\n", "  name: b\n"), sub(deployment, "  name: chat\n", "  name: c\n"), sub(deployment, "  name: chat\n", "  name: d\n")), "", []string{"WS340"}},
		"DO_NOT_UPGRADE on an appProtocol of HTTP/2":                 {all(sub(rule, "UPGRADE", "DO_NOT_UPGRADE"), sub(service, "    name: http-ws\n", "    appProtocol: grpc\n"), deployment), "", []string{"WS544"}},
	} {
		t.Run(reason, func(t *testing.T) {
			release := tt.release
			if release == "" {
				release = "1.24.1"
			}
			l := findings(t, tt.text, release)
			got := codes(l)
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v\n%v\n%s", got, tt.want, l, tt.text)
			}
		})
	}
}
