// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/names"
	"github.com/wsmesh/wsmesh/internal/textdiff"
	"github.com/wsmesh/wsmesh/internal/traffic"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// Fixed is what [Report.Fix] mended.
type Fixed struct {
	Files  []FixedFile  // those that are changed or new, in the order of the manifests
	Mended finding.List // what the audit does not find any more
	Left   finding.List // what it still finds, with the lines of the mended files
}

// A FixedFile is a file before and after.
type FixedFile struct {
	Name          string // as it was given to [manifests.Set.Add]
	Before, After []byte // Before is nil for a new file
}

// Fix applies the corrections that have exactly one safe form, and leaves every other byte of the manifests as it is,
// comments and the order of keys included:
//
//   - UPGRADE without an EnvoyFilter for all of its pods (WS340, WS341): the filter is added, as a document before the
//     DestinationRule's, or as a file of its own beside a List's or a JSON text's. It is not where a release of the mesh
//     is earlier than 1.12, where some pods have no sidecar, or where another filter has its name or cannot be read.
//   - h2UpgradePolicy that a port level or subset drops (WS164, WS165): it is written there too, unless the rule sets
//     different policies.
//   - a proxyVersion that is not anchored (WS228): it gets the anchor, unless that leaves out a proxy of the mesh. One that leaves out a proxy of the mesh or matches
//     what it does not mean (WS441, WS443), of a patch that sets allow_connect and nothing else: it matches every release
//     from 1.12 on.
//   - an apiVersion that a control plane does not serve (WS446).
//
// Each change is read back: one after which a document says anything but what it said before with the change is not made.
// Nor is one after which the audit finds what it did not find before. The manifests given are not changed.
func (r *Report) Fix() (*Fixed, error) {
	if r == nil || r.auditor == nil {
		return nil, errors.New("audit: the Report is not one of Run")
	}
	ctx := context.Background()
	work := &mend{report: r, before: r.set.Files(), skip: map[string]bool{}}
	for {
		fixed, err := work.try(ctx)
		if err != nil {
			return nil, err
		}
		if worse := gone(fixed.Left, r.Findings); len(worse) == 0 || !work.leave(worse) {
			fixed.Mended = gone(r.Findings, fixed.Left)
			return fixed, nil
		}
	}
}

// Diff returns the changes of all files as a unified diff, which `patch -p1` and `git apply` take.
func (f *Fixed) Diff() string {
	if f == nil {
		return ""
	}
	var b strings.Builder
	for _, file := range f.Files {
		name := strings.TrimPrefix(file.Name, "/")
		from := "a/" + name
		if file.Before == nil {
			from = "/dev/null"
		}
		b.WriteString(textdiff.Unified(from, "b/"+name, string(file.Before), string(file.After)))
	}
	return b.String()
}

// gone returns the findings of before that after does not have. Lines may have moved.
func gone(before, after finding.List) finding.List {
	key := func(f finding.Finding) string { return f.Code + " " + f.File + " " + f.Object + " " + f.Path }
	still := map[string]int{}
	for _, f := range after {
		still[key(f)]++
	}
	var out finding.List
	for _, f := range before {
		if still[key(f)]--; still[key(f)] < 0 {
			out = append(out, f)
		}
	}
	return out
}

// A mend makes the changes of one Fix.
type mend struct {
	report  *Report
	before  []manifests.File
	changed []string        // the objects that the last try changed, or added a filter for
	skip    map[string]bool // the objects that are left as they are
}

// leave leaves out the changes that may have made the findings, and reports whether there are any.
func (m *mend) leave(worse finding.List) bool {
	left := false
	for _, object := range m.changed {
		if !m.skip[object] && slices.ContainsFunc(worse, func(f finding.Finding) bool { return f.Object == object }) {
			m.skip[object], left = true, true
		}
	}
	if left {
		return true
	}
	for _, object := range m.changed {
		left = left || !m.skip[object]
		m.skip[object] = true
	}
	return left
}

// try makes the changes to all objects but those that are left as they are.
func (m *mend) try(ctx context.Context) (*Fixed, error) {
	m.changed = nil
	files := slices.Clone(m.before)
	a, left := m.report.auditor, m.report.Findings
	audit := func() error {
		var set manifests.Set
		for _, f := range files {
			if f.Data != nil { // else it was not read
				if err := set.Add(f.Name, bytes.NewReader(f.Data)); err != nil {
					return err
				}
			}
		}
		r, err := Run(ctx, &set, m.report.mesh)
		if err != nil {
			return err
		}
		a, left = r.auditor, r.Findings
		return nil
	}
	if m.texts(a, left, files) {
		if err := audit(); err != nil {
			return nil, err
		}
	}
	if files = m.filters(a, files); len(m.changed) > 0 {
		if err := audit(); err != nil {
			return nil, err
		}
	}
	fixed := &Fixed{Left: left}
	for i, f := range files {
		switch {
		case i >= len(m.before):
			fixed.Files = append(fixed.Files, FixedFile{Name: f.Name, After: f.Data})
		case !bytes.Equal(m.before[i].Data, f.Data):
			fixed.Files = append(fixed.Files, FixedFile{Name: f.Name, Before: bytes.Clone(m.before[i].Data), After: f.Data})
		}
	}
	return fixed, nil
}

