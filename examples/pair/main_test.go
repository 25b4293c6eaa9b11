// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestREADME checks that README shows this program and what it prints.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "\npackage main\n")
	if block := "```go\npackage main\n" + program + "```\n"; !strings.Contains(string(readme), block) {
		t.Errorf("README does not show this program:\n%s", block)
	}
	if block := "```yaml\n" + output(t) + "```\n"; !strings.Contains(string(readme), block) {
		t.Errorf("README does not show what the program prints:\n%s", block)
	}
	main := program[strings.Index(program, "func main()"):]
	if n := strings.Count(main, "\n") - 2; n > 15 {
		t.Errorf("the body of main has %d lines; README promises fifteen", n)
	}
}

// output returns what the program prints.
func output(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	main()
	os.Stdout = stdout
	w.Close()
	out, err := io.ReadAll(r) // the manifests are shorter than a pipe's buffer
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
