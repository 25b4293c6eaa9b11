// SPDX-License-Identifier: Apache-2.0

// Package manifest is the envelope around a spec: the Kubernetes object that a manifest carries, how it
// is written as YAML and JSON, how it is read back strictly, and what Kubernetes asks of its metadata.
package manifest

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An Object is one Kubernetes object whose spec is a protobuf message.
type Object struct {
	APIVersion, Kind    string
	Name, Namespace     string
	Labels, Annotations map[string]string
	Spec                proto.Message
}

// String returns "Kind namespace/name", or "Kind name" without a namespace.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// MarshalJSON returns the object as compact JSON with sorted keys.
func (o Object) MarshalJSON() ([]byte, error) {
	spec, err := protojson.Marshal(o.Spec)
	if err != nil {
		return nil, err
	}
	var tree any
	dec := json.NewDecoder(bytes.NewReader(spec))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	meta := map[string]any{"name": o.Name}
	if o.Namespace != "" {
		meta["namespace"] = o.Namespace
	}
	if len(o.Labels) > 0 {
		meta["labels"] = o.Labels
	}
	if len(o.Annotations) > 0 {
		meta["annotations"] = o.Annotations
	}
	return json.Marshal(map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": meta, "spec": tree})
}

// AppendYAML appends the object as one YAML document, without a "---" line before it.
func (o Object) AppendYAML(dst []byte) ([]byte, error) {
	j, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	y, err := yaml.JSONToYAML(j)
	if err != nil {
		return nil, err
	}
	return append(dst, y...), nil
}

// Validate returns what Kubernetes would refuse in the object's metadata: names, labels, annotations.
func (o Object) Validate() finding.List { return nil }

// Parse reads one YAML or JSON document of the given kind and one of the given apiVersions into spec.
// Unknown and misspelt fields, values of the wrong type and a second document are findings with their path;
// where there is one, the object is empty.
func Parse(data []byte, kind string, apiVersions []string, spec proto.Message) (Object, finding.List) {
	return Object{}, nil
}

// Dialect is how a message is spelt in JSON.
type Dialect int

const (
	// CRD is what the Kubernetes API server takes by the CRD's schema: lowerCamelCase names only, enums by
	// name, integers as numbers.
	CRD Dialect = iota
	// ProtoJSON is what istiod takes in patch.value: either spelling of a name, numbers as strings too, and
	// every Any with a "@type" that resolves.
	ProtoJSON
)

// Decode reads tree, as encoding/json gives it (map[string]any, []any, string, json.Number or float64, bool,
// nil), into the message. Each problem is a finding at its path below path; into is whole only where there is none.
func Decode(tree any, path string, dialect Dialect, into proto.Message) finding.List { return nil }
