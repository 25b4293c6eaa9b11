// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/bits"
	"strings"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// The rules of members beside each other.
var (
	// SameObject is the rule that members give no two objects the same name.
	SameObject = finding.Rule{Code: "WS320", Severity: finding.SeverityError,
		Meaning: "No two Services of a fleet may give an object the same kind, namespace and name: the one applied last would replace the other.",
		Source:  "Kubernetes docs concepts/overview/working-with-objects/names"}
	// SameHost is the rule that members have no two DestinationRules for one host.
	SameHost = finding.Rule{Code: "WS321", Severity: finding.SeverityError,
		Meaning: "No two Services of a fleet may have DestinationRules for one host: Istio takes the oldest and drops the settings of the others.",
		Source:  "istio/istio pilot/pkg/model/destination_rule.go (mergeDestinationRule); istio/istio#51545"}
	// OverlappingWorkloads is the rule that a pod belongs to one member.
	OverlappingWorkloads = finding.Rule{Code: "WS322", Severity: finding.Warning,
		Meaning: "The pods of one Service of a fleet are among those of another: the EnvoyFilters of both apply to them, and a rollback of one Service leaves the other's in force.",
		Source:  "istio/istio pilot/pkg/model/push_context.go (EnvoyFilters: all that select a proxy are applied to it)"}
	// NotAllRemembered is the rule that a fleet has no more members than are compared with each other.
	NotAllRemembered = finding.Rule{Code: "WS323", Severity: finding.Warning,
		Meaning: "Of a fleet about 65,536 Services are remembered, to compare the others with: more are compared with these only.",
		Source:  "this library"}
)

// A registry remembers what the members so far have taken. Most members take one key: that of a Service whose objects have the
// usual names, and whose workload is its name under the usual label.
type registry struct {
	domain string
	keys   keySet
	any    [keyKinds]bool // of which kinds there are keys: most fleets need one look a member
	full   bool           // no more can be remembered
	label  string         // the usual key of workloads: that of the first Service whose one label has its name
	key    []byte         // the key at hand
}

// What a key stands for.
const (
	usualKey     = iota // a Service that has the usual rule, filter and workload
	pairKey             // a Service that has the usual rule and filter
	ruleKey             // a Service that has the usual rule
	serviceKey          // a Service
	objectKey           // an object whose name is not usual
	hostKey             // a rule's host that is not usual
	workloadKey         // a namespace and labels
	workloadPart        // a namespace and some of the labels of a workload
	keyKinds
)

func newRegistry(mesh *wsmesh.Mesh) *registry {
	return &registry{domain: cmp.Or(mesh.ClusterDomain, istio.DefaultClusterDomain), keys: keySet{seed: maphash.MakeSeed()}}
}

func (s *registry) has(kind byte, namespace string, rest ...string) bool {
	return s.any[kind] && s.keys.has(s.keyOf(kind, namespace, rest...))
}

// add reports whether there was no such key.
func (s *registry) add(kind byte, namespace string, rest ...string) bool {
	s.any[kind] = true
	key := s.keyOf(kind, namespace, rest...)
	if s.keys.isFull() {
		s.full = true
		return !s.keys.has(key)
	}
	return s.keys.add(key)
}

// keyOf writes a key. A zero byte stands in none of the strings: they are names that were checked.
func (s *registry) keyOf(kind byte, namespace string, rest ...string) []byte {
	s.key = append(append(s.key[:0], kind), namespace...)
	for _, r := range rest {
		s.key = append(append(s.key, 0), r...)
	}
	return s.key
}

