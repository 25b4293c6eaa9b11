// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
)

// filesBelow returns all that is in a directory.
func filesBelow(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			files[name] = "-> " + target
			return err
		case d.IsDir():
			files[name] = "directory"
			return nil
		}
		data, err := os.ReadFile(path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func syncFleet(dir string, services []wsmesh.Service) (fleet.Changes, error) {
	return plain(mesh("1.24.1"), wsmesh.Options{}, services...).Sync(context.Background(), dir, fleet.SyncOptions{})
}

func diffFleet(dir string, services []wsmesh.Service) (fleet.Changes, error) {
	return plain(mesh("1.24.1"), wsmesh.Options{}, services...).Diff(context.Background(), dir, fleet.SyncOptions{})
}

func TestSync(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "manifests")
	services := sliceOf(120) // in 50 namespaces
	changes, err := syncFleet(dir, services)
	if err != nil || len(changes.Files) != 50 || changes.Summary.Objects != 240 {
		t.Fatalf("a new directory: %v, %d changes", err, len(changes.Files))
	}
	first := filesBelow(t, dir)
	if len(first) != 50 {
		t.Errorf("there are %d files", len(first))
	}
	var want bytes.Buffer
	for _, i := range []int{7, 57, 107} {
		if i > 7 {
			want.WriteString("---\n")
		}
		want.Write(byPlans(t, services[i:i+1], mesh("1.24.1"), wsmesh.Options{}))
	}
	if _, docs, _ := strings.Cut(first["team-7.yaml"], "\n"); docs != want.String() {
		t.Errorf("team-7.yaml holds\n%s\nand not\n%s", docs, want.String())
	}

	if changes, err = syncFleet(dir, services); err != nil || len(changes.Files) != 0 {
		t.Errorf("a second run changes %v, %v", changes.Files, err)
	}
	services = slices.DeleteFunc(services, func(s wsmesh.Service) bool { return s.Namespace == "team-8" })
	services[7].Workload = map[string]string{"app": "other"}
	for name, data := range map[string]string{"README.md": "mine", "foreign.yaml": "a: 1\n", "short.yaml": "#", "kustomization.yaml": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		first[name] = data
	}
	changed, err := diffFleet(dir, services)
	if err != nil || fmt.Sprint(changed.Files) != "[changed team-7.yaml removed team-8.yaml]" {
		t.Errorf("Diff returns %v, %v", changed.Files, err)
	}
	if got := filesBelow(t, dir); !maps.Equal(got, first) {
		t.Error("Diff changed the directory")
	}
	if changes, err = syncFleet(dir, services); err != nil || fmt.Sprint(changes.Files) != fmt.Sprint(changed.Files) {
		t.Errorf("Sync changes %v, %v", changes.Files, err)
	}
	got := filesBelow(t, dir)
	if !strings.Contains(got["team-7.yaml"], "app: other") || got["team-8.yaml"] != "" || len(got) != 49+4 {
		t.Errorf("there are %d files, and team-7.yaml holds\n%s", len(got), got["team-7.yaml"])
	}

	// To another layout: the files of the old one go, which has to be asked for.
	other := plain(mesh("1.24.1"), wsmesh.Options{}, services[0], wsmesh.Service{Name: "chat", Workload: map[string]string{"app": "chat"}})
	_, err = other.Sync(context.Background(), dir, fleet.SyncOptions{Layout: fleet.FilePerService})
	if codes := codesOf(t, err); len(codes) != 1 || codes[0] != "WS972" || !strings.Contains(err.Error(), "of the fleet's 49 files here 49 would be removed") {
		t.Errorf("another layout: %v", err)
	}
	if after := filesBelow(t, dir); !maps.Equal(after, got) {
		t.Error("the directory changed all the same")
	}
	if _, err = other.Sync(context.Background(), dir, fleet.SyncOptions{Layout: fleet.FilePerService, RemoveMost: true}); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(filesBelow(t, dir)))
	if want := []string{"README.md", "foreign.yaml", "kustomization.yaml", "no_namespace.chat.yaml", "short.yaml", "team-0.websockets-server-0.yaml"}; !slices.Equal(names, want) {
		t.Errorf("the files are %v, and not %v", names, want)
	}
}

