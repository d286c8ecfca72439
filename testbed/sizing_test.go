// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// agentOfANode is like that of the Kubernetes chart, without what needs a cluster.
const agentOfANode = `
extensions:
  file_storage: {directory: "${env:STATE}"}
  gridintensity: {storage: file_storage, providers: [{type: static}]}
receivers:
  nvmlenergy:
    collection_interval: ${env:EACH}
    storage: file_storage
    host_id: a
  hostenergy:
    collection_interval: ${env:EACH}
    host_id: a
    root_path: ${env:ROOT:-/}
    attribution: {enabled: false}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 400}
  carbonintensity: {zone: DE, source: gridintensity, storage: file_storage}
exporters:
  otlp_http:
    endpoint: ${env:BACKEND}
    sending_queue: {storage: file_storage}
service:
  extensions: [file_storage, gridintensity]
  telemetry:
    logs: {level: error}
  pipelines:
    metrics: {receivers: [nvmlenergy, hostenergy], processors: [memory_limiter, carbonintensity], exporters: [otlp_http]}
`

// node runs an agent on a machine with GPUs that as many workloads share as told.
func node(tb testing.TB, gpus, workloads int, each time.Duration) (*collector, *httpBackend) {
	tb.Helper()
	dir := tb.TempDir()
	_, err := fakenvml.Build(dir)
	require.NoError(tb, err)
	scenario := fakenvml.Scenario{}
	for i := range gpus {
		gpu := fakenvml.GPU{UUID: uuid(i), Name: h100, Power: fakenvml.Sine{Low: 100, High: 700, Period: time.Minute}}
		for j := range workloads {
			gpu.Processes = append(gpu.Processes, fakenvml.Process{PID: job(tb, i*workloads+j), SMPercent: 80 / workloads, Memory: 1 << 30, End: time.Hour})
		}
		scenario.GPUs = append(scenario.GPUs, gpu)
	}
	file := filepath.Join(dir, "scenario")
	require.NoError(tb, scenario.WriteFile(file))
	backend := newHTTPBackend(tb)
	c := start(tb, []string{writeFile(tb, "agent.yaml", agentOfANode)},
		"LD_LIBRARY_PATH="+dir, fakenvml.ScenarioEnv+"="+file, "STATE="+tb.TempDir(), "EACH="+each.String(), "BACKEND="+backend.URL)
	return c, backend
}

// job is a process that is a workload of its own.
func job(tb testing.TB, id int) (pid int) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "sleep", "600")
	cmd.Env = append(os.Environ(), "SLURM_JOB_ID="+strconv.Itoa(1000+id))
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// httpBackend is one that speaks OTLP over HTTP and counts.
type httpBackend struct {
	*httptest.Server
	delay                time.Duration
	batches, wire, plain atomic.Int64 // bytes, compressed and not

	mu       sync.Mutex
	requests []pmetric.Metrics
}

func newHTTPBackend(tb testing.TB) *httpBackend {
	tb.Helper()
	b := &httpBackend{}
	b.Server = httptest.NewServer(b)
	tb.Cleanup(b.Close)
	return b
}

func (b *httpBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(b.delay)
	plain, err := unpack(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.batches.Add(1)
	b.wire.Add(r.ContentLength)
	b.plain.Add(int64(len(plain)))
	if b.delay == 0 {
		request := pmetricotlp.NewExportRequest()
		if err := request.UnmarshalProto(plain); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.mu.Lock()
		b.requests = append(b.requests, request.Metrics())
		b.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// series is how many there were of a kind of device.
func (b *httpBackend) series(kind string) map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	var points []point
	for _, request := range b.requests {
		points = append(points, flatten(request)...)
	}
	return streams(slices.DeleteFunc(points, func(p point) bool { return p.attributes["hw.type"] != kind }))
}

var sizingRow = regexp.MustCompile(`(?m)^\| (\d+) \| (\d+) \| (\d+) \|`)

// The page says how many series the GPUs of a node have, by their number and that of who shares each.
func TestSeriesOfANode(t *testing.T) {
	rows := sizingRow.FindAllStringSubmatch(read(t, "docs/sizing.md"), -1)
	require.NotEmpty(t, rows)
	for _, row := range rows {
		t.Run(strings.Trim(row[0], "| "), func(t *testing.T) {
			t.Parallel()
			var n [3]int
			for i := range n {
				n[i], _ = strconv.Atoi(row[i+1])
			}
			c, backend := node(t, n[0], n[1], 200*time.Millisecond)
			c.eventually(func() bool { return len(backend.series("gpu")) >= n[2] }, "all series")
			requests := backend.batches.Load()
			c.eventually(func() bool { return backend.batches.Load() > requests+5 }, "more collections")
			assert.Len(t, slices.Collect(maps.Keys(backend.series("gpu"))), n[2])
			require.Zero(t, c.stop())
		})
	}
}

// unpack is the body of a request, of which r.ContentLength bytes were on the wire.
func unpack(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	reader, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