// An insertion puts text at a place of a file, in the place of what stands there up to end.
type insertion struct {
	start, end int
	text       []byte
}

// insert makes the changes to a text. It returns nil where they overlap.
func insert(data []byte, changes []insertion) []byte {
	slices.SortStableFunc(changes, func(x, y insertion) int { return cmp.Compare(x.start, y.start) })
	var out []byte
	at := 0
	for _, c := range changes {
		if c.start < at {
			return nil
		}
		out = append(append(out, data[at:c.start]...), c.text...)
		at = c.end
	}
	return append(out, data[at:]...)
}

// texts makes the changes within documents, and reports whether there was one.
func (m *mend) texts(a *auditor, found finding.List, files []manifests.File) bool {
	about := map[[2]string]finding.List{} // by file and object
	for _, f := range found {
		about[[2]string{f.File, f.Object}] = append(about[[2]string{f.File, f.Object}], f)
	}
	changes := map[string][]insertion{}
	byName := filesByName(files)
	for _, o := range a.objects {
		i, ok := byName[o.File]
		if !ok || m.skip[o.String()] {
			continue
		}
		var todo []setting
		for _, f := range about[[2]string{o.File, o.String()}] {
			if s, ok := a.setting(o, f); ok {
				todo = append(todo, s)
			}
		}
		text := o.Text()
		after, ok := applied(text, todo)
		if !ok {
			continue
		}
		// A list's item keeps the "-" that its text has a blank for.
		if dash := bytes.IndexFunc(files[i].Data[o.Offset:], func(r rune) bool { return r != ' ' }); dash >= 0 && dash < len(after) && text[dash] == ' ' {
			after[dash] = files[i].Data[o.Offset+dash]
		}
		changes[o.File] = append(changes[o.File], insertion{o.Offset, o.Offset + len(text), after})
		m.changed = append(m.changed, o.String())
	}
	change(files, changes)
	return len(m.changed) > 0
}

// filesByName returns the places of the files by their names, but for names that several have.
func filesByName(files []manifests.File) map[string]int {
	places := map[string]int{}
	twice := map[string]bool{}
	for i, f := range files {
		_, had := places[f.Name]
		twice[f.Name] = twice[f.Name] || had
		places[f.Name] = i
	}
	maps.DeleteFunc(places, func(name string, _ int) bool { return twice[name] })
	return places
}

// change makes the changes to the files, by their names.
func change(files []manifests.File, changes map[string][]insertion) {
	for i, f := range files {
		if c := changes[f.Name]; c != nil {
			files[i].Data = insert(f.Data, c)
		}
	}
}

// A setting is a scalar to be written at a path of an object.
type setting struct {
	path  fieldpath.Path
	value string
}

// setting returns what mends a finding of an object, where that is one scalar.
func (a *auditor) setting(o *manifests.Object, f finding.Finding) (s setting, ok bool) {
	path, err := fieldpath.Parse(f.Path)
	if err != nil {
		return s, false
	}
	s.path = path
	switch f.Code {
	case destinationrule.PortLevelDropsPolicy.Code:
		s.path, s.value = append(path, steps("connectionPool", "http", "h2UpgradePolicy")...), a.onePolicy(o)
	case destinationrule.SubsetDropsPolicy.Code:
		s.path, s.value = append(path, steps("http", "h2UpgradePolicy")...), a.onePolicy(o)
	case VersionNotServed.Code:
		s.value = a.wantedVersion()
	case PatternLeavesOutProxy.Code, PatternCutsNumber.Code:
		// Whatever else the patch sets is meant for the releases that it names.
		if p := a.patch(o, path); p != nil && p.OnlyConnects() {
			s.value = a.wantedPattern()
		}
	case envoyfilter.ProxyVersionNotAnchored.Code:
		if p := a.patch(o, path); p != nil {
			s.value = a.anchored(p.Releases)
		}
	}
	return s, s.value != ""
}

func steps(names ...string) (path fieldpath.Path) {
	for _, name := range names {
		path.Push(fieldpath.Name(name))
	}
	return path
}

// onePolicy returns the policy that a rule sets, where it sets no other one anywhere.
func (a *auditor) onePolicy(o *manifests.Object) string {
	r := a.rules[o]
	if r == nil || len(r.Sites) == 0 || slices.ContainsFunc(r.Sites, func(s traffic.Site) bool { return s.Policy != r.Sites[0].Policy }) {
		return ""
	}
	return r.Sites[0].Policy.String()
}

