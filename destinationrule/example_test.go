// SPDX-License-Identifier: Apache-2.0

package destinationrule_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

func Example() {
	rule, err := destinationrule.Builder{
		Name:      "websockets-server",
		Namespace: "default",
		Host:      "websockets-server.default.svc.cluster.local",
		H2Upgrade: destinationrule.DoNotUpgrade,
	}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	manifest, err := rule.YAML()
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Stdout.Write(manifest)
	// Output:
	// apiVersion: networking.istio.io/v1beta1
	// kind: DestinationRule
	// metadata:
	//   name: websockets-server
	//   namespace: default
	// spec:
	//   host: websockets-server.default.svc.cluster.local
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: DO_NOT_UPGRADE
}

// Base takes everything else of the Istio API.
func ExampleBuilder() {
	rule, err := destinationrule.Builder{
		Name:      "websockets-server",
		Namespace: "default",
		Host:      "websockets-server.default.svc.cluster.local",
		H2Upgrade: destinationrule.Upgrade,
		Base: &networking.DestinationRule{
			TrafficPolicy: &networking.TrafficPolicy{
				ConnectionPool: &networking.ConnectionPoolSettings{
					Tcp: &networking.ConnectionPoolSettings_TCPSettings{MaxConnections: 1000},
				},
			},
		},
	}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rule.Spec.GetTrafficPolicy().GetConnectionPool().GetTcp().GetMaxConnections())
	fmt.Println(rule.Spec.GetTrafficPolicy().GetConnectionPool().GetHttp().GetH2UpgradePolicy())
	// Output:
	// 1000
	// UPGRADE
}

// The error of Build holds all problems.
func ExampleBuilder_Build() {
	_, err := destinationrule.Builder{
		Name:      "websockets_server",
		Host:      "websockets-server.default.svc.cluster.local",
		H2Upgrade: destinationrule.Upgrade,
		ExportTo:  []string{"~"},
	}.Build()
	for _, f := range finding.In(err) {
		fmt.Println(f.Code, f.Path)
	}
	// Output:
	// WS952 metadata.name
	// WS112 spec.exportTo[0]
}

func ExamplePortPolicy() {
	rule, err := destinationrule.Builder{
		Name:      "websockets-server",
		Namespace: "default",
		Ports: []destinationrule.PortPolicy{
			{Number: 8080, H2Upgrade: destinationrule.Upgrade},
			{Number: 9090, H2Upgrade: destinationrule.DoNotUpgrade},
		},
	}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, port := range rule.Spec.GetTrafficPolicy().GetPortLevelSettings() {
		fmt.Println(port.GetPort().GetNumber(), port.GetConnectionPool().GetHttp().GetH2UpgradePolicy())
	}
	// Output:
	// 8080 UPGRADE
	// 9090 DO_NOT_UPGRADE
}

func ExampleSubsetPolicy() {
	rule, err := destinationrule.Builder{
		Name:      "websockets-server",
		Namespace: "default",
		H2Upgrade: destinationrule.Upgrade,
		Subsets: []destinationrule.SubsetPolicy{
			{Name: "v1", Labels: map[string]string{"version": "v1"}, H2Upgrade: destinationrule.DoNotUpgrade},
			{Name: "v2", Labels: map[string]string{"version": "v2"}}, // as the destination
		},
	}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, subset := range rule.Spec.GetSubsets() {
		fmt.Println(subset.GetName(), subset.GetTrafficPolicy() != nil)
	}
	// Output:
	// v1 true
	// v2 false
}

func ExampleUpgradePolicy_String() {
	fmt.Println(destinationrule.UpgradeDefault, destinationrule.DoNotUpgrade, destinationrule.Upgrade)
	// Output: DEFAULT DO_NOT_UPGRADE UPGRADE
}

const manifest = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: websockets-server
  namespace: default
spec:
  host: websockets-server.default.svc.cluster.local
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
    portLevelSettings:
    - port:
        number: 8080
      tls:
        mode: ISTIO_MUTUAL
