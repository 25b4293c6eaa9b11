// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// A fleet is many open WebSockets from one client pod.
type fleet struct {
	sockets    []*socket
	handshakes []time.Duration // sorted
}

// A socket is a WebSocket whose messages are read until it ends.
type socket struct {
	conn     *websocket.Conn
	messages chan string
	ended    chan struct{}
}

// dial opens n WebSockets, so many in parallel.
func (p *pair) dial(t testing.TB, n, parallel int) *fleet {
	t.Helper()
	client := &http.Client{Transport: p.client.transport()}
	f := &fleet{}
	var mu sync.Mutex
	var failed []error
	inParallel(n, parallel, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		start := time.Now()
		conn, _, err := websocket.Dial(ctx, "ws://"+p.service.authority()+"/load", &websocket.DialOptions{HTTPClient: client})
		took := time.Since(start)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = append(failed, err)
			return
		}
		s := &socket{conn, make(chan string, 1), make(chan struct{})}
		go s.read()
		f.sockets, f.handshakes = append(f.sockets, s), append(f.handshakes, took)
	})
	t.Cleanup(func() {
		for _, s := range f.sockets {
			_ = s.conn.CloseNow()
		}
	})
	if len(failed) > 0 {
		t.Fatalf("%d of %d WebSockets were not opened, the first: %v", len(failed), n, failed[0])
	}
	slices.Sort(f.handshakes)
	return f
}

// inParallel calls a function n times, so many in parallel.
func inParallel(n, parallel int, f func()) {
	var all sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for range n {
		slots <- struct{}{}
		all.Go(func() {
			f()
			<-slots
		})
	}
	all.Wait()
}

func (s *socket) read() {
	defer close(s.ended)
	for {
		_, message, err := s.conn.Read(context.Background())
		if err != nil {
			return
		}
		s.messages <- string(message)
	}
}

// echo sends a message over each WebSocket and waits for what comes back.
func (f *fleet) echo(t testing.TB) {
	t.Helper()
	var mu sync.Mutex
	var failed []error
	next := make(chan *socket, len(f.sockets))
	for _, s := range f.sockets {
		next <- s
	}
	inParallel(len(f.sockets), 100, func() {
		if err := (<-next).echo(); err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, err)
		}
	})
	if len(failed) > 0 {
		t.Fatalf("%d of %d WebSockets gave no echo, the first: %v", len(failed), len(f.sockets), failed[0])
	}
}

func (s *socket) echo() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		return err
	}
	select {
	case m := <-s.messages:
		if m != "hello" {
			return fmt.Errorf("echo %q", m)
		}
		return nil
	case <-s.ended:
		return errors.New("it ended")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitEnd waits until all WebSockets have ended, and returns how long that took.
func (f *fleet) awaitEnd(t testing.TB, limit time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	for i, s := range f.sockets {
		select {
		case <-s.ended:
		case <-time.After(time.Until(start.Add(limit))):
			t.Fatalf("after %s the WebSocket %d of %d has not ended", limit, i+1, len(f.sockets))
		}
	}
	return time.Since(start)
}

// close closes all WebSockets with a handshake.
func (f *fleet) close(t testing.TB) {
	t.Helper()
	var all sync.WaitGroup
	for _, s := range f.sockets {
		all.Go(func() { _ = s.conn.Close(websocket.StatusNormalClosure, "") })
	}
	all.Wait()
	f.awaitEnd(t, 30*time.Second)
}

// gauges counts what the two proxies hold open for WebSockets: upgraded streams and upstream connections.
func (p *pair) gauges(t testing.TB) map[string]int {
	t.Helper()
	open := map[string]int{}
	for name, side := range map[string]struct {
		pod     *pod
		cluster string
	}{"client's proxy": {p.client, `outbound\|8080`}, "server's proxy": {p.server, `inbound\|80`}} {
		open[name+": WebSockets"] = side.pod.stat(t, `^http\..*downstream_cx_upgrades_active$`)
		open[name+": connections upstream"] = side.pod.stat(t, `^cluster\.`+side.cluster+`\|.*upstream_cx_active$`)
		open[name+": requests upstream"] = side.pod.stat(t, `^cluster\.`+side.cluster+`\|.*upstream_rq_active$`)
	}
	open["server's proxy: connections downstream"] = p.server.stat(t, `^http\.inbound.*downstream_cx_active$`)
	return open
}

// awaitNothing waits until the proxies hold nothing open for WebSockets any more.
func (p *pair) awaitNothing(t testing.TB) {
	t.Helper()
	eventually(t, 30*time.Second, "gauges at zero", func() error {
		for name, n := range p.gauges(t) {
			if n != 0 {
				return fmt.Errorf("%s: %d", name, n)
			}
		}
		return nil
	})
}

// memory returns the resident memory of the pod's proxy in KiB.
func (p *pod) memory(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.proxy.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// upgrade applies a plan with UPGRADE, or one that keeps HTTP/1.1, and waits until the proxies have it. The rule lets
// idle connections between the proxies end soon, so that gauges can return to zero.
func (p *pair) upgrade(t testing.TB, http2 bool, settings string) {
	t.Helper()
	base, err := destinationrule.Parse([]byte(`apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: websockets-server
  namespace: ` + p.service.namespace + `
spec:
  host: ` + p.service.host() + `
  trafficPolicy:
    connectionPool:
      http:
        idleTimeout: 2s
` + settings))
	if err != nil {
		t.Fatal(err)
	}
	stages := plan(t, p.service.namespace, istioRelease, wsmesh.Options{Base: base, HTTP1: !http2}).Stages()
	for i, stage := range stages {
		p.carryOut(t, stage)
		p.await(t, http2, http2 && i == len(stages)-1)
	}
	p.awaitRule(t)
}
