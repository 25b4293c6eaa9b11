// SPDX-License-Identifier: Apache-2.0

package wsmesh_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
)

func releases(rs []version.Release) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.String())
	}
	return strings.Join(out, " ")
}

func TestParseMesh(t *testing.T) {
	tests := []struct {
		reason, text           string
		controlPlanes, proxies string
	}{
		{"short text of a mesh during an upgrade",
			"client version: 1.21.0\ncontrol plane version: 1.12.4\ndata plane version: 1.11.8 (3 proxies), 1.12.4 (12 proxies)\n",
			"1.12.4", "1.11.8 1.12.4"},
		{"the client's version counts for nothing", "client version: unknown\ncontrol plane version: 1.24.1\n", "1.24.1", ""},
		{"control planes of two releases are named by component", "client version: 1.2\npilot version: 1.11.8\npilot version: 1.12.0\n", "1.11.8 1.12.0", ""},
		{"CRLF and blanks", "  control plane version: 1.24.1 \r\ndata plane version: 1.24.1 (1 proxies)\r\n", "1.24.1", "1.24.1"},
		{"no proxies yet", "control plane version: 1.24.1\ndata plane version: none\n", "1.24.1", ""},
		{"an entry without a version (kmesh-net/kmesh#1110)",
			"control plane version: 1.22.0\ndata plane version:  (2 proxies), 1.22.0 (1 proxies), 1.21.2 (4 proxies)\n", "1.22.0", "1.22.0 1.21.2"},
		{"development builds", "control plane version: 1.23-alpha.f653b34f\ndata plane version: 1.31-dev (1 proxies)\n", "1.23.0", "1.31.0"},
		{"vendors' releases", "control plane version: 1.12.0-asm.3\ndata plane version: v1.14.3.47-ga31201346f-aliyun (2 proxies)\n", "1.12.0", "1.14.3"},
		{"long text of today",
			`client version: version.BuildInfo{Version:"1.30.3", GitRevision:"x", GolangVersion:"go1.25", BuildStatus:"Clean", GitTag:"1.30.3"}` + "\n" +
				`pilot version: version.BuildInfo{Version:"1.24.1", GitRevision:"x", GolangVersion:"go1.23", BuildStatus:"Clean", GitTag:"1.24.1"}` + "\n" +
				`data plane version: version.ProxyInfo{ID:"a.default", IstioVersion:"1.23.6", Type:"sidecar"}` + "\n", "1.24.1", "1.23.6"},
		{"long text of 1.4, with the components of that time",
			`citadel version: version.BuildInfo{Version:"1.4.3", GitRevision:"x", User:"root", Host:"h", GolangVersion:"go1.13.5", DockerHub:"docker.io/istio", BuildStatus:"Clean", GitTag:"1.4.2-1"}` + "\n" +
				`ingressgateway version: version.BuildInfo{Version:"1.4.2", GitRevision:"x"}` + "\n", "1.4.3", "1.4.2"},
		{"other lines of istioctl's", "Warning: something\n\ncontrol plane version: 1.24.1\n", "1.24.1", ""},
		{"JSON", `{"clientVersion":{"version":"1.30.3"},"meshVersion":[{"Component":"pilot","Revision":"default","Info":{"version":"1.24.1","revision":"x"}},
			{"Component":"pilot","Revision":"1-23-6","Info":{"version":"1.23.6"}}],
			"dataPlaneVersion":[{"ID":"a.default","IstioVersion":"1.24.1"},{"ID":"b.default","IstioVersion":"1.22.8"},{"ID":"c","IstioVersion":"1.22.8"},{"ID":"ztunnel","IstioVersion":""}]}`,
			"1.24.1 1.23.6", "1.24.1 1.22.8"},
		{"JSON without proxies", `{"meshVersion":[{"Component":"pilot","Info":{"version":"1.24.1"}}],"dataPlaneVersion":[]}`, "1.24.1", ""},
		{"YAML", "clientVersion:\n  version: 1.30.3\nmeshVersion:\n- Component: pilot\n  Info:\n    version: 1.24.1\ndataPlaneVersion:\n- ID: a\n  IstioVersion: 1.23.6\n", "1.24.1", "1.23.6"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			m, err := wsmesh.ParseMesh(strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := releases(m.ControlPlanes); got != tt.controlPlanes {
				t.Errorf("control planes %q, want %q", got, tt.controlPlanes)
			}
			if got := releases(m.Proxies); got != tt.proxies {
				t.Errorf("proxies %q, want %q", got, tt.proxies)
			}
		})
	}
}

func TestParseMeshRefuses(t *testing.T) {
	tests := []struct{ reason, text, want string }{
		{"nothing", "", "no Istio release"},
		{"the client alone", "client version: 1.24.1\n", "no Istio release"},
		{"no control plane found", "client version: 1.24.1\nIstio is not present in the cluster\n", "no Istio release"},
		{"an unknown control plane is not taken for the newest", "control plane version: unknown\n", `"unknown"`},
		{"one unreadable proxy among others", "control plane version: 1.24.1\ndata plane version: 1.24.1 (1 proxies), latest (2 proxies)\n", `"latest"`},
		{"OpenShift Service Mesh's own number", "control plane version: 2.6.1\n", "2.6"},
		{"broken JSON", `{"meshVersion": [`, "cannot be read"},
		{"JSON of another shape", `{"meshVersion": "1.24.1"}`, "cannot be read"},
		{"JSON without a release", `{"clientVersion":{"version":"1.24.1"}}`, "no Istio release"},
		{"a control plane without a version", `{"meshVersion":[{"Component":"pilot","Info":{"version":""}}]}`, "pilot version"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			m, err := wsmesh.ParseMesh(strings.NewReader(tt.text))
			if err == nil {
				t.Fatalf("accepted as %+v", m)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q lacks %q", err, tt.want)
			}
			if len(m.ControlPlanes)+len(m.Proxies) != 0 {
				t.Errorf("half a mesh beside the error: %+v", m)
			}
		})
	}
	if _, err := wsmesh.ParseMesh(strings.NewReader("client version: 1.24.1")); !errors.Is(err, version.ErrNoRelease) {
		t.Errorf("%v does not reach ErrNoRelease", err)
	}
	broken := errors.New("broken pipe")
	if _, err := wsmesh.ParseMesh(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v does not reach the reader's error", err)
	}
	if _, err := wsmesh.ParseMesh(io.LimitReader(zeros{}, 65<<20)); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("65 MiB: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func FuzzParseMesh(f *testing.F) {
	f.Add("client version: 1.21.0\ncontrol plane version: 1.12.4\ndata plane version: 1.11.8 (3 proxies), 1.12.4 (12 proxies)\n")
	f.Add(`{"meshVersion":[{"Component":"pilot","Info":{"version":"1.24.1"}}],"dataPlaneVersion":[{"IstioVersion":"1.24.1"}]}`)
	f.Add("data plane version: none\n")
	f.Add("pilot version: version.BuildInfo{Version:\"1.4.3\"}")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := wsmesh.ParseMesh(strings.NewReader(text))
		n := len(m.ControlPlanes) + len(m.Proxies)
		if (err == nil) != (n > 0) {
			t.Fatalf("%d releases and error %v", n, err)
		}
		if err != nil {
			return
		}
		if _, err := wsmesh.NewPlan(server(), m, wsmesh.Options{}); err != nil {
			t.Fatalf("a mesh that was read is refused: %v", err)
		}
	})
}
