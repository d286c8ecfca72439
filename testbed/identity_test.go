// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Two identical hosts, each with two workloads on one GPU, share every attribute of their points:
// only their resources tell them apart. Prometheus must not merge them.
func TestEveryStreamIsASeriesOfItsOwn(t *testing.T) {
	configs, otlp, prometheus := onFreePorts(t)
	c := start(t, configs, "CARBON_ZONE=DE")
	c.eventually(func() bool { return scrape(t, prometheus) != nil }, "the Prometheus endpoint")

	sent := identicalHosts(time.Now())
	send(t, otlp, sent)
	want := len(streams(flatten(sent)))
	require.Equal(t, 6, want)

	const ours = "made-up"
	for _, name := range []string{"energy_joules_total", "emissions_grams_total"} {
		c.eventually(func() bool {
			return len(series(scrape(t, prometheus)["workload_"+name], "service_namespace", ours)) > 0
		}, name)
		families := scrape(t, prometheus)
		scraped := len(series(families["hw_"+name], "service_namespace", ours)) + len(series(families["workload_"+name], "service_namespace", ours))
		assert.Equal(t, want, scraped, "%s: series scraped equal streams sent", name)
	}
}

func identicalHosts(at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	add := func(host int, name, container string) {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.namespace", "made-up")
		rm.Resource().Attributes().PutStr("host.id", fmt.Sprintf("%032d", host))
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName(name)
		m.SetUnit("J")
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		dp := sum.DataPoints().AppendEmpty()
		dp.SetStartTimestamp(pcommon.NewTimestampFromTime(at.Add(-time.Minute)))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		dp.SetDoubleValue(100)
		dp.Attributes().PutStr("hw.id", "GPU-0")
		dp.Attributes().PutStr("hw.type", "gpu")
		if container != "" {
			rm.Resource().Attributes().PutStr("container.id", container)
			dp.Attributes().PutStr("workload.kind", "container")
		}
	}
	for host := range 2 {
		add(host, "hw.energy", "")
		add(host, "workload.energy", "c1")
		add(host, "workload.energy", "c2")
	}
	return md
}

func send(tb testing.TB, address string, md pmetric.Metrics) {
	tb.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(tb, err)
	defer connection.Close()
	_, err = pmetricotlp.NewGRPCClient(connection).Export(tb.Context(), pmetricotlp.NewExportRequestFromMetrics(md), grpc.WaitForReady(true))
	require.NoError(tb, err)
}
