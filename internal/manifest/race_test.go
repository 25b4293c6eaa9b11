// SPDX-License-Identifier: Apache-2.0

//go:build race

package manifest

// raceFactor is by how much tests that repeat themselves do less under the race detector.
const raceFactor = 20
