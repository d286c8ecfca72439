// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
)

// Every refusal names the file and what the kernel said, and how to get access, in one line.
func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		machine, what string
		prepare       func(b *box)
		detail        []string
		remedy        string
	}{
		"powercap is for root": {
			"intel-client", "RAPL (powercap)", func(b *box) { b.deny("/energy_uj") },
			[]string{"/sys/class/powercap/intel-rapl:0/energy_uj: permission denied"},
			"90-otelcol-carbon.rules",
		},
		"powercap is masked": {
			"masked", "RAPL (powercap)", nil,
			[]string{"/sys/class/powercap/intel-rapl:0/name: no such file or directory"},
			"set root_path",
		},
		"powercap is no directory": {
			"intel-client", "RAPL (powercap)", func(b *box) {
				b.remove(zones)
				b.write(strings.TrimSuffix(zones, "/"), "")
			},
			[]string{"/sys/class/powercap: not a directory"},
			"",
		},
		"energy is a directory": {
			"intel-client", "RAPL (powercap)", func(b *box) {
				b.remove(zones + "intel-rapl:0/energy_uj")
				b.write(zones+"intel-rapl:0/energy_uj/file", "1")
			},
			[]string{"/sys/class/powercap/intel-rapl:0/energy_uj: is a directory"},
			"modprobe",
		},
		"perf by the kernel's setting": {
			"masked", "RAPL (perf)", func(b *box) { b.refused = syscall.EACCES },
			[]string{"perf_event_open: permission denied", "/proc/sys/kernel/perf_event_paranoid is 2"},
			"CAP_PERFMON",
		},
		"perf by seccomp": {
			"masked", "RAPL (perf)", func(b *box) {
				b.refused = syscall.EPERM
				b.remove("proc/sys")
			},
			[]string{"perf_event_open: operation not permitted"},
			"CAP_PERFMON",
		},
		"perf without such a PMU": {
			"masked", "RAPL (perf)", func(b *box) { b.refused = syscall.ENOENT },
			[]string{"perf_event_open: no such file or directory"},
			"",
		},
		"perf with an event of another form": {
			"masked", "RAPL (perf)", func(b *box) {
				b.write(eventSource+"/power/events/energy-pkg", "config=0x02")
			},
			[]string{"/power/events/energy-pkg", "\"config=0x02\" is not of the form event=0x02"},
			"",
		},
		"perf in another unit": {
			"masked", "RAPL (perf)", func(b *box) {
				b.write(eventSource+"/power/events/energy-pkg.unit", "Watts")
			},
			[]string{"/power/events/energy-pkg.unit: \"Watts\" is not Joules"},
			"",
		},
		"perf of no scale": {
			"masked", "RAPL (perf)", func(b *box) {
				b.write(eventSource+"/power/events/energy-pkg.scale", "0")
			},
			[]string{"/power/events/energy-pkg.scale: \"0\" is not"},
			"",
		},
		"perf of no CPU": {
			"masked", "RAPL (perf)", func(b *box) { b.write(eventSource+"/power/cpumask", "") },
			[]string{"/power/cpumask"},
			"",
		},
		"perf of a PMU that is none": {
			"masked", "RAPL (perf)", func(b *box) { b.write(eventSource+"/power/type", "4294967296") },
			[]string{"/power/type: 4294967296 is no type"},
			"",
		},
		"perf of a CPU in no package": {
			"masked", "RAPL (perf)", func(b *box) { b.remove("sys/devices") },
			[]string{"physical_package_id: no such file"},
			"",
		},
		"amd_energy is for root": {
			"amd-energy", "AMD (hwmon amd_energy)", func(b *box) { b.deny("_input") },
			[]string{"/sys/class/hwmon/hwmon2/energy5_input: permission denied"},
			"hwmon2/energy*_input",
		},
		"amd_energy with a label of its own": {
			"amd-energy", "AMD (hwmon amd_energy)", func(b *box) {
				b.write(hwmon+"/hwmon2/energy5_label", "Esocket?")
			},
			[]string{"\"Esocket?\" is no label of amd_energy such as Esocket0"},
			"",
		},
		"the meters of Grace": {
			"grace", "NVIDIA Grace (hwmon)", func(b *box) { b.deny("hwmon2/device/power1_average") },
			[]string{"hwmon2/device/power1_average: permission denied"},
			"as root",
		},
		"a meter of Grace without a number": {
			"grace", "NVIDIA Grace (hwmon)", func(b *box) { b.write(hwmon+"/hwmon2/device/power1_oem_info", "Grace Power Socket A") },
			[]string{"\"Grace Power Socket A\": \"A\" is no number of a socket"},
			"",
		},
		"a meter without a value": {
			"acpi-meter", "power meter (ACPI)", func(b *box) {
				b.write(hwmon+"/hwmon1/device/power1_average", "4294967295000")
			},
			[]string{"power1_average: 4294967295000 is no power"},
			"",
		},
		"a meter of 0": {
			"acpi-meter", "power meter (ACPI)", func(b *box) { b.write(hwmon+"/hwmon1/device/power1_average", "0") },
			[]string{"power1_average: 0 is no power"},
			"",
		},
		"a battery": {
			"laptop", "battery", func(b *box) { b.write(supplies+"/BAT0/power_now", "much") },
			[]string{"/BAT0/power_now: ", "invalid syntax"},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, tt.machine)
			if tt.prepare != nil {
				tt.prepare(b)
			}
			row := b.row(t, tt.what, selfreport.Refused)
			for _, detail := range tt.detail {
				assert.Contains(t, strings.ReplaceAll(row.Detail, b.root, ""), detail)
			}
			assert.Contains(t, row.Remedy, tt.remedy)
			assert.NotContains(t, row.Detail+row.Remedy, "\n", "one line")
		})
	}
}

