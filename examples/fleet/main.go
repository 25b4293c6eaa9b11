// SPDX-License-Identifier: Apache-2.0

// Fleet writes the manifests of all WebSocket servers that an inventory lists.
//
//	go run ./examples/fleet -inventory fleet.yaml -out manifests/
//	go run ./examples/fleet -inventory fleet.yaml -out manifests/ -check
//	go run ./examples/fleet -inventory - -out - < fleet.yaml > manifests.yaml
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
	"iter"
	"maps"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/wsmesh/wsmesh/wsmesh"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
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
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	switch {
	case flags.NArg() > 0, *inventory == "", *out == "", *out == "-" && (*check || *perService):
		fmt.Fprintln(p.stderr, "give -inventory and -out; -check and -per-service need a directory")
		flags.Usage()
		return exitUsage
	}
	inv, err := p.read(*inventory)
	if err != nil {
		return p.refuse(err, wsmesh.Summary{})
	}
	if *out == "-" {
		return p.stream(ctx, inv)
	}
	layout := wsmesh.FilePerNamespace
	if *perService {
		layout = wsmesh.FilePerService
	}
	do := wsmesh.Sync
	if *check {
		do = wsmesh.Diff
	}
	start := time.Now()
	changes, err := do(ctx, *out, layout, p.watched(inv), inv.Mesh, inv.Options...)
	if err != nil {
		return p.refuse(err, changes.Summary)
	}
	p.summarize(changes.Summary, start)
	if *check {
		if err := changes.WriteUnified(p.stdout); err != nil {
			return p.refuse(err, wsmesh.Summary{})
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

func (p *program) read(file string) (*wsmesh.Inventory, error) {
	if file == "-" {
		data, err := io.ReadAll(p.stdin)
		if err != nil {
			return nil, err
		}
		return wsmesh.ParseInventory(data, "standard input")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return wsmesh.ParseInventory(data, file)
}

// stream writes everything or nothing: a first run over the Services shows whether all are accepted.
func (p *program) stream(ctx context.Context, inv *wsmesh.Inventory) int {
	start := time.Now()
	services := wsmesh.Services(inv.Services)
	if sum, err := wsmesh.Generate(ctx, io.Discard, services, inv.Mesh, inv.Options...); err != nil {
		return p.refuse(err, sum)
	}
	w := bufio.NewWriter(p.stdout)
	sum, err := wsmesh.Generate(ctx, w, p.watched(inv), inv.Mesh, inv.Options...)
	if err = errors.Join(err, w.Flush()); err != nil {
		return p.refuse(err, wsmesh.Summary{})
	}
	p.summarize(sum, start)
	return exitOK
}

// watched is the inventory's Services, with a line of progress a second on a terminal.
func (p *program) watched(inv *wsmesh.Inventory) iter.Seq2[wsmesh.Service, error] {
	if !p.terminal {
		return wsmesh.Services(inv.Services)
	}
	return func(yield func(wsmesh.Service, error) bool) {
		last := time.Now()
		for i, s := range inv.Services {
			if i%1000 == 0 && time.Since(last) > time.Second {
				last = time.Now()
				fmt.Fprintf(p.stderr, "%d of %d Services\n", i, len(inv.Services))
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (p *program) summarize(sum wsmesh.Summary, start time.Time) {
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
func (p *program) refuse(err error, sum wsmesh.Summary) int {
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
