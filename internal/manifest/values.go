// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// patched are the messages that the values of patches are, by applyTo (pkg/config/xds in Istio).
var patched = map[networking.EnvoyFilter_ApplyTo]protoreflect.FullName{
	networking.EnvoyFilter_LISTENER:            "envoy.config.listener.v3.Listener",
	networking.EnvoyFilter_FILTER_CHAIN:        "envoy.config.listener.v3.FilterChain",
	networking.EnvoyFilter_NETWORK_FILTER:      "envoy.config.listener.v3.Filter",
	networking.EnvoyFilter_LISTENER_FILTER:     "envoy.config.listener.v3.ListenerFilter",
	networking.EnvoyFilter_HTTP_FILTER:         "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
	networking.EnvoyFilter_ROUTE_CONFIGURATION: "envoy.config.route.v3.RouteConfiguration",
	networking.EnvoyFilter_VIRTUAL_HOST:        "envoy.config.route.v3.VirtualHost",
	networking.EnvoyFilter_HTTP_ROUTE:          "envoy.config.route.v3.Route",
	networking.EnvoyFilter_CLUSTER:             "envoy.config.cluster.v3.Cluster",
	networking.EnvoyFilter_EXTENSION_CONFIG:    "envoy.config.core.v3.TypedExtensionConfig",
	networking.EnvoyFilter_BOOTSTRAP:           "envoy.config.bootstrap.v3.Bootstrap",
}

// ValueType returns the message that the values of patches with the applyTo are, and "" where it selects none.
func ValueType(applyTo networking.EnvoyFilter_ApplyTo) protoreflect.FullName { return patched[applyTo] }

// NewValue returns an empty message for the value of a patch with the applyTo, and nil where it selects none.
func NewValue(applyTo networking.EnvoyFilter_ApplyTo) proto.Message {
	mt, err := envoyapi.Types.FindMessageByName(patched[applyTo])
	if err != nil {
		return nil
	}
	return mt.New().Interface()
}

// DecodeValues reads the values of the patches of an EnvoyFilter that r was read from root as, each into the message that
// its applyTo asks for. A value is nil where the patch has none, or where its applyTo selects none. What is wrong with
// them is added to the findings.
func (r *Reading) DecodeValues(root *yamldoc.Node) []proto.Message {
	patches := r.Spec.(*networking.EnvoyFilter).GetConfigPatches()
	values := make([]proto.Message, len(patches))
	more := 0
	for i, patch := range patches {
		if patch.GetPatch().GetValue() == nil || len(r.Findings) >= maxFindings {
			continue
		}
		if values[i] = NewValue(patch.GetApplyTo()); values[i] == nil {
			continue
		}
		path := fieldpath.Path{fieldpath.Name("spec"), fieldpath.Name("configPatches"), fieldpath.Index(i), fieldpath.Name("patch"), fieldpath.Name("value")}
		_, n, _ := root.At(path) // the patch has a value: it leads there
		for _, f := range Decode(n, path, ProtoJSON, values[i]) {
			switch {
			// A Struct, too, takes no text but UTF-8, and no number beyond its range.
			case slices.ContainsFunc(r.Findings, func(had finding.Finding) bool { return had.Path == f.Path && had.Code == f.Code }):
			case len(r.Findings) >= maxFindings:
				more++
			default:
				f.Object = r.ObjectName()
				r.Findings = append(r.Findings, f)
			}
		}
	}
	if more > 0 {
		r.Findings = append(r.Findings, tooMany(r.ObjectName(), more))
	}
	return values
}
