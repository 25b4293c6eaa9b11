// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/wsmesh/wsmesh/destinationrule"
	"github.com/wsmesh/wsmesh/internal/istio"
	"github.com/wsmesh/wsmesh/version"
	"github.com/wsmesh/wsmesh/wsmesh/manifests"
)

// A Policy is h2UpgradePolicy of a connection pool.
type Policy = networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy

// The values of a Policy.
const (
	Upgrade      = networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
	DoNotUpgrade = networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE
	Default      = networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
)

// PolicyField is the path of the policy below a trafficPolicy or a port level.
const PolicyField = "connectionPool.http.h2UpgradePolicy"

// A Rule is a DestinationRule.
type Rule struct {
	*manifests.Object
	Spec  *networking.DestinationRule
	Host  string // as istiod takes it
	Sites []Site // where it sets a policy
}

// A Site is a place of a DestinationRule that sets h2UpgradePolicy.
type Site struct {
	Path   string
	Policy Policy
	port   uint32            // 0: every port without a level of its own
	subset map[string]string // labels, nil for all pods
	levels []uint32          // the ports that have levels of their own beside this one
}

func (m *Model) addRule(o *manifests.Object, rule *destinationrule.Rule) {
	r := &Rule{Object: o, Spec: rule.Spec, Sites: sites(rule.Spec)}
	r.Host = strings.TrimSuffix(istio.Host(rule.Spec.GetHost(), o.InNamespace(), m.Domain), ".")
	m.Rules = append(m.Rules, r)
	if first := m.firstFor[r.share()]; r.merges() && (first == nil || r.KnownOlder(first)) {
		m.firstFor[r.share()] = r
	}
	if r.IsWildcard() {
		m.wildcards = append(m.wildcards, r)
		m.wildcardIn[podKey{namespace: o.InNamespace(), label: r.Host}] = m.wildcardIn[podKey{namespace: o.InNamespace(), label: r.Host}] || !r.ForSomeClients()
	} else {
		m.rulesFor[r.Host] = append(m.rulesFor[r.Host], r)
	}
}

func sites(spec *networking.DestinationRule) []Site {
	out := sitesIn("spec.trafficPolicy", spec.GetTrafficPolicy(), nil)
	for i, s := range spec.GetSubsets() {
		out = append(out, sitesIn("spec.subsets["+strconv.Itoa(i)+"].trafficPolicy", s.GetTrafficPolicy(), s.GetLabels())...)
	}
	return out
}

func sitesIn(path string, tp *networking.TrafficPolicy, subset map[string]string) []Site {
	var out []Site
	var levels []uint32
	for i, s := range tp.GetPortLevelSettings() {
		port := s.GetPort().GetNumber()
		if p := s.GetConnectionPool().GetHttp().GetH2UpgradePolicy(); p != Default && !slices.Contains(levels, port) {
			out = append(out, Site{Path: path + ".portLevelSettings[" + strconv.Itoa(i) + "]." + PolicyField, Policy: p, port: port, subset: subset})
		}
		levels = append(levels, port)
	}
	if p := tp.GetConnectionPool().GetHttp().GetH2UpgradePolicy(); p != Default {
		out = append([]Site{{Path: path + "." + PolicyField, Policy: p, subset: subset, levels: levels}}, out...)
	}
	return out
}

// A Pool is a connection pool of a rule, with its path.
type Pool struct {
	*networking.ConnectionPoolSettings
	Path string
}

// Pools returns the connection pools of all levels.
func (r *Rule) Pools() []Pool {
	out := poolsIn("spec.trafficPolicy", r.Spec.GetTrafficPolicy())
	for i, s := range r.Spec.GetSubsets() {
		out = append(out, poolsIn("spec.subsets["+strconv.Itoa(i)+"].trafficPolicy", s.GetTrafficPolicy())...)
	}
	return out
}

func poolsIn(path string, tp *networking.TrafficPolicy) []Pool {
	var out []Pool
	if pool := tp.GetConnectionPool(); pool != nil {
		out = append(out, Pool{pool, path + ".connectionPool"})
	}
	for i, s := range tp.GetPortLevelSettings() {
		if pool := s.GetConnectionPool(); pool != nil {
			out = append(out, Pool{pool, path + ".portLevelSettings[" + strconv.Itoa(i) + "].connectionPool"})
		}
	}
	return out
}

