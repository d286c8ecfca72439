// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

// powercap is the kernel's interface to RAPL (Documentation/power/powercap/powercap.rst). The
// reader of prometheus/procfs is not used: it fails as a whole when one zone of another power
// capping driver has no energy, and does not tell the zones that MSR and MMIO both publish.
const powercap = "sys/class/powercap"

// zone is an energy counter of RAPL.
type zone struct {
	id, parent string
	scope      scope
	dir        string
}

// controlTypes are the drivers that publish RAPL, the preferred first. Both read the same counter
// of a package, through its registers (MSR, on servers TPMI) and through PCI (MMIO).
var controlTypes = []string{"intel-rapl:", "intel-rapl-mmio:"}

// findZones lists the RAPL zones, each energy counter once, packages before their parts. None is no
// error. Zones whose name cannot be read are left out; the error is about the first of them.
func findZones(dir string) (zones []zone, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, control := range controlTypes {
		names := map[string]string{}
		for _, entry := range entries {
			if !strings.HasPrefix(entry.Name(), control) {
				continue
			}
			content, readErr := os.ReadFile(filepath.Join(dir, entry.Name(), "name"))
			if readErr != nil {
				err = cmp.Or(err, readErr)
				continue
			}
			z := zone{id: strings.TrimSpace(string(content)), dir: filepath.Join(dir, entry.Name())}
			z.scope = scopeOf(z.id)
			// A part is named after its package, "intel-rapl:0:1" is within "intel-rapl:0".
			z.parent = names[entry.Name()[:strings.LastIndex(entry.Name(), ":")]]
			names[entry.Name()] = z.id
			if z.parent != "" {
				z.id = z.parent + "/" + z.id
			}
			if z.scope != "" && !seen[z.id] {
				seen[z.id] = true
				zones = append(zones, z)
			}
		}
	}
	return zones, err
}

// scopeOf knows the names that drivers/powercap/intel_rapl_common.c gives: package-0,
// package-0-die-1, psys (psys-1 where the first package is not the master), core, uncore, dram.
func scopeOf(name string) scope {
	switch {
	case strings.HasPrefix(name, "package-"):
		return scopePackage
	case name == "psys", strings.HasPrefix(name, "psys-"):
		return scopePsys
	case name == "dram", name == "core", name == "uncore":
		return scope(name)
	default:
		return ""
	}
}

// maxPower is more than the sensor's domain can draw for long, in W. joule.Counter allows half as
// much again for peaks. It bounds what a reading may add, and how long a counter may go unread.
func (s scope) maxPower() float64 {
	if s == scopePsys {
		// A whole machine; a DGX H100, with eight GPUs, is specified at 10.2 kW at most.
		return 10_000
	}
	// A package with its memory: the largest CPUs on sale in 2026 have a TDP of 500 W (AMD EPYC
	// 9965, Intel Xeon 6980P).
	return 1000
}

// wrapSeconds is the shortest time in which a counter of a range in µJ can wrap.
func wrapSeconds(rangeUJ uint64, watts float64) float64 {
	return float64(rangeUJ) / (watts * microjoules)
}

const microjoules = 1e6 // in a joule

func newRAPLStream(z zone, cpu cpuInfo, read func(string) (uint64, error)) *stream {
	return &stream{
		sensor: &raplCounter{dir: z.dir, readUint: read, counter: joule.Counter{MaxRate: z.scope.maxPower() * microjoules}},
		id:     z.id,
		parent: z.parent,
		name:   zoneName(z, cpu),
		scope:  z.scope,
		method: metadata.AttributeEnergyMethodCounter,
	}
}

func zoneName(z zone, cpu cpuInfo) string {
	switch z.scope {
	case scopeDRAM:
		return "Memory of " + z.parent
	case scopeCore:
		return "Cores of " + z.parent
	case scopeUncore:
		return "Uncore of " + z.parent
	default:
		return cpu.name()
	}
}

// raplCounter accumulates one zone's energy_uj.
type raplCounter struct {
	dir      string
	counter  joule.Counter
	readUint func(path string) (uint64, error)
}

func (c *raplCounter) read(now time.Time) (joule.Outcome, error) {
	if c.counter.Range == 0 {
		most, err := c.readUint(filepath.Join(c.dir, "max_energy_range_uj"))
		if err != nil {
			return joule.Rejected, err
		}
		if most == 0 {
			return joule.Rejected, fmt.Errorf("%s: max_energy_range_uj is 0", c.dir)
		}
		c.counter.Range = most
	}
	raw, err := c.readUint(filepath.Join(c.dir, "energy_uj"))
	if err != nil {
		return joule.Rejected, err
	}
	return c.counter.Observe(raw, now), nil
}

func (c *raplCounter) joules() float64 { return float64(c.counter.Total()) / microjoules }

func readUint(path string) (uint64, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	value, err := strconv.ParseUint(strings.TrimSpace(string(content)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}
