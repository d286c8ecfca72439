// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package packages

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const slurm = repository + "/deploy/slurm/"

// script runs a script with nothing in its environment but what is given, and returns what it printed.
func script(tb testing.TB, name string, env ...string) string {
	tb.Helper()
	output, err := runScript(tb, name, env)
	require.NoError(tb, err, output)
	return output
}

func runScript(tb testing.TB, name string, env []string) (string, error) {
	tb.Helper()
	c := exec.CommandContext(tb.Context(), "bash", slurm+name)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	output, err := c.CombinedOutput()
	return string(output), err
}

func TestTaskPrologLabelsTheRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  []string
		want string
	}{
		"job":      {env: []string{"SLURM_JOB_ID=4711"}, want: "workload.run.id=4711,workload.run.system=slurm"},
		"array":    {env: []string{"SLURM_JOB_ID=4712", "SLURM_ARRAY_JOB_ID=4711"}, want: "workload.run.id=4711,workload.run.system=slurm"},
		"account":  {env: []string{"SLURM_JOB_ID=1", "SLURM_JOB_ACCOUNT=chem"}, want: "workload.run.id=1,workload.run.project=chem,workload.run.system=slurm"},
		"said":     {env: []string{"SLURM_JOB_ID=1", "OTEL_RESOURCE_ATTRIBUTES=team=a,workload.run.id=mine"}, want: "team=a,workload.run.id=mine,workload.run.system=slurm"},
		"not said": {env: []string{"SLURM_JOB_ID=1", "OTEL_RESOURCE_ATTRIBUTES=old.workload.run.id=x"}, want: "old.workload.run.id=x,workload.run.id=1,workload.run.system=slurm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, "export OTEL_RESOURCE_ATTRIBUTES="+test.want+"\n", script(t, "task_prolog.sh", test.env...))
		})
	}
}

// Whatever an account is called, it is one attribute that decodes to that name, on one line.
func TestTaskPrologEncodesAnyName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		account := rapid.String().Filter(func(s string) bool {
			return s != "" && !strings.ContainsRune(s, 0) && utf8.ValidString(s)
		}).Draw(r, "account")
		output, err := runScript(t, "task_prolog.sh", []string{"SLURM_JOB_ID=1", "SLURM_JOB_ACCOUNT=" + account})
		require.NoError(r, err)
		line, ok := strings.CutSuffix(output, "\n")
		require.True(r, ok)
		require.NotContains(r, line, "\n")
		parts := strings.Split(line, ",")
		require.Len(r, parts, 3, output)
		got, err := url.PathUnescape(strings.TrimPrefix(parts[1], "workload.run.project="))
		require.NoError(r, err)
		require.Equal(r, account, got)
	})
}

const scraped = `# TYPE workload_energy_joules_total counter
workload_energy_joules_total{host_name="a",hw_id="gpu-0",slurm_job_id="4711",workload_kind="job"} 1.5e+06
workload_energy_joules_total{hw_id="package-0",slurm_job_id="4711",workload_run_project="a } b"} 250.25
workload_energy_joules_total{slurm_job_id="47110"} 7
workload_energy_joules_total{not_slurm_job_id="4711"} 7
workload_energy_joules_total{workload_kind="idle"} 7
workload_emissions_grams_total{slurm_job_id="4711"} 120.5
`

func TestEpilogReportsTheJob(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, scraped)
	}))
	t.Cleanup(server.Close)
	for name, test := range map[string]struct{ job, endpoint, want string }{
		"used":    {job: "4711", endpoint: server.URL, want: "job=4711 user=ann energy_joules=1500250.250 emissions_grams=120.500\n"},
		"no grid": {job: "47110", endpoint: server.URL, want: "job=47110 user=ann energy_joules=7.000 emissions_grams=unknown\n"},
		"unknown": {job: "1", endpoint: server.URL, want: "job=1 user=ann energy_joules=unknown emissions_grams=unknown\n"},
		"away":    {job: "4711", endpoint: "http://127.0.0.1:1", want: "job=4711 user=ann energy_joules=unknown emissions_grams=unknown\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A logger that prints, before the system's in the path.
			bin := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(bin, "logger"), []byte("#!/bin/sh\nshift 3; echo \"$@\"\n"), 0o700))
			assert.Equal(t, test.want, script(t, "epilog.sh", "PATH="+bin+":"+os.Getenv("PATH"),
				"SLURM_JOB_ID="+test.job, "SLURM_JOB_USER=ann", "OTELCOL_CARBON_METRICS="+test.endpoint))
		})
	}
}

func TestEpilogOutsideAJob(t *testing.T) {
	t.Parallel()
	assert.Empty(t, script(t, "epilog.sh"))
}
