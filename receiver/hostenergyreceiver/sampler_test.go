// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"math"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The counter wraps eleven times in the hour between two scrapes. Only the receiver's own readings
// can see that.
func TestWrapsBetweenScrapes(t *testing.T) {
	const watts, rangeUJ = 800, 262143328850
	root := tree(t, "amd")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) { cfg.Controller.CollectionInterval = time.Hour })
		begin := time.Now()
		var reads []time.Duration
		r.scraper.readUint = func(path string) (uint64, error) {
			if filepath.Base(path) == "max_energy_range_uj" {
				return rangeUJ, nil
			}
			reads = append(reads, time.Since(begin))
			return uint64(watts*time.Since(begin).Microseconds()) % rangeUJ, nil
		}
		require.NoError(t, r.Start(t.Context(), nil))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.InEpsilon(t, watts*3600.0, r.latest(t)["hw.energy package-0"].value, 1e-12)
		require.Len(t, r.sink.AllMetrics(), 2)
		require.NoError(t, r.Shutdown(t.Context()))

		quarter := time.Duration(wrapSeconds(rangeUJ, scopePackage.maxPower()) / 4 * float64(time.Second))
		for i := 1; i < len(reads); i++ {
			assert.LessOrEqual(t, reads[i]-reads[i-1], quarter)
		}
	})
}

func TestSamplingInterval(t *testing.T) {
	for rangeUJ, want := range map[uint64]time.Duration{
		0:             time.Minute,
		65532610987:   16383152746 * time.Nanosecond, // ESU 16
		math.MaxInt64: time.Minute,
		1:             100 * time.Millisecond,
	} {
		r := newRig(t, t.TempDir(), nil)
		raw := uint64(0)
		c := newCounter(rangeUJ, &raw)
		_, _ = c.read(time.Now())
		r.scraper.streams = []*stream{{sensor: c, scope: scopePackage}}
		assert.InDelta(t, want, r.scraper.samplingInterval(), 2, rangeUJ)
	}
}
