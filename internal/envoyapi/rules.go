// SPDX-License-Identifier: Apache-2.0

package envoyapi

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Envoy checks what it loads against the rules in its .proto files, the extensions of package validate
// (github.com/envoyproxy/protoc-gen-validate). go-control-plane has them as a method ValidateAll of each Go type. Here
// they are read from the descriptors, so that they hold for every message, be its Go type linked or not. The kinds of
// rules are those that Envoy's API has; TestRuleKinds of package linked fails where another comes up, and TestRules there
// compares each verdict with that of ValidateAll.
//
// That an enum has one of its values is no rule here: an EnvoyFilter may give no other, rule or not.

// A Violation is a rule that a message breaks.
type Violation struct {
	Field  protoreflect.FieldDescriptor // nil where the rule is that of a Oneof
	Oneof  protoreflect.OneofDescriptor // of which a member must be set, and none is
	Index  int                          // of the entry of a list that breaks it, and -1 where it is none
	Key    protoreflect.MapKey          // of the entry of a map whose key breaks it, where it is valid
	TooFew bool                         // a list has too few entries
	Reason string                       // the rule, as "value must be greater than 0s"
}

// Violations returns the rules that m's own fields break, and not those of the messages in them, in the order of the
// fields.
func Violations(m protoreflect.Message) []Violation {
	var all []Violation
	md := m.Descriptor()
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		// A member of a oneof, or an optional field, is held to its rules where it is set.
		if fd.ContainingOneof() == nil || m.Has(fd) {
			all = append(all, FieldViolations(m, fd)...)
		}
	}
	for i := range md.Oneofs().Len() {
		od := md.Oneofs().Get(i)
		if m.WhichOneof(od) == nil && isRequired(od) {
			all = append(all, Violation{Oneof: od, Index: -1, Reason: "value is required"})
		}
	}
	return all
}

// FieldViolations returns the rules for the field that m breaks.
func FieldViolations(m protoreflect.Message, fd protoreflect.FieldDescriptor) []Violation {
	r := rulesOf(fd)
	if r == nil {
		return nil
	}
	var all []Violation
	broken := func(v Violation) {
		v.Field = fd
		all = append(all, v)
	}
	check := func(rules []rule, v protoreflect.Value, at Violation) {
		for _, rule := range rules {
			if at.Reason = rule(v); at.Reason != "" {
				broken(at)
			}
		}
	}
	whole := Violation{Index: -1}
	switch {
	case fd.IsList():
		list := m.Get(fd).List()
		if whole.Reason = r.count(list.Len(), "item(s)", "items"); whole.Reason != "" {
			whole.TooFew = list.Len() < r.least
			broken(whole)
		}
		if len(r.entry) == 0 && !r.unique {
			break
		}
		seen := map[any]bool{}
		for i := range list.Len() {
			v := list.Get(i)
			if r.unique {
				key := v.Interface()
				if b, ok := key.([]byte); ok {
					key = string(b)
				}
				if seen[key] {
					broken(Violation{Index: i, Reason: "repeated value must contain unique items"})
				}
				seen[key] = true
			}
			check(r.entry, v, Violation{Index: i})
		}
	case fd.IsMap():
		entries := m.Get(fd).Map()
		if whole.Reason = r.count(entries.Len(), "pair(s)", "pairs"); whole.Reason != "" {
			broken(whole)
		}
		if len(r.entry) == 0 {
			break
		}
		var keys []protoreflect.MapKey
		entries.Range(func(key protoreflect.MapKey, _ protoreflect.Value) bool {
			keys = append(keys, key)
			return true
		})
		slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			check(r.entry, key.Value(), Violation{Index: -1, Key: key})
		}
	case fd.Message() == nil || m.Has(fd):
		check(r.value, m.Get(fd), whole)
	case r.required:
		whole.Reason = "value is required"
		if isWrapper(fd.Message()) && len(r.value) > 0 {
			whole.Reason += " and must not be nil." // protoc-gen-validate has two texts for one rule
		}
		broken(whole)
	}
	return all
}

// IsSkipped reports whether the message in the field, and all that is in it, is held to no rules.
func IsSkipped(fd protoreflect.FieldDescriptor) bool {
	r := rulesOf(fd)
	return r != nil && r.skip
}

// A rule says what is wrong with a value, and "" where nothing is.
type rule func(v protoreflect.Value) string

// rules are those of one field.
type rules struct {
	required, skip bool
	value          []rule
	entry          []rule // for each entry of a list, and the key of each entry of a map
	unique         bool
	least, most    int // entries of a list or map; most is -1 where there may be any number
}

