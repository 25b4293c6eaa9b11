// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A report collects findings. What checks a part of an object reports paths relative to it, and its caller
// puts the way to the part before them. So nothing is spent on paths where all is well.
type report struct {
	list finding.List

	// tooDeep says that a message goes deeper than maxDepth, and that nothing more of it is written.
	tooDeep bool

	// The fields of the messages that are being walked, one message on top of the other: see fields.
	set   []setField
	push  func(protoreflect.FieldDescriptor, protoreflect.Value) bool
	first [4]setField
}

// A setField is a field of a message and its value.
type setField struct {
	fd protoreflect.FieldDescriptor
	v  protoreflect.Value
}

// fields returns the fields that m sets, until drop is called with them. All messages share one function to range
// with and one stack, because a closure for each message would be most of what a small EnvoyFilter costs.
func (r *report) fields(m protoreflect.Message) []setField {
	if r.push == nil {
		r.set = r.first[:0]
		r.push = func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			r.set = append(r.set, setField{fd, v})
			return true
		}
	}
	start := len(r.set)
	m.Range(r.push)
	return r.set[start:]
}

// drop gives back what fields returned last.
func (r *report) drop(set []setField) { r.set = r.set[:len(r.set)-len(set)] }

func (r *report) add(f finding.Finding) { r.list = append(r.list, f) }

// mark is the place in the list that field, entry, item and below start from.
func (r *report) mark() int { return len(r.list) }

// since says whether something was reported after mark.
func (r *report) since(mark int) bool { return len(r.list) > mark }

// field puts a field's name before the paths of what was reported since mark.
func (r *report) field(mark int, name string) {
	if r.since(mark) {
		r.below(mark, step(name))
	}
}

// entry puts the key of a map's entry before the paths of what was reported since mark.
func (r *report) entry(mark int, key string) {
	if r.since(mark) {
		r.below(mark, entryStep(key))
	}
}

// item puts the index of a list's entry before the paths of what was reported since mark.
func (r *report) item(mark, index int) {
	if r.since(mark) {
		r.below(mark, "["+strconv.Itoa(index)+"]")
	}
}

// below puts prefix before the paths of what was reported since mark.
func (r *report) below(mark int, prefix string) {
	for i := range r.list[mark:] {
		r.list[mark+i].Path = prefix + r.list[mark+i].Path
	}
}

// step is the way to a field: ".name", or ["@name"] for what is no identifier.
func step(name string) string {
	for i := range len(name) {
		if c := name[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || i > 0 && '0' <= c && c <= '9') {
			return entryStep(name)
		}
	}
	return "." + name
}

// entryStep is the way to the entry of a map: ["key"].
func entryStep(key string) string { return "[" + quote(key) + "]" }

// quote returns s in quotes, with its line breaks and control characters escaped, cut to a length that a message
// can hold.
func quote(s string) string {
	const limit = 320
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strconv.Quote(s)
}

// labelPath is the path of a label in the selector.
func labelPath(key string) string { return "spec.workloadSelector.labels" + entryStep(key) }

// sort puts what was reported since mark in the order of the paths, where it came in the order of a map.
func (r *report) sort(mark int) {
	slices.SortStableFunc(r.list[mark:], func(a, b finding.Finding) int { return strings.Compare(a.Path, b.Path) })
}

// unknownEnum reports a number that has no name in the API.
func (r *report) unknownEnum(path string, number int32, ed protoreflect.EnumDescriptor) {
	r.add(finding.New(finding.WS225, path, strconv.Itoa(int(number))+" is no value of "+string(ed.FullName()), "give a value by its name"))
}
