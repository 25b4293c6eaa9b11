// SPDX-License-Identifier: Apache-2.0

// Package docs has tests and nothing else. They compare the exported API with files under version control, the imports of the
// packages with their one direction, the rules with the places that report them, and the documentation with what there is.
package docs
