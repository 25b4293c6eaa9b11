// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	networkingv1alpha3 "istio.io/client-go/pkg/apis/networking/v1alpha3"
	networkingv1beta1 "istio.io/client-go/pkg/apis/networking/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

const (
	// annotation asks for the pair of a Service, with the value "true".
	annotation = "wsmesh.dev/websocket"
	// serviceLabel says on the objects of a pair which Service of their namespace they are for.
	serviceLabel = "wsmesh.dev/service"
	// fieldManager is the controller's name in managedFields.
	fieldManager = "wsmesh-controller"
)

// A controller keeps the EnvoyFilter and the DestinationRule of every annotated Service in step, stage by stage: clients
// are sent to HTTP/2 only when the servers accept WebSocket over it, and are back at HTTP/1.1 before they cease to.
//
// It waits between stages: istiod is given settle to configure the proxies. A controller for production would ask them,
// as Stage.Command does.
type controller struct {
	client.Client
	events events.EventRecorder
	mesh   wsmesh.Mesh
	settle time.Duration
}

// register has the manager run the controller, for Services and for what becomes of the objects that it made.
func (c *controller) register(mgr ctrl.Manager) error {
	toService := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		if name := o.GetLabels()[serviceLabel]; name != "" {
			return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
		}
		return nil
	})
	return ctrl.NewControllerManagedBy(mgr).For(&corev1.Service{}).
		Watches(&networkingv1alpha3.EnvoyFilter{}, toService).
		Watches(&networkingv1beta1.DestinationRule{}, toService).
		Complete(c)
}

// Reconcile brings the pair of one Service a stage further.
func (c *controller) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	svc := &corev1.Service{}
	if err := c.Get(ctx, req.NamespacedName, svc); apierrors.IsNotFound(err) {
		return c.remove(ctx, req.NamespacedName)
	} else if err != nil {
		return reconcile.Result{}, err
	}
	wanted := svc.Annotations[annotation] == "true" && svc.DeletionTimestamp == nil
	filters, rules, err := c.owned(ctx, req.NamespacedName)
	if err != nil || !wanted && len(filters)+len(rules) == 0 {
		return reconcile.Result{}, err
	}
	plan, err := c.plan(svc)
	if finding.In(err) != nil {
		// What is wrong is in the Service: trying again changes nothing, until the Service does. What there is of the
		// pair stays as it is.
		c.events.Eventf(svc, nil, corev1.EventTypeWarning, "Refused", "Plan", "%v", err)
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	upgrade := plan.Decision().Policy == destinationrule.Upgrade
	stages := plan.Stages()
	if !wanted && upgrade {
		stages = plan.Rollback()
	}
	if result, err := c.carryOut(ctx, svc, stages); err != nil || upgrade || !result.IsZero() {
		return result, err
	}
	for _, filter := range filters { // of a plan before this one, which no client needs any more
		if err := c.drop(ctx, filter); err != nil {
			return reconcile.Result{}, err
		}
	}
	if wanted {
		return reconcile.Result{}, nil
	}
	// Only now: the rule may have been UPGRADE by a plan before this one, and then it had to send the clients back.
	return c.carryOut(ctx, svc, plan.Rollback())
}

// carryOut applies and deletes what the stages say. Where the proxies need time before the next one, the result says how
// long, and the stages are gone through again then.
func (c *controller) carryOut(ctx context.Context, svc *corev1.Service, stages []wsmesh.Stage) (reconcile.Result, error) {
	for _, stage := range stages {
		for _, object := range stage.Apply {
			changed, err := apply(ctx, c.Client, fieldManager, object)
			if apierrors.IsConflict(err) {
				c.events.Eventf(svc, nil, corev1.EventTypeWarning, "Conflict", "Apply", "%s: %v", object, err)
			}
			if err != nil {
				return reconcile.Result{}, fmt.Errorf("%s: %w", object, err)
			}
			if wait := c.settle - time.Since(changed); wait > 0 {
				return reconcile.Result{RequeueAfter: wait}, nil
			}
		}
		for _, object := range stage.Delete {
			u, err := toUnstructured(object)
			if err != nil {
				return reconcile.Result{}, err
			}
			if err := c.drop(ctx, u); err != nil {
				return reconcile.Result{}, err
			}
		}
	}
	return reconcile.Result{}, nil
}

