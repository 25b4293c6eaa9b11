// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Parse reads one YAML or JSON document of the given kind and one of the given apiVersions into spec. Unknown and misspelt
// fields, values of the wrong type and a second document are findings with their path and line, all of one document at
// once; where there is one, the object is empty.
//
// What `kubectl get -o yaml` adds is dropped as it is: status, and in metadata uid, resourceVersion, generation,
// generateName, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, managedFields, ownerReferences,
// finalizers and selfLink. An annotation that it adds is kept. How the text is read is said at [yamldoc.Parse]. The values
// of metadata are checked by [Object.Validate], not here.
func Parse(text []byte, kind string, apiVersions []string, spec proto.Message) (Object, finding.List) {
	root, findings := yamldoc.Parse(text)
	if root == nil {
		return Object{}, findings
	}
	r := Read(root, findings, kind, apiVersions, spec)
	if len(r.Findings) == 0 {
		return r.Object, nil
	}
	proto.Reset(spec)
	return Object{}, r.Findings
}

// A Reading is what a document says of one object.
type Reading struct {
	// Object is what could be read: where there are findings, every field but those that they are about.
	Object
	CreationTimestamp string // as the API server writes it, "" where it has not
	Findings          finding.List

	// IsServed reports whether the API server would serve the spec as it is in Object: it drops the fields that it does not
	// know, and all else is as it should be.
	IsServed bool
}

// Read is Parse of a document that has been read: by [yamldoc.Parse], with these problems. It keeps nothing of the tree.
func Read(root *yamldoc.Node, problems finding.List, kind string, apiVersions []string, spec proto.Message) *Reading {
	r := &Reading{Object: Object{Kind: kind, Spec: spec}}
	w := walker{line: root.Line, findings: slices.Clip(problems)}
	proto.Reset(spec)
	if root.Type() != yamldoc.Map {
		w.hasWrongType("the document is "+describe((*node)(root)), "give one object with apiVersion, kind, metadata and spec")
	} else {
		w.object(root, apiVersions, r)
	}
	r.Findings = w.list().WithObject(r.ObjectName())
	return r
}

// ObjectName returns what findings call the object: what String returns, and "" where it has no name.
func (r *Reading) ObjectName() string {
	if r.Name == "" {
		return ""
	}
	return r.String()
}

func (w *walker) object(root *yamldoc.Node, apiVersions []string, into *Reading) {
	kind := textOf(root.Get("kind"))
	w.at(root, "kind", func(v value) {
		switch kind {
		case into.Kind:
		case "List", into.Kind + "List":
			w.add(IsList, "the manifest is a "+kind, "give each entry of its items as a manifest of its own")
		default:
			w.add(WrongKind, "the kind is "+found(v), "give a "+into.Kind)
		}
	})
	if kind != into.Kind {
		return
	}
	into.APIVersion = textOf(root.Get("apiVersion"))
	w.at(root, "apiVersion", func(v value) {
		if !slices.Contains(apiVersions, into.APIVersion) {
			w.add(WrongVersion, "the apiVersion is "+found(v), fmt.Sprintf("%s is served as %s", into.Kind, strings.Join(apiVersions, ", ")))
		}
	})
	w.at(root, "metadata", func(v value) { into.CreationTimestamp = w.metadata(v, &into.Object) })
	w.at(root, "spec", func(v value) {
		w.refused = false
		w.base = len(w.path)
		if !isNull(v) { // the CRDs do not require one
			w.message(v, into.Spec.ProtoReflect())
		}
		into.IsServed = !w.refused
	})
	w.only(root, into.Kind, "apiVersion", "kind", "metadata", "spec", "status")
}

// at goes down to a field of an object, calls f with its value, which is nil where there is none, and comes back.
func (w *walker) at(n *yamldoc.Node, name string, f func(value)) {
	var v value
	key, found, depth := n.At(fieldpath.Path{fieldpath.Name(name)})
	line := 0
	if depth > 0 {
		v, line = (*node)(found), key.Line
	}
	w.push(fieldpath.Name(name), line)
	f(v)
	w.pop()
}

// textOf returns a string, and "" for what is none.
func textOf(n *yamldoc.Node) string {
	if n == nil || n.Type() != yamldoc.String {
		return ""
	}
	return n.Text()
}

// ReadHeader returns what an object of any kind says of itself, as far as that can be read: all but its spec; and its
// creationTimestamp, "" where it has none. What is of another type than it should be is left out.
func ReadHeader(root *yamldoc.Node) (o Object, created string) {
	o.Kind, o.APIVersion = textOf(root.Get("kind")), textOf(root.Get("apiVersion"))
	if metadata := root.Get("metadata"); metadata != nil {
		var w walker
		created = w.metadata((*node)(metadata), &o)
	}
	return o, created
}

// servedMetadata is what the API server adds to metadata, and what takes part in nothing that istiod reads.
var servedMetadata = []string{"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName", "generation",
	"managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid"}

// metadata reads the metadata of an object, and returns its creationTimestamp.
func (w *walker) metadata(v value, into *Object) (created string) {
	if !isNull(v) && !w.isMap(v) {
		return ""
	}
	var entries []entry
	if !isNull(v) {
		entries = w.open(v)
		defer func() { w.close(entries) }()
	}
	hasName, nameLine := false, 0
	for _, e := range entries {
		w.push(fieldpath.Name(e.key), e.line)
		switch e.key {
		case "name":
			into.Name, nameLine = w.text(e.value), e.line
			hasName = into.Name != "" || e.value.kind() != yamldoc.Null && e.value.kind() != yamldoc.String
		case "namespace":
			into.Namespace = w.text(e.value)
		case "labels":
			into.Labels = w.texts(e.value)
		case "annotations":
			into.Annotations = w.texts(e.value)
		case "creationTimestamp":
			if e.value.kind() == yamldoc.String {
				created = e.value.text()
			}
		default:
			if !slices.Contains(servedMetadata, e.key) {
				w.unknown(e.key, "metadata", func() []string {
					return append([]string{"name", "namespace", "labels", "annotations"}, servedMetadata...)
				})
			}
		}
		w.pop()
	}
	if !hasName {
		w.push(fieldpath.Name("name"), nameLine)
		w.report(noName(w.path.String()))
		w.pop()
	}
	return created
}

// only reports the fields of an object that are none of the known.
func (w *walker) only(root *yamldoc.Node, in string, known ...string) {
	entries := w.open((*node)(root))
	for _, e := range entries {
		if !slices.Contains(known, e.key) {
			w.push(fieldpath.Name(e.key), e.line)
			w.unknown(e.key, in, func() []string { return known })
			w.pop()
		}
	}
	w.close(entries)
}

// text reads a string of metadata, in which null is an empty one.
func (w *walker) text(v value) string {
	switch v.kind() {
	case yamldoc.String:
		return v.text()
	case yamldoc.Null:
	default:
		w.wrongType(v, "a string", "put the value in quotes")
	}
	return ""
}

// texts reads the labels or annotations. A null among them is refused: it is an empty string for some of Kubernetes'
// readers, and nothing for others.
func (w *walker) texts(v value) map[string]string {
	if isNull(v) || !w.isMap(v) {
		return nil
	}
	entries := w.open(v)
	defer func() { w.close(entries) }()
	if len(entries) == 0 {
		return nil
	}
	texts := make(map[string]string, len(entries))
	for _, e := range entries {
		w.push(fieldpath.Name(e.key), e.line)
		if e.value.kind() == yamldoc.String {
			texts[e.key] = e.value.text()
		} else {
			w.wrongType(e.value, "a string", "put the value in quotes")
		}
		w.pop()
	}
	return texts
}
