// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	binaryTag    = "!!binary"
	timestampTag = "!!timestamp"
)

// words are the values of the scalars without quotes that are no strings and no numbers in digits.
var words = map[string]struct{ tag, value string }{
	"": {nullTag, ""}, "~": {nullTag, ""}, "null": {nullTag, ""}, "Null": {nullTag, ""}, "NULL": {nullTag, ""},
	".nan": {floatTag, "NaN"}, ".NaN": {floatTag, "NaN"}, ".NAN": {floatTag, "NaN"},
	".inf": {floatTag, "+Inf"}, ".Inf": {floatTag, "+Inf"}, ".INF": {floatTag, "+Inf"},
	"+.inf": {floatTag, "+Inf"}, "+.Inf": {floatTag, "+Inf"}, "+.INF": {floatTag, "+Inf"},
	"-.inf": {floatTag, "-Inf"}, "-.Inf": {floatTag, "-Inf"}, "-.INF": {floatTag, "-Inf"},
}

func init() {
	for value, spellings := range map[string]string{
		"true":  "y Y yes Yes YES true True TRUE on On ON",
		"false": "n N no No NO false False FALSE off Off OFF",
	} {
		for s := range strings.FieldsSeq(spellings) {
			words[s] = struct{ tag, value string }{boolTag, value}
		}
	}
}

// resolve returns the tag of a scalar without quotes and its value, a number as JSON writes it. The meaning is that of
// goyaml.v2: YAML 1.1, but without numbers to the base of 60, and with those of Go's literals, such as 0o17.
func resolve(s string) (tag, value string) {
	if s == "" {
		return nullTag, ""
	}
	switch c := s[0]; {
	case strings.IndexByte("yYnNtTfFoO~", c) >= 0:
		if w, ok := words[s]; ok {
			return w.tag, s
		}
	case c == '.':
		if w, ok := words[s]; ok {
			return w.tag, w.value
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return floatTag, FormatFloat(f)
		}
	case c == '+' || c == '-' || '0' <= c && c <= '9':
		if w, ok := words[s]; ok {
			return w.tag, w.value
		}
		if tag, value, ok := number(s); ok {
			return tag, value
		}
	}
	return strTag, s
}

// yamlFloat is what a number with a fraction or an exponent looks like.
var yamlFloat = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// number reads a number that begins with a digit or a sign.
func number(s string) (tag, value string, ok bool) {
	if isTimestamp(s) {
		return "", "", false
	}
	s = strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(s, 0, 64); err == nil {
		return intTag, strconv.FormatInt(i, 10), true
	}
	if u, err := strconv.ParseUint(s, 0, 64); err == nil {
		return intTag, strconv.FormatUint(u, 10), true
	}
	if yamlFloat.MatchString(s) {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return floatTag, FormatFloat(f), true
		}
	}
	// What is left are digits after 0b with another sign in between.
	if digits, isBinary := strings.CutPrefix(s, "0b"); isBinary {
		if i, err := strconv.ParseInt(digits, 2, 64); err == nil {
			return intTag, strconv.FormatInt(i, 10), true
		}
	} else if digits, isBinary := strings.CutPrefix(s, "-0b"); isBinary {
		if i, err := strconv.ParseInt("-"+digits, 2, 64); err == nil {
			return intTag, strconv.FormatInt(i, 10), true
		}
	}
	return "", "", false
}

func isInt64(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// FormatFloat writes a number for JSON, and one that JSON does not have as package strconv does.
func FormatFloat(f float64) string {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// isTimestamp reports whether a scalar is a time, which kubectl takes for a string.
func isTimestamp(s string) bool {
	if len(s) < 6 || s[4] != '-' || strings.Trim(s[:4], "0123456789") != "" {
		return false
	}
	for _, layout := range []string{"2006-1-2T15:4:5.999999999Z07:00", "2006-1-2t15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999", "2006-1-2"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
