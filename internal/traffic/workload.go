// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// A Service is a Kubernetes Service.
type Service struct {
	*manifests.Object
	*manifests.Service
	Host string // by which rules name it
}

// IsEntry reports whether it is a host of a ServiceEntry.
func (s *Service) IsEntry() bool { return s.Kind == "ServiceEntry" }

// IsOutside reports whether the endpoints are not pods that the Service selects.
func (s *Service) IsOutside() bool { return s.Type == "ExternalName" || len(s.Selector) == 0 }

// PortPath returns the path of what tells the protocol of a port.
func (s *Service) PortPath(i int) string {
	path := "spec.ports[" + strconv.Itoa(i) + "]"
	switch p := s.Ports[i]; {
	case s.IsEntry():
		return path + ".protocol"
	case p.AppProtocol != "":
		return path + ".appProtocol"
	case p.Name != "":
		return path + ".name"
	}
	return path
}

// SelectorPath returns the path of what selects the pods.
func (s *Service) SelectorPath() string {
	if s.IsEntry() {
		return "spec.workloadSelector"
	}
	return "spec.selector"
}

// addEntry enters each host of a ServiceEntry as a Service.
func (m *Model) addEntry(o *manifests.Object, e *manifests.ServiceEntry) {
	service := &manifests.Service{Ports: e.Ports}
	if e.InMesh {
		service.Selector = e.Selector
	}
	for _, host := range e.Hosts {
		m.entriesByHost[host] = append(m.entriesByHost[host], &Service{Object: o, Service: service, Host: host})
	}
}

// A Route is a rule of a VirtualService that goes to a Service.
type Route struct {
	*manifests.Object // the VirtualService
	*manifests.Route
	AtGateway bool // gateways use it
}

func (m *Model) addRoutes(o *manifests.Object, v *manifests.VirtualService) {
	for i := range v.Routes {
		r := &Route{Object: o, Route: &v.Routes[i], AtGateway: slices.ContainsFunc(v.Gateways, func(g string) bool { return g != "mesh" })}
		for _, to := range v.Routes[i].Destinations {
			host := istio.Host(to.Host, o.InNamespace(), m.Domain)
			m.routes[host] = append(m.routes[host], r)
		}
	}
}

// Routes returns the routes that go to a Service.
func (m *Model) Routes(s *Service) []*Route { return m.routes[s.Host] }

// SaysWebSocket reports whether a name or a path shows that a port serves WebSockets: that of the port, of the Service, or
// of a route that goes there.
func (m *Model) SaysWebSocket(s *Service, port int) bool {
	p := s.Ports[port]
	if namesWebSocket(p.Name) || namesWebSocket(p.AppProtocol) || namesWebSocket(s.Name) {
		return true
	}
	for _, r := range m.routes[s.Host] {
		to := slices.ContainsFunc(r.Destinations, func(d manifests.Destination) bool { return d.Port == 0 || d.Port == p.Port })
		if to && (r.WebSocketUpgrade || slices.ContainsFunc(r.URIs, namesWebSocket) || slices.ContainsFunc(r.Upgrades, namesWebSocket)) {
			return true
		}
	}
	return false
}

// namesWebSocket reports whether a word of the text means WebSocket, or a protocol that is spoken over it.
func namesWebSocket(text string) bool {
	text = strings.ToLower(text)
	if strings.Contains(text, "socket.io") || strings.Contains(text, "web-socket") || strings.Contains(text, "web_socket") {
		return true
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		switch word {
		case "ws", "wss", "websocket", "websockets", "socketio", "sockjs", "signalr":
			return true
		}
	}
	return false
}

// PortName names a port as people find it.
func PortName(p manifests.ServicePort) string {
	if p.Name == "" {
		return strconv.Itoa(int(p.Port))
	}
	return strconv.Itoa(int(p.Port)) + " (" + p.Name + ")"
}

