// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"istio.io/istio/pkg/config"

	"github.com/wsmesh/wsmesh/internal/conformance/judge"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// TestSamplesAuditWithoutErrors: Istio's own samples work, so an audit that finds an error in them raises a false alarm.
// Each is audited as people apply it, and all together, where objects of the one could be taken for those of another.
func TestSamplesAuditWithoutErrors(t *testing.T) {
	samples := filepath.Join(judge.ModuleDir(config.ToRaw, "pkg"), "samples")
	entries, err := os.ReadDir(samples)
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{samples}
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(samples, e.Name()))
		}
	}
	if len(dirs) < 20 {
		t.Errorf("%d folders of samples: the module has other ones now", len(dirs)-1)
	}
	newest := []version.Release{version.MustParse("1.31.0")}
	for i, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var objects wsmesh.Manifests
			if err := objects.AddPath(dir); err != nil {
				t.Fatal(err)
			}
			list := wsmesh.Audit(&objects, wsmesh.Mesh{ControlPlanes: newest, Proxies: newest})
			for _, f := range list.Errors() {
				t.Error(f)
			}
			// Bookinfo has ports without a name, of which an audit speaks: silence would mean that nothing was read.
			if i == 0 && len(list) < 10 {
				t.Errorf("only %d findings in all samples", len(list))
			}
		})
	}
}
