// SPDX-License-Identifier: Apache-2.0

// Peerbench writes the same pair of manifests for N Services with this library and with what users would take instead,
// checks that all write the same objects, and prints a table: wall and CPU time, peak memory and the ratio to
// fmt.Fprintf. Every number is the median of runs that take turns.
//
//	go run . -n 1,100,1000,10000,100000 -runs 5
//
// helm, jsonnet, cue and kustomize are built from their Go modules; cdk8s comes from npm, where -cdk8s asks for it.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	sizes := flag.String("n", "1,100,1000,10000", "`numbers` of Services")
	runs := flag.Int("runs", 5, "`number` of runs of each way")
	only := flag.String("ways", "", "`names` of the ways to run, all where it is empty")
	cdk8s := flag.Bool("cdk8s", false, "install cdk8s from npm and run it, too")
	limit := flag.Duration("limit", 2*time.Minute, "a way that takes longer than this for one run is not run with more Services")
	flag.Parse()
	b := bench{out: os.Stdout, log: os.Stderr, runs: *runs, limit: *limit, cdk8s: *cdk8s}
	for s := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "-n %q: give numbers from 1\n", s)
			os.Exit(2)
		}
		b.sizes = append(b.sizes, n)
	}
	if *only != "" {
		b.only = strings.Split(*only, ",")
	}
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type bench struct {
	out, log io.Writer
	sizes    []int
	runs     int
	only     []string
	cdk8s    bool
	limit    time.Duration
	dir      string // of programs and their input
}

// A way is one program that writes the manifests.
type way struct {
	name    string
	pkg     string                                       // its Go package
	prepare func(dir string, n int) error                // its input, where that depends on the number of Services
	args    func(bin, dir string, n int) (argv []string) // the command
	most    int                                          // more Services than this take too long or too much memory
}

func program(name string) way {
	return way{
		name: name, pkg: "./ways/" + name, most: 1_000_000,
		args: func(bin, _ string, n int) []string { return []string{bin, strconv.Itoa(n)} },
	}
}

func (b *bench) ways() []way {
	ways := []way{program("fprintf"), program("template"), program("library"), program("naive"),
		{
			name: "helm", pkg: "helm.sh/helm/v4/cmd/helm", most: 100_000,
			args: func(bin, dir string, n int) []string {
				return []string{bin, "template", "fleet", filepath.Join(dir, "helm"), "--set", "n=" + strconv.Itoa(n)}
			},
		},
		{
			name: "jsonnet", pkg: "github.com/google/go-jsonnet/cmd/jsonnet", most: 10_000,
			args: func(bin, dir string, n int) []string {
				return []string{bin, "-y", "--ext-code", "n=" + strconv.Itoa(n), filepath.Join(dir, "fleet.jsonnet")}
			},
		},
		{
			name: "cue", pkg: "cuelang.org/go/cmd/cue", most: 10_000,
			args: func(bin, dir string, n int) []string {
				return []string{bin, "export", "-t", "n=" + strconv.Itoa(n), "-e", "stream", "--out", "text", filepath.Join(dir, "fleet.cue")}
			},
		},
		{
			name: "kustomize", pkg: "sigs.k8s.io/kustomize/kustomize/v5", most: 3000,
			prepare: kustomization,
			args: func(bin, dir string, n int) []string {
				return []string{bin, "build", filepath.Join(dir, "kustomize", strconv.Itoa(n))}
			},
		},
	}
	if b.cdk8s {
		ways = append(ways, way{
			name: "cdk8s", most: 10_000,
			args: func(_, dir string, n int) []string {
				return []string{"node", filepath.Join(dir, "cdk8s", "fleet.js"), strconv.Itoa(n)}
			},
		})
	}
	return slices.DeleteFunc(ways, func(w way) bool { return len(b.only) > 0 && !slices.Contains(b.only, w.name) })
}

