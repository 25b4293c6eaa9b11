// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/cluster"
)

// requests numbers the requests of all tests, so that each has a path of its own to be found by in access logs.
var requests atomic.Int64

func uniquePath() string { return fmt.Sprintf("/%d", requests.Add(1)) }

// A session is the documents' client: `python3 -m websockets URL`.
type session struct {
	process *cluster.Process
	stdin   io.WriteCloser
	output  string // file
	path    string
}

// open starts the client and waits until it is connected or has ended.
func (p *pair) open(t testing.TB) *session {
	t.Helper()
	return p.client.session(t, "ws://"+p.service.authority()+uniquePath())
}

func (p *pod) session(t testing.TB, target string) *session {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{path: u.Path}
	cmd := p.exec(nil, p.c.Tools.Python, "-u", "-m", "websockets", target)
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	s.process = p.start(t, fmt.Sprintf("client-%d", requests.Add(1)), cmd)
	s.output = s.process.Log
	eventually(t, 20*time.Second, "client", func() error {
		if strings.Contains(s.text(), "Connected to ") || s.process.Ended() {
			return nil
		}
		return fmt.Errorf("printed %q", s.text())
	})
	return s
}

// escapes are the client's commands to a terminal.
var escapes = regexp.MustCompile(`\x1b(\[[0-9]*[A-Z]|[78])|\r`)

// text is what the client printed, without commands to a terminal.
func (s *session) text() string {
	data, err := os.ReadFile(s.output)
	if err != nil {
		return err.Error()
	}
	return escapes.ReplaceAllString(string(data), "")
}

// say sends a line and waits for its echo.
func (s *session) say(line string) error {
	before := strings.Count(s.text(), "< "+line)
	if _, err := io.WriteString(s.stdin, line+"\n"); err != nil {
		return fmt.Errorf("%w; the client printed %q", err, s.text())
	}
	return cluster.Poll(5*time.Second, func() error {
		if strings.Count(s.text(), "< "+line) > before {
			return nil
		}
		return fmt.Errorf("no echo of %q; the client printed %q", line, s.text())
	})
}

// close ends the client's input, as the documents do, and returns all that it printed.
func (s *session) close() string {
	s.stdin.Close()
	select {
	case <-s.process.Done:
	case <-time.After(15 * time.Second):
		s.process.Stop(syscall.SIGKILL)
		return s.text() + " (and hung)"
	}
	return s.text()
}

// helloWorld runs the documents' client with hello and world on its standard input. The text is what it printed.
func (p *pair) helloWorld(t testing.TB) (path, text string) {
	t.Helper()
	s := p.open(t)
	if s.process.Ended() {
		return s.path, s.text()
	}
	for _, word := range []string{"hello", "world"} {
		if err := s.say(word); err != nil {
			t.Fatal(err)
		}
	}
	return s.path, s.close()
}

// echoed is the one output that shows hello and world coming back, and a clean close.
func echoed(text string) error {
	for _, want := range []string{"Connected to ", "< hello\n", "< world\n", "Connection closed: 1000 (OK)."} {
		if !strings.Contains(text, want) {
			return fmt.Errorf("the client did not print %q, but %q", want, text)
		}
	}
	return nil
}

// refused is the output of a client that was refused with the status.
func refused(text string, status int) error {
	want := fmt.Sprintf("server rejected WebSocket connection: HTTP %d.", status)
	if !strings.Contains(text, "Failed to connect to ") || !strings.Contains(text, want) {
		return fmt.Errorf("the client did not print %q, but %q", want, text)
	}
	return nil
}

// transport sends requests from inside the pod.
func (p *pod) transport() *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		p.c.mu.Lock()
		if known := p.c.hosts[host]; known != "" {
			host = known
		}
		p.c.mu.Unlock()
		return dialIn(ctx, p.netns, net.JoinHostPort(host, port))
	}}
}

// plain sends an HTTP request that is no WebSocket and returns the status of the answer.
func (p *pair) plain(path string) (int, error) {
	client := &http.Client{Timeout: 15 * time.Second, Transport: p.client.transport()}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + p.service.authority() + path)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// awaitEndpoints waits until the client's proxy has a healthy endpoint for the Service and routes to it.
