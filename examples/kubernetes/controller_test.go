// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	networking "istio.io/api/networking/v1alpha3"
	networkingv1alpha3 "istio.io/client-go/pkg/apis/networking/v1alpha3"
	networkingv1beta1 "istio.io/client-go/pkg/apis/networking/v1beta1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
)

// settle is short, and longer than the second that managedFields are exact to.
const settle = 3 * time.Second

// A pair is what there is for the Service chat of a namespace.
type pair struct {
	filter *networkingv1alpha3.EnvoyFilter
	rule   *networkingv1beta1.DestinationRule
}

// state is the pair in a few words: "filter UPGRADE", "DO_NOT_UPGRADE", "filter", "nothing".
func (p pair) state() string {
	var words []string
	if p.filter != nil {
		words = append(words, "filter")
	}
	if p.rule != nil {
		words = append(words, p.rule.Spec.TrafficPolicy.GetConnectionPool().GetHttp().GetH2UpgradePolicy().String())
	}
	return cmp.Or(strings.Join(words, " "), "nothing")
}

func (c *testCluster) pair(t *testing.T, namespace string) pair {
	t.Helper()
	p := pair{&networkingv1alpha3.EnvoyFilter{}, &networkingv1beta1.DestinationRule{}}
	if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "chat-allow-connect"}, p.filter); apierrors.IsNotFound(err) {
		p.filter = nil
	} else if err != nil {
		t.Fatal(err)
	}
	if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "chat"}, p.rule); apierrors.IsNotFound(err) {
		p.rule = nil
	} else if err != nil {
		t.Fatal(err)
	}
	return p
}

// passes waits until the pair, which was in the first of the states, has gone through the others, and no other, one after
// the other.
func (c *testCluster) passes(t *testing.T, namespace string, states ...string) {
	t.Helper()
	seen := states[:1:1]
	end := time.Now().Add(30 * time.Second)
	for seen[len(seen)-1] != states[len(states)-1] {
		if time.Now().After(end) {
			t.Fatalf("the pair went through %q, want %q", seen, states)
		}
		if now := c.pair(t, namespace).state(); now != seen[len(seen)-1] {
			seen = append(seen, now)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if fmt.Sprint(seen) != fmt.Sprint(states) {
		t.Fatalf("the pair went through %q, want %q", seen, states)
	}
}

// service is the Service chat, annotated.
func service(namespace, portName string, selector map[string]string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: namespace, Annotations: map[string]string{annotation: "true"}},
		Spec:       corev1.ServiceSpec{Selector: selector, Ports: []corev1.ServicePort{{Port: 80, Name: portName}}},
	}
}

// controls runs the controller for a mesh of one release until the test ends.
func (c *testCluster) controls(t *testing.T, release string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, c.config, meshOf(release), settle) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the controller: %v", err)
		}
	})
}

// update changes the Service.
func (c *testCluster) update(t *testing.T, namespace string, change func(*corev1.Service)) {
	t.Helper()
	svc := &corev1.Service{}
	if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "chat"}, svc); err != nil {
		t.Fatal(err)
	}
	change(svc)
	if err := c.client.Update(t.Context(), svc); err != nil {
		t.Fatal(err)
	}
}

// event waits for an event about the Service with these words.
func (c *testCluster) event(t *testing.T, namespace, reason string, words ...string) {
	t.Helper()
	eventually(t, "the event "+reason, func() error {
		list := &eventsv1.EventList{}
		if err := c.client.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			return err
		}
		for _, e := range list.Items {
			found := e.Reason == reason && e.Regarding.Name == "chat"
			for _, w := range words {
				found = found && strings.Contains(e.Note, w)
			}
			if found {
				return nil
			}
		}
		return fmt.Errorf("it is not among %d events", len(list.Items))
	})
}