// check compares an entry with those before it.
func (s *registry) check(e *entry) finding.List {
	namespace, name, m := e.svc.Namespace, e.svc.Name, e.outcome
	named := len(e.labels) == 1 && e.labels[0].value == name
	if named && s.label == "" {
		s.label = e.labels[0].key
	}
	usualWorkload := named && e.labels[0].key == s.label
	kind := byte(serviceKey)
	switch {
	case m.usualRule && m.usualFilter && usualWorkload:
		kind = usualKey
	case m.usualRule && m.usualFilter:
		kind = pairKey
	case m.usualRule:
		kind = ruleKey
	}
	for other := byte(usualKey); other <= serviceKey; other++ {
		if other != kind && s.has(other, namespace, name) {
			return s.twice(e)
		}
	}
	if !s.add(kind, namespace, name) {
		return s.twice(e)
	}

	var l finding.List
	if s.any[objectKey] || s.any[hostKey] || len(m.others) > 0 {
		l = s.checkNames(e)
	}
	if m.filtered && s.overlaps(e, kind == usualKey) {
		pairs := make([]string, len(e.labels))
		for i, l := range e.labels {
			pairs[i] = l.key + "=" + l.value
		}
		l = append(l, finding.New(OverlappingWorkloads, "spec.selector",
			fmt.Sprintf("the labels %s and those of another Service select the same pods", strings.Join(pairs, ",")),
			"give the labels that only this server's pods have, or leave out one of the Services"))
	}
	if len(l) == 0 {
		return nil // without making a text for every member
	}
	return l.WithObject(e.object())
}

func (s *registry) twice(e *entry) finding.List {
	return finding.List{sameObject("the Service is given twice", "give each Service of the fleet once")}.WithObject(e.object())
}

func sameObject(message, hint string) finding.Finding {
	return finding.New(SameObject, "metadata.name", message, hint)
}

// checkNames compares the objects and the host, where some are not usual.
func (s *registry) checkNames(e *entry) finding.List {
	var l finding.List
	m := e.outcome
	taken := func(o objectName, isNew bool) {
		if isNew {
			return
		}
		hint := "give the Services' DestinationRules names of their own, or leave out one of them"
		if o.kind == "EnvoyFilter" {
			hint = "leave out Options.ASM where a namespace has several WebSocket servers"
		}
		l = append(l, sameObject(fmt.Sprintf("the %s %q of another Service is in the same namespace", o.kind, o.name), hint))
	}
	for _, o := range m.others {
		usual := s.isUsual(o)
		taken(o, s.add(objectKey, o.namespace, o.kind, o.name) && !usual)
	}
	host := m.host
	if m.usualRule {
		rule := objectName{"DestinationRule", e.svc.Namespace, e.svc.Name}
		taken(rule, !s.has(objectKey, rule.namespace, rule.kind, rule.name))
		host = istio.Host(e.svc.Name, e.svc.Namespace, s.domain)
	}
	if m.usualFilter {
		filter := objectName{"EnvoyFilter", e.svc.Namespace, e.svc.Name + filterSuffix}
		taken(filter, !s.has(objectKey, filter.namespace, filter.kind, filter.name))
	}
	if m.usualRule && s.has(hostKey, host) || !m.usualRule && (s.isUsualHost(host) || !s.add(hostKey, host)) {
		l = append(l, finding.New(SameHost, "spec.host", fmt.Sprintf("the host %q is that of another Service too", host),
			"leave out Options.Host, so that each Service has a host of its own"))
	}
	return l
}

// isUsual reports whether an object is the usual one of an earlier member.
func (s *registry) isUsual(o objectName) bool {
	if o.kind == "EnvoyFilter" {
		name, ok := strings.CutSuffix(o.name, filterSuffix)
		return ok && (s.has(usualKey, o.namespace, name) || s.has(pairKey, o.namespace, name))
	}
	return s.hasRule(o.namespace, o.name)
}

// isUsualHost reports whether a host is that of the usual rule of an earlier member.
func (s *registry) isUsualHost(host string) bool {
	if name, ok := strings.CutSuffix(host, ".svc."+s.domain); ok {
		name, namespace, _ := strings.Cut(name, ".")
		return s.hasRule(namespace, name)
	}
	return s.hasRule("", host)
}

func (s *registry) hasRule(namespace, name string) bool {
	return s.has(usualKey, namespace, name) || s.has(pairKey, namespace, name) || s.has(ruleKey, namespace, name)
}

// maxLabels is up to how many labels a workload is compared with those that have some of them only: there are 14 ways to
// leave out some of four.
const maxLabels = 4