func (p *pair) awaitEndpoints(t testing.TB) {
	t.Helper()
	eventually(t, 20*time.Second, "endpoints of "+p.service.host(), func() error {
		out, err := p.client.get("/clusters")
		if err != nil {
			return err
		}
		want := fmt.Sprintf("%s::%s:%d::health_flags::healthy", p.service.cluster(), p.server.address, p.service.targetPort)
		if !strings.Contains(out, want) {
			return fmt.Errorf("no %s", want)
		}
		out, err = p.client.get("/config_dump?resource=dynamic_route_configs")
		if err == nil && !strings.Contains(out, p.service.host()) {
			err = fmt.Errorf("no route to %s", p.service.host())
		}
		return err
	})
}

// await waits until the proxies have what the objects ask for: the server's inbound listeners accept extended
// CONNECT or do not, and the client's cluster speaks HTTP/2 or does not.
func (p *pair) await(t testing.TB, accept, upgrade bool) {
	t.Helper()
	if p.server.proxy != nil {
		p.server.awaitAccept(t, accept)
	}
	p.client.awaitUpgrade(t, p.service.cluster(), upgrade)
}

func (p *pod) awaitAccept(t testing.TB, want bool) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("allow_connect %v at %s", want, p.netns), func() error {
		got, err := p.accepts()
		if err == nil && got != want {
			err = fmt.Errorf("it is %v", got)
		}
		return err
	})
}

func (p *pod) awaitUpgrade(t testing.TB, cluster string, want bool) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("HTTP/2 %v to %s", want, cluster), func() error {
		got, err := p.upgrades(cluster)
		if err == nil && got != want {
			err = fmt.Errorf("it is %v", got)
		}
		return err
	})
}

// accepts reports whether the active listeners of the pod's proxy allow extended CONNECT.
func (p *pod) accepts() (bool, error) {
	out, err := p.get("/config_dump?resource=dynamic_listeners")
	if err != nil {
		return false, err
	}
	var dump struct {
		Configs []struct {
			Name        string          `json:"name"`
			ActiveState json.RawMessage `json:"active_state"`
		} `json:"configs"`
	}
	if err := json.Unmarshal([]byte(out), &dump); err != nil {
		return false, err
	}
	seen := false
	for _, l := range dump.Configs {
		if p.gateway || l.Name == "virtualInbound" {
			seen = true
			if allowConnect.Match(l.ActiveState) {
				return true, nil
			}
		}
	}
	if !seen {
		return false, fmt.Errorf("no inbound listener yet")
	}
	return false, nil
}

var allowConnect = regexp.MustCompile(`"allow_connect":\s*true`)

// upgrades reports whether a cluster of the pod's proxy speaks HTTP/2.
func (p *pod) upgrades(cluster string) (bool, error) {
	out, err := p.cluster(cluster)
	return strings.Contains(out, `"http2_protocol_options"`), err
}

// cluster returns the configuration of a cluster of the pod's proxy.
func (p *pod) cluster(name string) (string, error) {
	out, err := p.get("/config_dump?resource=dynamic_active_clusters&name_regex=" + url.QueryEscape("^"+regexp.QuoteMeta(name)+"$"))
	if err == nil && !strings.Contains(out, `"`+name+`"`) {
		err = fmt.Errorf("no cluster %s: %s", name, out)
	}
	return out, err
}

// awaitRule waits until a DestinationRule has come to the client's proxy. istiod names the rule in the cluster: that
// shows also rules that ask for nothing but the default.
func (p *pair) awaitRule(t testing.TB) {
	t.Helper()
	eventually(t, 20*time.Second, "DestinationRule for "+p.service.cluster(), func() error {
		out, err := p.client.cluster(p.service.cluster())
		if err == nil && !strings.Contains(out, "/destination-rule/"+p.service.name) {
			err = errors.New("the cluster is not made by it")
		}
		return err
	})
}
