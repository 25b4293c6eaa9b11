// SPDX-License-Identifier: Apache-2.0

package version_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/version"
)

func TestSupports(t *testing.T) {
	tested := map[string]bool{}
	for _, tt := range []struct {
		feature version.Feature
		without string // the last release without it; "" where it was there from the start
		with    []string
		after   string // the first release that has it no more; "" where it is still there
		reason  string
	}{
		{version.XDSV2Types, "", []string{"1.0.0", "1.9.9"}, "1.10.0", "Envoy 1.18 loads no v2 types"},
		{version.OldConnectionManagerName, "", []string{"1.6.0", "1.16.7", "1.18.7-r4"}, "1.19.0-alpha.1", "seen on 1.16.7, gone on 1.20.8"},
		{version.ConfigPatches, "1.2.10", []string{"1.3.0"}, "", "EnvoyFilter's new form"},
		{version.H2UpgradeField, "1.2.10", []string{"1.3.0", "1.31.0"}, "", "the field comes three releases before its effect"},
		{version.H2UpgradeSchema, "1.3.8", []string{"1.4.0"}, "", "the CRD comes after the proto"},
		{version.NetworkingV1beta1, "1.4.10-gke.8", []string{"1.5.0"}, "", "served since 1.5"},
		{version.InsertFirst, "1.4.10", []string{"1.5.0"}, "", "operation of 1.5"},
		{version.H2UpgradeImplemented, "1.5.10", []string{"1.6.0"}, "", "pilot ignored it before"},
		{version.UnboundedStreams, "1.5.10", []string{"1.6.0", "1.14.6"}, "1.15.0", "removed by istio#40009"},
		{version.ConnectionManagerName, "1.6.14", []string{"1.7.0"}, "", "renamed in 1.7"},
		{version.H2UpgradeOverProtocol, "1.7.8", []string{"1.8.0", "1.8-alpha.0c2d7a"}, "", "istio#27035"},
		{version.UseClientProtocol, "1.7.8", []string{"1.8.0"}, "", "field of 1.8"},
		{version.ReplaceOperation, "1.7.8", []string{"1.8.0"}, "", "operation of 1.8"},
		{version.FilterClass, "1.7.8", []string{"1.8.0"}, "", "field of 1.8"},
		{version.EnvoyFilterPriority, "1.10.6", []string{"1.11.0"}, "", "field of 1.11"},
		{version.UpgradeBoundary, "1.11.8", []string{"1.12.0", "1.12.0-asm.3", "1.12.0-rc.0", "1.12-alpha.5c1b3a", "v1.14.3.47-ga31201346f-aliyun"}, "", "the documents' boundary, in every spelling"},
		{version.ClientWorkloadSelector, "1.13.9", []string{"1.14.0"}, "", "istio#37174"},
		{version.MergeReplacesDurations, "1.13.9", []string{"1.14.0"}, "", "pkg/proto/merge"},
		{version.RelativeOperationMessage, "1.13.9", []string{"1.14.0"}, "", "IST0151"},
		{version.MaxConnectionDuration, "1.14.6", []string{"1.15.0"}, "", "field of 1.15"},
		{version.ProxyVersionMessage, "1.14.6", []string{"1.15.0"}, "", "IST0155"},
		{version.TunnelAllowConnect, "1.15.7", []string{"1.16.0", "1.31.0"}, "", "first hit in pilot"},
		{version.ListenerFilterPatch, "1.16.7", []string{"1.17.0"}, "", "applyTo of 1.17"},
		{version.XDSV2Refused, "1.18.7", []string{"1.19.0"}, "", "drop-xds-v2"},
		{version.TCPIdleTimeout, "1.20.8", []string{"1.21.0"}, "", "field of 1.21"},
		{version.MaxConcurrentStreams, "1.20.8", []string{"1.21.0"}, "", "field of 1.21"},
		{version.NetworkingV1, "1.21.6", []string{"1.22.0", "1.22.8"}, "", "not served by 1.21.6, served by 1.22.8"},
		{version.TargetRefsField, "1.21.6", []string{"1.22.0"}, "", "in the API"},
		{version.EnvoyFilterWarning, "1.21.6", []string{"1.22.0"}, "", "warned of since 1.22"},
		{version.AppProtocolWebSocket, "1.23.6", []string{"1.24.0"}, "", "kubernetes.io/ws"},
		{version.DestinationRuleMessages, "1.23.6", []string{"1.24.0"}, "", "IST0173, IST0174"},
		{version.ClientProtocolOverMesh, "1.24.1", []string{"1.24.2", "1.25.0"}, "", "tag 1.24.1 lacks it, 1.24.2 has it"},
		{version.TargetRefsHonoured, "1.26.8", []string{"1.27.0"}, "", "istio#56476"},
		{version.WaypointEnvoyFilter, "1.26.8", []string{"1.27.0"}, "", "by targetRefs"},
		{version.MergeWithoutFilterPanics, "1.24.6", []string{"1.27.9", "1.29.6", "1.30.3", "1.31.0-rc.0"}, "", "the releases it was run on"},
		{version.UpgradedPoolSettings, "1.27.9", []string{"1.28.0"}, "", "not on 1.27"},
		{version.SniffedPortIgnoresUpgrade, "1.27.9", []string{"1.28.0"}, "", "not on 1.27"},
		{version.HeaderCaseKeepsHTTP1, "1.27.9", []string{"1.28.0"}, "", "not on 1.27"},
		{version.WaypointContextField, "1.28.9", []string{"1.29.0"}, "", "in the API"},
		{version.DefaultTrafficPolicy, "1.30.3", []string{"1.31.0", "1.31-dev"}, "", "new in 1.31"},
		{version.HTTP2KeepAlive, "1.30.3", []string{"1.31.0"}, "", "new in 1.31"},
		{version.ConnectionSettings, "1.30.3", []string{"1.31.0"}, "", "new in 1.31"},
		{version.MergeAndReplaceList, "1.30.3", []string{"1.31.0"}, "", "new in 1.31"},
		{version.ProxyVersionLimit, "1.30.3", []string{"1.31.0"}, "", "new in 1.31"},
	} {
		t.Run(tt.feature.Name, func(t *testing.T) {
			if tt.without != "" && version.MustParse(tt.without).Supports(tt.feature) {
				t.Errorf("%s supports it: %s", tt.without, tt.reason)
			}
			for _, r := range tt.with {
				if !version.MustParse(r).Supports(tt.feature) {
					t.Errorf("%s does not support it: %s", r, tt.reason)
				}
			}
			if tt.after != "" && version.MustParse(tt.after).Supports(tt.feature) {
				t.Errorf("%s still supports it: %s", tt.after, tt.reason)
			}
			if still := version.MustParse("1.99").Supports(tt.feature); still != (tt.after == "") {
				t.Errorf("Supports of a release to come is %t: %s", still, tt.reason)
			}
			tested[tt.feature.Name] = true
		})
	}
	for _, f := range version.Features() {
		if !tested[f.Name] {
			t.Errorf("no row tests the dates of %s", f.Name)
		}
	}
}

