// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	networking "istio.io/api/networking/v1alpha3"
)

func TestBuild(t *testing.T) {
	const base = `{host: a.b.svc, exportTo: ["*"], trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, connectionPool: {tcp: {maxConnections: 5}},
		portLevelSettings: [{port: {number: 81}, tls: {}}]}, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {tls: {}}}]}`
	for _, tt := range []struct {
		reason  string
		builder Builder
		base    string
		want    string
	}{
		{"the host is the name", Builder{Name: "a", H2Upgrade: Upgrade}, "", `{host: a, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`},
		{"the host is given", Builder{Name: "a", Host: "b.c.svc", H2Upgrade: DoNotUpgrade}, "", `{host: b.c.svc, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}}`},
		{"the host is Base's", Builder{Name: "a"}, `{host: b.c.svc}`, `{host: b.c.svc}`},
		{"Base has no host", Builder{Name: "a"}, `{subsets: [{name: v1}]}`, `{host: a, subsets: [{name: v1}]}`},
		{"the default policy emits nothing", Builder{Name: "a"}, "", `{host: a}`},
		{"the default policy keeps Base's", Builder{Name: "a"}, `{trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`, `{host: a, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}`},
		{
			"ports alone",
			Builder{Name: "a", Ports: []PortPolicy{{Number: 80, H2Upgrade: Upgrade}, {Number: 81, H2Upgrade: DoNotUpgrade}}}, "",
			`{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}, {port: {number: 81}, connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}]}}`,
		}, {
			"a subset without a policy has no trafficPolicy",
			Builder{Name: "a", Subsets: []SubsetPolicy{{Name: "v1", Labels: map[string]string{"version": "v1"}}, {Name: "v2", H2Upgrade: Upgrade}}}, "",
			`{host: a, subsets: [{name: v1, labels: {version: v1}}, {name: v2, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}]}`,
		}, {
			"everything laid over Base",
			Builder{
				Name: "a", H2Upgrade: Upgrade,
				Ports:          []PortPolicy{{Number: 80, H2Upgrade: Upgrade}, {Number: 81, H2Upgrade: DoNotUpgrade}},
				Subsets:        []SubsetPolicy{{Name: "v2"}, {Name: "v1", Labels: map[string]string{"version": "one"}, H2Upgrade: Upgrade}},
				ExportTo:       []string{"."},
				ClientWorkload: map[string]string{"app": "client"},
			}, base,
			`{host: a.b.svc, exportTo: [.], workloadSelector: {matchLabels: {app: client}}, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, connectionPool: {tcp: {maxConnections: 5}, http: {h2UpgradePolicy: UPGRADE}},
				portLevelSettings: [{port: {number: 81}, tls: {}, connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}, {port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]},
				subsets: [{name: v1, labels: {version: one}, trafficPolicy: {tls: {}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}, {name: v2}]}`,
		}, {
			"what is not mentioned is kept",
			Builder{Name: "a", Host: "a.b.svc", Subsets: []SubsetPolicy{{Name: "v1"}}, ExportTo: []string{}, ClientWorkload: map[string]string{}}, base, base,
		}, {
			"of two entries for a port, the one that istiod reads is changed",
			Builder{Name: "a", Ports: []PortPolicy{{Number: 80, H2Upgrade: Upgrade}}},
			`{trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}, {port: {number: 80}, tls: {}}]}}`,
			`{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}, {port: {number: 80}, tls: {}}]}}`,
		},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			b := tt.builder
			b.Namespace, b.Labels, b.Annotations = "default", map[string]string{"app": "a"}, map[string]string{"note": "b"}
			if tt.base != "" {
				b.Base = parseSpec(t, tt.base)
			}
			got, err := b.Build()
			if err != nil {
				t.Fatal(err)
			}
			want := &Rule{APIVersion: "networking.istio.io/v1beta1", Name: b.Name, Namespace: b.Namespace, Labels: b.Labels, Annotations: b.Annotations, Spec: parseSpec(t, tt.want)}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if f := got.Validate().Errors(); len(f) > 0 {
				t.Errorf("Build let through: %v", f)
			}
		})
	}
}

func TestBuildAPIVersion(t *testing.T) {
	for _, version := range []string{v1, v1beta1, v1alpha3} {
		if r, err := (Builder{Name: "a", APIVersion: version}).Build(); err != nil || r.APIVersion != version {
			t.Errorf("%s: %v, %v", version, r, err)
		}
	}
}

