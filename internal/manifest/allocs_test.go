// SPDX-License-Identifier: Apache-2.0

//go:build !race

package manifest

import "testing"

// raceFactor is by how much tests that repeat themselves do less under the race detector.
const raceFactor = 1

// The race detector makes sync.Pool drop encoders, so allocations are counted without it.
func TestAppendYAMLAllocates(t *testing.T) {
	rule, filter := pair()
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(200, func() {
		dst, _ = rule.AppendYAML(dst[:0])
		dst, _ = filter.AppendYAML(dst)
	}); n > 6 {
		t.Errorf("a pair takes %v allocations, want at most 6", n)
	}
	if n := testing.AllocsPerRun(200, func() { _, _ = rule.Validate(), filter.Validate() }); n > 0 {
		t.Errorf("Validate of a valid pair takes %v allocations", n)
	}
}
