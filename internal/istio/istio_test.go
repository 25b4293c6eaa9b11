// SPDX-License-Identifier: Apache-2.0

package istio

import (
	"testing"

	"github.com/wsmesh/wsmesh/version"
)

func TestHost(t *testing.T) {
	for _, tt := range []struct{ host, namespace, want string }{
		{"chat", "prod", "chat.prod.svc.corp.example"},
		{"chat", "", "chat"},
		{"", "prod", ""},
		{"chat.prod", "other", "chat.prod"}, // a host with a dot is taken as it stands
		{"*", "prod", "*.prod.svc.corp.example"},
	} {
		if got := Host(tt.host, tt.namespace, "corp.example"); got != tt.want {
			t.Errorf("%q in %q is %q, want %q", tt.host, tt.namespace, got, tt.want)
		}
	}
}

func TestProtocol(t *testing.T) {
	for _, tt := range []struct {
		name, appProtocol, oldest string
		want                      string
		http1                     bool
	}{
		{"http", "", "1.24.0", "http", true},
		{"HTTP-Web", "", "1.24.0", "http", true},
		{"httpx", "", "1.24.0", "httpx", false},
		{"", "", "1.24.0", "", false},
		{"ws", "", "1.24.0", "ws", false},
		{"GRPC-x", "", "1.24.0", "grpc", false},
		{"tcp", "http", "1.24.0", "http", true},
		{"http", "tcp", "1.24.0", "tcp", false},
		{"x", "kubernetes.io/ws", "1.24.0", "kubernetes.io/ws", true},
		{"x", "kubernetes.io/ws", "1.23.6", "kubernetes.io/ws", false},
		{"x", "kubernetes.io/wss", "1.24.0", "kubernetes.io/wss", false},
	} {
		got, http1 := Protocol(tt.name, tt.appProtocol, version.MustParse(tt.oldest))
		if got != tt.want || http1 != tt.http1 {
			t.Errorf("name %q, appProtocol %q, Istio %s: %q, HTTP/1 %v; want %q, %v", tt.name, tt.appProtocol, tt.oldest, got, http1, tt.want, tt.http1)
		}
	}
}

// TestKinds checks that no protocol is of two kinds, and that one which Istio detects is of none.
func TestKinds(t *testing.T) {
	for protocol, want := range map[string]string{
		"http2": "HTTP/2", "grpc": "HTTP/2", "kubernetes.io/h2c": "HTTP/2",
		"tcp": "TCP", "tls": "TCP", "https": "TCP", "mongo": "TCP", "mysql": "TCP", "redis": "TCP", "udp": "TCP", "kubernetes.io/wss": "TCP",
		"http": "", "": "", "ws": "", "kubernetes.io/ws": "",
	} {
		got := ""
		if IsHTTP2(protocol) {
			got += "HTTP/2"
		}
		if IsTCP(protocol) {
			got += "TCP"
		}
		if got != want {
			t.Errorf("%q is %q, want %q", protocol, got, want)
		}
	}
}
