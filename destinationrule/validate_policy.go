// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// trafficPolicy checks the policy of the destination or of a subset (validateTrafficPolicy in
// pkg/config/validation). A list without entries is not written, so it counts as not there.
func (v *validator) trafficPolicy(p *path, policy *networking.TrafficPolicy) {
	if policy == nil {
		return
	}
	if !settles(policy) && len(policy.GetPortLevelSettings()) == 0 {
		v.add(finding.New("WS120", p.String(), "the traffic policy sets nothing, which Istio refuses",
			"set one of its fields or leave trafficPolicy out"))
	}
	if policy.GetTunnel() != nil && policy.GetProxyProtocol() != nil {
		v.add(finding.New("WS121", p.at("proxyProtocol"), "proxyProtocol stands beside tunnel", "keep one of the two"))
	}
	v.connectionPool(p, policy.GetConnectionPool())
	v.loadBalancer(p, policy.GetLoadBalancer(), policy.GetOutlierDetection() != nil)
	v.outlierDetection(p, policy.GetOutlierDetection())
	v.tls(p, policy.GetTls())
	v.portLevelSettings(p, policy.GetPortLevelSettings())
	v.tunnel(p, policy.GetTunnel())
	if policy.GetProxyProtocol() != nil {
		sub := p.field("proxyProtocol")
		v.enum(&sub, "version", int32(policy.GetProxyProtocol().GetVersion()), networking.TrafficPolicy_ProxyProtocol_VERSION_name, "V1 or V2")
	}
	if budget := policy.GetRetryBudget(); budget != nil {
		sub := p.field("retryBudget")
		v.doublePercent(&sub, "percent", budget.GetPercent())
		v.writable(&sub, "budgetInterval", budget.GetBudgetInterval())
	}
}

func (v *validator) portLevelSettings(p *path, settings []*networking.TrafficPolicy_PortTrafficPolicy) {
	if len(settings) > maxEntries {
		v.tooMany(p.at("portLevelSettings"), len(settings))
	}
	for i, s := range settings {
		sub := p.entry("portLevelSettings", i)
		switch {
		case s == nil:
			v.null(sub.String())
			continue
		case s.GetPort() == nil:
			v.missing(sub.at("port"), "write port: {number: …} with the number of the Service's port")
		case v.warn && (s.GetPort().GetNumber() == 0 || s.GetPort().GetNumber() > maxPort):
			v.add(finding.New("WS174", sub.at("port.number"), fmt.Sprintf("no Service has port %d, so the entry does nothing", s.GetPort().GetNumber()),
				"give the number of the Service's port, 1 to 65535"))
		}
		if s.GetConnectionPool() == nil && s.GetLoadBalancer() == nil && s.GetOutlierDetection() == nil && s.GetTls() == nil {
			v.add(finding.New("WS122", sub.String(), "the entry sets nothing for its port, which Istio refuses",
				"set connectionPool, loadBalancer, outlierDetection or tls, or leave the entry out"))
			continue
		}
		v.connectionPool(&sub, s.GetConnectionPool())
		v.loadBalancer(&sub, s.GetLoadBalancer(), s.GetOutlierDetection() != nil)
		v.outlierDetection(&sub, s.GetOutlierDetection())
		v.tls(&sub, s.GetTls())
	}
	if v.warn && len(settings) > 1 {
		v.repeatedPorts(p, settings)
	}
}

// repeatedPorts warns of entries that GetPortLevelTrafficPolicy (pilot/pkg/networking/util/util.go) never reaches.
func (v *validator) repeatedPorts(p *path, settings []*networking.TrafficPolicy_PortTrafficPolicy) {
	seen := make(map[uint32]int, len(settings))
	for i, s := range settings {
		if s.GetPort() == nil {
			continue
		}
		if first, again := seen[s.GetPort().GetNumber()]; again {
			v.add(finding.New("WS175", p.atEntry("portLevelSettings", i),
				fmt.Sprintf("portLevelSettings[%d] is for port %d too, and Istio takes the first", first, s.GetPort().GetNumber()),
				"merge the two entries"))
			continue
		}
		seen[s.GetPort().GetNumber()] = i
	}
}

