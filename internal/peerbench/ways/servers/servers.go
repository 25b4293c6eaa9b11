// SPDX-License-Identifier: Apache-2.0

// Package servers is the Services that all ways of this module write manifests for.
package servers

import (
	"os"
	"strconv"
)

// A Server is one Service.
type Server struct{ Name, Namespace string }

// At returns the i-th Service.
func At(i int) Server {
	return Server{"chat-" + strconv.Itoa(i), "team-" + strconv.Itoa(i%50)}
}

// N returns the number of Services on the command line.
func N() int {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	return n
}
