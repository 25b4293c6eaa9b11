// SPDX-License-Identifier: Apache-2.0

package fleet

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
	"strings"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The rules of directories.
var (
	// ForeignFile is the rule that a file which is not the fleet's is left alone.
	ForeignFile = finding.Rule{Code: "WS971", Severity: finding.SeverityError,
		Meaning: "A file that the fleet did not write is not overwritten.", Source: "this library"}
	// MostRemoved is the rule that a run which removes most of a fleet's files is asked for by name.
	MostRemoved = finding.Rule{Code: "WS972", Severity: finding.SeverityError,
		Meaning: "A run that removes all of a fleet's files, or more than half of them, must be asked for by name: an inventory that was cut off looks the same.",
		Source:  "this library"}
)

// ErrBusy is the error of [Fleet.Sync] where another run is at work on the directory.
var ErrBusy = errors.New("another run is at work on the directory")

// A Layout says which members share a file.
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

const fileSuffix = ".yaml"

// SyncOptions say how [Fleet.Sync] keeps a directory. The zero value is a file for each namespace.
type SyncOptions struct {
	Layout Layout
	// RemoveMost lets a run remove all of the fleet's files, or more than half of them, which is refused otherwise (WS972).
	RemoveMost bool
	// Progress is called, where it is not nil, after each file that was written beside those that are there: done of total.
	Progress func(done, total int)
}

// Changes is the difference between a directory and what is to be in it.
type Changes struct {
	Files   []Change `json:"files"`   // in the order of their names
	Summary Summary  `json:"summary"` // of all members, whether their files change or not
}

// Sync writes the manifests of the fleet, as [Fleet.Generate] makes them, to the files of a directory, which it makes where
// it is missing. Files that are right already are left alone, whatever the ends of their lines: a second run changes
// nothing. It returns what it changed.
//
// Each file begins with a line that names the fleet. Of the files with this line, Sync removes what no member needs any
// more; where that is more than half of them, it is refused unless the options ask for it (WS972). Nothing else in the
// directory is touched, nor is a symbolic link followed; where a file without this line, or a link, has the name of one
// that it has to write, Sync refuses to (WS971).
//
// It is all or nothing. Where a member is refused, the context is done or a file cannot be written, the directory is left as
// it was. Each file is replaced in one step and keeps its permissions. Where a run is killed in the middle, the next one
// first puts back the files as they were before it, from the directory .wsmesh-sync. While a run is at work on the
// directory, others are refused with [ErrBusy].
//
// All manifests are in memory at once: about 1 kB a Service.
func (f *Fleet) Sync(ctx context.Context, dir string, opts SyncOptions) (Changes, error) {
	return f.sync(ctx, &syncer{dir: dir}, opts)
}

// Diff returns what [Fleet.Sync] would change in the directory, also where it would be refused for removing most of the
// files. It changes nothing.
func (f *Fleet) Diff(ctx context.Context, dir string, opts SyncOptions) (Changes, error) {
	s := &syncer{dir: dir}
	files, sum, err := f.render(ctx, s, opts)
	if err != nil {
		return Changes{Summary: sum}, err
	}
	if s.root, err = os.OpenRoot(dir); err == nil {
		defer s.root.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Changes{Summary: sum}, err
	}
	changes, _, err := s.compare(ctx, files)
	return Changes{changes, sum}, err
}

// maxName is how long the name of a fleet may be, so that the first line of a file stays a line: it is that of an object.
const maxName = 253

// render returns the content of each file.
func (f *Fleet) render(ctx context.Context, s *syncer, opts SyncOptions) (map[string]*bytes.Buffer, Summary, error) {
	sum := Summary{Codes: map[string]int{}}
	if opts.Layout != FilePerNamespace && opts.Layout != FilePerService {
		return nil, sum, fmt.Errorf("there is no Layout %d: give FilePerNamespace or FilePerService", opts.Layout)
	}
	s.header = "# Written by wsmesh."
	if f != nil && f.Name != "" {
		if len(f.Name) > maxName {
			return nil, sum, fmt.Errorf("the fleet's name has %d bytes: give one of at most %d", len(f.Name), maxName)
		}
		s.header = fmt.Sprintf("# Written by wsmesh from the inventory %q.", f.Name)
	}
	s.header += " It is overwritten, and removed where no Service needs it."
	files := map[string]*bytes.Buffer{}
	err := f.generate(ctx, &sum, func(b *batch, n int) error {
		for i := range n {
			e := &b.entries[i]
			docs := b.text(i, i+1)
			name := opts.Layout.file(&e.svc)
			file := files[name]
			if file == nil {
				file = bytes.NewBufferString(s.header + "\n")
				files[name] = file
				docs = docs[len(separator):]
			}
			file.Write(docs)
			sum.Objects += e.outcome.objects
			sum.Bytes += int64(len(docs))
		}
		return nil
	})
	return files, sum, err
}

