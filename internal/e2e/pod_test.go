// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
)

// A workload says what pod to make.
type workload struct {
	namespace string
	name      string
	app       string            // label app
	labels    map[string]string // more labels
	command   []string          // what the pod runs beside its proxy; nothing where empty
	envoy     *toolchain.Envoy  // its sidecar's Envoy; none: a pod without sidecar
	mtls      bool              // it takes part in Istio mutual TLS
	gateway   bool              // its Envoy is a gateway: no traffic is redirected to it
	drain     time.Duration     // Envoy's drain time; zero: Istio's default of 45 s
	rejects   bool              // its Envoy is expected to refuse some of its configuration
	workers   int               // Envoy's worker threads, each of which has connections of its own; zero: Istio's default of 2
}

// A pod is a network namespace on the bridge, a Pod object, and the processes in it.
type pod struct {
	workload
	c       *controlPlane
	address string
	netns   string
	dir     string // its files, in a tmpfs
	proxy   *cluster.Process
	app     *cluster.Process
	admin   *http.Client
}

// networkNamespace names the network namespace of a pod, and so connects the kubelet to it.
func networkNamespace(namespace, name string) string { return namespace + "." + name }

// newPod makes a pod, which ends with the test. Its proxy has its first configuration when newPod returns.
func (c *controlPlane) newPod(t testing.TB, w workload) *pod {
	t.Helper()
	c.mu.Lock()
	c.pods++
	n := c.pods
	c.mu.Unlock()
	p := &pod{
		workload: w, c: c,
		address: fmt.Sprintf("10.244.%d.%d", 1+n/250, 1+n%250),
		netns:   networkNamespace(w.namespace, w.name),
		dir:     filepath.Join(cluster.Work, "pods", networkNamespace(w.namespace, w.name)),
	}
	p.admin = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialIn(ctx, p.netns, address)
		},
	}}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && p.proxy != nil {
			t.Logf("proxy of %s:\n%s", p.netns, p.proxy.Tail())
		}
		if err := os.RemoveAll(p.dir); err != nil {
			t.Error(err)
		}
	})
	p.join(t, n)
	p.register(t)
	if len(w.command) > 0 {
		p.app = p.start(t, "app", p.exec(nil, w.command...))
	}
	if w.envoy != nil {
		p.startProxy(t)
		t.Cleanup(func() { p.checkRejected(t) })
	}
	return p
}

// checkRejected shows that upstream Envoy takes istiod's configuration as it comes: nothing between them changes it,
// so what it lacked would be refused.
func (p *pod) checkRejected(t testing.TB) {
	if p.proxy.Ended() {
		return
	}
	if n := p.stat(t, `update_rejected$`); (n > 0) != p.rejects {
		t.Errorf("the Envoy of %s refused %d updates, expected some: %v", p.netns, n, p.rejects)
	}
}

// join makes the pod's network namespace with a virtual cable to the bridge.
func (p *pod) join(t testing.TB, n int) {
	t.Helper()
	cable := fmt.Sprintf("veth%d", n)
	steps := [][]string{
		{"netns", "add", p.netns},
		{"link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", p.netns},
		{"link", "set", cable, "master", cluster.Bridge, "up"},
		{"-n", p.netns, "link", "set", "lo", "up"},
		{"-n", p.netns, "address", "add", p.address + "/16", "dev", "eth0"},
		{"-n", p.netns, "link", "set", "eth0", "up"},
		{"-n", p.netns, "route", "add", "default", "via", cluster.BridgeAddress},
	}
	t.Cleanup(func() {
		if err := cluster.IP("netns", "delete", p.netns); err != nil {
			t.Error(err)
		}
	})
	for _, args := range steps {
		if err := cluster.IP(args...); err != nil {
			t.Fatal(err)
		}
	}
	if p.envoy == nil || p.gateway {
		return
	}
	rules, err := os.ReadFile("testdata/istio-init.iptables")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", p.netns, "iptables-restore")
	cmd.Stdin = strings.NewReader(string(rules))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("iptables-restore: %v: %s", err, out)
	}
}

// register makes the Pod object, as running and ready as a kubelet would say.
func (p *pod) register(t testing.TB) {
	t.Helper()
	labels := map[string]string{"app": p.workload.app}
	maps.Copy(labels, p.labels)
	if p.mtls {
		labels["security.istio.io/tlsMode"] = "istio"
	}
	p.labels = labels
	containers := []any{map[string]any{"name": "app", "image": "app"}}
	if p.envoy != nil {
		containers = append(containers, map[string]any{"name": "istio-proxy", "image": "proxyv2:" + istioRelease})
	}
	p.c.delete(t, "/api/v1/namespaces/"+p.namespace+"/pods/"+p.name+"?gracePeriodSeconds=0")
	p.c.must(t, http.MethodPost, "/api/v1/namespaces/"+p.namespace+"/pods", map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": p.name, "labels": labels},
		"spec":     map[string]any{"nodeName": node, "serviceAccountName": p.workload.app, "containers": containers},
	})
	p.c.must(t, http.MethodPatch, "/api/v1/namespaces/"+p.namespace+"/pods/"+p.name+"/status", map[string]any{
		"status": map[string]any{
			"phase": "Running", "podIP": p.address, "podIPs": []any{map[string]any{"ip": p.address}},
			"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
		},
	})
}