// Covers reports whether the place holds for a port of the Service.
func (s *Site) Covers(port uint32) bool {
	if s.port != 0 {
		return s.port == port
	}
	return !slices.Contains(s.levels, port)
}

// Upgrades returns the first place with UPGRADE, or nil.
func (r *Rule) Upgrades() *Site {
	if i := slices.IndexFunc(r.Sites, func(s Site) bool { return s.Policy == Upgrade }); i >= 0 {
		return &r.Sites[i]
	}
	return nil
}

// IsWildcard reports whether the host is one that others match.
func (r *Rule) IsWildcard() bool { return strings.HasPrefix(r.Host, "*") }

// ForSomeClients reports whether the rule holds for the clients that its workloadSelector picks.
func (r *Rule) ForSomeClients() bool { return r.Spec.GetWorkloadSelector() != nil }

// merges reports whether istiod merges the rule with others for its host. A rule with a workloadSelector stays apart.
func (r *Rule) merges() bool { return r.Spec.GetTrafficPolicy() != nil && !r.ForSomeClients() }

// share is what rules have in common of which only the oldest has effect.
func (r *Rule) share() string {
	return r.InNamespace() + " " + r.Host + " " + strings.Join(r.Spec.GetExportTo(), ",")
}

// KnownOlder reports whether the time of both rules' creation is known, and that of r is earlier.
func (r *Rule) KnownOlder(than *Rule) bool {
	// The API server writes RFC 3339 in UTC, which sorts as text.
	return r.Created != "" && r.Created < than.Created
}

// Exported reports whether clients of all namespaces read the rule.
func (r *Rule) Exported() bool {
	to := r.Spec.GetExportTo()
	return len(to) == 0 || slices.Contains(to, "*")
}

// PolicyFor returns what the rule's trafficPolicy says for a port of all pods.
func (r *Rule) PolicyFor(port uint32) Policy {
	for _, s := range r.Spec.GetTrafficPolicy().GetPortLevelSettings() {
		if s.GetPort().GetNumber() == port {
			return s.GetConnectionPool().GetHttp().GetH2UpgradePolicy()
		}
	}
	return r.Spec.GetTrafficPolicy().GetConnectionPool().GetHttp().GetH2UpgradePolicy()
}

// Matches reports whether a host is one that a wildcard stands for.
func Matches(wildcard, host string) bool {
	return strings.HasSuffix(host, wildcard[1:]) && len(host) >= len(wildcard)
}

// First returns the rule that istiod takes before r for the same host, or r where that is the first, and nil where r is
// not merged with others.
func (m *Model) First(r *Rule) *Rule {
	if !r.merges() {
		return nil
	}
	return m.firstFor[r.share()]
}

// hidden reports whether an older rule is known to stand before this one.
func (m *Model) hidden(r *Rule) bool {
	first := m.First(r)
	return first != nil && first.KnownOlder(r)
}

// hiddenByOwn reports whether a rule of the Service's namespace stands before one of the root namespace.
func (m *Model) hiddenByOwn(s *Service) bool {
	return slices.ContainsFunc(m.rulesFor[s.Host], func(r *Rule) bool {
		return r.InNamespace() == s.InNamespace() && r.InNamespace() != m.Root && r.Exported() && !r.ForSomeClients()
	})
}

// IsHidden reports whether another rule is known to stand before r at the Service: an older one for the same host, one of
// the namespace for a host that says more, or for a rule of the root namespace one of the Service's own.
func (m *Model) IsHidden(r *Rule, s *Service) bool {
	return m.hidden(r) || r.IsWildcard() && m.saysMore(r, s) || r.InNamespace() == m.Root && m.hiddenByOwn(s)
}

