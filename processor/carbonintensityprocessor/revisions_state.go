// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// Emissions go on after a stop. So must what corrects them, or the two together would jump.

// revisedRecord and bucketRecord are a correction and energy that may be corrected as they are stored.
type revisedRecord struct {
	Key   stream.Key
	Class uint16
	Start pcommon.Timestamp
	Grams float64
}

type bucketRecord struct {
	Key           stream.Key
	From, Until   int64
	Joules, Grams float64
	Class         uint16
	Quality       uint8
}

// revisionSize is how many chunks there are of each, and of which places.
type revisionSize struct {
	Places  string `json:"places"`
	Revised int    `json:"revised"`
	Buckets int    `json:"buckets"`
}

func (r *revisions) save(ctx context.Context, client storage.Client) (s revisionSize, err error) {
	if r == nil {
		return s, nil
	}
	s.Places = r.places
	if s.Revised, err = writeAll(ctx, client, revisedChunks, pack, r.corrections()); err != nil {
		return s, err
	}
	s.Buckets, err = writeAll(ctx, client, bucketChunks, pack, r.remembered())
	return s, err
}

const (
	revisedChunks = "revisions/revised"
	bucketChunks  = "revisions/buckets"
)

func (r *revisions) corrections() iter.Seq[revisedRecord] {
	return func(yield func(revisedRecord) bool) {
		for key, p := range r.streams.All() {
			for _, v := range p.revised {
				if !yield(revisedRecord{key, uint16(v.class), v.start, v.grams}) {
					return
				}
			}
		}
	}
}

func (r *revisions) remembered() iter.Seq[bucketRecord] {
	return func(yield func(bucketRecord) bool) {
		for key, p := range r.streams.All() {
			for _, b := range p.buckets {
				if !yield(bucketRecord{key, b.from, b.until, b.joules, b.grams, uint16(b.class), b.quality}) {
					return
				}
			}
		}
	}
}

// load takes up what was saved. It takes it away, too, if nothing is revised any more.
func (r *revisions) load(ctx context.Context, client storage.Client, s revisionSize, classes []class) error {
	streams := map[stream.Key]*past{}
	of := func(key stream.Key) *past {
		if streams[key] == nil {
			streams[key] = &past{seen: time.Now().Unix()}
		}
		return streams[key]
	}
	err := errors.Join(
		restore(ctx, client, revisedChunks, s.Revised, unpack, func(v revisedRecord) error {
			if !among(classes, v.Class) || !finite(v.Grams) {
				return fmt.Errorf("a correction has class %d of %d and %v g", v.Class, len(classes)-1, v.Grams)
			}
			p := of(v.Key)
			p.revised = append(p.revised, revised{classes[v.Class], v.Start, v.Grams})
			return nil
		}),
		restore(ctx, client, bucketChunks, s.Buckets, unpack, func(b bucketRecord) error {
			if !among(classes, b.Class) || !finite(b.Grams) || !finite(b.Joules) || b.From > b.Until {
				return fmt.Errorf("energy that may be corrected has class %d of %d, %v J and %v g, from %d to %d", b.Class, len(classes)-1, b.Joules, b.Grams, b.From, b.Until)
			}
			if r != nil && r.places != s.Places { // what was told of them stands
				return nil
			}
			p := of(b.Key)
			p.buckets = append(p.buckets, bucket{b.From, b.Until, b.Joules, b.Grams, classes[b.Class], b.Quality})
			return nil
		}))
	if r == nil || err != nil {
		return err
	}
	for key, p := range streams {
		if r.streams.Restore(key, *p) {
			r.buckets.Add(int64(len(p.buckets)))
		}
	}
	return nil
}

func among(classes []class, n uint16) bool { return n > 0 && int(n) < len(classes) }

func finite(x float64) bool { return math.Abs(x) <= math.MaxFloat64 }
