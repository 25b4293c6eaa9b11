// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/istio"
)

// A Stage is one step of a rollout or rollback: objects to apply and to delete, and what has to be true before the
// next stage may begin.
type Stage struct {
	Name   string   // what the stage does, in a few words
	Apply  []Object // to be applied
	Delete []Object // to be deleted
	Until  string   // what must hold before the next stage, in one sentence; "" where there is nothing to wait for
	// Command is a shell command that shows it: it prints a line for each proxy or pod that is not there yet, and nothing
	// once all are. It needs kubectl and istioctl. PODS stands in it where only the user knows which pods are meant.
	Command string
}

// Stages returns what to apply, in order. With UPGRADE the servers' proxies must all accept WebSocket over HTTP/2
// before the first client speaks it, since a client's proxy does not ask first (Envoy docs,
// intro/arch_overview/http/upgrades). One `kubectl apply` of both objects is a race between different proxies.
//
// Applying an EnvoyFilter, and deleting it, changes listeners: Envoy drains them, and WebSockets that are open are cut
// when the drain time ends, 45 s unless ProxyConfig says otherwise ([istio/istio#19664]; shown by internal/e2e,
// TestStages). Applying the DestinationRule cuts none: they keep the connection that they have.
//
// With Options.ByPods no WebSocket of the server's pods is cut. The filter comes first, and selects no pod yet; then the
// workload is rolled out with the label [AllowConnectLabel] on its pod template, which is a stage without objects; the rule
// comes last.
//
// [istio/istio#19664]: https://github.com/istio/istio/issues/19664
func (p *Plan) Stages() []Stage {
	if p.isEmpty() {
		return nil
	}
	rule := Stage{
		Name:  "apply the DestinationRule",
		Apply: []Object{p.DestinationRule()},
	}
	p.untilClients(&rule, p.decision.Policy)
	if p.decision.Policy != destinationrule.Upgrade {
		return []Stage{rule}
	}
	filters := Stage{Name: "let the proxies accept WebSocket over HTTP/2"}
	for _, f := range p.EnvoyFilters() {
		filters.Apply = append(filters.Apply, f)
	}
	if !p.byPods() {
		filters.Until = "every proxy that the EnvoyFilter selects shows allow_connect"
		filters.Command = acceptCommand(p.filters)
		return []Stage{filters, rule}
	}
	filters.Name = "let the proxies of new pods accept WebSocket over HTTP/2"
	filters.Until = "the EnvoyFilter exists"
	filters.Command = "kubectl get envoyfilter " + p.filters[0].Name + p.inNamespace() + " -o name > /dev/null || echo '" + p.filters[0].String() + "'"
	if gateways := p.filters[1:]; len(gateways) > 0 {
		filters.Until = "the EnvoyFilter exists, and every gateway's proxy shows allow_connect"
		filters.Command += "; " + acceptCommand(gateways)
	}
	without := maps.Clone(p.filters[0].Spec.GetWorkloadSelector().GetLabels())
	delete(without, AllowConnectLabel)
	// A pod that ends is behind the Service no more, and may take long until its last WebSocket is closed.
	pods := Stage{
		Name:  "roll out the workload with the label " + AllowConnectLabel + "=true on its pod template",
		Until: "every pod behind the Service has the label, and its proxy shows allow_connect",
		Command: "kubectl get pods" + p.inNamespace() + " -l '" + strings.TrimPrefix(selector(without)+","+AllowConnectLabel, ",") + "!=true'" +
			" -o go-template='{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{\"\\n\"}}{{end}}{{end}}'; " +
			acceptCommand(p.filters[:1]),
	}
	return []Stage{filters, pods, rule}
}

// Rollback returns the way back from this plan, once it is carried out, in order. What another plan left before it, it
// does not know of: a program that plans anew each time carries out the plan that it has before it takes it back.
//
// With UPGRADE the clients return to HTTP/1.1 first, and the EnvoyFilters go when no client needs them any more. With
// Options.ByPods the workload is rolled out without the label in between. The DestinationRule stays, with DO_NOT_UPGRADE:
// without it a mesh-wide h2UpgradePolicy would take effect again. A plan with DO_NOT_UPGRADE is undone by deleting its
// DestinationRule, or by applying the base rule it was made from.
func (p *Plan) Rollback() []Stage {
	if p.isEmpty() {
		return nil
	}
	if p.decision.Policy != destinationrule.Upgrade {
		if base := p.req.opts.Base; base != nil {
			return []Stage{{Name: "apply the base DestinationRule again", Apply: []Object{cloneRule(base)}}}
		}
		return []Stage{{Name: "delete the DestinationRule", Delete: []Object{p.DestinationRule()}}}
	}
	// DO_NOT_UPGRADE conflicts with no other setting, so the copy of a valid rule is valid.
	back, _ := p.withPolicy(p.rule, destinationrule.DoNotUpgrade)
	rule := Stage{Name: "send the clients back to HTTP/1.1", Apply: []Object{back}}
	p.untilClients(&rule, destinationrule.DoNotUpgrade)
	filters := Stage{Name: "delete the EnvoyFilters"}
	for _, f := range p.EnvoyFilters() {
		filters.Delete = append(filters.Delete, f)
	}
	if !p.byPods() {
		return []Stage{rule, filters}
	}
	// A pod that ends has WebSockets still, and its listener is drained where the filter goes before it.
	pods := Stage{
		Name:    "roll out the workload without the label " + AllowConnectLabel + " on its pod template",
		Until:   "the last pod with the label has ended",
		Command: "kubectl get pods" + p.inNamespace() + " -l '" + selector(p.filters[0].Spec.GetWorkloadSelector().GetLabels()) + "' -o name",
	}
	return []Stage{rule, pods, filters}
}

