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
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A patchValue is the value of a patch: a message, and the text that it is written as. The message is of the type of applyTo.
// If isBare is set, it is the configuration of a filter, and its text stands in typed_config.
type patchValue struct {
	message protoreflect.Message
	text    *structpb.Struct
	isBare  bool
}

// A writtenField is a field that the text of a message sets. Istiod accepts its name in two spellings, and findings are
// reported at the one that is written.
type writtenField struct {
	fd   protoreflect.FieldDescriptor
	name string
	text *structpb.Value
}

// writtenFields returns the fields of m that text sets.
func writtenFields(m protoreflect.Message, text *structpb.Struct) []writtenField {
	known := m.Descriptor().Fields()
	fields := make([]writtenField, 0, len(text.GetFields()))
	for name, value := range text.GetFields() {
		fd := known.ByTextName(name)
		if fd == nil {
			fd = known.ByJSONName(name)
		}
		if fd != nil { // "@type" is not a field
			fields = append(fields, writtenField{fd, name, value})
		}
	}
	return fields
}

// nameOf returns the name with which a field is written, or its name in the .proto file if it is not written.
func nameOf(fd protoreflect.FieldDescriptor, fields []writtenField) string {
	for _, f := range fields {
		if f.fd == fd {
			return f.name
		}
	}
	return fd.TextName()
}

// A role is what istiod does with a message in a patch.
type role int

const (
	// whole is the role of a message that istiod takes as it is, so that all of Envoy's rules apply to it: the value of an
	// ADD, INSERT_* or REPLACE. In a MERGE it is the role of the entries of lists and maps, because lists are appended and
	// the values of maps are replaced (pkg/proto/merge), and of the messages in an Any, unless that belongs to a holder.
	whole role = iota
	// part is the role of a message that istiod merges, field by field, into one of its own. It may be incomplete, and to
	// the merge a field that is false, zero or empty is not set.
	part
	// holder is the role of a part whose typed_config holds a message that is merged too: a filter or a transport socket
	// (util.MergeAnyWithAny).
	holder
	// unused is the role of the value of a REMOVE, and of a field that Envoy does not check. Istiod must be able to read
	// it, and no other rule applies.
	unused
)

func (as role) isMerged() bool { return as == part || as == holder }

// entry returns the role of the entries of a list or map in a message with the role as.
func (as role) entry() role {
	if as == unused {
		return unused
	}
	return whole
}

// checkValue checks the value of a patch: what the operation does with it in istiod, and the rules of Envoy's API.
func (r *report) checkValue(config *networking.EnvoyFilter_EnvoyConfigObjectPatch, t patchValue) {
	mark := r.mark()
	r.enter("patch")
	r.enter("value")
	c := checker{report: r, op: config.GetPatch().GetOperation()}
	name, _ := selection(config)
	switch {
	case t.isBare:
		r.enter("typed_config")
		c.mergedType(name, t.message.Descriptor().FullName())
		c.merged(t.message, t.text)
		r.leave()
	case c.op == opRemove:
		c.message(t.message, t.text, unused)
	case !isMerge(c.op):
		c.message(t.message, t.text, whole)
	case kindOf(config.GetApplyTo()).typedConfig:
		c.mergedFilter(name, t.message, t.text)
		c.message(t.message, t.text, holder)
	default:
		c.mergedObject(t.message, t.text)
		c.merged(t.message, t.text)
	}
	r.leave()
	r.leave()
	r.sort(mark)
}

type checker struct {
	*report
	op networking.EnvoyFilter_Patch_Operation
}

// ManagerRenamed is rule WS263. A MERGE must not rename the HttpConnectionManager.
var ManagerRenamed = finding.Rule{Code: "WS263", Severity: finding.SeverityError,
	Meaning: "A MERGE must not rename the HttpConnectionManager.",
	Source:  "istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go (patchNetworkFilter)"}

