// SPDX-License-Identifier: Apache-2.0

package fleet

import (
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

func (s *syncer) syncTo(services []Member) error {
	f := &Fleet{Mesh: wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}}, Services: Members(services...)}
	_, err := f.sync(context.Background(), s, SyncOptions{RemoveMost: true})
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
			if err := (&syncer{dir: dir}).syncTo(f); err != nil {
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
	if err := s.syncTo(newFleet); err != nil {
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
		if err := s.syncTo(newFleet); !errors.Is(err, broken) {
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
		t.Fatalf("the process lives on: %v", s.syncTo(newFleet))
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
		s := &syncer{dir: dir, root: rootOf(t, dir)}
		if err := s.recover(); err != nil {
			t.Fatal(err)
		}
		if got := filesIn(t, dir); !maps.Equal(got, old) {
			t.Errorf("killed at step %d the directory has %v", at, got)
		}
		if err := s.syncTo(newFleet); err != nil {
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
		if err := (&syncer{dir: dir}).syncTo(oldFleet); !errors.Is(err, ErrBusy) {
			t.Errorf("a second run: %v", err)
		}
		return nil
	}}
	if err := s.syncTo(newFleet); err != nil {
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
	if err := s.syncTo(newFleet); !errors.Is(err, os.ErrExist) {
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
		if err := s.syncTo(newFleet); !errors.Is(err, os.ErrNotExist) {
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
	if err := (&syncer{dir: dir}).syncTo(oldFleet); err != nil {
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
	if err := s.syncTo(many); err == nil || !strings.Contains(err.Error(), full) {
		t.Errorf("the error is %v", err)
	}
	if got := filesIn(t, dir); !maps.Equal(got, old) {
		t.Errorf("the directory has %v", got)
	}
}

func rootOf(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// TestRecover: only what a run wrote is put back or removed. In the second directory of each row there is what another run
// leaves of the first.
func TestRecover(t *testing.T) {
	const ours = "# Written by wsmesh. It is overwritten, and removed where no Service needs it.\na: 1\n"
	tests := []struct {
		files  map[string]string // "->" is a link
		want   map[string]string // nil: as they were, and an error
		err    string
		reason string
	}{
		{map[string]string{"x.yaml": "mine", ".wsmesh-sync/journal": "added x.yaml\n"}, map[string]string{"x.yaml": "mine"}, "", "a file of somebody else where one was added"},
		{map[string]string{"x.yaml": ours, ".wsmesh-sync/journal": "added x.yaml\n"}, map[string]string{}, "", "a file that was added, without links"},
		{map[string]string{"x.yaml": "mine", ".wsmesh-sync/journal": "added x.yaml\n", ".wsmesh-sync/new/x.yaml": ours}, map[string]string{"x.yaml": "mine"}, "", "one that was not yet added"},
		{map[string]string{"x.yaml": "# Written by wsmesh. New.\n", ".wsmesh-sync/journal": "changed x.yaml\n", ".wsmesh-sync/old/x.yaml": ours}, map[string]string{"x.yaml": ours}, "", "one that was changed"},
		{map[string]string{".wsmesh-sync/journal": "changed x.yaml\n", ".wsmesh-sync/old/x.yaml": ours}, map[string]string{"x.yaml": ours}, "", "one that was moved away"},
		{map[string]string{"x.yaml": "mine", ".wsmesh-sync/journal": "changed x.yaml\n", ".wsmesh-sync/old/x.yaml": ours}, nil, "WS971", "one of somebody else in place of one that was changed"},
		{map[string]string{"x.yaml": "mine", ".wsmesh-sync/journal": "removed x.yaml\n", ".wsmesh-sync/old/x.yaml": ours}, nil, "WS971", "one of somebody else in place of one that was removed"},
		{map[string]string{"x.yaml": "mine", ".wsmesh-sync/new/x.yaml": "# Writ", ".wsmesh-sync/new/y.yaml": "", ".wsmesh-sync/new/journal": "chan"}, map[string]string{"x.yaml": "mine"}, "", "a run that was killed while it wrote"},
		{map[string]string{".wsmesh-sync/new/notes.txt": "mine"}, nil, "did not write", "a note in the work directory"},
		{map[string]string{".wsmesh-sync/new/x.yaml": "mine"}, nil, "did not write", "a manifest in the work directory"},
		{map[string]string{".wsmesh-sync/notes": "mine"}, nil, "did not write", "a note beside the journal"},
		{map[string]string{".wsmesh-sync": "mine"}, nil, "is no directory", "a file of the work directory's name"},
		{map[string]string{".wsmesh-sync/old": "->../../outside", ".wsmesh-sync/journal": "changed victim.yaml\n"}, nil, "is no directory", "a link that leads out"},
		{map[string]string{".wsmesh-sync/journal": "->../../outside/victim.yaml"}, nil, "not as Sync writes it", "a journal that is a link"},
		{map[string]string{".wsmesh-sync/journal": "renamed x.yaml\n"}, nil, "not as Sync writes it", "an unknown action"},
		{map[string]string{".wsmesh-sync/journal": "changed ../outside/victim.yaml\n"}, nil, "not as Sync writes it", "a journal that leads out"},
	}
	for _, tt := range tests {
		above := t.TempDir()
		dir := filepath.Join(above, "dir")
		put := func(name, text string) {
			path := filepath.Join(above, name)
			err := os.MkdirAll(filepath.Dir(path), 0o755)
			if target, ok := strings.CutPrefix(text, "->"); ok {
				err = errors.Join(err, os.Symlink(target, path))
			} else {
				err = errors.Join(err, os.WriteFile(path, []byte(text), 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		put("outside/victim.yaml", ours)
		for name, text := range tt.files {
			put(filepath.Join("dir", name), text)
		}
		before := filesIn(t, dir)
		err := (&syncer{dir: dir, root: rootOf(t, dir)}).recover()
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v", tt.reason, err)
		}
		want := tt.want
		if want == nil {
			want = before
		}
		if got := filesIn(t, dir); !maps.Equal(got, want) {
			t.Errorf("%s: the directory has %v and not %v", tt.reason, got, want)
		}
		if data, err := os.ReadFile(filepath.Join(above, "outside/victim.yaml")); err != nil || string(data) != ours {
			t.Errorf("%s: outside there is %q, %v", tt.reason, data, err)
		}
	}
	if _, err := lock(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there is locked")
	}
}

// TestSyncIsCancelled: a context that is done at whatever step leaves the directory as it was.
func TestSyncIsCancelled(t *testing.T) {
	for at := range steps(t) {
		dir, old, _ := trees(t)
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		s := &syncer{dir: dir, step: func(string) error {
			if n++; n == at+1 {
				cancel()
			}
			return nil
		}}
		f := &Fleet{Mesh: wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}}, Services: Members(newFleet...)}
		_, err := f.sync(ctx, s, SyncOptions{RemoveMost: true})
		// The last step is the removal of the journal: with it the change is made.
		if last := at == steps(t)-1; !last && !errors.Is(err, context.Canceled) || last && err != nil {
			t.Errorf("step %d: %v", at, err)
		}
		if got := filesIn(t, dir); at < steps(t)-1 && !maps.Equal(got, old) {
			t.Errorf("cancelled at step %d the directory has %v", at, got)
		}
	}
}

// TestSyncPanics: a callback that panics leaves the directory as it was, and nothing that holds it.
func TestSyncPanics(t *testing.T) {
	dir, old, now := trees(t)
	f := &Fleet{Mesh: wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}}, Services: Members(newFleet...)}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		_, _ = f.Sync(context.Background(), dir, SyncOptions{RemoveMost: true, Progress: func(int, int) { panic("broken") }})
	}()
	if got := filesIn(t, dir); !maps.Equal(got, old) {
		t.Errorf("the directory has %v", got)
	}
	if err := (&syncer{dir: dir}).syncTo(newFleet); err != nil {
		t.Fatal(err)
	}
	if got := filesIn(t, dir); !maps.Equal(got, now) {
		t.Errorf("after another run the directory has %v", got)
	}
}

// TestSyncWithoutLinks: where the file system refuses links, files are moved.
func TestSyncWithoutLinks(t *testing.T) {
	dir, _, now := trees(t)
	s := &syncer{dir: dir, link: func(string, string) error { return syscall.EPERM }}
	if err := s.syncTo(newFleet); err != nil {
		t.Fatal(err)
	}
	if got := filesIn(t, dir); !maps.Equal(got, now) {
		t.Errorf("the directory has %v", got)
	}
	for at := range steps(t) {
		dir, old, _ := trees(t)
		broken, n := errors.New("broken"), 0
		s := &syncer{dir: dir, link: func(string, string) error { return syscall.EPERM }, step: func(string) error {
			if n++; n == at+1 {
				return broken
			}
			return nil
		}}
		if err := s.syncTo(newFleet); !errors.Is(err, broken) {
			t.Errorf("step %d: %v", at, err)
		}
		if got := filesIn(t, dir); !maps.Equal(got, old) {
			t.Errorf("an error at step %d leaves %v", at, got)
		}
	}
}
