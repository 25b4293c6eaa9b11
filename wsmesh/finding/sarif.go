// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"cmp"
	"io"
	"strings"
)

// WriteSARIF writes the findings as a log of SARIF 2.1.0, which code scanning of GitHub and others read. The log describes the
// rules of the findings as far as they are among rules, which are those of the packages that reported the findings, such as
// destinationrule.Rules(). A finding without a file has no location. A number that is not a severity is an error.
func (l List) WriteSARIF(w io.Writer, rules []Rule) error {
	run := sarifRun{Results: []sarifResult{}, Tool: sarifTool{sarifDriver{
		InformationURI: "https://github.com/wsmesh/wsmesh", Name: "wsmesh", Rules: []sarifRule{},
	}}}
	reported := map[string]bool{}
	for _, f := range l {
		level, err := f.Severity.word("note")
		if err != nil {
			return err
		}
		reported[f.Code] = true
		text := cmp.Or(f.subject(), f.Code) + ": " + f.Message
		if f.Hint != "" {
			text += " (" + f.Hint + ")"
		}
		result := sarifResult{Level: level, Message: sarifText{escapeSARIF(text)}, RuleID: f.Code}
		if f.File != "" {
			// GitHub asks for a line. What is about the whole file stands at its first.
			place := sarifPlace{Artifact: sarifArtifact{uriReference(f.File)}, Region: sarifRegion{max(f.Line, 1)}}
			result.Locations = []sarifLocation{{place}}
		}
		run.Results = append(run.Results, result)
	}
	for _, r := range rules {
		if !reported[r.Code] {
			continue
		}
		reported[r.Code] = false // several packages may return one rule
		level, err := r.Severity.word("note")
		if err != nil {
			return err
		}
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			Configuration: sarifConfiguration{level}, Help: sarifText{escapeSARIF("Source: " + r.Source)},
			ID: r.Code, Short: sarifText{escapeSARIF(r.Meaning)},
		})
	}
	return writeJSON(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Runs: []sarifRun{run}, Version: "2.1.0"})
}

// subject returns the object and the field that f is about, as far as they are known.
func (f Finding) subject() string { return strings.TrimSpace(f.Object + " " + f.Path) }

// The parts of a log that are written. OASIS, Static Analysis Results Interchange Format 2.1.0, says what each is.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Runs    []sarifRun `json:"runs"`
		Version string     `json:"version"`
	}
	sarifRun struct {
		Results []sarifResult `json:"results"`
		Tool    sarifTool     `json:"tool"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		InformationURI string      `json:"informationUri"`
		Name           string      `json:"name"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		Configuration sarifConfiguration `json:"defaultConfiguration"`
		Help          sarifText          `json:"help"`
		ID            string             `json:"id"`
		Short         sarifText          `json:"shortDescription"`
	}
	sarifConfiguration struct {
		Level string `json:"level"`
	}
	sarifResult struct {
		Level     string          `json:"level"`
		Locations []sarifLocation `json:"locations,omitempty"`
		Message   sarifText       `json:"message"`
		RuleID    string          `json:"ruleId"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Place sarifPlace `json:"physicalLocation"`
	}
	sarifPlace struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
)
