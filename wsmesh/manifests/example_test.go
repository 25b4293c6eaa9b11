// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

const rule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: chat, namespace: prod}
spec:
  host: chat.prod.svc.cluster.local
  trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}
`

func ExampleSet_Add() {
	var set manifests.Set
	if err := set.Add("chat.yaml", strings.NewReader(rule)); err != nil { // such as what kubectl get prints, from os.Stdin
		log.Fatal(err)
	}
	istio := []version.Release{version.MustParse("1.11.8")}
	report, err := audit.Run(context.Background(), &set, wsmesh.Mesh{Proxies: istio})
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
