// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClaim(t *testing.T) {
	long := strings.Repeat("x", maxLength+1)
	tests := []struct {
		name     string
		env      []string
		proven   map[string]string
		want     map[string]string
		rejected int
	}{
		{name: "nothing"},
		{name: "decoded", env: []string{"OTEL_RESOURCE_ATTRIBUTES= a = b%20c ,d%2Ce=f%3Dg=h,"}, want: map[string]string{"a": "b c", "d,e": "f=g=h"}},
		{name: "plus is no space", env: []string{"OTEL_RESOURCE_ATTRIBUTES=a=b+c"}, want: map[string]string{"a": "b+c"}},
		{name: "empty value", env: []string{"OTEL_RESOURCE_ATTRIBUTES=a=,b=c", "OTEL_SERVICE_NAME=", "WANDB_RUN_ID="}, want: map[string]string{"b": "c"}},
		{name: "one malformed discards all", env: []string{"OTEL_RESOURCE_ATTRIBUTES=a=b,c=%zz"}, rejected: 1},
		{name: "no value discards all", env: []string{"OTEL_RESOURCE_ATTRIBUTES=a=b,c"}, rejected: 1},
		{name: "no key discards all", env: []string{"OTEL_RESOURCE_ATTRIBUTES=a=b,=c"}, rejected: 1},
		{name: "not UTF-8", env: []string{"OTEL_RESOURCE_ATTRIBUTES=a=%ff,b=c"}, want: map[string]string{"b": "c"}, rejected: 1},
		{name: "control characters", env: []string{"OTEL_RESOURCE_ATTRIBUTES=a=x%0Ay"}, rejected: 1},
		{name: "too long", env: []string{"OTEL_RESOURCE_ATTRIBUTES=a=" + long + "," + long + "=b", "WANDB_RUN_ID=" + long}, rejected: 2},
		{name: "service name goes first", env: []string{"OTEL_RESOURCE_ATTRIBUTES=service.name=a,service.version=2", "OTEL_SERVICE_NAME=b"}, want: map[string]string{"service.name": "b", "service.version": "2"}},
		{name: "instance is left out", env: []string{"OTEL_RESOURCE_ATTRIBUTES=service.instance.id=a"}},
		{name: "reserved", env: []string{"OTEL_RESOURCE_ATTRIBUTES=host.name=a,process.pid=1,hw.id=2,k8s.pod.uid=3,slurm.job.id=4,workload.kind=idle"}, rejected: 6},
		{name: "proven", env: []string{"OTEL_RESOURCE_ATTRIBUTES=k8s.pod.name=a"}, proven: map[string]string{"k8s.pod.name": "b"}, want: map[string]string{"k8s.pod.name": "b"}, rejected: 1},
		{name: "run named by hand", env: []string{"OTEL_RESOURCE_ATTRIBUTES=workload.run.id=mine", "WANDB_RUN_ID=r"}, want: map[string]string{"workload.run.id": "mine"}},
		{name: "run of the first system", env: []string{"TORCHELASTIC_RUN_ID=t", "RAY_JOB_ID=02000000", "MLFLOW_RUN_ID=m", "MLFLOW_EXPERIMENT_ID=3", "MLFLOW_EXPERIMENT_NAME=e"}, want: map[string]string{"workload.run.id": "m", "workload.run.project": "e", "workload.run.system": "mlflow"}},
		{name: "an id goes before a project", env: []string{"WANDB_PROJECT=p", "RAY_JOB_ID=02000000"}, want: map[string]string{"workload.run.id": "02000000", "workload.run.system": "ray"}},
		{name: "project alone", env: []string{"WANDB_PROJECT=p"}, want: map[string]string{"workload.run.project": "p", "workload.run.system": "wandb"}},
		{name: "torchrun's default is none", env: []string{"TORCHELASTIC_RUN_ID=none"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]string{}
			maps.Copy(got, tt.proven)
			rejected := parseEnviron(strings.Join(tt.env, "\x00")).claim(got)
			if tt.want == nil {
				tt.want = map[string]string{}
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.rejected, rejected)
		})
	}
}

func TestClaimsAreBounded(t *testing.T) {
	var pairs []string
	for i := range maxClaims + 5 {
		pairs = append(pairs, fmt.Sprintf("k%d=v", i))
	}
	got := map[string]string{}
	assert.Equal(t, 5, parseEnviron("OTEL_RESOURCE_ATTRIBUTES="+strings.Join(pairs, ",")).claim(got))
	assert.Len(t, got, maxClaims)
}

func TestEachRunVariable(t *testing.T) {
	for _, s := range runSystems {
		for _, name := range s.id {
			got := map[string]string{}
			parseEnviron(name + "=x").claim(got)
			assert.Equal(t, map[string]string{"workload.run.id": "x", "workload.run.system": s.name}, got, name)
		}
		for _, name := range s.project {
			got := map[string]string{}
			parseEnviron(name + "=x").claim(got)
			assert.Equal(t, map[string]string{"workload.run.project": "x", "workload.run.system": s.name}, got, name)
		}
	}
}

func TestCutEnvironment(t *testing.T) {
	block := "WANDB_PROJECT=p\x00WANDB_RUN_ID=" + strings.Repeat("x", 100)
	block = strings.Repeat("A", maxEnviron-len(block)-1) + "\x00" + block
	assert.Equal(t, map[string]string{"WANDB_PROJECT": "p"}, parseEnviron(block).vars)
	assert.Empty(t, parseEnviron(strings.Repeat("A", maxEnviron)).vars)
}

// Whatever a process says, what is proven stays, what is reserved is not set, and OTLP can carry the rest.
func FuzzEnviron(f *testing.F) {
	f.Add("OTEL_RESOURCE_ATTRIBUTES=a=b,c=%20,host.id=x\x00OTEL_SERVICE_NAME=s\x00WANDB_RUN_ID=r")
	f.Add("OTEL_RESOURCE_ATTRIBUTES=,,=\x00=\x00A")
	f.Fuzz(func(t *testing.T, block string) {
		got := map[string]string{"container.id": "proven", "team": "proven"}
		parseEnviron(block).claim(got)
		assert.Equal(t, "proven", got["container.id"])
		assert.Equal(t, "proven", got["team"])
		delete(got, "container.id")
		assert.LessOrEqual(t, len(got), maxClaims+4)
		for key, value := range got {
			assert.False(t, reserved(key), key)
			assert.True(t, acceptable(key) && acceptable(value), "%q=%q", key, value)
		}
	})
}
