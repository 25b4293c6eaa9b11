// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
)

// TestZeroFleet: what is nil or zero gives an error.
func TestZeroFleet(t *testing.T) {
	ctx, good := context.Background(), plain(mesh("1.24.1"), wsmesh.Options{}, sliceOf(1)...)
	var none *fleet.Fleet
	var noContext context.Context
	dir := t.TempDir()
	tests := []struct {
		err, is error
		want    string
		reason  string
	}{
		{second(none.Generate(ctx, io.Discard)), nil, "the fleet is nil", "a nil fleet"},
		{second(none.Sync(ctx, dir, fleet.SyncOptions{})), nil, "the fleet is nil", "a nil fleet"},
		{second(none.Diff(ctx, dir, fleet.SyncOptions{})), nil, "the fleet is nil", "a nil fleet"},
		{second((&fleet.Fleet{}).Generate(ctx, io.Discard)), nil, "Services are nil", "a zero fleet"},
		{second((&fleet.Fleet{Services: good.Services}).Generate(ctx, io.Discard)), version.ErrNoRelease, "WS401", "no mesh"},
		{second((&fleet.Fleet{Services: good.Services}).Sync(ctx, dir, fleet.SyncOptions{})), version.ErrNoRelease, "WS401", "no mesh"},
		{second(good.Generate(ctx, nil)), nil, "the writer is nil", "a nil writer"},
		{fleet.Changes{}.WriteUnified(nil), nil, "the writer is nil", "a nil writer"},
		{second(good.Generate(noContext, io.Discard)), nil, "the context is nil", "a nil context"},
		{second(good.Sync(ctx, dir, fleet.SyncOptions{Layout: 7})), nil, "no Layout 7", "a Layout that does not exist"},
		{second(good.Diff(ctx, dir, fleet.SyncOptions{Layout: -1})), nil, "no Layout -1", "a Layout that does not exist"},
		{second((&fleet.Fleet{Name: strings.Repeat("x", 254)}).Sync(ctx, dir, fleet.SyncOptions{})), nil, "254 bytes", "a name that is no line"},
		{second(plain(mesh("1.24.1"), wsmesh.Options{ProxyVersion: "newest"}, sliceOf(1)...).Generate(ctx, io.Discard)), nil, "WS403", "options that no member could have"},
	}
	for _, tt := range tests {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) || tt.is != nil && !errors.Is(tt.err, tt.is) {
			t.Errorf("%s: %v", tt.reason, tt.err)
		}
	}
	if files := filesBelow(t, dir); len(files) > 0 {
		t.Errorf("there are %v", files)
	}
	for range fleet.Members() {
		t.Error("no members are some")
	}
}

func second[T any](_ T, err error) error { return err }

// TestFleetPanics: a sequence or a writer that panics can be recovered from, and nothing is left running.
func TestFleetPanics(t *testing.T) {
	before := runtime.NumGoroutine()
	sequence := func(yield func(fleet.Member, error) bool) {
		for m := range fleetOf(1000) {
			if !yield(m, nil) {
				return
			}
		}
		panic("broken")
	}
	writes := 0
	for reason, run := range map[string]func(){
		"the sequence": func() {
			_, _ = (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: sequence}).Generate(context.Background(), io.Discard)
		},
		"the writer": func() {
			w := writerFunc(func(p []byte) (int, error) {
				if writes++; writes == 3 {
					panic("broken")
				}
				return len(p), nil
			})
			_, _ = (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: fleetOf(10_000)}).Generate(context.Background(), w)
		},
	} {
		func() {
			defer func() {
				if recover() != "broken" {
					t.Errorf("%s: the panic is gone", reason)
				}
			}()
			run()
		}()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines are left running", runtime.NumGoroutine()-before)
}

