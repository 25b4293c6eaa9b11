// SPDX-License-Identifier: Apache-2.0

package linked_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/wsmesh/wsmesh/internal/envoyapi"
	"github.com/wsmesh/wsmesh/internal/envoyapi/envoyapitest"
	_ "github.com/wsmesh/wsmesh/internal/envoyapi/linked"
	"github.com/wsmesh/wsmesh/internal/golden"
)

// archivePath is the archive that package envoyapi embeds.
const archivePath = "../descriptors.zip"

// files returns the .proto files of all messages that an EnvoyFilter may carry, by path: those below envoy/, of Envoy
// and of Istio's own filters, and what they import, without package google.protobuf, which every program links.
func files() map[string]*descriptorpb.FileDescriptorProto {
	all := map[string]*descriptorpb.FileDescriptorProto{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if all[fd.Path()] != nil || fd.Package() == "google.protobuf" {
			return
		}
		file := protodesc.ToFileDescriptorProto(fd)
		all[fd.Path()] = file
		bare(file.ProtoReflect())
		// An import that declares options alone is not needed without them.
		file.Dependency = slices.DeleteFunc(file.GetDependency(), isAnnotation)
		file.PublicDependency, file.WeakDependency = nil, nil
		for i := range fd.Imports().Len() {
			if path := fd.Imports().Get(i).Path(); !isAnnotation(path) {
				add(fd.Imports().Get(i).FileDescriptor)
			}
		}
	}
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(fd.Path(), "envoy/") || fd.Path() == "xds/type/v3/typed_struct.proto" {
			add(fd)
		}
		return true
	})
	return all
}

// isAnnotation reports whether a file declares options of descriptors.
func isAnnotation(path string) bool {
	return strings.Contains(path, "/annotations/") || strings.HasPrefix(path, "validate/")
}

// bare clears the options in a descriptor that are not protobuf's own, but for the rules of package validate.
func bare(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsExtension():
			if fd.FullName().Parent() != "validate" {
				m.Clear(fd)
			}
		case fd.Message() != nil && fd.IsList():
			for i := range v.List().Len() {
				bare(v.List().Get(i).Message())
			}
		case fd.Message() != nil:
			bare(v.Message())
			if v.Message().Descriptor().Name() != "FieldRules" && proto.Size(v.Message().Interface()) == 0 {
				m.Clear(fd)
			}
		}
		return true
	})
}

// archive returns what package envoyapi embeds: the name and content of each file.
func archive(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	var index strings.Builder
	descriptors := files()
	for _, path := range slices.Sorted(maps.Keys(descriptors)) {
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(descriptors[path])
		if err != nil {
			t.Fatal(err)
		}
		all[path] = data
		if messages := descriptors[path].GetMessageType(); len(messages) > 0 {
			index.WriteString(path)
			for _, m := range messages {
				index.WriteString(" " + descriptors[path].GetPackage() + "." + m.GetName())
			}
			index.WriteString("\n")
		}
	}
	all[envoyapi.Index] = []byte(index.String())
	return all
}

