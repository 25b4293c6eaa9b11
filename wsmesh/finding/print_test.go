// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// found is a list with each severity, with and without what is optional.
var found = List{
	{Code: "WS340", Severity: SeverityError, Object: "DestinationRule prod/chat", Path: "spec.host", Message: "clients get 503", Hint: "apply the filter", Source: "a page", File: "a b/chat.yaml", Line: 7},
	{Code: "WS343", Severity: Warning, Object: "EnvoyFilter prod/chat", Message: "it selects <no> workload, 100%", File: "chat.yaml"},
	{Code: "WS342", Severity: Info, Message: "it has no use"},
}

var rules = []Rule{
	{"WS340", SeverityError, "UPGRADE needs an EnvoyFilter.", "Envoy's pages"},
	{"WS341", SeverityError, "It is for all workloads.", "Envoy's pages"},
	{"WS342", Info, "It has no use.", "[a](b)"},
	{"WS340", SeverityError, "UPGRADE needs an EnvoyFilter.", "Envoy's pages"},
}

// printers are the methods that write a list.
var printers = map[string]func(List, io.Writer) error{
	"text":   func(l List, w io.Writer) error { return l.WriteText(w, false) },
	"colour": func(l List, w io.Writer) error { return l.WriteText(w, true) },
	"json":   List.WriteJSON,
	"sarif":  func(l List, w io.Writer) error { return l.WriteSARIF(w, rules) },
	"github": List.WriteGitHub,
}

func printed(t *testing.T, printer string, l List) string {
	t.Helper()
	var b bytes.Buffer
	if err := printers[printer](l, &b); err != nil {
		t.Fatalf("%s: %v", printer, err)
	}
	return b.String()
}

func TestPrinters(t *testing.T) {
	for printer, want := range map[string]string{
		"text": `a b/chat.yaml:7: error WS340 DestinationRule prod/chat spec.host: clients get 503 (apply the filter)
chat.yaml: warning WS343 EnvoyFilter prod/chat: it selects <no> workload, 100%
info WS342: it has no use
`,
		"colour": "a b/chat.yaml:7: \x1b[31merror\x1b[0m WS340 DestinationRule prod/chat spec.host: clients get 503 (apply the filter)\n" +
			"chat.yaml: \x1b[33mwarning\x1b[0m WS343 EnvoyFilter prod/chat: it selects <no> workload, 100%\n" +
			"\x1b[36minfo\x1b[0m WS342: it has no use\n",
		"json": `[
  {
    "code": "WS340",
    "severity": "error",
    "object": "DestinationRule prod/chat",
    "path": "spec.host",
    "message": "clients get 503",
    "hint": "apply the filter",
    "source": "a page",
    "file": "a b/chat.yaml",
    "line": 7
  },
  {
    "code": "WS343",
    "severity": "warning",
    "object": "EnvoyFilter prod/chat",
    "message": "it selects \u003cno> workload, 100%",
    "file": "chat.yaml"
  },
  {
    "code": "WS342",
    "severity": "info",
    "message": "it has no use"
  }
]
`,
		"github": `::error file=a b/chat.yaml,line=7,title=WS340::DestinationRule prod/chat spec.host: clients get 503%0Aapply the filter
::warning file=chat.yaml,line=1,title=WS343::EnvoyFilter prod/chat: it selects <no> workload, 100%25
::notice title=WS342::it has no use
`,
		"sarif": `{
  "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
  "runs": [
    {
      "results": [
        {
          "level": "error",
          "locations": [
            {
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "a%20b/chat.yaml"
                },
                "region": {
                  "startLine": 7
                }
              }
            }
          ],
          "message": {
            "text": "DestinationRule prod/chat spec.host: clients get 503 (apply the filter)"
          },
          "ruleId": "WS340"
        },
        {
          "level": "warning",
          "locations": [
            {
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "chat.yaml"
                },
                "region": {
                  "startLine": 1
                }
              }
            }
          ],
          "message": {
            "text": "EnvoyFilter prod/chat: it selects \u003cno> workload, 100%"
          },
          "ruleId": "WS343"
        },
        {
          "level": "note",
          "message": {
            "text": "WS342: it has no use"
          },
          "ruleId": "WS342"
        }
      ],
      "tool": {
        "driver": {
          "informationUri": "https://github.com/wsmesh/wsmesh",
          "name": "wsmesh",
          "rules": [
            {
              "defaultConfiguration": {
                "level": "error"
              },
              "help": {
                "text": "Source: Envoy's pages"
              },
              "id": "WS340",
              "shortDescription": {
                "text": "UPGRADE needs an EnvoyFilter."
              }
            },
            {
              "defaultConfiguration": {
                "level": "note"
              },
              "help": {
                "text": "Source: [a] (b)"
              },
              "id": "WS342",
              "shortDescription": {
                "text": "It has no use."
              }
            }
          ]
        }
      }
    }
  ],
  "version": "2.1.0"
}
`,
	} {
		if diff := cmp.Diff(want, printed(t, printer, found)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", printer, diff)
		}
	}
}

