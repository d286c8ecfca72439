// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package observe

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each query of a dashboard or a runbook, each that records, and each part of an alert has series: on what a collector emitted,
// or, where the metric is from elsewhere, on series of it. Alerts as such are quiet for the better.
func TestEachQueryHasSeries(t *testing.T) {
	c := startCollector(t)
	c.sendAsPods(t)
	prometheus := startPrometheus(t, fmt.Sprintf(`scrape_configs:
  - {job_name: carbon-agent, static_configs: [targets: [%q]]}
  - {job_name: energy, static_configs: [targets: [%q]]}`, c.self, c.energy))

	queries, origins := allQueries(t), recorded(t)
	var own []string
	var others []string
	deadline := time.Now().Add(patience)
	for {
		prometheus.evaluate()
		own, others = nil, nil
		for _, query := range queries {
			switch {
			case len(prometheus.query(query)) > 0:
			case isFromElsewhere(t, query, origins):
				others = append(others, query)
			default:
				own = append(own, query)
			}
		}
		if len(own) == 0 || time.Now().After(deadline) {
			break
		}
		time.Sleep(500 * time.Millisecond) // until the next scrape
	}
	assert.Empty(t, own, "queries without series")
	assertSeriesFromElsewhere(t, others)
	conversion := prometheus.query("carbon_conversion_seconds:p95_5m")
	require.Len(t, conversion, 1)
	assert.Less(t, conversion[0].F, 1.0, "s: the buckets are too coarse for the gate's 1 ms")
	// carbon_gpus:seen is made of this 0: none is said, rather than nothing.
	blind := prometheus.query(`otelcol_scraper_scraped_metric_points_total{job="carbon-agent", scraper="nvmlenergy"} == 0`)
	require.Len(t, blind, 1, "the receiver that finds no driver")
	if *draw != "" {
		prometheus.drawDashboards(*draw)
	}
}

// assertSeriesFromElsewhere runs queries on series of metrics of others.
func assertSeriesFromElsewhere(t *testing.T, queries []string) {
	t.Helper()
	var series strings.Builder
	for _, metric := range slices.Sorted(maps.Keys(elsewhere)) {
		series.WriteString(strings.ReplaceAll(elsewhere[metric].series, "\n", "\n  "))
	}
	loader, err := promqltest.NewLazyLoader("load 30s"+series.String()+"\n", promqltest.LazyLoaderOpts{})
	require.NoError(t, err)
	defer func() { require.NoError(t, loader.Close()) }()
	groups, _ := loadRules(t, loader.QueryEngine(), loader.Storage(), "CarbonTargetDown")
	now := time.Unix(0, 0).UTC()
	for range 20 {
		loader.WithSamplesTill(now, func(err error) {
			require.NoError(t, err)
			for _, group := range groups {
				group.Eval(t.Context(), now)
			}
		})
		now = now.Add(interval)
	}
	for _, query := range queries {
		assert.NotEmpty(t, instant(t, loader.QueryEngine(), loader.Storage(), query, now.Add(-interval)), query)
	}
}

// allQueries are those of dashboards and runbooks, each that records, and each part of an alert.
func allQueries(t *testing.T) []string {
	t.Helper()
	queries := append(dashboardQueries(t), runbookQueries(t)...)
	for _, rule := range allRules(t) {
		if rule.Record != "" {
			queries = append(queries, rule.Expr)
		}
		for _, selector := range selectors(t, rule.Expr) {
			queries = append(queries, instantOf(selector))
		}
	}
	slices.Sort(queries)
	return slices.Compact(queries)
}

// dashboardQueries are those of the files as they are shipped.
func dashboardQueries(t *testing.T) (queries []string) {
	t.Helper()
	files, err := filepath.Glob(dashboardFolder + "/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var d struct {
			Panels     []struct{ Targets []struct{ Expr string } }
			Templating struct {
				List []struct{ Query any }
			}
		}
		require.NoError(t, json.Unmarshal(text, &d), file)
		for _, p := range d.Panels {
			require.NotEmpty(t, p.Targets, file)
			for _, target := range p.Targets {
				queries = append(queries, target.Expr)
			}
		}
		for _, v := range d.Templating.List {
			if q, ok := v.Query.(object); ok {
				queries = append(queries, variableQuery(t, fmt.Sprint(q["query"])))
			}
		}
	}
	return queries
}

var promQLBlock = regexp.MustCompile("(?ms)^```promql\n(.*?)^```$")

// runbookQueries are the lines that somebody is to paste.
func runbookQueries(t *testing.T) (queries []string) {
	t.Helper()
	files, err := filepath.Glob(runbooks + "/Carbon*.md")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, block := range promQLBlock.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(block[1]) {
				queries = append(queries, strings.TrimSpace(line))
			}
		}
	}
	require.NotEmpty(t, queries)
	return queries
}

// variableQuery is label_values(metric, label) in PromQL, where the label has a value.
func variableQuery(t *testing.T, call string) string {
	t.Helper()
	arguments, ok := strings.CutPrefix(strings.TrimSuffix(call, ")"), "label_values(")
	require.True(t, ok, call)
	at := strings.LastIndex(arguments, ", ")
	return fmt.Sprintf(`label_replace(%s, "value", "$1", %q, "(.+)")`, arguments[:at], arguments[at+2:]) + ` != 0`
}

func selectors(t *testing.T, query string) (all []*parser.VectorSelector) {
	t.Helper()
	parser.Inspect(parse(t, query), func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			all = append(all, selector)
		}
		return nil
	})
	require.NotEmpty(t, all, query)
	return all
}

func instantOf(selector *parser.VectorSelector) string {
	plain := *selector
	plain.OriginalOffset, plain.Offset, plain.Timestamp = 0, 0, nil
	return plain.String()
}

// recorded are the expressions of each recorded name.
func recorded(t *testing.T) map[string][]string {
	t.Helper()
	by := map[string][]string{}
	for _, rule := range allRules(t) {
		if rule.Record != "" {
			by[rule.Record] = append(by[rule.Record], rule.Expr)
		}
	}
	return by
}

func isFromElsewhere(t *testing.T, query string, origins map[string][]string) bool {
	t.Helper()
	for _, selector := range selectors(t, query) {
		if _, ok := elsewhere[selector.Name]; ok {
			return true
		}
		if slices.ContainsFunc(origins[selector.Name], func(origin string) bool { return isFromElsewhere(t, origin, origins) }) {
			return true
		}
	}
	return false
}
