// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Parse reads one YAML or JSON document of the given kind and one of the given apiVersions into spec.
// Unknown and misspelt fields, values of the wrong type and a second document are findings with their path;
// where there is one, the object is empty.
//
// What `kubectl get -o yaml` adds is accepted, checked as the API server checks it, and dropped: status, and in metadata
// uid, resourceVersion, generation, generateName, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds,
// managedFields, ownerReferences, finalizers and selfLink. An annotation that it adds is kept. A byte order mark, CRLF
// line ends and documents of nothing but comments are accepted as kubectl accepts them. At most 3 MiB are read, which is
// what the API server takes. The values of metadata are checked by [Object.Validate], not here.
func Parse(data []byte, kind string, apiVersions []string, spec proto.Message) (Object, finding.List) {
	tree, findings := document(data)
	if len(findings) > 0 {
		return Object{}, findings
	}
	p := parser{into: Object{Kind: kind, Spec: spec}}
	if doc, ok := p.object(tree); ok {
		p.document(doc, apiVersions)
	}
	if len(p.findings) == 0 {
		return p.into, nil
	}
	proto.Reset(spec)
	findings = p.list()
	if p.into.Name != "" {
		findings = findings.WithObject(p.into.String())
	}
	return Object{}, findings
}

// A parser reads a tree into an object.
type parser struct {
	walker
	into Object
}

func (p *parser) document(doc map[string]any, apiVersions []string) {
	kind, apiVersion := doc["kind"], doc["apiVersion"]
	switch {
	case kind == "List" || kind == p.into.Kind+"List":
		p.add(finding.New(finding.WS906, "kind", fmt.Sprintf("the manifest is a %s", kind), "give each entry of its items as a manifest of its own"))
		return
	case kind != p.into.Kind:
		p.add(finding.New(finding.WS907, "kind", fmt.Sprintf("the kind is %s", found(kind)), "give a "+p.into.Kind))
		return
	}
	p.into.APIVersion, _ = apiVersion.(string)
	if !slices.Contains(apiVersions, p.into.APIVersion) {
		p.add(finding.New(finding.WS908, "apiVersion", fmt.Sprintf("the apiVersion is %s", found(apiVersion)),
			fmt.Sprintf("%s is served as %s", p.into.Kind, strings.Join(apiVersions, ", "))))
	}
	p.path.push(field("metadata"))
	if doc["metadata"] == nil {
		p.add(missingName())
	} else if fields, ok := p.object(doc["metadata"]); ok {
		p.metadata(fields)
	}
	p.path.pop()
	spec := doc["spec"]
	if spec == nil { // the CRDs do not require one
		spec = map[string]any{}
	}
	p.path.root = "spec"
	p.decode(spec, p.into.Spec)
	p.path.root = ""
	p.only(doc, p.into.Kind, "apiVersion", "kind", "metadata", "spec", "status")
}

func (p *parser) metadata(fields map[string]any) {
	if fields["name"] == nil || fields["name"] == "" {
		p.add(missingName())
	}
	p.into.Name = p.string(fields, "name")
	p.into.Namespace = p.string(fields, "namespace")
	p.into.Labels = p.strings(fields, "labels")
	p.into.Annotations = p.strings(fields, "annotations")
	p.served(fields, servedMetadata)
	p.only(fields, "metadata", append([]string{"name", "namespace", "labels", "annotations"}, sortedKeys(servedMetadata)...)...)
}

// only reports the fields that are none of the known.
func (p *parser) only(fields map[string]any, in string, known ...string) {
	for _, name := range sortedKeys(fields) {
		if !slices.Contains(known, name) {
			p.path.push(field(name))
			p.unknown(name, in, func() []string { return known })
			p.path.pop()
		}
	}
}

// string reads a string of metadata, in which null is an empty one.
func (p *parser) string(fields map[string]any, name string) string {
	s, ok := fields[name].(string)
	if !ok && fields[name] != nil {
		p.path.push(field(name))
		p.wrongType(fields[name], "a string", "put the value in quotes")
		p.path.pop()
	}
	return s
}

// strings reads the labels or annotations. A null among them is refused: it is an empty string for some of
// Kubernetes' readers, and nothing for others.
func (p *parser) strings(fields map[string]any, name string) map[string]string {
	if fields[name] == nil {
		return nil
	}
	p.path.push(field(name))
	defer p.path.pop()
	entries, ok := p.object(fields[name])
	if !ok || len(entries) == 0 {
		return nil
	}
	out := make(map[string]string, len(entries))
	for _, key := range sortedKeys(entries) {
		s, ok := entries[key].(string)
		if !ok {
			p.path.push(entry(key))
			p.wrongType(entries[key], "a string", "put the value in quotes")
			p.path.pop()
		}
		out[key] = s
	}
	return out
}
