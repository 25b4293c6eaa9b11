// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test"
	"istio.io/istio/pkg/wellknown"
)

// TestMain silences Istio's logs, in which the panics that some tests provoke fill pages. Garbage is collected rarely:
// a third of the time went into it, and the tests stay below 1 GiB.
func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(1000)
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	os.Exit(m.Run())
}

// istiod is Istio's discovery server in process, with the objects of one cluster.
type istiod struct {
	*xds.FakeDiscoveryServer
	t *testing.T
}

// A cluster is what istiod finds in Kubernetes.
type cluster struct {
	// objects are Services, Pods, EndpointSlices, Gateways of the Kubernetes API: YAML documents.
	objects []string
	// configs are Istio's own objects, as istiod reads them: YAML documents. The first is the oldest.
	configs []string
	// mesh changes the mesh config.
	mesh func(*meshconfig.MeshConfig)
	// ambient turns ambient mode on, as the environment variable PILOT_ENABLE_AMBIENT does with those that it implies.
	ambient bool
}

// start runs istiod on the cluster until the test ends.
func (c cluster) start(t *testing.T) *istiod {
	t.Helper()
	var configs []config.Config
	for _, doc := range c.configs {
		parsed, _, err := crd.ParseInputs(doc)
		if err != nil {
			t.Fatalf("istiod does not read\n%s\n%v", doc, err)
		}
		for _, cfg := range parsed {
			// What the CRD controller fills in: without the domain a short host does not resolve.
			cfg.Domain = "cluster.local"
			if cfg.Namespace == "" {
				cfg.Namespace = "default"
			}
			cfg.CreationTimestamp = time.Unix(1_600_000_000+int64(len(configs)), 0)
			configs = append(configs, cfg)
		}
	}
	if c.ambient {
		for _, flag := range []*bool{&features.EnableAmbient, &features.EnableAmbientWaypoints, &features.EnableHBONESend, &features.EnableSidecarHBONEListening, &features.EnableIngressWaypointRouting} {
			test.SetForTest(t, flag, true)
		}
	}
	m := mesh.DefaultMeshConfig()
	if c.mesh != nil {
		c.mesh(m)
	}
	return &istiod{t: t, FakeDiscoveryServer: xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		KubernetesObjectString: strings.Join(c.objects, "\n---\n"),
		Configs:                configs,
		MeshConfig:             m,
	})}
}

// A workload is a Service and one Pod behind it.
type workload struct {
	name, namespace string // namespace "" is default
	ip              string
	labels          map[string]string // of the Pod; app: name where nil
	ports           []port            // 8080 http-websocket to 80 where nil
	ambient         bool
}

type port struct {
	number, target    int
	name, appProtocol string
}

func (w workload) ns() string {
	if w.namespace == "" {
		return "default"
	}
	return w.namespace
}

func (w workload) podLabels() map[string]string {
	if w.labels == nil {
		return map[string]string{"app": w.name}
	}
	return w.labels
}

func (w workload) servicePorts() []port {
	if w.ports == nil {
		return []port{{number: 8080, target: 80, name: "http-websocket"}}
	}
	return w.ports
}

