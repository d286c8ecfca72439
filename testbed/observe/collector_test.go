// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package observe

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakegrid"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
)

// collector is a process of the built binary, with scripted GPUs and a grid.
type collector struct {
	self, energy string // addresses of what it says of itself, and of what it measures
	otlp, http   string
	output       *bytes.Buffer // to be read when it has ended
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)) }
	c := &collector{self: address(), energy: address(), otlp: address(), http: address(), output: &bytes.Buffer{}}
	dir := t.TempDir()
	_, err := fakenvml.Build(dir)
	require.NoError(t, err)
	scenario := filepath.Join(dir, "scenario")
	require.NoError(t, fakenvml.Scenario{GPUs: scriptedGPUs(training(t))}.WriteFile(scenario))
	grid := startGrid(t)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, binary, "--config=testdata/collector.yaml")
	cmd.Env = append(os.Environ(),
		"LD_LIBRARY_PATH="+dir, fakenvml.ScenarioEnv+"="+scenario,
		"GRID="+grid.Endpoint(fakegrid.ElectricityMaps), "BROKEN_GRID="+grid.Endpoint(fakegrid.EnergyCharts),
		"SELF="+c.self, "ENERGY="+c.energy, "OTLP="+c.otlp, "OTLP_HTTP="+c.http, "AWAY="+address(),
		"TELEMETRY_PORT="+strconv.Itoa(freeport.Get(t)),
	)
	cmd.Stdout, cmd.Stderr = c.output, c.output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("output of the collector:\n%s", c.output)
		}
	})
	return c
}

// scriptedGPUs are two that are well and one that has an error, then is lost.
func scriptedGPUs(pid int) []fakenvml.GPU {
	const h100 = "NVIDIA H100 80GB HBM3"
	gpu := func(n int, watts float64) fakenvml.GPU {
		return fakenvml.GPU{UUID: fmt.Sprintf("GPU-00000000-0000-4000-8000-%012d", n), Name: h100, Power: fakenvml.Const{Watts: watts}}
	}
	busy, idle, ill := gpu(1, 300), gpu(2, 70), gpu(3, 200)
	busy.Processes = []fakenvml.Process{{PID: pid, SMPercent: 60, Memory: 1 << 30, End: time.Hour}}
	ill.Events = []fakenvml.Event{{At: 3 * time.Second, Kind: fakenvml.Xid(63)}, {At: 8 * time.Second, Kind: fakenvml.Lost}}
	return []fakenvml.GPU{busy, idle, ill}
}

// training is a process that says which run it is.
func training(t *testing.T) (pid int) {
	t.Helper()
	run := exec.CommandContext(t.Context(), "sleep", "600")
	run.Env = append(os.Environ(), "WANDB_RUN_ID=run-1", "WANDB_PROJECT=llm")
	require.NoError(t, run.Start())
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
	})
	return run.Process.Pid
}

// startGrid knows a day of the past, and one to come.
func startGrid(t *testing.T) *fakegrid.Server {
	t.Helper()
	grid := fakegrid.Start(t)
	now := time.Now().Truncate(time.Hour)
	for hour := -26; hour <= 26; hour++ {
		start := now.Add(time.Duration(hour) * time.Hour)
		point := fakegrid.Point{Start: start, End: start.Add(time.Hour), GramsPerKWh: new(float64(300 + hour))}
		if hour > 0 {
			point.Kind = fakegrid.Forecast
		}
		grid.Publish(fakegrid.ElectricityMaps, "DE", point)
		if hour < 0 {
			grid.Publish(fakegrid.ElectricityMaps, "PL", point)
		}
	}
	grid.Fail(fakegrid.EnergyCharts, fakegrid.Status(503, ""))
	return grid
}

// sendAsPods sends the energy of a pod and of a job, as agents of other nodes do, until the test ends.
func (c *collector) sendAsPods(t *testing.T) {
	t.Helper()
	connection, err := grpc.NewClient(c.otlp, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	client := pmetricotlp.NewGRPCClient(connection)
	start, done, stopped := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for {
			request := pmetricotlp.NewExportRequestFromMetrics(pods(start))
			_, _ = client.Export(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer secret"), request)
			_, _ = client.Export(t.Context(), request) // and somebody without a token
			c.knock(t.Context())
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() {
		close(done)
		<-stopped
		require.NoError(t, connection.Close())
	})
}

// knock sends nothing by HTTP, without a token.
func (c *collector) knock(ctx context.Context) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.http+"/v1/metrics", http.NoBody)
	if err != nil {
		return
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		_ = response.Body.Close()
	}
}

// pods are what the agents of other nodes have counted until now.
func pods(start time.Time) pmetric.Metrics {
	metrics := pmetric.NewMetrics()
	for kind, attributes := range map[string]map[string]any{
		"container":    {"k8s.namespace.name": "ml-training", "k8s.pod.name": "bert-0", "k8s.pod.uid": "u1"},
		"job":          {"slurm.job.id": "7", "slurm.job.account": "physics"},
		"unattributed": {},
	} {
		counted(metrics, "n2", "workload.energy", start, attributes, "workload.kind", kind, "workload.attribution", "exclusive")
	}
	// Whose grid is behind.
	counted(metrics, "n3", "hw.energy", start, map[string]any{"site.zone": "PL"}, "energy.method", "counter")
	return metrics
}

// counted is a GPU of a host that draws 100 W.
func counted(metrics pmetric.Metrics, host, name string, start time.Time, of map[string]any, says ...string) {
	now := time.Now()
	resource := metrics.ResourceMetrics().AppendEmpty()
	_ = resource.Resource().Attributes().FromRaw(of)
	resource.Resource().Attributes().PutStr("host.id", host)
	resource.Resource().Attributes().PutStr("host.name", host)
	metric := resource.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	metric.SetName(name)
	metric.SetUnit("J")
	sum := metric.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	point := sum.DataPoints().AppendEmpty()
	point.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	point.SetTimestamp(pcommon.NewTimestampFromTime(now))
	point.SetDoubleValue(100 * now.Sub(start).Seconds())
	point.Attributes().PutStr("hw.id", "GPU-9")
	point.Attributes().PutStr("hw.type", "gpu")
	for i := 0; i < len(says); i += 2 {
		point.Attributes().PutStr(says[i], says[i+1])
	}
}
