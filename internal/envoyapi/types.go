// SPDX-License-Identifier: Apache-2.0

// Package envoyapi finds the messages that an EnvoyFilter may carry, those of Envoy's v3 API and of Istio's own filters, by
// name, and checks them by the rules in their .proto files. It imports nothing of this module.
//
// If the program links the Go type that is generated for a message, that is its type. Few programs link more than the
// handful of packages that they build patches with. Linking all 300 would take 7 ms and 9 MiB at each start, 20 MB of the
// program, and 15 s to compile. So the descriptors of all messages are embedded. The descriptor of a .proto file is read when
// a message in it is asked for by name, which takes 5 ms for the first one, and package dynamicpb makes a type of it. Both
// kinds of types have the same fields and are checked by the same rules: package linked, which links every Go type, has the
// tests.
package envoyapi

import (
	"archive/zip"
	_ "embed" // the descriptors
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// descriptors is a zip archive with a google.protobuf.FileDescriptorProto for each .proto file, under its path, and the file
// [Index]. The test of package linked writes it.
//
//go:embed descriptors.zip
var descriptors string

// Index is the name of the file in the archive that says which messages are in which .proto file. It has a line for each
// .proto file, with its path and the full names of its messages; nested messages are left out.
const Index = "index"

// A Resolver finds messages by name. Package protojson and [proto.UnmarshalOptions] accept one, too.
type Resolver struct {
	*protoregistry.Types // of the program: extensions are looked up there alone

	all *library
}

// Types finds the messages of Envoy's API, and all others that the program links.
var Types = NewResolver(protoregistry.GlobalTypes)

// NewResolver returns a Resolver for which the Go types in linked are those that the program links.
func NewResolver(linked *protoregistry.Types) Resolver { return Resolver{linked, &library{}} }

// Names returns the full names of the messages of Envoy's API, sorted. Nested messages are left out.
func (r Resolver) Names() []protoreflect.FullName {
	r.all.open.Do(r.all.index)
	return slices.Sorted(maps.Keys(r.all.paths))
}

// FindMessageByName returns the Go type that is generated for the message if the program links it, and otherwise a type of
// package dynamicpb, the same on each call. The error is [protoregistry.NotFound] if Envoy's API has no such message.
func (r Resolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if mt, err := r.Types.FindMessageByName(name); err == nil {
		return mt, nil
	}
	return r.all.message(name)
}

// FindMessageByURL is FindMessageByName for the value of an "@type". The URL of udpa.type.v1.TypedStruct, which most
// EnvoyFilters in use still carry, stands for xds.type.v3.TypedStruct: the two have the same fields.
func (r Resolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	name := protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:])
	if name == "udpa.type.v1.TypedStruct" {
		name = "xds.type.v3.TypedStruct"
	}
	return r.FindMessageByName(name)
}

// WellKnown returns a message of package google.protobuf as its Go type, which all programs link, if it is of package
// dynamicpb, as one in a message of that package is. It returns other messages as they are.
func WellKnown(m protoreflect.Message) protoreflect.Message {
	if _, ok := m.Interface().(*dynamicpb.Message); !ok || m.Descriptor().FullName().Parent() != "google.protobuf" {
		return m
	}
	mt, err := protoregistry.GlobalTypes.FindMessageByName(m.Descriptor().FullName())
	if err != nil {
		return m
	}
	if !m.IsValid() {
		return mt.Zero()
	}
	known := mt.New()
	proto.Merge(known.Interface(), m.Interface())
	return known
}

// HasOwnForm reports whether protobuf's JSON mapping has a form of its own for the message. In an Any, such a message stands
// in a field "value".
func HasOwnForm(md protoreflect.MessageDescriptor) bool {
	switch md.FullName() {
	case "google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.ListValue", "google.protobuf.Value",
		"google.protobuf.Duration", "google.protobuf.Timestamp", "google.protobuf.FieldMask", "google.protobuf.Empty",
		"google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue",
		"google.protobuf.Int32Value", "google.protobuf.Int64Value", "google.protobuf.UInt32Value",
		"google.protobuf.UInt64Value", "google.protobuf.FloatValue", "google.protobuf.DoubleValue":
		return true
	}
	return false
}

// A library reads the descriptor of a .proto file from the archive when one of its messages is asked for. The archive has no
// files of package google.protobuf, which every program links.
type library struct {
	open    sync.Once
	entries map[string]*zip.File             // the files in the archive, by path
	paths   map[protoreflect.FullName]string // the path of the file with a message, by the name of the message

	mu    sync.Mutex // for what follows
	files protoregistry.Files
}

// message returns a type of package dynamicpb for the message.
func (l *library) message(name protoreflect.FullName) (protoreflect.MessageType, error) {
	l.open.Do(l.index)
	path := ""
	for outer := name; path == "" && outer != ""; outer = outer.Parent() {
		path = l.paths[outer]
	}
	if path == "" {
		return nil, protoregistry.NotFound
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.FindFileByPath(path); err != nil {
		return nil, err
	}
	d, err := l.files.FindDescriptorByName(name)
	if err != nil {
		return nil, err
	}
	md, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, protoregistry.NotFound
	}
	return dynamicpb.NewMessageType(md), nil // two types of one descriptor are equal
}

// index reads the list of messages in the archive. A broken archive, which a test would have found, has none.
func (l *library) index() {
	l.entries, l.paths = map[string]*zip.File{}, map[protoreflect.FullName]string{}
	archive, err := zip.NewReader(strings.NewReader(descriptors), int64(len(descriptors)))
	if err != nil {
		return
	}
	for _, entry := range archive.File {
		l.entries[entry.Name] = entry
	}
	index, err := l.read(Index)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(index)) {
		names := strings.Fields(line)
		for _, name := range names[1:] {
			l.paths[protoreflect.FullName(name)] = names[0]
		}
	}
}

// read returns the file of that name in the archive.
func (l *library) read(name string) ([]byte, error) {
	entry, ok := l.entries[name]
	if !ok {
		return nil, protoregistry.NotFound
	}
	r, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// FindFileByPath returns the descriptor of a .proto file, and reads those of the files that it imports. It is called with mu
// held, by protodesc as well.
func (l *library) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if fd, err := l.files.FindFileByPath(path); err == nil {
		return fd, nil
	}
	data, err := l.read(path)
	if err != nil {
		return protoregistry.GlobalFiles.FindFileByPath(path)
	}
	file := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(data, file); err != nil {
		return nil, err
	}
	fd, err := protodesc.NewFile(file, l)
	if err != nil {
		return nil, err
	}
	return fd, l.files.RegisterFile(fd)
}

// FindDescriptorByName finds what the files declare that have been read. It is for protodesc.
func (l *library) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := l.files.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}
