// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// local is the storage extension. Its methods do nothing if there is none.
type local struct {
	client storage.Client
	now    func() time.Time
	health *health

	mu sync.Mutex
	// fetched is when what is kept was fetched, by name. It is kept as well: a storage cannot be listed.
	fetched map[string]time.Time
}

const contents = version + ":contents"

// openLocal removes what has expired. A table of contents that cannot be read is begun anew.
func openLocal(ctx context.Context, client storage.Client, now func() time.Time, h *health) *local {
	l := &local{client: client, now: now, health: h, fetched: map[string]time.Time{}}
	text, err := client.Get(ctx, contents)
	if err != nil {
		l.failed(ctx, err)
		return l
	}
	if text == nil {
		return l
	}
	fetched := map[string]time.Time{}
	if err := json.Unmarshal(text, &fetched); err != nil {
		h.rejected(contents, err)
		return l
	}
	l.fetched = fetched
	l.change(ctx)
	return l
}

func (l *local) get(ctx context.Context, key Key) (Entry, bool) {
	if l == nil {
		return Entry{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := key.String()
	at, ok := l.fetched[name]
	if !ok || !l.health.fresh(name, at, l.now(), storageTTL) {
		return Entry{}, false
	}
	text, err := l.client.Get(ctx, name)
	if err != nil {
		l.failed(ctx, err)
		return Entry{}, false
	}
	l.health.worked()
	e, err := decode(text)
	if err != nil {
		l.health.rejected(name, err)
		l.fetched[name] = time.Time{} // it has expired
		return Entry{}, false
	}
	return e, l.health.fresh(name, e.Fetched, l.now(), storageTTL)
}

func (l *local) put(ctx context.Context, key Key, e Entry) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name, now := key.String(), l.now()
	if other := l.fetched[name]; expired(e.Fetched, now, storageTTL) || !expired(other, now, storageTTL) && !other.Before(e.Fetched) {
		return
	}
	text, err := e.encode()
	if err != nil {
		l.health.rejected(name, err)
		return
	}
	l.change(ctx, kept{name, text, e.Fetched})
}

type kept struct {
	name    string
	text    []byte
	fetched time.Time
}

// change writes entries and removes what has expired, all or nothing where the storage can do that.
func (l *local) change(ctx context.Context, add ...kept) {
	after := maps.Clone(l.fetched)
	var operations []*storage.Operation
	for _, k := range add {
		after[k.name] = k.fetched
		operations = append(operations, storage.SetOperation(k.name, k.text))
	}
	for name, at := range after {
		if expired(at, l.now(), storageTTL) {
			delete(after, name)
			operations = append(operations, storage.DeleteOperation(name))
		}
	}
	if len(operations) == 0 {
		return
	}
	text, err := json.Marshal(after)
	if err == nil {
		err = l.client.Batch(ctx, append(operations, storage.SetOperation(contents, text))...)
	}
	if err != nil {
		l.failed(ctx, err)
		return
	}
	l.health.worked()
	l.fetched = after
}

// failed counts, unless it was the caller who gave up.
func (l *local) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		l.health.failed(err)
	}
}

func (l *local) close(ctx context.Context) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client.Close(ctx)
}
