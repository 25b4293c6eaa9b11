// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import "testing"

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
		if _, err := seedBuilder().Build(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	f, err := seedBuilder().Build()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for range b.N {
		if list := f.Validate(); list != nil {
			b.Fatal(list)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	f, err := seedBuilder().Build()
	if err != nil {
		b.Fatal(err)
	}
	text, err := f.YAML()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for range b.N {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// TestBuildCost holds Build to the allocations that the time of a whole fleet depends on. They are counted with
// those of the builder itself.
func TestBuildCost(t *testing.T) {
	const most = 30
	got := testing.AllocsPerRun(100, func() {
		if _, err := seedBuilder().Build(); err != nil {
			t.Fatal(err)
		}
	})
	if got > most {
		t.Errorf("Build takes %v allocations, at most %d", got, most)
	}
}
