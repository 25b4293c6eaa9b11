// SPDX-License-Identifier: Apache-2.0

package wsmesh

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// An Object is one manifest: a [*destinationrule.Rule] or an [*envoyfilter.Filter].
type Object interface {
	String() string // "DestinationRule default/websockets-server"
	Validate() finding.List
	MarshalJSON() ([]byte, error)
	YAML() ([]byte, error)
	AppendYAML(dst []byte) ([]byte, error) // YAML, appended to dst
}

// WriteYAML writes the objects as a stream of YAML documents with "---" lines between them, in one call of
// w.Write, so that an object which cannot be encoded leaves nothing half written. It does not validate them.
func WriteYAML(w io.Writer, objs ...Object) error {
	if w == nil {
		return errNoWriter
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	stream := (*buffer)[:0]
	for i, obj := range objs {
		if i > 0 {
			stream = append(stream, "---\n"...)
		}
		if obj == nil {
			return fmt.Errorf("object %d of %d is nil", i+1, len(objs))
		}
		var err error
		if stream, err = obj.AppendYAML(stream); err != nil {
			return err
		}
	}
	*buffer = stream
	_, err := w.Write(stream)
	return err
}

var errNoWriter = errors.New("there is no writer: it is nil")

// The buffers of streams that were written: a generator writes thousands of the same size.
var buffers = sync.Pool{New: func() any { return new([]byte) }}
