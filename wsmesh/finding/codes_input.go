// SPDX-License-Identifier: Apache-2.0

package finding

// 9xx: reading input: the document, its envelope, its fields, and the metadata that Kubernetes keeps.
var (
	WS901 = Rule{"WS901", SeverityError, "A manifest must hold a document.",
		"kubernetes/kubectl (\"no objects passed to apply\")"}
	WS902 = Rule{"WS902", SeverityError, "A document must be well-formed YAML or JSON.",
		"YAML 1.1 as sigs.k8s.io/yaml reads it; RFC 8259"}
	WS903 = Rule{"WS903", SeverityError, "A manifest must be UTF-8 text without NUL bytes.",
		"RFC 8259, section 8.1; YAML 1.2, section 5.1"}
	WS904 = Rule{"WS904", SeverityError, "A manifest must be no larger than the API server takes in one request.",
		"kubernetes/kubernetes staging/src/k8s.io/apiserver/pkg/server/config.go (MaxRequestBodyBytes)"}
	WS905 = Rule{"WS905", SeverityError, "A manifest that is read as one object must hold one document.",
		"YAML 1.2, section 9.2"}
	WS906 = Rule{"WS906", SeverityError, "A manifest that is read as one object must not be a List.",
		"kubernetes/apimachinery pkg/apis/meta/v1 (List)"}
	WS907 = Rule{"WS907", SeverityError, "A document must be of the kind that is read.",
		"kubernetes/apimachinery pkg/apis/meta/v1 (TypeMeta)"}
	WS908 = Rule{"WS908", SeverityError, "A document's apiVersion must be one that Istio's CRDs serve.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml"}
	WS909 = Rule{"WS909", SeverityError, "A key must stand only once in an object.",
		"YAML 1.2, section 3.2.1.3; kubectl --validate=strict"}
	WS910 = Rule{"WS910", SeverityError, "No YAML directive and no document's end may stand where kubectl takes it for a part of a document.",
		"k8s.io/apimachinery pkg/util/yaml (NewYAMLReader)"}
	WS911 = Rule{"WS911", SeverityError, "Metadata that the API server sets must be as it sets it, or be left out.",
		"kubernetes/apimachinery pkg/apis/meta/v1 (ObjectMeta), pkg/api/validation/objectmeta.go"}
	WS920 = Rule{"WS920", SeverityError, "A field must be known: a misspelt one is dropped by Istio without a word.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml; istio/istio#26390"}
	WS921 = Rule{"WS921", SeverityError, "A value must have the type of its field.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml; protobuf.dev/programming-guides/json"}
	WS922 = Rule{"WS922", SeverityError, "An enum must have one of its names as value.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml; protobuf.dev/programming-guides/json"}
	WS923 = Rule{"WS923", SeverityError, "A number must be in the range of its field, and whole where the field is an integer.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml; protobuf.dev/programming-guides/json"}
	WS924 = Rule{"WS924", SeverityError, "A duration, timestamp, field mask or base64 text must be well-formed.",
		"protobuf.dev/programming-guides/json; google/cel-spec (duration)"}
	WS925 = Rule{"WS925", SeverityError, "Of the fields of a oneof only one may be set.",
		"istio/api kubernetes/customresourcedefinitions.gen.yaml (oneOf); protobuf.dev/programming-guides/json"}
	WS926 = Rule{"WS926", SeverityError, "A field may be set only once, in one of its two spellings.",
		"protobuf.dev/programming-guides/json"}
	WS927 = Rule{"WS927", SeverityError, "A typed configuration must name its type in \"@type\".",
		"protobuf.dev/programming-guides/json (Any); istio/istio#49836, envoyproxy/envoy#20919"}
	WS928 = Rule{"WS928", SeverityError, "The type that \"@type\" names must be known.",
		"istio/istio pkg/config/validation/envoyfilter/envoyfilter.go; envoyproxy/envoy#36121"}
	WS929 = Rule{"WS929", SeverityError, "Fields must not be nested deeper than any configuration of Istio or Envoy is.",
		"protobuf.dev/programming-guides/proto-limits"}
	WS930 = Rule{"WS930", SeverityError, "A value must be one that protobuf's JSON mapping accepts.",
		"protobuf.dev/programming-guides/json"}
	WS931 = Rule{"WS931", SeverityError, "Text must be valid UTF-8.",
		"protobuf.dev/programming-guides/proto3 (string)"}
	WS939 = Rule{"WS939", SeverityError, "No more than 1,000 problems of one object are listed.",
		"this library"}
	WS951 = Rule{"WS951", SeverityError, "An object must have a name.",
		"kubernetes/apimachinery pkg/api/validation/objectmeta.go (ValidateObjectMetaAccessor)"}
	WS952 = Rule{"WS952", SeverityError, "An object's name must be a DNS subdomain of at most 253 bytes.",
		"kubernetes/apimachinery pkg/util/validation (IsDNS1123Subdomain)"}
	WS953 = Rule{"WS953", SeverityError, "A namespace must be a DNS label of at most 63 bytes.",
		"kubernetes/apimachinery pkg/util/validation (IsDNS1123Label)"}
	WS954 = Rule{"WS954", SeverityError, "The key of a label must be a qualified name.",
		"kubernetes/apimachinery pkg/apis/meta/v1/validation (ValidateLabelName)"}
	WS955 = Rule{"WS955", SeverityError, "The value of a label must be empty, or at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends.",
		"kubernetes/apimachinery pkg/util/validation (IsValidLabelValue)"}
	WS956 = Rule{"WS956", SeverityError, "The key of an annotation must be a qualified name.",
		"kubernetes/apimachinery pkg/api/validation/objectmeta.go (ValidateAnnotations)"}
	WS957 = Rule{"WS957", SeverityError, "All annotations together must be no larger than 256 KiB.",
		"kubernetes/apimachinery pkg/api/validation/objectmeta.go (TotalAnnotationSizeLimitB)"}
	WS958 = Rule{"WS958", SeverityError, "An annotation must not be one that istiod refuses on every object of this kind.",
		"istio/istio pkg/config/validation/validation.go (validateMetadata)"}
	WS959 = Rule{"WS959", SeverityError, "The value of an annotation must be valid UTF-8.",
		"RFC 8259, section 8.1"}
)
