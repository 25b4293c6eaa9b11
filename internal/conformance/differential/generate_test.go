// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/envoyproxy/protoc-gen-validate/validate"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"
)

// A gen makes random values. The same seed gives the same values in every run: it iterates over descriptors
// and sorted keys only.
type gen struct {
	*rand.Rand
	// wild is the chance that a value comes from the pool of edge cases rather than from the usual ones.
	wild float64
}

func newGen(seed, stream uint64) *gen {
	g := &gen{Rand: rand.New(rand.NewPCG(seed, stream))}
	// A third of all objects have only usual values, so that what is done to them afterwards is what decides.
	g.wild = pick(g, []float64{0, 0.03, 0.12})
	return g
}

func (g *gen) chance(p float64) bool { return g.Float64() < p }

func pick[T any](g *gen, of []T) T { return of[g.IntN(len(of))] }

// A pool holds usual values of a field and edge cases, of which most are refused by somebody.
type pool[T any] struct{ usual, edge []T }

func draw[T any](g *gen, p pool[T]) T {
	if len(p.usual) == 0 || len(p.edge) > 0 && g.chance(g.wild) {
		return pick(g, p.edge)
	}
	return pick(g, p.usual)
}

var (
	long63  = strings.Repeat("a", 63)
	long64  = strings.Repeat("a", 64)
	long253 = strings.Repeat("a."+long63[:61]+".", 4)[:253]
	hosts   = pool[string]{
		usual: []string{"websockets-server", "websockets-server.default.svc.cluster.local", "*.default.svc.cluster.local", "a.b", "example.com", "*", "*.com", "reviews.prod.svc.cluster.local"},
		edge: []string{
			"", ".", "..", "a.", "a..b", ".a", "*.", "**", "*a", "*-a", "*-foo.com", "a*", "a.*", "a*.b", "*.*.b", "*a.b", "foo.*.com", "UPPER", "a.UPPER.com", "A.b", "under_score", "a.under_score.b", "-a", "a-", "a.-b.c", "a.b-", "a.b-.c",
			"123", "a.123", "1.2.3.4", "1a", "a.1a", "[::1]", "::1", "2001:db8::1", "a b", "a\n", " a", "é", "a.é", "xn--e1afmkfd.com", "a/b", "ns/a", "a:80", "http://a", "outbound|80||a", "~", "mesh", "*.local.", "a.b.", "a.b..",
			long63, long64, long63 + ".b", long64 + ".b", "b." + long63, "b." + long64, long253, long253 + "aa", long253[:250] + ".aaaa", "*." + long253[:250], strings.Repeat("a.", 127) + "a", strings.Repeat("a.", 128) + "a", "a\x00",
		},
	}
	names = pool[string]{
		usual: []string{"websockets-server", "a", "v1", "h2-upgrade-wss", "my-rule.example", "x1"},
		edge:  []string{"", "A", "a_b", "-a", "a-", ".a", "a.", "a..b", "a/b", "a b", "1", "1.2", long63, long64, long253, long253 + "a", "é", "..", "v1.v2", "a\n", "*", "%", "true", "null"},
	}
	labelKeys = pool[string]{
		usual: []string{"app", "version", "app.kubernetes.io/name", "istio.io/rev", "a_b.c-d", "App"},
		edge:  []string{"", "*", "a*", "-a", "a-", "a b", "/", "/a", "a/", "a/b/c", "A/b", "a_b/c", "a..b/c", "é", long63, long64, long253 + "/" + long63, long253 + "a/b", "a/" + long64, "a.", ".a", "a\n", "istio.io/dry-run", "internal.istio.io/webhook-always-reject", "internal.istio.io/parents"},
	}
	labelValues = pool[string]{
		usual: []string{"websockets-server", "v1", "", "A.b_c-d", "true", "1", "asm"},
		edge:  []string{"*", "a*", "-a", "a-", "a b", "é", long63, long64, ".", "_", "a/b", "a:b", "\n", "null", "~", "a,b", strings.Repeat("é", 40)},
	}
	durations = pool[*durationpb.Duration]{
		usual: []*durationpb.Duration{{Seconds: 1}, {Seconds: 30}, {Seconds: 3600}, {Nanos: 1e6}, {Seconds: 1, Nanos: 5e8}, {Nanos: 25e7}},
		edge: []*durationpb.Duration{
			{}, {Nanos: 1}, {Nanos: 999_000}, {Nanos: 999_999}, {Nanos: 1_000_001}, {Nanos: 1_500_000}, {Seconds: 1, Nanos: 1}, {Seconds: 1, Nanos: 500_000},
			{Seconds: -1}, {Nanos: -1e6}, {Nanos: -1}, {Seconds: -1, Nanos: -5e8}, {Seconds: 1, Nanos: -1}, {Seconds: -1, Nanos: 1}, {Nanos: 1e9}, {Nanos: 2e9},
			{Seconds: 315576000000}, {Seconds: 315576000001}, {Seconds: 315576000000, Nanos: 1e6}, {Seconds: 9223372036}, {Seconds: 9223372037}, {Seconds: math.MaxInt64}, {Seconds: math.MinInt64}, {Seconds: 86400 * 365 * 100}, {Seconds: 3600 * 24 * 366 * 292},
		},
	}
	durationTexts = pool[string]{
		usual: []string{"1s", "30s", "0.25s", "1.500s", "3600s", "0.001s"},
		edge:  []string{"0s", "0.000999s", "0.0015s", "1ms", "1.5ms", "999us", "1m", "1h", "1h0m", "1d", "-1s", "+1s", "1", "1.s", ".5s", "1e3s", "315576000000s", "315576000001s", "9223372036.854775807s", "9223372037s", "1 s", " 1s", "1s ", "1S", "", "s", "0", "0x1s", "1.0000000001s", "0.0010000000s", "1.1234567891s", "００1s", "1s1s", "1m30s", "1.5h", "-0s", "0.s", "00001s", "inf", "∞s"},
	}
	uints = pool[uint32]{
		usual: []uint32{1, 2, 80, 100, 8080, 9080, 15006, 3},
		edge:  []uint32{0, 65535, 65536, math.MaxInt32, 1 << 31, math.MaxUint32, 101, 599, 600, 99, 50},
	}
	ints = pool[int64]{
		usual: []int64{1, 5, 10, 100},
		edge:  []int64{0, -1, 101, math.MaxInt32, math.MinInt32, 50},
	}
	doubles = pool[float64]{
		usual: []float64{0.5, 1, 20, 99.5, 100},
		edge:  []float64{0, -0.1, 100.1, 150, 1e-300, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e21},
	}
	primes = pool[uint32]{
		usual: []uint32{2, 3, 65537, 10007, 4999999},
		edge:  []uint32{0, 1, 4, 9, 25, 49, 121, 5000011, 5000000, 5000010, 65536, 4999957 * 1},
	}
	regexes = pool[string]{
		usual: []string{`^1\.*.*`, `^v?1\.(1[2-9]|[2-9][0-9])([.-]|$)`, `^1\.1[2-9].*`, ``},
		edge:  []string{`(`, `[`, `*`, `a**`, `(?<n>a)`, `(?P<n>a)`, `(?=a)`, `\1`, `\p{Greek}`, `\pX`, `a{1001}`, `a{1000}`, `(a{1000}){1000}`, `((a{100}){100}){100}`, `\Q`, `\C`, `[[:word:]]`, `[[:foo:]]`, "\x00", `é`, strings.Repeat("a", 1024), strings.Repeat("a", 1025), strings.Repeat("é", 600), strings.Repeat("(", 1025), strings.Repeat("(", 1024), strings.Repeat("(", 1001) + strings.Repeat(")", 1001), `(?i)a`, `(?U)`, `(?z)`},
	}
	filterNames = pool[string]{
		usual: []string{"envoy.filters.network.http_connection_manager", "envoy.filters.network.tcp_proxy", "envoy.filters.http.router"},
		edge:  []string{"", "envoy.http_connection_manager", "envoy.router", "envoy.lua", "envoy.tcp_proxy", "ENVOY.filters.network.http_connection_manager", "foo", "envoy.filters.network.http_connection_manager "},
	}
	strs = pool[string]{
		usual: []string{"a", "foo", "web-socket", "some text"},
		edge:  []string{"", " ", "é", "\x00", "\n", "\xff", "null", "true", "1", "-", ".", "/", strings.Repeat("x", 300), "a\tb", "\u0085", "\u2028", "{}", "[]", "~", "0x1", "1e3"},
	}
	// stringPools has the pools of those string fields that somebody checks, by the name of the field in its
	// message, or in any message.
	stringPools = map[protoreflect.FullName]pool[string]{
		"host":        hosts,
		"target_host": {usual: append([]string{"1.2.3.4", "::1"}, hosts.usual[:2]...), edge: append([]string{"*.a", "1.2.3", "1.2.3.4.5", "01.2.3.4", "fe80::1%eth0", "1.2.3.4/32"}, hosts.edge...)},
		"istio.networking.v1alpha3.TrafficPolicy.TunnelSettings.protocol": {usual: []string{"CONNECT", "POST", ""}, edge: []string{"connect", "GET", "CONNECT "}},
		"export_to":                             {usual: []string{".", "*", "default", "ns1"}, edge: []string{"~", "", "NS", "a.b", "a_b", "..", "./*", long63, long64, "-", " .", "**"}},
		"istio.networking.v1alpha3.Subset.name": {usual: []string{"v1", "v2", "canary"}, edge: append([]string{"v1"}, names.edge...)},
		"from":                                  {usual: []string{"us-west/zone1/*", "us-east/*", "region1", "*"}, edge: localityEdges},
		"to":                                    {usual: []string{"us-west/zone2/*", "eu/*", "region2"}, edge: localityEdges},
		"failover_priority":                     {usual: []string{"topology.kubernetes.io/region", "version", "app=v1"}, edge: []string{"", "=", "a=", "=a", "a=b=c", "*", "a b", "-a", long64, "a=" + long64, "a=-", "a=b c"}},
		"proxy_version":                         regexes,
		"istio.networking.v1alpha3.EnvoyFilter.ListenerMatch.FilterMatch.name":    filterNames,
		"istio.networking.v1alpha3.EnvoyFilter.ListenerMatch.SubFilterMatch.name": filterNames,
		"istio.networking.v1alpha3.EnvoyFilter.WaypointMatch.FilterMatch.name":    filterNames,
		"istio.type.v1beta1.PolicyTargetReference.kind":                           {usual: []string{"Gateway", "Service", "ServiceEntry", "GatewayClass"}, edge: []string{"", "gateway", "Pod", "1a", "a_b", long63, long64, "-", "A-"}},
		"istio.type.v1beta1.PolicyTargetReference.group":                          {usual: []string{"gateway.networking.k8s.io", "", "networking.istio.io"}, edge: []string{"A", "a_b", ".", "a.", long253, long253 + "a", "core", "é"}},
		"istio.type.v1beta1.PolicyTargetReference.name":                           {usual: []string{"waypoint", "my-gateway"}, edge: append([]string{"*"}, names.edge...)},
		"istio.type.v1beta1.PolicyTargetReference.namespace":                      {usual: []string{""}, edge: []string{"default", " "}},
		"subject_alt_names":  {usual: []string{"spiffe://cluster.local/ns/default/sa/a", "example.com"}, edge: []string{"", "a,b", " "}},
		"client_certificate": {usual: []string{"/etc/certs/cert.pem", "/etc/certs/cert.pem", ""}, edge: []string{" "}},
		"private_key":        {usual: []string{"/etc/certs/key.pem", "/etc/certs/key.pem", ""}, edge: []string{" "}},
		"ca_certificates":    {usual: []string{"/etc/certs/ca.pem", "system", ""}, edge: []string{" "}},
		"credential_name":    {usual: []string{"", "", "my-secret"}, edge: []string{" ", "kubernetes://a/b", "builtin://", "file-root:system", "configmap://default/ca", "configmap://foo/ca", "configmap://ca", "configmap://"}},
		"ca_crl":             {usual: []string{"", "/etc/certs/crl.pem"}, edge: []string{" "}},
		"istio.networking.v1alpha3.ClientTLSSettings.sni":                                 {usual: []string{"example.com", ""}, edge: hosts.edge},
		"istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB.HTTPCookie.name": {usual: []string{"user"}, edge: []string{"", " "}},
		"istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute.name": {
			usual: []string{"SameSite", "Secure", "HttpOnly"}, edge: []string{"", "SameSite"}},
	}
	localityEdges = []string{"", "/", "*/", "*/a", "a/*/b", "a//b", "a/b/c/d", "/a", "a/", "us-west/*", "us-west/zone1/*", "us-west", "**", "a/**", "*/*", "us-w*st", "us-west/zone1", "us-west/zone1/sub*"}
	// usually has the fields that nearly every object sets: without them it would be refused for the want of
	// a host or name, over and over.
	usually = map[protoreflect.FullName]bool{
		"istio.networking.v1alpha3.DestinationRule.host":                                             true,
		"istio.networking.v1alpha3.Subset.name":                                                      true,
		"istio.networking.v1alpha3.TrafficPolicy.connection_pool":                                    true,
		"istio.networking.v1alpha3.TrafficPolicy.PortTrafficPolicy.port":                             true,
		"istio.networking.v1alpha3.TrafficPolicy.PortTrafficPolicy.connection_pool":                  true,
		"istio.networking.v1alpha3.PortSelector.number":                                              true,
		"istio.networking.v1alpha3.ConnectionPoolSettings.http":                                      true,
		"istio.networking.v1alpha3.ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.interval": true,
		"istio.networking.v1alpha3.ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.timeout":  true,
		"istio.networking.v1alpha3.TrafficPolicy.TunnelSettings.target_host":                         true,
		"istio.networking.v1alpha3.TrafficPolicy.TunnelSettings.target_port":                         true,
		"istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB.HTTPCookie.name":            true,
		"istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB.HTTPCookie.ttl":             true,
		"istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute.name":  true,
		"istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB.MagLev.table_size":          true,
		"istio.networking.v1alpha3.WarmupConfiguration.duration":                                     true,
		"istio.networking.v1alpha3.OutlierDetection.split_external_local_origin_errors":              true,
		"istio.networking.v1alpha3.ClientTLSSettings.client_certificate":                             true,
		"istio.networking.v1alpha3.ClientTLSSettings.private_key":                                    true,
		"istio.networking.v1alpha3.EnvoyFilter.config_patches":                                       true,
		"istio.networking.v1alpha3.EnvoyFilter.EnvoyConfigObjectPatch.apply_to":                      true,
		"istio.networking.v1alpha3.EnvoyFilter.EnvoyConfigObjectPatch.match":                         true,
		"istio.networking.v1alpha3.EnvoyFilter.EnvoyConfigObjectPatch.patch":                         true,
		"istio.networking.v1alpha3.EnvoyFilter.EnvoyConfigObjectMatch.context":                       true,
		"istio.networking.v1alpha3.EnvoyFilter.Patch.operation":                                      true,
		"istio.networking.v1alpha3.EnvoyFilter.ListenerMatch.FilterMatch.name":                       true,
		"istio.networking.v1alpha3.EnvoyFilter.ListenerMatch.SubFilterMatch.name":                    true,
		"istio.networking.v1alpha3.EnvoyFilter.ListenerMatch.FilterChainMatch.filter":                true,
		"istio.networking.v1alpha3.EnvoyFilter.ListenerMatch.filter_chain":                           true,
		"istio.networking.v1alpha3.EnvoyFilter.WaypointMatch.port_number":                            true,
		"istio.networking.v1alpha3.WorkloadSelector.labels":                                          true,
		"istio.type.v1beta1.WorkloadSelector.match_labels":                                           true,
		"istio.type.v1beta1.PolicyTargetReference.kind":                                              true,
		"istio.type.v1beta1.PolicyTargetReference.name":                                              true,
	}
)

