// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/internal/conformance/upstream"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// findings returns what the library says to a manifest.
func findings(t *testing.T, kind string, text []byte) finding.List {
	t.Helper()
	var object interface{ Validate() finding.List }
	var err error
	if kind == "DestinationRule" {
		object, err = destinationrule.Parse(text)
	} else {
		object, err = envoyfilter.Parse(text)
	}
	if err != nil {
		list := finding.In(err)
		if list == nil {
			t.Fatalf("an error without findings: %v", err)
		}
		return list
	}
	return object.Validate()
}

// field is the path that a message of the API server begins with.
func field(message string) string {
	path, _, _ := strings.Cut(message, ":")
	return path
}

// stricterDocuments lists Istio's own documents that the API server and istiod accept and the library refuses, with
// the one code of the refusal and the reason.
var stricterDocuments = []struct {
	source, code, reason string
}{
	{analyzerDocs + "envoy-filter-add-operation.yaml#2", "WS920", "a test of IST0153 with the value of a filter in an HTTP object: istiod drops typed_config"},
	{analyzerDocs + "envoy-filter-add-operation.yaml#3", "WS920", "a test of IST0153 with the value of a filter in an HTTP object: istiod drops typed_config"},
	{analyzerDocs + "envoy-filter-patch-operation.yaml#1", "WS241", "REPLACE without a subFilter to replace, and REPLACE of a cluster: istiod does neither"},
	{analyzerDocs + "envoy-filter-remove-operation.yaml#5", "WS241", "REMOVE without a filter to remove: istiod removes none"},
	{analyzerDocs + "envoy-filter-replace-operation.yaml#1", "WS241", "REPLACE of a cluster: istiod does not"},
	{analyzerDocs + "envoy-filter-replace-operation.yaml#3", "WS920", "the value of a cluster in a network filter: istiod drops it"},
	{crdDocs + "envoyfilter-valid.yaml#2", "WS223", "the context WAYPOINT: no istiod applies it"},
	{crdDocs + "envoyfilter-valid.yaml#2", "WS241", "and its match by waypoint selects no filter to remove"},
	{crdDocs + "envoyfilter-valid.yaml#3", "WS223", "the context WAYPOINT: no istiod applies it"},
	{crdDocs + "envoyfilter-valid.yaml#5", "WS241", "MERGE_AND_REPLACE_LIST of a network filter: istiod does not"},
	{crdDocs + "envoyfilter-valid.yaml#5", "WS261", "and as a MERGE it would list the upgrade to WebSocket twice, which Envoy refuses"},
	{"pkg/test/datasets/validation/dataset/networking-v1alpha3-EnvoyFilter.yaml#1", "WS213", "an EnvoyFilter without patches does nothing"},
	{"tests/integration/pilot/resourcefilter/gwapionly_test.go#1#2", "WS260", "Istio's test gives Envoy an incomplete filter on purpose (\"missing configurations\")"},
}

const (
	analyzerDocs = "pkg/config/analysis/analyzers/testdata/"
	crdDocs      = "pkg/config/validation/testdata/crds/"
)

// Istio's own documents of the two kinds have the library's verdict that Istio gives them.
func TestIstiosOwnDocuments(t *testing.T) {
	j := judgeOf(t)
	docs, err := upstream.Documents()
	if err != nil {
		t.Fatal(err)
	}
	count := map[bool]map[string]int{true: {}, false: {}}
	met := map[string]bool{}
	for _, d := range docs {
		theirs := j.Document(d.Text)
		if d.Invalid != "" {
			// The messages of Istio's expectations differ a little from the API server's; the field is the same.
			if theirs.Accepted() || !strings.Contains(theirs.Err().Error(), field(d.Invalid)) {
				t.Errorf("%s: Istio expects %q, and the verdict is %v", d.Source, d.Invalid, theirs.Err())
			}
		}
		count[theirs.Accepted()][d.Kind]++
		ours := findings(t, d.Kind, d.Text).Errors()
		switch {
		case len(ours) == 0 && !theirs.Accepted():
			t.Errorf("%s: the library accepts, Istio says %v\n%s", d.Source, theirs.Err(), d.Text)
		case len(ours) > 0 && theirs.Accepted():
			for _, f := range ours {
				met[d.Source+" "+f.Code] = true
				if !slices.ContainsFunc(stricterDocuments, func(s struct{ source, code, reason string }) bool {
					return s.source == d.Source && s.code == f.Code
				}) {
					t.Errorf("%s: Istio accepts, the library says %v\n%s", d.Source, f, d.Text)
				}
			}
		}
	}
	for _, s := range stricterDocuments {
		there := slices.ContainsFunc(docs, func(d upstream.Document) bool { return d.Source == s.source })
		if there && !met[s.source+" "+s.code] {
			t.Errorf("%s is listed as refused for %s, and is not", s.source, s.code)
		}
	}
	t.Logf("accepted by Istio: %v, refused: %v", count[true], count[false])
	if count[true]["DestinationRule"] < 50 || count[true]["EnvoyFilter"] < 20 || count[false]["DestinationRule"] < 3 || count[false]["EnvoyFilter"] < 5 {
		t.Error("too few documents: Istio's module has moved them")
	}
}
