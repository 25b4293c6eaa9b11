// SPDX-License-Identifier: Apache-2.0

// Package fleet writes the manifests of thousands of WebSocket servers: as a stream, or to the files of a directory that it
// keeps up to date.
//
// A [Fleet] is a mesh, options and a sequence of members, in Go or read from an inventory by [ParseInventory]. For each
// member it writes what [wsmesh.NewPlan] plans, and it reports what only shows beside other members: two that are for one
// host, give an object the same name, or select the same pods.
package fleet

import (
	"errors"
	"iter"
	"slices"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// A Member is a Service of a fleet.
type Member struct {
	wsmesh.Service
	Options *wsmesh.Options // nil: those of the fleet; else these alone
}

// Members returns the members as the sequence that a [Fleet] reads.
func Members(members ...Member) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		for _, m := range members {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// A Fleet is the WebSocket servers of a mesh. Its methods do not change it; they may run at the same time where the
// sequence may be read at the same time.
type Fleet struct {
	// Name is that of the inventory. Sync writes it into the first line of each file, and leaves files that have another
	// name there alone, so that several fleets may share a directory. It may be empty.
	Name    string
	Mesh    wsmesh.Mesh
	Options wsmesh.Options // of the members that have none of their own
	// Services is the sequence of the members. They need not all be in memory: they may come from a database, say. A sequence
	// that cannot go on yields an error. What it yields is copied at once, so that it may use the same maps for all members.
	Services iter.Seq2[Member, error]

	// locate gives a finding about a member, counted from 0, or the mesh, -1, its place in the inventory; nil where there is
	// none.
	locate func(member int, f finding.Finding) finding.Finding
}

// MoreErrors says that a fleet has more problems than are listed.
var MoreErrors = finding.Rule{Code: "WS329", Severity: finding.SeverityError,
	Meaning: "No more than 1,000 warnings and errors of a fleet are listed; all are counted.", Source: "this library"}

// A Summary says what a method of [Fleet] read, wrote and found.
type Summary struct {
	Services int            `json:"services"` // read
	Objects  int            `json:"objects"`  // written
	Bytes    int64          `json:"bytes"`    // written
	Codes    map[string]int `json:"codes"`    // how many findings of each code there are, all counted
	Findings finding.List   `json:"findings"` // the first 1,000 warnings and errors, in the order of the members
}

// maxListed is how many warnings and errors a Summary lists.
const maxListed = 1000

// check returns what there is to know of the fleet whatever its members, and the error of one of which no member can be
// planned.
func (f *Fleet) check() (finding.List, error) {
	switch {
	case f == nil:
		return nil, errors.New("the fleet is nil: give one with a Mesh and Services")
	case f.Services == nil:
		return nil, errors.New("the fleet's Services are nil: give a sequence, such as fleet.Members returns")
	}
	l := f.Mesh.Validate()
	problems := slices.Concat(l, f.Options.Validate(f.Mesh))
	if problems.Err() == nil {
		return l, nil
	}
	e := &finding.Error{Findings: problems}
	if _, _, err := f.Mesh.Oldest(); err != nil {
		e.Causes = []error{err}
	}
	return problems, e
}
