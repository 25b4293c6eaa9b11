// SPDX-License-Identifier: Apache-2.0

// Library is wsmesh.Generate: every Service validated.
package main

import (
	"context"
	"os"

	"github.com/wsmesh/wsmesh/internal/peerbench/ways/fleet"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

func main() {
	n := fleet.N()
	services := func(yield func(wsmesh.Service, error) bool) {
		workload := map[string]string{}
		for i := range n {
			s := fleet.At(i)
			workload["app"] = s.Name
			if !yield(wsmesh.Service{Name: s.Name, Namespace: s.Namespace, Workload: workload, Port: wsmesh.Port{Number: 80, Name: "http"}}, nil) {
				return
			}
		}
	}
	mesh := wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}}
	if _, err := wsmesh.Generate(context.Background(), os.Stdout, services, mesh); err != nil {
		panic(err)
	}
}
