// SPDX-License-Identifier: Apache-2.0

package destinationrule

import "fmt"

// MarshalText returns the name that String returns, so that a policy is a word in JSON. A value that is none of the
// policies is an error.
func (p UpgradePolicy) MarshalText() ([]byte, error) {
	if !p.known() {
		return nil, fmt.Errorf("%v is no value of h2UpgradePolicy: use UpgradeDefault, DoNotUpgrade or Upgrade", p)
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads what MarshalText returns, in this spelling alone, and leaves p as it is where the text is
// something else.
func (p *UpgradePolicy) UnmarshalText(text []byte) error {
	for _, policy := range []UpgradePolicy{UpgradeDefault, DoNotUpgrade, Upgrade} {
		if string(text) == policy.String() {
			*p = policy
			return nil
		}
	}
	return fmt.Errorf("%q is no value of h2UpgradePolicy: write DEFAULT, DO_NOT_UPGRADE or UPGRADE", text)
}