// TestBuildReportsAll checks that one error holds every problem: of the builder, of what it laid over Base, of Base
// and of the metadata, each with the name of the object.
func TestBuildReportsAll(t *testing.T) {
	b := Builder{
		Name:       "A_b",
		Namespace:  "default",
		Labels:     map[string]string{"a b": ""},
		APIVersion: "v2",
		Host:       "a_b",
		H2Upgrade:  7,
		Ports:      []PortPolicy{{Number: 0, H2Upgrade: 9}, {Number: 0}},
		Subsets:    []SubsetPolicy{{Name: "v.1", H2Upgrade: 5}, {Name: "v.1"}, {Name: "v2", Labels: map[string]string{"": "x"}}},
		ExportTo:   []string{"*", "*"},
		Base:       &networking.DestinationRule{Host: "c", TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{}}},
	}
	r, err := b.Build()
	if r != nil {
		t.Errorf("got a rule: %v", r)
	}
	list := errorList(t, err)
	var got []string
	for _, f := range list {
		if f.Object != "DestinationRule default/A_b" {
			t.Errorf("no object: %v", f)
		}
		if strings.HasPrefix(f.Code, "WS1") {
			got = append(got, f.Code+" "+f.Path)
		}
	}
	want := []string{
		"WS141 spec.host",
		"WS105 spec.trafficPolicy.connectionPool.http.h2UpgradePolicy",
		"WS142 spec.trafficPolicy.portLevelSettings[0].port.number",
		"WS105 spec.trafficPolicy.portLevelSettings[0].connectionPool.http.h2UpgradePolicy",
		"WS142 spec.trafficPolicy.portLevelSettings[0].port.number",
		"WS143 spec.trafficPolicy.portLevelSettings[0].port.number",
		"WS144 spec.trafficPolicy.portLevelSettings[0].connectionPool.http.h2UpgradePolicy",
		"WS105 spec.subsets[0].trafficPolicy.connectionPool.http.h2UpgradePolicy",
		"WS143 spec.subsets[0].name",
		"WS101 apiVersion",
		"WS111 spec.host",
		"WS123 spec.trafficPolicy.connectionPool",
		"WS117 spec.subsets[0].name",
		`WS119 spec.subsets[1].labels[""]`,
		"WS114 spec.exportTo[0]",
		"WS113 spec.exportTo[1]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !strings.Contains(err.Error(), "metadata.name") || !strings.Contains(err.Error(), "metadata.labels") {
		t.Errorf("the metadata is missing in %v", err)
	}
}

// TestNothingIsShared builds from random specs, changes every value of the input afterwards and looks whether the
// output noticed; and the other way round.
func TestNothingIsShared(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 300 {
		b := Builder{
			Name: "a", H2Upgrade: Upgrade,
			Labels:         map[string]string{"a": "b"},
			Annotations:    map[string]string{"c": "d"},
			Subsets:        []SubsetPolicy{{Name: "own", Labels: map[string]string{"e": "f"}}},
			ExportTo:       []string{"."},
			ClientWorkload: map[string]string{"g": "h"},
			Base:           randomInheritance(random),
		}
		b.Base.WorkloadSelector = selector(2)
		b.Base.ExportTo = []string{"default"}
		base := proto.CloneOf(b.Base)
		r, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(base, b.Base) {
			t.Fatalf("Build changed Base: %v", cmp.Diff(base, b.Base, protocmp.Transform()))
		}
		built := snapshot(r)
		r.Validate()
		up, err := r.WithH2Upgrade(DoNotUpgrade)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "Validate or WithH2Upgrade changed the rule", built, r)

		upgraded := snapshot(up)
		scramble(b.Base.ProtoReflect())
		for _, m := range []map[string]string{b.Labels, b.Annotations, b.Subsets[0].Labels, b.ClientWorkload} {
			clear(m)
		}
		b.Subsets[0].Name, b.ExportTo[0] = "changed", "changed"
		same(t, "the rule kept a part of the builder", built, r)

		scramble(r.Spec.ProtoReflect())
		clear(r.Labels)
		clear(r.Annotations)
		same(t, "the copy kept a part of the rule", upgraded, up)
	}
}

func snapshot(r *Rule) *Rule { return r.clone() }

func same(t *testing.T, what string, want, got *Rule) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Fatalf("%s, -want +got:\n%s", what, diff)
	}
}

// scramble changes every value that can be reached from the message.
func scramble(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
				v.Map().Clear(k)
				return true
			})
		case fd.IsList():
			for i := range v.List().Len() {
				if fd.Message() != nil {
					scramble(v.List().Get(i).Message())
				} else {
					v.List().Set(i, changed(fd, v.List().Get(i)))
				}
			}
		case fd.Message() != nil:
			scramble(v.Message())
		default:
			m.Set(fd, changed(fd, v))
		}
		return true
	})
}

func changed(fd protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(v.String() + "x")
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(!v.Bool())
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(v.Enum() + 1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(v.Int() + 1))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(v.Int() + 1)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(v.Uint() + 1))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(v.Uint() + 1)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(v.Float() + 1)
	}
	panic(fd.Kind())
}

func BenchmarkBuild(b *testing.B) {
	builder := Builder{
		Name: "websockets-server", Namespace: "default", Labels: map[string]string{"provider": "asm"},
		Host: "websockets-server.default.svc.cluster.local", H2Upgrade: Upgrade,
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := builder.Build(); err != nil {
			b.Fatal(err)
		}
	}
}
