// SPDX-License-Identifier: Apache-2.0

// Package linked links the Go types of all messages that package envoyapi knows. Only tests import it.
package linked

//go:generate go run gentypes.go
