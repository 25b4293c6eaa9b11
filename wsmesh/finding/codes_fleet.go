// SPDX-License-Identifier: Apache-2.0

package finding

// 32x: the Services of a fleet beside each other.
var (
	WS320 = Rule{"WS320", SeverityError, "No two Services of a fleet may give an object the same kind, namespace and name: the one applied last would replace the other.",
		"Kubernetes docs concepts/overview/working-with-objects/names"}
	WS321 = Rule{"WS321", SeverityError, "No two Services of a fleet may have DestinationRules for one host: Istio takes the oldest and drops the settings of the others.",
		"istio/istio pilot/pkg/model/destination_rule.go (mergeDestinationRule); istio/istio#51545"}
	WS322 = Rule{"WS322", Warning, "The pods of one Service of a fleet are among those of another: the EnvoyFilters of both apply to them, and a rollback of one Service leaves the other's in force.",
		"istio/istio pilot/pkg/model/push_context.go (EnvoyFilters: all that select a proxy are applied to it)"}
	WS323 = Rule{"WS323", Warning, "Of a fleet about 65,536 Services are remembered, to compare the others with: more are compared with these only.",
		"this library"}
	WS329 = Rule{"WS329", SeverityError, "No more than 1,000 warnings and errors of a fleet are listed; all are counted.",
		"this library"}
)

// 96x to 98x: inventories and the directories that manifests are kept in.
var (
	WS961 = Rule{"WS961", SeverityError, "An inventory must say that it is one: apiVersion wsmesh.dev/v1alpha1, kind Inventory.",
		"this library"}
	WS962 = Rule{"WS962", SeverityError, "An inventory must be one document of well-formed YAML or JSON.",
		"YAML 1.2 as go.yaml.in/yaml/v3 reads it"}
	WS963 = Rule{"WS963", SeverityError, "A key of an inventory must be known.",
		"this library"}
	WS964 = Rule{"WS964", SeverityError, "A value of an inventory must have the type of its key: what YAML reads as a number or a boolean needs quotes to be text.",
		"YAML 1.2, section 10.3"}
	WS965 = Rule{"WS965", SeverityError, "A key must stand only once in a mapping.",
		"YAML 1.2, section 3.2.1.3"}
	WS966 = Rule{"WS966", SeverityError, "An inventory must list its services, be there none.",
		"this library"}
	WS969 = Rule{"WS969", SeverityError, "No more than 1,000 problems of an inventory's text are listed.",
		"this library"}
	WS971 = Rule{"WS971", SeverityError, "A file that this module did not write is not overwritten.",
		"this library"}
)