// message fills m: some of its fields, of each oneof at most one, values from the pools.
func (g *gen) message(m protoreflect.Message, depth int) {
	switch msg := m.Interface().(type) {
	case *durationpb.Duration:
		d := draw(g, durations)
		msg.Seconds, msg.Nanos = d.Seconds, d.Nanos
		return
	case *structpb.Struct:
		proto.Merge(msg, g.structOf(depth))
		return
	case *structpb.Value:
		proto.Merge(msg, g.structValue(depth))
		return
	case *anypb.Any:
		proto.Merge(msg, g.any(depth))
		return
	}
	fields := m.Descriptor().Fields()
	// About three fields of a message are set, fewer the deeper it lies, so that objects stay readable.
	p := math.Min(0.8, (3-0.4*float64(depth))/float64(fields.Len()))
	if istio := strings.HasPrefix(string(m.Descriptor().FullName()), "istio."); istio {
		p = math.Max(p, 0.12)
	}
	for i := range fields.Len() {
		fd := fields.Get(i)
		if chosen := fd.ContainingOneof(); chosen != nil && m.WhichOneof(chosen) != nil {
			continue
		}
		want := p
		if usually[fd.FullName()] || required(fd) {
			want = 1 - g.wild/2
		}
		if !g.chance(want) || depth > 9 && fd.Message() != nil {
			continue
		}
		g.field(m, fd, depth)
	}
	oneofs := m.Descriptor().Oneofs()
	for i := range oneofs.Len() {
		o := oneofs.Get(i)
		if must, ok := proto.GetExtension(o.Options(), validate.E_Required).(bool); ok && must && m.WhichOneof(o) == nil && !g.chance(g.wild/2) {
			g.field(m, o.Fields().Get(g.IntN(o.Fields().Len())), depth)
		}
	}
}

