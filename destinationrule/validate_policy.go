// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

var (
	// EmptyTrafficPolicy is rule WS120. A trafficPolicy sets something.
	EmptyTrafficPolicy = finding.Rule{Code: "WS120", Severity: finding.SeverityError,
		Meaning: "A trafficPolicy sets something.", Source: istioTrafficPolicy}
	// TunnelAndProxyProtocol is rule WS121. A trafficPolicy has either tunnel or proxyProtocol.
	TunnelAndProxyProtocol = finding.Rule{Code: "WS121", Severity: finding.SeverityError,
		Meaning: "A trafficPolicy has either tunnel or proxyProtocol.", Source: istioTrafficPolicy}
)

// trafficPolicy checks the policy of the destination or of a subset as validateTrafficPolicy in pkg/config/validation does. A
// list without entries counts as not set, because it is not written.
func (v *validator) trafficPolicy(policy *networking.TrafficPolicy) {
	if policy == nil {
		return
	}
	v.enter("trafficPolicy")
	defer v.leave()
	if !settles(policy) && len(policy.GetPortLevelSettings()) == 0 {
		v.add(EmptyTrafficPolicy, v.here(), "the traffic policy sets nothing, which Istio refuses",
			"set one of its fields or leave trafficPolicy out")
	}
	if policy.GetTunnel() != nil && policy.GetProxyProtocol() != nil {
		v.add(TunnelAndProxyProtocol, v.at("proxyProtocol"), "proxyProtocol stands beside tunnel", "keep one of the two")
	}
	v.connectionPool(policy.GetConnectionPool())
	v.loadBalancer(policy.GetLoadBalancer(), policy.GetOutlierDetection() != nil)
	v.outlierDetection(policy.GetOutlierDetection())
	v.tls(policy.GetTls())
	v.portLevelSettings(policy.GetPortLevelSettings())
	v.tunnel(policy.GetTunnel())
	if policy.GetProxyProtocol() != nil {
		v.enter("proxyProtocol")
		v.enum("version", int32(policy.GetProxyProtocol().GetVersion()), networking.TrafficPolicy_ProxyProtocol_VERSION_name, "V1 or V2")
		v.leave()
	}
	if budget := policy.GetRetryBudget(); budget != nil {
		v.enter("retryBudget")
		v.doublePercent("percent", budget.GetPercent())
		v.writable("budgetInterval", budget.GetBudgetInterval())
		v.leave()
	}
}

var (
	// EmptyPortLevel is rule WS122. An entry of portLevelSettings sets something for its port.
	EmptyPortLevel = finding.Rule{Code: "WS122", Severity: finding.SeverityError,
		Meaning: "An entry of portLevelSettings sets something for its port.",
		Source:  "istio/istio pkg/config/validation/validation.go, validatePortTrafficPolicies"}
	// PortLevelOfNoPort is rule WS174. A port level for a port outside 1 to 65535 does nothing.
	PortLevelOfNoPort = finding.Rule{Code: "WS174", Severity: finding.Warning,
		Meaning: "A port level for a port outside 1 to 65535 does nothing.", Source: "Kubernetes API, ServicePort"}
)

func (v *validator) portLevelSettings(settings []*networking.TrafficPolicy_PortTrafficPolicy) {
	if len(settings) > maxEntries {
		v.tooMany(v.at("portLevelSettings"), len(settings))
	}
	items(v, "portLevelSettings", settings, func(_ int, s *networking.TrafficPolicy_PortTrafficPolicy) {
		switch {
		case s.GetPort() == nil:
			v.missing(v.at("port"), "write port: {number: …} with the number of the Service's port")
		case s.GetPort().GetNumber() == 0 || s.GetPort().GetNumber() > maxPort:
			v.add(PortLevelOfNoPort, v.below(fieldpath.Name("port"), fieldpath.Name("number")), fmt.Sprintf("no Service has port %d, so the entry does nothing", s.GetPort().GetNumber()),
				"give the number of the Service's port, 1 to 65535")
		}
		if s.GetConnectionPool() == nil && s.GetLoadBalancer() == nil && s.GetOutlierDetection() == nil && s.GetTls() == nil {
			v.add(EmptyPortLevel, v.here(), "the entry sets nothing for its port, which Istio refuses",
				"set connectionPool, loadBalancer, outlierDetection or tls, or leave the entry out")
			return
		}
		v.connectionPool(s.GetConnectionPool())
		v.loadBalancer(s.GetLoadBalancer(), s.GetOutlierDetection() != nil)
		v.outlierDetection(s.GetOutlierDetection())
		v.tls(s.GetTls())
	})
	if len(settings) > 1 {
		v.repeatedPorts(settings)
	}
}

