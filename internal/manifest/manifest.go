// SPDX-License-Identifier: Apache-2.0

// Package manifest writes, reads and checks the Kubernetes object around a spec that is a protobuf message: its YAML and JSON,
// its metadata, and, strictly, every field of the message. The two kinds of Istio share it. It imports the tree of package
// yamldoc, and of Envoy's API the types of the messages in an EnvoyFilter.
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
