// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"maps"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/internal/istio"
)

// A Stage is one step of a rollout or rollback: objects to apply and to delete, and what has to be true before the
// next stage may begin.
type Stage struct {
	Name   string   // what the stage does, in a few words
	Apply  []Object // to be applied
	Delete []Object // to be deleted
	Until  string   // what must hold before the next stage, in one sentence
	// Command is a shell command that shows it: it prints a line for each proxy that is not there yet, and nothing
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
// [istio/istio#19664]: https://github.com/istio/istio/issues/19664
func (p *Plan) Stages() []Stage {
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
	filters.Until = "every proxy that the EnvoyFilter selects shows allow_connect"
	filters.Command = p.acceptCommand()
	return []Stage{filters, rule}
}

// Rollback returns the way back from this plan, once it is carried out, in order. What another plan left before it, it
// does not know of: a program that plans anew each time carries out the plan that it has before it takes it back.
//
// With UPGRADE the clients return to HTTP/1.1 first, and the EnvoyFilters go when no client needs them any more. The
// DestinationRule stays, with DO_NOT_UPGRADE: without it a mesh-wide h2UpgradePolicy would take effect again. A plan with
// DO_NOT_UPGRADE is undone by deleting its DestinationRule, or by applying the base rule it was made from.
func (p *Plan) Rollback() []Stage {
	if p.decision.Policy != destinationrule.Upgrade {
		if base := p.req.opts.Base; base != nil {
			return []Stage{{Name: "apply the base DestinationRule again", Apply: []Object{cloneRule(base)}}}
		}
		return []Stage{{Name: "delete the DestinationRule", Delete: []Object{p.DestinationRule()}}}
	}
	// DO_NOT_UPGRADE conflicts with no other setting, so the copy of a valid rule is valid.
	back, _ := p.rule.WithH2Upgrade(destinationrule.DoNotUpgrade)
	rule := Stage{Name: "send the clients back to HTTP/1.1", Apply: []Object{back}}
	p.untilClients(&rule, destinationrule.DoNotUpgrade)
	filters := Stage{Name: "delete the EnvoyFilters"}
	for _, f := range p.EnvoyFilters() {
		filters.Delete = append(filters.Delete, f)
	}
	return []Stage{rule, filters}
}

// acceptCommand prints the pods among those that the filters select whose listeners lack allow_connect, and a line where
// there are none. A sidecar is asked for its inbound listener alone: with HBONE another one has the setting anyhow.
func (p *Plan) acceptCommand() string {
	var commands []string
	for i, f := range p.filters {
		in, namespace, port := "", "default", " --port 15006"
		if f.Namespace != "" {
			in, namespace = " -n "+f.Namespace, f.Namespace
		}
		if i > 0 {
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

// untilClients says how to see that the clients follow the rule: with UPGRADE their cluster has HTTP/2 options. A pod
// that istioctl does not reach is printed.
func (p *Plan) untilClients(s *Stage, policy destinationrule.UpgradePolicy) {
	host := istio.Host(p.rule.Spec.GetHost(), p.req.svc.Namespace, p.req.mesh.clusterDomain())
	s.Until = "no cluster of a client's proxy speaks HTTP/2 to the host any more"
	not := "! "
	if policy == destinationrule.Upgrade {
		s.Until = "the cluster of every client's proxy speaks HTTP/2 to the host"
		not = ""
	}
	s.Command = "for pod in $PODS; do out=$(istioctl proxy-config clusters \"$pod\" --fqdn '" + host + "' -o json) && " +
		not + "printf %s \"$out\" | grep -q http2ProtocolOptions || echo \"$pod\"; done # PODS: the clients, as name.namespace"
}

// selector writes labels as kubectl's -l takes them. They were validated: nothing in them needs quoting.
func selector(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, k+"="+labels[k])
	}
	return strings.Join(pairs, ",")
}