// DuplicatePortLevel is rule WS175. A second port level for the same port does nothing.
var DuplicatePortLevel = finding.Rule{Code: "WS175", Severity: finding.Warning,
	Meaning: "A second port level for the same port does nothing.", Source: istioInheritance}

// repeatedPorts warns of a second entry for a port, which GetPortLevelTrafficPolicy (pilot/pkg/networking/util/util.go)
// never reaches.
func (v *validator) repeatedPorts(settings []*networking.TrafficPolicy_PortTrafficPolicy) {
	seen := make(map[uint32]int, len(settings))
	for i, s := range settings {
		if s.GetPort() == nil {
			continue
		}
		if first, again := seen[s.GetPort().GetNumber()]; again {
			v.add(DuplicatePortLevel, v.atItem("portLevelSettings", i),
				fmt.Sprintf("portLevelSettings[%d] is for port %d too, and Istio takes the first", first, s.GetPort().GetNumber()),
				"merge the two entries")
			continue
		}
		seen[s.GetPort().GetNumber()] = i
	}
}

var (
	// ConnectionPoolWithoutProtocol is rule WS123. A connectionPool has http or tcp.
	ConnectionPoolWithoutProtocol = finding.Rule{Code: "WS123", Severity: finding.SeverityError,
		Meaning: "A connectionPool has http or tcp.", Source: "istio/istio pkg/config/validation/validation.go, validateConnectionPool"}
	// EmptyConnectionPoolReplaces is rule WS167. A connectionPool that sets nothing still replaces another.
	EmptyConnectionPoolReplaces = finding.Rule{Code: "WS167", Severity: finding.Warning,
		Meaning: "A connectionPool that sets nothing still replaces another.", Source: istioInheritance}
)

// connectionPool checks the settings as validateConnectionPool in pkg/config/validation does.
func (v *validator) connectionPool(pool *networking.ConnectionPoolSettings) {
	if pool == nil {
		return
	}
	v.enter("connectionPool")
	defer v.leave()
	if pool.GetHttp() == nil && pool.GetTcp() == nil {
		v.add(ConnectionPoolWithoutProtocol, v.here(), "the connection pool has neither http nor tcp, which Istio refuses",
			"set one of the two or leave connectionPool out")
		return
	}
	if http := pool.GetHttp(); http != nil {
		v.http(http)
	}
	if tcp := pool.GetTcp(); tcp != nil {
		v.tcp(tcp)
	}
	if isEmpty(pool.GetHttp()) && isEmpty(pool.GetTcp()) {
		v.add(EmptyConnectionPoolReplaces, v.here(), "the connection pool sets nothing, and takes the place of any that would be inherited all the same",
			"leave connectionPool out; DEFAULT for h2UpgradePolicy is the same as not to write it")
	}
}

var (
	// UpgradeAndClientProtocol is rule WS124. h2UpgradePolicy UPGRADE does not stand beside useClientProtocol.
	UpgradeAndClientProtocol = finding.Rule{Code: "WS124", Severity: finding.SeverityError,
		Meaning: "h2UpgradePolicy UPGRADE does not stand beside useClientProtocol.",
		Source:  "istio/istio pkg/config/validation/validation.go, validateConnectionPool"}
	// FewWebSocketsPerConnection is rule WS170. http.maxRequestsPerConnection bounds how many WebSockets UPGRADE brings
	// onto one connection.
	FewWebSocketsPerConnection = finding.Rule{Code: "WS170", Severity: finding.Warning,
		Meaning: "http.maxRequestsPerConnection bounds how many WebSockets UPGRADE brings onto one connection.",
		Source:  "envoy/config/core/v3/protocol.proto, HttpProtocolOptions.max_requests_per_connection"}
	// HTTP2ToApplication is rule WS171. useClientProtocol holds for the server's own proxy too, which then sends the
	// application HTTP/2.
	HTTP2ToApplication = finding.Rule{Code: "WS171", Severity: finding.Warning,
		Meaning: "useClientProtocol holds for the server's own proxy too, which then sends the application HTTP/2.",
		Source:  "istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go, applyConnectionPool"}
)

