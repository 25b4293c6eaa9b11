// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A Process is a program that was started.
type Process struct {
	Log  string        // file with its standard error, and its standard output where that goes nowhere else
	Done chan struct{} // closed when it has ended
	End  time.Time     // when it ended; to be read when Done is closed
	cmd  *exec.Cmd
}

// StartProcess starts a program whose output goes to dir/name.log. It ends with this process, if the caller does not
// end it before.
func StartProcess(name, dir string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, Log: dir + "/" + name + ".log", Done: make(chan struct{})}
	f, err := os.Create(p.Log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = f
	}
	cmd.Stderr = f
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // how it ended stands in its log
		p.End = time.Now()
		close(p.Done)
	}()
	return p, nil
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended reports whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.Done:
		return true
	default:
		return false
	}
}

// Stop sends the signal and waits; after a grace time it kills.
func (p *Process) Stop(sig syscall.Signal) {
	if p.Ended() {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.Done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.Done
	}
}

// Tail returns the end of its log, for messages.
func (p *Process) Tail() string {
	data, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-4000):])
}

// Poll asks again until the condition holds or the time is up, and returns the last reason.
func Poll(limit time.Duration, condition func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := condition()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Command runs a program to its end and returns what it printed.
func Command(limit time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %s", limit)
	}
	return out.String(), err
}
