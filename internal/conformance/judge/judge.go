// SPDX-License-Identifier: Apache-2.0

// Package judge says what a cluster with Istio would say to a manifest: first the Kubernetes API server, with
// the CustomResourceDefinitions of istio.io/api (structural schema, list types and CEL), then the validating
// webhook of istiod. Both are the real code, run in process: k8s.io/apiextensions-apiserver and
// istio.io/istio/pkg/webhooks/validation/server.
package judge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config/schema/collections"
	istioresource "istio.io/istio/pkg/config/schema/resource"
	"istio.io/istio/pkg/log"
	webhook "istio.io/istio/pkg/webhooks/validation/server"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	structuraldefaulting "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	structurallisttype "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	structuralpruning "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// Namespace is where an object without a namespace of its own is created, as `kubectl apply` does by default.
const Namespace = "default"

// A Verdict is what the API server and istiod said to one manifest.
type Verdict struct {
	// CRD is the API server's refusal: of the text, the metadata or the schema. The webhook is then not asked.
	CRD error
	// Webhook is the refusal of istiod's webhook.
	Webhook error
	// Warnings are those of the webhook for an object that it admits.
	Warnings []string
	// Object is what would be stored, where both accept.
	Object *unstructured.Unstructured
}

// Err returns the refusal, and nil where the manifest is accepted.
func (v Verdict) Err() error { return errors.Join(v.CRD, v.Webhook) }

// Accepted reports that both took the manifest.
func (v Verdict) Accepted() bool { return v.CRD == nil && v.Webhook == nil }

// A Judge holds the compiled CRDs and the webhook. It is safe for concurrent use.
type Judge struct {
	json, yaml kruntime.Decoder
	kinds      map[schema.GroupVersionKind]*resource
	mux        *http.ServeMux
}

// A resource is one served version of one CRD.
type resource struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	cel        *cel.Validator
}

// New compiles the CRDs of DestinationRule and EnvoyFilter and sets up the webhook.
func New() (*Judge, error) {
	j := &Judge{
		json:  kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, nil, unstructuredTyper{}, kjson.SerializerOptions{Strict: true}),
		yaml:  kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, nil, unstructuredTyper{}, kjson.SerializerOptions{Yaml: true, Strict: true}),
		kinds: map[schema.GroupVersionKind]*resource{},
		mux:   http.NewServeMux(),
	}
	if err := j.loadCRDs(filepath.Join(ModuleDir((*networking.DestinationRule).Reset, "networking"), "kubernetes", "customresourcedefinitions.gen.yaml")); err != nil {
		return nil, err
	}
	// Refusals and warnings are logged too, of which the differential test causes some hundred thousand.
	for _, name := range []string{"validationServer", "validation"} {
		if scope := log.FindScope(name); scope != nil {
			scope.SetOutputLevel(log.NoneLevel)
		}
	}
	if _, err := webhook.New(webhook.Options{Schemas: collections.Pilot, DomainSuffix: "cluster.local", Mux: j.mux}); err != nil {
		return nil, err
	}
	return j, nil
}

// ModuleDir returns the folder above the last one named folder in the path of the file that fn was compiled
// from: the root of a module in the module cache. (`go list -m` would not know of a -modfile.)
func ModuleDir(fn any, folder string) string {
	file, _ := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).FileLine(reflect.ValueOf(fn).Pointer())
	i := strings.LastIndex(file, "/"+folder+"/")
	if i < 0 {
		return file
	}
	return filepath.FromSlash(file[:i])
}

