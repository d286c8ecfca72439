// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import "time"

var dataCases = []alertCase{
	{
		alert:   "CarbonGPULost",
		bad:     status("0 0 1x9"),
		good:    status("0 0 1 1 0x9"), // re-acquired within a minute
		fires:   2 * time.Minute,
		summary: "GPU-1 of n1 is lost: its energy is not counted.",
	},
	{
		alert:   "CarbonCounterDisagreement",
		bad:     `otelcol_nvmlenergy_counter_disagreement{job="carbon-agent",hw_id="GPU-1"} 0 -0.3x40`,
		good:    `otelcol_nvmlenergy_counter_disagreement{job="carbon-agent",hw_id="GPU-1"} 0.3x10 0.09x40 -0.09x40`,
		fires:   10*time.Minute + 30*time.Second,
		summary: "The energy counter and the power of GPU-1 differ by 30%.",
	},
	{
		alert: "CarbonStaticFactors",
		bad:   grams("measured", "0+80x80") + grams("static", "0+20x80") + live,
		// A little, and a place where nobody else is asked.
		good:    grams("measured", "0+95x80") + grams("static", "0+5x80") + live,
		fires:   30*time.Minute + 30*time.Second,
		summary: "20% of the grams in DE are from yearly averages.",
	},
	{
		alert:   "CarbonStaticFactors",
		bad:     grams("static", "0+20x80") + live,
		good:    grams("static", "0+20x80") + `otelcol_gridintensity_provider_healthy{job="carbon-agent",carbon_source="static"} 1x80`,
		fires:   30*time.Minute + 30*time.Second,
		summary: "100% of the grams in DE are from yearly averages.",
	},
	{
		alert:   "CarbonIntensityStale",
		bad:     grams("measured", "0+90x80") + grams("stale", "0+10x80"),
		good:    grams("measured", "0+96x80") + grams("stale", "0+4x80"),
		fires:   30*time.Minute + 30*time.Second,
		summary: "10% of the grams in DE are from an intensity that was carried on.",
	},
	{
		alert:   "CarbonUnattributed",
		bad:     joules("container", "0+90x80") + joules("unattributed", "0+10x80"),
		good:    joules("container", "0+50x80") + joules("idle", "0+46x80") + joules("unattributed", "0+4x80"),
		fires:   30*time.Minute + 30*time.Second,
		summary: "10% of the energy of n1 is nobody's.",
	},
}

const live = `otelcol_gridintensity_provider_healthy{job="carbon-agent",carbon_source="energycharts"} 0x80`

func status(failed string) string {
	return `hw_status{host_id="h1",host_name="n1",hw_type="gpu",hw_id="GPU-1",hw_name="H100",hw_state="failed"} ` + failed + `
hw_status{host_id="h1",host_name="n1",hw_type="gpu",hw_id="GPU-1",hw_name="H100",hw_state="degraded"} 1x9`
}

func grams(quality, values string) string {
	return `hw_emissions_grams_total{grid_zone="DE",hw_id="GPU-1",carbon_data_quality="` + quality + `"} ` + values + "\n"
}

func joules(kind, values string) string {
	return `workload_energy_joules_total{host_id="h1",host_name="n1",hw_id="GPU-1",workload_kind="` + kind + `"} ` + values + "\n"
}
