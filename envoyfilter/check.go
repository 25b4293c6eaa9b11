// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// typed is the value of a patch as a message: of the type of applyTo, or the bare configuration of a filter that a
// Builder was given.
type typed struct {
	object protoreflect.Message
	bare   protoreflect.Message
}

// A role is what becomes of a message in a patch.
type role int

const (
	// whole: the message is a new one, and all of Envoy's rules apply to it. So are the values of ADD, INSERT_* and
	// REPLACE, and in a MERGE the entries of lists and maps, because lists are appended and the values of maps
	// replaced (pkg/proto/merge), and every Any but the next role's, because its bytes are replaced.
	whole role = iota
	// part: the message is merged, field by field, into one that istiod has made. It need not be complete, and a
	// field that is false, zero or empty is not there for the merge.
	part
	// holder: a part in whose typed_config is a message that is merged in turn: a filter, or a transport socket
	// (util.MergeAnyWithAny).
	holder
	// unused: the value of a REMOVE, or of a field that Envoy does not check. Istiod reads it, and refuses it where it
	// cannot, and no rule applies to it.
	unused
)

func (as role) isMerged() bool { return as == part || as == holder }

// entry is the role of the entries of a list or map in a message with this role.
func (as role) entry() role {
	if as == unused {
		return unused
	}
	return whole
}

// value checks the value of a patch: what istiod's operation makes of it, and Envoy's own rules. Paths are relative to the
// patch.
func (r *report) value(config *networking.EnvoyFilter_EnvoyConfigObjectPatch, t typed) {
	mark := r.mark()
	r.enter("patch")
	r.enter("value")
	c := checker{report: r, op: config.GetPatch().GetOperation()}
	tree := config.GetPatch().GetValue()
	name, _ := selection(config)
	switch {
	case t.bare != nil:
		r.enter("typed_config")
		c.mergedType(name, t.bare.Descriptor().FullName())
		c.merged(t.bare, tree.GetFields()["typed_config"].GetStructValue())
		r.leave()
	case c.op == remove:
		c.message(t.object, tree, unused)
	case !isMerge(c.op):
		c.message(t.object, tree, whole)
	case kindOf(config.GetApplyTo()).typedConfig:
		c.mergedFilter(name, t.object, tree)
		c.message(t.object, tree, holder)
	default:
		c.mergedObject(t.object, tree)
		c.merged(t.object, tree)
	}
	r.leave()
	r.leave()
	r.sort(mark)
}

type checker struct {
	*report
	op networking.EnvoyFilter_Patch_Operation
}

var ManagerRenamed = finding.Rule{Code: "WS263", Severity: finding.SeverityError,
	Meaning: "A MERGE must not rename the HttpConnectionManager.",
	Source:  "istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go (patchNetworkFilter)"}

// mergedFilter checks what istiod does with a filter that is merged: it takes the name and the typed_config, and
// nothing else (listener_patch.go, patchNetworkFilter and mergeHTTPFilter).
func (c checker) mergedFilter(selected string, m protoreflect.Message, tree *structpb.Struct) {
	fields := m.Descriptor().Fields()
	payload := protoreflect.FullName("")
	config := fields.ByName("typed_config")
	if a, ok := m.Get(config).Message().Interface().(*anypb.Any); ok && a != nil {
		if mt, err := envoyapi.Types.FindMessageByURL(a.GetTypeUrl()); err == nil {
			payload = mt.Descriptor().FullName()
			c.enter(spelling(tree, config))
			c.mergedType(selected, payload)
			c.leave()
		}
	}
	isManager := selected == managerFilter || selected == oldManagerFilter || payload == httpConnectionManager
	if name := m.Get(fields.ByName("name")).String(); isManager && name != "" && name != managerFilter {
		c.add(ManagerRenamed, c.at("name"), fmt.Sprintf("the MERGE renames the HttpConnectionManager to %s, and istiod finds no HTTP filters in it any more", quote(name)),
			"leave the name out")
	}
	for name := range tree.GetFields() {
		if fd := fieldByName(fields, name); fd.Name() != "name" && fd.Name() != "typed_config" {
			c.unmerged(c.at(name), fmt.Sprintf("a MERGE takes the name and the typed_config of a filter, and not its %s", name))
		}
	}
}