func (b *box) row(t *testing.T, what string, state selfreport.State) selfreport.Row {
	t.Helper()
	_, rows := Detect(b.Machine)
	for _, row := range rows {
		if row.What == what && row.State == state {
			return row
		}
	}
	require.Failf(t, "no row", "%s %s in\n%s", what, state, selfreport.Table(rows))
	return selfreport.Row{}
}

// Permission may be given later, and taken.
func TestPermissionComesLater(t *testing.T) {
	b := newBox(t, "intel-client")
	b.deny("/energy_uj")
	b.refused = os.ErrPermission
	sources, _ := Detect(b.Machine)
	require.Empty(t, sources)
	b.denied = nil
	sources, _ = Detect(b.Machine)
	require.Len(t, sources, 3)
	b.refused = nil
	sources, _ = Detect(b.Machine)
	require.Len(t, sources, 6)
}

// Some zones may be opened to the collector and others not.
func TestRefusedInPart(t *testing.T) {
	b := newBox(t, "intel-server")
	b.deny("intel-rapl:0:0/energy_uj")
	assert.Contains(t, b.row(t, "RAPL (powercap)", selfreport.Used).Detail, "package-0, package-1")
	assert.Contains(t, b.row(t, "RAPL (powercap)", selfreport.Refused).Detail, "intel-rapl:0:0/energy_uj: permission denied")
	sources, _ := Detect(b.Machine)
	chosen, _ := Preferred(sources)
	for _, s := range chosen {
		if s.ID == "package-0/dram" {
			assert.Equal(t, Perf, s.Driver)
		} else {
			assert.Equal(t, Powercap, s.Driver)
		}
	}
}

func TestWhyAbsent(t *testing.T) {
	b := newBox(t, "acpi-meter")
	b.write(hwmon+"/hwmon1/device/power1_oem_info", "Total Power Socket 0")
	assert.Contains(t, b.row(t, "power meter (ACPI)", selfreport.Absent).Detail, "\"Total Power Socket 0\", not of the whole machine")
	b = newBox(t, "acpi-meter")
	b.write(hwmon+"/hwmon2/name", "power_meter")
	b.write(hwmon+"/hwmon2/power1_average", "1000000")
	assert.Contains(t, b.row(t, "power meter (ACPI)", selfreport.Absent).Detail, "2 hwmon devices power_meter")
	b.write(hwmon+"/hwmon2/power1_is_battery", "1")
	assert.Equal(t, "power-meter", b.row(t, "power meter (ACPI)", selfreport.Used).Detail)
	b = newBox(t, "intel-client")
	b.remove(zones)
	b.remove(eventSource)
	assert.Contains(t, b.row(t, "RAPL (powercap)", selfreport.Absent).Remedy, "modprobe intel_rapl_msr")
	assert.Contains(t, b.row(t, "RAPL (perf)", selfreport.Absent).Remedy, "modprobe rapl")
	b = newBox(t, "grace")
	b.remove(hwmon)
	assert.Contains(t, b.row(t, "NVIDIA Grace (hwmon)", selfreport.Absent).Remedy, "modprobe acpi_power_meter")
}
