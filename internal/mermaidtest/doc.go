// SPDX-License-Identifier: Apache-2.0

// Package mermaidtest draws what the library writes for mermaid with the real mermaid, in headless Chromium. It is a module of its
// own, and needs node, npm and chromium (Debian's packages nodejs, npm and chromium).
package mermaidtest
