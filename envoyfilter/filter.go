// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"
	"maps"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
)

// apiVersion is the only version of EnvoyFilter that a release serves.
const apiVersion = istio.NetworkingV1alpha3

// A Filter is one EnvoyFilter: its metadata and its spec. [Builder.Build] and [Parse] return filters, and a program may
// write or change one itself.
//
// A Filter that [Builder.Build], [Parse] or [Filter.WithValue] returns shares no memory with what it was made from. A Filter
// is safe for concurrent use as long as nobody changes it.
type Filter struct {
	Name, Namespace     string
	Labels, Annotations map[string]string
	Spec                *networking.EnvoyFilter
}

// Parse reads one EnvoyFilter from YAML or JSON. It returns all problems with their paths and lines, as a [*finding.Error].
//
// Parse is strict where Istio is not. An unknown field is an error in patch.value too, at any depth, because Istio drops it
// ([istio/istio#26390]). Every "@type" must name a message of Envoy's v3 API or of Istio's own filters. They are
// known as go-control-plane/envoy v1.40.0 has them. Parse does not judge what the fields say; that is what
// [Filter.Validate] does.
//
// [istio/istio#26390]: https://github.com/istio/istio/issues/26390
func Parse(data []byte) (*Filter, error) {
	root, problems := yamldoc.Parse(data)
	if root == nil {
		return nil, problems.Err()
	}
	spec := &networking.EnvoyFilter{}
	o := manifest.Read(root, problems, "EnvoyFilter", []string{apiVersion}, spec)
	o.DecodeValues(root)
	r := newReport(o.Findings)
	// To the CRD an empty list of targetRefs is set, and a spec does not tell it from none.
	if refs := root.Get("spec").Get("targetRefs"); spec.GetWorkloadSelector() != nil && refs != nil && refs.Type() == yamldoc.List {
		r.twoTargets()
	}
	if err := r.list.WithObject(o.ObjectName()).Err(); err != nil {
		return nil, err
	}
	return &Filter{Name: o.Name, Namespace: o.Namespace, Labels: o.Labels, Annotations: o.Annotations, Spec: spec}, nil
}

// Value returns the value of spec.configPatches[i] as a message of the type that belongs to its applyTo: an
// envoy.config.listener.v3.Filter for NETWORK_FILTER, an envoy.config.cluster.v3.Cluster for CLUSTER, and so on. The
// configuration of a filter is in the typed_config of that message. Value returns nil if the patch has no value, as in a
// REMOVE. If the value cannot be read, the error is a [*finding.Error].
//
// The message has the Go type that go-control-plane generates if the program links it, as every program that names the type
// does. Otherwise it has a type of package dynamicpb. protojson can write an Any in it if the Go type of the message in the
// Any is linked.
func (f *Filter) Value(i int) (proto.Message, error) {
	config, k, err := f.patch(i)
	if err != nil {
		return nil, err
	}
	value := config.GetPatch().GetValue()
	if value == nil {
		return nil, nil
	}
	r := newReport(nil)
	r.enter("configPatches")
	r.enterItem(i)
	r.enter("patch")
	r.enter("value")
	r.writer(false).structure(value, valueDepth)
	r.leave()
	r.leave()
	var m proto.Message
	if !r.since(0) {
		m = r.decode(k, value)
	}
	if err := r.list.WithObject(f.String()).Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// WithValue returns a copy of the filter in which spec.configPatches[i] has another value. The value is a message as in the
// field Value of a [Patch], such as one that [Filter.Value] returned and the program has changed. With nil the patch has no
// value, as in a REMOVE.
//
// WithValue checks the value as [Builder.Build] does, and does not check the rest of the filter. If the value is wrong, it
// returns nil and a [*finding.Error] with every reason.
func (f *Filter) WithValue(i int, value proto.Message) (*Filter, error) {
	if _, _, err := f.patch(i); err != nil {
		return nil, err
	}
	out := *f
	out.Labels, out.Annotations, out.Spec = maps.Clone(f.Labels), maps.Clone(f.Annotations), proto.CloneOf(f.Spec)
	config := out.Spec.GetConfigPatches()[i]
	if config.GetPatch() == nil {
		config.Patch = &networking.EnvoyFilter_Patch{}
	}
	r := newReport(nil)
	r.enter("configPatches")
	r.enterItem(i)
	var t patchValue
	config.Patch.Value, t = Patch{ApplyTo: config.GetApplyTo(), Operation: config.GetPatch().GetOperation(), Value: value}.write(r)
	r.hasValue(config)
	if t.message != nil {
		r.checkValue(config, t)
	}
	if err := r.list.Errors().WithObject(f.String()).Err(); err != nil {
		return nil, err
	}
	return &out, nil
}

// patch returns spec.configPatches[i] and the kind of object that it selects.
func (f *Filter) patch(i int) (*networking.EnvoyFilter_EnvoyConfigObjectPatch, *kind, error) {
	configs := f.spec().GetConfigPatches()
	if i < 0 || i >= len(configs) {
		return nil, nil, fmt.Errorf("%s has no patch %d: it has %d", f, i, len(configs))
	}
	k := kindOf(configs[i].GetApplyTo())
	if k == nil {
		return nil, nil, fmt.Errorf("%s: patch %d has the applyTo %s, which selects no kind of object", f, i, configs[i].GetApplyTo())
	}
	return configs[i], k, nil
}

// MarshalJSON returns the filter as compact JSON. It does not validate the filter.
func (f *Filter) MarshalJSON() ([]byte, error) { return f.object().MarshalJSON() }

// YAML returns the filter as one YAML document, without "---" before it. The same filter gives the same bytes on every run.
// YAML does not validate the filter.
func (f *Filter) YAML() ([]byte, error) { return f.AppendYAML(nil) }

// AppendYAML appends the document that [Filter.YAML] returns to dst and returns the extended slice, or nil and an error.
func (f *Filter) AppendYAML(dst []byte) ([]byte, error) { return f.object().AppendYAML(dst) }

// String returns "EnvoyFilter namespace/name", or "EnvoyFilter name" without a namespace.
func (f *Filter) String() string { return f.object().String() }

// object returns the filter as an object that can be written. A nil filter is written as an empty one.
func (f *Filter) object() manifest.Object {
	if f == nil {
		f = &Filter{}
	}
	spec := f.Spec
	if spec == nil {
		spec = &networking.EnvoyFilter{}
	}
	return manifest.Object{
		APIVersion: apiVersion, Kind: "EnvoyFilter",
		Name: f.Name, Namespace: f.Namespace,
		Labels: f.Labels, Annotations: f.Annotations,
		Spec: spec,
	}
}

func (f *Filter) spec() *networking.EnvoyFilter {
	if f == nil {
		return nil
	}
	return f.Spec
}
