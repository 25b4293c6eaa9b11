// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

const service = "apiVersion: v1\nkind: Service\nmetadata: {name: chat, namespace: prod}\nspec: {selector: {app: chat}, ports: [{port: 80, name: http}]}\n"

// objects returns the objects of a Set, each with its file.
func objects(t *testing.T, s *manifests.Set) (names []string) {
	t.Helper()
	list, err := s.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		names = append(names, filepath.ToSlash(o.File)+" "+o.String())
	}
	return names
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLinks: links to files and folders are followed, and a file is read once, however many links lead to it. That holds for
// links in a circle, and for folders as Kubernetes mounts them, where every file is a link into a hidden folder.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "real", "a.yaml"), service)
	write(t, filepath.Join(dir, "mount", "..2026", "b.yaml"), service)
	for name, target := range map[string]string{
		"all/folder": "../real", "all/again": "../real", "all/file.yaml": "../real/a.yaml", "all/circle": ".", "all/up": "..",
		"mount/..data": "..2026", "mount/b.yaml": "..data/b.yaml", "all/other.txt": "../real/a.yaml",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.FromSlash(target), path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "real", "a.yaml"), filepath.Join(dir, "all", "hard.yaml")); err != nil {
		t.Fatal(err)
	}
	var s manifests.Set
	for _, path := range []string{"all", "all/file.yaml", "mount"} {
		if err := s.AddPath(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	if files := s.Files(); len(files) != 2 {
		t.Errorf("%d files are read: %q", len(files), objects(t, &s))
	}
}

// TestUnreadable: what cannot be read below a folder is a finding (WS995), and the rest is read.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b.yaml"), service)
	if err := os.Symlink("nowhere", filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	var s manifests.Set
	if err := s.AddPath(dir); err != nil {
		t.Fatal(err)
	}
	list, err := s.Objects(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatal(err, list)
	}
	if l := list[0].Findings; len(l) != 1 || l[0].Code != manifests.Unreadable.Code || l[0].File != filepath.Join(dir, "a.yaml") {
		t.Error(l)
	}
	if list[1].String() != "Service prod/chat" || list[1].Line != 1 {
		t.Error(list[1])
	}
}

// A brokenFS has a folder and files that cannot be read.
type brokenFS struct{ fstest.MapFS }

func (b brokenFS) Open(name string) (fs.File, error) {
	if strings.Contains(name, "broken") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("no such disk")}
	}
	f, err := b.MapFS.Open(name)
	if strings.HasSuffix(name, "half.yaml") {
		return halfFile{f}, err
	}
	return f, err
}

type halfFile struct{ fs.File }

func (halfFile) Read([]byte) (int, error) { return 0, errors.New("no such block") }

// TestAddFS: the files of a file system are read as those of a folder are.
func TestAddFS(t *testing.T) {
	var s manifests.Set
	err := s.AddFS(brokenFS{fstest.MapFS{
		"a/one.yaml":       {Data: []byte(service)},
		"a/two.txt":        {Data: []byte(service)},
		"a/.git/x.yaml":    {Data: []byte(service)},
		"b/broken.yaml":    {Data: []byte(service)},
		"b/half.yaml":      {Data: []byte(service)},
		"broken/three.yml": {Data: []byte(service)},
		"c.json":           {Data: []byte(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"json"}}`)},
		"link.yaml":        {Data: []byte("a/one.yaml"), Mode: fs.ModeSymlink},
		"links":            {Data: []byte("a"), Mode: fs.ModeSymlink},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := objects(t, &s)
	want := []string{"a/one.yaml Service prod/chat", "b/broken.yaml ", "b/half.yaml ", "broken/three.yml ", "c.json Service json"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := s.AddFS(brokenFS{fstest.MapFS{}}); err != nil {
		t.Errorf("a file system without files is an error: %v", err)
	}
	if err := new(manifests.Set).AddFS(os.DirFS(filepath.Join(t.TempDir(), "none"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file system that is not there: %v", err)
	}
}

// TestNil: nothing that is nil makes a Set panic.
func TestNil(t *testing.T) {
	var none *manifests.Set
	if none.Add("a", strings.NewReader("")) == nil || none.AddPath(t.TempDir()) == nil || none.AddFS(fstest.MapFS{}) == nil {
		t.Error("something is added to a nil Set")
	}
	var s manifests.Set
	if s.Add("a", nil) == nil || s.AddFS(nil) == nil {
		t.Error("nil is added")
	}
	if l, err := none.Objects(t.Context()); len(l) > 0 || err != nil || none.Files() != nil {
		t.Error(l, err)
	}
	if text := (*manifests.Object)(nil).String(); text != "" {
		t.Error(text)
	}
}

// TestContext: reading ends when its context does, and can be asked for again.
func TestContext(t *testing.T) {
	var s manifests.Set
	if err := s.Add("a.yaml", strings.NewReader(strings.Repeat(service+"---\n", 500))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l, err := s.Objects(ctx); !errors.Is(err, context.Canceled) || l != nil {
		t.Error(l, err)
	}
	if l, err := s.Objects(t.Context()); err != nil || len(l) != 500 {
		t.Error(len(l), err)
	}
}