// count says what is wrong with a number of entries.
func (r *rules) count(n int, one, many string) string {
	switch {
	case r.least > 0 && r.least == r.most && n != r.least:
		return fmt.Sprintf("value must contain exactly %d %s", r.least, one)
	case r.least > 0 && r.most >= 0 && (n < r.least || n > r.most):
		return fmt.Sprintf("value must contain between %d and %d %s, inclusive", r.least, r.most, many)
	case n < r.least:
		return fmt.Sprintf("value must contain at least %d %s", r.least, one)
	case r.most >= 0 && n > r.most:
		return fmt.Sprintf("value must contain no more than %d %s", r.most, one)
	}
	return ""
}

// compiled are the rules of the fields that were asked for: a *rules by its protoreflect.FieldDescriptor, nil where
// there are none.
var compiled sync.Map

func rulesOf(fd protoreflect.FieldDescriptor) *rules {
	if r, ok := compiled.Load(fd); ok {
		return r.(*rules)
	}
	var r *rules
	if o, ok := option(fd, "validate.rules"); ok {
		r = compile(fd, o.Message())
	}
	compiled.Store(fd, r)
	return r
}

func isRequired(od protoreflect.OneofDescriptor) bool {
	o, ok := option(od, "validate.required")
	return ok && o.Bool()
}

// option returns the extension of a descriptor's options. That of package validate is linked with every message of
// Envoy that is.
func option(d protoreflect.Descriptor, name protoreflect.FullName) (protoreflect.Value, bool) {
	xt, err := protoregistry.GlobalTypes.FindExtensionByName(name)
	if err != nil || !proto.HasExtension(d.Options(), xt) {
		return protoreflect.Value{}, false
	}
	return d.Options().ProtoReflect().Get(xt.TypeDescriptor()), true
}

// A group of rules is a message of validate.proto, in which rules have names.
type group struct{ protoreflect.Message }

func (g group) field(name protoreflect.Name) protoreflect.FieldDescriptor {
	return g.Descriptor().Fields().ByName(name)
}

// get returns the rule of that name where it is there.
func (g group) get(name protoreflect.Name) (protoreflect.Value, bool) {
	fd := g.field(name)
	if fd == nil || !g.Has(fd) {
		return protoreflect.Value{}, false
	}
	return g.Get(fd), true
}

func (g group) bool(name protoreflect.Name) bool {
	v, ok := g.get(name)
	return ok && v.Bool()
}

// number returns the number of that name, or none where it is not there.
func (g group) number(name protoreflect.Name, none int) int {
	if v, ok := g.get(name); ok {
		return int(v.Uint())
	}
	return none
}

// typed returns the rules for values of a type, which is their name.
func (g group) typed() (protoreflect.Name, group) {
	fd := g.WhichOneof(g.Descriptor().Oneofs().ByName("type"))
	if fd == nil {
		return "", group{}
	}
	return fd.Name(), group{g.Get(fd).Message()}
}

// compile reads a validate.FieldRules.
func compile(fd protoreflect.FieldDescriptor, options protoreflect.Message) *rules {
	all := group{options}
	r := &rules{most: -1}
	if message, ok := all.get("message"); ok {
		r.required, r.skip = group{message.Message()}.bool("required"), group{message.Message()}.bool("skip")
	}
	name, g := all.typed()
	switch name {
	case "":
	case "repeated":
		r.unique, r.least, r.most = g.bool("unique"), g.number("min_items", 0), g.number("max_items", -1)
		if items, ok := g.get("items"); ok {
			r.entry = values(fd, group{items.Message()})
		}
	case "map":
		r.least, r.most = g.number("min_pairs", 0), g.number("max_pairs", -1)
		if keys, ok := g.get("keys"); ok {
			r.entry = values(fd.MapKey(), group{keys.Message()})
		}
	default:
		r.required = r.required || g.bool("required") // of a duration or an Any
		r.value = values(fd, all)
	}
	return r
}