// TestSyncRefuses: whatever is in the way, the directory stays as it was, and so does what a link leads to.
func TestSyncRefuses(t *testing.T) {
	one := sliceOf(1)
	outside := filepath.Join(t.TempDir(), "outside.yaml")
	if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		make     func(dir string) error
		services []wsmesh.Service
		want     string
		reason   string
	}{
		{func(dir string) error { return os.WriteFile(dir+"/team-0.yaml", []byte("mine"), 0o600) }, one, "WS971", "a file of somebody else"},
		{func(dir string) error { return os.Symlink(outside, dir+"/team-0.yaml") }, one, "WS971", "a link that leads out"},
		{func(dir string) error { return os.Symlink("nowhere", dir+"/team-0.yaml") }, one, "WS971", "a link that leads nowhere"},
		{func(dir string) error { return os.Mkdir(dir+"/team-0.yaml", 0o755) }, one, "WS971", "a directory"},
		{func(dir string) error { return os.WriteFile(dir+"/.wsmesh-sync", nil, 0o600) }, one, "is no directory", "a file with the name of the work directory"},
		{func(dir string) error {
			return os.MkdirAll(dir+"/.wsmesh-sync/new", 0o755)
		}, one, "", "the work directory of a run that was killed"},
		{func(dir string) error {
			if err := os.Mkdir(dir+"/.wsmesh-sync", 0o755); err != nil {
				return err
			}
			return os.WriteFile(dir+"/.wsmesh-sync/journal", []byte("changed ../x.yaml\n"), 0o600)
		}, one, "not as Sync writes it", "a journal that leads out"},
		{func(dir string) error { return os.Mkdir(dir+"/.wsmesh-sync", 0o755) }, []wsmesh.Service{{Name: "chat"}}, "WS503", "a Service that is refused"},
		{func(dir string) error {
			return os.MkdirAll(dir+"/.wsmesh-sync/journal", 0o755)
		}, one, "journal", "a journal that is a directory"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		if err := tt.make(dir); err != nil {
			t.Fatal(err)
		}
		before := filesBelow(t, dir)
		_, err := syncFleet(dir, tt.services)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.reason, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.reason, err)
		}
		if after := filesBelow(t, dir); !maps.Equal(before, after) {
			t.Errorf("%s: the directory was %v and is %v", tt.reason, before, after)
		}
	}
	if data, err := os.ReadFile(outside); err != nil || string(data) != "mine" {
		t.Errorf("the file outside is %q, %v", data, err)
	}

	for reason, dir := range map[string]string{"a file": outside, "below a file": outside + "/x"} {
		if _, err := syncFleet(dir, one); err == nil || !strings.Contains(err.Error(), "not a directory") {
			t.Errorf("a directory that is %s: %v", reason, err)
		}
	}
	if _, err := diffFleet(outside, one); err == nil {
		t.Error("Diff with a file takes it for a directory")
	}
	if _, err := diffFleet(outside, []wsmesh.Service{{}}); err == nil {
		t.Error("Diff accepts a Service without a name")
	}
	changes, err := diffFleet(filepath.Join(t.TempDir(), "none"), one)
	if err != nil || fmt.Sprint(changes.Files) != "[added team-0.yaml]" {
		t.Errorf("Diff with a directory that is not there: %v, %v", changes.Files, err)
	}
}

