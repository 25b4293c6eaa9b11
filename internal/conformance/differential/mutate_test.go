// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"unicode"

	"sigs.k8s.io/yaml"
)

// A slot is one place in a tree of JSON values: an entry of an object or of a list.
type slot struct {
	object map[string]any
	key    string
	list   []any
	index  int
	// parent is the slot that holds list, which a longer list replaces.
	parent *slot
	path   string
}

func (s slot) get() any {
	if s.object != nil {
		return s.object[s.key]
	}
	return s.list[s.index]
}

func (s slot) set(v any) {
	if s.object != nil {
		s.object[s.key] = v
		return
	}
	s.list[s.index] = v
}

// remove takes the entry out of its object or list.
func (s slot) remove() {
	if s.object != nil {
		delete(s.object, s.key)
		return
	}
	s.parent.set(slices.Delete(slices.Clone(s.list), s.index, s.index+1))
}

// slots lists the places of a tree in a fixed order.
func slots(tree any) []slot {
	var out []slot
	var walk func(v any, parent *slot, path string)
	walk = func(v any, parent *slot, path string) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range sortedKeys(v) {
				s := slot{object: v, key: k, path: path + "." + k}
				out = append(out, s)
				walk(v[k], &s, s.path)
			}
		case []any:
			for i := range v {
				s := slot{list: v, index: i, parent: parent, path: path + "[]"}
				out = append(out, s)
				walk(v[i], &s, s.path)
			}
		}
	}
	walk(tree, nil, "")
	return out
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// hostile are values that fit few fields.
func hostile(g *gen) any {
	return pick(g, []any{
		nil, true, false, "", "0", "1", "true", "null", json.Number("0"), json.Number("-1"), json.Number("1.5"), json.Number("1.0"), json.Number("1e2"), json.Number("1E400"), json.Number("4294967296"), json.Number("9223372036854775808"), json.Number("-0"), json.Number("18446744073709551616"), json.Number("3000000000"),
		map[string]any{}, []any{}, []any{nil}, map[string]any{"": nil}, map[string]any{"a": nil}, []any{map[string]any{}}, []any{[]any{}},
		strings.Repeat("x", 70), strings.Repeat("x", 5000), "\u0000", "é", "NaN", "Infinity", "1s", "UPGRADE", "MERGE",
	})
}

// mutateTree changes one thing in the tree.
func (g *gen) mutateTree(tree map[string]any) {
	all := slots(tree)
	if len(all) == 0 {
		tree[pick(g, strayKeys)] = hostile(g)
		return
	}
	s := pick(g, all)
	if g.chance(0.5) { // the nearer to a leaf, the more nearly valid it stays
		s = pick(g, all)
		if _, ok := s.get().(map[string]any); ok {
			s = pick(g, all)
		}
	}
	v := s.get()
	switch g.IntN(16) {
	case 0:
		s.set(hostile(g))
	case 1:
		s.remove()
	case 2: // another spelling of the name
		if s.object != nil {
			s.object[g.respell(s.key)] = v
			delete(s.object, s.key)
		}
	case 3: // both spellings
		if s.object != nil {
			s.object[g.respell(s.key)] = v
		}
	case 4: // a duplicate
		if s.object == nil {
			s.parent.set(append(slices.Clone(s.list), v))
		}
	case 5:
		s.set([]any{v})
	case 6:
		s.set(map[string]any{pick(g, append(strayKeys, lastKey(s))): v})
	case 7: // one level less
		switch v := v.(type) {
		case []any:
			if len(v) > 0 {
				s.set(v[0])
			}
		case map[string]any:
			if keys := sortedKeys(v); len(keys) > 0 {
				s.set(v[pick(g, keys)])
			}
		}
	case 8: // a field that does not belong there, or not any more
		if m, ok := v.(map[string]any); ok {
			m[pick(g, strayKeys)] = hostile(g)
		}
	case 9, 10: // the right value in the wrong type
		s.set(g.retype(v))
	case 11, 12, 13: // another value for a field of that name
		s.set(g.revalue(lastKey(s), v))
	case 14: // a value from elsewhere
		s.set(clone(pick(g, all).get()))
	case 15:
		s.set(nil)
	}
}