// objects are the workload's Service, Pod and EndpointSlice. Without the last istiod knows no inbound port.
func (w workload) objects() []string {
	var servicePorts, slicePorts strings.Builder
	for _, p := range w.servicePorts() {
		app := ""
		if p.appProtocol != "" {
			app = ", appProtocol: " + p.appProtocol
		}
		fmt.Fprintf(&servicePorts, "  - {port: %d, targetPort: %d, name: %q%s}\n", p.number, p.target, p.name, app)
		fmt.Fprintf(&slicePorts, "- {port: %d, name: %q%s}\n", p.target, p.name, app)
	}
	selector, labels, annotation := "", "", ""
	for _, k := range slices.Sorted(maps.Keys(w.podLabels())) {
		labels += fmt.Sprintf("    %s: %q\n", k, w.podLabels()[k])
	}
	selector = labels
	if w.ambient {
		annotation = "  annotations: {ambient.istio.io/redirection: enabled}\n"
	}
	pod := w.name + "-0"
	return []string{
		fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata:\n  name: %q\n  namespace: %q\nspec:\n  clusterIP: 10.96.%s\n  selector:\n%s  ports:\n%s", w.name, w.ns(), strings.TrimPrefix(w.ip, "10.0."), selector, &servicePorts),
		fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: %q\n  namespace: %q\n%s  labels:\n%sspec:\n  containers: [{name: app}]\nstatus:\n  phase: Running\n  podIP: %s\n  podIPs: [{ip: %s}]\n  conditions: [{type: Ready, status: \"True\"}]\n", pod, w.ns(), annotation, labels, w.ip, w.ip),
		fmt.Sprintf("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: %s-1\n  namespace: %q\n  labels: {kubernetes.io/service-name: %q}\naddressType: IPv4\nendpoints:\n- addresses: [%s]\n  conditions: {ready: true}\n  targetRef: {kind: Pod, name: %q, namespace: %q}\nports:\n%s", w.name, w.ns(), w.name, w.ip, pod, w.ns(), &slicePorts),
	}
}

// proxy is the workload's sidecar, of the release that its node metadata names.
func (w workload) proxy(s *istiod, release string) *model.Proxy {
	return s.SetupProxy(&model.Proxy{
		Type:            model.SidecarProxy,
		ID:              w.name + "-0." + w.ns(),
		ConfigNamespace: w.ns(),
		IPAddresses:     []string{w.ip},
		Labels:          w.podLabels(),
		Metadata:        &model.NodeMetadata{IstioVersion: release, Namespace: w.ns(), Labels: w.podLabels()},
	})
}

// gateway is an ingress gateway's proxy with these Pod labels.
func (s *istiod) gateway(namespace, ip string, labels map[string]string) *model.Proxy {
	return s.SetupProxy(&model.Proxy{
		Type:            model.Router,
		ID:              "gateway-0." + namespace,
		ConfigNamespace: namespace,
		IPAddresses:     []string{ip},
		Labels:          labels,
		Metadata:        &model.NodeMetadata{IstioVersion: "1.31.0", Namespace: namespace, Labels: labels},
	})
}

// waypoint is the proxy of the waypoint named waypoint (waypointObjects) in namespace default, once istiod has
// found the server's Service behind it (behindWaypoint), which it does on the side.
func (s *istiod) waypoint() *model.Proxy {
	s.t.Helper()
	labels := map[string]string{
		"gateway.networking.k8s.io/gateway-name": "waypoint",
		"gateway.istio.io/managed":               constants.ManagedGatewayMeshControllerLabel,
	}
	for range 200 {
		p := s.SetupProxy(&model.Proxy{
			Type:            model.Waypoint,
			ConfigNamespace: "default",
			IPAddresses:     []string{waypointIP},
			Labels:          labels,
			Metadata:        &model.NodeMetadata{IstioVersion: "1.31.0", Namespace: "default", Labels: labels},
		})
		if _, ok := s.protocols(p)[inboundVIP]; ok {
			return p
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatal("istiod does not find the Service behind the waypoint")
	return nil
}

// An hcm is one HttpConnectionManager that istiod sends to a proxy.
type hcm struct {
	*hcmv3.HttpConnectionManager
	// at is the listener's name and the filter chain's, unique among a proxy's.
	at string
}

// hcms returns the HttpConnectionManagers of the proxy's listeners.
func (s *istiod) hcms(p *model.Proxy) []hcm { return hcmsOf(s.t, s.Listeners(p)) }

func hcmsOf(t *testing.T, listeners []*listenerv3.Listener) []hcm {
	t.Helper()
	var out []hcm
	for _, l := range listeners {
		chains := l.FilterChains
		if l.DefaultFilterChain != nil {
			chains = append(slices.Clone(chains), l.DefaultFilterChain)
		}
		for _, chain := range chains {
			for _, f := range chain.Filters {
				if f.GetTypedConfig().GetTypeUrl() != "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" {
					continue
				}
				m := &hcmv3.HttpConnectionManager{}
				if err := f.GetTypedConfig().UnmarshalTo(m); err != nil {
					t.Fatal(err)
				}
				at := l.Name
				if chain.Name != "" {
					at += "/" + chain.Name
				}
				if chain.GetFilterChainMatch().GetTransportProtocol() == "tls" {
					at += " (mTLS)" // beside the same chain for plaintext
				}
				out = append(out, hcm{HttpConnectionManager: m, at: at})
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("istiod sends this proxy no HttpConnectionManager at all: nothing would be shown")
	}
	return out
}

// allowConnect lists the HttpConnectionManagers that take an extended CONNECT, where istiod would not have
// them do so itself: those that terminate HBONE always do.
func allowConnect(hcms []hcm) []string {
	var at []string
	for _, h := range hcms {
		if h.GetHttp2ProtocolOptions().GetAllowConnect() && !strings.HasPrefix(h.at, "connect_terminate/") {
			at = append(at, h.at)
		}
	}
	return at
}

// websocketUpgrades is how often each HttpConnectionManager lists the upgrade to WebSocket. Envoy refuses a
// listener in which it stands twice.
func websocketUpgrades(hcms []hcm) map[string]int {
	n := map[string]int{}
	for _, h := range hcms {
		for _, u := range h.UpgradeConfigs {
			if strings.EqualFold(u.UpgradeType, "websocket") {
				n[h.at]++
			}
		}
	}
	return n
}

// A protocol is which HTTP a cluster speaks to its endpoints.
type protocol string

const (
	http1    protocol = "HTTP/1.1 by default"
	explicit protocol = "explicit HTTP/1.1"
	http2    protocol = "HTTP/2"
	follows  protocol = "as downstream"
)

// protocols returns the protocol of each of the proxy's clusters, by the cluster's name.
func (s *istiod) protocols(p *model.Proxy) map[string]protocol {
	out := map[string]protocol{}
	for _, c := range s.Clusters(p) {
		out[c.Name] = protocolOf(s.t, c)
	}
	return out
}

func protocolOf(t *testing.T, c *clusterv3.Cluster) protocol {
	t.Helper()
	a := c.TypedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
	if a == nil {
		return http1
	}
	var o upstreamsv3.HttpProtocolOptions
	if err := a.UnmarshalTo(&o); err != nil {
		t.Fatal(err)
	}
	switch o.UpstreamProtocolOptions.(type) {
	case *upstreamsv3.HttpProtocolOptions_UseDownstreamProtocolConfig:
		return follows
	case *upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_:
		if o.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil {
			return http2
		}
		return explicit
	}
	return http1
}

// http2Clusters lists the outbound clusters that speak HTTP/2.
func (s *istiod) http2Clusters(p *model.Proxy) []string {
	var names []string
	for name, u := range s.protocols(p) {
		if u == http2 && strings.HasPrefix(name, "outbound|") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// adsListeners asks for listeners over a stream, as an Envoy does: the release and the labels come from the
// node metadata, the release may be missing (SetupProxy would fill one in).
func (s *istiod) adsListeners(w workload, release string) []*listenerv3.Listener {
	s.t.Helper()
	ads := s.ConnectADS().WithType(v3.ListenerType).
		WithID(fmt.Sprintf("sidecar~%s~%s-0.%s~%s.svc.cluster.local", w.ip, w.name, w.ns(), w.ns())).
		WithMetadata(model.NodeMetadata{IstioVersion: release, Namespace: w.ns(), Labels: w.podLabels()}).
		WithTimeout(20 * time.Second)
	var out []*listenerv3.Listener
	for _, r := range ads.RequestResponseAck(s.t, nil).Resources {
		l := &listenerv3.Listener{}
		if err := r.UnmarshalTo(l); err != nil {
			s.t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

const waypointIP = "10.0.200.1"

// waypointObjects make a waypoint of namespace default that serves the Services labelled for it; istiod reads
// them from Kubernetes and, as configs, from its store.
var waypointObjects = []string{
	"apiVersion: v1\nkind: Service\nmetadata:\n  labels:\n    gateway.istio.io/managed: istio.io-mesh-controller\n    gateway.networking.k8s.io/gateway-name: waypoint\n  name: waypoint\n  namespace: default\nspec:\n  clusterIP: 10.96.200.1\n  ports:\n  - {appProtocol: hbone, name: mesh, port: 15008}\n  selector: {gateway.networking.k8s.io/gateway-name: waypoint}\n",
	"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  name: waypoint-a\n  namespace: default\nspec:\n  address: " + waypointIP + "\n  labels: {gateway.networking.k8s.io/gateway-name: waypoint}\n",
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata:\n  name: waypoint\n  namespace: default\nspec:\n  gatewayClassName: istio-waypoint\n  listeners:\n  - {name: mesh, port: 15008, protocol: HBONE}\nstatus:\n  addresses:\n  - {type: Hostname, value: waypoint.default.svc.cluster.local}\n",
}

// hcmFilter is the name of the filter that a patch of an HttpConnectionManager matches.
const hcmFilter = wellknown.HTTPConnectionManager

// Names of the HttpConnectionManagers of the server's sidecar.
const (
	inboundPort     = "virtualInbound/0.0.0.0_80"
	inboundCatchAll = "virtualInbound/virtualInbound-catchall-http"
)