// patch returns the patch of a filter that a path leads into.
func (a *auditor) patch(o *manifests.Object, path fieldpath.Path) *traffic.Patch {
	f := a.filters[o]
	if f == nil || len(path) < 3 {
		return nil
	}
	if i, ok := path[2].Index(); ok && i < len(f.Patches) {
		return f.Patches[i]
	}
	return nil
}

// anchored returns a pattern that is found at the beginning of a version alone, and "" where it would leave out a proxy of the
// mesh that the one of the patch matches.
func (a *auditor) anchored(releases *traffic.Releases) string {
	pattern := "^" + releases.Pattern
	if strings.Contains(releases.Pattern, "|") {
		pattern = "^(?:" + releases.Pattern + ")"
	}
	re, err := regexp.Compile(pattern)
	if err != nil || slices.ContainsFunc(a.Proxies, func(r version.Release) bool {
		return releases.Admits(r) && !re.MatchString(r.Original()) && !re.MatchString(r.String())
	}) {
		return ""
	}
	return pattern
}

// wantedPattern matches every release from the boundary on, or from the oldest of the mesh where that is earlier.
func (a *auditor) wantedPattern() string {
	from := version.UpgradeBoundary.Since
	if a.Oldest.Compare(from) < 0 {
		from = a.Oldest
	}
	pattern, err := version.ProxyVersionPattern(">=" + from.String())
	if err != nil {
		return ""
	}
	return pattern
}

// applied makes the settings in a document. It reports false where the document would then say anything but what it said
// before with the settings.
func applied(text []byte, settings []setting) ([]byte, bool) {
	if len(settings) == 0 {
		return nil, false
	}
	root, _ := yamldoc.Parse(text)
	if root == nil {
		return nil, false
	}
	want := root.Interface()
	index := yamldoc.NewIndex(text)
	isJSON := json.Valid(text)
	var changes []insertion
	made := map[string]bool{}
	for _, s := range settings {
		if made[s.path.String()+"="+s.value] {
			continue
		}
		made[s.path.String()+"="+s.value] = true
		edit, ok := s.change(text, root, index, isJSON)
		if !ok {
			return nil, false
		}
		changes = append(changes, edit)
		if want = with(want, s.path, s.value); want == nil {
			return nil, false
		}
	}
	after := insert(text, changes)
	if after == nil {
		return nil, false
	}
	got, problems := yamldoc.Parse(after)
	if got == nil || len(problems) > 0 || !reflect.DeepEqual(got.Interface(), want) {
		return nil, false
	}
	return after, true
}

// change returns the change to the text that makes the setting. Mappings that are missing on the way are written, too.
func (s setting) change(text []byte, root *yamldoc.Node, index *yamldoc.Index, isJSON bool) (insertion, bool) {
	_, n, depth := root.At(s.path)
	if depth == len(s.path) {
		start, end, ok := index.Scalar(n)
		return insertion{start, end, []byte(written(s.value, isJSON))}, ok
	}
	var keys []string
	for _, step := range s.path[depth:] {
		name, ok := step.Name()
		if !ok {
			return insertion{}, false
		}
		keys = append(keys, name)
	}
	start, ok := index.Start(n)
	if !ok {
		return insertion{}, false
	}
	flow := written(s.value, isJSON)
	for _, key := range slices.Backward(keys[1:]) {
		flow = "{" + written(key, isJSON) + ": " + flow + "}"
	}
	flow = written(keys[0], isJSON) + ": " + flow
	switch {
	case n.Type() == yamldoc.Null:
		return insertion{start, start, []byte(" {" + flow + "}")}, start == 0 || text[start-1] == ':' || text[start-1] == '-'
	case n.Type() != yamldoc.Map:
		return insertion{}, false
	case n.Style&yaml.FlowStyle != 0:
		if n.Len() > 0 {
			flow += ", "
		}
		return insertion{start + 1, start + 1, []byte(flow)}, true
	}
	column := start - (bytes.LastIndexByte(text[:start], '\n') + 1)
	newline := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		newline = "\r\n"
	}
	block := ""
	for i, key := range keys {
		block += key + ":"
		if i < len(keys)-1 {
			block += newline + strings.Repeat(" ", column+2*(i+1))
		}
	}
	return insertion{start, start, []byte(block + " " + written(s.value, false) + newline + strings.Repeat(" ", column))}, true
}

