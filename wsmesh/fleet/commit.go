// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A run writes the files to come into a work directory and a journal of all changes, makes the changes, and removes the
// journal. While there is a journal, the files as they were are put back from the work directory.
const (
	workDir    = ".wsmesh-sync"
	newDir     = workDir + "/new" // the files to come
	oldDir     = workDir + "/old" // the files as they were
	journal    = workDir + "/journal"
	unfinished = newDir + "/journal" // the journal, until it is whole
)

// before is called before each step.
func (s *syncer) before(ctx context.Context, what string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.step == nil {
		return nil
	}
	return s.step(what)
}

// commit makes the changes, or none.
func (s *syncer) commit(ctx context.Context, changes []Change, progress func(done, total int)) error {
	// Also where progress panics: with the journal still there this puts the files back; without it, it only clears up.
	recovered := false
	defer func() {
		if !recovered {
			_ = s.recover()
		}
	}()
	err := s.stage(ctx, changes, progress)
	if err == nil {
		err = s.apply(ctx, changes)
	}
	recovered = true
	return errors.Join(err, s.recover())
}

// stage writes the files to come, and then the journal.
func (s *syncer) stage(ctx context.Context, changes []Change, progress func(done, total int)) error {
	for _, dir := range []string{newDir, oldDir} {
		if err := s.before(ctx, "stage"); err != nil {
			return err
		}
		if err := s.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var lines strings.Builder
	var written []string
	for i, c := range changes {
		fmt.Fprintf(&lines, "%s %s\n", c.Action, c.File)
		if c.Action != Removed {
			if err := s.before(ctx, "write "+c.File); err != nil {
				return err
			}
			if err := s.write(path.Join(newDir, c.File), c); err != nil {
				return err
			}
			written = append(written, path.Join(newDir, c.File))
		}
		if progress != nil {
			progress(i+1, len(changes))
		}
	}
	if err := s.write(unfinished, Change{new: lines.String()}); err != nil {
		return err
	}
	if err := s.flush(ctx, append(written, unfinished)); err != nil {
		return err
	}
	return s.root.Rename(unfinished, journal)
}

// write writes a file to come, with the permissions of the one that it replaces.
func (s *syncer) write(name string, c Change) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(c.new)
	if c.info != nil {
		err = errors.Join(err, f.Chmod(c.info.Mode().Perm()))
	}
	return errors.Join(err, f.Close())
}

// flushers is how many files are brought to the disk at once: each waits for the disk, and not for the processor.
const flushers = 16

