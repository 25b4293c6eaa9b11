// SPDX-License-Identifier: Apache-2.0

// Audit says what in existing manifests breaks WebSockets in an Istio mesh, and mends what can be mended.
//
//	go run ./examples/audit -istio 1.24.1 -f manifests/
//	kubectl get dr,envoyfilter,svc,deploy,ns -A -o yaml | go run ./examples/audit -istio 1.24.1 -
//
// Findings go to standard output, those of the severity info with -severity info alone, and to standard error a line
// about what was read, what was judged, and what would have to be added for the rest. With -fix the mends go to standard
// output, as a unified diff, and what is left to standard error; with -w they are written to the files, all or none. The exit
// status is 0 where nothing is found that is as severe as -severity, 1 where something is, and 2 for a wrong command line,
// or for files that cannot be opened or written.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/audit"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, finding.Colour(os.Stdout)))
}

const (
	exitOK    = 0
	exitFound = 1
	exitUsage = 2
)

// run is main with its surroundings given, for the tests.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, colour bool) int {
	var releases, paths repeated
	flags := flag.NewFlagSet("audit", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Var(&releases, "istio", "Istio `release` of a control plane or proxy, such as 1.24.1; give it once for each")
	istioctlVersion := flags.String("istioctl-version", "", "`file` with the output of `istioctl version`, - for standard input")
	flags.Var(&paths, "f", "manifest `file` or directory, - for standard input; give it once for each, or as arguments")
	format := flags.String("o", "text", "output `format`: text, json, sarif, github or mermaid")
	fix := flags.Bool("fix", false, "print what can be mended as a diff")
	write := flags.Bool("w", false, "with -fix: write the files")
	severity := flags.String("severity", "error", "`severity` from which on the exit status is 1: info, warning or error; infos are shown with info alone")
	root := flags.String("root-namespace", "", "Istio's root `namespace`; default that of the ConfigMap istio, else istio-system")
	domain := flags.String("cluster-domain", "", "the cluster's `domain`; default cluster.local")
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
	paths = append(paths, flags.Args()...)
	least := slices.IndexFunc([]finding.Severity{finding.Info, finding.Warning, finding.SeverityError}, func(s finding.Severity) bool { return s.String() == *severity })
	printer, known := printers[*format]
	switch {
	case len(paths) == 0:
		return usage("no manifests are given: use -f, or - for standard input")
	case !known && *format != "mermaid":
		return usage("-o %q: give text, json, sarif, github or mermaid", *format)
	case least < 0:
		return usage("-severity %q: give info, warning or error", *severity)
	case *write && !*fix:
		return usage("-w goes with -fix")
	case *write && slices.Contains(paths, "-"):
		return usage("-w cannot write to standard input: give files")
	case *istioctlVersion == "-" && slices.Contains(paths, "-"):
		return usage("standard input is either manifests or the output of istioctl")
	}
	fail := func(err error) int {
		text := "error: " + err.Error()
		for line := range strings.SplitSeq(text, "\n") { // which may hold names from manifests and of files
			fmt.Fprintln(stderr, finding.EscapeText(line))
		}
		return exitUsage
	}
	mesh, err := readMesh(releases, *istioctlVersion, stdin)
	if err != nil {
		return fail(err)
	}
	mesh.RootNamespace, mesh.ClusterDomain = *root, *domain
	var set manifests.Set
	for _, path := range paths {
		if path == "-" {
			err = set.Add("-", stdin)
		} else {
			err = set.AddPath(path)
		}
		if err != nil {
			return fail(err)
		}
	}

	report, err := audit.Run(context.Background(), &set, mesh)
	if err != nil {
		return fail(err)
	}
	list := report.Findings
	from := min(finding.Severity(least), finding.Warning) // errors and warnings are shown in any case
	summary := report.Summary()
	var out bytes.Buffer
	switch {
	case *fix:
		fixed, err := report.Fix()
		if err != nil {
			return fail(err)
		}
		if *write {
			if err := writeFiles(fixed); err != nil {
				return fail(err)
			}
		}
		out.WriteString(fixed.Diff())
		list = fixed.Left
		left, more := shown(list, from, true)
		_ = left.WriteText(stderr, false) // as every line on standard error
		summary = strings.Join(append(more, summary), "\n")
	case *format == "mermaid":
		err = report.Mermaid(&out)
	default:
		some, more := shown(list, from, *format == "text")
		err = printer(some, &out, colour)
		for _, line := range more {
			fmt.Fprintln(&out, line)
		}
	}
	if err == nil {
		_, err = stdout.Write(out.Bytes())
	}
	if err != nil {
		return fail(err)
	}
	for line := range strings.SplitSeq(summary, "\n") {
		fmt.Fprintln(stderr, finding.EscapeText(line))
	}
	if slices.ContainsFunc(list, func(f finding.Finding) bool { return f.Severity >= finding.Severity(least) }) {
		return exitFound
	}
	return exitOK
}

// readMesh counts each release as a control plane's and a proxy's: either may be the oldest.
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
	for _, s := range releases {
		r, err := version.Parse(s)
		if err != nil {
			return wsmesh.Mesh{}, fmt.Errorf("-istio: %w", err)
		}
		mesh.ControlPlanes = append(mesh.ControlPlanes, r)
		mesh.Proxies = append(mesh.Proxies, r)
	}
	if len(mesh.ControlPlanes)+len(mesh.Proxies) == 0 {
		return wsmesh.Mesh{}, fmt.Errorf("%w: use -istio or -istioctl-version", version.ErrNoRelease)
	}
	return mesh, nil
}

// shown returns the findings from a severity on, and in text of the many of one rule the first ones and their number.
func shown(list finding.List, severity finding.Severity, isText bool) (out finding.List, more []string) {
	const first, many = 3, 20
	counts := map[string]int{}
	for _, f := range list {
		counts[f.Code]++
	}
	seen := map[string]int{}
	for _, f := range list {
		seen[f.Code]++
		switch n := counts[f.Code]; {
		case f.Severity < severity:
		case isText && f.Severity < finding.SeverityError && n > many && seen[f.Code] > first:
			if seen[f.Code] == n {
				more = append(more, fmt.Sprintf("and %d more of %s, which -o json lists", n-first, f.Code))
			}
		default:
			out = append(out, f)
		}
	}
	return out, more
}

var printers = map[string]func(list finding.List, w io.Writer, colour bool) error{
	"text": finding.List.WriteText,
	"json": func(list finding.List, w io.Writer, _ bool) error { return list.WriteJSON(w) },
	"sarif": func(list finding.List, w io.Writer, _ bool) error {
		return list.WriteSARIF(w, audit.Rules())
	},
	"github": func(list finding.List, w io.Writer, _ bool) error { return list.WriteGitHub(w) },
}

// repeated is a flag that may be given several times.
type repeated []string

func (r *repeated) String() string     { return strings.Join(*r, ",") }
func (r *repeated) Set(s string) error { *r = append(*r, s); return nil }