// mergedFilter checks a filter that is merged. Istiod merges its name and typed_config and ignores its other fields
// (listener_patch.go, patchNetworkFilter and mergeHTTPFilter).
func (c checker) mergedFilter(selected string, m protoreflect.Message, text *structpb.Struct) {
	known, fields := m.Descriptor().Fields(), writtenFields(m, text)
	payload := protoreflect.FullName("")
	config := known.ByName("typed_config")
	if a, ok := envoyapi.WellKnown(m.Get(config).Message()).Interface().(*anypb.Any); ok && a != nil {
		if mt, err := envoyapi.Types.FindMessageByURL(a.GetTypeUrl()); err == nil {
			payload = mt.Descriptor().FullName()
			c.enter(nameOf(config, fields))
			c.mergedType(selected, payload)
			c.leave()
		}
	}
	isManager := selected == istio.ManagerFilter || selected == istio.OldManagerFilter || payload == httpConnectionManager
	if name := m.Get(known.ByName("name")).String(); isManager && name != "" && name != istio.ManagerFilter {
		c.add(ManagerRenamed, c.at("name"), fmt.Sprintf("the MERGE renames the HttpConnectionManager to %s, and istiod finds no HTTP filters in it any more", quote(name)),
			"leave the name out")
	}
	for _, f := range fields {
		if f.fd.Name() != "name" && f.fd.Name() != "typed_config" {
			c.unmerged(c.at(f.name), fmt.Sprintf("a MERGE takes the name and the typed_config of a filter, and not its %s", f.name))
		}
	}
}

// mergedObject checks an object that is merged and is not a filter.
func (c checker) mergedObject(m protoreflect.Message, text *structpb.Struct) {
	// mergeTransportSocketCluster in cluster_patch.go stops at the transport_socket.
	if m.Descriptor().FullName() != kinds[networking.EnvoyFilter_CLUSTER].object || !m.Has(m.Descriptor().Fields().ByName("transport_socket")) {
		return
	}
	for _, f := range writtenFields(m, text) {
		if f.fd.Name() != "transport_socket" {
			c.unmerged(c.at(f.name), fmt.Sprintf("a MERGE of a cluster with a transport_socket merges only that, and not the %s", f.name))
		}
	}
}

// FieldNotMerged is rule WS264. A MERGE of a filter takes its name and typed_config only, and one of a cluster's
// transport_socket only that.
var FieldNotMerged = finding.Rule{Code: "WS264", Severity: finding.SeverityError,
	Meaning: "A MERGE of a filter takes its name and typed_config only, and one of a cluster's transport_socket only that.",
	Source:  "istio/istio pilot/pkg/networking/core/envoyfilter/listener_patch.go, cluster_patch.go"}

func (c checker) unmerged(path, message string) {
	c.add(FieldNotMerged, path, message, "leave it out, or write it into a patch of its own")
}

// MergeOfOtherType is rule WS262. A MERGE must give a filter's configuration in the type that the filter has, and not
// as a TypedStruct.
var MergeOfOtherType = finding.Rule{Code: "WS262", Severity: finding.SeverityError,
	Meaning: "A MERGE must give a filter's configuration in the type that the filter has, and not as a TypedStruct.",
	Source:  "istio/istio pkg/proto/merge/merge.go (descriptor mismatch); pilot/pkg/networking/util/util.go (MergeAnyWithAny)"}

// mergedType checks that a configuration has the type of the filter that it is merged into.
func (c checker) mergedType(selected string, payload protoreflect.FullName) {
	if selected == istio.OldManagerFilter {
		selected = istio.ManagerFilter
	}
	want, ok := filterTypes[selected]
	// No other of Envoy's filters has an HttpConnectionManager. A filter under a name of the user's own may.
	other := !ok && payload == httpConnectionManager && strings.HasPrefix(selected, "envoy.filters.")
	if ok && payload != want || other {
		c.add(MergeOfOtherType, c.at(), fmt.Sprintf("the type %s is merged into %s, which has another: istiod panics, and loses the listener patches that were still to come for the proxy", payload, selected),
			`give the filter's own type, and no TypedStruct, as "@type"`)
	}
}

