// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The rules that this package holds documents and objects to. Those of package yamldoc hold the text to YAML.
var (
	IsList = finding.Rule{Code: "WS906", Severity: finding.SeverityError,
		Meaning: "A manifest that is read as one object must not be a List.",
		Source:  "kubernetes/apimachinery pkg/apis/meta/v1 (List)"}
	WrongKind = finding.Rule{Code: "WS907", Severity: finding.SeverityError,
		Meaning: "A document must be of the kind that is read.",
		Source:  "kubernetes/apimachinery pkg/apis/meta/v1 (TypeMeta)"}
	WrongVersion = finding.Rule{Code: "WS908", Severity: finding.SeverityError,
		Meaning: "A document's apiVersion must be one that Istio's CRDs serve.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml"}
	UnknownField = finding.Rule{Code: "WS920", Severity: finding.SeverityError,
		Meaning: "A field must be known: a misspelt one is dropped by Istio without a word.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml; istio/istio#26390"}
	WrongType = finding.Rule{Code: "WS921", Severity: finding.SeverityError,
		Meaning: "A value must have the type of its field.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml; protobuf.dev/programming-guides/json"}
	UnknownValue = finding.Rule{Code: "WS922", Severity: finding.SeverityError,
		Meaning: "An enum must have one of its names as value.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml; protobuf.dev/programming-guides/json"}
	OutOfRange = finding.Rule{Code: "WS923", Severity: finding.SeverityError,
		Meaning: "A number must be in the range of its field, and whole where the field is an integer.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml; protobuf.dev/programming-guides/json"}
	BadText = finding.Rule{Code: "WS924", Severity: finding.SeverityError,
		Meaning: "A duration, timestamp, field mask or base64 text must be well-formed.",
		Source:  "protobuf.dev/programming-guides/json; google/cel-spec (duration)"}
	OneofTwice = finding.Rule{Code: "WS925", Severity: finding.SeverityError,
		Meaning: "Of the fields of a oneof only one may be set.",
		Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml (oneOf); protobuf.dev/programming-guides/json"}
	SpeltTwice = finding.Rule{Code: "WS926", Severity: finding.SeverityError,
		Meaning: "A field may be set only once, in one of its two spellings.",
		Source:  "protobuf.dev/programming-guides/json"}
	NoType = finding.Rule{Code: "WS927", Severity: finding.SeverityError,
		Meaning: "A typed configuration must name its type in \"@type\".",
		Source:  "protobuf.dev/programming-guides/json (Any); istio/istio#49836, envoyproxy/envoy#20919"}
	UnknownType = finding.Rule{Code: "WS928", Severity: finding.SeverityError,
		Meaning: "The type that \"@type\" names must be known.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go; envoyproxy/envoy#36121"}
	TooDeep = finding.Rule{Code: "WS929", Severity: finding.SeverityError,
		Meaning: "Fields must not be nested deeper than any configuration of Istio or Envoy is.",
		Source:  "protobuf.dev/programming-guides/proto-limits"}
	RefusedByProtobuf = finding.Rule{Code: "WS930", Severity: finding.SeverityError,
		Meaning: "A value must be one that protobuf's JSON mapping accepts.",
		Source:  "protobuf.dev/programming-guides/json"}
	NotUTF8 = finding.Rule{Code: "WS931", Severity: finding.SeverityError,
		Meaning: "Text must be valid UTF-8.",
		Source:  "protobuf.dev/programming-guides/proto3 (string)"}
	TooManyProblems = finding.Rule{Code: "WS939", Severity: finding.SeverityError,
		Meaning: "No more than 1,000 problems of one object are listed.",
		Source:  "this library"}
	NoName = finding.Rule{Code: "WS951", Severity: finding.SeverityError,
		Meaning: "An object must have a name.",
		Source:  "kubernetes/apimachinery pkg/api/validation/objectmeta.go (ValidateObjectMetaAccessor)"}
	BadName = finding.Rule{Code: "WS952", Severity: finding.SeverityError,
		Meaning: "An object's name must be a DNS subdomain of at most 253 bytes.",
		Source:  "kubernetes/apimachinery pkg/util/validation (IsDNS1123Subdomain)"}
	BadNamespace = finding.Rule{Code: "WS953", Severity: finding.SeverityError,
		Meaning: "A namespace must be a DNS label of at most 63 bytes.",
		Source:  "kubernetes/apimachinery pkg/util/validation (IsDNS1123Label)"}
	BadLabelKey = finding.Rule{Code: "WS954", Severity: finding.SeverityError,
		Meaning: "The key of a label must be a qualified name.",
		Source:  "kubernetes/apimachinery pkg/apis/meta/v1/validation (ValidateLabelName)"}
	BadLabelValue = finding.Rule{Code: "WS955", Severity: finding.SeverityError,
		Meaning: "The value of a label must be empty, or at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends.",
		Source:  "kubernetes/apimachinery pkg/util/validation (IsValidLabelValue)"}
	BadAnnotationKey = finding.Rule{Code: "WS956", Severity: finding.SeverityError,
		Meaning: "The key of an annotation must be a qualified name.",
		Source:  "kubernetes/apimachinery pkg/api/validation/objectmeta.go (ValidateAnnotations)"}
	AnnotationsTooLarge = finding.Rule{Code: "WS957", Severity: finding.SeverityError,
		Meaning: "All annotations together must be no larger than 256 KiB.",
		Source:  "kubernetes/apimachinery pkg/api/validation/objectmeta.go (TotalAnnotationSizeLimitB)"}
	AnnotationRefused = finding.Rule{Code: "WS958", Severity: finding.SeverityError,
		Meaning: "An annotation must not be one that istiod refuses on every object of this kind.",
		Source:  "istio/istio pkg/config/validation/validation.go (validateMetadata)"}
	AnnotationNotUTF8 = finding.Rule{Code: "WS959", Severity: finding.SeverityError,
		Meaning: "The value of an annotation must be valid UTF-8.",
		Source:  "RFC 8259, section 8.1"}
)

// Rules returns the rules of this package and of package yamldoc, in the order of their codes.
func Rules() []finding.Rule {
	rules := slices.Concat(yamldoc.Rules(), ownRules)
	slices.SortFunc(rules, func(a, b finding.Rule) int { return strings.Compare(a.Code, b.Code) })
	return rules
}

var ownRules = []finding.Rule{
	IsList, WrongKind, WrongVersion,
	UnknownField, WrongType, UnknownValue, OutOfRange, BadText, OneofTwice, SpeltTwice, NoType, UnknownType,
	TooDeep, RefusedByProtobuf, NotUTF8, TooManyProblems, NoName, BadName, BadNamespace, BadLabelKey,
	BadLabelValue, BadAnnotationKey, AnnotationsTooLarge, AnnotationRefused, AnnotationNotUTF8,
}
