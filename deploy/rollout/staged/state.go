// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What is remembered lives in annotations, so that a program that was ended goes on where it was.
const (
	stageKey    = "carbon/rollout-stage"    // of the canary: a percentage, or back
	watchedKey  = "carbon/rollout-watched"  // of the canary, once its pods are ready: for how long
	missingKey  = "carbon/rollout-missing"  // of the canary: how many pods of the stable one were not ready before
	previousKey = "carbon/rollout-previous" // of the stable one: its image before the last rollout, and that of the rollout
)

const beforeImage = " before "

// back is the stage of a rollout that is being undone.
const back = "back"

func stageName(s Stage) string { return strconv.Itoa(s.Percent) }

// state is where a rollout is.
type state struct {
	stage    string // empty if none is on
	settled  bool   // the pods of the stage were ready
	watched  time.Duration
	old, new string // images of the stable workload and of the canary
	previous string // empty if it is not known
}

func (r *Rollout) state(ctx context.Context) (s state, err error) {
	var stable, canary map[string]string
	if s.old, stable, err = r.stable.read(ctx); err != nil {
		return s, err
	}
	if s.new, canary, err = r.canary.read(ctx); err != nil {
		return s, fmt.Errorf("%w; the chart makes it with canary.enabled", err)
	}
	s.stage = canary[stageKey]
	if before, of, _ := strings.Cut(stable[previousKey], beforeImage); of == s.old { // or another has changed it since
		s.previous = before
	}
	if text, ok := canary[watchedKey]; ok {
		s.settled = true
		if s.watched, err = time.ParseDuration(text); err != nil {
			return s, fmt.Errorf("%s: annotation %s: %w", r.canary.job(), watchedKey, err)
		}
	}
	if text, ok := canary[missingKey]; ok {
		if r.missing, err = strconv.Atoi(text); err != nil {
			return s, fmt.Errorf("%s: annotation %s: %w", r.canary.job(), missingKey, err)
		}
	}
	return s, nil
}

// enter gives the canary the image and the stage at once: none of both is ever there alone.
func (r *Rollout) enter(ctx context.Context, image string, s Stage) error {
	return r.canary.set(ctx, image, object{stageKey: stageName(s), watchedKey: nil, missingKey: strconv.Itoa(r.missing)})
}

func (r *Rollout) remember(ctx context.Context, watched time.Duration) error {
	return r.canary.set(ctx, "", object{watchedKey: watched.Round(time.Second).String()})
}

// everywhere gives the image to the stable workload, which remembers the one it had.
func (r *Rollout) everywhere(ctx context.Context, image string) (did string, err error) {
	had, _, err := r.stable.read(ctx)
	if err != nil || had == image {
		return "", err
	}
	if err := r.stable.set(ctx, image, object{previousKey: had + beforeImage + image}); err != nil {
		return "", err
	}
	return fmt.Sprintf("all, %s had %s", r.stable.job(), had), nil
}

func (r *Rollout) forget(ctx context.Context) error {
	return r.canary.set(ctx, "", object{stageKey: nil, watchedKey: nil, missingKey: nil})
}