// required reports that Envoy's rules (protoc-gen-validate) do not let the field be empty.
func required(fd protoreflect.FieldDescriptor) bool {
	r, ok := proto.GetExtension(fd.Options(), validate.E_Rules).(*validate.FieldRules)
	return ok && r != nil && (r.GetMessage().GetRequired() || r.GetAny().GetRequired() || r.GetDuration().GetRequired() ||
		r.GetString_().GetMinLen() > 0 || r.GetString_().GetMinBytes() > 0 || r.GetRepeated().GetMinItems() > 0 || len(r.GetString_().GetIn()) > 0)
}

func (g *gen) field(m protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) {
	switch {
	case fd.IsMap():
		out := m.Mutable(fd).Map()
		for range 1 + g.IntN(2) {
			out.Set(g.mapKey(fd, depth).MapKey(), g.mapValue(out, fd, depth))
		}
	case fd.IsList():
		out := m.Mutable(fd).List()
		for range 1 + g.IntN(3) {
			out.Append(g.value(out.NewElement, fd, depth))
		}
		if g.chance(g.wild / 4) {
			out.Append(out.Get(0)) // a duplicate
		}
	default:
		m.Set(fd, g.value(func() protoreflect.Value { return m.NewField(fd) }, fd, depth))
	}
}

