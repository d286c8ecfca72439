// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// findGrace finds the power meters of NVIDIA Grace, which its firmware names (NVIDIA Grace Performance Tuning Guide,
// "Power Telemetry"): of the CPU with its memory and regulators, therein of the cores and of the rest of the chip, and
// of the module where a GPU is on it as well.
func findGrace(m Machine) (f finding) {
	f.absent = "no hwmon device power_meter of Grace"
	if !m.CPU.X86 && !m.CPU.Virtual {
		f.remedy = "sudo modprobe acpi_power_meter"
	}
	meters, err := meters(m)
	if err != nil {
		f.refuse(err)
	}
	for _, part := range graceParts {
		for _, pm := range meters {
			socket, ok := strings.CutPrefix(pm.label, part.label)
			if !ok {
				continue
			}
			if _, err := strconv.ParseUint(socket, 10, 16); err != nil {
				f.refuse(fmt.Errorf("power meter %q: %q is no number of a socket", pm.label, socket))
				continue
			}
			s := Source{ID: part.id + socket + part.inner, Scope: part.scope, Driver: HWMon, Name: fmt.Sprintf(part.name, socket), Memory: part.scope == Package}
			switch module := "module-" + socket; {
			case part.inner != "":
				s.Parent = part.id + socket
			case part.scope == Package && slices.ContainsFunc(f.sources, func(s Source) bool { return s.ID == module }):
				s.Parent = module
			}
			if !slices.ContainsFunc(f.sources, func(other Source) bool { return other.ID == s.ID }) {
				f.integrate(m, pm, s)
			}
		}
	}
	return f
}

// graceParts are in the order of whole before part. A number follows the label and the id.
var graceParts = []struct {
	label, id, inner, name string
	scope                  Scope
}{
	{"Module Power Socket ", "module-", "", "NVIDIA Grace module %s, its GPU included", Module},
	{"Grace Power Socket ", "package-", "", "NVIDIA Grace CPU %s, its memory included", Package},
	{"CPU Power Socket ", "package-", "/core", "Cores of NVIDIA Grace CPU %s", Core},
	{"SysIO Power Socket ", "package-", "/uncore", "Uncore of NVIDIA Grace CPU %s", Uncore},
}

// grace reports whether it is one of these.
func (pm meter) grace() bool {
	for _, part := range graceParts {
		if strings.HasPrefix(pm.label, part.label) {
			return true
		}
	}
	return false
}
