// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/otelcol-carbon/otelcol-carbon/deploy/rollout/staged"
)

const (
	oldImage = "ghcr.io/otelcol-carbon/otelcol-carbon:0.1.0"
	newImage = "ghcr.io/otelcol-carbon/otelcol-carbon:0.2.0"
	release  = "carbon"
)

// behaviour is what a pod does other than to be well.
type behaviour struct {
	errors          float64 // share of points that are refused
	response        time.Duration
	conversion      time.Duration
	memory          float64 // share of the limit
	rss             float64 // bytes
	unauthenticated bool
	idle            bool // measures nothing
	blind           bool // measures no GPU
	crashing        bool // again and again, and is ready in between
	broken          bool // never ready
	down            bool // cannot be scraped
	unseen          bool // Prometheus does not know of it
}

// world is a cluster and a Prometheus, and the clock of both and of the program.
type world struct {
	t          *testing.T
	kubernetes *kubernetesStub
	prometheus *prometheusStub
	plan       *staged.Plan
	log        bytes.Buffer

	now      time.Time
	pods     []*pod
	created  int
	counters map[string]float64
	// new is how pods of the new image are, that long after the stage has begun.
	new     func(stage string, age time.Duration) behaviour
	stage   string
	stageAt time.Time
	took    map[string]time.Duration // by stage
	onTick  func()
	// memoryLimit is that of all pods, in bytes, and slow what they take to be ready.
	memoryLimit float64
	slow        time.Duration
	stuck       string // a node whose agent never is
	gpus        int    // of each node; noPlugin is that Kubernetes does not count them
	noPlugin    bool
	noPodInfo   bool
}

// begin is when time begins.
var begin = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// newWorld is settled: nodes with GPUs and two gateways have the old image, and rules have seen it for a while.
func newWorld(t *testing.T, nodes int, ruleFiles ...string) *world {
	t.Helper()
	w := &world{
		t: t, kubernetes: newKubernetes(t), prometheus: newPrometheus(t, ruleFiles...), plan: quickPlan(t),
		now: begin, counters: map[string]float64{}, took: map[string]time.Duration{}, memoryLimit: 512 << 20, slow: startup, gpus: 8, new: func(string, time.Duration) behaviour { return behaviour{} },
	}
	w.kubernetes.addNodes(nodes, "gpu-%02d", map[string]string{"nvidia.com/gpu.present": "true"})
	w.kubernetes.addNodes(3, "cpu-%d", nil)
	w.pass(3 * time.Minute)
	return w
}

// quickPlan is stages.yaml, and each stage watched for some minutes.
func quickPlan(t *testing.T) *staged.Plan {
	t.Helper()
	text, err := os.ReadFile("../../deploy/rollout/stages.yaml")
	require.NoError(t, err)
	plan, err := staged.ParsePlan(text)
	require.NoError(t, err)
	plan.HoldLimit = meta.Duration{Duration: 20 * time.Minute}
	for i := range plan.Stages {
		plan.Stages[i].Watch = meta.Duration{Duration: watch}
	}
	return plan
}

const watch = 3 * time.Minute

// rollout is the program.
func (w *world) rollout(part string) *staged.Rollout {
	r, err := staged.New(staged.Options{
		Plan: w.plan, Part: part, Namespace: namespace, Release: release,
		Client: w.kubernetes.client(), Prometheus: w.prometheus.server.URL, Clock: w, Log: &w.log,
	})
	require.NoError(w.t, err)
	return r
}

// Now and Sleep are the program's clock.
func (w *world) Now() time.Time { return w.now }

func (w *world) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() == nil {
		w.pass(d)
	}
	return ctx.Err()
}

// pass lets time pass, in steps of the interval.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(interval)
		w.enter()
		w.control()
		w.prometheus.scrape(w.now, w.expose())
		w.took[w.stage] = w.now.Sub(w.stageAt)
		if w.onTick != nil {
			w.onTick()
		}
	}
}

// enter finds out whether a stage has begun, of whichever part.
func (w *world) enter() {
	k := w.kubernetes
	k.mu.Lock()
	defer k.mu.Unlock()
	stage := k.daemonSets["carbon-agent-canary"].Annotations[stageKey] + k.deployments["carbon-gateway-canary"].Annotations[stageKey]
	if stage != w.stage {
		w.stage, w.stageAt = stage, w.now
	}
}

const stageKey = "carbon/rollout-stage"

func (w *world) behaviour(p *pod) behaviour {
	if p.image == oldImage {
		return behaviour{}
	}
	return w.new(w.stage, w.now.Sub(w.stageAt))
}

