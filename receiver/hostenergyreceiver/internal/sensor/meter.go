// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// findMeter finds the power meter of a whole machine.
func findMeter(m Machine) (f finding) {
	meters, err := meters(m)
	meters = slices.DeleteFunc(meters, meter.grace)
	switch {
	case err != nil:
		f.refuse(err)
	case len(meters) == 0:
		f.absent = "no hwmon device power_meter of the whole machine"
		if !m.CPU.Virtual {
			f.remedy = "sudo modprobe acpi_power_meter, if the firmware has one"
		}
	case len(meters) > 1:
		f.absent = fmt.Sprintf("%d hwmon devices power_meter, of which it is not known whether one is the whole machine", len(meters))
	case strings.Contains(strings.ToLower(meters[0].label), "socket"):
		f.absent = fmt.Sprintf("there is one of %q, not of the whole machine", meters[0].label)
	default:
		f.integrate(m, meters[0], Source{ID: "power-meter", Name: "Power meter (ACPI)", Scope: Host, Driver: ACPI})
	}
	return f
}

// meter is a device of drivers/hwmon/acpi_power_meter.c (Documentation/hwmon/acpi_power_meter.rst).
type meter struct {
	label    string // what its firmware calls it
	at       location
	averaged time.Duration // what a reading is the mean of
}

// meters lists those that measure no battery.
func meters(m Machine) (found []meter, err error) {
	dirs, err := chips(m, "power_meter")
	for _, dir := range dirs {
		if battery, _ := m.text(filepath.Join(dir, "power1_is_battery")); battery == "1" {
			continue
		}
		file := filepath.Join(dir, "power1_oem_info")
		label, labelErr := m.text(file)
		if labelErr != nil && !errors.Is(labelErr, fs.ErrNotExist) {
			err = cmp.Or(err, labelErr)
			continue
		}
		pm := meter{label: label, at: location{value: filepath.Join(dir, "power1_average")}}
		if labelErr == nil {
			pm.at.marks = []mark{{file, label}}
		}
		if _, none := os.Stat(pm.at.value); errors.Is(none, fs.ErrNotExist) {
			pm.at.value = filepath.Join(dir, "power1_input")
		}
		if millis, none := m.number(filepath.Join(dir, "power1_average_interval")); none == nil {
			pm.averaged = time.Duration(min(millis, uint64(time.Hour/time.Millisecond))) * time.Millisecond
		}
		found = append(found, pm)
	}
	return found, err
}

// integrate adds the source if its power can be read.
func (f *finding) integrate(m Machine, pm meter, s Source) {
	r := reader{machine: m, at: pm.at, find: func() (location, error) {
		meters, err := meters(m)
		for _, other := range meters {
			if other.label == pm.label {
				return other.at, nil
			}
		}
		return location{}, cmp.Or(err, fs.ErrNotExist)
	}}
	read := func() (uint64, error) {
		microwatts, err := r.read()
		// Where the firmware has no value it is all ones in milliwatts (ACPI, 10.4, _PMM); newer kernels answer ENODATA.
		const unknown = 0xFFFFFFFF * 1000
		if err == nil && (microwatts == 0 || microwatts == unknown) {
			err = fmt.Errorf("%s: %d is no power of something that runs", r.at.value, microwatts)
		}
		return microwatts, err
	}
	if _, err := read(); err != nil {
		f.refuse(err)
		if errors.Is(err, fs.ErrPermission) {
			f.remedy = "run the collector as root, or let its group read the file"
		}
		return
	}
	const usual = time.Second
	s.Sensor, s.Method = newPowerSensor(read, s.Scope, usual, pm.averaged), Integrated
	f.sources = append(f.sources, s)
}
