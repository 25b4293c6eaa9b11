// SPDX-License-Identifier: Apache-2.0

// Package destinationrule builds, reads and validates one Istio DestinationRule, the object that decides
// whether client proxies speak HTTP/2 to a WebSocket server (connectionPool.http.h2UpgradePolicy).
//
// A [Builder] makes a new [Rule], [Parse] reads an existing one, and [Rule.WithH2Upgrade] gives an existing one
// another policy at every place that would otherwise lose it. [Rule.Validate] covers the whole DestinationRule
// API: it refuses everything that istiod's validating webhook or the schema of the CustomResourceDefinition
// refuses, and warns of what Istio accepts although it has no effect or harms WebSockets.
//
// UPGRADE alone breaks WebSockets: the server's proxy must also accept them over HTTP/2, and only an EnvoyFilter can make
// it do so. Package wsmesh builds the two as a pair.
package destinationrule

import (
	"maps"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const kind = "DestinationRule"

// The versions of the API that Istio's CustomResourceDefinition serves: v1 since Istio 1.22, v1beta1 since 1.5,
// v1alpha3 on every release. The spec is the same message in all of them.
const (
	v1       = istio.NetworkingV1
	v1beta1  = istio.NetworkingV1beta1
	v1alpha3 = istio.NetworkingV1alpha3
)

// A Rule is one DestinationRule: its metadata and its spec.
//
// A Rule that [Builder.Build], [Parse] or a method of another Rule returns shares no memory with what it was made from. A
// Rule is safe for concurrent use as long as nobody changes it.
type Rule struct {
	APIVersion          string // networking.istio.io/v1, /v1beta1 or /v1alpha3
	Name, Namespace     string // if Namespace is empty, the rule goes to the namespace that it is applied to
	Labels, Annotations map[string]string
	Spec                *networking.DestinationRule
}

// Parse reads one DestinationRule from a YAML or JSON document of any of the three served API versions.
//
// Parse is strict. An unknown or misspelt field, a value of the wrong type, another kind and a second document are errors.
// It returns all of them with their paths and lines, as a [*finding.Error]. It does not judge what the fields say; that is what
// [Rule.Validate] does.
func Parse(data []byte) (*Rule, error) {
	spec := &networking.DestinationRule{}
	obj, findings := manifest.Parse(data, kind, []string{v1, v1beta1, v1alpha3}, spec)
	if err := findings.Err(); err != nil {
		return nil, err
	}
	return &Rule{
		APIVersion:  obj.APIVersion,
		Name:        obj.Name,
		Namespace:   obj.Namespace,
		Labels:      obj.Labels,
		Annotations: obj.Annotations,
		Spec:        spec,
	}, nil
}

// String returns "DestinationRule namespace/name", or "DestinationRule name" without a namespace.
func (r *Rule) String() string {
	if r == nil {
		return kind
	}
	return r.object().String()
}

// YAML returns the rule as one YAML document: apiVersion, kind, metadata and spec in this order, only fields that
// are set, and a newline at the end. The same rule gives the same bytes on every run. YAML does not validate the rule, but
// returns an error for one that cannot be written: one without a spec, with text that is not UTF-8, or with a duration that
// is out of range.
func (r *Rule) YAML() ([]byte, error) { return r.AppendYAML(nil) }

// AppendYAML appends the document that [Rule.YAML] returns to dst and returns the extended slice, or nil and an error.
func (r *Rule) AppendYAML(dst []byte) ([]byte, error) {
	if err := r.written().Err(); err != nil {
		return nil, err
	}
	return r.object().AppendYAML(dst)
}

// MarshalJSON returns the rule as compact JSON, under the same conditions as [Rule.YAML].
func (r *Rule) MarshalJSON() ([]byte, error) {
	if err := r.written().Err(); err != nil {
		return nil, err
	}
	return r.object().MarshalJSON()
}

// written returns a finding if the rule has no spec, which protojson would write as an empty one.
func (r *Rule) written() finding.List {
	switch {
	case r == nil:
		return finding.List{noSpec("", "there is no rule")}.WithObject(kind)
	case r.Spec == nil:
		return finding.List{noSpec("spec", "the rule has no spec")}.WithObject(r.String())
	}
	return nil
}

func (r *Rule) object() manifest.Object {
	return manifest.Object{
		APIVersion:  r.APIVersion,
		Kind:        kind,
		Name:        r.Name,
		Namespace:   r.Namespace,
		Labels:      r.Labels,
		Annotations: r.Annotations,
		Spec:        r.Spec,
	}
}

// clone returns a deep copy of a rule that has a spec.
func (r *Rule) clone() *Rule {
	return &Rule{
		APIVersion:  r.APIVersion,
		Name:        r.Name,
		Namespace:   r.Namespace,
		Labels:      maps.Clone(r.Labels),
		Annotations: maps.Clone(r.Annotations),
		Spec:        proto.CloneOf(r.Spec),
	}
}
