// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/scraper/scrapererror"

	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml/nvmltest"
)

func kept(c *Config) { c.Storage = &storetest.ID }

// What was used while the collector was down is counted, for the time in which it was used; also if it was
// killed.
func TestRestart(t *testing.T) {
	for name, kill := range map[string]bool{"shut down": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &nvmltest.GPU{ID: "GPU-a", Millijoules: 1000}
				m := &storetest.Memory{}
				begin := time.Now()
				d := nvmltest.New(g)
				first := newHarness(t, newConfig(kept), d)
				require.NoError(t, first.Start(t.Context(), storetest.Host(m)))
				time.Sleep(firstCollection)
				d.Set(func() { g.Millijoules = 8000 })
				first.tick()
				left := m.Copy()
				told := first.energy()["GPU-a"]
				require.InDelta(t, 7, told.joules, 0)
				d.Set(func() { g.Millijoules = 9500 }) // is read, and told only if there is time for it
				time.Sleep(2 * time.Second)
				require.NoError(t, first.Shutdown(t.Context()))
				require.Zero(t, m.Open())
				if !kill {
					left = m.Copy()
					told = first.energy()["GPU-a"]
					require.InDelta(t, 8.5, told.joules, 0)
				}

				time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Hour)))
				g.Millijoules = 70_000
				second := runOn(t, nvmltest.New(g), storetest.Host(left), kept)
				points := second.last("hw.energy")
				require.Len(t, points, 2)
				require.Equal(t, told.at, points[0].Timestamp().AsTime(), "what was told last, for those who count from here")
				require.InDelta(t, told.joules, points[0].DoubleValue(), 0)
				require.Equal(t, measured{69, begin.UTC(), time.Now().Truncate(time.Second).UTC()}, second.energy()["GPU-a"])
				require.Equal(t, begin.UTC(), points[0].StartTimestamp().AsTime(), "the stream goes on")
				second.tick()
				require.Len(t, second.last("hw.energy"), 1)
			})
		})
	}
}

// A collector that is killed before its first reading has told what the last one knew, and has lost nothing of it.
func TestKilledBeforeTheFirstReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a", Millijoules: 1000}
		d, m := nvmltest.New(g), &storetest.Memory{}
		first := newHarness(t, newConfig(kept), d)
		require.NoError(t, first.Start(t.Context(), storetest.Host(m)))
		time.Sleep(firstCollection)
		require.NoError(t, first.Shutdown(t.Context()))
		d.Set(func() {
			g.Millijoules += 7000
			g.Fail(nvml.SymbolEnergy, nvml.Unknown)
		})
		second := newHarness(t, newConfig(kept), d)
		require.NoError(t, second.Start(t.Context(), storetest.Host(m)))
		time.Sleep(firstCollection)
		left := m.Copy() // killed
		require.NoError(t, second.Shutdown(t.Context()))
		d.Set(func() { g.Fail(nvml.SymbolEnergy, nil) })
		third := runOn(t, d, storetest.Host(left), kept)
		require.Equal(t, map[string]float64{"GPU-a": 7}, third.joules())
	})
}

// A counter that began again at 0 in the meantime is known by the boot or the driver, even if it shows more.
func TestRestartAfterReset(t *testing.T) {
	for name, change := range map[string]func(*nvmltest.Driver, *storetest.Memory){
		"another driver": func(d *nvmltest.Driver, _ *storetest.Memory) { d.VersionText = "590.1" },
		"another boot": func(_ *nvmltest.Driver, m *storetest.Memory) {
			for key, content := range m.Content() {
				var s state
				_ = json.Unmarshal(content, &s)
				s.Boot = "another"
				changed, err := json.Marshal(s)
				require.NoError(t, err)
				require.NoError(t, m.Set(t.Context(), key, changed))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &nvmltest.GPU{ID: "GPU-a", Millijoules: 1000}
				m := &storetest.Memory{}
				d := nvmltest.New(g)
				first := newHarness(t, newConfig(kept), d)
				require.NoError(t, first.Start(t.Context(), storetest.Host(m)))
				time.Sleep(firstCollection)
				d.Set(func() { g.Millijoules = 2000 })
				require.NoError(t, first.Shutdown(t.Context()))
				time.Sleep(time.Hour)
				d = nvmltest.New(g)
				change(d, m)
				g.Millijoules = 5000
				second := runOn(t, d, storetest.Host(m), kept)
				require.InDelta(t, 1+5, second.energy()["GPU-a"].joules, 0)
			})
		})
	}
}

func TestRestartIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a", Millijoules: 1000}
		m := &storetest.Memory{}
		first := newHarness(t, newConfig(kept), nvmltest.New(g))
		require.NoError(t, first.Start(t.Context(), storetest.Host(m)))
		time.Sleep(firstCollection)
		require.NoError(t, first.Shutdown(t.Context()))
		time.Sleep(time.Minute)
		g.Millijoules = 700_000 * 3600 // an hour's worth
		second := runOn(t, nvmltest.New(g), storetest.Host(m), kept)
		second.tick()
		require.Zero(t, second.energy()["GPU-a"].joules)
		require.Positive(t, second.skipped()["implausible"])
	})
}