func (g *gen) mapKey(fd protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	switch {
	case fd.MapKey().Kind() != protoreflect.StringKind:
		return g.value(nil, fd.MapKey(), depth)
	case fd.Name() == "labels" || fd.Name() == "match_labels":
		return protoreflect.ValueOfString(draw(g, labelKeys))
	case fd.Name() == "to":
		return protoreflect.ValueOfString(draw(g, pool[string]{[]string{"us-west/zone1/*", "us-west/zone2/*", "eu/*"}, localityEdges}))
	}
	return protoreflect.ValueOfString(draw(g, strs))
}

func (g *gen) mapValue(m protoreflect.Map, fd protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	switch v := fd.MapValue(); {
	case v.Kind() == protoreflect.StringKind && (fd.Name() == "labels" || fd.Name() == "match_labels"):
		return protoreflect.ValueOfString(draw(g, labelValues))
	case fd.FullName() == "istio.networking.v1alpha3.LocalityLoadBalancerSetting.Distribute.to":
		return protoreflect.ValueOfUint32(draw(g, pool[uint32]{[]uint32{50, 100, 50}, uints.edge}))
	default:
		return g.value(m.NewValue, v, depth)
	}
}

// value makes one value of the field's type; blank makes an empty one of its messages.
func (g *gen) value(blank func() protoreflect.Value, fd protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		v := blank()
		g.message(v.Message(), depth+1)
		return v
	case protoreflect.StringKind:
		if r, ok := proto.GetExtension(fd.Options(), validate.E_Rules).(*validate.FieldRules); ok && len(r.GetString_().GetIn()) > 0 {
			return protoreflect.ValueOfString(draw(g, pool[string]{r.GetString_().GetIn(), strs.edge}))
		}
		p, ok := stringPools[fd.FullName()]
		if !ok {
			if p, ok = stringPools[protoreflect.FullName(fd.Name())]; !ok {
				p = strs
			}
		}
		return protoreflect.ValueOfString(draw(g, p))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(pick(g, strs.usual)))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(g.chance(0.7))
	case protoreflect.EnumKind:
		if g.chance(g.wild / 3) {
			return protoreflect.ValueOfEnum(pick(g, []protoreflect.EnumNumber{-1, 7, 99, math.MaxInt32}))
		}
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(g.IntN(values.Len())).Number())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		if fd.Name() == "outlier_detection_http_error_codes" {
			return protoreflect.ValueOfUint32(draw(g, pool[uint32]{[]uint32{500, 503, 100, 599}, uints.edge}))
		}
		return protoreflect.ValueOfUint32(draw(g, uints))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(draw(g, primes)))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(draw(g, ints)))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(draw(g, ints))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(draw(g, doubles)))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(draw(g, doubles))
	}
	panic("no value of kind " + fd.Kind().String())
}

