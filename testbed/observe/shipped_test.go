// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package observe

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
)

// What is shipped fits together: a Prometheus with the shipped config scrapes a collector with the shipped one, and gates,
// alerts and panels find what they ask for, by its name.
func TestShippedConfigsFitTogether(t *testing.T) {
	for name, files := range map[string]struct{ collector, prometheus string }{
		"packages": {"packages/config.yaml", "prometheus/prometheus.yaml"},
		"compose":  {"compose/collector.yaml", "compose/prometheus.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			page, text := runShipped(t, "../../deploy/"+files.collector)
			prometheus := startPrometheus(t, shippedJobs(t, "../../deploy/"+files.prometheus, page))
			wanted := []string{
				`hw_energy_joules_total`, `hw_emissions_grams_total`, `otelcol_process_memory_rss{job="carbon-node"}`,
				`rate(otelcol_process_uptime_total{job="carbon-node"}[1m])`, `rate(otelcol_process_cpu_seconds_total{job="carbon-node"}[1m])`,
				`otelcol_scraper_scraped_metric_points_total{job="carbon-node", scraper="nvmlenergy"}`,
				`carbon_conversion_seconds:p95_5m{job="carbon-node"}`, `carbon_errors:ratio5m{job="carbon-node"}`,
			}
			require.Eventually(t, func() bool {
				prometheus.evaluate()
				for len(wanted) > 0 && len(prometheus.query(wanted[0])) > 0 {
					wanted = wanted[1:]
				}
				return len(wanted) == 0
			}, patience, 500*time.Millisecond, "%v\n%s", &wanted, text)
			assert.Len(t, prometheus.query(`up{job=~"carbon-.+", exported_job=""}`), 1, "a job of collectors that has none")
			assertNamesOfRules(t, prometheus)
		})
	}
}

// runShipped runs the binary with a shipped config, on ports, in a folder and at a pace of the test.
func runShipped(t *testing.T, file string) (page, text string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	page = fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
	text = strings.NewReplacer("127.0.0.1:9464", page, "8888", strconv.Itoa(freeport.Get(t)),
		"/var/lib/otelcol-carbon", t.TempDir(), "root_path: /hostfs", "root_path: /").Replace(string(content))
	text = regexp.MustCompile(`scrape_interval: \d+s`).ReplaceAllString(text, "scrape_interval: 500ms")
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	c := exec.CommandContext(t.Context(), binary, "--config="+config, "--config=yaml:receivers::hostenergy::collection_interval: 500ms")
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Wait() })
	return page, text
}

// shippedJobs are those of a shipped config whose targets are on the page, by which it is replaced; others keep theirs, where
// nobody answers.
func shippedJobs(t *testing.T, file, page string) map[string][]string {
	t.Helper()
	cfg, err := config.LoadFile(file, false, promslog.NewNopLogger())
	require.NoError(t, err)
	jobs := map[string][]string{}
	for _, job := range cfg.ScrapeConfigs {
		for _, sd := range job.ServiceDiscoveryConfigs {
			for _, group := range sd.(discovery.StaticConfig) {
				for _, target := range group.Targets {
					jobs[job.JobName] = append(jobs[job.JobName], strings.Replace(string(target["__address__"]), "127.0.0.1:9464", page, 1))
				}
			}
		}
	}
	return jobs
}

// assertNamesOfRules fails for a metric that rules or dashboards know by another name than the one it is served by.
func assertNamesOfRules(t *testing.T, prometheus *server) {
	t.Helper()
	var queries strings.Builder
	for _, rule := range allRules(t) {
		queries.WriteString(rule.Expr + "\n")
	}
	queries.WriteString(strings.Join(dashboardQueries(t), "\n"))
	known := map[string]bool{}
	suffix := regexp.MustCompile(`(_total|_bucket|_count|_sum)$`)
	for _, name := range regexp.MustCompile(`\botelcol_\w+`).FindAllString(queries.String(), -1) {
		known[name] = true
	}
	require.NotEmpty(t, known)
	served := map[string]bool{}
	for _, series := range prometheus.query(`count by (__name__) ({__name__=~"otelcol_.+"})`) {
		served[series.Metric.Get("__name__")] = true
	}
	for name := range known {
		if served[name] {
			continue
		}
		for other := range served {
			assert.False(t, strings.HasPrefix(other, suffix.ReplaceAllString(name, "")), "it serves %s, rules ask for %s", other, name)
		}
	}
}