// must sends a request to the API server, and deletes with the test what it created.
func (c *controlPlane) must(t testing.TB, method, path string, body map[string]any) {
	t.Helper()
	if err := c.Do(method, path, body, nil); err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		name := body["metadata"].(map[string]any)["name"].(string)
		c.delete(t, path+"/"+name+"?gracePeriodSeconds=0")
	}
}

// delete deletes an object at the end of the test.
func (c *controlPlane) delete(t testing.TB, path string) {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Do(http.MethodDelete, path, nil, nil); err != nil && !strings.Contains(err.Error(), "404") {
			t.Error(err)
		}
	})
}

// exec is a command that runs in the pod's network namespace, as another user where credentials are given.
func (p *pod) exec(as []string, args ...string) *exec.Cmd {
	line := append([]string{"netns", "exec", p.netns}, as...)
	cmd := exec.Command("ip", append(line, args...)...)
	cmd.Dir = p.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + p.dir} // no proxy settings, above all
	return cmd
}

// start starts a process that ends with the test.
func (p *pod) start(t testing.TB, name string, cmd *exec.Cmd) *cluster.Process {
	t.Helper()
	proc, err := cluster.StartProcess(name, p.dir, cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proc.Stop(syscall.SIGKILL) })
	return proc
}

// proxyUser runs a command as istio-proxy's user and group, whose traffic istio-init's rules leave alone.
var proxyUser = []string{"setpriv", "--reuid=1337", "--regid=1337", "--clear-groups"}

