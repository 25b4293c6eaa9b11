// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// What else a plan has to say.
var (
	// GatewayFilterLeftOut is rule WS306. The gateway's EnvoyFilter is left out where the policy is DO_NOT_UPGRADE.
	GatewayFilterLeftOut = finding.Rule{Code: "WS306", Severity: finding.Info,
		Meaning: "The gateway's EnvoyFilter is left out where the policy is DO_NOT_UPGRADE.",
		Source:  "Envoy docs intro/arch_overview/http/upgrades"}
	// GatewayLosesWebSocketKey is rule WS307. A WebSocket that a browser opens over HTTP/2 has no Sec-WebSocket-Key,
	// Envoy adds none towards HTTP/1.1, and most applications answer 400.
	GatewayLosesWebSocketKey = finding.Rule{Code: "WS307", Severity: finding.Warning,
		Meaning: "A WebSocket that a browser opens over HTTP/2 has no Sec-WebSocket-Key, Envoy adds none towards HTTP/1.1, and most applications answer 400.",
		Source:  "envoyproxy/envoy#8547; shown by internal/e2e (TestGateway)"}
	// PolicyRepeated is rule WS311. Port levels and subsets of the base rule with settings of their own got the policy
	// too: they replace the destination's and would have dropped it.
	PolicyRepeated = finding.Rule{Code: "WS311", Severity: finding.Info,
		Meaning: "Port levels and subsets of the base rule with settings of their own got the policy too: they replace the destination's and would have dropped it.",
		Source:  "istio/istio pilot/pkg/networking/util (GetPortLevelTrafficPolicy), pilot/pkg/networking/core (MergeSubsetTrafficPolicy)"}
	// MeshPoolReplaced is rule WS312. From Istio 1.31 on, a connectionPool in a DestinationRule replaces that of
	// MeshConfig.defaultTrafficPolicy for the host.
	MeshPoolReplaced = finding.Rule{Code: "WS312", Severity: finding.Info,
		Meaning: "From Istio 1.31 on, a connectionPool in a DestinationRule replaces that of MeshConfig.defaultTrafficPolicy for the host.",
		Source:  "istio/istio releasenotes/notes/mesh-default-traffic-policy.yaml@release-1.31"}
	// FilterInRootNamespace is rule WS313. An EnvoyFilter in the mesh's root namespace applies to pods of every
	// namespace.
	FilterInRootNamespace = finding.Rule{Code: "WS313", Severity: finding.Info,
		Meaning: "An EnvoyFilter in the mesh's root namespace applies to pods of every namespace.",
		Source:  "istio/istio pilot/pkg/model/push_context.go (EnvoyFilters); istio/api networking/v1alpha3/envoy_filter.proto"}
	// V1alpha3ServedOnly is rule WS406. Istio before 1.5 serves DestinationRules as networking.istio.io/v1alpha3 only.
	V1alpha3ServedOnly = finding.Rule{Code: "WS406", Severity: finding.Warning,
		Meaning: "Istio before 1.5 serves DestinationRules as networking.istio.io/v1alpha3 only.",
		Source:  "istio/istio install/kubernetes/helm/istio-init/files/crd-10.yaml@release-1.4"}
	// PolicyIgnored is rule WS407. Istio before 1.6 accepts h2UpgradePolicy and ignores it.
	PolicyIgnored = finding.Rule{Code: "WS407", Severity: finding.Warning,
		Meaning: "Istio before 1.6 accepts h2UpgradePolicy and ignores it.",
		Source:  "istio/istio#21809 (commit 65db4113895)"}
	// FilterByPodLabel is rule WS314. With Options.ByPods the EnvoyFilter reaches the pods that carry the label
	// wsmesh.dev/allow-connect alone, so the rule has to wait for the last of them.
	FilterByPodLabel = finding.Rule{Code: "WS314", Severity: finding.Info,
		Meaning: "With Options.ByPods the EnvoyFilter reaches the pods that carry the label wsmesh.dev/allow-connect alone, so the rule has to wait for the last of them.",
		Source:  "istio/istio#19664 (a filter that changes the listeners of running pods ends their connections)"}
	// BaseUpgradeTakenBack is rule WS315. UPGRADE at a level of the base rule that reaches ports which are not HTTP/1
	// became DO_NOT_UPGRADE.
	BaseUpgradeTakenBack = finding.Rule{Code: "WS315", Severity: finding.Info,
		Meaning: "UPGRADE at a level of the base rule that reaches ports which are not HTTP/1 became DO_NOT_UPGRADE.",
		Source:  "istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go (shouldH2Upgrade: UPGRADE goes before the protocol of the port)"}
)

