// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"cmp"
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

// of returns the path in the spelling of the document, and the line of its last step that there is.
func (l lines) of(path fieldpath.Path) (spelt fieldpath.Path, number int) {
	number, hash := 1, uint64(top)
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

func (l lines) find(hash uint64) (number int, found bool) {
	i, found := slices.BinarySearchFunc(l, hash, func(x line, h uint64) int { return cmp.Compare(x.path, h) })
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