// TestMemberOptions: a member's options are its own alone, and are copied at once.
func TestMemberOptions(t *testing.T) {
	f := &fleet.Fleet{Mesh: mesh("1.24.1"), Options: wsmesh.Options{Labels: map[string]string{"team": "realtime"}}}
	var members []fleet.Member
	for i, svc := range sliceOf(400) {
		m := fleet.Member{Service: svc}
		switch i % 4 {
		case 0:
			m.Options = &wsmesh.Options{HTTP1: true}
		case 1:
			m.Options = &wsmesh.Options{Labels: map[string]string{"n": fmt.Sprint("n", i)}}
		case 2:
			m.Options = &wsmesh.Options{Base: &destinationrule.Rule{Name: "by-hand-" + svc.Name, Spec: &networking.DestinationRule{Host: svc.Name}}}
		}
		members = append(members, m)
	}
	want := byMembers(t, f, members)
	one := wsmesh.Options{}
	f.Services = func(yield func(fleet.Member, error) bool) {
		for _, m := range members {
			if m.Options != nil {
				one = m.Options.Clone() // the same variable for all
				m.Options = &one
			}
			if !yield(m, nil) {
				return
			}
			one = wsmesh.Options{ASM: true, Host: "changed"}
		}
	}
	var got bytes.Buffer
	if _, err := f.Generate(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("the documents are not those of the plans")
	}
}

// TestFleetNames: names and hosts that members get by options of their own are compared with those of all others, whichever
// comes first.
func TestFleetNames(t *testing.T) {
	base := func(name, host string) *wsmesh.Options {
		return &wsmesh.Options{Base: &destinationrule.Rule{Name: name, Namespace: "prod", Spec: &networking.DestinationRule{Host: host}}}
	}
	host := func(host string) *wsmesh.Options { return &wsmesh.Options{Host: host} }
	tests := []struct {
		first, second *wsmesh.Options // of Services chat and push
		want          string
		reason        string
	}{
		{nil, nil, "", "the usual"},
		{base("chat", "chat"), base("push", "push"), "", "base rules of the usual names"},
		{base("a", "chat"), base("b", "push"), "", "base rules of other names"},
		{base("push", "chat"), nil, `WS320 the DestinationRule "push"`, "the name of another's rule"},
		{base("a", "chat"), base("a", "push"), `WS320 the DestinationRule "a"`, "one name for two base rules"},
		{base("push", "chat"), base("chat", "push"), "", "names that are exchanged"},
		{host("push.prod.svc.cluster.local"), nil, "WS321", "the host of another"},
		{host("push"), nil, "WS321", "the host of another, in short"},
		{host("ws.example.com"), host("ws.example.com"), "WS321", "one host for two"},
		{host("ws.example.com"), host("*.example.com"), "", "two hosts"},
		{&wsmesh.Options{ASM: true}, &wsmesh.Options{ASM: true}, `WS320 the EnvoyFilter "h2-upgrade-wss"`, "one name of filters"},
		{&wsmesh.Options{ASM: true}, nil, "", "two names of filters"},
		{&wsmesh.Options{HTTP1: true}, nil, "", "one without filters"},
	}
	for _, tt := range tests {
		for _, swap := range []bool{false, true} {
			members := []fleet.Member{
				{Service: wsmesh.Service{Name: "chat", Namespace: "prod", Workload: map[string]string{"app": "chat"}}, Options: tt.first},
				{Service: wsmesh.Service{Name: "push", Namespace: "prod", Workload: map[string]string{"app": "push"}}, Options: tt.second},
			}
			if swap {
				slices.Reverse(members)
			}
			// Beyond formsFrom, so that templates are used where they may be.
			for i := range 6 {
				name := fmt.Sprint("x", i)
				members = append([]fleet.Member{{Service: wsmesh.Service{Name: name, Namespace: "prod", Workload: map[string]string{"app": name}}}}, members...)
			}
			sum, err := (&fleet.Fleet{Mesh: mesh("1.24.1"), Services: fleet.Members(members...)}).Generate(context.Background(), io.Discard)
			var got string
			if errs := sum.Findings.Errors(); len(errs) > 0 {
				got = errs[0].Code + " " + errs[0].Message
			}
			if tt.want == "" && err != nil || !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s (swapped: %t): %v", tt.reason, swap, err)
			}
		}
	}
	// An EnvoyFilter's name that is made of another Service's.
	asm := plain(mesh("1.24.1"), wsmesh.Options{}, wsmesh.Service{Name: "h2-upgrade-wss", Namespace: "prod", Workload: map[string]string{"app": "a"}})
	if sum, err := asm.Generate(context.Background(), io.Discard); err != nil {
		t.Errorf("%v, %v", sum, err)
	}
}

