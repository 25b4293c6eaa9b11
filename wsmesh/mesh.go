// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// What is wrong with the releases of a mesh, or unknown of them.
var (
	// NoRelease is rule WS401. A decision needs at least one Istio release of the mesh.
	NoRelease = finding.Rule{Code: "WS401", Severity: finding.SeverityError,
		Meaning: "A decision needs at least one Istio release of the mesh.",
		Source:  "istio/istio pilot/pkg/model/context.go (istiod takes an unknown release for the newest; this library does not guess)"}
	// ZeroRelease is rule WS402. Each release given must be a release: its zero value is none.
	ZeroRelease = finding.Rule{Code: "WS402", Severity: finding.SeverityError,
		Meaning: "Each release given must be a release: its zero value is none.",
		Source:  "istio/istio pilot/pkg/model/context.go (istiod takes an unknown release for the newest; this library does not guess)"}
	// UnreadableVersionOutput is rule WS408. The output of `istioctl version` must name a release for each component.
	UnreadableVersionOutput = finding.Rule{Code: "WS408", Severity: finding.SeverityError,
		Meaning: "The output of `istioctl version` must name a release for each component.",
		Source:  "istio/istio pkg/version/cobra.go"}
	// NotARelease is rule WS409. A release is a number such as 1.24.1: moving tags, revision labels and incomplete
	// numbers name none.
	NotARelease = finding.Rule{Code: "WS409", Severity: finding.SeverityError,
		Meaning: "A release is a number such as 1.24.1: moving tags, revision labels and incomplete numbers name none.",
		Source:  "istio/istio pilot/pkg/model/context.go (istiod takes an unknown release for the newest; this library does not guess)"}
	// OtherProductsRelease is rule WS410. Every release of Istio has the major number 1: other products number
	// themselves apart from it.
	OtherProductsRelease = finding.Rule{Code: "WS410", Severity: finding.SeverityError,
		Meaning: "Every release of Istio has the major number 1: other products number themselves apart from it.",
		Source:  "istio.io/latest/docs/releases/supported-releases"}
	// ReleasesUnknown is rule WS411. Of a mesh with control planes alone, or proxies alone, the others' releases are
	// unknown, and may be older.
	ReleasesUnknown = finding.Rule{Code: "WS411", Severity: finding.Warning,
		Meaning: "Of a mesh with control planes alone, or proxies alone, the others' releases are unknown, and may be older.",
		Source:  "istio.io/latest/docs/releases/supported-releases (a control plane may be ahead of its proxies)"}
	// ReleaseAfterNewest is rule WS412. A release later than the newest that this library has the facts of is taken for
	// that one.
	ReleaseAfterNewest = finding.Rule{Code: "WS412", Severity: finding.Warning,
		Meaning: "A release later than the newest that this library has the facts of is taken for that one.",
		Source:  "istio.io/latest/docs/releases/supported-releases"}
)

// A Mesh is what a plan has to know of an Istio mesh: the releases that run in it. All of them count. During a canary
// upgrade several istiods and proxies of two releases work side by side, and a proxy changes its release only when its
// pod restarts.
type Mesh struct {
	ControlPlanes []version.Release // every istiod revision
	Proxies       []version.Release // every sidecar and gateway
	ClusterDomain string            // default cluster.local
	RootNamespace string            // default istio-system
}

func (m *Mesh) clusterDomain() string { return cmp.Or(m.ClusterDomain, istio.DefaultClusterDomain) }

func (m *Mesh) rootNamespace() string { return cmp.Or(m.RootNamespace, istio.DefaultRootNamespace) }

// Validate returns what is wrong with the mesh: no release at all (WS401), or one that is the zero value (WS402). It warns
// where the releases of the control planes or of the proxies are unknown (WS411), and of a release that is later than the
// newest that this library knows (WS412).
func (m Mesh) Validate() finding.List {
	var l finding.List
	for i, r := range m.ControlPlanes {
		if r.IsZero() {
			l = append(l, noRelease(fmt.Sprintf("mesh.controlPlanes[%d]", i)))
		}
	}
	for i, r := range m.Proxies {
		if r.IsZero() {
			l = append(l, noRelease(fmt.Sprintf("mesh.proxies[%d]", i)))
		}
	}
	if len(m.ControlPlanes)+len(m.Proxies) == 0 {
		l = append(l, finding.New(NoRelease, "mesh", "no Istio release is given",
			"give every control plane's and proxy's release, as `istioctl version` prints them"))
	}
	if len(l) > 0 {
		return l
	}
	unknown, message := "", ""
	switch {
	case len(m.Proxies) == 0:
		unknown, message = "mesh.proxies", "no release of a proxy is given: sidecars and gateways may be older than the control planes"
	case len(m.ControlPlanes) == 0:
		unknown, message = "mesh.controlPlanes", "no release of a control plane is given: it is taken for that of the oldest proxy"
	}
	if unknown != "" {
		l = append(l, finding.New(ReleasesUnknown, unknown, message, "give them too, as `istioctl version` prints them"))
	}
	if latest := m.latest(); latest.Compare(newest) > 0 && !strings.HasPrefix(latest.String(), newestMinor) {
		l = append(l, finding.New(ReleaseAfterNewest, "mesh",
			fmt.Sprintf("Istio %s is later than %s, the newest release that this library has the facts of, and is taken for it", latest, strings.TrimSuffix(newestMinor, ".")),
			"use a version of this library that knows the release"))
	}
	return l
}

