// SPDX-License-Identifier: Apache-2.0

package finding_test

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/golden"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// TestREADME holds README.md, which documentation servers show with the package, to the table of codes.
func TestREADME(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Findings

What each code means, and where its rule comes from. Written by ` + "`go test ./wsmesh/finding -update`" + ` from the ` + "`Rules()`" + ` of the packages; what shows that a rule is
true stands in [the table of the conformance tests](../../internal/conformance/findings.md).

| code | severity | meaning | source |
|---|---|---|---|
`)
	rules := slices.Concat(destinationrule.Rules(), envoyfilter.Rules(), finding.Codes())
	slices.SortStableFunc(rules, func(a, b finding.Rule) int { return strings.Compare(a.Code, b.Code) })
	for _, c := range slices.Compact(rules) {
		cells := []string{c.Code, c.Severity.String(), cell(c.Meaning), linked(cell(c.Source))}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	golden.Equal(t, "README.md", []byte(b.String()))
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(s)
}

var (
	issue    = `(?P<issue>[a-z-]+/[a-z-]+)#(?P<number>\d+)`
	commit   = `commit (?P<commit>[0-9a-f]{7,40})`
	repo     = `(?P<repo>istio/istio|istio/api|envoyproxy/envoy|kubernetes/[a-z]+|golang/protobuf|google/cel-spec)`
	file     = `(?P<file>(?:[\w.-]+/)+[\w.-]*\w)(?:@(?P<branch>[\w.-]+\w))?`
	own      = `\b(?P<own>(?:pilot|pkg|api|envoy)/[\w./-]*\w)`
	rfc      = `RFC (?P<rfc>\d+)`
	docs     = `(?P<docs>Envoy|Kubernetes) docs (?P<page>[\w/-]+)`
	site     = `(?P<site>(?:protobuf\.dev|istio\.io)/[\w/-]+)`
	linkable = regexp.MustCompile(strings.Join([]string{issue, commit, docs, rfc, site, repo + ` ` + file, repo, own}, "|"))
)

// branches are those that a file is looked up in where its source names none.
var branches = map[string]string{"istio/istio": "release-1.31", "istio/api": "release-1.31", "envoyproxy/envoy": "main"}

// linked returns a source in which issues, files and pages are links. A file without a repository is one of the
// repository named before it, or of Istio.
func linked(source string) string {
	last := "istio/istio"
	return linkable.ReplaceAllStringFunc(source, func(text string) string {
		part := map[string]string{}
		for i, s := range linkable.FindStringSubmatch(text) {
			if name := linkable.SubexpNames()[i]; s != "" {
				part[name] = s
			}
		}
		url := "https://github.com/"
		switch {
		case part["issue"] != "":
			last = part["issue"]
			url += last + "/issues/" + part["number"]
		case part["commit"] != "":
			url += last + "/commit/" + part["commit"]
		case part["docs"] == "Envoy":
			url = "https://www.envoyproxy.io/docs/envoy/latest/" + part["page"]
		case part["docs"] != "":
			url = "https://kubernetes.io/docs/" + part["page"]
		case part["rfc"] != "":
			url = "https://www.rfc-editor.org/rfc/rfc" + part["rfc"]
		case part["site"] != "":
			url = "https://" + part["site"]
		case part["own"] != "":
			of, path := last, part["own"]
			if strings.HasPrefix(path, "envoy/") {
				of, path = "envoyproxy/envoy", "api/"+path
			}
			url += of + "/blob/" + cmp.Or(branches[of], "master") + "/" + path
		case part["file"] != "":
			last = part["repo"]
			url += last + "/blob/" + cmp.Or(part["branch"], branches[last], "master") + "/" + part["file"]
		default:
			last = part["repo"]
			url += last
		}
		return "[" + text + "](" + url + ")"
	})
}
