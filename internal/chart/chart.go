// SPDX-License-Identifier: Apache-2.0

// Package chart draws the hops of WebSockets as flowcharts in the language of mermaid, for plans and audits alike.
package chart

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// label returns text as a quoted label. A line break stays one.
func label(text string) string { return `"` + finding.EscapeMermaid(text) + `"` }

// A Chart is a flowchart of mermaid in the making.
type Chart struct {
	text                 bytes.Buffer
	nodes, links, groups int
	broken               []string // numbers of the links that are
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

// Hop draws a hop by its protocol; where broken is not empty, it says why the hop is.
func (c *Chart) Hop(from, to, protocol, broken string) {
	if broken != "" {
		protocol += "\n" + broken
	}
	c.Arrow(from, to, protocol, broken != "")
}

// Arrow draws one hop; a broken one ends in a cross, and is red.
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
