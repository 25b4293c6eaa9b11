// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// Rules returns the rules whose findings a Report may hold: those of this package and those of reading manifests.
func Rules() []finding.Rule {
	return slices.Concat([]finding.Rule{
		NoAllowConnect, AllowConnectForSome, UnneededAllowConnect, SelectsNoWorkload, WorkloadsElsewhere,
		TargetRefsMissSidecars, AllowConnectOutbound, ServicePortInMatch, NoSuchFilter, FilterForWholeMesh,
		FilterForAllNamespaces, SameHost, HidesOwnRule, HiddenInRoot, WildcardNotInherited, MeshWideUpgrade,
		TimeoutEndsWebSockets, RevisionReadsAlone, BufferHoldsHandshake, HostIsNoService, UpgradeBeforeBoundary,
		PatternLeavesOutProxy, PatternMatchesNoProxy, PatternCutsNumber, PatternGatesNothing,
		PatternMissesNextRelease, VersionNotServed, PolicyIgnored, TargetRefsIgnored, ReplacesMeshPool, EdgeSettings,
		HeaderCaseKeepsHTTP1, FieldTooNew, PortIsHTTP2, PortIsBytes, PortIsSniffed, UnknownAppProtocol,
		PolicyOnHTTP2Port, UpgradeInAmbient, UpgradeBehindWaypoint, UpgradeWithoutSidecar, UpgradeOutsideMesh,
		WorkloadsUnknown, NoSuchPort, GivenTwice,
	}, manifests.Rules())
}
