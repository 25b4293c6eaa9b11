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
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// What is wrong with options.
var (
	// BaseForOtherHost is rule WS310. The base DestinationRule must be for the host of the Service.
	BaseForOtherHost = finding.Rule{Code: "WS310", Severity: finding.SeverityError,
		Meaning: "The base DestinationRule must be for the host of the Service.",
		Source:  "istio/istio pilot/pkg/model/push_context.go (destinationRule: one host, one rule)"}
	// UnreadableProxyVersion is rule WS403. The constraint for proxyVersion must be readable and within what a pattern
	// can say.
	UnreadableProxyVersion = finding.Rule{Code: "WS403", Severity: finding.SeverityError,
		Meaning: "The constraint for proxyVersion must be readable and within what a pattern can say.",
		Source:  "istio/istio pilot/pkg/model/envoyfilter.go (proxyMatch)"}
	// ProxyVersionLeavesOutProxy is rule WS404. The constraint for proxyVersion must not leave out a proxy of the mesh:
	// the DestinationRule has no such gate and upgrades the clients of that proxy all the same.
	ProxyVersionLeavesOutProxy = finding.Rule{Code: "WS404", Severity: finding.SeverityError,
		Meaning: "The constraint for proxyVersion must not leave out a proxy of the mesh: the DestinationRule has no such gate and upgrades the clients of that proxy all the same.",
		Source:  "istio/istio pilot/pkg/model/envoyfilter.go (proxyMatch)"}
	// APIVersionNotServed is rule WS405. The apiVersion must be one that every control plane of the mesh serves.
	APIVersionNotServed = finding.Rule{Code: "WS405", Severity: finding.SeverityError,
		Meaning: "The apiVersion must be one that every control plane of the mesh serves.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml (networking.istio.io/v1 since 1.22)"}
	// HostNotQualified is rule WS508. A host with a dot is taken as fully qualified: "service.namespace" names no
	// Service.
	HostNotQualified = finding.Rule{Code: "WS508", Severity: finding.SeverityError,
		Meaning: "A host with a dot is taken as fully qualified: \"service.namespace\" names no Service.",
		Source:  "istio/istio pkg/config/model.go (ResolveShortnameToFQDN); istio/api networking/v1alpha3/destination_rule.proto"}
)

// Options change a plan. The zero value asks for nothing. NewPlan keeps copies of what is in them.
type Options struct {
	// HTTP1 makes the policy DO_NOT_UPGRADE whatever the release.
	HTTP1 bool

	// ByPods rolls WebSocket over HTTP/2 out with new pods, so that no open WebSocket is cut. A filter that reaches running
	// pods changes their listeners, and Envoy ends the connections of those after the drain time. With ByPods the server's
	// filter selects the label [AllowConnectLabel] beside the Service's own, which running pods do not carry; the workload is
	// rolled out with it, and each old pod ends its WebSockets in its own grace period. The rule follows when every pod
	// behind the Service has the label (WS314), which stays on the pod template from then on. See [Plan.Stages].
	//
	// The filters of Gateways reach the gateways' running pods all the same.
	ByPods bool

	// Host is the DestinationRule's host, which is Name.Namespace.svc.ClusterDomain where it is empty, or Name without a
	// namespace. "service.namespace" is refused (WS508): Istio takes a host with a dot as fully qualified.
	Host string

	// Base is an existing DestinationRule for the host: its name, namespace, labels, annotations and settings are kept, and
	// the policy is set at its destination level and wherever a port level or subset would otherwise drop it (WS311). A
	// second rule for one host would be ignored by Istio, which takes the oldest. A rule for another host is refused (WS310).
	Base *destinationrule.Rule

	// Gateways are the gateways at which browsers may open WebSockets over the HTTP/2 connection that they already have:
	// each gets an EnvoyFilter in context GATEWAY. Without it a gateway does not offer that, and browsers open a connection
	// of their own over HTTP/1.1, which works as well.
	//
	// It is for applications, or routes, that do without the header Sec-WebSocket-Key (WS307). A WebSocket over HTTP/2 has
	// none (RFC 8441), Envoy adds none where it goes on over HTTP/1.1 (envoyproxy/envoy#8547), and most applications answer
	// 400 then. A VirtualService can set it, in a route for requests with "upgrade: websocket" and without the header.
	//
	// A gateway is not patched where the policy is DO_NOT_UPGRADE (WS306).
	Gateways []Gateway

	// Labels and Annotations are added to every object of the plan.
	Labels, Annotations map[string]string

	// ASM shapes the objects as Alibaba Cloud Service Mesh's documents and console template do: the label provider=asm on
	// both and asm-system=true on the filter, the filter's name h2-upgrade-wss, its proxyVersion ^1\.*.* (which matches
	// every release and gates nothing), and the Service's short name as the host.
	ASM bool

	// ProxyVersion limits the EnvoyFilters to proxies whose release satisfies the constraint, such as ">=1.12.0"; see
	// [version.ProxyVersionPattern]. A constraint that leaves out a proxy of the mesh is refused (WS404): the DestinationRule
	// has no such gate. Where it is empty the filters match every proxy, which is what keeps them working through an
	// upgrade of Istio.
	ProxyVersion string

	// APIVersion is the DestinationRule's apiVersion. Where it is empty it is networking.istio.io/v1beta1 if the oldest
	// control plane is earlier than 1.22, and networking.istio.io/v1 otherwise. One that a control plane does not serve is
	// refused (WS405). EnvoyFilters are networking.istio.io/v1alpha3 on every release.
	APIVersion string

	// MinimumRelease moves the boundary for UPGRADE from 1.12.0, which comes from the documents of Alibaba Cloud Service
	// Mesh, to another release. Upstream code shows no technical change at 1.12; see the package comment.
	MinimumRelease version.Release
}

