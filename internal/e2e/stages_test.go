// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// drainTime is short here; Istio's default is 45 s.
const drainTime = 2 * time.Second

// TestStages carries out a plan's stages and its rollback with a WebSocket open at each step, and shows that a
// stage's own command tells when it is done.
func TestStages(t *testing.T) {
	forEachTLS(t, func(t *testing.T, p *pair) { p.stages(t) })
}

// forEachTLS runs a test in plaintext and with Istio mutual TLS.
func forEachTLS(t *testing.T, test func(t *testing.T, p *pair)) {
	c := mesh(t)
	for _, mtls := range []bool{false, true} {
		t.Run(fmt.Sprintf("mtls-%v", mtls), func(t *testing.T) {
			p := c.newPair(t, setup{service: seed("default"), envoy: c.Tools.Envoys[0], mtls: mtls, workers: 1, drain: drainTime})
			t.Cleanup(func() { c.clear(t, "default") })
			test(t, p)
		})
	}
}

func (p *pair) stages(t *testing.T) {
	plan := plan(t, "default", "1.31.0", wsmesh.Options{})

	up, back := plan.Stages(), plan.Rollback()
	if len(up) != 2 || len(back) != 2 {
		t.Fatalf("%d stages, %d of the rollback", len(up), len(back))
	}
	steps := []struct {
		id       string
		stage    wsmesh.Stage
		protocol string // between the proxies, of the WebSocket that was opened before the step
		survives bool
		accept   bool // what holds after the step
		upgrade  bool
	}{
		{"5, stage 1", up[0], "HTTP/1.1", false, true, false},
		{"5, stage 2", up[1], "HTTP/1.1", true, true, true},
		{"5, rollback 1", back[0], "HTTP/2", true, true, false},
		{"5, rollback 2", back[1], "HTTP/1.1", false, false, false},
	}
	for _, step := range steps {
		s := p.open(t)
		if err := s.say("before"); err != nil {
			t.Fatal(err)
		}
		if step.stage.Command != "" {
			if out := p.run(t, step.stage); out == "" {
				t.Errorf("%s: before the stage is carried out, its command prints nothing: %s", step.id, step.stage.Command)
			}
		}
		changed := time.Now()
		p.carryOut(t, step.stage)
		if step.stage.Command != "" {
			p.done(t, step.stage)
		}
		p.await(t, step.accept, step.upgrade)
		fate, survived := s.fate(t, changed)
		if survived != step.survives {
			t.Errorf("%s: the open WebSocket over %s: %s", step.id, step.protocol, fate)
		}
		client := "-"
		if !survived {
			client = p.client.logged(t, s.path).String()
		}
		protocol := p.server.logged(t, s.path)
		if protocol.Protocol != step.protocol {
			t.Errorf("%s: the WebSocket was open over %s", step.id, protocol.Protocol)
		}
		p.row(step.id, step.stage.Name+", with a WebSocket open over "+step.protocol, fate, client, protocol.String())
		p.works(t, step.id+", after", "a new WebSocket", protocolName(step.upgrade))
	}
}

// run runs a stage's command as a user would, with the real kubectl and istioctl.
func (p *pair) run(t testing.TB, s wsmesh.Stage) string {
	t.Helper()
	path := "PATH=" + filepath.Dir(p.c.Tools.Path("kubectl")) + ":" + filepath.Dir(p.c.Tools.Path("istioctl")) + ":/usr/bin:/bin"
	out, err := cluster.Command(60*time.Second, "env", path, "KUBECONFIG="+cluster.Kubeconfig,
		"PODS="+p.client.name+"."+p.client.namespace, "bash", "-c", s.Command)
	t.Logf("$ %s\n%s(%v)", s.Command, out, err)
	return out
}

// done waits until the stage's command prints nothing.
func (p *pair) done(t testing.TB, s wsmesh.Stage) {
	t.Helper()
	eventually(t, 30*time.Second, s.Command, func() error {
		if out := p.run(t, s); out != "" {
			return fmt.Errorf("it still prints %q", out)
		}
		return nil
	})
}

// carryOut applies and deletes a stage's objects with kubectl.
func (p *pair) carryOut(t testing.TB, s wsmesh.Stage) {
	t.Helper()
	if len(s.Apply) > 0 {
		p.c.apply(t, p.service.namespace, yaml(t, s.Apply...))
	}
	if len(s.Delete) > 0 {
		if out, err := p.c.Kubectl("delete", "-f", p.c.file(t, yaml(t, s.Delete...))); err != nil {
			t.Fatalf("kubectl delete: %v: %s", err, out)
		}
	}
}

// fate waits until listeners have been drained, and reports whether the session lives on after a change that was begun at
// the time given. One that does is closed. One that does not must have lived until the drain time was over.
func (s *session) fate(t testing.TB, changed time.Time) (fate string, survived bool) {
	t.Helper()
	select {
	case <-s.process.Done:
	case <-time.After(drainTime + 3*time.Second):
		if err := s.say("after"); err != nil {
			return "hangs: " + err.Error(), false
		}
		s.close()
		return "survives", true
	}
	lines := strings.Split(strings.TrimSpace(s.text()), "\n")
	last := lines[len(lines)-1]
	if lived := s.process.End.Sub(changed); lived < drainTime || !strings.Contains(last, "1006") {
		t.Errorf("cut after %s: %s", lived, last)
	}
	return fmt.Sprintf("cut when the drain time (%s) is over: %s", drainTime, last), false
}

// TestWrongOrder applies the objects of a plan in the wrong order, forth and back.
func TestWrongOrder(t *testing.T) {
	forEachTLS(t, func(t *testing.T, p *pair) { p.wrongOrder(t) })
}

func (p *pair) wrongOrder(t *testing.T) {
	plan := plan(t, "default", "1.31.0", wsmesh.Options{})
	stages := plan.Stages()
	p.carryOut(t, stages[1])
	p.await(t, false, true)
	p.breaks(t, "5, wrong order", "the DestinationRule first: refused until the EnvoyFilter is there", 503, terminated)
	p.carryOut(t, stages[0])
	p.await(t, true, true)
	p.works(t, "5, wrong order", "then the EnvoyFilter", "HTTP/2")

	s := p.open(t)
	if err := s.say("before"); err != nil {
		t.Fatal(err)
	}
	changed := time.Now()
	p.carryOut(t, plan.Rollback()[1])
	p.await(t, false, true)
	fate, survived := s.fate(t, changed)
	if survived {
		t.Error("the open WebSocket survives")
	}
	p.row("5, wrong rollback", "the EnvoyFilter deleted first, with a WebSocket open over HTTP/2", fate, "-", p.server.logged(t, s.path).String())
	p.breaks(t, "5, wrong rollback", "and a new WebSocket", 503, terminated)
}
