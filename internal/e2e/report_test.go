// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// report collects what the tests print at the end: a row for each case, and tables of their own.
var report reporter

type reporter struct {
	mu     sync.Mutex
	rows   []row
	tables []string
}

// A row is the outcome of a case. A failed case has no row: the test says what happened.
type row struct {
	id, envoy, tls string
	expectation    string
	result         string
	client, server string // protocol, response code and flags in the access logs of the two proxies
}

func (r *reporter) add(x row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, x)
}

// table adds a table that is printed as it is.
func (r *reporter) table(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tables = append(r.tables, text)
}

func (r *reporter) print(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) > 0 {
		fmt.Fprintln(w, "\nLeft out of istiod's configuration, since upstream Envoy lacks it, by istiod's own settings alone:")
		fmt.Fprintln(w, " ", strings.Join(istiodSettings, " "), "and no metrics provider in the mesh configuration")
		fmt.Fprintln(w, "\n| case | Envoy | TLS | expectation | result | client's proxy | server's proxy |")
		fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	}
	slices.SortStableFunc(r.rows, func(a, b row) int { return number(a.id) - number(b.id) })
	for _, x := range r.rows {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", x.id, x.envoy, x.tls, x.expectation, x.result, x.client, x.server)
	}
	for _, text := range r.tables {
		fmt.Fprintf(w, "\n%s\n", text)
	}
}

// number is the case that a row belongs to: 5 of "5, stage 1".
func number(id string) int {
	n, _ := strconv.Atoi(strings.FieldsFunc(id, func(r rune) bool { return r < '0' || r > '9' })[0])
	return n
}
