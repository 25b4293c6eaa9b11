// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"io"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh"
)

func BenchmarkNewPlan(b *testing.B) {
	svc, m := server(), mesh("1.24.1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wsmesh.NewPlan(svc, m, wsmesh.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlanYAML is one Service to the bytes of its pair, validated, by way of the typed objects.
func BenchmarkPlanYAML(b *testing.B) {
	svc, m := server(), mesh("1.24.1")
	b.ReportAllocs()
	for b.Loop() {
		plan, err := wsmesh.NewPlan(svc, m, wsmesh.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := plan.WriteYAML(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
