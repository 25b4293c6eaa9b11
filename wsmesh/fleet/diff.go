// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/internal/textdiff"
)

// An Action is what happens to a file.
type Action int

// The actions.
const (
	Added Action = iota
	Changed
	Removed
)

var actionNames = [...]string{Added: "added", Changed: "changed", Removed: "removed"}

// String returns "added", "changed" or "removed".
func (a Action) String() string {
	if a < 0 || int(a) >= len(actionNames) {
		return "action(" + strconv.Itoa(int(a)) + ")"
	}
	return actionNames[a]
}

// MarshalText returns what String returns, so that JSON carries "added" and not a number.
func (a Action) MarshalText() ([]byte, error) {
	if a < 0 || int(a) >= len(actionNames) {
		return nil, fmt.Errorf("%s is no Action", a)
	}
	return []byte(a.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (a *Action) UnmarshalText(text []byte) error {
	i := slices.Index(actionNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no action: write added, changed or removed", text)
	}
	*a = Action(i)
	return nil
}

// A Change is that of one file.
type Change struct {
	File     string `json:"file"` // its name in the directory
	Action   Action `json:"action"`
	old, new string
	info     fs.FileInfo // of the file that is changed or removed
}

// String returns "changed prod.yaml".
func (c Change) String() string { return c.Action.String() + " " + c.File }

// Unified returns the change as diff -u shows it, with the names a/… and b/… that patch -p1 takes. What is added is
// the difference from /dev/null, and what is removed that to it.
func (c Change) Unified() string {
	from, to := "a/"+c.File, "b/"+c.File
	switch c.Action {
	case Added:
		from = "/dev/null"
	case Removed:
		to = "/dev/null"
	case Changed:
	}
	return textdiff.Unified(from, to, c.old, c.new)
}

// WriteUnified writes the unified difference of all files.
func (c Changes) WriteUnified(w io.Writer) error {
	if w == nil {
		return errors.New("the writer is nil: give one, such as os.Stdout")
	}
	for _, change := range c.Files {
		if _, err := io.WriteString(w, change.Unified()); err != nil {
			return err
		}
	}
	return nil
}

// A FieldChange is what a Change means for one field of an object, or for the whole object.
type FieldChange struct {
	Object string `json:"object"`         // "DestinationRule prod/chat"
	Path   string `json:"path,omitempty"` // "spec.host"; "" where the object is added or removed
	Old    string `json:"old,omitempty"`  // as JSON; "" where there is none
	New    string `json:"new,omitempty"`
}

// String returns "DestinationRule prod/chat spec.host: "a" -> "b"".
func (f FieldChange) String() string {
	show := func(s string) string {
		if s == "" {
			return "nothing"
		}
		return s
	}
	if f.Path == "" {
		if f.Old == "" {
			return f.Object + " is added"
		}
		return f.Object + " is removed"
	}
	return fmt.Sprintf("%s %s: %s -> %s", f.Object, f.Path, show(f.Old), show(f.New))
}

// Fields compares the objects of the file and not its text: an object elsewhere in the file, a comment or another way
// to write a value is no change of a field. The error says that the old file is not YAML any more.
func (c Change) Fields() ([]FieldChange, error) {
	old, err := objectsOf(c.old)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	now, err := objectsOf(c.new)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	var l []FieldChange
	for _, name := range slices.Sorted(maps.Keys(merged(old, now))) {
		before, was := old[name]
		after, is := now[name]
		switch {
		case was && is:
			l = appendFields(l, name, "", before, after)
		case was:
			l = append(l, FieldChange{Object: name, Old: jsonOf(before)})
		default:
			l = append(l, FieldChange{Object: name, New: jsonOf(after)})
		}
	}
	return l, nil
}

func objectsOf(text string) (map[string]any, error) {
	objects := map[string]any{}
	for doc := range strings.SplitSeq("\n"+text, "\n---\n") {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			return nil, err
		}
		if o == nil {
			continue
		}
		metadata, _ := o["metadata"].(map[string]any)
		name := fmt.Sprint(metadata["name"])
		if namespace, ok := metadata["namespace"]; ok {
			name = fmt.Sprint(namespace, "/", name)
		}
		objects[fmt.Sprint(o["kind"], " ", name)] = o
	}
	return objects, nil
}

func merged(a, b map[string]any) map[string]any {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

func appendFields(l []FieldChange, object, path string, old, now any) []FieldChange {
	if reflect.DeepEqual(old, now) {
		return l
	}
	switch before := old.(type) {
	case map[string]any:
		after, ok := now.(map[string]any)
		if !ok {
			break
		}
		for _, key := range slices.Sorted(maps.Keys(merged(before, after))) {
			at := strings.TrimPrefix(path+"."+key, ".")
			if strings.ContainsAny(key, `."[]`) {
				at = path + "[" + strconv.Quote(key) + "]"
			}
			l = appendFields(l, object, at, before[key], after[key])
		}
		return l
	case []any:
		after, ok := now.([]any)
		if !ok || len(before) != len(after) {
			break
		}
		for i := range before {
			l = appendFields(l, object, path+"["+strconv.Itoa(i)+"]", before[i], after[i])
		}
		return l
	}
	return append(l, FieldChange{object, path, jsonOf(old), jsonOf(now)})
}

func jsonOf(v any) string {
	if v == nil {
		return ""
	}
	text, _ := json.Marshal(v) // it was read as JSON
	return string(text)
}
