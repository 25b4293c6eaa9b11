local pair(i) = (
  local NAME = 'chat-' + i;
  local NS = 'team-' + (i % 50);
  [{
  apiVersion: 'networking.istio.io/v1alpha3',
  kind: 'EnvoyFilter',
  metadata: { name: NAME + '-allow-connect', namespace: NS },
  spec: {
    configPatches: [{
      applyTo: 'NETWORK_FILTER',
      match: {
        context: 'SIDECAR_INBOUND',
        listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } },
      },
      patch: {
        operation: 'MERGE',
        value: {
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            http2_protocol_options: { allow_connect: true },
          },
        },
      },
    }],
    workloadSelector: { labels: { app: NAME } },
  },
}, {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: NAME, namespace: NS },
  spec: {
    host: NAME + '.' + NS + '.svc.cluster.local',
    trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } },
  },
}]
);
std.flatMap(pair, std.range(0, std.extVar('n') - 1))
