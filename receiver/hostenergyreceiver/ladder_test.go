// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelcol-carbon/otelcol-carbon/internal/machine"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

func joulesAt(first, more int) string { return strconv.Itoa((first + more) * 1_000_000) }

// The meter of a Grace CPU has its memory in it, whoever built the server: that is not estimated as well.
func TestGraceCountsItsMemoryOnce(t *testing.T) {
	for name, change := range map[string]func(root string){
		"known by its CPU":    func(string) {},
		"no CPU by that name": func(root string) { write(t, filepath.Join(root, "proc/cpuinfo"), "processor\t: 0\n") },
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, "../internal/sensor/testdata/grace-cpu")
			change(root)
			synctest.Test(t, func(t *testing.T) {
				const delay = interval / 20 // not at the times of its own readings
				r := newRig(t, root, func(cfg *Config) { cfg.Controller.InitialDelay = delay })
				require.NoError(t, r.Start(t.Context(), nil))
				time.Sleep(delay + interval)
				synctest.Wait()
				assert.InDeltaMapValues(t, map[string]float64{"hw.energy package-0": 2500, "hw.energy package-1": 2600}, values(r.latest(t)), 1e-9)
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

// Where the meters of Grace are away, its CPU is estimated with its memory: as part of a GPU's counter that covers the module.
func TestEstimatedGraceIsInTheModule(t *testing.T) {
	root := tree(t, "../internal/sensor/testdata/grace-cpu")
	require.NoError(t, os.RemoveAll(filepath.Join(root, "sys/class/hwmon")))
	cfg := createDefaultConfig().(*Config)
	cfg.Host.RootPath = root
	l := newLadder(cfg, nil, sensor.NewMachine(cfg.Host))
	l.discover()
	require.Len(t, l.devices, 1)
	gpu := &neighbour{devices: []machine.Device{{ID: "GPU-1", Module: true}}, decided: true}
	now := time.Now()
	assert.Equal(t, inner, l.places([]machine.Meter{gpu}, now)[l.devices[0]])
	gpu.devices[0].Module = false
	assert.Equal(t, counted, l.places([]machine.Meter{gpu}, now)[l.devices[0]])
}

// How sure the model is follows what it is fitted to.
func TestUncertaintyOfTheModel(t *testing.T) {
	root := tree(t, "amd")
	write(t, filepath.Join(root, "proc/meminfo"), "MemTotal:       263800000 kB\n")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) { cfg.Model.IdlePowerPerCPU, cfg.Model.MaxPowerPerCPU = 0, 0 })
		uncertainty := func() map[string]float64 {
			got, err := r.telemetry.GetMetric("otelcol_hostenergy.model.uncertainty")
			require.NoError(t, err)
			found := map[string]float64{}
			for _, dp := range got.Data.(metricdata.Gauge[float64]).DataPoints {
				of, _ := dp.Attributes.Value("hw.type")
				found[of.AsString()] = dp.Value
			}
			return found
		}
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		assert.Equal(t, map[string]float64{"cpu": 0.40, "memory": 0.50}, uncertainty(), "an EPYC of the table")
		joules, busy := 0, 0
		for second := range 600 {
			if second/60%2 == 1 { // both CPUs, each other minute
				joules, busy = joules+200, busy+100
			} else {
				joules += 50
			}
			write(t, filepath.Join(root, "proc/stat"), fmt.Sprintf("cpu %[1]d 0 0 4000000 0 0 0 0 0 0\ncpu0 %[2]d 0 0 0 0 0 0 0 0 0\ncpu1 %[2]d 0 0 0 0 0 0 0 0 0\n", 132600+2*busy, 66300+busy))
			write(t, energyFile(root, "intel-rapl:0"), joulesAt(7, joules))
			time.Sleep(time.Second)
			synctest.Wait()
		}
		assert.InDelta(t, 0.07, uncertainty()["cpu"], 0.02, "that of the counter, and what is left of the fit")
		require.NoError(t, r.Shutdown(t.Context()))
	})
}