// values returns the rules for one value of the field: its own, or an entry of its list or map.
func values(fd protoreflect.FieldDescriptor, all group) []rule {
	name, g := all.typed()
	var rs []rule
	switch name {
	case "string":
		rs = texts(g)
	case "bytes":
		if rule := length(g, "min_len", "max_len", "bytes", func(v protoreflect.Value) int { return len(v.Bytes()) }); rule != nil {
			rs = append(rs, rule)
		}
	case "enum":
		rs = enums(g, fd.Enum())
	case "bool":
		rs = constant(g)
	case "duration":
		rs = durations(g)
	case "any":
	default:
		rs = bounds(g, protoreflect.Value.Interface, compareNumbers)
	}
	if g.bool("ignore_empty") { // of a text or a number
		for i, rule := range rs {
			rs[i] = func(v protoreflect.Value) string {
				if reflect.ValueOf(v.Interface()).IsZero() {
					return ""
				}
				return rule(v)
			}
		}
	}
	if fd.Message() == nil || !isWrapper(fd.Message()) {
		return rs
	}
	inner := fd.Message().Fields().ByNumber(1)
	for i, wrapped := range rs {
		rs[i] = func(v protoreflect.Value) string { return wrapped(v.Message().Get(inner)) }
	}
	return rs
}

// isWrapper reports whether the message holds one value, so that it can be told from none.
func isWrapper(md protoreflect.MessageDescriptor) bool {
	return md.ParentFile().Path() == "google/protobuf/wrappers.proto"
}

func duration(v protoreflect.Value) *durationpb.Duration {
	d, _ := WellKnown(v.Message()).Interface().(*durationpb.Duration) // to a nil one there are no seconds
	return d
}

// compare returns -1, 0 or 1, and 2 where a NaN is neither less nor greater nor equal.
func compare[T int64 | uint64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return 2
}

func compareNumbers(a, b protoreflect.Value) int {
	switch a.Interface().(type) {
	case int32, int64:
		return compare(a.Int(), b.Int())
	case uint32, uint64:
		return compare(a.Uint(), b.Uint())
	}
	return compare(a.Float(), b.Float())
}

// outside are the brackets of a range that a value must not be in, by those of the range where it must be.
var outside = map[string]string{")": "[", "]": "(", "(": "]", "[": ")"}

// bounds returns the rule for a number or duration between, or beyond, two others.
func bounds(g group, show func(protoreflect.Value) any, compare func(a, b protoreflect.Value) int) []rule {
	low, inclusive := g.get("gte")
	hasLow, open := inclusive, "["
	if !inclusive {
		low, hasLow = g.get("gt")
		open = "("
	}
	high, inclusive := g.get("lte")
	hasHigh, end := inclusive, "]"
	if !inclusive {
		high, hasHigh = g.get("lt")
		end = ")"
	}
	tooLow := func(v protoreflect.Value) bool { c := compare(v, low); return c == -1 || c == 0 && open == "(" }
	tooHigh := func(v protoreflect.Value) bool { c := compare(v, high); return c == 1 || c == 0 && end == ")" }
	var reason string
	var broken func(v protoreflect.Value) bool
	switch {
	case hasLow && hasHigh && compare(high, low) != 1: // less than the one or more than the other
		reason = fmt.Sprintf("value must be outside range %s%v, %v%s", outside[end], show(high), show(low), outside[open])
		broken = func(v protoreflect.Value) bool { return tooLow(v) && tooHigh(v) }
	case hasLow && hasHigh:
		reason = fmt.Sprintf("value must be inside range %s%v, %v%s", open, show(low), show(high), end)
		broken = func(v protoreflect.Value) bool { return tooLow(v) || tooHigh(v) }
	case hasLow && open == "[":
		reason, broken = fmt.Sprintf("value must be greater than or equal to %v", show(low)), tooLow
	case hasLow:
		reason, broken = fmt.Sprintf("value must be greater than %v", show(low)), tooLow
	case hasHigh && end == "]":
		reason, broken = fmt.Sprintf("value must be less than or equal to %v", show(high)), tooHigh
	case hasHigh:
		reason, broken = fmt.Sprintf("value must be less than %v", show(high)), tooHigh
	default:
		return nil
	}
	return []rule{reasonIf(reason, broken)}
}

func reasonIf(reason string, broken func(v protoreflect.Value) bool) rule {
	return func(v protoreflect.Value) string {
		if broken(v) {
			return reason
		}
		return ""
	}
}

func durations(g group) []rule {
	rs := bounds(g, func(v protoreflect.Value) any { return duration(v).AsDuration() }, func(a, b protoreflect.Value) int {
		return compare(int64(duration(a).AsDuration()), int64(duration(b).AsDuration()))
	})
	for i, rule := range rs {
		rs[i] = func(v protoreflect.Value) string {
			if duration(v).CheckValid() != nil {
				return "value is not a valid duration"
			}
			return rule(v)
		}
	}
	return rs
}

