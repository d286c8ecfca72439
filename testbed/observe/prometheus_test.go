// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/require"
)

const patience = time.Minute

// server is Prometheus without its web pages: the scraper, the database, the rules and the engine.
type server struct {
	t       *testing.T
	storage storage.Queryable
	engine  *promql.Engine
	groups  []*rules.Group
}

func newEngine(t *testing.T) *promql.Engine {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 10_000_000, Timeout: patience, Parser: promQL,
		NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
	})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	return engine
}

// startPrometheus scrapes as a config says, more often.
func startPrometheus(t *testing.T, text string) *server {
	t.Helper()
	db := teststorage.New(t)
	s := &server{t: t, storage: db, engine: newEngine(t)}
	s.groups, _ = loadRules(t, s.engine, db, "CarbonTargetDown")

	cfg, err := config.Load(text, promslog.NewNopLogger())
	require.NoError(t, err)
	groups := map[string][]*targetgroup.Group{}
	for _, job := range cfg.ScrapeConfigs {
		job.ScrapeInterval = model.Duration(500 * time.Millisecond)
		job.ScrapeTimeout = job.ScrapeInterval
		for _, targets := range job.ServiceDiscoveryConfigs {
			static, ok := targets.(discovery.StaticConfig)
			require.True(t, ok, "%s: %s", job.JobName, targets.Name())
			groups[job.JobName] = append(groups[job.JobName], static...)
		}
	}
	manager, err := scrape.NewManager(&scrape.Options{DiscoveryReloadOnStartup: true}, nil, nil, nil, db, prometheus.NewRegistry())
	require.NoError(t, err)
	require.NoError(t, manager.ApplyConfig(cfg))
	sets := make(chan map[string][]*targetgroup.Group, 1)
	sets <- groups
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = manager.Run(sets)
	}()
	t.Cleanup(func() {
		manager.Stop()
		<-done
	})
	return s
}

// evaluate runs all rules once, now.
func (s *server) evaluate() {
	s.t.Helper()
	now := time.Now()
	for _, group := range s.groups {
		group.Eval(s.t.Context(), now)
		for _, rule := range group.Rules() {
			require.NoError(s.t, rule.LastError(), rule.Name())
		}
	}
}

// query runs a query as a panel does.
func (s *server) query(expr string) promql.Vector {
	s.t.Helper()
	return instant(s.t, s.engine, s.storage, expr, time.Now())
}

// grafanaVariables are what Grafana puts in the place of its variables.
var grafanaVariables = strings.NewReplacer("$__range", "6h", "$host", ".*", "$namespace", ".*", "$zone", ".*", "$job", ".*")

func instant(t *testing.T, engine *promql.Engine, db storage.Queryable, expr string, at time.Time) promql.Vector {
	t.Helper()
	query, err := engine.NewInstantQuery(t.Context(), db, nil, grafanaVariables.Replace(expr), at)
	require.NoError(t, err, expr)
	defer query.Close()
	result := query.Exec(t.Context())
	require.NoError(t, result.Err, expr)
	if scalar, ok := result.Value.(promql.Scalar); ok {
		return promql.Vector{{F: scalar.V}}
	}
	vector, err := result.Vector()
	require.NoError(t, err, expr)
	return vector
}
