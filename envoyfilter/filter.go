// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
)

// apiVersion is the only version of EnvoyFilter that any release serves.
const apiVersion = "networking.istio.io/v1alpha3"

// A Filter is one EnvoyFilter. [Builder.Build] and [Parse] make them; a program may also fill one in by hand, or
// change one, and ask [Filter.Validate] about it.
type Filter struct {
	Name, Namespace     string
	Labels, Annotations map[string]string
	Spec                *networking.EnvoyFilter
}

// Parse reads one EnvoyFilter from YAML or JSON. The error is a [*finding.Error] with all problems with their paths.
//
// It is strict where Istio is not: a field that is not known is an error in patch.value too, as deep as the messages
// go, because Istio drops it ([istio/istio#26390]), and every "@type" must be of a message of Envoy's v3 API or of Istio's
// own filters. Its fields are those of the Go type where the program links one, and else of go-control-plane/envoy v1.37.0.
// What a well-formed EnvoyFilter says wrong is not for Parse to judge: see [Filter.Validate].
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

// Value returns the value of spec.configPatches[i] as the message that its applyTo asks for: for NETWORK_FILTER an
// envoy.config.listener.v3.Filter, for CLUSTER an envoy.config.cluster.v3.Cluster, and so on. A filter's own
// configuration is in the typed_config of that message. It has the Go type that go-control-plane generates for it where
// the program links that, as one does that names the type, and else one of package dynamicpb; protojson writes an Any in it
// where the Go type of what that holds is linked. It is nil where the patch has no value, as in a REMOVE. The
// error is a [*finding.Error] where the value is to blame.
func (f *Filter) Value(i int) (proto.Message, error) {
	configs := f.spec().GetConfigPatches()
	if i < 0 || i >= len(configs) {
		return nil, fmt.Errorf("%s has no patch %d: it has %d", f, i, len(configs))
	}
	k, value := kindOf(configs[i].GetApplyTo()), configs[i].GetPatch().GetValue()
	if k == nil {
		return nil, fmt.Errorf("%s: patch %d has the applyTo %s, which selects no kind of object", f, i, configs[i].GetApplyTo())
	}
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

// MarshalJSON returns the filter as compact JSON. It does not validate.
func (f *Filter) MarshalJSON() ([]byte, error) { return f.object().MarshalJSON() }

// YAML returns the filter as one YAML document, without "---" before it. It does not validate. The same filter
// gives the same bytes on every run.
func (f *Filter) YAML() ([]byte, error) { return f.AppendYAML(nil) }

// AppendYAML appends what [Filter.YAML] returns to dst, and returns the extended slice; on an error, nil.
func (f *Filter) AppendYAML(dst []byte) ([]byte, error) { return f.object().AppendYAML(dst) }

// String returns "EnvoyFilter namespace/name", or "EnvoyFilter name" without a namespace.
func (f *Filter) String() string { return f.object().String() }

// object returns the filter in the envelope that manifests have. A nil filter is an empty one.
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
