// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"github.com/wsmesh/wsmesh/internal/traffic"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// What the configuration of the mesh does to WebSockets.
var (
	// MeshWideUpgrade is rule WS355. UPGRADE for the whole mesh reaches every port named for HTTP, WebSockets included.
	MeshWideUpgrade = finding.Rule{Code: "WS355", Severity: finding.Warning,
		Meaning: "UPGRADE for the whole mesh reaches every port named for HTTP, WebSockets included.",
		Source:  "istio/istio#39566; pilot/pkg/networking/core/cluster_traffic_policy.go (shouldH2Upgrade)"}
	// EdgeSettings is rule WS450. Connection settings of Istio 1.31 for the edge end idle WebSockets after five minutes.
	EdgeSettings = finding.Rule{Code: "WS450", Severity: finding.Warning,
		Meaning: "Connection settings of Istio 1.31 for the edge end idle WebSockets after five minutes.",
		Source:  "istio/istio pilot/pkg/networking/core/connection_settings.go@release-1.31"}
)

// meshWide looks at MeshConfig: what it upgrades, and how it ends connections.
func (a *auditor) meshWide() {
	for _, m := range a.Meshes {
		a.edge(m.Object, m.Config.Path, &m.Config.Connections, "")
		if !m.Config.Upgrade {
			continue
		}
		var reached []*traffic.Reach
		for _, r := range a.reaches {
			if r.Cause == traffic.ByMesh && r.Object == m.Object && r.Breaks() {
				reached = append(reached, r)
			}
		}
		if len(reached) > 0 {
			a.add(MeshWideUpgrade, m.Object, m.Config.Path, "h2UpgradePolicy UPGRADE reaches workloads that no EnvoyFilter opens for WebSockets, behind "+traffic.Listed(reached),
				"write DestinationRules with DO_NOT_UPGRADE for the WebSocket servers among them, or EnvoyFilters that set allow_connect")
		}
	}
	for _, w := range a.Workloads {
		if w.Connections != (manifests.ConnectionSettings{}) {
			a.edge(w.Object, w.Path+`.annotations["proxy.istio.io/config"]`, &w.Connections, " of "+w.String())
		}
	}
}

// edge reports connection settings that end WebSockets.
func (a *auditor) edge(o *manifests.Object, path string, s *manifests.ConnectionSettings, of string) {
	what := ""
	for _, f := range [...]struct{ name, value string }{
		{"httpStreamIdleTimeout", s.HTTPStreamIdleTimeout},
		{"httpMaxStreamDuration", s.HTTPMaxStreamDuration},
	} {
		if f.value != "" && f.value != "0s" {
			what = f.name + " " + f.value
		}
	}
	if what == "" && s.Profile == "EDGE" && s.HTTPStreamIdleTimeout != "0s" {
		what = "the profile EDGE, whose httpStreamIdleTimeout is 5m,"
	}
	if what != "" && a.Some(version.ConnectionSettings) {
		a.isEdge = true
		a.add(EdgeSettings, o, path, what+" in connectionSettings"+of+" ends WebSockets", "set httpStreamIdleTimeout to 0s, and no limit on the duration, for proxies that pass WebSockets on")
	}
}