// startProxy starts the pod's Envoy as pilot-agent does, and waits for its first configuration.
func (p *pod) startProxy(t testing.TB) {
	t.Helper()
	socket := filepath.Join(p.dir, "sds")
	if _, err := os.Stat(socket); err != nil {
		p.c.ca.serveSecrets(t, socket, "spiffe://cluster.local/ns/"+p.namespace+"/sa/"+p.workload.app)
	}
	bootstrap, err := json.Marshal(p.bootstrap(socket))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(p.dir, "bootstrap.json")
	if err := os.WriteFile(config, bootstrap, 0o644); err != nil {
		t.Fatal(err)
	}
	// Envoy opens /dev/stdout anew as its own user.
	access, err := os.OpenFile(p.accessLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer access.Close()
	if err := access.Chown(1337, 1337); err != nil {
		t.Fatal(err)
	}
	drain := p.drain
	if drain == 0 {
		drain = 45 * time.Second
	}
	workers := p.workers
	if workers == 0 {
		workers = 2
	}
	cmd := p.exec(proxyUser, p.envoy.Path, "-c", config, "--concurrency", strconv.Itoa(workers),
		"--drain-time-s", strconv.Itoa(int(drain.Seconds())), "--drain-strategy", "immediate",
		"--local-address-ip-version", "v4", "--file-flush-interval-msec", "100", "--disable-hot-restart",
		"--allow-unknown-static-fields")
	cmd.Stdout = access
	p.proxy = p.start(t, "envoy", cmd)
	eventually(t, 30*time.Second, "first configuration of "+p.netns, func() error {
		if p.proxy.Ended() {
			t.Fatalf("envoy ended: %s", p.proxy.Tail())
		}
		got, err := p.get("/ready")
		if err == nil && strings.TrimSpace(got) != "LIVE" {
			err = fmt.Errorf("/ready: %s", got)
		}
		return err
	})
}

func (p *pod) accessLog() string { return filepath.Join(p.dir, "access.log") }

// bootstrap is what matters here of the bootstrap that pilot-agent writes (istio/istio tools/packaging/common/
// envoy_bootstrap.json); the statistics are kept unfiltered, since the tests read them.
func (p *pod) bootstrap(sds string) map[string]any {
	kind := "sidecar"
	if p.gateway {
		kind = "router"
	}
	endpoint := func(name string, address map[string]any) map[string]any {
		return map[string]any{
			"name": name, "type": "STATIC", "connect_timeout": "1s",
			"typed_extension_protocol_options": map[string]any{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": map[string]any{
				"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				"explicit_http_config": map[string]any{"http2_protocol_options": map[string]any{}},
			}},
			"load_assignment": map[string]any{"cluster_name": name, "endpoints": []any{map[string]any{
				"lb_endpoints": []any{map[string]any{"endpoint": map[string]any{"address": address}}},
			}}},
		}
	}
	tcp := func(address string, port int) map[string]any {
		return map[string]any{"socket_address": map[string]any{"address": address, "port_value": port}}
	}
	ads := map[string]any{"ads": map[string]any{}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
	return map[string]any{
		"node": map[string]any{
			"id":      kind + "~" + p.address + "~" + p.name + "." + p.namespace + "~" + p.namespace + ".svc.cluster.local",
			"cluster": p.workload.app + "." + p.namespace,
			"metadata": map[string]any{
				"ISTIO_VERSION": istioRelease, "NAMESPACE": p.namespace, "NAME": p.name, "CLUSTER_ID": "Kubernetes",
				"LABELS": p.labels, "SERVICE_ACCOUNT": p.workload.app, "INSTANCE_IPS": p.address, "INTERCEPTION_MODE": "REDIRECT",
			},
		},
		"layered_runtime": map[string]any{"layers": []any{
			map[string]any{"name": "global config", "static_layer": map[string]any{
				"re2.max_program_size.error_level":                               "32768",
				"envoy.reloadable_features.http_reject_path_with_fragment":       false,
				"envoy.reloadable_features.fixed_heap_use_allocated":             true,
				"envoy.reloadable_features.coalesce_lb_rebuilds_on_batch_update": false,
			}},
			map[string]any{"name": "admin", "admin_layer": map[string]any{}},
		}},
		"bootstrap_extensions": []any{map[string]any{
			"name": "envoy.bootstrap.internal_listener",
			"typed_config": map[string]any{
				"@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
			},
		}},
		"admin": map[string]any{"address": tcp("127.0.0.1", 15000)},
		"dynamic_resources": map[string]any{
			"lds_config": ads, "cds_config": ads,
			"ads_config": map[string]any{
				"api_type": "GRPC", "set_node_on_first_message_only": true, "transport_api_version": "V3",
				"grpc_services": []any{map[string]any{"envoy_grpc": map[string]any{"cluster_name": "xds-grpc"}}},
			},
		},
		"static_resources": map[string]any{"clusters": []any{
			endpoint("xds-grpc", tcp(cluster.BridgeAddress, 15010)),
			endpoint("sds-grpc", map[string]any{"pipe": map[string]any{"path": sds}}),
		}},
	}
}

// get asks the admin interface of the pod's Envoy.
func (p *pod) get(path string) (string, error) {
	resp, err := p.admin.Get("http://127.0.0.1:15000" + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return string(data), err
}

// stats returns the counters and gauges whose name matches.
func (p *pod) stats(t testing.TB, filter string) map[string]int {
	t.Helper()
	out, err := p.get("/stats?type=All&filter=" + url.QueryEscape(filter))
	if err != nil {
		t.Fatal(err)
	}
	stats := map[string]int{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if n, err := strconv.Atoi(value); err == nil {
			stats[name] = n
		}
	}
	return stats
}

// stat sums the counters and gauges whose name matches.
func (p *pod) stat(t testing.TB, filter string) int {
	t.Helper()
	sum := 0
	for _, v := range p.stats(t, filter) {
		sum += v
	}
	return sum
}

// An entry is what the tests read of an access log entry in Istio's default JSON format.
type entry struct {
	Path            string `json:"path"`
	Method          string `json:"method"`
	Protocol        string `json:"protocol"`
	ResponseCode    int    `json:"response_code"`
	ResponseFlags   string `json:"response_flags"`
	ResponseDetails string `json:"response_code_details"`
	UpstreamCluster string `json:"upstream_cluster"`
	UpstreamHost    string `json:"upstream_host"`
	UpstreamFailure string `json:"upstream_transport_failure_reason"`
}

func (e entry) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%s %d %s", e.Protocol, e.ResponseCode, e.ResponseFlags), " -")
}

// entries reads the proxy's access log for a path.
func (p *pod) entries(path string) ([]entry, error) {
	f, err := os.Open(p.accessLog())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var found []entry
	for s := bufio.NewScanner(f); s.Scan(); {
		var e entry
		if json.Unmarshal(s.Bytes(), &e) == nil && e.Path == path {
			found = append(found, e)
		}
	}
	return found, nil
}

// logged waits until the access log has an entry for a path: one is written when the request or the WebSocket ends.
func (p *pod) logged(t testing.TB, path string) entry {
	t.Helper()
	return p.loggedWithin(t, 10*time.Second, path)
}

func (p *pod) loggedWithin(t testing.TB, limit time.Duration, path string) entry {
	t.Helper()
	var found []entry
	eventually(t, limit, "access log of "+p.netns, func() (err error) {
		if found, err = p.entries(path); err == nil && len(found) == 0 {
			err = fmt.Errorf("no entry for %s", path)
		}
		return err
	})
	return found[0]
}
