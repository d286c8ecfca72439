// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// restate is how often what was said of the past is asked for again, if somebody wants to know.
const restate = time.Hour

// spare is kept beyond the history, so that who waits all of that still finds it.
const spare = time.Hour

// zone keeps what is known of one zone, in a goroutine of its own: so there is never more than one request
// for it at a time.
type zone struct {
	*common

	feed     *grid.Feed
	links    []*link
	fallback *grid.Intensity
	since    time.Time // from when on all was asked for
}

// always is the beginning of time, notYet its end: nothing was asked for.
var always, notYet = time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)

// same reports whether two zones are one for all who are asked.
func (z *zone) same(other *zone) bool {
	sameLink := func(a, b *link) bool { return a.source == b.source && a.id == b.id }
	sameFallback := z.fallback == other.fallback || z.fallback != nil && other.fallback != nil && *z.fallback == *other.fallback
	return sameFallback && slices.EqualFunc(z.links, other.links, sameLink)
}

// link is a provider's place in a zone's chain.
type link struct {
	*source

	id     string // of the zone
	shelf  shelf
	retry  backoff.ExponentialBackOff
	tryAt  time.Time // after a failure
	late   bool      // it answers, but does not know the present
	latest time.Time // when the newest values were fetched
	// foretold and restated are when the forecast and the history were.
	foretold, restated time.Time
}

func newLink(s *source, id string) *link {
	return &link{source: s, id: id, shelf: shelf{}, retry: backoff.ExponentialBackOff{
		InitialInterval: 5 * time.Second, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: 10 * time.Minute,
	}}
}

func (z *zone) run(ctx context.Context) {
	begin := time.Now()
	for _, l := range z.links {
		z.recall(ctx, l)
	}
	for {
		z.refresh(ctx)
		if z.since.Equal(notYet) {
			z.since = begin
		}
		z.publish()
		select {
		case <-ctx.Done():
			return
		case <-z.feed.Wake():
		case <-time.After(z.wait()):
		}
	}
}

// wait is until the next question, spread so that zones and machines do not ask all at once.
func (z *zone) wait() time.Duration {
	wait := z.config.RefreshInterval
	for _, l := range z.links {
		if !l.tryAt.IsZero() {
			wait = min(wait, max(time.Second, time.Until(l.tryAt)))
		}
	}
	return wait*9/10 + rand.N(wait/5) //nolint:gosec // needs no secrecy
}

// refresh asks the first provider that knows the present, and no other. If none does, one that is late knows the past.
func (z *zone) refresh(ctx context.Context) {
	for i, l := range z.links {
		if z.update(ctx, l) {
			for _, unneeded := range z.links[i+1:] {
				unneeded.tryAt = time.Time{}
			}
			z.forecast(ctx, l)
			z.history(ctx, l)
			return
		}
	}
	if i := slices.IndexFunc(z.links, func(l *link) bool { return l.late }); i >= 0 {
		z.history(ctx, z.links[i])
	}
}

// update reports whether the provider knows the present, or did so a moment ago.
func (z *zone) update(ctx context.Context, l *link) bool {
	now := time.Now()
	if now.Before(l.tryAt) {
		return false
	}
	if !l.latest.IsZero() && now.Sub(l.latest) < z.config.RefreshInterval*8/10 {
		return true
	}
	values, err := z.fetch(ctx, l, "latest", func() ([]grid.Value, error) { return l.provider.Latest(ctx, l.id) }, func(values []grid.Value) error {
		if !z.tooOld(values) {
			return nil
		}
		l.shelf.put(values) // of their own time they are true
		return &provider.Error{Reason: provider.TooOld, Detail: "its newest interval ended at " + newest(values).End.Format(time.RFC3339)}
	})
	l.shelf.put(values)
	l.late = isTooOld(err)
	if err != nil {
		l.tryAt = now.Add(l.retry.NextBackOff())
		return false
	}
	l.retry.Reset()
	l.tryAt, l.latest = time.Time{}, now
	return true
}

// tooOld reports whether the newest value cannot be carried until now.
func (z *zone) tooOld(values []grid.Value) bool {
	last := newest(values)
	return time.Since(last.End) > time.Duration(z.config.MaxCarry)*last.End.Sub(last.Start)
}

func newest(values []grid.Value) grid.Value {
	return slices.MaxFunc(values, func(a, b grid.Value) int { return a.End.Compare(b.End) })
}

func (z *zone) forecast(ctx context.Context, l *link) {
	if now := time.Now(); now.Sub(l.foretold) >= restate {
		l.foretold = now
		values, _ := z.fetch(ctx, l, "forecast", func() ([]grid.Value, error) { return l.provider.Forecast(ctx, l.id) }, nil)
		l.shelf.put(values)
	}
}

// history asks for the time that somebody has energy of, and asks again from time to time: what was said of
// it is restated.
func (z *zone) history(ctx context.Context, l *link) {
	wanted, now := z.feed.Wanted(), time.Now()
	if wanted.IsZero() || !wanted.Before(z.since) && now.Sub(l.restated) < restate {
		return
	}
	from := wanted
	if oldest := z.oldest(); from.Before(oldest) {
		from = oldest
	}
	// The newest value covers a minute, and who is late has nothing of what it has not reached yet.
	if until := l.shelf.published(); now.Sub(from) < time.Minute || !until.IsZero() && !until.After(from) {
		z.since = earlier(z.since, wanted)
		return
	}
	from = from.Truncate(time.Hour) // who asks for a part of the same hour shares the answer
	what := "history/" + from.UTC().Format("2006-01-02T15")
	values, err := z.fetch(ctx, l, what, func() ([]grid.Value, error) { return l.provider.History(ctx, l.id, from, now) }, nil)
	l.shelf.put(values)
	if err == nil || isNotOffered(err) {
		l.restated = now
		z.since = earlier(z.since, wanted)
	}
}

// oldest is from when on values are kept.
func (z *zone) oldest() time.Time { return time.Now().Add(-z.config.History - spare) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (z *zone) publish() {
	var values []grid.Value
	for _, l := range z.links {
		values = append(values, l.shelf.since(z.oldest())...)
	}
	z.feed.Publish(grid.NewTimeline(values, z.config.MaxCarry, z.fallback, z.since))
}