// Oldest returns the oldest release of the whole mesh and that of its control planes. Where no control plane is given the
// second is the oldest proxy: a control plane is never older than its proxies (Istio's skew policy). The error is that of
// [version.Oldest].
func (m Mesh) Oldest() (all, controlPlane version.Release, err error) {
	switch {
	case len(m.ControlPlanes) == 0:
		all, err = version.Oldest(m.Proxies...)
		return all, all, err
	case len(m.Proxies) == 0:
		all, err = version.Oldest(m.ControlPlanes...)
		return all, all, err
	}
	if controlPlane, err = version.Oldest(m.ControlPlanes...); err != nil {
		return all, all, err
	}
	if all, err = version.Oldest(m.Proxies...); err != nil {
		return all, all, err
	}
	if controlPlane.Compare(all) < 0 {
		all = controlPlane
	}
	return all, controlPlane, nil
}

// newest is the newest release whose facts this library has. Later patches of its minor are the same to it.
var newest = version.Newest()

var newestMinor = strings.TrimRight(newest.String(), "0123456789") // "1.32."

// latest returns the latest release of the mesh, and the zero value where there is none.
func (m *Mesh) latest() version.Release {
	var latest version.Release
	for _, rs := range [...][]version.Release{m.ControlPlanes, m.Proxies} {
		for _, r := range rs {
			if r.Compare(latest) > 0 {
				latest = r
			}
		}
	}
	return latest
}

func noRelease(path string) finding.Finding {
	return finding.New(ZeroRelease, path, "the release is the zero value, which is no release",
		"give what version.Parse returns for the number that `istioctl version` prints")
}

// MeshOf returns a mesh in which control planes and proxies of each of the releases run, as [version.Parse] reads them:
// whoever knows the releases of a mesh and not what runs which. The error holds a finding for each text that is no
// release (WS409), or is that of another product (WS410).
func MeshOf(releases ...string) (Mesh, error) {
	var m Mesh
	e := finding.Error{}
	for i, text := range releases {
		r, err := version.Parse(text)
		if p := (*version.ParseError)(nil); errors.As(err, &p) {
			rule := NotARelease
			if errors.Is(err, version.ErrNotIstioRelease) {
				rule = OtherProductsRelease
			}
			e.Findings = append(e.Findings, finding.New(rule, fmt.Sprintf("releases[%d]", i), p.Err.Error()+" "+p.Reason, p.Hint))
			e.Causes = append(e.Causes, err)
			continue
		}
		m.ControlPlanes, m.Proxies = appendRelease(m.ControlPlanes, r), appendRelease(m.Proxies, r)
	}
	if len(e.Findings) > 0 {
		return Mesh{}, &e
	}
	return m, nil
}

// maxVersionOutput bounds what ParseMesh reads: 100,000 proxies take about 16 MiB as JSON.
const maxVersionOutput = 64 << 20

