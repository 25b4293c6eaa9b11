// SPDX-License-Identifier: Apache-2.0

package yamldoc

import "github.com/wsmesh/wsmesh/wsmesh/finding"

// The rules that [Parse] holds a text to.
var (
	NoDocument = finding.Rule{Code: "WS901", Severity: finding.SeverityError,
		Meaning: "A manifest must hold a document.",
		Source:  "kubernetes/kubectl (\"no objects passed to apply\")"}
	Malformed = finding.Rule{Code: "WS902", Severity: finding.SeverityError,
		Meaning: "A document must be well-formed YAML or JSON.",
		Source:  "YAML 1.1 as sigs.k8s.io/yaml reads it; RFC 8259"}
	NotText = finding.Rule{Code: "WS903", Severity: finding.SeverityError,
		Meaning: "A manifest must be UTF-8 text without NUL bytes.",
		Source:  "RFC 8259, section 8.1; YAML 1.2, section 5.1"}
	TooLarge = finding.Rule{Code: "WS904", Severity: finding.SeverityError,
		Meaning: "A manifest must be no larger than the API server takes in one request.",
		Source:  "kubernetes/kubernetes staging/src/k8s.io/apiserver/pkg/server/config.go (MaxRequestBodyBytes)"}
	SecondDocument = finding.Rule{Code: "WS905", Severity: finding.SeverityError,
		Meaning: "A manifest that is read as one object must hold one document.",
		Source:  "YAML 1.2, section 9.2"}
	DuplicateKey = finding.Rule{Code: "WS909", Severity: finding.SeverityError,
		Meaning: "A key must stand only once in an object.",
		Source:  "YAML 1.2, section 3.2.1.3; kubectl --validate=strict"}
	Misplaced = finding.Rule{Code: "WS910", Severity: finding.SeverityError,
		Meaning: "No YAML directive and no document's end may stand where kubectl takes it for a part of a document.",
		Source:  "kubernetes/apimachinery pkg/util/yaml (NewYAMLReader)"}
	TooManyNodes = finding.Rule{Code: "WS912", Severity: finding.SeverityError,
		Meaning: "A document must have no more than 300,000 keys and values, by the characters that stand between them.",
		Source:  "this library: a key or value takes 200 bytes of memory, and no object of Istio comes near"}
)

// Rules returns the rules of this package.
func Rules() []finding.Rule {
	return []finding.Rule{NoDocument, Malformed, NotText, TooLarge, SecondDocument, DuplicateKey, Misplaced, TooManyNodes}
}
