// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// unreadable is a manifest that an audit has one finding for, which tells that it was read.
const unreadable = "kind: ["

// findings returns what an audit says of the manifests.
func findings(t *testing.T, m *manifests.Set) finding.List {
	t.Helper()
	istio := []version.Release{version.MustParse("1.24.1")}
	r, err := audit.Run(t.Context(), m, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio})
	if err != nil {
		t.Fatal(err)
	}
	return r.Findings
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, os.ErrClosed }

// TestAddBroken: of an input that cannot be read to its end nothing is kept.
func TestAddBroken(t *testing.T) {
	var m manifests.Set
	if err := m.Add("broken", brokenReader{}); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "broken") {
		t.Error(err)
	}
	if l := findings(t, &m); len(l) != 0 {
		t.Error(l)
	}
}

// TestAddByteOrderMark: the mark that some editors begin a file with is no part of the manifest.
func TestAddByteOrderMark(t *testing.T) {
	var m manifests.Set
	if err := m.Add("a.yaml", strings.NewReader("\ufeff{}\n---\n"+unreadable)); err != nil {
		t.Fatal(err)
	}
	if l := findings(t, &m); len(l) != 1 || l[0].Line != 3 {
		t.Error(l)
	}
}

type endless struct{ line string }

func (e endless) Read(p []byte) (int, error) { return copy(p, e.line), nil }

// TestAddEndless: an input without an end is refused, and takes bounded memory.
func TestAddEndless(t *testing.T) {
	var m manifests.Set
	if err := m.Add("endless", endless{strings.Repeat("# no end\n", 1<<13)}); err != nil {
		t.Fatal(err)
	}
	if l := findings(t, &m); len(l) != 1 || l[0].Code != manifests.TooLarge.Code || l[0].File != "endless" {
		t.Error(l)
	}
}

// TestAddPath: a folder is read in the order of its paths, manifests alone and none of a hidden folder.
func TestAddPath(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a/rule.yml", "a/values.txt", "a/.git/x.yaml", "c.json"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(unreadable), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var m manifests.Set
	// What is named is read, whatever it ends in or begins with.
	for _, path := range []string{".", "a/values.txt", "a/.git"} {
		if err := m.AddPath(filepath.Join(dir, filepath.FromSlash(path))); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, f := range findings(t, &m) {
		name, err := filepath.Rel(dir, f.File)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, filepath.ToSlash(name))
	}
	if want := []string{"a/rule.yml", "b.yaml", "c.json", "a/values.txt", "a/.git/x.yaml"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestAddPathUnreadable: a path that is not there, or that has no content to read, is an error.
func TestAddPathUnreadable(t *testing.T) {
	dir, err := os.MkdirTemp("", "") // a short name: the path of a socket has at most 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var m manifests.Set
	if err := m.AddPath(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := m.AddPath(socket); err == nil || !strings.Contains(err.Error(), socket) {
		t.Error(err)
	}
}
