// SPDX-License-Identifier: Apache-2.0

// Package kustomizetest runs the real kustomize with the KRM function. It is a module of its own, so that kustomize's
// dependencies reach no user.
package kustomizetest
