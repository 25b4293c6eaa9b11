// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/internal/manifest"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// reader returns what reads the kind of the object, or nil for a kind that takes no part.
func (d *decoder) reader(root *yamldoc.Node) func(*yamldoc.Node) {
	o := d.object
	switch group := o.group(); {
	case o.isIstio():
		return map[string]func(*yamldoc.Node){
			"DestinationRule": d.rule, "EnvoyFilter": d.filter, "ServiceEntry": d.serviceEntry, "VirtualService": d.virtualService,
		}[o.Kind]
	case o.APIVersion == "v1" && o.Kind == "Service":
		return d.service
	case o.APIVersion == "v1" && o.Kind == "Pod":
		return d.pod
	case o.APIVersion == "v1" && o.Kind == "Namespace":
		return func(*yamldoc.Node) {}
	case o.APIVersion == "v1" && o.Kind == "ConfigMap":
		name := root.Get("metadata").Get("name")
		if name != nil && (name.Text() == "istio" || strings.HasPrefix(name.Text(), "istio-")) && root.Get("data").Get("mesh") != nil {
			return d.configMap
		}
	case group == "install.istio.io" && o.Kind == "IstioOperator",
		(group == "sailoperator.io" || group == "operator.istio.io") && o.Kind == "Istio",
		group == "maistra.io" && o.Kind == "ServiceMeshControlPlane":
		return d.operator
	case strings.HasSuffix(o.Kind, "List") && !o.isItem:
		return d.list
	case hasTemplate(root, "", 0):
		return d.workload
	}
	return nil
}

func (d *decoder) metadata(root *yamldoc.Node) {
	o := d.object
	d.within(root, "metadata", func(n *yamldoc.Node) {
		o.Name, o.Namespace = d.text(n, "name"), d.text(n, "namespace")
		o.Labels, o.Annotations = d.strings(n, "labels"), d.strings(n, "annotations")
		if v := n.Get("creationTimestamp"); v != nil {
			o.Created = v.Text()
		}
	})
}

func (d *decoder) service(root *yamldoc.Node) {
	s := &Service{}
	d.within(root, "spec", func(n *yamldoc.Node) {
		s.Type, s.Selector = d.text(n, "type"), d.strings(n, "selector")
		d.each(n, "ports", func(n *yamldoc.Node) {
			p := ServicePort{Port: d.port(n, "port"), Name: d.text(n, "name"), AppProtocol: d.text(n, "appProtocol")}
			if t := n.Get("targetPort"); t != nil && t.Type() == yamldoc.String {
				p.TargetPort = t.Text()
			} else if port := d.port(n, "targetPort"); port != 0 {
				p.TargetPort = fmt.Sprint(port)
			}
			s.Ports = append(s.Ports, p)
		})
	})
	d.object.Value = s
}

func (d *decoder) serviceEntry(root *yamldoc.Node) {
	e := &ServiceEntry{}
	d.within(root, "spec", func(n *yamldoc.Node) {
		e.Hosts, e.InMesh = d.texts(n, "hosts"), d.text(n, "location") == "MESH_INTERNAL"
		d.within(n, "workloadSelector", func(n *yamldoc.Node) { e.Selector = d.strings(n, "labels") })
		d.each(n, "ports", func(n *yamldoc.Node) {
			e.Ports = append(e.Ports, ServicePort{Port: d.port(n, "number"), Name: d.text(n, "name"), AppProtocol: d.text(n, "protocol")})
		})
		if v := n.Get("endpoints"); v != nil {
			e.HasEndpoints = v.Len() > 0
		}
	})
	d.object.Value = e
}

