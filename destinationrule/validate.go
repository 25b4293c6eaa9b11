// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
	typev1beta1 "istio.io/api/type/v1beta1"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Limits of the schema of the CustomResourceDefinition (istio/api kubernetes/customresourcedefinitions.gen.yaml), and the
// highest number of a port.
const (
	maxEntries       = 4096
	maxSelectorValue = 63
	maxPort          = 65535
)

// upgradePolicies lists the values of h2UpgradePolicy for hints.
const upgradePolicies = "DEFAULT, DO_NOT_UPGRADE or UPGRADE"

// UnknownAPIVersion is rule WS101. The apiVersion is one that Istio serves for DestinationRule.
var UnknownAPIVersion = finding.Rule{Code: "WS101", Severity: finding.SeverityError,
	Meaning: "The apiVersion is one that Istio serves for DestinationRule.", Source: apiSchema}

// Validate returns all findings about the rule, or nil if there are none.
//
// An error is what istiod's validating webhook (istio/istio pkg/config/validation, ValidateDestinationRule), the
// CustomResourceDefinition (schema and CEL) or Kubernetes (metadata) would refuse, or what cannot be written as JSON. A
// warning is what Istio accepts although it has no effect or harms WebSockets.
//
// Validate judges the rule as it would be written, without enums that are zero and lists that are empty. If Namespace is
// empty, settings that are valid in some namespaces only are errors, because the rule may be applied to any.
func (r *Rule) Validate() finding.List {
	if r == nil {
		return r.written()
	}
	list := r.object().Validate()
	v := validator{namespace: r.Namespace}
	switch r.APIVersion {
	case v1, v1beta1, v1alpha3:
	default:
		v.add(UnknownAPIVersion, "apiVersion",
			fmt.Sprintf("%q is no API version of DestinationRule that Istio serves", r.APIVersion),
			"write "+v1beta1+" (Istio 1.5 and later), "+v1+" (1.22 and later) or "+v1alpha3)
	}
	if r.Spec == nil {
		list = append(list, r.written()...)
	} else {
		v.spec(r.Spec)
	}
	if list = append(list, v.findings...); len(list) == 0 {
		return nil
	}
	return list.WithObject(r.String())
}

// NoSpec is rule WS102. A DestinationRule has a spec.
var NoSpec = finding.Rule{Code: "WS102", Severity: finding.SeverityError,
	Meaning: "A DestinationRule has a spec.", Source: apiSchema}

func noSpec(path, message string) finding.Finding {
	return finding.New(NoSpec, path, message, "give it a spec with a host")
}

// A validator collects findings about one rule.
type validator struct {
	namespace string
	findings  finding.List

	// The first depth steps lead to what is being checked. No field of a DestinationRule lies deeper than the array is long,
	// and with an array the validation of a good rule does not allocate.
	steps [12]fieldpath.Step
	depth int
}

func (v *validator) add(r finding.Rule, path, message, hint string) {
	v.findings = append(v.findings, finding.New(r, path, message, hint))
}

// enter steps down to a field of what is being checked, enterItem to an item of a list, and leave steps up again.
func (v *validator) enter(field string) { v.push(fieldpath.Name(field)) }
func (v *validator) enterItem(i int)    { v.push(fieldpath.Index(i)) }
func (v *validator) leave()             { v.depth-- }

func (v *validator) push(s fieldpath.Step) {
	v.steps[v.depth] = s
	v.depth++
}

// here returns the path of what is being checked.
func (v *validator) here() string { return v.below() }

// at returns the path of a field of what is being checked, atItem that of an item of a field that is a list, and atKey that
// of an entry of a field that is a map.
func (v *validator) at(field string) string { return v.below(fieldpath.Name(field)) }
func (v *validator) atItem(field string, i int) string {
	return v.below(fieldpath.Name(field), fieldpath.Index(i))
}
func (v *validator) atKey(field, key string) string {
	return v.below(fieldpath.Name(field), fieldpath.Name(key))
}

