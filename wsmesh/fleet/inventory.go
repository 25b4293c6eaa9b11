// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sigs.k8s.io/yaml carries this package for those who need the lines of a document.

package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An Inventory is a fleet as it was read from a file: what [Generate], [Sync] and [Diff] take.
type Inventory struct {
	Mesh     Mesh
	Services []Service // with the defaults filled in
	Options  []Option  // what the file's options ask for; with them findings say where in the file they are
}

// The keys of an inventory. Their JSON Schema, for editors, is inventory.schema.json beside this file.
type inventoryFile struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Metadata   inventoryMetadata  `json:"metadata"`
	Mesh       inventoryMesh      `json:"mesh"`
	Options    inventoryOptions   `json:"options"`
	Defaults   inventoryDefaults  `json:"defaults"`
	Services   []inventoryService `json:"services"`
}

// inventoryMetadata is for kustomize and kpt, which want a name and carry annotations.
type inventoryMetadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type inventoryMesh struct {
	ControlPlanes []string `json:"controlPlanes"`
	Proxies       []string `json:"proxies"`
	ClusterDomain string   `json:"clusterDomain"`
	RootNamespace string   `json:"rootNamespace"`
}

type inventoryOptions struct {
	ASM            bool               `json:"asm"`
	HTTP1          bool               `json:"http1"`
	Labels         map[string]string  `json:"labels"`
	Annotations    map[string]string  `json:"annotations"`
	Gateways       []inventoryGateway `json:"gateways"`
	ProxyVersion   string             `json:"proxyVersion"`
	APIVersion     string             `json:"apiVersion"`
	MinimumRelease string             `json:"minimumRelease"`
}

type inventoryGateway struct {
	Namespace string            `json:"namespace"`
	Workload  map[string]string `json:"workload"`
}

type inventoryDefaults struct {
	Namespace string        `json:"namespace"`
	Port      inventoryPort `json:"port"`
	Ambient   bool          `json:"ambient"`
	External  bool          `json:"external"`
}

type inventoryService struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Workload  map[string]string `json:"workload"`
	Port      *inventoryPort    `json:"port"`
	Ambient   *bool             `json:"ambient"`
	External  *bool             `json:"external"`
}

type inventoryPort struct {
	Number      uint32 `json:"number"`
	TargetPort  uint32 `json:"targetPort"`
	Name        string `json:"name"`
	AppProtocol string `json:"appProtocol"`
}

const (
	inventoryAPIVersion = "wsmesh.dev/v1alpha1"
	inventoryKind       = "Inventory"
)

// ParseInventory reads an inventory, YAML or JSON:
//
//	apiVersion: wsmesh.dev/v1alpha1
//	kind: Inventory
//	mesh:
//	  controlPlanes: ["1.24.1"] # every release that runs, in quotes: 1.20 is the number 1.2
//	  proxies: ["1.23.6", "1.24.1"]
//	options: # for all Services; see the With… functions
//	  labels: {team: realtime}
//	defaults: # for Services that do not say otherwise
//	  namespace: prod
//	  port: {number: 80, name: http}
//	services:
//	- name: chat
//	  workload: {app: chat}
//	- name: push
//	  namespace: stage
//	  workload: {app: push}
//	  port: {number: 8080, targetPort: 80, name: http-push}
//
// The file's name is for the findings only. It is strict: a key that is not known or stands twice, a value of another
// type and a second document are errors, each with file, line and path. What the Services themselves say is judged by
// [Generate], whose findings have file, line and path, too, where they are given the inventory's options. Anchors and
// aliases are read, merge keys ("<<") are not.
//
// The error is a [*finding.Error] in errors.As; the inventory is nil then.
func ParseInventory(data []byte, file string) (*Inventory, error) {
	r := inventoryReader{file: file}
	root := r.document(data)
	if root == nil {
		return nil, r.problems.Err()
	}
	var in inventoryFile
	r.value(root, "", reflect.ValueOf(&in).Elem())
	if at := keyOf(root, "services"); at == nil && !r.full() {
		r.add(root, finding.New(finding.WS966, "services", "the inventory has no services", "write `services:` and a list below it"))
	}
	if in.APIVersion != inventoryAPIVersion || in.Kind != inventoryKind {
		r.add(root, finding.New(finding.WS961, "apiVersion", fmt.Sprintf("the document is %q of %q", in.Kind, in.APIVersion),
			"write apiVersion: "+inventoryAPIVersion+" and kind: "+inventoryKind))
	}
	inv := &Inventory{Mesh: Mesh{
		ControlPlanes: r.releases(root, "mesh.controlPlanes", in.Mesh.ControlPlanes),
		Proxies:       r.releases(root, "mesh.proxies", in.Mesh.Proxies),
		ClusterDomain: in.Mesh.ClusterDomain,
		RootNamespace: in.Mesh.RootNamespace,
	}}
	inv.Options = r.options(root, &in.Options)
	if len(r.problems) == 0 {
		request := newRequest(inv.Mesh, inv.Options)
		for _, f := range request.checkMesh() {
			r.add(root, f)
		}
	}
	if err := r.problems.Err(); err != nil {
		return nil, err
	}
	for i := range in.Services {
		inv.Services = append(inv.Services, in.Services[i].service(&in.Defaults))
	}
	inv.Options = append(inv.Options, func(request *request) {
		request.locate = func(service int, f finding.Finding) finding.Finding {
			return r.located(root, "services["+strconv.Itoa(service)+"]", f)
		}
	})
	return inv, nil
}

