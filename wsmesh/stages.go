// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"maps"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
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
// Applying an EnvoyFilter changes listeners: Envoy drains them, and WebSockets that are open are cut when the drain
// time ends (istio/istio#19664).
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

// Rollback returns the way back, in order. With UPGRADE the clients return to HTTP/1.1 first, and the EnvoyFilters
// go when no client needs them any more. The DestinationRule stays, with DO_NOT_UPGRADE: without it a mesh-wide
// h2UpgradePolicy would take effect again. A plan with DO_NOT_UPGRADE is undone by deleting its DestinationRule, or
// by applying the base rule it was made from.
func (p *Plan) Rollback() []Stage {
	if p.decision.Policy != destinationrule.Upgrade {
		if base := p.req.base; base != nil {
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

// acceptCommand prints the pods among those that the filters select whose listeners lack allow_connect.
func (p *Plan) acceptCommand() string {
	var commands []string
	for _, f := range p.filters {
		in, namespace := "", "default"
		if f.Namespace != "" {
			in, namespace = " -n "+f.Namespace, f.Namespace
		}
		commands = append(commands, "for pod in $(kubectl get pods"+in+" -l '"+selector(f.Spec.GetWorkloadSelector().GetLabels())+
			"' -o jsonpath='{.items[*].metadata.name}'); do istioctl proxy-config listeners \"$pod\"."+namespace+
			" -o json | grep -q '\"allowConnect\": true' || echo \"$pod\"; done")
	}
	return strings.Join(commands, "; ")
}

// untilClients says how to see that the clients follow the rule: with UPGRADE their cluster has HTTP/2 options.
func (p *Plan) untilClients(s *Stage, policy destinationrule.UpgradePolicy) {
	host := resolveHost(p.rule.Spec.GetHost(), p.req.svc.Namespace, p.req.mesh.clusterDomain())
	show := "for pod in $PODS; do istioctl proxy-config clusters \"$pod\" --fqdn " + host + " -o json | grep -q http2ProtocolOptions "
	if policy == destinationrule.Upgrade {
		s.Until = "the cluster of every client's proxy speaks HTTP/2 to the host"
		s.Command = show + "|| echo \"$pod\"; done # PODS: the clients, as name.namespace"
		return
	}
	s.Until = "no cluster of a client's proxy speaks HTTP/2 to the host any more"
	s.Command = show + "&& echo \"$pod\"; done # PODS: the clients, as name.namespace"
}

// selector writes labels as kubectl's -l takes them. They were validated: nothing in them needs quoting.
func selector(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, k+"="+labels[k])
	}
	return strings.Join(pairs, ",")
}