// AllowConnectLabel is the label, with the value "true", of pods whose proxies accept WebSocket over HTTP/2, where a plan is
// made with Options.ByPods.
const AllowConnectLabel = "wsmesh.dev/allow-connect"

// A Gateway is an ingress gateway, by its namespace and the labels of its pods.
type Gateway struct {
	Namespace string
	Workload  map[string]string
}

// Clone returns a copy that shares nothing with o.
func (o Options) Clone() Options {
	if o.Base != nil {
		o.Base = cloneRule(o.Base)
	}
	o.Gateways = slices.Clone(o.Gateways)
	for i := range o.Gateways {
		o.Gateways[i].Workload = maps.Clone(o.Gateways[i].Workload)
	}
	o.Labels, o.Annotations = maps.Clone(o.Labels), maps.Clone(o.Annotations)
	return o
}

// Validate returns what is wrong with the options in a mesh, whatever the Service: what [NewPlan] refuses for every
// Service of the mesh. Of the mesh itself see [Mesh.Validate].
func (o Options) Validate(mesh Mesh) finding.List {
	r := request{mesh: mesh, opts: o}
	return r.checkOptions()
}

// A request is what a plan is made from: a Service, a Mesh and the options, which are the caller's until [request.keep],
// and what check reads out of them.
type request struct {
	svc  Service
	mesh Mesh
	opts Options

	oldest, oldestControlPlane version.Release
	apiVersion                 string
	pattern                    string // for match.proxy.proxyVersion
}

// keep copies what a plan needs of the request once it is made, and forgets what it does not need, so that nothing is
// shared with the caller. The objects have copies of their own.
func (r *request) keep() {
	r.svc.Workload, r.svc.Ports = nil, slices.Clone(r.svc.Ports)
	r.mesh.ControlPlanes, r.mesh.Proxies = nil, nil
	r.opts.Gateways, r.opts.Labels, r.opts.Annotations = nil, nil, nil
	if r.opts.Base != nil {
		r.opts.Base = cloneRule(r.opts.Base)
	}
}

// The form of Alibaba Cloud Service Mesh's documents and console template.
const (
	asmFilterName   = "h2-upgrade-wss"
	asmProxyVersion = `^1\.*.*`
)

// check returns everything that is wrong with the request, and fills in what it reads from it.
func (r *request) check() finding.List {
	return slices.Concat(r.svc.validate(), r.mesh.Validate(), r.checkOptions(), r.checkHost())
}

// checkOptions returns what is wrong with the options, whatever the Service.
func (r *request) checkOptions() finding.List {
	var l finding.List
	for i, g := range r.opts.Gateways {
		path := fmt.Sprintf("gateways[%d]", i)
		if g.Namespace != "" {
			l = append(l, namespaceFindings(path+".namespace", g.Namespace)...)
		}
		l = append(l, workloadFindings(path+".workload", g.Workload)...)
	}
	var err error
	if r.oldest, r.oldestControlPlane, err = r.mesh.Oldest(); err == nil {
		l = append(l, r.checkAPIVersion()...)
		l = append(l, r.checkProxyVersion()...)
	}
	return l
}

