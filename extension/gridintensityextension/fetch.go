// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/cache"
	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// turn is how often the answer to another collector's request is looked for.
const turn = 2 * time.Second

// fetch takes what another collector of the site has fetched not long ago, or asks the provider.
func (z *zone) fetch(ctx context.Context, l *link, what string, request func() ([]grid.Value, error), judge func([]grid.Value) error) ([]grid.Value, error) {
	key := l.key(what)
	if l.isLocal() {
		return l.ask(ctx, l.id, key.What, request, judge)
	}
	release := func() {}
	defer func() { release() }()
	// No longer than a lock holds: the others of the site may fail one after another.
	for last := time.Now().Add(cache.LockTTL); ; {
		if values, ok := z.fresh(ctx, l, key); ok {
			return values, nil
		}
		var mine bool
		if release, mine = z.cache.Lock(ctx, key); mine || time.Now().After(last) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(turn):
		}
	}
	values, err := l.ask(ctx, l.id, key.What, request, judge)
	if err == nil {
		z.cache.Put(ctx, key, cache.Entry{Fetched: time.Now(), Values: values})
	}
	return values, err
}

// fresh is what a cache has that is not older than what would be kept anyway.
func (z *zone) fresh(ctx context.Context, l *link, key cache.Key) ([]grid.Value, bool) {
	entry, layer, ok := z.cache.Get(ctx, key)
	if !ok || time.Since(entry.Fetched) >= z.config.RefreshInterval*8/10 {
		return nil, false
	}
	z.telemetry.GridintensityCacheHits.Add(ctx, 1, metric.WithAttributes(l.attribute, attribute.String("cache.layer", string(layer))))
	return entry.Values, true
}

// recall takes what was kept, however old: it stands until there is something newer.
func (z *zone) recall(ctx context.Context, l *link) {
	if l.isLocal() {
		return
	}
	for _, what := range []string{"latest", "forecast"} {
		if entry, _, ok := z.cache.Get(ctx, l.key(what)); ok {
			l.shelf.put(entry.Values)
		}
	}
}

// key tells apart what must not be shared: two services of one name, and what is asked of them. It has no secret in
// it: an endpoint or option may be one.
func (l *link) key(what string) cache.Key {
	c := l.config
	of := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", c.ClientConfig.Endpoint, l.provenance, c.Options))
	return cache.Key{Provider: c.Name + "|" + c.Type + "|" + hex.EncodeToString(of[:8]), Zone: l.id, What: what}
}

func isNotOffered(err error) bool { return errors.Is(err, provider.ErrNotOffered) }

func isTooOld(err error) bool {
	e, ok := errors.AsType[*provider.Error](err)
	return ok && e.Reason == provider.TooOld
}
