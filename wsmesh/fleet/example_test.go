// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
)

// An inventory is a file under version control, and so are the manifests that are made from it.
func Example() {
	f, err := fleet.ParseInventory([]byte(`
apiVersion: wsmesh.dev/v1alpha1
kind: Inventory
mesh: {controlPlanes: ["1.24.1"], proxies: ["1.23.6", "1.24.1"]}
defaults:
  namespace: prod
  ports: [{number: 80, name: http}]
services:
- name: chat
  workload: {app: chat}
- name: push
  workload: {app: push}
  options: {http1: true}
`), "fleet.yaml")
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	changes, err := f.Sync(context.Background(), dir, fleet.SyncOptions{Layout: fleet.FilePerService})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range changes.Files {
		fmt.Println(c)
	}
	fmt.Println(changes.Summary.Services, "Services,", changes.Summary.Objects, "objects")
	// Output:
	// added prod.chat.yaml
	// added prod.push.yaml
	// 2 Services, 3 objects
}

func ExampleFleet_Generate() {
	port := wsmesh.Port{Number: 80, Name: "http"}
	f := fleet.Fleet{
		Mesh:    wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}},
		Options: wsmesh.Options{HTTP1: true},
		Services: fleet.Members(
			fleet.Member{Service: wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}, Ports: []wsmesh.Port{port}}},
			fleet.Member{Service: wsmesh.Service{Name: "push", Namespace: "prod", Workload: map[string]string{"app": "push"}, Ports: []wsmesh.Port{port}}},
		),
	}
	// A first run that writes nothing shows whether all of them are accepted.
	if _, err := f.Generate(context.Background(), io.Discard); err != nil {
		log.Fatal(err)
	}
	summary, err := f.Generate(context.Background(), os.Stdout)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("#", summary.Services, "Services,", summary.Objects, "objects,", summary.Bytes, "bytes")
	// Output:
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: chat
	//   namespace: prod
	// spec:
	//   host: chat.prod.svc.cluster.local
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: DO_NOT_UPGRADE
	// ---
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: push
	//   namespace: prod
	// spec:
	//   host: push.prod.svc.cluster.local
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: DO_NOT_UPGRADE
	// # 2 Services, 2 objects, 462 bytes
}

// Services that come one by one, from a database say, need not all be in memory. A sequence that cannot go on yields
// an error.
func ExampleFleet_Generate_sequence() {
	mesh, err := wsmesh.MeshOf("1.24.1")
	if err != nil {
		log.Fatal(err)
	}
	sequence := func(yield func(fleet.Member, error) bool) {
		for i := range 50_000 {
			name := fmt.Sprintf("chat-%d", i)
			svc := wsmesh.Service{Name: name, Namespace: "prod", Workload: map[string]string{"app": name}, Ports: []wsmesh.Port{{Number: 80, Name: "http"}}}
			if !yield(fleet.Member{Service: svc}, nil) {
				return
			}
		}
	}
	f := fleet.Fleet{Mesh: mesh, Services: sequence}
	summary, err := f.Generate(context.Background(), io.Discard)
	fmt.Println(summary.Services, summary.Objects, summary.Codes, err)
	// Output:
	// 50000 100000 map[WS305:50000] <nil>
}

func ExampleMembers() {
	services := []wsmesh.Service{{Name: "chat"}, {Name: "push"}}
	members := make([]fleet.Member, len(services))
	for i, svc := range services {
		members[i] = fleet.Member{Service: svc}
	}
	for m := range fleet.Members(members...) {
		fmt.Println(m.Name)
	}
	// Output:
	// chat
	// push
}

func ExampleParseInventory() {
	f, err := fleet.ParseInventory([]byte(`
apiVersion: wsmesh.dev/v1alpha1
kind: Inventory
mesh: {proxies: ["1.24.1"]}
services:
- name: chat
  namespace: prod
  workload: {app: chat}
- name: push
  namespace: prod
`), "fleet.yaml")
	if err != nil {
		log.Fatal(err)
	}
	_, err = f.Generate(context.Background(), io.Discard)
	fmt.Println(err)
	// Output:
	// fleet.yaml:9: error WS503 Service prod/push services[1].workload: no workload labels are given (give the labels of the server's pods, such as app=websockets-server; they are never guessed)
}

func ExampleFleet_Sync() {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	chat := wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}}
	f := fleet.Fleet{
		Mesh:     wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}},
		Services: fleet.Members(fleet.Member{Service: chat}),
	}
	for range 2 {
		changes, err := f.Sync(context.Background(), dir, fleet.SyncOptions{})
		fmt.Println(changes.Files, err)
	}
	// Output:
	// [added prod.yaml] <nil>
	// [] <nil>
}

func ExampleFleet_Diff() {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	chat := wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}}
	f := fleet.Fleet{
		Mesh:     wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}},
		Services: fleet.Members(fleet.Member{Service: chat}),
	}
	if _, err := f.Sync(context.Background(), dir, fleet.SyncOptions{}); err != nil {
		log.Fatal(err)
	}
	chat.Workload["app"] = "chat-v2"
	changes, err := f.Diff(context.Background(), dir, fleet.SyncOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range changes.Files {
		fields, err := c.Fields()
		fmt.Println(c, fields, err)
	}
	// Output:
	// changed prod.yaml [EnvoyFilter prod/chat-allow-connect spec.workloadSelector.labels.app: "chat" -> "chat-v2"] <nil>
}