func (g *gen) structOf(depth int) *structpb.Struct {
	s := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for range g.IntN(3) {
		s.Fields[pick(g, []string{"name", "typed_config", "@type", "value", "key", "a"})] = g.structValue(depth + 1)
	}
	return s
}

func (g *gen) structValue(depth int) *structpb.Value {
	switch n := g.IntN(7); {
	case n == 0 && depth < 6:
		return structpb.NewStructValue(g.structOf(depth))
	case n == 1 && depth < 6:
		return structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{g.structValue(depth + 1)}})
	case n == 2:
		return structpb.NewBoolValue(true)
	case n == 3:
		return structpb.NewNumberValue(draw(g, doubles))
	case n == 4:
		return structpb.NewNullValue()
	}
	return structpb.NewStringValue(draw(g, strs))
}

// extensions are what an Any of a patch value holds; the types of edge are not to be found by istiod.
var extensions = pool[string]{
	usual: []string{
		"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
		"envoy.extensions.filters.http.router.v3.Router",
		"envoy.extensions.filters.http.lua.v3.Lua",
		"envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
		"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
		"envoy.extensions.filters.http.wasm.v3.Wasm",
		"envoy.extensions.filters.http.rbac.v3.RBAC",
		"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
		"envoy.extensions.access_loggers.file.v3.FileAccessLog",
		"envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
		"google.protobuf.StringValue",
		"google.protobuf.Struct",
		"google.protobuf.Duration",
		"udpa.type.v1.TypedStruct",
		"xds.type.v3.TypedStruct",
	},
	edge: []string{
		"envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager",
		"envoy.extensions.filters.network.http_connection_manager.v9.HttpConnectionManager",
		"envoy.extensions.filters.http.golang.v3alpha.Config", // contrib, which istiod knows
		"istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
		"google.protobuf.Any", "foo.Bar", "", "/", "envoy", "google.protobuf.FileDescriptorProto",
		"istio.networking.v1alpha3.DestinationRule", "k8s.io.api.core.v1.Pod",
	},
}

var typePrefixes = pool[string]{
	usual: []string{"type.googleapis.com/"},
	edge:  []string{"", "/", "type.googleapis.com//", "example.com/", "type.googleapis.com/a/"},
}

func (g *gen) any(depth int) *anypb.Any {
	name := draw(g, extensions)
	a := &anypb.Any{TypeUrl: draw(g, typePrefixes) + name}
	mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return a
	}
	m := mt.New()
	g.message(m, max(depth, 2))
	a.Value, _ = proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(m.Interface())
	return a
}

// patchRoots has the message that the value of a patch is, by what the patch applies to, as
// istio/pkg/config/xds BuildXDSObjectFromStruct has it.
var patchRoots = map[networking.EnvoyFilter_ApplyTo]proto.Message{
	networking.EnvoyFilter_LISTENER:            &listenerv3.Listener{},
	networking.EnvoyFilter_FILTER_CHAIN:        &listenerv3.FilterChain{},
	networking.EnvoyFilter_NETWORK_FILTER:      &listenerv3.Filter{},
	networking.EnvoyFilter_HTTP_FILTER:         &hcmv3.HttpFilter{},
	networking.EnvoyFilter_ROUTE_CONFIGURATION: &routev3.RouteConfiguration{},
	networking.EnvoyFilter_VIRTUAL_HOST:        &routev3.VirtualHost{},
	networking.EnvoyFilter_HTTP_ROUTE:          &routev3.Route{},
	networking.EnvoyFilter_CLUSTER:             &clusterv3.Cluster{},
	networking.EnvoyFilter_EXTENSION_CONFIG:    &corev3.TypedExtensionConfig{},
	networking.EnvoyFilter_BOOTSTRAP:           &bootstrapv3.Bootstrap{},
	networking.EnvoyFilter_LISTENER_FILTER:     &listenerv3.ListenerFilter{},
}

