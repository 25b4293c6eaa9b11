// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An auditObject is one object of the manifests that takes part in what a WebSocket meets.
type auditObject struct {
	file *manifests.File
	doc  *yamldoc.Document
	kind string
	meta metadata

	rule     *destinationrule.Rule
	filter   *envoyfilter.Filter
	service  *serviceSpec
	workload *workloadSpec
	mesh     *meshConfig
	hosts    []string // of a ServiceEntry

	apiVersion string
	found      finding.List // while it was read
}

type metadata struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	CreationTimestamp string            `json:"creationTimestamp"`
}

type serviceSpec struct {
	Selector map[string]string `json:"selector"`
	Type     string            `json:"type"`
	Ports    []servicePort     `json:"ports"`
}

type servicePort struct {
	Port        uint32  `json:"port"`
	TargetPort  portRef `json:"targetPort"`
	Name        string  `json:"name"`
	AppProtocol string  `json:"appProtocol"`
}

// A portRef is a port's number or name.
type portRef string

// UnmarshalJSON reads a number or a string.
func (p *portRef) UnmarshalJSON(data []byte) error {
	var name string
	if err := json.Unmarshal(data, &name); err == nil {
		*p = portRef(name)
		return nil
	}
	var number uint16
	err := json.Unmarshal(data, &number)
	*p = portRef(strconv.Itoa(int(number)))
	return err
}

type workloadSpec struct {
	labels, annotations map[string]string
	pod                 podSpec
	running             bool // a pod as it runs: what it has no container for, it does not have
}

type podSpec struct {
	HostNetwork    bool        `json:"hostNetwork"`
	NodeName       string      `json:"nodeName"`
	Containers     []container `json:"containers"`
	InitContainers []container `json:"initContainers"`
}

type container struct {
	Name  string `json:"name"`
	Ports []struct {
		Name          string `json:"name"`
		ContainerPort uint32 `json:"containerPort"`
	} `json:"ports"`
}

type podTemplate struct {
	Metadata metadata `json:"metadata"`
	Spec     podSpec  `json:"spec"`
}

// A meshConfig is what the ConfigMap istio says about the mesh.
type meshConfig struct {
	RootNamespace        string `json:"rootNamespace"`
	H2UpgradePolicy      string `json:"h2UpgradePolicy"`
	DefaultTrafficPolicy struct {
		ConnectionPool map[string]any `json:"connectionPool"`
	} `json:"defaultTrafficPolicy"`
	DefaultConfig proxyConfig `json:"defaultConfig"`
}

type proxyConfig struct {
	ConnectionSettings connectionSettings `json:"connectionSettings"`
	ProxyHeaders       struct {
		PreserveHTTP1HeaderCase bool `json:"preserveHttp1HeaderCase"`
	} `json:"proxyHeaders"`
}

// connectionSettings are those of ProxyConfig (istio/api mesh/v1alpha1/proxy.proto) that end connections by time.
type connectionSettings struct {
	Profile                   string `json:"profile"`
	HTTPStreamIdleTimeout     string `json:"httpStreamIdleTimeout"`
	HTTPMaxConnectionDuration string `json:"httpMaxConnectionDuration"`
	HTTPMaxStreamDuration     string `json:"httpMaxStreamDuration"`
}

// load reads all objects, on all cores. The order is that of the files.
func load(m *manifests.Set) []*auditObject {
	var objects []*auditObject
	for i := range m.Files {
		f := &m.Files[i]
		if f.Problem != nil {
			objects = append(objects, &auditObject{file: f, found: f.Problem})
		}
		for j := range f.Docs {
			objects = append(objects, &auditObject{file: f, doc: &f.Docs[j]})
		}
	}
	parallel(len(objects), func(i int) {
		if objects[i].doc != nil {
			objects[i].read()
		}
	})
	return slices.DeleteFunc(objects, func(o *auditObject) bool { return o.kind == "" && len(o.found) == 0 })
}

// parallel calls f for 0 to n-1, on all cores.
func parallel(n int, f func(int)) {
	const stride = 64
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for range min(runtime.GOMAXPROCS(0), n/stride+1) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				mu.Lock()
				start := next
				next += stride
				mu.Unlock()
				if start >= n {
					return
				}
				for i := start; i < min(start+stride, n); i++ {
					f(i)
				}
			}
		}()
	}
	wg.Wait()
}

