// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
)

func TestKeySet(t *testing.T) {
	s := keySet{seed: maphash.MakeSeed()}
	if s.has([]byte("x")) {
		t.Error("an empty set has a key")
	}
	for i := range 20_000 {
		key := []byte(fmt.Sprint(i, strings.Repeat("x", i%300)))
		if s.has(key) || !s.add(key) || !s.has(key) || s.add(key) {
			t.Fatalf("the key %d is not new before it is added, or not there after", i)
		}
	}
	if s.len != 20_000 || s.isFull() {
		t.Errorf("there are %d keys", s.len)
	}
	long := make([]byte, pieceSize)
	if !s.add(long) || s.has(long) || !s.add(long) {
		t.Error("a key that is too long is not taken for new")
	}
	for i := range maxPieces * 4 / 3 {
		s.add([]byte(fmt.Sprint(strings.Repeat("y", pieceSize-100), i)))
	}
	if !s.isFull() || s.len > 21_000 {
		t.Errorf("text beyond the bound does not fill the set of %d keys", s.len)
	}
}