func (v *validator) below(steps ...fieldpath.Step) string {
	return fieldpath.Path(v.steps[:v.depth]).At(steps...)
}

// items calls check with each item of a list, and reports those that are nil.
func items[T any](v *validator, field string, list []*T, check func(int, *T)) {
	v.enter(field)
	defer v.leave()
	for i, item := range list {
		v.enterItem(i)
		if item == nil {
			v.null()
		} else {
			check(i, item)
		}
		v.leave()
	}
}

func (v *validator) spec(spec *networking.DestinationRule) {
	v.enter("spec")
	defer v.leave()
	v.host(spec.GetHost())
	v.trafficPolicy(spec.GetTrafficPolicy())
	v.subsets(spec.GetSubsets())
	v.exportTo(spec.GetExportTo(), spec.GetWorkloadSelector() != nil)
	v.workloadSelector(spec.GetWorkloadSelector())
	v.effect(spec)
}

// InvalidHost is rule WS111. The host is a DNS name, with a wildcard in its first label at most.
var InvalidHost = finding.Rule{Code: "WS111", Severity: finding.SeverityError,
	Meaning: "The host is a DNS name, with a wildcard in its first label at most.",
	Source:  "istio/istio pkg/config/validation/agent/validation.go, ValidateWildcardDomain"}

// host checks the host as ValidateWildcardDomain in pkg/config/validation/agent does.
func (v *validator) host(host string) {
	if !isWildcardDomain(host) {
		v.add(InvalidHost, v.at("host"),
			fmt.Sprintf("the host %q is no DNS name, nor one with a wildcard in its first label", host),
			`write the full name of the Service, such as "websockets-server.default.svc.cluster.local"`)
	}
}

var (
	// InvalidSubsetName is rule WS117. The name of a subset is a DNS label.
	InvalidSubsetName = finding.Rule{Code: "WS117", Severity: finding.SeverityError,
		Meaning: "The name of a subset is a DNS label.", Source: "istio/istio pkg/config/validation/validation.go, validateSubsetName"}
	// DuplicateSubset is rule WS118. The name of a subset is that of no other.
	DuplicateSubset = finding.Rule{Code: "WS118", Severity: finding.SeverityError,
		Meaning: "The name of a subset is that of no other.", Source: istioDestinationRule}
)

func (v *validator) subsets(subsets []*networking.Subset) {
	var seen map[string]int
	if len(subsets) > 1 {
		seen = make(map[string]int, len(subsets))
	}
	items(v, "subsets", subsets, func(i int, s *networking.Subset) {
		if first, again := seen[s.GetName()]; again {
			v.add(DuplicateSubset, v.at("name"),
				fmt.Sprintf("the name %q is that of spec.subsets[%d] too", s.GetName(), first),
				"give each subset a name of its own")
		} else if seen != nil {
			seen[s.GetName()] = i
		}
		if !isDNSLabel(s.GetName()) {
			v.add(InvalidSubsetName, v.at("name"),
				fmt.Sprintf("the subset name %q is no DNS label", s.GetName()),
				"write at most 63 letters, digits and '-', with a letter or digit at both ends")
		}
		v.subsetLabels(s.GetLabels())
		v.trafficPolicy(s.GetTrafficPolicy())
	})
}

// subsetLabels checks labels as labels.Instance.Validate in pkg/config/labels does. That is less strict than Kubernetes: it
// accepts upper case in the prefix of a key, and values of any length.
func (v *validator) subsetLabels(labels map[string]string) {
	start := len(v.findings)
	for key, value := range labels {
		if !isLabelKey(key) {
			v.subsetLabel(v.atKey("labels", key), fmt.Sprintf("%q is no label key", key))
		}
		if !isLabelValue(value) {
			v.subsetLabel(v.atKey("labels", key), fmt.Sprintf("%q is no label value", value))
		}
	}
	v.sortFrom(start)
}

