// SPDX-License-Identifier: Apache-2.0

// Package istio holds how Istio reads what several packages of this module speak of: API versions, hosts, the
// protocols of Service ports and the names of Envoy's filters.
package istio

import (
	"strings"

	"github.com/wsmesh/wsmesh/version"
)

// The API versions of Istio's networking kinds. EnvoyFilters are served as v1alpha3 alone.
const (
	NetworkingV1       = "networking.istio.io/v1"
	NetworkingV1beta1  = "networking.istio.io/v1beta1"
	NetworkingV1alpha3 = "networking.istio.io/v1alpha3"
)

// What a mesh has where nothing else is said (istio/istio pkg/config/constants).
const (
	DefaultClusterDomain = "cluster.local"
	DefaultRootNamespace = "istio-system"
)

// Host returns the fully qualified host that Istio takes host for in a rule of the namespace: a host without a dot is a
// Service of that namespace (istio/istio pkg/config/model.go, ResolveShortnameToFQDN).
func Host(host, namespace, domain string) string {
	if namespace == "" || host == "" || strings.Contains(host, ".") {
		return host
	}
	return host + "." + namespace + ".svc." + domain
}

// AppProtocolWebSocket is how Kubernetes spells WebSocket in clear text in a Service's appProtocol.
const AppProtocolWebSocket = "kubernetes.io/ws"

// Protocol returns what Istio reads as the protocol of a Service's port, in lower case, and whether it is HTTP/1 on
// every control plane from oldest on. The appProtocol goes first, then what stands before the first "-" of the name
// (istio/istio pkg/config/kube/conversion.go). "" is a port that Istio sniffs.
func Protocol(name, appProtocol string, oldest version.Release) (protocol string, http1 bool) {
	if appProtocol == AppProtocolWebSocket {
		return AppProtocolWebSocket, oldest.Supports(version.AppProtocolWebSocket)
	}
	text := name
	if appProtocol != "" {
		text = appProtocol
	}
	prefix, _, _ := strings.Cut(text, "-")
	// EqualFold allocates nothing, and nearly every port is named in lower case and for HTTP.
	if strings.EqualFold(prefix, "http") {
		return "http", true
	}
	return strings.ToLower(prefix), false
}

// IsHTTP2 reports whether Istio speaks HTTP/2 to the application on a port of the protocol.
func IsHTTP2(protocol string) bool {
	return protocol == "http2" || protocol == "grpc" || protocol == "kubernetes.io/h2c"
}

// IsTCP reports whether proxies pass on what comes on a port of the protocol without reading it as HTTP.
func IsTCP(protocol string) bool {
	switch protocol {
	case "tcp", "tls", "https", "mongo", "mysql", "redis", "udp", "kubernetes.io/wss":
		return true
	}
	return false
}
