// SPDX-License-Identifier: Apache-2.0
const { App, Chart, ApiObject, YamlOutputType } = require('cdk8s');

const app = new App({ yamlOutputType: YamlOutputType.FILE_PER_APP });
const chart = new Chart(app, 'fleet');
for (let i = 0; i < Number(process.argv[2]); i++) {
  const NAME = 'chat-' + i;
  const NS = 'team-' + (i % 50);
  new ApiObject(chart, NAME + '-filter', {
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
});
  new ApiObject(chart, NAME + '-rule', {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: NAME, namespace: NS },
  spec: {
    host: NAME + '.' + NS + '.svc.cluster.local',
    trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } },
  },
});
}
process.stdout.write(app.synthYaml());
