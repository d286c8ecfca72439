// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
)

// state is what is kept of a GPU. It is written before what it says is emitted, so that a collector which
// is killed at any moment goes on from no less than it has told.
type state struct {
	Format int    `json:"format"`
	Boot   string `json:"boot"`
	Driver string `json:"driver"`

	Meter  meter.State   `json:"meter"`
	Ledger *ledger.State `json:"ledger,omitempty"`
	// Start and At are the times of the first reading and of the last.
	Start time.Time `json:"start"`
	At    time.Time `json:"at"`
	// MethodStart is when each of the streams of hw.energy begins.
	MethodStart [methods]time.Time `json:"method_start"`
	Xids        map[uint64]int64   `json:"xids,omitempty"`
}

// format is counted up when state changes so that older ones cannot be read.
const format = 1

// keeper keeps states in a storage extension; nowhere if client is nil.
type keeper struct{ client storage.Client }

func (s keeper) close(ctx context.Context) error {
	if s.client == nil {
		return nil
	}
	return s.client.Close(ctx)
}

// load is nil if nothing is kept. What cannot be read is like nothing, with an error in the state's place.
func (s keeper) load(uuid string) ([]byte, error) {
	if s.client == nil {
		return nil, nil
	}
	return s.client.Get(context.Background(), key(uuid))
}

func (s keeper) save(ctx context.Context, g *gpu) error {
	if s.client == nil {
		return nil
	}
	content, err := json.Marshal(g.state())
	if err != nil {
		return err
	}
	return s.client.Set(ctx, key(g.id), content)
}

func key(uuid string) string { return "gpu/" + uuid }

func (g *gpu) state() state {
	s := state{
		Format: format, Boot: g.boot, Driver: g.driver,
		Meter: g.meter.State(), Start: g.start, At: g.readAt, Xids: g.xids,
	}
	for i := range s.MethodStart {
		s.MethodStart[i] = g.reported.energy[i].start
	}
	if g.ledger != nil {
		kept := g.ledger.State()
		s.Ledger = &kept
	}
	return s
}

// parseState refuses what no receiver has written.
func parseState(content []byte) (*state, error) {
	var s state
	decoder := json.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&s); err != nil {
		return nil, err
	}
	switch {
	case s.Format != format:
		return nil, fmt.Errorf("it has format %d, this version reads %d", s.Format, format)
	case s.Start.IsZero() || s.At.Before(s.Start):
		return nil, errors.New("its times make no sense")
	case s.Meter.Totals.Counter > largest || s.Meter.Totals.Integrated > largest:
		return nil, errors.New("it holds more energy than any GPU can have used")
	}
	for xid, count := range s.Xids {
		if count < 0 {
			return nil, fmt.Errorf("it has %d errors of Xid %d", count, xid)
		}
	}
	return &s, nil
}

// largest is 4 kW for a thousand years, in mJ. It is far below what a uint64 or, in whole numbers, a float64 holds.
const largest = 4e6 * 1000 * 365 * 24 * 3600

// restore has a new GPU go on from what was kept of it.
func (g *gpu) restore(content []byte, driver string) error {
	kept, err := parseState(content)
	if err != nil {
		return err
	}
	if kept.Ledger != nil && g.tenants != nil {
		restored, err := ledger.Restore(g.ledgerConfig(), *kept.Ledger)
		if err != nil {
			return err
		}
		g.adopt(restored)
		g.keptShares()
	}
	// A driver that was loaded anew, as it is after a boot, counts from 0.
	g.meter = meter.Restored(kept.Meter, !differ(kept.Boot, g.boot) && !differ(kept.Driver, driver))
	g.start, g.readAt = kept.Start, kept.At
	maps.Copy(g.xids, kept.Xids)
	g.reported.restore(kept)
	return nil
}

// bootID changes with each boot; it is empty if that cannot be known.
func bootID(machine host.Config) string {
	content, err := os.ReadFile(machine.Path("proc/sys/kernel/random/boot_id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

// differ reports whether two names of a boot or a driver are known to be of different ones.
func differ(a, b string) bool { return a != b && a != "" && b != "" }
