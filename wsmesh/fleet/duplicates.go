// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"strings"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An identifier makes the hashes by which the Services of a fleet are told apart.
type identifier struct{ seed maphash.Seed }

func newIdentifier() identifier { return identifier{maphash.MakeSeed()} }

// An identity is a Service in hashes.
type identity struct {
	namespace, name uint64
	labels          [maxParts]uint64 // of each label, where they are no more
	workload        uint64           // of all labels together
	regular         bool             // the one label's value is the Service's name, as is usual
}

// maxParts is up to how many labels a workload is compared with those that have some of them only: there are 14 ways to
// leave out some of four.
const maxParts = 4

func (d identifier) of(e *entry) identity {
	id := identity{
		namespace: maphash.String(d.seed, e.svc.Namespace),
		name:      maphash.String(d.seed, e.svc.Name),
	}
	for i, l := range e.labels {
		value := id.name
		if l.value != e.svc.Name {
			value = maphash.String(d.seed, l.value)
		}
		h := d.label(l.key, value)
		id.workload += h
		if i < maxParts {
			id.labels[i] = h
		}
	}
	id.regular = len(e.labels) == 1 && e.labels[0].value == e.svc.Name
	return id
}

// label hashes a label by its key and the hash of its value. The hash of several labels is their sum.
func (d identifier) label(key string, value uint64) uint64 {
	return mix(maphash.String(d.seed, key), value)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, bits.RotateLeft64(b, 32)^0xd1b54a32d192ed03)
	return hi ^ lo
}

// What a hash in the set stands for.
const (
	aService        = 1 + iota // namespace and name
	aRegularService            // the same, of one whose workload is its name under the fleet's usual key
	aHost
	aFilter   // the namespace of a filter whose name is the same for all Services
	aWorkload // namespace and labels
	aPart     // namespace and some of the labels of a workload
)

// A fleet is what was seen of the Services so far.
type fleet struct {
	req  request // the mesh and the options
	ids  identifier
	seen hashSet
	some [aPart + 1]bool // of which there are any: most fleets need one look a Service
	full bool            // no more can be remembered
	key  string          // the usual key of workloads: that of the first regular one
}

// maxSeen is how many hashes are remembered, so that memory does not grow with the fleet: about 0.5 MiB.
const maxSeen = 1 << 16

// addNew says whether there was no such hash before.
func (f *fleet) addNew(what uint64, namespace, h uint64) bool {
	f.some[what] = true
	h = mix(mix(namespace, what), h)
	if f.seen.len == maxSeen {
		f.full = true
		return !f.seen.has(h)
	}
	return f.seen.add(h)
}

func (f *fleet) has(what uint64, namespace, h uint64) bool {
	return f.some[what] && f.seen.has(mix(mix(namespace, what), h))
}

// check compares an entry with those before it.
func (f *fleet) check(e *entry) finding.List {
	var l finding.List
	id := &e.id
	if id.regular && f.key == "" {
		f.key = e.labels[0].key
	}
	regular := id.regular && e.labels[0].key == f.key && e.filtered
	is, other := uint64(aService), uint64(aRegularService)
	if regular {
		is, other = other, is
	}
	if f.has(other, id.namespace, id.name) || !f.addNew(is, id.namespace, id.name) {
		return append(l, sameName(e, "the Service is given twice", "give each Service of the fleet once"))
	}
	if f.req.host != "" || f.req.hasBase {
		l = append(l, f.checkHost(e)...)
	}
	if f.req.asm && e.filtered && !f.addNew(aFilter, id.namespace, 0) {
		l = append(l, sameName(e, fmt.Sprintf("the EnvoyFilter %q of another Service is in the same namespace", asmFilterName),
			"leave out WithASM where a namespace has several WebSocket servers"))
	}
	if e.filtered && f.overlaps(e, regular) {
		l = append(l, finding.New(finding.WS322, "spec.selector",
			fmt.Sprintf("the labels %s and those of another Service select the same pods", e.selector()),
			"give the labels that only this server's pods have, or leave out one of the Services"))
	}
	if len(l) == 0 {
		return nil // without making a text for every Service
	}
	return l.WithObject(e.svc.object())
}

func sameName(e *entry, message, hint string) finding.Finding {
	f := finding.New(finding.WS320, "metadata.name", message, hint)
	f.Object = e.svc.object()
	return f
}

