// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import "time"

var collectorCases = []alertCase{
	{
		alert:   "CarbonTargetDown",
		bad:     `up{job="carbon-agent",instance="a"} 1x3 0x10`,
		good:    `up{job="carbon-agent",instance="a"} 1x3 0 0 1x10`, // a scrape that timed out
		fires:   3 * time.Minute,
		summary: "carbon-agent at a cannot be scraped.",
	},
	{
		alert: "CarbonCrashLoop",
		bad: `
otelcol_process_uptime_total{job="carbon-agent",namespace="c",pod="carbon-agent-1",exported_instance="i1"} 30 60
otelcol_process_uptime_total{job="carbon-agent",namespace="c",pod="carbon-agent-1",exported_instance="i2"} _x3 30 60
otelcol_process_uptime_total{job="carbon-agent",namespace="c",pod="carbon-agent-1",exported_instance="i3"} _x6 30 60
otelcol_process_uptime_total{job="carbon-agent",namespace="c",pod="carbon-agent-1",exported_instance="i4"} _x9 30 60`,
		good: `
otelcol_process_uptime_total{job="carbon-agent",namespace="c",pod="carbon-agent-1",exported_instance="i1"} 30+30x30
otelcol_process_uptime_total{job="carbon-agent",namespace="c",pod="carbon-agent-1",exported_instance="i2"} _x32 30+30x20
otelcol_process_uptime_total{job="carbon-agent",namespace="c",pod="carbon-agent-1",exported_instance="i3"} _x52 30+30x30
kube_pod_container_status_waiting_reason{reason="ContainerCreating",namespace="c",pod="carbon-agent-1"} 1x80`,
		fires:   4*time.Minute + 30*time.Second,
		summary: "carbon-agent-1 starts again and again.",
	},
	{
		alert: "CarbonCrashLoop", // where there is no pod, machines of a job are told apart
		bad: `
otelcol_process_uptime_total{job="carbon-node",instance="a:9464",exported_instance="i1"} 30 60
otelcol_process_uptime_total{job="carbon-node",instance="a:9464",exported_instance="i2"} _x3 30 60
otelcol_process_uptime_total{job="carbon-node",instance="a:9464",exported_instance="i3"} _x6 30 60
otelcol_process_uptime_total{job="carbon-node",instance="a:9464",exported_instance="i4"} _x9 30 60`,
		good: `
otelcol_process_uptime_total{job="carbon-node",instance="a:9464",exported_instance="i1"} 30+30x30
otelcol_process_uptime_total{job="carbon-node",instance="b:9464",exported_instance="i2"} 30+30x30
otelcol_process_uptime_total{job="carbon-node",instance="c:9464",exported_instance="i3"} 30+30x30
otelcol_process_uptime_total{job="carbon-node",instance="d:9464",exported_instance="i4"} 30+30x30`,
		fires:   4*time.Minute + 30*time.Second,
		summary: "a:9464 starts again and again.",
	},
	{
		alert:   "CarbonCrashLoop", // one that never gets as far as to be scraped
		bad:     `kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff",namespace="c",pod="carbon-gateway-1"} 0 0 1x3`,
		good:    `kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff",namespace="c",pod="another-1"} 1x9`,
		fires:   time.Minute,
		summary: "carbon-gateway-1 starts again and again.",
	},
	{
		alert:   "CarbonMemoryHigh",
		bad:     memory("0.91e9x15"),
		good:    memory("0.91e9x8 0.89e9 0.91e9x8 0.89e9x30"), // 4 minutes each
		fires:   5 * time.Minute,
		summary: "carbon-gateway-1 uses 91% of its memory.",
	},
	{
		alert:   "CarbonErrorsHigh",
		bad:     points("0+989x20", "0+11x20"),
		good:    points("0+991x20", "0+9x20"),
		fires:   90 * time.Second, // of which the first rate needs 30 s
		summary: "carbon-gateway refuses or loses 1.1% of its points.",
	},
	{
		alert: "CarbonTrackingFailure",
		bad: `
otelcol_receiver_accepted_metric_points_total{job="carbon-agent",instance="a",receiver="nvmlenergy"} 0x3 0+10x5 50x9
otelcol_receiver_accepted_metric_points_total{job="carbon-agent",instance="a",receiver="hostenergy"} 0+5x9 45x9
otelcol_receiver_refused_metric_points_total{job="carbon-agent",instance="a",receiver="hostenergy"} 0x20
otelcol_receiver_accepted_metric_points_total{job="carbon-agent",instance="a",receiver="otlp"} 0+5x20`,
		// A node without GPUs, one whose queue is full, and a gateway.
		good: `
otelcol_receiver_accepted_metric_points_total{job="carbon-agent",instance="a",receiver="nvmlenergy"} 0x20
otelcol_receiver_accepted_metric_points_total{job="carbon-agent",instance="a",receiver="hostenergy"} 0+5x20
otelcol_receiver_accepted_metric_points_total{job="carbon-agent",instance="b",receiver="hostenergy"} 7x20
otelcol_receiver_refused_metric_points_total{job="carbon-agent",instance="b",receiver="hostenergy"} 0+5x20
otelcol_receiver_accepted_metric_points_total{job="carbon-gateway",instance="g",receiver="otlp"} 7x20`,
		fires:   6 * time.Minute,
		summary: "a has measured nothing for two minutes.",
	},
	{
		alert: "CarbonGPUsUnseen", // Kubernetes says that the node has some
		bad:   agentOn("n1", "carbon-agent-1", "0x20") + `kube_node_status_capacity{node="n1",resource="nvidia_com_mig_1g_10gb"} 7x20`,
		// One whose driver is late, one without GPUs of another release, and one whose GPUs are for virtual machines.
		good: agentOn("n1", "carbon-agent-1", "0x4 0+9x40") + agentOn("n2", "carbon-cpu-agent-1", "0x40") + agentOn("n3", "carbon-agent-2", "0x40") +
			`kube_node_status_capacity{node="n1",resource="nvidia_com_gpu"} 8x40
kube_node_status_capacity{node="n2",resource="cpu"} 96x40
kube_node_status_capacity{node="n2",resource="nvidia_com_gpu"} 0x40
kube_node_status_capacity{node="n3",resource="nvidia_com_GH100_H100_SXM5_80GB"} 8x40`,
		fires:   3*time.Minute + 30*time.Second,
		summary: "No GPU of n1 is measured.",
	},
	{
		alert: "CarbonGPUsUnseen", // an agent before this one saw some, at most two days ago
		step:  10 * time.Minute,
		bad:   seenOn("n1", "carbon-agent-1", "1x3 _x9") + seenOn("n1", "carbon-agent-canary-1", "_x3 0x9"),
		good: seenOn("n1", "carbon-agent-1", "1x3 _x400") + seenOn("n1", "carbon-agent-canary-1", "_x300 0x100") + // 50 hours
			seenOn("n2", "carbon-agent-2", "0x400"),
		fires:   40 * time.Minute,
		summary: "No GPU of n1 is measured.",
	},
	{
		alert: "CarbonGPUsUnseen", // a host without Kubernetes
		bad:   hostGPU("n1", "1x9") + hostCPU("n1", "0+9x60"),
		// One that is switched off, one whose GPU is lost, one that has none, and one whose agent says that it sees them.
		good: hostGPU("n1", "1x9") + hostCPU("n1", "0+9x9") + hostGPU("n2", "1x9 0x60") + hostCPU("n2", "0+9x60") + hostCPU("n3", "0+9x60") +
			hostGPU("n4", "1x9") + hostCPU("n4", "0+9x60") + seenOn("n4", "carbon-agent-4", "1x60"),
		// Prometheus takes five minutes to believe that the last GPU is gone.
		fires:   12*time.Minute + 30*time.Second,
		summary: "No GPU of n1 is measured.",
	},
	{
		alert:   "CarbonUnauthenticated",
		bad:     refused("0+1x20"), // by gRPC and by HTTP
		good:    refused("0+0.2x60") + "\n" + `http_server_request_duration_count{job="carbon-gateway",http_response_status_code="400"} 0+9x60`,
		fires:   3 * time.Minute,
		summary: "carbon-gateway refused 12 calls without valid credentials in ten minutes.",
	},
	{
		alert: "CarbonUnauthenticated", // at once; a collector that is scraped for the first time has refused them whenever
		bad: `up{job="carbon-gateway",instance="g"} 1x60
rpc_server_call_duration_count{job="carbon-gateway",instance="g",rpc_response_status_code="UNAUTHENTICATED"} _x30 5000x30`,
		good: `up{job="carbon-gateway",instance="g"} _x30 1x60
rpc_server_call_duration_count{job="carbon-gateway",instance="g",rpc_response_status_code="UNAUTHENTICATED"} _x30 5000x60`,
		fires:   15 * time.Minute,
		summary: "carbon-gateway refused 5k calls without valid credentials in ten minutes.",
	},
	{
		alert:   "CarbonCPUHigh", // the rate needs four minutes to see all
		bad:     cpu("1000+49.2x40"),
		good:    cpu("1000+47.4x60"),
		fires:   14*time.Minute + 30*time.Second,
		summary: "carbon-gateway-1 uses 82% of its CPU.",
	},
	{
		alert:   "CarbonStorageFull",
		bad:     fileSystem("14x80"),
		good:    fileSystem("16x80") + "\n" + `node_filesystem_size_bytes{instance="n",mountpoint="/boot"} 100x80` + "\n" + `node_filesystem_avail_bytes{instance="n",mountpoint="/boot"} 1x80`,
		fires:   30 * time.Minute,
		summary: "/var/lib of n is 86% full: queues and totals live there.",
	},
	{
		alert:   "CarbonResponseSlow",
		bad:     response("0+94x40", "0+100x40", "0+100x40"), // 94 of 100 within 5 ms
		good:    response("0+96x60", "0+100x60", "0+100x60"),
		fires:   15*time.Minute + 30*time.Second,
		summary: "carbon-gateway takes 5.833ms to accept a batch (P95).",
	},
	{
		alert:   "CarbonReplicasLow",
		bad:     `kube_deployment_status_replicas_available{deployment="carbon-gateway"} 2 2 1`,
		good:    `kube_deployment_status_replicas_available{deployment="carbon-gateway"} 2x20` + "\n" + `kube_deployment_status_replicas_available{deployment="other"} 0x20`,
		fires:   time.Minute,
		summary: "carbon-gateway has 1 replicas that answer.",
	},
	{
		alert:   "CarbonQueueFilling",
		bad:     queue("0 0 600x30"),
		good:    queue("600x10 490 600x10 0x30"), // backends that come back within ten minutes
		fires:   11 * time.Minute,
		summary: "The queue of otlp_grpc of a is 60% full.",
	},
	{
		alert: "CarbonSLOBurnFast", // 1.5 % of an hour
		step:  time.Minute,
		bad:   slo("100x500", "0x360 1.5x140"),
		good:  slo("100x500", "0x360 1.4x6 0x134"), // too short to spend 2 % of the budget
		// 14.4 of 15 points of the hour's 6000: after 58 of 60 samples.
		fires:   418 * time.Minute,
		summary: "carbon-agent: 1.45% bad (availability). The error budget of a month is gone in days.",
	},
	{
		alert:   "CarbonSLOBurnFast", // the slower of its pairs: 0.7 % of six hours
		step:    5 * time.Minute,
		bad:     slo("100x200", "0x72 0.7x128"),
		good:    slo("100x200", "0x72 0.5x128"),
		fires:   670 * time.Minute,
		summary: "carbon-agent: 0.6028% bad (availability). The error budget of a month is gone in days.",
	},
	{
		alert:   "CarbonSLOBurnSlow",
		step:    5 * time.Minute,
		bad:     slo("100x1000", "0.11x1000"),
		good:    slo("100x1000", "0.09x1000"),
		fires:   0,
		summary: "carbon-agent: 0.11% bad (availability), more than the objective allows.",
	},
}

