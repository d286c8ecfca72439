// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// interval of the evaluation, as the rules have it.
const interval = 30 * time.Second

// alertCase says when an alert fires. Series are in the notation of Prometheus' tests, a sample each step.
type alertCase struct {
	alert string
	step  time.Duration // interval if 0
	bad   string
	// fires is when it fires for the first time with the bad series, to the step.
	fires time.Duration
	// good series are just below the threshold, or too short for the duration: it never fires.
	good string
	// what the alert says in the end.
	summary string
}

func TestEachAlertFiresAndKeepsQuiet(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, c := range slices.Concat(collectorCases, dataCases, rolloutCases) {
		tested[c.alert] = true
		t.Run(c.alert, func(t *testing.T) {
			t.Parallel()
			step := cmp.Or(c.step, interval)
			require.NotEmpty(t, c.good, "the case in which it is quiet")
			first, at := firstFiring(t, c.alert, step, c.bad)
			require.NotNil(t, first, "it never fires")
			assert.Equal(t, c.fires, at)
			assert.Equal(t, c.summary, first.Annotations.Get("summary"))
			first, at = firstFiring(t, c.alert, step, c.good)
			assert.Nil(t, first, at)
		})
	}
	for _, rule := range allRules(t) {
		if rule.Alert != "" {
			assert.True(t, tested[rule.Alert], "%s has no case", rule.Alert)
		}
	}
}

// firstFiring steps Prometheus through the series, and says how the alert is when it fires first, and when that is.
func firstFiring(t *testing.T, alert string, step time.Duration, series string) (first *rules.Alert, at time.Duration) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(series), "\n")
	loader, err := promqltest.NewLazyLoader(fmt.Sprintf("load %s\n  %s\n", step, strings.Join(lines, "\n  ")), promqltest.LazyLoaderOpts{})
	require.NoError(t, err)
	defer func() { require.NoError(t, loader.Close()) }()
	loader.SubqueryInterval = interval
	groups, alerting := loadRules(t, loader.QueryEngine(), loader.Storage(), alert)
	groups = slices.DeleteFunc(groups, func(g *rules.Group) bool { // those that neither record nor have it
		return len(g.AlertingRules()) > 0 && !slices.Contains(g.AlertingRules(), alerting)
	})
	for ts := time.Duration(0); ts < longest(t, lines, step); ts += step {
		now := time.Unix(0, 0).UTC().Add(ts)
		loader.WithSamplesTill(now, func(err error) {
			require.NoError(t, err)
			for _, group := range groups {
				group.Eval(t.Context(), now)
				for _, rule := range group.Rules() {
					require.NoError(t, rule.LastError(), "%s at %v", rule.Name(), ts)
				}
			}
		})
		for _, active := range alerting.ActiveAlerts() {
			if active.State == rules.StateFiring {
				return active, ts
			}
		}
	}
	return nil, 0
}

// database is one that rules read and write.
type database interface {
	storage.Queryable
	storage.Appendable
}

// loadRules loads all rules, those that record first, and finds the alert.
func loadRules(t *testing.T, engine *promql.Engine, db database, alert string) (groups []*rules.Group, found *rules.AlertingRule) {
	t.Helper()
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(engine, db),
		Appendable: db,
		Queryable:  db,
		Context:    t.Context(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     promslog.NewNopLogger(),
		Parser:     promQL,
	})
	files := ruleFiles(t)
	byName, errs := manager.LoadGroups(interval, labels.EmptyLabels(), "", nil, false, files...)
	require.Empty(t, errs)
	for _, group := range byName {
		groups = append(groups, group)
		for _, rule := range group.AlertingRules() {
			rule.SetRestored(true) // else it writes no ALERTS
			if rule.Name() == alert {
				found = rule
			}
		}
	}
	order := func(g *rules.Group) int { return slices.Index(files, g.File()) }
	slices.SortFunc(groups, func(a, b *rules.Group) int { return cmp.Or(order(a)-order(b), strings.Compare(a.Name(), b.Name())) })
	require.NotNil(t, found, alert)
	return groups, found
}

// longest is the time that the longest series covers.
func longest(t *testing.T, lines []string, step time.Duration) time.Duration {
	t.Helper()
	var samples int
	for _, line := range lines {
		_, values, err := promQL.ParseSeriesDesc(line)
		require.NoError(t, err, line)
		samples = max(samples, len(values))
	}
	return time.Duration(samples) * step
}

// ruleFiles are all files of rules, with those that record first.
func ruleFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../deploy/prometheus/rules/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	slices.SortStableFunc(files, func(a, b string) int {
		recording := func(file string) int {
			if filepath.Base(file) == "recording.yaml" {
				return 0
			}
			return 1
		}
		return recording(a) - recording(b)
	})
	return files
}
