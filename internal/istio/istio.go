// SPDX-License-Identifier: Apache-2.0

// Package istio knows what Istio calls things and how it reads them, as far as several packages of this module ask: API
// versions, filters, hosts and the protocols of Service ports. It imports package version alone.
package istio

import (
	"strings"

	"github.com/wsmesh/wsmesh/version"
)

// The API versions of Istio's networking kinds. An EnvoyFilter is served as v1alpha3 only.
const (
	NetworkingV1       = "networking.istio.io/v1"
	NetworkingV1beta1  = "networking.istio.io/v1beta1"
	NetworkingV1alpha3 = "networking.istio.io/v1alpha3"
)

// The names of the network filter that speaks HTTP, the HttpConnectionManager: since Istio 1.7, and before.
const (
	ManagerFilter    = "envoy.filters.network.http_connection_manager"
	OldManagerFilter = "envoy.http_connection_manager"
)

// The defaults of a mesh (istio/istio pkg/config/constants).
const (
	DefaultClusterDomain = "cluster.local"
	DefaultRootNamespace = "istio-system"
)

// Host returns the fully qualified host that Istio reads in a rule of the namespace: a host without a dot is a Service of that
// namespace (istio/istio pkg/config/model.go, ResolveShortnameToFQDN).
func Host(host, namespace, domain string) string {
	if namespace == "" || host == "" || strings.Contains(host, ".") {
		return host
	}
	return host + "." + namespace + ".svc." + domain
}

// AppProtocolWebSocket is the appProtocol of a Service port for WebSocket in clear text, as Kubernetes spells it.
const AppProtocolWebSocket = "kubernetes.io/ws"

// Protocol returns the protocol that Istio reads for a Service port, in lower case, and reports whether it is HTTP/1 on every
// control plane from the release oldest on. The appProtocol counts before the name, of which the part before the first "-"
// counts (istio/istio pkg/config/kube/conversion.go). "" is a port whose protocol Istio detects from its traffic.
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

// IsTCP reports whether proxies pass on the bytes of a port with the protocol without reading them as HTTP.
func IsTCP(protocol string) bool {
	switch protocol {
	case "tcp", "tls", "https", "mongo", "mysql", "redis", "udp", "kubernetes.io/wss":
		return true
	}
	return false
}
