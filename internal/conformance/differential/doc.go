// SPDX-License-Identifier: Apache-2.0

// Package differential holds the library's validation against Istio's: it makes random, nearly valid
// DestinationRules and EnvoyFilters over the whole API and asks both. What the library accepts, the CRDs and
// istiod's webhook must accept; where the library refuses and they accept, the finding must be one of the
// listed rules in which it is stricter on purpose.
package differential
