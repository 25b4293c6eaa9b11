// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"
	typev1beta1 "istio.io/api/type/v1beta1"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/internal/names"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Limits of the CRD and of istiod.
const (
	maxSelectorLabels = 256
	maxTargetRefs     = 16
	maxPort           = 65535
	// maxProxyVersion is the length of the longest pattern that istiod matches (pilot/pkg/model/envoyfilter.go).
	maxProxyVersion = 1024
)

// NoSelector is rule WS210. Without workloadSelector and targetRefs the filter applies to every workload of its
// namespace.
var NoSelector = finding.Rule{Code: "WS210", Severity: finding.Warning,
	Meaning: "Without workloadSelector and targetRefs the filter applies to every workload of its namespace.",
	Source:  "istio/api networking/v1alpha3/envoy_filter.proto (workload_selector)"}

// Validate returns all findings about the filter, in the order of the fields. If none of them is an error, the API server and
// istiod's webhook accept the filter.
//
// Validate refuses everything that the CRD refuses (schema and CEL of istio/api
// kubernetes/customresourcedefinitions.gen.yaml) and everything that istiod's webhook refuses
// (pkg/config/validation/envoyfilter). It is stricter than both where they accept what has no effect or breaks the
// configuration of the proxy; the source of each finding says why. It does not repeat Istio's warning that every EnvoyFilter
// exposes internal implementation details.
func (f *Filter) Validate() finding.List {
	r := newReport(f.object().Validate())
	spec := f.spec()

	mark := r.mark()
	w := r.writer(true)
	w.object(spec.ProtoReflect(), "", specDepth)
	readable := !r.since(mark) // if not, its values cannot be decoded

	r.target(spec)
	if spec.GetWorkloadSelector() == nil && len(spec.GetTargetRefs()) == 0 {
		r.add(NoSelector, r.at("workloadSelector"),
			"there is no workloadSelector, and so the filter applies to every workload of its namespace, or of the mesh in Istio's root namespace",
			"select the workloads that need it")
	}
	r.patchCount(spec)
	r.enter("configPatches")
	for i, config := range spec.GetConfigPatches() {
		if config == nil {
			continue // the writer reports it
		}
		r.enterItem(i)
		r.patch(config, spec.GetPriority())
		if k := kindOf(config.GetApplyTo()); readable && k != nil && config.GetPatch().GetValue() != nil {
			if m := r.decode(k, config.GetPatch().GetValue()); m != nil {
				r.checkValue(config, patchValue{message: m.ProtoReflect(), text: config.GetPatch().GetValue()})
			}
		}
		r.leave()
	}
	return r.list.WithObject(f.String())
}

// decode reads patch.value as a message of the kind, or returns nil if it cannot.
func (r *report) decode(k *kind, value *structpb.Struct) proto.Message {
	m := k.newMessage()
	list := manifest.DecodeStruct(value, append(slices.Clip(r.path), fieldpath.Name("patch"), fieldpath.Name("value")), m)
	r.list = append(r.list, list...)
	if len(list) > 0 {
		return nil
	}
	return m
}

var (
	// TooManySelectorLabels is rule WS206. A workloadSelector must have at most 256 labels.
	TooManySelectorLabels = finding.Rule{Code: "WS206", Severity: finding.SeverityError,
		Meaning: "A workloadSelector must have at most 256 labels.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml (maxProperties)"}
	// TooManyTargetRefs is rule WS207. There must be at most 16 targetRefs.
	TooManyTargetRefs = finding.Rule{Code: "WS207", Severity: finding.SeverityError,
		Meaning: "There must be at most 16 targetRefs.", Source: "istio/api kubernetes/customresourcedefinitions.gen.yaml (maxItems)"}
	// SelectorWithoutLabels is rule WS209. A workloadSelector without labels selects every workload of the namespace.
	SelectorWithoutLabels = finding.Rule{Code: "WS209", Severity: finding.Warning,
		Meaning: "A workloadSelector without labels selects every workload of the namespace.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go"}
	// TargetRefsNotReadBefore127 is rule WS212. targetRefs is in the API since release 1.22, and istiod reads it since
	// 1.27.
	TargetRefsNotReadBefore127 = finding.Rule{Code: "WS212", Severity: finding.Info,
		Meaning: "targetRefs is in the API since release 1.22, and istiod reads it since 1.27.",
		Source:  "istio/istio#56476; pilot/pkg/model/push_context.go (getMatchedEnvoyFilters)"}
)

