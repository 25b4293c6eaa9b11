// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestGain opens many WebSockets from one client pod, over HTTP/1.1 and over HTTP/2 between the proxies.
func TestGain(t *testing.T) {
	const sockets = 500
	c := mesh(t)
	var table strings.Builder
	fmt.Fprintf(&table, "%d WebSockets from one client pod, Envoy %s, two workers in each proxy:\n\n", sockets, c.Tools.Envoys[0].Release)
	fmt.Fprintln(&table, "| between the proxies | TLS | TCP connections | memory of the server's proxy | handshake, median | handshake, 99 % |")
	fmt.Fprintln(&table, "|---|---|---|---|---|---|")
	for _, mtls := range []bool{false, true} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s mtls-%v", protocolName(http2), mtls), func(t *testing.T) {
				p := c.newPair(t, setup{service: seed("default"), envoy: c.Tools.Envoys[0], mtls: mtls})
				t.Cleanup(func() { c.clear(t, "default") })
				p.upgrade(t, http2, "")
				before := p.server.memory(t)
				f := p.dial(t, sockets, 20)
				f.echo(t)
				grown := p.server.memory(t) - before
				connections := p.gauges(t)["client's proxy: connections upstream"]
				if !http2 && connections != sockets || http2 && connections > 2 {
					t.Errorf("%d connections between the proxies", connections)
				}
				f.close(t)
				p.awaitNothing(t)
				fmt.Fprintf(&table, "| %s | %s | %d | +%.1f MiB | %.1f ms | %.1f ms |\n", protocolName(http2), tlsName(mtls), connections,
					float64(grown)/1024, ms(f.handshakes[len(f.handshakes)/2]), ms(f.handshakes[len(f.handshakes)*99/100]))
			})
		}
	}
	if !t.Failed() {
		report.table(table.String())
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
