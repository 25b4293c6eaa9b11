// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/moby/spdystream"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
)

// startKubelet makes the Node that all pods run on and serves what istioctl asks of its kubelet: port forwarding
// (SPDY, as kubelet's own) to a pod's loopback interface, where Envoy's admin interface listens.
func (c *controlPlane) startKubelet() error {
	cert, err := c.ca.issue("", []string{node}, net.ParseIP(cluster.BridgeAddress))
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", cluster.BridgeAddress+":10250", &tls.Config{
		Certificates: []tls.Certificate{cert.tls}, NextProtos: []string{"http/1.1"},
	})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(portForward), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // until the process ends
	body := map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": node}}
	if err := c.Do(http.MethodPost, "/api/v1/nodes", body, nil); err != nil {
		return err
	}
	return c.Do(http.MethodPatch, "/api/v1/nodes/"+node+"/status", map[string]any{"status": map[string]any{
		"addresses":       []any{map[string]any{"type": "InternalIP", "address": cluster.BridgeAddress}},
		"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]any{"Port": 10250}},
	}}, nil)
}

// portForward serves /portForward/<namespace>/<pod>: each request is a pair of SPDY streams, one for data.
func portForward(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(parts) < 3 || parts[0] != "portForward" {
		http.Error(w, "only port forwarding is served", http.StatusNotFound)
		return
	}
	namespace := networkNamespace(parts[1], parts[2])
	raw, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer raw.Close()
	fmt.Fprint(raw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"+
		"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n")
	conn, err := spdystream.NewConnection(raw, true)
	if err != nil {
		return
	}
	conn.Serve(func(s *spdystream.Stream) {
		if err := s.SendReply(http.Header{}, false); err != nil {
			return
		}
		if s.Headers().Get("streamType") == "data" {
			go forward(s, namespace, "127.0.0.1:"+s.Headers().Get("port"))
		}
	})
}

func forward(s *spdystream.Stream, namespace, address string) {
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := dialIn(ctx, namespace, address)
	if err != nil {
		return
	}
	defer conn.Close()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(conn, s)
		_ = conn.(*net.TCPConn).CloseWrite()
	})
	both.Go(func() {
		_, _ = io.Copy(s, conn)
		_ = s.Close()
	})
	both.Wait()
}
