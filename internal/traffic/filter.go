// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// A Filter is an EnvoyFilter.
type Filter struct {
	*manifests.Object
	Spec    *networking.EnvoyFilter
	Patches []*Patch
}

// A Patch is a patch of an EnvoyFilter.
type Patch struct {
	*networking.EnvoyFilter_EnvoyConfigObjectPatch
	Path string // spec.configPatches[i]
	// Value is patch.value, as istiod reads it: without the fields that Envoy's API does not have. It is nil for a REMOVE.
	Value proto.Message
	// Config is what the typed_config of the Value holds, or nil.
	Config   proto.Message
	Releases *Releases
}

// A patchKey finds a patch that other filters have, too.
type patchKey struct {
	config *networking.EnvoyFilter_EnvoyConfigObjectPatch
	index  int
}

func (m *Model) addFilter(o *manifests.Object, f *manifests.EnvoyFilter) {
	filter := &Filter{Object: o, Spec: f.Spec, Patches: make([]*Patch, 0, len(f.Values))}
	m.Filters = append(m.Filters, filter)
	for i, c := range f.Spec.GetConfigPatches() {
		key := patchKey{c, i}
		if p := m.patches[key]; p != nil {
			filter.Patches = append(filter.Patches, p)
			continue
		}
		p := &Patch{EnvoyFilter_EnvoyConfigObjectPatch: c, Path: "spec.configPatches[" + strconv.Itoa(i) + "]"}
		if c.GetPatch().GetOperation() != networking.EnvoyFilter_Patch_REMOVE && f.Values[i] != nil {
			p.Value = f.Values[i]
			if value, ok := p.Value.(interface{ GetTypedConfig() *anypb.Any }); ok {
				p.Config = Unpack(value.GetTypedConfig())
			}
		}
		text := c.GetMatch().GetProxy().GetProxyVersion()
		if m.patterns[text] == nil {
			m.patterns[text] = m.releases(text)
		}
		p.Releases = m.patterns[text]
		filter.Patches = append(filter.Patches, p)
		m.patches[key] = p
	}
}

// Unpack returns the message in an Any, or nil where it is of no known type.
func Unpack(a *anypb.Any) proto.Message {
	if a == nil {
		return nil
	}
	mt, err := envoyapi.Types.FindMessageByURL(a.GetTypeUrl())
	if err != nil {
		return nil
	}
	m := mt.New().Interface()
	if proto.Unmarshal(a.GetValue(), m) != nil {
		return nil
	}
	return m
}

// ValuePath returns the path in the object of a field of the patch's value, by the names of the .proto files. Each is
// written as it stands there: patch.value takes lowerCamelCase as well.
func (p *Patch) ValuePath(names ...string) string {
	path := p.Path + ".patch.value"
	s := p.GetPatch().GetValue()
	for _, name := range names {
		if camel := camelCase(name); s.GetFields()[camel] != nil {
			name = camel
		}
		path = string(fieldpath.Path{fieldpath.Name(name)}.Append([]byte(path)))
		s = s.GetFields()[name].GetStructValue()
	}
	return path
}

