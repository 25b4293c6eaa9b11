// SPDX-License-Identifier: Apache-2.0

package finding

var pairCodes = []CodeInfo{}

var releaseCodes = []CodeInfo{}

var serviceCodes = []CodeInfo{}
