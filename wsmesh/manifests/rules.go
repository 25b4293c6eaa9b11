// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// What is wrong with manifests before anything in them is judged.
var (
	// TooLarge is rule WS990. Manifests are read up to 256 MiB together, and one object up to 3 MiB.
	TooLarge = finding.Rule{Code: "WS990", Severity: finding.SeverityError,
		Meaning: "Manifests are read up to 256 MiB together, and one object up to 3 MiB.",
		Source:  "kubernetes/apiserver pkg/server/config.go (MaxRequestBodyBytes)"}
	// NotText is rule WS991. A manifest must be UTF-8 text.
	NotText = finding.Rule{Code: "WS991", Severity: finding.SeverityError,
		Meaning: "A manifest must be UTF-8 text.",
		Source:  "YAML 1.2, section 5.1; RFC 8259, section 8.1"}
	// Malformed is rule WS992. A document must be YAML or JSON, with values of the types that Kubernetes gives them.
	Malformed = finding.Rule{Code: "WS992", Severity: finding.SeverityError,
		Meaning: "A document must be YAML or JSON, with values of the types that Kubernetes gives them.",
		Source:  "Kubernetes API reference"}
	// Template is rule WS994. A template is no manifest before it is rendered.
	Template = finding.Rule{Code: "WS994", Severity: finding.Warning,
		Meaning: "A template is no manifest before it is rendered.",
		Source:  "Helm docs chart_template_guide"}
	// Unreadable is rule WS995. A file or folder that is given must be readable.
	Unreadable = finding.Rule{Code: "WS995", Severity: finding.SeverityError,
		Meaning: "A file or folder that is given must be readable.",
		Source:  "POSIX.1-2024, open and readdir"}
	// Patch is rule WS996. A patch for another object is no manifest before it is applied to it.
	Patch = finding.Rule{Code: "WS996", Severity: finding.Warning,
		Meaning: "A patch for another object is no manifest before it is applied to it.",
		Source:  "kubernetes-sigs/kustomize docs, patches; kubernetes/community contributors/devel/sig-api-machinery/strategic-merge-patch.md"}
)

// Rules returns the rules whose findings reading manifests returns, in the order of their codes: its own, and those of the
// kinds that are read.
func Rules() []finding.Rule {
	rules := slices.Concat(destinationrule.Rules(), envoyfilter.Rules(), []finding.Rule{TooLarge, NotText, Malformed, Template, Unreadable, Patch})
	slices.SortStableFunc(rules, func(x, y finding.Rule) int { return strings.Compare(x.Code, y.Code) })
	return slices.Compact(rules)
}
