// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/json"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/textdiff"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
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

// Fix mends what of the findings can be mended without a question, and leaves every other byte of the manifests
// as it is, comments and the order of keys included:
//
//   - UPGRADE without an EnvoyFilter for all of its pods (WS340, WS341): the filter is added, as a document before the
//     DestinationRule's, or as a file of its own beside a List's or a JSON text's. It is not where a release of the mesh
//     is earlier than 1.12, where some pods have no sidecar, or where another filter has its name or cannot be read.
//   - h2UpgradePolicy that a port level or subset drops (WS164, WS165): it is written there too, unless the rule sets
//     different policies.
//   - a proxyVersion that leaves out a proxy of the mesh, matches what it does not mean, or is not anchored (WS441, WS443,
//     WS228), of a patch that sets allow_connect.
//   - an apiVersion that a control plane does not serve (WS446).
//
// Each change is read back: one after which a document says anything but what it said before with the change is not made,
// and stays among what is left. The manifests given are not changed. The error is that of a mesh without a release.
func (r *Report) Fix() (*Fixed, error) {
	objects, mesh := r.manifests, r.mesh
	work := &manifests.Set{Files: slices.Clone(objects.Files)}
	first, problems := newAuditor(work, mesh)
	if problems != nil {
		return nil, problems.Err()
	}
	before := first.audit()
	changed := first.mendTexts(work)
	second := first
	if changed {
		second, _ = newAuditor(work, mesh)
		second.audit()
	}
	if second.addFilters(work) {
		changed = true
	}
	fixed := &Fixed{Left: before}
	if !changed {
		return fixed, nil
	}
	third, _ := newAuditor(work, mesh)
	fixed.Left = third.audit()
	fixed.Mended = gone(before, fixed.Left)
	for i, f := range work.Files {
		if i >= len(objects.Files) {
			fixed.Files = append(fixed.Files, FixedFile{Name: f.Name, After: f.Data})
		} else if old := objects.Files[i].Data; !bytes.Equal(old, f.Data) {
			fixed.Files = append(fixed.Files, FixedFile{Name: f.Name, Before: bytes.Clone(old), After: f.Data})
		}
	}
	return fixed, nil
}