// connectionPool follows validateConnectionPool.
func (v *validator) connectionPool(parent *path, pool *networking.ConnectionPoolSettings) {
	if pool == nil {
		return
	}
	p := parent.field("connectionPool")
	if pool.GetHttp() == nil && pool.GetTcp() == nil {
		v.add(finding.New("WS123", p.String(), "the connection pool has neither http nor tcp, which Istio refuses",
			"set one of the two or leave connectionPool out"))
		return
	}
	if http := pool.GetHttp(); http != nil {
		v.http(&p, http)
	}
	if tcp := pool.GetTcp(); tcp != nil {
		v.tcp(&p, tcp)
	}
	if v.warn && isEmpty(pool.GetHttp()) && isEmpty(pool.GetTcp()) {
		v.add(finding.New("WS167", p.String(), "the connection pool sets nothing, and takes the place of any that would be inherited all the same",
			"leave connectionPool out; DEFAULT for h2UpgradePolicy is the same as not to write it"))
	}
}

func (v *validator) http(parent *path, http *networking.ConnectionPoolSettings_HTTPSettings) {
	p := parent.field("http")
	v.notNegative(&p, "http1MaxPendingRequests", http.GetHttp1MaxPendingRequests())
	v.notNegative(&p, "http2MaxRequests", http.GetHttp2MaxRequests())
	v.notNegative(&p, "maxRequestsPerConnection", http.GetMaxRequestsPerConnection())
	v.notNegative(&p, "maxRetries", http.GetMaxRetries())
	v.duration(&p, "idleTimeout", http.GetIdleTimeout())
	v.enum(&p, "h2UpgradePolicy", int32(http.GetH2UpgradePolicy()), networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy_name, upgradePolicies)
	v.notNegative(&p, "maxConcurrentStreams", http.GetMaxConcurrentStreams())
	if keepalive := http.GetHttp2KeepAlive(); keepalive != nil {
		sub := p.field("http2KeepAlive")
		v.requiredDuration(&sub, "interval", keepalive.GetInterval())
		v.requiredDuration(&sub, "timeout", keepalive.GetTimeout())
	}

	upgrade := http.GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
	switch {
	case upgrade && http.GetUseClientProtocol():
		v.add(finding.New("WS124", p.at("useClientProtocol"), "useClientProtocol is true beside h2UpgradePolicy UPGRADE",
			"leave useClientProtocol out, or the policy"))
	case v.warn && http.GetUseClientProtocol():
		v.add(finding.New("WS171", p.at("useClientProtocol"),
			"useClientProtocol is true, so the application itself is sent HTTP/2 where the client speaks it, WebSockets as extended CONNECT",
			"leave it out unless the application speaks WebSocket over HTTP/2 (RFC 8441)"))
	}
	if v.warn && upgrade && http.GetMaxRequestsPerConnection() > 0 {
		v.add(finding.New("WS170", p.at("maxRequestsPerConnection"),
			fmt.Sprintf("a connection takes %d requests and no more, so UPGRADE brings no more than that many WebSockets onto one", http.GetMaxRequestsPerConnection()),
			"leave maxRequestsPerConnection out"))
	}
}