// TestSyncOwners: fleets of several names share a directory, and none touches the files of another.
func TestSyncOwners(t *testing.T) {
	dir := t.TempDir()
	sync := func(name string, services ...wsmesh.Service) ([]fleet.Change, error) {
		f := plain(mesh("1.24.1"), wsmesh.Options{}, services...)
		f.Name = name
		changes, err := f.Sync(context.Background(), dir, fleet.SyncOptions{})
		return changes.Files, err
	}
	services := sliceOf(10)
	for i, name := range []string{"", "realtime", "chat \n\u202e"} {
		if changes, err := sync(name, services[3*i:3*i+3]...); err != nil || len(changes) != 3 {
			t.Errorf("%q: %v, %v", name, changes, err)
		}
	}
	before := filesBelow(t, dir)
	if got, _, _ := strings.Cut(before["team-3.yaml"], "\n"); got != `# Written by wsmesh from the inventory "realtime". It is overwritten, and removed where no Service needs it.` {
		t.Errorf("the first line is %s", got)
	}
	if got, _, _ := strings.Cut(before["team-6.yaml"], "\n"); got != `# Written by wsmesh from the inventory "chat \n\u202e". It is overwritten, and removed where no Service needs it.` {
		t.Errorf("the first line is %s", got)
	}
	_, err := sync("realtime", services[3], services[4], services[0])
	if got := codesOf(t, err); len(got) != 1 || got[0] != "WS971" || !strings.Contains(err.Error(), "from the inventory") {
		t.Errorf("a file of another fleet: %v", err)
	}
	if after := filesBelow(t, dir); !maps.Equal(before, after) {
		t.Error("the directory changed all the same")
	}
	if changes, err := sync("realtime", services[3], services[4]); err != nil || fmt.Sprint(changes) != "[removed team-5.yaml]" {
		t.Errorf("one file less: %v, %v", changes, err)
	}
	_, err = sync("realtime")
	if got := codesOf(t, err); len(got) != 1 || got[0] != "WS972" || finding.In(err)[0].File != dir {
		t.Errorf("an empty list: %v", err)
	}
	if changes, err := sync("new"); err != nil || len(changes) > 0 {
		t.Errorf("an empty list of a fleet without files: %v, %v", changes, err)
	}
	f := plain(mesh("1.24.1"), wsmesh.Options{})
	f.Name = "realtime"
	if changes, err := f.Diff(context.Background(), dir, fleet.SyncOptions{}); err != nil || len(changes.Files) != 2 {
		t.Errorf("Diff with an empty list: %v, %v", changes, err)
	}
	if changes, err := f.Sync(context.Background(), dir, fleet.SyncOptions{RemoveMost: true}); err != nil || len(changes.Files) != 2 {
		t.Errorf("an empty list that is meant: %v, %v", changes, err)
	}
}

