// SPDX-License-Identifier: Apache-2.0

// Package manifests reads Kubernetes manifests as they stand in files, and knows the place of each object and of every
// field in it.
//
// Multi-document YAML, JSON, `kind: List` and what `kubectl get -o yaml` or -o json prints are all read, as kubectl
// reads them. The objects may be of any kind: those that take part in what becomes of a WebSocket in an Istio mesh have
// a [Object.Value], the others have none.
package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/wsmesh/wsmesh/internal/parallel"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Set is manifests as they stand in files. The zero value holds none, and so does a nil Set, to which nothing can be
// added. Adding never fails for what is in a file: [Set.Objects] says what cannot be read, with file and line.
//
// A Set may be used by several goroutines at once, but for Add, AddPath and AddFS.
type Set struct {
	files []*file
	size  int
	seen  seen // what AddPath has read

	mu      sync.Mutex // for what follows
	objects []*Object  // of all files, once they are read
	read    int        // how many files that are
}

// A File is one input of a Set.
type File struct {
	Name string // as it was given to [Set.Add], or as [Set.AddPath] or [Set.AddFS] found it
	Data []byte // its content, which must not be changed
}

type file struct {
	File
	problem finding.List // why it is not read
}

// maxTotal bounds what all files of a Set may hold together.
const maxTotal = 256 << 20

// Add adds the manifests in r, which findings call by name. All files of a Set together may hold 256 MiB: one that goes
// beyond is not read, and is a finding (WS990). An error of r is returned, and nothing of the input is kept then.
func (s *Set) Add(name string, r io.Reader) error {
	switch {
	case s == nil:
		return errors.New("manifests: the Set is nil")
	case r == nil:
		return fmt.Errorf("reading %s: there is no reader", name)
	}
	data, err := readAll(r, maxTotal-s.size+1)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	f := &file{File: File{Name: name, Data: data}}
	if len(data) > maxTotal-s.size {
		f.Data, f.problem = nil, finding.List{tooLarge(fmt.Sprintf("the manifests are larger than %d MiB together", maxTotal>>20),
			"audit fewer files at a time")}
	}
	s.size += len(f.Data)
	s.files = append(s.files, f)
	return nil
}

// readAll reads up to limit bytes. What tells its size is read into memory of that size.
func readAll(r io.Reader, limit int) ([]byte, error) {
	size := 0
	switch r := r.(type) {
	case interface{ Len() int }:
		size = r.Len()
	case fs.File:
		if info, err := r.Stat(); err == nil {
			size = int(min(info.Size(), int64(limit)))
		}
	}
	b := bytes.NewBuffer(make([]byte, 0, min(size, limit)+bytes.MinRead))
	_, err := b.ReadFrom(io.LimitReader(r, int64(limit)))
	return b.Bytes(), err
}

// Files returns the inputs of the Set in the order in which they were added.
func (s *Set) Files() []File {
	if s == nil {
		return nil
	}
	files := make([]File, len(s.files))
	for i, f := range s.files {
		files[i] = f.File
	}
	return files
}

// Objects returns the objects of all files, in their order, and what cannot be read as an object without a kind. They are
// read when Objects is called for the first time, on all cores. The objects must not be changed. The error is that of ctx.
func (s *Set) Objects(ctx context.Context) ([]*Object, error) {
	if s == nil {
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	objects := slices.Clone(s.objects)
	for _, f := range s.files[s.read:] {
		if f.problem != nil {
			o := &Object{File: f.Name}
			for _, p := range f.problem {
				o.report(p)
			}
			objects = append(objects, o)
			continue
		}
		objects = append(objects, f.documents()...)
	}
	added := objects[len(s.objects):]
	var common shared
	err := parallel.Do(ctx, len(added), func(i int) {
		if added[i].text != nil {
			added[i].decode(&common)
		}
	})
	if err != nil {
		return nil, err
	}
	markPatches(objects, common.patches)
	s.objects, s.read = objects, len(s.files)
	return slices.Clone(s.objects), nil
}

var byteOrderMark = []byte("\ufeff")

// documents cuts the file into its objects, which are not read yet.
func (f *file) documents() []*Object {
	text, mark := bytes.CutPrefix(f.Data, byteOrderMark)
	docs := yamldoc.Split(text)
	objects := make([]*Object, len(docs))
	for i, d := range docs {
		if mark {
			d.Offset += len(byteOrderMark)
		}
		objects[i] = &Object{File: f.Name, Line: d.Line, Offset: d.Offset, text: d.Text, isItem: d.Item}
	}
	return objects
}

// AddPath adds a file, or every file below a folder whose name ends in .yaml, .yml or .json, in the order of their paths.
// Links are followed to files and folders, and a file is read once, however many paths and links lead to it. Folders
// whose names begin with a dot are passed over.
//
// A path that is not there or cannot be read is an error. What cannot be read below a folder is a finding (WS995), and
// the rest is read.
func (s *Set) AddPath(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if s == nil {
		return errors.New("manifests: the Set is nil")
	}
	if info.IsDir() {
		w := walk{set: s, fsys: os.DirFS(path), seen: &s.seen, name: func(name string) string { return filepath.Join(path, filepath.FromSlash(name)) }}
		return w.folder(".", ".", 0)
	}
	if s.seen.before(info, "") {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.Add(path, f)
}
