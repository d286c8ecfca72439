// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package observe

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
)

const deploy = "../../deploy/"

var (
	// ofCollectors are metrics of what a collector says of itself.
	ofCollectors = regexp.MustCompile(`^(otelcol_.*|rpc_.*|http_.*|up)$`)
	// notServed are those that one does not serve which sends nothing on, takes no OTLP, asks nobody for the grid's intensity, and
	// finds no GPU.
	notServed = regexp.MustCompile(`^(otelcol_exporter_(queue|sent|send|enqueue)_.*|rpc_.*|http_.*|otelcol_gridintensity_.*|otelcol_nvmlenergy_.*)$`)
)

// What is shipped fits together: a Prometheus with the shipped config scrapes a collector with the shipped one. Each query about
// collectors has series, and what was not started calls nobody.
func TestShippedConfigsFitTogether(t *testing.T) {
	for name, files := range map[string]struct{ collector, prometheus string }{
		"packages": {"packages/config.yaml", "prometheus/prometheus.yaml"},
		"compose":  {"compose/collector.yaml", "compose/prometheus.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			moved := runShipped(t, deploy+files.collector)
			prometheus := startPrometheus(t, moved.Replace(readFile(t, deploy+files.prometheus)))
			origins := recorded(t)
			queries := slices.DeleteFunc(allQueries(t), func(query string) bool { return !isMadeOf(t, query, ofCollectors, origins) })
			require.NotEmpty(t, queries)
			queries = append(queries, "hw_energy_joules_total", "hw_emissions_grams_total", `up{job!~"carbon-.+"}`)
			var empty []string
			for deadline := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) { // until the next scrape
				prometheus.evaluate()
				empty = slices.DeleteFunc(slices.Clone(queries), func(query string) bool {
					return len(prometheus.query(query)) > 0 || isFromElsewhere(t, query, origins) || isMadeOf(t, query, notServed, origins)
				})
				if len(empty) == 0 || time.Now().After(deadline) {
					break
				}
			}
			assert.Empty(t, empty, "queries without series")
			assert.Empty(t, prometheus.query(`ALERTS{alertname="CarbonTargetDown"}`))
		})
	}
}

// For each metric that the collector does not serve there is a job, which some have to uncomment.
func TestPrometheusScrapesOthers(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(strings.ReplaceAll(readFile(t, deploy+"prometheus/prometheus.yaml"), "\n  # ", "\n  "), promslog.NewNopLogger())
	require.NoError(t, err)
	var jobs []string
	for _, job := range cfg.ScrapeConfigs {
		jobs = append(jobs, job.JobName)
	}
	assert.Equal(t, []string{"carbon-node", "node", "kube-state-metrics"}, jobs)
}

// isMadeOf tells whether a query asks for a metric of these, itself or by what was recorded of them.
func isMadeOf(t *testing.T, query string, metrics *regexp.Regexp, origins map[string][]string) bool {
	t.Helper()
	for _, selector := range selectors(t, query) {
		if metrics.MatchString(selector.Name) ||
			slices.ContainsFunc(origins[selector.Name], func(origin string) bool { return isMadeOf(t, origin, metrics, origins) }) {
			return true
		}
	}
	return false
}

// runShipped runs the binary with a shipped config, on ports, in a folder and at a pace of the test, until its page is there.
func runShipped(t *testing.T, file string) (moved *strings.Replacer) {
	t.Helper()
	page := fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
	moved = strings.NewReplacer("127.0.0.1:9464", page, "8888", strconv.Itoa(freeport.Get(t)))
	text := strings.NewReplacer("/var/lib/otelcol-carbon", t.TempDir(), "root_path: /hostfs", "root_path: /").Replace(moved.Replace(readFile(t, file)))
	text = regexp.MustCompile(`scrape_interval: \d+s`).ReplaceAllString(text, "scrape_interval: 500ms")
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	c := exec.CommandContext(t.Context(), binary, "--config="+config, "--config=yaml:receivers::hostenergy::collection_interval: 500ms")
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Wait() })
	require.Eventually(t, func() bool {
		connection, err := net.Dial("tcp", page)
		return err == nil && connection.Close() == nil
	}, patience, 50*time.Millisecond, text)
	return moved
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(content)
}
