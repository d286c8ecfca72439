// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	argoprometheus "github.com/argoproj/argo-rollouts/metricproviders/prometheus"
	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	log "github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscaling "k8s.io/api/autoscaling/v2"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// argoFiles are what is in deploy/rollout/argo, decoded strictly.
type argoFiles struct {
	rollout    argo.Rollout
	autoscaler autoscaling.HorizontalPodAutoscaler
	templates  map[string]argo.AnalysisTemplate
}

func readArgo(t *testing.T) argoFiles {
	t.Helper()
	all := argoFiles{templates: map[string]argo.AnalysisTemplate{}}
	files, err := filepath.Glob("../../deploy/rollout/argo/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			var head meta.TypeMeta
			require.NoError(t, yaml.Unmarshal([]byte(document), &head))
			switch head.APIVersion + "/" + head.Kind {
			case "argoproj.io/v1alpha1/Rollout":
				require.NoError(t, yaml.UnmarshalStrict([]byte(document), &all.rollout))
			case "argoproj.io/v1alpha1/AnalysisTemplate":
				var a argo.AnalysisTemplate
				require.NoError(t, yaml.UnmarshalStrict([]byte(document), &a))
				all.templates[a.Name] = a
			case "autoscaling/v2/HorizontalPodAutoscaler":
				require.NoError(t, yaml.UnmarshalStrict([]byte(document), &all.autoscaler))
			default:
				t.Errorf("%s: %v", file, head)
			}
		}
	}
	return all
}

// Steps of Argo are the stages of the plan, with the times and the names of gates.
func TestArgoFollowsThePlan(t *testing.T) {
	t.Parallel()
	plan, _ := readPlan(t)
	files := readArgo(t)
	canary := files.rollout.Spec.Strategy.Canary
	interval := func(m argo.Metric) time.Duration {
		d, err := m.Interval.Duration()
		require.NoError(t, err)
		return d
	}
	steps := canary.Steps
	require.Len(t, steps, 3*len(plan.Stages))
	for i, s := range plan.Stages {
		assert.EqualValues(t, s.Percent, *steps[3*i].SetWeight)
		if i == 0 {
			first := files.templates[steps[1].Analysis.Templates[0].TemplateName].Spec.Metrics[0]
			assert.Equal(t, s.Watch.Duration, time.Duration(first.Count.IntValue())*interval(first))
			assert.ElementsMatch(t, s.Rollback, append(alerts(t, first), alerts(t, files.templates["carbon-gateway-rollback"].Spec.Metrics[0])...))
		} else {
			assert.Equal(t, s.Watch.Duration, time.Duration(steps[3*i+1].Pause.DurationSeconds())*time.Second)
			assert.ElementsMatch(t, s.Rollback, alerts(t, files.templates["carbon-gateway-rollback"].Spec.Metrics[0]))
		}
		quiet := files.templates[steps[3*i+2].Analysis.Templates[0].TemplateName]
		assert.Equal(t, "carbon-gateway-quiet", quiet.Name)
		assert.ElementsMatch(t, s.Hold, alerts(t, quiet.Spec.Metrics[0]))
	}
	assert.Equal(t, "carbon-gateway-rollback", canary.Analysis.Templates[0].TemplateName)
	for _, template := range files.templates {
		for _, m := range template.Spec.Metrics {
			assert.Equal(t, plan.Poll.Duration, interval(m))
			assert.Equal(t, plan.HoldLimit.Duration, time.Duration(m.ConsecutiveErrorLimit.IntValue())*interval(m), "prometheus away")
			if m.InconclusiveLimit != nil {
				assert.Equal(t, plan.HoldLimit.Duration, time.Duration(m.InconclusiveLimit.IntValue())*interval(m))
			}
		}
	}
	evidence := files.templates["carbon-gateway-quiet"].Spec.Metrics[1]
	for _, name := range plan.Evidence["gateway"] {
		assert.Contains(t, evidence.Provider.Prometheus.Query, name)
	}
	assert.Equal(t, plan.ReadyLimit.Duration, time.Duration(*files.rollout.Spec.ProgressDeadlineSeconds)*time.Second)
}

