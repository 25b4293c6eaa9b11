// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
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

// A Cause is what makes clients speak HTTP/2.
type Cause int

// The causes.
const (
	ByRule  Cause = iota // h2UpgradePolicy of a DestinationRule
	ByMesh               // h2UpgradePolicy of a MeshConfig
	ByPatch              // a patch of the clients' clusters
	ByPort               // the protocol of the port itself
)

// A Reach is a place that makes clients speak HTTP/2 to a Service, and what becomes of WebSockets there.
type Reach struct {
	Cause  Cause
	Object *manifests.Object // that the place is in
	Path   string            // of the place
	Rule   *Rule             // of ByRule
	Host   string
	// Service is nil where none of the host is among the manifests.
	Service  *Service
	Ports    []PortReach // of the Service, those that the place is for
	*Backend             // without pods where no port is judged by them
	Outside  bool        // the endpoints are not pods that the Service selects
	Waypoint string      // the name of the waypoint before the Service
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
	Misses    []string          // why filters that set allow_connect do not for it
}

// maxReaches bounds what is judged: thousands of rules that are each for thousands of Services are no mesh that there is.
const maxReaches = 100_000

// Judge follows each place that makes clients speak HTTP/2 to the pods that it reaches: UPGRADE of rules, but for what
// another rule is known to hide, then that of the mesh, the patches of clusters, and the protocols of ports.
func (m *Model) Judge(ctx context.Context) ([]*Reach, error) {
	var out []*Reach
	for _, r := range m.Rules {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(out) > maxReaches {
			m.Unread = r
			break
		}
		out = append(out, m.byRule(r)...)
	}
	for _, mesh := range m.Meshes {
		if mesh.Config.Upgrade {
			out = append(out, m.byMesh(mesh)...)
		}
	}
	for _, s := range m.Services {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out = append(out, m.byPort(s)...)
	}
	for _, f := range m.Filters {
		for _, p := range f.Patches {
			out = append(out, m.byPatch(f, p)...)
		}
	}
	clear(m.backends)
	clear(m.filtersFor)
	return out, ctx.Err()
}

func (m *Model) byRule(r *Rule) []*Reach {
	if r.Upgrades() == nil {
		return nil
	}
	services := m.Reached(r.Host)
	if len(services) == 0 {
		services = m.entries(r.Host)
	}
	if len(services) == 0 {
		return []*Reach{{Cause: ByRule, Object: r.Object, Rule: r, Path: r.Upgrades().Path, Host: r.Host, Backend: &Backend{}}}
	}
	var out []*Reach
	for _, s := range services {
		if m.IsHidden(r, s) {
			continue
		}
		for i := range r.Sites {
			site := &r.Sites[i]
			if site.Policy != Upgrade {
				continue
			}
			reach := &Reach{Cause: ByRule, Object: r.Object, Rule: r, Path: site.Path, Host: s.Host, Service: s}
			m.follow(reach, site.subset, site.Covers)
			out = append(out, reach)
		}
	}
	return out
}

// byMesh returns what the UPGRADE of a MeshConfig reaches: the ports named for HTTP of every Service whose policy no rule
// sets.
func (m *Model) byMesh(mesh *Mesh) []*Reach {
	var out []*Reach
	for _, s := range m.Services {
		if s.IsOutside() || m.hasPolicy(s) {
			continue
		}
		reach := &Reach{Cause: ByMesh, Object: mesh.Object, Path: mesh.Config.Path, Host: s.Host, Service: s}
		m.follow(reach, nil, func(port uint32) bool {
			i := slices.IndexFunc(s.Ports, func(p manifests.ServicePort) bool { return p.Port == port })
			return m.Kind(s, i) == HTTP1
		})
		if slices.ContainsFunc(reach.Pods, func(p Pod) bool { return p.IsGateway() }) {
			reach.Backend = newBackend(slices.DeleteFunc(slices.Clone(reach.Pods), func(p Pod) bool { return p.IsGateway() }), reach.Known)
		}
		if len(reach.Ports) > 0 {
			out = append(out, reach)
		}
	}
	return out
}

// byPort returns the ports of a Service that are HTTP/2 themselves.
func (m *Model) byPort(s *Service) []*Reach {
	var out []*Reach
	for i, p := range s.Ports {
		if m.Kind(s, i) == HTTP2 && !s.IsOutside() {
			reach := &Reach{Cause: ByPort, Object: s.Object, Path: s.PortPath(i), Host: s.Host, Service: s}
			m.follow(reach, nil, func(port uint32) bool { return port == p.Port })
			out = append(out, reach)
		}
	}
	return out
}

