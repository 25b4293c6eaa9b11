// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh"
)

// TestByPods: the filter waits for pods with the label, the rule for the last of them, and back in reverse.
func TestByPods(t *testing.T) {
	plan := mustPlan(t, server(), mesh("1.24.1"), wsmesh.Options{ByPods: true, Gateways: []wsmesh.Gateway{gateway}})
	if got, want := outline(plan.Stages()), "+EnvoyFilter +EnvoyFilter |  | +DestinationRule UPGRADE"; got != want {
		t.Errorf("stages   %s\nwant     %s", got, want)
	}
	if got, want := outline(plan.Rollback()), "+DestinationRule DO_NOT_UPGRADE |  | -EnvoyFilter -EnvoyFilter"; got != want {
		t.Errorf("rollback %s\nwant     %s", got, want)
	}
	filters := plan.EnvoyFilters()
	if l := filters[0].Spec.GetWorkloadSelector().GetLabels(); len(l) != 2 || l["app"] != "websockets-server" || l[wsmesh.AllowConnectLabel] != "true" {
		t.Errorf("the server's filter selects %v", l)
	}
	if l := filters[1].Spec.GetWorkloadSelector().GetLabels(); len(l) != 1 {
		t.Errorf("the gateway's filter selects %v: its pods carry no such label", l)
	}
	for _, s := range append(plan.Stages(), plan.Rollback()...) {
		if out, err := exec.Command("sh", "-n", "-c", s.Command).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", s.Command, err, out)
		}
	}
	up, back := plan.Stages(), plan.Rollback()
	for _, want := range []struct{ in, text string }{
		{up[0].Command, "kubectl get envoyfilter websockets-server-allow-connect -n default "},
		{up[0].Command, "kubectl get pods -n istio-ingress -l 'istio=ingressgateway'"},
		{up[1].Name, "wsmesh.dev/allow-connect=true"},
		{up[1].Command, "kubectl get pods -n default -l 'app=websockets-server,wsmesh.dev/allow-connect!=true' "},
		{up[1].Command, "-l 'app=websockets-server,wsmesh.dev/allow-connect=true' "},
		{back[1].Command, "kubectl get pods -n default -l 'app=websockets-server,wsmesh.dev/allow-connect=true' -o name"},
	} {
		if !strings.Contains(want.in, want.text) {
			t.Errorf("%q is missing in %s", want.text, want.in)
		}
	}
	svc := server()
	svc.Namespace = ""
	for _, s := range mustPlan(t, svc, mesh("1.24.1"), wsmesh.Options{ByPods: true}).Stages() {
		if strings.Contains(s.Command, " -n default") {
			t.Errorf("a namespace that was not given: %s", s.Command)
		}
	}
}

// TestByPodsChangesNoWorkload: the Service's own labels are the caller's, and stay.
func TestByPodsChangesNoWorkload(t *testing.T) {
	svc := server()
	mustPlan(t, svc, mesh("1.24.1"), wsmesh.Options{ByPods: true})
	if len(svc.Workload) != 1 {
		t.Errorf("the workload is now %v", svc.Workload)
	}
}
