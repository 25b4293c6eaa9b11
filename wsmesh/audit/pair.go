// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/version"
)

// upgrades follows each UPGRADE to the pods that it reaches, and reports those that do not accept it.
func (a *auditor) upgrades() {
	for _, o := range a.rules {
		sites := policySites(o.rule.Spec)
		if len(sites) == 0 {
			continue
		}
		host := a.hostOf(o)
		services := a.matched(host)
		if len(services) == 0 && hasUpgrade(sites) && a.isExternal(host) {
			a.outside(o, "spec.host", strconv.Quote(host)+", a host of a ServiceEntry")
		}
		for _, service := range services {
			a.levels(o, service)
			if a.hidden(o) || o.namespace() == a.root && a.hiddenByOwn(service) {
				continue
			}
			for i := range sites {
				a.site(o, &sites[i], service)
			}
		}
	}
}

func (a *auditor) isExternal(host string) bool {
	if a.external[host] {
		return true
	}
	return strings.HasPrefix(host, "*") && slices.ContainsFunc(slices.Collect(maps.Keys(a.external)), func(h string) bool { return matches(host, h) })
}

// hiddenByOwn says whether a rule of the Service's namespace stands before one of the root namespace.
func (a *auditor) hiddenByOwn(service *auditObject) bool {
	return slices.ContainsFunc(a.rulesFor[a.fqdn(service)], func(o *auditObject) bool {
		return o.namespace() == service.namespace() && o.namespace() != a.root && exported(o) && o.rule.Spec.GetWorkloadSelector() == nil
	})
}

// levels reports port levels for ports that the Service does not have: mostly the container's port.
func (a *auditor) levels(o, service *auditObject) {
	if strings.HasPrefix(o.rule.Spec.GetHost(), "*") {
		return
	}
	for i, s := range o.rule.Spec.GetTrafficPolicy().GetPortLevelSettings() {
		port := s.GetPort().GetNumber()
		if slices.ContainsFunc(service.service.Ports, func(p servicePort) bool { return p.Port == port }) {
			continue
		}
		hint := "write the number of a port of the Service"
		for _, p := range service.service.Ports {
			if string(p.TargetPort) == strconv.Itoa(int(port)) {
				hint = fmt.Sprintf("write %d, the port of the Service in front of it", p.Port)
			}
		}
		a.add(finding.WS550, o, fmt.Sprintf("spec.trafficPolicy.portLevelSettings[%d].port.number", i),
			fmt.Sprintf("%s has no port %d", service, port), hint)
	}
}

// site follows one h2UpgradePolicy to the pods of one Service.
func (a *auditor) site(o *auditObject, s *policySite, service *auditObject) {
	if s.policy != policyUpgrade {
		a.notUpgraded(o, s, service)
		return
	}
	if service.service.Type == "ExternalName" || len(service.service.Selector) == 0 {
		if a.once("outside", o.String(), service.String()) {
			a.outside(o, s.path, "the endpoints of "+service.String()+", which selects no pods")
		}
		return
	}
	var ports []servicePort
	for i, p := range service.service.Ports {
		if s.covers(p.Port) && a.speaksHTTP1(o, service, i) {
			ports = append(ports, p)
		}
	}
	if len(ports) == 0 {
		return
	}
	if w := a.waypointOf(service); w != "" && a.once(finding.WS546.Code, o.String(), service.String()) {
		a.add(finding.WS546, o, s.path, fmt.Sprintf("%s is behind the waypoint %q, which UPGRADE makes speak HTTP/2 to the application", service, w), "set DO_NOT_UPGRADE")
	}
	a.pods(o, s, service, ports)
}

func (a *auditor) outside(o *auditObject, path, what string) {
	a.add(finding.WS548, o, path, "UPGRADE sends HTTP/2 to "+what, "set DO_NOT_UPGRADE unless each endpoint has a sidecar that an EnvoyFilter opens")
}

