// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func document(values []string) (string, error) {
	return fmt.Sprintf("---\nmetadata:\n  name: %[1]s\n  namespace: %[2]s\nspec:\n  host: %[1]s.%[2]s.svc\n  filter: %[1]s-allow-connect\n  fixed: \"on\"\n", values[0], values[1]), nil
}

// TestAppendText: a filled template is what an encoder makes of the same object, whatever the strings.
func TestAppendText(t *testing.T) {
	text, err := New(2, document)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chat", "1", "true", "null", "0x1f", "1e3", "y", "a.b", "1.10", "x_y"} {
		for _, namespace := range []string{"prod", "on", "7"} {
			got := string(text.AppendText([]byte("# before\n"), []string{name, namespace}))
			var o struct {
				Metadata map[string]any `json:"metadata"`
				Spec     map[string]any `json:"spec"`
			}
			if err := yaml.Unmarshal([]byte(got), &o); err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			want := map[string]any{"host": name + "." + namespace + ".svc", "filter": name + "-allow-connect", "fixed": "on"}
			if o.Metadata["name"] != name || o.Metadata["namespace"] != namespace || fmt.Sprint(o.Spec) != fmt.Sprint(want) {
				t.Errorf("%q and %q give\n%s", name, namespace, got)
			}
			if plain, _ := document([]string{name, namespace}); name == "chat" && namespace == "prod" && got != "# before\n"+plain {
				t.Errorf("the text is\n%s", got)
			}
		}
	}
}

// TestNew: text that cannot be cut safely is an error.
func TestNew(t *testing.T) {
	marker := "marker-0-" + strings.Repeat("x", 54)
	broken := errors.New("broken")
	tests := []struct {
		write  func(markers []string) (string, error)
		want   string
		reason string
	}{
		{document, "", "good text"},
		{func([]string) (string, error) { return "a: b\n", nil }, "", "text without markers"},
		{func(m []string) (string, error) { return "a: " + m[0], nil }, "", "a marker at the very end"},
		{func([]string) (string, error) { return "", broken }, "broken", "an error"},
		{func(m []string) (string, error) { return "a: " + m[0] + "\nb: " + marker + "\n", nil }, "depends on the markers", "text that is a marker by chance"},
		{func(m []string) (string, error) { return m[0] + ": a\n", nil }, "does not begin the value", "a key"},
		{func(m []string) (string, error) { return "- " + m[0] + "\n", nil }, "does not begin the value", "an item of a list"},
		{func(m []string) (string, error) { return "a: x" + m[0] + "\n", nil }, "does not begin the value", "a scalar that begins otherwise"},
		{func(m []string) (string, error) { return "a: '" + m[0] + "'\n", nil }, "does not begin the value", "a quoted scalar"},
		{func(m []string) (string, error) { return "a: " + m[0] + " b\n", nil }, "not plain", "a space in a scalar"},
		{func(m []string) (string, error) { return "a: " + m[0] + "-on # c\n", nil }, "not plain", "a comment"},
		{func(m []string) (string, error) { return "a: " + m[0] + ": " + m[1] + "\n", nil }, "not plain", "a mapping in a scalar"},
	}
	for _, tt := range tests {
		_, err := New(2, tt.write)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.reason, err)
		}
	}
}