// patchValue makes the value of a patch as a tree of JSON values, nearly valid for what the patch applies to.
func (g *gen) patchValue(applyTo networking.EnvoyFilter_ApplyTo) map[string]any {
	root := patchRoots[applyTo]
	if root == nil || g.chance(g.wild/4) {
		root = patchRoots[networking.EnvoyFilter_ApplyTo(1+g.IntN(len(patchRoots)))]
	}
	tree := map[string]any{}
	if applyTo == networking.EnvoyFilter_NETWORK_FILTER && g.chance(0.3) {
		// The patch that this project is about, and its relatives.
		tree = pick(g, []func() map[string]any{hcmTree(`{"http2_protocol_options":{"allow_connect":true}}`), hcmTree(`{"http2ProtocolOptions":{"allowConnect":true}}`), hcmTree(`{"delayed_close_timeout":"0s"}`), hcmTree(`{"upgrade_configs":[{"upgrade_type":"websocket"}]}`), hcmTree(`{"http2_protocol_options":{"allow_connect":false}}`), hcmTree(`{"http2_protocol_options":{"allow_conect":true}}`)})()
	} else {
		for range 20 {
			m := root.ProtoReflect().New()
			g.message(m, 1)
			// One that Envoy takes, if one comes up soon.
			if v, ok := m.Interface().(interface{ ValidateAll() error }); ok && v.ValidateAll() != nil && g.chance(0.9) {
				continue
			}
			// An Any of no known type, and invalid UTF-8, cannot be written as JSON: then another one.
			if data, err := (protojson.MarshalOptions{UseProtoNames: g.chance(0.8), AllowPartial: true}).Marshal(m.Interface()); err == nil {
				if err := json.Unmarshal(data, &tree); err != nil {
					panic(err)
				}
				break
			}
		}
	}
	for g.chance(g.wild * 3) {
		g.mutateTree(tree)
	}
	return tree
}

func hcmTree(config string) func() map[string]any {
	return func() map[string]any {
		typed := map[string]any{}
		if err := json.Unmarshal([]byte(config), &typed); err != nil {
			panic(err)
		}
		typed["@type"] = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
		return map[string]any{"typed_config": typed}
	}
}

// destinationRule makes the spec of a DestinationRule.
func (g *gen) destinationRule() *networking.DestinationRule {
	dr := &networking.DestinationRule{}
	g.message(dr.ProtoReflect(), 0)
	g.mendTrafficPolicy(dr.TrafficPolicy)
	for i, s := range dr.Subsets {
		g.mendTrafficPolicy(s.TrafficPolicy)
		if g.chance(0.9) {
			s.Name = "v" + string(rune('1'+i)) // names of subsets are unique
		}
	}
	if len(dr.ExportTo) > 1 && g.chance(0.8) {
		dr.ExportTo = dr.ExportTo[:1]
	}
	if dr.WorkloadSelector != nil && len(dr.ExportTo) > 0 && g.chance(0.8) {
		dr.ExportTo[0] = "."
	}
	if g.chance(g.wild / 10) {
		dr.Subsets = append(dr.Subsets, nil)
	}
	return dr
}

// mendTrafficPolicy takes back, most of the time, what two fields that are legal alone make illegal together.
func (g *gen) mendTrafficPolicy(p *networking.TrafficPolicy) {
	if p == nil {
		return
	}
	if p.Tunnel != nil && g.chance(0.8) {
		p.ProxyProtocol = nil
	}
	if http := p.GetConnectionPool().GetHttp(); http.GetUseClientProtocol() && g.chance(0.7) {
		http.H2UpgradePolicy = networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
	}
	if lb := p.LoadBalancer; lb != nil {
		if lb.LocalityLbSetting != nil && g.chance(0.8) {
			lb.ZoneAwareLbSetting = nil
		}
		for _, l := range []*networking.LocalityLoadBalancerSetting{lb.LocalityLbSetting} {
			if l != nil && g.chance(0.7) { // one of the three
				switch g.IntN(3) {
				case 0:
					l.Failover, l.FailoverPriority = nil, nil
				case 1:
					l.Distribute, l.FailoverPriority = nil, nil
				case 2:
					l.Distribute, l.Failover = nil, nil
				}
			}
		}
		if (lb.LocalityLbSetting != nil || lb.ZoneAwareLbSetting != nil) && p.OutlierDetection == nil && g.chance(0.8) {
			p.OutlierDetection = &networking.OutlierDetection{MaxEjectionPercent: 10}
		}
		if hash := lb.GetConsistentHash(); hash != nil && g.chance(0.8) {
			//lint:ignore SA1019 what is deprecated is part of the API
			hash.MinimumRingSize = 0
		}
	}
	for _, port := range p.PortLevelSettings {
		if port.Port.GetNumber() == 0 && g.chance(0.8) {
			port.Port = &networking.PortSelector{Number: 8080}
		}
	}
}

// envoyFilter makes the spec of an EnvoyFilter.
func (g *gen) envoyFilter() *networking.EnvoyFilter {
	ef := &networking.EnvoyFilter{}
	g.message(ef.ProtoReflect(), 0)
	if ef.WorkloadSelector != nil && g.chance(0.85) {
		ef.TargetRefs = nil
	}
	for i, p := range ef.ConfigPatches {
		if g.chance(0.5) {
			ef.ConfigPatches[i] = g.patch()
			continue
		}
		if p.ApplyTo == networking.EnvoyFilter_INVALID && g.chance(0.9) || g.chance(0.4) {
			p.ApplyTo = networking.EnvoyFilter_NETWORK_FILTER
		}
		if p.Patch != nil && g.chance(0.95) {
			if s, err := structpb.NewStruct(plain(g.patchValue(p.ApplyTo)).(map[string]any)); err == nil {
				p.Patch.Value = s
			}
		}
		if g.chance(0.9) {
			g.mendPatch(p)
		}
	}
	if g.chance(g.wild / 10) {
		ef.ConfigPatches = append(ef.ConfigPatches, nil)
	}
	return ef
}

