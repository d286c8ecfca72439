// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package staged brings a new image to agents or gateways share by share, watches the alerts of its rollout in Prometheus, and
// goes on, waits or goes back.
package staged

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
)

// Options are what a rollout is told.
type Options struct {
	Plan               *Plan
	Part               string // one of Parts
	Namespace, Release string // of the chart
	Client             kubernetes.Interface
	Prometheus         string // URL
	Clock              Clock
	Log                io.Writer
}

// Clock is the time; tests have one of their own.
type Clock interface {
	Now() time.Time
	// Sleep returns early, with the reason, when the context ends.
	Sleep(ctx context.Context, d time.Duration) error
}

// RolledBackError says that all is as before, and why.
type RolledBackError struct{ Why string }

func (e *RolledBackError) Error() string { return "rolled back: " + e.Why }

// Rollout rolls out one part of one release.
type Rollout struct {
	Options

	fleet  fleet
	stable images
	canary images
	gates  *gates
	// missing is how many pods of the stable workload were not ready before: as many may be, later.
	missing int
	said    string
}

// fleet is what has shares: nodes or replicas.
type fleet interface {
	pair() (stable, canary images)
	move(ctx context.Context, percent int) (did string, err error)
	preview(ctx context.Context, percent int) (string, error)
	missing(ctx context.Context) (int, error)
	settled(ctx context.Context, stableToo bool, missing int) error
	home(ctx context.Context) error
}

// New makes a Rollout. It asks nobody anything yet.
func New(o Options) (*Rollout, error) {
	r := &Rollout{Options: o}
	switch o.Part {
	case "agent":
		r.fleet = newAgents(o.Client, o.Namespace, o.Release)
	case "gateway":
		r.fleet = newGateways(o.Client, o.Namespace, o.Release)
	default:
		return nil, fmt.Errorf("part: %q is not known, use %s", o.Part, strings.Join(Parts, " or "))
	}
	r.stable, r.canary = r.fleet.pair()
	var err error
	r.gates, err = newGates(o.Prometheus, o.Namespace, o.Plan.Evidence[o.Part])
	return r, err
}

// Run brings the image to all, or back. It goes on where an earlier one was ended.
func (r *Rollout) Run(ctx context.Context, image string) error {
	now, err := r.state(ctx)
	if err != nil {
		return err
	}
	stages, err := r.remaining(now, image)
	if err != nil {
		return err
	}
	switch {
	case now.stage == back:
		return r.back(ctx, "an earlier rollback to "+now.new+" was not finished")
	case len(stages) == 0:
		r.say("%s has %s, there is nothing to do", r.stable.job(), image)
		return nil
	case now.stage == "":
		if err := r.quiet(ctx, stages[0]); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		if r.missing, err = r.fleet.missing(ctx); err != nil {
			return err
		}
	default:
		r.say("goes on at %s %%, watched for %v", now.stage, now.watched)
	}
	for i, s := range stages {
		p := progress{image: image}
		if i == 0 && now.stage != "" {
			p = progress{image: image, entered: true, settled: now.settled, watched: now.watched}
		}
		if err := r.stage(ctx, s, &p); err != nil {
			if why := (*RolledBackError)(nil); errors.As(err, &why) {
				return r.back(ctx, why.Why)
			}
			return err
		}
	}
	return r.finish(ctx, image)
}

// Undo brings back the image from before the rollout: of one that is on, or of the last one.
func (r *Rollout) Undo(ctx context.Context) error {
	now, err := r.state(ctx)
	if err != nil {
		return err
	}
	if now.stage == "" && (now.previous == "" || now.old != now.new) {
		return fmt.Errorf("%s: no rollout is on, and no image from before the last one is known", r.stable.job())
	}
	err = r.back(ctx, "asked to")
	if done := (*RolledBackError)(nil); errors.As(err, &done) {
		return nil
	}
	return err
}

// Preview says what Run would do, and does nothing.
func (r *Rollout) Preview(ctx context.Context, image string) error {
	now, err := r.state(ctx)
	if err != nil {
		return err
	}
	stages, err := r.remaining(now, image)
	if err != nil {
		return err
	}
	for _, s := range stages {
		share := "all, " + r.stable.job() + " too"
		if s.Percent < 100 {
			if share, err = r.fleet.preview(ctx, s.Percent); err != nil {
				return err
			}
		}
		r.say("%d %%: %s to %s, watched for %v", s.Percent, share, image, s.Watch.Duration)
		r.say("%d %%: held by %s", s.Percent, strings.Join(s.Hold, ", "))
		r.say("%d %%: rolled back by %s", s.Percent, strings.Join(s.Rollback, ", "))
	}
	if len(stages) > 0 && now.stage == "" {
		return r.quiet(ctx, stages[0])
	}
	return nil
}

// remaining are the stages that are left, from the one that is on.
func (r *Rollout) remaining(now state, image string) ([]Stage, error) {
	switch {
	case now.stage == back:
		return r.Plan.Stages[:0], nil
	case now.stage == "" && now.old == image:
		return nil, nil
	case now.stage == "":
		return r.Plan.Stages, nil
	case now.new != image:
		return nil, fmt.Errorf("%s: a rollout of %s is at %s %%: go on with it, or undo it, before one of %s", r.canary.job(), now.new, now.stage, image)
	}
	at := slices.IndexFunc(r.Plan.Stages, func(s Stage) bool { return stageName(s) == now.stage })
	if at < 0 {
		return nil, fmt.Errorf("%s: is at %s %%, which is no stage of the plan: undo it, or use the plan it was begun with", r.canary.job(), now.stage)
	}
	return r.Plan.Stages[at:], nil
}

// quiet is an error if gates cannot be asked, or fire for what is not there yet.
func (r *Rollout) quiet(ctx context.Context, s Stage) error {
	found, err := r.gates.firing(ctx, slices.Concat(s.Hold, s.Rollback), []string{r.canary.job()})
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("%s fires already: %w", r.canary.job(), found[0])
	}
	return nil
}

// say writes a line, once.
func (r *Rollout) say(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); line != r.said {
		r.said = line
		fmt.Fprintf(r.Log, "%s %s: %s\n", r.Clock.Now().UTC().Format(time.RFC3339), r.Part, line)
	}
}
