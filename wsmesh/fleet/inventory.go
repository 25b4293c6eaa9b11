// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sigs.k8s.io/yaml carries this package for those who need the lines of a document.

package fleet

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"

	sigsyaml "sigs.k8s.io/yaml"
	yaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The rules of an inventory's text.
var (
	// NotInventory is the rule that an inventory says that it is one.
	NotInventory = finding.Rule{Code: "WS961", Severity: finding.SeverityError,
		Meaning: "An inventory must say that it is one: apiVersion wsmesh.dev/v1alpha1, kind Inventory.", Source: "this library"}
	// MalformedInventory is the rule that an inventory is one YAML document.
	MalformedInventory = finding.Rule{Code: "WS962", Severity: finding.SeverityError,
		Meaning: "An inventory must be one document of well-formed YAML or JSON.", Source: "YAML 1.2 as go.yaml.in/yaml/v3 reads it"}
	// UnknownKey is the rule that an inventory has no key that means nothing.
	UnknownKey = finding.Rule{Code: "WS963", Severity: finding.SeverityError,
		Meaning: "A key of an inventory must be known.", Source: "this library"}
	// WrongType is the rule that a value of an inventory has the type of its key.
	WrongType = finding.Rule{Code: "WS964", Severity: finding.SeverityError,
		Meaning: "A value of an inventory must have the type of its key.", Source: "YAML 1.2, section 10.3"}
	// DuplicateKey is the rule that no key of an inventory stands twice.
	DuplicateKey = finding.Rule{Code: "WS965", Severity: finding.SeverityError,
		Meaning: "A key must stand only once in a mapping.", Source: "YAML 1.2, section 3.2.1.3"}
	// NoServices is the rule that an inventory has a list of Services, which may be empty.
	NoServices = finding.Rule{Code: "WS966", Severity: finding.SeverityError,
		Meaning: "An inventory must list its services, be there none.", Source: "this library"}
	// MoreProblems says that an inventory has more problems than are listed.
	MoreProblems = finding.Rule{Code: "WS969", Severity: finding.SeverityError,
		Meaning: "No more than 1,000 problems of an inventory's text are listed.", Source: "this library"}
)

// The keys of an inventory. Their JSON Schema, for editors, is inventory.schema.json beside this file.
type inventoryFile struct {
	APIVersion string             `yaml:"apiVersion"`
	Kind       string             `yaml:"kind"`
	Metadata   inventoryMetadata  `yaml:"metadata"`
	Mesh       inventoryMesh      `yaml:"mesh"`
	Options    inventoryOptions   `yaml:"options"`
	Defaults   inventoryDefaults  `yaml:"defaults"`
	Services   []inventoryService `yaml:"services"`
}

