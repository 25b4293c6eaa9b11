// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"bytes"
	"fmt"
	"io"
)

// WriteGitHub writes a workflow command for each finding. If a step of GitHub Actions writes them to its standard output, they
// are shown beside the lines of a pull request. A number that is not a severity is an error.
func (l List) WriteGitHub(w io.Writer) error {
	var b bytes.Buffer
	for _, f := range l {
		command, err := f.Severity.word("notice")
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "::%s ", command)
		if f.File != "" {
			fmt.Fprintf(&b, "file=%s,line=%d,", escapeCommandProperty(f.File), max(f.Line, 1))
		}
		text := f.Message
		if subject := f.subject(); subject != "" {
			text = subject + ": " + text
		}
		fmt.Fprintf(&b, "title=%s::%s", escapeCommandProperty(f.Code), escapeCommandText(text))
		if f.Hint != "" {
			b.WriteString("%0A" + escapeCommandText(f.Hint))
		}
		b.WriteByte('\n')
	}
	return write(w, b.Bytes())
}
