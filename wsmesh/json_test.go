// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// TestJSON: a plan is words and manifests in JSON, which this library's own strict parsers read.
func TestJSON(t *testing.T) {
	svc := server()
	svc.Ports = portsAs("8080 http, 9090 x=grpc")
	text, err := json.Marshal(mustPlan(t, svc, mesh("1.24.1")))
	if err != nil {
		t.Fatal(err)
	}
	type list struct {
		APIVersion, Kind string
		Items            []json.RawMessage
	}
	var plan struct {
		Decision struct {
			Policy  destinationrule.UpgradePolicy
			Oldest  string
			Ports   []map[string]any
			Reasons []map[string]any
		}
		Findings []map[string]any
		Objects  list
		Stages   []struct {
			Name, Until, Command string
			Apply, Delete        *list
		}
		Rollback []struct{ Apply, Delete *list }
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if d := plan.Decision; d.Policy != destinationrule.Upgrade || d.Oldest != "1.24.1" || len(d.Ports) != 2 || d.Reasons[0]["code"] != "WS305" {
		t.Errorf("decision %+v", d)
	}
	if !strings.Contains(string(text), `"ports":[{"port":8080,"name":"http","policy":"UPGRADE"},{"port":9090,"name":"x","appProtocol":"grpc","policy":"DO_NOT_UPGRADE"}]`) {
		t.Errorf("the ports are not there: %s", text)
	}
	if len(plan.Findings) < 2 || plan.Findings[0]["severity"] != "info" {
		t.Errorf("findings %v", plan.Findings)
	}
	if o := plan.Objects; o.APIVersion != "v1" || o.Kind != "List" || len(o.Items) != 2 {
		t.Fatalf("objects %+v", o)
	}
	if _, err := envoyfilter.Parse(plan.Objects.Items[0]); err != nil {
		t.Error(err)
	}
	if _, err := destinationrule.Parse(plan.Objects.Items[1]); err != nil {
		t.Error(err)
	}
	if s := plan.Stages; len(s) != 2 || s[0].Name == "" || s[0].Until == "" || s[0].Command == "" || len(s[0].Apply.Items) != 1 || s[0].Delete != nil {
		t.Errorf("stages %+v", s)
	}
	if r := plan.Rollback; len(r) != 2 || r[1].Apply != nil || len(r[1].Delete.Items) != 1 {
		t.Errorf("rollback %+v", r)
	}
	if text, err := json.Marshal(wsmesh.Decision{}); err != nil || string(text) != `{"policy":"DEFAULT","reasons":null}` {
		t.Errorf("the zero decision: %s, %v", text, err)
	}
}