// checkHost looks at the host where it is not made of the Service's own names.
func (f *fleet) checkHost(e *entry) finding.List {
	r := f.req
	r.svc = e.service()
	host := resolveHost(r.plannedHost(), r.svc.Namespace, r.mesh.clusterDomain())
	if f.addNew(aHost, 0, maphash.String(f.ids.seed, host)) {
		return nil
	}
	return finding.List{finding.New(finding.WS321, "spec.host", fmt.Sprintf("the host %q is that of another Service too", host),
		"leave out WithHost, so that each Service has a host of its own")}
}

// overlaps says whether the workload's labels are among those of an earlier one, or the other way round.
func (f *fleet) overlaps(e *entry, regular bool) bool {
	id := &e.id
	found := f.has(aWorkload, id.namespace, id.workload) || f.has(aPart, id.namespace, id.workload)
	if regular {
		return found // its hash as a Service is that of its workload, too
	}
	found = found || len(e.labels) == 1 && f.isRegular(e, 0)
	f.addNew(aWorkload, id.namespace, id.workload)
	if n := len(e.labels); n <= maxParts {
		for some := 1; some < 1<<n-1; some++ {
			var sum uint64
			for i := range n {
				if some>>i&1 == 1 {
					sum += id.labels[i]
				}
			}
			found = found || f.has(aWorkload, id.namespace, sum)
			if bits.OnesCount(uint(some)) == 1 {
				found = found || f.isRegular(e, bits.TrailingZeros(uint(some)))
			}
			f.addNew(aPart, id.namespace, sum)
		}
	}
	return found
}

// isRegular says whether the entry's label i is the whole workload of an earlier regular Service.
func (f *fleet) isRegular(e *entry, i int) bool {
	return e.labels[i].key == f.key && f.has(aRegularService, e.id.namespace, maphash.String(f.ids.seed, e.labels[i].value))
}

// selector returns the labels for a message.
func (e *entry) selector() string {
	pairs := make([]string, len(e.labels))
	for i, l := range e.labels {
		pairs[i] = l.key + "=" + l.value
	}
	return strings.Join(pairs, ",")
}

// A hashSet holds 53 bits of each hash in about 7 bytes. It grows without copying, so that the memory it takes is all it
// ever took.
type hashSet struct {
	buckets []uint32 // by the first 13 bits: the number of the last chunk, 0 where there is none
	slabs   [][]hashChunk
	n       uint32 // chunks
	len     int    // hashes
}

// A hashChunk is up to 12 hashes of a bucket, 40 bits each. None is 0.
type hashChunk struct {
	low  [12]uint32
	high [12]uint8
	next uint32
}

const (
	bucketBits = 13
	slabSize   = 64
)

func (s *hashSet) chunk(n uint32) *hashChunk { return &s.slabs[(n-1)/slabSize][(n-1)%slabSize] }

func split(h uint64) (bucket, low uint32, high uint8) {
	low = max(uint32(h), 1)
	return uint32(h >> (64 - bucketBits)), low, uint8(h >> 32)
}

func (s *hashSet) has(h uint64) bool {
	if s.buckets == nil {
		return false
	}
	bucket, low, high := split(h)
	_, _, found := s.find(s.buckets[bucket], low, high)
	return found
}

// find looks for a hash from chunk n on. Where it is not there it returns how many hashes chunk n holds.
func (s *hashSet) find(n uint32, low uint32, high uint8) (c *hashChunk, used int, found bool) {
	for first := n; n != 0; n = s.chunk(n).next {
		at := s.chunk(n)
		i := 0
		for ; i < len(at.low) && at.low[i] != 0; i++ {
			if at.low[i] == low && at.high[i] == high {
				return at, i, true
			}
		}
		if n == first {
			c, used = at, i
		}
	}
	return c, used, false
}

// add says whether the hash was not there before.
func (s *hashSet) add(h uint64) bool {
	if s.buckets == nil {
		s.buckets = make([]uint32, 1<<bucketBits)
	}
	bucket, low, high := split(h)
	n := s.buckets[bucket]
	c, used, found := s.find(n, low, high)
	if found {
		return false
	}
	if c == nil || used == len(c.low) {
		if s.n%slabSize == 0 {
			s.slabs = append(s.slabs, make([]hashChunk, slabSize))
		}
		s.n++
		s.buckets[bucket] = s.n
		c, used = s.chunk(s.n), 0
		c.next = n
	}
	c.low[used], c.high[used] = low, high
	s.len++
	return true
}
