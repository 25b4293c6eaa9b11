// SPDX-License-Identifier: Apache-2.0

package finding

// The places that several rules come from.
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

// WS101 to WS140 are what cannot be written or applied, WS141 to WS144 what a Builder cannot make, and from WS161
// on what Istio accepts although it does nothing or harms WebSockets.
var destinationRuleCodes = []CodeInfo{
	{"WS101", Error, "The apiVersion is one that Istio serves for DestinationRule.", apiSchema},
	{"WS102", Error, "A DestinationRule has a spec.", apiSchema},
	{"WS103", Error, "Text is UTF-8.", protoJSON},
	{"WS104", Error, "A list has no null entry, and a oneof is not set to nothing.", apiSchema},
	{"WS105", Error, "An enum has a value that the API knows.", apiSchema},
	{"WS106", Error, "A duration is one that can be written.", protoJSON},
	{"WS107", Error, "A duration keeps to the bounds of its field, mostly whole milliseconds from 1ms up.", "istio/istio pkg/config/validation/agent/validation.go, ValidateDuration; " + apiSchema},
	{"WS108", Error, "A number keeps to the range of its field.", istioDestinationRule + "; " + apiSchema},
	{"WS109", Error, "A required field is set.", istioDestinationRule + "; " + apiSchema},
	{"WS110", Error, "A list or map has no more entries than the schema allows.", apiSchema},
	{"WS111", Error, "The host is a DNS name, with a wildcard in its first label at most.", "istio/istio pkg/config/validation/agent/validation.go, ValidateWildcardDomain"},
	{"WS112", Error, `An entry of exportTo is a namespace, "." or "*".`, istioExportTo},
	{"WS113", Error, "exportTo names no namespace twice.", istioExportTo},
	{"WS114", Error, `"*" stands alone in exportTo.`, istioExportTo},
	{"WS115", Error, "A rule with a workloadSelector is exported to its own namespace alone.", istioExportTo},
	{"WS116", Error, "A label of the workloadSelector has a key, no wildcard, and at most 63 characters in its value.", "istio/istio pkg/config/validation/validation.go, validateWorkloadSelector; " + apiSchema},
	{"WS117", Error, "The name of a subset is a DNS label.", "istio/istio pkg/config/validation/validation.go, validateSubsetName"},
	{"WS118", Error, "The name of a subset is that of no other.", istioDestinationRule},
	{"WS119", Error, "A label of a subset has the form of a label.", "istio/istio pkg/config/labels/instance.go, Validate"},
	{"WS120", Error, "A trafficPolicy sets something.", istioTrafficPolicy},
	{"WS121", Error, "A trafficPolicy has either tunnel or proxyProtocol.", istioTrafficPolicy},
	{"WS122", Error, "An entry of portLevelSettings sets something for its port.", "istio/istio pkg/config/validation/validation.go, validatePortTrafficPolicies"},
	{"WS123", Error, "A connectionPool has http or tcp.", "istio/istio pkg/config/validation/validation.go, validateConnectionPool"},
	{"WS124", Error, "h2UpgradePolicy UPGRADE does not stand beside useClientProtocol.", "istio/istio pkg/config/validation/validation.go, validateConnectionPool"},
	{"WS125", Error, "consecutiveLocalOriginFailures takes splitExternalLocalOriginErrors.", "istio/istio pkg/config/validation/validation.go, validateOutlierDetection"},
	{"WS126", Error, "minimumRingSize does not stand beside ringHash or maglev.", istioLoadBalancer},
	{"WS127", Error, "The size of a Maglev table is a prime number below 5000011.", istioLoadBalancer},
	{"WS128", Error, "An attribute of a cookie is given once.", istioLoadBalancer},
	{"WS129", Error, "A loadBalancer has either localityLbSetting or zoneAwareLbSetting.", istioLoadBalancer},
	{"WS130", Error, "A localityLbSetting has either distribute or failover.", istioLocality},
	{"WS131", Error, "failoverPriority does not name the labels of a locality where regions are ranked without them.", istioLocality + " and ValidateZoneAwareLbSetting"},
	{"WS132", Error, "The weights of a distribution are from 1 to 100 and come to 100.", istioLocality},
	{"WS133", Error, "A locality is region, region/zone or region/zone/subzone, with a wildcard at the end at most.", "istio/istio pkg/config/validation/agent/validation.go, validateLocalities"},
	{"WS134", Error, "The localities of a list do not overlap.", "istio/istio pkg/config/validation/agent/validation.go, validateLocalities"},
	{"WS135", Error, "A failover is from one region to another.", istioLocality + " and ValidateZoneAwareLbSetting"},
	{"WS136", Error, "insecureSkipVerify does not stand beside what the server would be verified with.", istioTLS},
	{"WS137", Error, "credentialName does not stand beside certificate files.", istioTLS},
	{"WS138", Error, "A configmap:// credentialName is in the namespace of the rule.", istioTLS},
	{"WS139", Error, "The protocol of a tunnel is CONNECT or POST.", istioTunnel},
	{"WS140", Error, "The target of a tunnel is a DNS name or an IP address.", istioTunnel},
	{"WS141", Error, "A builder's host is that of its Base.", istioHostName},
	{"WS142", Error, "A builder's port is from 1 to 65535.", "Kubernetes API, ServicePort"},
	{"WS143", Error, "A builder names each port and subset once.", istioInheritance},
	{"WS144", Error, "A builder's port has a policy to write.", "istio/istio pkg/config/validation/validation.go, validatePortTrafficPolicies"},

	{"WS161", Warning, "A host with one dot is a full name to Istio, and not a Service and its namespace.", istioHostName},
	{"WS162", Warning, "A host without dots depends on the namespace that the rule is applied to.", istioHostName},
	{"WS163", Warning, "UPGRADE for a wildcard reaches destinations that do not speak HTTP/2.", "istio/istio#39566"},
	{"WS164", Warning, "A port level does not inherit h2UpgradePolicy.", istioInheritance},
	{"WS165", Warning, "A subset with a connectionPool of its own does not inherit h2UpgradePolicy.", istioInheritance},
	{"WS166", Warning, "A workloadSelector or a private exportTo keeps UPGRADE from other clients, gateways among them.", apiDestinationRule + ", workloadSelector and exportTo"},
	{"WS167", Warning, "A connectionPool that sets nothing still replaces another.", istioInheritance},
	{"WS168", Warning, "A short tcp.idleTimeout cuts silent WebSockets where the port is proxied as TCP.", "istio/istio#43066"},
	{"WS169", Warning, "tcp.maxConnectionDuration ends connections that WebSockets are open on.", apiDestinationRule + ", TCPSettings.maxConnectionDuration"},
	{"WS170", Warning, "http.maxRequestsPerConnection bounds how many WebSockets UPGRADE brings onto one connection.", "envoy/config/core/v3/protocol.proto, HttpProtocolOptions.max_requests_per_connection"},
	{"WS171", Warning, "useClientProtocol holds for the server's own proxy too, which then sends the application HTTP/2.", "istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go, applyConnectionPool"},
	{"WS172", Warning, "A workloadSelector without labels selects everything.", "istio/istio pkg/config/validation/validation.go, validateWorkloadSelector"},
	{"WS173", Warning, "A label that no pod can carry selects nothing.", "k8s.io/apimachinery pkg/util/validation, IsQualifiedName and IsValidLabelValue"},
	{"WS174", Warning, "A port level for a port outside 1 to 65535 does nothing.", "Kubernetes API, ServicePort"},
	{"WS175", Warning, "A second port level for the same port does nothing.", istioInheritance},
	{"WS176", Warning, "outlierDetection.consecutiveErrors is deprecated and ignored.", "istio/istio pkg/config/validation/validation.go, validateOutlierDetection"},
	{"WS177", Warning, "consistentHash.minimumRingSize is deprecated.", istioLoadBalancer},
	{"WS178", Warning, "Failover does nothing without outlierDetection.", istioLocality + " and ValidateZoneAwareLbSetting"},
	{"WS179", Warning, "Envoy refuses some values that istiod passes on.", "envoy/config/cluster/v3/cluster.proto, envoy/config/route/v3/route_components.proto, envoy/extensions/transport_sockets/tls/v3/tls.proto"},
	{"WS180", Warning, "A rule without trafficPolicy and subsets does nothing.", "istio/istio pilot/pkg/model/push_context.go, destinationRule"},
	{"WS181", Warning, "backendUtilization.weightUpdatePeriod is 100ms or more.", apiDestinationRule + ", BackendUtilizationLB.weight_update_period"},
	{"WS182", Warning, "tls.caCertCredentialName is for the modes SIMPLE and MUTUAL.", apiDestinationRule + ", ClientTLSSettings.ca_cert_credential_name"},
}