func TestFeatures(t *testing.T) {
	fs := version.Features()
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	names := map[string]bool{}
	for i, f := range fs {
		if !name.MatchString(f.Name) || names[f.Name] {
			t.Errorf("the name %q is there twice or no short identifier", f.Name)
		}
		names[f.Name] = true
		if i > 0 && f.Since.Compare(fs[i-1].Since) < 0 {
			t.Errorf("%s (%s) stands after %s (%s); the earliest comes first", f.Name, f.Since, fs[i-1].Name, fs[i-1].Since)
		}
		if !f.Until.IsZero() && !f.Until.AtLeast(f.Since) {
			t.Errorf("%s ends with %s before it begins with %s", f.Name, f.Until, f.Since)
		}
		if f.Since.IsZero() && f.Until.IsZero() {
			t.Errorf("%s has no date", f.Name)
		}
		if !strings.HasSuffix(f.Summary, ".") || strings.Contains(f.Summary, ". ") {
			t.Errorf("the summary of %s is not one sentence: %s", f.Name, f.Summary)
		}
		if f.Source == "" {
			t.Errorf("%s has no source", f.Name)
		}
	}

	fs[0].Name = "changed"
	if version.Features()[0].Name == "changed" {
		t.Error("a change to the slice of Features shows in the next one")
	}
	if s := version.UpgradeBoundary.Summary; !strings.Contains(s, "Alibaba Cloud Service Mesh") || !strings.Contains(s, "no technical change") {
		t.Errorf("the summary of the boundary must say whose it is and what upstream shows: %s", s)
	}
}

// TestFeaturesHasEveryVariable reads the source: a fact that is declared and not listed would be lost to those who
// print the table.
func TestFeaturesHasEveryVariable(t *testing.T) {
	source, err := os.ReadFile("features.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, m := range regexp.MustCompile(`(?m)^\t\tName: +"(.*)",$`).FindAllSubmatch(source, -1) {
		declared = append(declared, string(m[1]))
	}
	var listed []string
	for _, f := range version.Features() {
		listed = append(listed, f.Name)
	}
	slices.Sort(declared)
	slices.Sort(listed)
	if len(declared) == 0 || !slices.Equal(declared, listed) {
		t.Errorf("declared: %q\nlisted:   %q", declared, listed)
	}
}
