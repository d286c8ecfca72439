// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
)

// settling stands behind the processor: it passes energy on at once, and keeps a copy until the intensity of its
// time is settled. Then it tells the emissions. What waits is in the storage if there is one, so that a crash
// does not lose it, and streams that have ended are told like others.
type settling struct {
	next  consumer.Metrics
	delay time.Duration
	most  int64 // bytes
	// convert tells the emissions of energy that came then, and was taken by a processor that watched from then on.
	convert func(ctx context.Context, md pmetric.Metrics, came time.Time, watched pcommon.Timestamp)
	early   func() // counts what is told before its time
	lose    func(context.Context, pmetric.Metrics)
	logger  *zap.Logger
	watched pcommon.Timestamp // since when this processor sees all that begins
	forgot  pcommon.Timestamp // until when what was told has been forgotten, 0 if nothing has

	mu      sync.Mutex
	client  storage.Client // nil: memory
	memory  map[uint64][]byte
	waiting waiting
	oldest  struct {
		n  uint64
		at time.Time // when it came
	}

	told atomic.Int64 // Unix ns: when what was told last came, or this began

	telling sync.Mutex // one at a time, in order
	untold  *pmetric.Metrics
}

// waiting says which copies there are. The one before Begin is kept as well: a process that begins anew has its
// readings to count from.
type waiting struct {
	Begin uint64 `json:"begin"`
	End   uint64 `json:"end"`
	Bytes int64  `json:"bytes"`
}

const waitingKey = "settling"

func copyKey(n uint64) string { return fmt.Sprintf("%s/%d", waitingKey, n) }

func (s *settling) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: s.next.Capabilities().MutatesData}
}

// ConsumeMetrics keeps a copy only of what was accepted: who is refused sends it again. So it refuses nothing that has passed.
func (s *settling) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	energy := energyOf(md)
	if energy.ResourceMetrics().Len() == 0 {
		return s.next.ConsumeMetrics(ctx, md)
	}
	content, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(energy)
	if err != nil {
		return err
	}
	record := heading{time.Now(), s.watched}.append(content)
	if err := s.makeRoom(ctx, len(record)); err != nil {
		return err
	}
	if err := s.next.ConsumeMetrics(ctx, md); err != nil {
		return err
	}
	if err := s.put(ctx, record); err != nil {
		s.logger.Error("The emissions of energy cannot be told later", zap.Error(err))
		s.lose(ctx, energy)
	}
	return nil
}

// makeRoom tells the oldest early. What is refused for good is gone, too.
func (s *settling) makeRoom(ctx context.Context, bytes int) error {
	for s.full(bytes) {
		s.early()
		if err := s.tell(ctx); err != nil && !consumererror.IsPermanent(err) {
			return fmt.Errorf("settle_max_bytes: %d bytes wait, and the oldest of them cannot be told: %w", s.most, err)
		}
	}
	return nil
}

func (s *settling) full(more int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting.Begin < s.waiting.End && s.waiting.Bytes+int64(more) > s.most
}

func (s *settling) put(ctx context.Context, record []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := s.waiting
	after.End++
	after.Bytes += int64(len(record))
	if s.client == nil {
		s.memory[s.waiting.End] = record
	} else if err := s.write(ctx, after, storage.SetOperation(copyKey(s.waiting.End), record)); err != nil {
		return fmt.Errorf("settle_delay: energy cannot be kept until its emissions are settled: %w", err)
	}
	s.waiting = after
	return nil
}

func (s *settling) write(ctx context.Context, w waiting, also ...*storage.Operation) error {
	content, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return s.client.Batch(ctx, append(also, storage.SetOperation(waitingKey, content))...)
}

func (s *settling) get(ctx context.Context, n uint64) ([]byte, error) {
	if s.client == nil {
		return s.memory[n], nil
	}
	return s.client.Get(ctx, copyKey(n))
}

// due reports whether there is something to tell.
func (s *settling) due(ctx context.Context) bool {
	if s.refused() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting.Begin == s.waiting.End {
		return false
	}
	if s.oldest.n != s.waiting.Begin || s.oldest.at.IsZero() {
		record, err := s.get(ctx, s.waiting.Begin)
		if err != nil {
			return true // taking it says what is wrong
		}
		h, _, err := parse(record)
		if err != nil {
			return true
		}
		s.oldest.n, s.oldest.at = s.waiting.Begin, h.came
	}
	return time.Since(s.oldest.at) >= s.delay
}

func (s *settling) refused() bool {
	s.telling.Lock()
	defer s.telling.Unlock()
	return s.untold != nil
}

