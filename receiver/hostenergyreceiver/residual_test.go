// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/machine"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// fakeSensor shows what a test says.
type fakeSensor struct {
	microjoules uint64
	outcome     joule.Outcome
	err         error
	interval    time.Duration
}

func (f *fakeSensor) Read(time.Time) (joule.Outcome, error) { return f.outcome, f.err }
func (f *fakeSensor) Microjoules() uint64                   { return f.microjoules }
func (f *fakeSensor) Interval() time.Duration               { return f.interval }

func fake(id string, scope sensor.Scope) (*device, *fakeSensor) {
	f := &fakeSensor{outcome: joule.Counted}
	return &device{Source: sensor.Source{Sensor: f, ID: id, Name: id, Scope: scope, Method: sensor.Counter}}, f
}

// neighbour is another receiver of the machine.
type neighbour struct {
	devices []machine.Device
	decided bool
	used    map[*workload.Workload]uint64
}

func (n *neighbour) Devices() ([]machine.Device, bool) { return n.devices, n.decided }

func (n *neighbour) Attributed(yield func(*workload.Workload, uint64)) {
	for w, millijoules := range n.used {
		yield(w, millijoules)
	}
}

// What no device covers is what the machine's meter says less what devices say, however late each is read.
func TestResidual(t *testing.T) {
	const overhead, cpuWatts, gpuWatts = 50, 100, 300
	meter, whole := fake("bmc", sensor.Host)
	cpu, package0 := fake("package-0", sensor.Package)
	gpu := &neighbour{devices: []machine.Device{{ID: "GPU-1"}}, decided: true}
	r, now := newResidual(meter), time.Now()
	look := func(second, meterAt int) {
		now = now.Add(time.Second)
		package0.microjoules = uint64(second) * cpuWatts * 1e6
		gpu.devices[0].Millijoules = uint64(second) * gpuWatts * 1000
		whole.microjoules = uint64(meterAt) * (overhead + cpuWatts + gpuWatts) * 1e6
		for _, d := range []*device{meter, cpu} {
			_, err := d.observe(now)
			require.NoError(t, err)
		}
		r.observe([]*device{cpu}, []machine.Meter{gpu}, now)
	}
	for second := range 101 {
		look(second, second/5*5) // the meter is read each 5 s
	}
	assert.InDelta(t, 100*overhead, joules(r.grown), 5*(cpuWatts+gpuWatts))
	before := r.grown
	for second := 101; second < 501; second++ {
		look(second, second/5*5)
	}
	assert.Equal(t, uint64(400*overhead*1000), r.grown-before, "it does not drift")

	whole.outcome = joule.Gap // the meter was away for 100 s
	before = r.grown
	look(601, 501)
	whole.outcome = joule.Counted
	look(602, 502)
	look(603, 503)
	assert.InDelta(t, 2*overhead, joules(r.grown-before), overhead+1, "what devices used meanwhile is not taken off")
}

func TestResidualNeverFalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		meter, whole := fake("bmc", sensor.Host)
		cpu, part := fake("cpu", sensor.Package)
		r, now := newResidual(meter), time.Now()
		last := uint64(0)
		for range rapid.IntRange(1, 50).Draw(t, "looks") {
			now = now.Add(time.Second)
			whole.microjoules += rapid.Uint64Range(0, 1e9).Draw(t, "machine")
			part.microjoules += rapid.Uint64Range(0, 1e9).Draw(t, "device")
			whole.outcome = rapid.SampledFrom([]joule.Outcome{joule.Counted, joule.Gap, joule.Rejected}).Draw(t, "outcome")
			whole.err = nil
			if rapid.Bool().Draw(t, "unreadable") {
				whole.err = errors.New("away")
			}
			_, _ = meter.observe(now)
			_, _ = cpu.observe(now)
			r.observe([]*device{cpu}, nil, now)
			require.GreaterOrEqual(t, r.grown, last)
			require.LessOrEqual(t, r.grown, meter.millijoules())
			last = r.grown
		}
	})
}

// Spread, it goes to workloads by what they used of all devices.
func TestResidualIsSpread(t *testing.T) {
	meter, whole := fake("bmc", sensor.Host)
	a := &workload.Workload{Kind: workload.Unit, Attributes: map[string]string{"systemd.unit": "a.service"}}
	b := &workload.Workload{Kind: workload.Unit, Attributes: map[string]string{"systemd.unit": "b.service"}}
	gpu := &neighbour{devices: []machine.Device{{ID: "GPU-1"}}, decided: true, used: map[*workload.Workload]uint64{a: 5000, b: 0, nil: 0}}
	r, now := newResidual(meter), time.Now()
	look := func() {
		_, err := meter.observe(now)
		require.NoError(t, err)
		r.observe(nil, []machine.Meter{gpu}, now)
		r.spread(ledger.Config{}, nil, []machine.Meter{gpu}, now)
	}
	look()
	for range 10 {
		now = now.Add(time.Second)
		whole.microjoules += 500e6
		gpu.devices[0].Millijoules += 400_000
		gpu.used[a] += 300_000
		gpu.used[b] += 100_000
		look()
	}
	got := map[string]uint64{}
	r.ledger.Tell(func(account ledger.Account) {
		if account.Workload != nil {
			got[account.Workload.Attributes["systemd.unit"]] = account.Millijoules
		} else {
			got[account.Kind] = account.Millijoules
		}
	})
	assert.Equal(t, map[string]uint64{"a.service": 750_000, "b.service": 250_000}, got)
}

