// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/embodied"
)

// State is written when the processor stops, and taken away when it starts. So one that was killed finds
// none, and begins anew: with new start times, so that nothing is booked twice.

// index says that the state is whole: it is written last.
type index struct {
	Format  int             `json:"format"`
	Classes []indexedClass  `json:"classes"` // from 1 on
	Books   map[string]size `json:"books"`   // by suffix
	// Embodied is by device.
	Embodied  map[string]embodied.State `json:"embodied,omitempty"`
	Revisions revisionSize              `json:"revisions"`
}

type indexedClass struct {
	grid.Provenance
	Quality grid.Quality
}

type size struct {
	Accounts int `json:"accounts"`
	More     int `json:"more"`
	Held     int `json:"held,omitempty"`
}

const (
	format   = 3
	indexKey = "index"
	// runningKey is there from a start to a stop.
	runningKey = "running"
	// perChunk bounds the memory that writing takes.
	perChunk = 4096
)

// accountRecord and moreRecord are an account and further siblings as they are stored.
type accountRecord struct {
	Key          stream.Key
	Last, Origin pcommon.Timestamp
	Value        float64
	Siblings     [len(siblings{})]siblingRecord
}

type moreRecord struct {
	Key      stream.Key
	Siblings [maxSiblings - len(siblings{})]siblingRecord
}

type siblingRecord struct {
	Class uint16
	Start pcommon.Timestamp
	Grams float64
}

// heldRecord is energy that waits as it is stored.
type heldRecord struct {
	Like   []byte
	Pieces []pieceRecord
}

type pieceRecord struct {
	From, Until pcommon.Timestamp
	Joules      float64
}

func (p *carbonProcessor) save(ctx context.Context, client storage.Client) error {
	idx := index{Format: format, Books: map[string]size{}, Classes: p.classes.all(), Embodied: p.making.states()}
	for _, b := range p.places.books() {
		accounts, err := write(ctx, client, b.suffix+"/accounts", b.accounts, pack, func(k stream.Key, a *account) accountRecord {
			r := accountRecord{Key: k, Last: a.last, Origin: a.origin, Value: a.value}
			record(r.Siblings[:], a.siblings[:])
			return r
		})
		if err != nil {
			return err
		}
		more, err := write(ctx, client, b.suffix+"/more", b.more, pack, func(k stream.Key, m *moreSiblings) moreRecord {
			r := moreRecord{Key: k}
			record(r.Siblings[:], m.siblings[:])
			return r
		})
		if err != nil {
			return err
		}
		held, err := write(ctx, client, b.suffix+"/held", b.held, json.Marshal, func(_ stream.Key, h *held) heldRecord {
			r := heldRecord{Like: h.like, Pieces: make([]pieceRecord, 0, len(h.pieces))}
			for _, piece := range h.pieces {
				r.Pieces = append(r.Pieces, pieceRecord{piece.from, piece.until, piece.joules})
			}
			return r
		})
		if err != nil {
			return err
		}
		idx.Books[b.suffix] = size{accounts, more, held}
	}
	var err error
	if idx.Revisions, err = p.revisions.save(ctx, client); err != nil {
		return err
	}
	content, err := json.Marshal(idx)
	if err != nil {
		return err
	}
	return errors.Join(client.Set(ctx, indexKey, content), client.Delete(ctx, runningKey))
}

// write stores a map in chunks, and returns how many there are.
func write[T, R any](ctx context.Context, client storage.Client, name string, m *stream.Map[T], marshal func(any) ([]byte, error), encode func(stream.Key, *T) R) (chunks int, err error) {
	return writeAll(ctx, client, name, marshal, func(yield func(R) bool) {
		for key, state := range m.All() {
			if !yield(encode(key, state)) {
				return
			}
		}
	})
}

func writeAll[R any](ctx context.Context, client storage.Client, name string, marshal func(any) ([]byte, error), all iter.Seq[R]) (chunks int, err error) {
	var records []R
	flush := func() {
		if len(records) == 0 || err != nil {
			return
		}
		var content []byte
		if content, err = marshal(records); err == nil {
			err = client.Set(ctx, chunkKey(name, chunks), content)
		}
		chunks, records = chunks+1, records[:0]
	}
	for r := range all {
		if records = append(records, r); len(records) == perChunk {
			flush()
		}
	}
	flush()
	return chunks, err
}

