// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// powercap is the kernel's interface to RAPL (Documentation/power/powercap/powercap.rst). The
// reader of prometheus/procfs is not used: it fails as a whole when one zone of another power
// capping driver has no energy, and does not tell the zones that MSR and MMIO both publish.
const powercap = "sys/class/powercap"

// controlTypes are the drivers that publish RAPL, the preferred first. Both read the same counter
// of a package, through its registers (MSR, on servers TPMI) and through PCI (MMIO).
var controlTypes = []string{"intel-rapl:", "intel-rapl-mmio:"}

func findPowercap(m Machine) (f finding) {
	zones, err := findZones(m)
	for _, z := range zones {
		if _, refused := z.at.read(m); refused != nil {
			f.refuse(refused)
			continue
		}
		f.sources = append(f.sources, z.source(m))
	}
	f.refuse(err)
	f.absent, f.remedy = explainPowercap(m, len(zones), f.refused)
	return f
}

func explainPowercap(m Machine, zones int, refused error) (absent, remedy string) {
	switch {
	case errors.Is(refused, fs.ErrPermission):
		return "", "since Linux 5.10 only root may read it (CVE-2020-8694): run the collector as root, or install " +
			"deploy/systemd/90-otelcol-carbon.rules (udev), which lets the group otelcol"
	case zones == 0 && refused != nil:
		return "", "container runtimes hide /sys/devices/virtual/powercap: mount the host's / read-only and set root_path"
	case refused != nil:
		return "", "load the kernel's driver again: sudo modprobe -r intel_rapl_msr && sudo modprobe intel_rapl_msr"
	case m.CPU.Virtual:
		return "no zone in " + m.Host.Path(powercap) + ": the hypervisor of this virtual machine passes no RAPL on",
			"measure on the host of the virtual machine, or take a bare-metal instance"
	case !m.CPU.X86:
		return "only x86 processors have RAPL", ""
	default:
		return "no zone in " + m.Host.Path(powercap),
			"sudo modprobe intel_rapl_msr (for AMD as well, since Linux 5.8); in a container mount the host's / read-only and set root_path"
	}
}

// zone is an energy counter of RAPL.
type zone struct {
	id, parent string
	scope      Scope
	at         location
}

// findZones lists the RAPL zones, each energy counter once, packages before their parts. None is no
// error. Zones whose name cannot be read are left out; the error is about the first of them.
func findZones(m Machine) (zones []zone, err error) {
	dirs, err := m.list(m.Host.Path(powercap))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, control := range controlTypes {
		// A part is named after its package, "intel-rapl:0:1" is within "intel-rapl:0", which list has before it.
		wholes := map[string]zone{}
		for _, dir := range dirs {
			if !strings.HasPrefix(filepath.Base(dir), control) {
				continue
			}
			file := filepath.Join(dir, "name")
			name, readErr := m.text(file)
			if readErr != nil {
				err = cmp.Or(err, readErr)
				continue
			}
			whole := wholes[dir[:strings.LastIndex(dir, ":")]]
			z := newZone(m.CPU, name, whole.id)
			z.at = location{filepath.Join(dir, "energy_uj"), append(whole.at.marks, mark{file, name})}
			wholes[dir] = z
			if z.scope != "" && !seen[z.id] {
				seen[z.id] = true
				zones = append(zones, z)
			}
		}
	}
	return zones, err
}

// newZone knows the names that drivers/powercap/intel_rapl_common.c gives: package-0, package-0-die-1, psys (psys-1
// where the first package is not the one that has it), core, uncore, dram. Its scope is empty for those that are none.
func newZone(cpu CPU, name, parent string) zone {
	switch {
	case strings.HasPrefix(name, "package-"):
		if cpu.AMD {
			// The counter is the package's. Between the kernel's commits 63edbaa48a57 and 26096aed255f (2024) each of its
			// dies showed it as its own.
			name, _, _ = strings.Cut(name, "-die-")
		}
		return zone{id: name, scope: Package}
	case name == "psys", strings.HasPrefix(name, "psys-"):
		return zone{id: psys, scope: Host}
	case name == "core" && cpu.AMD:
		// It is a single core: the kernel reads the register of each core, MSR_AMD_CORE_ENERGY_STATUS, on the first
		// CPU of the package only.
		return zone{}
	case parent == "":
		return zone{}
	case name == "dram", name == "core", name == "uncore":
		return zone{id: parent + "/" + name, parent: parent, scope: Scope(name)}
	default:
		return zone{}
	}
}

const psys = "psys"

func (z zone) source(m Machine) Source {
	r := reader{machine: m, at: z.at, find: func() (location, error) {
		zones, err := findZones(m)
		for _, other := range zones {
			if other.id == z.id {
				return other.at, nil
			}
		}
		return location{}, cmp.Or(err, fs.ErrNotExist)
	}}
	return Source{
		Sensor: newFileCounter(r, z.scope, true),
		ID:     z.id, Parent: z.parent, Name: raplName(m, z.scope, z.parent),
		Scope: z.scope, Method: Counter, Driver: Powercap,
	}
}

func raplName(m Machine, scope Scope, parent string) string {
	switch scope {
	case DRAM:
		return "Memory of " + parent
	case Core:
		return "Cores of " + parent
	case Uncore:
		return "Uncore of " + parent
	case Host:
		return "Platform (psys)"
	default:
		return m.CPU.String()
	}
}

func packageID(pkg uint64) string { return fmt.Sprintf("package-%d", pkg) }