// A Plan is the decision for one Service and the objects that carry it out. [NewPlan] makes it; a nil Plan and the zero
// value hold nothing. A Plan does not change once made: what its methods return is the caller's own. It is safe for
// concurrent use.
type Plan struct {
	req      request
	decision Decision
	rule     *destinationrule.Rule
	ports    []uint32 // at whose levels the policy stands; none where it stands at the destination level
	filters  []*envoyfilter.Filter
	notes    finding.List // what the plan has to say beside the decision's reasons
}

// NewPlan decides and builds the objects: a DestinationRule, and with UPGRADE the EnvoyFilters that it needs. The first of
// these that applies decides, and is the first of the decision's reasons:
//
//  1. Options.HTTP1: DO_NOT_UPGRADE (WS301).
//  2. The server's pods are in ambient mode: DO_NOT_UPGRADE (WS302).
//  3. Some endpoint has no sidecar: DO_NOT_UPGRADE (WS303).
//  4. Ports are given and none is explicitly HTTP/1: DO_NOT_UPGRADE (WS507).
//  5. The oldest release of the mesh is earlier than 1.12.0: DO_NOT_UPGRADE (WS304).
//  6. Otherwise: UPGRADE (WS305).
//
// The policy stands at the destination level of the DestinationRule, and so holds for every port. Where some ports of the
// Service are HTTP/1 and others are not, UPGRADE stands at the port levels of the HTTP/1 ports alone; see
// [destinationrule.Rule.WithPortH2Upgrade].
//
// The error is a [*finding.Error] with everything that is wrong with the Service, the mesh, the options and the objects;
// the plan is nil then. errors.Is finds [version.ErrNoRelease] in it where the mesh has no release.
func NewPlan(svc Service, mesh Mesh, opts Options) (*Plan, error) {
	p := &Plan{req: request{svc: svc, mesh: mesh, opts: opts}}
	problems := p.req.check()
	if len(problems.Errors()) > 0 {
		e := &finding.Error{Findings: problems}
		if slices.ContainsFunc(problems, func(f finding.Finding) bool { return finding.Is(f, NoRelease) || finding.Is(f, ZeroRelease) }) {
			e.Causes = []error{version.ErrNoRelease}
		}
		return nil, e
	}
	p.notes = problems // warnings
	if p.decision = p.req.decide(); p.decision.Policy == destinationrule.Upgrade {
		p.ports = p.req.someAreHTTP1()
	}
	p.rule, problems = p.buildRule()
	if p.decision.Policy == destinationrule.Upgrade {
		problems = append(problems, p.buildFilters()...)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	p.note()
	p.req.keep()
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
	b := destinationrule.Builder{
		Name:        r.svc.Name,
		Namespace:   r.svc.Namespace,
		Labels:      labels,
		Annotations: r.opts.Annotations,
		APIVersion:  r.apiVersion,
		Host:        r.plannedHost(),
		H2Upgrade:   p.decision.Policy,
	}
	if len(p.ports) > 0 {
		b.H2Upgrade = destinationrule.UpgradeDefault
		for _, n := range p.ports {
			b.Ports = append(b.Ports, destinationrule.PortPolicy{Number: n, H2Upgrade: p.decision.Policy})
		}
	}
	rule, err := b.Build()
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
	rule, err := p.withPolicy(&base, p.decision.Policy)
	if err != nil {
		return nil, finding.In(err)
	}
	if r.opts.Host != "" {
		rule.Spec.Host = r.opts.Host // another spelling of the base's
	}
	var repeated []string // the places that have the policy because they would drop the destination's
	if len(p.ports) > 0 {
		repeated = p.repeatedInSubsets(r.opts.Base, rule)
	} else {
		for _, d := range r.opts.Base.Drops(p.decision.Policy) {
			repeated = append(repeated, d.Path)
		}
	}
	for _, path := range repeated {
		p.addNote(rule, PolicyRepeated, path, "the base rule has settings of its own here, which replace the destination's: "+
			p.decision.Policy.String()+" was set here too", "")
	}
	return rule, nil
}

// withPolicy returns a copy of the rule with the policy where the plan has it: at its ports, or else at the destination level.
func (p *Plan) withPolicy(rule *destinationrule.Rule, policy destinationrule.UpgradePolicy) (*destinationrule.Rule, error) {
	if len(p.ports) > 0 {
		return rule.WithPortH2Upgrade(policy, p.ports...)
	}
	return rule.WithH2Upgrade(policy)
}

// repeatedInSubsets returns the levels of subsets at which the rule has UPGRADE and the base rule has not. It notes those at
// which the base rule has UPGRADE and the rule has it no more.
func (p *Plan) repeatedInSubsets(base, rule *destinationrule.Rule) []string {
	before := map[string]bool{}
	for _, l := range levels(base.Spec) {
		before[l.path] = upgrades(l.pool)
	}
	var repeated []string
	for _, l := range levels(rule.Spec) {
		switch {
		case before[l.path] && !upgrades(l.pool):
			p.addNote(rule, BaseUpgradeTakenBack, l.path, "the base rule has UPGRADE here, which reaches ports that are not HTTP/1: it is DO_NOT_UPGRADE now", "")
		case upgrades(l.pool) && !before[l.path] && strings.HasPrefix(l.path, "spec.subsets"):
			repeated = append(repeated, l.path)
		}
	}
	return repeated
}

// addNote adds what there is to know of one of the plan's objects.
func (p *Plan) addNote(about fmt.Stringer, rule finding.Rule, path, message, hint string) {
	f := finding.New(rule, path, message, hint)
	f.Object = about.String()
	p.notes = append(p.notes, f)
}

// A level is a place in a DestinationRule that decides about connections.
type level struct {
	path string
	pool *networking.ConnectionPoolSettings
}

// levels returns the levels of a rule: the destination's and its ports', then each subset's and its ports'.
func levels(spec *networking.DestinationRule) []level {
	var all []level
	add := func(path string, policy *networking.TrafficPolicy) {
		all = append(all, level{path + ".connectionPool", policy.GetConnectionPool()})
		for i, port := range policy.GetPortLevelSettings() {
			all = append(all, level{fmt.Sprintf("%s.portLevelSettings[%d].connectionPool", path, i), port.GetConnectionPool()})
		}
	}
	add("spec.trafficPolicy", spec.GetTrafficPolicy())
	for i, subset := range spec.GetSubsets() {
		add(fmt.Sprintf("spec.subsets[%d].trafficPolicy", i), subset.GetTrafficPolicy())
	}
	return all
}

// upgrades reports whether the pool says UPGRADE.
func upgrades(pool *networking.ConnectionPoolSettings) bool {
	return pool.GetHttp().GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
}

var (
	asmRuleLabels   = map[string]string{"provider": "asm"}
	byPodsLabels    = map[string]string{AllowConnectLabel: "true"}
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
	workload := r.svc.Workload
	if r.opts.ByPods {
		workload = overlay(workload, byPodsLabels)
	}
	patch := sidecarPatch
	patch.ProxyVersion = r.pattern
	filter, err := envoyfilter.Builder{
		Name:        name,
		Namespace:   r.svc.Namespace,
		Labels:      labels,
		Annotations: r.opts.Annotations,
		Workload:    workload,
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
	switch {
	case len(r.opts.Gateways) == 0:
	case p.decision.Policy != destinationrule.Upgrade:
		p.addNote(p.rule, GatewayFilterLeftOut, "", "the EnvoyFilter for the gateway is left out, since the policy is DO_NOT_UPGRADE",
			"browsers open WebSockets over HTTP/1.1 then, which needs no setting")
	default:
		p.addNote(p.rule, GatewayLosesWebSocketKey, "", "through the gateway a browser's WebSocket comes to the application without Sec-WebSocket-Key, which most answer with 400",
			"leave out the gateway's filter, so that browsers use HTTP/1.1, or set the header in the VirtualService's route for requests with \"upgrade: websocket\" and without it")
	}
	if p.byPods() {
		p.addNote(p.filters[0], FilterByPodLabel, "spec.workloadSelector.labels",
			fmt.Sprintf("the filter reaches only pods that carry the label %s=true, which running pods do not have", AllowConnectLabel),
			"put the label on the pod template of the workload, and apply the DestinationRule when every pod behind the Service has it")
	}
	for _, filter := range p.filters {
		if filter.Namespace == r.mesh.rootNamespace() {
			p.addNote(filter, FilterInRootNamespace, "metadata.namespace",
				fmt.Sprintf("%s is the mesh's root namespace: the filter applies to pods with these labels in every namespace", filter.Namespace),
				"see to it that no other pods carry the labels")
		}
	}
	if r.apiVersion == istio.NetworkingV1beta1 && !r.oldestControlPlane.Supports(version.NetworkingV1beta1) {
		p.addNote(p.rule, V1alpha3ServedOnly, "apiVersion", fmt.Sprintf("Istio %s serves DestinationRules as %s only", r.oldestControlPlane, istio.NetworkingV1alpha3),
			"give Options.APIVersion \""+istio.NetworkingV1alpha3+"\", or upgrade Istio")
	}
	if !r.oldestControlPlane.Supports(version.H2UpgradeImplemented) {
		p.addNote(p.rule, PolicyIgnored, p.policyPath()+".http.h2UpgradePolicy",
			fmt.Sprintf("Istio %s accepts h2UpgradePolicy and ignores it", r.oldestControlPlane), "upgrade Istio to 1.6 or later")
	}
	if r.opts.Base == nil && r.newestControlPlaneSupports(version.DefaultTrafficPolicy) {
		p.addNote(p.rule, MeshPoolReplaced, p.policyPath(),
			"where MeshConfig sets defaultTrafficPolicy.connectionPool, this rule's connectionPool takes its place for the host",
			"repeat the mesh's settings in a rule given as Options.Base")
	}
}

// byPods reports whether the plan is rolled out with new pods.
func (p *Plan) byPods() bool { return p.req.opts.ByPods && len(p.filters) > 0 }

// policyPath is the first place in the rule that has the policy.
func (p *Plan) policyPath() string {
	if len(p.ports) > 0 {
		return "spec.trafficPolicy.portLevelSettings[0].connectionPool"
	}
	return "spec.trafficPolicy.connectionPool"
}

func (r *request) newestControlPlaneSupports(f version.Feature) bool {
	for _, cp := range r.mesh.ControlPlanes {
		if cp.Supports(f) {
			return true
		}
	}
	return false
}

// isEmpty reports whether no NewPlan made the plan.
func (p *Plan) isEmpty() bool { return p == nil || p.rule == nil }

// writable returns an error where there is no plan, or nothing to write it to.
func (p *Plan) writable(w io.Writer) error {
	switch {
	case p.isEmpty():
		return errNoPlan
	case w == nil:
		return errNoWriter
	}
	return nil
}

var errNoPlan = errors.New("there is no plan: NewPlan makes one")

// Decision returns the policy and the reasons for it.
func (p *Plan) Decision() Decision {
	if p.isEmpty() {
		return Decision{}
	}
	d := p.decision
	d.Reasons = slices.Clone(d.Reasons)
	for _, port := range p.req.svc.Ports {
		d.Ports = append(d.Ports, PortDecision{Port: port, Policy: p.policyOf(port)})
	}
	return d
}

// policyOf returns the policy for a port of the Service.
func (p *Plan) policyOf(port Port) destinationrule.UpgradePolicy {
	if len(p.ports) > 0 && !slices.Contains(p.ports, port.Number) {
		return destinationrule.DoNotUpgrade
	}
	return p.decision.Policy
}

// DestinationRule returns the plan's DestinationRule.
func (p *Plan) DestinationRule() *destinationrule.Rule {
	if p.isEmpty() {
		return nil
	}
	return cloneRule(p.rule)
}

// EnvoyFilters returns the EnvoyFilters that the DestinationRule needs: the server's first, then the gateways' in
// the order of the options. There are none where the policy is DO_NOT_UPGRADE.
func (p *Plan) EnvoyFilters() []*envoyfilter.Filter {
	if p.isEmpty() {
		return nil
	}
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
	if p.isEmpty() {
		return nil
	}
	l := slices.Concat(finding.List(p.decision.Reasons), p.notes)
	for _, f := range p.filters {
		l = append(l, f.Validate()...)
	}
	return append(l, p.rule.Validate()...)
}

// Objects returns all objects of the plan in the order in which they are to be applied: the EnvoyFilters, then the
// DestinationRule.
func (p *Plan) Objects() []Object {
	if p.isEmpty() {
		return nil
	}
	var objs []Object
	for _, f := range p.EnvoyFilters() {
		objs = append(objs, f)
	}
	return append(objs, p.DestinationRule())
}

// WriteYAML writes the objects as a stream of YAML documents in one call of w.Write, the EnvoyFilters first: that is
// the order in which they are to be applied. See [Plan.Stages] for what to wait for in between.
func (p *Plan) WriteYAML(w io.Writer) error {
	if err := p.writable(w); err != nil {
		return err
	}
	return WriteYAML(w, p.objects()...)
}

func (p *Plan) objects() []Object {
	objs := make([]Object, 0, len(p.filters)+1)
	for _, f := range p.filters {
		objs = append(objs, f)
	}
	return append(objs, p.rule)
}
