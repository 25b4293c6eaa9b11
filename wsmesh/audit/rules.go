// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/version"
)

type h2Policy = networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy

const (
	policyUpgrade      = networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
	policyDoNotUpgrade = networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE
	policyDefault      = networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
)

const policyPath = "connectionPool.http.h2UpgradePolicy"

// A policySite is a place of a DestinationRule that sets h2UpgradePolicy.
type policySite struct {
	path   string
	policy h2Policy
	port   uint32            // 0: every port without a level of its own
	subset map[string]string // labels, nil for all pods
	levels []uint32          // the ports that have levels of their own beside this one
}

// policySites lists the places that set a policy.
func policySites(spec *networking.DestinationRule) []policySite {
	sites := sitesIn("spec.trafficPolicy", spec.GetTrafficPolicy(), nil)
	for i, s := range spec.GetSubsets() {
		sites = append(sites, sitesIn("spec.subsets["+strconv.Itoa(i)+"].trafficPolicy", s.GetTrafficPolicy(), s.GetLabels())...)
	}
	return sites
}

func sitesIn(path string, tp *networking.TrafficPolicy, subset map[string]string) []policySite {
	var sites []policySite
	var levels []uint32
	for i, s := range tp.GetPortLevelSettings() {
		port := s.GetPort().GetNumber()
		if p := s.GetConnectionPool().GetHttp().GetH2UpgradePolicy(); p != policyDefault && !slices.Contains(levels, port) {
			sites = append(sites, policySite{path: path + ".portLevelSettings[" + strconv.Itoa(i) + "]." + policyPath, policy: p, port: port, subset: subset})
		}
		levels = append(levels, port)
	}
	if p := tp.GetConnectionPool().GetHttp().GetH2UpgradePolicy(); p != policyDefault {
		sites = append([]policySite{{path: path + "." + policyPath, policy: p, subset: subset, levels: levels}}, sites...)
	}
	return sites
}

// covers says whether the place holds for a port of the Service.
func (s *policySite) covers(port uint32) bool {
	if s.port != 0 {
		return s.port == port
	}
	return !slices.Contains(s.levels, port)
}

func hasUpgrade(sites []policySite) bool {
	return slices.ContainsFunc(sites, func(s policySite) bool { return s.policy == policyUpgrade })
}

// rulesAlone looks at each rule for itself, in the light of the mesh's releases.
func (a *auditor) rulesAlone() {
	baseline := slices.IndexFunc(a.meshes, func(o *auditObject) bool { return len(o.mesh.DefaultTrafficPolicy.ConnectionPool) > 0 })
	keepsCase := slices.IndexFunc(a.meshes, func(o *auditObject) bool { return o.mesh.DefaultConfig.ProxyHeaders.PreserveHTTP1HeaderCase })
	for _, o := range a.rules {
		spec := o.rule.Spec
		sites := policySites(spec)
		a.servedVersion(o)
		a.newFields(o, ruleFields(spec))
		if len(sites) > 0 && !a.every(version.H2UpgradeImplemented) {
			a.add(finding.WS447, o, sites[0].path, fmt.Sprintf("Istio %s accepts h2UpgradePolicy %s and ignores it", a.oldestControlPlane, sites[0].policy),
				"upgrade Istio to 1.6 or later")
		}
		if pool := spec.GetTrafficPolicy().GetConnectionPool(); pool != nil && baseline >= 0 && a.some(version.DefaultTrafficPolicy) {
			a.add(finding.WS449, o, "spec.trafficPolicy.connectionPool",
				"this connectionPool takes the place of that in defaultTrafficPolicy of "+a.meshes[baseline].String()+" for the host",
				"repeat the settings of the mesh here")
		}
		if !hasUpgrade(sites) {
			continue
		}
		site := sites[slices.IndexFunc(sites, func(s policySite) bool { return s.policy == policyUpgrade })]
		if minimum := version.UpgradeBoundary.Since; a.oldest.Compare(minimum) < 0 {
			a.add(finding.WS440, o, site.path, fmt.Sprintf("h2UpgradePolicy is UPGRADE, and the oldest release of the mesh is %s, earlier than %s", a.oldest, minimum),
				"set DO_NOT_UPGRADE until every control plane and proxy is upgraded")
		}
		if keepsCase >= 0 && a.some(version.HeaderCaseKeepsHTTP1) {
			a.add(finding.WS451, o, site.path, "UPGRADE has no effect on ports named for HTTP, since preserveHttp1HeaderCase is on in "+a.meshes[keepsCase].String(),
				"remove one of the two")
		}
	}
}