func (j *Judge) loadCRDs(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("the CRDs of istio.io/api (a build with -trimpath does not know where they are): %w", err)
	}
	defer f.Close()
	docs := kubeyaml.NewYAMLOrJSONDecoder(f, 1<<20)
	for {
		var v1 apiextensionsv1.CustomResourceDefinition
		if err := docs.Decode(&v1); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if k := v1.Spec.Names.Kind; k != "DestinationRule" && k != "EnvoyFilter" {
			continue
		}
		var crd apiextensions.CustomResourceDefinition
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, &crd, nil); err != nil {
			return err
		}
		for _, version := range crd.Spec.Versions {
			if !version.Served {
				continue
			}
			props, err := apiextensions.GetSchemaForVersion(&crd, version.Name)
			if err != nil {
				return err
			}
			validator, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
			if err != nil {
				return err
			}
			structural, err := structuralschema.NewStructural(props.OpenAPIV3Schema)
			if err != nil {
				return err
			}
			gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
			j.kinds[gvk] = &resource{structural, validator, cel.NewValidator(structural, true, celconfig.PerCallLimit)}
		}
	}
	if len(j.kinds) != 4 { // DestinationRule v1, v1beta1, v1alpha3; EnvoyFilter v1alpha3
		return fmt.Errorf("%s: %d versions of DestinationRule and EnvoyFilter, want 4", file, len(j.kinds))
	}
	return nil
}

// Document returns the verdict on a file of one manifest, YAML or JSON, created with strict field validation
// (`kubectl apply --validate=strict`, the default) and then sent to the webhook as the API server does. A file
// of no document or of several is refused.
func (j *Judge) Document(data []byte) Verdict {
	docs, decoder, err := j.documents(data)
	if err == nil && len(docs) != 1 {
		err = fmt.Errorf("%d documents, want one", len(docs))
	}
	if err != nil {
		return Verdict{CRD: err}
	}
	obj, err := j.create(docs[0], decoder)
	if err != nil {
		return Verdict{CRD: err}
	}
	warnings, err := j.Webhook(obj)
	return Verdict{Webhook: err, Warnings: warnings, Object: obj}
}

// Spec returns what istiod reads from the spec of an accepted object.
func (v Verdict) Spec() (proto.Message, error) {
	s, ok := collections.Pilot.FindByGroupVersionAliasesKind(istioresource.FromKubernetesGVK(new(v.Object.GroupVersionKind())))
	if !ok {
		return nil, fmt.Errorf("istiod does not know %s", v.Object.GroupVersionKind())
	}
	text, err := json.Marshal(v.Object.Object["spec"])
	if err != nil {
		return nil, err
	}
	spec, err := crd.FromJSON(s, string(text))
	if err != nil {
		return nil, err
	}
	return spec.(proto.Message), nil
}

// documents splits a file as kubectl does (k8s.io/cli-runtime/pkg/resource, StreamVisitor), which passes over empty
// documents, and returns what decodes them. YAML stays as it is, for the strict decoder to see: kubectl itself
// would lose duplicate keys.
func (j *Judge) documents(data []byte) ([][]byte, kruntime.Decoder, error) {
	var docs [][]byte
	add := func(doc, text []byte) {
		if text = bytes.TrimSpace(text); len(text) > 0 && !bytes.Equal(text, []byte("null")) {
			docs = append(docs, doc)
		}
	}
	if bytes.HasPrefix(bytes.TrimLeftFunc(data, unicode.IsSpace), []byte("{")) {
		stream := kubeyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
		for {
			var raw kruntime.RawExtension
			if err := stream.Decode(&raw); errors.Is(err, io.EOF) {
				return docs, j.json, nil
			} else if err != nil {
				return nil, nil, err
			}
			add(raw.Raw, raw.Raw)
		}
	}
	reader := kubeyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return docs, j.yaml, nil
		} else if err != nil {
			return nil, nil, err
		}
		text, err := yaml.YAMLToJSON(doc)
		if err != nil {
			return nil, nil, err
		}
		if bytes.Contains(doc, []byte("<<")) {
			// A key that overrides a merged one stands twice to the strict decoder, and once in the JSON that kubectl sends.
			doc = text
		}
		add(doc, text)
	}
}

// served are the fields of metadata that the API server fills in. The library drops them as they are, and what stands in
// them no person writes: so an object is judged without them, although the API server refuses some values.
var served = []string{"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName", "generation",
	"managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid"}

