// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"encoding/json"
	"flag"
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/conformance/judge"
	"github.com/wsmesh/wsmesh/internal/conformance/upstream"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

var (
	cases = flag.Int("cases", 0, "how many objects of each kind to try in each of the two forms (50,000; with -short 3,000)")
	seed  = flag.Uint64("seed", 1, "the seed of the generator")
	only  = flag.Int("case", -1, "try this case alone and show it")
)

// An object is what the library makes of a manifest or of a typed spec.
type object interface {
	Validate() finding.List
	MarshalJSON() ([]byte, error)
	YAML() ([]byte, error)
}

func parse(kind string, data []byte) (object, error) {
	if kind == destinationRule {
		return parsed(destinationrule.Parse(data))
	}
	return parsed(envoyfilter.Parse(data))
}

func parsed[T object](o T, err error) (object, error) { return o, err }

func specOf(o object) proto.Message {
	if r, ok := o.(*destinationrule.Rule); ok {
		return r.Spec
	}
	return o.(*envoyfilter.Filter).Spec
}

// typed is the library's object with the spec, in an envelope as the generator makes them.
func typed(envelope map[string]any, spec proto.Message) object {
	meta := envelope["metadata"].(map[string]any)
	text := func(v any) string { s, _ := v.(string); return s }
	dict := func(v any) map[string]string {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		out := map[string]string{}
		for k, e := range m {
			out[k] = text(e)
		}
		return out
	}
	if dr, ok := spec.(*networking.DestinationRule); ok {
		return &destinationrule.Rule{
			APIVersion: text(envelope["apiVersion"]), Name: text(meta["name"]), Namespace: text(meta["namespace"]),
			Labels: dict(meta["labels"]), Annotations: dict(meta["annotations"]), Spec: dr,
		}
	}
	return &envoyfilter.Filter{
		Name: text(meta["name"]), Namespace: text(meta["namespace"]),
		Labels: dict(meta["labels"]), Annotations: dict(meta["annotations"]), Spec: spec.(*networking.EnvoyFilter),
	}
}

// An outcome is what the two sides say to one object.
type outcome struct {
	ours     finding.List // the errors; none where the library accepts it
	unlisted finding.List // those for which no row of the table stands
	theirs   judge.Verdict
	problem  string // "" where the two agree, or differ as listed
}

// A stage asks both sides; each names the ways to disagree alike.
const (
	looser     = "accepted by the library, refused by Istio"
	unlisted   = "refused by the library for a reason that is not in the table, accepted by Istio"
	unwritable = "accepted by the library, which then cannot write it"
	misread    = "read by the library as something else than Istio reads"
	rewritten  = "written by the library in a form that Istio refuses"
)

// askText has the library parse and validate a manifest, and the API server and istiod. Some questions are asked
// only where all is true, which is for one case in four: there is time for more cases then.
func askText(j *judge.Judge, kind string, data []byte, all bool) outcome {
	var out outcome
	obj, err := parse(kind, data)
	switch {
	case err != nil:
		if out.ours = finding.In(err).Errors(); len(out.ours) == 0 {
			return outcome{problem: fmt.Sprintf("an error without findings: %v", err)}
		}
	default:
		out.ours = obj.Validate().Errors()
	}
	if len(out.ours) > 0 {
		out.refused(j, data, all)
		return out
	}
	out.theirs = j.Document(data)
	if !out.theirs.Accepted() {
		out.problem = looser
		return out
	}
	if spec, err := out.theirs.Spec(); err != nil || !sameSpec(spec, specOf(obj)) {
		out.problem = misread
		return out
	}
	if !all {
		return out
	}
	text, err := obj.YAML()
	if err != nil {
		out.problem = unwritable
	} else if v := j.Document(text); !v.Accepted() {
		out.theirs, out.problem = v, rewritten
	} else if spec, err := v.Spec(); err != nil || !sameSpec(spec, specOf(obj)) {
		out.problem = rewritten
	}
	return out
}

// sameSpec compares two specs. A zero has no sign: the API server drops that of -0.
func sameSpec(a, b proto.Message) bool {
	unsigned := func(m proto.Message) proto.Message {
		m = proto.Clone(m)
		// The error is always that of the callback, which returns none.
		_ = protorange.Range(m.ProtoReflect(), func(v protopath.Values) error {
			if m, ok := v.Index(-1).Value.Interface().(protoreflect.Message); ok {
				if d, ok := m.Interface().(*wrapperspb.DoubleValue); ok && d.Value == 0 {
					d.Value = 0
				}
			}
			return nil
		})
		return m
	}
	return proto.Equal(a, b) || proto.Equal(unsigned(a), unsigned(b))
}