// An inventoryMetadata is for kustomize and kpt, which want a name and carry annotations.
type inventoryMetadata struct {
	Name        string            `yaml:"name"`
	Namespace   string            `yaml:"namespace"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type inventoryMesh struct {
	ControlPlanes []string `yaml:"controlPlanes"`
	Proxies       []string `yaml:"proxies"`
	ClusterDomain string   `yaml:"clusterDomain"`
	RootNamespace string   `yaml:"rootNamespace"`
}

// In inventoryOptions a pointer that is nil, like a slice or map, is a key that is not there.
type inventoryOptions struct {
	HTTP1          *bool              `yaml:"http1"`
	ByPods         *bool              `yaml:"byPods"`
	Host           *string            `yaml:"host"`
	Base           map[string]any     `yaml:"base"`
	Gateways       []inventoryGateway `yaml:"gateways"`
	Labels         map[string]string  `yaml:"labels"`
	Annotations    map[string]string  `yaml:"annotations"`
	ASM            *bool              `yaml:"asm"`
	ProxyVersion   *string            `yaml:"proxyVersion"`
	APIVersion     *string            `yaml:"apiVersion"`
	MinimumRelease *string            `yaml:"minimumRelease"`
}

type inventoryGateway struct {
	Namespace string            `yaml:"namespace"`
	Workload  map[string]string `yaml:"workload"`
}

type inventoryDefaults struct {
	Namespace string          `yaml:"namespace"`
	Ports     []inventoryPort `yaml:"ports"`
	Ambient   bool            `yaml:"ambient"`
	NoSidecar bool            `yaml:"noSidecar"`
}

type inventoryService struct {
	Name      string            `yaml:"name"`
	Namespace string            `yaml:"namespace"`
	Workload  map[string]string `yaml:"workload"`
	Ports     []inventoryPort   `yaml:"ports"`
	Ambient   *bool             `yaml:"ambient"`
	NoSidecar *bool             `yaml:"noSidecar"`
	Options   *inventoryOptions `yaml:"options"`
}

type inventoryPort struct {
	Number      uint32 `yaml:"number"`
	TargetPort  uint32 `yaml:"targetPort"`
	Name        string `yaml:"name"`
	AppProtocol string `yaml:"appProtocol"`
}

const (
	inventoryAPIVersion = "wsmesh.dev/v1alpha1"
	inventoryKind       = "Inventory"
)

// ParseInventory reads a fleet from an inventory, YAML or JSON:
//
//	apiVersion: wsmesh.dev/v1alpha1
//	kind: Inventory
//	metadata:
//	  name: realtime # Fleet.Name; where there is none it is the file's name
//	mesh:
//	  controlPlanes: ["1.24.1"] # every release that runs
//	  proxies: ["1.23.6", "1.24.1"]
//	options: # for all Services: the fields of wsmesh.Options
//	  labels: {team: realtime}
//	defaults: # for Services that do not say otherwise
//	  namespace: prod
//	  ports: [{number: 80, name: http}]
//	services:
//	- name: chat
//	  workload: {app: chat}
//	- name: push
//	  namespace: stage
//	  workload: {app: push}
//	  ports:
//	  - {number: 8080, targetPort: 80, name: http-push}
//	  - {number: 9090, name: grpc-admin}
//	  options: # for this Service: a key replaces that of the options above, a label or annotation joins theirs
//	    http1: true
//
// The options' base is a DestinationRule as it stands in a manifest. A text may go without quotes, also where it looks like
// a number, as 1.20 does. Anchors, aliases and merge keys are read.
//
// The file's name is for the findings, and to name the fleet. ParseInventory is strict: a key that is not known or stands
// twice, a value of another type and a second document are errors, each with file, line and path. What the Services
// themselves say is judged by the fleet's methods, whose findings have file, line and path, too.
//
// The error is a [*finding.Error] in errors.As; the fleet is nil then.
func ParseInventory(data []byte, file string) (*Fleet, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if json.Valid(data) {
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" ")) // YAML does not indent by tabs; in strings JSON has none
	}
	r := &inventoryReader{file: file, data: data}
	var in inventoryFile
	if !r.decode(&in) {
		return nil, r.problems.Err()
	}
	if in.Services == nil {
		r.add("", finding.New(NoServices, "services", "the inventory has no services", "write `services:` and a list below it"))
	}
	if in.APIVersion != inventoryAPIVersion || in.Kind != inventoryKind {
		r.add("", finding.New(NotInventory, "apiVersion", fmt.Sprintf("the document is %q of %q", in.Kind, in.APIVersion),
			"write apiVersion: "+inventoryAPIVersion+" and kind: "+inventoryKind))
	}
	f := &Fleet{
		Name: cmp.Or(in.Metadata.Name, path.Base(file)),
		Mesh: wsmesh.Mesh{
			ControlPlanes: r.releases("mesh.controlPlanes", in.Mesh.ControlPlanes),
			Proxies:       r.releases("mesh.proxies", in.Mesh.Proxies),
			ClusterDomain: in.Mesh.ClusterDomain,
			RootNamespace: in.Mesh.RootNamespace,
		},
		Options: r.options("options", &in.Options),
	}
	members := make([]Member, len(in.Services))
	for i := range in.Services {
		s := &in.Services[i]
		members[i].Service = s.service(&in.Defaults)
		if s.Options != nil {
			opts := r.options(memberPath(i)+".options", s.Options.over(&in.Options))
			members[i].Options = &opts
		}
	}
	if len(r.problems) == 0 {
		for _, p := range append(f.Mesh.Validate(), f.Options.Validate(f.Mesh)...) {
			r.add("", p)
		}
	}
	if err := r.problems.Err(); err != nil {
		return nil, err
	}
	f.Services = Members(members...)
	f.locate = func(member int, f finding.Finding) finding.Finding {
		if member < 0 {
			return r.located("", f)
		}
		return r.located(memberPath(member), f)
	}
	return f, nil
}

func memberPath(i int) string { return "services[" + strconv.Itoa(i) + "]" }

func (s *inventoryService) service(d *inventoryDefaults) wsmesh.Service {
	svc := wsmesh.Service{Name: s.Name, Namespace: cmp.Or(s.Namespace, d.Namespace), Workload: s.Workload, Ambient: d.Ambient, NoSidecar: d.NoSidecar}
	ports := s.Ports
	if ports == nil {
		ports = d.Ports
	}
	for _, p := range ports {
		svc.Ports = append(svc.Ports, wsmesh.Port(p))
	}
	if s.Ambient != nil {
		svc.Ambient = *s.Ambient
	}
	if s.NoSidecar != nil {
		svc.NoSidecar = *s.NoSidecar
	}
	return svc
}

// over returns the options of a Service: o over those of all Services, key by key.
func (o *inventoryOptions) over(all *inventoryOptions) *inventoryOptions {
	merged := *all
	from, to := reflect.ValueOf(o).Elem(), reflect.ValueOf(&merged).Elem()
	for i := range from.NumField() {
		if !from.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
	join := func(all, own map[string]string) map[string]string {
		if all == nil {
			return own
		}
		joined := maps.Clone(all)
		maps.Copy(joined, own)
		return joined
	}
	merged.Labels, merged.Annotations = join(all.Labels, o.Labels), join(all.Annotations, o.Annotations)
	return &merged
}

// An inventoryReader collects the problems of an inventory.
type inventoryReader struct {
	file     string
	data     []byte
	problems finding.List
	parse    sync.Once
	tree     *yaml.Node // of data, once parse is done
}

// root returns the tree of the text. Only problems need it, so most inventories do without.
func (r *inventoryReader) root() *yaml.Node {
	r.parse.Do(func() {
		var doc yaml.Node
		_ = yaml.Unmarshal(r.data, &doc) // it was decoded before
		r.tree = resolved(doc.Content[0])
	})
	return r.tree
}

func (r *inventoryReader) add(base string, f finding.Finding) {
	switch n := len(r.problems); {
	case n > maxListed:
		return
	case n == maxListed:
		f = finding.New(MoreProblems, "", "there are more problems", "correct those that are listed, and try again")
	}
	r.problems = append(r.problems, r.located(base, f))
}

// located gives a finding its file and line, and the path that it has in the file below base: findings about Services
// and options speak of Kubernetes' fields.
func (r *inventoryReader) located(base string, f finding.Finding) finding.Finding {
	for _, p := range pathNames {
		if p.pattern.MatchString(f.Path) && (base != "" || !p.service) {
			f.Path = p.pattern.ReplaceAllString(f.Path, p.inventory)
			break
		}
	}
	if base != "" && f.Path != "" && !strings.HasPrefix(f.Path, "[") {
		f.Path = "." + f.Path
	}
	f.Path, f.File = base+f.Path, r.file
	if f.Line == 0 {
		f.Line = lineOf(r.root(), f.Path)
	}
	return f
}

// pathNames are the paths in an inventory of what the findings of Services and options call by Kubernetes' fields.
var pathNames = []struct {
	service   bool
	pattern   *regexp.Regexp
	inventory string
}{
	{true, regexp.MustCompile(`^metadata\.(name|namespace)$`), "$1"},
	{true, regexp.MustCompile(`^spec\.selector`), "workload"},
	{true, regexp.MustCompile(`^spec\.ports(\[\d+\])\.port$`), "ports$1.number"},
	{true, regexp.MustCompile(`^spec\.(ports\b)`), "$1"},
	{false, regexp.MustCompile(`^gateways\b`), "options.gateways"},
	{false, regexp.MustCompile(`^spec\.configPatches\[0\]\.match\.proxy\.proxyVersion$`), "options.proxyVersion"},
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
			next = valueOf(n, strings.Trim(step, `[]"`))
		}
		if next == nil {
			break
		}
		n = next
	}
	return n.Line
}