// InvalidSubsetLabel is rule WS119. A label of a subset has the form of a label.
var InvalidSubsetLabel = finding.Rule{Code: "WS119", Severity: finding.SeverityError,
	Meaning: "A label of a subset has the form of a label.", Source: "istio/istio pkg/config/labels/instance.go, Validate"}

func (v *validator) subsetLabel(path, message string) {
	v.add(InvalidSubsetLabel, path, message,
		"write letters, digits, '-', '_' and '.', with a letter or digit at both ends; a key may have a DNS name and '/' before it")
}

// sortFrom sorts the findings from start on, which are about entries of a map, by their paths.
func (v *validator) sortFrom(start int) {
	slices.SortFunc(v.findings[start:], func(a, b finding.Finding) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Message, b.Message))
	})
}

var (
	// InvalidExportTo is rule WS112. An entry of exportTo is a namespace, "." or "*".
	InvalidExportTo = finding.Rule{Code: "WS112", Severity: finding.SeverityError,
		Meaning: `An entry of exportTo is a namespace, "." or "*".`, Source: istioExportTo}
	// WildcardExportToNotAlone is rule WS114. "*" stands alone in exportTo.
	WildcardExportToNotAlone = finding.Rule{Code: "WS114", Severity: finding.SeverityError,
		Meaning: `"*" stands alone in exportTo.`, Source: istioExportTo}
	// SelectorExported is rule WS115. A rule with a workloadSelector is exported to its own namespace alone.
	SelectorExported = finding.Rule{Code: "WS115", Severity: finding.SeverityError,
		Meaning: "A rule with a workloadSelector is exported to its own namespace alone.", Source: istioExportTo}
)

// exportTo checks the list as validateExportTo in pkg/config/validation does. It is stricter if the rule has no namespace:
// "." may then be any namespace, so no other entry may stand beside it, and no name is known to be the rule's own.
func (v *validator) exportTo(exportTo []string, selector bool) {
	var seen map[string]int
	if len(exportTo) > 1 {
		seen = make(map[string]int, len(exportTo))
	}
	for i, e := range exportTo {
		namespace := e
		if e == "." && v.namespace != "" {
			namespace = v.namespace
		}
		if first, again := seen[namespace]; again {
			v.exportedTwice(i, fmt.Sprintf("%q names the same namespace as exportTo[%d], %q", e, first, exportTo[first]),
				"name each namespace once")
			continue
		} else if seen != nil {
			seen[namespace] = i
		}
		if e != "." && e != "*" && !isDNSLabel(e) {
			v.add(InvalidExportTo, v.atItem("exportTo", i),
				fmt.Sprintf("%q is neither a namespace nor \".\" or \"*\"", e),
				`write the name of a namespace, "." for the rule's own, or "*" alone for all`)
		}
		if e == "." && v.namespace == "" && len(exportTo) > 1 {
			v.exportedTwice(i, `"." may be a namespace of the list, because the rule does not say its own`, "set metadata.namespace")
		}
		if e == "*" && len(exportTo) > 1 {
			v.add(WildcardExportToNotAlone, v.atItem("exportTo", i), `"*" stands beside other entries`,
				`write "*" alone, or only the namespaces`)
		}
		if selector && namespace != "." && (namespace != v.namespace || namespace == "") {
			v.add(SelectorExported, v.atItem("exportTo", i),
				fmt.Sprintf("%q is beyond the rule's own namespace, and a rule with a workloadSelector holds in no other", e),
				`leave exportTo out or write "." alone`)
		}
	}
}

// DuplicateExportTo is rule WS113. exportTo names no namespace twice.
var DuplicateExportTo = finding.Rule{Code: "WS113", Severity: finding.SeverityError,
	Meaning: "exportTo names no namespace twice.", Source: istioExportTo}

func (v *validator) exportedTwice(i int, message, hint string) {
	v.add(DuplicateExportTo, v.atItem("exportTo", i), message, hint)
}