func (b *bench) run() error {
	var err error
	if b.dir, err = os.MkdirTemp("", "peerbench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := writeInputs(b.dir); err != nil {
		return err
	}
	ways := b.ways()
	for _, w := range ways {
		if err := b.build(w); err != nil {
			return err
		}
	}
	tooSlow := map[string]bool{}
	for _, n := range b.sizes {
		var running []way
		for _, w := range ways {
			if n > w.most || tooSlow[w.name] {
				continue
			}
			if w.prepare != nil {
				if err := w.prepare(b.dir, n); err != nil {
					return err
				}
			}
			running = append(running, w)
		}
		results, err := b.measure(running, n)
		if err != nil {
			return err
		}
		for name, r := range results {
			tooSlow[name] = r.wall > b.limit
		}
		b.print(running, n, results)
	}
	return nil
}

func (b *bench) build(w way) error {
	fmt.Fprintln(b.log, "building", w.name)
	var cmd *exec.Cmd
	if w.pkg != "" {
		cmd = exec.Command("go", "build", "-o", b.bin(w), w.pkg)
	} else {
		cmd = exec.Command("npm", "install", "--no-audit", "--no-fund", "--prefix", filepath.Join(b.dir, w.name), "cdk8s@2.70.0", "constructs@10")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", w.name, err, out)
	}
	return nil
}

func (b *bench) bin(w way) string { return filepath.Join(b.dir, "bin-"+w.name) }

// A result is the median of some runs, each number apart.
type result struct {
	wall, cpu time.Duration
	peak      int64 // KiB
}

// checked is up to how many Services the objects are compared one by one; beyond that they are counted.
const checked = 100

func (b *bench) measure(ways []way, n int) (map[string]result, error) {
	all := map[string][]result{}
	var want map[string]bool
	for run := range b.runs {
		for _, w := range ways {
			fmt.Fprintf(b.log, "N = %d, run %d: %s\n", n, run+1, w.name)
			output, r, err := b.execute(w.args(b.bin(w), b.dir, n))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			all[w.name] = append(all[w.name], r)
			if run > 0 {
				continue
			}
			if n > checked {
				if rules, err := count(output); err != nil || rules != n {
					return nil, fmt.Errorf("%s wrote %d DestinationRules, not %d: %w", w.name, rules, n, err)
				}
				continue
			}
			out, err := os.ReadFile(output)
			if err != nil {
				return nil, err
			}
			got, err := objects(out)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			if want == nil {
				want = got
			}
			if len(got) != 2*n || !equal(got, want) {
				return nil, fmt.Errorf("%s wrote other objects than %s:\n%s", w.name, ways[0].name, out)
			}
		}
	}
	results := map[string]result{}
	for name, rs := range all {
		results[name] = result{
			wall: median(rs, func(r result) time.Duration { return r.wall }),
			cpu:  median(rs, func(r result) time.Duration { return r.cpu }),
			peak: median(rs, func(r result) int64 { return r.peak }),
		}
	}
	return results, nil
}

func median[T cmp.Ordered](rs []result, of func(result) T) T {
	var values []T
	for _, r := range rs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// execute runs a command with its output to a file: a child's peak memory counts from that of the process that starts
// it, which so has to stay small.
func (b *bench) execute(argv []string) (output string, r result, err error) {
	output = filepath.Join(b.dir, "output")
	f, err := os.Create(output)
	if err != nil {
		return "", result{}, err
	}
	defer f.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = f, &stderr
	start := time.Now()
	err = cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return "", result{}, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	state := cmd.ProcessState
	return output, result{wall, state.UserTime() + state.SystemTime(), state.SysUsage().(*syscall.Rusage).Maxrss}, nil
}

// count returns how many DestinationRules there are in a file.
func count(path string) (n int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), []byte("DestinationRule")) {
			n++
		}
	}
	return n, lines.Err()
}

func (b *bench) print(ways []way, n int, results map[string]result) {
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "N = %d\twall ms\tCPU ms\tpeak MiB\tx fprintf\tx library\t\n", n)
	ratio := func(r result, name string) string {
		other, ok := results[name]
		if !ok {
			return "-"
		}
		return fmt.Sprintf("%.2f", float64(r.wall)/float64(other.wall))
	}
	for _, w := range ways {
		r := results[w.name]
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%s\t%s\t\n", w.name, float64(r.wall.Microseconds())/1e3, float64(r.cpu.Microseconds())/1e3,
			float64(r.peak)/1024, ratio(r, "fprintf"), ratio(r, "library"))
	}
	t.Flush()
	fmt.Fprintln(b.out)
}
