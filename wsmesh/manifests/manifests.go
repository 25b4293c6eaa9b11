// SPDX-License-Identifier: Apache-2.0

// Package manifests holds manifests as they stand in files: each is read once, with its place.
package manifests

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Set is manifests as they stand in files. The zero value holds none. Multi-document YAML,
// JSON, `kind: List` and what `kubectl get -o yaml` or -o json prints are all read; the objects may be of any kind.
// Reading never fails for what is in a file: an audit says what cannot be read, with file and line.
//
// A Set may be read by several goroutines at once, but for Add and AddPath.
type Set struct {
	Files []File
	size  int
}

// A File is one input of a Set.
type File struct {
	Name string
	Data []byte
	Docs []yamldoc.Document
	// Problem is why the file is not read at all.
	Problem finding.List
}

// The bounds of what is read. The API server takes no object larger than MaxDocument.
const (
	maxManifests = 256 << 20
	MaxDocument  = 3 << 20
)

// Add reads the manifests in r, which findings call by name. At most 256 MiB are read by all calls together; what goes
// beyond is a finding (WS990) for the input it is in. An error of r is returned, and nothing of the input is kept then.
func (m *Set) Add(name string, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, int64(maxManifests-m.size)+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	file := File{Name: name}
	if len(data) > maxManifests-m.size {
		file.Problem = finding.List{TooLarge(fmt.Sprintf("the manifests are larger than %d MiB together", maxManifests>>20), 0)}
	} else {
		m.size += len(data)
		file.Data = data
		file.Docs = yamldoc.Split(bytes.TrimPrefix(data, byteOrderMark))
		if bytes.HasPrefix(data, byteOrderMark) {
			for i := range file.Docs {
				file.Docs[i].Offset += len(byteOrderMark)
			}
		}
	}
	m.Files = append(m.Files, file)
	return nil
}

var byteOrderMark = []byte("\ufeff")

// AddPath adds a file, or every file below a directory whose name ends in .yaml, .yml or .json, in the order of their
// paths. Directories whose names begin with a dot are passed over.
func (m *Set) AddPath(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return m.addFile(path)
	}
	return filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != path && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(p)):
			return m.addFile(p)
		}
		return nil
	})
}

func (m *Set) addFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return m.Add(path, f)
}

// TooLarge is the finding for a text that is beyond a bound.
func TooLarge(message string, line int) finding.Finding {
	f := finding.New(finding.WS990, "", message, "audit fewer files at a time; the API server takes no object of more than 3 MiB")
	f.Line = line
	return f
}