// askTyped has the library validate a typed object, and the API server and istiod what it writes of it.
func askTyped(j *judge.Judge, obj object, all bool) outcome {
	out := outcome{ours: obj.Validate().Errors()}
	if len(out.ours) > 0 && len(unlistedOf(out.ours, nil)) == 0 && !all {
		return out
	}
	data, err := obj.MarshalJSON()
	switch {
	case err != nil && len(out.ours) == 0:
		out.problem = unwritable
	case err != nil: // nothing of it could reach Istio
	case len(out.ours) > 0:
		out.refused(j, data, all)
	default:
		if out.theirs = j.Document(data); !out.theirs.Accepted() {
			out.problem = looser
		}
	}
	return out
}

// refused asks Istio about what the library refuses, unless the library may do so whatever Istio says.
func (out *outcome) refused(j *judge.Judge, data []byte, all bool) {
	if len(unlistedOf(out.ours, nil)) == 0 && !all {
		return
	}
	if out.theirs = j.Document(data); out.theirs.Accepted() {
		if out.unlisted = unlistedOf(out.ours, out.theirs.Object.Object); len(out.unlisted) > 0 {
			out.problem = unlisted
		}
	}
}

// rowFor returns the row of the table that stands for a finding, and -1 where none does.
func rowFor(f finding.Finding) int {
	return slices.IndexFunc(stricterThanIstio, func(s stricter) bool {
		return s.code == f.Code && (s.where == nil || s.where.MatchString(f.String()))
	})
}

// unlistedOf returns the findings for which no row of the table stands. The accepted object, where it is given, says
// which patches istiod has not looked into: whatever is wrong there is refused by the library alone.
func unlistedOf(l finding.List, object map[string]any) finding.List {
	var out finding.List
	for _, f := range l {
		if rowFor(f) < 0 && !forWaypoints(object, f.Path) {
			out = append(out, f)
		}
	}
	return out
}

// forWaypoints reports that a path lies in a patch with the context WAYPOINT: istiod checks nothing of those, and says at
// that place that it has yet to (istio/istio pkg/config/validation/envoyfilter/envoyfilter.go).
func forWaypoints(object map[string]any, path string) bool {
	index, ok := strings.CutPrefix(path, "spec.configPatches[")
	if !ok {
		return false
	}
	index, _, _ = strings.Cut(index, "]")
	patches, _, _ := unstructured.NestedSlice(object, "spec", "configPatches")
	i, err := strconv.Atoi(index)
	if err != nil || i >= len(patches) {
		return false
	}
	patch, _ := patches[i].(map[string]any)
	context, _, _ := unstructured.NestedString(patch, "match", "context")
	return context == "WAYPOINT"
}

// corpora are manifests that Istio carries and the seed scenario's, by kind.
var corpora = sync.OnceValues(func() (map[string][]map[string]any, error) {
	docs, err := upstream.Documents()
	if err != nil {
		return nil, err
	}
	for kind, texts := range seedManifests {
		for _, text := range texts {
			docs = append(docs, upstream.Document{Kind: kind, Text: []byte(text)})
		}
	}
	out := map[string][]map[string]any{}
	for _, d := range docs {
		var tree map[string]any
		if err := yaml.Unmarshal(d.Text, &tree, yaml.DisallowUnknownFields); err == nil && tree != nil {
			out[d.Kind] = append(out[d.Kind], tree)
		}
	}
	return out, nil
})

