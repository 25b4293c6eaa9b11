// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
)

// A Verdict says what becomes of the WebSockets that are sent to a port.
type Verdict int

// The verdicts.
const (
	Unknown  Verdict = iota // it cannot be judged
	Works                   // they reach the application
	Fails                   // they break
	Harmless                // clients do not speak HTTP/2 after all
)

// A PortKind is what a port of a Service is to Istio.
type PortKind int

// The kinds of ports.
const (
	HTTP1       PortKind = iota
	HTTP2                // proxies speak HTTP/2 to the application
	Bytes                // sidecars pass on what comes
	Sniffed              // the protocol is found out for each connection
	UnknownToWS          // an appProtocol that a control plane does not know yet
)

// Kind returns the kind of a port.
func (m *Model) Kind(s *Service, port int) PortKind {
	protocol, http1 := m.Protocol(s.Ports[port])
	switch {
	case http1:
		return HTTP1
	case istio.IsHTTP2(protocol):
		return HTTP2
	case protocol == istio.AppProtocolWebSocket:
		return UnknownToWS
	case istio.IsTCP(protocol):
		return Bytes
	}
	return Sniffed
}

// A Reach is a place that makes clients speak HTTP/2 to a Service, and what becomes of WebSockets there.
type Reach struct {
	Rule    *Rule // that has the Site; nil for the whole mesh
	Site    *Site
	Service *Service
	Ports   []PortReach // those that the place is for
	Pods    []Pod       // behind the Service; none where no port is HTTP1
	Known   bool        // the pods are among the manifests
	Outside bool        // the Service selects no pods
	// Waypoint is the name of the waypoint before the Service.
	Waypoint string
}

// A PortReach is one port of a Reach.
type PortReach struct {
	Index   int // in the Service's ports
	Kind    PortKind
	Verdict Verdict
	Reason  string
}

// A Pod is a workload behind a Service, and whether it accepts WebSockets over HTTP/2.
type Pod struct {
	*Workload
	Dataplane Dataplane
	Why       string            // it has no sidecar
	Lacking   []version.Release // whose proxies do not accept them on some port
	Filters   []*Filter         // that reach it
}

// Judge follows each place of a rule that sets UPGRADE to the pods that it reaches. It leaves out what an older rule, or
// one of the Service's own namespace, is known to hide.
func (m *Model) Judge(r *Rule, s *Service) []*Reach {
	if m.IsHidden(r, s) {
		return nil
	}
	var out []*Reach
	for i := range r.Sites {
		if r.Sites[i].Policy == Upgrade {
			out = append(out, m.reach(r, &r.Sites[i], s))
		}
	}
	return out
}

func (m *Model) reach(r *Rule, site *Site, s *Service) *Reach {
	reach := &Reach{Rule: r, Site: site, Service: s, Outside: s.Outside(), Waypoint: m.WaypointOf(s)}
	var subset map[string]string
	if site != nil {
		subset = site.subset
	}
	for i, p := range s.Ports {
		if site == nil || site.Covers(p.Port) {
			reach.Ports = append(reach.Ports, PortReach{Index: i, Kind: m.Kind(s, i)})
		}
	}
	if !reach.Outside && reach.speaks(HTTP1) {
		reach.Pods, reach.Known = m.pods(s, subset, reach.Ports)
	}
	for i := range reach.Ports {
		reach.Ports[i].Verdict, reach.Ports[i].Reason = reach.verdict(reach.Ports[i].Kind)
	}
	return reach
}

func (r *Reach) speaks(kind PortKind) bool {
	return slices.ContainsFunc(r.Ports, func(p PortReach) bool { return p.Kind == kind })
}

// In returns the pods with the dataplane.
func (r *Reach) In(d Dataplane) (pods []*Pod) {
	for i := range r.Pods {
		if r.Pods[i].Dataplane == d {
			pods = append(pods, &r.Pods[i])
		}
	}
	return pods
}