// Its selector finds the pods of the chart's template, on whichever side they are, and the autoscaler is the chart's.
func TestArgoFitsTheChart(t *testing.T) {
	t.Parallel()
	files := readArgo(t)
	deployment := newKubernetes(t).deployments["carbon-gateway"]
	spec := files.rollout.Spec
	assert.Equal(t, deployment.Name, spec.WorkloadRef.Name)
	assert.Equal(t, deployment.Kind, spec.WorkloadRef.Kind)
	labels := deployment.Spec.Template.Labels
	for key, value := range spec.Selector.MatchLabels {
		assert.Equal(t, value, labels[key])
	}
	assert.NotContains(t, spec.Selector.MatchLabels, "carbon/track")
	assert.Equal(t, map[string]string{"carbon/track": "canary"}, spec.Strategy.Canary.CanaryMetadata.Labels)
	assert.Equal(t, map[string]string{"carbon/track": labels["carbon/track"]}, spec.Strategy.Canary.StableMetadata.Labels)

	text, err := os.ReadFile("../../deploy/kubernetes/manifests/gateway.yaml")
	require.NoError(t, err)
	_, text2, found := strings.Cut(string(text), "kind: HorizontalPodAutoscaler")
	require.True(t, found)
	text2, _, _ = strings.Cut(text2, "\n---")
	var chart autoscaling.HorizontalPodAutoscaler
	require.NoError(t, yaml.UnmarshalStrict([]byte("kind: HorizontalPodAutoscaler"+text2), &chart))
	chart.Spec.ScaleTargetRef = files.autoscaler.Spec.ScaleTargetRef
	assert.Equal(t, chart.Spec, files.autoscaler.Spec)
	assert.Equal(t, files.rollout.Name, chart.Spec.ScaleTargetRef.Name)
	assert.Equal(t, files.rollout.Kind, chart.Spec.ScaleTargetRef.Kind)
}

// Argo's own provider asks the engine each query, and judges.
func TestArgoJudgesAsThePlanDoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		is   behaviour
		away bool
		want map[string]argo.AnalysisPhase // other than Successful
	}{
		"well":      {},
		"0.06 %":    {is: behaviour{errors: 0.0006}, want: map[string]argo.AnalysisPhase{"hold": argo.AnalysisPhaseInconclusive}},
		"0.11 %":    {is: behaviour{errors: 0.0011}, want: map[string]argo.AnalysisPhase{"hold": argo.AnalysisPhaseInconclusive, "first-stage": argo.AnalysisPhaseFailed}},
		"1.1 %":     {is: behaviour{errors: 0.011}, want: map[string]argo.AnalysisPhase{"hold": argo.AnalysisPhaseInconclusive, "first-stage": argo.AnalysisPhaseFailed, "rollback": argo.AnalysisPhaseFailed}},
		"slow":      {is: behaviour{response: 12 * time.Millisecond}, want: map[string]argo.AnalysisPhase{"rollback": argo.AnalysisPhaseFailed}},
		"no memory": {is: behaviour{memory: 0.96}, want: map[string]argo.AnalysisPhase{"rollback": argo.AnalysisPhaseFailed}},
		"unseen":    {is: behaviour{unseen: true}, want: map[string]argo.AnalysisPhase{"evidence": argo.AnalysisPhaseInconclusive}},
		"away": {away: true, want: map[string]argo.AnalysisPhase{
			"hold": argo.AnalysisPhaseError, "evidence": argo.AnalysisPhaseError, "first-stage": argo.AnalysisPhaseError, "rollback": argo.AnalysisPhaseError,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.kubernetes.edit(func() {
				d := w.kubernetes.deployments["carbon-gateway-canary"]
				d.Spec.Replicas = new(int32(1))
				d.Spec.Template.Spec.Containers[0].Image = newImage
			})
			w.new = func(string, time.Duration) behaviour { return c.is }
			w.pass(16 * time.Minute)
			w.prometheus.setAway(c.away)
			for _, template := range readArgo(t).templates {
				for _, m := range template.Spec.Metrics {
					m.Provider.Prometheus.Address = w.prometheus.server.URL
					api, err := argoprometheus.NewPrometheusAPI(m)
					require.NoError(t, err)
					provider, err := argoprometheus.NewPrometheusProvider(api, *log.NewEntry(log.New()), m)
					require.NoError(t, err)
					measured := provider.Run(&argo.AnalysisRun{}, m)
					want := argo.AnalysisPhaseSuccessful
					if other, ok := c.want[m.Name]; ok {
						want = other
					}
					assert.Equal(t, want, measured.Phase, "%s: %s %s", m.Name, measured.Value, measured.Message)
				}
			}
		})
	}
}

// alerts are those that a query names.
func alerts(t *testing.T, m argo.Metric) []string {
	t.Helper()
	found := regexp.MustCompile(`alertname=~?"([^"]+)"`).FindStringSubmatch(m.Provider.Prometheus.Query)
	require.Len(t, found, 2, m.Name)
	return strings.Split(found[1], "|")
}
