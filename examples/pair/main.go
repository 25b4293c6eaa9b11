// SPDX-License-Identifier: Apache-2.0

// Pair is the program that README shows: it prints the two manifests for one WebSocket server.
package main

import (
	"log"
	"os"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

func main() {
	istio := []version.Release{version.MustParse("1.24.1")} // every release that runs in the mesh
	plan, err := wsmesh.NewPlan(wsmesh.Service{
		Name:      "websockets-server",
		Namespace: "default",
		Workload:  map[string]string{"app": "websockets-server"}, // the labels of the server's pods
		Ports:     []wsmesh.Port{{Number: 8080, Name: "http-websocket"}},
	}, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio}, wsmesh.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := plan.WriteYAML(os.Stdout); err != nil {
		log.Fatal(err)
	}
}
