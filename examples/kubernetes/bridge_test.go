// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	networkingv1alpha3 "istio.io/client-go/pkg/apis/networking/v1alpha3"
	networkingv1beta1 "istio.io/client-go/pkg/apis/networking/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// TestClientset creates the pair with the typed clients of istio.io/client-go, and reads back what was planned.
func TestClientset(t *testing.T) {
	c := connect(t, "clientset")
	ctx := t.Context()
	p := plan(t, "clientset", "chat", "1.24.1")
	filter, err := c.istio.NetworkingV1alpha3().EnvoyFilters("clientset").Create(ctx, envoyFilter(p.EnvoyFilters()[0]), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&filter.Spec, p.EnvoyFilters()[0].Spec) {
		t.Errorf("the filter came back as %v", &filter.Spec)
	}
	rule, err := c.istio.NetworkingV1().DestinationRules("clientset").Create(ctx, destinationRuleV1(p.DestinationRule()), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&rule.Spec, p.DestinationRule().Spec) {
		t.Errorf("the rule came back as %v", &rule.Spec)
	}
	older := destinationRuleV1beta1(p.DestinationRule())
	older.ResourceVersion = rule.ResourceVersion
	again, err := c.istio.NetworkingV1beta1().DestinationRules("clientset").Update(ctx, older, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&again.Spec, p.DestinationRule().Spec) || again.ResourceVersion != rule.ResourceVersion {
		t.Errorf("the same rule as v1beta1 changed it: %s, then %s", rule.ResourceVersion, again.ResourceVersion)
	}

	// The copies share nothing with what the library holds.
	copied := destinationRuleV1(p.DestinationRule())
	copied.Spec.Host = "changed"
	if p.DestinationRule().Spec.Host == "changed" {
		t.Error("a change of the copy changed the plan")
	}
}

// TestWebhookRefuses shows that istiod's webhook looks at what the tests apply.
func TestWebhookRefuses(t *testing.T) {
	c := connect(t, "webhook")
	rule := destinationRuleV1(plan(t, "webhook", "chat", "1.24.1").DestinationRule())
	rule.Spec.TrafficPolicy.ConnectionPool.Http.UseClientProtocol = true
	_, err := c.istio.NetworkingV1().DestinationRules("webhook").Create(t.Context(), rule, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), "validation.istio.io") || !strings.Contains(err.Error(), "use client protocol must not be true") {
		t.Errorf("the webhook said %v", err)
	}
}