// TestDescriptors compares the embedded descriptors with those of the Go types. With WSMESH_UPDATE=1 it writes them if they
// differ; if not it leaves the archive alone, since another release of Go may compress the same files differently.
func TestDescriptors(t *testing.T) {
	want := archive(t)
	if len(want) < 300 {
		t.Errorf("there are only %d files", len(want))
	}
	if maps.EqualFunc(embedded(t), want, bytes.Equal) {
		return
	}
	if !golden.Updating(t) {
		t.Fatalf("%s does not hold the descriptors of the Go types: run the test with WSMESH_UPDATE=1", archivePath)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestCompression) })
	for _, name := range slices.Sorted(maps.Keys(want)) {
		entry, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write(want[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archivePath, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// embedded returns what is in the archive, and nothing where there is none.
func embedded(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	r, err := zip.OpenReader(archivePath)
	if err != nil {
		return all
	}
	defer r.Close()
	for _, f := range r.File {
		entry, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[f.Name], err = io.ReadAll(entry); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// messages returns the Go types of the messages in the archive, nested ones too, by name.
func messages(t testing.TB) []protoreflect.MessageType {
	t.Helper()
	var all []protoreflect.MessageType
	descriptors := files()
	protoregistry.GlobalTypes.RangeMessages(func(mt protoreflect.MessageType) bool {
		if descriptors[mt.Descriptor().ParentFile().Path()] != nil && !mt.Descriptor().IsMapEntry() {
			all = append(all, mt)
		}
		return true
	})
	slices.SortFunc(all, func(a, b protoreflect.MessageType) int {
		return strings.Compare(string(a.Descriptor().FullName()), string(b.Descriptor().FullName()))
	})
	if len(all) < 1000 {
		t.Fatalf("there are only %d messages", len(all))
	}
	return all
}

// unlinked finds messages as a program does that links no Go type of Envoy's.
func unlinked() envoyapi.Resolver { return envoyapi.NewResolver(new(protoregistry.Types)) }

// TestUnlinked finds each message without its Go type, and compares the two.
func TestUnlinked(t *testing.T) {
	types := unlinked()
	for _, mt := range messages(t) {
		name := mt.Descriptor().FullName()
		got, err := types.FindMessageByName(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, ok := got.New().Interface().(*dynamicpb.Message); !ok {
			t.Errorf("%s is found as its Go type", name)
		}
		if again, _ := types.FindMessageByName(name); again != got {
			t.Errorf("%s has two types", name)
		}
		linked, err := envoyapi.Types.FindMessageByName(name)
		if err != nil || linked != mt {
			t.Errorf("%s is not found as its Go type, which is linked: %v", name, err)
		}
		a, b := protodesc.ToDescriptorProto(mt.Descriptor()), protodesc.ToDescriptorProto(got.Descriptor())
		bare(a.ProtoReflect())
		if !proto.Equal(a, b) {
			t.Errorf("%s has other fields without its Go type", name)
		}
	}
}

// violation is an error of ValidateAll.
type violation interface {
	Field() string
	Reason() string
}

// oracle returns what ValidateAll says of m's own fields.
func oracle(t *testing.T, m protoreflect.Message) []string {
	t.Helper()
	v, ok := m.Interface().(interface{ ValidateAll() error })
	if !ok {
		return nil
	}
	all, ok := v.ValidateAll().(interface{ AllErrors() []error })
	if !ok {
		return nil
	}
	var texts []string
	for _, err := range all.AllErrors() {
		v, ok := err.(violation)
		if !ok {
			t.Fatalf("%s: %T is no violation", m.Descriptor().FullName(), err)
		}
		switch v.Reason() {
		case "embedded message failed validation", "value must be one of the defined enum values": // see package envoyapi
		default:
			texts = append(texts, plain(v.Field())+": "+v.Reason())
		}
	}
	slices.Sort(texts)
	return texts
}

// plain returns one spelling for the name of a field in Go and in a .proto file. An index or key may follow the name.
func plain(name string) string {
	name, index, ok := strings.Cut(name, "[")
	name = strings.ToLower(strings.ReplaceAll(name, "_", ""))
	if ok {
		name += "[" + index
	}
	return name
}

func verdict(m protoreflect.Message) []string {
	var texts []string
	for _, v := range envoyapi.Violations(m) {
		name := ""
		if v.Field != nil {
			name = string(v.Field.Name())
		} else {
			name = string(v.Oneof.Name())
		}
		switch {
		case v.Index >= 0:
			name += "[" + strconv.Itoa(v.Index) + "]"
		case v.Key.IsValid():
			name += "[" + v.Key.String() + "]"
		}
		texts = append(texts, plain(name)+": "+v.Reason)
	}
	slices.Sort(texts)
	return texts
}

// checkRules compares what Violations returns for a message with what ValidateAll returns, for its Go type and for its type of
// package dynamicpb. It returns the violations.
func checkRules(t *testing.T, types envoyapi.Resolver, m protoreflect.Message) []string {
	t.Helper()
	want := oracle(t, m)
	data, err := proto.Marshal(m.Interface())
	if err != nil {
		t.Fatal(err)
	}
	mt, err := types.FindMessageByName(m.Descriptor().FullName())
	if err != nil {
		t.Fatal(err)
	}
	dynamic := mt.New()
	if err := proto.Unmarshal(data, dynamic.Interface()); err != nil {
		t.Fatal(err)
	}
	for _, m := range []protoreflect.Message{m, dynamic} {
		if got := verdict(m); !slices.Equal(got, want) {
			t.Fatalf("%T %v\nthe rules say  %q\nValidateAll    %q", m.Interface(), m, got, want)
		}
	}
	return want
}

// TestRules checks random messages of all types.
func TestRules(t *testing.T) {
	types, all := unlinked(), messages(t)
	r := envoyapitest.New(7, envoyapi.Types)
	rules := map[string]bool{}
	violations := 0
	for range 40 {
		for _, mt := range all {
			for _, m := range []protoreflect.Message{mt.New(), r.Message(mt, 0)} {
				for _, text := range checkRules(t, types, m) {
					rules[text] = true
					violations++
				}
			}
		}
	}
	if violations < 10_000 || len(rules) < 500 {
		t.Errorf("only %d violations of %d rules were tried", violations, len(rules))
	}
}

// TestRulesOfDurations checks durations that are not valid, which random messages do not have.
func TestRulesOfDurations(t *testing.T) {
	for _, d := range []*durationpb.Duration{{Seconds: 1, Nanos: -1}, {Seconds: 1 << 60}, {Nanos: 2_000_000_000}} {
		if got := checkRules(t, unlinked(), (&clusterv3.Cluster{ConnectTimeout: d}).ProtoReflect()); !slices.Contains(got, "connecttimeout: value is not a valid duration") {
			t.Errorf("%v: %q", d, got)
		}
	}
}

// FuzzRules checks messages in the form in which they are sent.
func FuzzRules(f *testing.F) {
	types, all := unlinked(), messages(f)
	r := envoyapitest.New(8, envoyapi.Types)
	for i := 0; i < len(all); i += 10 {
		data, err := proto.Marshal(r.Message(all[i], 0).Interface())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint16(i), data)
	}
	f.Fuzz(func(t *testing.T, i uint16, data []byte) {
		m := all[int(i)%len(all)].New()
		if proto.Unmarshal(data, m.Interface()) == nil {
			checkRules(t, types, m)
		}
	})
}

// TestRuleKinds lists the kinds of rules in Envoy's API. A kind that is new must be added to package envoyapi.
func TestRuleKinds(t *testing.T) {
	kinds := map[string]int{}
	var rules func(path string, m protoreflect.Message)
	rules = func(path string, m protoreflect.Message) {
		m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			name := path + "." + string(fd.Name())
			if fd.Message() != nil && !fd.IsList() && fd.Message().FullName().Parent() == "validate" {
				rules(name, v.Message())
			} else {
				kinds[name]++
			}
			return true
		})
	}
	options := func(d protoreflect.Descriptor) {
		d.Options().ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch {
			case !fd.IsExtension() || fd.FullName().Parent() != "validate":
			case fd.Message() != nil:
				rules(string(fd.FullName()), v.Message())
			default:
				kinds[string(fd.FullName())]++
			}
			return true
		})
	}
	for _, mt := range messages(t) {
		md := mt.Descriptor()
		options(md)
		for i := range md.Fields().Len() {
			options(md.Fields().Get(i))
		}
		for i := range md.Oneofs().Len() {
			options(md.Oneofs().Get(i))
		}
	}
	var list strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintln(&list, kind)
	}
	golden.Equal(t, "testdata/rule-kinds.txt", []byte(list.String()))
}
