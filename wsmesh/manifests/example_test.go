// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"testing/fstest"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

const rule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: chat, namespace: prod}
spec:
  host: chat.prod.svc.cluster.local
  trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}
`

// Every object of a file is read, with its place. What another program has to say of a field is said with its line.
func Example() {
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader("# the chat\n"+rule+"---\napiVersion: v1\nkind: Service\nmetadata: {name: chat, namespace: prod}\n")); err != nil {
		log.Fatal(err)
	}
	objects, err := set.Objects(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range objects {
		fmt.Printf("%s:%d: %s\n", o.File, o.LineOf("metadata.name"), o)
	}
	// Output:
	// chat.yaml:4: DestinationRule prod/chat
	// chat.yaml:11: Service prod/chat
}

func ExampleSet_Add() {
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader(rule)); err != nil { // such as what kubectl get prints, from os.Stdin
		log.Fatal(err)
	}
	istio := []version.Release{version.MustParse("1.11.8")}
	report, err := audit.Run(context.Background(), &set, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range report.Findings {
		fmt.Println(f.File, f.Line, f.Code)
	}
	// Output:
	// chat.yaml 1 WS446
	// chat.yaml 5 WS551
	// chat.yaml 6 WS440
}

func ExampleSet_AddPath() {
	var set manifests.Set
	if err := set.AddPath("../audit/testdata/samples"); err != nil { // or a file
		log.Fatal(err)
	}
	istio := []version.Release{version.MustParse("1.24.1")}
	report, err := audit.Run(context.Background(), &set, wsmesh.Mesh{ControlPlanes: istio, Proxies: istio})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(report.Findings.Errors()), "errors")
	// Output: 0 errors
}

// Manifests may come with the program: an embed.FS is a file system, too.
func ExampleSet_AddFS() {
	fsys := fstest.MapFS{
		"chat/rule.yaml": {Data: []byte(rule)},
		"README.md":      {Data: []byte("# no manifest")},
	}
	var set manifests.Set
	if err := set.AddFS(fsys); err != nil {
		log.Fatal(err)
	}
	for _, f := range set.Files() {
		fmt.Println(f.Name, len(f.Data), "bytes")
	}
	// Output: chat/rule.yaml 209 bytes
}

// What stands in a file is read whether or not anything is wrong with it.
func ExampleSet_Objects() {
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader(rule)); err != nil {
		log.Fatal(err)
	}
	objects, err := set.Objects(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range objects {
		if r, ok := o.Value.(*destinationrule.Rule); ok {
			fmt.Println(o, "is for", r.Spec.GetHost())
		}
	}
	// Output: DestinationRule prod/chat is for chat.prod.svc.cluster.local
}

func ExampleSet_Files() {
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader(rule)); err != nil {
		log.Fatal(err)
	}
	for _, f := range set.Files() {
		fmt.Println(f.Name)
	}
	// Output: chat.yaml
}

func ExampleObject_LineOf() {
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader(rule)); err != nil {
		log.Fatal(err)
	}
	objects, err := set.Objects(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(objects[0].LineOf("spec.host"))
	fmt.Println(objects[0].LineOf("spec.subsets[0].name")) // there is none: that of spec
	// Output:
	// 5
	// 4
}

func ExampleObject_Spelt() {
	const filter = `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: chat}
spec:
  configPatches:
  - applyTo: CLUSTER
    patch:
      operation: MERGE
      value:
        connectTimeout: 5s
`
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader(filter)); err != nil {
		log.Fatal(err)
	}
	objects, err := set.Objects(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	const path = "spec.configPatches[0].patch.value.connect_timeout"
	fmt.Println(objects[0].Spelt(path), objects[0].LineOf(path))
	// Output: spec.configPatches[0].patch.value.connectTimeout 10
}

func ExampleObject_InNamespace() {
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader("apiVersion: v1\nkind: Service\nmetadata: {name: chat}\n")); err != nil {
		log.Fatal(err)
	}
	objects, err := set.Objects(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q goes to %q\n", objects[0].Namespace, objects[0].InNamespace())
	// Output: "" goes to "default"
}

func ExampleRules() {
	var set manifests.Set
	if err := set.Add("chart/templates/rule.yaml", strings.NewReader("kind: {{ .Values.kind }}\n")); err != nil {
		log.Fatal(err)
	}
	objects, err := set.Objects(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	f := objects[0].Findings[0]
	for _, rule := range manifests.Rules() {
		if finding.Is(f, rule) {
			fmt.Println(rule.Code, rule.Severity, rule.Meaning)
		}
	}
	// Output: WS994 warning A template is no manifest before it is rendered.
}
