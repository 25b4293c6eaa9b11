// SPDX-License-Identifier: Apache-2.0

// Package upstream reads the DestinationRules and EnvoyFilters that the istio.io/istio module itself carries,
// as test data, samples and strings in its tests, out of the module cache.
package upstream

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"istio.io/istio/pkg/config"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/internal/conformance/judge"
)

// A Document is one manifest of Istio's.
type Document struct {
	// Source is the file in the module and the document's number in it, from 1; in a Go file the number of the string
	// and the document's in that.
	Source string
	Kind   string
	Text   []byte
	// Invalid is the message that Istio's own test expects where it says that the document is invalid.
	Invalid string
}

var (
	separator = regexp.MustCompile(`(?m)^---.*$`)
	ofKind    = regexp.MustCompile(`(?m)^kind:\s*["']?(DestinationRule|EnvoyFilter)["']?\s*$`)
)

// Documents returns them all, in order of their files.
func Documents() ([]Document, error) {
	root := judge.ModuleDir(config.ToRaw, "pkg")
	var docs []Document
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case strings.HasSuffix(rel, ".yaml") || strings.HasSuffix(rel, ".yml"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found, err := split(rel, string(text))
			docs = append(docs, found...)
			return err
		case strings.HasSuffix(rel, ".go"):
			found, err := fromGo(rel, path)
			docs = append(docs, found...)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the documents of istio.io/istio: %w", err)
	}
	return docs, nil
}

// fromGo returns the documents in the string literals of a Go file.
func fromGo(rel, path string) ([]Document, error) {
	text, err := os.ReadFile(path)
	if err != nil || !ofKind.Match(text) {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var docs []Document
	literals := 0 // of strings with documents
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING || err != nil {
			return err == nil
		}
		value, uerr := strconv.Unquote(lit.Value)
		if uerr != nil || !ofKind.MatchString(value) {
			return true
		}
		var found []Document
		literals++
		found, err = split(fmt.Sprintf("%s#%d", rel, literals), value)
		docs = append(docs, found...)
		return err == nil
	})
	return docs, err
}

// split returns the documents of the two kinds in a stream of YAML. Templates, and formats of fmt, are no documents.
func split(source, text string) ([]Document, error) {
	var docs []Document
	for i, part := range separator.Split(text, -1) {
		kind := ofKind.FindStringSubmatch(part)
		if kind == nil || strings.Contains(part, "{{") || strings.Contains(part, "%s") || strings.Contains(part, "%d") {
			continue
		}
		doc := Document{Source: fmt.Sprintf("%s#%d", source, i+1), Kind: kind[1], Text: []byte(part)}
		var tree map[string]any
		if yaml.Unmarshal(doc.Text, &tree) == nil && tree["_err"] != nil {
			// Istio's test takes the expectation out of the document in the same way.
			doc.Invalid = fmt.Sprint(tree["_err"])
			delete(tree, "_err")
			var err error
			if doc.Text, err = yaml.Marshal(tree); err != nil {
				return nil, err
			}
		}
		docs = append(docs, doc)
	}
	return docs, nil
}
