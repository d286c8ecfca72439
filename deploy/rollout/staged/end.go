// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"context"
	"fmt"
)

// finish leaves the stable workload alone with the image.
func (r *Rollout) finish(ctx context.Context, image string) error {
	if err := r.insist(ctx, func() error { return r.fleet.home(ctx) }); err != nil {
		return fmt.Errorf("at 100 %%, start it again to end it: %w", err)
	}
	if err := r.insist(ctx, func() error { return r.fleet.settled(ctx, true, r.missing) }); err != nil {
		return fmt.Errorf("at 100 %%, without canaries, start it again to end it: %w", err)
	}
	if err := r.insist(ctx, func() error { return r.forget(ctx) }); err != nil {
		return err
	}
	r.say("done: %s has %s", r.stable.job(), image)
	return nil
}

// back brings the old image to all, and always returns an error: a RolledBackError if that is done.
func (r *Rollout) back(ctx context.Context, why string) error {
	r.say("rolls back: %s", why)
	if err := r.insist(ctx, func() error { return r.turn(ctx) }); err != nil {
		return fmt.Errorf("is to be rolled back (%s), start it again to go on: %w", why, err)
	}
	if err := r.insist(ctx, func() error { return r.fleet.settled(ctx, true, r.missing) }); err != nil {
		why += fmt.Sprintf("; with the old image %v", err)
	}
	if err := r.insist(ctx, func() error { return r.forget(ctx) }); err != nil {
		return fmt.Errorf("is rolled back (%s), start it again to end it: %w", why, err)
	}
	r.say("rolled back")
	return &RolledBackError{why}
}

// turn changes the images and shares. Each of its steps may have been done before: the canary, which is first, then has the old
// image, and says which that is.
func (r *Rollout) turn(ctx context.Context) error {
	now, err := r.state(ctx)
	if err != nil {
		return err
	}
	if now.stage != back {
		if now.new, err = now.before(), r.canary.set(ctx, now.before(), object{stageKey: back, watchedKey: nil}); err != nil {
			return err
		}
	}
	if now.old != now.new {
		if err := r.stable.set(ctx, now.new, object{previousKey: nil}); err != nil {
			return err
		}
	}
	return r.fleet.home(ctx)
}

// before is the image that there was before the rollout.
func (s state) before() string {
	if (s.stage == "" || s.stage == "100") && s.old == s.new && s.previous != "" {
		return s.previous
	}
	return s.old
}

// insist tries again and again, as the Kubernetes API may be away and pods take their time, until ReadyLimit.
func (r *Rollout) insist(ctx context.Context, try func() error) error {
	for began := r.Clock.Now(); ; {
		err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || r.Clock.Now().Sub(began) >= r.Plan.ReadyLimit.Duration:
			return err
		}
		r.say("waits: %v", err)
		_ = r.Clock.Sleep(ctx, r.Plan.Poll.Duration)
	}
}
