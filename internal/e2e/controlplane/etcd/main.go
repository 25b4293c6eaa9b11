// SPDX-License-Identifier: Apache-2.0

// Command etcd is go.etcd.io/etcd/server/v3, built as a dependency.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