// read fills in the object from its document. Kind stays empty for what takes no part in an audit.
func (o *auditObject) read() {
	text := o.doc.Text
	if f := unreadableText(text); f != nil {
		o.found = finding.List{*f}
		return
	}
	var header struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	header.Kind, header.APIVersion = topLevel(text, "kind"), topLevel(text, "apiVersion")
	if header.Kind == "" || header.APIVersion == "" {
		if err := unmarshal(text, &header); err != nil {
			o.unreadable(err)
			return
		}
	}
	group, _, _ := strings.Cut(header.APIVersion, "/")
	var err error
	o.apiVersion = header.APIVersion
	switch {
	case group == "networking.istio.io" && header.Kind == "DestinationRule":
		o.readRule()
	case group == "networking.istio.io" && header.Kind == "EnvoyFilter":
		o.readFilter()
	case group == "networking.istio.io" && header.Kind == "ServiceEntry":
		var v struct {
			Metadata metadata `json:"metadata"`
			Spec     struct {
				Hosts []string `json:"hosts"`
			} `json:"spec"`
		}
		err = unmarshal(text, &v)
		o.meta, o.hosts = v.Metadata, v.Spec.Hosts
	case header.APIVersion == "v1" && header.Kind == "Service":
		var v struct {
			Metadata metadata    `json:"metadata"`
			Spec     serviceSpec `json:"spec"`
		}
		err = unmarshal(text, &v)
		o.meta, o.service = v.Metadata, &v.Spec
	case header.APIVersion == "v1" && header.Kind == "Pod":
		var v podTemplate
		err = unmarshal(text, &v)
		o.meta = v.Metadata
		o.workload = &workloadSpec{v.Metadata.Labels, v.Metadata.Annotations, v.Spec, v.Spec.NodeName != ""}
	case group == "apps" && (header.Kind == "Deployment" || header.Kind == "StatefulSet" || header.Kind == "DaemonSet"):
		var v struct {
			Metadata metadata `json:"metadata"`
			Spec     struct {
				Template podTemplate `json:"template"`
			} `json:"spec"`
		}
		err = unmarshal(text, &v)
		t := &v.Spec.Template
		o.meta, o.workload = v.Metadata, &workloadSpec{t.Metadata.Labels, t.Metadata.Annotations, t.Spec, false}
	case header.APIVersion == "v1" && header.Kind == "Namespace":
		var v struct {
			Metadata metadata `json:"metadata"`
		}
		err = unmarshal(text, &v)
		o.meta = v.Metadata
	case header.APIVersion == "v1" && header.Kind == "ConfigMap":
		if err = o.readMeshConfig(); err == nil && o.mesh == nil {
			return
		}
	case strings.HasSuffix(header.Kind, "List") && !o.doc.Item:
		var v struct {
			Items []json.RawMessage `json:"items"`
		}
		if err = unmarshal(text, &v); err == nil && len(v.Items) == 0 {
			return
		}
		err = cmp.Or(err, errFlowList)
	default:
		return
	}
	o.kind = header.Kind
	if err != nil {
		o.unreadable(err)
		o.kind = ""
	}
}

func unreadableText(text []byte) *finding.Finding {
	if len(text) > manifests.MaxDocument {
		f := manifests.TooLarge(fmt.Sprintf("the document has %d bytes", len(text)), 1)
		return &f
	}
	i := bytes.IndexByte(text, 0)
	what := "a NUL byte"
	if i < 0 {
		if utf8.Valid(text) {
			return nil
		}
		what = "no UTF-8"
		for i = 0; ; {
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			i += size
		}
	}
	f := finding.New(finding.WS991, "", fmt.Sprintf("byte %d of the document is %s", i+1, what), "save the file as UTF-8 text")
	f.Line = 1 + bytes.Count(text[:i], []byte("\n"))
	return &f
}

// topLevel returns the value of a key at the outermost level, where it is written plainly on one line.
func topLevel(text []byte, key string) string {
	indent := -1
	for line := range bytes.Lines(text) {
		content := bytes.TrimLeft(line, " ")
		if len(bytes.TrimSpace(content)) == 0 || content[0] == '#' || bytes.HasPrefix(content, []byte("---")) {
			continue
		}
		if indent < 0 {
			indent = len(line) - len(content)
		}
		if rest, ok := bytes.CutPrefix(content, []byte(key+":")); ok && len(line)-len(content) == indent {
			value, _, _ := strings.Cut(string(rest), " #")
			value = strings.Trim(strings.TrimSpace(value), `"'`)
			if !strings.ContainsAny(value, "&*!|>{[ ") {
				return value
			}
		}
	}
	return ""
}

var errFlowList = errors.New("the items of a List are read where each begins with \"- \" on a line of its own, or in JSON")

// unmarshal reads YAML or JSON as kubectl does. Fields that into does not have are passed over.
func unmarshal(text []byte, into any) error {
	if json.Valid(text) { // YAML has no escapes for surrogate pairs, and takes no tabs
		return json.Unmarshal(text, into)
	}
	return yaml.Unmarshal(text, into)
}

// unreadable reports an error of the YAML parser, whose text mostly has the line.
func (o *auditObject) unreadable(err error) {
	if o.isTemplate() {
		o.found = finding.List{o.template()}
		return
	}
	text := err.Error()
	f := finding.New(finding.WS992, "", "the document cannot be read: "+shorten(text), "correct it; `kubectl apply --dry-run=client` says the same")
	if _, rest, ok := strings.Cut(text, "line "); ok {
		number, _, _ := strings.Cut(rest, ":")
		if n, err := strconv.Atoi(number); err == nil {
			f.Line = lineAt(o.doc.Text, n)
		}
	}
	o.found = append(o.found, f)
}

