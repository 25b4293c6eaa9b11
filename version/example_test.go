// SPDX-License-Identifier: Apache-2.0

package version_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"regexp"

	"github.com/wsmesh/wsmesh/version"
)

// The oldest proxy of a mesh decides what the mesh can do.
func Example() {
	var mesh []version.Release
	for _, s := range []string{"1.20.8-asm.7", "v1.14.3.47-ga31201346f-aliyun", "1.12.0-rc.0"} {
		r, err := version.Parse(s)
		if err != nil {
			fmt.Println(err)
			return
		}
		mesh = append(mesh, r)
	}
	oldest, err := version.Oldest(mesh...)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(oldest, oldest.Supports(version.UpgradeBoundary), oldest.Supports(version.NetworkingV1))
	// Output: 1.12.0 true false
}

func ExampleParse() {
	for _, s := range []string{"1.12.4", "1.12.0-asm.3", "v1.14.3.47-ga31201346f-aliyun", "1.31-dev", "release-1.12"} {
		r, err := version.Parse(s)
		fmt.Println(r, err)
	}
	// Output:
	// 1.12.4 <nil>
	// 1.12.0 <nil>
	// 1.14.3 <nil>
	// 1.31.0 <nil>
	// 1.12.0 <nil>
}

func ExampleParse_refused() {
	_, err := version.Parse("latest")
	fmt.Println(errors.Is(err, version.ErrUnknownRelease))
	fmt.Println(err)
	_, err = version.Parse("2.6.1")
	fmt.Println(errors.Is(err, version.ErrNotIstioRelease))
	// Output:
	// true
	// unknown Istio release "latest": it does not begin with a number, and what it stands for may change; give the release that the proxy or istiod reports, such as "1.24.1" ("istioctl version" prints it)
	// true
}

func ExampleMustParse() {
	var boundary = version.MustParse("1.12.0")
	fmt.Println(boundary)
	// Output: 1.12.0
}

func ExampleParseRevision() {
	for _, label := range []string{"1-12-4", "asm-1-24", "asm-1106-2"} {
		r, err := version.ParseRevision(label)
		fmt.Println(r, err)
	}
	_, err := version.ParseRevision("asm-1912-3") // 1.9.12 or 1.91.2
	fmt.Println(errors.Is(err, version.ErrUnknownRelease))
	// Output:
	// 1.12.4 <nil>
	// 1.24.0 <nil>
	// 1.10.6 <nil>
	// true
}

func ExampleOldest() {
	r, err := version.Oldest(version.MustParse("1.20.1"), version.MustParse("1.9.8"), version.MustParse("1.12.4"))
	fmt.Println(r, err)
	_, err = version.Oldest()
	fmt.Println(errors.Is(err, version.ErrNoRelease))
	// Output:
	// 1.9.8 <nil>
	// true
}

// A release of the future is taken for the newest one that is known.
func ExampleNewest() {
	r := version.MustParse("1.99.0")
	if !version.Newest().AtLeast(r) {
		fmt.Println("what Istio", r, "does is not known")
		r = version.Newest()
	}
	fmt.Println(r.Supports(version.NetworkingV1))
	// Output:
	// what Istio 1.99.0 does is not known
	// true
}

func ExampleFeatures() {
	for _, f := range version.Features() {
		if !f.Until.IsZero() {
			fmt.Printf("%s: until %s (%s)\n", f.Name, f.Until, f.Source)
		}
	}
	// Output:
	// xds-v2-types: until 1.10.0 (releasenotes/notes/drop-xds-v2.yaml; Envoy 1.18)
	// old-connection-manager-name: until 1.19.0 (c2225561517 (istio#45675))
	// unbounded-streams: until 1.15.0 (cac3b5a1f1f (istio#40009))
}

func ExampleProxyVersionPattern() {
	pattern, err := version.ProxyVersionPattern(">=1.12.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pattern)
	re := regexp.MustCompile(pattern)
	for _, reported := range []string{"1.12.0", "1.12.0-asm.3", "v1.14.3.47-ga31201346f-aliyun", "1.31-dev", "1.2.0", "1.1.12", "unknown"} {
		fmt.Println(reported, re.MatchString(reported))
	}
	// Output:
	// ^v?1\.(1[2-9]|[2-9]\d)(\.(\d|[1-9]\d{1,8})(\.\d+)?)?([-+][\w.+-]+)?$
	// 1.12.0 true
	// 1.12.0-asm.3 true
	// v1.14.3.47-ga31201346f-aliyun true
	// 1.31-dev true
	// 1.2.0 false
	// 1.1.12 false
	// unknown false
}

func ExampleProxyVersionPattern_refused() {
	_, err := version.ProxyVersionPattern(">1.20, <1.12")
	fmt.Println(err)
	// Output: constraint ">1.20, <1.12": no Istio release satisfies it; releases are 1.0 to 1.99
}

func ExampleRelease_Compare() {
	a, b := version.MustParse("1.2"), version.MustParse("1.12")
	fmt.Println(a.Compare(b), b.Compare(a), b.Compare(version.MustParse("1.12.0-rc.0")))
	// Output: -1 1 0
}

func ExampleRelease_AtLeast() {
	r := version.MustParse("1.12.0-asm.3")
	fmt.Println(r.AtLeast(version.MustParse("1.12.0")))
	// Output: true
}

func ExampleRelease_Supports() {
	r := version.MustParse("1.21.6")
	fmt.Println(r.Supports(version.NetworkingV1beta1), r.Supports(version.NetworkingV1))
	// Output: true false
}

func ExampleRelease_String() {
	fmt.Println(version.MustParse("v1.12-alpha.f653b34f").String())
	// Output: 1.12.0
}

func ExampleRelease_Original() {
	fmt.Println(version.MustParse("v1.12-alpha.f653b34f").Original())
	// Output: v1.12-alpha.f653b34f
}

func ExampleRelease_IsZero() {
	var proxy struct{ Istio version.Release }
	fmt.Println(proxy.Istio.IsZero())
	// Output: true
}

func ExampleRelease_MarshalText() {
	data, err := json.Marshal(map[string]version.Release{"istiod": version.MustParse("1.24.1-distroless")})
	fmt.Println(string(data), err)
	// Output: {"istiod":"1.24.1"} <nil>
}

func ExampleRelease_UnmarshalText() {
	var oldest version.Release
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.TextVar(&oldest, "istio", version.MustParse("1.12.0"), "the oldest release of the mesh")
	err := flags.Parse([]string{"-istio", "1.20.8-asm.7"})
	fmt.Println(oldest, err)
	// Output: 1.20.8 <nil>
}
