// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

// TestSeed builds the EnvoyFilter of the documents that WebSocket over HTTP/2 in Alibaba Cloud Service Mesh comes from.
func TestSeed(t *testing.T) {
	data, err := os.ReadFile("testdata/envoyfilter-from-1.12.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	patch := AllowConnect(SidecarInbound)
	patch.ProxyVersion = `^1\.*.*`
	got, err := Builder{
		Name:     "h2-upgrade-wss",
		Labels:   map[string]string{"asm-system": "true", "provider": "asm"},
		Workload: map[string]string{"app": "websockets-server"},
		Patches:  []Patch{patch},
	}.Build()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if list := got.Validate(); list != nil {
		t.Error(list)
	}
}
