// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/names"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Service is a Kubernetes Service whose application speaks WebSocket.
type Service struct {
	Name      string            // of the Service: a DNS label, required
	Namespace string            // of the Service; "" leaves it to whoever applies the manifests
	Workload  map[string]string // labels of the server's pods: required, never guessed from the name
	Ports     []Port            // all ports of the Service; none = not given, then protocols go unchecked (WS506)
	Ambient   bool              // the server's pods are in ambient mode
	NoSidecar bool              // some endpoint has no sidecar
}

// clone returns a copy that shares nothing with s.
func (s Service) clone() Service {
	s.Workload, s.Ports = maps.Clone(s.Workload), slices.Clone(s.Ports)
	return s
}

// A Port is a port of a Kubernetes Service as far as it tells Istio the protocol.
type Port struct {
	Number      uint32 // 1 to 65535; 0 = not given
	TargetPort  uint32 // the container's port, 1 to 65535; 0 = not given
	Name        string // Istio reads the protocol from the part before the first "-"
	AppProtocol string // goes before Name where it is set
}

func (s *Service) object() string {
	if s.Namespace == "" {
		return "Service " + s.Name
	}
	return "Service " + s.Namespace + "/" + s.Name
}

func (s *Service) validate() finding.List {
	var l finding.List
	if reason := names.Label(s.Name); reason != "" {
		l = append(l, finding.New(finding.WS501, "metadata.name",
			fmt.Sprintf("the Service's name %q %s", s.Name, reason), "give the Service's metadata.name"))
	}
	if s.Namespace != "" {
		l = append(l, namespaceFindings("metadata.namespace", s.Namespace)...)
	}
	l = append(l, workloadFindings("spec.selector", s.Workload)...)
	for i, port := range s.Ports {
		for _, p := range [...]struct {
			field  string
			number uint32
		}{{"port", port.Number}, {"targetPort", port.TargetPort}} {
			if p.number > 65535 {
				l = append(l, finding.New(finding.WS505, fmt.Sprintf("spec.ports[%d].%s", i, p.field),
					fmt.Sprintf("port %d is out of range", p.number), "give a number from 1 to 65535, or 0 for none"))
			}
		}
	}
	if len(l) == 0 {
		return nil // without naming the object, for the sake of the thousands that are valid
	}
	return l.WithObject(s.object())
}

func namespaceFindings(path, namespace string) finding.List {
	if reason := names.Label(namespace); reason != "" {
		return finding.List{finding.New(finding.WS502, path,
			fmt.Sprintf("the namespace %q %s", namespace, reason), "give the namespace as `kubectl get namespaces` prints it")}
	}
	return nil
}

// workloadFindings checks labels that select pods. Where they are broken, they are reported in order of the keys.
func workloadFindings(path string, labels map[string]string) finding.List {
	if len(labels) == 0 {
		return finding.List{finding.New(finding.WS503, path, "no workload labels are given",
			"give the labels of the server's pods, such as app=websockets-server; they are never guessed")}
	}
	var l finding.List
	for k, v := range labels {
		if names.QualifiedName(k) != "" || names.LabelValue(v) != "" || v == "" {
			l = append(l, labelFinding(path, k, v))
		}
	}
	slices.SortFunc(l, func(a, b finding.Finding) int { return strings.Compare(a.Path, b.Path) })
	return l
}

func labelFinding(path, k, v string) finding.Finding {
	message := fmt.Sprintf("the value %q of label %q %s", v, k, names.LabelValue(v))
	if reason := names.QualifiedName(k); reason != "" {
		message = fmt.Sprintf("the label key %q %s", k, reason)
	} else if v == "" {
		message = fmt.Sprintf("the label %q has an empty value, which selects only pods that carry it empty", k)
	}
	return finding.New(finding.WS504, path+"["+strconv.Quote(k)+"]", message, "give a label as the pods carry it, such as app=websockets-server")
}

// protocol returns what Istio reads as the port's protocol, and whether it is HTTP/1 on every control plane from oldest on.
func (p Port) protocol(oldest version.Release) (protocol string, http1 bool) {
	return istio.Protocol(p.Name, p.AppProtocol, oldest)
}

// portFinding returns why port i is not explicitly HTTP/1, and what to rename it to.
func (s *Service) portFinding(i int, proto string) finding.Finding {
	p := s.Ports[i]
	var what, effect string
	switch {
	case p.AppProtocol != "":
		what = fmt.Sprintf("the appProtocol %q", p.AppProtocol)
	case p.Name != "":
		what = fmt.Sprintf("the port name %q", p.Name)
	default:
		what = "a port without a name"
	}
	switch {
	case istio.IsHTTP2(proto):
		effect = "makes the server's proxy speak HTTP/2 to the application, where WebSocket is an extended CONNECT"
	case istio.IsTCP(proto):
		effect = "is passed on as bytes: WebSocket flows through it untouched, and an upgrade does nothing good"
	default:
		effect = "is not explicitly HTTP: its protocol is sniffed, and the application would be sent HTTP/2"
	}
	name := "http-" + strings.TrimPrefix(s.Name, "http-")
	if _, rest, _ := strings.Cut(p.Name, "-"); rest != "" && (istio.IsHTTP2(proto) || istio.IsTCP(proto)) {
		name = "http-" + rest
	} else if p.Name != "" && !istio.IsHTTP2(proto) && !istio.IsTCP(proto) {
		name = "http-" + p.Name
	}
	// A Service's port name is at most 63 bytes, a container's 15.
	hint := fmt.Sprintf("rename the Service's port to %q, or set its appProtocol to \"http\", to have WebSocket over HTTP/2", truncate(name, 63))
	if p.AppProtocol != "" {
		hint = "set the port's appProtocol to \"http\" to have WebSocket over HTTP/2"
	}
	f := finding.New(finding.WS507, fmt.Sprintf("spec.ports[%d]", i), what+" "+effect, hint)
	f.Object = s.object()
	return f
}

func truncate(s string, n int) string {
	if len(s) > n {
		return strings.TrimRight(s[:n], "-")
	}
	return s
}

// overlay returns the labels of both, those of over where both have a key. It may return one of the two itself.
func overlay(labels, over map[string]string) map[string]string {
	if len(labels) == 0 {
		return over
	}
	if len(over) == 0 {
		return labels
	}
	out := maps.Clone(labels)
	maps.Copy(out, over)
	return out
}
