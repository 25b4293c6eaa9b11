// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/conformance/judge"
	"github.com/wsmesh/wsmesh/internal/golden"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
)

// An evidence shows that a finding is true: on a manifest for which the library reports the code, Istio does what
// the finding says.
type evidence struct {
	code string
	// manifest triggers the code; what none can carry, because it has no form as text, typed makes the findings of.
	manifest string
	typed    func(t *testing.T) finding.List
	// shown shows it and says in a few words what was seen.
	shown proof
}

// A proof shows one thing with Istio's code. by says whose, in the printed table.
type proof struct {
	by   string
	show func(t *testing.T, manifest string) string
}

// refusedByCRD and refusedByWebhook show that the API server, and then istiod, refuse the manifest with these words.
func refusedByCRD(words string) proof {
	return proof{"refused by CRD", func(t *testing.T, manifest string) string { return refusal(t, manifest, words, true) }}
}

func refusedByWebhook(words string) proof {
	return proof{"refused by webhook", func(t *testing.T, manifest string) string { return refusal(t, manifest, words, false) }}
}

func refusal(t *testing.T, manifest, words string, crd bool) string {
	t.Helper()
	v := judgeOf(t).Document([]byte(manifest))
	err := v.Webhook
	if crd {
		err = v.CRD
	}
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("want a refusal with %q, got CRD: %v, webhook: %v", words, v.CRD, v.Webhook)
	}
	return words
}

// warnedOf shows that the webhook admits the manifest with a warning of these words.
func warnedOf(words string) proof {
	return proof{"warning of the webhook", func(t *testing.T, manifest string) string {
		t.Helper()
		v := judgeOf(t).Document([]byte(manifest))
		if v.Err() != nil || !slices.ContainsFunc(v.Warnings, func(w string) bool { return strings.Contains(w, words) }) {
			t.Errorf("want a warning with %q, got %v and %v", words, v.Err(), v.Warnings)
		}
		return words
	}}
}

// behaviour shows what istiod does with the manifest, which the webhook must admit for it to come so far.
func behaviour(show func(t *testing.T, manifest string) string) proof {
	return proof{"istiod's behaviour", func(t *testing.T, manifest string) string {
		t.Helper()
		if manifest != "" {
			if err := judgeOf(t).Document([]byte(manifest)).Err(); err != nil {
				t.Errorf("the manifest never reaches istiod: %v", err)
			}
		}
		return show(t, manifest)
	}}
}

// noManifest is for findings about what a builder was given, or what has no form as text: nothing of it reaches Istio.
func noManifest(reason string) proof {
	return proof{"never reaches Istio", func(*testing.T, string) string { return reason }}
}

// notHere is for findings about releases and proxies that are not at hand in this module.
func notHere(reason string) proof {
	return proof{"not to be shown here", func(*testing.T, string) string { return reason }}
}

// saidOfTheAPI is for what only the comments of Istio's API say yet: the istiod that acts on it is not at hand. The API server
// and this istiod admit the manifest.
func saidOfTheAPI(file string, words ...string) proof {
	return proof{"comments of the API", func(t *testing.T, manifest string) string {
		t.Helper()
		if v := judgeOf(t).Document([]byte(manifest)); !v.Accepted() {
			t.Errorf("want no refusal, got %v", v.Err())
		}
		text, err := os.ReadFile(filepath.Join(judge.ModuleDir((*networking.DestinationRule).Reset, "networking"), "networking", "v1alpha3", file))
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.Join(strings.Fields(strings.ReplaceAll(string(text), "//", "")), " ")
		for _, w := range words {
			if !strings.Contains(plain, w) {
				t.Errorf("%s does not say %q", file, w)
			}
		}
		return words[0]
	}}
}

// from131 is for what Istio checks since its release 1.31.
func from131(p proof) proof {
	return proof{p.by, func(t *testing.T, manifest string) string {
		if len(atHand.without) == 0 {
			return p.show(t, manifest)
		}
		return must(t, judgeOf(t).Document([]byte(manifest)).Accepted(), "this istiod does not check it yet")
	}}
}

// sharedJudge is one for the tests of this package: compiling the CRDs takes a quarter of a second.
var sharedJudge = sync.OnceValues(judge.New)

func judgeOf(t *testing.T) *judge.Judge {
	t.Helper()
	j, err := sharedJudge()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func kindOf(manifest string) string {
	if strings.Contains(manifest, "kind: EnvoyFilter") {
		return "EnvoyFilter"
	}
	return "DestinationRule"
}

// rule and filter are manifests in namespace default with these specs.
func rule(spec string) string {
	return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r, namespace: default}\nspec: " + spec + "\n"
}

