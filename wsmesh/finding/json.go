// SPDX-License-Identifier: Apache-2.0

package finding

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// WriteJSON writes the findings as a JSON array, empty where there are none. [encoding/json.Unmarshal] reads it back into
// an equal List, but for bytes that are not UTF-8, which JSON cannot hold. A severity that is none is an error.
func (l List) WriteJSON(w io.Writer) error {
	if l == nil {
		l = List{} // an empty array rather than null
	}
	return writeJSON(w, l)
}

func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // escapeJSON does what is needed of it, and leaves ">=1.12" as it is
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return write(w, escapeJSON(b.Bytes()))
}

// write is how each printer writes: all of it at once, or nothing.
func write(w io.Writer, data []byte) error {
	if w == nil {
		return errors.New("findings cannot be written to a nil io.Writer: give one, such as os.Stdout")
	}
	_, err := w.Write(data)
	return err
}
