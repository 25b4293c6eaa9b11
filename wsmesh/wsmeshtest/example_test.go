// SPDX-License-Identifier: Apache-2.0

package wsmeshtest_test

import (
	"testing"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/wsmeshtest"
)

func planned(t testing.TB, release version.Release) []wsmesh.Object {
	plan, err := wsmesh.NewPlan(wsmesh.Service{
		Name:      "chat",
		Namespace: "prod",
		Workload:  map[string]string{"app": "chat"},
		Ports:     []wsmesh.Port{{Number: 80, Name: "http"}},
	}, wsmesh.Mesh{Proxies: []version.Release{release}}, wsmesh.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Objects()
}

// The file is written by WSMESH_UPDATE=1 go test.
func ExampleGolden() {
	test := func(t *testing.T) {
		wsmeshtest.Golden(t, "testdata/want.yaml", planned(t, version.MustParse("1.24.1"))...)
	}
	_ = test
	// Output:
}

// A test for all releases that the clusters run, with a file only for those where the manifests differ.
func ExampleGoldenReleases() {
	test := func(t *testing.T) {
		releases := []version.Release{version.MustParse("1.11.8"), version.MustParse("1.24.1")}
		wsmeshtest.GoldenReleases(t, "testdata/releases", releases, func(r version.Release) []wsmesh.Object {
			return planned(t, r)
		})
	}
	_ = test
	// Output:
}