func constant(g group) []rule {
	want, ok := g.get("const")
	if !ok {
		return nil
	}
	return []rule{reasonIf(fmt.Sprintf("value must equal %v", want), func(v protoreflect.Value) bool { return !v.Equal(want) })}
}

func enums(g group, ed protoreflect.EnumDescriptor) []rule {
	refused, ok := g.get("not_in")
	if !ok {
		return nil
	}
	numbers, texts := map[protoreflect.EnumNumber]bool{}, []string{}
	for i := range refused.List().Len() {
		number := protoreflect.EnumNumber(refused.List().Get(i).Int())
		numbers[number] = true
		if value := ed.Values().ByNumber(number); value != nil {
			texts = append(texts, string(value.Name()))
		}
	}
	return []rule{reasonIf(fmt.Sprintf("value must not be in list %v", texts), func(v protoreflect.Value) bool { return numbers[v.Enum()] })}
}

// length returns the rule for how long a value is, and nil where there is none.
func length(g group, least, most protoreflect.Name, unit string, of func(protoreflect.Value) int) rule {
	low, high := g.number(least, 0), g.number(most, -1)
	_, hasLow := g.get(least)
	switch {
	case hasLow && low == high:
		return reasonIf(fmt.Sprintf("value length must be %d %s", low, unit), func(v protoreflect.Value) bool { return of(v) != low })
	case hasLow && high >= 0:
		return reasonIf(fmt.Sprintf("value length must be between %d and %d %s, inclusive", low, high, unit),
			func(v protoreflect.Value) bool { return of(v) < low || of(v) > high })
	case hasLow:
		return reasonIf(fmt.Sprintf("value length must be at least %d %s", low, unit), func(v protoreflect.Value) bool { return of(v) < low })
	case high >= 0:
		return reasonIf(fmt.Sprintf("value length must be at most %d %s", high, unit), func(v protoreflect.Value) bool { return of(v) > high })
	}
	return nil
}

// The patterns behind well_known_regex, as protoc-gen-validate has them (module/checker.go). Text that is not held to be
// strict may have what is no line break.
const (
	headerName  = "^:?[0-9a-zA-Z!#$%&'*+-.^_|~\x60]+$"
	headerValue = "^[^\u0000-\u0008\u000A-\u001F\u007F]*$"
	looseHeader = "^[^\u0000\u000A\u000D]*$"
)

func texts(g group) []rule {
	var rs []rule
	if in, ok := g.get("in"); ok {
		var allowed []string
		for i := range in.List().Len() {
			allowed = append(allowed, in.List().Get(i).String())
		}
		rs = append(rs, reasonIf(fmt.Sprintf("value must be in list %v", allowed), func(v protoreflect.Value) bool { return !slices.Contains(allowed, v.String()) }))
	}
	for _, rule := range []rule{
		length(g, "min_len", "max_len", "runes", func(v protoreflect.Value) int { return utf8.RuneCountInString(v.String()) }),
		length(g, "min_bytes", "max_bytes", "bytes", func(v protoreflect.Value) int { return len(v.String()) }),
	} {
		if rule != nil {
			rs = append(rs, rule)
		}
	}
	if prefix, ok := g.get("prefix"); ok {
		rs = append(rs, reasonIf(fmt.Sprintf("value does not have prefix %q", prefix.String()), func(v protoreflect.Value) bool { return !strings.HasPrefix(v.String(), prefix.String()) }))
	}
	if suffix, ok := g.get("suffix"); ok {
		rs = append(rs, reasonIf(fmt.Sprintf("value does not have suffix %q", suffix.String()), func(v protoreflect.Value) bool { return !strings.HasSuffix(v.String(), suffix.String()) }))
	}
	if pattern := patternOf(g); pattern != nil {
		rs = append(rs, reasonIf(fmt.Sprintf("value does not match regex pattern %q", pattern), func(v protoreflect.Value) bool { return !pattern.MatchString(v.String()) }))
	}
	return rs
}

// patternOf returns the pattern that a text must match, and nil where there is none.
func patternOf(g group) *regexp.Regexp {
	text := ""
	if pattern, ok := g.get("pattern"); ok {
		text = pattern.String()
	} else if known, ok := g.get("well_known_regex"); ok {
		strict := g.Get(g.field("strict")).Bool() // where it is not set, its default
		switch {
		case !strict:
			text = looseHeader
		case known.Enum() == 1:
			text = headerName
		default:
			text = headerValue
		}
	}
	pattern, err := regexp.Compile(text)
	if text == "" || err != nil {
		return nil // the patterns are Envoy's, and all compile: TestRules has them
	}
	return pattern
}