// flush returns when the files are on the disk.
func (s *syncer) flush(ctx context.Context, names []string) error {
	if err := s.before(ctx, "flush"); err != nil {
		return err
	}
	work, errs := make(chan string), make([]error, flushers)
	var all sync.WaitGroup
	for i := range flushers {
		all.Go(func() {
			for name := range work {
				f, err := s.root.Open(name)
				if err == nil {
					err = errors.Join(f.Sync(), f.Close())
				}
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	var err error
	for _, name := range names {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			break
		}
		work <- name
	}
	close(work)
	all.Wait()
	return errors.Join(append(errs, err)...)
}

// apply makes the changes, one file after the other, and then removes the journal.
func (s *syncer) apply(ctx context.Context, changes []Change) error {
	for _, c := range changes {
		if err := s.before(ctx, "apply "+c.File); err != nil {
			return err
		}
		coming, old := path.Join(newDir, c.File), path.Join(oldDir, c.File)
		if c.Action == Added {
			if err := s.add(coming, c.File); err != nil {
				return err
			}
			continue
		}
		if err := s.keep(c, old); err != nil {
			return err
		}
		var err error
		if c.Action == Removed {
			err = s.root.Remove(c.File)
		} else {
			err = s.root.Rename(coming, c.File)
		}
		if err != nil && !(c.Action == Removed && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	if err := s.before(ctx, "end"); err != nil {
		return err
	}
	return s.root.Remove(journal)
}

// add puts a file that is to come in its place. A link, other than a renaming, does not replace a file that somebody made
// meanwhile; where the file system has no links, a look before has to do.
func (s *syncer) add(coming, name string) error {
	err := s.link(coming, name)
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := s.root.Lstat(name); err == nil {
		return &fs.PathError{Op: "add", Path: filepath.Join(s.dir, name), Err: fs.ErrExist}
	}
	return s.root.Rename(coming, name)
}

// keep keeps a file as it is in the work directory; where it cannot be linked, it moves it there.
func (s *syncer) keep(c Change, old string) error {
	err := s.link(c.File, old)
	if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		err = s.root.Rename(c.File, old)
	}
	if err != nil {
		return err
	}
	now, err := s.root.Lstat(old)
	if err == nil && (!os.SameFile(now, c.info) || now.Size() != c.info.Size() || !now.ModTime().Equal(c.info.ModTime())) {
		err = fmt.Errorf("%s was changed while Sync was at work: run it again", filepath.Join(s.dir, c.File))
	}
	return err
}

// recover puts the files back where a journal is left, and removes the work directory. It believes only what a run wrote:
// whatever else is there stays, and is an error.
func (s *syncer) recover() error {
	for _, dir := range []string{workDir, newDir, oldDir} {
		info, err := s.root.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			if dir == workDir {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is no directory: move it away, Sync keeps its files there while it is at work", filepath.Join(s.dir, dir))
		}
	}
	changes, err := s.readJournal()
	if err != nil {
		return err
	}
	var foreign finding.List
	for _, c := range changes {
		f, err := s.putBack(c)
		if err != nil {
			return err
		}
		foreign = append(foreign, f...)
	}
	if len(foreign) > 0 {
		return foreign.Err()
	}
	if changes != nil {
		if err := s.root.Remove(journal); err != nil {
			return err
		}
	}
	return s.clear()
}

// readJournal returns the changes of a run that was killed, nil where there is no journal.
func (s *syncer) readJournal() ([]Change, error) {
	notOurs := fmt.Errorf("%s is not as Sync writes it: look at the files in %s, and remove that directory", filepath.Join(s.dir, journal), filepath.Join(s.dir, workDir))
	info, err := s.root.Lstat(journal)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, notOurs
	}
	data, err := s.root.ReadFile(journal)
	if err != nil {
		return nil, err
	}
	changes := []Change{}
	for line := range strings.Lines(string(data)) {
		word, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var action Action
		if action.UnmarshalText([]byte(word)) != nil || name != filepath.Base(name) || !strings.HasSuffix(name, fileSuffix) {
			return nil, notOurs
		}
		changes = append(changes, Change{File: name, Action: action})
	}
	return changes, nil
}

// putBack undoes a change, if it was made. A file that somebody else put in its place stays, and is a finding where it is in
// the way.
func (s *syncer) putBack(c Change) (finding.List, error) {
	kept := path.Join(oldDir, c.File)
	if c.Action == Added {
		kept = path.Join(newDir, c.File)
	}
	there, err1 := s.root.Lstat(c.File)
	ours, err2 := s.root.Lstat(kept)
	for _, err := range []error{err1, err2} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	isThere, isKept := err1 == nil, err2 == nil
	same := isThere && isKept && os.SameFile(there, ours)
	is, err := s.isWritten(c.File)
	switch {
	case err != nil:
		return nil, err
	case c.Action == Added && isThere && (same || !isKept && is):
		return nil, s.root.Remove(c.File)
	case c.Action == Added, !isKept, same:
		return nil, nil // its turn had not come, or somebody took its place
	case !isThere || is:
		return nil, s.root.Rename(kept, c.File)
	}
	return finding.List{s.foreign(c.File, "a run of Sync was ended here, and a file that it did not write is in the place of one that has to be put back",
		"move it away; the file as it was is "+filepath.Join(s.dir, kept))}, nil
}

// written begins the first line of every file that Sync writes.
const written = "# Written by wsmesh"

// isWritten reports whether there is a file of any fleet, or one of which a part is written.
func (s *syncer) isWritten(name string) (bool, error) {
	info, err := s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	head, err := readHead(f)
	return hasLine(head, func(line string) bool { return strings.HasPrefix(line, written) }) || strings.HasPrefix(written, string(head)), err
}

// clear removes the work directory, and nothing in it that a run did not write.
func (s *syncer) clear() error {
	for _, dir := range []string{newDir, oldDir} {
		entries, err := fs.ReadDir(s.root.FS(), dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			is := name == unfinished && e.Type().IsRegular()
			if !is && strings.HasSuffix(name, fileSuffix) {
				if is, err = s.isWritten(name); err != nil {
					return err
				}
			}
			if !is {
				return s.notWritten(name)
			}
			if err := s.root.Remove(name); err != nil {
				return err
			}
		}
		if err := s.root.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.root.Remove(workDir); err != nil {
		return s.notWritten(workDir)
	}
	return nil
}

func (s *syncer) notWritten(name string) error {
	return fmt.Errorf("%s holds what Sync did not write: move it away, Sync keeps its files in %s while it is at work",
		filepath.Join(s.dir, name), filepath.Join(s.dir, workDir))
}
