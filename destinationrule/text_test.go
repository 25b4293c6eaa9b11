// SPDX-License-Identifier: Apache-2.0

package destinationrule

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestUpgradePolicyText: each policy is written as its word and read back; nothing else is either.
func TestUpgradePolicyText(t *testing.T) {
	for _, p := range []UpgradePolicy{UpgradeDefault, DoNotUpgrade, Upgrade} {
		text, err := json.Marshal(p)
		if err != nil || string(text) != `"`+p.String()+`"` {
			t.Errorf("%v is written as %s, %v", p, text, err)
		}
		back := UpgradePolicy(-1)
		if err := json.Unmarshal(text, &back); err != nil || back != p {
			t.Errorf("%s is read back as %v, %v", text, back, err)
		}
	}
	if text, err := json.Marshal(UpgradePolicy(7)); err == nil || !strings.Contains(err.Error(), "UpgradePolicy(7)") {
		t.Errorf("a policy that is none is written as %s, %v", text, err)
	}
	for _, text := range []string{`"upgrade"`, `""`, `2`, `"UPGRADE "`} {
		p := Upgrade
		if err := json.Unmarshal([]byte(text), &p); err == nil || p != Upgrade {
			t.Errorf("%s is read as %v, %v", text, p, err)
		}
	}
}
