// SPDX-License-Identifier: Apache-2.0

// Library is this library's Fleet.Generate: every Service validated.
package main

import (
	"context"
	"os"

	"github.com/wsmesh/wsmesh/internal/peerbench/ways/servers"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
)

func main() {
	n := servers.N()
	members := func(yield func(fleet.Member, error) bool) {
		workload := map[string]string{}
		ports := []wsmesh.Port{{Number: 80, Name: "http"}}
		for i := range n {
			s := servers.At(i)
			workload["app"] = s.Name
			if !yield(fleet.Member{Service: wsmesh.Service{Name: s.Name, Namespace: s.Namespace, Workload: workload, Ports: ports}}, nil) {
				return
			}
		}
	}
	mesh, err := wsmesh.MeshOf("1.24.1")
	if err != nil {
		panic(err)
	}
	f := fleet.Fleet{Mesh: mesh, Services: members}
	if _, err := f.Generate(context.Background(), os.Stdout); err != nil {
		panic(err)
	}
}