// What cannot be kept is not told. It is not lost by that.
func TestStorageIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a", Millijoules: 1000}
		m := &storetest.Memory{}
		m.Fill(true)
		d := nvmltest.New(g)
		h := runOn(t, d, storetest.Host(m), kept)
		require.Empty(t, h.last("hw.energy"))
		_, err := h.scrape(t.Context())
		require.EqualError(t, err, "storage: the state of GPU-a cannot be kept, its points wait until it can: no space left on device")
		require.True(t, scrapererror.IsPartialScrapeError(err), "with another error the collector drops what is told of other GPUs")
		require.Equal(t, int64(2), h.skipped()["not_persisted"])
		d.Set(func() { g.Millijoules = 4000 })
		time.Sleep(time.Second)
		m.Fill(false)
		h.tick()
		points := h.last("hw.energy")
		require.Len(t, points, 2)
		require.Zero(t, points[0].DoubleValue())
		require.InDelta(t, 3, points[1].DoubleValue(), 0)
	})
}

func TestBrokenState(t *testing.T) {
	for name, content := range map[string]string{
		"no JSON": "{", "empty": "{}", "another format": `{"format": 2}`, "no time": `{"format": 1}`,
		"much energy": `{"format": 1, "start": "2026-11-23T00:00:00Z", "at": "2026-11-23T00:00:00Z", "meter": {"totals": {"counter": 18446744073709551615}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := storetest.With(map[string][]byte{"gpu/GPU-a": []byte(content)})
				h := runOn(t, nvmltest.New(&nvmltest.GPU{ID: "GPU-a", Millijoules: 1000}), storetest.Host(m), kept)
				require.InDelta(t, 0, h.energy()["GPU-a"].joules, 0)
				require.Contains(t, h.messages(), "what was kept of a GPU cannot be used: its energy is counted from 0")
			})
		})
	}
}

func TestNoStorage(t *testing.T) {
	for name, tt := range map[string]struct {
		host component.Host
		want string
	}{
		"none":    {componenttest.NewNopHost(), `storage: there is no extension "file_storage"; list it under extensions and service::extensions`},
		"another": {storetest.Host(nopExtension{}), `storage: "file_storage" is no storage extension; file_storage is one`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, newConfig(kept), nvmltest.New())
			require.EqualError(t, h.Start(t.Context(), tt.host), tt.want)
			require.NoError(t, h.Shutdown(t.Context()))
		})
	}
}

type nopExtension struct {
	component.StartFunc
	component.ShutdownFunc
}

// Errors that were counted go on, too.
func TestXidsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a"}
		d, m := nvmltest.New(g), &storetest.Memory{}
		first := newHarness(t, newConfig(kept), d)
		require.NoError(t, first.Start(t.Context(), storetest.Host(m)))
		time.Sleep(firstCollection)
		d.Push(g, nvml.Event{Xid: 79})
		time.Sleep(seldom)
		require.NoError(t, first.Shutdown(t.Context()))
		second := runOn(t, nvmltest.New(g), storetest.Host(m), kept)
		points := second.last("hw.errors")
		require.Len(t, points, 1)
		assert.Equal(t, int64(1), points[0].IntValue())
	})
}

// A state that was damaged or made up is refused or used, and never panics, falls or counts what cannot be.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"format":1,"boot":"b","driver":"580.65.06","meter":{"totals":{"counter":7000,"integrated":0},"raw":8000,"raw_at":"2026-11-23T00:00:00Z","module":false},"start":"2026-11-22T00:00:00Z","at":"2026-11-23T00:00:00Z","method_start":["2026-11-22T00:00:00Z","0001-01-01T00:00:00Z"]}`))
	f.Add([]byte(`{"format":1,"start":"2026-11-22T00:00:00Z","at":"2026-11-23T00:00:00Z","xids":{"79":-3},"ledger":{"until":"2026-11-22T00:00:00Z","pending_to":"2026-11-23T00:00:00Z","accounts":[{"kind":"idle","attribution":"measured_share","method":"counter","millijoules":5,"start":"2026-11-22T00:00:00Z"}]}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		g := &gpu{common: &common{cfg: newConfig(nil)}, xids: map[uint64]int64{}}
		g.tenants = &tenants{common: g.common, slots: map[string]int{}}
		if g.restore(content, "580.65.06") != nil {
			return
		}
		totals := g.meter.Totals()
		if sum := totals.Counter + totals.Integrated; sum < totals.Counter {
			t.Errorf("%+v", totals)
		}
		if g.ledger != nil && g.ledger.Imbalance() != 0 {
			t.Error(g.ledger.Imbalance())
		}
		if _, err := json.Marshal(g.state()); err != nil {
			t.Error(err)
		}
	})
}
