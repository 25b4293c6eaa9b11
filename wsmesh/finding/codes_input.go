// SPDX-License-Identifier: Apache-2.0

package finding

var inputCodes = []CodeInfo{}