// InvalidSelectorLabel is rule WS116. A label of the workloadSelector has a key, no wildcard, and at most 63
// characters in its value.
var InvalidSelectorLabel = finding.Rule{Code: "WS116", Severity: finding.SeverityError,
	Meaning: "A label of the workloadSelector has a key, no wildcard, and at most 63 characters in its value.",
	Source:  "istio/istio pkg/config/validation/validation.go, validateWorkloadSelector; " + apiSchema}

func (v *validator) workloadSelector(selector *typev1beta1.WorkloadSelector) {
	if selector == nil {
		return
	}
	v.enter("workloadSelector")
	defer v.leave()
	if len(selector.GetMatchLabels()) > maxEntries {
		v.tooMany(v.at("matchLabels"), len(selector.GetMatchLabels()))
	}
	start := len(v.findings)
	for key, value := range selector.GetMatchLabels() {
		if reason := selectorProblem(key, value); reason != "" {
			v.add(InvalidSelectorLabel, v.atKey("matchLabels", key), fmt.Sprintf("%q: %q %s", key, value, reason),
				"write the labels of the client's pods in full")
		}
	}
	v.sortFrom(start)
}

// selectorProblem returns the reason why validateWorkloadSelector in pkg/config/validation or the schema refuses a label, or
// "".
func selectorProblem(key, value string) string {
	switch {
	case !utf8.ValidString(key) || !utf8.ValidString(value):
		return "is not UTF-8"
	case key == "":
		return "has no key"
	case strings.Contains(key, "*") || strings.Contains(value, "*"):
		return "has a wildcard, which a selector does not take"
	case utf8.RuneCountInString(value) > maxSelectorValue:
		return "has a value of more than 63 characters"
	}
	return ""
}

// The methods below check what many fields have in common.

// text checks a string that may be any text.
func (v *validator) text(field, s string) {
	if !utf8.ValidString(s) {
		v.notUTF8(v.at(field), s)
	}
}

func (v *validator) texts(field string, list []string) {
	for i, s := range list {
		if !utf8.ValidString(s) {
			v.notUTF8(v.atItem(field, i), s)
		}
	}
}

// NotUTF8 is rule WS103. Text is UTF-8.
var NotUTF8 = finding.Rule{Code: "WS103", Severity: finding.SeverityError,
	Meaning: "Text is UTF-8.", Source: protoJSON}

func (v *validator) notUTF8(path, s string) {
	v.add(NotUTF8, path, fmt.Sprintf("%q is not UTF-8 and cannot be written as YAML or JSON", s),
		"write the text in UTF-8")
}

// NullEntry is rule WS104. A list has no null entry, and a oneof is not set to nothing.
var NullEntry = finding.Rule{Code: "WS104", Severity: finding.SeverityError,
	Meaning: "A list has no null entry, and a oneof is not set to nothing.", Source: apiSchema}

// null reports an item of a list, or a member of a oneof, that is nil.
func (v *validator) null() {
	v.add(NullEntry, v.here(), "the entry is null", "fill it in or leave it out")
}

// UnknownEnumValue is rule WS105. An enum has a value that the API knows.
var UnknownEnumValue = finding.Rule{Code: "WS105", Severity: finding.SeverityError,
	Meaning: "An enum has a value that the API knows.", Source: apiSchema}

func unknownEnum(path, got, allowed string) finding.Finding {
	return finding.New(UnknownEnumValue, path, got+" is no value of this field", "write "+allowed)
}

// enum checks that the number of an enum has a name. protojson would write one without a name as a number, and the schema
// accepts names only.
func (v *validator) enum(field string, number int32, known map[int32]string, allowed string) {
	if _, ok := known[number]; !ok {
		v.findings = append(v.findings, unknownEnum(v.at(field), strconv.Itoa(int(number)), allowed))
	}
}

