// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"cmp"
	"fmt"
	"github.com/wsmesh/wsmesh/internal/istio"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Plan is the decision for one Service and the objects that carry it out. It does not change once made: what its
// methods return is the caller's own. It is safe for concurrent use.
type Plan struct {
	req      request
	decision Decision
	rule     *destinationrule.Rule
	filters  []*envoyfilter.Filter
	notes    finding.List // what the plan has to say beside the decision's reasons
}

// NewPlan decides and builds the objects: a DestinationRule, and with UPGRADE the EnvoyFilters that it needs. The first of
// these that applies decides, and is the first of the decision's reasons:
//
//  1. Options.HTTP1: DO_NOT_UPGRADE (WS301).
//  2. The server's pods are in ambient mode: DO_NOT_UPGRADE (WS302).
//  3. Some endpoint has no sidecar: DO_NOT_UPGRADE (WS303).
//  4. The ports are given and none is explicitly HTTP/1: DO_NOT_UPGRADE (WS507).
//  5. The oldest release of the mesh is earlier than 1.12.0: DO_NOT_UPGRADE (WS304).
//  6. Otherwise: UPGRADE (WS305).
//
// The error is a [*finding.Error] with everything that is wrong with the Service, the mesh, the options and the objects;
// the plan is nil then. errors.Is finds [version.ErrNoRelease] in it where the mesh has no release.
func NewPlan(svc Service, mesh Mesh, opts Options) (*Plan, error) {
	p := &Plan{req: request{svc: svc.clone(), mesh: mesh.clone(), opts: opts.clone()}}
	if l := p.req.check(); len(l.Errors()) > 0 {
		e := &finding.Error{Findings: l}
		if slices.ContainsFunc(l, func(f finding.Finding) bool { return finding.Is(f, finding.WS401) }) {
			e.Causes = []error{version.ErrNoRelease}
		}
		return nil, e
	}
	p.decision = p.req.decide()
	var problems finding.List
	p.rule, problems = p.buildRule()
	if p.decision.Policy == destinationrule.Upgrade {
		problems = append(problems, p.buildFilters()...)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	p.note()
	return p, nil
}

func (p *Plan) buildRule() (*destinationrule.Rule, finding.List) {
	r := &p.req
	labels := r.opts.Labels
	if r.opts.ASM {
		labels = overlay(asmRuleLabels, labels)
	}
	if r.opts.Base != nil {
		return p.buildOnBase(labels)
	}
	rule, err := destinationrule.Builder{
		Name:        r.svc.Name,
		Namespace:   r.svc.Namespace,
		Labels:      labels,
		Annotations: r.opts.Annotations,
		APIVersion:  r.apiVersion,
		Host:        r.plannedHost(),
		H2Upgrade:   p.decision.Policy,
	}.Build()
	return rule, finding.In(err)
}

func (p *Plan) buildOnBase(labels map[string]string) (*destinationrule.Rule, finding.List) {
	r := &p.req
	base := *r.opts.Base
	base.APIVersion = r.apiVersion
	base.Name = cmp.Or(base.Name, r.svc.Name)
	base.Namespace = cmp.Or(base.Namespace, r.svc.Namespace)
	base.Labels = overlay(base.Labels, labels)
	base.Annotations = overlay(base.Annotations, r.opts.Annotations)
	rule, err := base.WithH2Upgrade(p.decision.Policy)
	if err != nil {
		return nil, finding.In(err)
	}
	if r.opts.Host != "" {
		rule.Spec.Host = r.opts.Host // another spelling of the base's
	}
	for _, d := range r.opts.Base.Drops(p.decision.Policy) {
		f := finding.New(finding.WS311, d.Path, "the base rule has settings of its own here, which replace the destination's: "+
			p.decision.Policy.String()+" was set here too", "")
		f.Object = rule.String()
		p.notes = append(p.notes, f)
	}
	return rule, nil
}

var (
	asmRuleLabels   = map[string]string{"provider": "asm"}
	asmFilterLabels = map[string]string{"provider": "asm", "asm-system": "true"}
)

// The patches of all plans. Build copies what it takes from a value, and changes none.
var (
	sidecarPatch = envoyfilter.AllowConnect(envoyfilter.SidecarInbound)
	gatewayPatch = envoyfilter.AllowConnect(envoyfilter.Gateway)
)

func (p *Plan) buildFilters() finding.List {
	r := &p.req
	labels := r.opts.Labels
	name := r.svc.Name + "-allow-connect"
	if r.opts.ASM {
		labels = overlay(asmFilterLabels, labels)
		name = asmFilterName
	}
	patch := sidecarPatch
	patch.ProxyVersion = r.pattern
	filter, err := envoyfilter.Builder{
		Name:        name,
		Namespace:   r.svc.Namespace,
		Labels:      labels,
		Annotations: r.opts.Annotations,
		Workload:    r.svc.Workload,
		Patches:     []envoyfilter.Patch{patch},
	}.Build()
	problems := finding.In(err)
	p.filters = append(p.filters, filter)
	for i, g := range r.opts.Gateways {
		patch := gatewayPatch
		patch.ProxyVersion = r.pattern
		filter, err := envoyfilter.Builder{
			Name:        p.gatewayFilterName(name, i),
			Namespace:   g.Namespace,
			Labels:      labels,
			Annotations: r.opts.Annotations,
			Workload:    g.Workload,
			Patches:     []envoyfilter.Patch{patch},
		}.Build()
		problems = append(problems, finding.In(err)...)
		p.filters = append(p.filters, filter)
	}
	return problems
}

// gatewayFilterName keeps apart the filters of Services that share a gateway, since each plan is rolled back alone:
// "websockets-server.default-allow-connect-gateway". A Service's name has no dot, so no two of them meet.
func (p *Plan) gatewayFilterName(name string, i int) string {
	svc := &p.req.svc
	if svc.Namespace != "" && !p.req.opts.ASM { // with Options.ASM the Service's name is no part of it
		name = strings.Replace(name, svc.Name, svc.Name+"."+svc.Namespace, 1)
	}
	name += "-gateway"
	if i > 0 {
		name += "-" + strconv.Itoa(i+1)
	}
	return name
}

// note says what the user should know beside the reasons for the decision.
func (p *Plan) note() {
	r := &p.req
	add := func(rule finding.Rule, path, message, hint string) {
		f := finding.New(rule, path, message, hint)
		f.Object = p.rule.String()
		p.notes = append(p.notes, f)
	}
	switch {
	case len(r.opts.Gateways) == 0:
	case p.decision.Policy != destinationrule.Upgrade:
		add(finding.WS306, "", "the EnvoyFilter for the gateway is left out, since the policy is DO_NOT_UPGRADE",
			"browsers open WebSockets over HTTP/1.1 then, which needs no setting")
	default:
		add(finding.WS307, "", "through the gateway a browser's WebSocket comes to the application without Sec-WebSocket-Key, which most answer with 400",
			"leave out the gateway's filter, so that browsers use HTTP/1.1, or set the header in the VirtualService's route for requests with \"upgrade: websocket\" and without it")
	}
	for _, filter := range p.filters {
		if filter.Namespace == r.mesh.rootNamespace() {
			f := finding.New(finding.WS313, "metadata.namespace",
				fmt.Sprintf("%s is the mesh's root namespace: the filter applies to pods with these labels in every namespace", filter.Namespace),
				"see to it that no other pods carry the labels")
			f.Object = filter.String()
			p.notes = append(p.notes, f)
		}
	}
	if r.apiVersion == istio.NetworkingV1beta1 && !r.oldestControlPlane.Supports(version.NetworkingV1beta1) {
		add(finding.WS406, "apiVersion", fmt.Sprintf("Istio %s serves DestinationRules as %s only", r.oldestControlPlane, istio.NetworkingV1alpha3),
			"give Options.APIVersion \""+istio.NetworkingV1alpha3+"\", or upgrade Istio")
	}
	if !r.oldestControlPlane.Supports(version.H2UpgradeImplemented) {
		add(finding.WS407, "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy",
			fmt.Sprintf("Istio %s accepts h2UpgradePolicy and ignores it", r.oldestControlPlane), "upgrade Istio to 1.6 or later")
	}
	if r.opts.Base == nil && r.newestControlPlaneSupports(version.DefaultTrafficPolicy) {
		add(finding.WS312, "spec.trafficPolicy.connectionPool",
			"where MeshConfig sets defaultTrafficPolicy.connectionPool, this rule's connectionPool takes its place for the host",
			"repeat the mesh's settings in a rule given as Options.Base")
	}
}

func (r *request) newestControlPlaneSupports(f version.Feature) bool {
	for _, cp := range r.mesh.ControlPlanes {
		if cp.Supports(f) {
			return true
		}
	}
	return false
}

// Decision returns the policy and the reasons for it.
func (p *Plan) Decision() Decision {
	d := p.decision
	d.Reasons = slices.Clone(d.Reasons)
	return d
}

// DestinationRule returns the plan's DestinationRule.
func (p *Plan) DestinationRule() *destinationrule.Rule { return cloneRule(p.rule) }

// EnvoyFilters returns the EnvoyFilters that the DestinationRule needs: the server's first, then the gateways' in
// the order of the options. There are none where the policy is DO_NOT_UPGRADE.
func (p *Plan) EnvoyFilters() []*envoyfilter.Filter {
	var filters []*envoyfilter.Filter
	for _, f := range p.filters {
		filters = append(filters, cloneFilter(f))
	}
	return filters
}

func cloneRule(r *destinationrule.Rule) *destinationrule.Rule {
	c := *r
	c.Labels, c.Annotations, c.Spec = maps.Clone(r.Labels), maps.Clone(r.Annotations), proto.CloneOf(r.Spec)
	return &c
}

func cloneFilter(f *envoyfilter.Filter) *envoyfilter.Filter {
	c := *f
	c.Labels, c.Annotations, c.Spec = maps.Clone(f.Labels), maps.Clone(f.Annotations), proto.CloneOf(f.Spec)
	return &c
}

// Findings returns the reasons for the decision, and what else there is to know of the plan and its objects. None
// of them is an Error.
func (p *Plan) Findings() finding.List {
	l := slices.Concat(finding.List(p.decision.Reasons), p.notes)
	for _, f := range p.filters {
		l = append(l, f.Validate()...)
	}
	return append(l, p.rule.Validate()...)
}

// Objects returns all objects of the plan in the order in which they are to be applied: the EnvoyFilters, then the
// DestinationRule.
func (p *Plan) Objects() []Object {
	var objs []Object
	for _, f := range p.EnvoyFilters() {
		objs = append(objs, f)
	}
	return append(objs, p.DestinationRule())
}

// WriteYAML writes the objects as a stream of YAML documents in one call of w.Write, the EnvoyFilters first: that is
// the order in which they are to be applied. See [Plan.Stages] for what to wait for in between.
func (p *Plan) WriteYAML(w io.Writer) error { return WriteYAML(w, p.objects()...) }

func (p *Plan) objects() []Object {
	objs := make([]Object, 0, len(p.filters)+1)
	for _, f := range p.filters {
		objs = append(objs, f)
	}
	return append(objs, p.rule)
}