func TestPrintersOfNothing(t *testing.T) {
	for printer, want := range map[string]string{"text": "", "colour": "", "json": "[]\n", "github": ""} {
		if got := printed(t, printer, nil); got != want {
			t.Errorf("%s writes %q, want %q", printer, got, want)
		}
	}
	if got := printed(t, "sarif", nil); !strings.Contains(got, `"results": [],`) || !strings.Contains(got, `"rules": []`) {
		t.Errorf("sarif writes %s", got)
	}
}

// TestColourInName checks that the severity has the colour, and not the same word in the name of a file.
func TestColourInName(t *testing.T) {
	got := printed(t, "colour", List{{Code: "WS101", Severity: SeverityError, File: "error.yaml", Message: "m"}})
	if want := "error.yaml: \x1b[31merror\x1b[0m WS101: m\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestPrintersFail(t *testing.T) {
	for name, write := range printers {
		if err := write(found, nil); err == nil || !strings.Contains(err.Error(), "nil io.Writer") {
			t.Errorf("%s writes to no writer: %v", name, err)
		}
		if err := write(found, full{}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s writes to a full disk: %v", name, err)
		}
		if name == "text" || name == "colour" {
			continue
		}
		var b bytes.Buffer
		if err := write(List{{Severity: 7}}, &b); err == nil || !strings.Contains(err.Error(), "7 is no severity") || b.Len() > 0 {
			t.Errorf("%s writes a severity that is none: %v", name, err)
		}
	}
	if err := (List{{Code: "WS101"}}).WriteSARIF(io.Discard, []Rule{{Code: "WS101", Severity: -1}}); err == nil {
		t.Error("a rule has a severity that is none")
	}
	if got := printed(t, "colour", List{{Severity: 7, Message: "m"}}); got != "\x1b[31mseverity(7)\x1b[0m: m\n" {
		t.Errorf("%q", got)
	}
}

func TestColour(t *testing.T) {
	terminal, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		reason, noColor, term string
		f                     *os.File
		want                  bool
	}{
		{"a terminal", "", "xterm", terminal, true},
		{"NO_COLOR", "1", "xterm", terminal, false},
		{"a terminal that cannot", "", "dumb", terminal, false},
		{"a file", "", "xterm", file, false},
		{"no file", "", "xterm", nil, false},
	} {
		t.Setenv("NO_COLOR", test.noColor)
		t.Setenv("TERM", test.term)
		if got := Colour(test.f); got != test.want {
			t.Errorf("%s: %v", test.reason, got)
		}
	}
}

// A command is one that GitHub's runner reads from a line.
type command struct {
	name       string
	properties map[string]string
	text       string
}

