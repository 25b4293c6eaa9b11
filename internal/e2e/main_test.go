// SPDX-License-Identifier: Apache-2.0

// Package e2e sends WebSockets through real Envoys that a real istiod configures from the library's objects.
package e2e

import (
	"os"
	"testing"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
)

func TestMain(m *testing.M) {
	cluster.Main(m, func() error {
		_, err := toolchain.Find(".")
		return err
	}, func() { report.print(os.Stdout) })
}