// changesOf is what Diff finds where a fleet's labels changed after Sync.
func changesOf(dir string) (fleet.Changes, error) {
	chat := wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}}
	f := fleet.Fleet{
		Mesh:     wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}},
		Services: fleet.Members(fleet.Member{Service: chat}),
	}
	if _, err := f.Sync(context.Background(), dir, fleet.SyncOptions{}); err != nil {
		return fleet.Changes{}, err
	}
	chat.Workload["app"] = "chat-v2"
	return f.Diff(context.Background(), dir, fleet.SyncOptions{})
}

func ExampleChange_Unified() {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	changes, err := changesOf(dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes.Files[0].Unified())
	// Output:
	// --- a/prod.yaml
	// +++ b/prod.yaml
	// @@ -22,7 +22,7 @@
	//              allow_connect: true
	//    workloadSelector:
	//      labels:
	// -      app: chat
	// +      app: chat-v2
	//  ---
	//  apiVersion: networking.istio.io/v1
	//  kind: DestinationRule
}

func ExampleChanges_WriteUnified() {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	changes, err := changesOf(dir)
	if err != nil {
		log.Fatal(err)
	}
	var diff strings.Builder // for CI: os.Stdout, and exit status 1 where len(changes.Files) > 0
	if err := changes.WriteUnified(&diff); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(changes.Files), "file is not up to date:", strings.Count(diff.String(), "\n"), "lines")
	// Output: 1 file is not up to date: 11 lines
}

func ExampleChange_Fields() {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	changes, err := changesOf(dir)
	if err != nil {
		log.Fatal(err)
	}
	fields, err := changes.Files[0].Fields()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range fields {
		fmt.Println(f.Object, f.Path, f.Old, f.New)
	}
	// Output: EnvoyFilter prod/chat-allow-connect spec.workloadSelector.labels.app "chat" "chat-v2"
}

// A program that treats two Services for one host in its own way asks for the rule.
func ExampleRules() {
	chat := wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}}
	f := fleet.Fleet{
		Mesh:     wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}},
		Services: fleet.Members(fleet.Member{Service: chat}, fleet.Member{Service: chat}),
	}
	_, err := f.Generate(context.Background(), io.Discard)
	for _, found := range finding.In(err) {
		fmt.Println(found.Code, finding.Is(found, fleet.SameObject))
	}
	fmt.Println(fleet.Rules()[0].Meaning)
	// Output:
	// WS320 true
	// No two Services of a fleet may give an object the same kind, namespace and name: the one applied last would replace the other.
}

// One member stays on HTTP/1.1, and one keeps the settings of a rule that it has already; the others have the fleet's options.
func ExampleMember() {
	mesh, err := wsmesh.MeshOf("1.24.1")
	if err != nil {
		log.Fatal(err)
	}
	rule, err := destinationrule.Parse([]byte(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: by-hand, namespace: prod}
spec:
  host: push
  trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}
`))
	if err != nil {
		log.Fatal(err)
	}
	service := func(name string) wsmesh.Service {
		return wsmesh.Service{Name: name, Namespace: "prod", Workload: map[string]string{"app": name}}
	}
	f := fleet.Fleet{Mesh: mesh, Services: fleet.Members(
		fleet.Member{Service: service("chat"), Options: &wsmesh.Options{HTTP1: true}},
		fleet.Member{Service: service("push"), Options: &wsmesh.Options{Base: rule}},
		fleet.Member{Service: service("feed")},
	)}
	var out strings.Builder
	summary, err := f.Generate(context.Background(), &out)
	fmt.Println(summary.Objects, "objects,", strings.Count(out.String(), ": UPGRADE"), "UPGRADE,", strings.Count(out.String(), "maxEjectionPercent: 50"), "by hand,", err)
	// Output: 5 objects, 2 UPGRADE, 1 by hand, <nil>
}

// An inventory that was cut off does not empty the directory.
func ExampleFleet_Sync_removeMost() {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	chat := wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}}
	f := fleet.Fleet{
		Mesh:     wsmesh.Mesh{Proxies: []version.Release{version.MustParse("1.24.1")}},
		Services: fleet.Members(fleet.Member{Service: chat}),
	}
	if _, err := f.Sync(context.Background(), dir, fleet.SyncOptions{}); err != nil {
		log.Fatal(err)
	}
	f.Services = fleet.Members()
	_, err = f.Sync(context.Background(), dir, fleet.SyncOptions{})
	fmt.Println(finding.Is(finding.In(err)[0], fleet.MostRemoved))
	changes, err := f.Sync(context.Background(), dir, fleet.SyncOptions{RemoveMost: true})
	fmt.Println(changes.Files, err)
	// Output:
	// true
	// [removed prod.yaml] <nil>
}

func ExampleAction_UnmarshalText() {
	var changes fleet.Changes // as a program wrote them with encoding/json
	err := json.Unmarshal([]byte(`{"files": [{"file": "prod.yaml", "action": "removed"}]}`), &changes)
	fmt.Println(changes.Files[0].Action == fleet.Removed, err)
	// Output: true <nil>
}