// TestServerSideApply applies a plan as unstructured objects: again without a change, and against another manager's field.
func TestServerSideApply(t *testing.T) {
	c := connect(t, "ssa")
	ctx := t.Context()
	p := plan(t, "ssa", "chat", "1.24.1")
	objects := []wsmesh.Object{p.EnvoyFilters()[0], p.DestinationRule()}
	versions := func() (v [2]string) {
		t.Helper()
		filter, rule := &networkingv1alpha3.EnvoyFilter{}, &networkingv1beta1.DestinationRule{}
		if err := c.client.Get(ctx, client.ObjectKey{Namespace: "ssa", Name: p.EnvoyFilters()[0].Name}, filter); err != nil {
			t.Fatal(err)
		}
		if err := c.client.Get(ctx, client.ObjectKey{Namespace: "ssa", Name: "chat"}, rule); err != nil {
			t.Fatal(err)
		}
		return [2]string{filter.ResourceVersion, rule.ResourceVersion}
	}
	var before [2]string
	for i := range 2 {
		for _, o := range objects {
			changed, err := apply(ctx, c.client, "ci", o)
			if err != nil || changed.IsZero() {
				t.Fatalf("apply %s: %v, changed %v", o, err, changed)
			}
		}
		if i == 0 {
			before = versions()
		}
	}
	if after := versions(); after != before {
		t.Errorf("applying again changed the objects: %v, then %v", before, after)
	}

	// Another manager takes the field over, and the first one is told so instead of fighting.
	other := p.DestinationRule().Spec.DeepCopy()
	other.TrafficPolicy.ConnectionPool.Http.H2UpgradePolicy = networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE
	theirs := &destinationrule.Rule{APIVersion: "networking.istio.io/v1", Name: "chat", Namespace: "ssa", Spec: other}
	text, err := theirs.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if code, out := c.kubectl(t, string(text), "apply", "--server-side", "--field-manager=ops", "--force-conflicts", "-f", "-"); code != 0 {
		t.Fatalf("kubectl apply: %s", out)
	}
	_, err = apply(ctx, c.client, "ci", p.DestinationRule())
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "ops"`) || !strings.Contains(err.Error(), "h2UpgradePolicy") {
		t.Errorf("the error is %v", err)
	}

	// The way out of README: the others apply without the field, and give it back.
	other.TrafficPolicy = nil
	if text, err = theirs.YAML(); err != nil {
		t.Fatal(err)
	}
	if code, out := c.kubectl(t, string(text), "apply", "--server-side", "--field-manager=ops", "-f", "-"); code != 0 {
		t.Fatalf("kubectl apply: %s", out)
	}
	if _, err := apply(ctx, c.client, "ci", p.DestinationRule()); err != nil {
		t.Errorf("after the field was given back: %v", err)
	}
}

// TestKubectl sends what WriteYAML prints through the real kubectl: apply, diff and delete.
func TestKubectl(t *testing.T) {
	c := connect(t, "kubectl")
	text := yaml(t, plan(t, "kubectl", "chat", "1.24.1"))
	for _, step := range []struct {
		reason, stdin string
		args          []string
		code          int
		prints        []string
	}{
		{"nothing is there", text, []string{"diff", "--server-side", "-f", "-"}, 1, []string{"+kind: EnvoyFilter", "+kind: DestinationRule"}},
		{"the pair is new", text, []string{"apply", "--server-side", "-f", "-"}, 0, []string{"envoyfilter.networking.istio.io/chat-allow-connect serverside-applied", "destinationrule.networking.istio.io/chat serverside-applied"}},
		{"nothing differs", text, []string{"diff", "--server-side", "-f", "-"}, 0, nil},
		{"the policy differs", strings.Replace(text, "h2UpgradePolicy: UPGRADE", "h2UpgradePolicy: DO_NOT_UPGRADE", 1), []string{"diff", "--server-side", "-f", "-"}, 1,
			[]string{"-        h2UpgradePolicy: UPGRADE", "+        h2UpgradePolicy: DO_NOT_UPGRADE"}},
		{"nothing differs to a client-side diff", text, []string{"diff", "-f", "-"}, 0, nil},
		{"the policy differs to a client-side diff", strings.Replace(text, "h2UpgradePolicy: UPGRADE", "h2UpgradePolicy: DO_NOT_UPGRADE", 1), []string{"diff", "-f", "-"}, 1,
			[]string{"-        h2UpgradePolicy: UPGRADE", "+        h2UpgradePolicy: DO_NOT_UPGRADE"}},
		{"both go", text, []string{"delete", "-f", "-"}, 0, []string{`"chat-allow-connect" deleted`, `"chat" deleted`}},
		{"nothing is left", "", []string{"get", "destinationrules,envoyfilters", "-n", "kubectl"}, 0, []string{"No resources found"}},
	} {
		code, out := c.kubectl(t, step.stdin, step.args...)
		if code != step.code {
			t.Errorf("%s: kubectl %v: exit status %d, want %d: %s", step.reason, step.args, code, step.code, out)
		}
		for _, s := range step.prints {
			if !strings.Contains(out, s) {
				t.Errorf("%s: kubectl %v does not print %q: %s", step.reason, step.args, s, out)
			}
		}
		if strings.HasPrefix(step.reason, "nothing differs") && strings.Contains(out, "h2UpgradePolicy") {
			t.Errorf("kubectl diff prints %s", out)
		}
	}
}
