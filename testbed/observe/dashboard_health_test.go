// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

var dataDashboard = dashboard{
	uid: "carbon-data", title: "Carbon: data quality and grid", about: "How good the numbers are, and what the grid does.",
	variables: []variable{{name: "zone", label: "grid_zone", metric: "hw_emissions_grams_total"}},
	panels: []panel{
		{kind: "timeseries", title: "Emissions by quality of the factor, last hour", unit: "percentunit", width: 12, queries: []query{{"{{grid_zone}} {{carbon_data_quality}}", `zone:emissions_quality:share1h{grid_zone=~"$zone"}`}}},
		{kind: "timeseries", title: "Energy by method, last hour", unit: "percentunit", width: 12, about: "counter and integrated are measured, model is an estimate.", queries: []query{{"{{energy_method}}", `fleet:energy_method:share1h`}}},
		{kind: "timeseries", title: "Energy that is nobody's, last hour", unit: "percentunit", width: 12, red: red{"CarbonUnattributed", 0.05, false}, queries: []query{{"{{host_name}}", `host:energy_unattributed:share1h`}}},
		{kind: "timeseries", title: "Carbon intensity (g/kWh)", unit: "none", width: 12, about: "Now, and as foretold.", queries: []query{
			{"{{grid_zone}} {{carbon_source}} {{carbon_data_quality}}", `grid_carbon_intensity_grams_per_kW_h{grid_zone=~"$zone"}`},
			{"{{grid_zone}} in {{forecast_horizon}}", `grid_carbon_intensity_forecast_grams_per_kW_h{grid_zone=~"$zone"}`},
		}},
		{kind: "timeseries", title: "Age of the intensity", unit: "s", width: 8, queries: []query{{"{{grid_zone}} {{carbon_source}}", `grid_carbon_intensity_age_seconds{grid_zone=~"$zone"}`}}},
		{kind: "timeseries", title: "How dirty now is", unit: "percentunit", width: 8, about: "Share of the last days that had less.", queries: []query{{"{{grid_zone}} of {{window}}", `grid_carbon_intensity_percentile_ratio{grid_zone=~"$zone"}`}}},
		{kind: "timeseries", title: "Time until the greenest hours", unit: "s", width: 8, queries: []query{{"{{grid_zone}} {{duration}}", `clamp_min(grid_greenest_start_seconds{grid_zone=~"$zone"} - time(), 0)`}}},
		{kind: "timeseries", title: "Providers that are asked", unit: "none", width: 8, about: "0 while one is left alone after failures.", queries: []query{{"{{carbon_source}}", `min by (carbon_source) (otelcol_gridintensity_provider_healthy{job=~"carbon-.+"})`}}},
		{kind: "timeseries", title: "Requests and refused answers each minute", unit: "none", width: 8, queries: []query{
			{"{{carbon_source}}", `sum by (carbon_source) (rate(otelcol_gridintensity_requests_total{job=~"carbon-.+"}[5m])) * 60`},
			{"{{carbon_source}} {{reason}}", `sum by (carbon_source, reason) (rate(otelcol_gridintensity_rejected_total{job=~"carbon-.+"}[5m])) * 60`},
		}},
		{kind: "timeseries", title: "Energy without emissions", unit: "joule", width: 8, about: "In an hour, by the reason.", queries: []query{{"{{reason}}", `sum by (reason) (increase(otelcol_carbonintensity_energy_unconverted_total{job=~"carbon-.+"}[1h]))`}}},
	},
}

