// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// The same by a broker that speaks Kafka's protocol: logs in one topic, audit records in the other.
func TestLogsAndAuditRecordsArriveInKafka(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	certificate, err := tls.LoadX509KeyPair(network.certificate.File, network.certificate.KeyFile)
	require.NoError(t, err)
	const logs, audit = "otelcol-carbon-logs", "otelcol-carbon-audit"
	broker, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.SeedTopics(3, logs, audit),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}),
	)
	require.NoError(t, err)
	t.Cleanup(broker.Close)
	run(t, append(network.environment, "KAFKA="+broker.ListenAddrs()[0], "KAFKA_CA="+network.authority.File, "AUDIT_INTERVAL=500ms"),
		"testdata/gateway.yaml", logsFolder+"gateway.yaml", logsFolder+"gateway-kafka.yaml")
	run(t, append(network.environment, "TELEMETRY_PORT=0"), "testdata/agent.yaml", logsFolder+"agent.yaml")

	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker.ListenAddrs()...), kgo.DialTLSConfig(network.authority.Client(t)),
		kgo.ConsumeTopics(logs, audit), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	hosts, audited := map[any]bool{}, map[string]bool{}
	for len(hosts) == 0 || !audited["hw.energy"] || !audited["hw.emissions"] {
		fetches := client.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			assert.WithinDuration(t, time.Now(), r.Timestamp, patience, "else it is deleted at once")
			switch r.Topic {
			case logs:
				request := plogotlp.NewExportRequest()
				require.NoError(t, request.UnmarshalProto(r.Value))
				for _, resource := range request.Logs().ResourceLogs().All() {
					hosts[resource.Resource().Attributes().AsRaw()["host.name"]] = true
				}
			case audit:
				request := pmetricotlp.NewExportRequest()
				require.NoError(t, request.UnmarshalProto(r.Value))
				for _, resource := range request.Metrics().ResourceMetrics().All() {
					for _, scope := range resource.ScopeMetrics().All() {
						for _, metric := range scope.Metrics().All() {
							audited[metric.Name()] = true
						}
					}
				}
			}
		})
	}
	assert.Equal(t, map[any]bool{"node-1": true}, hosts)
}