func (s *inventoryService) service(d *inventoryDefaults) Service {
	svc := Service{Name: s.Name, Namespace: s.Namespace, Workload: s.Workload, Port: Port(d.Port), Ambient: d.Ambient, External: d.External}
	if svc.Namespace == "" {
		svc.Namespace = d.Namespace
	}
	if s.Port != nil {
		svc.Port = Port(*s.Port)
	}
	if s.Ambient != nil {
		svc.Ambient = *s.Ambient
	}
	if s.External != nil {
		svc.External = *s.External
	}
	return svc
}

type inventoryReader struct {
	file     string
	problems finding.List
	visited  int // values, to stop aliases that blow up
}

func (r *inventoryReader) full() bool { return len(r.problems) > maxListed }

func (r *inventoryReader) add(at *yaml.Node, f finding.Finding) {
	switch {
	case r.full():
		return
	case len(r.problems) == maxListed:
		f = finding.New(finding.WS969, "", "there are more problems", "correct those that are listed, and try again")
	}
	r.problems = append(r.problems, r.located(at, "", f))
}

// located gives a finding its file and line, and the path that it has in the file below base: findings about Services
// and options speak of Kubernetes' fields.
func (r *inventoryReader) located(root *yaml.Node, base string, f finding.Finding) finding.Finding {
	path := f.Path
	for _, name := range pathNames {
		if rest, ok := strings.CutPrefix(path, name.kubernetes); ok && (base != "") == name.service {
			path = name.inventory + rest
			break
		}
	}
	if base != "" && path != "" && !strings.HasPrefix(path, "[") {
		path = "." + path
	}
	f.Path, f.File = base+path, r.file
	if f.Line == 0 {
		f.Line = lineOf(root, f.Path)
	}
	return f
}

// pathNames says what the paths of Kubernetes' objects are in an inventory.
var pathNames = []struct {
	service               bool
	kubernetes, inventory string
}{
	{true, "metadata.name", "name"},
	{true, "metadata.namespace", "namespace"},
	{true, "spec.selector", "workload"},
	{true, "spec.ports[0].port", "port.number"},
	{true, "spec.ports[0].targetPort", "port.targetPort"},
	{true, "spec.ports[0]", "port"},
	{false, "gateways", "options.gateways"},
	{false, "spec.configPatches[0].match.proxy.proxyVersion", "options.proxyVersion"},
}

var pathStep = regexp.MustCompile(`\["[^"]*"\]|\[[0-9]+\]|[^.\[\]]+`)

// lineOf returns the line of the value at path, or of the nearest that there is above it.
func lineOf(n *yaml.Node, path string) int {
	for _, step := range pathStep.FindAllString(path, -1) {
		n = resolved(n)
		var next *yaml.Node
		if i, err := strconv.Atoi(strings.Trim(step, "[]")); err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
			next = n.Content[i]
		} else if n.Kind == yaml.MappingNode {
			next = keyOf(n, strings.Trim(step, `[]"`))
		}
		if next == nil {
			break
		}
		n = next
	}
	return n.Line
}

// keyOf returns the value of a key.
func keyOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// document returns the root of the one document; nil where there is none, with the reason among the problems.
func (r *inventoryReader) document(data []byte) *yaml.Node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if json.Valid(data) {
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" ")) // YAML does not indent by tabs; in strings JSON has none
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return r.malformed("it is empty", 0)
	case err != nil:
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		line := 0
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = text[len(m[0]):]
		}
		return r.malformed(text, line)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return r.malformed("there is more than one document", more.Line)
	}
	root := resolved(doc.Content[0])
	if root.Kind != yaml.MappingNode {
		return r.malformed("it is no mapping", root.Line)
	}
	return root
}

func (r *inventoryReader) malformed(message string, line int) *yaml.Node {
	f := finding.New(finding.WS962, "", "the inventory cannot be read: "+message, "correct the text there; look for a cut-off file, tabs, colons and quotes")
	f.File, f.Line = r.file, line
	r.problems = append(r.problems, f)
	return nil
}

var yamlLine = regexp.MustCompile(`^line ([0-9]+): `)

// maxVisited is how many values an inventory may have with its aliases followed: those of 1,000,000 Services.
const maxVisited = 10_000_000

