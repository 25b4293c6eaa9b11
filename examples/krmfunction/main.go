// SPDX-License-Identifier: Apache-2.0

// Krmfunction is a KRM function for kustomize and kpt: it reads a ResourceList (config.kubernetes.io/v1) from standard
// input whose functionConfig is an Inventory, and writes it with the manifests of the inventory's Services added to the
// items, in place of items of the same kind, namespace and name. Findings are the results. Where one is an error the
// items are as they were, and the exit status is 1.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A resourceList is the wire format of the KRM functions specification.
type resourceList struct {
	APIVersion     string            `json:"apiVersion"`
	Kind           string            `json:"kind"`
	Items          []json.RawMessage `json:"items"`
	FunctionConfig json.RawMessage   `json:"functionConfig,omitempty"`
	Results        []result          `json:"results,omitempty"`
}

type result struct {
	Message  string     `json:"message"`
	Severity string     `json:"severity"`
	Field    *pathOnly  `json:"field,omitempty"`
	File     *pathOnly  `json:"file,omitempty"`
	Tags     resultTags `json:"tags"`
}

type pathOnly struct {
	Path string `json:"path"`
}

type resultTags struct {
	Code string `json:"code"`
}

// object is what an item is known by.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

func (o object) key() string {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	return strings.Join([]string{group, o.Kind, o.Metadata.Namespace, o.Metadata.Name}, "/")
}

// run writes the list in any case in which it could be read; an error among the results is returned, too.
func run(stdin io.Reader, stdout io.Writer) error {
	data, err := io.ReadAll(stdin)
	if err != nil {
		return err
	}
	var list resourceList
	if err := yaml.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("standard input is no ResourceList: %w", err)
	}
	if list.APIVersion != "config.kubernetes.io/v1" || list.Kind != "ResourceList" {
		return fmt.Errorf("standard input is %q of %q: give a ResourceList of config.kubernetes.io/v1", list.Kind, list.APIVersion)
	}
	if len(list.FunctionConfig) == 0 {
		return errors.New("the ResourceList has no functionConfig: give an Inventory of wsmesh.dev/v1alpha1")
	}
	items, findings, failed := generate(list.FunctionConfig)
	if failed == nil {
		if list.Items, err = merge(list.Items, items); err != nil {
			return err
		}
	}
	for _, f := range findings {
		r := result{Message: f.Message, Severity: f.Severity.String(), Tags: resultTags{f.Code}}
		if f.Hint != "" {
			r.Message += " (" + f.Hint + ")"
		}
		if f.Path != "" {
			r.Field = &pathOnly{f.Path}
		}
		if f.File != "" {
			r.File = &pathOnly{f.File}
		}
		list.Results = append(list.Results, r)
	}
	out, err := yaml.Marshal(list)
	if err == nil {
		_, err = stdout.Write(out)
	}
	return errors.Join(failed, err)
}

// generate returns the documents for an inventory and all that was found; failed says that there are errors.
func generate(functionConfig []byte) (docs []string, findings finding.List, failed error) {
	var config object
	if err := json.Unmarshal(functionConfig, &config); err != nil {
		return nil, nil, fmt.Errorf("the functionConfig is no object: %w", err)
	}
	inv, err := wsmesh.ParseInventory(functionConfig, config.Metadata.Annotations["config.kubernetes.io/path"])
	if err != nil {
		return nil, finding.In(err), err
	}
	var stream bytes.Buffer
	sum, err := wsmesh.Generate(context.Background(), &stream, wsmesh.Services(inv.Services), inv.Mesh, inv.Options...)
	if err != nil || stream.Len() == 0 {
		return nil, sum.Findings, err
	}
	return strings.Split(stream.String(), "\n---\n"), sum.Findings, nil
}

// merge puts the documents in the place of items that are the same object, and the others after them.
func merge(items []json.RawMessage, docs []string) ([]json.RawMessage, error) {
	at := map[string]int{}
	for i, item := range items {
		var o object
		if err := json.Unmarshal(item, &o); err != nil {
			return nil, fmt.Errorf("item %d is no object: %w", i, err)
		}
		at[o.key()] = i
	}
	for _, doc := range docs {
		item, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			return nil, err
		}
		var o object
		if err := json.Unmarshal(item, &o); err != nil {
			return nil, err
		}
		if i, ok := at[o.key()]; ok {
			items[i] = item
			continue
		}
		items = append(items, item)
	}
	return items, nil
}