func (d *decoder) virtualService(root *yamldoc.Node) {
	v := &VirtualService{}
	d.within(root, "spec", func(n *yamldoc.Node) {
		v.Hosts, v.Gateways = d.texts(n, "hosts"), d.texts(n, "gateways")
		d.each(n, "http", func(n *yamldoc.Node) {
			r := Route{Path: d.path.String(), WebSocketUpgrade: n.Get("websocketUpgrade") != nil}
			d.each(n, "match", func(n *yamldoc.Node) {
				r.URIs = append(r.URIs, matched(n.Get("uri"))...)
				r.Upgrades = append(r.Upgrades, matched(n.Get("headers").Get("upgrade"))...)
			})
			d.each(n, "route", func(n *yamldoc.Node) {
				d.within(n, "destination", func(n *yamldoc.Node) {
					to := Destination{Host: d.text(n, "host")}
					d.within(n, "port", func(n *yamldoc.Node) { to.Port = d.port(n, "number") })
					r.Destinations = append(r.Destinations, to)
				})
			})
			v.Routes = append(v.Routes, r)
		})
	})
	d.object.Value = v
}

// matched returns the texts of a StringMatch.
func matched(n *yamldoc.Node) (texts []string) {
	for _, operator := range []string{"exact", "prefix", "regex"} {
		if v := n.Get(operator); v != nil {
			texts = append(texts, v.Text())
		}
	}
	return texts
}

// hasTemplate reports whether an object has a pod template, as the kinds of Kubernetes and of many others have, be it where
// it may.
func hasTemplate(n *yamldoc.Node, key string, depth int) bool {
	switch n.Type() {
	case yamldoc.Map:
		if isTemplateOfPods(n, key) {
			return true
		}
		for i := range n.Len() {
			if key, value := n.Entry(i); depth < maxTemplateDepth && hasTemplate(value, key.Text(), depth+1) {
				return true
			}
		}
	case yamldoc.List:
		for i := range n.Len() {
			if depth < maxTemplateDepth && hasTemplate(n.Item(i), "", depth+1) {
				return true
			}
		}
	case yamldoc.Null, yamldoc.Bool, yamldoc.Number, yamldoc.String:
	}
	return false
}

// maxTemplateDepth is how deep a pod template stands at the most: in spec.jobTemplate.spec.template of a CronJob, and one
// level deeper in a list of an operator's kind.
const maxTemplateDepth = 6

func isTemplateOfPods(n *yamldoc.Node, key string) bool {
	containers, labels := n.Get("spec").Get("containers"), n.Get("metadata").Get("labels")
	return key != "" && containers != nil && containers.Type() == yamldoc.List || key == "template" && labels != nil && labels.Type() == yamldoc.Map
}

func (d *decoder) workload(root *yamldoc.Node) {
	var all []*Workload
	var find func(n *yamldoc.Node, key string)
	find = func(n *yamldoc.Node, key string) {
		switch n.Type() {
		case yamldoc.Map:
			if isTemplateOfPods(n, key) {
				all = append(all, d.pods(n))
				return
			}
			for i := range n.Len() {
				key, value := n.Entry(i)
				d.path.Push(fieldpath.Name(key.Text()))
				if len(d.path) <= maxTemplateDepth {
					find(value, key.Text())
				}
				d.path.Pop()
			}
		case yamldoc.List:
			for i := range n.Len() {
				d.path.Push(fieldpath.Index(i))
				if len(d.path) <= maxTemplateDepth {
					find(n.Item(i), "")
				}
				d.path.Pop()
			}
		case yamldoc.Null, yamldoc.Bool, yamldoc.Number, yamldoc.String:
		}
	}
	find(root, "")
	d.object.Value = all
}

func (d *decoder) pod(root *yamldoc.Node) {
	w := d.pods(root)
	node := root.Get("spec").Get("nodeName")
	w.Running = node != nil && node.Text() != ""
	d.object.Value = []*Workload{w}
}

// pods reads a pod template, or a Pod.
func (d *decoder) pods(n *yamldoc.Node) *Workload {
	w := &Workload{Path: d.path.At(fieldpath.Name("metadata"))}
	d.within(n, "metadata", func(n *yamldoc.Node) {
		w.Labels, w.Annotations = d.strings(n, "labels"), d.strings(n, "annotations")
		if config, _ := yamldoc.Parse([]byte(w.Annotations["proxy.istio.io/config"])); config != nil {
			w.Connections = d.connections(config)
		}
	})
	d.within(n, "spec", func(n *yamldoc.Node) {
		w.HostNetwork = d.flag(n, "hostNetwork")
		for _, key := range []string{"containers", "initContainers"} {
			d.each(n, key, func(n *yamldoc.Node) {
				c := Container{Name: d.text(n, "name")}
				d.each(n, "ports", func(n *yamldoc.Node) {
					c.Ports = append(c.Ports, ContainerPort{Name: d.text(n, "name"), Number: d.port(n, "containerPort")})
				})
				w.Containers = append(w.Containers, c)
			})
		}
	})
	return w
}