// target checks which workloads the filter is for: workloadSelector and targetRefs.
func (r *report) target(spec *networking.EnvoyFilter) {
	selector, refs := spec.GetWorkloadSelector(), spec.GetTargetRefs()
	if selector != nil && len(refs) > 0 {
		r.twoTargets()
	}
	mark := r.mark()
	for key, value := range selector.GetLabels() {
		if reason := names.QualifiedName(key); reason != "" {
			r.label(key, "the label key "+quote(key)+" "+reason)
		}
		if reason := names.LabelValue(value); reason != "" {
			r.label(key, "the value "+quote(value)+" of the label "+quote(key)+" "+reason)
		}
	}
	r.sort(mark)
	if n := len(selector.GetLabels()); n > maxSelectorLabels {
		r.add(TooManySelectorLabels, r.at("workloadSelector", "labels"), fmt.Sprintf("the selector has %d labels", n),
			fmt.Sprintf("give at most %d", maxSelectorLabels))
	}
	if selector != nil && len(selector.GetLabels()) == 0 {
		r.add(SelectorWithoutLabels, r.at("workloadSelector"), "the workloadSelector has no labels, and so the filter applies to every workload of its namespace",
			"give the labels of the pods that need it")
	}
	if len(refs) > maxTargetRefs {
		r.add(TooManyTargetRefs, r.at("targetRefs"), fmt.Sprintf("there are %d targetRefs", len(refs)),
			fmt.Sprintf("give at most %d, and the others in another EnvoyFilter", maxTargetRefs))
	}
	r.enter("targetRefs")
	for i, ref := range refs {
		if ref == nil {
			continue // the writer reports it
		}
		r.enterItem(i)
		r.targetRef(ref)
		r.leave()
	}
	r.leave()
	if len(refs) > 0 {
		r.add(TargetRefsNotReadBefore127, r.at("targetRefs"), "istiod of releases 1.22 to 1.26 takes targetRefs and does not look at it: there the filter applies to every workload of its namespace",
			"apply it only where every control plane is 1.27 or later")
	}
}

