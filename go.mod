module github.com/wsmesh/wsmesh

go 1.24.0

require (
	github.com/Masterminds/semver/v3 v3.5.0
	github.com/envoyproxy/go-control-plane/envoy v1.37.0
	google.golang.org/protobuf v1.36.11
	istio.io/api v1.31.1
	sigs.k8s.io/yaml v1.6.0
	github.com/google/go-cmp v0.7.0
)