// valueOf returns the value of a key, which may come from a mapping that is merged in; nil where there is none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	var merged *yaml.Node
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		switch n.Content[i].Value {
		case key:
			return n.Content[i+1]
		case "<<":
			for _, m := range mergedIn(n.Content[i+1]) {
				if merged == nil {
					merged = valueOf(m, key)
				}
			}
		}
	}
	return merged
}

// mergedIn returns the mappings that the value of a merge key names.
func mergedIn(n *yaml.Node) []*yaml.Node {
	n = resolved(n)
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	mappings := make([]*yaml.Node, len(n.Content))
	for i, m := range n.Content {
		mappings[i] = resolved(m)
	}
	return mappings
}

func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// decode reads the one document, and reports whether it could be read.
func (r *inventoryReader) decode(in *inventoryFile) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(r.data))
	decoder.KnownFields(true)
	err := decoder.Decode(in)
	var types *yaml.TypeError
	switch {
	case errors.Is(err, io.EOF):
		r.malformed("it is empty", 0)
	case errors.As(err, &types):
		r.explain(types.Errors)
	case err != nil:
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		line := 0
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = text[len(m[0]):]
		}
		r.malformed(text, line)
	}
	if len(r.problems) > 0 {
		return false
	}
	var more yaml.Node
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		r.malformed("there is more than one document", more.Line)
	}
	return len(r.problems) == 0
}

