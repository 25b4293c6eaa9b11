// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
	"github.com/wsmesh/wsmesh/wsmesh"
)

const (
	istioRelease = "1.31.0" // what the proxies say they are; istiod is of the same line
	node         = "node-1"
)

// A controlPlane is a cluster with a stand-in for the kubelet. All tests share one, since it takes some seconds to
// start; it ends with the process.
type controlPlane struct {
	*cluster.Cluster
	ca *authority

	mu    sync.Mutex
	pods  int               // addresses given out
	hosts map[string]string // addresses of Services by name
}

var shared = sync.OnceValues(startControlPlane)

// mesh returns the control plane, and starts it for the first test that asks.
func mesh(t testing.TB) *controlPlane {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatalf("start the control plane: %v", err)
	}
	return c
}

// find returns the programs that the tests run: with -short, the newest Envoy alone.
func find() (*toolchain.Toolchain, error) {
	return toolchain.Find(".", toolchain.Releases(testing.Short()))
}

func startControlPlane() (*controlPlane, error) {
	tools, err := find()
	if err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	started, err := cluster.Start(tools, istiodSettings...)
	if err != nil {
		return nil, err
	}
	c := &controlPlane{Cluster: started, ca: ca, hosts: map[string]string{}}
	if err := c.startKubelet(); err != nil {
		return nil, err
	}
	return c, nil
}

// istiodSettings keep out of the configuration what only Istio's build of Envoy has. The table that the tests print
// names them.
var istiodSettings = []string{
	"PILOT_ENABLE_ALPN_FILTER=false",       // HTTP filter istio.alpn
	"PILOT_ENABLE_METADATA_EXCHANGE=false", // network filter istio.metadata_exchange, HTTP filter peer metadata
}

// istiodLogs counts the lines of istiod's log that contain a text.
func (c *controlPlane) istiodLogs(t testing.TB, text string) int {
	t.Helper()
	data, err := os.ReadFile(cluster.Work + "/istiod.log")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), text)
}

// apply applies a manifest with kubectl, in the namespace that objects without one get.
func (c *controlPlane) apply(t testing.TB, namespace, manifest string) {
	t.Helper()
	if out, err := c.tryApply(t, namespace, manifest); err != nil {
		t.Fatalf("kubectl apply: %v: %s\n%s", err, out, manifest)
	}
}

func (c *controlPlane) tryApply(t testing.TB, namespace, manifest string) (string, error) {
	t.Helper()
	return c.Kubectl("apply", "-n", namespace, "-f", c.file(t, manifest))
}

// file writes a manifest to a file, on the tmpfs as everything else.
func (c *controlPlane) file(t testing.TB, manifest string) string {
	t.Helper()
	f, err := os.CreateTemp(cluster.Work, "manifest-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(manifest)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// yaml writes the library's objects as its users would.
func yaml(t testing.TB, objects ...wsmesh.Object) string {
	t.Helper()
	var b strings.Builder
	if err := wsmesh.WriteYAML(&b, objects...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// clear deletes a namespace's objects of Istio.
func (c *controlPlane) clear(t testing.TB, namespace string) {
	t.Helper()
	if out, err := c.Kubectl("delete", "-n", namespace, "--all", "destinationrules,envoyfilters,gateways,virtualservices"); err != nil {
		t.Fatalf("kubectl delete: %v: %s", err, out)
	}
}
