// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
)

// A service is a Kubernetes Service with its one port.
type service struct {
	namespace, name string
	portName        string
	port            int
	targetPort      int
	subset          string // that clients are routed to
}

func (s service) host() string { return s.name + "." + s.namespace + ".svc.cluster.local" }

// authority is the host and port that clients give.
func (s service) authority() string { return fmt.Sprintf("%s:%d", s.host(), s.port) }

// cluster is the name of the clients' cluster for it.
func (s service) cluster() string {
	return fmt.Sprintf("outbound|%d|%s|%s", s.port, s.subset, s.host())
}

// seed is the Service of the documents.
func seed(namespace string) service {
	return service{namespace: namespace, name: "websockets-server", portName: "http-websocket", port: 8080, targetPort: 80}
}

// newService makes the Service and its EndpointSlice for the pods, and lets the pods resolve its name. It ends with
// the test.
func (c *controlPlane) newService(t testing.TB, s service, pods ...*pod) {
	t.Helper()
	port := map[string]any{"name": s.portName, "port": s.port, "targetPort": s.targetPort}
	slicePort := map[string]any{"name": s.portName, "port": s.targetPort, "protocol": "TCP"}
	base := "/api/v1/namespaces/" + s.namespace + "/services"
	c.must(t, http.MethodPost, base, map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": s.name},
		"spec": map[string]any{"ports": []any{port}, "selector": map[string]any{"app": s.name}},
	})
	var endpoints []any
	for _, p := range pods {
		endpoints = append(endpoints, map[string]any{
			"addresses": []any{p.address}, "conditions": map[string]any{"ready": true}, "nodeName": node,
			"targetRef": map[string]any{"kind": "Pod", "name": p.name, "namespace": p.namespace},
		})
	}
	c.must(t, http.MethodPost, "/apis/discovery.k8s.io/v1/namespaces/"+s.namespace+"/endpointslices", map[string]any{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata": map[string]any{"name": s.name, "labels": map[string]any{
			"kubernetes.io/service-name": s.name, "endpointslice.kubernetes.io/managed-by": "e2e",
		}},
		"ports": []any{slicePort}, "endpoints": endpoints,
	})
	var made struct{ Spec struct{ ClusterIP string } }
	if err := c.Get(base+"/"+s.name, &made); err != nil {
		t.Fatal(err)
	}
	if err := c.resolve(s.host(), made.Spec.ClusterIP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.resolve(s.host(), ""); err != nil {
			t.Error(err)
		}
	})
}

// resolve sets or removes a name in /etc/hosts, which all pods share.
func (c *controlPlane) resolve(name, address string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[name] = address
	text := "127.0.0.1 localhost\n"
	for name, address := range c.hosts {
		if address != "" {
			text += address + " " + name + "\n"
		}
	}
	return os.WriteFile(cluster.HostsFile, []byte(text), 0o644)
}

// newNamespace makes a Kubernetes namespace for one test. It stays: nothing here would empty it.
func (c *controlPlane) newNamespace(t testing.TB, name string) string {
	t.Helper()
	body := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}
	if err := c.Do(http.MethodPost, "/api/v1/namespaces", body, nil); err != nil {
		t.Fatal(err)
	}
	return name
}

// echo is the command of the documents' server.
func (c *controlPlane) echo(t testing.TB, port int) []string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return []string{c.Tools.Python, dir + "/testdata/echo_server.py", fmt.Sprint(port)}
}

// A pair is the documents' client and server, each in a pod with a sidecar, and the server's Service.
type pair struct {
	c              *controlPlane
	service        service
	client, server *pod
}

// setup says how a pair differs from the documents' own.
type setup struct {
	service service
	envoy   toolchain.Envoy
	mtls    bool
	bare    bool // the server has no sidecar
	rejects bool // the server's Envoy is expected to refuse some of its configuration
	workers int
	drain   time.Duration
	ping    string // seconds between the server's pings, where not its default
}

// newPair makes the pods and the Service, and waits until the client's proxy knows the server.
func (c *controlPlane) newPair(t testing.TB, s setup) *pair {
	t.Helper()
	p := &pair{c: c, service: s.service}
	w := workload{
		namespace: s.service.namespace, name: s.service.name, app: s.service.name, command: c.echo(t, s.service.targetPort),
		mtls: s.mtls, workers: s.workers, drain: s.drain, envoy: &s.envoy,
	}
	w.rejects = s.rejects
	if s.ping != "" {
		w.command = append(w.command, s.ping)
	}
	if s.bare {
		w.envoy, w.mtls = nil, false
	}
	p.server = c.newPod(t, w)
	c.newService(t, s.service, p.server)
	p.client = c.newPod(t, workload{
		namespace: s.service.namespace, name: "websockets-client", app: "websockets-client",
		mtls: s.mtls, workers: s.workers, drain: s.drain, envoy: &s.envoy,
	})
	p.awaitEndpoints(t)
	return p
}