// create does what kube-apiserver does to a custom resource before it asks the webhooks, in its order:
// strict decoding, metadata, pruning with a report of unknown fields, defaults, then
// rest.BeforeCreate with the strategy of k8s.io/apiextensions-apiserver/pkg/registry/customresource (that
// package itself would bring etcd's client with it).
func (j *Judge) create(data []byte, decoder kruntime.Decoder) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if _, _, err := decoder.Decode(data, nil, u); err != nil {
		return nil, err
	}
	gvk := u.GroupVersionKind()
	r := j.kinds[gvk]
	if r == nil {
		return nil, fmt.Errorf("no matches for kind %q in version %q", gvk.Kind, gvk.GroupVersion())
	}

	if metadata, ok := u.Object["metadata"].(map[string]any); ok {
		for _, name := range served {
			delete(metadata, name)
		}
	}

	// unstructuredSchemaCoercer.apply in pkg/apiserver/customresource_handler.go.
	meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return nil, err
	}
	unknown = append(unknown, structuralpruning.PruneWithOptions(u.Object, r.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	structuraldefaulting.PruneNonNullableNullsWithoutDefaults(u.Object, r.structural)
	ferr, paths := objectmeta.CoerceWithOptions(nil, u.Object, r.structural, false, objectmeta.CoerceOptions{ReturnUnknownFieldPaths: true})
	if ferr != nil {
		return nil, ferr
	}
	u.SetGroupVersionKind(gvk)
	if found {
		if err := objectmeta.SetObjectMeta(u.Object, meta); err != nil {
			return nil, err
		}
	}
	if unknown = append(unknown, paths...); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown fields %q", unknown)
	}
	structuraldefaulting.Default(u.Object, r.structural)

	// rest.BeforeCreate and customResourceStrategy.
	if u.GetNamespace() == "" {
		u.SetNamespace(Namespace)
	}
	delete(u.Object, "status")
	u.SetGeneration(1)
	errs := apivalidation.ValidateObjectMetaAccessor(u, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	errs = append(errs, validation.ValidateCustomResource(nil, u.UnstructuredContent(), r.schema)...)
	errs = append(errs, objectmeta.Validate(nil, u.Object, r.structural, false)...)
	errs = append(errs, structurallisttype.ValidateListSetsAndMaps(nil, r.structural, u.Object)...)
	if r.cel != nil && len(errs) == 0 {
		celErrs, _ := r.cel.Validate(context.Background(), nil, r.structural, u.Object, nil, celconfig.RuntimeCELCostBudget)
		errs = append(errs, celErrs...)
	}
	if err := errs.ToAggregate(); err != nil {
		return nil, err
	}
	return u, nil
}

// Webhook sends the object to istiod's validating webhook over its HTTP handler and returns its warnings, or
// its refusal. A panic is a refusal: the request fails, and the webhook's failurePolicy is Fail.
func (j *Judge) Webhook(obj *unstructured.Unstructured) (warnings []string, err error) {
	raw, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, err
	}
	// What json.Marshal makes of an admissionv1.AdmissionReview, without a second pass over the object.
	kind, err := json.Marshal(metav1.GroupVersionKind(obj.GroupVersionKind()))
	if err != nil {
		return nil, err
	}
	body := fmt.Appendf(nil, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"conformance","kind":%s,"name":%q,"namespace":%q,"operation":%q,"object":%s}}`,
		kind, obj.GetName(), obj.GetNamespace(), admissionv1.Create, raw)
	req := httptest.NewRequest(http.MethodPost, "/validate", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the webhook panicked: %v", p)
		}
	}()
	j.mux.ServeHTTP(rec, req)
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(rec.Body.Bytes(), &review); err != nil || review.Response == nil {
		return nil, fmt.Errorf("the webhook answered %d %s", rec.Code, rec.Body)
	}
	if !review.Response.Allowed {
		return nil, fmt.Errorf("admission webhook denied the request: %s", review.Response.Result.Message)
	}
	return review.Response.Warnings, nil
}

// unstructuredTyper knows every object as what its apiVersion and kind say, as the API server's decoder for
// custom resources does.
type unstructuredTyper struct{}

func (unstructuredTyper) ObjectKinds(obj kruntime.Object) ([]schema.GroupVersionKind, bool, error) {
	return []schema.GroupVersionKind{obj.GetObjectKind().GroupVersionKind()}, false, nil
}

func (unstructuredTyper) Recognizes(schema.GroupVersionKind) bool { return true }