// written returns a string without control characters as a scalar.
func written(s string, isJSON bool) string {
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./") == ""
	switch {
	case isJSON:
		text, _ := json.Marshal(s) // a string
		return string(text)
	case plain:
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// with sets the scalar at the path in a tree as encoding/json has it. It returns nil where that cannot be done.
func with(tree any, path fieldpath.Path, value string) any {
	if len(path) == 0 {
		return value
	}
	if name, ok := path[0].Name(); ok {
		if tree == nil {
			tree = map[string]any{}
		}
		if m, ok := tree.(map[string]any); ok {
			if m[name] = with(m[name], path[1:], value); m[name] != nil {
				return m
			}
		}
		return nil
	}
	if l, ok := tree.([]any); ok {
		if i, _ := path[0].Index(); i < len(l) {
			if l[i] = with(l[i], path[1:], value); l[i] != nil {
				return l
			}
		}
	}
	return nil
}

// filters adds the EnvoyFilters that Services lack.
func (m *mend) filters(a *auditor, files []manifests.File) []manifests.File {
	if a.Oldest.Compare(version.UpgradeBoundary.Since) < 0 {
		return files
	}
	taken := map[string]bool{}
	unread := map[string]bool{} // namespaces with a filter that may be the one
	for _, o := range a.objects {
		if o.Kind == "EnvoyFilter" {
			taken[o.InNamespace()+"/"+o.Name] = true
			unread[o.InNamespace()] = unread[o.InNamespace()] || o.Value == nil || o.Refused
		}
	}
	unfit := map[*traffic.Service]bool{} // with pods that no EnvoyFilter can open
	for _, reach := range a.reaches {
		if reach.Cause == traffic.ByRule && len(reach.In(traffic.Ambient))+len(reach.In(traffic.NoSidecar)) > 0 {
			unfit[reach.Service] = true
		}
	}
	changes := map[string][]insertion{}
	byName := filesByName(files)
	for _, reach := range a.reaches {
		closed, _ := reach.Closed()
		if reach.Cause != traffic.ByRule || len(closed) == 0 {
			continue
		}
		s, rule := reach.Service, reach.Rule
		name := s.Name + "-allow-connect"
		if s.IsEntry() || !reach.Speaks(traffic.HTTP1) || unfit[s] || unread[s.InNamespace()] || taken[s.InNamespace()+"/"+name] || m.skip[rule.String()] {
			continue
		}
		filter, err := envoyfilter.Builder{
			Name: name, Namespace: s.Namespace, Workload: s.Selector,
			Patches: []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.SidecarInbound)},
		}.Build()
		if err != nil {
			continue // the Service's selector is one that no pod can match
		}
		text, err := filter.YAML()
		if err != nil {
			continue
		}
		doc := rule.Text()
		switch {
		case rule.IsItem() || bytes.HasPrefix(bytes.TrimSpace(doc), []byte("{")):
			beside, ok := newFile(files, rule.Object, text)
			if !ok {
				continue
			}
			files = append(files, beside)
		default:
			i, ok := byName[rule.File]
			if !ok {
				continue
			}
			changes[rule.File] = append(changes[rule.File], document(files[i].Data, rule.Object, doc, text))
		}
		taken[s.InNamespace()+"/"+name] = true
		m.changed = append(m.changed, rule.String())
	}
	change(files, changes)
	return files
}

// document puts a document before that of a rule, and below the comment at the beginning of the file.
func document(data []byte, rule *manifests.Object, doc, text []byte) insertion {
	at := rule.Offset
	if bytes.HasPrefix(doc, []byte("---")) {
		text = slices.Concat([]byte("---\n"), text)
	} else {
		text = slices.Concat(text, []byte("---\n"))
		if len(bytes.Trim(data[:at], "\ufeff")) == 0 {
			at += header(doc)
		}
	}
	if bytes.Contains(doc, []byte("\r\n")) {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}
	return insertion{at, at, text}
}

// header returns the length of the comment that a file begins with: its lines up to the first blank one, that included.
func header(text []byte) int {
	n := 0
	for line := range bytes.Lines(text) {
		content := bytes.TrimSpace(line)
		if len(content) > 0 && content[0] == '#' {
			n += len(line)
			continue
		}
		if len(content) == 0 && n > 0 {
			n += len(line)
		}
		break
	}
	return n
}

// newFile returns a file in the directory of the rule's. It reports false where the rule's name cannot be that of a file.
func newFile(files []manifests.File, rule *manifests.Object, text []byte) (manifests.File, bool) {
	if names.Subdomain(rule.Name) != "" {
		return manifests.File{}, false
	}
	dir := filepath.Dir(rule.File)
	name := filepath.Join(dir, rule.Name+"-allow-connect.yaml")
	for n := 2; slices.ContainsFunc(files, func(f manifests.File) bool { return f.Name == name }); n++ {
		name = filepath.Join(dir, rule.Name+"-allow-connect-"+strconv.Itoa(n)+".yaml")
	}
	return manifests.File{Name: name, Data: text}, true
}