func (v *validator) tcp(parent *path, tcp *networking.ConnectionPoolSettings_TCPSettings) {
	p := parent.field("tcp")
	v.notNegative(&p, "maxConnections", tcp.GetMaxConnections())
	v.duration(&p, "connectTimeout", tcp.GetConnectTimeout())
	v.duration(&p, "maxConnectionDuration", tcp.GetMaxConnectionDuration())
	// The webhook takes what is 0 in milliseconds, because 0s turns the timeout off.
	if v.writable(&p, "idleTimeout", tcp.GetIdleTimeout()) && tcp.GetIdleTimeout().AsDuration().Milliseconds() != 0 {
		v.duration(&p, "idleTimeout", tcp.GetIdleTimeout())
	}
	if keepalive := tcp.GetTcpKeepalive(); keepalive != nil {
		sub := p.field("tcpKeepalive")
		v.duration(&sub, "time", keepalive.GetTime())
		v.duration(&sub, "interval", keepalive.GetInterval())
	}
	if !v.warn {
		return
	}
	if idle := tcp.GetIdleTimeout().AsDuration(); idle >= time.Millisecond && idle < time.Hour {
		v.add(finding.New("WS168", p.at("idleTimeout"),
			fmt.Sprintf("where Istio proxies the port as TCP, a WebSocket that is silent for %s is cut", idle),
			"leave idleTimeout out for Istio's hour, or write 0s for none, and let tcpKeepalive find dead peers"))
	}
	if tcp.GetMaxConnectionDuration() != nil {
		v.add(finding.New("WS169", p.at("maxConnectionDuration"),
			fmt.Sprintf("Istio closes a connection that is %s old, and WebSockets are meant to stay open", tcp.GetMaxConnectionDuration().AsDuration()),
			"leave maxConnectionDuration out"))
	}
}

func (v *validator) outlierDetection(parent *path, outlier *networking.OutlierDetection) {
	if outlier == nil {
		return
	}
	p := parent.field("outlierDetection")
	v.duration(&p, "interval", outlier.GetInterval())
	v.duration(&p, "baseEjectionTime", outlier.GetBaseEjectionTime())
	v.percent(&p, "maxEjectionPercent", outlier.GetMaxEjectionPercent())
	v.percent(&p, "minHealthPercent", outlier.GetMinHealthPercent())
	if n := outlier.GetFailurePercentageThreshold().GetValue(); n > 100 {
		v.outOfRange(p.at("failurePercentageThreshold"), strconv.FormatUint(uint64(n), 10), "a percentage from 0 to 100")
	}
	if !outlier.GetSplitExternalLocalOriginErrors() && outlier.GetConsecutiveLocalOriginFailures().GetValue() > 0 {
		v.add(finding.New("WS125", p.at("consecutiveLocalOriginFailures"),
			fmt.Sprintf("consecutiveLocalOriginFailures is %d, but splitExternalLocalOriginErrors is not true", outlier.GetConsecutiveLocalOriginFailures().GetValue()),
			"set splitExternalLocalOriginErrors: true, or leave consecutiveLocalOriginFailures out"))
	}
	for i, code := range outlier.GetOutlierDetectionHttpErrorCodes() {
		if code < 100 || code > 599 {
			v.outOfRange(p.atEntry("outlierDetectionHttpErrorCodes", i), strconv.FormatUint(uint64(code), 10), "an HTTP status from 100 to 599")
		}
	}
	//lint:ignore SA1019 that it is deprecated is what the warning says
	if v.warn && outlier.GetConsecutiveErrors() != 0 {
		v.add(finding.New("WS176", p.at("consecutiveErrors"), "consecutiveErrors is deprecated, and Istio ignores it",
			"write consecutiveGatewayErrors or consecutive5xxErrors"))
	}
}

