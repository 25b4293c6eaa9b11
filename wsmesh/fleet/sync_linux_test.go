// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

func fleetFor(label string, namespaces ...string) []Member {
	var services []Member
	for _, n := range namespaces {
		services = append(services, Member{Service: wsmesh.Service{Name: "chat", Namespace: n, Workload: map[string]string{"app": label}}})
	}
	return services
}

// Between these a file is added, one changed, one removed and one left alone.
var (
	oldFleet = append(fleetFor("old", "changed", "removed"), fleetFor("same", "same")...)
	newFleet = append(fleetFor("new", "added", "changed"), fleetFor("same", "same")...)
)

func (s *syncer) run(services []Member) error {
	f := &Fleet{Mesh: wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}}, Services: Members(services...)}
	_, err := s.sync(context.Background(), f, FilePerNamespace)
	return err
}

func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			data = []byte(err.Error())
		}
		files[e.Name()] = string(data)
	}
	return files
}

// trees returns a directory with the old fleet and a foreign file, and what is in it before and after the change.
func trees(t *testing.T) (dir string, old, now map[string]string) {
	t.Helper()
	tree := func(fleets ...[]Member) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "foreign.yaml"), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, f := range fleets {
			if err := (&syncer{dir: dir}).run(f); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	dir = tree(oldFleet)
	return dir, filesIn(t, dir), filesIn(t, tree(oldFleet, newFleet))
}

// steps returns how many steps the change has.
func steps(t *testing.T) int {
	dir, _, _ := trees(t)
	n := 0
	s := &syncer{dir: dir, step: func(string) error { n++; return nil }}
	if err := s.run(newFleet); err != nil {
		t.Fatal(err)
	}
	if n < 8 {
		t.Fatalf("the change has %d steps only", n)
	}
	return n
}

// TestSyncFails: an error at whatever step leaves the directory as it was.
func TestSyncFails(t *testing.T) {
	for at := range steps(t) {
		dir, old, _ := trees(t)
		broken, n := errors.New("broken"), 0
		s := &syncer{dir: dir, step: func(string) error {
			if n++; n == at+1 {
				return broken
			}
			return nil
		}}
		if err := s.run(newFleet); !errors.Is(err, broken) {
			t.Errorf("step %d: %v", at, err)
		}
		if got := filesIn(t, dir); !maps.Equal(got, old) {
			t.Errorf("an error at step %d leaves %v", at, got)
		}
	}
}

const killVariable = "WSMESH_TEST_KILL_AT" // dir and step, for the process that TestSyncIsKilled starts

// TestSyncIsKilled: a process that is killed at whatever step leaves a directory that the next run makes right: first
// as it was, and then as it is to be.
func TestSyncIsKilled(t *testing.T) {
	if dir, at, ok := strings.Cut(os.Getenv(killVariable), "\n"); ok {
		n := 0
		s := &syncer{dir: dir, step: func(string) error {
			if n++; strconv.Itoa(n) == at {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
			return nil
		}}
		t.Fatalf("the process lives on: %v", s.run(newFleet))
	}
	for at := range steps(t) {
		dir, old, now := trees(t)
		cmd := exec.Command(os.Args[0], "-test.run", "^TestSyncIsKilled$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s\n%d", killVariable, dir, at+1))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: the process ended with %v:\n%s", at, err, out)
		}
		s := &syncer{dir: dir}
		if err := s.recover(); err != nil {
			t.Fatal(err)
		}
		if got := filesIn(t, dir); !maps.Equal(got, old) {
			t.Errorf("killed at step %d the directory has %v", at, got)
		}
		if err := s.run(newFleet); err != nil {
			t.Fatal(err)
		}
		if got := filesIn(t, dir); !maps.Equal(got, now) {
			t.Errorf("after step %d and another run the directory has %v", at, got)
		}
	}
}