// configMap reads the MeshConfig of the ConfigMap from which istiod reads it.
func (d *decoder) configMap(root *yamldoc.Node) {
	d.within(root, "data", func(n *yamldoc.Node) {
		text := n.Get("mesh")
		if text.Type() != yamldoc.String {
			d.wrong(text, "a string")
			return
		}
		config, problems := yamldoc.Parse([]byte(text.Text()))
		if config == nil {
			for _, p := range problems {
				f := malformed(d.path.At(fieldpath.Name("mesh")), "the MeshConfig cannot be read: "+p.Message, "correct it; istiod keeps the last one that it could read")
				d.object.report(f)
			}
			return
		}
		d.path.Push(fieldpath.Name("mesh"))
		m := &MeshConfig{Path: d.path.String()}
		d.mesh(config, m)
		d.object.Value = m
		d.path.Pop()
	})
}

// operator reads the MeshConfig that an operator makes the ConfigMap of.
func (d *decoder) operator(root *yamldoc.Node) {
	m := &MeshConfig{}
	for _, path := range [][]string{{"meshConfig"}, {"values", "meshConfig"}, {"techPreview", "meshConfig"}} {
		n := root.Get("spec")
		for _, key := range path {
			n = n.Get(key)
		}
		if n == nil || n.Type() != yamldoc.Map {
			continue
		}
		d.path = append(d.path[:0], fieldpath.Name("spec"))
		for _, key := range path {
			d.path.Push(fieldpath.Name(key))
		}
		m.Path = d.path.String()
		d.mesh(n, m)
		d.object.Value = m
	}
	d.path = d.path[:0]
	if d.object.Kind == "ServiceMeshControlPlane" && m.RootNamespace == "" {
		m.RootNamespace = d.object.Namespace // Maistra's control planes share no root namespace
		d.object.Value = m
	}
}

func (d *decoder) mesh(n *yamldoc.Node, m *MeshConfig) {
	if root := d.text(n, "rootNamespace"); root != "" {
		m.RootNamespace = root
	}
	if v := n.Get("h2UpgradePolicy"); v != nil && (v.Text() == "UPGRADE" || v.Text() == "1") {
		m.Upgrade = true
	}
	d.within(n, "defaultTrafficPolicy", func(n *yamldoc.Node) {
		if v := n.Get("connectionPool"); v != nil && v.Len() > 0 {
			m.ConnectionPool = true
		}
	})
	d.within(n, "defaultConfig", func(n *yamldoc.Node) {
		m.Connections = d.connections(n)
		d.within(n, "proxyHeaders", func(n *yamldoc.Node) {
			m.PreserveHTTP1HeaderCase = m.PreserveHTTP1HeaderCase || d.flag(n, "preserveHttp1HeaderCase")
		})
	})
}

func (d *decoder) connections(n *yamldoc.Node) (s ConnectionSettings) {
	d.within(n, "connectionSettings", func(n *yamldoc.Node) {
		s = ConnectionSettings{
			Profile: d.text(n, "profile"), HTTPStreamIdleTimeout: d.text(n, "httpStreamIdleTimeout"),
			HTTPMaxConnectionDuration: d.text(n, "httpMaxConnectionDuration"), HTTPMaxStreamDuration: d.text(n, "httpMaxStreamDuration"),
		}
	})
	return s
}

func (d *decoder) list(root *yamldoc.Node) {
	if items := root.Get("items"); items != nil && items.Len() > 0 {
		d.object.report(malformed("items", "the items of a List are read where each begins with \"- \" on a line of its own, or in JSON", "write it so"))
		d.object.Kind = ""
	}
}

