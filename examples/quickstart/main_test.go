// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
)

// server returns the arguments of README's main job without a release, and more.
func server(more ...string) []string {
	return append([]string{"-name", "websockets-server", "-namespace", "default", "-workload", "app=websockets-server",
		"-port", "8080", "-port-name", "http-websocket"}, more...)
}

func TestRun(t *testing.T) {
	versions := filepath.Join(t.TempDir(), "version.txt")
	if err := os.WriteFile(versions, []byte("client version: 1.30.3\ncontrol plane version: 1.24.1\ndata plane version: 1.11.8 (1 proxies)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		reason string
		args   []string
		stdin  string
		exit   int
		out    []string // on standard output
		err    []string // on standard error
	}{
		{"README's main job", server("-istio", "1.12.0"), "", 0,
			[]string{"kind: EnvoyFilter\n", "allow_connect: true\n", "---\n", "h2UpgradePolicy: UPGRADE\n"}, []string{"info WS305 Service default/websockets-server: "}},
		{"the oldest of several releases", server("-istio", "1.24.1", "-istio", "1.11.8"), "", 0,
			[]string{"h2UpgradePolicy: DO_NOT_UPGRADE\n"}, []string{"info WS304"}},
		{"releases from a file", server("-istioctl-version", versions), "", 0, []string{"networking.istio.io/v1\n", "DO_NOT_UPGRADE"}, []string{"1.11.8"}},
		{"releases from standard input", server("-istioctl-version", "-"), "control plane version: 1.24.1\n", 0, []string{" UPGRADE"}, nil},
		{"ASM's form", server("-istio", "1.12.0", "-asm"), "", 0, []string{"name: h2-upgrade-wss\n", "provider: asm\n", "host: websockets-server\n"}, nil},
		{"a gateway", server("-istio", "1.24.1", "-gateway", "istio-ingress/istio=ingressgateway"), "", 0, []string{"context: GATEWAY\n", "namespace: istio-ingress\n"}, nil},
		{"HTTP/1.1", server("-istio", "1.24.1", "-http1"), "", 0, []string{"DO_NOT_UPGRADE"}, []string{"WS301"}},
		{"ambient", server("-istio", "1.24.1", "-ambient"), "", 0, []string{"DO_NOT_UPGRADE"}, []string{"WS302"}},
		{"no sidecar", server("-istio", "1.24.1", "-no-sidecar"), "", 0, []string{"DO_NOT_UPGRADE"}, []string{"WS303"}},
		{"appProtocol", server("-istio", "1.24.1", "-app-protocol", "tcp"), "", 0, []string{"DO_NOT_UPGRADE"}, []string{"warning WS507"}},
		{"an explanation", server("-istio", "1.24.1", "-target-port", "80", "-explain"), "", 0, []string{"UPGRADE"}, []string{"Hops:", "Rollback:"}},
		{"help", []string{"-h"}, "", 0, nil, []string{"-istioctl-version"}},

		{"no release", server(), "", 1, nil, []string{"error WS401 mesh: "}},
		{"latest", server("-istio", "latest"), "", 1, nil, []string{"error WS409 -istio: ", `"latest"`, "istioctl version"}},
		{"another product's number", server("-istio", "2.6.1"), "", 1, nil, []string{"error WS410 -istio: ", `"2.6.1"`}},
		{"two bad releases are both named", server("-istio", "latest", "-istio", "1"), "", 1, nil, []string{`"latest"`, `"1"`}},
		{"no workload", []string{"-istio", "1.24.1", "-name", "a"}, "", 1, nil, []string{"error WS503 Service a spec.selector: "}},
		{"everything wrong at once", []string{"-name", "A", "-namespace", "B"}, "", 1, nil, []string{"WS501", "WS502", "WS503", "WS401"}},
		{"a wildcard workload", []string{"-istio", "1.24.1", "-name", "a", "-workload", "app=*"}, "", 1, nil, []string{`WS504 Service a spec.selector["app"]: `}},
		{"a name with a line break is one line", []string{"-istio", "1.24.1", "-name", "a\nb", "-workload", "a=b"}, "", 1, nil, []string{`"a\nb"`}},
		{"an unreadable file", server("-istioctl-version", filepath.Join(t.TempDir(), "none")), "", 1, nil, []string{"error: open "}},
		{"no release in the file", server("-istioctl-version", "-"), "nothing", 1, nil, []string{"no Istio release"}},

		{"an unknown flag", server("-istoi", "1.24.1"), "", 2, nil, []string{"istoi", "Usage"}},
		{"an argument", server("-istio", "1.24.1", "more"), "", 2, nil, []string{`"more"`, "Usage"}},
		{"an unknown format", server("-istio", "1.24.1", "-o", "toml"), "", 2, nil, []string{`"toml"`, "Usage"}},
		{"a port that is none", server("-istio", "1.24.1", "-target-port", "70000"), "", 2, nil, []string{"65535", "Usage"}},
		{"a workload that is no label", server("-workload", "app"), "", 2, nil, []string{"key=value", "Usage"}},
		{"a label given twice", server("-workload", "app=other"), "", 2, nil, []string{"twice", "Usage"}},
		{"a gateway without labels", server("-istio", "1.24.1", "-gateway", "istio-ingress"), "", 2, nil, []string{"NAMESPACE/key=value", "Usage"}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if exit := run(tt.args, strings.NewReader(tt.stdin), &stdout, &stderr); exit != tt.exit {
				t.Errorf("exit %d, want %d\n%s", exit, tt.exit, &stderr)
			}
			for _, want := range tt.out {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("%q is missing on standard output:\n%s", want, &stdout)
				}
			}
			for _, want := range tt.err {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("%q is missing on standard error:\n%s", want, &stderr)
				}
			}
			if (tt.exit != 0 || tt.args[0] == "-h") != (stdout.Len() == 0) {
				t.Errorf("exit %d with %d bytes on standard output", tt.exit, stdout.Len())
			}
			if tt.exit != 1 {
				return
			}
			line := regexp.MustCompile(`^(info|warning|error)( WS\d{3}.*)?: .+`)
			for l := range strings.SplitSeq(strings.TrimSuffix(stderr.String(), "\n"), "\n") {
				if !line.MatchString(l) {
					t.Errorf("%q is not a finding on a line", l)
				}
			}
		})
	}
}

