// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The rules of a package that reports findings are variables, each with its code.
var (
	unknownField = finding.Rule{Code: "WS920", Severity: finding.SeverityError, Meaning: "A field must be known."}
	badName      = finding.Rule{Code: "WS952", Severity: finding.SeverityError, Meaning: "A name must be one that Kubernetes takes."}
	selectsNone  = finding.Rule{Code: "WS343", Severity: finding.Warning, Meaning: "An EnvoyFilter whose labels select no workload does nothing."}
	noUse        = finding.Rule{Code: "WS342", Severity: finding.Info, Meaning: "The EnvoyFilter has no use."}
)

// validate stands for the functions of this module that return findings, or an error that holds them.
func validate() error {
	return finding.List{
		finding.New(unknownField, "spec.trafficPolicy.connectionPool.http.h2UpgradePolcy", `the field "h2UpgradePolcy" is not known`, "did you mean h2UpgradePolicy?"),
		finding.New(badName, "metadata.name", `"a_b" must consist of lower-case letters, digits, '-' and '.'`, `write a name such as "websockets-server"`),
	}.WithObject("DestinationRule default/a_b").Err()
}

// What a function refuses is in its error: each problem with its place and the way out.
func Example() {
	err := validate() // such as destinationrule.Parse
	if err := finding.In(err).WriteText(os.Stdout, finding.Colour(os.Stdout)); err != nil {
		log.Fatal(err)
	}
	// Output:
	// error WS920 DestinationRule default/a_b spec.trafficPolicy.connectionPool.http.h2UpgradePolcy: the field "h2UpgradePolcy" is not known (did you mean h2UpgradePolicy?)
	// error WS952 DestinationRule default/a_b metadata.name: "a_b" must consist of lower-case letters, digits, '-' and '.' (write a name such as "websockets-server")
}

// An error that this module returns holds the findings, and errors.As reaches them.
func ExampleList_Err() {
	err := validate()
	fmt.Println(err)

	for _, f := range finding.In(err) {
		fmt.Println(f.Code, "at", f.Path)
	}
	// Output:
	// error WS920 DestinationRule default/a_b spec.trafficPolicy.connectionPool.http.h2UpgradePolcy: the field "h2UpgradePolcy" is not known (did you mean h2UpgradePolicy?)
	// error WS952 DestinationRule default/a_b metadata.name: "a_b" must consist of lower-case letters, digits, '-' and '.' (write a name such as "websockets-server")
	// WS920 at spec.trafficPolicy.connectionPool.http.h2UpgradePolcy
	// WS952 at metadata.name
}

func ExampleNew() {
	noName := finding.Rule{Code: "WS951", Severity: finding.SeverityError, Meaning: "An object needs a name."}
	f := finding.New(noName, "metadata.name", "the object has no name", "give it a name")
	f.File, f.Line = "manifests/default.yaml", 12
	fmt.Println(f)
	// Output: manifests/default.yaml:12: error WS951 metadata.name: the object has no name (give it a name)
}

func ExampleFinding_String() {
	fmt.Println(finding.Finding{Code: "WS951", Severity: finding.SeverityError, Object: "EnvoyFilter default/", Path: "metadata.name", Message: "the object has no name"})
	// Output: error WS951 EnvoyFilter default/ metadata.name: the object has no name
}

func ExampleList_Errors() {
	list := finding.List{
		{Code: "WS951", Severity: finding.SeverityError, Message: "the object has no name"},
		{Code: "WS123", Severity: finding.Warning, Message: "the setting does nothing"},
	}
	fmt.Println(len(list.Errors()), "error,", len(list.Warnings()), "warning")
	// Output: 1 error, 1 warning
}

func ExampleList_WithObject() {
	list := finding.List{{Code: "WS951", Severity: finding.SeverityError, Path: "metadata.name", Message: "the object has no name"}}
	fmt.Println(list.WithObject("DestinationRule default/").Err())
	// Output: error WS951 DestinationRule default/ metadata.name: the object has no name
}

func ExampleIn() {
	for _, f := range finding.In(validate()) {
		fmt.Println(f.Code, finding.Is(f, badName))
	}
	// Output:
	// WS920 false
	// WS952 true
}

func ExampleIs() {
	f := finding.New(noUse, "", "no client speaks HTTP/2 to the workload", "")
	fmt.Println(finding.Is(f, noUse), finding.Is(f, selectsNone))
	// Output: true false
}