func filter(spec string) string {
	return "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: f, namespace: default}\nspec: " + spec + "\n"
}

// inTraffic is for findings about what an Envoy does: a test of the end-to-end module shows it, and for a row of
// TestPitfalls the row of that name.
func inTraffic(test, row, claim string) proof {
	name := test
	if row != "" {
		name += ", " + row
	}
	return proof{"end to end, " + name, func(t *testing.T, _ string) string {
		t.Helper()
		if source := endToEnd(t); !strings.Contains(source, "\nfunc "+test+"(t *testing.T)") || row != "" && !strings.Contains(source, fmt.Sprintf("{name: %q,", row)) {
			t.Errorf("the end-to-end module has no %s", name)
		}
		return claim
	}}
}

// endToEnd is the source of the tests of the end-to-end module.
func endToEnd(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../e2e/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of the end-to-end module: %v", err)
	}
	var b strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	return b.String()
}

// pitfallRow finds the rows of TestPitfalls and the codes that they are about.
var pitfallRow = regexp.MustCompile(`(?m)^\t\{name: "([^"]+)",.* codes: \[\]string\{"(WS\d+)"\}`)

// Every finding about what Istio or Envoy does with an object, a release or a workload (1xx to 5xx) has an evidence,
// and each evidence holds. The table of them is findings.md, and printed with -v.
func TestFindingsAreTrue(t *testing.T) {
	all := slices.Concat(destinationRuleEvidence, envoyFilterEvidence, pairEvidence, auditEvidence, meshEvidence)
	meanings := map[string]string{}
	for _, c := range slices.Concat(destinationrule.Rules(), envoyfilter.Rules(), wsmesh.Rules(), audit.Rules(), fleet.Rules()) {
		meanings[c.Code] = c.Meaning
		if strings.Contains("12345", c.Code[2:3]) && !slices.ContainsFunc(all, func(e evidence) bool { return e.code == c.Code }) {
			t.Errorf("%s (%s) has no evidence", c.Code, c.Meaning)
		}
	}
	slices.SortStableFunc(all, func(a, b evidence) int { return strings.Compare(a.code, b.code) })
	table := strings.Builder{}
	table.WriteString(tableHead)
	for i, e := range all {
		if meanings[e.code] == "" {
			t.Errorf("there is no code %s", e.code)
			continue
		}
		t.Run(fmt.Sprintf("%s/%d", e.code, i), func(t *testing.T) {
			if e.manifest != "" || e.typed != nil {
				var list finding.List
				if e.typed != nil {
					list = e.typed(t)
				} else {
					list = findings(t, kindOf(e.manifest), []byte(e.manifest))
				}
				if !slices.ContainsFunc(list, func(f finding.Finding) bool { return f.Code == e.code }) {
					t.Errorf("the library does not report %s here: %v", e.code, list)
				}
			}
			result := e.shown.show(t, e.manifest)
			if t.Failed() {
				result = "NOT SHOWN: " + result
			}
			writeRow(&table, e.code, meanings[e.code], e.shown.by, result)
		})
	}
	rows := pitfallRow.FindAllStringSubmatch(endToEnd(t), -1)
	if len(rows) < 10 {
		t.Errorf("only %d rows of the end-to-end module's TestPitfalls are found", len(rows))
	}
	for _, row := range rows {
		writeRow(&table, row[2], meanings[row[2]], "end to end, TestPitfalls", row[1])
	}
	t.Log("\n" + table.String())
	// The other Istio does not check all of it yet, and says so in its results.
	if len(atHand.without) == 0 {
		golden.Equal(t, "findings.md", []byte(table.String()))
	}
}

const tableHead = `# What shows each finding

Written by ` + "`WSMESH_UPDATE=1 go test -run TestFindingsAreTrue .`" + `, and held to what the tests show by the same test without it. Each row is a case
` + "`TestFindingsAreTrue/<code>`" + `, on an object for which the library reports the code; the last ones are rows of the end-to-end module, with
traffic. Findings about reading text (9xx) are not here: ` + "`TestNeverLooserThanIstio`" + ` and ` + "`TestStricterThanIstio`" + ` hold these to the API server and istiod.

| code | what it says | shown by | what is seen |
|---|---|---|---|
`

// writeRow writes cells without what would end one. Protobuf's errors have a space of either kind, another in each build.
func writeRow(b *strings.Builder, cells ...string) {
	for _, cell := range cells {
		b.WriteString("| " + strings.NewReplacer("|", `\|`, "\n", " ", "\u00a0", " ").Replace(cell) + " ")
	}
	b.WriteString("|\n")
}