func (r *inventoryReader) malformed(message string, line int) {
	f := malformed(message)
	f.File, f.Line = r.file, line
	r.problems = append(r.problems, f)
}

func malformed(message string) finding.Finding {
	return finding.New(MalformedInventory, "", "the inventory cannot be read: "+message, "correct the text there; look for a cut-off file, tabs, colons and quotes")
}

var (
	yamlLine    = regexp.MustCompile(`^line ([0-9]+): `)
	yamlUnknown = regexp.MustCompile(`(?s)^line ([0-9]+): field (.*) not found in type \S+$`)
	yamlTwice   = regexp.MustCompile(`(?s)^line ([0-9]+): mapping key (".*") already defined at line ([0-9]+)$`)
	yamlType    = regexp.MustCompile("(?s)^line ([0-9]+): cannot unmarshal (\\S+)(?: `(.*)`)? into (.+)$")
)

// A complaint is what the YAML library says of a key, or of a value and the Go type that it was read into.
type complaint struct {
	finding.Finding
	key, into string
}

// explain makes findings of what the YAML library says of keys and types. It names the line; the path is that of the first
// place in that line where such a key or a value for such a type stands.
func (r *inventoryReader) explain(errs []string) {
	var complaints []*complaint
	for _, text := range errs {
		var c complaint
		var line string
		if m := yamlUnknown.FindStringSubmatch(text); m != nil {
			line, c.key = m[1], m[2]
			c.Finding = finding.New(UnknownKey, c.key, fmt.Sprintf("the key %q is not known", c.key), "correct its spelling or remove it; see inventory.schema.json")
		} else if m := yamlTwice.FindStringSubmatch(text); m != nil {
			line = m[1]
			c.key, _ = strconv.Unquote(m[2])
			c.Finding = finding.New(DuplicateKey, c.key, fmt.Sprintf("the key %q stands in line %s, too", c.key, m[3]), "remove one of them")
		} else if m := yamlType.FindStringSubmatch(text); m != nil {
			line, c.into = m[1], m[4]
			what := strconv.Quote(m[3]) + ", which YAML reads as " + strings.TrimPrefix(m[2], "!!")
			switch m[2] {
			case "!!map":
				what = "a mapping"
			case "!!seq":
				what = "a list"
			}
			c.Finding = finding.New(WrongType, "", "there is "+what, "write what inventory.schema.json has for this key")
		} else {
			c.Finding = malformed(text)
		}
		c.Line, _ = strconv.Atoi(line)
		if n := len(complaints); n == 0 || complaints[n-1].Line != c.Line || complaints[n-1].key != c.key || c.key == "" {
			complaints = append(complaints, &c)
		}
	}
	open := map[int][]*complaint{}
	for _, c := range complaints {
		open[c.Line] = append(open[c.Line], c)
	}
	w := placer{open: open, left: len(complaints)}
	w.value(r.root(), reflect.TypeFor[inventoryFile](), nil)
	for _, c := range complaints {
		if c.into == reflect.TypeFor[inventoryFile]().String() {
			r.malformed("it is no mapping", c.Line)
			continue
		}
		r.add("", c.Finding)
	}
}

// A placer finds the paths of complaints in the tree that they are about.
type placer struct {
	open    map[int][]*complaint // by line
	left    int
	visited int // values
}

// How far the places of complaints are looked for: aliases may make a tree that has no end.
const (
	maxDepth   = 64
	maxVisited = 1_000_000
)

// value looks at a value that is read into a Go type, and at all below it.
func (w *placer) value(n *yaml.Node, t reflect.Type, steps []string) {
	n = resolved(n)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	w.match(n.Line, steps, func(c *complaint) bool {
		if c.into != t.String() || len(steps) == 0 {
			return false
		}
		if words := typeWords[t.Kind()]; words != "" {
			c.Hint = "write " + words
		}
		return !fits(n, t)
	})
	w.visited++
	if w.left == 0 || len(steps) > maxDepth || w.visited > maxVisited {
		return
	}
	switch {
	case n.Kind == yaml.SequenceNode && (t.Kind() == reflect.Slice || t.Kind() == reflect.Interface):
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		for i, item := range n.Content {
			w.value(item, t, append(steps, "["+strconv.Itoa(i)+"]"))
		}
	case n.Kind == yaml.MappingNode:
		w.mapping(n, t, steps)
	}
}