// SelectorAndTargetRefs is rule WS204. targetRefs and workloadSelector must not be set together.
var SelectorAndTargetRefs = finding.Rule{Code: "WS204", Severity: finding.SeverityError,
	Meaning: "targetRefs and workloadSelector must not be set together.",
	Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml (CEL of spec)"}

func (r *report) twoTargets() {
	r.add(SelectorAndTargetRefs, r.at("targetRefs"), "targetRefs is set together with workloadSelector",
		"use workloadSelector for sidecars and targetRefs for Kubernetes gateways and waypoints, in two EnvoyFilters if both are meant")
}

// InvalidSelectorLabel is rule WS205. A label of the workloadSelector must be one that a pod can have; "*" stands for
// nothing.
var InvalidSelectorLabel = finding.Rule{Code: "WS205", Severity: finding.SeverityError,
	Meaning: "A label of the workloadSelector must be one that a pod can have; \"*\" stands for nothing.",
	Source:  "istio/istio pkg/config/validation/validation.go (ValidateAlphaWorkloadSelector); kubernetes/apimachinery pkg/util/validation"}

// label reports a label that no pod can carry, so that the filter selects nothing. Istio and the CRD refuse the empty key and
// "*", and accept other text that Kubernetes refuses.
func (r *report) label(key, message string) {
	r.add(InvalidSelectorLabel, r.at("workloadSelector", "labels", key), message, "give a label that the pods carry")
}

// TargetRefOfNoGateway is rule WS211. istiod attaches EnvoyFilters by targetRefs to gateways only: a Gateway, or the
// GatewayClass of waypoints.
var TargetRefOfNoGateway = finding.Rule{Code: "WS211", Severity: finding.Warning,
	Meaning: "istiod attaches EnvoyFilters by targetRefs to gateways only: a Gateway, or the GatewayClass of waypoints.",
	Source:  "istio/istio pilot/pkg/model/push_context.go (getMatchedEnvoyFilters asks for no Service) and policyattachment.go@release-1.31"}

func (r *report) targetRef(ref *typev1beta1.PolicyTargetReference) {
	mark := r.mark()
	if reason := names.Subdomain(ref.GetGroup()); ref.GetGroup() != "" && reason != "" {
		r.badRef(r.at("group"), "the group "+quote(ref.GetGroup())+" "+reason)
	}
	if !isKind(ref.GetKind()) {
		r.badRef(r.at("kind"), "the kind "+quote(ref.GetKind())+" is not 1 to 63 letters, digits and '-', a letter first and no '-' last")
	}
	// The CRD accepts any name of 1 to 253 characters, but no object can have another name than a DNS subdomain.
	if reason := names.Subdomain(ref.GetName()); reason != "" {
		r.badRef(r.at("name"), "the name "+quote(ref.GetName())+" "+reason)
	}
	if ref.GetNamespace() != "" {
		r.badRef(r.at("namespace"), "the namespace "+quote(ref.GetNamespace())+" is set, and a targetRef cannot leave the filter's own namespace")
	}
	if r.since(mark) {
		return
	}
	// The API names Service and ServiceEntry too. Istiod passes no Service to the matcher of EnvoyFilters, so these match
	// nothing (tried on the release-1.31 line).
	if ref.GetGroup() != "gateway.networking.k8s.io" || ref.GetKind() != "Gateway" && ref.GetKind() != "GatewayClass" {
		r.add(TargetRefOfNoGateway, r.at(), fmt.Sprintf("istiod attaches no EnvoyFilter to the kind %s of the group %s", quote(ref.GetKind()), quote(ref.GetGroup())),
			"give Gateway or GatewayClass of gateway.networking.k8s.io")
	}
}

// InvalidTargetRef is rule WS208. A targetRef must name an object of the filter's own namespace by its group, kind
// and name.
var InvalidTargetRef = finding.Rule{Code: "WS208", Severity: finding.SeverityError,
	Meaning: "A targetRef must name an object of the filter's own namespace by its group, kind and name.",
	Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml (patterns and CEL of targetRefs)"}

func (r *report) badRef(path, message string) {
	r.add(InvalidTargetRef, path, message, "name an object in the filter's own namespace by its group, kind and name")
}

// isKind reports whether s matches the CRD's pattern for a kind.
func isKind(s string) bool {
	if s == "" || len(s) > 63 || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && (c == '-' || '0' <= c && c <= '9')) {
			return false
		}
	}
	return true
}

// NoPatches is rule WS213. An EnvoyFilter must have a patch: without one it does nothing.
var NoPatches = finding.Rule{Code: "WS213", Severity: finding.SeverityError,
	Meaning: "An EnvoyFilter must have a patch: without one it does nothing.",
	Source:  "istio/api networking/v1alpha3/envoy_filter.proto (config_patches)"}

// patchCount reports a filter without patches. Istio accepts it, but it has no effect, and is nearly always an empty result
// of a template.
func (r *report) patchCount(spec *networking.EnvoyFilter) {
	if len(spec.GetConfigPatches()) == 0 {
		r.add(NoPatches, r.at("configPatches"), "there are no patches", "give at least one, or delete the EnvoyFilter")
	}
}

var (
	// UnknownApplyTo is rule WS214. A patch must say to which kind of object it applies.
	UnknownApplyTo = finding.Rule{Code: "WS214", Severity: finding.SeverityError,
		Meaning: "A patch must say to which kind of object it applies.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (missing applyTo)"}
	// EmptyPatch is rule WS215. A patch must have an operation and a value.
	EmptyPatch = finding.Rule{Code: "WS215", Severity: finding.SeverityError,
		Meaning: "A patch must have an operation and a value.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (missing patch)"}
	// UnknownOperation is rule WS216. A patch must have an operation of the API.
	UnknownOperation = finding.Rule{Code: "WS216", Severity: finding.SeverityError,
		Meaning: "A patch must have an operation of the API.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (missing patch operation)"}
)

