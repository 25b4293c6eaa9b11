// SPDX-License-Identifier: Apache-2.0

package txtar_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsmesh/wsmesh/internal/txtar"
)

func TestParse(t *testing.T) {
	type file = txtar.File
	for reason, tt := range map[string]struct {
		text string
		want txtar.Archive
	}{
		"nothing":   {"", txtar.Archive{}},
		"a comment": {"a\nb\n", txtar.Archive{Comment: []byte("a\nb\n")}},
		"files": {"why\n\n-- a.yaml --\na: 1\n-- dir/b --\n\nb\n", txtar.Archive{Comment: []byte("why\n\n"), Files: []file{
			{"a.yaml", []byte("a: 1\n"), 4}, {"dir/b", []byte("\nb\n"), 6}}}},
		"no comment, an empty file":       {"-- a --\n-- b --\n", txtar.Archive{Files: []file{{"a", nil, 2}, {"b", nil, 3}}}},
		"no newline at the end":           {"-- a --\nx", txtar.Archive{Files: []file{{"a", []byte("x\n"), 2}}}},
		"no newline behind a name":        {"-- a --", txtar.Archive{Files: []file{{"a", nil, 2}}}},
		"spaces around a name":            {"--   a b   --\nx\n", txtar.Archive{Files: []file{{"a b", []byte("x\n"), 2}}}},
		"lines that Windows ends":         {"-- a --\r\nx\r\n", txtar.Archive{Files: []file{{"a", []byte("x\r\n"), 2}}}},
		"what only looks like a name":     {"--a --\n-- a--\n-- --\n--  --\n--\n---\n -- a --\n-- a -- b\n", txtar.Archive{Comment: []byte("--a --\n-- a--\n-- --\n--  --\n--\n---\n -- a --\n-- a -- b\n")}},
		"a document of YAML ends no file": {"-- a --\n---\nx\n---\n", txtar.Archive{Files: []file{{"a", []byte("---\nx\n---\n"), 2}}}},
	} {
		if diff := cmp.Diff(&tt.want, txtar.Parse([]byte(tt.text))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
}
