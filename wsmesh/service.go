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
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// What is wrong with a Service, or with one of its ports.
var (
	// InvalidServiceName is rule WS501. A Service needs a name that Kubernetes takes: a DNS label.
	InvalidServiceName = finding.Rule{Code: "WS501", Severity: finding.SeverityError,
		Meaning: "A Service needs a name that Kubernetes takes: a DNS label.",
		Source:  "Kubernetes docs concepts/overview/working-with-objects/names"}
	// InvalidNamespace is rule WS502. A namespace must be a DNS label.
	InvalidNamespace = finding.Rule{Code: "WS502", Severity: finding.SeverityError,
		Meaning: "A namespace must be a DNS label.",
		Source:  "Kubernetes docs concepts/overview/working-with-objects/names"}
	// NoWorkloadLabels is rule WS503. The labels of the server's pods must be given: a filter without them reaches every
	// proxy of the namespace.
	NoWorkloadLabels = finding.Rule{Code: "WS503", Severity: finding.SeverityError,
		Meaning: "The labels of the server's pods must be given: a filter without them reaches every proxy of the namespace.",
		Source:  "istio/istio pkg/config/validation/envoyfilter/envoyfilter.go (\"will be applied to all services in namespace\")"}
	// InvalidWorkloadLabel is rule WS504. Labels that select pods need keys and values that Kubernetes takes; a wildcard
	// selects nothing.
	InvalidWorkloadLabel = finding.Rule{Code: "WS504", Severity: finding.SeverityError,
		Meaning: "Labels that select pods need keys and values that Kubernetes takes; a wildcard selects nothing.",
		Source:  "istio/istio pkg/config/validation/validation.go (ValidateAlphaWorkloadSelector)"}
	// PortOutOfRange is rule WS505. A port is a number from 1 to 65535.
	PortOutOfRange = finding.Rule{Code: "WS505", Severity: finding.SeverityError,
		Meaning: "A port is a number from 1 to 65535.",
		Source:  "Kubernetes docs concepts/services-networking/service"}
	// PortNotHTTP1 is rule WS507. DO_NOT_UPGRADE, because the port is not explicitly HTTP/1: the application itself
	// would be sent HTTP/2, or the policy has no effect.
	PortNotHTTP1 = finding.Rule{Code: "WS507", Severity: finding.Warning,
		Meaning: "DO_NOT_UPGRADE, because the port is not explicitly HTTP/1: the application itself would be sent HTTP/2, or the policy has no effect.",
		Source:  "istio/istio pilot/pkg/networking/core/cluster_builder.go (setUpstreamProtocol), pkg/config/kube/conversion.go"}
	// PortWithoutNumber is rule WS509. Of several ports, each needs a number: a DestinationRule tells ports apart by it.
	PortWithoutNumber = finding.Rule{Code: "WS509", Severity: finding.SeverityError,
		Meaning: "Of several ports, each needs a number: a DestinationRule tells ports apart by it.",
		Source:  "istio/api networking/v1alpha3/destination_rule.proto (PortSelector); Kubernetes docs concepts/services-networking/service"}
	// PortNumberTwice is rule WS510. Each port of a Service is given once: a DestinationRule tells ports apart by the
	// number alone.
	PortNumberTwice = finding.Rule{Code: "WS510", Severity: finding.SeverityError,
		Meaning: "Each port of a Service is given once: a DestinationRule tells ports apart by the number alone.",
		Source:  "istio/api networking/v1alpha3/destination_rule.proto (PortSelector)"}
	// PortWithoutName is rule WS511. Where a Service has several ports, Kubernetes asks for a name of its own for each.
	PortWithoutName = finding.Rule{Code: "WS511", Severity: finding.SeverityError,
		Meaning: "Where a Service has several ports, Kubernetes asks for a name of its own for each.",
		Source:  "Kubernetes docs concepts/services-networking/service"}
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
		l = append(l, finding.New(InvalidServiceName, "metadata.name",
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
				l = append(l, finding.New(PortOutOfRange, fmt.Sprintf("spec.ports[%d].%s", i, p.field),
					fmt.Sprintf("port %d is out of range", p.number), "give a number from 1 to 65535, or 0 for none"))
			}
		}
	}
	if len(s.Ports) > 1 {
		l = append(l, s.severalPorts()...)
	}
	if len(l) == 0 {
		return nil // without naming the object, for the sake of the thousands that are valid
	}
	return l.WithObject(s.object())
}

// severalPorts returns what keeps the ports of a Service that has several from being told apart.
func (s *Service) severalPorts() finding.List {
	var l finding.List
	byNumber, byName := map[uint32]int{}, map[string]int{}
	for i, p := range s.Ports {
		path := fmt.Sprintf("spec.ports[%d]", i)
		if first, again := byNumber[p.Number]; p.Number == 0 {
			l = append(l, finding.New(PortWithoutNumber, path+".port", "one of several ports has no number", "give the number of the Service's port"))
		} else if again {
			l = append(l, finding.New(PortNumberTwice, path+".port", fmt.Sprintf("port %d is that of spec.ports[%d] too", p.Number, first),
				"give each port once, and leave out those of UDP, which no policy is for"))
		} else {
			byNumber[p.Number] = i
		}
		first, again := byName[p.Name]
		if !again && p.Name != "" {
			byName[p.Name] = i
			continue
		}
		message := "one of several ports has no name"
		if p.Name != "" {
			message = fmt.Sprintf("the name %q is that of spec.ports[%d] too", p.Name, first)
		}
		l = append(l, finding.New(PortWithoutName, path+".name", message, "give each port the name that it has in the Service"))
	}
	return l
}

func namespaceFindings(path, namespace string) finding.List {
	if reason := names.Label(namespace); reason != "" {
		return finding.List{finding.New(InvalidNamespace, path,
			fmt.Sprintf("the namespace %q %s", namespace, reason), "give the namespace as `kubectl get namespaces` prints it")}
	}
	return nil
}

// workloadFindings checks labels that select pods. Where they are broken, they are reported in order of the keys.
func workloadFindings(path string, labels map[string]string) finding.List {
	if len(labels) == 0 {
		return finding.List{finding.New(NoWorkloadLabels, path, "no workload labels are given",
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
	return finding.New(InvalidWorkloadLabel, path+"["+strconv.Quote(k)+"]", message, "give a label as the pods carry it, such as app=websockets-server")
}

// portFinding says why port i is not explicitly HTTP/1, and what to rename it to.
func (r *request) portFinding(i int) finding.Finding {
	p := r.svc.Ports[i]
	proto, _ := r.protocol(p)
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
	name := "http-" + strings.TrimPrefix(r.svc.Name, "http-")
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
	f := finding.New(PortNotHTTP1, fmt.Sprintf("spec.ports[%d]", i), what+" "+effect, hint)
	f.Object = r.svc.object()
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