func (v *validator) http(http *networking.ConnectionPoolSettings_HTTPSettings) {
	v.enter("http")
	defer v.leave()
	v.notNegative("http1MaxPendingRequests", http.GetHttp1MaxPendingRequests())
	v.notNegative("http2MaxRequests", http.GetHttp2MaxRequests())
	v.notNegative("maxRequestsPerConnection", http.GetMaxRequestsPerConnection())
	v.notNegative("maxRetries", http.GetMaxRetries())
	v.duration("idleTimeout", http.GetIdleTimeout())
	v.enum("h2UpgradePolicy", int32(http.GetH2UpgradePolicy()), networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy_name, upgradePolicies)
	v.notNegative("maxConcurrentStreams", http.GetMaxConcurrentStreams())
	if keepalive := http.GetHttp2KeepAlive(); keepalive != nil {
		v.enter("http2KeepAlive")
		v.requiredDuration("interval", keepalive.GetInterval())
		v.requiredDuration("timeout", keepalive.GetTimeout())
		v.leave()
	}

	upgrade := http.GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
	switch {
	case upgrade && http.GetUseClientProtocol():
		v.add(UpgradeAndClientProtocol, v.at("useClientProtocol"), "useClientProtocol is true beside h2UpgradePolicy UPGRADE",
			"leave useClientProtocol out, or the policy")
	case http.GetUseClientProtocol():
		v.add(HTTP2ToApplication, v.at("useClientProtocol"),
			"useClientProtocol is true, so the application itself is sent HTTP/2 where the client speaks it, WebSockets as extended CONNECT",
			"leave it out unless the application speaks WebSocket over HTTP/2 (RFC 8441)")
	}
	if upgrade && http.GetMaxRequestsPerConnection() > 0 {
		v.add(FewWebSocketsPerConnection, v.at("maxRequestsPerConnection"),
			fmt.Sprintf("a connection takes %d requests and no more, so UPGRADE brings no more than that many WebSockets onto one", http.GetMaxRequestsPerConnection()),
			"leave maxRequestsPerConnection out")
	}
}

var (
	// IdleTimeoutCutsWebSockets is rule WS168. A short tcp.idleTimeout cuts silent WebSockets where the port is proxied
	// as TCP.
	IdleTimeoutCutsWebSockets = finding.Rule{Code: "WS168", Severity: finding.Warning,
		Meaning: "A short tcp.idleTimeout cuts silent WebSockets where the port is proxied as TCP.", Source: "istio/istio#43066"}
	// MaxDurationCutsWebSockets is rule WS169. tcp.maxConnectionDuration ends connections that WebSockets are open on.
	MaxDurationCutsWebSockets = finding.Rule{Code: "WS169", Severity: finding.Warning,
		Meaning: "tcp.maxConnectionDuration ends connections that WebSockets are open on.",
		Source:  apiDestinationRule + ", TCPSettings.maxConnectionDuration"}
)

func (v *validator) tcp(tcp *networking.ConnectionPoolSettings_TCPSettings) {
	v.enter("tcp")
	defer v.leave()
	v.notNegative("maxConnections", tcp.GetMaxConnections())
	v.duration("connectTimeout", tcp.GetConnectTimeout())
	v.duration("maxConnectionDuration", tcp.GetMaxConnectionDuration())
	// The webhook accepts a duration of 0 milliseconds, because 0s turns the timeout off.
	if v.writable("idleTimeout", tcp.GetIdleTimeout()) && tcp.GetIdleTimeout().AsDuration().Milliseconds() != 0 {
		v.duration("idleTimeout", tcp.GetIdleTimeout())
	}
	if keepalive := tcp.GetTcpKeepalive(); keepalive != nil {
		v.enter("tcpKeepalive")
		v.duration("time", keepalive.GetTime())
		v.duration("interval", keepalive.GetInterval())
		v.leave()
	}
	if idle := tcp.GetIdleTimeout().AsDuration(); idle >= time.Millisecond && idle < time.Hour {
		v.add(IdleTimeoutCutsWebSockets, v.at("idleTimeout"),
			fmt.Sprintf("where Istio proxies the port as TCP, a WebSocket that is silent for %s is cut", idle),
			"leave idleTimeout out for Istio's hour, or write 0s for none, and let tcpKeepalive find dead peers")
	}
	if tcp.GetMaxConnectionDuration() != nil {
		v.add(MaxDurationCutsWebSockets, v.at("maxConnectionDuration"),
			fmt.Sprintf("Istio closes a connection that is %s old, and WebSockets are meant to stay open", tcp.GetMaxConnectionDuration().AsDuration()),
			"leave maxConnectionDuration out")
	}
}

