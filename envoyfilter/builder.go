// SPDX-License-Identifier: Apache-2.0

// Package envoyfilter builds, reads and validates one EnvoyFilter whose values are typed Envoy messages.
//
// Most WebSocket setups of Istio fail in an EnvoyFilter, because nothing checks what is inside patch.value: the API server
// accepts anything there, and istiod drops a misspelt field with no more than a warning ([istio/istio#26390]). In this
// package a value is an Envoy message, which a program writes ([Builder], [Patch]) or which is read from a manifest ([Parse],
// [Filter.Validate]). So a misspelt field, a wrong type, and an operation that istiod ignores are findings with their paths.
//
// [AllowConnect] is the patch that WebSocket over HTTP/2 needs on the server's side.
//
// [istio/istio#26390]: https://github.com/istio/istio/issues/26390
package envoyfilter

import (
	"maps"
	"strconv"

	networking "istio.io/api/networking/v1alpha3"
	typev1beta1 "istio.io/api/type/v1beta1"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Context is the class of configuration that a patch applies to: match.context. The zero value is [SidecarInbound], the side
// of the server, which [AllowConnect] is for. Build always writes the context.
//
// There is no constant for ANY, because a patch for every context does more than its author has in mind
// ([istio/istio#33358]). There is none for WAYPOINT either, which the API has since release 1.29: no istiod reads it
// (pilot/pkg/networking/core/envoyfilter).
//
// [istio/istio#33358]: https://github.com/istio/istio/issues/33358
type Context int

// The contexts of istio.networking.v1alpha3.EnvoyFilter.PatchContext that a patch can be built for.
const (
	SidecarInbound  Context = iota // what a sidecar accepts for its own workload
	SidecarOutbound                // what a sidecar sends
	Gateway                        // what a gateway accepts and sends
)

// contexts holds the value of the API for each Context.
var contexts = [...]networking.EnvoyFilter_PatchContext{
	SidecarInbound:  networking.EnvoyFilter_SIDECAR_INBOUND,
	SidecarOutbound: networking.EnvoyFilter_SIDECAR_OUTBOUND,
	Gateway:         networking.EnvoyFilter_GATEWAY,
}

func (c Context) isValid() bool { return 0 <= c && int(c) < len(contexts) }

// String returns the name that the API gives the context: "SIDECAR_INBOUND", "SIDECAR_OUTBOUND" or "GATEWAY".
func (c Context) String() string {
	if !c.isValid() {
		return "Context(" + strconv.Itoa(int(c)) + ")"
	}
	return contexts[c].String()
}

// A TargetRef is an entry of spec.targetRefs. It names an object in the filter's own namespace that the filter attaches to.
// Istiod reads targetRefs since release 1.27, and only for Kubernetes gateways and waypoints.
type TargetRef struct {
	Group string // "gateway.networking.k8s.io", "networking.istio.io", or "" for the core group
	Kind  string // Gateway, or GatewayClass for all waypoints
	Name  string
}

// A Builder describes an EnvoyFilter. Fields that are empty are not written. Exactly one of Workload, AllWorkloads and
// TargetRefs must be set, because a filter without a selector applies to all workloads of its namespace, and in Istio's root
// namespace to those of the whole mesh.
type Builder struct {
	Name, Namespace     string
	Labels, Annotations map[string]string

	// Workload is written as spec.workloadSelector.labels. It selects the pods that carry all of the labels. An empty value
	// and "*" are errors.
	Workload map[string]string
	// AllWorkloads reports whether the filter is meant for every workload of the namespace.
	AllWorkloads bool
	// TargetRefs names the gateways and waypoints whose proxies are patched.
	TargetRefs []TargetRef

	// Priority orders the filters of one proxy, lower first; istiod reads it since release 1.11.
	Priority int32
	// Patches is written as spec.configPatches. Istiod applies them in this order.
	Patches []Patch
}

// Build returns the filter that the builder describes. If anything in it is wrong, Build returns nil and a [*finding.Error]
// with every reason. Warnings do not stop it; [Filter.Validate] reports them.
//
// The filter shares no map, slice or message with the builder.
func (b Builder) Build() (*Filter, error) {
	f := &Filter{
		Name: b.Name, Namespace: b.Namespace,
		Labels: maps.Clone(b.Labels), Annotations: maps.Clone(b.Annotations),
		Spec: &networking.EnvoyFilter{Priority: b.Priority},
	}
	r := newReport(f.object().Validate())
	b.fill(f.Spec, r)
	if r.list.Err() != nil {
		return nil, r.list.Errors().WithObject(f.String()).Err()
	}
	return f, nil
}

// fill writes the builder's fields into spec, and reports everything that is wrong with them.
func (b Builder) fill(spec *networking.EnvoyFilter, r *report) {
	if len(b.Workload) > 0 {
		spec.WorkloadSelector = &networking.WorkloadSelector{Labels: maps.Clone(b.Workload)}
	}
	for _, ref := range b.TargetRefs {
		spec.TargetRefs = append(spec.TargetRefs, &typev1beta1.PolicyTargetReference{Group: ref.Group, Kind: ref.Kind, Name: ref.Name})
	}
	b.checkTarget(r)
	r.target(spec)
	if len(b.Patches) > 0 {
		spec.ConfigPatches = make([]*networking.EnvoyFilter_EnvoyConfigObjectPatch, len(b.Patches))
	}
	r.patchCount(spec)
	r.enter("configPatches")
	defer r.leave()
	for i, p := range b.Patches {
		r.enterItem(i)
		config, t := p.build(r)
		r.patch(config, spec.GetPriority())
		if t.message != nil {
			r.checkValue(config, t)
		}
		r.leave()
		spec.ConfigPatches[i] = config
	}
}

var (
	// NoWorkload is rule WS201. A builder must say which workloads the EnvoyFilter is for.
	NoWorkload = finding.Rule{Code: "WS201", Severity: finding.SeverityError,
		Meaning: "A builder must say which workloads the EnvoyFilter is for.",
		Source:  "istio/api networking/v1alpha3/envoy_filter.proto (workload_selector)"}
	// TwoWorkloads is rule WS202. A builder must say only once which workloads the EnvoyFilter is for.
	TwoWorkloads = finding.Rule{Code: "WS202", Severity: finding.SeverityError,
		Meaning: "A builder must say only once which workloads the EnvoyFilter is for.",
		Source:  "istio/api networking/v1alpha3/envoy_filter.proto (workload_selector, targetRefs)"}
	// EmptyWorkloadLabel is rule WS203. A label that a builder selects workloads by must have a value.
	EmptyWorkloadLabel = finding.Rule{Code: "WS203", Severity: finding.SeverityError,
		Meaning: "A label that a builder selects workloads by must have a value.",
		Source:  "kubernetes/apimachinery pkg/util/validation (IsValidLabelValue)"}
)

// checkTarget reports a builder that sets none of Workload, AllWorkloads and TargetRefs, or contradicts itself in them.
func (b Builder) checkTarget(r *report) {
	switch {
	case b.AllWorkloads && (len(b.Workload) > 0 || len(b.TargetRefs) > 0):
		r.add(TwoWorkloads, r.at(), "AllWorkloads is set together with Workload or TargetRefs",
			"set AllWorkloads only for a filter that is meant for every workload of the namespace")
	case !b.AllWorkloads && len(b.Workload) == 0 && len(b.TargetRefs) == 0:
		r.add(NoWorkload, r.at("workloadSelector"), "Workload is empty, and a filter without a selector applies to every workload of its namespace",
			"set Workload to the labels of the pods, or say AllWorkloads")
	}
	mark := r.mark()
	for key, value := range b.Workload {
		// Kubernetes allows a label with an empty value, so Validate accepts a selector with one. In a program it is nearly
		// always a variable that is not set.
		if value == "" {
			r.add(EmptyWorkloadLabel, r.at("workloadSelector", "labels", key), "Workload has an empty value for the label "+quote(key),
				"give the value that the pods carry")
		}
	}
	r.sort(mark)
}
