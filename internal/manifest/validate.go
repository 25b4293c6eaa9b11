// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wsmesh/wsmesh/internal/fieldpath"
	"github.com/wsmesh/wsmesh/internal/names"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// maxAnnotations is TotalAnnotationSizeLimitB of kubernetes/apimachinery pkg/api/validation/objectmeta.go.
const maxAnnotations = 256 << 10

// Validate returns what Kubernetes would refuse in the object's metadata: the name, the namespace (which may be empty:
// kubectl then takes that of its context), the keys and values of labels, the keys and total size of annotations; and
// the annotations that istiod's webhook refuses on these kinds.
func (o Object) Validate() finding.List {
	var list finding.List
	if o.Name == "" {
		list = append(list, noName("metadata.name"))
	} else if reason := names.Subdomain(o.Name); reason != "" {
		list = append(list, finding.New(BadName, "metadata.name", quote(o.Name)+" "+reason,
			`write a name such as "websockets-server"`))
	}
	if o.Namespace != "" {
		if reason := names.Label(o.Namespace); reason != "" {
			list = append(list, finding.New(BadNamespace, "metadata.namespace", quote(o.Namespace)+" "+reason,
				`write a namespace such as "default"`))
		}
	}
	list = append(list, validateLabels(o.Labels)...)
	return append(list, validateAnnotations(o.Annotations)...)
}

// noName returns the finding for an object that has no name.
func noName(path string) finding.Finding {
	return finding.New(NoName, path, "the object has no name", "give it a name; generateName does not do")
}

func validateLabels(labels map[string]string) finding.List {
	good := true
	for key, value := range labels {
		good = good && names.QualifiedName(key) == "" && names.LabelValue(value) == ""
	}
	if good { // without the allocations that sorting takes
		return nil
	}
	var list finding.List
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		path := fieldpath.Path{fieldpath.Name("metadata"), fieldpath.Name("labels"), fieldpath.Name(key)}.String()
		if reason := names.QualifiedName(key); reason != "" {
			list = append(list, finding.New(BadLabelKey, path, "the key "+quote(key)+" "+reason,
				`write a key such as "app" or "app.kubernetes.io/name"`))
		}
		if value := labels[key]; names.LabelValue(value) != "" {
			list = append(list, finding.New(BadLabelValue, path, quote(value)+" "+names.LabelValue(value),
				"shorten or rewrite the value, or make it an annotation"))
		}
	}
	return list
}

func validateAnnotations(annotations map[string]string) finding.List {
	good, size := true, 0
	for key, value := range annotations {
		good = good && annotationKey(key) == "" && refusedByIstiod(key) == "" && utf8.ValidString(value)
		size += len(key) + len(value)
	}
	var list finding.List
	if size > maxAnnotations {
		list = append(list, finding.New(AnnotationsTooLarge, "metadata.annotations", fmt.Sprintf("the annotations have %d bytes", size),
			fmt.Sprintf("keep the keys and values together below %d bytes", maxAnnotations)))
	}
	if good {
		return list
	}
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		path := fieldpath.Path{fieldpath.Name("metadata"), fieldpath.Name("annotations"), fieldpath.Name(key)}.String()
		if reason := annotationKey(key); reason != "" {
			list = append(list, finding.New(BadAnnotationKey, path, "the key "+quote(key)+" "+reason,
				`write a key such as "example.com/owner"`))
		}
		if reason := refusedByIstiod(key); reason != "" {
			list = append(list, finding.New(AnnotationRefused, path, quote(key)+" "+reason, "remove the annotation"))
		}
		if value := annotations[key]; !utf8.ValidString(value) {
			list = append(list, finding.New(AnnotationNotUTF8, path, quote(value)+" is not valid UTF-8", "save the text as UTF-8"))
		}
	}
	return list
}

// annotationKey checks a key as Kubernetes does, which lower-cases it first: its prefix may have capitals.
func annotationKey(key string) string {
	if names.QualifiedName(key) == "" {
		return ""
	}
	return names.QualifiedName(strings.ToLower(key))
}

// refusedByIstiod says why istiod's webhook refuses an annotation, "" where it does not. The kinds of this module
// are none of those that it has exceptions for.
func refusedByIstiod(annotation string) string {
	switch annotation {
	case "istio.io/dry-run":
		return "is for AuthorizationPolicy only"
	case "internal.istio.io/webhook-always-reject":
		return "makes istiod refuse the object, for tests of its own"
	case "internal.istio.io/parents", "internal.istio.io/parent-namespace":
		return "is set by istiod alone"
	}
	return ""
}
