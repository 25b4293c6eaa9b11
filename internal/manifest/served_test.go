// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
)

// The verdicts are those of the API server: internal/conformance/differential found that it refuses objects for what
// the library drops.
func TestServedMetadata(t *testing.T) {
	owner := func(fields string) string {
		return `ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: a, uid: b` + fields + `}]`
	}
	for _, test := range []struct {
		metadata string
		want     string // the path that is refused, "" where it is accepted
		reason   string
	}{
		{`creationTimestamp: null`, "", "as client-go writes a time that is not set"},
		{`creationTimestamp: "2026-01-31T12:00:00+01:00"`, "", "a time zone"},
		{`creationTimestamp: "2026-01-31"`, "creationTimestamp", "a day is no time"},
		{`creationTimestamp: ""`, "creationTimestamp", "nothing is no time"},
		{`deletionTimestamp: 12`, "deletionTimestamp", "seconds are no time"},
		{`deletionGracePeriodSeconds: 30`, "", "a whole number"},
		{`deletionGracePeriodSeconds: "30"`, "deletionGracePeriodSeconds", "a string is no number"},
		{`deletionGracePeriodSeconds: 0.5`, "deletionGracePeriodSeconds", "a fraction"},
		{`generation: 3.0`, "", "written as 3 before it is read"},
		{`generation: 9223372036854775807`, "", "the largest"},
		{`generation: 9223372036854775808`, "generation", "65 bits"},
		{`generation: true`, "generation", "no number"},
		{`resourceVersion: 12`, "resourceVersion", "a number is no string"},
		{`selfLink: [a]`, "selfLink", "a list is no string"},
		{`uid: {}`, "uid", "an object is no string"},
		{`generateName: x-`, "", "as kubectl create takes it"},
		{`generateName: ""`, "", "the same as none"},
		{`generateName: Xy-`, "generateName", "no name begins so"},
		{`finalizers: [istio.io/a, orphan]`, "", "qualified names"},
		{`finalizers: a`, "finalizers", "no list"},
		{`finalizers: [1]`, "finalizers[0]", "a number is no name"},
		{`finalizers: [a, null]`, "finalizers[1]", "null is an empty name"},
		{`finalizers: [orphan, foregroundDeletion]`, "finalizers", "they contradict each other"},
		{`ownerReferences: []`, "", "none"},
		{owner(""), "", "an owner"},
		{owner(", controller: true, blockOwnerDeletion: null"), "", "an owner that is the controller"},
		{owner(", controller: yes please"), "ownerReferences[0].controller", "no boolean"},
		{owner(", owner: true"), "ownerReferences[0].owner", "an unknown field"},
		{`ownerReferences: [{apiVersion: v1, kind: Pod, name: a}]`, "ownerReferences[0]", "an owner without uid"},
		{`ownerReferences: [{apiVersion: a/b/c, kind: Pod, name: a, uid: b}]`, "ownerReferences[0]", "no apiVersion"},
		{`ownerReferences: [{apiVersion: v1, kind: Event, name: a, uid: b}]`, "ownerReferences[0]", "events own nothing"},
		{`ownerReferences: [null]`, "ownerReferences[0]", "an empty owner"},
		{`ownerReferences: [{apiVersion: v1, kind: A, name: a, uid: b, controller: true}, {apiVersion: v1, kind: B, name: b, uid: c, controller: true}]`,
			"ownerReferences", "two controllers"},
		{`managedFields: [{manager: kubectl, operation: Apply, apiVersion: networking.istio.io/v1, time: "2026-01-31T12:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {}}}]`,
			"", "as kubectl get --show-managed-fields prints them"},
		{`managedFields: [{manager: kubectl}]`, "managedFields[0]", "no operation"},
		{`managedFields: [{operation: Update, fieldsType: FieldsV2}]`, "managedFields[0]", "another type of fields"},
		{`managedFields: [{operation: Update, manager: "a\n"}]`, "managedFields[0]", "a line break in a name"},
		{`managedFields: [{operation: Update, manager: ` + strings.Repeat("a", 129) + `}]`, "managedFields[0]", "a name too long"},
		{`managedFields: [{operation: Update, subresource: ` + strings.Repeat("a", 257) + `}]`, "managedFields[0]", "a subresource too long"},
		{`managedFields: [{operation: Update, time: now}]`, "managedFields[0].time", "no time"},
		{`managedFields: [{operation: Update, fieldV1: {}}]`, "managedFields[0].fieldV1", "a misspelt field"},
		{`managedFields: [1]`, "managedFields[0]", "a number is no entry"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			text := strings.Replace(good, "  name: x\n", "  name: x\n  "+test.metadata+"\n", 1)
			_, findings := Parse([]byte(text), "DestinationRule", []string{"networking.istio.io/v1"}, &networking.DestinationRule{})
			var got string
			if len(findings) > 0 {
				got = strings.TrimPrefix(findings[0].Path, "metadata.")
			}
			if got != test.want || len(findings) > 1 {
				t.Errorf("%s: refused at %q, want %q: %v", test.metadata, got, test.want, findings)
			}
		})
	}
}