// readCommand reads a line as GitHub's runner does (actions/runner src/Runner.Common/ActionCommand.cs).
func readCommand(line string) (command, bool) {
	line, ok := strings.CutPrefix(strings.TrimSpace(line), "::")
	info, text, closed := strings.Cut(line, "::")
	if !ok || !closed {
		return command{}, false
	}
	name, list, _ := strings.Cut(info, " ")
	c := command{name: name, properties: map[string]string{}, text: unescape(text, "%0D", "\r", "%0A", "\n", "%25", "%")}
	for property := range strings.SplitSeq(list, ",") {
		if key, value, ok := strings.Cut(property, "="); ok {
			c.properties[key] = unescape(value, "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
		}
	}
	return c, true
}

func unescape(s string, pairs ...string) string {
	for pair := range slices.Chunk(pairs, 2) {
		s = strings.ReplaceAll(s, pair[0], pair[1])
	}
	return s
}

// FuzzPrinters checks for each printer that no terminal and no CI system obeys what a finding says, and that it is nothing but
// the value that it is meant to be in the format.
func FuzzPrinters(f *testing.F) {
	for i, s := range nasty {
		f.Add(s, nasty[(i+1)%len(nasty)], nasty[(i+5)%len(nasty)], nasty[(i+11)%len(nasty)], nasty[(i+17)%len(nasty)], nasty[(i+29)%len(nasty)], i%4, uint8(i))
	}
	f.Fuzz(func(t *testing.T, code, object, path, message, hint, file string, line int, severity uint8) {
		one := Finding{Code: code, Severity: Severity(severity % 3), Object: object, Path: path, Message: message, Hint: hint, Source: hint, File: file, Line: line}
		list := List{one, {Code: "WS101", Severity: Warning, Message: "between"}, one}

		lines := strings.Split(printed(t, "text", list), "\n")
		if len(lines) != 4 || lines[3] != "" || !slices.Equal(lines[:3], strings.Split(list.String(), "\n")) {
			t.Fatalf("three findings are the lines %q", lines)
		}
		plain := strings.NewReplacer("\x1b[31m", "", "\x1b[33m", "", "\x1b[36m", "", "\x1b[0m", "")
		for i, coloured := range strings.Split(printed(t, "colour", list), "\n") {
			if !isInert(lines[i]) || plain.Replace(coloured) != lines[i] {
				t.Errorf("a finding is the line %q, and in colour %q", lines[i], coloured)
			}
		}

		text := printed(t, "json", list)
		inertJSON(t, text)
		var back List
		if err := json.Unmarshal([]byte(text), &back); err != nil {
			t.Fatal(err)
		}
		for i := range list {
			list[i].Code, list[i].Object, list[i].Path = valid(list[i].Code), valid(list[i].Object), valid(list[i].Path)
			list[i].Message, list[i].Hint, list[i].File = valid(list[i].Message), valid(list[i].Hint), valid(list[i].File)
			list[i].Source = valid(list[i].Source)
		}
		if !slices.Equal(back, list) {
			t.Errorf("%v is read back as %v", list, back)
		}
		list[0], list[2] = one, one

		text = printed(t, "sarif", list)
		inertJSON(t, text)
		var log sarifLog
		if err := json.Unmarshal([]byte(text), &log); err != nil || len(log.Runs) != 1 || len(log.Runs[0].Results) != 3 {
			t.Fatalf("%v: %s", err, text)
		}
		for i, r := range log.Runs[0].Results {
			if !isInert(r.Message.Text) || strings.Contains(r.Message.Text, "](") || (len(r.Locations) == 1) != (list[i].File != "") {
				t.Errorf("%+v", r)
			}
			for _, l := range r.Locations {
				if _, err := url.Parse(l.Place.Artifact.URI); err != nil || l.Place.Region.StartLine < 1 {
					t.Errorf("%v: %+v", err, l)
				}
			}
		}

		commands := strings.Split(strings.TrimSuffix(printed(t, "github", list), "\n"), "\n")
		if len(commands) != 3 {
			t.Fatalf("three findings are the commands %q", commands)
		}
		for i, line := range commands {
			c, ok := readCommand(line)
			want := map[string]string{"title": EscapeText(list[i].Code)}
			if f := list[i]; f.File != "" {
				want["file"], want["line"] = EscapeText(f.File), strconv.Itoa(max(1, f.Line))
			}
			if !ok || c.name != map[Severity]string{Info: "notice", Warning: "warning", SeverityError: "error"}[list[i].Severity] || !cmp.Equal(c.properties, want) {
				t.Errorf("%q is the command %+v, and its properties should be %v", line, c, want)
			}
			if !isInert(line[1:]) || strings.Count(c.text, "\n") > 1 {
				t.Errorf("the command is %q", line)
			}
			for part := range strings.SplitSeq(c.text, "\n") {
				if !isInert(part) {
					t.Errorf("the command shows %q", part)
				}
			}
		}
	})
}

// valid is what JSON can hold of s.
func valid(s string) string { return string([]rune(s)) }

func inertJSON(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "<") {
		t.Errorf("there is markup in %s", text)
	}
	for line := range strings.Lines(text) {
		if line, _ = strings.CutSuffix(line, "\n"); !isInert(line) {
			t.Errorf("a terminal or a log is told something by %q", line)
		}
	}
}
