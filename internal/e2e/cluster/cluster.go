// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
)

// Where the cluster is, and how to be its administrator.
const (
	Work       = "/run/wsmesh" // on the tmpfs that Main mounts: logs, and what tests write
	Kubeconfig = Work + "/kubeconfig"
	APIServer  = "https://127.0.0.1:6443" // its certificate is its own
	Token      = "e2e"
)

// A Cluster is etcd, kube-apiserver with Istio's CRDs, and istiod with its validating webhook. It ends with the process.
type Cluster struct {
	Tools *toolchain.Toolchain
	http  *http.Client
}

// Start starts a cluster, in a process that [Main] has put into namespaces. istiod gets the settings, as NAME=value, in
// its environment.
func Start(tools *toolchain.Toolchain, settings ...string) (*Cluster, error) {
	c := &Cluster{Tools: tools, http: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}}
	for _, step := range []func() error{c.startKubernetes, c.installIstio, func() error { return c.startIstiod(settings) }} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// istioSystem has istiod's webhook and its mesh configuration.
//
//go:embed istio-system.yaml
var istioSystem []byte

func (c *Cluster) startKubernetes() error {
	if err := os.MkdirAll(Work, 0o755); err != nil {
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
		"tokens.csv": Token + ",admin,1,system:masters\n",
		"kubeconfig": `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "` + APIServer + `", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: ` + Token + `}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(Work, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	etcd, err := StartProcess("etcd", Work, exec.Command(c.Tools.Path("etcd"),
		"--data-dir", Work+"/etcd", "--unsafe-no-fsync",
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
		"--initial-cluster", "default=http://127.0.0.1:2380"))
	if err != nil {
		return err
	}
	api, err := StartProcess("kube-apiserver", Work, exec.Command(c.Tools.Path("kube-apiserver"),
		"--etcd-servers", "http://127.0.0.1:2379", "--bind-address", "127.0.0.1", "--secure-port", "6443",
		"--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none", "--cert-dir", Work+"/certs",
		"--service-account-issuer", "https://x", "--service-account-key-file", Work+"/sa.key",
		"--service-account-signing-key-file", Work+"/sa.key", "--service-cluster-ip-range", "10.96.0.0/24",
		"--authorization-mode", "RBAC", "--token-auth-file", Work+"/tokens.csv",
		"--kubelet-preferred-address-types", "InternalIP", "--disable-admission-plugins", "ServiceAccount"))
	if err != nil {
		return err
	}
	err = Poll(time.Minute, func() error {
		if etcd.Ended() || api.Ended() {
			return nil
		}
		return c.Get("/readyz", nil)
	})
	if err != nil || etcd.Ended() || api.Ended() {
		return fmt.Errorf("kube-apiserver is not ready: %v\netcd: %s\nkube-apiserver: %s", err, etcd.Tail(), api.Tail())
	}
	return nil
}

// installIstio installs the CRDs of istio.io/api, istiod's webhook and its mesh configuration.
func (c *Cluster) installIstio() error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/api").Output()
	if err != nil {
		return fmt.Errorf("find the CRDs of istio.io/api: %w", err)
	}
	crds := filepath.Join(strings.TrimSpace(string(out)), "kubernetes", "customresourcedefinitions.gen.yaml")
	system := Work + "/istio-system.yaml"
	if err := os.WriteFile(system, istioSystem, 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", crds},
		{"apply", "--server-side", "-f", system},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"},
	} {
		if out, err := c.Kubectl(args...); err != nil {
			return fmt.Errorf("kubectl %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

func (c *Cluster) startIstiod(settings []string) error {
	cmd := exec.Command(c.Tools.Path("istiod"), "discovery", "--kubeconfig", Kubeconfig,
		"--httpAddr", "127.0.0.1:8080", "--grpcAddr", BridgeAddress+":15010", "--secureGRPCAddr", "127.0.0.1:15012",
		"--httpsAddr", "127.0.0.1:15017", "--monitoringAddr", "127.0.0.1:15014", "--ctrlz_address", "127.0.0.1",
		"--domain", "cluster.local")
	cmd.Dir = Work
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + Work,
		"POD_NAME=istiod-0", "POD_NAMESPACE=istio-system", "SERVICE_ACCOUNT=istiod", "REVISION=default", "CLUSTER_ID=Kubernetes",
		"PILOT_CERT_PROVIDER=istiod", "ROOT_CA_DIR=" + Work + "/rootca", "ISTIOD_CUSTOM_HOST=localhost",
		"VALIDATION_WEBHOOK_CONFIG_NAME=istio-validator-istio-system",
	}, settings...)
	istiod, err := StartProcess("istiod", Work, cmd)
	if err != nil {
		return err
	}
	err = Poll(time.Minute, func() error {
		if istiod.Ended() {
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
	if err != nil || istiod.Ended() {
		return fmt.Errorf("istiod is not ready: %v\n%s", err, istiod.Tail())
	}
	return nil
}

// webhookReady asks whether istiod has given the API server its certificate, so that kubectl sees its refusals.
func (c *Cluster) webhookReady() error {
	var w struct {
		Webhooks []struct {
			ClientConfig  struct{ CABundle string }
			FailurePolicy string
		}
	}
	const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/istio-validator-istio-system"
	if err := c.Get(path, &w); err != nil {
		return err
	}
	if len(w.Webhooks) == 0 || w.Webhooks[0].ClientConfig.CABundle == "" || w.Webhooks[0].FailurePolicy != "Fail" {
		return fmt.Errorf("istiod's webhook is not set up yet")
	}
	return nil
}

// Kubectl runs the real kubectl.
func (c *Cluster) Kubectl(args ...string) (string, error) {
	return Command(30*time.Second, c.Tools.Path("kubectl"), append([]string{"--kubeconfig", Kubeconfig}, args...)...)
}

// Get reads an object of the API server.
func (c *Cluster) Get(path string, into any) error { return c.Do(http.MethodGet, path, nil, into) }

// Do sends one request to the API server: the objects that a cluster's own controllers would write go this way.
func (c *Cluster) Do(method, path string, body, into any) error {
	var r io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, APIServer+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+Token)
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