// TestController goes through the life of a pair, stage by stage.
func TestController(t *testing.T) {
	c := connect(t, "life")
	ctx := t.Context()
	c.controls(t, "1.24.1")
	if err := c.client.Create(ctx, service("life", "http", map[string]string{"app": "chat"})); err != nil {
		t.Fatal(err)
	}
	c.passes(t, "life", "nothing", "filter", "filter UPGRADE")
	p := c.pair(t, "life")
	if between := p.rule.CreationTimestamp.Sub(p.filter.CreationTimestamp.Time); between < settle-time.Second {
		t.Errorf("the rule came %s after the filter", between)
	}

	// Another reconciliation changes nothing.
	c.update(t, "life", func(s *corev1.Service) { s.Labels = map[string]string{"touched": "yes"} })
	time.Sleep(settle)
	if again := c.pair(t, "life"); again.filter.ResourceVersion != p.filter.ResourceVersion || again.rule.ResourceVersion != p.rule.ResourceVersion {
		t.Errorf("the pair changed: %s and %s, then %s and %s", p.filter.ResourceVersion, p.rule.ResourceVersion, again.filter.ResourceVersion, again.rule.ResourceVersion)
	}

	// What somebody deletes comes back.
	if err := c.client.Delete(ctx, p.filter); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new filter", func() error {
		return want("the filter's being new", c.pair(t, "life").filter != nil && c.pair(t, "life").filter.UID != p.filter.UID, true)
	})

	// A port that is no HTTP/1 any more, and back: HTTP/1.1 first, the filter after it.
	time.Sleep(settle)
	c.update(t, "life", func(s *corev1.Service) { s.Spec.Ports[0].Name = "tcp-chat" })
	c.passes(t, "life", "filter UPGRADE", "filter DO_NOT_UPGRADE", "DO_NOT_UPGRADE")
	c.update(t, "life", func(s *corev1.Service) { s.Spec.Ports[0].Name = "http" })
	c.passes(t, "life", "DO_NOT_UPGRADE", "filter DO_NOT_UPGRADE", "filter UPGRADE")

	// Without the annotation the plan is rolled back.
	c.update(t, "life", func(s *corev1.Service) { delete(s.Annotations, annotation) })
	c.passes(t, "life", "filter UPGRADE", "filter DO_NOT_UPGRADE", "DO_NOT_UPGRADE")

	// With it again, and then without the Service.
	c.update(t, "life", func(s *corev1.Service) { s.Annotations = map[string]string{annotation: "true"} })
	c.passes(t, "life", "DO_NOT_UPGRADE", "filter DO_NOT_UPGRADE", "filter UPGRADE")
	if err := c.client.Delete(ctx, service("life", "http", nil)); err != nil {
		t.Fatal(err)
	}
	c.passes(t, "life", "filter UPGRADE", "filter DO_NOT_UPGRADE")
	eventually(t, "the end of the pair", func() error { return want("the pair", c.pair(t, "life").state(), "nothing") })
}

// TestControllerOfSeveralPorts: the port that is HTTP/1 is upgraded, and the one beside it keeps what it has.
func TestControllerOfSeveralPorts(t *testing.T) {
	c := connect(t, "ports")
	c.controls(t, "1.24.1")
	svc := service("ports", "http", map[string]string{"app": "chat"})
	svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Port: 9090, Name: "grpc"})
	if err := c.client.Create(t.Context(), svc); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pair", func() error { return want("its being there", c.pair(t, "ports").rule != nil, true) })
	p := c.pair(t, "ports")
	levels := p.rule.Spec.TrafficPolicy.GetPortLevelSettings()
	if p.filter == nil || p.rule.Spec.TrafficPolicy.ConnectionPool != nil || len(levels) != 1 || levels[0].Port.Number != 80 ||
		levels[0].ConnectionPool.Http.H2UpgradePolicy != networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		t.Errorf("filter %v, rule %v", p.filter, &p.rule.Spec)
	}
}

// TestControllerRefuses: a Service that no plan can be made for gets an event, and nothing is applied.
func TestControllerRefuses(t *testing.T) {
	c := connect(t, "refused")
	c.controls(t, "1.24.1")
	if err := c.client.Create(t.Context(), service("refused", "http", nil)); err != nil {
		t.Fatal(err)
	}
	c.event(t, "refused", "Refused", "WS503", "no workload labels are given")
	if state := c.pair(t, "refused").state(); state != "nothing" {
		t.Errorf("there is %s", state)
	}
}

