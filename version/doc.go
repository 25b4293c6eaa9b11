// SPDX-License-Identifier: Apache-2.0

// Package version reads, orders and describes Istio releases.
//
// Everything that is decided by release rests on a number that somebody wrote down: an image tag, a line of
// "istioctl version", a row of an inventory. Two habits of other tools make such numbers dangerous, and this
// package has neither.
//
// # Suffixes never order
//
// Semantic versioning ranks 1.12.0-asm.3 before 1.12.0, because it takes what follows the hyphen for a
// pre-release. What follows it in Istio is a build: of a vendor (1.12.0-asm.3, 1.18.2-tetratefips-v0,
// v1.14.3.47-ga31201346f-aliyun), of an image flavour (1.24.1-distroless), of a branch (1.12-alpha.<sha>,
// 1.31-dev), and a candidate (1.31.0-rc.0) has the features of its release too. So a [Release] is ordered by
// major, minor and patch as numbers and by nothing else: 1.12.0-asm.3, 1.12.0-rc.0, 1.12 and 1.12.0 are equal,
// and 1.2 comes before 1.12, which comes before 1.20. A patch that is not given is 0.
//
// # An unknown release is an error, never the newest
//
// Where istiod cannot read the version of a proxy, it assumes the newest release there could be
// (ParseIstioVersion in pilot/pkg/model/context.go). It does so for "latest" and "unknown", and also for
// "v1.11.8", whose v it does not strip. A tool that decides by release what a proxy can do must not: the
// oldest proxy of a mesh would pass for the newest. [Parse] refuses what it cannot read with
// [ErrUnknownRelease], and what is the number of another product with [ErrNotIstioRelease]; [Oldest] refuses an
// empty list with [ErrNoRelease]. The errors say what to give instead.
//
// # What depends on the release
//
// [Features] is the table of dated facts that the rules of this module use, each with its source upstream;
// [Release.Supports] asks for one of them. [ProxyVersionPattern] turns a constraint such as ">=1.12.0" into the
// regular expression that the proxyVersion field of an EnvoyFilter needs.
package version
