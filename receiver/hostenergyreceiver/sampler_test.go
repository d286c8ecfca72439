// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
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
		r.reading(func(path string) ([]byte, error) {
			switch filepath.Base(path) {
			case "max_energy_range_uj":
				return []byte(strconv.Itoa(rangeUJ)), nil
			case "energy_uj":
				reads = append(reads, time.Since(begin))
				return strconv.AppendUint(nil, uint64(watts*time.Since(begin).Microseconds())%rangeUJ, 10), nil
			}
			return os.ReadFile(path)
		})
		require.NoError(t, r.Start(t.Context(), nil))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.InEpsilon(t, watts*3600.0, r.latest(t)["hw.energy package-0"].value, 1e-12)
		require.Len(t, r.sink.AllMetrics(), 2)
		require.NoError(t, r.Shutdown(t.Context()))

		quarter := time.Duration(rangeUJ / 4) // at 1 kW
		for i := 1; i < len(reads); i++ {
			assert.LessOrEqual(t, reads[i]-reads[i-1], quarter)
		}
	})
}

// Each sensor is read as often as it needs, and no more.
func TestSamplingInterval(t *testing.T) {
	l := &ladder{}
	assert.Equal(t, time.Minute, l.interval())
	for _, tt := range []struct{ wants, then time.Duration }{
		{0, time.Minute},
		{16 * time.Second, 16 * time.Second},
		{time.Hour, 16 * time.Second},
		{time.Second, time.Second},
		{time.Nanosecond, 100 * time.Millisecond},
	} {
		d, f := fake("a", sensor.Package)
		f.interval = tt.wants
		l.devices = append(l.devices, d)
		assert.Equal(t, tt.then, l.interval(), tt.wants)
	}
}
