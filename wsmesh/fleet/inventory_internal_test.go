// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	yaml "sigs.k8s.io/yaml/goyaml.v3"
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
		for i := range t.NumField() {
			properties[t.Field(i).Tag.Get("json")] = schemaOf(t.Field(i).Type)
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	case reflect.Map:
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
	r := inventoryReader{visited: maxVisited - 1}
	var s string
	for range 3 {
		r.value(&yaml.Node{Kind: yaml.ScalarNode, Value: "x"}, "p", reflect.ValueOf(&s).Elem())
	}
	if len(r.problems) != 1 || r.problems[0].Code != "WS962" || s != "" {
		t.Errorf("beyond the limit there are %v", r.problems)
	}
}
