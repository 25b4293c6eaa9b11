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
// they are read from the descriptors, so that they hold for every message, whether its Go type is linked or not. The kinds of
// rules are those that Envoy's API has; TestRuleKinds of package linked fails when there is another, and TestRules there
// compares each verdict with that of ValidateAll.
//
// The rule that an enum has one of its declared values is left out: an EnvoyFilter cannot express any other.

// A Violation is a rule that a message breaks.
type Violation struct {
	Field  protoreflect.FieldDescriptor // the field; nil for a rule of a oneof
	Oneof  protoreflect.OneofDescriptor // the oneof of which a member must be set, and none is
	Index  int                          // the index of the list's entry that breaks the rule; -1 for any other value
	Key    protoreflect.MapKey          // the key of a map that breaks the rule; not valid for any other value
	TooFew bool                         // the list has too few entries
	Reason string                       // the rule, such as "value must be greater than 0s"
}

// Violations returns the rules that m's own fields break, in the order of the fields. It does not look into the messages in
// the fields.
func Violations(m protoreflect.Message) []Violation {
	var all []Violation
	md := m.Descriptor()
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		// The rules of a member of a oneof, and of an optional field, count only if it is set.
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

// FieldViolations returns the rules of one field that m breaks.
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

// IsSkipped reports whether no rules count for the message in the field, and for all that is in it.
func IsSkipped(fd protoreflect.FieldDescriptor) bool {
	r := rulesOf(fd)
	return r != nil && r.skip
}

// A rule returns what is wrong with a value, and "" where nothing is.
type rule func(v protoreflect.Value) string

// rules are the rules of one field.
type rules struct {
	required, skip bool
	value          []rule
	entry          []rule // for each entry of a list, and for each key of a map
	unique         bool   // no two entries of the list are equal
	least, most    int    // the number of entries of a list or map; most is -1 if there is no limit
}

// count returns what is wrong with the number n of entries, and "" where nothing is.
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

// compiled are the rules of the fields that were asked for: a *rules for each protoreflect.FieldDescriptor, which is nil for a
// field without rules.
var compiled sync.Map

// rulesOf returns the rules of the field, and nil where it has none.
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

// isRequired reports whether a member of the oneof must be set.
func isRequired(od protoreflect.OneofDescriptor) bool {
	o, ok := option(od, "validate.required")
	return ok && o.Bool()
}

// option returns an extension of the descriptor's options. Those of package validate are linked with each message of Envoy.
func option(d protoreflect.Descriptor, name protoreflect.FullName) (protoreflect.Value, bool) {
	xt, err := protoregistry.GlobalTypes.FindExtensionByName(name)
	if err != nil || !proto.HasExtension(d.Options(), xt) {
		return protoreflect.Value{}, false
	}
	return d.Options().ProtoReflect().Get(xt.TypeDescriptor()), true
}

// A group is a message of validate.proto, whose fields are rules.
type group struct{ protoreflect.Message }

// field returns the field of that name.
func (g group) field(name protoreflect.Name) protoreflect.FieldDescriptor {
	return g.Descriptor().Fields().ByName(name)
}

// get returns the rule of that name, and reports whether it is set.
func (g group) get(name protoreflect.Name) (protoreflect.Value, bool) {
	fd := g.field(name)
	if fd == nil || !g.Has(fd) {
		return protoreflect.Value{}, false
	}
	return g.Get(fd), true
}

// bool reports whether the rule of that name is true.
func (g group) bool(name protoreflect.Name) bool {
	v, ok := g.get(name)
	return ok && v.Bool()
}

// number returns the number of that name, and none if it is not set.
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

// isWrapper reports whether the message is one of google.protobuf's that hold a single value, such as BoolValue.
func isWrapper(md protoreflect.MessageDescriptor) bool {
	return md.ParentFile().Path() == "google/protobuf/wrappers.proto"
}

// duration returns the duration in a field.
func duration(v protoreflect.Value) *durationpb.Duration {
	d, _ := WellKnown(v.Message()).Interface().(*durationpb.Duration) // a nil duration is 0s
	return d
}

// compare returns -1, 0 or 1 as a is less than, equal to or greater than b, and 2 if one of them is NaN.
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

// compareNumbers is compare for the numbers in two fields.
func compareNumbers(a, b protoreflect.Value) int {
	switch a.Interface().(type) {
	case int32, int64:
		return compare(a.Int(), b.Int())
	case uint32, uint64:
		return compare(a.Uint(), b.Uint())
	}
	return compare(a.Float(), b.Float())
}

// outside are the brackets of a range that a value must be outside of, by the brackets of the range that it must be in.
var outside = map[string]string{")": "[", "]": "(", "(": "]", "[": ")"}

// bounds returns the rule that a number or duration lies between two others, or outside of them. There is none where the group
// has no bounds.
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
	case hasLow && hasHigh && compare(high, low) != 1: // a value must be less than the upper or greater than the lower
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

// reasonIf returns the rule with that reason.
func reasonIf(reason string, broken func(v protoreflect.Value) bool) rule {
	return func(v protoreflect.Value) string {
		if broken(v) {
			return reason
		}
		return ""
	}
}

// durations returns the rules for a duration.
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

// constant returns the rule that a value is a certain one, if there is one.
func constant(g group) []rule {
	want, ok := g.get("const")
	if !ok {
		return nil
	}
	return []rule{reasonIf(fmt.Sprintf("value must equal %v", want), func(v protoreflect.Value) bool { return !v.Equal(want) })}
}

// enums returns the rule that an enum has none of some values, if there is one.
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

// length returns the rule for the length of a value, which the function of returns, and nil if there is none.
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

// The patterns of well_known_regex, as protoc-gen-validate has them (module/checker.go). Without strict, a text may have any
// character but NUL and line breaks.
const (
	headerName  = "^:?[0-9a-zA-Z!#$%&'*+-.^_|~\x60]+$"
	headerValue = "^[^\u0000-\u0008\u000A-\u001F\u007F]*$"
	looseHeader = "^[^\u0000\u000A\u000D]*$"
)

// texts returns the rules for a text.
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

// patternOf returns the pattern that a text must match, and nil if there is none.
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
		return nil // the patterns of Envoy all compile, as TestRules shows
	}
	return pattern
}
