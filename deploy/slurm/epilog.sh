#!/bin/bash
# Copyright The otelcol-carbon Authors
# SPDX-License-Identifier: Apache-2.0

# Epilog of slurm.conf: writes what the job used on this node to the system log, as the otelcol-carbon of the node counted it.
# It never fails and never takes longer than some seconds: a node whose epilog fails is drained.
set -u

endpoint=${OTELCOL_CARBON_METRICS:-http://127.0.0.1:9464/metrics}

# total sums all series of a metric that are of the job.
total() {
	awk -v metric="$1" -v label="slurm_job_id=\"$SLURM_JOB_ID\"" '
		index($0, metric "{") == 1 && (index($0, "{" label) || index($0, "," label)) {
			sub(/.*} /, ""); sum += $1; found = 1
		}
		END { if (found) printf "%.3f", sum }' <<<"$metrics"
}

[ -n "${SLURM_JOB_ID-}" ] || exit 0
metrics=$(curl --silent --fail --max-time 3 "$endpoint") || metrics=
energy=$(total workload_energy_joules_total)
emissions=$(total workload_emissions_grams_total)
if [ -n "$energy" ]; then
	message="job=$SLURM_JOB_ID user=${SLURM_JOB_USER-} energy_joules=$energy emissions_grams=${emissions:-unknown}"
else
	message="job=$SLURM_JOB_ID user=${SLURM_JOB_USER-} energy_joules=unknown emissions_grams=unknown"
fi
logger --tag otelcol-carbon-slurm -- "$message" 2>/dev/null || echo "$message"
exit 0
