// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An Option changes a plan. Options keep copies of what they are given.
type Option func(*request)

// WithASM shapes the objects as Alibaba Cloud Service Mesh's documents and console template do: the label
// provider=asm on both and asm-system=true on the filter, the filter's name h2-upgrade-wss, its proxyVersion
// ^1\.*.* (which matches every release and gates nothing), and the Service's short name as the host.
func WithASM() Option {
	return func(r *request) { r.asm = true }
}

// WithLabels adds labels to every object of the plan.
func WithLabels(labels map[string]string) Option {
	labels = maps.Clone(labels)
	return func(r *request) { r.labels = overlay(r.labels, labels) }
}

// WithAnnotations adds annotations to every object of the plan.
func WithAnnotations(annotations map[string]string) Option {
	annotations = maps.Clone(annotations)
	return func(r *request) { r.annotations = overlay(r.annotations, annotations) }
}

// WithHost sets the DestinationRule's host, which is Name.Namespace.svc.ClusterDomain otherwise, or Name without a
// namespace. "service.namespace" is refused (WS508): Istio takes a host with a dot as fully qualified.
func WithHost(host string) Option {
	return func(r *request) { r.host = host }
}

// WithGateway adds an EnvoyFilter in context GATEWAY for the gateway's pods, so that browsers can open WebSockets
// over the HTTP/2 connection they already have. Without it the gateway does not offer that, and browsers open a
// connection of their own over HTTP/1.1, which works as well. It may be given for several gateways.
//
// It is for applications, or routes, that do without the header Sec-WebSocket-Key (WS307). A WebSocket over HTTP/2 has
// none (RFC 8441), Envoy adds none where it goes on over HTTP/1.1 ([envoyproxy/envoy#8547]), and most applications answer
// 400 then. A VirtualService can set it, in a route for requests with "upgrade: websocket" and without the header.
//
// The gateway is not patched where the policy is DO_NOT_UPGRADE (WS306).
//
// [envoyproxy/envoy#8547]: https://github.com/envoyproxy/envoy/issues/8547
func WithGateway(namespace string, workload map[string]string) Option {
	g := gateway{namespace, maps.Clone(workload)}
	return func(r *request) { r.gateways = append(r.gateways, g) }
}

// WithHTTP1 makes the policy DO_NOT_UPGRADE whatever the release.
func WithHTTP1() Option {
	return func(r *request) { r.http1 = true }
}

// WithBaseRule starts from an existing DestinationRule for the host: its name, namespace, labels, annotations and
// settings are kept, and the policy is set at its destination level and wherever a port level or subset would
// otherwise drop it (WS311). A second rule for one host would be ignored by Istio, which takes the oldest.
// A rule for another host is refused (WS310).
func WithBaseRule(rule *destinationrule.Rule) Option {
	var base *destinationrule.Rule
	if rule != nil {
		base = cloneRule(rule)
	}
	return func(r *request) { r.base, r.hasBase = base, true }
}

// WithProxyVersion limits the EnvoyFilters to proxies whose release satisfies the constraint, such as ">=1.12.0"; see
// [version.ProxyVersionPattern]. A constraint that leaves out a proxy of the mesh is refused (WS404): the
// DestinationRule has no such gate. Without this option the filters match every proxy, which is what keeps them
// working through an upgrade of Istio.
func WithProxyVersion(constraint string) Option {
	return func(r *request) { r.proxyVersion, r.hasProxyVersion = constraint, true }
}

// WithAPIVersion sets the DestinationRule's apiVersion, which is networking.istio.io/v1beta1 where the oldest control
// plane is earlier than 1.22 and networking.istio.io/v1 otherwise. One that a control plane does not serve is
// refused (WS405). EnvoyFilters are networking.istio.io/v1alpha3 on every release.
func WithAPIVersion(apiVersion string) Option {
	return func(r *request) { r.apiVersion = apiVersion }
}

// WithMinimumRelease moves the boundary for UPGRADE from 1.12.0, which comes from the documents of Alibaba Cloud
// Service Mesh, to another release. Upstream code shows no technical change at 1.12; see the package comment.
func WithMinimumRelease(release version.Release) Option {
	return func(r *request) { r.minimumRelease, r.hasMinimum = release, true }
}

type gateway struct {
	namespace string
	workload  map[string]string
}

// A request is what a plan is made from: a Service, a Mesh and the options, and what check reads out of them.
type request struct {
	svc  Service
	mesh Mesh

	asm, http1          bool
	labels, annotations map[string]string
	host, apiVersion    string
	gateways            []gateway
	base                *destinationrule.Rule
	hasBase             bool
	proxyVersion        string
	hasProxyVersion     bool
	minimumRelease      version.Release
	hasMinimum          bool

	locate func(service int, f finding.Finding) finding.Finding // where a fleet is read from a file

	oldest, oldestControlPlane version.Release
	pattern                    string // for match.proxy.proxyVersion
}

// The form of Alibaba Cloud Service Mesh's documents and console template.
const (
	asmFilterName   = "h2-upgrade-wss"
	asmProxyVersion = `^1\.*.*`
)

const (
	apiV1       = "networking.istio.io/v1"
	apiV1beta1  = "networking.istio.io/v1beta1"
	apiV1alpha3 = "networking.istio.io/v1alpha3"
)

func newRequest(mesh Mesh, opts []Option) request {
	r := request{mesh: mesh}
	r.apply(opts)
	return r
}