// Protocol returns what Istio reads as the protocol of a port, and whether it is HTTP/1 on every control plane.
func (m *Model) Protocol(p manifests.ServicePort) (protocol string, http1 bool) {
	return istio.Protocol(p.Name, p.AppProtocol, m.OldestControlPlane)
}

// Service returns the Service of a host, or nil.
func (m *Model) Service(host string) *Service { return m.serviceByHost[host] }

// ServicesIn returns the Services of a namespace.
func (m *Model) ServicesIn(namespace string) []*Service { return m.servicesIn[namespace] }

// Selecting returns the Services of a namespace whose selectors have all of the labels, of which there is one at least.
func (m *Model) Selecting(namespace string, labels map[string]string) []*Service {
	var rarest []*Service
	first := true
	for k, v := range labels {
		if services := m.selectingBy[podKey{namespace, k, v}]; first || len(services) < len(rarest) {
			rarest, first = services, false
		}
	}
	var out []*Service
	for _, s := range rarest {
		if Carries(s.Selector, labels) {
			out = append(out, s)
		}
	}
	return out
}

// A Workload is pods of one template: what a Service and an EnvoyFilter select.
type Workload struct {
	*manifests.Object // nil for the pods that a Service would select
	*manifests.Workload
	namespace string
}

// supposed returns pods of which nothing is known but some of their labels.
func supposed(namespace string, labels map[string]string) *Workload {
	return &Workload{Workload: &manifests.Workload{Labels: labels}, namespace: namespace}
}

// IsKnown reports whether the workload is among the manifests.
func (w *Workload) IsKnown() bool { return w.Object != nil }

// String names the workload in a message.
func (w *Workload) String() string {
	if !w.IsKnown() {
		return "pods with " + Labels(w.Workload.Labels)
	}
	return w.Object.String()
}

func (m *Model) addWorkload(w *Workload) {
	m.Workloads = append(m.Workloads, w)
	for k, v := range w.Workload.Labels {
		for _, ns := range []string{w.namespace, ""} {
			key := podKey{ns, k, v}
			m.podsByLabel[key] = append(m.podsByLabel[key], w)
		}
	}
}

// Selected returns the workloads of a namespace that carry the labels, of which there is one at least; with an empty
// namespace, those of all. Its cost is that of the rarest label.
func (m *Model) Selected(namespace string, selector map[string]string) []*Workload {
	var rarest []*Workload
	first := true
	for k, v := range selector {
		if pods := m.podsByLabel[podKey{namespace, k, v}]; first || len(pods) < len(rarest) {
			rarest, first = pods, false
		}
	}
	var out []*Workload
	for _, w := range rarest {
		if Carries(w.Workload.Labels, selector) {
			out = append(out, w)
		}
	}
	return out
}

// Selects reports whether a workload of a namespace carries the labels; with an empty namespace, one of any.
func (m *Model) Selects(namespace string, selector map[string]string) bool {
	for k, v := range selector {
		if pods := m.podsByLabel[podKey{namespace, k, v}]; len(selector) == 1 || len(pods) == 0 {
			return len(pods) > 0
		}
	}
	return len(m.Selected(namespace, selector)) > 0
}

// podsOf returns the workloads behind a Service, and whether there are any among the manifests. Else it is one with
// the labels that the Service selects.
func (m *Model) podsOf(s *Service, subset map[string]string) (pods []*Workload, known bool) {
	selector := s.Selector
	if len(subset) > 0 {
		selector = maps.Clone(s.Selector)
		maps.Copy(selector, subset)
	}
	if pods := m.Selected(s.InNamespace(), selector); len(pods) > 0 {
		return pods, true
	}
	if subset != nil && len(m.Selected(s.InNamespace(), s.Selector)) > 0 {
		return nil, true // istioctl analyze says so (IST0173)
	}
	return []*Workload{supposed(s.InNamespace(), selector)}, false
}

