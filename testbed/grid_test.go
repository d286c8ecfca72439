// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/redistest"
)

const gridConfig = `
receivers:
  otlp:
    protocols: {grpc: {endpoint: "${env:OTLP}"}}
extensions:
  gridintensity:
    providers:
      - {type: energycharts, endpoint: "${env:FIRST}"}
      - {type: energycharts, name: second, endpoint: "${env:SECOND}"}
      - type: static
processors:
  carbonintensity:
    zone: DE
    source: gridintensity
exporters:
  otlp_grpc: {endpoint: "${env:SINK}", tls: {insecure: true}, sending_queue: {enabled: false}}
service:
  extensions: [gridintensity]
  telemetry:
    logs: {level: info, encoding: console}
  pipelines:
    metrics: {receivers: [otlp], processors: [carbonintensity], exporters: [otlp_grpc]}
`

const step = 15 * time.Minute

// charts is Energy-Charts: what it knows of each quarter of an hour, which a test may change.
type charts struct {
	URL   string
	value atomic.Pointer[func(time.Time) *float64] // nil: it answers 500
	asked atomic.Int64
}

func newCharts(t *testing.T) *charts {
	t.Helper()
	c := &charts{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *charts) say(value func(time.Time) *float64) { c.value.Store(&value) }

func (c *charts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.asked.Add(1)
	value := c.value.Load()
	if value == nil {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	now := time.Now().Truncate(step)
	from, to := now.Add(-4*step), now.Add(step)
	for key, at := range map[string]*time.Time{"start": &from, "end": &to} {
		if seconds, err := strconv.ParseInt(r.URL.Query().Get(key), 10, 64); err == nil {
			*at = time.Unix(seconds, 0)
		}
	}
	var answer struct {
		Seconds []int64    `json:"unix_seconds"`
		Known   []*float64 `json:"co2eq"`
	}
	for at := from.Truncate(step); at.Before(to); at = at.Add(step) {
		answer.Seconds = append(answer.Seconds, at.Unix())
		answer.Known = append(answer.Known, (*value)(at))
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// grams are the last values of all streams of hw.emissions, by source and quality.
func (s *sink) grams() (by map[string]float64, total float64) { return s.gramsOf("hw.emissions") }

func (s *sink) gramsOf(metric string) (by map[string]float64, total float64) {
	last := map[string]point{}
	for _, p := range s.named(metric, "", "") {
		last[fmt.Sprint(p.attributes, p.start)] = p
	}
	by = map[string]float64{}
	for _, p := range last {
		by[p.attributes["carbon.source"]+" "+p.attributes["carbon.data.quality"]] += p.value
		total += p.value
	}
	return by, total
}

func counter(start, at time.Time, joules float64) pmetric.Metrics {
	return counterOf("GPU-1", start, at, joules)
}

func counterOf(device string, start, at time.Time, joules float64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("host.id", "h1")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("hw.energy")
	m.SetUnit("J")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	dp := sum.DataPoints().AppendEmpty()
	dp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
	dp.SetDoubleValue(joules)
	dp.Attributes().PutStr("hw.id", device)
	return md
}

// Keys are in no log, metric or error, whatever the service does.
func TestSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	const secret = "5ecret-of-the-account"
	for name, answer := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no account for "+r.URL.String(), http.StatusForbidden)
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = w.Write([]byte("{"))
		},
		"redirected": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1"+r.URL.String(), http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(answer)
			defer server.Close()
			telemetry, backend := freeAddress(t), newSink(t)
			_, port, err := net.SplitHostPort(telemetry)
			require.NoError(t, err)
			c := command(t, []string{
				writeFile(t, "config.yaml", gridConfig),
				"yaml:extensions::gridintensity::providers: [{type: eia, token: " + secret + ", endpoint: " + server.URL + "}]",
				"yaml:processors::carbonintensity::zone: PJM",
				"yaml:service::telemetry::logs::level: debug",
				"yaml:service::telemetry::metrics::readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: " + port + "}}}}]",
			}, "OTLP="+freeAddress(t), "SINK="+backend.address, "FIRST=http://127.0.0.1:1", "SECOND=http://127.0.0.1:1")
			c.cmd.Args = append(c.cmd.Args, "--config=yaml:service::telemetry::metrics::level: normal")
			c.run()
			c.eventually(func() bool { return strings.Contains(c.output.String(), "has no answer that can be used") }, "a failure")
			for name, family := range scrape(t, telemetry) {
				assert.NotContains(t, family.String(), secret, name)
			}
			require.Zero(t, c.stop())
			assert.NotContains(t, c.output.String(), secret)
		})
	}
}

// With the shipped config nothing is sent to anybody.
func TestNoConnectionIsOpened(t *testing.T) {
	t.Parallel()
	configs, _, prometheus := onFreePorts(t)
	c := start(t, configs, "CARBON_ZONE=DE")
	c.eventually(func() bool { return scrape(t, prometheus) != nil }, "the Prometheus endpoint")
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(lookEach) {
		for _, remote := range connections(t, c.cmd.Process.Pid) {
			require.True(t, remote.IsLoopback() || remote.IsUnspecified(), "a connection to %v", remote)
		}
	}
}

// connections are the remote ends of a process's TCP and UDP sockets.
func connections(t *testing.T, pid int) (remotes []net.IP) {
	t.Helper()
	sockets := map[string]bool{}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil {
			sockets[strings.Trim(strings.TrimPrefix(target, "socket:"), "[]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		require.NoError(t, err)
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) > 9 && sockets[fields[9]] {
				remotes = append(remotes, address(t, fields[2]))
			}
		}
		require.NoError(t, f.Close())
	}
	return remotes
}

// address reads one of /proc/net/tcp: words of 32 bits in the byte order of the machine.
func address(t *testing.T, text string) net.IP {
	t.Helper()
	host, _, _ := strings.Cut(text, ":")
	ip, err := hex.DecodeString(host)
	require.NoError(t, err)
	for i := 0; i < len(ip); i += 4 {
		ip[i], ip[i+1], ip[i+2], ip[i+3] = ip[i+3], ip[i+2], ip[i+1], ip[i]
	}
	return ip
}

// The collectors of a site ask a provider once between them. Without Redis, and without the provider, they go on.
func TestRedisIsSharedByASite(t *testing.T) {
	t.Parallel()
	redis, provider := redistest.Start(t), newCharts(t)
	hundred := 100.0
	provider.say(func(time.Time) *float64 { return &hundred })
	live := func() {
		backend, otlp := newSink(t), freeAddress(t)
		c := start(t, []string{
			writeFile(t, "config.yaml", gridConfig),
			"yaml:extensions::gridintensity::redis: {endpoint: " + redis.Addr() + "}",
		}, "OTLP="+otlp, "SINK="+backend.address, "FIRST="+provider.URL, "SECOND=http://127.0.0.1:1")
		begin := time.Now()
		c.eventually(func() bool {
			at := time.Now()
			send(t, otlp, counter(begin, at, 300*at.Sub(begin).Seconds()))
			by, _ := backend.grams()
			return by["energycharts measured"] > 0
		}, "emissions")
		by, _ := backend.grams()
		assert.Len(t, by, 1, "%v", by)
		require.Zero(t, c.stop())
	}
	live()
	asked := provider.asked.Load()
	assert.LessOrEqual(t, asked, int64(2))
	provider.value.Store(nil) // out of order
	for range 3 {
		live()
	}
	assert.Equal(t, asked, provider.asked.Load())

	redis.Stop()
	provider.say(func(time.Time) *float64 { return &hundred })
	live()
	assert.Greater(t, provider.asked.Load(), asked)
}