// notUpgraded reports DO_NOT_UPGRADE for ports that are HTTP/2 by their name.
func (a *auditor) notUpgraded(o *auditObject, s *policySite, service *auditObject) {
	for i, p := range service.service.Ports {
		if proto, _ := a.protocol(p); s.covers(p.Port) && istio.IsHTTP2(proto) && a.once(finding.WS544.Code, service.String(), strconv.Itoa(i)) {
			a.add(finding.WS544, service, portPath(service, i), fmt.Sprintf("the port %s is HTTP/2 by its name, whatever %s says", p, o),
				"name the port http-… to have HTTP/1.1")
		}
	}
}

// String names a port as people find it.
func (p servicePort) String() string {
	if p.Name == "" {
		return strconv.Itoa(int(p.Port))
	}
	return strconv.Itoa(int(p.Port)) + " (" + p.Name + ")"
}

func portPath(service *auditObject, i int) string {
	path := "spec.ports[" + strconv.Itoa(i) + "]"
	switch p := service.service.Ports[i]; {
	case p.AppProtocol != "":
		return path + ".appProtocol"
	case p.Name != "":
		return path + ".name"
	}
	return path
}

func (a *auditor) protocol(p servicePort) (string, bool) {
	return istio.Protocol(p.Name, p.AppProtocol, a.oldestControlPlane)
}

// speaksHTTP1 says whether Istio reads the port as HTTP/1, and reports what an UPGRADE does to it otherwise.
func (a *auditor) speaksHTTP1(o, service *auditObject, i int) bool {
	p := service.service.Ports[i]
	proto, http1 := a.protocol(p)
	if http1 || !a.once("protocol", service.String(), strconv.Itoa(i)) {
		return http1
	}
	path, hint := portPath(service, i), "name the port http-… or set its appProtocol to http"
	switch {
	case istio.IsHTTP2(proto):
		a.add(finding.WS540, service, path, fmt.Sprintf("the port %s makes the server's proxy speak HTTP/2 to the application, to which %s sends UPGRADE", p, o), hint)
	case proto == istio.AppProtocolWebSocket:
		a.add(finding.WS543, service, path, fmt.Sprintf("Istio %s does not know the appProtocol %q and sniffs the port's protocol", a.oldestControlPlane, proto),
			"set the appProtocol to http until every control plane is 1.24 or later")
	case istio.IsTCP(proto):
		a.add(finding.WS541, service, path, fmt.Sprintf("the port %s is passed on as bytes, and the UPGRADE of %s has no use", p, o), hint)
	default:
		effect := "the application itself is sent HTTP/2"
		if a.every(version.SniffedPortIgnoresUpgrade) {
			effect = "sidecars do not upgrade and gateways send the application HTTP/2"
		}
		a.add(finding.WS542, service, path, fmt.Sprintf("the protocol of the port %s is sniffed, and with the UPGRADE of %s %s", p, o, effect), hint)
	}
	return false
}

func (a *auditor) waypointOf(service *auditObject) string {
	if w := service.meta.Labels[waypointLabel]; w != "" {
		return strings.TrimPrefix(w, "none")
	}
	if ns := a.namespaces[service.namespace()]; ns != nil {
		return strings.TrimPrefix(ns.meta.Labels[waypointLabel], "none")
	}
	return ""
}

// podsOf returns the workloads behind a Service, and whether there are any among the manifests. Else it is one with
// the labels that the Service selects.
func (a *auditor) podsOf(service *auditObject, subset map[string]string) ([]*workload, bool) {
	selector := maps.Clone(service.service.Selector)
	maps.Copy(selector, subset)
	if pods := a.selects(service.namespace(), selector); len(pods) > 0 {
		return pods, true
	}
	if subset != nil && len(a.selects(service.namespace(), service.service.Selector)) > 0 {
		return nil, true // istioctl analyze says so (IST0173)
	}
	return []*workload{{ns: service.namespace(), labels: selector}}, false
}