// seedManifests are the objects that this library exists for.
var seedManifests = map[string][]string{
	destinationRule: {
		`{"apiVersion":"networking.istio.io/v1beta1","kind":"DestinationRule","metadata":{"labels":{"provider":"asm"},"name":"websockets-server"},"spec":{"host":"websockets-server","trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":"UPGRADE"}}}}}`,
		`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"websockets-server","namespace":"default"},"spec":{"host":"websockets-server.default.svc.cluster.local","trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":"DO_NOT_UPGRADE","idleTimeout":"3600s","maxRetries":3},"tcp":{"maxConnections":100,"connectTimeout":"0.25s","tcpKeepalive":{"time":"7200s","interval":"75s","probes":9}}},"loadBalancer":{"simple":"LEAST_REQUEST"},"portLevelSettings":[{"port":{"number":8080},"connectionPool":{"http":{"h2UpgradePolicy":"UPGRADE"}}}],"tls":{"mode":"ISTIO_MUTUAL"}},"subsets":[{"name":"v1","labels":{"version":"v1"},"trafficPolicy":{"connectionPool":{"http":{"h2UpgradePolicy":"UPGRADE"}}}}],"exportTo":["*"]}}`,
	},
	envoyFilter: {
		`{"apiVersion":"networking.istio.io/v1alpha3","kind":"EnvoyFilter","metadata":{"name":"h2-upgrade-wss","labels":{"asm-system":"true","provider":"asm"}},"spec":{"workloadSelector":{"labels":{"app":"websockets-server"}},"configPatches":[{"applyTo":"NETWORK_FILTER","match":{"context":"SIDECAR_INBOUND","proxy":{"proxyVersion":"^1\\.*.*"},"listener":{"portNumber":80,"filterChain":{"filter":{"name":"envoy.filters.network.http_connection_manager"}}}},"patch":{"operation":"MERGE","value":{"typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager","http2_protocol_options":{"allow_connect":true,"max_concurrent_streams":100,"connection_keepalive":{"interval":"30s","timeout":"5s"}}}}}}]}}`,
		`{"apiVersion":"networking.istio.io/v1alpha3","kind":"EnvoyFilter","metadata":{"name":"lua","namespace":"istio-system"},"spec":{"priority":10,"targetRefs":[{"group":"gateway.networking.k8s.io","kind":"Gateway","name":"waypoint"}],"configPatches":[{"applyTo":"HTTP_FILTER","match":{"context":"GATEWAY","listener":{"filterChain":{"sni":"example.com","filter":{"name":"envoy.filters.network.http_connection_manager","subFilter":{"name":"envoy.filters.http.router"}}}}},"patch":{"operation":"INSERT_BEFORE","filterClass":"STATS","value":{"name":"envoy.filters.http.lua","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua","default_source_code":{"inline_string":"function envoy_on_request(h) end"}}}}},{"applyTo":"CLUSTER","match":{"context":"SIDECAR_OUTBOUND","cluster":{"service":"a.default.svc.cluster.local","portNumber":80}},"patch":{"operation":"MERGE","value":{"connect_timeout":"5s","lb_policy":"RANDOM"}}},{"applyTo":"HTTP_ROUTE","match":{"context":"GATEWAY","routeConfiguration":{"vhost":{"name":"a:80","route":{"action":"ROUTE"}}}},"patch":{"operation":"MERGE","value":{"route":{"timeout":"0s","upgrade_configs":[{"upgrade_type":"websocket"}]}}}}]}}`,
	},
}

// A tally counts outcomes of many cases.
type tally struct {
	both, neither, stricter, unasked int
	codes                            map[string]int // how often each finding came up
}