// A syncer is one run of Sync over a directory.
type syncer struct {
	dir    string
	root   *os.Root // dir; nil where it does not exist
	header string   // the first line of each of the fleet's files

	step func(what string) error             // before each step; tests fail or end the process there
	link func(oldname, newname string) error // root.Link, but in tests
}

func (f *Fleet) sync(ctx context.Context, s *syncer, opts SyncOptions) (Changes, error) {
	files, sum, err := f.render(ctx, s, opts)
	if err != nil {
		return Changes{Summary: sum}, err
	}
	changes, err := s.run(ctx, files, opts)
	return Changes{changes, sum}, err
}

// run makes the directory hold the files.
func (s *syncer) run(ctx context.Context, files map[string]*bytes.Buffer, opts SyncOptions) (changes []Change, err error) {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(s.dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s.root, err = os.OpenRoot(s.dir); err != nil {
		return nil, err
	}
	defer s.root.Close()
	if s.link == nil {
		s.link = s.root.Link
	}
	if err := s.recover(); err != nil {
		return nil, err
	}
	changes, had, err := s.compare(ctx, files)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	removed := 0
	for _, c := range changes {
		if c.Action == Removed {
			removed++
		}
	}
	if 2*removed > had && !opts.RemoveMost {
		f := finding.New(MostRemoved, "", fmt.Sprintf("of the fleet's %d files here %d would be removed", had, removed),
			"look whether the list of Services is whole; if these are to go, set SyncOptions.RemoveMost")
		f.File = s.dir
		return nil, finding.List{f}.Err()
	}
	if err := s.commit(ctx, changes, opts.Progress); err != nil {
		return nil, err
	}
	return changes, nil
}

// compare returns what is to be changed, and how many files of the fleet there are.
func (s *syncer) compare(ctx context.Context, files map[string]*bytes.Buffer) (changes []Change, had int, err error) {
	var entries []fs.DirEntry
	if s.root != nil {
		if entries, err = fs.ReadDir(s.root.FS(), "."); err != nil {
			return nil, 0, err
		}
	}
	var foreign finding.List
	there := map[string]bool{}
	for _, entry := range entries {
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		name := entry.Name()
		file, needed := files[name]
		if !needed && (!strings.HasSuffix(name, fileSuffix) || !entry.Type().IsRegular()) {
			continue
		}
		there[name] = true
		old, info, err := s.readOurs(name)
		switch {
		case needed && errors.Is(err, errForeign):
			foreign = append(foreign, s.foreign(name,
				fmt.Sprintf("a file of this name is to be written, and the one that is there does not begin with the line %q", s.header),
				"move it away, choose another directory, or write that line into it if it is this fleet's"))
			continue
		case errors.Is(err, errForeign), !needed && errors.Is(err, fs.ErrPermission): // what cannot be read is somebody else's
			continue
		case err != nil:
			return nil, 0, err
		}
		had++
		if !needed {
			changes = append(changes, Change{File: name, Action: Removed, old: string(old), info: info})
		} else if !sameText(old, file.Bytes()) {
			changes = append(changes, Change{File: name, Action: Changed, old: string(old), new: file.String(), info: info})
		}
	}
	for name, file := range files {
		if !there[name] {
			changes = append(changes, Change{File: name, Action: Added, new: file.String()})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.File, b.File) })
	return changes, had, foreign.Err()
}

// foreign is the finding about a file that is not the fleet's.
func (s *syncer) foreign(name, message, hint string) finding.Finding {
	f := finding.New(ForeignFile, "", message, hint)
	f.File = filepath.Join(s.dir, name)
	return f
}

// sameText reports whether two texts are the same but for the ends of their lines.
func sameText(a, b []byte) bool {
	return bytes.Equal(a, b) || bytes.Contains(a, crlf) && bytes.Equal(bytes.ReplaceAll(a, crlf, []byte("\n")), b)
}

var crlf = []byte("\r\n")

// errForeign says that a file is not the fleet's.
var errForeign = errors.New("the file is not the fleet's")

// readOurs reads a file of the fleet. The error is errForeign where it is another one.
func (s *syncer) readOurs(name string) ([]byte, fs.FileInfo, error) {
	info, err := s.root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, info, errForeign
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, info, err
	}
	defer f.Close()
	head, err := readHead(f)
	if err != nil {
		return nil, info, err
	}
	if !hasLine(head, func(line string) bool { return line == s.header }) {
		return nil, info, errForeign
	}
	rest, err := io.ReadAll(f)
	return append(head, rest...), info, err
}

// maxHead is within how many bytes the line that names the fleet is looked for.
const maxHead = 4 << 10

func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, maxHead)
	n, err := io.ReadFull(r, head)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

// hasLine reports whether there is such a line before the first document of a file. A formatter may have put other comments,
// or the beginning of the document, before it.
func hasLine(head []byte, is func(line string) bool) bool {
	for line := range bytes.Lines(head) {
		switch line := string(bytes.TrimSpace(line)); {
		case is(line):
			return true
		case line != "" && line[0] != '#' && line != "---":
			return false
		}
	}
	return false
}