// TestOutputIsReadBack reads the output with the strict parsers of this library, from YAML and from JSON.
func TestOutputIsReadBack(t *testing.T) {
	var yamlOut, jsonOut, stderr bytes.Buffer
	if run(server("-istio", "1.24.1"), nil, &yamlOut, &stderr) != 0 || run(server("-istio", "1.24.1", "-o", "json"), nil, &jsonOut, &stderr) != 0 {
		t.Fatal(stderr.String())
	}
	var list struct {
		APIVersion, Kind string
		Items            []json.RawMessage
	}
	if err := json.Unmarshal(jsonOut.Bytes(), &list); err != nil || list.APIVersion != "v1" || list.Kind != "List" || len(list.Items) != 2 {
		t.Fatalf("%v: %s", err, &jsonOut)
	}
	docs := bytes.Split(yamlOut.Bytes(), []byte("---\n"))
	for i, data := range [][]byte{docs[0], list.Items[0]} {
		if _, err := envoyfilter.Parse(data); err != nil {
			t.Errorf("EnvoyFilter %d: %v", i, err)
		}
	}
	for i, data := range [][]byte{docs[1], list.Items[1]} {
		if _, err := destinationrule.Parse(data); err != nil {
			t.Errorf("DestinationRule %d: %v", i, err)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestStandardOutputIsFull(t *testing.T) {
	var stderr bytes.Buffer
	if exit := run(server("-istio", "1.24.1"), nil, full{}, &stderr); exit != 1 || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit %d: %s", exit, &stderr)
	}
}
