// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"encoding/json"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An objectList is a List of Kubernetes, which `kubectl apply -f -` takes.
type objectList struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Items      []Object `json:"items"`
}

// listOf returns nil where there are no objects.
func listOf(objs []Object) *objectList {
	if len(objs) == 0 {
		return nil
	}
	return &objectList{APIVersion: "v1", Kind: "List", Items: objs}
}

// MarshalJSON returns the plan as JSON for programs: decision, findings, objects and stages. The objects, and those of each
// stage, are a List of Kubernetes, as `kubectl apply -f -` takes it. A Plan is not read back.
func (p *Plan) MarshalJSON() ([]byte, error) {
	if p.isEmpty() {
		return nil, errNoPlan
	}
	return json.Marshal(struct {
		Decision Decision     `json:"decision"`
		Findings finding.List `json:"findings"`
		Objects  *objectList  `json:"objects"`
		Stages   []Stage      `json:"stages"`
		Rollback []Stage      `json:"rollback"`
	}{p.Decision(), p.Findings(), listOf(p.Objects()), p.Stages(), p.Rollback()})
}

// MarshalJSON returns the decision as JSON: policies and releases are words.
func (d Decision) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Policy  destinationrule.UpgradePolicy `json:"policy"`
		Ports   []PortDecision                `json:"ports,omitempty"`
		Oldest  version.Release               `json:"oldest,omitzero"`
		Reasons finding.List                  `json:"reasons"`
	}{d.Policy, d.Ports, d.Oldest, d.Reasons})
}

// MarshalJSON returns the port, as a Service has it, and its policy as JSON.
func (d PortDecision) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Port        uint32                        `json:"port,omitempty"`
		TargetPort  uint32                        `json:"targetPort,omitempty"`
		Name        string                        `json:"name,omitempty"`
		AppProtocol string                        `json:"appProtocol,omitempty"`
		Policy      destinationrule.UpgradePolicy `json:"policy"`
	}{d.Port.Number, d.Port.TargetPort, d.Port.Name, d.Port.AppProtocol, d.Policy})
}

// MarshalJSON returns the stage as JSON. What is to be applied, and what is to be deleted, is a List of Kubernetes each, as
// kubectl takes it.
func (s Stage) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name    string      `json:"name"`
		Apply   *objectList `json:"apply,omitempty"`
		Delete  *objectList `json:"delete,omitempty"`
		Until   string      `json:"until,omitempty"`
		Command string      `json:"command,omitempty"`
	}{s.Name, listOf(s.Apply), listOf(s.Delete), s.Until, s.Command})
}
