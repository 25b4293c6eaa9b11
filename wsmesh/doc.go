// SPDX-License-Identifier: Apache-2.0

// Package wsmesh makes WebSockets cross an Istio mesh: it decides whether the proxies of clients speak HTTP/2 to a WebSocket
// server, and builds the two objects that have to agree on it.
//
// # Two hops, two objects
//
// A WebSocket from one pod to another passes two proxies:
//
//	application ─▶ client's proxy ══▶ server's proxy ─▶ application
//
// The DestinationRule's h2UpgradePolicy decides what is spoken on the hop in the middle. With UPGRADE the
// client's proxy sends the WebSocket as an extended CONNECT over HTTP/2 ([RFC 8441]), without asking whether the
// server's proxy takes it. That proxy takes it only where http2_protocol_options.allow_connect is set on its
// HttpConnectionManager. No Istio release sets it, so an EnvoyFilter has to. UPGRADE without that filter is
// answered with 503, and the HTTP/2 connection is lost with all that runs over it.
//
// [NewPlan] returns both objects or a DestinationRule that keeps HTTP/1.1, never one half. [Plan.Stages] says
// in which order to apply them, since clients that upgrade before the last server's proxy is ready are
// refused; [Plan.Rollback] says the way back.
//
// # The boundary 1.12.0
//
// The policy is UPGRADE from Istio 1.12.0 on, counted over the oldest control plane and proxy of the mesh. That
// boundary is the one that the documents of Alibaba Cloud Service Mesh give for WebSocket over HTTP/2. Upstream
// code shows no technical change there: istiod 1.11.8 applies the pair just as 1.12.0 does, and the remedy was
// confirmed on 1.10 ([istio/istio#33534]). Options.MinimumRelease moves the boundary for those who have tried it.
//
// A release later than the newest that this library knows is planned as that one, with a warning.
//
// # Several ports
//
// WebSocket over HTTP/2 needs a port that Istio reads as HTTP/1. Where all ports of a Service are, the policy stands at the
// destination level of the DestinationRule. Where some are, UPGRADE stands at the port levels of those alone, and the
// others, such as a port for gRPC, keep what they have. Where none is, the policy is DO_NOT_UPGRADE.
//
// # WebSockets that are open
//
// An EnvoyFilter that comes to a running pod, or goes, makes Envoy drain the pod's listeners, and the WebSockets on them are
// cut after the drain time. Options.ByPods avoids that: the filter reaches new pods alone, by a label, and old pods end
// their WebSockets in their own time.
//
// # Errors
//
// Functions that refuse their input return an error in which errors.As finds a [*finding.Error]: every problem,
// with its code, field path, value and way out. They return nothing else then. errors.Is finds [version.ErrNoRelease] where
// a release is needed and there is none. [Rules] lists what this package reports.
//
// [RFC 8441]: https://www.rfc-editor.org/rfc/rfc8441
// [istio/istio#33534]: https://github.com/istio/istio/issues/33534
package wsmesh