var (
	// LocalOriginFailuresNotSplit is rule WS125. consecutiveLocalOriginFailures takes splitExternalLocalOriginErrors.
	LocalOriginFailuresNotSplit = finding.Rule{Code: "WS125", Severity: finding.SeverityError,
		Meaning: "consecutiveLocalOriginFailures takes splitExternalLocalOriginErrors.",
		Source:  "istio/istio pkg/config/validation/validation.go, validateOutlierDetection"}
	// ConsecutiveErrorsIgnored is rule WS176. outlierDetection.consecutiveErrors is deprecated and ignored.
	ConsecutiveErrorsIgnored = finding.Rule{Code: "WS176", Severity: finding.Warning,
		Meaning: "outlierDetection.consecutiveErrors is deprecated and ignored.",
		Source:  "istio/istio pkg/config/validation/validation.go, validateOutlierDetection"}
)

func (v *validator) outlierDetection(outlier *networking.OutlierDetection) {
	if outlier == nil {
		return
	}
	v.enter("outlierDetection")
	defer v.leave()
	v.duration("interval", outlier.GetInterval())
	v.duration("baseEjectionTime", outlier.GetBaseEjectionTime())
	v.percent("maxEjectionPercent", outlier.GetMaxEjectionPercent())
	v.percent("minHealthPercent", outlier.GetMinHealthPercent())
	if n := outlier.GetFailurePercentageThreshold().GetValue(); n > 100 {
		v.outOfRange(v.at("failurePercentageThreshold"), strconv.FormatUint(uint64(n), 10), "a percentage from 0 to 100")
	}
	if !outlier.GetSplitExternalLocalOriginErrors() && outlier.GetConsecutiveLocalOriginFailures().GetValue() > 0 {
		v.add(LocalOriginFailuresNotSplit, v.at("consecutiveLocalOriginFailures"),
			fmt.Sprintf("consecutiveLocalOriginFailures is %d, but splitExternalLocalOriginErrors is not true", outlier.GetConsecutiveLocalOriginFailures().GetValue()),
			"set splitExternalLocalOriginErrors: true, or leave consecutiveLocalOriginFailures out")
	}
	for i, code := range outlier.GetOutlierDetectionHttpErrorCodes() {
		if code < 100 || code > 599 {
			v.outOfRange(v.atItem("outlierDetectionHttpErrorCodes", i), strconv.FormatUint(uint64(code), 10), "an HTTP status from 100 to 599")
		}
	}
	//lint:ignore SA1019 the warning says that it is deprecated
	if outlier.GetConsecutiveErrors() != 0 {
		v.add(ConsecutiveErrorsIgnored, v.at("consecutiveErrors"), "consecutiveErrors is deprecated, and Istio ignores it",
			"write consecutiveGatewayErrors or consecutive5xxErrors")
	}
}

var (
	// CACertCredentialOfMode is rule WS182. tls.caCertCredentialName is for the modes SIMPLE and MUTUAL.
	CACertCredentialOfMode = finding.Rule{Code: "WS182", Severity: finding.Warning,
		Meaning: "tls.caCertCredentialName is for the modes SIMPLE and MUTUAL.", Source: apiDestinationRule + ", ClientTLSSettings.ca_cert_credential_name"}
	// SkipVerifyAndVerification is rule WS136. insecureSkipVerify does not stand beside what the server would be
	// verified with.
	SkipVerifyAndVerification = finding.Rule{Code: "WS136", Severity: finding.SeverityError,
		Meaning: "insecureSkipVerify does not stand beside what the server would be verified with.", Source: istioTLS}
	// CredentialAndFiles is rule WS137. credentialName does not stand beside certificate files.
	CredentialAndFiles = finding.Rule{Code: "WS137", Severity: finding.SeverityError,
		Meaning: "credentialName does not stand beside certificate files.", Source: istioTLS}
	// ForeignConfigMap is rule WS138. A configmap:// credentialName is in the namespace of the rule.
	ForeignConfigMap = finding.Rule{Code: "WS138", Severity: finding.SeverityError,
		Meaning: "A configmap:// credentialName is in the namespace of the rule.", Source: istioTLS}
)