`

func ExampleParse() {
	rule, err := destinationrule.Parse([]byte(manifest))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rule.Spec.GetHost())

	_, err = destinationrule.Parse([]byte(`{
		"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "a"},
		"spec": {"host": "a", "trafficPolcy": {}}
	}`))
	list := finding.In(err)
	if list != nil {
		fmt.Println(list[0].Path)
	}
	// Output:
	// websockets-server.default.svc.cluster.local
	// spec.trafficPolcy
}

// The port level of this rule drops the upgrade, and Istio does not say so.
func ExampleRule_Validate() {
	rule, err := destinationrule.Parse([]byte(manifest))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range rule.Validate() {
		fmt.Println(f.Severity, f.Code, f.Path)
		fmt.Println(f.Message)
		fmt.Println(f.Hint)
	}
	// Output:
	// warning WS164 spec.trafficPolicy.portLevelSettings[0]
	// the entry replaces the whole policy for port 8080, which so loses h2UpgradePolicy UPGRADE
	// write h2UpgradePolicy in the entry's connectionPool too
}

func ExampleRule_WithH2Upgrade() {
	rule, err := destinationrule.Parse([]byte(manifest))
	if err != nil {
		fmt.Println(err)
		return
	}
	down, err := rule.WithH2Upgrade(destinationrule.DoNotUpgrade)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := down.YAML()
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Stdout.Write(text)
	// Output:
	// apiVersion: networking.istio.io/v1
	// kind: DestinationRule
	// metadata:
	//   name: websockets-server
	//   namespace: default
	// spec:
	//   host: websockets-server.default.svc.cluster.local
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: DO_NOT_UPGRADE
	//     portLevelSettings:
	//     - connectionPool:
	//         http:
	//           h2UpgradePolicy: DO_NOT_UPGRADE
	//       port:
	//         number: 8080
	//       tls:
	//         mode: ISTIO_MUTUAL
}

func ExampleRule_Drops() {
	rule, err := destinationrule.Parse([]byte(manifest))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range rule.Drops(destinationrule.DoNotUpgrade) {
		fmt.Printf("port %d does not get %s: %s\n", d.Port, d.Policy, d.Path)
	}
	// Output:
	// port 8080 does not get DO_NOT_UPGRADE: spec.trafficPolicy.portLevelSettings[0]
}

func ExampleRule_YAML() {
	rule, err := destinationrule.Builder{Name: "websockets-server", H2Upgrade: destinationrule.Upgrade}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := rule.YAML()
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Stdout.Write(text)
	// Output:
	// apiVersion: networking.istio.io/v1beta1
	// kind: DestinationRule
	// metadata:
	//   name: websockets-server
	// spec:
	//   host: websockets-server
	//   trafficPolicy:
	//     connectionPool:
	//       http:
	//         h2UpgradePolicy: UPGRADE
}

func ExampleRule_MarshalJSON() {
	rule, err := destinationrule.Builder{Name: "websockets-server", H2Upgrade: destinationrule.Upgrade}.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(rule)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(text))
	// Output: {"apiVersion":"networking.istio.io/v1beta1","kind":"DestinationRule","metadata":{"name":"websockets-server"},"spec":{"host":"websockets-server","trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":"UPGRADE"}}}}}
}

func ExampleRule_String() {
	rule := &destinationrule.Rule{Name: "websockets-server", Namespace: "default"}
	fmt.Println(rule)
	// Output: DestinationRule default/websockets-server
}

func ExampleRule_AppendYAML() {
	var stream []byte // for many rules, without one piece of memory for each
	for _, host := range []string{"chat", "push"} {
		rule, err := destinationrule.Builder{Name: host, Host: host + ".prod.svc.cluster.local", H2Upgrade: destinationrule.Upgrade}.Build()
		if err != nil {
			fmt.Println(err)
			return
		}
		if stream, err = rule.AppendYAML(append(stream, "---\n"...)); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(bytes.Count(stream, []byte("kind: DestinationRule\n")), "rules")
	// Output: 2 rules
}

// A program finds a rule by its variable.
func ExampleRules() {
	rule, err := destinationrule.Parse([]byte(manifest))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range rule.Validate() {
		fmt.Println(f.Path, finding.Is(f, destinationrule.PortLevelDropsPolicy))
	}
	first := destinationrule.Rules()[0]
	fmt.Println(first.Code, first.Severity, first.Meaning)
	// Output:
	// spec.trafficPolicy.portLevelSettings[0] true
	// WS101 error The apiVersion is one that Istio serves for DestinationRule.
}
