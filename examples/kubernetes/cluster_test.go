// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	istioclient "istio.io/client-go/pkg/clientset/versioned"
	istioscheme "istio.io/client-go/pkg/clientset/versioned/scheme"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// endToEnd is the folder of the module whose control plane these tests run.
const endToEnd = "../../internal/e2e"

func TestMain(m *testing.M) {
	cluster.Main(m, func() error {
		_, err := toolchain.FindControlPlane(endToEnd)
		return err
	}, func() {})
}

var shared = sync.OnceValues(func() (*cluster.Cluster, error) {
	tools, err := toolchain.FindControlPlane(endToEnd)
	if err != nil {
		return nil, err
	}
	return cluster.Start(tools)
})

// A testCluster is the control plane with clients of it.
type testCluster struct {
	*cluster.Cluster
	config *rest.Config
	client client.Client
	istio  *istioclient.Clientset
}

// connect returns the control plane that all tests share, and a namespace of the test's own.
func connect(t *testing.T, namespace string) *testCluster {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatalf("start the control plane: %v", err)
	}
	config := &rest.Config{Host: cluster.APIServer, BearerToken: cluster.Token, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	scheme := runtime.NewScheme()
	err = errors.Join(clientgoscheme.AddToScheme(scheme), istioscheme.AddToScheme(scheme))
	if err != nil {
		t.Fatal(err)
	}
	k8s, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	istio, err := istioclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := k8s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	return &testCluster{Cluster: c, config: config, client: k8s, istio: istio}
}

// kubectl runs the real kubectl with a manifest on its standard input, and returns its exit status and what it printed.
func (c *testCluster) kubectl(t *testing.T, stdin string, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Tools.Path("kubectl"), append([]string{"--kubeconfig", cluster.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("kubectl %v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// plan is the plan for a Service of that name in a mesh of one release.
func plan(t *testing.T, namespace, name, release string) *wsmesh.Plan {
	t.Helper()
	p, err := wsmesh.NewPlan(wsmesh.Service{Name: name, Namespace: namespace, Workload: map[string]string{"app": name}, Ports: []wsmesh.Port{{Number: 80, Name: "http"}}},
		meshOf(release), wsmesh.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func meshOf(release string) wsmesh.Mesh {
	r := []version.Release{version.MustParse(release)}
	return wsmesh.Mesh{ControlPlanes: r, Proxies: r}
}

func yaml(t *testing.T, p *wsmesh.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// eventually asks again until the condition holds, and fails the test with the last reason when a minute is over.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	if err := cluster.Poll(time.Minute, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// want is nil where got is what is wanted.
func want[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}
