// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
	"github.com/wsmesh/wsmesh/wsmesh"
)

const (
	work          = "/run/wsmesh" // on the tmpfs that prepareNamespaces mounts
	hostsFile     = "/run/hosts"
	bridge        = "mesh"
	bridgeAddress = "10.244.0.1"
	apiServer     = "https://127.0.0.1:6443"
	kubeconfig    = work + "/kubeconfig"
	token         = "e2e"
	istioRelease  = "1.31.0" // what the proxies say they are; istiod is of the same line
	node          = "node-1"
)

// A controlPlane is etcd, kube-apiserver and istiod, with a stand-in for the kubelet. All tests share one, since it
// takes some seconds to start; it ends with the process.
type controlPlane struct {
	tools *toolchain.Toolchain
	ca    *authority
	http  *http.Client

	mu    sync.Mutex
	pods  int               // addresses given out
	hosts map[string]string // addresses of Services by name
}

var cluster = sync.OnceValues(startControlPlane)

// mesh returns the control plane, and starts it for the first test that asks.
func mesh(t testing.TB) *controlPlane {
	t.Helper()
	c, err := cluster()
	if err != nil {
		t.Fatalf("start the control plane: %v", err)
	}
	return c
}

func startControlPlane() (*controlPlane, error) {
	tools, err := toolchain.Find(".")
	if err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	c := &controlPlane{
		tools: tools,
		ca:    ca,
		hosts: map[string]string{},
		http: &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		},
	}
	for _, step := range []func() error{c.startKubernetes, c.startKubelet, c.installIstio, c.startIstiod} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *controlPlane) startKubernetes() error {
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	files := map[string]string{
		"sa.key":     string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
		"tokens.csv": token + ",admin,1,system:masters\n",
		"kubeconfig": `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "` + apiServer + `", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: ` + token + `}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(work, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	etcd, err := start("etcd", work, exec.Command(c.tools.Path("etcd"),
		"--data-dir", work+"/etcd", "--unsafe-no-fsync",
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
		"--initial-cluster", "default=http://127.0.0.1:2380"))
	if err != nil {
		return err
	}
	api, err := start("kube-apiserver", work, exec.Command(c.tools.Path("kube-apiserver"),
		"--etcd-servers", "http://127.0.0.1:2379", "--bind-address", "127.0.0.1", "--secure-port", "6443",
		"--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none", "--cert-dir", work+"/certs",
		"--service-account-issuer", "https://x", "--service-account-key-file", work+"/sa.key",
		"--service-account-signing-key-file", work+"/sa.key", "--service-cluster-ip-range", "10.96.0.0/24",
		"--authorization-mode", "RBAC", "--token-auth-file", work+"/tokens.csv",
		"--kubelet-preferred-address-types", "InternalIP", "--disable-admission-plugins", "ServiceAccount"))
	if err != nil {
		return err
	}
	err = poll(time.Minute, func() error {
		if etcd.ended() || api.ended() {
			return nil
		}
		return c.get("/readyz", nil)
	})
	if err != nil || etcd.ended() || api.ended() {
		return fmt.Errorf("kube-apiserver is not ready: %v\netcd: %s\nkube-apiserver: %s", err, etcd.tail(), api.tail())
	}
	return nil
}

// installIstio installs the CRDs of istio.io/api, istiod's webhook and its mesh configuration.
func (c *controlPlane) installIstio() error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/api").Output()
	if err != nil {
		return fmt.Errorf("find the CRDs of istio.io/api: %w", err)
	}
	crds := filepath.Join(strings.TrimSpace(string(out)), "kubernetes", "customresourcedefinitions.gen.yaml")
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", crds},
		{"apply", "--server-side", "-f", "testdata/istio-system.yaml"},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"},
	} {
		if out, err := c.kubectl(args...); err != nil {
			return fmt.Errorf("kubectl %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// istiodSettings keep out of the configuration what only Istio's build of Envoy has. The table that the tests print
// names them.
var istiodSettings = []string{
	"PILOT_ENABLE_ALPN_FILTER=false",       // HTTP filter istio.alpn
	"PILOT_ENABLE_METADATA_EXCHANGE=false", // network filter istio.metadata_exchange, HTTP filter peer metadata
}

func (c *controlPlane) startIstiod() error {
	cmd := exec.Command(c.tools.Path("istiod"), "discovery", "--kubeconfig", kubeconfig,
		"--httpAddr", "127.0.0.1:8080", "--grpcAddr", bridgeAddress+":15010", "--secureGRPCAddr", "127.0.0.1:15012",
		"--httpsAddr", "127.0.0.1:15017", "--monitoringAddr", "127.0.0.1:15014", "--ctrlz_address", "127.0.0.1",
		"--domain", "cluster.local")
	cmd.Dir = work
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + work,
		"POD_NAME=istiod-0", "POD_NAMESPACE=istio-system", "SERVICE_ACCOUNT=istiod", "REVISION=default", "CLUSTER_ID=Kubernetes",
		"PILOT_CERT_PROVIDER=istiod", "ROOT_CA_DIR=" + work + "/rootca", "ISTIOD_CUSTOM_HOST=localhost",
		"VALIDATION_WEBHOOK_CONFIG_NAME=istio-validator-istio-system",
	}, istiodSettings...)
	istiod, err := start("istiod", work, cmd)
	if err != nil {
		return err
	}
	err = poll(time.Minute, func() error {
		if istiod.ended() {
			return nil
		}
		resp, err := c.http.Get("http://127.0.0.1:8080/ready")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/ready: %s", resp.Status)
		}
		return c.webhookReady()
	})
	if err != nil || istiod.ended() {
		return fmt.Errorf("istiod is not ready: %v\n%s", err, istiod.tail())
	}
	return nil
}

// istiodLogs counts the lines of istiod's log that contain a text.
func (c *controlPlane) istiodLogs(t testing.TB, text string) int {
	t.Helper()
	data, err := os.ReadFile(work + "/istiod.log")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), text)
}

// webhookReady asks whether istiod has given the API server its certificate, so that kubectl sees its refusals.
func (c *controlPlane) webhookReady() error {
	var w struct {
		Webhooks []struct {
			ClientConfig  struct{ CABundle string }
			FailurePolicy string
		}
	}
	const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/istio-validator-istio-system"
	if err := c.get(path, &w); err != nil {
		return err
	}
	if len(w.Webhooks) == 0 || w.Webhooks[0].ClientConfig.CABundle == "" || w.Webhooks[0].FailurePolicy != "Fail" {
		return fmt.Errorf("istiod's webhook is not set up yet")
	}
	return nil
}

// kubectl runs the real kubectl.
func (c *controlPlane) kubectl(args ...string) (string, error) {
	return command(30*time.Second, c.tools.Path("kubectl"), append([]string{"--kubeconfig", kubeconfig}, args...)...)
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
	return c.kubectl("apply", "-n", namespace, "-f", c.file(t, manifest))
}

// file writes a manifest to a file, on the tmpfs as everything else.
func (c *controlPlane) file(t testing.TB, manifest string) string {
	t.Helper()
	f, err := os.CreateTemp(work, "manifest-*.yaml")
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
	if out, err := c.kubectl("delete", "-n", namespace, "--all", "destinationrules,envoyfilters,gateways,virtualservices"); err != nil {
		t.Fatalf("kubectl delete: %v: %s", err, out)
	}
}

func (c *controlPlane) get(path string, into any) error { return c.do(http.MethodGet, path, nil, into) }

// do sends one request to the API server: the objects that a cluster's own controllers would write go this way.
func (c *controlPlane) do(method, path string, body, into any) error {
	var r io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, apiServer+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, data)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}