func (r *request) checkAPIVersion() finding.List {
	v1 := r.oldestControlPlane.Supports(version.NetworkingV1)
	switch r.apiVersion = r.opts.APIVersion; r.apiVersion {
	case "":
		r.apiVersion = istio.NetworkingV1beta1
		if v1 {
			r.apiVersion = istio.NetworkingV1
		}
		return nil
	case istio.NetworkingV1beta1, istio.NetworkingV1alpha3:
		return nil
	case istio.NetworkingV1:
		if v1 {
			return nil
		}
	}
	return finding.List{finding.New(APIVersionNotServed, "apiVersion",
		fmt.Sprintf("%q is no apiVersion of DestinationRules that Istio %s, the oldest control plane, serves", r.apiVersion, r.oldestControlPlane),
		"give "+istio.NetworkingV1beta1+", or leave it out")}
}

func (r *request) checkProxyVersion() finding.List {
	if r.opts.ProxyVersion == "" {
		if r.opts.ASM {
			r.pattern = asmProxyVersion
		}
		return nil
	}
	const path = "spec.configPatches[0].match.proxy.proxyVersion"
	pattern, err := version.ProxyVersionPattern(r.opts.ProxyVersion)
	var re *regexp.Regexp
	if err == nil {
		re, err = regexp.Compile(pattern)
	}
	if err != nil {
		return finding.List{finding.New(UnreadableProxyVersion, path, err.Error(), `give a constraint such as ">=1.12.0" or ">=1.12, <1.20"`)}
	}
	r.pattern = pattern
	proxies := r.mesh.Proxies
	if len(proxies) == 0 {
		proxies = r.mesh.ControlPlanes // the proxies to come
	}
	var l finding.List
	for _, p := range proxies {
		if !re.MatchString(p.String()) {
			l = append(l, finding.New(ProxyVersionLeavesOutProxy, path,
				fmt.Sprintf("the constraint %q leaves out the proxies of release %s, which clients would upgrade to all the same", r.opts.ProxyVersion, p),
				"widen the constraint to every release of the mesh, or leave it out"))
		}
	}
	return l
}

// plannedHost is the DestinationRule's host where no base rule spells it.
func (r *request) plannedHost() string {
	switch {
	case r.opts.Host != "":
		return r.opts.Host
	case r.opts.ASM:
		return r.svc.Name
	}
	return istio.Host(r.svc.Name, r.svc.Namespace, r.mesh.clusterDomain())
}

func (r *request) checkHost() finding.List {
	var l finding.List
	name, rest, dotted := strings.Cut(r.opts.Host, ".")
	if dotted && name == r.svc.Name && slices.Contains([]string{r.svc.Namespace, r.svc.Namespace + ".svc"}, rest) ||
		dotted && name == r.svc.Name && r.svc.Namespace == "" && !strings.Contains(rest, ".") {
		l = append(l, r.onRule(finding.New(HostNotQualified, "spec.host",
			fmt.Sprintf("the host %q has a dot, so Istio takes it as fully qualified, and no Service has that name", r.opts.Host),
			fmt.Sprintf("give %q or leave out Options.Host", istio.Host(name, strings.TrimSuffix(rest, ".svc"), r.mesh.clusterDomain())))))
	}
	if r.opts.Base != nil {
		l = append(l, r.checkBase()...)
	}
	return l
}

func (r *request) checkBase() finding.List {
	message, domain := "the base rule has no spec", r.mesh.clusterDomain()
	want := istio.Host(r.plannedHost(), r.svc.Namespace, domain)
	if r.opts.Base.Spec != nil {
		host := r.opts.Base.Spec.GetHost()
		if istio.Host(host, cmp.Or(r.opts.Base.Namespace, r.svc.Namespace), domain) == want {
			return nil
		}
		message = fmt.Sprintf("the base rule is for the host %q", host)
	}
	return finding.List{r.onRule(finding.New(BaseForOtherHost, "spec.host", message+", and the plan for "+strconv.Quote(want),
		"give as Options.Base the DestinationRule of that host, or leave it out"))}
}

// onRule names the DestinationRule in a finding about it.
func (r *request) onRule(f finding.Finding) finding.Finding {
	f.Object = "DestinationRule " + strings.TrimPrefix(r.svc.object(), "Service ")
	return f
}
