// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// supplies is the kernel's interface to power supplies (Documentation/ABI/testing/sysfs-class-power).
const supplies = "sys/class/power_supply"

// findBattery finds the batteries of a laptop. All together are one source: they discharge one after the other.
func findBattery(m Machine) (f finding) {
	f.absent = "no battery in " + m.Host.Path(supplies)
	_, err := discharge(m)
	switch {
	case errors.Is(err, errNoBattery):
	case err != nil && !errors.Is(err, ErrOnMains):
		f.refuse(err)
	default:
		if err != nil {
			f.note = ", which tells nothing now: " + err.Error()
		}
		// The kernel asks batteries that are smart, which takes them a while, and do not say more within a second or two.
		const seldom = 5 * time.Second
		read := func() (uint64, error) { return discharge(m) }
		f.sources = []Source{{
			Sensor: newPowerSensor(read, Host, seldom, 0),
			ID:     "battery", Name: "Battery, while the machine runs on it", Scope: Host, Method: Integrated, Driver: Battery,
		}}
	}
	return f
}

var errNoBattery = errors.New("no battery")

// discharge is the power that all batteries give, in µW; ErrOnMains if the machine has another supply, or none discharges.
func discharge(m Machine) (microwatts uint64, err error) {
	dirs, err := m.list(m.Host.Path(supplies))
	if err != nil {
		return 0, err
	}
	batteries, online := 0, false
	for _, dir := range dirs {
		// Mice and pens have batteries as well: their scope is Device.
		if scope, _ := m.text(filepath.Join(dir, "scope")); scope == "Device" {
			continue
		}
		switch kind, err := m.text(filepath.Join(dir, "type")); {
		case err != nil:
			return 0, err
		case kind != "Battery":
			// Mains and USB are online if they supply.
			on, _ := m.text(filepath.Join(dir, "online"))
			online = online || on == "1" || on == "2"
		default:
			batteries++
			power, err := batteryPower(m, dir)
			if err != nil {
				return 0, err
			}
			microwatts += power
		}
	}
	switch {
	case batteries == 0:
		return 0, errNoBattery
	case online, microwatts == 0:
		return 0, ErrOnMains
	}
	return microwatts, nil
}

// batteryPower is what one battery gives, in µW; 0 if it does not discharge.
func batteryPower(m Machine, dir string) (microwatts uint64, err error) {
	if status, err := m.text(filepath.Join(dir, "status")); err != nil || status != "Discharging" {
		return 0, err
	}
	microwatts, err = m.magnitude(filepath.Join(dir, "power_now"))
	if !errors.Is(err, fs.ErrNotExist) {
		return microwatts, err
	}
	microamperes, err := m.magnitude(filepath.Join(dir, "current_now"))
	if err != nil {
		return 0, err
	}
	microvolts, err := m.magnitude(filepath.Join(dir, "voltage_now"))
	if err != nil {
		return 0, err
	}
	hi, lo := bits.Mul64(microamperes, microvolts)
	const picoToMicro = 1e6
	if hi >= picoToMicro {
		return 0, fmt.Errorf("%s: %d µA at %d µV is no battery's power", dir, microamperes, microvolts)
	}
	microwatts, _ = bits.Div64(hi, lo, picoToMicro)
	return microwatts, nil
}

// magnitude reads a number that some drivers give a sign for its direction.
func (m Machine) magnitude(path string) (uint64, error) {
	text, err := m.text(path)
	if err != nil {
		return 0, err
	}
	value, err := strconv.ParseUint(strings.TrimPrefix(text, "-"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}
