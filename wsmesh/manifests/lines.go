// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"cmp"
	"slices"
	"sync"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
)

// LineOf returns the line of the file on which the field at a path stands, such as
// "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy". Where there is no such field it is the line of the innermost
// one around it that there is.
func (o *Object) LineOf(path string) int {
	steps, err := fieldpath.Parse(path)
	if err != nil || o.lines == nil {
		return o.Line
	}
	return o.lines.of(steps) + o.Line - 1
}

// lines are the lines of all fields of an object, in the order of the hashes of their paths. They take a quarter of the tree
// that they are read from. The hashes are the same on every run, and of 64 bits, so that no two paths of one object share one.
type lines []line

type line struct {
	path   uint64
	number uint32
}

// below returns the hash of the path that leads from the one with the hash parent one step further: FNV-1a of its steps.
func below(parent uint64, step fieldpath.Step) uint64 {
	const prime = 1099511628211
	h := parent
	if i, ok := step.Index(); ok {
		for n := uint64(i)<<1 | 1; n > 0; n >>= 8 {
			h = (h ^ n&0xff) * prime
		}
		return (h ^ '[') * prime
	}
	name, _ := step.Name()
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * prime
	}
	return (h ^ '.') * prime
}

// top is the hash of the empty path.
const top = 14695981039346656037

// linesOf returns the lines of a document. Documents of one form share them.
func linesOf(root *yamldoc.Node, s *shared) *lines {
	scratch, _ := buffers.Get().(*lines)
	if scratch == nil {
		scratch = new(lines)
	}
	defer buffers.Put(scratch)
	*scratch = append((*scratch)[:0], line{top, uint32(max(root.Line, 1))})
	scratch.add(root, top)
	slices.SortFunc(*scratch, func(a, b line) int { return cmp.Compare(a.path, b.path) })
	key := uint64(top)
	for _, x := range *scratch {
		key = below(below(key, fieldpath.Index(int(x.path>>1))), fieldpath.Index(int(x.number)))
	}
	if had, ok := s.get(key).(*lines); ok && slices.Equal(*had, *scratch) {
		return had
	}
	own := slices.Clone(*scratch)
	s.put(key, &own)
	return &own
}

// buffers are for lines that are shared in the end.
var buffers sync.Pool

func (l *lines) add(n *yamldoc.Node, parent uint64) {
	switch n.Type() {
	case yamldoc.Map:
		for i := range n.Len() {
			key, value := n.Entry(i)
			path := below(parent, fieldpath.Name(key.Text()))
			*l = append(*l, line{path, uint32(key.Line)})
			l.add(value, path)
		}
	case yamldoc.List:
		for i := range n.Len() {
			path := below(parent, fieldpath.Index(i))
			*l = append(*l, line{path, uint32(n.Item(i).Line)})
			l.add(n.Item(i), path)
		}
	case yamldoc.Null, yamldoc.Bool, yamldoc.Number, yamldoc.String:
	}
}

// of returns the line of the last step of the path that there is.
func (l lines) of(path fieldpath.Path) int {
	number, hash := 1, uint64(top)
	for i := -1; i < len(path); i++ {
		if i >= 0 {
			hash = below(hash, path[i])
		}
		at, found := slices.BinarySearchFunc(l, hash, func(x line, h uint64) int { return cmp.Compare(x.path, h) })
		if !found {
			break
		}
		number = int(l[at].number)
	}
	return number
}
