// SPDX-License-Identifier: Apache-2.0

// Package casetest reads case files: manifests, the mesh they are for, and on each line which findings are expected there. Only
// tests use it: those of audits, and those that prove the same cases against Istio itself.
//
// A case file is a text archive (see package txtar). Its comment says what the situation is, and which fact of Istio or
// Envoy decides it. Its files are
//
//   - mesh: the releases that run, one key a line: "istio: 1.24.1 1.20.8" for control planes and proxies alike, or
//     "controlPlanes:" and "proxies:"; "rootNamespace:" and "clusterDomain:" if they are not the default.
//   - manifests, of any other name. A comment "# want WS340 WS163" at the end of a line names the findings that are
//     expected on this line, a code as often as it is expected. These comments are cut off before anything reads the file.
//   - want: lines such as "chat.json:12 WS340", for places where a comment cannot stand, as in JSON and block scalars.
//   - fixed/NAME: the manifest NAME after Fix, if Fix changes or adds it.
//   - mended/NAME: the manifest NAME after a person did what the hints say. If it is empty, the person removed it.
//
// A finding that nothing expects fails a case, and so does an expectation without a finding.
package casetest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/internal/txtar"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// A Case is what a case file holds.
type Case struct {
	Comment string
	Mesh    wsmesh.Mesh
	Files   []File // the manifests
	Fixed   []File // the manifests that Fix changes or adds, as they are after it
	Mended  []File // the manifests that a person changes who follows the hints, as they are after that
}

// A File is a manifest without its expectations.
type File struct {
	Name  string
	Text  string
	Wants []Want
}

// A Want is a finding that is expected.
type Want struct {
	Code  string
	Line  int    // of the manifest
	Where string // in the case file, as "path:line"
}