// Closed returns the pods whose sidecars do not accept WebSockets over HTTP/2, and how many others have one that does.
func (r *Reach) Closed() (closed []*Pod, open int) {
	for _, p := range r.In(Sidecar) {
		if len(p.Lacking) > 0 {
			closed = append(closed, p)
		} else {
			open++
		}
	}
	return closed, open
}

// Missing returns the releases whose proxies do not accept WebSockets over HTTP/2 before some pod.
func (r *Reach) Missing() []string {
	missing := map[string]bool{}
	for _, p := range r.In(Sidecar) {
		for _, release := range p.Lacking {
			missing[release.String()] = true
		}
	}
	return slices.Sorted(maps.Keys(missing))
}

func (r *Reach) verdict(kind PortKind) (Verdict, string) {
	closed, _ := r.Closed()
	switch {
	case r.Outside:
		return Unknown, "the endpoints are not pods that the Service selects"
	case kind == HTTP2:
		return Fails, "the server's proxy speaks HTTP/2 to the application"
	case kind == Bytes:
		return Harmless, "sidecars pass the bytes on"
	case kind == Sniffed, kind == UnknownToWS:
		return Fails, "the protocol is sniffed, and the application is sent HTTP/2"
	case r.Waypoint != "":
		return Fails, "the waypoint " + strconv.Quote(r.Waypoint) + " speaks HTTP/2 to the application"
	case len(r.In(Ambient)) > 0:
		return Fails, "ztunnel passes HTTP/2 on to the application in " + Listed(r.In(Ambient))
	case len(r.In(NoSidecar)) > 0:
		return Fails, "there is no sidecar that accepts it before " + Listed(r.In(NoSidecar))
	case len(closed) > 0:
		return Fails, "no EnvoyFilter sets allow_connect for " + Listed(closed)
	case !r.Known:
		return Unknown, "the workloads of the Service are not among the manifests"
	}
	return Works, ""
}

// pods returns the workloads behind a Service with what their proxies accept on those of the ports that are HTTP/1.
func (m *Model) pods(s *Service, subset map[string]string, ports []PortReach) ([]Pod, bool) {
	workloads, known := m.podsOf(s, subset)
	pods := make([]Pod, 0, len(workloads))
	for _, w := range workloads {
		p := Pod{Workload: w}
		if p.Dataplane, p.Why = m.Dataplane(w); p.Dataplane == Sidecar {
			p.Lacking, p.Filters = m.closedFor(w, s, ports)
		}
		pods = append(pods, p)
	}
	return pods, known
}

// closedFor returns the releases whose proxies before the workload do not accept WebSocket over HTTP/2 on some port, and
// the filters that reach it.
func (m *Model) closedFor(w *Workload, s *Service, ports []PortReach) (lacking []version.Release, filters []*Filter) {
	filters = m.filtersOf(w)
	for _, r := range m.Proxies {
		for _, p := range ports {
			if p.Kind != HTTP1 {
				continue
			}
			port := w.ContainerPort(s.Ports[p.Index])
			if !slices.ContainsFunc(filters, func(f *Filter) bool { return m.opens(f, r, port) }) {
				lacking = append(lacking, r)
				break
			}
		}
	}
	return lacking, filters
}

// ByMesh returns what the UPGRADE of a MeshConfig reaches: every Service whose policy no rule sets, but for gateways.
func (m *Model) ByMesh() []*Reach {
	var out []*Reach
	for _, s := range m.Services {
		if s.Outside() || m.hasPolicy(s) {
			continue
		}
		if r := m.reach(nil, nil, s); r.speaks(HTTP1) {
			r.Pods = slices.DeleteFunc(r.Pods, func(p Pod) bool { return p.IsGateway() })
			out = append(out, r)
		}
	}
	return out
}

// Breaks reports whether some pod does not accept what it is sent.
func (r *Reach) Breaks() bool {
	return slices.ContainsFunc(r.Pods, func(p Pod) bool { return p.Dataplane != Sidecar || len(p.Lacking) > 0 })
}

// String names the reach for messages about it.
func (r *Reach) String() string { return strings.TrimSpace(r.Service.String()) }
