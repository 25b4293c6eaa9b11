// SPDX-License-Identifier: Apache-2.0

// Package pkgsitetest looks at the documentation as a user sees it: pkg.go.dev's own server, in headless Chromium. It is a
// module of its own, and needs chromium (Debian's package of that name).
package pkgsitetest