func TestNeverLooserThanIstio(t *testing.T) {
	// A third of the time went into collecting garbage; so it stays below 1 GiB.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	j, err := judge.New()
	if err != nil {
		t.Fatal(err)
	}
	corpus, err := corpora()
	if err != nil {
		t.Fatal(err)
	}
	if *cases == 0 {
		*cases = 50_000
		if testing.Short() {
			*cases = 3_000
		}
	}
	met := map[string]int{}
	for _, kind := range []string{destinationRule, envoyFilter} {
		// Each case has a stream of random numbers of its own, so that it can be tried again alone.
		textCase := func(i int) (outcome, func() string) {
			data := newGen(*seed, uint64(i)).document(kind, corpus[kind])
			out := askText(j, kind, data, i%4 == 0)
			return out, func() string { return string(shrinkText(j, kind, data, out)) }
		}
		typedCase := func(i int) (outcome, func() string) {
			g := newGen(*seed, uint64(i)|1<<63)
			envelope, spec := g.envelope(kind), g.spec(kind)
			out := askTyped(j, typed(envelope, spec), i%4 == 0)
			return out, func() string {
				// As text it can be made smaller than as a message, where it is wrong in the same way.
				if data, err := typed(envelope, spec).MarshalJSON(); err == nil && classOf(askText(j, kind, data, true)) == classOf(out) {
					return string(shrinkText(j, kind, data, out))
				}
				return fmt.Sprintf("%s%s", jsonText(envelope), prototext.Format(shrinkTyped(j, envelope, spec, out)))
			}
		}
		for form, try := range map[string]func(int) (outcome, func() string){"text": textCase, "typed": typedCase} {
			t.Run(kind+"/"+form, func(t *testing.T) {
				total := run(t, try)
				for code, n := range total.codes {
					met[code] += n
				}
				t.Logf("%d cases: both accept %d, both refuse %d, the library alone refuses %d, Istio is not asked %d", *cases, total.both, total.neither, total.stricter, total.unasked)
				// A generator of which all or nothing is accepted would show nothing.
				if n := *cases; *only < 0 && (total.both < n/8 || total.neither < n/8) {
					t.Errorf("of %d cases both accept %d and both refuse %d: the generator has lost its balance", n, total.both, total.neither)
				}
			})
		}
	}
	if *cases < 50_000 || *only >= 0 {
		return
	}
	for _, c := range slices.Concat(destinationrule.Rules(), envoyfilter.Rules()) {
		if c.Severity == finding.SeverityError && met[c.Code] == 0 && notGenerated[c.Code] == "" {
			t.Errorf("no case has %s: %s", c.Code, c.Meaning)
		}
	}
}

// notGenerated are the errors about one object that the random objects do not have, with the reason.
var notGenerated = map[string]string{
	"WS102": "the generator gives every object a spec",
	"WS110": "the objects are small", "WS206": "the objects are small", "WS207": "the objects are small", "WS904": "the objects are small",
	"WS929": "the objects are small", "WS939": "the objects are small", "WS957": "the objects are small",
	"WS141": builders, "WS142": builders, "WS143": builders, "WS144": builders,
	"WS201": builders, "WS202": builders, "WS203": builders, "WS219": builders, "WS220": builders, "WS221": builders, "WS222": builders,
	"WS930": "rare", "WS931": "text is read as a whole before its fields are (WS903)",
}

const builders = "about what a Builder was given"

