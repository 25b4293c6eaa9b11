// SPDX-License-Identifier: Apache-2.0

// Package e2e sends WebSockets through real Envoys that a real istiod configures from the library's objects.
package e2e

import (
	"flag"
	"os"
	"testing"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
)

func TestMain(m *testing.M) {
	flag.Parse()
	cluster.Main(m, func() error {
		_, err := find()
		return err
	}, func() { report.print(os.Stdout) })
}