// pods reports the workloads that do not accept what the ports of the Service are sent.
func (a *auditor) pods(o *auditObject, s *policySite, service *auditObject, ports []servicePort) {
	pods, known := a.podsOf(service, s.subset)
	if !known && a.once(finding.WS549.Code, service.String()) {
		a.add(finding.WS549, service, "spec.selector", "no workload with "+describeLabels(service.service.Selector)+" is among the manifests of the namespace "+service.namespace(),
			"audit the workloads too")
	}
	var ambient, bare, closed, open []*workload
	var why string
	missing := map[string]bool{}
	for _, w := range pods {
		state, reason := a.sidecar(w)
		switch state {
		case isAmbient:
			ambient, why = append(ambient, w), reason
			continue
		case noSidecar:
			bare, why = append(bare, w), reason
			continue
		case hasSidecar:
		}
		lacking := a.closedFor(w, ports)
		for _, r := range lacking {
			missing[r.String()] = true
		}
		if len(lacking) > 0 {
			closed = append(closed, w)
		} else {
			open = append(open, w)
		}
	}
	if len(ambient) > 0 && a.once(finding.WS545.Code, o.String(), s.path, service.String()) {
		a.add(finding.WS545, o, s.path, fmt.Sprintf("UPGRADE reaches pods in ambient mode (%s) behind %s: %s", why, service, listed(ambient)), "set DO_NOT_UPGRADE")
	}
	if len(bare) > 0 && a.once(finding.WS547.Code, o.String(), s.path, service.String()) {
		a.add(finding.WS547, o, s.path, fmt.Sprintf("UPGRADE reaches pods without a sidecar (%s) behind %s: %s", why, service, listed(bare)),
			"give them a sidecar, or set DO_NOT_UPGRADE")
	}
	if len(ambient)+len(bare) > 0 {
		a.unfit[service] = true
	}
	if len(closed) == 0 {
		return
	}
	a.closed = append(a.closed, closedService{o, service})
	at := ""
	if len(missing) < len(a.proxies) {
		at = " in proxies of the release " + strings.Join(slices.Sorted(maps.Keys(missing)), ", ")
	}
	hint := "apply an EnvoyFilter that sets allow_connect for " + describeLabels(service.service.Selector) + " in the namespace " + service.namespace() + ", or set DO_NOT_UPGRADE"
	if len(open) == 0 {
		a.add(finding.WS340, o, s.path, fmt.Sprintf("UPGRADE reaches %s, and no EnvoyFilter sets allow_connect for %s%s: WebSockets get 503", service, listed(closed), at), hint)
	} else {
		a.add(finding.WS341, o, s.path, fmt.Sprintf("UPGRADE reaches all of %s, and no EnvoyFilter sets allow_connect for %s%s: WebSockets to it get 503", service, listed(closed), at), hint)
	}
}

// closedFor returns the releases whose proxies before the workload do not accept WebSocket over HTTP/2 on some port.
func (a *auditor) closedFor(w *workload, ports []servicePort) []version.Release {
	var lacking []version.Release
	filters := a.filtersOf(w)
	for _, f := range filters {
		f.needed = true
	}
	for _, r := range a.proxies {
		for _, p := range ports {
			port := w.containerPort(p)
			if !slices.ContainsFunc(filters, func(f *auditFilter) bool { return f.opens(a, r, port) }) {
				lacking = append(lacking, r)
				for _, f := range filters {
					f.lacks[r.String()] = true
				}
				break
			}
		}
	}
	return lacking
}