// lineAt returns the line of the text, as editors count them, on which YAML's line n begins: to YAML 1.1 carriage returns
// that stand alone, NEL and Unicode's separators end a line too.
func lineAt(text []byte, n int) int {
	line := 1
	for len(text) > 0 && n > 1 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch r {
		case '\n':
			line++
			n--
		case '\r':
			if len(text) == 0 || text[0] != '\n' {
				n--
			}
		case '\u0085', '\u2028', '\u2029':
			n--
		}
	}
	return line
}

// isTemplate says whether the text is one that a template engine is to make a manifest of, such as Helm.
func (o *auditObject) isTemplate() bool { return bytes.Contains(o.doc.Text, []byte("{{")) }

func (o *auditObject) template() finding.Finding {
	return finding.New(finding.WS994, "", "the document is a template and no manifest", "audit what it is rendered to: helm template … | audit -")
}

func shorten(text string) string {
	const limit = 200
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

// readRule reads a DestinationRule. Where the strict parser refuses it, what Istio would make of it is audited all the
// same: the API server prunes fields that it does not know.
func (o *auditObject) readRule() {
	rule, err := destinationrule.Parse(o.doc.Text)
	if err != nil {
		rule = &destinationrule.Rule{Spec: &networking.DestinationRule{}}
		o.found = append(o.found, finding.In(err)...)
		meta, ok := lenient(o.doc.Text, rule.Spec)
		if !ok {
			if o.isTemplate() {
				o.found = finding.List{o.template()}
			}
			o.meta = meta
			return
		}
		rule.APIVersion, rule.Name, rule.Namespace, rule.Labels, rule.Annotations = o.apiVersion, meta.Name, meta.Namespace, meta.Labels, meta.Annotations
	} else {
		o.found = append(o.found, rule.Validate()...)
	}
	o.rule = rule
	o.meta = metadata{rule.Name, rule.Namespace, rule.Labels, rule.Annotations, o.created()}
}

func (o *auditObject) readFilter() {
	filter, err := envoyfilter.Parse(o.doc.Text)
	if err != nil {
		filter = &envoyfilter.Filter{Spec: &networking.EnvoyFilter{}}
		o.found = append(o.found, finding.In(err)...)
		meta, ok := lenient(o.doc.Text, filter.Spec)
		if !ok {
			if o.isTemplate() {
				o.found = finding.List{o.template()}
			}
			o.meta = meta
			return
		}
		filter.Name, filter.Namespace, filter.Labels, filter.Annotations = meta.Name, meta.Namespace, meta.Labels, meta.Annotations
	} else {
		o.found = append(o.found, filter.Validate()...)
	}
	o.filter = filter
	o.meta = metadata{filter.Name, filter.Namespace, filter.Labels, filter.Annotations, o.created()}
}

// created is looked for where it can be found without parsing: it tells which of two rules is the older one.
func (o *auditObject) created() string {
	if !bytes.Contains(o.doc.Text, []byte("creationTimestamp")) {
		return ""
	}
	var v struct {
		Metadata metadata `json:"metadata"`
	}
	if unmarshal(o.doc.Text, &v) != nil {
		return ""
	}
	return v.Metadata.CreationTimestamp
}

// lenient reads a spec without what is not known in it, and says whether there is one.
func lenient(text []byte, spec proto.Message) (metadata, bool) {
	var v struct {
		Metadata metadata        `json:"metadata"`
		Spec     json.RawMessage `json:"spec"`
	}
	if err := unmarshal(text, &v); err != nil || len(v.Spec) == 0 {
		return v.Metadata, false
	}
	err := protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(v.Spec, spec)
	return v.Metadata, err == nil
}

// readMeshConfig reads MeshConfig from the ConfigMap that istiod reads it from.
func (o *auditObject) readMeshConfig() error {
	name, _, _ := strings.Cut(topLevelName(o.doc.Text), "-")
	if name != "istio" {
		return nil
	}
	var v struct {
		Metadata metadata          `json:"metadata"`
		Data     map[string]string `json:"data"`
	}
	if err := unmarshal(o.doc.Text, &v); err != nil {
		return err
	}
	text, ok := v.Data["mesh"]
	if !ok {
		return nil
	}
	o.meta, o.mesh = v.Metadata, &meshConfig{}
	return unmarshal([]byte(text), o.mesh)
}

// topLevelName returns metadata.name.
func topLevelName(text []byte) string {
	if !bytes.Contains(text, []byte("istio")) {
		return ""
	}
	var v struct {
		Metadata metadata `json:"metadata"`
	}
	_ = unmarshal(text, &v) // whoever reads it for good says what is wrong
	return v.Metadata.Name
}

// namespace is where the object goes: kubectl takes default where there is none.
func (o *auditObject) namespace() string { return cmp.Or(o.meta.Namespace, "default") }

func (o *auditObject) String() string {
	if o.kind == "" || o.meta.Name == "" {
		return ""
	}
	if o.meta.Namespace == "" {
		return o.kind + " " + o.meta.Name
	}
	return o.kind + " " + o.meta.Namespace + "/" + o.meta.Name
}