// pack is for records of one size.
func pack(records any) ([]byte, error) {
	var content bytes.Buffer
	err := binary.Write(&content, binary.LittleEndian, records)
	return content.Bytes(), err
}

func unpack[R any](content []byte) ([]R, error) {
	records := make([]R, len(content)/binary.Size(*new(R)))
	return records, binary.Read(bytes.NewReader(content), binary.LittleEndian, records)
}

func parseJSON[R any](content []byte) (records []R, err error) {
	return records, json.Unmarshal(content, &records)
}

func chunkKey(name string, chunk int) string { return fmt.Sprintf("%s/%d", name, chunk) }

// begin loads what was kept, and reports whether totals go on. It says so if the last process did not stop, but ended.
func (p *carbonProcessor) begin(ctx context.Context, client storage.Client) (totals bool, err error) {
	running, err := client.Get(ctx, runningKey)
	if err != nil {
		return false, err
	}
	if running != nil {
		p.telemetry.CarbonintensityRestartsUnclean.Add(ctx, 1)
		p.logger.Warn("The last process did not stop, but ended: emissions begin at 0 with new start times, and what had been read and not yet sent is missing")
	}
	totals, err = p.load(ctx, client)
	return totals, errors.Join(err, client.Set(ctx, runningKey, []byte{1}))
}

// load takes the state of a processor that has stopped; there is none after one that was killed.
func (p *carbonProcessor) load(ctx context.Context, client storage.Client) (whole bool, err error) {
	content, err := client.Get(ctx, indexKey)
	if err != nil || content == nil {
		return false, err
	}
	if err := client.Delete(ctx, indexKey); err != nil {
		return false, err
	}
	var idx index
	if err := json.Unmarshal(content, &idx); err != nil {
		return false, err
	}
	if idx.Format != format {
		return false, fmt.Errorf("it has format %d, this version reads %d", idx.Format, format)
	}
	p.making.restore(idx.Embodied)
	classes := []class{0}
	for _, c := range idx.Classes {
		classes = append(classes, p.classes.of(&grid.Intensity{Provenance: c.Provenance, Quality: c.Quality}))
	}
	var errs []error
	seen := time.Now().Unix() // nobody was there to read them before
	for _, b := range p.places.books() {
		size := idx.Books[b.suffix]
		errs = append(errs,
			restore(ctx, client, b.suffix+"/accounts", size.Accounts, unpack, func(r accountRecord) error {
				a := account{last: r.Last, origin: r.Origin, value: r.Value, seen: seen}
				if err := recall(a.siblings[:], r.Siblings[:], classes); err != nil {
					return err
				}
				b.accounts.Restore(r.Key, a)
				return nil
			}),
			restore(ctx, client, b.suffix+"/more", size.More, unpack, func(r moreRecord) error {
				m := moreSiblings{seen: seen}
				if err := recall(m.siblings[:], r.Siblings[:], classes); err != nil {
					return err
				}
				b.more.Restore(r.Key, m)
				return nil
			}),
			restore(ctx, client, b.suffix+"/held", size.Held, parseJSON, func(r heldRecord) error { return p.recallHeld(ctx, b, r) }))
	}
	if err := errors.Join(errs...); err != nil {
		return false, err // what corrects emissions that begin at 0 would be wrong
	}
	return true, p.revisions.load(ctx, client, idx.Revisions, classes)
}

func restore[R any](ctx context.Context, client storage.Client, name string, chunks int, unmarshal func([]byte) ([]R, error), take func(R) error) error {
	for chunk := range chunks {
		content, err := client.Get(ctx, chunkKey(name, chunk))
		if err != nil {
			return err
		}
		records, err := unmarshal(content)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := take(r); err != nil {
				return err
			}
		}
		if err := client.Delete(ctx, chunkKey(name, chunk)); err != nil {
			return err
		}
	}
	return nil
}

func record(to []siblingRecord, from []sibling) {
	for i, s := range from {
		to[i] = siblingRecord{uint16(s.class), s.start, s.grams}
	}
}

// recall gives siblings the numbers that their classes have now. They have been told.
func recall(to []sibling, from []siblingRecord, classes []class) error {
	for i, r := range from {
		if int(r.Class) >= len(classes) || !(r.Grams >= 0) {
			return fmt.Errorf("a stream has class %d of %d and %v g", r.Class, len(classes)-1, r.Grams)
		}
		to[i] = sibling{class: classes[r.Class], start: r.Start, grams: r.Grams, told: r.Class != 0}
	}
	return nil
}