// ContainerPort returns the number of the port that the pods listen on, or 0 where it is a name that is not known.
func (w *Workload) ContainerPort(p manifests.ServicePort) uint32 {
	if port := TargetPort(p); port != 0 {
		return port
	}
	for _, c := range w.Containers {
		for _, port := range c.Ports {
			if port.Name == p.TargetPort {
				return port.Number
			}
		}
	}
	return 0
}

// TargetPort returns the number of the container's port, or 0 where it is a name.
func TargetPort(p manifests.ServicePort) uint32 {
	if p.TargetPort == "" {
		return p.Port
	}
	n, _ := strconv.ParseUint(p.TargetPort, 10, 16)
	return uint32(n)
}

// A Dataplane is what stands before the pods of a workload.
type Dataplane int

// The values of a Dataplane.
const (
	Sidecar Dataplane = iota // or nothing is known to the contrary
	Ambient
	NoSidecar
)

// The labels and annotations that decide about injection and ambient mode.
const (
	injectLabel     = "sidecar.istio.io/inject"
	statusLabel     = "sidecar.istio.io/status"
	injectionLabel  = "istio-injection"
	RevisionLabel   = "istio.io/rev"
	dataplaneLabel  = "istio.io/dataplane-mode"
	waypointLabel   = "istio.io/use-waypoint"
	sidecarName     = "istio-proxy"
	templatesAnnotn = "inject.istio.io/templates"
)

// Dataplane follows the injection webhook (istio/istio manifests/charts/istio-control/istio-discovery/templates/
// mutatingwebhook.yaml; pkg/kube/inject/inject.go, injectRequired) and the CNI agent's choice of ambient pods
// (cni/pkg/util/podutil.go, PodRedirectionEnabled). The reason goes into a message.
func (m *Model) Dataplane(w *Workload) (Dataplane, string) {
	spec := w.Workload
	if spec.Annotations[statusLabel] != "" || hasProxy(spec) {
		return Sidecar, ""
	}
	ns := m.namespaces[w.namespace]
	var nsLabels map[string]string
	if ns != nil {
		nsLabels = ns.Labels
	}
	inject := cmp.Or(spec.Labels[injectLabel], spec.Annotations[injectLabel])
	mode := cmp.Or(spec.Labels[dataplaneLabel], nsLabels[dataplaneLabel])
	switch {
	case mode == "ambient" && inject != "true" && !spec.HostNetwork:
		return Ambient, dataplaneLabel + "=ambient"
	case spec.HostNetwork:
		return NoSidecar, "hostNetwork: true"
	case inject == "false":
		return NoSidecar, injectLabel + "=false"
	case nsLabels[injectionLabel] == "disabled":
		return NoSidecar, "the namespace's label " + injectionLabel + "=disabled"
	case spec.Running:
		return NoSidecar, "no container " + sidecarName
	case inject == "true" || spec.Labels[RevisionLabel] != "" || ns == nil,
		nsLabels[injectionLabel] == "enabled", nsLabels[RevisionLabel] != "":
		return Sidecar, ""
	}
	return NoSidecar, "neither the namespace nor the pods ask for injection"
}

// WaypointOf returns the name of the waypoint before a Service, or "".
func (m *Model) WaypointOf(s *Service) string {
	if w := s.Labels[waypointLabel]; w != "" {
		return strings.TrimPrefix(w, "none")
	}
	if ns := m.namespaces[s.InNamespace()]; ns != nil {
		return strings.TrimPrefix(ns.Labels[waypointLabel], "none")
	}
	return ""
}

func hasProxy(w *manifests.Workload) bool {
	return slices.ContainsFunc(w.Containers, func(c manifests.Container) bool { return c.Name == sidecarName })
}

// IsGateway reports whether the workload's proxy is a gateway's.
func (w *Workload) IsGateway() bool {
	return w.Workload.Annotations[templatesAnnotn] == "gateway" || w.Workload.Labels["gateway.networking.k8s.io/gateway-name"] != "" ||
		strings.HasSuffix(w.Workload.Labels["istio"], "gateway")
}