func (a *auditor) servedVersion(o *auditObject) {
	served := true
	switch o.apiVersion {
	case istio.NetworkingV1:
		served = a.every(version.NetworkingV1)
	case istio.NetworkingV1beta1:
		served = a.every(version.NetworkingV1beta1)
	}
	if !served {
		a.add(finding.WS446, o, "apiVersion", fmt.Sprintf("Istio %s does not serve DestinationRules as %s", a.oldestControlPlane, o.apiVersion), "write "+a.wantedVersion())
	}
}

// wantedVersion is the apiVersion that every control plane serves.
func (a *auditor) wantedVersion() string {
	if a.every(version.NetworkingV1beta1) {
		return istio.NetworkingV1beta1
	}
	return istio.NetworkingV1alpha3
}

// A usedField is a field that an object sets, and since when there is one.
type usedField struct {
	path  string
	since version.Feature
}

func ruleFields(spec *networking.DestinationRule) []usedField {
	var used []usedField
	if spec.GetWorkloadSelector() != nil {
		used = append(used, usedField{"spec.workloadSelector", version.ClientWorkloadSelector})
	}
	pool := spec.GetTrafficPolicy().GetConnectionPool()
	const path = "spec.trafficPolicy.connectionPool."
	for _, f := range [...]struct {
		set   bool
		field usedField
	}{
		{pool.GetHttp().GetUseClientProtocol(), usedField{path + "http.useClientProtocol", version.UseClientProtocol}},
		{pool.GetTcp().GetMaxConnectionDuration() != nil, usedField{path + "tcp.maxConnectionDuration", version.MaxConnectionDuration}},
		{pool.GetTcp().GetIdleTimeout() != nil, usedField{path + "tcp.idleTimeout", version.TCPIdleTimeout}},
		{pool.GetHttp().GetMaxConcurrentStreams() != 0, usedField{path + "http.maxConcurrentStreams", version.MaxConcurrentStreams}},
		{pool.GetHttp().GetHttp2KeepAlive() != nil, usedField{path + "http.http2KeepAlive", version.HTTP2KeepAlive}},
	} {
		if f.set {
			used = append(used, f.field)
		}
	}
	return used
}

func (a *auditor) newFields(o *auditObject, used []usedField) {
	for _, f := range used {
		if !a.every(f.since) {
			a.add(finding.WS452, o, f.path, fmt.Sprintf("Istio %s does not have what stands here, which came with %s", a.oldestControlPlane, f.since.Since),
				"leave it out until every control plane is "+f.since.Since.String()+" or later")
		}
	}
}

// rulesTogether finds the rules that are not used, because another one stands before them.
func (a *auditor) rulesTogether() {
	for _, o := range a.rules {
		host := a.hostOf(o)
		if strings.HasPrefix(host, "*") {
			a.wildcardHides(o, host)
			continue
		}
		a.sameHost(o, host)
		a.wildcardBehind(o, host)
		service := a.serviceByHost[host]
		if service == nil {
			a.unknownHost(o, host)
			continue
		}
		a.otherNamespace(o, service)
	}
}

// sameHost reports that another rule of the namespace is for the same host.
func (a *auditor) sameHost(o *auditObject, host string) {
	first := a.firstFor[shareOf(o, host)]
	if first == nil || first == o || !sharesHost(o) {
		return
	}
	message := fmt.Sprintf("%s is for the host %q too, and only the trafficPolicy of the older of the two has effect", first, host)
	if knownOlder(first, o) {
		message = fmt.Sprintf("%s is for the host %q too and is older, and so this rule's trafficPolicy has no effect", first, host)
	}
	a.add(finding.WS351, o, "spec.host", message, "write one DestinationRule for the host")
}

// sharesHost says whether istiod merges the rule with others for its host. A rule with a workloadSelector stays apart.
func sharesHost(o *auditObject) bool {
	return o.rule.Spec.GetTrafficPolicy() != nil && o.rule.Spec.GetWorkloadSelector() == nil
}

// shareOf is what rules have in common of which only the oldest has effect.
func shareOf(o *auditObject, host string) string {
	return o.namespace() + " " + host + " " + strings.Join(o.rule.Spec.GetExportTo(), ",")
}

// knownOlder says whether the time of both rules' creation is known, and that of x is earlier.
func knownOlder(x, y *auditObject) bool {
	// The API server writes RFC 3339 in UTC, which sorts as text.
	return x.meta.CreationTimestamp != "" && x.meta.CreationTimestamp < y.meta.CreationTimestamp
}

// hidden says whether an older rule is known to stand before this one.
func (a *auditor) hidden(o *auditObject) bool {
	first := a.firstFor[shareOf(o, a.hostOf(o))]
	return first != nil && sharesHost(o) && knownOlder(first, o)
}