// byPatch returns the Services whose clients a patch makes speak HTTP/2.
func (m *Model) byPatch(f *Filter, p *Patch) []*Reach {
	if !p.MakesHTTP2() || !p.Outbound() {
		return nil
	}
	match := p.GetMatch().GetCluster()
	var out []*Reach
	for _, s := range m.Services {
		if s.IsOutside() {
			continue
		}
		reach := &Reach{Cause: ByPatch, Object: f.Object, Path: p.Path + ".patch.value", Host: s.Host, Service: s}
		m.follow(reach, nil, func(port uint32) bool { return clusterMatches(match, s.Host, port) })
		if len(reach.Ports) > 0 {
			out = append(out, reach)
		}
	}
	return out
}

// follow judges the ports of the Service that the place is for.
func (m *Model) follow(r *Reach, subset map[string]string, covers func(port uint32) bool) {
	s := r.Service
	r.Outside, r.Waypoint, r.Backend = s.IsOutside(), m.WaypointOf(s), &Backend{}
	for i, p := range s.Ports {
		if covers(p.Port) {
			r.Ports = append(r.Ports, PortReach{Index: i, Kind: m.Kind(s, i)})
		}
	}
	if !r.Outside && r.Speaks(r.judged()) {
		r.Backend = m.backend(r, subset)
	}
	for i := range r.Ports {
		p := &r.Ports[i]
		p.Verdict, p.Reason = m.verdict(r, p)
	}
}

// Speaks reports whether one of the ports is of the kind.
func (r *Reach) Speaks(kind PortKind) bool {
	return slices.ContainsFunc(r.Ports, func(p PortReach) bool { return p.Kind == kind })
}

// judged returns the kind of the ports by which the pods are judged: those that are HTTP/1, where there are any.
func (r *Reach) judged() PortKind {
	if r.Speaks(HTTP1) {
		return HTTP1
	}
	return HTTP2
}

// A Backend is the pods behind a Service, which several Services and rules may have in common.
type Backend struct {
	Pods    []Pod
	Known   bool      // the pods are among the manifests
	Filters []*Filter // that reach some of them

	in     [NoSidecar + 1][]*Pod
	closed []*Pod
	names  []string
}

func newBackend(pods []Pod, known bool) *Backend {
	b := &Backend{Pods: pods, Known: known}
	seen := map[*Filter]bool{}
	var last []*Filter
	for i := range pods {
		p := &pods[i]
		b.in[p.Dataplane] = append(b.in[p.Dataplane], p)
		if len(p.Lacking) > 0 {
			b.closed = append(b.closed, p)
		}
		if len(p.Filters) == 0 || len(last) == len(p.Filters) && &last[0] == &p.Filters[0] {
			continue
		}
		last = p.Filters
		for _, f := range last {
			if !seen[f] {
				seen[f] = true
				b.Filters = append(b.Filters, f)
			}
		}
	}
	return b
}

// In returns the pods with the dataplane.
func (b *Backend) In(d Dataplane) []*Pod { return b.in[d] }

// Closed returns the pods whose sidecars do not accept WebSockets over HTTP/2, and how many others have one that does.
func (b *Backend) Closed() (closed []*Pod, open int) {
	return b.closed, len(b.in[Sidecar]) - len(b.closed)
}

// Missing returns the releases whose proxies do not accept WebSockets over HTTP/2 before some pod.
func (b *Backend) Missing() []string {
	missing := map[string]bool{}
	for _, p := range b.closed {
		for _, release := range p.Lacking {
			missing[release.String()] = true
		}
	}
	return slices.Sorted(maps.Keys(missing))
}

// Misses returns why the filters that set allow_connect do not for the pods, the first few reasons.
func (b *Backend) Misses() []string {
	const most = 3
	var out []string
	for _, p := range b.closed {
		for _, miss := range p.Misses {
			if len(out) < most && !slices.Contains(out, miss) {
				out = append(out, miss)
			}
		}
	}
	return out
}

// Breaks reports whether some pod does not accept what it is sent.
func (b *Backend) Breaks() bool {
	return len(b.in[Ambient])+len(b.in[NoSidecar])+len(b.closed) > 0
}

// Names returns the names of the pods.
func (b *Backend) Names() []string {
	if b.names == nil {
		for i := range b.Pods {
			b.names = append(b.names, b.Pods[i].String())
		}
	}
	return b.names
}

// String names the Service for messages about it.
func (r *Reach) String() string { return r.Service.String() }

