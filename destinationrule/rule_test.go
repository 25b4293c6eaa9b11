// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	networking "istio.io/api/networking/v1alpha3"
)

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata:
  name: a
  namespace: b
  labels: {c: d}
  annotations: {e: f}
spec:
  host: a.b.svc
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Rule{
		APIVersion: v1alpha3, Name: "a", Namespace: "b", Labels: map[string]string{"c": "d"}, Annotations: map[string]string{"e": "f"},
		Spec: &networking.DestinationRule{Host: "a.b.svc"},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\n"
	for _, tt := range []struct{ reason, text, want string }{
		{"a misspelt field", head + "spec: {host: a, trafficPolcy: {}}", "spec.trafficPolcy"},
		{"a field of the wrong case", head + "spec: {host: a, trafficPolicy: {connectionPool: {http: {h2upgradePolicy: UPGRADE}}}}", "spec.trafficPolicy.connectionPool.http.h2upgradePolicy"},
		{"a field in the wrong place", head + "spec: {host: a, trafficPolicy: {h2UpgradePolicy: UPGRADE}}", "spec.trafficPolicy.h2UpgradePolicy"},
		{"an enum without that name", head + "spec: {host: a, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: upgrade}}}}", "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"},
		{"a value of the wrong type", head + "spec: {host: [a]}", "spec.host"},
		{"another kind", strings.Replace(head, "DestinationRule", "VirtualService", 1) + "spec: {}", "kind"},
		{"another version", strings.Replace(head, "/v1", "/v2", 1) + "spec: {host: a}", "apiVersion"},
		{"a second document", head + "spec: {host: a}\n---\n" + head + "spec: {host: b}", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			r, err := Parse([]byte(tt.text))
			if r != nil || err == nil {
				t.Fatalf("got %v, %v", r, err)
			}
			if list := errorList(t, err); tt.want != "" && list[0].Path != tt.want {
				t.Errorf("got %v, want it at %s", list, tt.want)
			}
		})
	}
}

// TestWrite checks both forms of a rule, and that what they say is what Parse reads.
func TestWrite(t *testing.T) {
	r := plain()
	r.Labels = map[string]string{"provider": "asm"}
	text, err := r.YAML()
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata:
  labels:
    provider: asm
  name: websockets-server
  namespace: default
spec:
  host: websockets-server.default.svc.cluster.local
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	j, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{text, j} {
		again, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		same(t, string(data), r, again)
	}
}

// TestWriteNumbers pins that 64-bit sizes are numbers, as the schema wants them, where protojson writes strings.
func TestWriteNumbers(t *testing.T) {
	r := plain()
	r.Spec = parseSpec(t, `{host: a.b.svc, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: 65537}}}}}`)
	j, err := r.MarshalJSON()
	if err != nil || !strings.Contains(string(j), `"tableSize":65537`) {
		t.Errorf("got %s, %v", j, err)
	}
}