// TestControllerOfAnOldMesh: below the boundary there is a rule that keeps HTTP/1.1, and no filter. The rollback of that
// plan is to delete the rule.
func TestControllerOfAnOldMesh(t *testing.T) {
	c := connect(t, "old")
	c.controls(t, "1.11.8")
	if err := c.client.Create(t.Context(), service("old", "http", map[string]string{"app": "chat"})); err != nil {
		t.Fatal(err)
	}
	c.passes(t, "old", "nothing", "DO_NOT_UPGRADE")
	c.update(t, "old", func(s *corev1.Service) { delete(s.Annotations, annotation) })
	c.passes(t, "old", "DO_NOT_UPGRADE", "nothing")
}

// TestControllerOrder: an update that takes the annotation, and leaves a port that UPGRADE is not for, changes the plan
// that is to be rolled back. The clients are still sent to HTTP/1.1 before the filter goes.
func TestControllerOrder(t *testing.T) {
	c := connect(t, "order")
	c.controls(t, "1.24.1")
	if err := c.client.Create(t.Context(), service("order", "http", map[string]string{"app": "chat"})); err != nil {
		t.Fatal(err)
	}
	c.passes(t, "order", "nothing", "filter", "filter UPGRADE")
	c.update(t, "order", func(s *corev1.Service) {
		delete(s.Annotations, annotation)
		s.Spec.Ports[0].Name = "tcp-chat"
	})
	c.passes(t, "order", "filter UPGRADE", "filter DO_NOT_UPGRADE")
	eventually(t, "the end of the pair", func() error { return want("the pair", c.pair(t, "order").state(), "nothing") })
}

// TestControllerConflict: where another manager holds the policy, the Service gets an event, and theirs stays.
func TestControllerConflict(t *testing.T) {
	c := connect(t, "conflict")
	rule := plan(t, "conflict", "chat", "1.24.1").DestinationRule()
	rule.Spec.TrafficPolicy.ConnectionPool.Http.H2UpgradePolicy = networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE
	if _, err := apply(t.Context(), c.client, "ops", rule); err != nil {
		t.Fatal(err)
	}
	c.controls(t, "1.24.1")
	if err := c.client.Create(t.Context(), service("conflict", "http", map[string]string{"app": "chat"})); err != nil {
		t.Fatal(err)
	}
	c.event(t, "conflict", "Conflict", `conflict with "ops"`, "h2UpgradePolicy")
	if state := c.pair(t, "conflict").state(); state != "filter DO_NOT_UPGRADE" {
		t.Errorf("there is %s", state)
	}

	// Theirs stays without the annotation, and without the Service.
	c.update(t, "conflict", func(s *corev1.Service) { delete(s.Annotations, annotation) })
	c.passes(t, "conflict", "filter DO_NOT_UPGRADE", "DO_NOT_UPGRADE")
	if err := c.client.Delete(t.Context(), service("conflict", "http", nil)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rule is theirs alone", func() error {
		p := c.pair(t, "conflict")
		if p.rule == nil {
			t.Fatal("the rule of another manager was deleted")
		}
		return want("the label's being there", p.rule.Labels[serviceLabel] != "", false)
	})
	if state := c.pair(t, "conflict").state(); state != "DO_NOT_UPGRADE" {
		t.Errorf("there is %s", state)
	}
}

// TestProgram runs README's command against the cluster.
func TestProgram(t *testing.T) {
	c := connect(t, "program")
	program := t.TempDir() + "/kubernetes"
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "-istio", "1.24.1", "-settle", settle.String())
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig)
	process, err := cluster.StartProcess("kubernetes", t.TempDir(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Stop(syscall.SIGTERM)
	if err := c.client.Create(t.Context(), service("program", "http", map[string]string{"app": "chat"})); err != nil {
		t.Fatal(err)
	}
	c.passes(t, "program", "nothing", "filter", "filter UPGRADE")

	out, err := exec.Command(program).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "WS401") {
		t.Errorf("without a release: %v: %s", err, out)
	}
}
