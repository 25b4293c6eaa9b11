// SPDX-License-Identifier: Apache-2.0

// Package finding is what validation, plans and audits report: a [Finding] says what is wrong with
// which field of which object, what to do about it, and which fact of Istio or Envoy stands behind it.
//
// Each rule of this module has a stable code ("WS101"), one severity and one place in the code; [Codes]
// lists them all. The first digit says what a code is about: 1 DestinationRule, 2 EnvoyFilter, 3 the pair
// of both, 4 releases, 5 Services and workloads, 9 reading input. A code is never given a second meaning.
package finding

import (
	"slices"
	"strconv"
	"strings"
)

// Severity orders findings: an Error keeps an object from being built or accepted, a Warning says that it
// does nothing or harms WebSockets, an Info is worth knowing.
type Severity int

// The severities, least first.
const (
	Info Severity = iota
	Warning
	Error
)

// String returns "info", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "severity(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText returns what String returns, so that JSON carries "error" and not a number.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Finding is one thing to know about one field of one object.
type Finding struct {
	Code     string   `json:"code"`             // stable, e.g. "WS101"; see [Codes]
	Severity Severity `json:"severity"`         // the same for every finding of a code
	Object   string   `json:"object,omitempty"` // "DestinationRule default/websockets-server"; "" where there is none
	Path     string   `json:"path,omitempty"`   // "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"; "" for the whole object
	Message  string   `json:"message"`          // what is wrong, with the value, in one sentence
	Hint     string   `json:"hint,omitempty"`   // what to do about it
	Source   string   `json:"source,omitempty"` // the fact behind it: an upstream file, issue or document
	File     string   `json:"file,omitempty"`   // where it was read from a file
	Line     int      `json:"line,omitempty"`   // counted from 1; 0 where it is not known
}

// New returns a finding of code with the severity and source that [Codes] gives it.
// Messages name the value; hints say what to write instead.
func New(code, path, message, hint string) Finding {
	f := Finding{Code: code, Severity: Error, Path: path, Message: message, Hint: hint}
	if i, ok := slices.BinarySearchFunc(codes, code, func(c CodeInfo, code string) int { return strings.Compare(c.Code, code) }); ok {
		f.Severity, f.Source = codes[i].Severity, codes[i].Source
	}
	return f
}

// String returns the finding on one line, as "severity code object path: message (hint)", with
// "file:line: " before it where the finding was read from a file. Parts that are empty are left out.
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(f.Line))
		}
		b.WriteString(": ")
	}
	b.WriteString(f.Severity.String())
	for _, s := range []string{f.Code, f.Object, f.Path} {
		if s != "" {
			b.WriteByte(' ')
			b.WriteString(s)
		}
	}
	b.WriteString(": ")
	b.WriteString(f.Message)
	if f.Hint != "" {
		b.WriteString(" (")
		b.WriteString(f.Hint)
		b.WriteByte(')')
	}
	// Messages quote what the user wrote, and a finding is one line for those who read it with line tools.
	return strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(b.String())
}

// A List is the findings of one validation, plan or audit, in the order of the fields they speak of.
// It is an error too: [List.Err] returns it where it holds an Error, and errors.As finds it there.
type List []Finding

// Err returns nil where no finding is an Error, and else the list itself as an error whose text lists
// the errors, one a line.
func (l List) Err() error {
	if !slices.ContainsFunc(l, isError) {
		return nil
	}
	return l
}

// Error returns the errors of the list, one a line as [Finding.String] writes them.
func (l List) Error() string {
	errs := l.Errors()
	lines := make([]string, len(errs))
	for i, f := range errs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Errors returns the findings whose severity is Error.
func (l List) Errors() List { return l.filter(isError) }

// Warnings returns the findings whose severity is Warning.
func (l List) Warnings() List {
	return l.filter(func(f Finding) bool { return f.Severity == Warning })
}

// WithObject returns a copy of the list in which findings without an object speak of object.
func (l List) WithObject(object string) List {
	if len(l) == 0 {
		return nil
	}
	out := slices.Clone(l)
	for i := range out {
		if out[i].Object == "" {
			out[i].Object = object
		}
	}
	return out
}

func (l List) filter(keep func(Finding) bool) List {
	var out List
	for _, f := range l {
		if keep(f) {
			out = append(out, f)
		}
	}
	return out
}

func isError(f Finding) bool { return f.Severity == Error }

// CodeInfo is what stays the same for all findings of one code.
type CodeInfo struct {
	Code     string
	Severity Severity
	Meaning  string // one sentence: the rule
	Source   string // the fact behind it: an upstream file, issue or document
}

// Codes returns every code that this module reports, in the order of their numbers.
func Codes() []CodeInfo { return slices.Clone(codes) }

// The table is in order of the codes: New searches it.
var codes = slices.Concat(
	destinationRuleCodes,
	envoyFilterCodes,
	pairCodes,
	fleetCodes,
	auditPairCodes,
	releaseCodes,
	auditReleaseCodes,
	serviceCodes,
	auditServiceCodes,
	inputCodes,
	inventoryCodes,
	auditInputCodes,
)
