// SPDX-License-Identifier: Apache-2.0

// Package traffic is the model of an Istio mesh by which WebSockets are judged: what makes clients speak HTTP/2 to a
// Service, which pods are behind it, and what lets their proxies accept a WebSocket over HTTP/2.
//
// A model is made of the objects that exist. What is not among them is unknown, and an unknown is neither a fault nor an
// all-clear.
package traffic

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// A Model holds the objects of a mesh, found by what istiod finds them by.
type Model struct {
	Domain, Root           string // the cluster's domain and the root namespace
	ControlPlanes, Proxies []version.Release
	Oldest                 version.Release // of all
	OldestControlPlane     version.Release

	Rules     []*Rule
	Filters   []*Filter
	Services  []*Service
	Workloads []*Workload
	Meshes    []*Mesh

	// Unread is the first rule that Judge does not follow, since those before it are for too many Services, or nil.
	Unread *Rule

	namespaces    map[string]*manifests.Object
	entriesByHost map[string][]*Service // those of ServiceEntries
	routes        map[string][]*Route   // of VirtualServices, by the hosts that they go to
	backends      map[string]*Backend   // by what decides them
	filtersFor    map[string][]*Filter  // by namespace and the labels that any filter asks for
	serviceByHost map[string]*Service
	servicesIn    map[string][]*Service
	selectingBy   map[podKey][]*Service // by namespace and each label of the selector
	rulesFor      map[string][]*Rule    // by host
	firstFor      map[string]*Rule      // by Rule.share: the oldest, as far as that is known, else the first
	wildcards     []*Rule
	wildcardIn    map[podKey]bool // by namespace and host
	longest       map[podKey]int  // by namespace and a Service's host: the length of the wildcard that says most
	podsByLabel   map[podKey][]*Workload
	patches       map[patchKey]*Patch
	patterns      map[string]*Releases // by their texts
	filtersBy     map[podKey][]*Filter // by namespace and each label of the selector; with no label those for all
}

// A podKey finds workloads by their namespace and one label, and with an empty namespace in all of them; or what else
// belongs to a namespace.
type podKey struct{ namespace, label, value string }

// A Mesh is an object that holds the MeshConfig of a control plane.
type Mesh struct {
	*manifests.Object
	Config *manifests.MeshConfig
}

// New returns the model of a mesh with the objects, of which the last one of a kind, namespace and name counts. The mesh
// must be valid.
func New(ctx context.Context, objects []*manifests.Object, mesh wsmesh.Mesh) (*Model, error) {
	m := &Model{
		Domain: cmp.Or(mesh.ClusterDomain, istio.DefaultClusterDomain), Root: mesh.RootNamespace,
		ControlPlanes: mesh.ControlPlanes, Proxies: mesh.Proxies,
		namespaces: map[string]*manifests.Object{}, entriesByHost: map[string][]*Service{}, routes: map[string][]*Route{}, backends: map[string]*Backend{}, filtersFor: map[string][]*Filter{},
		patches: map[patchKey]*Patch{}, patterns: map[string]*Releases{},
		wildcardIn: map[podKey]bool{}, longest: map[podKey]int{}, serviceByHost: map[string]*Service{},
		servicesIn: map[string][]*Service{}, selectingBy: map[podKey][]*Service{}, rulesFor: map[string][]*Rule{}, firstFor: map[string]*Rule{},
		podsByLabel: map[podKey][]*Workload{},
		filtersBy:   map[podKey][]*Filter{},
	}
	var err error
	if m.Oldest, m.OldestControlPlane, err = mesh.Oldest(); err != nil {
		return nil, err
	}
	// A release that is not given is that of the other side, as it is in a mesh at rest.
	if len(m.ControlPlanes) == 0 {
		m.ControlPlanes = mesh.Proxies
	}
	if len(m.Proxies) == 0 {
		m.Proxies = mesh.ControlPlanes
	}
	m.Proxies = distinct(m.Proxies)
	for i, o := range objects {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m.add(o)
	}
	m.Root = cmp.Or(m.Root, istio.DefaultRootNamespace)
	for _, f := range m.Filters {
		m.indexFilter(f)
	}
	return m, ctx.Err()
}

func distinct(releases []version.Release) []version.Release {
	var out []version.Release
	for _, r := range releases {
		if !slices.ContainsFunc(out, func(o version.Release) bool { return o.Original() == r.Original() }) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, version.Release.Compare)
	return out
}

func (m *Model) add(o *manifests.Object) {
	if o.Refused {
		return
	}
	switch v := o.Value.(type) {
	case *destinationrule.Rule:
		m.addRule(o, v)
	case *manifests.EnvoyFilter:
		m.addFilter(o, v)
	case *manifests.Service:
		s := &Service{Object: o, Service: v, Host: o.Name + "." + o.InNamespace() + ".svc." + m.Domain}
		m.Services = append(m.Services, s)
		m.serviceByHost[s.Host] = s
		m.servicesIn[o.InNamespace()] = append(m.servicesIn[o.InNamespace()], s)
		for k, v := range v.Selector {
			key := podKey{o.InNamespace(), k, v}
			m.selectingBy[key] = append(m.selectingBy[key], s)
		}
	case []*manifests.Workload:
		for _, w := range v {
			m.addWorkload(&Workload{Object: o, Workload: w, namespace: o.InNamespace()})
		}
	case *manifests.MeshConfig:
		m.Meshes = append(m.Meshes, &Mesh{o, v})
		m.Root = cmp.Or(m.Root, v.RootNamespace)
	case *manifests.ServiceEntry:
		m.addEntry(o, v)
	case *manifests.VirtualService:
		m.addRoutes(o, v)
	default:
		if o.Kind == "Namespace" {
			m.namespaces[o.Name] = o
		}
	}
}

// Every reports whether all control planes support f.
func (m *Model) Every(f version.Feature) bool {
	return !slices.ContainsFunc(m.ControlPlanes, func(r version.Release) bool { return !r.Supports(f) })
}

// Some reports whether one of the control planes supports f.
func (m *Model) Some(f version.Feature) bool {
	return slices.ContainsFunc(m.ControlPlanes, func(r version.Release) bool { return r.Supports(f) })
}

// Carries reports whether labels has all of selector.
func Carries(labels, selector map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// contradicts reports whether the two give a label different values.
func contradicts(labels, selector map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; ok && have != v {
			return true
		}
	}
	return false
}

// Labels returns labels as text: "app=chat,version=v1".
func Labels(labels map[string]string) string {
	if len(labels) == 0 {
		return "no labels"
	}
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, k+"="+labels[k])
	}
	return strings.Join(pairs, ",")
}

// Listed returns up to three of the items as text, and how many more there are.
func Listed[T fmt.Stringer](items []T) string {
	const most = 3
	var texts []string
	for _, item := range items[:min(most, len(items))] {
		texts = append(texts, item.String())
	}
	text := strings.Join(texts, ", ")
	if more := len(items) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
