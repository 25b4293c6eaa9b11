// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// TestAnalyze asks `istioctl analyze` and the library's audit about the live control plane: the first has no word about
// UPGRADE without the EnvoyFilter, with which the client is refused, and the second does.
func TestAnalyze(t *testing.T) {
	c := mesh(t)
	namespace := c.newNamespace(t, "analyze")
	p := c.newPair(t, setup{service: seed(namespace), envoy: c.Tools.Envoys[0]})
	plan := plan(t, namespace, istioRelease, wsmesh.Options{})

	// What it does have a word about shows that it looks at these objects.
	lost := strings.Replace(yaml(t, plan.DestinationRule()), "host: websockets-server.", "host: no-such-server.", 1)
	c.apply(t, namespace, lost)
	c.analyze(t, namespace, "IST0102", "IST0174")

	c.apply(t, namespace, yaml(t, plan.DestinationRule()))
	p.await(t, false, true)
	c.analyze(t, namespace, "IST0102")
	if list := c.audit(t, namespace); !slices.ContainsFunc(list, func(f finding.Finding) bool { return f.Code == "WS340" }) {
		t.Errorf("the audit does not find WS340: %v", list)
	}
	p.breaks(t, "3, analyze", "istioctl analyze finds nothing, the audit finds WS340", 503, terminated)

	c.apply(t, namespace, yaml(t, plan.Objects()...))
	p.await(t, true, true)
	c.analyze(t, namespace, "IST0102", "IST0133")
	if list := c.audit(t, namespace); len(list.Errors())+len(list.Warnings()) > 0 {
		t.Errorf("the audit of the plan: %v", list)
	}
	p.works(t, "4, analyze", "neither has a word about the plan but IST0133", "HTTP/2")
}

// analyze runs the real istioctl as a user would, and holds the codes of what it says to want. IST0102 is there because
// the pods here have their sidecars without injection, and IST0133 is istiod's standing warning about EnvoyFilters.
func (c *controlPlane) analyze(t testing.TB, namespace string, want ...string) {
	t.Helper()
	out, err := cluster.Command(60*time.Second, c.Tools.Path("istioctl"), "analyze", "--kubeconfig", cluster.Kubeconfig, "-n", namespace)
	codes := messageCode.FindAllString(out, -1)
	slices.Sort(codes)
	if codes = slices.Compact(codes); !slices.Equal(codes, want) {
		t.Errorf("istioctl analyze says %v, want %v: %v: %s", codes, want, err, out)
	}
}

var messageCode = regexp.MustCompile(`IST\d{4}`)

// audit is what an audit says of a namespace's objects as kubectl prints them.
func (c *controlPlane) audit(t testing.TB, namespace string) finding.List {
	t.Helper()
	out, err := c.Kubectl("get", "destinationrules,envoyfilters,services,pods", "-n", namespace, "-o", "yaml")
	if err != nil {
		t.Fatalf("kubectl get: %v: %s", err, out)
	}
	return audited(t, out)
}

func audited(t testing.TB, text string) finding.List {
	t.Helper()
	var objects manifests.Set
	if err := objects.Add("manifests", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Run(t.Context(), &objects, meshOf(t, istioRelease))
	if err != nil {
		t.Fatal(err)
	}
	return report.Findings
}
