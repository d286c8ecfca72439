// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// hwmon is the kernel's interface to sensors (Documentation/hwmon/sysfs-interface.rst).
const hwmon = "sys/class/hwmon"

// chips are the directories with the files of the sensors of a driver, which is its name there.
func chips(m Machine, name string) (dirs []string, err error) {
	devices, err := m.list(m.Host.Path(hwmon))
	for _, device := range devices {
		// Drivers with the older interface of the kernel, acpi_power_meter among them, have their files in the parent.
		for _, dir := range []string{device, filepath.Join(device, "device")} {
			if is, err := m.text(filepath.Join(dir, "name")); err == nil {
				if is == name {
					dirs = append(dirs, dir)
				}
				break
			}
		}
	}
	return dirs, err
}

// findAMDEnergy finds the counters of drivers/hwmon/amd_energy.c (Linux 5.8 to 5.12, and AMD's own package), which
// extends those of RAPL to 64 bits.
func findAMDEnergy(m Machine) (f finding) {
	f.absent = "no hwmon device amd_energy"
	counters, err := amdCounters(m)
	if err != nil {
		f.refuse(err)
	}
	parts := map[string][]Sensor{}
	for _, c := range counters {
		// One file says whether all may be read: they have the same mode.
		if len(parts) == 0 {
			if _, err := c.at.read(m); err != nil {
				f.refuse(err)
				f.remedy = "run the collector as root, or let its group read " + filepath.Join(filepath.Dir(c.at.value), "energy*_input")
				return f
			}
		}
		parts[c.id] = append(parts[c.id], c.sensor(m))
		if len(parts[c.id]) == 1 {
			f.sources = append(f.sources, Source{
				ID: c.id, Parent: c.parent, Name: raplName(m, c.scope, c.parent),
				Scope: c.scope, Method: Counter, Driver: HWMon,
			})
		}
	}
	for i := range f.sources {
		f.sources[i].Sensor = together(parts[f.sources[i].ID])
	}
	return f
}

// amdCounter is the counter of a package, or of one of its cores.
type amdCounter struct {
	id, parent string
	scope      Scope
	at         location
}

// amdCounters lists packages, each once, then cores.
func amdCounters(m Machine) (counters []amdCounter, err error) {
	dirs, err := chips(m, "amd_energy")
	var sockets, cores []location
	for _, dir := range dirs {
		files, listErr := m.list(dir)
		err = cmp.Or(err, listErr)
		for _, file := range files {
			value, isLabel := strings.CutSuffix(file, "_label")
			if !isLabel || !strings.HasPrefix(filepath.Base(file), "energy") {
				continue
			}
			label, labelErr := m.text(file)
			at := location{value + "_input", []mark{{file, label}}}
			switch {
			case labelErr != nil:
				err = cmp.Or(err, labelErr)
			case strings.HasPrefix(label, "Esocket"):
				sockets = append(sockets, at)
			case strings.HasPrefix(label, "Ecore"):
				cores = append(cores, at)
			}
		}
	}
	seen := map[string]bool{}
	for _, at := range sockets {
		id, idErr := amdSocket(m, at.label(), len(sockets))
		err = cmp.Or(err, idErr)
		if idErr == nil && id != "" && !seen[id] {
			seen[id] = true
			counters = append(counters, amdCounter{id: id, scope: Package, at: at})
		}
	}
	for _, at := range cores {
		id, idErr := amdCore(m, at.label())
		err = cmp.Or(err, idErr)
		if idErr == nil {
			counters = append(counters, amdCounter{id: id + "/" + string(Core), parent: id, scope: Core, at: at})
		}
	}
	return counters, err
}

func (l location) label() string { return l.marks[0].content }

// amdSocket is the package of a label such as Esocket0. The driver takes NUMA nodes for sockets: one that is divided into
// nodes has its counter several times, and nodes without a CPU have none, which is no package.
func amdSocket(m Machine, label string, sockets int) (id string, err error) {
	number, err := strconv.Atoi(strings.TrimPrefix(label, "Esocket"))
	if err != nil {
		return "", fmt.Errorf("%q is no label of amd_energy such as Esocket0", label)
	}
	nodes := m.Host.Path("sys/devices/system/node")
	if possible, err := m.cpus(filepath.Join(nodes, "possible")); err != nil || len(possible) != sockets {
		return packageID(uint64(number)), nil
	}
	file := filepath.Join(nodes, fmt.Sprintf("node%d", number), "cpulist")
	list, err := m.text(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && list == "" {
		return "", nil
	}
	cpus, err := m.cpus(file)
	if err != nil {
		return "", err
	}
	pkg, _, err := m.packageOf(cpus[0])
	return packageID(pkg), err
}

// amdCore is the package of a label such as Ecore000, which has the number of a CPU.
func amdCore(m Machine, label string) (id string, err error) {
	cpu, err := strconv.Atoi(strings.TrimPrefix(label, "Ecore"))
	if err != nil {
		return "", fmt.Errorf("%q is no label of amd_energy such as Ecore000", label)
	}
	pkg, _, err := m.packageOf(cpu)
	return packageID(pkg), err
}

func (c amdCounter) sensor(m Machine) Sensor {
	r := reader{machine: m, at: c.at, find: func() (location, error) {
		counters, err := amdCounters(m)
		for _, other := range counters {
			if other.at.label() == c.at.label() {
				return other.at, nil
			}
		}
		return location{}, cmp.Or(err, fs.ErrNotExist)
	}}
	return newFileCounter(r, c.scope, false)
}