// Diff returns the changes of all files as a unified diff, which `patch -p1` and `git apply` take.
func (f *Fixed) Diff() string {
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

// An edit replaces bytes of a document.
type edit struct {
	start, end int
	text       string
	steps      []any // what it changes, and to what, for the check
	value      string
}

// mendTexts makes the changes within documents, and says whether there was one.
func (a *auditor) mendTexts(work *manifests.Set) bool {
	edits := map[*auditObject][]edit{}
	for _, h := range a.hits {
		path, value := a.mend(h)
		if value == "" {
			continue
		}
		tree, err := yamldoc.Parse(h.object.doc.Text)
		if err != nil {
			continue
		}
		if e, ok := setting(h.object.doc.Text, tree, yamldoc.Steps(path), value); ok {
			edits[h.object] = append(edits[h.object], e)
		}
	}
	changed := false
	for i := range work.Files {
		data := work.Files[i].Data
		// From the end to the beginning, so that offsets stay true.
		for _, o := range slices.Backward(a.objects) {
			if o.file != &work.Files[i] || edits[o] == nil {
				continue
			}
			after, ok := applied(o.doc.Text, edits[o])
			if !ok {
				continue
			}
			// A list's item keeps the "-" that its text has a blank for.
			if o.doc.Item && len(after) > 0 {
				dash := bytes.IndexFunc(data[o.doc.Offset:], func(r rune) bool { return r != ' ' })
				if dash >= 0 && data[o.doc.Offset+dash] == '-' {
					after[dash] = '-'
				}
			}
			data = slices.Concat(data[:o.doc.Offset], after, data[o.doc.Offset+len(o.doc.Text):])
			changed = true
		}
		replace(work, i, data)
	}
	return changed
}

func replace(m *manifests.Set, i int, data []byte) {
	fresh := manifests.Set{}
	_ = fresh.Add(m.Files[i].Name, bytes.NewReader(data)) // a bytes.Reader has no errors
	if m.Files[i].Problem == nil {
		m.Files[i] = fresh.Files[0]
	}
}

// mend returns which scalar to write where for a finding, or "" where it is not to be mended so.
func (a *auditor) mend(h hit) (path, value string) {
	switch o := h.object; h.Code {
	case destinationrule.PortLevelDropsPolicy.Code:
		return h.Path + "." + policyPath, onePolicy(o)
	case destinationrule.SubsetDropsPolicy.Code:
		return h.Path + ".http.h2UpgradePolicy", onePolicy(o)
	case finding.WS446.Code:
		return "apiVersion", a.wantedVersion()
	case finding.WS441.Code, finding.WS443.Code, envoyfilter.ProxyVersionNotAnchored.Code:
		if o.filter == nil || !a.connectsAt(o, h.Path) {
			return "", ""
		}
		return h.Path, a.wantedPattern()
	}
	return "", ""
}

// onePolicy returns the policy that the rule sets, where it sets no other one anywhere.
func onePolicy(o *auditObject) string {
	if o.rule == nil {
		return ""
	}
	policy := policyDefault
	for _, s := range policySites(o.rule.Spec) {
		if policy != policyDefault && s.policy != policy {
			return ""
		}
		policy = s.policy
	}
	return policy.String()
}

func (a *auditor) connectsAt(o *auditObject, path string) bool {
	return slices.ContainsFunc(a.filters, func(f *auditFilter) bool {
		return f.auditObject == o && slices.ContainsFunc(f.patches, func(p auditPatch) bool {
			return p.connects && strings.HasPrefix(path, p.path("."))
		})
	})
}

// wantedPattern matches every release from the boundary on, or from the oldest of the mesh where that is earlier.
func (a *auditor) wantedPattern() string {
	from := version.UpgradeBoundary.Since
	if a.oldest.Compare(from) < 0 {
		from = a.oldest
	}
	pattern, err := version.ProxyVersionPattern(">=" + from.String())
	if err != nil {
		return ""
	}
	return pattern
}

// setting returns the edit that sets the scalar at steps. Mappings that are missing on the way are written, too.
func setting(text []byte, tree *yamldoc.Node, steps []any, value string) (edit, bool) {
	e := edit{steps: steps, value: value}
	isJSON := json.Valid(text)
	if last, found := tree.At(steps...); found {
		n := last.Value
		if n.Kind != yamldoc.Scalar || n.Start == n.End || strings.IndexByte("|>", text[n.Start]) >= 0 {
			return e, false
		}
		e.start, e.end, e.text = n.Start, n.End, written(value, isJSON)
		return e, true
	}
	// The deepest mapping that is there.
	var in yamldoc.Entry
	depth := len(steps)
	for found := false; !found && depth > 0; {
		depth--
		in, found = tree.At(steps[:depth]...)
	}
	keys := make([]string, 0, len(steps)-depth)
	for _, s := range steps[depth:] {
		key, ok := s.(string)
		if !ok {
			return e, false
		}
		keys = append(keys, key)
	}
	flow := written(value, isJSON)
	for _, key := range slices.Backward(keys[1:]) {
		flow = "{" + written(key, isJSON) + ": " + flow + "}"
	}
	flow = written(keys[0], isJSON) + ": " + flow
	n := in.Value
	switch {
	case n.Kind == yamldoc.Null:
		e.start, e.text = n.Start, " {"+flow+"}"
	case n.Kind != yamldoc.Map:
		return e, false
	case n.Flow:
		e.start, e.text = n.Start+1, flow
		if len(n.Entries) > 0 {
			e.text += ", "
		}
	default:
		e.start = n.Start
		column := n.Start - (bytes.LastIndexByte(text[:n.Start], '\n') + 1)
		newline := "\n"
		if bytes.Contains(text, []byte("\r\n")) {
			newline = "\r\n"
		}
		for i, key := range keys {
			e.text += key + ":"
			if i < len(keys)-1 {
				e.text += newline + strings.Repeat(" ", column+2*(i+1))
			}
		}
		e.text += " " + written(value, false) + newline + strings.Repeat(" ", column)
	}
	e.end = e.start
	return e, true
}

// written returns a string without control characters as a scalar.
func written(s string, isJSON bool) string {
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./") == ""
	switch {
	case isJSON:
		return strconv.Quote(s)
	case plain:
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// applied makes the edits, and says whether the document then says what it said before, but for them.
func applied(text []byte, edits []edit) ([]byte, bool) {
	var want, got any
	if unmarshal(text, &want) != nil {
		return nil, false
	}
	slices.SortStableFunc(edits, func(x, y edit) int { return y.start - x.start })
	edits = slices.CompactFunc(edits, func(x, y edit) bool { return reflect.DeepEqual(x, y) })
	after := bytes.Clone(text)
	for i, e := range edits {
		if i > 0 && e.end > edits[i-1].start {
			return nil, false
		}
		after = slices.Concat(after[:e.start], []byte(e.text), after[e.end:])
		if want = with(want, e.steps, e.value); want == nil {
			return nil, false
		}
	}
	if unmarshal(after, &got) != nil || !reflect.DeepEqual(want, got) {
		return nil, false
	}
	return after, true
}

// with sets the scalar at steps in a tree as encoding/json has it. It returns nil where that cannot be done.
func with(tree any, steps []any, value string) any {
	if len(steps) == 0 {
		return value
	}
	switch step := steps[0].(type) {
	case string:
		if tree == nil {
			tree = map[string]any{}
		}
		if m, ok := tree.(map[string]any); ok {
			if m[step] = with(m[step], steps[1:], value); m[step] != nil {
				return m
			}
		}
	case int:
		if l, ok := tree.([]any); ok && step < len(l) {
			if l[step] = with(l[step], steps[1:], value); l[step] != nil {
				return l
			}
		}
	}
	return nil
}

// addFilters adds the EnvoyFilters that Services lack, and says whether there was one.
func (a *auditor) addFilters(work *manifests.Set) bool {
	if a.oldest.Compare(version.UpgradeBoundary.Since) < 0 {
		return false
	}
	taken := map[string]bool{}
	for _, f := range a.filters {
		taken[f.namespace()+"/"+f.meta.Name] = true
	}
	unread := map[string]bool{} // namespaces with a filter that may be the one
	for _, o := range a.objects {
		if o.kind == "EnvoyFilter" && o.filter == nil {
			unread[o.namespace()] = true
		}
	}
	added := map[*auditObject][]byte{} // before a rule
	var rules []*auditObject
	for _, c := range a.closed {
		name := c.service.meta.Name + "-allow-connect"
		if a.unfit[c.service] || unread[c.service.namespace()] || taken[c.service.namespace()+"/"+name] {
			continue
		}
		filter, err := envoyfilter.Builder{
			Name: name, Namespace: c.service.meta.Namespace, Workload: c.service.service.Selector,
			Patches: []envoyfilter.Patch{envoyfilter.AllowConnect(envoyfilter.SidecarInbound)},
		}.Build()
		if err != nil {
			continue // the Service's selector is one that no pod can match
		}
		text, err := filter.YAML()
		if err != nil {
			continue
		}
		taken[c.service.namespace()+"/"+name] = true
		if added[c.rule] == nil {
			rules = append(rules, c.rule)
		}
		added[c.rule] = slices.Concat(added[c.rule], text, []byte("---\n"))
	}
	// From the end to the beginning, so that offsets stay true.
	slices.SortStableFunc(rules, func(x, y *auditObject) int { return y.doc.Offset - x.doc.Offset })
	for _, o := range rules {
		i := slices.IndexFunc(work.Files, func(f manifests.File) bool { return &f.Docs[0] == &o.file.Docs[0] })
		text := added[o]
		if o.doc.Item || bytes.HasPrefix(bytes.TrimSpace(o.doc.Text), []byte("{")) {
			addBeside(work, o, bytes.TrimSuffix(text, []byte("---\n")))
			continue
		}
		data := work.Files[i].Data
		if bytes.HasPrefix(o.doc.Text, []byte("---")) {
			text = slices.Concat([]byte("---\n"), bytes.TrimSuffix(text, []byte("---\n")))
		}
		if bytes.Contains(o.doc.Text, []byte("\r\n")) {
			text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
		}
		work.Files[i].Data = slices.Concat(data[:o.doc.Offset], text, data[o.doc.Offset:])
	}
	for i := range work.Files {
		replace(work, i, work.Files[i].Data)
	}
	return len(rules) > 0
}

// addBeside adds a file in the directory of the rule's.
func addBeside(m *manifests.Set, o *auditObject, text []byte) {
	name := o.meta.Name + "-allow-connect.yaml"
	for n := 2; slices.ContainsFunc(m.Files, func(f manifests.File) bool { return f.Name == filepath.Join(filepath.Dir(o.file.Name), name) }); n++ {
		name = o.meta.Name + "-allow-connect-" + strconv.Itoa(n) + ".yaml"
	}
	_ = m.Add(filepath.Join(filepath.Dir(o.file.Name), name), bytes.NewReader(text)) // a bytes.Reader has no errors
}
