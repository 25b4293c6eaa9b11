// SPDX-License-Identifier: Apache-2.0

package fieldpath

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var texts = []struct {
	path Path
	text string
}{
	{nil, ""},
	{Path{Name("spec")}, "spec"},
	{Path{Name("spec"), Name("configPatches"), Index(0), Name("patch"), Name("value")}, "spec.configPatches[0].patch.value"},
	{Path{Name("metadata"), Name("labels"), Name("a/b")}, `metadata.labels["a/b"]`},
	{Path{Name("labels"), Name("app-x"), Name("y")}, `labels["app-x"].y`},
	{Path{Name("labels"), Name("app")}, "labels.app"},
	{Path{Name("a"), Name("")}, `a[""]`},
	{Path{Name("a"), Name("0")}, `a["0"]`},
	{Path{Name("_a0")}, "_a0"},
	{Path{Name("@type"), Index(12)}, `["@type"][12]`},
	{Path{Index(0), Index(1), Name("a")}, "[0][1].a"},
	{Path{Name("say \"]\"\n\xff é")}, `["say \"]\"\n\xff é"]`},
	{Path{Name("a"), Name(strings.Repeat("b", 63))}, "a." + strings.Repeat("b", 63)},
	{Path{Name("a"), Name(strings.Repeat("b", 64))}, `a["` + strings.Repeat("b", 64) + `"]`},
}

func TestText(t *testing.T) {
	for _, tt := range texts {
		if got := tt.path.String(); got != tt.text {
			t.Errorf("String() = %s, want %s", got, tt.text)
		}
		if got, err := Parse(tt.text); err != nil || !slices.Equal(got, tt.path) {
			t.Errorf("Parse(%s) = %v, %v, want %v", tt.text, got, err, tt.path)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		".", ".a", "a.", "a..b", "a[", "a[]", "a[0", "a[00]", "a[+1]", "a[-1]", "a[x]", `a["`, `a["b"`, `a["\q"]`, "a[0]b", "a.[0]", "a b", "a.0",
		`a['b']`, "a[99999999999999999999]", "[0", "]", "é",
	} {
		if p, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, p)
		} else if want := fmt.Sprintf("%q is not the path of a field", text); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %s", text, err, want)
		}
	}
}

// TestOtherQuotes shows that a field's name is read in quotes too, and is then the same path.
func TestOtherQuotes(t *testing.T) {
	p, err := Parse(`labels["app"]`)
	if err != nil || p.String() != "labels.app" {
		t.Errorf("Parse: %v, %v", p, err)
	}
}

func TestWalk(t *testing.T) {
	var p Path
	p.Push(Name("spec"))
	p.Push(Name("subsets"))
	p.Push(Index(3))
	if got, want := p.At(Name("labels"), Name("a.b")), `spec.subsets[3].labels["a.b"]`; got != want {
		t.Errorf("At = %s, want %s", got, want)
	}
	if got, want := p.At(), "spec.subsets[3]"; got != want {
		t.Errorf("At = %s, want %s", got, want)
	}
	p.Pop()
	p.Push(Index(4))
	if got, want := p.String(), "spec.subsets[4]"; got != want {
		t.Errorf("String = %s, want %s", got, want)
	}
	if got, want := string(p.Append([]byte("file: "))), "file: .spec.subsets[4]"; got != want {
		t.Errorf("Append = %s, want %s", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { p.Pop(); p.Push(Index(5)) }); n != 0 {
		t.Errorf("a step takes %v allocations", n)
	}
}

func TestStep(t *testing.T) {
	if name, ok := Name("a").Name(); name != "a" || !ok {
		t.Error(name, ok)
	}
	if i, ok := Index(7).Index(); i != 7 || !ok {
		t.Error(i, ok)
	}
	if _, ok := Name("a").Index(); ok {
		t.Error("a name is an index")
	}
	if _, ok := Index(0).Name(); ok {
		t.Error("an index is a name")
	}
	if Name("") == Index(0) {
		t.Error("the empty name is the first index")
	}
}

func TestLongName(t *testing.T) {
	for _, name := range []string{strings.Repeat("a", 1000), strings.Repeat("é", 500), strings.Repeat("\xff", 500)} {
		text := Path{Name(name)}.String()
		if len(text) > 4*320+10 || !strings.HasSuffix(text, `…"]`) {
			t.Errorf("%d bytes: %s", len(text), text)
		}
		if _, err := Parse(text); err != nil {
			t.Error(err)
		}
	}
	if _, err := Parse(strings.Repeat("[", 1000)); len(err.Error()) > 1000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

// FuzzString makes a path of names and indexes, and reads its text back.
func FuzzString(f *testing.F) {
	f.Add("spec", 0, "a/b", 1, "")
	f.Add("@type", 1<<40, "\xff\"]", 0, strings.Repeat("a", 320))
	f.Fuzz(func(t *testing.T, a string, i int, b string, j int, c string) {
		if len(a) > 320 || len(b) > 320 || len(c) > 320 || i < 0 || j < 0 {
			return // no path that can be read back
		}
		for _, p := range []Path{
			{Name(a), Index(i), Name(b), Index(j), Name(c)},
			{Index(i), Index(j), Name(c), Name(b), Name(a)},
		} {
			if got, err := Parse(p.String()); err != nil || !slices.Equal(got, p) {
				t.Errorf("Parse(%s) = %v, %v", p, got, err)
			}
		}
	})
}

// FuzzParse reads any text. What it takes for a path has one text from then on.
func FuzzParse(f *testing.F) {
	for _, tt := range texts {
		f.Add(tt.text)
	}
	f.Add("a[")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(p.String()); err != nil || len(again) != len(p) || again.String() != p.String() {
			t.Errorf("Parse(%q) is %v, and then %v, %v", text, p, again, err)
		}
	})
}