// ParseMesh reads what `istioctl version` printed, short or long text, JSON or YAML, into the releases of a mesh.
// The client's own version counts for nothing. "none" proxies are none, and so is an entry without a version,
// which ztunnel and other clients of istiod leave (kmesh-net/kmesh#1110).
//
// The error holds a WS408 finding for each release that cannot be read, and reaches [version.ErrNoRelease] where
// there is none at all. At most 64 MiB are read.
func ParseMesh(istioctlVersion io.Reader) (Mesh, error) {
	if istioctlVersion == nil {
		return Mesh{}, fmt.Errorf("%w: there is nothing to read the output of `istioctl version` from", version.ErrNoRelease)
	}
	data, err := io.ReadAll(io.LimitReader(istioctlVersion, maxVersionOutput+1))
	if err != nil {
		return Mesh{}, fmt.Errorf("reading the output of `istioctl version`: %w", err)
	}
	if len(data) > maxVersionOutput {
		return Mesh{}, finding.List{unreadable("", "the text is longer than 64 MiB", "give what `istioctl version` prints, and nothing else")}.Err()
	}
	var r meshReader
	if structured.Match(data) {
		r.readStructured(data)
	} else {
		r.readText(string(data))
	}
	if err := r.problems.Err(); err != nil {
		return Mesh{}, err
	}
	if len(r.mesh.ControlPlanes)+len(r.mesh.Proxies) == 0 {
		return Mesh{}, fmt.Errorf("%w in the output of `istioctl version`: give it as istioctl prints it where it reaches the cluster "+
			"(lines such as \"control plane version: 1.24.1\" and \"data plane version: 1.24.1 (12 proxies)\")", version.ErrNoRelease)
	}
	return r.mesh, nil
}

var (
	structured = regexp.MustCompile(`^\s*\{|(?m:^(clientVersion|meshVersion|dataPlaneVersion):)`)
	// "control plane version: 1.24.1", "pilot version: version.BuildInfo{Version:"1.4.3", …}"; words only before "version".
	textLine = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9 _-]*?) version: ?(.*)$`)
	longForm = regexp.MustCompile(`^version\.[A-Za-z]+\{.*?\b(?:Istio)?Version:"([^"]*)"`)
	// The number of proxies that run a release: "1.12.4 (12 proxies)".
	proxyCount = regexp.MustCompile(`^(.*?)\s*\(\d+ proxies\)$`)
)

func unreadable(path, message, hint string) finding.Finding {
	return finding.New(UnreadableVersionOutput, path, message, hint)
}

type meshReader struct {
	mesh     Mesh
	problems finding.List
}

func (r *meshReader) readText(text string) {
	for n, line := range strings.Split(text, "\n") {
		m := textLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue // istioctl prints warnings and log lines beside the versions
		}
		component, value := m[1], m[2]
		if long := longForm.FindStringSubmatch(value); long != nil {
			r.add(n+1, component, long[1])
			continue
		}
		if component != dataPlane {
			r.add(n+1, component, value)
			continue
		}
		if value == "none" {
			continue
		}
		for entry := range strings.SplitSeq(value, ",") {
			if count := proxyCount.FindStringSubmatch(strings.TrimSpace(entry)); count != nil {
				entry = count[1]
			}
			r.add(n+1, component, entry)
		}
	}
}

// readStructured reads `istioctl version -o json` and -o yaml.
func (r *meshReader) readStructured(data []byte) {
	var v struct {
		MeshVersion []struct {
			Component string
			Info      struct {
				Version string `json:"version"`
			}
		} `json:"meshVersion"`
		DataPlaneVersion []struct {
			IstioVersion string
		} `json:"dataPlaneVersion"`
	}
	if err := yaml.Unmarshal(bytes.TrimSpace(data), &v); err != nil {
		r.problems = append(r.problems, unreadable("", "the text looks like JSON or YAML and cannot be read: "+err.Error(),
			"give what `istioctl version -o json` prints, and nothing else"))
		return
	}
	for _, c := range v.MeshVersion {
		r.add(0, c.Component, c.Info.Version)
	}
	for _, p := range v.DataPlaneVersion {
		r.add(0, dataPlane, p.IstioVersion)
	}
}

const dataPlane = "data plane"

// add counts one component's release. Lines count from 1; 0 is not known.
func (r *meshReader) add(line int, component, text string) {
	text = strings.TrimSpace(text)
	if component == "client" || component == dataPlane && text == "" {
		return
	}
	release, err := version.Parse(text)
	if err != nil {
		message := err.Error()
		if e := (*version.ParseError)(nil); errors.As(err, &e) {
			message = e.Err.Error() + " " + e.Reason // without the hint, which is another one here
		}
		f := unreadable(component+" version", message, "find out which Istio release the "+component+" runs, and give it as a Mesh")
		f.Line = line
		r.problems = append(r.problems, f)
		return
	}
	switch component {
	case dataPlane, "ingressgateway", "egressgateway":
		r.mesh.Proxies = appendRelease(r.mesh.Proxies, release)
	default:
		r.mesh.ControlPlanes = appendRelease(r.mesh.ControlPlanes, release)
	}
}

// appendRelease keeps one of each release: JSON names every proxy of the mesh.
func appendRelease(rs []version.Release, r version.Release) []version.Release {
	for _, have := range rs {
		if have.Original() == r.Original() {
			return rs
		}
	}
	return append(rs, r)
}
