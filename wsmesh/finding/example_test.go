// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"errors"
	"fmt"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// validate stands for the functions of this module that return findings, or an error that holds them.
func validate() error {
	return finding.List{
		finding.New("WS920", "spec.trafficPolicy.connectionPool.http.h2UpgradePolcy", `the field "h2UpgradePolcy" is not known`, "did you mean h2UpgradePolicy?"),
		finding.New("WS952", "metadata.name", `"a_b" must consist of lower-case letters, digits, '-' and '.'`, `write a name such as "websockets-server"`),
	}.WithObject("DestinationRule default/a_b").Err()
}

// An error that this module returns holds the findings, and errors.As reaches them.
func ExampleList_Err() {
	err := validate()
	fmt.Println(err)

	var list finding.List
	if errors.As(err, &list) {
		for _, f := range list {
			fmt.Println(f.Code, "at", f.Path)
		}
	}
	// Output:
	// error WS920 DestinationRule default/a_b spec.trafficPolicy.connectionPool.http.h2UpgradePolcy: the field "h2UpgradePolcy" is not known (did you mean h2UpgradePolicy?)
	// error WS952 DestinationRule default/a_b metadata.name: "a_b" must consist of lower-case letters, digits, '-' and '.' (write a name such as "websockets-server")
	// WS920 at spec.trafficPolicy.connectionPool.http.h2UpgradePolcy
	// WS952 at metadata.name
}

func ExampleNew() {
	f := finding.New("WS951", "metadata.name", "the object has no name", "give it a name")
	f.File, f.Line = "manifests/default.yaml", 12
	fmt.Println(f)
	// Output: manifests/default.yaml:12: error WS951 metadata.name: the object has no name (give it a name)
}

func ExampleFinding_String() {
	fmt.Println(finding.Finding{Code: "WS951", Severity: finding.Error, Object: "EnvoyFilter default/", Path: "metadata.name", Message: "the object has no name"})
	// Output: error WS951 EnvoyFilter default/ metadata.name: the object has no name
}

func ExampleList_Errors() {
	list := finding.List{
		{Code: "WS951", Severity: finding.Error, Message: "the object has no name"},
		{Code: "WS123", Severity: finding.Warning, Message: "the setting does nothing"},
	}
	fmt.Println(len(list.Errors()), "error,", len(list.Warnings()), "warning")
	// Output: 1 error, 1 warning
}

func ExampleList_WithObject() {
	list := finding.List{{Code: "WS951", Severity: finding.Error, Path: "metadata.name", Message: "the object has no name"}}
	fmt.Println(list.WithObject("DestinationRule default/").Err())
	// Output: error WS951 DestinationRule default/ metadata.name: the object has no name
}

func ExampleCodes() {
	for _, info := range finding.Codes() {
		if info.Code == "WS920" {
			fmt.Printf("%s %s: %s\n", info.Severity, info.Code, info.Meaning)
		}
	}
	// Output: error WS920: A field must be known: a misspelt one is dropped by Istio without a word.
}

func ExampleSeverity() {
	fmt.Println(finding.Info, finding.Warning, finding.Error, finding.Info < finding.Error)
	// Output: info warning error true
}

func ExampleList_Warnings() {
	list := finding.List{
		finding.New("WS343", "spec.workloadSelector.labels", "no workload carries app=caht", "select a workload that is there"),
		finding.New("WS342", "spec.configPatches[0]", "no client speaks HTTP/2 to the workload", "remove the filter"),
	}
	for _, f := range list.Warnings() { // WS342 is an info
		fmt.Println(f.Code, f.Message)
	}
	// Output: WS343 no workload carries app=caht
}