// patchForms are patches as people write them: what they apply to, the operations that istiod has for that, the
// filter that they match and the type of its configuration.
var patchForms = []struct {
	applyTo           networking.EnvoyFilter_ApplyTo
	operations        []networking.EnvoyFilter_Patch_Operation
	filter, subFilter string
	typed             string
}{
	{networking.EnvoyFilter_NETWORK_FILTER, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE}, "envoy.filters.network.http_connection_manager", "", "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"},
	{networking.EnvoyFilter_NETWORK_FILTER, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE}, "envoy.filters.network.tcp_proxy", "", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"},
	{networking.EnvoyFilter_NETWORK_FILTER, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_INSERT_BEFORE, networking.EnvoyFilter_Patch_INSERT_FIRST, networking.EnvoyFilter_Patch_ADD, networking.EnvoyFilter_Patch_REPLACE}, "envoy.filters.network.tcp_proxy", "", "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit"},
	{networking.EnvoyFilter_HTTP_FILTER, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_INSERT_BEFORE, networking.EnvoyFilter_Patch_INSERT_FIRST, networking.EnvoyFilter_Patch_INSERT_AFTER, networking.EnvoyFilter_Patch_REPLACE}, "envoy.filters.network.http_connection_manager", "envoy.filters.http.router", "envoy.extensions.filters.http.lua.v3.Lua"},
	{networking.EnvoyFilter_HTTP_FILTER, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE}, "envoy.filters.network.http_connection_manager", "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"},
	{networking.EnvoyFilter_LISTENER_FILTER, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_ADD, networking.EnvoyFilter_Patch_INSERT_FIRST}, "", "", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"},
	{networking.EnvoyFilter_EXTENSION_CONFIG, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_ADD}, "", "", "envoy.extensions.filters.http.wasm.v3.Wasm"},
	{networking.EnvoyFilter_CLUSTER, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE, networking.EnvoyFilter_Patch_ADD, networking.EnvoyFilter_Patch_REMOVE}, "", "", ""},
	{networking.EnvoyFilter_LISTENER, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE, networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST}, "", "", ""},
	{networking.EnvoyFilter_FILTER_CHAIN, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE}, "", "", ""},
	{networking.EnvoyFilter_ROUTE_CONFIGURATION, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE}, "", "", ""},
	{networking.EnvoyFilter_VIRTUAL_HOST, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE, networking.EnvoyFilter_Patch_ADD}, "", "", ""},
	{networking.EnvoyFilter_HTTP_ROUTE, []networking.EnvoyFilter_Patch_Operation{networking.EnvoyFilter_Patch_MERGE, networking.EnvoyFilter_Patch_INSERT_FIRST}, "", "", ""},
}

// patch makes a patch of one of the usual forms.
func (g *gen) patch() *networking.EnvoyFilter_EnvoyConfigObjectPatch {
	form := pick(g, patchForms)
	match := &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: pick(g, []networking.EnvoyFilter_PatchContext{networking.EnvoyFilter_SIDECAR_INBOUND, networking.EnvoyFilter_SIDECAR_OUTBOUND, networking.EnvoyFilter_GATEWAY})}
	if g.chance(0.3) {
		match.Proxy = &networking.EnvoyFilter_ProxyMatch{ProxyVersion: draw(g, regexes)}
	}
	if form.filter != "" {
		filter := &networking.EnvoyFilter_ListenerMatch_FilterMatch{Name: form.filter}
		if form.subFilter != "" {
			filter.SubFilter = &networking.EnvoyFilter_ListenerMatch_SubFilterMatch{Name: form.subFilter}
		}
		match.ObjectTypes = &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{Listener: &networking.EnvoyFilter_ListenerMatch{
			FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{Filter: filter}}}
	}
	p := &networking.EnvoyFilter_EnvoyConfigObjectPatch{ApplyTo: form.applyTo, Match: match, Patch: &networking.EnvoyFilter_Patch{Operation: pick(g, form.operations)}}
	if p.Patch.Operation == networking.EnvoyFilter_Patch_REMOVE {
		return p
	}
	tree := map[string]any{}
	if form.typed == "" {
		tree = g.patchValue(form.applyTo)
	} else {
		mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(form.typed))
		if err != nil {
			panic(err)
		}
		m := mt.New()
		g.message(m, 1)
		if data, err := (protojson.MarshalOptions{UseProtoNames: true, AllowPartial: true}).Marshal(m.Interface()); err == nil {
			if err := json.Unmarshal(data, &tree); err != nil {
				panic(err)
			}
		}
		tree["@type"] = "type.googleapis.com/" + form.typed
		tree = map[string]any{"typed_config": tree}
		if p.Patch.Operation != networking.EnvoyFilter_Patch_MERGE {
			tree["name"] = "a"
		}
		for g.chance(g.wild * 3) {
			g.mutateTree(tree)
		}
	}
	if s, err := structpb.NewStruct(plain(tree).(map[string]any)); err == nil {
		p.Patch.Value = s
	}
	return p
}

