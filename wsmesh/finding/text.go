// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"bytes"
	"io"
	"os"
)

// WriteText writes the findings, each on a line as [Finding.String] returns it. If colour is true, the severity has a colour,
// which is for terminals: see [Colour].
func (l List) WriteText(w io.Writer, colour bool) error {
	var b bytes.Buffer
	for _, f := range l {
		severity := f.Severity.String()
		if colour {
			severity = f.Severity.colour() + severity + "\x1b[0m"
		}
		b.WriteString(f.line(severity))
		b.WriteByte('\n')
	}
	return write(w, b.Bytes())
}

// Colour reports whether what is written to f may have colours: f is a terminal, the environment variable NO_COLOR is not
// set (https://no-color.org), and TERM is not dumb.
func Colour(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// colour returns the escape sequence that begins the severity's colour: cyan, yellow or red.
func (s Severity) colour() string {
	switch s {
	case Info:
		return "\x1b[36m"
	case Warning:
		return "\x1b[33m"
	default:
		return "\x1b[31m"
	}
}
