// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
	v1 "github.com/prometheus/prometheus/web/api/v1"
	"github.com/stretchr/testify/require"
)

// interval of rules and scrapes.
const interval = 30 * time.Second

// prometheusStub is a Prometheus without a scraper, and with a clock that is told the time.
type prometheusStub struct {
	t      *testing.T
	db     storage.Storage
	groups []*rules.Group
	server *httptest.Server

	mu   sync.Mutex // of what follows, and of rules that run
	now  time.Time
	away bool
	last map[string]sample
}

// newPrometheus has the rules of these files, of those about collectors if there are none.
func newPrometheus(t *testing.T, files ...string) *prometheusStub {
	t.Helper()
	if len(files) == 0 {
		files = []string{rulesFolder + "recording.yaml", rulesFolder + "collector.yaml", rulesFolder + "rollout.yaml"}
	}
	parser := parser.NewParser(parser.Options{})
	p := &prometheusStub{t: t, db: teststorage.New(t)}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 10_000_000, Timeout: time.Minute, Parser: parser,
		NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
	})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(engine, p.db),
		Appendable: p.db,
		Queryable:  p.db,
		Context:    t.Context(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     promslog.NewNopLogger(),
		Parser:     parser,
	})
	byName, errs := manager.LoadGroups(interval, labels.EmptyLabels(), "", nil, false, files...)
	require.Empty(t, errs)
	for _, group := range byName {
		p.groups = append(p.groups, group)
		for _, rule := range group.AlertingRules() {
			rule.SetRestored(true)
		}
	}
	order := func(g *rules.Group) int { return slices.Index(files, g.File()) }
	slices.SortFunc(p.groups, func(a, b *rules.Group) int { return cmp.Or(order(a)-order(b), strings.Compare(a.Name(), b.Name())) })
	p.serve(engine, parser)
	return p
}

const rulesFolder = "../../deploy/prometheus/rules/"

// serve is Prometheus' own API.
func (p *prometheusStub) serve(engine promql.QueryEngine, parser parser.Parser) {
	same := func(f http.HandlerFunc) http.HandlerFunc { return f }
	api := v1.NewAPI(engine, p.db, nil, nil, nil, nil, nil, nil, func() config.Config { return config.Config{} }, nil,
		v1.GlobalURLOptions{}, same, nil, "", false, false, 0, promslog.NewNopLogger(),
		func(context.Context) v1.RulesRetriever { return p }, 0, 0, 0, false, nil, nil, nil, nil, nil,
		prometheus.NewRegistry(), prometheus.NewRegistry(), nil, false, nil, false, false, false, false, 0, false, false, nil, nil,
		v1.OpenAPIOptions{IncludePaths: []string{"/query"}}, parser)
	router := route.New()
	api.Register(router.WithPrefix("/api/v1"))
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.away {
			http.Error(w, "upstream connect error", http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/api/v1/query" {
			_ = r.ParseForm() // the API finds out
			r.Form.Set("time", strconv.FormatInt(p.now.Unix(), 10))
		}
		router.ServeHTTP(w, r)
	}))
	p.t.Cleanup(p.server.Close)
}

// RuleGroups and AlertingRules are what the API asks a rules.Manager.
func (p *prometheusStub) RuleGroups() []*rules.Group { return p.groups }

func (p *prometheusStub) AlertingRules() (all []*rules.AlertingRule) {
	for _, group := range p.groups {
		all = append(all, group.AlertingRules()...)
	}
	return all
}

// scrape stores samples, of the form labels -> value, and evaluates all rules.
func (p *prometheusStub) scrape(now time.Time, samples map[string]sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = now
	app := p.db.Appender(p.t.Context())
	for key, s := range p.last { // what is no longer exposed is marked as stale
		if _, ok := samples[key]; !ok {
			_, err := app.Append(0, s.labels, now.UnixMilli(), math.Float64frombits(value.StaleNaN))
			require.NoError(p.t, err)
		}
	}
	p.last = samples
	for _, s := range samples {
		_, err := app.Append(0, s.labels, now.UnixMilli(), s.value)
		require.NoError(p.t, err)
	}
	require.NoError(p.t, app.Commit())
	for _, group := range p.groups {
		group.Eval(p.t.Context(), now)
		for _, rule := range group.Rules() {
			require.NoError(p.t, rule.LastError(), rule.Name())
		}
	}
}

type sample struct {
	labels labels.Labels
	value  float64
}

func (p *prometheusStub) setAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}