// tls checks the settings as agent.ValidateTLS does.
func (v *validator) tls(tls *networking.ClientTLSSettings) {
	if tls == nil {
		return
	}
	v.enter("tls")
	defer v.leave()
	v.enum("mode", int32(tls.GetMode()), networking.ClientTLSSettings_TLSmode_name, "DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL")
	v.text("clientCertificate", tls.GetClientCertificate())
	v.text("privateKey", tls.GetPrivateKey())
	v.text("caCertificates", tls.GetCaCertificates())
	v.text("caCrl", tls.GetCaCrl())
	v.text("credentialName", tls.GetCredentialName())
	v.text("caCertCredentialName", tls.GetCaCertCredentialName())
	v.texts("subjectAltNames", tls.GetSubjectAltNames())
	v.text("sni", tls.GetSni())
	if len(tls.GetSni()) > 255 {
		v.envoyRefuses(v.at("sni"), fmt.Sprintf("an SNI of %d bytes", len(tls.GetSni())), "write at most 255 bytes")
	}

	// A rule without a namespace may be applied to another one than that of the ConfigMap.
	if after, ok := strings.CutPrefix(tls.GetCredentialName(), "configmap://"); ok {
		namespace, name, _ := strings.Cut(after, "/")
		if name, _, _ = strings.Cut(name, "/"); name == "" || namespace == "" || namespace != v.namespace {
			v.add(ForeignConfigMap, v.at("credentialName"),
				fmt.Sprintf("%q does not name a ConfigMap in the rule's own namespace %q", tls.GetCredentialName(), v.namespace),
				"write configmap://namespace/name with the namespace of the rule, and set metadata.namespace")
		}
	}

	simple := tls.GetMode() == networking.ClientTLSSettings_SIMPLE
	mutual := tls.GetMode() == networking.ClientTLSSettings_MUTUAL
	if tls.GetCaCertCredentialName() != "" && !simple && !mutual {
		v.add(CACertCredentialOfMode, v.at("caCertCredentialName"),
			fmt.Sprintf("the mode is %s, and the comments of Istio's API have caCertCredentialName apply to SIMPLE and MUTUAL alone", tls.GetMode()),
			"leave caCertCredentialName out, or set the mode to SIMPLE or MUTUAL")
	}
	if tls.GetInsecureSkipVerify().GetValue() && (simple || mutual) &&
		(tls.GetCaCertificates() != "" || tls.SubjectAltNames != nil || simple && tls.GetCredentialName() != "") {
		v.add(SkipVerifyAndVerification, v.at("insecureSkipVerify"),
			"insecureSkipVerify is true beside what the server would be verified with",
			"leave out caCertificates and subjectAltNames, with mode SIMPLE also credentialName, or insecureSkipVerify")
	}
	switch {
	case tls.GetCredentialName() != "" && (simple || mutual):
		if tls.GetClientCertificate() != "" || tls.GetPrivateKey() != "" || tls.GetCaCertificates() != "" || tls.GetCaCrl() != "" {
			v.add(CredentialAndFiles, v.at("credentialName"),
				fmt.Sprintf("credentialName %q stands beside clientCertificate, privateKey, caCertificates or caCrl", tls.GetCredentialName()),
				"name the files or the credential, not both")
		}
	case mutual:
		if tls.GetClientCertificate() == "" {
			v.missing(v.at("clientCertificate"), "name the file of the client's certificate, or a credentialName, for mode MUTUAL")
		}
		if tls.GetPrivateKey() == "" {
			v.missing(v.at("privateKey"), "name the file of the client's key, or a credentialName, for mode MUTUAL")
		}
	}
}

var (
	// InvalidTunnelProtocol is rule WS139. The protocol of a tunnel is CONNECT or POST.
	InvalidTunnelProtocol = finding.Rule{Code: "WS139", Severity: finding.SeverityError,
		Meaning: "The protocol of a tunnel is CONNECT or POST.", Source: istioTunnel}
	// InvalidTunnelTarget is rule WS140. The target of a tunnel is a DNS name or an IP address.
	InvalidTunnelTarget = finding.Rule{Code: "WS140", Severity: finding.SeverityError,
		Meaning: "The target of a tunnel is a DNS name or an IP address.", Source: istioTunnel}
)

func (v *validator) tunnel(tunnel *networking.TrafficPolicy_TunnelSettings) {
	if tunnel == nil {
		return
	}
	v.enter("tunnel")
	defer v.leave()
	if tunnel.GetProtocol() != "" && tunnel.GetProtocol() != "CONNECT" && tunnel.GetProtocol() != "POST" {
		v.add(InvalidTunnelProtocol, v.at("protocol"), fmt.Sprintf("%q is no protocol of a tunnel", tunnel.GetProtocol()),
			"write CONNECT or POST, or leave it out for CONNECT")
	}
	if !isDomain(tunnel.GetTargetHost()) {
		if _, err := netip.ParseAddr(tunnel.GetTargetHost()); err != nil {
			v.add(InvalidTunnelTarget, v.at("targetHost"), fmt.Sprintf("%q is neither a full DNS name nor an IP address", tunnel.GetTargetHost()),
				"write the host that the tunnel ends at")
		}
	}
	if tunnel.GetTargetPort() == 0 || tunnel.GetTargetPort() > maxPort {
		v.outOfRange(v.at("targetPort"), strconv.FormatUint(uint64(tunnel.GetTargetPort()), 10), "a port from 1 to 65535")
	}
}
