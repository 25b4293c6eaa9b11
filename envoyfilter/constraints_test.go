// SPDX-License-Identifier: Apache-2.0

package envoyfilter

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsmesh/wsmesh/wsmesh/finding"
)

// TestConstraintMessages pins what a broken rule of Envoy's API is said to be, with the value.
func TestConstraintMessages(t *testing.T) {
	const tail = " breaks a rule of Envoy's API: "
	tests := []struct{ reason, patch, path, want string }{
		{"a text", manager(`server_name: "a\nb"`), "typed_config.server_name", `server_name "a\nb"` + tail + `value does not match regex pattern "^[^\x00\n\r]*$"`},
		{"a duration", patchOf("CLUSTER", "", "MERGE", "{connect_timeout: 0s}"), "connect_timeout", "connect_timeout 0s" + tail + "value must be greater than 0s"},
		{"a wrapper", manager("http2_protocol_options: {max_concurrent_streams: 0}"), "typed_config.http2_protocol_options.max_concurrent_streams",
			"max_concurrent_streams 0" + tail + "value must be inside range [1, 2147483647]"},
		{"an enum", patchOf("CLUSTER", "", "ADD", "{name: c, lb_policy: LOAD_BALANCING_POLICY_CONFIG, upstream_connection_options: {}, ring_hash_lb_config: {hash_function: 9}}"),
			"ring_hash_lb_config.hash_function", "9 is no value of envoy.config.cluster.v3.Cluster.RingHashLbConfig.HashFunction"},
		{"an enum that may not be the first", patchOf("CLUSTER", "", "MERGE", "{health_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /, method: CONNECT}}]}"),
			"health_checks[0].http_health_check.method", "method CONNECT" + tail + "value must not be in list [CONNECT]"},
		{"a field that is missing", patchOf("CLUSTER", "", "MERGE", "{health_checks: [{interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /}}]}"),
			"health_checks[0].timeout", "timeout" + tail + "value is required"},
		{"an entry of a list of texts", patchOf("VIRTUAL_HOST", "", "MERGE", "{domains: [\"a\\nb\"]}"), "domains[0]", `domains "a\nb"` + tail + `value does not match regex pattern "^[^\x00\n\r]*$"`},
		{"a list that is too short, where it is not appended to another", patchOf("VIRTUAL_HOST", "", "ADD", "{name: v}"), "domains", "domains" + tail + "value must contain at least 1 item(s)"},
		{"a number", patchOf("HTTP_ROUTE", "", "MERGE", "{direct_response: {status: 7}}"), "direct_response.status", "status 7" + tail + "value must be inside range [200, 600)"},
		{"bytes", patchOf("HTTP_ROUTE", "", "MERGE", "{request_headers_to_add: [{header: {key: a, raw_value: '"+strings.Repeat("YWFh", 6000)+"'}}]}"), "request_headers_to_add[0].header.raw_value",
			"raw_value of 18000 bytes" + tail + "value length must be between 0 and 16384 bytes, inclusive"},
		{"a duration in a message whose Go type is not linked", patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", `{name: l, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit,
  stat_prefix: s, token_bucket: {max_tokens: 1, fill_interval: 0s}}}`), "typed_config.token_bucket.fill_interval", "fill_interval 0s" + tail + "value must be greater than 0s"},
		{"a choice", patchOf("HTTP_ROUTE", "", "INSERT_FIRST", "{match: {prefix: /}}"), "",
			"the choice of route, redirect, direct_response, filter_action, non_forwarding_action" + tail + "value is required"},
		{"the key of a map", patchOf("CLUSTER", "", "MERGE", "{metadata: {filter_metadata: {'': {a: 1}}}}"), `metadata.filter_metadata[""]`,
			"filter_metadata" + tail + "value length must be at least 1 runes"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			f, err := Parse(manifestOf(patches(test.patch)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range f.Validate() {
				if f.Severity == finding.SeverityError {
					got = append(got, f.Path, f.Message)
				}
			}
			path := "spec.configPatches[0].patch.value"
			if test.path != "" {
				path += "." + test.path
			}
			if len(got) != 2 || got[0] != path || got[1] != test.want {
				t.Errorf("got %q, want %q", got, []string{path, test.want})
			}
		})
	}
}

// TestSkippedRules checks that what Envoy's API takes out of its own rules is not held to them: the entry of a
// KeyValueAppend, which its record has replaced, may have a key of any length.
func TestSkippedRules(t *testing.T) {
	mutation := func(field string) string {
		return patchOf("HTTP_FILTER", matchRouter, "INSERT_BEFORE", `{name: m, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation,
  mutations: {query_parameter_mutations: [{append: {`+field+`: {key: '`+strings.Repeat("k", 20_000)+`', value: YWFh}}}]}}}`)
	}
	for field, want := range map[string]int{"entry": 0, "record": 1} {
		f, err := Parse(manifestOf(patches(mutation(field))))
		if err != nil {
			t.Fatal(err)
		}
		if list := f.Validate().Errors(); len(list) != want {
			t.Errorf("%s: %v", field, list)
		}
	}
}

// TestRulesOfRemove checks that the value of a REMOVE, which nothing is made of, is held to no rules.
func TestRulesOfRemove(t *testing.T) {
	for operation, want := range map[string]bool{"REMOVE": false, "MERGE": true} {
		f, err := Parse(manifestOf(patches(patchOf("CLUSTER", "", operation, "{connect_timeout: -1s}"))))
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(f.Validate(), func(f finding.Finding) bool { return f.Code == "WS260" }); got != want {
			t.Errorf("%s: %v", operation, f.Validate())
		}
	}
}

// TestZeroInMerge checks that a field which a MERGE cannot set is reported for that, and not for the rule that its zero breaks.
func TestZeroInMerge(t *testing.T) {
	f, err := Parse(manifestOf(patches(manager(`http2_protocol_options: {allow_connect: true}, stat_prefix: ""`))))
	if err != nil {
		t.Fatal(err)
	}
	if list := f.Validate().Errors(); len(list) != 1 || list[0].Code != "WS266" {
		t.Error(list)
	}
}

// TestListsThatAreTooShort checks that a MERGE may bring an entry to a list that has the others, and an ADD may not.
func TestListsThatAreTooShort(t *testing.T) {
	const tap = `{name: t, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.tap.v3.Tap,
  common_config: {static_config: {match: {or_match: {rules: [{any_match: true}]}}, output_config: {sinks: [{format: JSON_BODY_AS_BYTES, streaming_admin: {}}]}}}}}`
	for operation, want := range map[string]bool{"MERGE": false, "INSERT_BEFORE": true} {
		f, err := Parse(manifestOf(patches(patchOf("HTTP_FILTER", matchRouter, operation, tap))))
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(f.Validate(), func(f finding.Finding) bool { return strings.HasSuffix(f.Message, "at least 2 item(s)") })
		if got != want {
			t.Errorf("%s: %v", operation, f.Validate())
		}
	}
}

// TestPartialMessages checks that what a MERGE leaves out is not held against it, and that the same in an ADD is.
func TestPartialMessages(t *testing.T) {
	for _, value := range []string{
		"{connect_timeout: 1s}",                                           // no name
		"{load_assignment: {endpoints: [{}]}}",                            // no cluster_name
		"{outlier_detection: {interval: 1s}, dns_lookup_family: V4_ONLY}", // no name
		"{transport_socket: {typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: a}}}", // no name of the socket
	} {
		for operation, want := range map[string]bool{"MERGE": false, "ADD": true} {
			f, err := Parse(manifestOf(patches(patchOf("CLUSTER", "", operation, value))))
			if err != nil {
				t.Fatal(err)
			}
			if list := f.Validate(); (list.Err() != nil) != want {
				t.Errorf("%s of %s: %v", operation, value, list)
			}
		}
	}
}