// What a workload has falls when one of its accounts is freed: that is no activity, nor does that of before count again.
func TestSpreadForgetsWhoEnds(t *testing.T) {
	meter, whole := fake("bmc", sensor.Host)
	a := &workload.Workload{Kind: workload.Unit, Attributes: map[string]string{"systemd.unit": "a.service"}}
	b := &workload.Workload{Kind: workload.Unit, Attributes: map[string]string{"systemd.unit": "b.service"}}
	gpu := &neighbour{devices: []machine.Device{{ID: "GPU-1"}}, decided: true, used: map[*workload.Workload]uint64{a: 5000, b: 0}}
	r, now := newResidual(meter), time.Now()
	look := func(usedA, usedB uint64) {
		now = now.Add(time.Second)
		whole.microjoules += 100e6
		gpu.used[a], gpu.used[b] = usedA, usedB
		_, err := meter.observe(now)
		require.NoError(t, err)
		r.observe(nil, []machine.Meter{gpu}, now)
		r.spread(ledger.Config{}, nil, []machine.Meter{gpu}, now)
	}
	look(5000, 0)
	look(14_000, 1000)
	look(4000, 2000) // its memory's account is gone
	got := map[string]uint64{}
	r.ledger.Tell(func(account ledger.Account) {
		if account.Workload != nil {
			got[account.Workload.Attributes["systemd.unit"]] += account.Millijoules
		}
	})
	assert.Equal(t, map[string]uint64{"a.service": 90_000, "b.service": 110_000}, got)
}

// While the machine's meter is away, workloads that have ended hold no slots.
func TestSpreadFreesSlotsWhileTheMeterIsAway(t *testing.T) {
	meter, whole := fake("bmc", sensor.Host)
	a := &workload.Workload{Kind: workload.Unit, Attributes: map[string]string{"systemd.unit": "a.service"}}
	gpu := &neighbour{devices: []machine.Device{{ID: "GPU-1"}}, decided: true, used: map[*workload.Workload]uint64{a: 0}}
	slots := 0
	config := ledger.Config{
		Admit:   func(*workload.Workload) bool { slots++; return true },
		Release: func(*workload.Workload) { slots-- },
	}
	r, now := newResidual(meter), time.Now()
	look := func() {
		now = now.Add(10 * time.Second)
		_, _ = meter.observe(now)
		r.observe(nil, []machine.Meter{gpu}, now)
		r.spread(config, nil, []machine.Meter{gpu}, now)
		r.ledger.Tell(func(ledger.Account) {})
	}
	look()
	whole.microjoules += 100e6
	gpu.used[a] = 1000
	look()
	require.Equal(t, 1, slots)
	delete(gpu.used, a)
	whole.err = errors.New("away")
	for range 200 {
		look()
	}
	assert.Zero(t, slots)
	whole.err = nil
	whole.microjoules += 100e6
	look()
	booked, until := r.ledger.Booked()
	assert.EqualValues(t, 200_000, booked)
	assert.Equal(t, now, until)
	assert.Zero(t, r.ledger.Imbalance())
}

// When the wall clock is set back, points wait for it to catch up.
func TestResidualDoesNotGoBack(t *testing.T) {
	r := newReporter(metadata.NewMetricsBuilder(createDefaultConfig().(*Config).Metrics, receivertest.NewNopSettings(metadata.Type)))
	now := time.Now()
	r.timestamp(now.Add(time.Hour)) // as it was then
	meter, whole := fake("bmc", sensor.Host)
	res := newResidual(meter)
	for range 2 {
		now = now.Add(10 * time.Second)
		whole.microjoules += 1e9
		_, err := meter.observe(now)
		require.NoError(t, err)
		res.observe(nil, nil, now)
		r.timestamp(now)
		r.residual(res)
	}
	require.NotEmpty(t, r.shares)
	assert.Equal(t, r.last.AsTime(), r.shares[len(r.shares)-1].At)
}

// One workload that two receivers tell of takes one slot.
func TestOneWorkloadTakesOneSlot(t *testing.T) {
	a := &attribution{config: AttributionConfig{MaxWorkloads: 1}, slots: map[string]int{}}
	ours := &workload.Workload{Kind: workload.Unit, Attributes: map[string]string{"systemd.unit": "a.service"}}
	theirs := &workload.Workload{Kind: workload.Unit, Attributes: maps.Clone(ours.Attributes)}
	assert.True(t, a.admit(ours))
	assert.True(t, a.admit(theirs))
	a.release(ours)
	assert.Len(t, a.slots, 1)
	a.release(theirs)
	assert.Empty(t, a.slots)
}

type closer struct {
	fakeSensor

	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// What another source takes the place of is closed: of a sum of perf events one may be unreadable, and the others are open.
func TestReplacedSensorIsClosed(t *testing.T) {
	c := &closer{}
	d := &device{Source: sensor.Source{Sensor: c, ID: "package-0", Scope: sensor.Package, Driver: sensor.Perf}, unreadable: true}
	l := &ladder{cfg: createDefaultConfig().(*Config), devices: []*device{d}}
	l.add(sensor.Source{Sensor: &fakeSensor{}, ID: "package-0", Scope: sensor.Package, Driver: sensor.Powercap})
	assert.True(t, c.closed)
}
