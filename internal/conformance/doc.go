// SPDX-License-Identifier: Apache-2.0

// Package conformance holds what the library writes, accepts and reports against Istio's own code: the webhook and
// the discovery server of istiod, the analyzers of istioctl, and the API server with Istio's CRDs. It has tests only;
// README.md says what each shows and how to run them.
package conformance