// TestMeshIsSaidOnce: what is to be known of the mesh is a finding of the fleet, and not of each member.
func TestMeshIsSaidOnce(t *testing.T) {
	m := mesh("1.24.1")
	m.ControlPlanes = nil
	sum, err := (&fleet.Fleet{Mesh: m, Services: fleetOf(2000)}).Generate(context.Background(), io.Discard)
	if err != nil || sum.Codes["WS411"] != 1 || len(sum.Findings) != 1 || sum.Findings[0].Path != "mesh.controlPlanes" {
		t.Errorf("%v, %v", sum, err)
	}
	f, err := fleet.ParseInventory([]byte("apiVersion: wsmesh.dev/v1alpha1\nkind: Inventory\nmesh:\n  proxies: [1.24.1]\nservices:\n- {name: chat, workload: {app: chat}}\n- {name: push}\n"), "f.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sum, err = f.Generate(context.Background(), io.Discard)
	if got := places(sum.Findings); len(got) == 0 || got[0] != "f.yaml:4 WS411 mesh.controlPlanes" || strings.Contains(fmt.Sprint(got[1:]), "WS411") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFleetJSON: programs read words.
func TestFleetJSON(t *testing.T) {
	dir := t.TempDir()
	services := sliceOf(3)
	if _, err := plain(mesh("1.24.1"), wsmesh.Options{}, services...).Sync(context.Background(), dir, fleet.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	services[0].Namespace, services[1].Workload = "other", map[string]string{"app": "x"}
	changes, err := plain(mesh("1.24.1"), wsmesh.Options{}, services...).Diff(context.Background(), dir, fleet.SyncOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(changes)
	want := `{"files":[{"file":"other.yaml","action":"added"},{"file":"team-0.yaml","action":"removed"},{"file":"team-1.yaml","action":"changed"}],` +
		`"summary":{"services":3,"objects":6,"bytes":`
	if err != nil || !strings.HasPrefix(string(data), want) {
		t.Errorf("%v, %s", err, data)
	}
	var back fleet.Changes
	if err := json.Unmarshal(data, &back); err != nil || back.Files[1].Action != fleet.Removed || fmt.Sprint(back.Summary) != fmt.Sprint(changes.Summary) {
		t.Errorf("%v, %+v", err, back)
	}
	fields, err := changes.Files[2].Fields()
	if err != nil {
		t.Fatal(err)
	}
	data, err = json.Marshal(fields)
	if want := `[{"object":"EnvoyFilter team-1/websockets-server-1-allow-connect","path":"spec.workloadSelector.labels.app","old":"\"websockets-server-1\"","new":"\"x\""}]`; err != nil || string(data) != want {
		t.Errorf("%v, %s", err, data)
	}
	if err := json.Unmarshal([]byte(`"renamed"`), new(fleet.Action)); err == nil {
		t.Error("an unknown action is read")
	}
	if _, err := json.Marshal(fleet.Action(7)); err == nil {
		t.Error("an unknown action is written")
	}
	for _, r := range fleet.Rules() {
		if f := finding.New(r, "", "", ""); !finding.Is(f, r) {
			t.Errorf("%v", f)
		}
	}
}
