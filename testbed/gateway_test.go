// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux

package testbed

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

// BenchmarkAgent is what the agent of a node costs, with default settings but for its collections: one a second, of which an
// iteration is one. Run it with -benchtime=30x.
func BenchmarkAgent(b *testing.B) {
	for _, size := range [][2]int{{1, 1}, {8, 4}} {
		b.Run(fmt.Sprintf("gpus=%d/workloads=%d", size[0], size[0]*size[1]), func(b *testing.B) {
			c, backend := node(b, size[0], size[1], time.Second)
			c.eventually(func() bool { return backend.batches.Load() > 2 }, "energy")
			cpu, batches, wire, plain := c.cpu(), backend.batches.Load(), backend.wire.Load(), backend.plain.Load()
			b.ResetTimer()
			time.Sleep(time.Duration(b.N) * time.Second)
			b.StopTimer()
			n := float64(b.N)
			b.ReportMetric((c.cpu()-cpu).Seconds()*1000/n, "cpu-ms/collection")
			b.ReportMetric(float64(backend.wire.Load()-wire)/n, "wire-B/collection")
			b.ReportMetric(float64(backend.plain.Load()-plain)/n, "plain-B/collection")
			b.ReportMetric(float64(backend.batches.Load()-batches)/n, "requests/collection")
			b.ReportMetric(c.megabytes("RssAnon"), "anon-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkGateway is the gateway of the Kubernetes chart, with mutual TLS and all, before a backend that answers in 2 ms. An
// iteration is a batch: what a node with 8 GPUs and 32 workloads collects at a time. Batches come at a steady rate, and the
// time until one is accepted counts from when it was due. It fails if 5 % take 10 ms, or 0.05 % are not accepted. Run it with
// -benchtime=3000x.
func BenchmarkGateway(b *testing.B) {
	batch := collection(b)
	for _, rate := range []int{50, 100, 250} {
		b.Run(fmt.Sprintf("batches/s=%d", rate), func(b *testing.B) {
			backend := newHTTPBackend(b)
			backend.delay = 2 * time.Millisecond
			c, client := gatewayOfTheChart(b, backend)
			c.eventually(func() bool { return client.send(b.Context(), batch) == nil }, "the gateway")
			cpu := c.cpu()
			b.ResetTimer()
			took, failed := client.steadily(b, batch, b.N, rate)
			b.StopTimer()
			slices.Sort(took)
			for _, percentile := range []int{50, 95, 99} {
				b.ReportMetric(took[(len(took)-1)*percentile/100].Seconds()*1000, fmt.Sprintf("p%d-ms", percentile))
			}
			if b.N >= batchesThatTell {
				assert.Less(b, took[(len(took)-1)*95/100], 10*time.Millisecond)
				assert.LessOrEqual(b, float64(failed), 0.0005*float64(b.N))
			}
			b.ReportMetric((c.cpu()-cpu).Seconds()*1000/float64(b.N), "cpu-ms/batch")
			b.ReportMetric(100*float64(failed)/float64(b.N), "%failed")
			b.ReportMetric(c.megabytes("RssAnon"), "anon-MB")
			b.ReportMetric(float64(batch.Metrics().DataPointCount()), "points/batch")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// Of fewer batches none is 0.05 %.
const batchesThatTell = 2000

// Nothing of a load that is far from a gateway's limits is refused.
func TestGatewayAcceptsAll(t *testing.T) {
	backend := newHTTPBackend(t)
	backend.delay = 2 * time.Millisecond
	batch := collection(t)
	c, client := gatewayOfTheChart(t, backend)
	c.eventually(func() bool { return client.send(t.Context(), batch) == nil }, "the gateway")
	_, failed := client.steadily(t, batch, batchesThatTell, 250)
	assert.Zero(t, failed)
	assert.EqualValues(t, batchesThatTell+1, backend.batches.Load(), "what is accepted is there")
}

// collection is one of a node with 8 GPUs and 32 workloads.
func collection(tb testing.TB) pmetricotlp.ExportRequest {
	tb.Helper()
	var batch pmetric.Metrics
	c, backend := node(tb, 8, 4, time.Second)
	c.eventually(func() bool {
		backend.mu.Lock()
		defer backend.mu.Unlock()
		for _, request := range backend.requests {
			if request.DataPointCount() >= 8*5+32*2 {
				batch = request
				return true
			}
		}
		return false
	}, "a collection")
	return pmetricotlp.NewExportRequestFromMetrics(batch)
}

type gatewayClient struct{ clients []pmetricotlp.GRPCClient }

// gatewayOfTheChart runs the config that the chart has for gateways, with other addresses and files.
func gatewayOfTheChart(tb testing.TB, backend *httpBackend) (*collector, gatewayClient) {
	tb.Helper()
	manifests := read(tb, "deploy/kubernetes/manifests/gateway.yaml")
	_, config, found := strings.Cut(manifests, "  config.yaml: |\n")
	require.True(tb, found)
	config, _, _ = strings.Cut(config, "\n---\n")
	authority := pki.NewAuthority(tb, "benchmark")
	certificate := authority.Issue(tb)
	listen, health, self, page := freeAddress(tb), freeAddress(tb), freeAddress(tb), freeAddress(tb)
	config = strings.NewReplacer(
		"\n    ", "\n",
		"/tls/tls.crt", certificate.File, "/tls/tls.key", certificate.KeyFile, "/tls/ca.crt", authority.File,
		"${env:POD_IP}:4317", listen, "${env:POD_IP}:13133", health, "127.0.0.1:8888", self, "${env:POD_IP}:9464", page,
		"port: 8888", "port: "+self[strings.LastIndex(self, ":")+1:],
		"https://backend.observability.svc:4318", backend.URL,
	).Replace("\n" + config)
	c := command(tb, []string{writeFile(tb, "gateway.yaml", config)})
	c.cmd.Args = append(c.cmd.Args, "--config=yaml:service::telemetry::metrics::level: detailed") // as the chart has it
	c.run()
	const connections = 16
	var client gatewayClient
	for range connections {
		connection, err := grpc.NewClient(listen, grpc.WithTransportCredentials(credentials.NewTLS(authority.Client(tb, certificate))),
			grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
		require.NoError(tb, err)
		tb.Cleanup(func() { _ = connection.Close() })
		client.clients = append(client.clients, pmetricotlp.NewGRPCClient(connection))
	}
	return c, client
}

func (g gatewayClient) send(ctx context.Context, batch pmetricotlp.ExportRequest) error {
	_, err := g.clients[0].Export(ctx, batch)
	return err
}

// steadily sends n batches, rate of them a second, and says how long each took from when it was due.
func (g gatewayClient) steadily(tb testing.TB, batch pmetricotlp.ExportRequest, n, rate int) (took []time.Duration, failed int64) {
	tb.Helper()
	took = make([]time.Duration, n)
	var errs atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	const atATime = 64
	room := make(chan struct{}, atATime)
	for i := range n {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if _, err := g.clients[i%len(g.clients)].Export(tb.Context(), batch); err != nil {
				errs.Add(1)
			}
			took[i] = time.Since(due)
		})
	}
	wg.Wait()
	return took, errs.Load()
}

// cpu is the CPU time of the process, user and system.
func (c *collector) cpu() time.Duration {
	c.tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	require.NoError(c.tb, err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	var ticks int
	for _, field := range strings.Fields(rest)[11:13] {
		n, err := strconv.Atoi(field)
		require.NoError(c.tb, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
