// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
	"unique"

	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// maxDocument is what the API server takes in one request.
const maxDocument = yamldoc.MaxSize

// decode reads the object from its document.
func (o *Object) decode(common *shared) {
	text := o.text
	if f, bad := refused(text); bad {
		o.report(f)
		return
	}
	root, problems := yamldoc.Parse(text)
	if root == nil {
		o.malformed(problems)
		return
	}
	d := decoder{object: o, problems: problems, common: common}
	d.document(root)
}

func refused(text []byte) (finding.Finding, bool) {
	if len(text) > maxDocument {
		f := tooLarge(fmt.Sprintf("the document has %d bytes", len(text)), "the API server takes no object of more than 3 MiB")
		f.Line = 1
		return f, true
	}
	i := bytes.IndexByte(text, 0)
	what := "a NUL byte"
	if i < 0 {
		if utf8.Valid(text) {
			return finding.Finding{}, false
		}
		what = "no UTF-8"
		for i = 0; ; {
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			i += size
		}
	}
	f := finding.New(NotText, "", fmt.Sprintf("byte %d of the document is %s", i+1, what), "save the file as UTF-8 text")
	f.Line = 1 + bytes.Count(text[:i], []byte("\n"))
	return f, true
}

func malformed(path, message, hint string) finding.Finding {
	return finding.New(Malformed, path, message, hint)
}

func tooLarge(message, hint string) finding.Finding { return finding.New(TooLarge, "", message, hint) }

// report adds a finding with a line of the document, or with a path in it.
func (o *Object) report(f finding.Finding) {
	f.File = o.File
	if f.Line > 0 {
		f.Line += o.Line - 1
	} else {
		f.Line = o.LineOf(f.Path)
	}
	if f.Object == "" {
		f.Object = o.String()
	}
	o.Findings = append(o.Findings, f)
}

// malformed reports why there is no tree of the document.
func (o *Object) malformed(problems finding.List) {
	if bytes.Contains(o.text, []byte("{{")) {
		o.report(template())
		return
	}
	var object struct {
		Kind string `json:"kind"`
	}
	if yaml.Unmarshal(o.text, &object) == nil && object.Kind == "" {
		return // kubectl reads an object of no kind there, such as the first of several lines of data
	}
	for _, p := range problems {
		if finding.Is(p, yamldoc.NoDocument) {
			continue // nothing but null: there is nothing to read
		}
		f := malformed("", "the document cannot be read: "+strings.TrimPrefix(p.Message, "the manifest is not YAML: "),
			"correct it; `kubectl apply --dry-run=client` says the same")
		f.Line = p.Line
		o.report(f)
	}
}

func template() finding.Finding {
	return finding.New(Template, "", "the document is a template and no manifest", "audit what it is rendered to: helm template … | audit -")
}

// A decoder reads a document whose tree it has into its object.
type decoder struct {
	object   *Object
	problems finding.List // of the tree
	common   *shared
	path     fieldpath.Path
}

func (d *decoder) document(root *yamldoc.Node) {
	o := d.object
	if isKustomization(o.File) {
		d.common.named(o.File, patchesOf(root))
	}
	if isJSONPatch(root) {
		o.report(patch("its operations"))
		return
	}
	if root.Type() != yamldoc.Map {
		what := "a list"
		if root.Type() != yamldoc.List {
			what = "a single value"
		}
		o.report(malformed("", "the document is "+what+", and a Kubernetes object has apiVersion, kind and metadata",
			"leave the file out, if it is no manifest"))
		return
	}
	// An object of another kind may be of any form.
	kind, apiVersion := root.Get("kind"), root.Get("apiVersion")
	if kind == nil || apiVersion == nil || kind.Type() != yamldoc.String || apiVersion.Type() != yamldoc.String {
		return
	}
	o.Kind, o.APIVersion = unique.Make(kind.Text()).Value(), unique.Make(apiVersion.Text()).Value()
	read := d.reader(root)
	if read == nil {
		return
	}
	o.lines = linesOf(root, d.common)
	if isTemplate(root.Get("metadata"), root.Get("spec")) {
		o.report(template())
		o.Kind = ""
		return
	}
	if directive := patchDirective(root); directive != nil {
		f := patch("its " + directive.Text())
		f.Line = directive.Line
		o.report(f)
		o.Kind = ""
		return
	}
	if o.Kind != "DestinationRule" && o.Kind != "EnvoyFilter" { // which are read by their descriptors, metadata included
		d.metadata(root)
		for _, p := range d.problems {
			o.report(p)
		}
	}
	before := len(o.Findings)
	read(root)
	if len(o.Findings) > before && !o.isIstio() {
		o.Value = nil
	}
}