// tell takes the oldest copy and tells its emissions. What is refused is told again at the next call, before anything else.
func (s *settling) tell(ctx context.Context) error {
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.untold == nil {
		md, h, err := s.take(ctx)
		if err != nil {
			return err
		}
		s.told.Store(h.came.UnixNano())
		s.emit(ctx, md, h.came, max(h.watched, s.forgot))
		if md.ResourceMetrics().Len() == 0 {
			return nil
		}
		s.untold = &md
	}
	attempt := pmetric.NewMetrics()
	s.untold.CopyTo(attempt)
	err := s.next.ConsumeMetrics(ctx, attempt)
	if err == nil || consumererror.IsPermanent(err) {
		s.untold = nil
	}
	return err
}

// emit leaves what the energy emitted in its place.
func (s *settling) emit(ctx context.Context, md pmetric.Metrics, came time.Time, watched pcommon.Timestamp) {
	inputs := make([]int, 0, md.ResourceMetrics().Len())
	for _, rm := range md.ResourceMetrics().All() {
		inputs = append(inputs, rm.ScopeMetrics().Len())
	}
	s.convert(ctx, md, came, watched)
	i := 0
	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		seen := 0
		rm.ScopeMetrics().RemoveIf(func(pmetric.ScopeMetrics) bool { seen++; return seen <= inputs[i] })
		i++
		return rm.ScopeMetrics().Len() == 0
	})
}

// take removes the oldest copy before it is told: rather once too few than twice.
func (s *settling) take(ctx context.Context) (md pmetric.Metrics, h heading, err error) {
	md, h.came = pmetric.NewMetrics(), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting.Begin == s.waiting.End {
		return md, h, nil
	}
	record, err := s.get(ctx, s.waiting.Begin)
	if err != nil {
		return md, h, err
	}
	after := s.waiting
	after.Begin++
	after.Bytes -= int64(len(record))
	if s.client == nil {
		delete(s.memory, s.waiting.Begin)
	} else {
		var obsolete []*storage.Operation
		if s.waiting.Begin > 0 {
			obsolete = append(obsolete, storage.DeleteOperation(copyKey(s.waiting.Begin-1)))
		}
		if err := s.write(ctx, after, obsolete...); err != nil {
			return md, h, err
		}
	}
	s.waiting = after
	if of, kept, err := read(record); err != nil {
		s.logger.Warn("Energy that was kept cannot be read: its emissions are not told", zap.Error(err))
	} else {
		md, h = kept, of
	}
	return md, h, nil
}

// open goes on with what waited when the last process ended, with its totals, or without: then from the readings that
// it told last.
func (s *settling) open(ctx context.Context, client storage.Client, watched pcommon.Timestamp, totals bool) error {
	s.watched = watched
	s.told.Store(int64(watched))
	if client == nil {
		s.memory = map[uint64][]byte{}
		return nil
	}
	s.client = client
	var err error
	if s.waiting, err = whatWaits(ctx, client); err != nil || s.waiting.Begin == 0 || totals {
		return err
	}
	s.forgot = watched // if it is not known what was told last
	record, err := client.Get(ctx, copyKey(s.waiting.Begin-1))
	if err != nil || record == nil {
		return err
	}
	if h, last, err := read(record); err == nil {
		s.forgot = pcommon.NewTimestampFromTime(h.came)
		keepOnly(last, pmetric.AggregationTemporalityCumulative) // the readings that later ones are counted from
		s.convert(ctx, last, h.came, s.forgot)
	}
	return nil
}

func whatWaits(ctx context.Context, client storage.Client) (w waiting, err error) {
	content, err := client.Get(ctx, waitingKey)
	if err != nil || content == nil {
		return w, err
	}
	return w, json.Unmarshal(content, &w)
}

// now is when what was told last came: what follows may have waited for longer than streams may be silent.
func (s *settling) now() time.Time { return time.Unix(0, s.told.Load()) }

// run tells what is due until it is stopped.
func (s *settling) run(ctx context.Context) {
	const (
		look  = time.Second
		retry = 10 * time.Second
	)
	for wait := look; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = look
		for s.due(ctx) && ctx.Err() == nil {
			if err := s.tell(ctx); err != nil && ctx.Err() == nil {
				s.logger.Warn("Settled emissions cannot be told, and wait", zap.Error(err))
				wait = retry
				break
			}
		}
	}
}

// close tells what only memory has.
func (s *settling) close(ctx context.Context) (err error) {
	for ctx.Err() == nil {
		s.mu.Lock()
		left := s.client == nil && s.waiting.Begin < s.waiting.End
		s.mu.Unlock()
		if !left && !s.refused() {
			return nil
		}
		s.early()
		if err := s.tell(ctx); err != nil {
			return fmt.Errorf("settle_delay: emissions of what waits are not told: %w", err)
		}
	}
	return ctx.Err()
}
