// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"maps"
	"slices"
)

// preset is a rule of a known program.
type preset struct {
	Rule
	// mean says that a power is the mean since the reading before, not that of an instant.
	mean bool
}

// Presets are the names of the programs whose metrics are known.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

var presets = map[string][]preset{
	"dcgm":       dcgm,
	"kepler":     kepler,
	"scaphandre": scaphandre,
	"ceems":      ceems,
}

// dcgm-exporter 4.5 (etc/default-counters.csv, internal/pkg/rendermetrics). Each MIG instance and each pod on a
// GPU repeats the values of the whole GPU, under the UUID of the GPU (dcgm-exporter#257, #317).
var dcgm = []preset{
	{Rule: Rule{Metric: "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", Kind: Counter, Unit: "mJ", Target: Device, Attributes: dcgmGPU}},
	{Rule: Rule{Metric: "DCGM_FI_DEV_POWER_USAGE", Kind: Gauge, Unit: "W", Target: Device, Attributes: dcgmGPU}},
}

var dcgmGPU = map[string]string{
	"hw.id": "{UUID}", "hw.type": "gpu", "hw.name": "{modelName}", "energy.scope": "gpu", "host.name": "{hostname}",
}

// Kepler 0.10 and later (docs/user/metrics.md). Of its zones package and dram do not overlap; psys is the whole
// host. It adds up the sockets, so that a zone is one device. Of its four levels of workloads, which hold each
// other, it is the containers that count.
var kepler = []preset{
	{Rule: Rule{Metric: "kepler_node_cpu_joules_total", Kind: Counter, Unit: "J", Target: Device, Attributes: keplerZone("cpu"), Where: zone("package")}},
	{Rule: Rule{Metric: "kepler_node_cpu_joules_total", Kind: Counter, Unit: "J", Target: Device, Attributes: keplerZone("memory"), Where: zone("dram")}},
	{Rule: Rule{Metric: "kepler_node_cpu_joules_total", Kind: Counter, Unit: "J", Target: Host, Attributes: map[string]string{
		"hw.id": "psys", "host.name": "{node_name}",
	}, Where: zone("psys")}},
	{Rule: Rule{Metric: "kepler_node_gpu_joules_total", Kind: Counter, Unit: "J", Target: Device, Attributes: map[string]string{
		"hw.id": "{gpu_uuid}", "hw.type": "gpu", "hw.name": "{gpu_name}", "energy.scope": "gpu", "host.name": "{node_name}",
	}}},
	{Rule: Rule{Metric: "kepler_container_cpu_joules_total", Kind: Counter, Unit: "J", Target: Workload, Attributes: keplerContainer("cpu"), Where: zone("package")}},
	{Rule: Rule{Metric: "kepler_container_cpu_joules_total", Kind: Counter, Unit: "J", Target: Workload, Attributes: keplerContainer("memory"), Where: zone("dram")}},
	{Rule: Rule{Metric: "kepler_container_gpu_joules_total", Kind: Counter, Unit: "J", Target: Workload, Attributes: keplerContainer("gpu")}},
}

func zone(name string) map[string]string { return map[string]string{"zone": name} }

func keplerZone(hwType string) map[string]string {
	return map[string]string{"hw.id": "{zone}", "hw.type": hwType, "energy.scope": "{zone}", "host.name": "{node_name}"}
}

func keplerContainer(hwType string) map[string]string {
	attributes := map[string]string{
		"hw.id": "{zone}", "hw.type": hwType,
		"container.id": "{container_id}", "container.name": "{container_name}", "k8s.pod.uid": "{pod_id}", "host.name": "{node_name}",
		"workload.kind": "container", "workload.attribution": "estimated_share",
	}
	if hwType == "gpu" { // power at an instant, times 5 s (docs/developer/gpu-power-monitoring.md)
		attributes["energy.method"] = integrated
	}
	return attributes
}

