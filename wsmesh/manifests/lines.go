// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/yamldoc"
)

// LineOf returns the line of the file on which the field at a path stands, such as
// "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy". Where there is no such field it is the line of the innermost
// one around it that there is.
func (o *Object) LineOf(path string) int {
	_, line := o.find(path)
	return line
}

// Spelt returns the path of a field as the file spells it. Within the value of an EnvoyFilter's patch findings name fields as
// Envoy's .proto files do, as in allow_connect, and people may write allowConnect.
func (o *Object) Spelt(path string) string {
	spelt, _ := o.find(path)
	return spelt
}

func (o *Object) find(path string) (spelt string, line int) {
	steps, err := fieldpath.Parse(path)
	if err != nil || o.lines == nil {
		return path, o.Line
	}
	steps, line = o.lines.of(steps)
	return steps.String(), line + o.Line - 1
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

// of returns the path in the spelling of the document, and the line of its last step that there is.
func (l lines) of(path fieldpath.Path) (spelt fieldpath.Path, number int) {
	number, hash := 1, uint32(0)
	if at, found := l.find(hash); found {
		number = at
	}
	for i, step := range path {
		next := below(hash, step)
		at, found := l.find(next)
		if name, ok := step.Name(); !found && ok && strings.Contains(name, "_") {
			step = fieldpath.Name(jsonName(name))
			next = below(hash, step)
			if at, found = l.find(next); found {
				path = slices.Clone(path)
				path[i] = step
			}
		}
		if !found {
			break
		}
		hash, number = next, at
	}
	return path, number
}

func (l lines) find(hash uint32) (number int, found bool) {
	i, found := slices.BinarySearchFunc(l, hash, func(x line, h uint32) int { return int(int64(x.path) - int64(h)) })
	if !found {
		return 0, false
	}
	return int(l[i].number), true
}

// jsonName returns the name that protobuf's JSON mapping gives a field.
func jsonName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_':
		case i > 0 && name[i-1] == '_' && 'a' <= c && c <= 'z':
			b.WriteByte(c - 'a' + 'A')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
