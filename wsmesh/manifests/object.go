// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"cmp"

	"google.golang.org/protobuf/proto"

	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An Object is one Kubernetes object of a Set with its place, or a document that cannot be read as one.
type Object struct {
	APIVersion, Kind    string // empty for what cannot be read
	Namespace, Name     string
	Labels, Annotations map[string]string
	Created             string // metadata.creationTimestamp

	// Value is what the object says, where that takes part in what becomes of a WebSocket:
	//
	//   - a *destinationrule.Rule or an *EnvoyFilter,
	//   - a *ServiceEntry or a *VirtualService,
	//   - a *Service,
	//   - a []*Workload, of each kind that has a pod template,
	//   - a *MeshConfig.
	//
	// It is nil for other kinds, and where it cannot be read.
	Value any

	// Findings are what is wrong with the object as it stands, each with its line.
	Findings finding.List

	File   string // as it was given to [Set.Add]
	Line   int    // of the file, on which its document begins, counted from 1
	Offset int    // of its document in the file, in bytes

	// Refused is whether the API server does not take the object of Istio's as it stands. Its Value is what can be read.
	Refused bool
	isItem  bool
	text    []byte // of the document
	lines   *lines
}

// String returns the kind, namespace and name, as findings call the object, and "" for what cannot be read.
func (o *Object) String() string {
	switch {
	case o == nil || o.Kind == "" || o.Name == "":
		return ""
	case o.Namespace == "":
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// InNamespace returns the namespace that the object goes to: "default" where it has none, as kubectl takes it.
func (o *Object) InNamespace() string { return cmp.Or(o.Namespace, "default") }

// Text returns the text of the object's document, which must not be changed. For an item of a List it is the item with a
// blank in the place of the dash before it, so that it is a document by itself.
func (o *Object) Text() []byte { return o.text }

// IsItem reports whether the object is an item of a List.
func (o *Object) IsItem() bool { return o.isItem }

// An EnvoyFilter is a filter with the values of its patches.
type EnvoyFilter struct {
	*envoyfilter.Filter
	// Values are the values of the patches as the messages that their applyTo asks for, as far as they can be read; nil for
	// a patch without a value.
	Values []proto.Message
}

// A Service is the spec of a Kubernetes Service.
type Service struct {
	Type     string // "" is ClusterIP
	Selector map[string]string
	Ports    []ServicePort
}

// A ServicePort is a port of a Service.
type ServicePort struct {
	Port              uint32
	TargetPort        string // a number or a name; "" is that of Port
	Name, AppProtocol string
}

// A Workload is the pods of one template, or one Pod.
type Workload struct {
	Labels, Annotations map[string]string // of the pods
	HostNetwork         bool
	Running             bool // a Pod that runs: what it has no container for, it does not have
	Containers          []Container
	Connections         ConnectionSettings // of the annotation proxy.istio.io/config
	Path                string             // of the pods' metadata in the object: "spec.template.metadata", or "metadata" of a Pod
}

// A Container is a container of a pod, init containers included.
type Container struct {
	Name  string
	Ports []ContainerPort
}

// A ContainerPort is a port that a container names.
type ContainerPort struct {
	Name   string
	Number uint32
}

// A ServiceEntry is the spec of an Istio ServiceEntry.
type ServiceEntry struct {
	Hosts        []string
	InMesh       bool              // location: MESH_INTERNAL
	Selector     map[string]string // workloadSelector
	Ports        []ServicePort     // Name is that of the port, and AppProtocol its protocol
	HasEndpoints bool
}

// A VirtualService is the HTTP routes of an Istio VirtualService.
type VirtualService struct {
	Hosts, Gateways []string
	Routes          []Route
}

// A Route is a rule of a VirtualService for HTTP.
type Route struct {
	Path         string   // in the object, such as "spec.http[0]"
	URIs         []string // that it matches, by whatever operator
	Upgrades     []string // values of the header upgrade that it matches
	Destinations []Destination
	// WebSocketUpgrade is whether the route has the field websocketUpgrade, which Istio took until 1.4.
	WebSocketUpgrade bool
}

// A Destination is where a route goes.
type Destination struct {
	Host string
	Port uint32 // 0: the Service's only one
}

// A MeshConfig is what of Istio's MeshConfig concerns WebSockets.
type MeshConfig struct {
	Path          string // of the MeshConfig in the object: "data.mesh" of the ConfigMap istio
	RootNamespace string
	Upgrade       bool // h2UpgradePolicy: UPGRADE
	// ConnectionPool is whether defaultTrafficPolicy has a connectionPool.
	ConnectionPool          bool
	PreserveHTTP1HeaderCase bool // defaultConfig.proxyHeaders.preserveHttp1HeaderCase
	Connections             ConnectionSettings
}

// ConnectionSettings are those of Istio's ProxyConfig that end connections by time.
type ConnectionSettings struct {
	Profile, HTTPStreamIdleTimeout, HTTPMaxConnectionDuration, HTTPMaxStreamDuration string
}