func camelCase(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

// Text returns a scalar of the value by the path of [Patch.ValuePath], as it is written.
func (p *Patch) Text(names ...string) string {
	v := structpb.NewStructValue(p.GetPatch().GetValue())
	for _, name := range names {
		fields := v.GetStructValue().GetFields()
		if v = fields[camelCase(name)]; v == nil {
			v = fields[name]
		}
	}
	return v.GetStringValue()
}

// Connects reports whether the patch merges allow_connect into an HttpConnectionManager.
func (p *Patch) Connects() bool {
	manager, ok := p.Config.(*managerv3.HttpConnectionManager)
	return ok && p.GetPatch().GetOperation() == networking.EnvoyFilter_Patch_MERGE && manager.GetHttp2ProtocolOptions().GetAllowConnect()
}

// OnlyConnects reports whether the patch sets allow_connect and nothing else.
func (p *Patch) OnlyConnects() bool {
	return p.Connects() && proto.Equal(p.Config, &managerv3.HttpConnectionManager{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{AllowConnect: true}})
}

// Context returns the context that the patch is for.
func (p *Patch) Context() networking.EnvoyFilter_PatchContext { return p.GetMatch().GetContext() }

// Inbound reports whether the patch is for what a sidecar accepts.
func (p *Patch) Inbound() bool {
	return p.Context() == networking.EnvoyFilter_SIDECAR_INBOUND || p.Context() == networking.EnvoyFilter_ANY
}

// FilterName returns the name of the network filter that the patch is for.
func (p *Patch) FilterName() string {
	return p.GetMatch().GetListener().GetFilterChain().GetFilter().GetName()
}

// NamesManager reports whether the patch finds the HttpConnectionManager by its name, on all control planes.
func (m *Model) NamesManager(p *Patch) bool {
	switch p.FilterName() {
	case "":
		return true // WS242 says what comes of it
	case istio.ManagerFilter:
		return m.Every(version.ConnectionManagerName)
	case istio.OldManagerFilter:
		return m.Every(version.OldConnectionManagerName)
	}
	return false
}

// Connects reports whether a patch sets allow_connect for what sidecars accept.
func (f *Filter) Connects() bool {
	return slices.ContainsFunc(f.Patches, func(p *Patch) bool { return p.Connects() && p.Inbound() })
}

// Selector returns the labels of the pods that the filter is for.
func (f *Filter) Selector() map[string]string { return f.Spec.GetWorkloadSelector().GetLabels() }

// opens reports whether the filter makes the proxies of a release accept WebSocket over HTTP/2 on a container's port, if
// it selects them; and where a patch would for others, why not here. The port is 0 where it is not known, and plain is
// whether clients speak without TLS.
func (m *Model) opens(f *Filter, r version.Release, port uint32, plain bool) (open bool, why string) {
	for _, p := range f.Patches {
		if !p.Connects() || !p.Inbound() {
			continue
		}
		if w := m.misses(p, r, port, plain); w == "" {
			return true, ""
		} else if why == "" {
			why = w
		}
	}
	return false, why
}

// misses returns why a patch does not reach the filter chain of a port, and "" where it does (istio/istio
// pilot/pkg/networking/core/envoyfilter/listener_patch.go, listenerMatch and filterChainMatch; listener_inbound.go).
func (m *Model) misses(p *Patch, r version.Release, port uint32, plain bool) string {
	listener := p.GetMatch().GetListener()
	chain := listener.GetFilterChain()
	name := chain.GetName()
	switch number := cmp.Or(listener.GetPortNumber(), chain.GetDestinationPort()); {
	case !m.NamesManager(p):
		return "its match is for the filter " + strconv.Quote(p.FilterName())
	case !p.Releases.Admits(r):
		return "its proxyVersion does not match " + r.Original()
	case listener.GetName() != "" && listener.GetName() != "virtualInbound":
		return "its match is for the listener " + strconv.Quote(listener.GetName())
	case number != 0 && port != 0 && number != port:
		return fmt.Sprintf("its match is for port %d, and the container's is %d", number, port)
	case chain.GetSni() != "":
		return "its match is for an sni, which no filter chain of a sidecar's inbound listener has"
	case chain.GetTransportProtocol() == "raw_buffer" && !plain:
		return "its match is for connections without TLS, and clients in the mesh use mutual TLS"
	case chain.GetTransportProtocol() == "tls" && plain:
		return "its match is for connections with TLS, and the clients use none"
	case name != "" && port != 0 && !strings.HasSuffix(name, "_"+strconv.Itoa(int(port))):
		return "its match is for the filter chain " + strconv.Quote(name)
	}
	return ""
}

// Outbound reports whether the patch is for what a client's proxy sends.
func (p *Patch) Outbound() bool { return p.Context() != networking.EnvoyFilter_SIDECAR_INBOUND }

// MakesHTTP2 reports whether the patch makes a cluster of Istio's speak HTTP/2, whatever its clients do. One that the patch
// adds is for whoever names it, such as a filter that asks a service for rate limits.
func (p *Patch) MakesHTTP2() bool {
	cluster, ok := p.Value.(*clusterv3.Cluster)
	if !ok || p.GetPatch().GetOperation() == networking.EnvoyFilter_Patch_ADD {
		return false
	}
	//lint:ignore SA1019 what EnvoyFilters in use still set
	if cluster.GetHttp2ProtocolOptions() != nil {
		return true
	}
	for _, extension := range cluster.GetTypedExtensionProtocolOptions() {
		if options, ok := Unpack(extension).(*httpv3.HttpProtocolOptions); ok && options.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil {
			return true
		}
	}
	return false
}

// ClusterOptions returns the options for HTTP of a cluster, wherever they stand in it.
func (p *Patch) ClusterOptions() *corev3.HttpProtocolOptions {
	options, _ := p.clusterOptions()
	return options
}

// ClusterOptionsPath returns the way to a field of the ClusterOptions.
func (p *Patch) ClusterOptionsPath(field string) []string {
	_, path := p.clusterOptions()
	return append(path, field)
}

func (p *Patch) clusterOptions() (*corev3.HttpProtocolOptions, []string) {
	cluster, ok := p.Value.(*clusterv3.Cluster)
	if !ok {
		return nil, nil
	}
	for name, extension := range cluster.GetTypedExtensionProtocolOptions() {
		if options, ok := Unpack(extension).(*httpv3.HttpProtocolOptions); ok && options.GetCommonHttpProtocolOptions() != nil {
			return options.GetCommonHttpProtocolOptions(), []string{"typed_extension_protocol_options", name, "common_http_protocol_options"}
		}
	}
	//lint:ignore SA1019 what EnvoyFilters in use still set
	return cluster.GetCommonHttpProtocolOptions(), []string{"common_http_protocol_options"}
}

// Proxies says to which proxies the contexts of the patches apply the filter.
func (f *Filter) Proxies() string {
	sidecars, gateways := false, false
	for _, p := range f.Patches {
		sidecars = sidecars || p.Context() != networking.EnvoyFilter_GATEWAY
		gateways = gateways || p.Context() == networking.EnvoyFilter_GATEWAY || p.Context() == networking.EnvoyFilter_ANY
	}
	switch {
	case !gateways:
		return "every sidecar"
	case !sidecars:
		return "every gateway"
	}
	return "every proxy"
}

// clusterMatches reports whether a match is for the clusters of a port of a host. A cluster is named
// outbound|80|subset|host.
func clusterMatches(match *networking.EnvoyFilter_ClusterMatch, host string, port uint32) bool {
	if name := match.GetName(); name != "" {
		parts := strings.Split(name, "|")
		return len(parts) == 4 && parts[0] == "outbound" && parts[1] == strconv.Itoa(int(port)) && parts[3] == host
	}
	return (match.GetService() == "" || match.GetService() == host) && (match.GetPortNumber() == 0 || match.GetPortNumber() == port)
}

// indexFilter enters the filter under each label of its selector, so that a workload finds it by its own labels.
func (m *Model) indexFilter(f *Filter) {
	ns := f.InNamespace()
	refs := len(f.Spec.GetTargetRefs()) > 0
	if refs && m.Every(version.TargetRefsHonoured) {
		return // it reaches no sidecar
	}
	if refs || len(f.Selector()) == 0 {
		m.filtersBy[podKey{namespace: ns}] = append(m.filtersBy[podKey{namespace: ns}], f)
		return
	}
	for k, v := range f.Selector() {
		key := podKey{ns, k, v}
		m.filtersBy[key] = append(m.filtersBy[key], f)
	}
}

// filtersOf returns the filters that istiod applies to the workload's sidecars. Of pods that are not known, a Service's
// selector says some labels; filters that ask for others too may select them. Workloads that differ in nothing that any
// filter asks for have one list.
func (m *Model) filtersOf(w *Workload) []*Filter {
	labels := w.Workload.Labels
	namespaces := []string{m.Root}
	if w.namespace != m.Root {
		namespaces = append(namespaces, w.namespace)
	}
	asked := slices.DeleteFunc(slices.Sorted(maps.Keys(labels)), func(k string) bool {
		return !slices.ContainsFunc(namespaces, func(ns string) bool { return len(m.filtersBy[podKey{ns, k, labels[k]}]) > 0 })
	})
	key := strings.Join(namespaces, " ")
	for _, k := range asked {
		key += "\x00" + k + "=" + labels[k]
	}
	if !w.IsKnown() {
		key += "\x00supposed " + Labels(labels) // of which any label may contradict a filter
	}
	if filters, ok := m.filtersFor[key]; ok {
		return filters
	}
	var out []*Filter
	for _, ns := range namespaces {
		out = append(out, m.filtersBy[podKey{namespace: ns}]...)
		for _, k := range asked {
			for _, f := range m.filtersBy[podKey{ns, k, labels[k]}] {
				selects := Carries(labels, f.Selector()) || !w.IsKnown() && !contradicts(labels, f.Selector())
				// A filter that asks for several of the labels stands under each of them.
				if selects && first(f.Selector(), labels) == k {
					out = append(out, f)
				}
			}
		}
	}
	m.filtersFor[key] = out
	return out
}

// FiltersFor returns the filters that reach pods behind a Service, each once.
func (m *Model) FiltersFor(s *Service) []*Filter {
	reach := &Reach{Service: s}
	m.follow(reach, nil, func(uint32) bool { return true })
	return reach.Filters
}

// first returns the first key of a selector that the labels have.
func first(selector, labels map[string]string) string {
	key := ""
	for k := range selector {
		if _, ok := labels[k]; ok && (key == "" || k < key) {
			key = k
		}
	}
	return key
}

// Releases is which releases a proxyVersion matches.
type Releases struct {
	Pattern string // "" matches all
	Broken  bool   // the pattern is no regular expression, and matches none
	Gates   bool   // there is a release that it does not match
	Cut     int    // the minor after which its number is cut off, so that it matches ten times as much; 0 for none
	Next    bool   // it matches the release after the newest of the mesh

	admits map[string]bool // by the releases of the mesh
}

// Admits reports whether the pattern matches a release of the mesh.
func (r *Releases) Admits(release version.Release) bool {
	return r.Pattern == "" || r.admits[release.Original()]
}

// releases asks a pattern for all that is ever asked of it, and does not keep the expression: one of a kilobyte can take
// megabytes.
func (m *Model) releases(pattern string) *Releases {
	out := &Releases{Pattern: pattern, Next: true}
	if pattern == "" {
		return out
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		out.Broken = true // reported as WS227
		return out
	}
	out.admits = map[string]bool{}
	for _, r := range m.Proxies {
		out.admits[r.Original()] = re.MatchString(r.Original()) || re.MatchString(r.String())
	}
	var matched [100]bool
	for minor := range matched {
		if matched[minor] = re.MatchString("1." + strconv.Itoa(minor) + ".3"); !matched[minor] {
			out.Gates = true
		}
	}
	for minor := 1; minor < 10; minor++ {
		if matched[minor] && !slices.Contains(matched[10*minor:10*minor+10], false) && slices.Contains(matched[minor+1:10*minor], false) {
			out.Cut = minor
		}
	}
	newest := m.Proxies[len(m.Proxies)-1].String()
	_, rest, _ := strings.Cut(newest, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, _ := strconv.Atoi(minor)
	out.Next = n+1 >= len(matched) || matched[n+1]
	return out
}
