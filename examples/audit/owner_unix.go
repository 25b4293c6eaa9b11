// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os"
	"syscall"
)

// keepOwner gives a file the owner and group of another, where they differ.
func keepOwner(name string, of os.FileInfo) error {
	own, err := os.Stat(name)
	if err != nil {
		return err
	}
	want, ok := of.Sys().(*syscall.Stat_t)
	have, also := own.Sys().(*syscall.Stat_t)
	if !ok || !also || want.Uid == have.Uid && want.Gid == have.Gid {
		return nil
	}
	if err := os.Chown(name, int(want.Uid), int(want.Gid)); err != nil {
		return err
	}
	return os.Chmod(name, of.Mode().Perm()) // which a change of the owner can cut
}