// patch checks a patch except for its value.
func (r *report) patch(config *networking.EnvoyFilter_EnvoyConfigObjectPatch, priority int32) {
	k := kindOf(config.GetApplyTo())
	if k == nil {
		r.add(UnknownApplyTo, r.at("applyTo"), fmt.Sprintf("the applyTo %s selects no kind of object", config.GetApplyTo()),
			"give LISTENER, FILTER_CHAIN, NETWORK_FILTER, HTTP_FILTER, LISTENER_FILTER, ROUTE_CONFIGURATION, VIRTUAL_HOST, HTTP_ROUTE, CLUSTER or EXTENSION_CONFIG")
	}
	r.context(config)
	if version := config.GetMatch().GetProxy().GetProxyVersion(); version != "" {
		r.proxyVersion(version)
	}
	if k != nil {
		r.match(config, k)
	}
	if config.GetPatch() == nil {
		r.add(EmptyPatch, r.at("patch"), "the patch is missing", "give an operation and a value")
		return
	}
	if !isOperation(config.GetPatch().GetOperation()) {
		r.add(UnknownOperation, r.at("patch", "operation"), fmt.Sprintf("the operation %s does nothing", config.GetPatch().GetOperation()),
			"give MERGE, ADD, REMOVE, REPLACE, INSERT_FIRST, INSERT_BEFORE or INSERT_AFTER")
	} else if k != nil {
		r.operation(config, k, priority)
	}
	if class := config.GetPatch().GetFilterClass(); networking.EnvoyFilter_Patch_FilterClass_name[int32(class)] == "" {
		r.unknownEnum(int32(class), class.Descriptor(), "patch", "filterClass")
	} else if class != networking.EnvoyFilter_Patch_UNSPECIFIED {
		r.unread(r.at("patch", "filterClass"), "istiod of release 1.31 does not look at filterClass", "give the place with the operation and the match")
	}
	r.hasValue(config)
}

var (
	// NoValue is rule WS217. A patch that is no REMOVE must have a value.
	NoValue = finding.Rule{Code: "WS217", Severity: finding.SeverityError,
		Meaning: "A patch that is no REMOVE must have a value.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (missing patch value)"}
	// ValueNotRead is rule WS218. A REMOVE does not look at its value.
	ValueNotRead = finding.Rule{Code: "WS218", Severity: finding.Info,
		Meaning: "A REMOVE does not look at its value.", Source: "istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go"}
)

// hasValue checks that the patch has a value if and only if its operation takes one.
func (r *report) hasValue(config *networking.EnvoyFilter_EnvoyConfigObjectPatch) {
	switch hasValue := config.GetPatch().GetValue() != nil; {
	case hasValue && config.GetPatch().GetOperation() == opRemove:
		r.add(ValueNotRead, r.at("patch", "value"), "a REMOVE has no use for a value", "leave it out")
	case !hasValue && config.GetPatch().GetOperation() != opRemove:
		r.add(NoValue, r.at("patch", "value"), "the value is missing", "give the configuration to apply")
	}
}

var (
	// WaypointNotRead is rule WS223. The context WAYPOINT and the match for it have no effect.
	WaypointNotRead = finding.Rule{Code: "WS223", Severity: finding.SeverityError,
		Meaning: "The context WAYPOINT and the match for it have no effect.",
		Source:  "istio/istio pilot/pkg/networking/core/envoyfilter (no use of WAYPOINT); istio/api kubernetes/customresourcedefinitions.gen.yaml (CEL of match)"}
	// AnyContext is rule WS224. The context ANY applies a patch to every side of every proxy.
	AnyContext = finding.Rule{Code: "WS224", Severity: finding.Warning,
		Meaning: "The context ANY applies a patch to every side of every proxy.",
		Source:  "istio/istio#33358; pilot/pkg/networking/core/envoyfilter/listener_patch.go (patchContextMatch)"}
)