func (r *request) apply(opts []Option) {
	for _, opt := range opts {
		opt(r)
	}
}

// check returns everything that is wrong with the request, and fills in what it reads from it.
func (r *request) check() finding.List {
	return slices.Concat(r.svc.validate(), r.checkMesh(), r.checkHost())
}

// checkMesh returns what is wrong with the mesh and the options, whatever the Service.
func (r *request) checkMesh() finding.List {
	var l, releases finding.List
	r.oldest, r.oldestControlPlane, releases = r.mesh.oldest()
	l = append(l, releases...)
	if r.hasMinimum && r.minimumRelease.IsZero() {
		l = append(l, noRelease("minimumRelease"))
	}
	for i, g := range r.gateways {
		path := fmt.Sprintf("gateways[%d]", i)
		if g.namespace != "" {
			l = append(l, namespaceFindings(path+".namespace", g.namespace)...)
		}
		l = append(l, workloadFindings(path+".workload", g.workload)...)
	}
	if len(releases) == 0 {
		l = append(l, r.checkAPIVersion()...)
		l = append(l, r.checkProxyVersion()...)
	}
	return l
}

func (r *request) checkAPIVersion() finding.List {
	v1 := r.oldestControlPlane.Supports(version.NetworkingV1)
	switch r.apiVersion {
	case "":
		r.apiVersion = apiV1beta1
		if v1 {
			r.apiVersion = apiV1
		}
		return nil
	case apiV1beta1, apiV1alpha3:
		return nil
	case apiV1:
		if v1 {
			return nil
		}
	}
	return finding.List{finding.New(finding.WS405, "apiVersion",
		fmt.Sprintf("%q is no apiVersion of DestinationRules that Istio %s, the oldest control plane, serves", r.apiVersion, r.oldestControlPlane),
		"give "+apiV1beta1+", or leave it out")}
}

func (r *request) checkProxyVersion() finding.List {
	if !r.hasProxyVersion {
		if r.asm {
			r.pattern = asmProxyVersion
		}
		return nil
	}
	const path = "spec.configPatches[0].match.proxy.proxyVersion"
	pattern, err := version.ProxyVersionPattern(r.proxyVersion)
	var re *regexp.Regexp
	if err == nil {
		re, err = regexp.Compile(pattern)
	}
	if err != nil {
		return finding.List{finding.New(finding.WS403, path, err.Error(), `give a constraint such as ">=1.12.0" or ">=1.12, <1.20"`)}
	}
	r.pattern = pattern
	proxies := r.mesh.Proxies
	if len(proxies) == 0 {
		proxies = r.mesh.ControlPlanes // the proxies to come
	}
	var l finding.List
	for _, p := range proxies {
		if !re.MatchString(p.String()) {
			l = append(l, finding.New(finding.WS404, path,
				fmt.Sprintf("the constraint %q leaves out the proxies of release %s, which clients would upgrade to all the same", r.proxyVersion, p),
				"widen the constraint to every release of the mesh, or leave it out"))
		}
	}
	return l
}

// plannedHost is the DestinationRule's host where no base rule spells it.
func (r *request) plannedHost() string {
	switch {
	case r.host != "":
		return r.host
	case r.asm:
		return r.svc.Name
	}
	return resolveHost(r.svc.Name, r.svc.Namespace, r.mesh.clusterDomain())
}

// resolveHost does as Istio's ResolveShortnameToFQDN: a host without a dot is a Service of the rule's namespace.
func resolveHost(host, namespace, domain string) string {
	if namespace == "" || host == "" || strings.Contains(host, ".") {
		return host
	}
	return host + "." + namespace + ".svc." + domain
}

func (r *request) checkHost() finding.List {
	var l finding.List
	name, rest, dotted := strings.Cut(r.host, ".")
	if dotted && name == r.svc.Name && slices.Contains([]string{r.svc.Namespace, r.svc.Namespace + ".svc"}, rest) ||
		dotted && name == r.svc.Name && r.svc.Namespace == "" && !strings.Contains(rest, ".") {
		l = append(l, r.onRule(finding.New(finding.WS508, "spec.host",
			fmt.Sprintf("the host %q has a dot, so Istio takes it as fully qualified, and no Service has that name", r.host),
			fmt.Sprintf("give %q or leave out WithHost", resolveHost(name, strings.TrimSuffix(rest, ".svc"), r.mesh.clusterDomain())))))
	}
	if r.hasBase {
		l = append(l, r.checkBase()...)
	}
	return l
}

func (r *request) checkBase() finding.List {
	message, domain := "the base rule has no spec", r.mesh.clusterDomain()
	want := resolveHost(r.plannedHost(), r.svc.Namespace, domain)
	if r.base != nil && r.base.Spec != nil {
		host := r.base.Spec.GetHost()
		if resolveHost(host, cmp.Or(r.base.Namespace, r.svc.Namespace), domain) == want {
			return nil
		}
		message = fmt.Sprintf("the base rule is for the host %q", host)
	}
	return finding.List{r.onRule(finding.New(finding.WS310, "spec.host", message+", and the plan for "+strconv.Quote(want),
		"give WithBaseRule the DestinationRule of that host, or leave it out"))}
}

// onRule names the DestinationRule in a finding about it.
func (r *request) onRule(f finding.Finding) finding.Finding {
	f.Object = "DestinationRule " + strings.TrimPrefix(r.svc.object(), "Service ")
	return f
}
