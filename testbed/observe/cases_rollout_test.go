// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import "time"

var rolloutCases = []alertCase{
	{
		alert:   "CarbonRolloutErrorsAboveSuccess",
		bad:     points("0+9994x20", "0+6x20"),
		good:    points("0+9996x20", "0+4x20"),
		fires:   30 * time.Second,
		summary: "carbon-gateway: 0.06% errors, success is below 0.05 %.",
	},
	{
		alert:   "CarbonRolloutCanaryErrors",
		bad:     points("0+9989x20", "0+11x20"), // 0.11 %
		good:    points("0+9991x20", "0+9x20"),  // 0.09 %
		fires:   30 * time.Second,
		summary: "carbon-gateway: 0.11% errors, the canary's gate is 0.1 %.",
	},
	{
		alert:   "CarbonRolloutErrors",
		bad:     points("0+989x20", "0+11x20"),
		good:    points("0+991x40", "0+9x40"),
		fires:   5*time.Minute + 30*time.Second,
		summary: "carbon-gateway: 1.1% errors for 5 minutes.",
	},
	{
		alert:   "CarbonRolloutResponseSlow",
		bad:     response("0+50x40", "0+94x40", "0+100x40"),
		good:    response("0+50x40", "0+96x40", "0+100x40"), // slow enough for a warning
		fires:   10*time.Minute + 30*time.Second,
		summary: "carbon-gateway: 12.5ms to accept a batch (P95) for 10 minutes.",
	},
	{
		alert:   "CarbonRolloutMemory",
		bad:     memory("0.96e9x15"),
		good:    memory("0.96e9x4 0.94e9x40"),
		fires:   3 * time.Minute,
		summary: "carbon-gateway: 96% of the memory for 3 minutes.",
	},
	{
		alert: "CarbonRolloutConversionSlow",
		bad: `
otelcol_processor_internal_duration_bucket{job="carbon-canary-agent",processor="carbonintensity",le="0.001"} 0+94x9
otelcol_processor_internal_duration_bucket{job="carbon-canary-agent",processor="carbonintensity",le="0.002"} 0+100x9
otelcol_processor_internal_duration_bucket{job="carbon-canary-agent",processor="carbonintensity",le="+Inf"} 0+100x9`,
		good: `
otelcol_processor_internal_duration_bucket{job="carbon-canary-agent",processor="carbonintensity",le="0.001"} 0+96x9
otelcol_processor_internal_duration_bucket{job="carbon-canary-agent",processor="carbonintensity",le="+Inf"} 0+100x9
otelcol_processor_internal_duration_bucket{job="carbon-canary-agent",processor="k8s_attributes",le="+Inf"} 0+100x9`,
		fires:   30 * time.Second,
		summary: "carbon-canary-agent: converting a batch takes 1.167ms (P95), success is below 1 ms.",
	},
	{
		alert:   "CarbonRolloutMemoryAbove2GB",
		bad:     memory("2.1e9x4"),
		good:    memory("1.9e9x4"),
		fires:   0,
		summary: "carbon-gateway: a process has 1.956GiB, success is below 2 GB.",
	},
}