func (a *auditor) unknownHost(o *auditObject, host string) {
	name, isService := strings.CutSuffix(host, ".svc."+a.domain)
	_, namespace, _ := strings.Cut(name, ".")
	if !isService || a.external[host] || len(a.servicesIn[namespace]) == 0 || namespace == a.root {
		return // nothing is known of that namespace, or it is outside the cluster, where WS161 speaks of short forms
	}
	a.add(finding.WS359, o, "spec.host", fmt.Sprintf("no Service %q is in the namespace %q", strings.TrimSuffix(name, "."+namespace), namespace),
		"write the name of a Service that there is")
}

// otherNamespace reports a rule that hides the one in the Service's namespace, or is hidden by it.
func (a *auditor) otherNamespace(o, service *auditObject) {
	ns := service.namespace()
	if o.namespace() == ns || o.rule.Spec.GetWorkloadSelector() != nil {
		return
	}
	for _, own := range a.rulesFor[a.fqdn(service)] {
		if own.namespace() != ns || own.rule.Spec.GetWorkloadSelector() != nil {
			continue
		}
		switch {
		case o.namespace() == a.root && exported(own):
			a.add(finding.WS353, o, "spec.host", fmt.Sprintf("%s stands before this rule, which no client uses", own), "set what is needed in that rule, and delete this one")
			return
		case o.namespace() != a.root && a.differ(o, own, service):
			a.hides(o, own)
			return
		}
	}
}

func (a *auditor) hides(o, own *auditObject) {
	a.add(finding.WS352, o, "spec.host", fmt.Sprintf("for clients of the namespace %s this rule takes the place of %s, whose h2UpgradePolicy is another", o.namespace(), own),
		"set the same h2UpgradePolicy here, or delete this rule")
}

func exported(o *auditObject) bool {
	to := o.rule.Spec.GetExportTo()
	return len(to) == 0 || slices.Contains(to, "*")
}

// differ says whether two rules give a port of the Service different policies.
func (a *auditor) differ(x, y, service *auditObject) bool {
	for _, p := range service.service.Ports {
		if policyFor(x.rule.Spec, p.Port) != policyFor(y.rule.Spec, p.Port) {
			return true
		}
	}
	return false
}

// policyFor returns what a rule's trafficPolicy says for a port.
func policyFor(spec *networking.DestinationRule, port uint32) h2Policy {
	for _, s := range spec.GetTrafficPolicy().GetPortLevelSettings() {
		if s.GetPort().GetNumber() == port {
			return s.GetConnectionPool().GetHttp().GetH2UpgradePolicy()
		}
	}
	return spec.GetTrafficPolicy().GetConnectionPool().GetHttp().GetH2UpgradePolicy()
}

// matches says whether a host is one that a wildcard stands for.
func matches(wildcard, host string) bool {
	return strings.HasSuffix(host, wildcard[1:]) && len(host) >= len(wildcard)
}

// wildcardBehind reports a rule that keeps a wildcard's policy from its host.
func (a *auditor) wildcardBehind(o *auditObject, host string) {
	if len(policySites(o.rule.Spec)) > 0 || o.rule.Spec.GetWorkloadSelector() != nil {
		return
	}
	for _, w := range a.wildcards {
		if w.namespace() == o.namespace() && matches(a.hostOf(w), host) && len(policySites(w.rule.Spec)) > 0 {
			a.add(finding.WS354, o, "spec.host", fmt.Sprintf("%s has h2UpgradePolicy %s for %q, which this rule for a single host does not inherit",
				w, policySites(w.rule.Spec)[0].policy, w.rule.Spec.GetHost()), "set h2UpgradePolicy here too")
			return
		}
	}
}

// wildcardHides reports a wildcard in a client's namespace that hides the rules of other namespaces.
func (a *auditor) wildcardHides(o *auditObject, wildcard string) {
	if o.namespace() == a.root || o.rule.Spec.GetWorkloadSelector() != nil {
		return
	}
	for _, service := range a.matched(wildcard) {
		for _, own := range a.rulesFor[a.fqdn(service)] {
			if own.namespace() != o.namespace() && own.namespace() == service.namespace() && a.differ(o, own, service) {
				a.hides(o, own)
				return
			}
		}
	}
}

// matched returns the Services that a rule's host stands for.
func (a *auditor) matched(host string) []*auditObject {
	if !strings.HasPrefix(host, "*") {
		if s := a.serviceByHost[host]; s != nil {
			return []*auditObject{s}
		}
		return nil
	}
	services := a.services
	if rest, ok := strings.CutSuffix(host, ".svc."+a.domain); ok && strings.HasPrefix(rest, "*.") {
		services = a.servicesIn[rest[2:]]
	}
	var out []*auditObject
	for _, s := range services {
		if matches(host, a.fqdn(s)) {
			out = append(out, s)
		}
	}
	return out
}