// merged checks a message that is merged field by field.
func (c checker) merged(m protoreflect.Message, text *structpb.Struct) {
	if len(writtenFields(m, text)) == 0 {
		c.zero("the MERGE sets nothing")
	}
	c.message(m, text, part)
}

// NoTypedConfig is rule WS265. An extension must have its typed_config.
var NoTypedConfig = finding.Rule{Code: "WS265", Severity: finding.Warning,
	Meaning: "An extension must have its typed_config.",
	Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (validateMissingTypedConfigFilterTypes)"}

// message checks m, which is written as text, and all messages in it.
func (c checker) message(m protoreflect.Message, text *structpb.Struct, as role) {
	md, fields := m.Descriptor(), writtenFields(m, text)
	if as.isMerged() && md.FullName() == httpConnectionManager {
		c.manager(m, fields)
	}
	if as != unused {
		c.constraints(m, fields, as)
	}
	if fd := md.Fields().ByName("typed_config"); fd != nil && !m.Has(fd) && as != unused {
		if discovery := md.Fields().ByName("config_discovery"); discovery == nil || !m.Has(discovery) {
			c.add(NoTypedConfig, c.at(), "the typed_config is missing", `give the configuration with its "@type": Envoy does not look up an extension by its name alone any more`)
		}
	}
	for _, f := range fields {
		fd, v := f.fd, m.Get(f.fd)
		c.enter(f.name)
		isSet := true
		switch {
		case fd.IsList():
			list := v.List()
			for i, text := range f.text.GetListValue().GetValues() {
				c.enterItem(i)
				c.single(fd, list.Get(i), text, as.entry())
				c.leave()
			}
			isSet = list.Len() > 0
		case fd.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				c.enter(k.String())
				c.single(fd.MapValue(), v, f.text.GetStructValue().GetFields()[k.String()], as.entry())
				c.leave()
				return true
			})
			isSet = v.Map().Len() > 0
		case fd.Message() != nil:
			if isSet = v.Message().IsValid(); isSet {
				c.child(v.Message(), f.text, roleOf(md, fd, as))
			}
		case fd.Enum() != nil:
			c.enum(fd, v)
			isSet = m.Has(fd)
		default:
			c.scalar(fd, f.text)
			isSet = m.Has(fd)
		}
		if !isSet && as.isMerged() {
			c.zero(fmt.Sprintf("a MERGE cannot set %s to %s", f.name, literal(f.text)))
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

// enum reports a number that has no name in Envoy's API.
func (c checker) enum(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	if fd.Enum().Values().ByNumber(v.Enum()) == nil {
		c.unknownEnum(int32(v.Enum()), fd.Enum())
	}
}

// roleOf returns the role of the message in a field of a message with the role as.
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

// MergeOfZeroWrapper is rule WS267. A MERGE of a wrapper that is false, zero or empty does not replace a value that
// is there.
var MergeOfZeroWrapper = finding.Rule{Code: "WS267", Severity: finding.Info,
	Meaning: "A MERGE of a wrapper that is false, zero or empty does not replace a value that is there.",
	Source:  "istio/istio pkg/proto/merge/merge.go (mergeMessage)"}

// child checks a message in a field of another one.
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
		// Protobuf merges a wrapper like any message: a zero in it replaces no value.
		if as == part && proto.Size(m.Interface()) == 0 {
			c.add(MergeOfZeroWrapper, c.at(), "the value is false, zero or empty: it takes effect where istiod leaves the field unset, and not over a value that istiod has set",
				"look at the proxy's configuration with istioctl proxy-config before you rely on it")
		}
	default:
		c.message(m, text.GetStructValue(), as)
	}
}