// value reads a node into a value of one of the types that the structs above have.
func (r *inventoryReader) value(n *yaml.Node, path string, into reflect.Value) {
	n = resolved(n)
	switch r.visited++; {
	case r.visited == maxVisited:
		r.malformed("it has too many values, or aliases of them", n.Line)
		return
	case r.visited > maxVisited || r.full() || n.ShortTag() == "!!null":
		return
	}
	wrong := func(want string) {
		what := "a mapping"
		switch n.Kind {
		case yaml.SequenceNode:
			what = "a list"
		case yaml.ScalarNode:
			what = strconv.Quote(n.Value) + ", which YAML reads as " + strings.TrimPrefix(n.ShortTag(), "!!")
		}
		f := finding.New(finding.WS964, path, "there is "+what, "write "+want)
		f.Line = n.Line
		r.add(n, f)
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		r.value(n, path, into.Elem())
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			wrong("a mapping")
			return
		}
		r.mapping(n, path, func(key string) reflect.Value { return fieldOf(into, key) })
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			wrong("a mapping of text to text")
			return
		}
		into.Set(reflect.MakeMap(into.Type()))
		for i := 0; i < len(n.Content); i += 2 {
			text := reflect.New(into.Type().Elem()).Elem()
			r.value(n.Content[i+1], path+"["+strconv.Quote(n.Content[i].Value)+"]", text)
			into.SetMapIndex(reflect.ValueOf(n.Content[i].Value), text)
		}
		r.twice(n, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			wrong("a list")
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			r.value(item, path+"["+strconv.Itoa(i)+"]", into.Index(i))
		}
	case reflect.String:
		if n.ShortTag() != "!!str" {
			wrong("text, in quotes")
			return
		}
		into.SetString(n.Value)
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
			wrong("true or false")
			return
		}
		into.SetBool(n.Value == "true")
	default: // uint32
		number, err := strconv.ParseUint(n.Value, 10, 32)
		if n.ShortTag() != "!!int" || err != nil {
			wrong("a whole number from 0 to 4294967295")
			return
		}
		into.SetUint(number)
	}
}

// mapping reads the keys of a struct.
func (r *inventoryReader) mapping(n *yaml.Node, path string, field func(string) reflect.Value) {
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		into := field(key.Value)
		if !into.IsValid() {
			f := finding.New(finding.WS963, at, fmt.Sprintf("the key %q is not known", key.Value), "correct its spelling or remove it; see inventory.schema.json")
			f.Line = key.Line
			r.add(n, f)
			continue
		}
		r.value(n.Content[i+1], at, into)
	}
	r.twice(n, path)
}

// twice reports keys that stand more than once.
func (r *inventoryReader) twice(n *yaml.Node, path string) {
	seen := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, again := seen[key.Value]; again {
			f := finding.New(finding.WS965, strings.TrimPrefix(path+"."+key.Value, "."), fmt.Sprintf("the key %q stands in line %d, too", key.Value, line), "remove one of them")
			f.Line = key.Line
			r.add(n, f)
			continue
		}
		seen[key.Value] = key.Line
	}
}

// fieldOf returns the field of a struct for a key; not valid where there is none.
func fieldOf(into reflect.Value, key string) reflect.Value {
	for i := range into.NumField() {
		if into.Type().Field(i).Tag.Get("json") == key {
			return into.Field(i)
		}
	}
	return reflect.Value{}
}

func (r *inventoryReader) releases(root *yaml.Node, path string, texts []string) []version.Release {
	var releases []version.Release
	for i, text := range texts {
		releases = append(releases, r.release(root, path+"["+strconv.Itoa(i)+"]", text))
	}
	return releases
}

func (r *inventoryReader) release(root *yaml.Node, path, text string) version.Release {
	m, err := MeshOf(text)
	for _, f := range finding.In(err) {
		f.Path = path
		r.add(root, f)
		return version.Release{}
	}
	return m.Proxies[0]
}

func (r *inventoryReader) options(root *yaml.Node, o *inventoryOptions) []Option {
	var opts []Option
	if o.ASM {
		opts = append(opts, WithASM())
	}
	if o.HTTP1 {
		opts = append(opts, WithHTTP1())
	}
	if len(o.Labels) > 0 {
		opts = append(opts, WithLabels(o.Labels))
	}
	if len(o.Annotations) > 0 {
		opts = append(opts, WithAnnotations(o.Annotations))
	}
	for _, g := range o.Gateways {
		opts = append(opts, WithGateway(g.Namespace, g.Workload))
	}
	if o.ProxyVersion != "" {
		opts = append(opts, WithProxyVersion(o.ProxyVersion))
	}
	if o.APIVersion != "" {
		opts = append(opts, WithAPIVersion(o.APIVersion))
	}
	if o.MinimumRelease != "" {
		opts = append(opts, WithMinimumRelease(r.release(root, "options.minimumRelease", o.MinimumRelease)))
	}
	return slices.Clip(opts)
}