// mergedObject checks an object that is merged and is no filter.
func (c checker) mergedObject(m protoreflect.Message, tree *structpb.Struct) {
	// mergeTransportSocketCluster in cluster_patch.go stops at the transport_socket.
	fields := m.Descriptor().Fields()
	if m.Descriptor().Name() != "Cluster" || !m.Has(fields.ByName("transport_socket")) {
		return
	}
	for name := range tree.GetFields() {
		if fieldByName(fields, name).Name() != "transport_socket" {
			c.unmerged(c.at(name), fmt.Sprintf("a MERGE of a cluster with a transport_socket merges only that, and not the %s", name))
		}
	}
}

var FieldNotMerged = finding.Rule{Code: "WS264", Severity: finding.SeverityError,
	Meaning: "A MERGE of a filter takes its name and typed_config only, and one of a cluster's transport_socket only that.",
	Source:  "istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go, cluster_patch.go"}

func (c checker) unmerged(path, message string) {
	c.add(FieldNotMerged, path, message, "leave it out, or write it into a patch of its own")
}

var MergeOfOtherType = finding.Rule{Code: "WS262", Severity: finding.SeverityError,
	Meaning: "A MERGE must give a filter's configuration in the type that the filter has, and not as a TypedStruct.",
	Source:  "istio/istio pkg/proto/merge/merge.go (descriptor mismatch); pilot/pkg/networking/util/util.go (MergeAnyWithAny)"}

// mergedType checks that the configuration has the type of the filter that it is merged into.
func (c checker) mergedType(selected string, payload protoreflect.FullName) {
	if selected == oldManagerFilter {
		selected = managerFilter
	}
	want, ok := filterTypes[selected]
	// No other of Envoy's filters has an HttpConnectionManager. A filter under a name of the user's own may.
	other := !ok && payload == httpConnectionManager && strings.HasPrefix(selected, "envoy.filters.")
	if ok && payload != want || other {
		c.add(MergeOfOtherType, c.at(), fmt.Sprintf("the type %s is merged into %s, which has another: istiod panics, and loses the listener patches that were still to come for the proxy", payload, selected),
			`give the filter's own type, and no TypedStruct, as "@type"`)
	}
}

// merged checks the message that a merge begins with.
func (c checker) merged(m protoreflect.Message, tree *structpb.Struct) {
	_, hasType := tree.GetFields()["@type"]
	if len(tree.GetFields()) == 0 || hasType && len(tree.GetFields()) == 1 {
		c.zero("the MERGE sets nothing")
	}
	c.message(m, tree, part)
}

var NoTypedConfig = finding.Rule{Code: "WS265", Severity: finding.Warning,
	Meaning: "An extension must have its typed_config.",
	Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (validateMissingTypedConfigFilterTypes)"}

// message checks m, which is written as tree, and all messages in it.
func (c checker) message(m protoreflect.Message, tree *structpb.Struct, as role) {
	md := m.Descriptor()
	if as.isMerged() && md.FullName() == httpConnectionManager {
		c.manager(m, tree)
	}
	if as != unused {
		c.constraints(m, tree, as)
	}
	if fd := md.Fields().ByName("typed_config"); fd != nil && !m.Has(fd) && as != unused {
		if discovery := md.Fields().ByName("config_discovery"); discovery == nil || !m.Has(discovery) {
			c.add(NoTypedConfig, c.at(), "the typed_config is missing", `give the configuration with its "@type": Envoy does not look up an extension by its name alone any more`)
		}
	}
	for name, text := range tree.GetFields() {
		fd := fieldByName(md.Fields(), name)
		if fd == nil {
			continue // "@type"
		}
		c.enter(name)
		set := true
		switch {
		case fd.IsList():
			list := m.Get(fd).List()
			for i, text := range text.GetListValue().GetValues() {
				c.enterItem(i)
				c.single(fd, list.Get(i), text, as.entry())
				c.leave()
			}
			set = list.Len() > 0
		case fd.IsMap():
			entries := m.Get(fd).Map()
			entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				c.enter(k.String())
				c.single(fd.MapValue(), v, text.GetStructValue().GetFields()[k.String()], as.entry())
				c.leave()
				return true
			})
			set = entries.Len() > 0
		case fd.Message() != nil:
			child := m.Get(fd).Message()
			if set = child.IsValid(); set {
				c.child(child, text, roleOf(md, fd, as))
			}
		default:
			if fd.Enum() != nil {
				c.enum(fd, m.Get(fd))
			} else {
				c.scalar(fd, text)
			}
			set = !as.isMerged() || m.Has(fd)
		}
		if !set && as.isMerged() {
			c.zero(fmt.Sprintf("a MERGE cannot set %s to %s", name, literal(text)))
		}
		c.leave()
	}
}

