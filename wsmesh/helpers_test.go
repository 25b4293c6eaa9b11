// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"bytes"
	"testing"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// server is the Service of the scenario in the documents of Alibaba Cloud Service Mesh.
func server() wsmesh.Service {
	return wsmesh.Service{
		Name:      "websockets-server",
		Namespace: "default",
		Workload:  map[string]string{"app": "websockets-server"},
		Ports:     []wsmesh.Port{{Number: 8080, TargetPort: 80, Name: "http-websocket"}},
	}
}

func mesh(releases ...string) wsmesh.Mesh {
	var m wsmesh.Mesh
	for _, s := range releases {
		r := version.MustParse(s)
		m.ControlPlanes = append(m.ControlPlanes, r)
		m.Proxies = append(m.Proxies, r)
	}
	return m
}

// gateway is the one of Istio's documents.
var gateway = wsmesh.Gateway{Namespace: "istio-ingress", Workload: map[string]string{"istio": "ingressgateway"}}

// mustPlan makes a plan with the options, or with none.
func mustPlan(t testing.TB, svc wsmesh.Service, m wsmesh.Mesh, opts ...wsmesh.Options) *wsmesh.Plan {
	t.Helper()
	plan, err := wsmesh.NewPlan(svc, m, one(opts))
	if err != nil {
		t.Fatalf("NewPlan: %v", err)
	}
	return plan
}

func one(opts []wsmesh.Options) wsmesh.Options {
	if len(opts) == 0 {
		return wsmesh.Options{}
	}
	return opts[0]
}

func planYAML(t testing.TB, plan *wsmesh.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := plan.WriteYAML(&b); err != nil {
		t.Fatalf("WriteYAML: %v", err)
	}
	return b.String()
}

// codesOf returns the codes in the error's list of findings.
func codesOf(t testing.TB, err error) []string {
	t.Helper()
	list := finding.In(err)
	if list == nil {
		t.Fatalf("the error holds no finding.List: %v", err)
	}
	return codes(list)
}

func codes(list finding.List) []string {
	var out []string
	for _, f := range list {
		out = append(out, f.Code)
	}
	return out
}
