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
	if s.add(make([]byte, maxText)); !s.isFull() {
		t.Error("text beyond the bound does not fill the set")
	}
}
