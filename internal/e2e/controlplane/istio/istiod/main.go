// SPDX-License-Identifier: Apache-2.0

// Command istiod is istio.io/istio/pilot/cmd/pilot-discovery, built as a dependency.
package main

import (
	"os"

	"istio.io/istio/pilot/cmd/pilot-discovery/app"
	"istio.io/istio/pkg/log"
)

func main() {
	log.EnableKlogWithCobra()
	if err := app.NewRootCommand().Execute(); err != nil {
		log.Error(err)
		os.Exit(1)
	}
}
