// SPDX-License-Identifier: Apache-2.0

//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// lock keeps other runs from a directory. A run that is killed leaves the lock behind.
func lock(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, ".wsmesh-lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: if there is none, remove the file %s", ErrBusy, path)
	}
	if err != nil {
		return nil, err
	}
	f.Close()
	return func() { os.Remove(path) }, nil
}