// single checks an entry of a list or map, which is written as text.
func (c checker) single(fd protoreflect.FieldDescriptor, v protoreflect.Value, text *structpb.Value, as role) {
	switch {
	case fd.Enum() != nil:
		c.enum(fd, v)
	case fd.Message() != nil:
		c.child(v.Message(), text, as)
	default:
		c.scalar(fd, text)
	}
}

// enum reports a number that Envoy's API gives no name.
func (c checker) enum(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	if fd.Enum().Values().ByNumber(v.Enum()) == nil {
		c.unknownEnum(int32(v.Enum()), fd.Enum())
	}
}

// fieldByName returns the field that is written as name, in either of the spellings that istiod takes.
func fieldByName(fields protoreflect.FieldDescriptors, name string) protoreflect.FieldDescriptor {
	if fd := fields.ByTextName(name); fd != nil {
		return fd
	}
	return fields.ByJSONName(name)
}

// spelling returns the name by which a field is written in tree.
func spelling(tree *structpb.Struct, fd protoreflect.FieldDescriptor) string {
	if _, ok := tree.GetFields()[fd.JSONName()]; ok {
		return fd.JSONName()
	}
	return fd.TextName()
}

// roleOf returns what becomes of the message in a field of a message with the role as.
func roleOf(md protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor, as role) role {
	switch {
	case envoyapi.IsSkipped(fd):
		return unused
	case !as.isMerged():
		return as
	case fd.Message().FullName() == "google.protobuf.Any":
		if as == holder && fd.Name() == "typed_config" {
			return part
		}
		return whole
	case fd.Name() == "transport_socket" && (md.FullName() == kinds[networking.EnvoyFilter_CLUSTER].object || md.FullName() == kinds[networking.EnvoyFilter_FILTER_CHAIN].object):
		return holder
	}
	return part
}

var MergeOfZeroWrapper = finding.Rule{Code: "WS267", Severity: finding.Info,
	Meaning: "A MERGE of a wrapper that is false, zero or empty does not replace a value that is there.",
	Source:  "istio/istio pkg/proto/merge/merge.go (mergeMessage)"}

// child checks a message below another one.
func (c checker) child(m protoreflect.Message, text *structpb.Value, as role) {
	m = envoyapi.WellKnown(m)
	switch v := m.Interface().(type) {
	case *anypb.Any:
		c.any(v, text.GetStructValue(), as)
	case *durationpb.Duration, *timestamppb.Timestamp, *structpb.Struct, *structpb.Value, *structpb.ListValue:
	case *wrapperspb.BoolValue, *wrapperspb.StringValue, *wrapperspb.BytesValue,
		*wrapperspb.Int32Value, *wrapperspb.Int64Value, *wrapperspb.UInt32Value, *wrapperspb.UInt64Value,
		*wrapperspb.FloatValue, *wrapperspb.DoubleValue:
		c.scalar(m.Descriptor().Fields().ByNumber(1), text)
		// Protobuf merges a wrapper like any message: the zero in it replaces nothing that is there.
		if as == part && proto.Size(m.Interface()) == 0 {
			c.add(MergeOfZeroWrapper, c.at(), "the value is false, zero or empty: it takes effect where istiod leaves the field unset, and not over a value that istiod has set",
				"look at the proxy's configuration with istioctl proxy-config before you rely on it")
		}
	default:
		c.message(m, text.GetStructValue(), as)
	}
}

// any checks the message in an Any. Protoc-gen-validate does not look into it.
func (c checker) any(a *anypb.Any, tree *structpb.Struct, as role) {
	m, err := unpack(a)
	if err != nil {
		return // reported where the value was written or read
	}
	switch {
	case envoyapi.HasOwnForm(m.Descriptor()):
		text, ok := tree.GetFields()["value"]
		if !ok { // google.protobuf.Empty, for which protojson does not ask for it
			c.narrow("there is no value beside the type "+string(m.Descriptor().FullName()), `write "value": {} beside "@type"`)
			return
		}
		c.enter("value")
		c.child(m, text, as)
		c.leave()
	case as == part: // the typed_config of a filter that is merged
		c.merged(m, tree)
	default:
		c.message(m, tree, as)
	}
}

