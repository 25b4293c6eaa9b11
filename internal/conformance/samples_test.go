// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"istio.io/istio/pkg/config"

	"github.com/wsmesh/wsmesh/internal/conformance/judge"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
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
	for i, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var objects manifests.Set
			if err := objects.AddPath(dir); err != nil {
				t.Fatal(err)
			}
			report, err := audit.Run(t.Context(), &objects, meshOf("1.31.0"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range report.Findings.Errors() {
				t.Error(f)
			}
			// Bookinfo has ports without a name, of which an audit speaks: silence would mean that nothing was read.
			if i == 0 && len(report.Findings) < 10 {
				t.Errorf("only %d findings in all samples", len(report.Findings))
			}
		})
	}
}
