// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"errors"
	"strings"
	"testing"
)

func TestChart(t *testing.T) {
	c := New()
	c.Open("a\"]<b>#`;\\\n&")
	client, server := c.Node("client"), c.Node("server")
	c.Hop(client, server, "HTTP/1.1", "")
	c.Hop(client, server, "HTTP/2", "503")
	c.Close()
	c.Open("second")
	c.Arrow(c.Node("client"), server, "TCP", true)
	c.Close()
	var b strings.Builder
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `flowchart LR
  subgraph g1["a#34;]#60;b#62;#35;#96;#59;#92;<br>#38;"]
    n1["client"]
    n2["server"]
    n1 -->|"HTTP/1.1"| n2
    n1 --x|"HTTP/2<br>503"| n2
  end
  subgraph g2["second"]
    n3["client"]
    n3 --x|"TCP"| n2
  end
  linkStyle 1,2 stroke:#c00,color:#c00
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	full := errors.New("no space left")
	if err := c.Write(writer(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Errorf("%v, want the writer's error", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
