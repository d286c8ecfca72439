// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const (
	runbooks   = "../../docs/runbooks"
	runbookURL = "https://github.com/otelcol-carbon/otelcol-carbon/blob/main/docs/runbooks/"
)

var promQL = parser.NewParser(parser.Options{})

func allRules(t *testing.T) (all []rulefmt.Rule) {
	t.Helper()
	for _, file := range ruleFiles(t) {
		groups, errs := rulefmt.ParseFile(file, false, model.LegacyValidation, promQL, promslog.NewNopLogger())
		require.Empty(t, errs, file)
		for _, group := range groups.Groups {
			all = append(all, group.Rules...)
		}
	}
	return all
}

func parse(t *testing.T, query string) parser.Expr {
	t.Helper()
	expr, err := promQL.ParseExpr(grafanaVariables.Replace(query))
	require.NoError(t, err, query)
	return expr
}

// The thresholds and durations that were promised.
func TestAlertsAreThosePromised(t *testing.T) {
	t.Parallel()
	promised := map[string]struct{ threshold, duration, severity string }{
		"CarbonCrashLoop":       {"", "0s", "critical"},
		"CarbonMemoryHigh":      {"> 0.90", "5m", "critical"},
		"CarbonErrorsHigh":      {"> 0.01", "1m", "critical"},
		"CarbonTrackingFailure": {"== 0", "0s", "critical"},
		"CarbonCPUHigh":         {"> 0.80", "10m", "warning"},
		"CarbonStorageFull":     {"> 0.85", "30m", "warning"},
		"CarbonResponseSlow":    {"> 0.005", "15m", "warning"},
		"CarbonReplicasLow":     {"< 2", "0s", "warning"},
		"CarbonUnauthenticated": {"> 10", "0s", "critical"}, // "security alert"

		"CarbonRolloutErrorsAboveSuccess": {"> 0.0005", "0s", "none"},
		"CarbonRolloutConversionSlow":     {"> 0.001", "0s", "none"},
		"CarbonRolloutMemoryAbove2GB":     {"> 2e9", "0s", "none"},
		"CarbonRolloutCanaryErrors":       {"> 0.001", "0s", "none"},
		"CarbonRolloutErrors":             {"> 0.01", "5m", "none"},
		"CarbonRolloutResponseSlow":       {"> 0.010", "10m", "none"},
		"CarbonRolloutMemory":             {"> 0.95", "3m", "none"},
	}
	for _, rule := range allRules(t) {
		if want, ok := promised[rule.Alert]; ok {
			assert.Contains(t, rule.Expr, want.threshold, rule.Alert)
			assert.Equal(t, want.duration, rule.For.String(), rule.Alert)
			assert.Equal(t, want.severity, rule.Labels["severity"], rule.Alert)
			delete(promised, rule.Alert)
		}
	}
	assert.Empty(t, promised, "promised, and not there")
}

// A file of rules is the spec of a PrometheusRule, too.
func TestRulesAreForTheOperator(t *testing.T) {
	t.Parallel()
	for _, file := range ruleFiles(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var spec monitoring.PrometheusRuleSpec
		require.NoError(t, yaml.UnmarshalStrict(text, &spec), file)
		assert.NotEmpty(t, spec.Groups)
	}
}

func TestEachAlertHasARunbook(t *testing.T) {
	t.Parallel()
	alerts := map[string]bool{}
	for _, rule := range allRules(t) {
		if rule.Alert == "" {
			continue
		}
		alerts[rule.Alert] = true
		assert.Contains(t, []string{"critical", "warning", "none"}, rule.Labels["severity"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		assert.Equal(t, runbookURL+rule.Alert+".md", rule.Annotations["runbook_url"])
	}
	files, err := filepath.Glob(runbooks + "/Carbon*.md")
	require.NoError(t, err)
	assert.Len(t, files, len(alerts), "runbooks without an alert, or alerts without one")
	index, err := os.ReadFile(runbooks + "/README.md")
	require.NoError(t, err)
	for alert := range alerts {
		text, err := os.ReadFile(filepath.Join(runbooks, alert+".md"))
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(text), "# "+alert+"\n"), alert)
		for _, section := range []string{"\n## What it means\n", "\n## How to look\n", "\n## What to do\n"} {
			assert.Contains(t, string(text), section, alert)
		}
		assert.Contains(t, string(index), "]("+alert+".md)", "the index")
	}
}
