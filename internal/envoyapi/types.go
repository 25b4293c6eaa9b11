// SPDX-License-Identifier: Apache-2.0

// Package envoyapi knows the messages that an EnvoyFilter may carry, those of Envoy's v3 API and of Istio's own
// filters: their types by name, and the rules that Envoy holds them to.
//
// A message has the Go type that is generated for it where the program links that. Few programs link more than the
// handful of packages that they build patches with. Linking all 300 for them would take 7 ms and 9 MiB whenever they
// start, 20 MB of the program, and 15 s to compile. So the descriptors of all messages are embedded, a file of them is
// read when a message in it is asked for by name (the first one of a program takes 5 ms), and where no Go type is linked
// package dynamicpb makes one. Both kinds have the same fields and are held to the same rules: package linked, in which
// every Go type is linked, has the tests.
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

// descriptors holds a google.protobuf.FileDescriptorProto for each .proto file, under its path, and [Index]. The test of
// package linked writes it.
//
//go:embed descriptors.zip
var descriptors string

// Index is the name of the file in the archive that says which messages are in which .proto file: a line for each file,
// with its path and the full names of its messages, nested ones left out.
const Index = "index"

// A Resolver finds messages by name, for protojson and [proto.UnmarshalOptions] too.
type Resolver struct {
	*protoregistry.Types // of the program: extensions are looked up there alone

	all *library
}

// Types finds the messages of Envoy's API, and what else the program links.
var Types = NewResolver(protoregistry.GlobalTypes)

// NewResolver returns a Resolver that takes the Go types in linked for those that the program links.
func NewResolver(linked *protoregistry.Types) Resolver { return Resolver{linked, &library{}} }

// Names returns the full names of the messages of Envoy's API in their order, nested ones left out.
func (r Resolver) Names() []protoreflect.FullName {
	r.all.open.Do(r.all.index)
	return slices.Sorted(maps.Keys(r.all.paths))
}

// FindMessageByName returns the Go type that is generated for the message, or where the program does not link it a type
// of package dynamicpb, the same on each call. The error is [protoregistry.NotFound] where Envoy's API has no such message.
func (r Resolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if mt, err := r.Types.FindMessageByName(name); err == nil {
		return mt, nil
	}
	return r.all.message(name)
}

// FindMessageByURL is FindMessageByName with what stands in an "@type". The URL of udpa.type.v1.TypedStruct, which most
// EnvoyFilters in use still carry, stands for xds.type.v3.TypedStruct: the two have the same fields.
func (r Resolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	name := protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:])
	if name == "udpa.type.v1.TypedStruct" {
		name = "xds.type.v3.TypedStruct"
	}
	return r.FindMessageByName(name)
}

// WellKnown returns a message of package google.protobuf as its Go type, which all programs link, where it stands in a
// message of package dynamicpb and has not that type by itself. Other messages it returns as they are.
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

// HasOwnForm reports whether protobuf's JSON mapping has a form of its own for the message. In an Any it then stands in a
// field "value".
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

// A library reads .proto files from the archive when a message of theirs is asked for. The files of package
// google.protobuf, which every program links, are none of its own.
type library struct {
	open sync.Once
	// entries are the files in the archive, by path, and paths those that hold a message, by its name.
	entries map[string]*zip.File
	paths   map[protoreflect.FullName]string

	mu    sync.Mutex // for what follows
	files protoregistry.Files
}

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
	return dynamicpb.NewMessageType(md), nil // those of one descriptor are equal
}

// index reads what the archive holds. A broken archive, which a test would have found, holds nothing.
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

// read returns what is in the archive under the name.
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

// FindFileByPath returns a .proto file, for which it reads those that the file imports. It is called with mu held, also
// by protodesc.
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

// FindDescriptorByName finds what the files that are read declare, for protodesc.
func (l *library) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := l.files.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}
