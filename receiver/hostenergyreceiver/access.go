// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
)

// problem says why RAPL cannot be read, and what a person can do about it.
type problem struct{ reason, remedy string }

// unreadable is nil if the energy of at least one CPU package can be read.
func (s *hostScraper) unreadable() *problem {
	dir := s.cfg.Host.Path(powercap)
	zones, err := findZones(dir)
	for _, z := range zones {
		if z.scope != scopePackage {
			continue
		}
		_, readErr := s.readUint(filepath.Join(z.dir, "energy_uj"))
		if readErr == nil {
			return nil
		}
		err = cmp.Or(err, readErr)
	}
	const ownConstants = "for a better estimate set model::idle_power_per_cpu and model::max_power_per_cpu for this CPU"
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &problem{
			"no permission, since Linux 5.10 only root may read energy_uj (CVE-2020-8694): " + err.Error(),
			"run the collector as root, or let its group read the counters: cd " + dir + " && sudo chgrp GROUP intel-rapl*:*/energy_uj && sudo chmod g+r intel-rapl*:*/energy_uj; a udev rule that survives a reboot is in the receiver's README",
		}
	case len(zones) == 0 && err != nil:
		return &problem{
			"the zones are listed but hidden, as container runtimes do with /sys/devices/virtual/powercap: " + err.Error(),
			"mount the host's / read-only into the container and set root_path",
		}
	case len(zones) > 0 && err != nil:
		return &problem{err.Error(), "see how to grant access in the receiver's README"}
	case s.cpu.virtual:
		return &problem{
			"this is a virtual machine whose hypervisor passes no RAPL on: no RAPL package zone in " + dir,
			"measure on the host of the virtual machine, or take a bare-metal instance; " + ownConstants,
		}
	case runtime.GOARCH != "amd64" && runtime.GOARCH != "386":
		return &problem{"RAPL exists on x86 only, this is " + runtime.GOARCH, ownConstants}
	default:
		return &problem{
			"no RAPL package zone in " + dir,
			"load the kernel's driver: sudo modprobe intel_rapl_msr (for AMD as well, since Linux 5.8); in a container mount the host's / read-only and set root_path",
		}
	}
}
