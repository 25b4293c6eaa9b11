// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// WriteJSON writes the findings as a JSON array, which is empty if there are none. [encoding/json.Unmarshal] reads an equal List
// from it, except for bytes that are not UTF-8, which JSON cannot hold. A number that is not a severity is an error.
func (l List) WriteJSON(w io.Writer) error {
	if l == nil {
		l = List{} // an empty array rather than null
	}
	return writeJSON(w, l)
}

// writeJSON writes v as JSON whose strings are nothing but text wherever it is shown.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // escapeJSON does what is needed, and leaves ">=1.12" as it is
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return write(w, escapeJSON(b.Bytes()))
}

// write writes all of data in one call, so that a printer that fails has written nothing.
func write(w io.Writer, data []byte) error {
	if w == nil {
		return errors.New("findings cannot be written to a nil io.Writer: give one, such as os.Stdout")
	}
	_, err := w.Write(data)
	return err
}