func ExampleList_String() {
	fmt.Println(finding.List{finding.New(noUse, "spec", "no client speaks HTTP/2 to the workload", "")})
	// Output: info WS342 spec: no client speaks HTTP/2 to the workload
}

func ExampleSeverity() {
	fmt.Println(finding.Info, finding.Warning, finding.SeverityError, finding.Info < finding.SeverityError)
	// Output: info warning error true
}

func ExampleList_Warnings() {
	list := finding.List{
		finding.New(selectsNone, "spec.workloadSelector.labels", "no workload carries app=caht", "select a workload that is there"),
		finding.New(noUse, "spec.configPatches[0]", "no client speaks HTTP/2 to the workload", "remove the filter"),
	}
	for _, f := range list.Warnings() { // WS342 is an info
		fmt.Println(f.Code, f.Message)
	}
	// Output: WS343 no workload carries app=caht
}

func ExampleList_WriteText() {
	list := finding.List{finding.New(selectsNone, "spec.workloadSelector.labels", "no workload carries app=caht", "select a workload that is there")}
	if err := list.WriteText(os.Stdout, finding.Colour(os.Stdout)); err != nil {
		log.Fatal(err)
	}
	// Output: warning WS343 spec.workloadSelector.labels: no workload carries app=caht (select a workload that is there)
}

// A file gets no colours.
func ExampleColour() {
	file, err := os.CreateTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	fmt.Println(finding.Colour(file))
	// Output: false
}

// What is written is read back by encoding/json.
func ExampleList_WriteJSON() {
	var b bytes.Buffer
	if err := (finding.List{finding.New(noUse, "spec", "no client speaks HTTP/2 to the workload", "")}).WriteJSON(&b); err != nil {
		log.Fatal(err)
	}
	fmt.Print(b.String())

	var list finding.List
	if err := json.Unmarshal(b.Bytes(), &list); err != nil {
		log.Fatal(err)
	}
	fmt.Println(list)
	// Output:
	// [
	//   {
	//     "code": "WS342",
	//     "severity": "info",
	//     "path": "spec",
	//     "message": "no client speaks HTTP/2 to the workload"
	//   }
	// ]
	// info WS342 spec: no client speaks HTTP/2 to the workload
}

// Code scanning reads a file of SARIF. The rules are those of the package that reported the findings.
func ExampleList_WriteSARIF() {
	f := finding.New(selectsNone, "spec.workloadSelector.labels", "no workload carries app=caht", "select a workload that is there")
	f.File, f.Line = "manifests/chat filter.yaml", 9
	var b bytes.Buffer
	if err := (finding.List{f}).WriteSARIF(&b, []finding.Rule{unknownField, badName, selectsNone, noUse}); err != nil {
		log.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if strings.Contains(line, `"uri"`) || strings.Contains(line, `"startLine"`) || strings.Contains(line, `"id"`) {
			fmt.Println(strings.TrimSpace(line))
		}
	}
	// Output:
	// "uri": "manifests/chat%20filter.yaml"
	// "startLine": 9
	// "id": "WS343",
}

func ExampleList_WriteGitHub() {
	f := finding.New(selectsNone, "spec.workloadSelector.labels", "no workload carries app=caht", "select a workload that is there")
	f.File, f.Line = "manifests/chat.yaml", 9
	if err := (finding.List{f}).WriteGitHub(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output: ::warning file=manifests/chat.yaml,line=9,title=WS343::spec.workloadSelector.labels: no workload carries app=caht%0Aselect a workload that is there
}

// A name from a manifest is shown, and not obeyed.
func ExampleEscapeText() {
	fmt.Println(finding.EscapeText("prod/chat\x1b[2J"))
	// Output: prod/chat\x1b[2J
}

func ExampleEscapeMarkdown() {
	fmt.Println("| " + finding.EscapeMarkdown("<b>chat</b>") + " |")
	// Output: | &#60;b&#62;chat&#60;&#47;b&#62; |
}

func ExampleEscapeMermaid() {
	fmt.Printf("flowchart LR\n  a[\"%s\"]\n", finding.EscapeMermaid(`$$chat$$ "prod"`))
	// Output:
	// flowchart LR
	//   a["#36;#36;chat#36;#36; #34;prod#34;"]
}
