// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sigs.k8s.io/yaml carries goyaml.v3 for those who need the text of a scalar.

// Krmfunction is a KRM function for kustomize and kpt: it reads a ResourceList (config.kubernetes.io/v1) from standard
// input whose functionConfig is an Inventory, and writes it with the manifests of the inventory's Services added to the
// items, in place of items of the same kind, namespace and name. Where an item is a DestinationRule for the host of a
// Service, that rule is the base: it keeps its name and its settings, and no second rule for the host is added. Findings are
// the results. Where one is an error the items are as they were, and the exit status is 1.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
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
	Tags     resultTags `json:"tags,omitzero"`
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
	manifest []byte
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
	objects, err := objectsOf(list.Items)
	if err != nil {
		return err
	}
	docs, findings, failed := generate(data, objects)
	if failed == nil {
		if list.Items, err = merge(list.Items, objects, docs); err != nil {
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

// objectsOf returns what the items are known by.
func objectsOf(items []json.RawMessage) ([]object, error) {
	objects := make([]object, len(items))
	for i, item := range items {
		if err := json.Unmarshal(item, &objects[i]); err != nil {
			return nil, fmt.Errorf("item %d is no object: %w", i, err)
		}
		objects[i].manifest = item
	}
	return objects, nil
}

// generate returns the documents for the inventory of a ResourceList and all that was found; failed says that there are
// errors.
func generate(list []byte, items []object) (docs []string, findings finding.List, failed error) {
	var in struct {
		FunctionConfig goyaml.Node `yaml:"functionConfig"`
	}
	var config object
	if err := goyaml.Unmarshal(list, &in); err != nil {
		return nil, nil, err
	}
	text, err := goyaml.Marshal(&in.FunctionConfig) // and not by way of JSON, which makes 1.2 of 1.20
	if err != nil {
		return nil, nil, err
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, nil, fmt.Errorf("the functionConfig is no object: %w", err)
	}
	f, err := fleet.ParseInventory(text, config.Metadata.Annotations["config.kubernetes.io/path"])
	if err != nil {
		return nil, finding.In(err), err
	}
	notes, err := startFromItems(f, items)
	if err != nil {
		return nil, finding.In(err), err
	}
	var stream bytes.Buffer
	sum, err := f.Generate(context.Background(), &stream)
	findings = append(notes, sum.Findings...)
	if err != nil || stream.Len() == 0 {
		return nil, findings, err
	}
	return strings.Split(stream.String(), "\n---\n"), findings, nil
}

// startFromItems makes a DestinationRule among the items the base of the member whose host it is for, and says which. An
// item that would be replaced by the rule for another host, and a second rule for a host, are reported.
func startFromItems(f *fleet.Fleet, items []object) (finding.List, error) {
	var notes finding.List
	var rules []*destinationrule.Rule
	for _, item := range items {
		if item.Kind != "DestinationRule" || !strings.HasPrefix(item.APIVersion, "networking.istio.io/") {
			continue
		}
		rule, err := destinationrule.Parse(item.manifest)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	note := func(severity finding.Severity, rule *destinationrule.Rule, message, hint string) {
		notes = append(notes, finding.Finding{Severity: severity, Object: rule.String(), Message: rule.String() + " " + message, Hint: hint})
	}
	domain := cmp.Or(f.Mesh.ClusterDomain, "cluster.local")
	qualified := func(host, namespace string) string {
		if namespace == "" || strings.Contains(host, ".") {
			return host
		}
		return host + "." + namespace + ".svc." + domain
	}
	var members []fleet.Member
	for m, err := range f.Services {
		if err != nil {
			return nil, err
		}
		opts := f.Options
		if m.Options != nil {
			opts = *m.Options
		}
		host := qualified(cmp.Or(opts.Host, m.Name), m.Namespace)
		var taken *destinationrule.Rule // that has the name of the rule to come, for another host
		for _, rule := range rules {
			switch same := qualified(rule.Spec.GetHost(), cmp.Or(rule.Namespace, m.Namespace)) == host; {
			case rule.Spec.GetWorkloadSelector() != nil: // a rule for some clients
			case !same && rule.Name == m.Name && rule.Namespace == m.Namespace:
				taken = rule
			case same && opts.Base == nil:
				opts.Base = rule
				note(finding.Info, rule, "is the rule for the host "+host+" already: it keeps its settings", "")
			case same && rule.Name != cmp.Or(opts.Base.Name, m.Name):
				note(finding.Warning, rule, "is a second rule for the host "+host, "merge it into the other and remove it: Istio takes the older one")
			}
		}
		if taken != nil && opts.Base == nil {
			note(finding.SeverityError, taken, fmt.Sprintf("is for the host %q, and the Service of its name needs a rule of this name for %s", taken.Spec.GetHost(), host), "rename that rule")
		}
		if opts.Base != nil {
			m.Options = &opts
		}
		members = append(members, m)
	}
	f.Services = fleet.Members(members...)
	return notes, notes.Err()
}

// merge puts the documents in the place of items that are the same object, and the others after them. An item's place in
// its file is kept.
func merge(items []json.RawMessage, objects []object, docs []string) ([]json.RawMessage, error) {
	at := map[string]int{}
	for i, o := range objects {
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
		i, ok := at[o.key()]
		if !ok {
			items = append(items, item)
			continue
		}
		if items[i], err = withPlace(item, objects[i]); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// withPlace returns the item with the annotations that say where the old one stands in which file.
func withPlace(item json.RawMessage, old object) (json.RawMessage, error) {
	places := maps.Clone(old.Metadata.Annotations)
	maps.DeleteFunc(places, func(key, _ string) bool {
		domain, _, _ := strings.Cut(key, "/")
		return domain != "config.kubernetes.io" && domain != "internal.config.kubernetes.io"
	})
	if len(places) == 0 {
		return item, nil
	}
	var o map[string]any
	if err := json.Unmarshal(item, &o); err != nil {
		return nil, err
	}
	metadata := o["metadata"].(map[string]any) // every document has a name
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
	}
	for key, value := range places {
		annotations[key] = value
	}
	metadata["annotations"] = annotations
	return json.Marshal(o)
}