// duration checks a duration that has to be in whole milliseconds for the webhook (agent.ValidateDuration), and at least 1ms
// for the schema.
func (v *validator) duration(field string, d *durationpb.Duration) {
	v.boundedDuration(field, d, time.Millisecond, "whole milliseconds from 1ms up")
}

// requiredDuration checks a duration as duration does, and that it is set.
func (v *validator) requiredDuration(field string, d *durationpb.Duration) {
	if d == nil {
		v.missing(v.at(field), "write a duration, such as 10s")
		return
	}
	v.duration(field, d)
}

// DurationOutOfBounds is rule WS107. A duration keeps to the bounds of its field, mostly whole milliseconds from 1ms
// up.
var DurationOutOfBounds = finding.Rule{Code: "WS107", Severity: finding.SeverityError,
	Meaning: "A duration keeps to the bounds of its field, mostly whole milliseconds from 1ms up.",
	Source:  "istio/istio pkg/config/validation/agent/validation.go, ValidateDuration; " + apiSchema}

func (v *validator) boundedDuration(field string, d *durationpb.Duration, step time.Duration, allowed string) {
	if d == nil || !v.writable(field, d) {
		return
	}
	if got := d.AsDuration(); got < time.Millisecond || got%step != 0 {
		v.add(DurationOutOfBounds, v.at(field), fmt.Sprintf("the duration %s is out of bounds", got), "write "+allowed)
	}
}

// UnwritableDuration is rule WS106. A duration is one that can be written.
var UnwritableDuration = finding.Rule{Code: "WS106", Severity: finding.SeverityError,
	Meaning: "A duration is one that can be written.", Source: protoJSON}

// writable reports whether d can be written, and adds a finding if not. protobuf must have a text for it, which istiod
// (golang/protobuf jsonpb) and CEL read with time.ParseDuration into 64 bits of nanoseconds.
func (v *validator) writable(field string, d *durationpb.Duration) bool {
	if d == nil {
		return true
	}
	// AsDuration returns another duration for one that does not fit.
	got := d.AsDuration()
	if d.IsValid() && d.GetSeconds() == int64(got/time.Second) && d.GetNanos() == int32(got%time.Second) {
		return true
	}
	v.add(UnwritableDuration, v.at(field),
		fmt.Sprintf("a duration of %d seconds and %d nanoseconds cannot be written so that Istio can read it", d.GetSeconds(), d.GetNanos()),
		"stay within 292 years, with less than a second of nanoseconds and the same sign for both")
	return false
}

// NumberOutOfRange is rule WS108. A number keeps to the range of its field.
var NumberOutOfRange = finding.Rule{Code: "WS108", Severity: finding.SeverityError,
	Meaning: "A number keeps to the range of its field.", Source: istioDestinationRule + "; " + apiSchema}

func (v *validator) outOfRange(path, got, allowed string) {
	v.add(NumberOutOfRange, path, got+" is out of range", "write "+allowed)
}

func (v *validator) notNegative(field string, n int32) {
	if n < 0 {
		v.outOfRange(v.at(field), strconv.Itoa(int(n)), "0 or more")
	}
}

func (v *validator) percent(field string, n int32) {
	if n < 0 || n > 100 {
		v.outOfRange(v.at(field), strconv.Itoa(int(n)), "a percentage from 0 to 100")
	}
}

// doublePercent checks a percentage, and refuses NaN, which JSON does not have.
func (v *validator) doublePercent(field string, n *wrapperspb.DoubleValue) {
	if n != nil && !(n.GetValue() >= 0 && n.GetValue() <= 100) {
		v.outOfRange(v.at(field), strconv.FormatFloat(n.GetValue(), 'g', -1, 64), "a percentage from 0 to 100")
	}
}

// MissingField is rule WS109. A required field is set.
var MissingField = finding.Rule{Code: "WS109", Severity: finding.SeverityError,
	Meaning: "A required field is set.", Source: istioDestinationRule + "; " + apiSchema}

func (v *validator) missing(path, hint string) {
	v.add(MissingField, path, "the field is required and not set", hint)
}

