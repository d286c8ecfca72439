// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// powerStep is a time, what the machine says then, and what comes of it.
type powerStep struct {
	after  time.Duration
	set    map[string]string
	out    joule.Outcome
	joules float64
	err    error
}

func run(t *testing.T, b *box, s Source, steps []powerStep) {
	t.Helper()
	now := time.Now()
	for i, step := range steps {
		now = now.Add(step.after)
		for name, content := range step.set {
			b.write(name, content)
		}
		outcome, err := s.Sensor.Read(now)
		require.ErrorIs(t, err, step.err, "step %d", i)
		assert.Equal(t, step.out, outcome, "step %d", i)
		assert.InDelta(t, step.joules, float64(s.Sensor.Microjoules())/1e6, 1e-9, "step %d", i)
	}
}

func TestMeterIsIntegrated(t *testing.T) {
	const dir = hwmon + "/hwmon1/device/"
	watts := func(microwatts string) map[string]string {
		return map[string]string{dir + "power1_average": microwatts}
	}
	for name, tt := range map[string]struct {
		interval string
		every    time.Duration
		steps    []powerStep
	}{
		"a mean of a second": {"1000", time.Second, []powerStep{
			{0, watts("400000000"), joule.First, 0, nil},
			{time.Second, watts("500000000"), joule.Counted, 500, nil},
			{2 * time.Second, watts("300000000"), joule.Counted, 1100, nil},
			{10*time.Second + 1, nil, joule.Gap, 1100, nil},
			{time.Second, watts("30000000001"), joule.Rejected, 1100, nil},
			{time.Second, watts("100000000"), joule.Counted, 1300, nil},
		}},
		"a mean of an instant": {"50", time.Second, []powerStep{
			{0, watts("400000000"), joule.First, 0, nil},
			{time.Second, watts("500000000"), joule.Counted, 450, nil},
		}},
		"a mean of 30 seconds": {"30000", 30 * time.Second, []powerStep{
			{0, watts("400000000"), joule.First, 0, nil},
			{30 * time.Second, watts("500000000"), joule.Counted, 15000, nil},
			{5 * time.Minute, nil, joule.Counted, 165000, nil},
		}},
		"a mean of an hour": {"3600000", time.Minute, nil},
		"of what is not known": {"", time.Second, []powerStep{
			{0, watts("400000000"), joule.First, 0, nil},
			{time.Second, watts("500000000"), joule.Counted, 450, nil},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, "acpi-meter")
			b.write(dir+"power1_average_interval", tt.interval)
			s := source(t, b.Machine, "power-meter", ACPI)
			assert.Equal(t, tt.every, s.Sensor.Interval())
			run(t, b, s, tt.steps)
		})
	}
}

// Newer kernels have the files in the hwmon device itself, and its number changes with each load of the driver.
func TestMeterMoves(t *testing.T) {
	b := newBox(t, "grace")
	s := source(t, b.Machine, "package-1", HWMon)
	now := time.Now()
	_, err := s.Sensor.Read(now)
	require.NoError(t, err)
	b.remove(hwmon)
	_, err = s.Sensor.Read(now.Add(time.Second))
	require.ErrorIs(t, err, os.ErrNotExist)
	for dir, label := range map[string]string{"hwmon6": "CPU Power Socket 1", "hwmon2": "Grace Power Socket 1"} {
		b.write(hwmon+"/"+dir+"/name", "power_meter")
		b.write(hwmon+"/"+dir+"/power1_oem_info", label)
		b.write(hwmon+"/"+dir+"/power1_input", "260000000")
	}
	outcome, err := s.Sensor.Read(now.Add(2 * time.Second))
	require.NoError(t, err)
	assert.Equal(t, joule.Counted, outcome)
	assert.EqualValues(t, 520_000_000, s.Sensor.Microjoules())
}

func TestBattery(t *testing.T) {
	const bat0, bat1 = supplies + "/BAT0/", supplies + "/BAT1/"
	b := newBox(t, "laptop")
	s := source(t, b.Machine, "battery", Battery)
	set := func(pairs ...string) map[string]string {
		files := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			files[pairs[i]] = pairs[i+1]
		}
		return files
	}
	run(t, b, s, []powerStep{
		{0, nil, joule.First, 0, nil},
		{10 * time.Second, nil, joule.Counted, 85, nil},
		// The second battery gives 1.5 A at 12 V, as some drivers say it: with a sign.
		{10 * time.Second, set(bat1+"status", "Discharging", bat1+"current_now", "-1500000", bat1+"voltage_now", "12000000", bat0+"power_now", "2000000"), joule.Counted, 85 + (8.5+20)/2*10, nil},
		{10 * time.Second, set(supplies+"/AC/online", "1"), joule.Rejected, 227.5, ErrOnMains},
		{10 * time.Second, set(bat0+"status", "Charging", bat1+"status", "Full"), joule.Rejected, 227.5, ErrOnMains},
		{10 * time.Second, set(supplies+"/AC/online", "0", bat0+"status", "Discharging", bat0+"power_now", "10000000"), joule.First, 227.5, nil},
		{10 * time.Second, nil, joule.Counted, 327.5, nil},
		{time.Minute, nil, joule.Gap, 327.5, nil},
	})
	assert.Equal(t, 5*time.Second, s.Sensor.Interval())
	b.write(supplies+"/AC/online", "1")
	_, rows := Detect(b.Machine)
	assert.Contains(t, rows[len(rows)-1].Detail, "battery, which tells nothing now: not on battery power")
	b.remove(bat0)
	b.remove(bat1)
	assert.Empty(t, idsBy(b.Machine, Battery))
	_, err := s.Sensor.Read(time.Now())
	require.ErrorIs(t, err, errNoBattery)
}

func TestBatteryPowerThatIsNone(t *testing.T) {
	b := newBox(t, "laptop")
	b.write(supplies+"/BAT1/status", "Discharging")
	b.write(supplies+"/BAT1/current_now", "18446744073709551615")
	b.write(supplies+"/BAT1/voltage_now", "18446744073709551615")
	_, err := discharge(b.Machine)
	require.ErrorContains(t, err, "BAT1")
	require.ErrorContains(t, err, "is no battery's power")
}

// Whatever a meter says and whenever it is read, the total neither falls nor is more than the scope can draw.
func TestPowerIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var microwatts uint64
		var failing error
		p := newPowerSensor(func() (uint64, error) { return microwatts, failing }, Host,
			time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "every")), time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "averaged")))
		now := time.Now()
		start, before := now, uint64(0)
		for range rapid.IntRange(1, 50).Draw(t, "readings") {
			microwatts = rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 3e10), rapid.Just[uint64](math.MaxUint64)).Draw(t, "microwatts")
			failing = rapid.SampledFrom([]error{nil, nil, os.ErrNotExist, ErrOnMains}).Draw(t, "failing")
			now = now.Add(time.Duration(rapid.Int64Range(0, 1e11).Draw(t, "after")))
			_, err := p.Read(now)
			require.ErrorIs(t, err, failing)
			require.GreaterOrEqual(t, p.Microjoules(), before)
			before = p.Microjoules()
			require.LessOrEqual(t, float64(before), 1.5*Host.maxPower()*microjoules*now.Sub(start).Seconds()+1)
		}
	})
}
