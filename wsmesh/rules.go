// SPDX-License-Identifier: Apache-2.0

package wsmesh

import "github.com/wsmesh/wsmesh/wsmesh/finding"

// Rules returns the rules that this package reports, in the order of their codes. What it passes on of the objects that it
// builds is reported by packages destinationrule and envoyfilter.
func Rules() []finding.Rule {
	return []finding.Rule{
		HTTP1Chosen, AmbientServer, ServerWithoutSidecar, ReleaseBeforeBoundary, UpgradeWithFilter,
		GatewayFilterLeftOut, GatewayLosesWebSocketKey,
		BaseForOtherHost, PolicyRepeated, MeshPoolReplaced, FilterInRootNamespace, FilterByPodLabel, BaseUpgradeTakenBack,
		NoRelease, ZeroRelease, UnreadableProxyVersion, ProxyVersionLeavesOutProxy, APIVersionNotServed, V1alpha3ServedOnly,
		PolicyIgnored, UnreadableVersionOutput, NotARelease, OtherProductsRelease, ReleasesUnknown, ReleaseAfterNewest,
		InvalidServiceName, InvalidNamespace, NoWorkloadLabels, InvalidWorkloadLabel, PortOutOfRange, PortsNotGiven,
		PortNotHTTP1, HostNotQualified, PortWithoutNumber, PortNumberTwice, PortWithoutName, OtherPort,
	}
}
