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
	features := map[string]version.Feature{}
	for _, f := range version.Features() {
		features[f.Name] = f
	}
	tested := map[string]bool{}
	for _, tt := range []struct {
		feature string // its name
		without string // the last release without it; "" where it was there from the start
		with    []string
		after   string // the first release that has it no more; "" where it is still there
		reason  string
	}{
		{"xds-v2-types", "", []string{"1.0.0", "1.9.9"}, "1.10.0", "Envoy 1.18 loads no v2 types"},
		{"old-connection-manager-name", "", []string{"1.6.0", "1.16.7", "1.18.7-r4"}, "1.19.0-alpha.1", "seen on 1.16.7, gone on 1.20.8"},
		{"config-patches", "1.2.10", []string{"1.3.0"}, "", "EnvoyFilter's new form"},
		{"h2-upgrade-field", "1.2.10", []string{"1.3.0", "1.31.0"}, "", "the field comes three releases before its effect"},
		{"h2-upgrade-schema", "1.3.8", []string{"1.4.0"}, "", "the CRD comes after the proto"},
		{"networking-v1beta1", "1.4.10-gke.8", []string{"1.5.0"}, "", "served since 1.5"},
		{"insert-first", "1.4.10", []string{"1.5.0"}, "", "operation of 1.5"},
		{"h2-upgrade-implemented", "1.5.10", []string{"1.6.0"}, "", "pilot ignored it before"},
		{"unbounded-streams", "1.5.10", []string{"1.6.0", "1.14.6"}, "1.15.0", "removed by istio#40009"},
		{"connection-manager-name", "1.6.14", []string{"1.7.0"}, "", "renamed in 1.7"},
		{"h2-upgrade-over-protocol", "1.7.8", []string{"1.8.0", "1.8-alpha.0c2d7a"}, "", "istio#27035"},
		{"use-client-protocol", "1.7.8", []string{"1.8.0"}, "", "field of 1.8"},
		{"replace-operation", "1.7.8", []string{"1.8.0"}, "", "operation of 1.8"},
		{"filter-class", "1.7.8", []string{"1.8.0"}, "", "field of 1.8"},
		{"envoyfilter-priority", "1.10.6", []string{"1.11.0"}, "", "field of 1.11"},
		{"upgrade-boundary", "1.11.8", []string{"1.12.0", "1.12.0-asm.3", "1.12.0-rc.0", "1.12-alpha.5c1b3a", "v1.14.3.47-ga31201346f-aliyun"}, "", "the documents' boundary, in every spelling"},
		{"client-workload-selector", "1.13.9", []string{"1.14.0"}, "", "istio#37174"},
		{"merge-replaces-durations", "1.13.9", []string{"1.14.0"}, "", "pkg/proto/merge"},
		{"relative-operation-message", "1.13.9", []string{"1.14.0"}, "", "IST0151"},
		{"max-connection-duration", "1.14.6", []string{"1.15.0"}, "", "field of 1.15"},
		{"proxy-version-message", "1.14.6", []string{"1.15.0"}, "", "IST0155"},
		{"tunnel-allow-connect", "1.15.7", []string{"1.16.0", "1.31.0"}, "", "first hit in pilot"},
		{"listener-filter-patch", "1.16.7", []string{"1.17.0"}, "", "applyTo of 1.17"},
		{"xds-v2-refused", "1.18.7", []string{"1.19.0"}, "", "drop-xds-v2"},
		{"tcp-idle-timeout", "1.20.8", []string{"1.21.0"}, "", "field of 1.21"},
		{"max-concurrent-streams", "1.20.8", []string{"1.21.0"}, "", "field of 1.21"},
		{"networking-v1", "1.21.6", []string{"1.22.0", "1.22.8"}, "", "not served by 1.21.6, served by 1.22.8"},
		{"target-refs-field", "1.21.6", []string{"1.22.0"}, "", "in the API"},
		{"envoyfilter-warning", "1.21.6", []string{"1.22.0"}, "", "warned of since 1.22"},
		{"app-protocol-websocket", "1.23.6", []string{"1.24.0"}, "", "kubernetes.io/ws"},
		{"destinationrule-messages", "1.23.6", []string{"1.24.0"}, "", "IST0173, IST0174"},
		{"client-protocol-over-mesh", "1.24.1", []string{"1.24.2", "1.25.0"}, "", "tag 1.24.1 lacks it, 1.24.2 has it"},
		{"target-refs-honoured", "1.26.8", []string{"1.27.0"}, "", "istio#56476"},
		{"waypoint-envoyfilter", "1.26.8", []string{"1.27.0"}, "", "by targetRefs"},
		{"merge-without-filter-panics", "1.24.6", []string{"1.27.9", "1.29.6", "1.30.3", "1.31.0-rc.0"}, "", "the releases it was run on"},
		{"upgraded-pool-settings", "1.27.9", []string{"1.28.0"}, "", "not on 1.27"},
		{"sniffed-port-ignores-upgrade", "1.27.9", []string{"1.28.0"}, "", "not on 1.27"},
		{"header-case-keeps-http1", "1.27.9", []string{"1.28.0"}, "", "not on 1.27"},
		{"waypoint-context-field", "1.28.9", []string{"1.29.0"}, "", "in the API"},
		{"default-traffic-policy", "1.30.3", []string{"1.31.0", "1.31-dev"}, "", "new in 1.31"},
		{"http2-keepalive", "1.30.3", []string{"1.31.0"}, "", "new in 1.31"},
		{"connection-settings", "1.30.3", []string{"1.31.0"}, "", "new in 1.31"},
		{"merge-and-replace-list", "1.30.3", []string{"1.31.0"}, "", "new in 1.31"},
		{"proxy-version-limit", "1.30.3", []string{"1.31.0"}, "", "new in 1.31"},
	} {
		t.Run(tt.feature, func(t *testing.T) {
			feature, ok := features[tt.feature]
			if !ok {
				t.Fatal("there is no such fact")
			}
			if tt.without != "" && version.MustParse(tt.without).Supports(feature) {
				t.Errorf("%s supports it: %s", tt.without, tt.reason)
			}
			for _, r := range tt.with {
				if !version.MustParse(r).Supports(feature) {
					t.Errorf("%s does not support it: %s", r, tt.reason)
				}
			}
			if tt.after != "" && version.MustParse(tt.after).Supports(feature) {
				t.Errorf("%s still supports it: %s", tt.after, tt.reason)
			}
			if still := version.MustParse("1.99").Supports(feature); still != (tt.after == "") {
				t.Errorf("Supports of a release to come is %t: %s", still, tt.reason)
			}
			tested[tt.feature] = true
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

func TestNewest(t *testing.T) {
	for _, f := range version.Features() {
		if !version.Newest().AtLeast(f.Since) || !version.Newest().AtLeast(f.Until) {
			t.Errorf("%s is later than the newest release, %s", f.Name, version.Newest())
		}
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
