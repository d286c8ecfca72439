// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// remembered is how much of the watching is lost at most with a program that is killed.
const remembered = 5 * time.Minute

// notReadyError says which pods are not.
type notReadyError struct{ why string }

func (e *notReadyError) Error() string { return e.why }

// progress is how far a stage is.
type progress struct {
	image   string
	entered bool
	settled bool
	watched time.Duration
	saved   time.Duration
}

// stage brings the image to the stage's share, and watches it until the next may come. What is wrong with the cluster or with
// Prometheus holds it: for weeks somebody else restarts one of them now and then.
func (r *Rollout) stage(ctx context.Context, s Stage, p *progress) error {
	last := r.Clock.Now()
	p.saved = p.watched
	var wasQuiet bool
	var waits, held string
	var waitsSince, heldSince time.Time
	for {
		err := r.look(ctx, s, p)
		if ctx.Err() != nil {
			return fmt.Errorf("ended at %d %% after %v of watching: start it again to go on", s.Percent, p.watched)
		}
		now := r.Clock.Now()
		var (
			rolledBack *RolledBackError
			notReady   *notReadyError
			fires      *firingError
		)
		switch {
		case errors.As(err, &rolledBack):
			return err
		case errors.As(err, &notReady):
			if waits != notReady.why { // progress
				waits, waitsSince = notReady.why, now
			}
			r.say("%d %%: %v", s.Percent, err)
			if now.Sub(waitsSince) >= r.Plan.ReadyLimit.Duration {
				return &RolledBackError{fmt.Sprintf("%v, for %v", err, r.Plan.ReadyLimit.Duration)}
			}
		case err != nil:
			if heldSince.IsZero() {
				heldSince = now
			}
			by := err.Error()
			if errors.As(err, &fires) { // its numbers change
				by = fires.name
			}
			if held != by {
				held = by
				r.say("%d %%: held: %v", s.Percent, err)
			}
			if now.Sub(heldSince) >= r.Plan.HoldLimit.Duration {
				return &RolledBackError{fmt.Sprintf("held for %v: %v", r.Plan.HoldLimit.Duration, err)}
			}
		default:
			held, heldSince = "", time.Time{}
			if wasQuiet { // a machine that slept has watched nothing
				p.watched += min(now.Sub(last), 2*r.Plan.Poll.Duration)
			}
			r.say("%d %%: quiet, watched for %v of %v", s.Percent, p.watched.Truncate(time.Hour), s.Watch.Duration)
		}
		wasQuiet, last = err == nil, now
		done := err == nil && p.watched >= s.Watch.Duration
		if done || p.watched-p.saved >= remembered {
			if err := r.remember(ctx, p.watched); err == nil {
				p.saved = p.watched
			}
		}
		if done {
			return nil
		}
		_ = r.Clock.Sleep(ctx, r.Plan.Poll.Duration) // whether the context has ended is seen after the next look
	}
}

// look brings the share about, as nodes and replicas come and go, and asks the gates. It is nil if all is quiet.
func (r *Rollout) look(ctx context.Context, s Stage, p *progress) error {
	if !p.entered {
		if err := r.enter(ctx, p.image, s); err != nil {
			return err
		}
		p.entered = true
	}
	full := s.Percent == 100
	move := func() (string, error) { return r.fleet.move(ctx, s.Percent) }
	jobs := []string{r.canary.job()}
	if full {
		move = func() (string, error) { return r.everywhere(ctx, p.image) }
		jobs = append(jobs, r.stable.job())
	}
	did, err := move()
	if err != nil {
		return err
	}
	if did != "" {
		r.say("%d %%: %s", s.Percent, did)
	}
	found, gatesErr := r.gates.firing(ctx, slices.Concat(s.Rollback, s.Hold), jobs)
	for _, f := range found {
		if slices.Contains(s.Rollback, f.name) {
			return &RolledBackError{f.Error()}
		}
	}
	if !p.settled {
		if err := r.fleet.settled(ctx, full, r.missing); err != nil {
			return err
		}
		if err := r.remember(ctx, 0); err != nil {
			return err
		}
		p.settled = true
	}
	if gatesErr != nil {
		return gatesErr
	}
	if len(found) > 0 {
		return found[0]
	}
	return r.seen(ctx, jobs[len(jobs)-1])
}

// seen is nil if Prometheus has what the gates are about.
func (r *Rollout) seen(ctx context.Context, job string) error {
	missing, err := r.gates.missing(ctx, job)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("prometheus has no %s of job %s", strings.Join(missing, ", "), job)
	}
	return nil
}
