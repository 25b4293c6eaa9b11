// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A report collects findings about one object.
type report struct {
	list finding.List
	path fieldpath.Path // of what is being checked

	// tooDeep reports whether a message is nested deeper than maxDepth, so that the rest of it is not written.
	tooDeep bool

	steps [12]fieldpath.Step // the first steps of path, without an allocation
}

// newReport returns a report that begins with the findings of list and is at the spec.
func newReport(list finding.List) *report {
	r := &report{list: list}
	r.path = r.steps[:0]
	r.enter("spec")
	return r
}

func (r *report) add(rule finding.Rule, path, message, hint string) {
	r.list = append(r.list, finding.New(rule, path, message, hint))
}

// enter steps down to a field or an entry of a map, enterItem to an item of a list, and leave steps up again.
func (r *report) enter(name string) { r.path.Push(fieldpath.Name(name)) }
func (r *report) enterItem(i int)   { r.path.Push(fieldpath.Index(i)) }
func (r *report) leave()            { r.path.Pop() }

// at returns the path of what is being checked, or of the field below it that the names lead to.
func (r *report) at(fields ...string) string {
	text := r.path.Append(nil)
	for _, name := range fields {
		text = fieldpath.Path{fieldpath.Name(name)}.Append(text)
	}
	return string(text)
}

// mark returns the length of the list, and since reports whether findings were added after mark.
func (r *report) mark() int           { return len(r.list) }
func (r *report) since(mark int) bool { return len(r.list) > mark }

// quote returns s in quotes, with line breaks and control characters escaped, and cuts it to a length that is fit for a
// message.
func quote(s string) string {
	const limit = 320
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strconv.Quote(s)
}

// sort sorts the findings that were added after mark, in the order of a map, by their paths.
func (r *report) sort(mark int) {
	slices.SortStableFunc(r.list[mark:], func(a, b finding.Finding) int { return strings.Compare(a.Path, b.Path) })
}

// UnknownEnumValue is rule WS225. An enum must have a value that the API gives a name.
var UnknownEnumValue = finding.Rule{Code: "WS225", Severity: finding.SeverityError,
	Meaning: "An enum must have a value that the API gives a name.",
	Source:  "istio/api kubernetes/customresourcedefinitions.gen.yaml (enum); envoyproxy/envoy api (defined_only)"}

// unknownEnum reports a number that has no name in the API.
func (r *report) unknownEnum(number int32, ed protoreflect.EnumDescriptor, field ...string) {
	r.add(UnknownEnumValue, r.at(field...), strconv.Itoa(int(number))+" is no value of "+string(ed.FullName()), "give a value by its name")
}
