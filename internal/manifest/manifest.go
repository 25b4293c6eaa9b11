// SPDX-License-Identifier: Apache-2.0

// Package manifest is about the envelope around a spec: the Kubernetes object that a manifest carries, how it is written as
// YAML and JSON, how it is read from the tree of a document, with the lines of its fields, and what Kubernetes asks of its
// metadata.
//
// The two kinds of Istio share it. It imports the tree of package yamldoc, and the messages of package envoyapi.
package manifest

import "google.golang.org/protobuf/proto"

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
