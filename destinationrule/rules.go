// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"slices"

	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The sources that several rules share.
const (
	istioDestinationRule = "istio/istio pkg/config/validation/validation.go, ValidateDestinationRule"
	istioTrafficPolicy   = "istio/istio pkg/config/validation/validation.go, validateTrafficPolicy"
	istioExportTo        = "istio/istio pkg/config/validation/validation.go, validateExportTo"
	istioLoadBalancer    = "istio/istio pkg/config/validation/validation.go, validateLoadBalancer"
	istioLocality        = "istio/istio pkg/config/validation/agent/validation.go, ValidateLocalityLbSetting"
	istioTLS             = "istio/istio pkg/config/validation/agent/validation.go, ValidateTLS"
	istioTunnel          = "istio/istio pkg/config/validation/validation.go, validateTunnelSettings"
	istioInheritance     = "istio/istio pilot/pkg/networking/util/util.go, GetPortLevelTrafficPolicy and MergeSubsetTrafficPolicy"
	istioHostName        = "istio/istio pilot/pkg/model/config.go, ResolveShortnameToFQDN"
	apiDestinationRule   = "istio/api networking/v1alpha3/destination_rule.proto"
	apiSchema            = "istio/api kubernetes/customresourcedefinitions.gen.yaml, DestinationRule"
	protoJSON            = "Protocol Buffers, ProtoJSON format"
)

// Rules returns the rules of all findings that this package returns, in the order of their codes: its own, and those about
// documents and metadata, which hold for objects of every kind.
func Rules() []finding.Rule { return slices.Concat(ownRules, manifest.Rules()) }

var ownRules = []finding.Rule{
	UnknownAPIVersion, NoSpec, NotUTF8, NullEntry, UnknownEnumValue, UnwritableDuration, DurationOutOfBounds,
	NumberOutOfRange, MissingField, TooManyEntries, InvalidHost, InvalidExportTo, DuplicateExportTo,
	WildcardExportToNotAlone, SelectorExported, InvalidSelectorLabel, InvalidSubsetName, DuplicateSubset,
	InvalidSubsetLabel, EmptyTrafficPolicy, TunnelAndProxyProtocol, EmptyPortLevel, ConnectionPoolWithoutProtocol,
	UpgradeAndClientProtocol, LocalOriginFailuresNotSplit, RingSizeAndHashAlgorithm, InvalidMaglevTableSize,
	DuplicateCookieAttribute, LocalityAndZoneAware, DistributeAndFailover, LocalityLabelRanked, InvalidWeights,
	InvalidLocality, OverlappingLocalities, InvalidFailover, SkipVerifyAndVerification, CredentialAndFiles,
	ForeignConfigMap, InvalidTunnelProtocol, InvalidTunnelTarget, HostNotOfBase, InvalidBuilderPort, GivenTwice,
	PortWithoutPolicy, PortLevelLosesSetting, HostTakenForFullName, HostDependsOnNamespace, WildcardUpgraded, PortLevelDropsPolicy,
	SubsetDropsPolicy, UpgradeForSomeClients, EmptyConnectionPoolReplaces, IdleTimeoutCutsWebSockets,
	MaxDurationCutsWebSockets, FewWebSocketsPerConnection, HTTP2ToApplication, SelectorWithoutLabels, LabelOfNoPod,
	PortLevelOfNoPort, DuplicatePortLevel, ConsecutiveErrorsIgnored, RingSizeDeprecated,
	FailoverWithoutOutlierDetection, RefusedByEnvoy, RuleSetsNothing,
	UpdatePeriodTooShort, CACertCredentialOfMode,
}