// tls follows agent.ValidateTLS.
func (v *validator) tls(parent *path, tls *networking.ClientTLSSettings) {
	if tls == nil {
		return
	}
	p := parent.field("tls")
	v.enum(&p, "mode", int32(tls.GetMode()), networking.ClientTLSSettings_TLSmode_name, "DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL")
	v.text(&p, "clientCertificate", tls.GetClientCertificate())
	v.text(&p, "privateKey", tls.GetPrivateKey())
	v.text(&p, "caCertificates", tls.GetCaCertificates())
	v.text(&p, "caCrl", tls.GetCaCrl())
	v.text(&p, "credentialName", tls.GetCredentialName())
	v.text(&p, "caCertCredentialName", tls.GetCaCertCredentialName())
	v.texts(&p, "subjectAltNames", tls.GetSubjectAltNames())
	v.text(&p, "sni", tls.GetSni())
	if len(tls.GetSni()) > 255 {
		v.envoyRefuses(p.at("sni"), fmt.Sprintf("an SNI of %d bytes", len(tls.GetSni())), "write at most 255 bytes")
	}

	// Without a namespace of its own, the rule cannot be shown to stand where the ConfigMap is.
	if after, ok := strings.CutPrefix(tls.GetCredentialName(), "configmap://"); ok {
		namespace, name, _ := strings.Cut(after, "/")
		if name, _, _ = strings.Cut(name, "/"); name == "" || namespace == "" || namespace != v.namespace {
			v.add(finding.New("WS138", p.at("credentialName"),
				fmt.Sprintf("%q does not name a ConfigMap in the rule's own namespace %q", tls.GetCredentialName(), v.namespace),
				"write configmap://namespace/name with the namespace of the rule, and set metadata.namespace"))
		}
	}

	simple := tls.GetMode() == networking.ClientTLSSettings_SIMPLE
	mutual := tls.GetMode() == networking.ClientTLSSettings_MUTUAL
	if v.warn && tls.GetCaCertCredentialName() != "" && !simple && !mutual {
		v.add(finding.New("WS182", p.at("caCertCredentialName"),
			fmt.Sprintf("the mode is %s, and the comments of Istio's API have caCertCredentialName apply to SIMPLE and MUTUAL alone", tls.GetMode()),
			"leave caCertCredentialName out, or set the mode to SIMPLE or MUTUAL"))
	}
	if tls.GetInsecureSkipVerify().GetValue() && (simple || mutual) &&
		(tls.GetCaCertificates() != "" || tls.SubjectAltNames != nil || simple && tls.GetCredentialName() != "") {
		v.add(finding.New("WS136", p.at("insecureSkipVerify"),
			"insecureSkipVerify is true beside what the server would be verified with",
			"leave out caCertificates and subjectAltNames, with mode SIMPLE also credentialName, or insecureSkipVerify"))
	}
	switch {
	case tls.GetCredentialName() != "" && (simple || mutual):
		if tls.GetClientCertificate() != "" || tls.GetPrivateKey() != "" || tls.GetCaCertificates() != "" || tls.GetCaCrl() != "" {
			v.add(finding.New("WS137", p.at("credentialName"),
				fmt.Sprintf("credentialName %q stands beside clientCertificate, privateKey, caCertificates or caCrl", tls.GetCredentialName()),
				"name the files or the credential, not both"))
		}
	case mutual:
		if tls.GetClientCertificate() == "" {
			v.missing(p.at("clientCertificate"), "name the file of the client's certificate, or a credentialName, for mode MUTUAL")
		}
		if tls.GetPrivateKey() == "" {
			v.missing(p.at("privateKey"), "name the file of the client's key, or a credentialName, for mode MUTUAL")
		}
	}
}

func (v *validator) tunnel(parent *path, tunnel *networking.TrafficPolicy_TunnelSettings) {
	if tunnel == nil {
		return
	}
	p := parent.field("tunnel")
	if tunnel.GetProtocol() != "" && tunnel.GetProtocol() != "CONNECT" && tunnel.GetProtocol() != "POST" {
		v.add(finding.New("WS139", p.at("protocol"), fmt.Sprintf("%q is no protocol of a tunnel", tunnel.GetProtocol()),
			"write CONNECT or POST, or leave it out for CONNECT"))
	}
	if !isDomain(tunnel.GetTargetHost()) {
		if _, err := netip.ParseAddr(tunnel.GetTargetHost()); err != nil {
			v.add(finding.New("WS140", p.at("targetHost"), fmt.Sprintf("%q is neither a full DNS name nor an IP address", tunnel.GetTargetHost()),
				"write the host that the tunnel ends at"))
		}
	}
	if tunnel.GetTargetPort() == 0 || tunnel.GetTargetPort() > maxPort {
		v.outOfRange(p.at("targetPort"), strconv.FormatUint(uint64(tunnel.GetTargetPort()), 10), "a port from 1 to 65535")
	}
}
