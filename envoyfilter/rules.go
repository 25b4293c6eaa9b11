// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"slices"

	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// Rules returns the rules of all findings that this package returns, in the order of their codes: its own, and those about
// documents and metadata, which hold for objects of every kind.
func Rules() []finding.Rule { return slices.Concat(ownRules, manifest.Rules()) }

var ownRules = []finding.Rule{
	NoWorkload, TwoWorkloads, EmptyWorkloadLabel, SelectorAndTargetRefs, InvalidSelectorLabel, TooManySelectorLabels,
	TooManyTargetRefs, InvalidTargetRef, SelectorWithoutLabels, NoSelector, TargetRefOfNoGateway,
	TargetRefsNotReadBefore127, NoPatches, UnknownApplyTo, EmptyPatch, UnknownOperation, NoValue, ValueNotRead,
	WrongValueType, UnknownContext, MatchAndShortFields, TwoContexts, WaypointNotRead, AnyContext, UnknownEnumValue,
	ProxyVersionTooLong, InvalidProxyVersion, ProxyVersionNotAnchored, MatchOfOtherKind, NoFilterName,
	SubFilterOfOtherKind, NoHTTPFiltersThere, FilterNameDeprecated, InvalidPort, FieldNotRead, UnknownTransportSocket, UnwritableValue,
	OperationDoesNothing, MergePanics, InsertIsAdd, OperationDisputed, RemovesAll, AfterLastFilter, NoPriority,
	BootstrapNotPatched, BreaksEnvoyRule, UpgradeConfigsAppended, MergeOfOtherType, ManagerRenamed, FieldNotMerged,
	NoTypedConfig, MergeOfZero, MergeOfZeroWrapper, NotReadByIstiod,
}
