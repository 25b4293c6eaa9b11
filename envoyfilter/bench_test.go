// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import "testing"

var sink any

func seedBuilder() Builder {
	return Builder{
		Name:      "websockets-server",
		Namespace: "default",
		Workload:  map[string]string{"app": "websockets-server"},
		Patches:   []Patch{AllowConnect(SidecarInbound)},
	}
}

func BenchmarkBuild(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		f, err := seedBuilder().Build()
		if err != nil {
			b.Fatal(err)
		}
		sink = f
	}
}

func BenchmarkValidate(b *testing.B) {
	f, err := seedBuilder().Build()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for range b.N {
		sink = f.Validate()
	}
}