func patch(sign string) finding.Finding {
	return finding.New(Patch, "", "the document is a patch, by "+sign+", and no manifest", "audit what it is applied to: kubectl kustomize … | audit -")
}

// isKustomization reports whether a file is one that says which files are patches.
func isKustomization(file string) bool {
	switch filepath.Base(file) {
	case "kustomization.yaml", "kustomization.yml", "Kustomization":
		return true
	}
	return false
}

// patchesOf returns the files that a kustomization names as patches.
func patchesOf(root *yamldoc.Node) (files []string) {
	for _, key := range []string{"patches", "patchesStrategicMerge", "patchesJson6902"} {
		list := root.Get(key)
		if list == nil || list.Type() != yamldoc.List {
			continue
		}
		for i := range list.Len() {
			path := list.Item(i)
			if path.Type() == yamldoc.Map {
				path = path.Get("path")
			}
			if path != nil && path.Type() == yamldoc.String {
				files = append(files, path.Text())
			}
		}
	}
	return files
}

// isJSONPatch reports whether the document is a list of the operations of RFC 6902.
func isJSONPatch(root *yamldoc.Node) bool {
	return root.Type() == yamldoc.List && root.Len() > 0 && root.Item(0).Get("op") != nil && root.Item(0).Get("path") != nil
}

// markPatches makes patches of what is in the files that kustomizations name as such.
func markPatches(objects []*Object, patches map[string]string) {
	if len(patches) == 0 {
		return
	}
	for _, o := range objects {
		if by := patches[filepath.Clean(o.File)]; by != "" && (o.Value != nil || len(o.Findings) > 0) {
			o.Kind, o.Value, o.Findings = "", nil, nil
			o.report(patch(by))
		}
	}
}

func (o *Object) group() string {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	return group
}

func (o *Object) isIstio() bool { return o.group() == "networking.istio.io" }

// isTemplate reports whether a placeholder of a template engine stands in one of the values. In annotations and in the
// values of patches, which may hold programs, two braces are nothing rare.
func isTemplate(values ...*yamldoc.Node) bool {
	for _, n := range values {
		if n == nil {
			continue
		}
		switch n.Type() {
		case yamldoc.Map:
			for i := range n.Len() {
				key, value := n.Entry(i)
				switch key.Text() {
				case "annotations", "value", "containers", "initContainers", "data":
				default:
					if isTemplate(key, value) {
						return true
					}
				}
			}
		case yamldoc.List:
			for i := range n.Len() {
				if isTemplate(n.Item(i)) {
					return true
				}
			}
		case yamldoc.String:
			if strings.Contains(n.Text(), "{{") && strings.Contains(n.Text(), "}}") {
				return true
			}
		case yamldoc.Null, yamldoc.Bool, yamldoc.Number:
		}
	}
	return false
}

// patchDirective returns the key of a strategic merge patch that is no field: "$patch" and its like.
func patchDirective(n *yamldoc.Node) *yamldoc.Node {
	switch n.Type() {
	case yamldoc.Map:
		for i := range n.Len() {
			key, value := n.Entry(i)
			for _, directive := range []string{"$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/"} {
				if strings.HasPrefix(key.Text(), directive) {
					return key
				}
			}
			if key := patchDirective(value); key != nil {
				return key
			}
		}
	case yamldoc.List:
		for i := range n.Len() {
			if key := patchDirective(n.Item(i)); key != nil {
				return key
			}
		}
	case yamldoc.Null, yamldoc.Bool, yamldoc.Number, yamldoc.String:
	}
	return nil
}

// The functions below read a field of a map. What has another type than Kubernetes gives the field is reported, and read
// as nothing; null is nothing, too.