// saysMore reports whether a rule of the same namespace is for the Service's own name or for a longer wildcard (istio/istio
// pilot/pkg/model/push_context.go, MostSpecificHostMatch).
func (m *Model) saysMore(r *Rule, s *Service) bool {
	if r.ForSomeClients() {
		return false
	}
	ns := r.InNamespace()
	if slices.ContainsFunc(m.rulesFor[s.Host], func(o *Rule) bool { return o.InNamespace() == ns && !o.ForSomeClients() }) {
		return true
	}
	key := podKey{namespace: ns, label: s.Host}
	longest, ok := m.longest[key]
	if !ok {
		for i := range s.Host {
			if host := "*" + s.Host[i:]; m.wildcardIn[podKey{namespace: ns, label: host}] {
				longest = len(host)
				break
			}
		}
		m.longest[key] = longest
	}
	return longest > len(r.Host)
}

// RulesFor returns the rules whose host is the Service's.
func (m *Model) RulesFor(s *Service) []*Rule { return m.rulesFor[s.Host] }

// Wildcards returns the rules whose hosts others match.
func (m *Model) Wildcards() []*Rule { return m.wildcards }

// Reached returns the Services that a host of a rule stands for.
func (m *Model) Reached(host string) []*Service {
	if !strings.HasPrefix(host, "*") {
		if s := m.serviceByHost[host]; s != nil {
			return []*Service{s}
		}
		return nil
	}
	services := m.Services
	if rest, ok := strings.CutSuffix(host, ".svc."+m.Domain); ok && strings.HasPrefix(rest, "*.") {
		services = m.servicesIn[rest[2:]]
	}
	var out []*Service
	for _, s := range services {
		if Matches(host, s.Host) {
			out = append(out, s)
		}
	}
	return out
}

// IsExternal reports whether a host is one of a ServiceEntry.
func (m *Model) IsExternal(host string) bool { return len(m.entriesByHost[host]) > 0 }

// entries returns the hosts of ServiceEntries that a host of a rule stands for.
func (m *Model) entries(host string) []*Service {
	if !strings.HasPrefix(host, "*") {
		return m.entriesByHost[host]
	}
	var out []*Service
	for _, h := range slices.Sorted(maps.Keys(m.entriesByHost)) {
		if Matches(host, h) {
			out = append(out, m.entriesByHost[h]...)
		}
	}
	return out
}

// hasPolicy reports whether a rule of the Service's own or the root namespace sets its policy, or says that clients keep
// their protocol, which wins over the mesh's policy in the releases of today.
func (m *Model) hasPolicy(s *Service) bool {
	decides := func(r *Rule) bool {
		return (r.InNamespace() == s.InNamespace() || r.InNamespace() == m.Root) &&
			(len(r.Sites) > 0 || r.Spec.GetTrafficPolicy().GetConnectionPool().GetHttp().GetUseClientProtocol() && m.clientProtocolWins())
	}
	return slices.ContainsFunc(m.rulesFor[s.Host], decides) ||
		slices.ContainsFunc(m.wildcards, func(r *Rule) bool { return decides(r) && Matches(r.Host, s.Host) })
}

// clientProtocolWins reports whether useClientProtocol wins over a mesh-wide UPGRADE on all control planes: since 1.25.0,
// 1.24.2, and in the patches of two older releases (istio/istio#53876).
func (m *Model) clientProtocolWins() bool {
	return !slices.ContainsFunc(m.ControlPlanes, func(r version.Release) bool {
		in := func(from, before string) bool {
			return r.AtLeast(version.MustParse(from)) && !r.AtLeast(version.MustParse(before))
		}
		return !r.Supports(version.ClientProtocolOverMesh) && !in("1.23.4", "1.24.0") && !in("1.22.7", "1.23.0")
	})
}

// KeepsHTTP1 returns a rule of the Service's own namespace that keeps its clients at HTTP/1.1 on every port that is HTTP/1,
// or nil.
func (m *Model) KeepsHTTP1(s *Service) *Rule {
	for _, r := range m.rulesFor[s.Host] {
		keeps := r.InNamespace() == s.InNamespace() && !r.ForSomeClients() && !m.hidden(r) && len(r.Sites) > 0
		for i, p := range s.Ports {
			keeps = keeps && (m.Kind(s, i) != HTTP1 || r.PolicyFor(p.Port) == DoNotUpgrade)
		}
		if keeps {
			return r
		}
	}
	return nil
}
