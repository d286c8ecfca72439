#!/bin/bash
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# TaskProlog of slurm.conf: labels each task with the run that it belongs to. What this prints as "export NAME=value" is the
# environment of the task, where otelcol-carbon finds it. The job's id needs no label: it is in the path of the cgroup.
set -u

# encode is the value as W3C Baggage has it, which OTEL_RESOURCE_ATTRIBUTES follows.
encode() {
	local LC_ALL=C text=$1 i
	for ((i = 0; i < ${#text}; i++)); do
		case "${text:i:1}" in
		[A-Za-z0-9._~/:@-]) printf %s "${text:i:1}" ;;
		*) printf '%%%02X' "'${text:i:1}" ;;
		esac
	done
}

attributes=${OTEL_RESOURCE_ATTRIBUTES-}
# add does not replace what the user said.
add() {
	case ",$attributes" in *",$1="*) return ;; esac
	[ -z "$2" ] || attributes+="${attributes:+,}$1=$(encode "$2")"
}

# All tasks of an array, and all steps of a job, are one run.
add workload.run.id "${SLURM_ARRAY_JOB_ID:-${SLURM_JOB_ID-}}"
add workload.run.project "${SLURM_JOB_ACCOUNT-}"
add workload.run.system slurm
[ -z "$attributes" ] || echo "export OTEL_RESOURCE_ATTRIBUTES=$attributes"
