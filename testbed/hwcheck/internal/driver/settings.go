// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package driver

import (
	"strconv"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Facts are what the GPU says of itself; a fact that it does not tell is the name of the error.
func (v *Device) Facts() map[string]string {
	facts := v.Settings()
	get := v.getter(facts)
	get("architecture", "nvmlDeviceGetArchitecture", func() (int64, nvml.Return) { a, r := v.raw.GetArchitecture(); return int64(a), r })
	get("virtualization_mode", "nvmlDeviceGetVirtualizationMode", func() (int64, nvml.Return) { m, r := v.raw.GetVirtualizationMode(); return int64(m), r })
	get("max_limit_mw", "nvmlDeviceGetPowerManagementLimitConstraints", func() (int64, nvml.Return) { _, m, r := v.raw.GetPowerManagementLimitConstraints(); return int64(m), r })
	get("event_types", "nvmlDeviceGetSupportedEventTypes", func() (int64, nvml.Return) { m, r := v.raw.GetSupportedEventTypes(); return int64(m), r })
	get("gpm", "nvmlGpmQueryDeviceSupport", func() (int64, nvml.Return) {
		s, r := v.raw.GpmQueryDeviceSupport()
		return int64(s.IsSupportedDevice), r
	})
	return facts
}

// Settings are what an administrator may have set, and the check must leave as it is.
func (v *Device) Settings() map[string]string {
	settings := map[string]string{}
	get := v.getter(settings)
	get("persistence_mode", "nvmlDeviceGetPersistenceMode", func() (int64, nvml.Return) { m, r := v.raw.GetPersistenceMode(); return int64(m), r })
	get("accounting_mode", "nvmlDeviceGetAccountingMode", func() (int64, nvml.Return) { m, r := v.raw.GetAccountingMode(); return int64(m), r })
	get("compute_mode", "nvmlDeviceGetComputeMode", func() (int64, nvml.Return) { m, r := v.raw.GetComputeMode(); return int64(m), r })
	get("mig_mode", "nvmlDeviceGetMigMode", func() (int64, nvml.Return) { m, _, r := v.raw.GetMigMode(); return int64(m), r })
	get("mig_mode_pending", "nvmlDeviceGetMigMode", func() (int64, nvml.Return) { _, m, r := v.raw.GetMigMode(); return int64(m), r })
	get("limit_mw", "nvmlDeviceGetPowerManagementLimit", func() (int64, nvml.Return) { l, r := v.raw.GetPowerManagementLimit(); return int64(l), r })
	get("enforced_limit_mw", "nvmlDeviceGetEnforcedPowerLimit", func() (int64, nvml.Return) { l, r := v.raw.GetEnforcedPowerLimit(); return int64(l), r })
	return settings
}

func (v *Device) getter(into map[string]string) func(name, symbol string, f func() (int64, nvml.Return)) {
	return func(name, symbol string, f func() (int64, nvml.Return)) {
		var value int64
		if err := v.d.call(symbol, func() (r nvml.Return) { value, r = f(); return r }); err != nil {
			into[name] = err.Error()
			return
		}
		into[name] = strconv.FormatInt(value, 10)
	}
}
