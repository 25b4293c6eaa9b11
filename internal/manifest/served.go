// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wsmesh/wsmesh/internal/names"
	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// servedMetadata is what the API server adds to metadata, and what takes part in nothing that istiod reads: each field
// with the check of its value. The values are dropped, and yet checked, because the API server refuses the whole object
// for one of them (apimachinery pkg/apis/meta/v1 for the types, pkg/api/validation/objectmeta.go for the rules).
// A null is no value.
var servedMetadata = map[string]func(*parser, any){
	"creationTimestamp":          (*parser).servedTime,
	"deletionGracePeriodSeconds": (*parser).servedInteger,
	"deletionTimestamp":          (*parser).servedTime,
	"finalizers":                 (*parser).finalizers,
	"generateName":               (*parser).generateName,
	"generation":                 (*parser).servedInteger,
	"managedFields":              func(p *parser, v any) { p.servedList(v, (*parser).managedFields) },
	"ownerReferences":            (*parser).ownerReferences,
	"resourceVersion":            (*parser).servedText,
	"selfLink":                   (*parser).servedText,
	"uid":                        (*parser).servedText,
}

// served checks the fields of an object that the API server wrote.
func (p *parser) served(fields map[string]any, checks map[string]func(*parser, any)) {
	for _, name := range sortedKeys(checks) {
		if v := fields[name]; v != nil {
			p.path.push(field(name))
			checks[name](p, v)
			p.path.pop()
		}
	}
}

func (p *parser) notServed(v any, want string) {
	p.add(finding.New(finding.WS911, p.path.String(), fmt.Sprintf("%s is not %s", describe(v), want), "remove it: the API server sets it"))
}

func (p *parser) servedText(v any) {
	if _, ok := v.(string); !ok {
		p.notServed(v, "a string")
	}
}

func (p *parser) servedFlag(v any) {
	if _, ok := v.(bool); !ok {
		p.notServed(v, "true or false")
	}
}

func (p *parser) servedTime(v any) {
	s, ok := v.(string)
	if _, err := time.Parse(time.RFC3339, s); !ok || err != nil {
		p.notServed(v, "a time such as 2026-01-31T12:00:00Z")
	}
}

// servedInteger takes 3.0 too: the API server writes it as 3 before it reads it as an integer.
func (p *parser) servedInteger(v any) {
	n, ok := v.(float64)
	if number, isNumber := v.(json.Number); isNumber {
		if _, err := strconv.ParseInt(string(number), 10, 64); err == nil {
			return
		}
		var err error
		n, err = strconv.ParseFloat(string(number), 64)
		ok = err == nil
	}
	if !ok || n != math.Trunc(n) || n < -(1<<63) || n >= 1<<63 {
		p.notServed(v, "a whole number of 64 bits")
	}
}

// servedList checks each entry of a list; a null among them is an empty value.
func (p *parser) servedList(v any, check func(*parser, any)) {
	items, ok := v.([]any)
	if !ok {
		p.notServed(v, "a list")
		return
	}
	for i, v := range items {
		p.path.push(item(i))
		check(p, v)
		p.path.pop()
	}
}

// servedObject checks the fields of an object, of which it refuses those that are not known.
func (p *parser) servedObject(v any, kind string, checks map[string]func(*parser, any)) map[string]any {
	fields, ok := v.(map[string]any)
	if !ok {
		p.notServed(v, "an object")
		return nil
	}
	p.served(fields, checks)
	p.only(fields, kind, sortedKeys(checks)...)
	return fields
}

func (p *parser) finalizers(v any) {
	p.servedList(v, func(p *parser, v any) {
		if s, ok := v.(string); !ok || names.QualifiedName(s) != "" {
			p.notServed(v, "the name of a finalizer")
		}
	})
	if list, ok := v.([]any); ok && slices.Contains(list, any("orphan")) && slices.Contains(list, any("foregroundDeletion")) {
		p.notServed(v, "a list of finalizers that go together: orphan and foregroundDeletion exclude each other")
	}
}

// generateName is a name that still lacks its end (apimachinery pkg/api/validation/generic.go, maskTrailingDash).
func (p *parser) generateName(v any) {
	s, ok := v.(string)
	if len(s) > 1 && strings.HasSuffix(s, "-") {
		s = s[:len(s)-2] + "a"
	}
	if !ok || s != "" && names.Subdomain(s) != "" {
		p.notServed(v, "the beginning of a DNS subdomain")
	}
}

var ownerReference = map[string]func(*parser, any){
	"apiVersion": (*parser).servedText, "kind": (*parser).servedText, "name": (*parser).servedText, "uid": (*parser).servedText,
	"controller": (*parser).servedFlag, "blockOwnerDeletion": (*parser).servedFlag,
}

func (p *parser) ownerReferences(v any) {
	controllers := 0
	p.servedList(v, func(p *parser, v any) {
		fields := p.servedObject(v, "OwnerReference", ownerReference)
		if fields == nil {
			return
		}
		group, version, grouped := strings.Cut(text(fields["apiVersion"]), "/")
		if !grouped {
			group, version = "", group
		}
		kind := text(fields["kind"])
		event := group == "" && version == "v1" && kind == "Event"
		if version == "" || strings.Contains(version, "/") || kind == "" || text(fields["name"]) == "" || text(fields["uid"]) == "" || event {
			p.notServed(v, "a reference to an owner, with apiVersion, kind, name and uid")
		}
		if fields["controller"] == true {
			controllers++
		}
	})
	if controllers > 1 {
		p.notServed(v, "a list of owners of which at most one is the controller")
	}
}

var managedField = map[string]func(*parser, any){
	"apiVersion": (*parser).servedText, "fieldsType": (*parser).servedText, "manager": (*parser).servedText,
	"operation": (*parser).servedText, "subresource": (*parser).servedText, "time": (*parser).servedTime,
	"fieldsV1": func(*parser, any) {}, // any JSON
}

// managedFields checks one entry (apimachinery pkg/apis/meta/v1/validation, ValidateManagedFields).
func (p *parser) managedFields(v any) {
	fields := p.servedObject(v, "ManagedFieldsEntry", managedField)
	if fields == nil {
		return
	}
	operation, fieldsType, manager := text(fields["operation"]), text(fields["fieldsType"]), text(fields["manager"])
	unprintable := strings.ContainsFunc(manager, func(r rune) bool { return !unicode.IsPrint(r) })
	if operation != "Apply" && operation != "Update" || fieldsType != "" && fieldsType != "FieldsV1" ||
		len(manager) > 128 || unprintable || len(text(fields["subresource"])) > 256 {
		p.notServed(v, "an entry of managedFields, with operation Apply or Update and fieldsType FieldsV1")
	}
}

// text returns a string, and "" for what is none.
func text(v any) string {
	s, _ := v.(string)
	return s
}
