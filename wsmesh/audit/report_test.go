// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

func ruleFor(name, host, policy string) string {
	return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: %s, namespace: prod}\nspec:\n  host: %s\n  trafficPolicy:\n    connectionPool:\n      http:\n        h2UpgradePolicy: %s\n---\n", name, host, policy)
}

func serviceOf(name, port string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: prod}\nspec:\n  selector: {app: %s}\n  ports:\n  - {port: 80, targetPort: 8080, name: %s}\n---\n", name, name, port)
}

func deploymentOf(name string) string {
	return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s, namespace: prod}\nspec:\n  template:\n    metadata:\n      labels: {app: %s}\n---\n", name, name)
}

func filterFor(name string) string {
	return fmt.Sprintf("apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: %[1]s, namespace: prod}\nspec:\n  workloadSelector:\n    labels: {app: %[1]s}\n  configPatches:\n"+
		"  - applyTo: NETWORK_FILTER\n    match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}\n"+
		"    patch:\n      operation: MERGE\n      value:\n        typed_config:\n          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          http2_protocol_options: {allow_connect: true}\n---\n", name)
}

func hostOf(name string) string { return name + ".prod.svc.cluster.local" }

// TestUpgrades: what makes clients speak HTTP/2, and what becomes of WebSockets there, is told apart.
func TestUpgrades(t *testing.T) {
	r := run(t, setOf(t, ruleFor("good", hostOf("good"), "UPGRADE")+serviceOf("good", "http")+deploymentOf("good")+filterFor("good")+
		ruleFor("bad", hostOf("bad"), "UPGRADE")+serviceOf("bad", "http")+deploymentOf("bad")+
		ruleFor("raw", hostOf("raw"), "UPGRADE")+serviceOf("raw", "tcp")+
		ruleFor("none", hostOf("none"), "UPGRADE")), "1.24.1")
	text, err := json.Marshal(r.Upgrades)
	if err != nil {
		t.Fatal(err)
	}
	const path = `"path":"spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"`
	for _, want := range []string{
		`{"rule":"DestinationRule prod/good",` + path + `,"service":"Service prod/good","host":"good.prod.svc.cluster.local","port":80,"pods":["Deployment prod/good"],"filters":["EnvoyFilter prod/good"],"verdict":"works"}`,
		`{"rule":"DestinationRule prod/bad",` + path + `,"service":"Service prod/bad","host":"bad.prod.svc.cluster.local","port":80,"pods":["Deployment prod/bad"],"verdict":"fails","reason":"no EnvoyFilter sets allow_connect for Deployment prod/bad"}`,
		`"service":"Service prod/raw","host":"raw.prod.svc.cluster.local","port":80,"verdict":"harmless"`,
		`{"rule":"DestinationRule prod/none",` + path + `,"host":"none.prod.svc.cluster.local","verdict":"unknown","reason":"no Service of the host is among the manifests"}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %s\nin %s", want, text)
		}
	}
	if got := fmt.Sprint(r.Sound, r.Broken, r.Unjudged); got != "[Service prod/good Service prod/raw] [Service prod/bad] [{DestinationRule prod/none none.prod.svc.cluster.local the Service and its workloads, or the ServiceEntry}]" {
		t.Error(got)
	}
	if text := audit.Verdict(9).String(); text != "verdict(9)" {
		t.Error(text)
	}
}

// TestSummary: one line says what was read, judged and not judged, with a count where there is much of a kind.
func TestSummary(t *testing.T) {
	var many strings.Builder
	for i := range 6 {
		name := fmt.Sprintf("s%d", i)
		many.WriteString(ruleFor(name, hostOf(name), "UPGRADE") + serviceOf(name, "http") + filterFor(name))
	}
	var hosts strings.Builder
	for i := range 3 {
		hosts.WriteString(ruleFor(fmt.Sprintf("r%d", i), hostOf(fmt.Sprintf("r%d", i)), "UPGRADE"))
	}
	limited := strings.Replace(ruleFor("a", hostOf("a"), "DO_NOT_UPGRADE"), "      http:\n", "      tcp: {maxConnections: 9}\n      http:\n        http2MaxRequests: 7\n", 1)
	buffer := strings.ReplaceAll(strings.Replace(strings.Replace(filterFor("a"), "NETWORK_FILTER", "HTTP_FILTER", 1), "http_connection_manager}}}", "http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}", 1), "          http2_protocol_options: {allow_connect: true}\n", "          max_request_bytes: 1\n")
	buffer = strings.Replace(strings.Replace(buffer, "filters.network.http_connection_manager.v3.HttpConnectionManager", "filters.http.buffer.v3.Buffer", 1), "operation: MERGE\n      value:\n", "operation: INSERT_BEFORE\n      value:\n        name: buffer\n", 1)
	for text, want := range map[string]string{
		"":                               "read 1 file with 0 objects; no Service could be judged",
		serviceOf("a", "http"):           "read 1 file with 1 object (1 Service); the Istio side is sound for WebSockets at 1 Service (Service prod/a), and sets no limit to how many a client's proxy opens",
		limited + serviceOf("a", "http"): "read 1 file with 2 objects (1 DestinationRule, 1 Service); the Istio side is sound for WebSockets at 1 Service (Service prod/a), where a rule lets a client's proxy open 7 at the most",
		buffer + serviceOf("a", "http") + deploymentOf("a"): "read 1 file with 3 objects (1 Deployment, 1 EnvoyFilter, 1 Service); WebSockets break at 1 Service (Service prod/a)",
		many.String():  "read 1 file with 18 objects (6 DestinationRule, 6 EnvoyFilter, 6 Service); the Istio side is sound for WebSockets at 6 Services (Service prod/s0, Service prod/s1, Service prod/s2, Service prod/s3 and 2 more), and sets no limit to how many a client's proxy opens; not enough is known of 6 objects: add the workloads with app=s0 in the namespace prod, the workloads with app=s1 in the namespace prod, the workloads with app=s2 in the namespace prod, the workloads with app=s3 in the namespace prod and 2 more",
		hosts.String(): "read 1 file with 3 objects (3 DestinationRule); no Service could be judged; not enough is known of 3 objects: add the Service and its workloads, or the ServiceEntry",
	} {
		if got := run(t, setOf(t, text), "1.24.1").Summary(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	for text, want := range map[string]string{
		many.String():  "the workloads of 6 Services are not among the manifests: those of Service prod/s0, Service prod/s1, Service prod/s2 and 3 more",
		hosts.String(): "no Services of the hosts of 3 DestinationRules with UPGRADE are among the manifests, and so what becomes of their WebSockets is not known: DestinationRule prod/r0, DestinationRule prod/r1, DestinationRule prod/r2",
	} {
		if l := findings(t, text); len(l) != 1 || l[0].Message != want {
			t.Errorf("%v", l)
		}
	}
}

// TestNil: nothing that is nil or empty makes an audit panic.
func TestNil(t *testing.T) {
	if _, err := audit.Run(t.Context(), nil, mesh("1.24.1")); err == nil {
		t.Error("no manifests are no error")
	}
	if _, err := audit.Run(t.Context(), &manifests.Set{}, wsmesh.Mesh{}); err == nil {
		t.Error("no mesh is no error")
	}
	for _, r := range []*audit.Report{nil, {}} {
		if _, err := r.Fix(); err == nil {
			t.Error("Fix of no audit is no error")
		}
		if r.Mermaid(io.Discard) == nil {
			t.Error("a drawing of no audit is no error")
		}
		if r.Summary() == "" {
			t.Error("no audit has no summary")
		}
	}
	if text := (*audit.Fixed)(nil).Diff(); text != "" {
		t.Error(text)
	}
}

// A lateContext is done when it is asked for the n-th time.
type lateContext struct {
	context.Context
	n *int
}

func (c lateContext) Err() error {
	if *c.n--; *c.n < 0 {
		return context.Canceled
	}
	return nil
}

// TestContext: an audit ends soon when its context does, wherever it is.
func TestContext(t *testing.T) {
	s := setOf(t, ruleFor("a", hostOf("a"), "UPGRADE")+serviceOf("a", "http")+deploymentOf("a"))
	for n := range 200 {
		left := n
		_, err := audit.Run(lateContext{t.Context(), &left}, s, mesh("1.24.1"))
		if err == nil {
			if n < 10 {
				t.Errorf("the context is asked %d times", n)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	t.Error("the audit does not end")
}

// TestMistyped: a host that differs in a letter or two from the name of a Service is taken for it, and no other.
func TestMistyped(t *testing.T) {
	for host, want := range map[string]bool{"chatroom": false, "chatrom": true, "chatrooms": true, "chatroon": true, "chatorom": true, "chat": false, "room": false, "cha": false, "chatroomxy": false, "xhatroon": false} {
		l := findings(t, ruleFor("r", hostOf(host), "DO_NOT_UPGRADE")+serviceOf("chatroom", "http"))
		if got := len(l) == 1 && l[0].Code == audit.HostIsNoService.Code; got != want {
			t.Errorf("%s: %v", host, l)
		}
	}
}

// TestFixHeader: a new document comes below the comment at the beginning of a file.
func TestFixHeader(t *testing.T) {
	rest := ruleFor("chat", hostOf("chat"), "UPGRADE") + serviceOf("chat", "http") + deploymentOf("chat")
	for header, below := range map[string]string{
		"# License\n# of all\n\n# The rule.\n": "# License\n# of all\n\n",
		"# License\n":                          "# License\n",
		"\n# later\n":                          "",
		"":                                     "",
		"# License\n---\n":                     "# License\n---\n",
	} {
		fixed := fix(t, setOf(t, header+rest), "1.24.1")
		if len(fixed.Files) != 1 || !strings.HasPrefix(string(fixed.Files[0].After), below+"apiVersion: networking.istio.io/v1alpha3\n") {
			t.Errorf("%q:\n%s", header, fixed.Diff())
		}
	}
}

// TestFixNames: a new file stands beside the one with the rule, whatever the rule is called, or there is none.
func TestFixNames(t *testing.T) {
	rule := strings.TrimSuffix(ruleFor("'../../evil'", hostOf("chat"), "UPGRADE"), "---\n")
	var s manifests.Set
	for name, text := range map[string]string{
		filepath.Join("all", "list.yaml"): "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSuffix(rule, "\n"), "\n", "\n  ") + "\n", "rest.yaml": serviceOf("chat", "http") + deploymentOf("chat"), "comments.yaml": "# nothing\n", "empty.yaml": "",
	} {
		if err := s.Add(name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if fixed := fix(t, &s, "1.24.1"); len(fixed.Files) != 0 {
		t.Error(fixed.Diff())
	}
}

// TestFixPatterns: a pattern is widened where its patch sets allow_connect alone, and gets no anchor that would leave a
// proxy of the mesh out.
func TestFixPatterns(t *testing.T) {
	gated := func(pattern, more string) string {
		text := strings.Replace(filterFor("chat"), "context: SIDECAR_INBOUND,", "context: SIDECAR_INBOUND, proxy: {proxyVersion: '"+pattern+"'},", 1)
		return strings.Replace(text, "          http2_protocol", more+"          http2_protocol", 1) + ruleFor("chat", hostOf("chat"), "UPGRADE") + serviceOf("chat", "http") + deploymentOf("chat")
	}
	for text, want := range map[string]string{
		gated(`1\.24|1\.25`, ""): `'^(?:1\.24|1\.25)'`,
		gated(`\.24`, ""):        "",
		gated(`^1\.23\.`, "          delayed_close_timeout: 1s\n"): "",
	} {
		fixed := fix(t, setOf(t, text), "1.24.1")
		changed := ""
		if len(fixed.Files) > 0 {
			_, rest, _ := strings.Cut(string(fixed.Files[0].After), "proxyVersion: ")
			changed, _, _ = strings.Cut(rest, "}")
		}
		if changed != want && !(want == "" && strings.Contains(text, changed)) {
			t.Errorf("%s, want %s:\n%s", changed, want, fixed.Diff())
		}
	}
}