// drop deletes an object. One that another manager applies too is theirs: it stays, and the controller gives its fields up.
func (c *controller) drop(ctx context.Context, object client.Object) error {
	if err := c.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return client.IgnoreNotFound(err)
	}
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == fieldManager || entry.Operation != metav1.ManagedFieldsOperationApply {
			continue
		}
		kind, err := c.GroupVersionKindFor(object)
		if err != nil {
			return err
		}
		nothing := &unstructured.Unstructured{}
		nothing.SetGroupVersionKind(kind)
		nothing.SetName(object.GetName())
		nothing.SetNamespace(object.GetNamespace())
		return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(nothing), client.FieldOwner(fieldManager))
	}
	return client.IgnoreNotFound(c.Delete(ctx, object))
}

// plan returns the plan of a Service, of all its ports.
func (c *controller) plan(svc *corev1.Service) (*wsmesh.Plan, error) {
	if len(svc.Spec.Ports) == 0 { // a plan would take them for unknown
		f := finding.New(wsmesh.PortOutOfRange, "spec.ports", "the Service has no port", "give the port that WebSockets use")
		return nil, finding.List{f}.Err()
	}
	s := wsmesh.Service{Name: svc.Name, Namespace: svc.Namespace, Workload: svc.Spec.Selector}
	for _, port := range svc.Spec.Ports {
		p := wsmesh.Port{Number: uint32(port.Port), TargetPort: uint32(port.TargetPort.IntValue()), Name: port.Name}
		if port.AppProtocol != nil {
			p.AppProtocol = *port.AppProtocol
		}
		s.Ports = append(s.Ports, p)
	}
	return wsmesh.NewPlan(s, c.mesh, wsmesh.Options{Labels: map[string]string{serviceLabel: svc.Name}})
}

// owned returns the objects that are there for a Service.
func (c *controller) owned(ctx context.Context, service types.NamespacedName) (filters []*networkingv1alpha3.EnvoyFilter, rules []*networkingv1beta1.DestinationRule, err error) {
	of := []client.ListOption{client.InNamespace(service.Namespace), client.MatchingLabels{serviceLabel: service.Name}}
	filterList, ruleList := &networkingv1alpha3.EnvoyFilterList{}, &networkingv1beta1.DestinationRuleList{}
	if err := c.List(ctx, filterList, of...); err != nil {
		return nil, nil, err
	}
	if err := c.List(ctx, ruleList, of...); err != nil {
		return nil, nil, err
	}
	return filterList.Items, ruleList.Items, nil
}

// remove deletes the pair of a Service that is gone: its clients return to HTTP/1.1 first, as in Plan.Rollback, and
// nothing of the Service is needed for that.
func (c *controller) remove(ctx context.Context, service types.NamespacedName) (reconcile.Result, error) {
	filters, rules, err := c.owned(ctx, service)
	if err != nil {
		return reconcile.Result{}, err
	}
	var objects []client.Object
	for _, filter := range filters {
		objects = append(objects, filter)
	}
	for _, rule := range rules {
		back, err := (&destinationrule.Rule{APIVersion: "networking.istio.io/v1beta1", Name: rule.Name, Namespace: rule.Namespace,
			Labels: rule.Labels, Spec: &rule.Spec}).WithH2Upgrade(destinationrule.DoNotUpgrade)
		if err != nil {
			return reconcile.Result{}, err
		}
		changed, err := apply(ctx, c.Client, fieldManager, back)
		if err != nil {
			return reconcile.Result{}, err
		}
		if wait := c.settle - time.Since(changed); wait > 0 {
			return reconcile.Result{RequeueAfter: wait}, nil
		}
		objects = append(objects, rule)
	}
	for _, object := range objects {
		if err := c.drop(ctx, object); err != nil {
			return reconcile.Result{}, err
		}
	}
	return reconcile.Result{}, nil
}
