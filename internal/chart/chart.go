// SPDX-License-Identifier: Apache-2.0

// Package chart draws the hops of WebSockets as flowcharts in the language of mermaid. Plans and audits draw with it, so that
// both look the same; it imports package finding alone, for its escapes.
package chart

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// label returns text as a quoted label, in which a line feed is a line break.
func label(text string) string { return `"` + finding.EscapeMermaid(text) + `"` }

// A Chart is a flowchart that is being drawn.
type Chart struct {
	text                 bytes.Buffer
	nodes, links, groups int
	broken               []string // the numbers of the links that are broken
}

// New returns an empty flowchart.
func New() *Chart {
	c := &Chart{}
	c.text.WriteString("flowchart LR\n")
	return c
}

// Open begins a group of nodes with a title.
func (c *Chart) Open(title string) {
	c.groups++
	fmt.Fprintf(&c.text, "  subgraph g%d[%s]\n", c.groups, label(title))
}

// Close ends the group.
func (c *Chart) Close() { c.text.WriteString("  end\n") }

// Node adds a box with a name and returns its id.
func (c *Chart) Node(name string) string {
	c.nodes++
	id := "n" + strconv.Itoa(c.nodes)
	fmt.Fprintf(&c.text, "    %s[%s]\n", id, label(name))
	return id
}

// Hop draws the hop from one node to another with its protocol. If broken is not empty, the hop is broken, and broken says why.
func (c *Chart) Hop(from, to, protocol, broken string) {
	if broken != "" {
		protocol += "\n" + broken
	}
	c.Arrow(from, to, protocol, broken != "")
}

// Arrow draws an arrow with a text. A broken one is red and ends in a cross.
func (c *Chart) Arrow(from, to, text string, broken bool) {
	end := "-->"
	if broken {
		end = "--x"
		c.broken = append(c.broken, strconv.Itoa(c.links))
	}
	c.links++
	fmt.Fprintf(&c.text, "    %s %s|%s| %s\n", from, end, label(text), to)
}

// Write writes the flowchart.
func (c *Chart) Write(w io.Writer) error {
	text := c.text.String()
	if len(c.broken) > 0 {
		text += "  linkStyle " + strings.Join(c.broken, ",") + " stroke:#c00,color:#c00\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