func (d *decoder) wrong(n *yamldoc.Node, want string) {
	f := malformed(d.path.String(), fmt.Sprintf("the value is %s, and the field takes %s", described(n), want),
		"correct it; `kubectl apply --dry-run=server` says the same")
	f.Line = n.Line
	d.object.report(f)
}

func described(n *yamldoc.Node) string {
	switch n.Type() {
	case yamldoc.Map:
		return "a mapping"
	case yamldoc.List:
		return "a list"
	case yamldoc.Number:
		return "the number " + shorten(n.Text())
	case yamldoc.Bool:
		return n.Text()
	case yamldoc.Null, yamldoc.String:
	}
	return strconv.Quote(shorten(n.Text()))
}

func shorten(text string) string {
	const limit = 200
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

// get returns the value of a key that is not null, or nil, and goes to it.
func (d *decoder) get(n *yamldoc.Node, key string, kind yamldoc.Kind, want string) *yamldoc.Node {
	d.path.Push(fieldpath.Name(key))
	v := n.Get(key)
	switch {
	case v == nil || v.Type() == yamldoc.Null:
		return nil
	case v.Type() != kind:
		d.wrong(v, want)
		return nil
	}
	return v
}

func (d *decoder) within(n *yamldoc.Node, key string, read func(*yamldoc.Node)) {
	if v := d.get(n, key, yamldoc.Map, "a mapping"); v != nil {
		read(v)
	}
	d.path.Pop()
}

func (d *decoder) each(n *yamldoc.Node, key string, read func(*yamldoc.Node)) {
	if v := d.get(n, key, yamldoc.List, "a list"); v != nil {
		for i := range v.Len() {
			d.path.Push(fieldpath.Index(i))
			if item := v.Item(i); item.Type() == yamldoc.Map {
				read(item)
			} else {
				d.wrong(item, "a mapping")
			}
			d.path.Pop()
		}
	}
	d.path.Pop()
}

func (d *decoder) text(n *yamldoc.Node, key string) (text string) {
	if v := d.get(n, key, yamldoc.String, "a string"); v != nil {
		text = v.Text()
	}
	d.path.Pop()
	return text
}

func (d *decoder) flag(n *yamldoc.Node, key string) (set bool) {
	if v := d.get(n, key, yamldoc.Bool, "true or false"); v != nil {
		set = v.Text() == "true"
	}
	d.path.Pop()
	return set
}

func (d *decoder) port(n *yamldoc.Node, key string) (port uint32) {
	if v := d.get(n, key, yamldoc.Number, "a number"); v != nil {
		number, err := strconv.ParseUint(v.Text(), 10, 32)
		if err != nil {
			d.wrong(v, "a port")
		}
		port = uint32(number)
	}
	d.path.Pop()
	return port
}

func (d *decoder) texts(n *yamldoc.Node, key string) (texts []string) {
	if v := d.get(n, key, yamldoc.List, "a list"); v != nil {
		for i := range v.Len() {
			if item := v.Item(i); item.Type() == yamldoc.String {
				texts = append(texts, item.Text())
			} else {
				d.path.Push(fieldpath.Index(i))
				d.wrong(item, "a string")
				d.path.Pop()
			}
		}
	}
	d.path.Pop()
	return texts
}

func (d *decoder) strings(n *yamldoc.Node, key string) (texts map[string]string) {
	if v := d.get(n, key, yamldoc.Map, "a mapping"); v != nil && v.Len() > 0 {
		// What a Service selects an EnvoyFilter selects too, and a pod carries.
		hash := hashOf("strings", v)
		if had, ok := d.common.get(hash).(map[string]string); ok {
			d.path.Pop()
			return had
		}
		texts = make(map[string]string, v.Len())
		isWrong := false
		for i := range v.Len() {
			key, value := v.Entry(i)
			if value.Type() == yamldoc.String || value.Type() == yamldoc.Null {
				texts[key.Text()] = value.Text()
				continue
			}
			d.path.Push(fieldpath.Name(key.Text()))
			d.wrong(value, "a string")
			d.path.Pop()
			isWrong = true
		}
		if !isWrong {
			texts, _ = d.common.put(hash, texts).(map[string]string)
		}
	}
	d.path.Pop()
	return texts
}
