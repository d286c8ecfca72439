// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

// elsewhere are metrics that a collector which runs alone for seconds does not serve: why, and series of them.
var elsewhere = map[string]struct{ why, series string }{
	"kube_pod_container_resource_limits": {"kube-state-metrics", `
kube_pod_container_resource_limits{resource="memory",namespace="c",pod="carbon-agent-1"} 5e8x20
kube_pod_container_resource_limits{resource="cpu",namespace="c",pod="carbon-agent-1"} 2x20
otelcol_process_memory_rss{job="carbon-agent",namespace="c",pod="carbon-agent-1"} 1e8x20
otelcol_process_cpu_seconds_total{job="carbon-agent",namespace="c",pod="carbon-agent-1"} 0+1x20`},
	"kube_pod_info": {"kube-state-metrics", `
kube_pod_info{namespace="c",pod="carbon-agent-1",node="n1"} 1x20
otelcol_scraper_scraped_metric_points_total{job="carbon-agent",namespace="c",pod="carbon-agent-1",scraper="nvmlenergy"} 0+9x20`},
	"kube_node_status_capacity": {"kube-state-metrics", `
kube_node_status_capacity{node="n1",resource="nvidia_com_gpu"} 8x20`},
	"kube_pod_container_status_waiting_reason": {"kube-state-metrics", `
kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff",namespace="c",pod="carbon-agent-1"} 1x20`},
	"kube_deployment_status_replicas_available": {"kube-state-metrics", `
kube_deployment_status_replicas_available{deployment="carbon-gateway"} 2x20`},
	"node_filesystem_avail_bytes": {"node_exporter", `
node_filesystem_avail_bytes{instance="n",mountpoint="/"} 50x20`},
	"node_filesystem_size_bytes": {"node_exporter", `
node_filesystem_size_bytes{instance="n",mountpoint="/"} 100x20`},
	"otelcol_nvmlenergy_counter_disagreement": {"told after a minute of readings", `
otelcol_nvmlenergy_counter_disagreement{job="carbon-agent",hw_id="GPU-1"} 0.01x20`},
	"hw_host_energy_joules_total": {"only machines with a meter of the whole", `
hw_host_energy_joules_total{host_id="h1",host_name="n1"} 0+9000x20`},
	"hw_host_emissions_grams_total": {"only machines with a meter of the whole", `
hw_host_emissions_grams_total{host_id="h1",host_name="n1"} 0+1x20`},
	"otelcol_hostenergy_readings_skipped_total": {"appears with the first one", `
otelcol_hostenergy_readings_skipped_total{job="carbon-agent",reason="gap"} 0+1x20`},
	"otelcol_carbonintensity_energy_unconverted_total": {"appears with the first one", `
otelcol_carbonintensity_energy_unconverted_total{job="carbon-agent",reason="gap"} 0+1x20`},
}