// plain is the tree with the numbers that mutations wrote as text as floats, as a Struct has them.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	case json.Number:
		f, _ := v.Float64()
		return f
	}
	return v
}

// mendPatch makes the match fit what the patch applies to.
func (g *gen) mendPatch(p *networking.EnvoyFilter_EnvoyConfigObjectPatch) {
	if p.Patch != nil && p.Patch.Operation == networking.EnvoyFilter_Patch_INVALID {
		p.Patch.Operation = networking.EnvoyFilter_Patch_MERGE
	}
	m := p.Match
	if m == nil {
		return
	}
	if m.Context == networking.EnvoyFilter_WAYPOINT {
		if m.GetWaypoint() == nil {
			m.Context = networking.EnvoyFilter_SIDECAR_INBOUND
		}
	}
	kind := m.ObjectTypes
	switch p.ApplyTo {
	case networking.EnvoyFilter_LISTENER, networking.EnvoyFilter_FILTER_CHAIN, networking.EnvoyFilter_NETWORK_FILTER, networking.EnvoyFilter_HTTP_FILTER:
		if _, ok := kind.(*networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener); kind != nil && !ok {
			l := &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{Listener: &networking.EnvoyFilter_ListenerMatch{}}
			g.message(l.Listener.ProtoReflect(), 3)
			m.ObjectTypes = l
		}
		if f := m.GetListener().GetFilterChain().GetFilter(); f != nil && p.ApplyTo != networking.EnvoyFilter_HTTP_FILTER {
			f.SubFilter = nil
		}
	case networking.EnvoyFilter_ROUTE_CONFIGURATION, networking.EnvoyFilter_VIRTUAL_HOST, networking.EnvoyFilter_HTTP_ROUTE:
		if _, ok := kind.(*networking.EnvoyFilter_EnvoyConfigObjectMatch_RouteConfiguration); kind != nil && !ok {
			m.ObjectTypes = nil
		}
	case networking.EnvoyFilter_CLUSTER:
		if _, ok := kind.(*networking.EnvoyFilter_EnvoyConfigObjectMatch_Cluster); kind != nil && !ok {
			m.ObjectTypes = nil
		}
	}
	if m.GetWaypoint() != nil {
		m.Context = networking.EnvoyFilter_WAYPOINT
	}
}

// tree returns the JSON of a message as the CRDs spell it, and false where JSON has no form for it.
func (g *gen) tree(m proto.Message) (map[string]any, bool) {
	data, err := protojson.MarshalOptions{AllowPartial: true}.Marshal(m)
	if err != nil {
		return nil, false
	}
	var out map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		panic(err)
	}
	// protojson writes 64-bit integers as strings, which the CRDs do not take.
	for _, s := range slots(out) {
		if key := lastKey(s); key == "minimumRingSize" || key == "tableSize" {
			if text, ok := s.get().(string); ok && g.chance(0.95) {
				s.set(json.Number(text))
			}
		}
	}
	return out, true
}

// envelope returns an object without its spec.
func (g *gen) envelope(kind string) map[string]any {
	version := "networking.istio.io/v1alpha3"
	if kind == destinationRule {
		version = draw(g, pool[string]{
			[]string{"networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"},
			[]string{"networking.istio.io/v2", "v1", "", "networking.istio.io", "networking.istio.io/V1"}})
	}
	meta := map[string]any{"name": draw(g, names)}
	if g.chance(0.5) {
		meta["namespace"] = draw(g, pool[string]{[]string{"default", "istio-system", "ns1"}, []string{"A", "a.b", "a_b", long63, long64, "-a", "é"}})
	}
	if g.chance(0.3) {
		meta["labels"] = map[string]any{draw(g, labelKeys): draw(g, labelValues)}
	}
	if g.chance(0.2) {
		meta["annotations"] = map[string]any{draw(g, labelKeys): draw(g, strs)}
	}
	return map[string]any{"apiVersion": version, "kind": kind, "metadata": meta}
}

const (
	destinationRule = "DestinationRule"
	envoyFilter     = "EnvoyFilter"
)

// spec makes the spec of an object of the kind.
func (g *gen) spec(kind string) proto.Message {
	if kind == destinationRule {
		return g.destinationRule()
	}
	return g.envoyFilter()
}

// document makes a manifest of the kind: a generated object, or one of the corpus, that has been changed in a
// few places, as a tree and then as text.
func (g *gen) document(kind string, corpus []map[string]any) []byte {
	var doc map[string]any
	if len(corpus) > 0 && g.chance(0.4) {
		doc = clone(pick(g, corpus)).(map[string]any)
		g.wild = pick(g, []float64{0.03, 0.12})
		if g.chance(0.3) { // a part of another one
			other := slots(pick(g, corpus))
			for range 4 {
				from := pick(g, other)
				for _, to := range slots(doc) {
					if to.path == from.path {
						to.set(clone(from.get()))
						break
					}
				}
			}
		}
	} else {
		doc = g.envelope(kind)
		spec, ok := g.tree(g.spec(kind))
		for !ok {
			spec, ok = g.tree(g.spec(kind))
		}
		doc["spec"] = spec
	}
	for g.chance(g.wild * 5) {
		g.mutateTree(doc)
	}
	return g.text(doc)
}
