// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"hash/maphash"
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

// lines are the lines of all fields of an object, by the hashes of their paths. They take an eighth of the tree that they
// are read from. Two paths of one hash, which are not to be expected in one object, would cost no more than a wrong line.
type lines []line

type line struct{ path, number uint32 }

var seed = maphash.MakeSeed()

// below returns the hash of the path that leads from the one with the hash parent one step further.
func below(parent uint32, step fieldpath.Step) uint32 {
	h := maphash.Comparable(seed, step)
	return uint32(h) ^ uint32(h>>32) + parent*0x9e3779b1
}

// linesOf returns the lines of a document. Documents of one form share them.
func linesOf(root *yamldoc.Node, s *shared) *lines {
	scratch, _ := buffers.Get().(lines)
	l := append(scratch[:0], line{0, uint32(max(root.Line, 1))})
	l.add(root, 0)
	slices.SortFunc(l, func(a, b line) int { return int(int64(a.path) - int64(b.path)) })
	key := maphash.Comparable(seed, len(l))
	for _, x := range l {
		key = maphash.Comparable(seed, [2]uint64{key, uint64(x.path)<<32 | uint64(x.number)})
	}
	had, ok := s.get(key).(*lines)
	if !ok {
		own := slices.Clone(l)
		had, _ = s.put(key, &own).(*lines)
	}
	buffers.Put(l[:0])
	return had
}

// buffers are for lines that are shared in the end.
var buffers sync.Pool

func (l *lines) add(n *yamldoc.Node, parent uint32) {
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
	number, hash := 1, uint32(0)
	for i := -1; i < len(path); i++ {
		if i >= 0 {
			hash = below(hash, path[i])
		}
		at, found := slices.BinarySearchFunc(l, hash, func(x line, h uint32) int { return int(int64(x.path) - int64(h)) })
		if !found {
			break
		}
		number = int(l[at].number)
	}
	return number
}
