// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNew(t *testing.T) {
	rule := Rule{Code: "WS101", Severity: Warning, Meaning: "A sentence.", Source: "s"}
	want := Finding{Code: "WS101", Severity: Warning, Path: "spec.host", Message: "m", Hint: "h", Source: "s"}
	if diff := cmp.Diff(want, New(rule, "spec.host", "m", "h")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSeverity(t *testing.T) {
	for severity, want := range map[Severity]string{Info: "info", Warning: "warning", SeverityError: "error", 3: "severity(3)", -1: "severity(-1)"} {
		if severity.String() != want {
			t.Errorf("%d is %q, want %q", int(severity), severity, want)
		}
	}
	if !(Info < Warning && Warning < SeverityError) {
		t.Error("the severities are not in order")
	}
}

func TestString(t *testing.T) {
	full := Finding{Code: "WS101", Severity: SeverityError, Object: "DestinationRule default/a", Path: "spec.host", Message: "no", Hint: "yes", Source: "x", File: "a.yaml", Line: 7}
	for _, test := range []struct {
		reason string
		change func(*Finding)
		want   string
	}{
		{"all parts", func(*Finding) {}, "a.yaml:7: error WS101 DestinationRule default/a spec.host: no (yes)"},
		{"no line", func(f *Finding) { f.Line = 0 }, "a.yaml: error WS101 DestinationRule default/a spec.host: no (yes)"},
		{"no file: a line alone says nothing", func(f *Finding) { f.File = "" }, "error WS101 DestinationRule default/a spec.host: no (yes)"},
		{"no object", func(f *Finding) { f.File, f.Object = "", "" }, "error WS101 spec.host: no (yes)"},
		{"no path and no hint", func(f *Finding) { f.File, f.Path, f.Hint = "", "", "" }, "error WS101 DestinationRule default/a: no"},
		{"nothing", func(f *Finding) { *f = Finding{} }, "info: "},
		{"line breaks", func(f *Finding) { f.File, f.Object, f.Path, f.Message, f.Hint = "", "a\nb", "c\rd", "e\r\nf", "g\n\nh" }, "error WS101 a b c d: e f (g  h)"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			f := full
			test.change(&f)
			if got := f.String(); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	got, err := json.Marshal(List{{Code: "WS101", Severity: Warning, Path: "spec.host", Message: "no"}})
	var back List
	if jsonErr := json.Unmarshal(got, &back); jsonErr != nil || len(back) != 1 || back[0].Severity != Warning {
		t.Errorf("the JSON is read back as %v (%v)", back, jsonErr)
	}
	if jsonErr := json.Unmarshal([]byte(`[{"severity":"fatal"}]`), &back); jsonErr == nil {
		t.Error("a severity that is none is read")
	}
	if want := `[{"code":"WS101","severity":"warning","path":"spec.host","message":"no"}]`; err != nil || string(got) != want {
		t.Errorf("the JSON is %s (%v), want %s", got, err, want)
	}
}

var mixed = List{
	{Code: "WS101", Severity: SeverityError, Message: "first"},
	{Code: "WS102", Severity: Warning, Message: "second"},
	{Code: "WS103", Severity: Info, Message: "third"},
	{Code: "WS104", Severity: SeverityError, Message: "fourth", Object: "EnvoyFilter a"},
}

func TestListString(t *testing.T) {
	want := "error WS101: first\nwarning WS102: second\ninfo WS103: third\nerror WS104 EnvoyFilter a: fourth"
	if got := mixed.String(); got != want {
		t.Errorf("the text is\n%s\nwant\n%s", got, want)
	}
}

func TestErr(t *testing.T) {
	for _, list := range []List{nil, {}, mixed[1:3]} {
		if err := list.Err(); err != nil {
			t.Errorf("%v has the error %v", list, err)
		}
	}
	err := mixed.Err()
	if want := "error WS101: first\nerror WS104 EnvoyFilter a: fourth"; err == nil || err.Error() != want {
		t.Fatalf("the error is %v, want %s", err, want)
	}
	var e *Error
	if !errors.As(fmt.Errorf("wrapped: %w", err), &e) || len(e.Findings) != len(mixed) {
		t.Errorf("errors.As gives %v, want the whole list", e)
	}
	if l := In(fmt.Errorf("wrapped: %w", err)); len(l) != len(mixed) {
		t.Errorf("In gives %v, want the whole list", l)
	}
	if l := In(io.EOF); l != nil {
		t.Errorf("an error without findings holds %v", l)
	}
	if !errors.Is(&Error{Findings: mixed, Causes: []error{io.EOF}}, io.EOF) {
		t.Error("errors.Is does not find a cause")
	}
}

func TestFilters(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want List
	}{
		{"errors", mixed.Errors(), List{mixed[0], mixed[3]}},
		{"warnings", mixed.Warnings(), List{mixed[1]}},
		{"no errors", mixed[1:3].Errors(), nil},
		{"of nothing", List(nil).Warnings(), nil},
		{"an object for those without", mixed[2:].WithObject("b"), List{{Code: "WS103", Severity: Info, Message: "third", Object: "b"}, mixed[3]}},
		{"an object for nothing", List{}.WithObject("b"), nil},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", test.name, diff)
		}
	}
	before := slices.Clone(mixed)
	mixed.Errors()[0].Message = "changed"
	mixed.WithObject("changed")
	if diff := cmp.Diff(before, mixed); diff != "" {
		t.Errorf("the list was changed:\n%s", diff)
	}
}