var collectorDashboard = dashboard{
	uid: "carbon-collector", title: "Carbon: collector health", about: "Agents and gateways, by what they say of themselves.",
	variables: []variable{{name: "job", label: "job", metric: `up{job=~"carbon-.+"}`}},
	panels: []panel{
		{kind: "stat", title: "Up", unit: "none", width: 6, queries: []query{{"{{job}}", `sum by (job) (up{job=~"carbon-.+", job=~"$job", exported_job=""})`}}},
		{kind: "stat", title: "Points each second", unit: "none", width: 6, queries: []query{{"{{job}}", `carbon_points:accepted:rate2m{job=~"$job"}`}}},
		{kind: "stat", title: "Errors", unit: "percentunit", width: 6, about: "Points refused or lost of the last 5 minutes.", red: red{"CarbonErrorsHigh", 0.01, false}, queries: []query{{"{{job}}", `carbon_errors:ratio5m{job=~"$job"}`}}},
		{kind: "stat", title: "Error budget left of 30 days", unit: "percentunit", width: 6, about: "Of 0.1 %. Below 0 the objective is missed.", red: red{"", 0, true}, queries: []query{{"{{job}} {{slo}}", `1 - sum by (job, slo) (sum_over_time(carbon_slo:bad{job=~"$job"}[30d])) / (sum by (job, slo) (sum_over_time(carbon_slo:all{job=~"$job"}[30d])) > 0) / 0.001`}}},
		{kind: "timeseries", title: "Points lost or refused each second", unit: "none", width: 12, queries: []query{{"{{job}}", `carbon_points:failed:rate2m{job=~"$job"}`}}},
		{kind: "timeseries", title: "Queues", unit: "percentunit", width: 12, about: "Above a half there is an alert.", red: red{"CarbonQueueFilling", 0.5, false}, queries: []query{{"{{instance}} {{exporter}}", `max by (instance, exporter) (otelcol_exporter_queue_size{job=~"carbon-.+", job=~"$job"}) / (max by (instance, exporter) (otelcol_exporter_queue_capacity{job=~"carbon-.+", job=~"$job"}) > 0)`}}},
		{kind: "timeseries", title: "Time to accept a batch (P95)", unit: "s", width: 12, about: "Calls are counted in steps from 5 ms on: 4.75 ms is less than that.", red: red{"CarbonResponseSlow", 0.005, false}, queries: []query{{"{{job}}", `carbon_response_seconds:p95_5m{job=~"$job"}`}}},
		{kind: "timeseries", title: "Time to convert a batch (P95)", unit: "s", width: 12, red: red{"CarbonRolloutConversionSlow", 0.001, false}, queries: []query{{"{{job}}", `carbon_conversion_seconds:p95_5m{job=~"$job"}`}}},
		{kind: "timeseries", title: "Memory", unit: "bytes", width: 8, queries: []query{{"{{instance}}", `max by (job, instance) (otelcol_process_memory_rss{job=~"carbon-.+", job=~"$job"})`}}},
		{kind: "timeseries", title: "CPUs", unit: "none", width: 8, queries: []query{{"{{instance}}", `sum by (job, instance) (rate(otelcol_process_cpu_seconds_total{job=~"carbon-.+", job=~"$job"}[5m]))`}}},
		{kind: "timeseries", title: "Memory and CPU of their limits", unit: "percentunit", width: 8, about: "Needs kube-state-metrics. Of memory the alert is at 90 %.", red: red{"CarbonCPUHigh", 0.8, false}, queries: []query{
			{"{{pod}} memory", `carbon_memory:ratio{job=~"$job"}`},
			{"{{pod}} CPU", `carbon_cpu:ratio{job=~"$job"}`},
		}},
		{kind: "timeseries", title: "Streams of their limit", unit: "percentunit", width: 8, queries: []query{{"{{instance}}", `max by (job, instance) (otelcol_carbonintensity_streams{job=~"carbon-.+", job=~"$job"}) / max by (job, instance) (otelcol_carbonintensity_streams_limit{job=~"carbon-.+", job=~"$job"})`}}},
		{kind: "timeseries", title: "Readings that did not count each minute", unit: "none", width: 8, queries: []query{
			{"GPU {{reason}}", `sum by (reason) (rate(otelcol_nvmlenergy_readings_skipped_total{job=~"carbon-.+", job=~"$job"}[5m])) * 60`},
			{"host {{reason}}", `sum by (reason) (rate(otelcol_hostenergy_readings_skipped_total{job=~"carbon-.+", job=~"$job"}[5m])) * 60`},
		}},
		{kind: "timeseries", title: "Energy that was lost in attribution", unit: "joule", width: 8, about: "0. Anything else is a defect: please report it.", queries: []query{
			{"{{instance}} {{hw_id}}", `max by (job, instance, hw_id) (abs(otelcol_nvmlenergy_attribution_imbalance{job=~"carbon-.+", job=~"$job"}))`},
			{"{{instance}}", `max by (job, instance) (abs(otelcol_hostenergy_attribution_imbalance{job=~"carbon-.+", job=~"$job"}))`},
		}},
	},
}
