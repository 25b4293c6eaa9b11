// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"slices"
	"sync"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
)

// Lines says on which lines of its document the fields of an object stand, when the tree of the document is gone. It takes
// eight bytes a field. The zero value knows none.
//
// The fields of Envoy's messages are known by their names in the .proto files, as findings about messages name them,
// however they are spelt in the document.
type Lines struct {
	fields  []uint64             // hashes of paths, and in the lineBits below them the lines
	spelt   map[fieldHash]string // how a field is spelt, where that is not its name
	sorting sync.Once
}

// lineBits is enough for the lines of a document of 3 MiB.
const lineBits = 22

// A fieldHash is a hash of a path. Its lineBits are zero. Of 200,000 fields of one document two have the same with a
// probability of one in two hundred; one of them is then said to be on the line of the other.
type fieldHash uint64

// step returns the hash of a path with one step more. It is FNV-1a.
func (h fieldHash) step(s fieldpath.Step) fieldHash {
	const prime = 1099511628211
	x := uint64(h) ^ 14695981039346656037
	if name, ok := s.Name(); ok {
		for i := range len(name) {
			x = (x ^ uint64(name[i])) * prime
		}
	} else {
		i, _ := s.Index()
		x = (x ^ uint64(i) ^ 1<<32) * prime
	}
	x = (x ^ 0xff) * prime // no name of UTF-8 has this byte
	x ^= x >> 29
	return fieldHash(x &^ (1<<lineBits - 1))
}

func (l *Lines) add(h fieldHash, line int) {
	l.fields = append(l.fields, uint64(h)|uint64(line)&(1<<lineBits-1))
}

// Find returns the line of the field at path, or of the nearest around it that the document has, and 0 where nothing is
// known; and the path in the spelling of the document. It may be called by several goroutines at once.
func (l *Lines) Find(path fieldpath.Path) (line int, written fieldpath.Path) {
	l.sorting.Do(func() { slices.Sort(l.fields) })
	written = path
	var h fieldHash
	line, _ = l.line(h)
	for i, s := range path {
		h = h.step(s)
		at, ok := l.line(h)
		if !ok {
			break
		}
		line = at
		if name, ok := l.spelt[h]; ok {
			if &written[0] == &path[0] {
				written = slices.Clone(path)
			}
			written[i] = fieldpath.Name(name)
		}
	}
	return line, written
}

func (l *Lines) line(h fieldHash) (int, bool) {
	i, _ := slices.BinarySearch(l.fields, uint64(h))
	if i == len(l.fields) || fieldHash(l.fields[i]&^(1<<lineBits-1)) != h {
		return 0, false
	}
	return int(l.fields[i] & (1<<lineBits - 1)), true
}
