// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// TestInventorySchema holds the schema that editors use to the types that are read.
func TestInventorySchema(t *testing.T) {
	data, err := os.ReadFile("inventory.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(schemaOf(reflect.TypeFor[inventoryFile]()), structure(schema)); diff != "" {
		t.Errorf("the schema is not that of the types (-types +schema):\n%s", diff)
	}
	properties := schema["properties"].(map[string]any)
	for key, want := range map[string]string{"apiVersion": inventoryAPIVersion, "kind": inventoryKind} {
		if got := properties[key].(map[string]any)["const"]; got != want {
			t.Errorf("%s is %v in the schema, not %s", key, got, want)
		}
	}
}

func schemaOf(t reflect.Type) any {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Struct:
		properties := map[string]any{}
		for field := range t.Fields() {
			properties[field.Tag.Get("yaml")] = schemaOf(field.Type)
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Interface {
			return map[string]any{"type": "object"}
		}
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Uint32:
		return map[string]any{"type": "integer"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	}
	return map[string]any{"type": "string"}
}

// structure leaves out what the types do not say.
func structure(schema any) any {
	m, ok := schema.(map[string]any)
	if !ok {
		return schema
	}
	out := map[string]any{}
	for _, key := range []string{"type", "items", "additionalProperties"} {
		if v, ok := m[key]; ok {
			out[key] = structure(v)
		}
	}
	if p, ok := m["properties"].(map[string]any); ok {
		properties := map[string]any{}
		for k, v := range p {
			properties[k] = structure(v)
		}
		out["properties"] = properties
	}
	return out
}

// TestInventoryLimits: text that is made to blow up is refused.
func TestInventoryLimits(t *testing.T) {
	var text strings.Builder
	text.WriteString("apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\nmesh: {proxies: [1.24.1]}\nservices:\n- name: a\n  workload: &w\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "    l%d: x\n", i)
	}
	text.WriteString(strings.Repeat("- workload: *w\n", 10_000))
	_, err := ParseInventory([]byte(text.String()), "f")
	if l := finding.In(err); len(l) != 1 || l[0].Code != "WS962" || !strings.Contains(l[0].Message, "aliasing") {
		t.Errorf("10,000,000 labels in %d bytes give %v", text.Len(), err)
	}

	// A tree without an end, which the YAML library does not enter for its duplicate keys, before the place of another problem.
	text.Reset()
	text.WriteString("apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\noptions:\n  base: &b {a: 1, a: 2, x: *b, y: *b, z: *b}\nservices:\n- {ports: x}\n")
	_, err = ParseInventory([]byte(text.String()), "f")
	if l := finding.In(err); len(l) != 2 || l[0].Path != `options.base["a"]` || l[1].Line != 6 {
		t.Errorf("a tree without an end gives %v", err)
	}
}