func (m *Model) verdict(r *Reach, p *PortReach) (Verdict, string) {
	closed, _ := r.Closed()
	switch {
	case p.Kind == Bytes:
		return Harmless, "sidecars pass the bytes on; a gateway that routes HTTP to the port sends the application HTTP/2"
	case r.Outside:
		return Unknown, "the endpoints are not pods that the Service selects: only whoever runs them knows whether they accept WebSockets over HTTP/2"
	case p.Kind == Sniffed, p.Kind == UnknownToWS:
		return Fails, "the protocol of the port is sniffed, and the application is sent HTTP/2"
	case r.Waypoint != "":
		return Fails, "the waypoint " + strconv.Quote(r.Waypoint) + " speaks HTTP/2 to the application"
	case len(r.In(Ambient)) > 0:
		return Fails, "ztunnel passes HTTP/2 on to the application in " + Listed(r.In(Ambient))
	case len(r.In(NoSidecar)) > 0:
		return Fails, "there is no sidecar that accepts WebSockets over HTTP/2 before " + Listed(r.In(NoSidecar))
	case p.Kind == HTTP2 && !m.SaysWebSocket(r.Service, p.Index):
		return Unknown, "nothing shows whether the port, which is HTTP/2, serves WebSockets"
	case len(closed) > 0:
		return Fails, strings.Join(append([]string{"no EnvoyFilter sets allow_connect for " + Listed(closed)}, r.Misses()...), "; ")
	case p.Kind == HTTP2:
		return Fails, "the server's proxy speaks HTTP/2 to the application, which is sent WebSockets as extended CONNECT"
	case !r.Known && len(r.Pods) > 0:
		return Works, "if the pods carry what the Service and the EnvoyFilter select: the workloads are not among the manifests"
	}
	return Works, ""
}

// backend returns the workloads behind the Service with what their proxies accept.
func (m *Model) backend(r *Reach, subset map[string]string) *Backend {
	var key strings.Builder
	key.WriteString(r.Service.InNamespace() + "\x00" + Labels(r.Service.Selector) + "\x00" + Labels(subset) + "\x00" + strconv.FormatBool(r.plain()))
	for _, p := range r.Ports {
		if p.Kind == r.judged() {
			port := r.Service.Ports[p.Index]
			key.WriteString("\x00" + strconv.Itoa(int(port.Port)) + " " + port.TargetPort)
		}
	}
	if b, ok := m.backends[key.String()]; ok {
		return b
	}
	workloads, known := m.podsOf(r.Service, subset)
	pods := make([]Pod, 0, len(workloads))
	for _, w := range workloads {
		p := Pod{Workload: w}
		if p.Dataplane, p.Why = m.Dataplane(w); p.Dataplane == Sidecar {
			p.Filters = m.filtersOf(w)
			m.close(&p, r)
		}
		pods = append(pods, p)
	}
	b := newBackend(pods, known)
	m.backends[key.String()] = b
	return b
}

// plain reports whether the rule makes clients speak without TLS.
func (r *Reach) plain() bool {
	return r.Rule != nil && r.Rule.Spec.GetTrafficPolicy().GetTls() != nil && r.Rule.Spec.GetTrafficPolicy().GetTls().GetMode() == 0
}

// close finds the releases whose proxies before the pod do not accept WebSocket over HTTP/2 on some port.
func (m *Model) close(pod *Pod, r *Reach) {
	for _, release := range m.Proxies {
		for _, p := range r.Ports {
			if p.Kind != r.judged() {
				continue
			}
			var misses []string
			if !slices.ContainsFunc(pod.Filters, func(f *Filter) bool {
				open, why := m.opens(f, release, pod.ContainerPort(r.Service.Ports[p.Index]), r.plain())
				if why != "" {
					misses = append(misses, f.String()+" does for others: "+why)
				}
				return open
			}) {
				pod.Lacking = append(pod.Lacking, release)
				pod.Misses = append(pod.Misses, misses...)
				break
			}
		}
	}
}

// TakesUpgrade reports whether UPGRADE for a port, or for all where it is 0, of the pods with the labels would be right at
// every Service that a rule is for: the port is HTTP/1, and what stands before the pods can be made to accept it. Of a
// host without a Service nothing is known to the contrary.
func (m *Model) TakesUpgrade(r *Rule, subset map[string]string, port uint32) bool {
	services := m.Reached(r.Host)
	if len(services) == 0 {
		services = m.entries(r.Host)
	}
	for _, s := range services {
		reach := &Reach{Rule: r, Service: s}
		m.follow(reach, subset, func(p uint32) bool { return port == 0 || p == port })
		right := !reach.Outside && reach.Waypoint == "" && len(reach.Ports) > 0 && len(reach.In(Ambient))+len(reach.In(NoSidecar)) == 0
		if !right || slices.ContainsFunc(reach.Ports, func(p PortReach) bool { return p.Kind != HTTP1 }) {
			return false
		}
	}
	return true
}