// agentOn is the agent of a node whose CPUs are always measured. Its GPUs have given so many points.
func agentOn(node, pod, points string) string {
	labels := `{job="carbon-agent",namespace="c",pod="` + pod + `",instance="` + pod + `",scraper=`
	return `kube_pod_info{namespace="c",pod="` + pod + `",node="` + node + `"} 1x99
otelcol_scraper_scraped_metric_points_total` + labels + `"nvmlenergy"} ` + points + `
otelcol_scraper_scraped_metric_points_total` + labels + `"hostenergy"} 0+9x99
`
}

func seenOn(node, pod, values string) string {
	return `carbon_gpus:seen{job="carbon-agent",namespace="c",pod="` + pod + `",host_name="` + node + `"} ` + values + "\n"
}

func hostGPU(host, ok string) string {
	return `hw_status{host_id="` + host + `",host_name="` + host + `",hw_type="gpu",hw_id="GPU-1",hw_state="ok"} ` + ok + "\n"
}

func hostCPU(host, values string) string {
	return `hw_energy_joules_total{host_id="` + host + `",host_name="` + host + `",hw_type="cpu",hw_id="cpu0"} ` + values + "\n"
}

func memory(rss string) string {
	return `otelcol_process_memory_rss{job="carbon-gateway",namespace="c",pod="carbon-gateway-1"} ` + rss + `
kube_pod_container_resource_limits{resource="memory",namespace="c",pod="carbon-gateway-1"} 1e9x99`
}

