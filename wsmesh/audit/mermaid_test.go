// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"strings"
	"testing"
)

func TestMermaid(t *testing.T) {
	draw := func(text string) string {
		t.Helper()
		var b strings.Builder
		if err := run(t, setOf(t, text), "1.24.1").Mermaid(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for name, want := range map[string]string{
		"WS340-no-filter":          `n2 --x|"HTTP/2, extended CONNECT<br>WS340 503: no allow_connect"| n3`,
		"WS340-silent-filter":      `n3 -->|"HTTP/1.1, Upgrade: websocket"| n4`,
		"WS342-not-upgraded":       `n2 -->|"HTTP/1.1, Upgrade: websocket"| n3`,
		"WS540-http2-port":         `n3 --x|"HTTP/2, extended CONNECT<br>WS540 the application is sent HTTP/2"| n4`,
		"WS541-tcp-port":           `n2 -->|"TCP"| n3`,
		"WS547-injection-disabled": `n2 --x|"HTTP/2, extended CONNECT<br>WS547 nothing there accepts it"| n3`,
		"WS354-not-inherited":      `subgraph g1["Service prod/chat (DestinationRule prod/all)"]`,
	} {
		if got := draw(caseText(t, name)); !strings.Contains(got, want) {
			t.Errorf("%s: %q is not in\n%s", name, want, got)
		}
	}
	nasty := strings.ReplaceAll(caseText(t, "WS164-levels"), "name: chat ", "name: \"a\\\"]<b>#`\\n\" ") + "---\napiVersion: v1\nkind: Service\nmetadata: {name: chat, namespace: prod}\n"
	if got := draw(nasty); !strings.Contains(got, "prod/a#34;]#60;b#62;#35;#96;<br>)\"]\n") {
		t.Errorf("a name can end its label:\n%s", got)
	}
}