// Scaphandre 1.0 (src/exporters/mod.rs). Its power is what a counter of energy grew by between two scrapes, so
// the counter is better where there is one. What it calls the host is one only if it comes from psys;
// otherwise it is the sum of sockets and memory over again.
var scaphandre = []preset{
	{Rule: Rule{Metric: "scaph_socket_energy_microjoules", Kind: Counter, Unit: "uJ", Target: Device, Attributes: scaphSocket}},
	{Rule: Rule{Metric: "scaph_socket_power_microwatts", Kind: Gauge, Unit: "uW", Target: Device, Attributes: scaphSocket}, mean: true},
	{Rule: Rule{Metric: "scaph_domain_energy_microjoules", Kind: Counter, Unit: "uJ", Target: Device, Attributes: scaphDRAM, Where: scaphIsDRAM}},
	{Rule: Rule{Metric: "scaph_domain_power_microwatts", Kind: Gauge, Unit: "uW", Target: Device, Attributes: scaphDRAM, Where: scaphIsDRAM}, mean: true},
	{Rule: Rule{Metric: "scaph_host_energy_microjoules", Kind: Counter, Unit: "uJ", Target: Host, Attributes: psys, Where: scaphIsPsys}},
	{Rule: Rule{Metric: "scaph_host_power_microwatts", Kind: Gauge, Unit: "uW", Target: Host, Attributes: psys, Where: scaphIsPsys}, mean: true},
}

var (
	scaphSocket = map[string]string{"hw.id": "package-{socket_id}", "hw.type": "cpu", "energy.scope": "package"}
	scaphDRAM   = map[string]string{
		"hw.id": "package-{socket_id}/dram", "hw.type": "memory", "hw.parent": "package-{socket_id}", "energy.scope": "dram",
	}
	scaphIsDRAM = map[string]string{"domain_name": "dram"}
	scaphIsPsys = map[string]string{"value_source": "powercap_rapl_psys"}
	psys        = map[string]string{"hw.id": "psys"}
)

// CEEMS 0.10 (website/docs/components/metrics.md). Cray's counters arrive as gauges. Its accelerators have no
// identity that could be compared: take GPUs from dcgm-exporter, as CEEMS itself does.
var ceems = []preset{
	{Rule: Rule{Metric: "ceems_cray_pm_counters_energy_joules", Kind: Counter, Unit: "J", Target: Host, Attributes: ceemsHost("cray"), Where: domain("node")}},
	{Rule: Rule{Metric: "ceems_redfish_current_watts", Kind: Gauge, Unit: "W", Target: Host, Attributes: ceemsHost("{chassis}")}},
	{Rule: Rule{Metric: "ceems_ipmi_dcmi_current_watts", Kind: Gauge, Unit: "W", Target: Host, Attributes: ceemsHost("bmc")}},
	{Rule: Rule{Metric: "ceems_cray_pm_counters_energy_joules", Kind: Counter, Unit: "J", Target: Device, Attributes: map[string]string{
		"hw.id": "cpu", "hw.type": "cpu", "energy.scope": "package", "host.name": "{hostname}",
	}, Where: domain("cpu")}},
	{Rule: Rule{Metric: "ceems_cray_pm_counters_energy_joules", Kind: Counter, Unit: "J", Target: Device, Attributes: map[string]string{
		"hw.id": "memory", "hw.type": "memory", "energy.scope": "dram", "host.name": "{hostname}",
	}, Where: domain("memory")}},
	{Rule: Rule{Metric: "ceems_rapl_package_joules_total", Kind: Counter, Unit: "J", Target: Device, Attributes: ceemsPackage}},
	{Rule: Rule{Metric: "ceems_rapl_dram_joules_total", Kind: Counter, Unit: "J", Target: Device, Attributes: ceemsDRAM}},
	// With --collector.rapl.enable-zone-label.
	{Rule: Rule{Metric: "ceems_rapl_joules_total", Kind: Counter, Unit: "J", Target: Device, Attributes: ceemsPackage, Where: map[string]string{"rapl_zone": "package"}}},
	{Rule: Rule{Metric: "ceems_rapl_joules_total", Kind: Counter, Unit: "J", Target: Device, Attributes: ceemsDRAM, Where: map[string]string{"rapl_zone": "dram"}}},
}

var (
	ceemsPackage = map[string]string{"hw.id": "package-{index}", "hw.type": "cpu", "energy.scope": "package", "host.name": "{hostname}"}
	ceemsDRAM    = map[string]string{
		"hw.id": "package-{index}/dram", "hw.type": "memory", "hw.parent": "package-{index}", "energy.scope": "dram", "host.name": "{hostname}",
	}
)

func domain(name string) map[string]string { return map[string]string{"domain": name} }

func ceemsHost(id string) map[string]string {
	return map[string]string{"hw.id": id, "host.name": "{hostname}"}
}