// lastKey is the name of the field that the slot belongs to.
func lastKey(s slot) string {
	for s.object == nil {
		if s.parent == nil {
			return ""
		}
		s = *s.parent
	}
	return s.key
}

var strayKeys = []string{
	"", "status", "foo", "name", "labels", "value", "@type", "typed_config", "typedConfig", "typed_per_filter_config", "connectionPool", "connection_pool", "http", "h2UpgradePolicy", "h2_upgrade_policy", "useClientProtocol", "portLevelSettings",
	"selector", "targetRef", "targetRefs", "workloadSelector", "priority", "exportTo", "websocketUpgrade", "allow_connect", "allowConnect", "allow_conect", "config", "match", "context", "waypoint", "listener", "cluster", "metadata", "creationTimestamp", "generateName", "finalizers", "stat_prefix", "http_filters", "upgrade_configs", "http2_protocol_options",
}

// respell gives another spelling of a field's name.
func (g *gen) respell(key string) string {
	if key == "" {
		return "a"
	}
	switch g.IntN(6) {
	case 0: // snake_case
		var b strings.Builder
		for _, r := range key {
			if unicode.IsUpper(r) {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToLower(r))
		}
		return b.String()
	case 1: // lowerCamelCase
		parts := strings.Split(key, "_")
		for i := 1; i < len(parts); i++ {
			if parts[i] != "" {
				parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
			}
		}
		return strings.Join(parts, "")
	case 2:
		return strings.ToUpper(key[:1]) + key[1:]
	case 3: // a letter short
		i := g.IntN(len(key))
		return key[:i] + key[i+1:]
	case 4:
		return strings.ToUpper(key)
	}
	return key + pick(g, []string{" ", "s", "_", ".", "\u200b"})
}

// retype writes the same value in another type of JSON, or in another form of the same.
func (g *gen) retype(v any) any {
	switch v := v.(type) {
	case string:
		return pick(g, []any{json.Number("1"), true, []any{v}, v + " ", strings.ToLower(v), strings.ToUpper(v), v + "\n", map[string]any{"value": v}, nil})
	case bool:
		return pick(g, []any{!v, "true", json.Number("1"), nil, "yes"})
	case float64:
		return g.renumber(json.Number(strings.TrimSuffix(jsonText(v), "\n")))
	case json.Number:
		return g.renumber(v)
	case nil:
		return pick(g, []any{"", false, json.Number("0"), map[string]any{}, []any{}})
	case []any:
		return pick(g, []any{map[string]any{}, []any{}, nil, map[string]any{"0": v}, jsonText(v)})
	case map[string]any:
		return pick(g, []any{map[string]any{}, []any{}, nil, []any{v}, jsonText(v), ""})
	}
	return v
}

func (g *gen) renumber(n json.Number) any {
	s := n.String()
	return pick(g, []any{s, json.Number(s + ".0"), json.Number(s + ".5"), json.Number(s + "e0"), json.Number(s + "0000000000"), json.Number("-" + strings.TrimPrefix(s, "-")), json.Number(s + "E+2"), " " + s, s + ".0", "0x10", json.Number("0"), true, nil})
}

// revalue draws a value for a field by its name, or of the same type.
func (g *gen) revalue(key string, v any) any {
	switch key {
	case "apiVersion":
		return pick(g, []any{"networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3", "networking.istio.io/v1alpha1", "v1", ""})
	case "kind":
		return pick(g, []any{"DestinationRule", "EnvoyFilter", "destinationrule", "VirtualService", "", "List"})
	case "host", "targetHost":
		return edgy(g, hosts)
	case "name", "namespace":
		return edgy(g, names)
	case "proxyVersion":
		return edgy(g, regexes)
	case "from", "to", "failoverPriority":
		return pick(g, localityEdges)
	case "@type":
		return edgy(g, typePrefixes) + edgy(g, extensions)
	}
	if k := strings.ToLower(key); strings.Contains(k, "time") || strings.Contains(k, "interval") || strings.Contains(k, "duration") || strings.Contains(k, "ttl") {
		return edgy(g, durationTexts)
	}
	switch v := v.(type) {
	case string:
		if strings.HasSuffix(v, "s") && len(v) > 1 && unicode.IsDigit(rune(v[0])) {
			return edgy(g, durationTexts)
		}
		return pick(g, []any{edgy(g, strs), edgy(g, hosts), edgy(g, labelValues), edgy(g, filterNames)})
	case float64, json.Number:
		return pick(g, []any{json.Number(strings.TrimSpace(jsonText(edgy(g, uints)))), json.Number(strings.TrimSpace(jsonText(edgy(g, ints)))), 0.5, json.Number("101"), json.Number("5000011")})
	case bool:
		return g.chance(0.5)
	}
	return hostile(g)
}

