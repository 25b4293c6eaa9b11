// SPDX-License-Identifier: Apache-2.0

package finding

// 32x: the Services of a fleet beside each other.
var fleetCodes = []CodeInfo{
	{"WS320", Error, "No two Services of a fleet may give an object the same kind, namespace and name: the one applied last would replace the other.",
		"Kubernetes docs concepts/overview/working-with-objects/names"},
	{"WS321", Error, "No two Services of a fleet may have DestinationRules for one host: Istio takes the oldest and drops the settings of the others.",
		"istio/istio pilot/pkg/model/destination_rule.go (mergeDestinationRule); istio/istio#51545"},
	{"WS322", Warning, "The pods of one Service of a fleet are among those of another: the EnvoyFilters of both apply to them, and a rollback of one Service leaves the other's in force.",
		"istio/istio pilot/pkg/model/push_context.go (EnvoyFilters: all that select a proxy are applied to it)"},
	{"WS329", Error, "No more than 1,000 warnings and errors of a fleet are listed; all are counted.",
		"this library"},
}

// 96x to 98x: inventories and the directories that manifests are kept in.
var inventoryCodes = []CodeInfo{}