// overlaps reports whether the workload's labels are among those of an earlier one, or the other way round.
func (s *registry) overlaps(e *entry, usual bool) bool {
	if usual && !s.any[workloadKey] { // the usual fleet: its key as a Service is that of its workload, too
		return false
	}
	namespace, labels := e.svc.Namespace, make([]string, 0, 2*len(e.labels))
	for _, l := range e.labels {
		labels = append(labels, l.key, l.value)
	}
	found := s.has(workloadKey, namespace, labels...) || s.has(workloadPart, namespace, labels...)
	if usual {
		return found
	}
	found = found || s.isUsualWorkload(namespace, labels)
	s.add(workloadKey, namespace, labels...)
	n := len(e.labels)
	if n > maxLabels {
		return found
	}
	for some := uint(1); some < 1<<n-1; some++ {
		part := make([]string, 0, 2*bits.OnesCount(some))
		for i := range n {
			if some>>i&1 == 1 {
				part = append(part, labels[2*i:2*i+2]...)
			}
		}
		found = found || s.has(workloadKey, namespace, part...) || s.isUsualWorkload(namespace, part)
		s.add(workloadPart, namespace, part...)
	}
	return found
}

// isUsualWorkload reports whether the labels are the whole workload of an earlier member with the usual workload.
func (s *registry) isUsualWorkload(namespace string, labels []string) bool {
	return len(labels) == 2 && labels[0] == s.label && s.has(usualKey, namespace, labels[1])
}

// A keySet is a set of texts. They stand one after the other in memory of their own, in which the garbage collector has
// nothing to follow.
type keySet struct {
	seed  maphash.Seed
	index []uint32 // by the hash, or next to it: where the key begins, and 8 bits of its hash above; 0: none
	text  [][]byte // the keys, each after its length, in pieces of 64 KiB; the first byte is none
	len   int
}

// What a keySet holds, so that memory does not grow with the fleet: names of the usual length take 2 MiB.
const (
	maxKeys   = 1 << 16
	maxPieces = 128
	pieceSize = 1 << 16
)

// isFull reports whether there is no room for a key: by their number, or by their text.
func (s *keySet) isFull() bool { return s.len >= maxKeys || len(s.text) > maxPieces }

func (s *keySet) has(key []byte) bool {
	if s.len == 0 {
		return false
	}
	_, _, found := s.find(key)
	return found
}

// find returns the place of a key in the index, or the place for it, and the bits of its hash.
func (s *keySet) find(key []byte) (at uint64, hash uint32, found bool) {
	h := maphash.Bytes(s.seed, key)
	hash = uint32(h>>32) &^ position
	mask := uint64(len(s.index) - 1)
	for at = h & mask; s.index[at] != 0; at = (at + 1) & mask {
		if s.index[at]&^position == hash && bytes.Equal(s.key(s.index[at]&position), key) {
			return at, hash, true
		}
	}
	return at, hash, false
}

// position are the bits of an index that say where the key begins: in which piece, and where there.
const position = 1<<24 - 1

func (s *keySet) key(at uint32) []byte {
	from := s.text[at/pieceSize][at%pieceSize:]
	length, width := binary.Uvarint(from)
	return from[width : width+int(length)]
}

// add adds a key, and reports whether it was not there before. One that is longer than a piece is not kept.
func (s *keySet) add(key []byte) bool {
	if 2*s.len >= len(s.index) {
		s.grow()
	}
	at, hash, found := s.find(key)
	need := binary.MaxVarintLen32 + len(key)
	if found || need >= pieceSize {
		return !found
	}
	last := len(s.text) - 1
	if last < 0 || len(s.text[last])+need > pieceSize {
		s.text = append(s.text, make([]byte, 1, pieceSize))
		last++
	}
	s.index[at] = uint32(last*pieceSize+len(s.text[last])) | hash
	s.text[last] = append(binary.AppendUvarint(s.text[last], uint64(len(key))), key...)
	s.len++
	return true
}

// grow makes the index larger.
func (s *keySet) grow() {
	old := s.index
	s.index = make([]uint32, max(512, 4*len(old)))
	for _, n := range old {
		if n != 0 {
			at, _, _ := s.find(s.key(n & position))
			s.index[at] = n
		}
	}
}