// any checks the message in an Any, which protoc-gen-validate does not do.
func (c checker) any(a *anypb.Any, text *structpb.Struct, as role) {
	m, err := unpack(a)
	if err != nil {
		return // reported when the value was written or read
	}
	switch {
	case envoyapi.HasOwnForm(m.Descriptor()):
		value, ok := text.GetFields()["value"]
		if !ok { // a google.protobuf.Empty, of which protojson does not require it
			c.narrow("there is no value beside the type "+string(m.Descriptor().FullName()), `write "value": {} beside "@type"`)
			return
		}
		c.enter("value")
		c.child(m, value, as)
		c.leave()
	case as == part: // the typed_config of a filter that is merged
		c.merged(m, text)
	default:
		c.message(m, text, as)
	}
}

// scalar checks that istiod can read a number or bytes as they are written.
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

// isInteger reports whether s is "0", or digits that do not begin with 0.
func isInteger(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// NotReadByIstiod is rule WS269. A value must be written so that istiod reads it, which is narrower than protobuf's
// JSON mapping in places.
var NotReadByIstiod = finding.Rule{Code: "WS269", Severity: finding.SeverityError,
	Meaning: "A value must be written so that istiod reads it, which is narrower than protobuf's JSON mapping in places.",
	Source:  "golang/protobuf jsonpb/decode.go; istio/istio pkg/util/protomarshal/protomarshal.go"}

// narrow reports text that protobuf's JSON mapping accepts, and so internal/manifest too, and that istiod's reader (jsonpb of
// golang/protobuf 1.5) refuses.
func (c checker) narrow(message, hint string) {
	c.add(NotReadByIstiod, c.at(), message+", and istiod refuses the EnvoyFilter", hint)
}

// MergeOfZero is rule WS266. A MERGE cannot set a field to false, zero or empty.
var MergeOfZero = finding.Rule{Code: "WS266", Severity: finding.SeverityError,
	Meaning: "A MERGE cannot set a field to false, zero or empty.",
	Source:  "istio/istio pkg/proto/merge/merge.go; protobuf.dev/programming-guides/field_presence"}

func (c checker) zero(message string) {
	c.add(MergeOfZero, c.at(), message+": to protobuf a field that is false, zero or empty is not there",
		"leave it out, or set another value; what another EnvoyFilter has set is undone by changing that one")
}

// literal returns the JSON of a value that is false, zero or empty.
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

// UpgradeConfigsAppended is rule WS261. A MERGE must not give upgrade_configs: they are appended, and Envoy refuses a
// type that stands twice.
var UpgradeConfigsAppended = finding.Rule{Code: "WS261", Severity: finding.SeverityError,
	Meaning: "A MERGE must not give upgrade_configs: they are appended, and Envoy refuses a type that stands twice.",
	Source:  "istio/istio pilot/pkg/networking/core/listener_builder.go; envoyproxy/envoy source/extensions/filters/network/http_connection_manager/config.cc"}

// manager checks what is merged into an HttpConnectionManager.
func (c checker) manager(m protoreflect.Message, fields []writtenField) {
	for _, f := range fields {
		c.enter(f.name)
		switch name := f.fd.Name(); {
		case !m.Has(f.fd): // message reports an empty list
		case name == "upgrade_configs":
			c.add(UpgradeConfigsAppended, c.at(), "the MERGE appends upgrade_configs to those of istiod, with websocket among them, and Envoy refuses the listener where a type stands twice",
				"leave it out: istiod allows the upgrade to websocket on every HttpConnectionManager")
		case name == "http_filters":
			c.afterLast(c.at(), "the MERGE appends http_filters after the router", "use applyTo HTTP_FILTER with INSERT_BEFORE")
		case slices.Contains(protocolOptions, name) && len(f.text.GetStructValue().GetFields()) == 0:
			c.zero("the MERGE sets nothing in " + string(name))
		}
		c.leave()
	}
}

// protocolOptions are fields of an HttpConnectionManager that Envoy reads in the same way if they are not set and if no
// option is set in them.
var protocolOptions = []protoreflect.Name{"common_http_protocol_options", "http_protocol_options", "http2_protocol_options"}