// run tries all cases on all processors and reports the problems, the lowest case of each class first.
func run(t *testing.T, try func(i int) (outcome, func() string)) tally {
	t.Helper()
	first, last := 0, *cases
	if *only >= 0 {
		first, last = *only, *only+1
	}
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		mu    sync.Mutex
		total = tally{codes: map[string]int{}}
		found = map[string]int{} // the lowest case of each class of problem
	)
	next.Store(int64(first))
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= last {
					return
				}
				out, _ := try(i)
				mu.Lock()
				switch {
				case len(out.ours) == 0:
					total.both++
				case out.theirs.Object == nil && out.theirs.CRD == nil:
					total.unasked++
				case out.theirs.Accepted():
					total.stricter++
				default:
					total.neither++
				}
				for _, f := range out.ours {
					total.codes[f.Code]++
				}
				if out.problem != "" {
					class := classOf(out)
					if at, ok := found[class]; !ok || i < at {
						found[class] = i
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	classes := make([]string, 0, len(found))
	for class := range found {
		classes = append(classes, class)
	}
	slices.SortFunc(classes, func(a, b string) int { return found[a] - found[b] })
	for n, class := range classes {
		if n == 20 {
			t.Errorf("and %d more classes", len(classes)-n)
			break
		}
		out, small := try(found[class])
		t.Errorf("-seed %d -case %d: %s\nIstio: %v\nthe library: %v\n%s", *seed, found[class], class, out.theirs.Err(), out.unlisted, small())
	}
	return total
}

// classOf tells problems apart that are worth a report each.
func classOf(out outcome) string {
	detail := ""
	switch out.problem {
	case unlisted:
		detail = out.unlisted[0].Code // the others show once this one is mended or listed
	case looser, rewritten:
		if err := out.theirs.Err(); err != nil {
			detail = digits.ReplaceAllString(err.Error(), "N")
			detail = detail[:min(len(detail), 120)]
		}
	}
	return out.problem + ": " + detail
}

var digits = regexp.MustCompile(`[0-9]+|"[^"]*"`)

// shrinkText makes the manifest smaller as long as the two sides disagree in the same way.
func shrinkText(j *judge.Judge, kind string, data []byte, was outcome) []byte {
	same := func(data []byte) bool { return classOf(askText(j, kind, data, true)) == classOf(was) }
	var tree map[string]any
	if text, err := yaml.YAMLToJSON(data); err == nil && json.Unmarshal(text, &tree) == nil && same([]byte(jsonText(tree))) {
		tree = shrinkTree(tree, func(tree map[string]any) bool { return same([]byte(jsonText(tree))) })
		return []byte(jsonText(tree))
	}
	for changed := true; changed; { // what is wrong lies in the text: fewer lines
		changed = false
		lines := strings.SplitAfter(string(data), "\n")
		for i := range lines {
			if less := []byte(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")); len(less) < len(data) && same(less) {
				data, changed = less, true
				break
			}
		}
	}
	return data
}

func shrinkTree(tree map[string]any, same func(map[string]any) bool) map[string]any {
	for changed := true; changed; {
		changed = false
		for i := range slots(tree) {
			less := clone(tree).(map[string]any)
			slots(less)[i].remove()
			if same(less) {
				tree, changed = less, true
				break
			}
		}
	}
	return tree
}

// shrinkTyped clears fields of the spec as long as the two sides disagree in the same way.
func shrinkTyped(j *judge.Judge, envelope map[string]any, spec proto.Message, was outcome) proto.Message {
	same := func(m proto.Message) bool { return classOf(askTyped(j, typed(envelope, m), true)) == classOf(was) }
	for changed := true; changed; {
		changed = false
		for n := 0; ; n++ {
			less := proto.Clone(spec)
			if count := n; !clearNth(less.ProtoReflect(), &count) {
				break
			}
			if same(less) {
				spec, changed = less, true
				break
			}
		}
	}
	return spec
}

// clearNth clears the n-th populated field below m, and reports whether there is one.
func clearNth(m protoreflect.Message, n *int) bool {
	done := false
	fields := m.Descriptor().Fields()
	for i := 0; i < fields.Len() && !done; i++ {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		if *n == 0 {
			m.Clear(fd)
			return true
		}
		*n--
		switch {
		case fd.IsList() && fd.Message() != nil:
			for l, k := m.Get(fd).List(), 0; k < l.Len() && !done; k++ {
				done = l.Get(k).Message().IsValid() && clearNth(l.Get(k).Message(), n)
			}
		case fd.IsMap() && fd.MapValue().Message() != nil:
			keys := []string{}
			byKey := map[string]protoreflect.Message{}
			m.Get(fd).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				keys = append(keys, k.String())
				byKey[k.String()] = v.Message()
				return true
			})
			slices.Sort(keys)
			for _, k := range keys {
				if done = done || clearNth(byKey[k], n); done {
					break
				}
			}
		case !fd.IsList() && !fd.IsMap() && fd.Message() != nil:
			done = clearNth(m.Mutable(fd).Message(), n)
		}
	}
	return done
}

// The generator's tables name fields by their full names: a name that does not exist would have no effect.
func TestGeneratorNamesFieldsThatExist(t *testing.T) {
	var names []protoreflect.FullName
	for name := range stringPools {
		names = append(names, name)
	}
	for name := range usually {
		names = append(names, name)
	}
	for _, name := range names {
		if !strings.Contains(string(name), ".") {
			continue
		}
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if _, ok := d.(protoreflect.FieldDescriptor); err != nil || !ok {
			t.Errorf("%s is no field: %v", name, err)
		}
	}
}

func FuzzDestinationRule(f *testing.F) { fuzz(f, destinationRule) }

func FuzzEnvoyFilter(f *testing.F) { fuzz(f, envoyFilter) }

// fuzz looks for texts that the library accepts and Istio refuses or reads otherwise. That the library may be
// stricter is checked with the generator alone.
func fuzz(f *testing.F, kind string) {
	j, err := judge.New()
	if err != nil {
		f.Fatal(err)
	}
	corpus, err := corpora()
	if err != nil {
		f.Fatal(err)
	}
	for _, tree := range corpus[kind] {
		f.Add([]byte(jsonText(tree)))
	}
	for i := range uint64(100) {
		f.Add(newGen(1, i).document(kind, corpus[kind]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if out := askText(j, kind, data, true); out.problem != "" && out.problem != unlisted {
			t.Errorf("%s\nIstio: %v\nthe library: %v\n%s", out.problem, out.theirs.Err(), out.ours, data)
		}
	})
}
