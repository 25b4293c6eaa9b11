// SPDX-License-Identifier: Apache-2.0

// Package cluster runs etcd, kube-apiserver and istiod for the tests of a package, apart from everything else on the
// machine.
package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/wsmesh/wsmesh/internal/e2e/toolchain"
)

// The bridge that network namespaces of pods join, and what stands for /etc/hosts.
const (
	Bridge        = "mesh"
	BridgeAddress = "10.244.0.1"
	HostsFile     = "/run/hosts"
)

// isolated is set in the environment of the process that runs the tests, which its parent put into namespaces.
const isolated = "WSMESH_E2E_ISOLATED"

// Main is for TestMain. It runs the tests in a process of its own that is the first of a new PID namespace and has its
// own network and mount namespaces. When it ends, however it ends, the kernel kills every process below it, and with
// them go the network namespaces, bridges and mounts. Nothing is left to clean up after a failure, a panic or a
// timeout; and the well-known ports of istiod are free, whatever else runs on the machine.
//
// ready reports whether all is there that the tests need; after runs when they are over. Without root, or where ready
// has [toolchain.ErrNoEnvoy], the run passes with the reason, and fails under CI.
func Main(m *testing.M, ready func() error, after func()) {
	if os.Getenv(isolated) == "" {
		os.Exit(isolate(ready))
	}
	if err := prepareNamespaces(); err != nil {
		fmt.Println("FAIL: prepare the namespaces:", err)
		os.Exit(1)
	}
	code := m.Run()
	after()
	os.Exit(code)
}

// isolate runs this program again in new namespaces and returns its exit code.
func isolate(ready func() error) int {
	if os.Geteuid() != 0 {
		return without("these tests make network namespaces: run them as root")
	}
	if err := ready(); errors.Is(err, toolchain.ErrNoEnvoy) {
		return without(err.Error())
	} else if err != nil {
		fmt.Println("FAIL:", err)
		return 1
	}
	// The death signal below goes out when the thread ends that started the process.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), isolated+"=yes")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Println("FAIL: cannot make namespaces for the tests:", err)
		return 1
	}
	return 0
}

// without ends a run that cannot be: it passes with the reason, or fails under CI.
func without(reason string) int {
	if os.Getenv("CI") != "" {
		fmt.Println("FAIL:", reason)
		return 1
	}
	fmt.Println("SKIP:", reason)
	return 0
}

// prepareNamespaces gives this process's namespaces what programs expect: /proc of its own processes, a /run of its
// own for `ip netns` and iptables, its own /etc/hosts, and the loopback interface.
func prepareNamespaces() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := os.WriteFile(HostsFile, []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		return err
	}
	if err := syscall.Mount(HostsFile, "/etc/hosts", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount /etc/hosts: %w", err)
	}
	// Once set here, the limit is passed on to children: an Envoy with 2,000 WebSockets has twice as many files.
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	if files.Cur = files.Max; files.Cur < 8192 {
		return fmt.Errorf("%d open files are allowed, 8192 are needed (ulimit -Hn)", files.Max)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", Bridge, "type", "bridge"},
		{"address", "add", BridgeAddress + "/16", "dev", Bridge},
		{"link", "set", Bridge, "up"},
	} {
		if err := IP(args...); err != nil {
			return err
		}
	}
	return nil
}

// IP runs iproute2's ip.
func IP(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
