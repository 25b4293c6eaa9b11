// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// Rules returns the rules whose findings a Report may hold, in the order of their codes: those of this package, those of
// reading manifests, and those about the mesh.
func Rules() []finding.Rule {
	rules := slices.Concat([]finding.Rule{
		NoAllowConnect, AllowConnectForSome, UnneededAllowConnect, SelectsNoWorkload, WorkloadsElsewhere,
		TargetRefsMissSidecars, AllowConnectOutbound, ServicePortInMatch, NoSuchFilter, FilterForWholeMesh,
		FilterForAllNamespaces, SameHost, HidesOwnRule, HiddenInRoot, WildcardNotInherited, MeshWideUpgrade,
		TimeoutEndsWebSockets, RevisionReadsAlone, BufferHoldsHandshake, HostIsNoService, GatewayWithoutKey,
		PatchedToHTTP2, PatchedInboundHTTP2, LuaHoldsHandshake, RouteRefusesUpgrade, LimitsWebSockets,
		UpgradeBeforeBoundary, PatternLeavesOutProxy, PatternMatchesNoProxy, PatternCutsNumber, PatternGatesNothing,
		PatternMissesNextRelease, VersionNotServed, PolicyIgnored, TargetRefsIgnored, ReplacesMeshPool, EdgeSettings,
		HeaderCaseKeepsHTTP1, FieldTooNew, PortIsHTTP2, PortIsBytes, PortIsSniffed, UnknownAppProtocol,
		PolicyOnHTTP2Port, UpgradeInAmbient, UpgradeBehindWaypoint, UpgradeWithoutSidecar, UpgradeOutsideMesh,
		WorkloadsUnknown, NoSuchPort, ServiceUnknown, WebSocketPortSniffed, GivenTwice,
		wsmesh.NoRelease, wsmesh.ZeroRelease, wsmesh.ReleasesUnknown, wsmesh.ReleaseAfterNewest,
	}, manifests.Rules())
	slices.SortStableFunc(rules, func(x, y finding.Rule) int { return strings.Compare(x.Code, y.Code) })
	return rules
}