// Read returns the case in the file at path, and ends the test if the file is not a case.
func Read(t testing.TB, path string) *Case {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(path, text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// parse reads a case file. The error names every line that is wrong.
func parse(path string, text []byte) (*Case, error) {
	archive := txtar.Parse(text)
	c := &Case{Comment: strings.TrimSpace(string(archive.Comment))}
	var errs []error
	if c.Comment == "" {
		errs = append(errs, fmt.Errorf("%s: no comment says what the situation is", path))
	}
	var list *txtar.File
	hasMesh := false
	for i, f := range archive.Files {
		where := func(line int) string { return fmt.Sprintf("%s:%d", path, f.Line+line-1) }
		to := &c.Files
		name := f.Name
		switch dir, rest, _ := strings.Cut(f.Name, "/"); {
		case f.Name == "mesh":
			hasMesh = true
			var err error
			if c.Mesh, err = parseMesh(string(f.Data)); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", where(1), err))
			}
			continue
		case f.Name == "want":
			list = &archive.Files[i]
			continue
		case dir == "fixed":
			to, name = &c.Fixed, rest
		case dir == "mended":
			to, name = &c.Mended, rest
		}
		file, err := parseFile(name, string(f.Data), where)
		*to, errs = append(*to, file), append(errs, err)
	}
	if !hasMesh {
		errs = append(errs, fmt.Errorf("%s: there is no file mesh", path))
	}
	if len(c.Files) == 0 {
		errs = append(errs, fmt.Errorf("%s: there is no manifest", path))
	}
	if list != nil {
		errs = append(errs, c.parseList(path, list))
	}
	return c, errors.Join(errs...)
}

// parseMesh reads the file mesh.
func parseMesh(text string) (wsmesh.Mesh, error) {
	var m wsmesh.Mesh
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		var err error
		switch key {
		case "istio":
			m.ControlPlanes, err = parseReleases(value)
			m.Proxies = slices.Clone(m.ControlPlanes)
		case "controlPlanes":
			m.ControlPlanes, err = parseReleases(value)
		case "proxies":
			m.Proxies, err = parseReleases(value)
		case "rootNamespace":
			m.RootNamespace = value
		case "clusterDomain":
			m.ClusterDomain = value
		default:
			err = fmt.Errorf("a mesh has no %q", key)
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

// parseReleases reads releases with spaces in between.
func parseReleases(text string) ([]version.Release, error) {
	var releases []version.Release
	for word := range strings.FieldsSeq(text) {
		r, err := version.Parse(word)
		if err != nil {
			return nil, err
		}
		releases = append(releases, r)
	}
	return releases, nil
}

// mark begins the comment with the findings that are expected on a line.
const mark = "# want"

// parseFile cuts the expectations off the lines of a manifest. The function where returns the place of a line of the
// manifest in the case file.
func parseFile(name, text string, where func(line int) string) (File, error) {
	f := File{Name: name}
	var errs []error
	var b strings.Builder
	n := 0
	for line := range strings.Lines(text) {
		n++
		before, after, ok := strings.Cut(line, mark)
		if !ok {
			b.WriteString(line)
			continue
		}
		wants, err := parseCodes(after, n, where(n))
		f.Wants, errs = append(f.Wants, wants...), append(errs, err)
		b.WriteString(strings.TrimRight(before, " ") + "\n")
	}
	f.Text = b.String()
	return f, errors.Join(errs...)
}

// parseCodes reads the codes of the findings that are expected on a line.
func parseCodes(text string, line int, where string) ([]Want, error) {
	var wants []Want
	for code := range strings.FieldsSeq(text) {
		if !slices.ContainsFunc(audit.Rules(), func(r finding.Rule) bool { return r.Code == code }) {
			return nil, fmt.Errorf("%s: no rule is %q", where, code)
		}
		wants = append(wants, Want{code, line, where})
	}
	if len(wants) == 0 {
		return nil, fmt.Errorf("%s: nothing is expected", where)
	}
	return wants, nil
}

// parseList reads the file want, and adds its expectations to the manifests.
func (c *Case) parseList(path string, list *txtar.File) error {
	var errs []error
	n := list.Line - 1
	for line := range strings.Lines(string(list.Data)) {
		n++
		place, codes, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, number, _ := strings.Cut(place, ":")
		files := c.Files
		if rest, ok := strings.CutPrefix(name, "fixed/"); ok {
			files, name = c.Fixed, rest
		} else if rest, ok := strings.CutPrefix(name, "mended/"); ok {
			files, name = c.Mended, rest
		}
		where := fmt.Sprintf("%s:%d", path, n)
		i := slices.IndexFunc(files, func(f File) bool { return f.Name == name })
		at, err := strconv.Atoi(number)
		if i < 0 || err != nil || at < 1 || at > 1+strings.Count(files[i].Text, "\n") {
			errs = append(errs, fmt.Errorf("%s: %q is no line of a manifest", where, place))
			continue
		}
		wants, err := parseCodes(codes, at, where)
		files[i].Wants, errs = append(files[i].Wants, wants...), append(errs, err)
	}
	return errors.Join(errs...)
}

// Set returns the files as a set of manifests.
func Set(t testing.TB, files []File) *manifests.Set {
	t.Helper()
	var m manifests.Set
	for _, f := range files {
		if err := m.Add(f.Name, strings.NewReader(f.Text)); err != nil {
			t.Fatal(err)
		}
	}
	return &m
}

// With returns the manifests of the case with the changed ones in place of the former, and the new ones at the end. A changed
// one that is empty is left out.
func (c *Case) With(changed []File) []File {
	files := c.Untouched(changed)
	for _, f := range changed {
		if f.Text != "" {
			files = append(files, f)
		}
	}
	// The order is that of the case, with the new ones at the end.
	index := func(f File) int {
		i := slices.IndexFunc(c.Files, func(o File) bool { return o.Name == f.Name })
		if i < 0 {
			return len(c.Files)
		}
		return i
	}
	slices.SortStableFunc(files, func(x, y File) int { return index(x) - index(y) })
	return files
}

// Untouched returns the manifests of the case that are not among the changed ones.
func (c *Case) Untouched(changed []File) []File {
	return slices.DeleteFunc(slices.Clone(c.Files), func(f File) bool {
		return slices.ContainsFunc(changed, func(o File) bool { return o.Name == f.Name })
	})
}

// Check fails the test for each expectation of files that has no finding, and for each finding that neither files nor others
// expect. The findings that others expect may be missing.
func Check(t testing.TB, found finding.List, files, others []File) {
	t.Helper()
	for _, problem := range differences(found, files, others) {
		t.Error(problem)
	}
}

// differences returns what Check fails the test with.
func differences(found finding.List, files, others []File) []string {
	type place struct {
		file string
		line int
		code string
	}
	wanted := map[place][]Want{}
	for _, f := range slices.Concat(files, others) {
		for _, w := range f.Wants {
			at := place{f.Name, w.Line, w.Code}
			wanted[at] = append(wanted[at], w)
		}
	}
	var problems []string
	for _, f := range found {
		at := place{f.File, f.Line, f.Code}
		if len(wanted[at]) == 0 {
			problems = append(problems, "not expected: "+f.String())
			continue
		}
		wanted[at] = wanted[at][1:]
	}
	for _, f := range files {
		for _, w := range f.Wants {
			at := place{f.Name, w.Line, w.Code}
			if i := slices.Index(wanted[at], w); i >= 0 {
				wanted[at] = slices.Delete(wanted[at], i, i+1)
				problems = append(problems, fmt.Sprintf("%s: %s is expected on line %d of %s, and is not found there", w.Where, w.Code, w.Line, f.Name))
			}
		}
	}
	return problems
}