// scalar checks that istiod reads a number or bytes as they are written.
func (c checker) scalar(fd protoreflect.FieldDescriptor, text *structpb.Value) {
	s, isText := text.GetKind().(*structpb.Value_StringValue) // numbers may be in quotes
	switch fd.Kind() {
	case protoreflect.BytesKind:
		if _, err := base64.StdEncoding.DecodeString(text.GetStringValue()); err != nil {
			c.narrow(quote(text.GetStringValue())+" is not base64 of the standard alphabet with padding", `write it with "+", "/" and "="`)
		}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		if n := text.GetNumberValue(); isText && !isInteger(s.StringValue) || n == 0 && math.Signbit(n) {
			c.narrow(literal(text)+" is not in digits only", "write the number in digits only")
		}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		if isText && !isInteger(strings.TrimPrefix(s.StringValue, "-")) {
			c.narrow(literal(text)+" is not in digits only", "write the number in digits only")
		}
	}
}

// isInteger says whether s is zero or digits that do not begin with zero.
func isInteger(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

var NotReadByIstiod = finding.Rule{Code: "WS269", Severity: finding.SeverityError,
	Meaning: "A value must be written so that istiod reads it, which is narrower than protobuf's JSON mapping in places.",
	Source:  "golang/protobuf jsonpb/decode.go; istio/istio pkg/util/protomarshal/protomarshal.go"}

// narrow reports what protobuf's JSON mapping takes, and with it internal/manifest, and what istiod's reader (jsonpb of
// golang/protobuf 1.5) refuses.
func (c checker) narrow(message, hint string) {
	c.add(NotReadByIstiod, c.at(), message+", and istiod refuses the EnvoyFilter", hint)
}

var MergeOfZero = finding.Rule{Code: "WS266", Severity: finding.SeverityError,
	Meaning: "A MERGE cannot set a field to false, zero or empty.",
	Source:  "istio/istio pkg/proto/merge/merge.go; protobuf.dev/programming-guides/field_presence"}

func (c checker) zero(message string) {
	c.add(MergeOfZero, c.at(), message+": to protobuf a field that is false, zero or empty is not there",
		"leave it out, or set another value; what another EnvoyFilter has set is undone by changing that one")
}

// literal writes a value that is false, zero or empty.
func literal(v *structpb.Value) string {
	switch k := v.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return fmt.Sprint(k.BoolValue)
	case *structpb.Value_NumberValue:
		return fmt.Sprint(k.NumberValue)
	case *structpb.Value_StringValue:
		return quote(k.StringValue)
	case *structpb.Value_ListValue:
		return "[]"
	case *structpb.Value_StructValue:
		return "{}"
	}
	return "null"
}

var UpgradeConfigsAppended = finding.Rule{Code: "WS261", Severity: finding.SeverityError,
	Meaning: "A MERGE must not give upgrade_configs: they are appended, and Envoy refuses a type that stands twice.",
	Source:  "istio/istio pilot/pkg/networking/core/listener_builder.go; envoyproxy/envoy source/extensions/filters/network/http_connection_manager/config.cc"}

// manager checks what is merged into an HttpConnectionManager.
func (c checker) manager(m protoreflect.Message, tree *structpb.Struct) {
	all := m.Descriptor().Fields()
	for name, text := range tree.GetFields() {
		fd := fieldByName(all, name)
		if fd == nil {
			continue // "@type"
		}
		c.enter(name)
		entries, fields := len(text.GetListValue().GetValues()), len(text.GetStructValue().GetFields())
		switch {
		case fd.Name() == "upgrade_configs" && entries > 0:
			c.add(UpgradeConfigsAppended, c.at(), "the MERGE appends upgrade_configs to those of istiod, with websocket among them, and Envoy refuses the listener where a type stands twice",
				"leave it out: istiod allows the upgrade to websocket on every HttpConnectionManager")
		case fd.Name() == "http_filters" && entries > 0:
			c.afterLast(c.at(), "the MERGE appends http_filters after the router", "use applyTo HTTP_FILTER with INSERT_BEFORE")
		case slices.Contains(protocolOptions, fd.Name()) && fields == 0 && m.Has(fd):
			c.zero("the MERGE sets nothing in " + string(fd.Name()))
		}
		c.leave()
	}
}

// protocolOptions are the fields of an HttpConnectionManager that to Envoy are the same without any option set as
// left out.
var protocolOptions = []protoreflect.Name{"common_http_protocol_options", "http_protocol_options", "http2_protocol_options"}
