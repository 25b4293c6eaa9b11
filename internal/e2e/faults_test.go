// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
)

// TestFaults breaks what WebSockets run over: each of them comes to an end, and nothing is left open in the proxies.
func TestFaults(t *testing.T) {
	c := mesh(t)
	const some = 100
	cut := func(t *testing.T, p *pair) {
		if err := cluster.IP("-n", p.server.netns, "link", "set", "eth0", "down"); err != nil {
			t.Fatal(err)
		}
	}
	join := func(t *testing.T, p *pair) {
		for _, args := range [][]string{
			{"-n", p.server.netns, "link", "set", "eth0", "up"},
			{"-n", p.server.netns, "route", "add", "default", "via", cluster.BridgeAddress},
		} {
			if err := cluster.IP(args...); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, x := range []struct {
		name     string
		sockets  int
		settings map[bool]string // of the DestinationRule's connectionPool, without and with HTTP/2
		fault    func(t *testing.T, p *pair)
		mend     func(t *testing.T, p *pair)
		limit    time.Duration // until all WebSockets have ended
	}{
		{
			name: "the server's proxy is killed and restarted", sockets: some, limit: 5 * time.Second,
			fault: func(_ *testing.T, p *pair) { p.server.proxy.Stop(syscall.SIGKILL) },
			mend:  func(t *testing.T, p *pair) { p.server.startProxy(t) },
		},
		{
			name: "the server is killed and restarted", sockets: some, limit: 5 * time.Second,
			fault: func(_ *testing.T, p *pair) { p.server.app.Stop(syscall.SIGKILL) },
			mend: func(t *testing.T, p *pair) {
				p.server.app = p.server.start(t, "app-again", p.server.exec(nil, p.server.command...))
			},
		},
		{name: "2,000 at once", sockets: 2000},
		{
			// Half-open: the server notices by its own pings, the client's proxy by what the DestinationRule asks for.
			name: "the network is cut for a time", sockets: some, limit: 15 * time.Second, fault: cut, mend: join,
			settings: map[bool]string{
				false: "      tcp:\n        tcpKeepalive: {time: 1s, interval: 1s, probes: 2}\n",
				true:  "        http2KeepAlive: {interval: 1s, timeout: 1s}\n",
			},
		},
	} {
		for i := range 4 {
			http2, mtls := i%2 == 1, i >= 2
			t.Run(fmt.Sprintf("%s %s/mtls-%v", protocolName(http2), x.name, mtls), func(t *testing.T) {
				p := c.newPair(t, setup{service: seed("default"), envoy: c.Tools.Envoys[0], mtls: mtls, ping: "3", workers: 1})
				t.Cleanup(func() { c.clear(t, "default") })
				p.upgrade(t, http2, x.settings[http2])
				f := p.dial(t, x.sockets, 200)
				f.echo(t)
				gauges := p.gauges(t)
				for name, n := range gauges {
					if n == 0 {
						t.Errorf("with %d WebSockets open, %s: 0", x.sockets, name)
					}
				}
				connections := gauges["client's proxy: connections upstream"]
				// A worker opens another HTTP/2 connection for every 1,024 streams, Envoy's default.
				if want := (x.sockets + 1023) / 1024; http2 && connections != want {
					t.Errorf("%d WebSockets share %d connections, want %d", x.sockets, connections, want)
				}
				result := fmt.Sprintf("all opened over %d connections, echoed and closed", connections)
				if x.fault == nil {
					f.close(t)
				} else {
					x.fault(t, p)
					result = fmt.Sprintf("all ended within %.1f s", f.awaitEnd(t, x.limit).Seconds())
					x.mend(t, p)
				}
				p.awaitNothing(t)
				p.awaitEndpoints(t)
				eventually(t, 20*time.Second, "a new WebSocket", func() error {
					_, text := p.helloWorld(t)
					return echoed(text)
				})
				p.row("10, "+protocolName(http2), fmt.Sprintf("%s, %d WebSockets", x.name, x.sockets), result+"; gauges at zero; a new WebSocket works", "-", "-")
			})
		}
	}
}
