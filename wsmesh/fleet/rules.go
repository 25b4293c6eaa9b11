// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Rules returns the rules that this package reports, in the order of their codes. A fleet's findings hold those of
// [wsmesh.NewPlan], too.
func Rules() []finding.Rule { return slices.Clone(rules) }

var rules = []finding.Rule{
	SameObject, SameHost, OverlappingWorkloads, NotAllRemembered, MoreErrors,
	NotInventory, MalformedInventory, UnknownKey, WrongType, DuplicateKey, NoServices, MoreProblems,
	ForeignFile, MostRemoved,
}