// containerPort returns the number of the port that the pods listen on, or 0 where it is a name that is not known.
func (w *workload) containerPort(p servicePort) uint32 {
	if p.TargetPort == "" {
		return p.Port
	}
	if n, err := strconv.ParseUint(string(p.TargetPort), 10, 16); err == nil {
		return uint32(n)
	}
	if w.auditObject != nil {
		for _, c := range w.workload.pod.Containers {
			for _, port := range c.Ports {
				if port.Name == string(p.TargetPort) {
					return port.ContainerPort
				}
			}
		}
	}
	return 0
}

// meshWide looks at MeshConfig: what it upgrades, and how it ends connections.
func (a *auditor) meshWide() {
	for _, o := range a.meshes {
		const path = "data.mesh"
		a.edge(o, path, &o.mesh.DefaultConfig.ConnectionSettings, "")
		if o.mesh.H2UpgradePolicy != "UPGRADE" {
			continue
		}
		var reached []*auditObject
		for _, service := range a.services {
			if a.upgradedByMesh(service) {
				reached = append(reached, service)
			}
		}
		if len(reached) > 0 {
			a.add(finding.WS355, o, path, "h2UpgradePolicy UPGRADE reaches workloads that no EnvoyFilter opens for WebSockets, behind "+listed(reached),
				"remove it, or write DestinationRules with DO_NOT_UPGRADE for the WebSocket servers among them")
		}
	}
	for _, w := range a.workloads {
		text := w.workload.annotations["proxy.istio.io/config"]
		if text == "" {
			continue
		}
		var config proxyConfig
		if err := unmarshal([]byte(text), &config); err == nil {
			a.edge(w.auditObject, `spec.template.metadata.annotations["proxy.istio.io/config"]`, &config.ConnectionSettings, " of "+w.String())
		}
	}
}

// edge reports connection settings that end WebSockets.
func (a *auditor) edge(o *auditObject, path string, s *connectionSettings, of string) {
	what := ""
	for _, f := range [...]struct{ name, value string }{
		{"httpStreamIdleTimeout", s.HTTPStreamIdleTimeout},
		{"httpMaxConnectionDuration", s.HTTPMaxConnectionDuration},
		{"httpMaxStreamDuration", s.HTTPMaxStreamDuration},
	} {
		if f.value != "" && f.value != "0s" {
			what = f.name + " " + f.value
		}
	}
	if what == "" && s.Profile == "EDGE" && s.HTTPStreamIdleTimeout != "0s" {
		what = "the profile EDGE, whose httpStreamIdleTimeout is 5m,"
	}
	if what != "" && a.some(version.ConnectionSettings) {
		a.add(finding.WS450, o, path, what+" in connectionSettings"+of+" ends WebSockets", "set httpStreamIdleTimeout to 0s, and no limit on the duration, for proxies that pass WebSockets on")
	}
}

// upgradedByMesh says whether the mesh's UPGRADE reaches a workload of the Service that no filter opens.
func (a *auditor) upgradedByMesh(service *auditObject) bool {
	if len(service.service.Selector) == 0 || a.hasPolicy(service) {
		return false
	}
	var ports []servicePort
	for _, p := range service.service.Ports {
		if _, http1 := a.protocol(p); http1 {
			ports = append(ports, p)
		}
	}
	pods, _ := a.podsOf(service, nil)
	return len(ports) > 0 && slices.ContainsFunc(pods, func(w *workload) bool {
		state, _ := a.sidecar(w)
		return !w.isGateway() && (state != hasSidecar || len(a.closedFor(w, ports)) > 0)
	})
}

// hasPolicy says whether a rule of the Service's own or the root namespace sets its policy.
func (a *auditor) hasPolicy(service *auditObject) bool {
	decides := func(o *auditObject) bool {
		return (o.namespace() == service.namespace() || o.namespace() == a.root) && len(policySites(o.rule.Spec)) > 0
	}
	return slices.ContainsFunc(a.rulesFor[a.fqdn(service)], decides) ||
		slices.ContainsFunc(a.wildcards, func(o *auditObject) bool { return decides(o) && matches(a.hostOf(o), a.fqdn(service)) })
}