// edgy draws an edge case as often as a usual value.
func edgy[T any](g *gen, p pool[T]) T {
	if g.chance(0.5) && len(p.usual) > 0 {
		return pick(g, p.usual)
	}
	return pick(g, p.edge)
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// jsonText writes a tree as JSON; numbers that JSON has no form for become 0.
func jsonText(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		v = 0
	}
	if err := enc.Encode(v); err != nil {
		return "{}\n"
	}
	return b.String()
}

// text writes a document as JSON or YAML and then, now and then, does to the text what people and their tools do.
func (g *gen) text(tree map[string]any) []byte {
	text := jsonText(tree)
	switch g.IntN(6) {
	case 0: // as people's tools indent it
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(text), "", pick(g, []string{"  ", "\t", "    "})); err == nil {
			text = b.String()
		}
	case 1, 2, 3:
		if y, err := yaml.JSONToYAML([]byte(text)); err == nil {
			text = string(y)
		}
	}
	for g.chance(g.wild * 2) {
		text = g.mutateText(text)
	}
	return []byte(text)
}

func (g *gen) mutateText(text string) string {
	lines := strings.SplitAfter(text, "\n")
	i := g.IntN(len(lines))
	switch g.IntN(14) {
	case 0: // the same line twice: a duplicate key
		return strings.Join(slices.Insert(slices.Clone(lines), i, lines[i]), "")
	case 1:
		return strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
	case 2:
		lines[i] = " " + lines[i]
	case 3:
		lines[i] = "\t" + lines[i]
	case 4:
		lines[i] = strings.NewReplacer(`"`, "", "'", "").Replace(lines[i])
	case 5:
		lines[i] = strings.TrimSuffix(lines[i], "\n") + " # a comment\n"
	case 6:
		return pick(g, []string{"---\n", "# a comment\n", "\ufeff", "\n\n", "%YAML 1.1\n---\n", "--- # doc\n", "...\n", "---\n---\n"}) + text
	case 7:
		return text + pick(g, []string{"---\n", "...\n", "---\n{}\n", "\n\n", "# end", "---\nnull\n", "---\nkind: Pod\n", "{}", ",", "]", "}", "\x00"})
	case 8:
		return strings.ReplaceAll(text, "\n", "\r\n")
	case 9: // cut off
		return text[:g.IntN(len(text)+1)]
	case 10: // another byte
		if len(text) == 0 {
			return text
		}
		b := []byte(text)
		b[g.IntN(len(b))] = pick(g, []byte{0, ' ', '"', '\'', '{', '}', ':', ',', '*', '&', '!', '|', '>', '0', 'a', 0xff, 0x7f, '\n', '-'})
		return string(b)
	case 11: // scalars of YAML 1.1
		return strings.Replace(text, pick(g, []string{"true", "1", "80", "UPGRADE", "default", "\"\"", "''", "1s"}), pick(g, []string{"yes", "on", "0x50", "0o12", "1_000", "010", "1:30", ".inf", ".nan", "~", "!!str 1", "!!int \"80\"", "!!float 1", "2001-01-01", "|\n  a", "+1", "1.", "&a b", "*a"}), 1)
	case 12: // anchors and merge keys
		return strings.Replace(text, "spec:", pick(g, []string{"spec: &s", "spec: *s", "spec: !!map", "<<: {spec: 1}\nspec:", "? spec\n:", "\"spec\":", "'spec' :"}), 1)
	case 13:
		return strings.Replace(text, `"spec":{`, pick(g, []string{`"spec":{},"spec":{`, `"Spec":{`, `"spec":{"spec":{},`, `"sp\u0065c":{`, `"status":{"a":1},"spec":{`}), 1)
	}
	return strings.Join(lines, "")
}
