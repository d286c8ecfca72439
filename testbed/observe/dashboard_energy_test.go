// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

var hostVariable = variable{name: "host", label: "host_name", metric: "host:energy_joules:rate5m"}

var fleetDashboard = dashboard{
	uid: "carbon-fleet", title: "Carbon: fleet", about: "What all machines draw and emit. A meter of the whole machine counts instead of its parts.",
	variables: []variable{hostVariable},
	panels: []panel{
		{kind: "stat", title: "Power", unit: "watt", width: 6, queries: []query{{"", `sum(host:energy_joules:rate5m{host_name=~"$host"})`}}},
		{kind: "stat", title: "CO2e each hour", unit: "massg", width: 6, queries: []query{{"", `sum(host:emissions_grams:rate5m{host_name=~"$host"}) * 3600`}}},
		{
			kind: "stat", title: "CO2e in the time shown", unit: "massg", width: 6, about: "As pulled: what was emitted before the first scrape of a series is not in it.",
			queries: []query{{"", `sum(sum by (host_id) (increase(hw_host_emissions_grams_total{host_name=~"$host"}[$__range])) or sum by (host_id) (increase(hw_emissions_grams_total{host_name=~"$host"}[$__range])))`}},
		},
		{
			kind: "stat", title: "Grams for each kWh", unit: "none", width: 6, about: "Emissions over energy of the last minutes, with what PUE and factors make of it.",
			queries: []query{{"", `sum(host:emissions_grams:rate5m{host_name=~"$host"}) / sum(host:energy_joules:rate5m{host_name=~"$host"}) * 3.6e6`}},
		},
		{kind: "timeseries", title: "Power by host", unit: "watt", width: 12, queries: []query{{"{{host_name}}", `sum by (host_name) (host:energy_joules:rate5m{host_name=~"$host"})`}}},
		{kind: "timeseries", title: "CO2e each hour by host", unit: "massg", width: 12, queries: []query{{"{{host_name}}", `sum by (host_name) (host:emissions_grams:rate5m{host_name=~"$host"}) * 3600`}}},
		{kind: "timeseries", title: "CO2e each hour by zone of the grid", unit: "massg", width: 12, queries: []query{{"{{grid_zone}}", `zone:emissions_grams:rate5m * 3600`}}},
		{kind: "timeseries", title: "Power by kind of component", unit: "watt", width: 12, queries: []query{{"{{hw_type}}", `sum by (hw_type) (rate(hw_energy_joules_total{host_name=~"$host"}[5m]))`}}},
		{kind: "table", title: "Hosts that emit most (grams each hour)", unit: "massg", width: 24, queries: []query{{"", `topk(20, sum by (host_name) (host:emissions_grams:rate5m{host_name=~"$host"}) * 3600)`}}},
	},
}

var gpuDashboard = dashboard{
	uid: "carbon-gpu", title: "Carbon: GPU node", about: "Each GPU of a machine: what it draws, how it is, and how well it is measured.",
	variables: []variable{hostVariable},
	panels: []panel{
		{kind: "stat", title: "GPUs that are well", unit: "none", width: 8, queries: []query{{"", `sum(hw_status{hw_type="gpu", hw_state="ok", host_name=~"$host"})`}}},
		{kind: "stat", title: "GPUs that are suspect", unit: "none", width: 8, queries: []query{{"", `sum(hw_status{hw_type="gpu", hw_state="degraded", host_name=~"$host"})`}}},
		{kind: "stat", title: "GPUs that are lost", unit: "none", width: 8, red: red{"CarbonGPULost", 1, false}, queries: []query{{"", `sum(hw_status{hw_type="gpu", hw_state="failed", host_name=~"$host"})`}}},
		{kind: "timeseries", title: "Power by GPU", unit: "watt", width: 12, queries: []query{{"{{host_name}} {{hw_id}}", `gpu:energy_joules:rate5m{host_name=~"$host"}`}}},
		{kind: "timeseries", title: "CO2e each hour by GPU", unit: "massg", width: 12, queries: []query{{"{{host_name}} {{hw_id}}", `gpu:emissions_grams:rate5m{host_name=~"$host"} * 3600`}}},
		{kind: "timeseries", title: "Power of the rest of the machine", unit: "watt", width: 12, queries: []query{{"{{host_name}} {{hw_id}}", `sum by (host_name, hw_id) (rate(hw_energy_joules_total{hw_type!="gpu", host_name=~"$host"}[5m]))`}}},
		{kind: "timeseries", title: "Power by who used it", unit: "watt", width: 12, queries: []query{{"{{workload_kind}}", `sum by (workload_kind) (rate(workload_energy_joules_total{hw_type="gpu", host_name=~"$host"}[5m]))`}}},
		{kind: "timeseries", title: "Xids", unit: "none", width: 8, about: "Errors that the driver has reported since the collector started.", queries: []query{{"{{hw_id}} Xid {{nvidia_xid}}", `sum by (host_name, hw_id, nvidia_xid) (hw_errors_total{host_name=~"$host"})`}}},
		{
			kind: "timeseries", title: "Counter less power", unit: "percentunit", width: 8, about: "By how much the energy counter shows more than the power. Above 10 % to either side there is an alert.",
			red:     red{"CarbonCounterDisagreement", 0.1, false},
			queries: []query{{"{{hw_id}}", `otelcol_nvmlenergy_counter_disagreement{job=~"carbon-.+"}`}},
		},
		{kind: "table", title: "Where energy comes from", unit: "none", width: 8, queries: []query{{"", `max by (hw_id, source) (otelcol_nvmlenergy_source{job=~"carbon-.+"}) > 0`}}},
	},
}

