// SPDX-License-Identifier: Apache-2.0

// Kubernetes is a controller that keeps the pair for every Service with the annotation wsmesh.dev/websocket: "true",
// and shows the ways from this library to Kubernetes clients: the types of istio.io/client-go, unstructured objects and
// server-side apply. It is a module of its own, so that no package of Kubernetes reaches the users of the library.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	istioscheme "istio.io/client-go/pkg/clientset/versioned/scheme"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	controllerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

func main() {
	var mesh wsmesh.Mesh
	flag.Func("istio", "a release of Istio that runs in the mesh; give each that does", func(text string) error {
		release, err := version.Parse(text)
		mesh.ControlPlanes, mesh.Proxies = append(mesh.ControlPlanes, release), append(mesh.Proxies, release)
		return err
	})
	settle := flag.Duration("settle", 30*time.Second, "how long istiod is given to configure the proxies between two stages")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	if err := start(mesh, *settle); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start runs the controller against the cluster that kubectl would use, until a signal ends it.
func start(mesh wsmesh.Mesh, settle time.Duration) error {
	if err := mesh.Validate().Err(); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	return run(ctrl.SetupSignalHandler(), config, mesh, settle)
}

// run runs the controller until the context ends.
func run(ctx context.Context, config *rest.Config, mesh wsmesh.Mesh, settle time.Duration) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, istioscheme.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:     scheme,
		Metrics:    server.Options{BindAddress: "0"},
		Controller: controllerconfig.Controller{SkipNameValidation: new(true)}, // tests run one after the other in a process
	})
	if err != nil {
		return err
	}
	c := &controller{Client: mgr.GetClient(), events: mgr.GetEventRecorder(fieldManager), mesh: mesh, settle: settle}
	if err := c.register(mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
