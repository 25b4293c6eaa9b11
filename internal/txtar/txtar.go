// SPDX-License-Identifier: Apache-2.0

// Package txtar reads text archives: several small files in one that people can read, as golang.org/x/tools/txtar defines
// them. Only tests use it; unlike that package it knows the line on which each file begins.
//
// An archive begins with a comment. Each file follows a line "-- name --" and ends at the next such line, or at the end of the
// archive. Such a line cannot be escaped. Every text is an archive, so there are no errors.
package txtar

import (
	"bytes"
	"strings"
)

// An Archive is a comment and the files that follow it.
type Archive struct {
	Comment []byte
	Files   []File
}

// A File is a file of an archive.
type File struct {
	Name string
	Data []byte // ends in a newline unless it is empty
	Line int    // the line of the archive on which Data begins, counted from 1
}

// Parse splits text into its comment and files. It adds a newline where the end of the text lacks one.
func Parse(text []byte) *Archive {
	a := &Archive{}
	data := &a.Comment
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if name, ok := fileName(line); ok {
			a.Files = append(a.Files, File{Name: name, Line: n + 1})
			data = &a.Files[len(a.Files)-1].Data
			continue
		}
		if line[len(line)-1] != '\n' {
			line = append(bytes.Clone(line), '\n')
		}
		*data = append(*data, line...)
	}
	return a
}

// fileName returns the name in a line that begins a file, and reports whether the line does.
func fileName(line []byte) (string, bool) {
	text := strings.TrimRight(string(line), "\r\n")
	name, ok := strings.CutPrefix(text, "-- ")
	if !ok || !strings.HasSuffix(name, " --") {
		return "", false
	}
	name = strings.TrimSpace(strings.TrimSuffix(name, "--"))
	return name, name != ""
}
