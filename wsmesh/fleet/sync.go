// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Layout says which Services share a file.
type Layout int

const (
	// FilePerNamespace is namespace.yaml, and no_namespace.yaml for Services that have none.
	FilePerNamespace Layout = iota
	// FilePerService is namespace.name.yaml, and no_namespace.name.yaml.
	FilePerService
)

func (l Layout) file(svc *wsmesh.Service) string {
	name := svc.Namespace
	if name == "" {
		name = "no_namespace" // no namespace has an underscore
	}
	if l == FilePerService {
		name += "." + svc.Name
	}
	return name + fileSuffix
}

const (
	fileSuffix = ".yaml"
	// fileHeader is how a file that this package wrote is known.
	fileHeader = "# Written by wsmesh. It is overwritten, and removed where no Service needs it.\n"
)

// ForeignFile is the rule that a file which another program wrote is not overwritten.
var ForeignFile = finding.Rule{Code: "WS971", Severity: finding.SeverityError,
	Meaning: "A file that this module did not write is not overwritten.", Source: "this library"}

// Changes is the difference between a directory and what is to be in it.
type Changes struct {
	Files   []Change // in the order of their names
	Summary Summary  // of all Services, whether their files change or not
}

// Sync writes the manifests of a fleet, as [Generate] makes them, to the files of a directory, which it makes where it
// is missing. Files that are right already are left alone: a second run changes nothing. It returns what it changed.
//
// Files begin with a line that says who wrote them. Of those, Sync removes what no Service needs any more. Nothing else
// in the directory is touched, nor is a symbolic link followed; where a file that Sync did not write, or a link, has the
// name of one that it has to write, it refuses to (WS971).
//
// It is all or nothing. Where a Service is refused, or a file cannot be written, the directory is left as it was. Each
// file is replaced in one step. Where a run is killed in the middle, the next one first puts back the files as they were
// before it, from the directory .wsmesh-sync. While a run is at work on the directory, others are refused.
//
// All manifests are in memory at once: about 1 kB a Service.
func (f *Fleet) Sync(ctx context.Context, dir string, layout Layout) (Changes, error) {
	return (&syncer{dir: dir}).sync(ctx, f, layout)
}

// Diff returns what [Fleet.Sync] would change in the directory, and changes nothing.
func (f *Fleet) Diff(ctx context.Context, dir string, layout Layout) (Changes, error) {
	s := syncer{dir: dir}
	files, sum, err := f.render(ctx, layout)
	if err != nil {
		return Changes{Summary: sum}, err
	}
	changes, err := s.compare(files)
	return Changes{changes, sum}, err
}

// render returns the content of each file.
func (f *Fleet) render(ctx context.Context, layout Layout) (map[string]*bytes.Buffer, Summary, error) {
	files := map[string]*bytes.Buffer{}
	sum := Summary{Codes: map[string]int{}}
	err := f.generate(ctx, &sum, func(b *batch, n int) error {
		for i := range n {
			e := &b.entries[i]
			docs := b.text(i, i+1)
			name := layout.file(&e.svc)
			file := files[name]
			if file == nil {
				file = bytes.NewBufferString(fileHeader)
				files[name] = file
				docs = docs[len(separator):]
			}
			file.Write(docs)
			sum.Objects += e.made.objects
			sum.Bytes += int64(len(docs))
		}
		return nil
	})
	return files, sum, err
}

// A syncer is one run of Sync over a directory.
type syncer struct {
	dir  string
	step func(what string) error // before each change of the directory; tests fail or end the process here
}

// The directory that a run keeps its files in until all of them are in place.
const (
	workDir     = ".wsmesh-sync"
	workNew     = "new"     // the files to come
	workOld     = "old"     // the files as they were
	workJournal = "journal" // is there from the first change of the directory to the last
)

func (s *syncer) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

func (s *syncer) sync(ctx context.Context, f *Fleet, layout Layout) (Changes, error) {
	files, sum, err := f.render(ctx, layout)
	if err != nil {
		return Changes{Summary: sum}, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return Changes{Summary: sum}, err
	}
	unlock, err := lock(s.dir)
	if err != nil {
		return Changes{Summary: sum}, err
	}
	defer unlock()
	if err := s.recover(); err != nil {
		return Changes{Summary: sum}, err
	}
	changes, err := s.compare(files)
	if err != nil || len(changes) == 0 {
		return Changes{Summary: sum}, err
	}
	if err := s.commit(changes); err != nil {
		return Changes{Summary: sum}, err
	}
	return Changes{changes, sum}, nil
}