// mapping looks at the keys of a mapping and their values.
func (w *placer) mapping(n *yaml.Node, t reflect.Type, steps []string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, of := resolved(n.Content[i]), t
		step := "." + key.Value
		switch t.Kind() {
		case reflect.Struct:
			if key.Value == "<<" {
				for _, m := range mergedIn(n.Content[i+1]) {
					w.value(m, t, append(steps, ""))
				}
				continue
			}
			of = fieldType(t, key.Value)
		case reflect.Map:
			of = t.Elem()
			step = "[" + strconv.Quote(key.Value) + "]"
		case reflect.Interface:
		default:
			return
		}
		at := append(steps, step)
		w.match(n.Content[i].Line, at, func(c *complaint) bool { return c.key == key.Value && c.key != "" })
		if of != nil {
			w.value(n.Content[i+1], of, at)
		}
	}
}

// match gives the first complaint of the line that is about this place its path.
func (w *placer) match(line int, steps []string, is func(*complaint) bool) {
	for i, c := range w.open[line] {
		if is(c) {
			c.Path = strings.TrimPrefix(strings.Join(steps, ""), ".")
			w.open[line] = append(w.open[line][:i:i], w.open[line][i+1:]...)
			w.left--
			return
		}
	}
}

// fits reports whether a value may be of the Go type, as far as its kind goes: then the complaint is about another one.
func fits(n *yaml.Node, t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return n.Kind == yaml.MappingNode
	case reflect.Slice:
		return n.Kind == yaml.SequenceNode
	case reflect.String:
		return n.Kind == yaml.ScalarNode
	}
	return n.Decode(reflect.New(t).Interface()) == nil
}

var typeWords = map[reflect.Kind]string{
	reflect.Struct: "a mapping",
	reflect.Map:    "a mapping",
	reflect.Slice:  "a list",
	reflect.String: "text",
	reflect.Bool:   "true or false",
	reflect.Uint32: "a whole number from 0 to 4294967295",
}

// fieldType returns the type of a struct's field for a key; nil where there is none.
func fieldType(t reflect.Type, key string) reflect.Type {
	for field := range t.Fields() {
		if field.Tag.Get("yaml") == key {
			return field.Type
		}
	}
	return nil
}

func (r *inventoryReader) releases(path string, texts []string) []version.Release {
	var releases []version.Release
	for i, text := range texts {
		releases = append(releases, r.release(path+"["+strconv.Itoa(i)+"]", text))
	}
	return releases
}

func (r *inventoryReader) release(path, text string) version.Release {
	m, err := wsmesh.MeshOf(text)
	for _, f := range finding.In(err) {
		f.Path = path
		r.add("", f)
		return version.Release{}
	}
	return m.Proxies[0]
}

// options returns the options that stand at path.
func (r *inventoryReader) options(path string, in *inventoryOptions) wsmesh.Options {
	o := wsmesh.Options{Labels: in.Labels, Annotations: in.Annotations}
	for _, text := range []struct {
		from *string
		to   *string
	}{{in.Host, &o.Host}, {in.ProxyVersion, &o.ProxyVersion}, {in.APIVersion, &o.APIVersion}} {
		if text.from != nil {
			*text.to = *text.from
		}
	}
	o.HTTP1 = in.HTTP1 != nil && *in.HTTP1
	o.ByPods = in.ByPods != nil && *in.ByPods
	o.ASM = in.ASM != nil && *in.ASM
	for _, g := range in.Gateways {
		o.Gateways = append(o.Gateways, wsmesh.Gateway(g))
	}
	if in.MinimumRelease != nil {
		o.MinimumRelease = r.release(path+".minimumRelease", *in.MinimumRelease)
	}
	if in.Base != nil {
		o.Base = r.base(path+".base", in.Base)
	}
	return o
}

// base reads a DestinationRule.
func (r *inventoryReader) base(path string, manifest map[string]any) *destinationrule.Rule {
	text, err := sigsyaml.Marshal(manifest)
	if err == nil {
		var rule *destinationrule.Rule
		if rule, err = destinationrule.Parse(text); err == nil {
			return rule
		}
	}
	problems := finding.In(err)
	if problems == nil {
		problems = finding.List{malformed("the DestinationRule is no manifest: " + err.Error())}
	}
	for _, f := range problems {
		f.Line = 0 // of the text above
		r.add(path, f)
	}
	return nil
}
