// SPDX-License-Identifier: Apache-2.0

package wsmesh

// Clone returns a copy that shares nothing with o.
func (o Options) Clone() Options { return o.clone() }