var workloadDashboard = dashboard{
	uid: "carbon-workload", title: "Carbon: workload and team", about: "Who used the energy. Namespaces of Kubernetes and accounts of Slurm stand for teams.",
	variables: []variable{hostVariable, {name: "namespace", label: "k8s_namespace_name", metric: "workload_energy_joules_total"}},
	panels: []panel{
		{kind: "stat", title: "Power of workloads", unit: "watt", width: 8, queries: []query{{"", `sum(rate(workload_energy_joules_total{workload_kind!~"idle|unattributed|residual", host_name=~"$host", k8s_namespace_name=~"$namespace"}[5m]))`}}},
		{kind: "stat", title: "CO2e of workloads in the time shown", unit: "massg", width: 8, queries: []query{{"", `sum(increase(workload_emissions_grams_total{workload_kind!~"idle|unattributed|residual", host_name=~"$host", k8s_namespace_name=~"$namespace"}[$__range]))`}}},
		{kind: "stat", title: "Energy that is nobody's, last hour", unit: "percentunit", width: 8, red: red{"CarbonUnattributed", 0.05, false}, queries: []query{{"", `max(host:energy_unattributed:share1h{host_name=~"$host"})`}}},
		{kind: "timeseries", title: "CO2e each hour by namespace", unit: "massg", width: 12, queries: []query{{"{{k8s_namespace_name}}", `sum by (k8s_namespace_name) (rate(workload_emissions_grams_total{k8s_namespace_name!="", k8s_namespace_name=~"$namespace", host_name=~"$host"}[5m])) * 3600`}}},
		{kind: "timeseries", title: "CO2e each hour by account of Slurm", unit: "massg", width: 12, queries: []query{{"{{slurm_job_account}}", `sum by (slurm_job_account) (rate(workload_emissions_grams_total{slurm_job_account!="", host_name=~"$host"}[5m])) * 3600`}}},
		{kind: "timeseries", title: "Power by kind of use", unit: "watt", width: 12, queries: []query{{"{{workload_kind}}", `sum by (workload_kind) (rate(workload_energy_joules_total{host_name=~"$host"}[5m]))`}}},
		{kind: "timeseries", title: "How sure the shares are", unit: "percentunit", width: 12, queries: []query{{"{{workload_attribution}}", `sum by (workload_attribution) (rate(workload_energy_joules_total{host_name=~"$host"}[1h])) / on () group_left () sum(rate(workload_energy_joules_total{host_name=~"$host"}[1h]))`}}},
		{kind: "table", title: "Training runs (grams since the start of the collector)", unit: "massg", width: 12, queries: []query{{"", `topk(20, sum by (workload_run_system, workload_run_project, workload_run_id) (last_over_time(workload_emissions_grams_total{workload_run_id!="", host_name=~"$host"}[$__range])))`}}},
		{kind: "table", title: "Pods (grams in the time shown)", unit: "massg", width: 12, queries: []query{{"", `topk(20, sum by (k8s_namespace_name, k8s_pod_name) (increase(workload_emissions_grams_total{k8s_pod_name!="", k8s_namespace_name=~"$namespace", host_name=~"$host"}[$__range])))`}}},
	},
}
