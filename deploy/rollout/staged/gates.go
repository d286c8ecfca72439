// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// answerLimit is how long Prometheus may take.
const answerLimit = 30 * time.Second

// gates are the alerts and series of a Prometheus, or of what speaks like one: Thanos, Mimir, VictoriaMetrics.
type gates struct {
	api       prometheus.API
	namespace string
	evidence  []string
}

// firingError is an alert of the new version, and what it says.
type firingError struct{ name, summary string }

func (f *firingError) Error() string { return f.name + ": " + f.summary }

func newGates(url, namespace string, evidence []string) (*gates, error) {
	client, err := api.NewClient(api.Config{Address: url})
	if err != nil {
		return nil, fmt.Errorf("prometheus %q: %w", url, err)
	}
	return &gates{api: prometheus.NewAPI(client), namespace: namespace, evidence: evidence}, nil
}

// firing are those of the alerts that fire for one of the jobs. All alerts must be known to Prometheus and healthy: one that
// is not loaded never fires.
func (g *gates) firing(ctx context.Context, alerts, jobs []string) ([]*firingError, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	all, err := g.api.Rules(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("no rules from prometheus: %w", err)
	}
	var found []*firingError
	loaded := map[string]bool{}
	for _, group := range all.Groups {
		for _, any := range group.Rules {
			rule, ok := any.(prometheus.AlertingRule)
			if !ok || !slices.Contains(alerts, rule.Name) {
				continue
			}
			if rule.Health != prometheus.RuleHealthGood {
				return nil, fmt.Errorf("prometheus cannot evaluate %s: health is %q, not ok: %s", rule.Name, rule.Health, rule.LastError)
			}
			loaded[rule.Name] = true
			for _, alert := range rule.Alerts {
				if alert.State == prometheus.AlertStateFiring && g.isOf(alert.Labels, jobs) {
					found = append(found, &firingError{rule.Name, string(alert.Annotations["summary"])})
				}
			}
		}
	}
	for _, name := range alerts {
		if !loaded[name] {
			return nil, fmt.Errorf("prometheus has no rule %s: load deploy/prometheus/rules", name)
		}
	}
	return found, nil
}

// isOf tells by the job, or by the pod where kube-state-metrics is all that knows of it.
func (g *gates) isOf(labels model.LabelSet, jobs []string) bool {
	if job, ok := labels[model.JobLabel]; ok {
		return slices.Contains(jobs, string(job))
	}
	return string(labels["namespace"]) == g.namespace && slices.ContainsFunc(jobs, func(job string) bool {
		return strings.HasPrefix(string(labels["pod"]), job+"-")
	})
}

// missing says which evidence there is not. A quantile of nothing is NaN, which is none.
func (g *gates) missing(ctx context.Context, job string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	query := fmt.Sprintf(`{__name__=~%q, job=%q} >= 0`, strings.Join(g.evidence, "|"), job)
	value, _, err := g.api.Query(ctx, query, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("no series from prometheus: %w", err)
	}
	there, ok := value.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("prometheus answered with a %s, not a vector: %s", value.Type(), query)
	}
	return slices.DeleteFunc(slices.Clone(g.evidence), func(name string) bool {
		return slices.ContainsFunc(there, func(s *model.Sample) bool { return string(s.Metric[model.MetricNameLabel]) == name })
	}), nil
}