// TestSyncReformatted: other ends of lines, and formatters that keep the comment, make no file foreign.
func TestSyncReformatted(t *testing.T) {
	services := sliceOf(2)
	tests := []struct {
		change func(text string) string
		want   string
		reason string
	}{
		{func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }, "[]", "a check-out on Windows"},
		{func(s string) string { return "---\n" + s }, "[changed team-0.yaml]", "the beginning of a document before it"},
		{func(s string) string { return "# yamllint disable\n\n  " + s }, "[changed team-0.yaml]", "a comment before it"},
		{func(s string) string { return s + "# a note\n" }, "[changed team-0.yaml]", "a comment after it"},
		{func(s string) string { return "a: b\n" + s }, "WS971", "another document before it"},
		{func(s string) string { return strings.Replace(s, "# Written", "# written", 1) }, "WS971", "another line"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		if _, err := syncFleet(dir, services); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "team-0.yaml")
		text, _ := os.ReadFile(path)
		if err := os.WriteFile(path, []byte(tt.change(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		changes, err := syncFleet(dir, services)
		if got := fmt.Sprint(changes.Files); tt.want == "WS971" && (err == nil || !strings.Contains(err.Error(), "# Written by wsmesh. It is overwritten")) || tt.want != "WS971" && (err != nil || got != tt.want) {
			t.Errorf("%s: %v, %v", tt.reason, changes.Files, err)
		}
	}
}

// TestSyncProgress: the callback sees each file that is written, and the permissions of a file stay.
func TestSyncProgress(t *testing.T) {
	dir := t.TempDir()
	services := sliceOf(3)
	var got []string
	opts := fleet.SyncOptions{Progress: func(done, total int) { got = append(got, fmt.Sprint(done, "/", total)) }}
	for range 2 {
		if _, err := plain(mesh("1.24.1"), wsmesh.Options{}, services...).Sync(context.Background(), dir, opts); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(got) != "[1/3 2/3 3/3]" {
		t.Errorf("the progress is %v", got)
	}
	path := filepath.Join(dir, "team-1.yaml")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	services[1].Workload = map[string]string{"app": "x"}
	if _, err := syncFleet(dir, services); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the permissions are %v, %v", info.Mode(), err)
	}
}

// TestSyncMeanwhile: a file that somebody writes while Sync is at work is not lost.
func TestSyncMeanwhile(t *testing.T) {
	dir := t.TempDir()
	services := sliceOf(3)
	if _, err := syncFleet(dir, services); err != nil {
		t.Fatal(err)
	}
	services[1].Workload = map[string]string{"app": "x"}
	path := filepath.Join(dir, "team-1.yaml")
	_, err := plain(mesh("1.24.1"), wsmesh.Options{}, services...).Sync(context.Background(), dir, fleet.SyncOptions{Progress: func(int, int) {
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "was changed while Sync was at work") {
		t.Errorf("the error is %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

func TestChange(t *testing.T) {
	dir := t.TempDir()
	services := sliceOf(3)
	if _, err := syncFleet(dir, services); err != nil {
		t.Fatal(err)
	}
	// By hand: another host, a label, documents in another order, and one more.
	path := filepath.Join(dir, "team-0.yaml")
	data, _ := os.ReadFile(path)
	header, docs, _ := strings.Cut(string(data), "\n")
	filter, rule, _ := strings.Cut(docs, "---\n")
	rule = strings.Replace(rule, "host: websockets-server-0.team-0", "host: other.team-0", 1)
	rule = strings.Replace(rule, "  namespace: team-0\n", "  namespace: team-0\n  labels:\n    example.com/x: v\n", 1)
	filter = strings.Replace(filter, "  - applyTo: NETWORK_FILTER\n", "  - {applyTo: LISTENER}\n  - applyTo: NETWORK_FILTER\n", 1)
	more := "---\nkind: Extra\nmetadata:\n  name: x\n"
	if err := os.WriteFile(path, []byte(header+"\n"+rule+"---\n"+filter+"# a comment\n"+more), 0o600); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "team-2.yaml"), []byte(header+"\na: [\n"), 0o600)
	services[1].Namespace = "team-9"
	changes, err := diffFleet(dir, services)
	if err != nil || fmt.Sprint(changes.Files) != "[changed team-0.yaml removed team-1.yaml changed team-2.yaml added team-9.yaml]" {
		t.Fatalf("the changes are %v, %v", changes.Files, err)
	}
	var got []string
	for _, c := range changes.Files {
		fields, err := c.Fields()
		if (err != nil) != (c.File == "team-2.yaml") {
			t.Errorf("%s: %v", c.File, err)
		}
		for _, f := range fields {
			got = append(got, f.String())
		}
	}
	want := []string{
		`DestinationRule team-0/websockets-server-0 metadata.labels: {"example.com/x":"v"} -> nothing`,
		`DestinationRule team-0/websockets-server-0 spec.host: "other.team-0.svc.cluster.local" -> "websockets-server-0.team-0.svc.cluster.local"`,
		`EnvoyFilter team-0/websockets-server-0-allow-connect spec.configPatches: [{"applyTo":"LISTENER"},{"applyTo":"NETWORK_FILTER"`,
		`Extra x is removed`,
		`DestinationRule team-1/websockets-server-1 is removed`,
		`EnvoyFilter team-1/websockets-server-1-allow-connect is removed`,
		`DestinationRule team-9/websockets-server-1 is added`,
		`EnvoyFilter team-9/websockets-server-1-allow-connect is added`,
	}
	if len(got) != len(want) {
		t.Fatalf("the fields are\n%s", strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("the change is\n%s\nand not\n%s", got[i], want[i])
		}
	}
	if got := fleet.Action(7).String(); got != "action(7)" {
		t.Errorf("an unknown action is %q", got)
	}
	var unified bytes.Buffer
	if err := changes.WriteUnified(&unified); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"--- a/team-0.yaml\n+++ b/team-0.yaml\n", "--- a/team-1.yaml\n+++ /dev/null\n", "--- /dev/null\n+++ b/team-9.yaml\n", "\n-# a comment\n", "\n+  name: websockets-server-1\n"} {
		if !strings.Contains(unified.String(), line) {
			t.Errorf("%q is not in the unified difference:\n%s", line, unified.String())
		}
	}
	broken := writerFunc(func([]byte) (int, error) { return 0, os.ErrClosed })
	if err := changes.WriteUnified(broken); err == nil {
		t.Error("a writer that fails is not noticed")
	}
}

// TestFleetCodes: each code of fleets, inventories and directories has a test that shows it firing, and one silent.
func TestFleetCodes(t *testing.T) {
	var tests strings.Builder
	for _, name := range []string{"generate_test.go", "inventory_test.go", "sync_test.go"} {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(src)
	}
	for _, c := range fleet.Rules() {
		if !strings.Contains(tests.String(), c.Code) {
			t.Errorf("%s has no test", c.Code)
		}
	}
}
