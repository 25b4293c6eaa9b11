// SPDX-License-Identifier: Apache-2.0

package version_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/version"
)

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		a, b   string
		want   int
		reason string
	}{
		{"1.2", "1.12", -1, "minors are numbers, not text"},
		{"1.12", "1.20", -1, "minors are numbers, not text"},
		{"1.20", "1.120", -1, "minors are numbers, however large"},
		{"1.9.9", "1.10.0", -1, "the minor counts before the patch"},
		{"1.12.9", "1.12.10", -1, "patches are numbers, not text"},
		{"1.12", "1.12.0", 0, "a patch that is not given is 0"},
		{"1.12.0-asm.3", "1.12.0", 0, "a vendor's suffix is no pre-release"},
		{"1.12.0-rc.0", "1.12.0-beta.1", 0, "pre-releases do not order either"},
		{"1.9.8-asm.6+config1", "v1.9.8", 0, "build metadata does not order"},
		{"v1.14.3.47-ga31201346f-aliyun", "1.14.3.46", 0, "the fourth number does not order"},
		{"1.12-alpha.b2c6c0b1", "1.12.0", 0, "istiod would read patch 65535 here"},
		{"1.31-dev", "1.30.3", 1, "the minor counts, whatever the suffix"},
	} {
		t.Run(tt.a+" "+tt.b, func(t *testing.T) {
			a, b := version.MustParse(tt.a), version.MustParse(tt.b)
			if got := a.Compare(b); got != tt.want {
				t.Errorf("Compare = %d, want %d: %s", got, tt.want, tt.reason)
			}
			if got := b.Compare(a); got != -tt.want {
				t.Errorf("the other way round, Compare = %d, want %d: %s", got, -tt.want, tt.reason)
			}
			if got := a.AtLeast(b); got != (tt.want >= 0) {
				t.Errorf("AtLeast = %t, want %t: %s", got, tt.want >= 0, tt.reason)
			}
			if same := a.String() == b.String(); same != (tt.want == 0) {
				t.Errorf("String gives %s and %s; the texts must be equal exactly where the releases are", a, b)
			}
		})
	}
}

func TestZeroRelease(t *testing.T) {
	var none version.Release
	r := version.MustParse("1.0")
	if !none.IsZero() || r.IsZero() {
		t.Errorf("IsZero = %t for the zero value and %t for 1.0, want true and false", none.IsZero(), r.IsZero())
	}
	if none.String() != "" || none.Original() != "" {
		t.Errorf("the zero value prints as %q, original %q, want nothing", none.String(), none.Original())
	}
	if got := []int{none.Compare(none), none.Compare(r), r.Compare(none)}; got[0] != 0 || got[1] != -1 || got[2] != 1 {
		t.Errorf("Compare zero-zero, zero-1.0, 1.0-zero = %v, want [0 -1 1]", got)
	}
	if none.Supports(version.OldConnectionManagerName) {
		t.Error("the zero value supports a fact without Since; it must support nothing")
	}
}

func TestOldest(t *testing.T) {
	parse := func(texts ...string) []version.Release {
		rs := make([]version.Release, len(texts))
		for i, s := range texts {
			if s != "" {
				rs[i] = version.MustParse(s)
			}
		}
		return rs
	}
	for _, tt := range []struct {
		name   string
		in     []version.Release
		want   string // as written
		reason string
	}{
		{"one", parse("1.12.4"), "1.12.4", "the only one is the oldest"},
		{"last", parse("1.20.1", "1.12.4", "1.9.8-asm.6"), "1.9.8-asm.6", "1.9 is earlier than 1.12"},
		{"first of equals", parse("1.12.0-asm.3", "1.12", "1.13"), "1.12.0-asm.3", "equal releases keep their order"},
		{"none", nil, "", "nothing to choose from"},
		{"zero value", parse("1.12", "", "1.11"), "", "a release that was never read could be any"},
		{"zero value first", parse("", "1.12"), "", "a release that was never read could be any"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := version.Oldest(tt.in...)
			if tt.want == "" {
				if !errors.Is(err, version.ErrNoRelease) || !got.IsZero() {
					t.Errorf("Oldest = %s, %v, want no release and ErrNoRelease: %s", got, err, tt.reason)
				}
				return
			}
			if err != nil || got.Original() != tt.want {
				t.Errorf("Oldest = %q, %v, want %q: %s", got.Original(), err, tt.want, tt.reason)
			}
		})
	}
}

func TestMustParsePanics(t *testing.T) {
	defer func() {
		err, ok := recover().(error)
		if !ok || !errors.Is(err, version.ErrUnknownRelease) {
			t.Errorf("MustParse panics with %v, want the error of Parse", err)
		}
	}()
	version.MustParse("latest")
}

func TestText(t *testing.T) {
	type row struct {
		Istio version.Release `json:"istio,omitzero"`
	}
	var r row
	if err := json.Unmarshal([]byte(`{"istio":" v1.12.0-asm.3 "}`), &r); err != nil {
		t.Fatal(err)
	}
	if got := r.Istio.Original(); got != " v1.12.0-asm.3 " {
		t.Errorf("Original = %q, want the text as it stood in the document", got)
	}
	data, err := json.Marshal(r)
	if err != nil || string(data) != `{"istio":"1.12.0"}` {
		t.Errorf("Marshal = %s, %v", data, err)
	}
	if data, err := json.Marshal(row{}); err != nil || string(data) != `{}` {
		t.Errorf("Marshal of the zero value with omitzero = %s, %v, want {}", data, err)
	}
	if _, err := json.Marshal([]version.Release{{}}); !errors.Is(err, version.ErrNoRelease) {
		t.Errorf("Marshal of the zero value: %v, want ErrNoRelease, because nothing could read the text back", err)
	}

	before := r.Istio
	for _, bad := range []string{`{"istio":""}`, `{"istio":"latest"}`, `{"istio":"2.6.1"}`, `{"istio":1.2}`} {
		if err := json.Unmarshal([]byte(bad), &r); err == nil {
			t.Errorf("Unmarshal of %s gives %s, want an error", bad, r.Istio)
		}
		if r.Istio != before {
			t.Fatalf("Unmarshal of %s changed the release to %s", bad, r.Istio)
		}
	}
}

func TestFlag(t *testing.T) {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var r version.Release
	flags.TextVar(&r, "istio", version.MustParse("1.24.1"), "")
	if r.String() != "1.24.1" {
		t.Errorf("the default is %s, want 1.24.1", r)
	}
	if err := flags.Parse([]string{"-istio", "1.12.4"}); err != nil || r.String() != "1.12.4" {
		t.Errorf("-istio 1.12.4 gives %s, %v", r, err)
	}
	if err := flags.Parse([]string{"-istio", "latest"}); err == nil || !strings.Contains(err.Error(), "istioctl version") {
		t.Errorf("-istio latest: %v, want an error that says what to give instead", err)
	}
}
