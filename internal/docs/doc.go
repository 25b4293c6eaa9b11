// SPDX-License-Identifier: Apache-2.0

// Package docs has no code: its tests hold the exported API to files under version control, and what the documentation
// says to what there is.
package docs