// expose is what Prometheus has scraped now, of all pods and of kube-state-metrics.
func (w *world) expose() map[string]sample {
	samples := map[string]sample{}
	for _, p := range w.pods {
		b := w.behaviour(p)
		if b.unseen {
			continue
		}
		state := func(name string, value float64, more ...string) {
			ls := labels.FromStrings(append([]string{model.MetricNameLabel, name, "namespace", namespace, "pod", p.name}, more...)...)
			samples[ls.String()] = sample{ls, value}
		}
		state("kube_pod_container_resource_limits", w.memoryLimit, "resource", "memory")
		if !w.noPodInfo {
			state("kube_pod_info", 1, "node", p.node)
		}
		if p.node != "" && !w.noPlugin {
			ls := labels.FromStrings(model.MetricNameLabel, "kube_node_status_capacity", "node", p.node, "resource", "nvidia_com_gpu")
			samples[ls.String()] = sample{ls, float64(w.gpus)}
		}
		if b.crashing {
			state("kube_pod_container_status_waiting_reason", 1, "reason", "CrashLoopBackOff")
		}
		if w.now.Sub(p.born) < w.slow || b.broken {
			continue
		}
		gauge := func(name string, value float64, more ...string) {
			state(name, value, append([]string{"job", p.workload, "instance", p.name}, more...)...)
		}
		counter := func(name string, by float64, more ...string) {
			key := p.name + name + labels.FromStrings(more...).String()
			w.counters[key] += by
			gauge(name, w.counters[key], more...)
		}
		gauge("up", map[bool]float64{false: 1, true: 0}[b.down])
		if b.down {
			continue
		}
		receiver := map[string]string{"agent": "hostenergy", "gateway": "otlp"}[part(p.workload)]
		all := 1e6
		if b.idle {
			all = 0
		}
		counter("otelcol_receiver_accepted_metric_points_total", all*(1-b.errors), "receiver", receiver)
		counter("otelcol_receiver_refused_metric_points_total", all*b.errors, "receiver", receiver)
		counter("otelcol_receiver_failed_metric_points_total", 0, "receiver", receiver)
		if part(p.workload) == "agent" {
			points := all
			if b.blind || w.gpus == 0 {
				points = 0
			}
			counter("otelcol_scraper_scraped_metric_points_total", points, "scraper", "nvmlenergy")
		}
		gauge("otelcol_process_memory_rss", max(0.3*w.memoryLimit, b.memory*w.memoryLimit, b.rss))
		histogram := func(name string, took time.Duration, more ...string) {
			for _, le := range []string{"0.0005", "0.001", "0.002", "0.005", "0.01", "0.025", "+Inf"} {
				bound, err := time.ParseDuration(le + "s")
				var calls float64
				if (err != nil || took <= bound) && !b.idle { // +Inf
					calls = 100
				}
				counter(name+"_bucket", calls, append([]string{"le", le}, more...)...)
			}
		}
		if part(p.workload) == "gateway" {
			histogram("rpc_server_call_duration", max(2*time.Millisecond, b.response))
		} else {
			histogram("otelcol_processor_internal_duration", max(time.Millisecond/2, b.conversion), "processor", "carbonintensity")
		}
		if b.unauthenticated {
			counter("rpc_server_call_duration_count", 5, "rpc_response_status_code", "UNAUTHENTICATED")
		}
	}
	return samples
}

// images are those that run, of a part.
func (w *world) images(of string) (all []string) {
	for _, p := range w.pods {
		if part(p.workload) == of && !slices.Contains(all, p.image) {
			all = append(all, p.image)
		}
	}
	return all
}

// firing are the jobs for which an alert fires.
// upgrade gives both tracks of all parts an image, as Helm does.
func (w *world) upgrade(image string) {
	w.kubernetes.edit(func() {
		for _, d := range w.kubernetes.daemonSets {
			d.Spec.Template.Spec.Containers[0].Image = image
		}
		for _, d := range w.kubernetes.deployments {
			d.Spec.Template.Spec.Containers[0].Image = image
		}
	})
	w.pass(time.Hour)
}

func (w *world) firing(alert, job string) (jobs []string) {
	for _, rule := range w.prometheus.AlertingRules() {
		for _, active := range rule.ActiveAlerts() {
			if rule.Name() == alert && active.State == rules.StateFiring && active.Labels.Get("job") == job {
				jobs = append(jobs, job)
			}
		}
	}
	return jobs
}
