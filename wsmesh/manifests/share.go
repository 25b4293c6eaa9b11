// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"hash/maphash"
	"path/filepath"
	"sync"

	"github.com/wsmesh/wsmesh/internal/yamldoc"
)

// shared holds what many objects have in common, such as the patch that the EnvoyFilters of a fleet consist of, so that it is
// read and kept once. The keys are hashes of the text that something was read from, by a seed that nobody knows before:
// two texts of one hash are not to be expected.
type shared struct {
	mu     sync.Mutex
	values map[uint64]any

	patches map[string]string // the files that kustomizations name as patches, and the kustomizations
}

// named remembers the files that a kustomization names as patches.
func (s *shared) named(kustomization string, files []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		if s.patches == nil {
			s.patches = map[string]string{}
		}
		s.patches[filepath.Join(filepath.Dir(kustomization), filepath.FromSlash(f))] = kustomization
	}
}

func (s *shared) get(key uint64) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// put keeps v under the key, if nothing is, and returns what is kept.
func (s *shared) put(key uint64, v any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if had, ok := s.values[key]; ok {
		return had
	}
	if s.values == nil {
		s.values = map[uint64]any{}
	}
	s.values[key] = v
	return v
}

var seed = maphash.MakeSeed()

// hashOf returns a hash of a node and all that is in it, but for the lines, and of what it is to be read as.
func hashOf(as string, n *yamldoc.Node) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(as)
	write(&h, n)
	return h.Sum64()
}

func write(h *maphash.Hash, n *yamldoc.Node) {
	maphash.WriteComparable(h, n.Type())
	switch n.Type() {
	case yamldoc.Map:
		maphash.WriteComparable(h, n.Len())
		for i := range n.Len() {
			key, value := n.Entry(i)
			write(h, key)
			write(h, value)
		}
	case yamldoc.List:
		maphash.WriteComparable(h, n.Len())
		for i := range n.Len() {
			write(h, n.Item(i))
		}
	case yamldoc.Null, yamldoc.Bool, yamldoc.Number, yamldoc.String:
		maphash.WriteComparable(h, n.Text())
	}
}
