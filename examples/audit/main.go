// SPDX-License-Identifier: Apache-2.0

// Audit says what in existing manifests breaks WebSockets in an Istio mesh, and mends what can be mended.
//
//	go run ./examples/audit -istio 1.24.1 -f manifests/
//	kubectl get dr,envoyfilter,svc,deploy,ns -A -o yaml | go run ./examples/audit -istio 1.24.1 -
//
// Findings go to standard output. With -fix the mends go there, as a unified diff, and what is left to standard error;
// with -w they are written to the files. The exit status is 0 where nothing is found that is as severe as -severity, 1
// where something is, and 2 for a wrong command line or input that cannot be opened.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/envoyfilter"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

func main() {
	colour := false
	if info, err := os.Stdout.Stat(); err == nil {
		colour = info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, colour))
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
	severity := flags.String("severity", "error", "`severity` from which on the exit status is 1: info, warning or error")
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
		fmt.Fprintln(stderr, "error:", err)
		return exitUsage
	}
	mesh, err := readMesh(releases, *istioctlVersion, stdin)
	if err != nil {
		return fail(err)
	}
	mesh.RootNamespace, mesh.ClusterDomain = *root, *domain
	var manifests wsmesh.Manifests
	for _, path := range paths {
		if path == "-" {
			err = manifests.Add("-", stdin)
		} else {
			err = manifests.AddPath(path)
		}
		if err != nil {
			return fail(err)
		}
	}

	var list finding.List
	var out bytes.Buffer
	switch {
	case *fix:
		fixed, err := wsmesh.Fix(&manifests, mesh)
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
		_ = printText(stderr, list, false) // as every line on standard error
	case *format == "mermaid":
		list = wsmesh.Audit(&manifests, mesh)
		err = wsmesh.AuditMermaid(&out, &manifests, mesh)
	default:
		list = wsmesh.Audit(&manifests, mesh)
		err = printer(&out, list, colour)
	}
	if err == nil {
		_, err = stdout.Write(out.Bytes())
	}
	if err != nil {
		return fail(err)
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

func writeFiles(fixed *wsmesh.Fixed) error {
	for _, f := range fixed.Files {
		mode := os.FileMode(0o644)
		if info, err := os.Stat(f.Name); err == nil {
			mode = info.Mode().Perm()
		}
		if err := os.WriteFile(f.Name, f.After, mode); err != nil {
			return err
		}
	}
	return nil
}

var printers = map[string]func(w io.Writer, list finding.List, colour bool) error{
	"text": printText, "json": printJSON, "sarif": printSARIF, "github": printGitHub,
}

var colours = map[finding.Severity]string{finding.Info: "\x1b[36m", finding.Warning: "\x1b[33m", finding.SeverityError: "\x1b[31m"}

func printText(w io.Writer, list finding.List, colour bool) error {
	for _, f := range list {
		text := f.String()
		if colour {
			// The message quotes what the user wrote: nothing in it may speak to the terminal.
			text = strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return '?'
				}
				return r
			}, text)
			text = strings.Replace(text, f.Severity.String(), colours[f.Severity]+f.Severity.String()+"\x1b[0m", 1)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(w io.Writer, list finding.List, _ bool) error {
	if list == nil {
		list = finding.List{} // an empty array rather than null
	}
	return encode(w, list)
}

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printGitHub writes workflow commands, which GitHub shows beside the lines of a pull request.
func printGitHub(w io.Writer, list finding.List, _ bool) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, f := range list {
		command := map[finding.Severity]string{finding.Info: "notice", finding.Warning: "warning", finding.SeverityError: "error"}[f.Severity]
		text := strings.TrimSpace(f.Object + " " + f.Path)
		if text != "" {
			text += ": "
		}
		text += f.Message
		if f.Hint != "" {
			text += "\n" + f.Hint
		}
		_, err := fmt.Fprintf(w, "::%s file=%s,line=%d,title=%s::%s\n", command, property.Replace(f.File), max(f.Line, 1), f.Code, data.Replace(text))
		if err != nil {
			return err
		}
	}
	return nil
}

type object = map[string]any

// printSARIF writes SARIF 2.1.0, which code scanning reads.
func printSARIF(w io.Writer, list finding.List, _ bool) error {
	levels := map[finding.Severity]string{finding.Info: "note", finding.Warning: "warning", finding.SeverityError: "error"}
	rules, results := []object{}, []object{}
	for _, c := range slices.Concat(destinationrule.Rules(), envoyfilter.Rules(), finding.Codes()) {
		if slices.ContainsFunc(list, func(f finding.Finding) bool { return f.Code == c.Code }) {
			rules = append(rules, object{
				"id":                   c.Code,
				"shortDescription":     object{"text": c.Meaning},
				"help":                 object{"text": "Source: " + c.Source},
				"defaultConfiguration": object{"level": levels[c.Severity]},
			})
		}
	}
	for _, f := range list {
		text := cmp.Or(strings.TrimSpace(f.Object+" "+f.Path), f.Code) + ": " + f.Message
		if f.Hint != "" {
			text += " (" + f.Hint + ")"
		}
		results = append(results, object{
			"ruleId":  f.Code,
			"level":   levels[f.Severity],
			"message": object{"text": text},
			"locations": []object{{"physicalLocation": object{
				"artifactLocation": object{"uri": filepath.ToSlash(f.File)},
				"region":           object{"startLine": max(f.Line, 1)},
			}}},
		})
	}
	return encode(w, object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []object{{
			"tool":    object{"driver": object{"name": "wsmesh", "informationUri": "https://github.com/wsmesh/wsmesh", "rules": rules}},
			"results": results,
		}},
	})
}

// repeated is a flag that may be given several times.
type repeated []string

func (r *repeated) String() string     { return strings.Join(*r, ",") }
func (r *repeated) Set(s string) error { *r = append(*r, s); return nil }
