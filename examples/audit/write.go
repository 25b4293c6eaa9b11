// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/wsmesh/wsmesh/wsmesh/audit"
)

// writeFiles writes all files or none: each beside the one whose place it takes, and then all are renamed. A file that is
// new must not be there yet.
func writeFiles(fixed *audit.Fixed) error {
	var staged []stagedFile
	defer func() {
		for _, s := range staged {
			os.Remove(s.temporary) // which is gone where it was renamed
		}
	}()
	for _, f := range fixed.Files {
		s, err := stage(f)
		if err != nil {
			return err
		}
		staged = append(staged, s)
	}
	for i, s := range staged {
		if err := os.Rename(s.temporary, s.path); err != nil {
			for _, done := range staged[:i] {
				done.undo()
			}
			return err
		}
	}
	return nil
}

// A stagedFile is the text of a file beside its place.
type stagedFile struct {
	path, temporary string
	before          []byte // nil for a new file
	mode            os.FileMode
}

func stage(f audit.FixedFile) (s stagedFile, err error) {
	s = stagedFile{path: f.Name, before: f.Before, mode: 0o644}
	if f.Before == nil {
		if _, err := os.Lstat(f.Name); err == nil {
			return s, fmt.Errorf("%s is there already, and is not among the manifests: audit it too, or move it away", f.Name)
		}
	} else if s.path, err = filepath.EvalSymlinks(f.Name); err != nil {
		return s, err
	}
	info, err := os.Stat(s.path)
	if err == nil {
		s.mode = info.Mode().Perm()
		// Renaming asks for no right to write the file, and whoever runs the audit may have none.
		w, err := os.OpenFile(s.path, os.O_WRONLY, 0)
		if err != nil {
			return s, err
		}
		w.Close()
	}
	s.temporary, err = write(s.path, f.After, s.mode)
	if err == nil && info != nil {
		err = keepOwner(s.temporary, info)
	}
	return s, err
}

// write writes a file of the mode beside path, and returns its name.
func write(path string, text []byte, mode os.FileMode) (name string, err error) {
	w, err := os.CreateTemp(filepath.Dir(path), ".audit-*")
	if err != nil {
		return "", err
	}
	if _, err = w.Write(text); err == nil {
		err = w.Chmod(mode)
	}
	if closing := w.Close(); err == nil {
		err = closing
	}
	if err != nil {
		os.Remove(w.Name())
		return "", err
	}
	return w.Name(), nil
}

// undo gives the file the text that it had.
func (s stagedFile) undo() {
	if s.before == nil {
		os.Remove(s.path)
		return
	}
	if name, err := write(s.path, s.before, s.mode); err == nil {
		_ = os.Rename(name, s.path) // the error that is reported is the one that came first
	}
}
