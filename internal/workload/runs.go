// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import "slices"

// scheduler is a batch system that names its jobs in the environment.
type scheduler struct {
	variable, attribute string
	more                map[string]string
}

// schedulers make a process outside of containers a job. Slurm is first: it may run others inside.
var schedulers = []scheduler{
	{"SLURM_JOB_ID", "slurm.job.id", map[string]string{
		"SLURM_JOB_NAME":      "slurm.job.name",
		"SLURM_JOB_ACCOUNT":   "slurm.job.account",
		"SLURM_JOB_PARTITION": "slurm.job.partition",
	}},
	{"PBS_JOBID", "pbs.job.id", map[string]string{"PBS_JOBNAME": "pbs.job.name", "PBS_QUEUE": "pbs.queue"}},
	{"LSB_JOBID", "lsf.job.id", map[string]string{"LSB_JOBNAME": "lsf.job.name", "LSB_QUEUE": "lsf.queue"}},
	{"FLUX_JOB_ID", "flux.job.id", nil},
	{"OAR_JOB_ID", "oar.job.id", map[string]string{"OAR_JOB_NAME": "oar.job.name"}},
}

// runSystem is a tool that names training runs in the environment.
type runSystem struct {
	name        string
	id, project []string
}

// runSystems begin with those that people name their runs in, and end with those that start processes.
var runSystems = []runSystem{
	{"wandb", []string{"WANDB_RUN_ID"}, []string{"WANDB_PROJECT"}},
	{"mlflow", []string{"MLFLOW_RUN_ID"}, []string{"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"}},
	{"comet", []string{"COMET_EXPERIMENT_KEY"}, []string{"COMET_PROJECT_NAME"}},
	{"neptune", []string{"NEPTUNE_CUSTOM_RUN_ID", "NEPTUNE_RUN_ID"}, []string{"NEPTUNE_PROJECT"}},
	{"clearml", []string{"CLEARML_TASK_ID", "TRAINS_TASK_ID"}, nil},

	{"sagemaker", []string{"TRAINING_JOB_NAME"}, nil},
	{"azureml", []string{"AZUREML_RUN_ID"}, []string{"AZUREML_EXPERIMENT_ID"}},
	{"vertex", []string{"CLOUD_ML_JOB_ID"}, []string{"CLOUD_ML_PROJECT_ID"}},
	{"determined", []string{"DET_TRIAL_ID"}, []string{"DET_EXPERIMENT_ID"}},
	{"runai", []string{"RUNAI_JOB_UUID", "jobUUID", "RUNAI_JOB_NAME"}, []string{"RUNAI_PROJECT"}},
	{"kubeflow", []string{"KFP_RUN_ID"}, []string{"KFP_PIPELINE_NAME"}},
	{"argo", []string{"ARGO_WORKFLOW_NAME"}, nil},
	{"flyte", []string{"FLYTE_INTERNAL_EXECUTION_ID"}, []string{"FLYTE_INTERNAL_EXECUTION_PROJECT"}},
	{"metaflow", []string{"METAFLOW_RUN_ID"}, []string{"METAFLOW_FLOW_NAME"}},
	{"polyaxon", []string{"POLYAXON_RUN_UUID"}, nil},
	{"skypilot", []string{"SKYPILOT_TASK_ID"}, nil},
	{"ray", []string{"RAY_JOB_ID"}, nil},
	{"torchelastic", []string{"TORCHELASTIC_RUN_ID", "PET_RDZV_ID"}, nil},
}

// known are the variables worth keeping of an environment.
var known = func() map[string]bool {
	names := map[string]bool{"OTEL_SERVICE_NAME": true}
	for _, s := range schedulers {
		names[s.variable] = true
		for variable := range s.more {
			names[variable] = true
		}
	}
	for _, s := range runSystems {
		for _, name := range slices.Concat(s.id, s.project) {
			names[name] = true
		}
	}
	return names
}()
