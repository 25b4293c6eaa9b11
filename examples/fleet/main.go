// SPDX-License-Identifier: Apache-2.0

// Fleet writes the manifests of all WebSocket servers that an inventory lists.
//
//	go run ./examples/fleet -inventory fleet.yaml -out manifests/
//	go run ./examples/fleet -inventory fleet.yaml -out manifests/ -check
//	go run ./examples/fleet -inventory - -out - < fleet.yaml > manifests.yaml
//
// A run that would remove all manifests of the inventory, or more than half of them, is refused without -remove-most.
//
// Findings go to standard error, one a line; a summary ends the run. The exit status is 0 where all went well, 1 where
// the inventory is refused or, with -check, the directory is not up to date, and 2 for a wrong command line.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
	"github.com/wsmesh/wsmesh/wsmesh/fleet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	if info, err := os.Stderr.Stat(); err == nil {
		p.terminal = info.Mode()&os.ModeCharDevice != 0
	}
	os.Exit(p.run(ctx, os.Args[1:]))
}

const (
	exitOK    = 0
	exitNo    = 1
	exitUsage = 2
)

// A program is the surroundings of a run, for the tests.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // standard error is one: show progress
}

func (p *program) run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	inventory := flags.String("inventory", "", "`file` with the inventory, - for standard input")
	out := flags.String("out", "", "`directory` to write to, - for standard output")
	check := flags.Bool("check", false, "write nothing: exit with 1 and show the differences where the directory is not up to date")
	perService := flags.Bool("per-service", false, "write a file for each Service, and not for each namespace")
	removeMost := flags.Bool("remove-most", false, "remove also all of the inventory's files, or more than half of them")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	switch {
	case flags.NArg() > 0, *inventory == "", *out == "", *out == "-" && (*check || *perService || *removeMost):
		fmt.Fprintln(p.stderr, "give -inventory and -out; -check, -per-service and -remove-most need a directory")
		flags.Usage()
		return exitUsage
	}
	f, err := p.read(*inventory)
	if err != nil {
		return p.refuse(err, fleet.Summary{})
	}
	if *out == "-" {
		return p.stream(ctx, f)
	}
	opts := fleet.SyncOptions{RemoveMost: *removeMost, Progress: p.progress("%d of %d files\n")}
	if *perService {
		opts.Layout = fleet.FilePerService
	}
	do := f.Sync
	if *check {
		do = f.Diff
	}
	start := time.Now()
	changes, err := do(ctx, *out, opts)
	if err != nil {
		return p.refuse(err, changes.Summary)
	}
	p.summarize(changes.Summary, start)
	if *check {
		if err := changes.WriteUnified(p.stdout); err != nil {
			return p.refuse(err, fleet.Summary{})
		}
	}
	for _, c := range changes.Files {
		fmt.Fprintln(p.stderr, c)
	}
	switch n := len(changes.Files); {
	case n == 0:
		fmt.Fprintf(p.stderr, "%s is up to date\n", *out)
	case *check:
		fmt.Fprintf(p.stderr, "%s is not up to date: %d files differ; run without -check to write them\n", *out, n)
		return exitNo
	}
	return exitOK
}

func (p *program) read(file string) (*fleet.Fleet, error) {
	if file == "-" {
		data, err := io.ReadAll(p.stdin)
		if err != nil {
			return nil, err
		}
		return fleet.ParseInventory(data, "standard input")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return fleet.ParseInventory(data, file)
}

// stream writes everything or nothing: a first run over the Services shows whether all are accepted.
func (p *program) stream(ctx context.Context, f *fleet.Fleet) int {
	start := time.Now()
	if sum, err := f.Generate(ctx, io.Discard); err != nil {
		return p.refuse(err, sum)
	}
	w := bufio.NewWriter(p.stdout)
	sum, err := f.Generate(ctx, w)
	if err = errors.Join(err, w.Flush()); err != nil {
		return p.refuse(err, fleet.Summary{})
	}
	p.summarize(sum, start)
	return exitOK
}

// progress returns a function that prints a line a second on a terminal.
func (p *program) progress(format string) func(done, total int) {
	if !p.terminal {
		return nil
	}
	last := time.Now()
	return func(done, total int) {
		if time.Since(last) > time.Second {
			last = time.Now()
			fmt.Fprintf(p.stderr, format, done, total)
		}
	}
}

func (p *program) summarize(sum fleet.Summary, start time.Time) {
	for _, f := range sum.Findings {
		fmt.Fprintln(p.stderr, f)
	}
	fmt.Fprintf(p.stderr, "%d Services, %d objects, %d bytes in %v; findings:", sum.Services, sum.Objects, sum.Bytes, time.Since(start).Round(time.Millisecond))
	for _, code := range slices.Sorted(maps.Keys(sum.Codes)) {
		fmt.Fprintf(p.stderr, " %s %d", code, sum.Codes[code])
	}
	fmt.Fprintln(p.stderr)
}

// refuse prints the warnings of the summary and the errors.
func (p *program) refuse(err error, sum fleet.Summary) int {
	for _, f := range sum.Findings.Warnings() {
		fmt.Fprintln(p.stderr, f)
	}
	list := finding.In(err)
	if list != nil {
		for _, f := range list {
			fmt.Fprintln(p.stderr, f)
		}
	} else {
		fmt.Fprintln(p.stderr, "error:", err)
	}
	return exitNo
}