// context checks the side of the proxy that the patch is for.
func (r *report) context(config *networking.EnvoyFilter_EnvoyConfigObjectPatch) {
	switch context := config.GetMatch().GetContext(); {
	case context == networking.EnvoyFilter_WAYPOINT || config.GetMatch().GetWaypoint() != nil:
		// The CRD accepts WAYPOINT with its own match, and the webhook does not check the patch any further.
		r.add(WaypointNotRead, r.at("match", "context"), "the context WAYPOINT and its match have no effect: no istiod reads them",
			"for a waypoint give targetRefs and the context SIDECAR_INBOUND")
	case networking.EnvoyFilter_PatchContext_name[int32(context)] == "":
		r.unknownEnum(int32(context), context.Descriptor(), "match", "context")
	case context == networking.EnvoyFilter_ANY &&
		config.GetApplyTo() != networking.EnvoyFilter_EXTENSION_CONFIG && config.GetApplyTo() != networking.EnvoyFilter_BOOTSTRAP:
		r.add(AnyContext, r.at("match", "context"), "the context is ANY, and so the patch applies to what sidecars accept, to what they send, and to gateways",
			"give SIDECAR_INBOUND, SIDECAR_OUTBOUND or GATEWAY, in several patches if need be")
	}
}

var (
	// ProxyVersionTooLong is rule WS226. A proxyVersion must have at most 1,024 bytes: a longer one matches no proxy.
	ProxyVersionTooLong = finding.Rule{Code: "WS226", Severity: finding.SeverityError,
		Meaning: "A proxyVersion must have at most 1,024 bytes: a longer one matches no proxy.",
		Source:  "istio/istio pilot/pkg/model/envoyfilter.go (maxProxyVersionLen)"}
	// InvalidProxyVersion is rule WS227. A proxyVersion must be a regular expression in RE2 syntax.
	InvalidProxyVersion = finding.Rule{Code: "WS227", Severity: finding.SeverityError,
		Meaning: "A proxyVersion must be a regular expression in RE2 syntax.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go"}
	// ProxyVersionNotAnchored is rule WS228. A proxyVersion that is not anchored at its beginning matches releases that
	// it does not mean.
	ProxyVersionNotAnchored = finding.Rule{Code: "WS228", Severity: finding.Warning,
		Meaning: "A proxyVersion that is not anchored at its beginning matches releases that it does not mean.",
		Source:  "istio/istio pilot/pkg/model/envoyfilter.go (proxyMatch); istio/istio#43602"}
)

// proxyVersion checks the pattern that istiod searches for in the release of the proxy.
func (r *report) proxyVersion(pattern string) {
	r.enter("match")
	r.enter("proxy")
	defer r.leave()
	defer r.leave()
	// The webhook only warns. Releases before 1.31 compile the pattern nevertheless, and later ones match no proxy.
	if len(pattern) > maxProxyVersion {
		r.add(ProxyVersionTooLong, r.at("proxyVersion"), fmt.Sprintf("the pattern has %d bytes, and istiod matches no proxy with more than %d", len(pattern), maxProxyVersion),
			"write a shorter one, for example with version.ProxyVersionPattern")
		return
	}
	re, err := syntax.Parse(pattern, syntax.Perl) // what regexp.Compile refuses
	if err != nil {
		r.add(InvalidProxyVersion, r.at("proxyVersion"), fmt.Sprintf("%s is no regular expression: %s", quote(pattern), strings.TrimPrefix(err.Error(), "error parsing regexp: ")),
			"write it in RE2 syntax, for example with version.ProxyVersionPattern")
		return
	}
	if !isAnchored(re) {
		r.add(ProxyVersionNotAnchored, r.at("proxyVersion"), fmt.Sprintf("istiod searches for %s anywhere in the release, as 1.12 is found in 1.1.12 and 11.12.0", quote(pattern)),
			`begin it with "^", for example with version.ProxyVersionPattern`)
	}
}

// isAnchored reports whether every match of re begins at the beginning of the text.
func isAnchored(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText, syntax.OpBeginLine:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return isAnchored(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min > 0 && isAnchored(re.Sub[0])
	case syntax.OpConcat:
		return isAnchored(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !isAnchored(sub) {
				return false
			}
		}
		return true
	}
	return false
}