// RefusedByEnvoy is rule WS179. Envoy refuses some values that istiod passes on.
var RefusedByEnvoy = finding.Rule{Code: "WS179", Severity: finding.Warning,
	Meaning: "Envoy refuses some values that istiod passes on.",
	Source:  "envoy/config/cluster/v3/cluster.proto, envoy/config/route/v3/route_components.proto, envoy/extensions/transport_sockets/tls/v3/tls.proto"}

// envoyRefuses warns of a value that istiod accepts and sends to proxies although it breaks a rule of Envoy's API
// (protoc-gen-validate). Envoy then keeps its old configuration, and only the log of istiod shows it.
func (v *validator) envoyRefuses(path, what, hint string) {
	v.add(RefusedByEnvoy, path, "Istio takes "+what+", but Envoy refuses the configuration that comes of it", hint)
}

// TooManyEntries is rule WS110. A list or map has no more entries than the schema allows.
var TooManyEntries = finding.Rule{Code: "WS110", Severity: finding.SeverityError,
	Meaning: "A list or map has no more entries than the schema allows.", Source: apiSchema}

func (v *validator) tooMany(path string, n int) {
	v.add(TooManyEntries, path, fmt.Sprintf("%d entries are more than the schema takes", n), "write at most 4096")
}

// isDNSLabel reports whether s is a DNS label to Istio (labels.IsDNS1123Label in pkg/config/labels), which allows upper case.
func isDNSLabel(s string) bool { return len(s) <= 63 && isLabelText(s) }

func isLabelText(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if s[i] != '-' && !isAlphanumeric(s[i]) {
			return false
		}
	}
	return true
}

// isDomain reports whether s is a domain to ValidateFQDN in pkg/config/validation/agent: DNS labels, of which the last is not
// a number, so that an IPv4 address is not a domain. A dot may follow it.
func isDomain(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	return isLabels(s)
}

func isLabels(s string) bool {
	for {
		label, rest, more := strings.Cut(s, ".")
		if !more {
			return label == "" || isDNSLabel(label) && !isNumber(label)
		}
		if !isDNSLabel(label) {
			return false
		}
		s = rest
	}
}

// isNumber reports whether strconv.Atoi accepts a DNS label. It does not call Atoi for labels that are not digits, because
// the error would allocate.
func isNumber(label string) bool {
	for i := range len(label) {
		if label[i] < '0' || label[i] > '9' {
			return false
		}
	}
	_, err := strconv.Atoi(label)
	return err == nil
}

// isWildcardDomain reports whether s is a domain to ValidateWildcardDomain: its first label may be "*", or begin with "*" or
// "*-", and may be a number.
func isWildcardDomain(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	first, rest, more := strings.Cut(s, ".")
	if len(first) > 63 {
		return false
	}
	if first != "*" {
		label := first
		if after, ok := strings.CutPrefix(first, "*"); ok {
			label = strings.TrimPrefix(after, "-")
		}
		if !isDNSLabel(label) {
			return false
		}
	}
	return !more || isLabels(rest)
}

// isLabelKey reports whether s is the key of a label to validateTagKey in pkg/config/labels. A prefix has at most 253 bytes,
// and its labels may have any length.
func isLabelKey(s string) bool {
	name := s
	if prefix, rest, ok := strings.Cut(s, "/"); ok {
		if len(prefix) > 253 {
			return false
		}
		for label := range strings.SplitSeq(prefix, ".") {
			if !isLabelText(label) {
				return false
			}
		}
		name = rest
	}
	return name != "" && len(name) <= 63 && isLabelValue(name)
}

// isLabelValue reports whether s matches labelValueRegexp in pkg/config/labels, which does not limit the length.
func isLabelValue(s string) bool {
	if s == "" {
		return true
	}
	if !isAlphanumeric(s[0]) || !isAlphanumeric(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '_' && c != '.' && !isAlphanumeric(c) {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