func TestWriteNothing(t *testing.T) {
	for reason, r := range map[string]*Rule{"no rule": nil, "no spec": {APIVersion: v1, Name: "a"}} {
		if text, err := r.YAML(); text != nil || err == nil || !strings.Contains(err.Error(), "WS102 DestinationRule") {
			t.Errorf("%s: %s, %v", reason, text, err)
		}
		if text, err := r.MarshalJSON(); text != nil || err == nil {
			t.Errorf("%s: %s, %v", reason, text, err)
		}
		if up, err := r.WithH2Upgrade(Upgrade); up != nil || err == nil {
			t.Errorf("%s: %v, %v", reason, up, err)
		}
	}
	r := plain()
	r.Spec.TrafficPolicy.Tls = &networking.ClientTLSSettings{Sni: "\xff"}
	if text, err := r.YAML(); text != nil || err == nil {
		t.Errorf("not UTF-8: %s, %v", text, err)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	r := plain()
	want, err := r.YAML()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r.Validate()
			if up, err := r.WithH2Upgrade(DoNotUpgrade); err != nil || policyOf(up.Spec.GetTrafficPolicy().GetConnectionPool()) != h2UpgradePolicy(DoNotUpgrade) {
				t.Errorf("%v, %v", up, err)
			}
			if b, err := (Builder{Name: r.Name, Base: r.Spec}).Build(); err != nil || !proto.Equal(b.Spec, r.Spec) {
				t.Errorf("%v, %v", b, err)
			}
			if got, err := r.YAML(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func TestString(t *testing.T) {
	r := plain()
	if got := r.String(); got != "DestinationRule default/websockets-server" {
		t.Error(got)
	}
	if r.Namespace = ""; r.String() != "DestinationRule websockets-server" {
		t.Error(r.String())
	}
	if r = nil; r.String() != "DestinationRule" {
		t.Error(r.String())
	}
}

// FuzzParse reads anything. What it reads and finds good, it must write so that it reads the same again, and so must
// the same rule with any policy.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/every-field.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		f.Add([]byte(doc))
	}
	f.Add([]byte(`{"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "a"}, "spec": {"host": "a", "trafficPolicy": {"retryBudget": {"percent": -0}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if (r == nil) == (err == nil) {
			t.Fatalf("got %v and %v", r, err)
		}
		if err != nil || r.Validate().Err() != nil {
			return
		}
		rewrite(t, r)
		for _, p := range []UpgradePolicy{UpgradeDefault, DoNotUpgrade, Upgrade} {
			if up, err := r.WithH2Upgrade(p); err == nil {
				rewrite(t, up)
			} else if p != Upgrade {
				t.Errorf("%v: %v", p, err)
			}
		}
	})
}

func rewrite(t *testing.T, r *Rule) {
	t.Helper()
	text, err := r.YAML()
	if err != nil {
		t.Fatalf("what is good cannot be written: %v", err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v\n%s", err, text)
	}
	dropSign(r.Spec.ProtoReflect())
	if !proto.Equal(r.Spec, again.Spec) {
		t.Fatalf("read differently: %v\n%s", cmp.Diff(r.Spec, again.Spec, protocmp.Transform()), text)
	}
}

// dropSign makes 0 of -0, because YAML has no sign for it.
func dropSign(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				dropSign(v.List().Get(i).Message())
			}
		case fd.IsList():
		case fd.Message() != nil:
			dropSign(v.Message())
		case fd.Kind() == protoreflect.DoubleKind && v.Float() == 0:
			m.Clear(fd)
		}
		return true
	})
}

// FuzzBuild lays a builder over any spec that protobuf can read. It must not panic, change or keep the spec, or
// return what it says itself is not good.
func FuzzBuild(f *testing.F) {
	for _, text := range []string{
		`{host: a.b.svc}`,
		`{host: a.b.svc, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}, portLevelSettings: [{port: {number: 80}, tls: {}}]}, subsets: [{name: v1, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}]}`,
	} {
		data, err := proto.Marshal(parseSpec(f, text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "a", "default", "", 2, uint32(80), "v1", "app", "x")
	}
	f.Fuzz(func(t *testing.T, data []byte, name, namespace, host string, policy int, port uint32, subset, key, value string) {
		base := &networking.DestinationRule{}
		if err := proto.Unmarshal(data, base); err != nil {
			base = nil
		}
		before := proto.CloneOf(base)
		labels := map[string]string{key: value}
		b := Builder{
			Name: name, Namespace: namespace, Host: host, Base: base, Labels: labels, Annotations: labels, H2Upgrade: UpgradePolicy(policy),
			Ports:    []PortPolicy{{Number: port, H2Upgrade: UpgradePolicy(policy)}},
			Subsets:  []SubsetPolicy{{Name: subset, Labels: labels, H2Upgrade: UpgradePolicy(policy)}},
			ExportTo: []string{namespace}, ClientWorkload: labels,
		}
		r, err := b.Build()
		if !proto.Equal(base, before) || len(labels) != 1 || labels[key] != value {
			t.Fatalf("the input changed from %v to %v, %v", before, base, labels)
		}
		if err != nil {
			if r != nil || len(errorList(t, err).Errors()) == 0 {
				t.Fatalf("got %v and %v", r, err)
			}
			return
		}
		built := snapshot(r)
		if base != nil {
			scramble(base.ProtoReflect())
		}
		labels[key] = "changed"
		same(t, "the rule kept a part of the input", built, r)
		if err := r.Validate().Err(); err != nil {
			t.Fatalf("Build let through: %v", err)
		}
		first, err := r.YAML()
		if err != nil {
			t.Fatalf("what is good cannot be written: %v", err)
		}
		if second, err := r.YAML(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written differently: %s\n%s", first, second)
		}
	})
}
