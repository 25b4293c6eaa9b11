// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// AddFS adds the files of a file system as [Set.AddPath] adds those of a folder. Findings call them by their paths in it.
func (s *Set) AddFS(fsys fs.FS) error {
	switch {
	case s == nil:
		return errors.New("manifests: the Set is nil")
	case fsys == nil:
		return errors.New("manifests: the file system is nil")
	}
	w := walk{set: s, fsys: fsys, seen: &seen{}, name: func(name string) string { return name }}
	return w.folder(".", ".", 0)
}

// maxDepth bounds how deep folders may be nested, for links that lead in a circle where nothing tells it.
const maxDepth = 100

// A walk adds the manifests below a folder.
type walk struct {
	set  *Set
	fsys fs.FS
	seen *seen
	name func(string) string // what findings call a file of fsys
}

// folder adds what is in a folder, by its name and by the name to which links in it are resolved.
func (w *walk) folder(name, resolved string, depth int) error {
	info, err := fs.Stat(w.fsys, name)
	if err == nil && w.seen.before(info, resolved) {
		return nil
	}
	var entries []fs.DirEntry
	if err == nil {
		entries, err = fs.ReadDir(w.fsys, name)
	}
	if err != nil && depth == 0 {
		return err
	}
	if err != nil || depth > maxDepth {
		w.unreadable(name, err)
	}
	for _, e := range entries {
		if err := w.entry(path.Join(name, e.Name()), path.Join(resolved, e.Name()), e, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(name, resolved string, e fs.DirEntry, depth int) error {
	isManifest := slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name))
	kind := e.Type()
	if kind&fs.ModeSymlink != 0 {
		info, err := fs.Stat(w.fsys, name)
		if err != nil {
			if isManifest {
				w.unreadable(name, err)
			}
			return nil
		}
		kind, resolved = info.Mode().Type(), w.resolve(resolved)
	}
	switch {
	case kind.IsDir() && !strings.HasPrefix(e.Name(), ".") && depth < maxDepth:
		return w.folder(name, resolved, depth+1)
	case kind.IsRegular() && isManifest:
		return w.file(name, resolved)
	}
	return nil
}

// resolve returns the name that a link leads to, as far as the file system tells.
func (w *walk) resolve(link string) string {
	for range maxDepth {
		target, err := fs.ReadLink(w.fsys, link)
		if err != nil || path.IsAbs(target) {
			break
		}
		link = path.Join(path.Dir(link), target)
	}
	return link
}

func (w *walk) file(name, resolved string) error {
	f, err := w.fsys.Open(name)
	if err != nil {
		w.unreadable(name, err)
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && w.seen.before(info, resolved) {
		return nil
	}
	if err := w.set.Add(w.name(name), f); err != nil {
		w.unreadable(name, err)
	}
	return nil
}

// unreadable keeps in the Set that a file or folder cannot be read.
func (w *walk) unreadable(name string, err error) {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	w.set.files = append(w.set.files, &file{File: File{Name: w.name(name)}, problem: finding.List{finding.New(Unreadable, "",
		fmt.Sprintf("it cannot be read: %v", err), "let whoever runs the audit read it, or leave it out")}})
}

// seen is the files and folders that were read.
type seen struct {
	files map[fileKey][]fs.FileInfo
	names map[string]bool // where the file system does not tell files apart
}

// A fileKey is what two paths to one file have in common, and few other files.
type fileKey struct {
	size     int64
	modified time.Time
}

// before reports whether the file was given before, and remembers it.
func (s *seen) before(info fs.FileInfo, name string) bool {
	if s.files == nil {
		s.files, s.names = map[fileKey][]fs.FileInfo{}, map[string]bool{}
	}
	if !os.SameFile(info, info) { // not a file of the operating system
		again := s.names[name]
		s.names[name] = true
		return again
	}
	key := fileKey{info.Size(), info.ModTime()}
	for _, other := range s.files[key] {
		if os.SameFile(info, other) {
			return true
		}
	}
	s.files[key] = append(s.files[key], info)
	return false
}
