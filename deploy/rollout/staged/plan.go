// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Plan is what stages.yaml says. Durations are written as 30s, 15m or 168h.
type Plan struct {
	// Poll is the time between two looks at the cluster and at Prometheus.
	Poll meta.Duration `json:"poll"`
	// ReadyLimit is how long pods may take to be ready.
	ReadyLimit meta.Duration `json:"ready_limit"`
	// HoldLimit is how long a stage may be held without a break.
	HoldLimit meta.Duration `json:"hold_limit"`
	// Evidence has, by part, the recorded series that Prometheus must have of the new version.
	Evidence map[string][]string `json:"evidence"`
	// Stages rise to 100 %.
	Stages []Stage `json:"stages"`
}

// Stage is a share of the nodes or replicas, and what must be true of it.
type Stage struct {
	// Percent is the share, of 1 to 100.
	Percent int `json:"percent"`
	// Watch is for how long it must be quiet.
	Watch meta.Duration `json:"watch"`
	// Hold and Rollback are names of alerts.
	Hold     []string `json:"hold"`
	Rollback []string `json:"rollback"`
}

// Parts are what can be rolled out.
var Parts = []string{"agent", "gateway"}

// ParsePlan reads stages.yaml, and refuses keys it does not know.
func ParsePlan(text []byte) (*Plan, error) {
	var p Plan
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		return nil, fmt.Errorf("stages: %w", err)
	}
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("stages: %w", err)
	}
	return &p, nil
}

func (p *Plan) validate() error {
	var errs []error
	for key, d := range map[string]meta.Duration{"poll": p.Poll, "ready_limit": p.ReadyLimit, "hold_limit": p.HoldLimit} {
		if d.Duration <= 0 {
			errs = append(errs, fmt.Errorf("%s: %v is not a duration above 0", key, d.Duration))
		}
	}
	for _, part := range Parts {
		if len(p.Evidence[part]) == 0 {
			errs = append(errs, fmt.Errorf("evidence.%s: names no series, without which nothing may be promoted", part))
		}
	}
	for part, names := range p.Evidence {
		if !slices.Contains(Parts, part) {
			errs = append(errs, fmt.Errorf("evidence.%s: is not a part, use agent or gateway", part))
		}
		errs = append(errs, metricNames("evidence."+part, names))
	}
	last := 0
	for i, s := range p.Stages {
		key := fmt.Sprintf("stages[%d]", i)
		if s.Percent <= last || s.Percent > 100 {
			errs = append(errs, fmt.Errorf("%s.percent: %d is not above the last one's %d and up to 100", key, s.Percent, last))
		}
		last = s.Percent
		errs = append(errs, s.validate(key))
	}
	if last != 100 {
		errs = append(errs, fmt.Errorf("stages: end at %d %%, not at 100 %%", last))
	}
	return errors.Join(errs...)
}

func (s *Stage) validate(key string) error {
	var errs []error
	if s.Watch.Duration <= 0 {
		errs = append(errs, fmt.Errorf("%s.watch: %v is not a duration above 0", key, s.Watch.Duration))
	}
	if len(s.Rollback) == 0 {
		errs = append(errs, fmt.Errorf("%s.rollback: names no alert", key))
	}
	errs = append(errs, metricNames(key+".hold", s.Hold), metricNames(key+".rollback", s.Rollback))
	for _, alert := range s.Hold {
		if slices.Contains(s.Rollback, alert) {
			errs = append(errs, fmt.Errorf("%s: %s is in hold and in rollback", key, alert))
		}
	}
	return errors.Join(errs...)
}

func metricNames(key string, names []string) error {
	var errs []error
	for _, name := range names {
		if !model.LegacyValidation.IsValidMetricName(name) {
			errs = append(errs, fmt.Errorf("%s: %q is not a name of a series or an alert", key, name))
		}
	}
	return errors.Join(errs...)
}
