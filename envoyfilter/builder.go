// SPDX-License-Identifier: Apache-2.0

// Package envoyfilter builds, reads and validates one EnvoyFilter whose values are typed Envoy messages.
//
// An EnvoyFilter is where most WebSocket setups of Istio go wrong, because nobody checks what is inside
// patch.value: the API server takes anything there, and istiod drops a misspelt field with no more than a
// warning ([istio/istio#26390]). Here a value is an Envoy message from the start ([Builder], [Patch]), or is read
// back into one ([Parse], [Filter.Validate]), so that a misspelt field, a wrong type or an operation that istiod
// passes over is a finding at its path.
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

// Context is the class of configuration that a patch applies to: match.context. The zero value is
// [SidecarInbound], the side of the server, which is the one that [AllowConnect] is for; Build always writes it out.
//
// ANY is not offered: a patch for every context does more than its author has in mind ([istio/istio#33358]). WAYPOINT
// is not either: the API has it since release 1.29, and no istiod reads it (pilot/pkg/networking/core/envoyfilter).
//
// [istio/istio#33358]: https://github.com/istio/istio/issues/33358
type Context int

// The contexts of istio.networking.v1alpha3.EnvoyFilter.PatchContext that a patch can be built for.
const (
	SidecarInbound  Context = iota // what a sidecar accepts for its own workload
	SidecarOutbound                // what a sidecar sends
	Gateway                        // what a gateway accepts and sends
)

// contexts is the spelling of each Context in the API.
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

// A TargetRef names an object in the filter's own namespace that the filter attaches to: one entry of spec.targetRefs.
// Istiod reads these since release 1.27, and only for Kubernetes gateways and waypoints.
type TargetRef struct {
	Group string // "gateway.networking.k8s.io", "networking.istio.io", or "" for the core group
	Kind  string // Gateway, or GatewayClass for all waypoints
	Name  string
}

// A Builder says what an EnvoyFilter is to hold. The zero value of each field leaves it out, except for the
// target: exactly one of Workload, AllWorkloads and TargetRefs must be given, because a filter without any applies
// to all workloads of its namespace, and in Istio's root namespace to those of the whole mesh.
type Builder struct {
	Name, Namespace     string
	Labels, Annotations map[string]string

	// Workload is spec.workloadSelector.labels: the labels of the pods whose proxies are patched. All must be
	// there on a pod; neither an empty value nor "*" is taken.
	Workload map[string]string
	// AllWorkloads says that the filter is meant for every workload of the namespace.
	AllWorkloads bool
	// TargetRefs are the gateways and waypoints whose proxies are patched.
	TargetRefs []TargetRef

	// Priority orders the filters of one proxy, lower first; istiod reads it since release 1.11.
	Priority int32
	// Patches are spec.configPatches, applied in this order.
	Patches []Patch
}

// Build returns the filter, or all findings that keep it from being one as a [*finding.Error]. What is worth
// knowing but no error is not returned here: ask [Filter.Validate] for it.
//
// The filter shares nothing with the builder: maps, slices and messages are copied.
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

// fill writes what b says into the spec, and reports all that is wrong with it.
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
			r.value(config, t)
		}
		r.leave()
		spec.ConfigPatches[i] = config
	}
}

var (
	NoWorkload = finding.Rule{Code: "WS201", Severity: finding.SeverityError,
		Meaning: "A builder must say which workloads the EnvoyFilter is for.",
		Source:  "istio/api networking/v1alpha3/envoy_filter.proto (workload_selector)"}
	TwoWorkloads = finding.Rule{Code: "WS202", Severity: finding.SeverityError,
		Meaning: "A builder must say only once which workloads the EnvoyFilter is for.",
		Source:  "istio/api networking/v1alpha3/envoy_filter.proto (workload_selector, targetRefs)"}
	EmptyWorkloadLabel = finding.Rule{Code: "WS203", Severity: finding.SeverityError,
		Meaning: "A label that a builder selects workloads by must have a value.",
		Source:  "kubernetes/apimachinery pkg/util/validation (IsValidLabelValue)"}
)

// checkTarget reports a builder that does not say which workloads it is for, or says it twice.
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
		// Kubernetes allows a label with an empty value, so Validate takes a selector with one. In a program it is
		// nearly always a setting that came out empty.
		if value == "" {
			r.add(EmptyWorkloadLabel, r.at("workloadSelector", "labels", key), "Workload has an empty value for the label "+quote(key),
				"give the value that the pods carry")
		}
	}
	r.sort(mark)
}