// compare returns what is to be changed.
func (s *syncer) compare(files map[string]*bytes.Buffer) ([]Change, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var changes []Change
	var foreign finding.List
	there := map[string]bool{}
	for _, entry := range entries {
		name := entry.Name()
		file, needed := files[name]
		if !needed && (!strings.HasSuffix(name, fileSuffix) || !entry.Type().IsRegular()) {
			continue
		}
		there[name] = true
		old, ours, err := readOurs(s.path(name), entry)
		switch {
		case err != nil:
			return nil, err
		case !ours && needed:
			f := finding.New(ForeignFile, "", "a file of this name is to be written, and the one that is there was not written by wsmesh", "move it away, or choose another directory")
			f.File = s.path(name)
			foreign = append(foreign, f)
		case !ours:
		case !needed:
			changes = append(changes, Change{File: name, Action: Removed, old: string(old)})
		case !bytes.Equal(old, file.Bytes()):
			changes = append(changes, Change{File: name, Action: Changed, old: string(old), new: file.String()})
		}
	}
	for name, file := range files {
		if !there[name] {
			changes = append(changes, Change{File: name, Action: Added, new: file.String()})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.File, b.File) })
	return changes, foreign.Err()
}

// readOurs reads a file, if it is one that this package wrote.
func readOurs(path string, entry fs.DirEntry) (data []byte, ours bool, err error) {
	if !entry.Type().IsRegular() {
		return nil, false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if head, _ := r.Peek(len(fileHeader)); string(head) != fileHeader {
		return nil, false, nil
	}
	data, err = io.ReadAll(r)
	return data, true, err
}

// commit makes the changes.
func (s *syncer) commit(changes []Change) error {
	err := s.stage(changes)
	if err == nil {
		err = s.apply(changes)
	}
	// With the journal still there this puts the files back; without it, it only clears up.
	if again := s.recover(); again != nil {
		return errors.Join(err, again)
	}
	return err
}

func (s *syncer) before(what string) error {
	if s.step == nil {
		return nil
	}
	return s.step(what)
}

// stage writes the files to come, and then the journal.
func (s *syncer) stage(changes []Change) error {
	for _, dir := range []string{workNew, workOld} {
		if err := s.before("stage"); err != nil {
			return err
		}
		if err := os.MkdirAll(s.path(workDir, dir), 0o755); err != nil {
			return err
		}
	}
	var journal strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&journal, "%s %s\n", c.Action, c.File)
		if c.Action == Removed {
			continue
		}
		if err := s.before("write " + c.File); err != nil {
			return err
		}
		if err := writeFile(s.path(workDir, workNew, c.File), c.new); err != nil {
			return err
		}
	}
	if err := writeFile(s.path(workDir, workNew, workJournal), journal.String()); err != nil {
		return err
	}
	return os.Rename(s.path(workDir, workNew, workJournal), s.path(workDir, workJournal))
}

// writeFile writes a file that is on the disk when it returns.
func writeFile(path, data string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// apply makes the changes, one file after the other, and then removes the journal.
func (s *syncer) apply(changes []Change) error {
	for _, c := range changes {
		if err := s.before("apply " + c.File); err != nil {
			return err
		}
		target, coming := s.path(c.File), s.path(workDir, workNew, c.File)
		if c.Action == Added {
			// A link, other than a renaming, does not replace a file that somebody made meanwhile.
			if err := os.Link(coming, target); err != nil {
				return err
			}
			continue
		}
		if err := os.Link(target, s.path(workDir, workOld, c.File)); err != nil {
			return err
		}
		var err error
		if c.Action == Removed {
			err = os.Remove(target)
		} else {
			err = os.Rename(coming, target)
		}
		if err != nil {
			return err
		}
	}
	if err := s.before("end"); err != nil {
		return err
	}
	return os.Remove(s.path(workDir, workJournal))
}

// recover puts the files back where a journal is left, and removes the work directory.
func (s *syncer) recover() error {
	info, err := os.Lstat(s.path(workDir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no directory: move it away, Sync keeps its files there while it is at work", s.path(workDir))
	}
	journal, err := os.ReadFile(s.path(workDir, workJournal))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(journal)) {
		action, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if name != filepath.Base(name) || !strings.HasSuffix(name, fileSuffix) {
			return fmt.Errorf("%s is not as Sync writes it: look at the files in %s, and remove that directory", s.path(workDir, workJournal), s.path(workDir))
		}
		if err := s.putBack(action, name); err != nil {
			return err
		}
	}
	if err == nil {
		if err := os.Remove(s.path(workDir, workJournal)); err != nil {
			return err
		}
	}
	return os.RemoveAll(s.path(workDir))
}

func (s *syncer) putBack(action, name string) error {
	if action == Added.String() {
		there, err := os.Lstat(s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		ours, err2 := os.Lstat(s.path(workDir, workNew, name))
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if !os.SameFile(there, ours) {
			return nil // somebody else's
		}
		return os.Remove(s.path(name))
	}
	// Where the old file is still in its place this is a renaming to itself.
	err := os.Rename(s.path(workDir, workOld, name), s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was not yet its turn
	}
	return err
}