// rule reads a DestinationRule. Of one in which something is wrong all the rest is kept: what the API server does not know it
// drops.
func (d *decoder) rule(root *yamldoc.Node) {
	spec := &networking.DestinationRule{}
	r := manifest.Read(root, d.problems, d.object.Kind, []string{istio.NetworkingV1, istio.NetworkingV1beta1, istio.NetworkingV1alpha3}, spec)
	d.reported(r)
	if policy := root.Get("spec").Get("trafficPolicy"); policy != nil && len(r.Findings) == 0 {
		spec.TrafficPolicy, _ = d.common.put(hashOf("trafficPolicy", policy), spec.GetTrafficPolicy()).(*networking.TrafficPolicy)
	}
	d.object.Value = &destinationrule.Rule{APIVersion: d.object.APIVersion, Name: r.Name, Namespace: r.Namespace, Labels: r.Labels, Annotations: r.Annotations, Spec: spec}
}

// A readPatch is a patch of an EnvoyFilter in which nothing is wrong, and its value.
type readPatch struct {
	config *networking.EnvoyFilter_EnvoyConfigObjectPatch
	value  proto.Message
}

// filter reads an EnvoyFilter. Patches that another one has, too, are not read again.
func (d *decoder) filter(root *yamldoc.Node) {
	spec := &networking.EnvoyFilter{}
	f := &EnvoyFilter{Filter: &envoyfilter.Filter{Spec: spec}}
	d.object.Value = f
	patches := root.Get("spec").Get("configPatches")
	known, keys := d.knownPatches(patches)
	if known != nil {
		all := patches.Content
		patches.Content = nil
		defer func() { patches.Content = all }()
	}
	r := manifest.Read(root, d.problems, d.object.Kind, []string{istio.NetworkingV1alpha3}, spec)
	f.Name, f.Namespace, f.Labels, f.Annotations = r.Name, r.Namespace, r.Labels, r.Annotations
	f.Values = r.DecodeValues(root)
	for _, p := range known {
		spec.ConfigPatches, f.Values = append(spec.ConfigPatches, p.config), append(f.Values, p.value)
	}
	// To the CRD an empty list of targetRefs is set, and a spec does not tell it from none.
	if refs := root.Get("spec").Get("targetRefs"); refs != nil && refs.Type() == yamldoc.List && refs.Len() == 0 {
		_, err := envoyfilter.Parse(d.object.text)
		r.Findings = finding.In(err)
	}
	d.reported(r)
	if labels := root.Get("spec").Get("workloadSelector").Get("labels"); labels != nil && len(r.Findings) == 0 && len(spec.GetWorkloadSelector().GetLabels()) > 0 {
		spec.WorkloadSelector.Labels, _ = d.common.put(hashOf("strings", labels), spec.GetWorkloadSelector().GetLabels()).(map[string]string)
	}
	if len(r.Findings) == 0 && known == nil {
		for i, key := range keys {
			p, _ := d.common.put(key, readPatch{spec.GetConfigPatches()[i], f.Values[i]}).(readPatch)
			spec.ConfigPatches[i], f.Values[i] = p.config, p.value
		}
	}
}

// knownPatches returns the patches of a list, where all of them were read before, and their keys.
func (d *decoder) knownPatches(patches *yamldoc.Node) (known []readPatch, keys []uint64) {
	if patches == nil || patches.Type() != yamldoc.List {
		return nil, nil
	}
	for i := range patches.Len() {
		key := hashOf("patch", patches.Item(i))
		keys = append(keys, key)
		if p, ok := d.common.get(key).(readPatch); ok {
			known = append(known, p)
		}
	}
	if len(known) < len(keys) {
		known = nil
	}
	return known, keys
}

// reported takes over what the reading of an object of Istio's found.
func (d *decoder) reported(r *manifest.Reading) {
	o := d.object
	o.Name, o.Namespace, o.Labels, o.Annotations = r.Name, r.Namespace, r.Labels, r.Annotations
	o.Created, o.Refused = r.CreationTimestamp, !r.IsServed
	for _, f := range r.Findings {
		d.object.report(f)
	}
}