func cpu(seconds string) string { // of 2 CPUs
	return `otelcol_process_cpu_seconds_total{job="carbon-gateway",namespace="c",pod="carbon-gateway-1"} ` + seconds + `
kube_pod_container_resource_limits{resource="cpu",namespace="c",pod="carbon-gateway-1"} 2x99`
}

func refused(each string) string {
	return `rpc_server_call_duration_count{job="carbon-gateway",rpc_response_status_code="UNAUTHENTICATED"} ` + each + `
http_server_request_duration_count{job="carbon-gateway",http_response_status_code="401"} ` + each
}

func points(accepted, refused string) string {
	return `otelcol_receiver_accepted_metric_points_total{job="carbon-gateway",receiver="otlp"} ` + accepted + `
otelcol_receiver_refused_metric_points_total{job="carbon-gateway",receiver="otlp"} ` + refused + `
otelcol_receiver_failed_metric_points_total{job="carbon-gateway",receiver="otlp"} 0x99
otelcol_receiver_accepted_metric_points_total{job="carbon-gateway",receiver="prometheus/self"} 0+100000x99`
}

func fileSystem(available string) string {
	return `node_filesystem_avail_bytes{instance="n",mountpoint="/var/lib"} ` + available + `
node_filesystem_size_bytes{instance="n",mountpoint="/var/lib"} 100x99`
}

func response(within5, within10, all string) string {
	return `rpc_server_call_duration_bucket{job="carbon-gateway",le="0.005"} ` + within5 + `
rpc_server_call_duration_bucket{job="carbon-gateway",le="0.01"} ` + within10 + `
rpc_server_call_duration_bucket{job="carbon-gateway",le="0.025"} ` + all + `
rpc_server_call_duration_bucket{job="carbon-gateway",le="+Inf"} ` + all
}

func queue(size string) string {
	return `otelcol_exporter_queue_size{job="carbon-agent",instance="a",exporter="otlp_grpc"} ` + size + `
otelcol_exporter_queue_capacity{job="carbon-agent",instance="a",exporter="otlp_grpc"} 1000x99`
}

func slo(all, bad string) string {
	return `carbon_slo:all{job="carbon-agent",slo="availability"} ` + all + `
carbon_slo:bad{job="carbon-agent",slo="availability"} ` + bad
}
