// SPDX-License-Identifier: Apache-2.0

package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/internal/peerbench/ways/servers"
)

//go:embed peers
var peers embed.FS

// writeInputs writes the files of the peers.
func writeInputs(dir string) error {
	files, err := fs.Sub(peers, "peers")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, files)
}

// kustomization writes an overlay for each Service.
func kustomization(dir string, n int) error {
	root := filepath.Join(dir, "kustomize", strconv.Itoa(n))
	var list strings.Builder
	list.WriteString("resources:\n")
	for i := range n {
		s := servers.At(i)
		overlay := filepath.Join(root, s.Name)
		if err := os.MkdirAll(overlay, 0o755); err != nil {
			return err
		}
		text := fmt.Sprintf(`resources: [../../base]
namespace: %[2]s
patches:
- target: {kind: EnvoyFilter}
  patch: |-
    - {op: replace, path: /metadata/name, value: %[1]s-allow-connect}
    - {op: replace, path: /spec/workloadSelector/labels/app, value: %[1]s}
- target: {kind: DestinationRule}
  patch: |-
    - {op: replace, path: /metadata/name, value: %[1]s}
    - {op: replace, path: /spec/host, value: %[1]s.%[2]s.svc.cluster.local}
`, s.Name, s.Namespace)
		if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(text), 0o600); err != nil {
			return err
		}
		list.WriteString("- " + s.Name + "\n")
	}
	return os.WriteFile(filepath.Join(root, "kustomization.yaml"), []byte(list.String()), 0o600)
}

// objects returns the objects of a stream of YAML documents, each as JSON in one form.
func objects(stream []byte) (map[string]bool, error) {
	found := map[string]bool{}
	for doc := range strings.SplitSeq("\n"+string(stream), "\n---") {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(strings.TrimSuffix(strings.TrimSpace(doc), "\n...")), &o); err != nil {
			return nil, err
		}
		if o == nil {
			continue
		}
		text, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		found[string(text)] = true
	}
	return found, nil
}

func equal(a, b map[string]bool) bool { return maps.Equal(a, b) }