// inNamespace is the flag of kubectl for the Service's namespace.
func (p *Plan) inNamespace() string {
	if p.req.svc.Namespace == "" {
		return ""
	}
	return " -n " + p.req.svc.Namespace
}

// acceptCommand prints the pods among those that the filters select whose listeners lack allow_connect, and a line where
// there are none. A sidecar is asked for its inbound listener alone: with HBONE another one has the setting anyhow.
func acceptCommand(filters []*envoyfilter.Filter) string {
	var commands []string
	for _, f := range filters {
		in, namespace, port := "", "default", " --port 15006"
		if f.Namespace != "" {
			in, namespace = " -n "+f.Namespace, f.Namespace
		}
		if isGateway(f) {
			port = "" // gateways listen where they are told to
		}
		labels := selector(f.Spec.GetWorkloadSelector().GetLabels())
		commands = append(commands, "pods=$(kubectl get pods"+in+" -l '"+labels+"' -o jsonpath='{.items[*].metadata.name}'); "+
			"[ -n \"$pods\" ] || echo 'no pods with "+labels+"'; "+
			"for pod in $pods; do istioctl proxy-config listeners \"$pod\"."+namespace+port+
			" -o json | grep -q '\"allowConnect\": true' || echo \"$pod\"; done")
	}
	return strings.Join(commands, "; ")
}

// isGateway reports whether the filter of a plan is for gateways.
func isGateway(f *envoyfilter.Filter) bool {
	return f.Spec.GetConfigPatches()[0].GetMatch().GetContext() == networking.EnvoyFilter_GATEWAY
}

// untilClients says how to see that the clients follow the rule: with UPGRADE their clusters have HTTP/2 options. A pod
// that istioctl does not reach is printed. Clusters of ports that Istio speaks HTTP/2 on by their names have the options
// whatever the rule says, so they are left out; where there are no others, there is nothing to see.
func (p *Plan) untilClients(s *Stage, policy destinationrule.UpgradePolicy) {
	host := istio.Host(p.rule.Spec.GetHost(), p.req.svc.Namespace, p.req.mesh.clusterDomain())
	to, ports := "the host", p.ports
	if len(ports) == 0 && len(p.req.svc.Ports) > 0 {
		for _, port := range p.req.svc.Ports {
			if protocol, _ := p.req.protocol(port); !istio.IsHTTP2(protocol) {
				ports = append(ports, port.Number)
			}
		}
		switch len(ports) {
		case 0:
			return
		case len(p.req.svc.Ports):
			ports = nil // all alike
		}
	}
	show := func(flag, name, loop, done string) string {
		not := "! "
		if policy == destinationrule.Upgrade {
			not = ""
		}
		return "for pod in $PODS; do " + loop + "out=$(istioctl proxy-config clusters \"$pod\" --fqdn '" + host + "'" + flag + " -o json) && " +
			not + "printf %s \"$out\" | grep -q http2ProtocolOptions || echo \"" + name + "\"; " + done + "done # PODS: the clients, as name.namespace"
	}
	s.Command = show("", "$pod", "", "")
	if len(ports) > 0 {
		numbers := strings.Trim(fmt.Sprint(ports), "[]")
		to = "port " + numbers + " of the host"
		if len(ports) > 1 {
			to = "the ports " + strings.ReplaceAll(numbers, " ", ", ") + " of the host"
		}
		s.Command = show(" --port \"$port\"", "$pod $port", "for port in "+numbers+"; do ", "done; ")
	}
	s.Until = "no cluster of a client's proxy speaks HTTP/2 to " + to + " any more"
	if policy == destinationrule.Upgrade {
		s.Until = "the cluster of every client's proxy speaks HTTP/2 to " + to
	}
}

// selector writes labels as kubectl's -l takes them. They were validated: nothing in them needs quoting.
func selector(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, k+"="+labels[k])
	}
	return strings.Join(pairs, ",")
}
