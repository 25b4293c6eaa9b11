// SPDX-License-Identifier: Apache-2.0

// Package finding is what validation, plans and audits report: a [Finding] says what is wrong with which field of which
// object, what to do about it, and which fact of Istio or Envoy stands behind it. Every package that reports imports it, and
// it imports nothing of this module.
//
// A finding is of a [Rule], which has a code that does not change ("WS101"), one severity and one place in the code. The first
// digit of the code says what it is about: 1 DestinationRule, 2 EnvoyFilter, 3 the pair of both, 4 releases, 5 Services and
// workloads, 6 running proxies, 9 reading input. A code is never given a second meaning.
//
// The methods of a [List] write it as text, JSON, SARIF and commands of GitHub Actions. Findings quote what other people wrote
// in manifests. In what these methods write that is nothing but text: it cannot begin an escape sequence of a terminal, a
// workflow command, markup or a line of its own.
package finding

import (
	"encoding"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Severity says how much a finding matters: an error keeps an object from being built or accepted, a warning says that
// something has no effect or harms WebSockets, and an info is worth knowing.
type Severity int

// The severities, the least first. The last one is not called Error because [Error] is the error that holds findings.
const (
	Info Severity = iota
	Warning
	SeverityError
)

// String returns "info", "warning" or "error", and "severity(7)" for a number that is not a severity.
func (s Severity) String() string {
	text, err := s.word("info")
	if err != nil {
		return "severity(" + strconv.Itoa(int(s)) + ")"
	}
	return text
}

// word returns the word for the severity, which for infos is another in each format, and an error for a number that is not a severity.
func (s Severity) word(info string) (string, error) {
	switch s {
	case Info:
		return info, nil
	case Warning:
		return "warning", nil
	case SeverityError:
		return "error", nil
	}
	return "", fmt.Errorf("%d is no severity: use finding.Info, finding.Warning or finding.SeverityError", int(s))
}

// MarshalText returns what String returns, so that JSON has "error" and not a number. A number that is not a severity is an
// error.
func (s Severity) MarshalText() ([]byte, error) {
	text, err := s.word("info")
	return []byte(text), err
}

var _ encoding.TextUnmarshaler = (*Severity)(nil)

// UnmarshalText reads what MarshalText returns.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range []Severity{Info, Warning, SeverityError} {
		if known.String() == string(text) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is no severity: write info, warning or error", text)
}

// A Finding is one thing to know about one field of one object.
type Finding struct {
	Code     string   `json:"code"`             // stable, e.g. "WS101"
	Severity Severity `json:"severity"`         // the same for all findings of a code
	Object   string   `json:"object,omitempty"` // "DestinationRule default/websockets-server"; "" where there is none
	Path     string   `json:"path,omitempty"`   // "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy"; "" for the whole object
	Message  string   `json:"message"`          // what is wrong, with the value, in one sentence
	Hint     string   `json:"hint,omitempty"`   // what to do about it
	Source   string   `json:"source,omitempty"` // the fact behind it: an upstream file, issue or document
	File     string   `json:"file,omitempty"`   // where it was read from a file
	Line     int      `json:"line,omitempty"`   // counted from 1; 0 where it is not known
}

// A Rule is what is the same for all findings of one code. Each rule is a variable of the package that reports it.
type Rule struct {
	Code     string   // stable, e.g. "WS101"
	Severity Severity // the severity of every finding of the rule
	Meaning  string   // one sentence: what must hold
	Source   string   // the fact behind it: an upstream file, issue or document
}

// New returns a finding of the rule about the field at path. The message names the value that is wrong, and the hint says what
// to write instead.
func New(r Rule, path, message, hint string) Finding {
	return Finding{Code: r.Code, Severity: r.Severity, Path: path, Message: message, Hint: hint, Source: r.Source}
}

// Is reports whether f is a finding of the rule.
func Is(f Finding, r Rule) bool { return f.Code == r.Code }

// String returns the finding on one line, as "severity code object path: message (hint)", and with "file:line: " before it if
// the object was read from a file. Parts that are empty are left out, and the text is escaped as by [EscapeText].
func (f Finding) String() string { return f.line(f.Severity.String()) }

// line returns what String returns, with the given word for the severity.
func (f Finding) line(severity string) string {
	var b strings.Builder
	if f.File != "" {
		place := f.File
		if f.Line > 0 {
			place += ":" + strconv.Itoa(f.Line)
		}
		b.WriteString(EscapeText(place + ": "))
	}
	b.WriteString(severity)
	var text strings.Builder
	for _, s := range []string{f.Code, f.Object, f.Path} {
		if s != "" {
			text.WriteString(" " + s)
		}
	}
	text.WriteString(": " + f.Message)
	if f.Hint != "" {
		text.WriteString(" (" + f.Hint + ")")
	}
	b.WriteString(EscapeText(text.String()))
	return b.String()
}

// A List is the findings of one validation, plan or audit, in the order of the fields that they are about. It is not an error,
// since it may hold nothing but warnings: [List.Err] makes an error of it.
type List []Finding

// String returns all findings of the list, each on a line as [Finding.String] returns it.
func (l List) String() string {
	lines := make([]string, len(l))
	for i, f := range l {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns an [*Error] that holds the whole list if the severity of a finding is SeverityError, and nil otherwise.
func (l List) Err() error {
	if !slices.ContainsFunc(l, isError) {
		return nil
	}
	return &Error{Findings: l}
}

// An Error is the error of a function that refuses its input. It holds everything that was found, warnings included.
// [errors.As] finds it in every error of this module that holds findings.
type Error struct {
	Findings List
	Causes   []error // what errors.Is and errors.As find as well, such as version.ErrNoRelease
}

// Error returns the findings whose severity is SeverityError, each on a line as [Finding.String] returns it.
func (e *Error) Error() string { return e.Findings.Errors().String() }

// Unwrap returns the causes.
func (e *Error) Unwrap() []error { return e.Causes }

// In returns the findings of the first [*Error] that [errors.As] finds in err, and nil if there is none.
func In(err error) List {
	if err == nil {
		return nil // errors.As would allocate
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Findings
	}
	return nil
}

// Errors returns the findings whose severity is SeverityError.
func (l List) Errors() List { return l.filter(isError) }

// Warnings returns the findings whose severity is Warning.
func (l List) Warnings() List {
	return l.filter(func(f Finding) bool { return f.Severity == Warning })
}

// WithObject returns a copy of the list in which the findings that have no object have this one.
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

// filter returns the findings for which keep reports true.
func (l List) filter(keep func(Finding) bool) List {
	var out List
	for _, f := range l {
		if keep(f) {
			out = append(out, f)
		}
	}
	return out
}

// isError reports whether the severity of f is SeverityError.
func isError(f Finding) bool { return f.Severity == SeverityError }
