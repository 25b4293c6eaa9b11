// SPDX-License-Identifier: Apache-2.0

// Quickstart prints the manifests that let WebSockets to one Service cross an Istio mesh.
//
//	go run ./examples/quickstart -istio 1.12.0 -name websockets-server -namespace default \
//	    -workload app=websockets-server -port 8080 -port-name http-websocket
//
// Nothing but the manifests is written to standard output. Findings are written to standard error, one a line, as
// "severity code object path: message (hint)". The exit status is 0 if manifests were printed, 1 if the input was refused,
// when nothing is on standard output, and 2 for a wrong command line.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

const (
	exitOK      = 0
	exitRefused = 1
	exitUsage   = 2
)

// run runs the program with the given arguments, input and output, and returns its exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var (
		releases, gateways repeated
		workload           = labels{}
		svc                wsmesh.Service
		port               wsmesh.Port
		number, targetPort uint
	)
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Var(&releases, "istio", "Istio `release` of a control plane or proxy, such as 1.24.1; give it once for each")
	istioctlVersion := flags.String("istioctl-version", "", "`file` with the output of `istioctl version`, - for standard input")
	flags.StringVar(&svc.Name, "name", "", "`name` of the Service")
	flags.StringVar(&svc.Namespace, "namespace", "", "`namespace` of the Service; none is written where it is left out")
	flags.Var(workload, "workload", "label `key=value` of the server's pods; give it once for each, or joined by commas")
	flags.UintVar(&number, "port", 0, "`number` of the Service port")
	flags.UintVar(&targetPort, "target-port", 0, "`number` of the container's port")
	flags.StringVar(&port.Name, "port-name", "", "`name` of the Service port")
	flags.StringVar(&port.AppProtocol, "app-protocol", "", "`protocol` that the Service port names as appProtocol")
	flags.BoolVar(&svc.Ambient, "ambient", false, "the server's pods are in ambient mode")
	flags.BoolVar(&svc.NoSidecar, "no-sidecar", false, "some endpoint has no sidecar")
	asm := flags.Bool("asm", false, "shape the objects as Alibaba Cloud Service Mesh's documents do")
	flags.Var(&gateways, "gateway", "`NAMESPACE/key=value` of a gateway's pods that browsers speak HTTP/2 to; give it once for each gateway")
	http1 := flags.Bool("http1", false, "keep HTTP/1.1 whatever the release")
	explain := flags.Bool("explain", false, "explain the plan on standard error")
	format := flags.String("o", "yaml", "output `format`: yaml or json")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	usage := func(format string, a ...any) int {
		fmt.Fprintf(stderr, format+"\n", a...)
		flags.Usage()
		return exitUsage
	}
	switch {
	case flags.NArg() > 0:
		return usage("unexpected argument %q: all input is given by flags", flags.Arg(0))
	case *format != "yaml" && *format != "json":
		return usage("-o %q: give yaml or json", *format)
	case number > 65535 || targetPort > 65535:
		return usage("-port and -target-port are numbers up to 65535")
	}
	svc.Workload = workload
	port.Number, port.TargetPort = uint32(number), uint32(targetPort)
	if port != (wsmesh.Port{}) {
		svc.Ports = []wsmesh.Port{port}
	}

	opts := wsmesh.Options{ASM: *asm, HTTP1: *http1}
	for _, g := range gateways {
		namespace, selector, ok := strings.Cut(g, "/")
		pods := labels{}
		if !ok || pods.Set(selector) != nil {
			return usage("-gateway %q: give NAMESPACE/key=value", g)
		}
		opts.Gateways = append(opts.Gateways, wsmesh.Gateway{Namespace: namespace, Workload: pods})
	}

	mesh, err := readMesh(releases, *istioctlVersion, stdin)
	if err != nil {
		return refuse(stderr, err)
	}
	plan, err := wsmesh.NewPlan(svc, mesh, opts)
	if err != nil {
		return refuse(stderr, err)
	}
	var out bytes.Buffer
	if *format == "json" {
		err = writeJSON(&out, plan)
	} else {
		err = plan.WriteYAML(&out)
	}
	if err != nil {
		return refuse(stderr, err)
	}
	if *explain {
		if err := plan.Explain(stderr); err != nil {
			return refuse(stderr, err)
		}
	} else {
		_ = plan.Findings().WriteText(stderr, false)
	}
	if _, err := stdout.Write(out.Bytes()); err != nil {
		return refuse(stderr, err)
	}
	return exitOK
}

// readMesh returns the mesh of the given releases, each of which counts for a control plane and for a proxy, and of what
// istioctl printed.
func readMesh(releases []string, istioctlVersion string, stdin io.Reader) (wsmesh.Mesh, error) {
	var mesh wsmesh.Mesh
	if istioctlVersion != "" {
		in := stdin
		if istioctlVersion != "-" {
			f, err := os.Open(istioctlVersion)
			if err != nil {
				return wsmesh.Mesh{}, err
			}
			defer f.Close()
			in = f
		}
		var err error
		if mesh, err = wsmesh.ParseMesh(in); err != nil {
			return wsmesh.Mesh{}, err
		}
	}
	given, err := wsmesh.MeshOf(releases...)
	if e := (*finding.Error)(nil); errors.As(err, &e) {
		for i := range e.Findings {
			e.Findings[i].Path = "-istio"
		}
	}
	mesh.ControlPlanes = append(mesh.ControlPlanes, given.ControlPlanes...)
	mesh.Proxies = append(mesh.Proxies, given.Proxies...)
	return mesh, err
}

// writeJSON writes the objects as one List, which `kubectl apply -f -` takes.
func writeJSON(w io.Writer, plan *wsmesh.Plan) error {
	list := struct {
		APIVersion string          `json:"apiVersion"`
		Kind       string          `json:"kind"`
		Items      []wsmesh.Object `json:"items"`
	}{APIVersion: "v1", Kind: "List", Items: plan.Objects()}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(list)
}

// refuse writes why the input is refused.
func refuse(stderr io.Writer, err error) int {
	if list := finding.In(err); list != nil {
		_ = list.WriteText(stderr, false)
	} else {
		fmt.Fprintln(stderr, "error:", err)
	}
	return exitRefused
}

// repeated is the value of a flag that may be given several times.
type repeated []string

func (r *repeated) String() string     { return strings.Join(*r, ",") }
func (r *repeated) Set(s string) error { *r = append(*r, s); return nil }

// labels is the value of a flag for labels: key=value, joined by commas or repeated.
type labels map[string]string

func (l labels) String() string { return "" }

func (l labels) Set(s string) error {
	for pair := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is not key=value", pair)
		}
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		if have, ok := l[k]; ok && have != v {
			return fmt.Errorf("the label %q is given twice, as %q and %q", k, have, v)
		}
		l[k] = v
	}
	return nil
}
