// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func run(t *testing.T, stdin string, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := program{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs, terminal: true}
	exit = p.run(context.Background(), args)
	return exit, out.String(), errs.String()
}

func TestFleet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "manifests")
	steps := []struct {
		stdin            string
		args             []string
		exit             int
		stdout, stderr   string
		stdoutIsTheWhole bool
		reason           string
	}{
		{"", []string{"-inventory", "fleet.yaml", "-out", dir, "-check"}, exitNo, "+++ b/prod.yaml", "is not up to date: 2 files differ", false, "nothing is there yet"},
		{"", []string{"-inventory", "fleet.yaml", "-out", dir}, exitOK, "", "3 Services, 6 objects", true, "written"},
		{"", []string{"-inventory", "fleet.yaml", "-out", dir, "-check"}, exitOK, "", "is up to date", true, "up to date"},
		{"", []string{"-inventory", "fleet.yaml", "-out", dir, "-per-service"}, exitNo, "", "WS972", true, "another layout, which removes all files of the first"},
		{"", []string{"-inventory", "fleet.yaml", "-out", dir, "-per-service", "-remove-most"}, exitOK, "", "removed stage.yaml", true, "another layout"},
		{"", []string{"-inventory", "none.yaml", "-out", dir}, exitNo, "", "no such file", true, "no inventory"},
		{"apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\n", []string{"-inventory", "-", "-out", dir}, exitNo, "", "standard input:1: error WS966", true, "a cut-off inventory"},
		{"{apiVersion: wsmesh.dev/v1alpha1, kind: Inventory, mesh: {proxies: [\"1.24.1\"]}, services: [{name: a, workload: {a: b}, ports: [{number: 1}]}, {name: chat}]}",
			[]string{"-inventory", "-", "-out", "-"}, exitNo, "", "WS503", true, "nothing is written where a later Service is refused"},
		{"{apiVersion: wsmesh.dev/v1alpha1, kind: Inventory, mesh: {proxies: [\"1.24.1\"]}, services: [{name: a, workload: {a: b}, ports: [{number: 1}]}, {name: chat}]}",
			[]string{"-inventory", "-", "-out", dir}, exitNo, "", "warning WS507", true, "warnings beside errors"},
		{"", []string{"-inventory", "fleet.yaml", "-out", "main.go"}, exitNo, "", "not a directory", true, "a file for a directory"},
		{"", []string{"-inventory", "fleet.yaml", "-out", "-"}, exitOK, "name: chat-allow-connect", "WS305 3", false, "to standard output"},
		{"", []string{"-inventory", "fleet.yaml"}, exitUsage, "", "give -inventory and -out", true, "no -out"},
		{"", []string{"-inventory", "fleet.yaml", "-out", "-", "-check"}, exitUsage, "", "need a directory", true, "-check of a stream"},
		{"", []string{"-nonsense"}, exitUsage, "", "not defined", true, "an unknown flag"},
		{"", []string{"-help"}, exitOK, "", "-per-service", true, "help"},
	}
	for _, s := range steps {
		exit, stdout, stderr := run(t, s.stdin, s.args...)
		if exit != s.exit || !strings.Contains(stdout, s.stdout) || s.stdoutIsTheWhole && stdout != s.stdout || !strings.Contains(stderr, s.stderr) {
			t.Errorf("%s: exit %d\n%s\n%s", s.reason, exit, stdout, stderr)
		}
	}
	if files, _ := filepath.Glob(dir + "/*"); len(files) != 3 {
		t.Errorf("the files are %v", files)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestBroken(t *testing.T) {
	for _, args := range [][]string{{"-inventory", "fleet.yaml", "-out", "-"}, {"-inventory", "fleet.yaml", "-out", t.TempDir(), "-check"}} {
		var stderr bytes.Buffer
		p := program{stdout: brokenWriter{}, stderr: &stderr}
		if exit := p.run(context.Background(), args); exit != exitNo || !strings.Contains(stderr.String(), "broken") {
			t.Errorf("%v: exit %d, %s", args, exit, stderr.String())
		}
	}
	var stderr bytes.Buffer
	p := program{stdin: iotest.ErrReader(os.ErrClosed), stderr: &stderr}
	if exit := p.run(context.Background(), []string{"-inventory", "-", "-out", "-"}); exit != exitNo {
		t.Errorf("an input that cannot be read: exit %d", exit)
	}
}
