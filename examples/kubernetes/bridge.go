// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"maps"
	"time"

	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
	networkingv1alpha3 "istio.io/client-go/pkg/apis/networking/v1alpha3"
	networkingv1beta1 "istio.io/client-go/pkg/apis/networking/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/wsmesh"
)

// The types of istio.io/client-go hold the very specs of istio.io/api that this library builds. Messages of protobuf
// must not be copied by assignment (they hold a lock), so DeepCopyInto fills the spec in.

// destinationRuleV1 returns the rule for the clientset's NetworkingV1, of control planes from release 1.22 on.
func destinationRuleV1(rule *destinationrule.Rule) *networkingv1.DestinationRule {
	out := &networkingv1.DestinationRule{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.istio.io/v1", Kind: "DestinationRule"},
		ObjectMeta: metadata(rule.Name, rule.Namespace, rule.Labels, rule.Annotations),
	}
	rule.Spec.DeepCopyInto(&out.Spec)
	return out
}

// destinationRuleV1beta1 returns the rule for the clientset's NetworkingV1beta1, which every release since 1.5 serves.
func destinationRuleV1beta1(rule *destinationrule.Rule) *networkingv1beta1.DestinationRule {
	out := &networkingv1beta1.DestinationRule{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.istio.io/v1beta1", Kind: "DestinationRule"},
		ObjectMeta: metadata(rule.Name, rule.Namespace, rule.Labels, rule.Annotations),
	}
	rule.Spec.DeepCopyInto(&out.Spec)
	return out
}

// envoyFilter returns the filter for the clientset's NetworkingV1alpha3, the only version there is.
func envoyFilter(filter *envoyfilter.Filter) *networkingv1alpha3.EnvoyFilter {
	out := &networkingv1alpha3.EnvoyFilter{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.istio.io/v1alpha3", Kind: "EnvoyFilter"},
		ObjectMeta: metadata(filter.Name, filter.Namespace, filter.Labels, filter.Annotations),
	}
	filter.Spec.DeepCopyInto(&out.Spec)
	return out
}

func metadata(name, namespace string, labels, annotations map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: maps.Clone(labels), Annotations: maps.Clone(annotations)}
}

// toUnstructured returns any object of the library as dynamic clients and server-side apply take it. It needs no types
// of Istio, and writes the apiVersion that the plan chose for the mesh.
func toUnstructured(object wsmesh.Object) (*unstructured.Unstructured, error) {
	data, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	out := &unstructured.Unstructured{}
	return out, out.UnmarshalJSON(data)
}

// apply applies an object server-side as manager, and returns when manager last changed it: applying what is there
// changes nothing. Where another manager holds a field with another value the error is a conflict (apierrors.IsConflict),
// and nothing is changed.
func apply(ctx context.Context, c client.Client, manager string, object wsmesh.Object) (time.Time, error) {
	u, err := toUnstructured(object)
	if err != nil {
		return time.Time{}, err
	}
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(manager)); err != nil {
		return time.Time{}, err
	}
	for _, entry := range u.GetManagedFields() {
		if entry.Manager == manager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Time != nil {
			return entry.Time.Time, nil
		}
	}
	return time.Time{}, nil
}