// TestSyncAtOnce: while a run is at work another one is refused, and nothing is lost.
func TestSyncAtOnce(t *testing.T) {
	dir, _, now := trees(t)
	tried := 0
	s := &syncer{dir: dir, step: func(string) error {
		tried++
		if err := (&syncer{dir: dir}).run(oldFleet); err == nil || !strings.Contains(err.Error(), "another run") {
			t.Errorf("a second run: %v", err)
		}
		return nil
	}}
	if err := s.run(newFleet); err != nil {
		t.Fatal(err)
	}
	if got := filesIn(t, dir); tried == 0 || !maps.Equal(got, now) {
		t.Errorf("the directory has %v", got)
	}
}

// TestSyncKeepsStrangers: a file that somebody puts where one is to be added is neither replaced nor removed.
func TestSyncKeepsStrangers(t *testing.T) {
	dir, old, _ := trees(t)
	s := &syncer{dir: dir, step: func(what string) error {
		if what == "apply added.yaml" {
			return os.WriteFile(filepath.Join(dir, "added.yaml"), []byte("mine"), 0o600)
		}
		return nil
	}}
	if err := s.run(newFleet); !errors.Is(err, os.ErrExist) {
		t.Errorf("the error is %v", err)
	}
	old["added.yaml"] = "mine"
	if got := filesIn(t, dir); !maps.Equal(got, old) {
		t.Errorf("the directory has %v", got)
	}
}

// TestSyncVanished: files that somebody removes in the middle make the run fail, and are put back where they can be.
func TestSyncVanished(t *testing.T) {
	for _, name := range []string{"changed.yaml", "removed.yaml", ".wsmesh-sync/new/changed.yaml"} {
		dir, _, _ := trees(t)
		s := &syncer{dir: dir, step: func(what string) error {
			if strings.HasPrefix(what, "apply added") {
				return os.Remove(filepath.Join(dir, name))
			}
			return nil
		}}
		if err := s.run(newFleet); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		got := filesIn(t, dir)
		if got["foreign.yaml"] != "mine" || got["same.yaml"] == "" || got["added.yaml"] != "" || len(got[workDir]) > 0 {
			t.Errorf("%s: the directory has %v", name, got)
		}
	}
}

// TestSyncFull: no room for the new files. The file system is one of 64 KiB where the test may mount one; elsewhere the
// limit is that of a file's size.
func TestSyncFull(t *testing.T) {
	dir := t.TempDir()
	full := "no space"
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err == nil {
		defer syscall.Unmount(dir, 0)
	} else {
		full = "broken"
	}
	if err := (&syncer{dir: dir}).run(oldFleet); err != nil {
		t.Fatal(err)
	}
	old := filesIn(t, dir)
	var many []Member
	for i := range 200 {
		many = append(many, fleetFor(strconv.Itoa(i), "n"+strconv.Itoa(i))...)
	}
	s := &syncer{dir: dir}
	if full == "broken" {
		s.step = func(what string) error {
			if what == "write n99.yaml" {
				return errors.New(full)
			}
			return nil
		}
	}
	if err := s.run(many); err == nil || !strings.Contains(err.Error(), full) {
		t.Errorf("the error is %v", err)
	}
	if got := filesIn(t, dir); !maps.Equal(got, old) {
		t.Errorf("the directory has %v", got)
	}
}

func TestRecoverFails(t *testing.T) {
	dir := t.TempDir()
	s := &syncer{dir: filepath.Join(dir, "file")}
	if err := os.WriteFile(s.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.recover(); err == nil {
		t.Error("a file is taken for the directory")
	}
	if _, err := lock(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there is locked")
	}
	s.dir = dir
	if err := os.MkdirAll(filepath.Join(dir, workDir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"x.yaml", filepath.Join(workDir, workJournal)} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("added x.yaml\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.recover(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the new file nobody knows whose x.yaml is: %v", err)
	}
	if _, err := s.compare(map[string]*bytes.Buffer{"x.yaml": {}}); err == nil {
		t.Error("x.yaml is taken for ours")
	}
}
