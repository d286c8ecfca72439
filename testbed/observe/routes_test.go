// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const (
	// amtool is Alertmanager's own. It is not in go.mod, where it would bring a dozen modules.
	amtool = "github.com/prometheus/alertmanager/cmd/amtool@v0.33.1"
	routes = "../../deploy/alertmanager/alertmanager.yaml"
)

// Alertmanager itself says who hears of what.
func TestEachAlertFindsItsReceiver(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "amtool")
	install := exec.CommandContext(t.Context(), "go", "install", amtool)
	install.Env = append(install.Environ(), "GOBIN="+filepath.Dir(program))
	output, err := install.CombinedOutput()
	require.NoError(t, err, "%s", output)
	output, err = exec.CommandContext(t.Context(), program, "check-config", routes).CombinedOutput()
	require.NoError(t, err, "%s", output)

	receivers := map[string]string{"critical": "pager", "warning": "chat", "none": "nobody"}
	seen := map[string]bool{}
	for _, rule := range allRules(t) {
		if rule.Alert == "" {
			continue
		}
		want := receivers[rule.Labels["severity"]]
		if rule.Labels["category"] == "security" {
			want = "security,pager"
		}
		seen[want] = true
		arguments := []string{"config", "routes", "test", "--config.file=" + routes, "--verify.receivers=" + want, "alertname=" + rule.Alert, "job=carbon-agent"}
		for name, value := range rule.Labels {
			arguments = append(arguments, name+"="+value)
		}
		output, err := exec.CommandContext(t.Context(), program, arguments...).CombinedOutput()
		assert.NoError(t, err, "%s: %s", rule.Alert, output) //nolint:testifylint // all of them
	}
	assert.Equal(t, map[string]bool{"pager": true, "chat": true, "nobody": true, "security,pager": true}, seen)
}

// inhibition is that one alert, with the labels that it really has, silences another.
type inhibition struct {
	source, target string // alerts
	down, follows  string // series that make them fire
	want           bool
}

// The labels of a scrape, as the chart's ServiceMonitors have them.
const (
	gateway1 = `job="carbon-gateway",namespace="c",pod="carbon-gateway-1",instance="10.0.0.1:9464"`
	gateway2 = `job="carbon-gateway",namespace="c",pod="carbon-gateway-2",instance="10.0.0.2:9464"`
	agent1   = `job="carbon-agent",namespace="c",pod="carbon-agent-1",instance="10.0.0.3:9464"`
	agent2   = `job="carbon-agent",namespace="c",pod="carbon-agent-2",instance="10.0.0.4:9464"`
)

var inhibitions = []inhibition{
	{"CarbonTargetDown", "CarbonCPUHigh", isDown(gateway1), isBusy(gateway1, "carbon-gateway-1"), true},
	{"CarbonTargetDown", "CarbonCPUHigh", isDown(gateway2), isBusy(gateway1, "carbon-gateway-1"), false},
	{"CarbonTargetDown", "CarbonResponseSlow", isDown(gateway1), isSlow(gateway2), true},
	{"CarbonTargetDown", "CarbonResponseSlow", isDown(agent1), isSlow(gateway2), false},
	{"CarbonTargetDown", "CarbonResponseSlow", isDown(agent1), isSlow(agent2), false},
	{"CarbonTargetDown", "CarbonQueueFilling", isDown(agent1), isFull(agent1), true},
	{"CarbonTargetDown", "CarbonQueueFilling", isDown(agent2), isFull(agent1), false},
	{"CarbonTargetDown", "CarbonTrackingFailure", isDown(agent1), measuresNothing(agent1), true},
	{"CarbonTargetDown", "CarbonTrackingFailure", isDown(agent2), measuresNothing(agent1), false},
	{"CarbonTargetDown", "CarbonGPUsUnseen", isDown(agent1), seesNone(agent1, "carbon-agent-1"), true},
	{"CarbonTrackingFailure", "CarbonGPUsUnseen", measuresNothing(agent1), seesNone(agent1, "carbon-agent-1"), true},
	{"CarbonTrackingFailure", "CarbonGPUsUnseen", measuresNothing(agent2), seesNone(agent1, "carbon-agent-1"), false},
	{"CarbonSLOBurnFast", "CarbonSLOBurnSlow", slo("100x200", "5x200"), slo("100x200", "5x200"), true},
}

func TestWhatFollowsIsInhibited(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(routes)
	require.NoError(t, err)
	var file struct {
		Rules []inhibitRule `json:"inhibit_rules"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	tested := map[string]bool{}
	for _, c := range inhibitions {
		tested[c.source+c.target] = tested[c.source+c.target] || c.want
		t.Run(fmt.Sprintf("%s and %s: %v", c.source, c.target, c.want), func(t *testing.T) {
			t.Parallel()
			source, _ := firstFiring(t, c.source, interval, c.down)
			target, _ := firstFiring(t, c.target, interval, c.follows)
			require.NotNil(t, source, c.source)
			require.NotNil(t, target, c.target)
			inhibited := false
			for _, rule := range file.Rules {
				inhibited = inhibited || rule.inhibits(t, source.Labels, target.Labels)
			}
			assert.Equal(t, c.want, inhibited, "%v\n%v", source.Labels, target.Labels)
		})
	}
	for i, rule := range file.Rules {
		for _, source := range allRules(t) {
			for _, target := range allRules(t) {
				named := matches(t, rule.Sources[:1], labels.FromStrings("alertname", source.Alert)) && matches(t, rule.Targets[:1], labels.FromStrings("alertname", target.Alert))
				assert.True(t, !named || tested[source.Alert+target.Alert], "inhibit_rules[%d]: %s never silences %s", i, source.Alert, target.Alert)
			}
		}
	}
}

// inhibitRule is one of Alertmanager's. Matchers begin with that of the alert's name.
type inhibitRule struct {
	Sources []string `json:"source_matchers"`
	Targets []string `json:"target_matchers"`
	Equal   []string `json:"equal"`
}

// inhibits is what Alertmanager makes of it: its own code would bring modules, and amtool cannot be asked.
func (r inhibitRule) inhibits(t *testing.T, source, target labels.Labels) bool {
	t.Helper()
	for _, name := range r.Equal {
		if source.Get(name) != target.Get(name) {
			return false
		}
	}
	return matches(t, r.Sources, source) && matches(t, r.Targets, target)
}

var matcher = regexp.MustCompile(`^(\w+) (=|=~) "?([^"]+)"?$`)

func matches(t *testing.T, matchers []string, ls labels.Labels) bool {
	t.Helper()
	for _, m := range matchers {
		parts := matcher.FindStringSubmatch(m)
		require.Len(t, parts, 4, m)
		kind := map[string]labels.MatchType{"=": labels.MatchEqual, "=~": labels.MatchRegexp}[parts[2]]
		one, err := labels.NewMatcher(kind, parts[1], parts[3])
		require.NoError(t, err)
		if !one.Matches(ls.Get(parts[1])) {
			return false
		}
	}
	return true
}

func isDown(scrape string) string { return `up{` + scrape + `} 0x9` }

func isBusy(scrape, pod string) string {
	return `otelcol_process_cpu_seconds_total{` + scrape + `} 0+49x40
kube_pod_container_resource_limits{resource="cpu",namespace="c",pod="` + pod + `"} 1x99`
}

func isSlow(scrape string) string {
	return `rpc_server_call_duration_bucket{` + scrape + `,le="0.005"} 0x40
rpc_server_call_duration_bucket{` + scrape + `,le="0.01"} 0+9x40
rpc_server_call_duration_bucket{` + scrape + `,le="+Inf"} 0+9x40`
}

func isFull(scrape string) string {
	return `otelcol_exporter_queue_size{` + scrape + `,exporter="otlp_grpc"} 9x40
otelcol_exporter_queue_capacity{` + scrape + `,exporter="otlp_grpc"} 10x40`
}

func measuresNothing(scrape string) string {
	return `otelcol_receiver_accepted_metric_points_total{` + scrape + `,receiver="hostenergy"} 9x9`
}

func seesNone(scrape, pod string) string {
	return `otelcol_scraper_scraped_metric_points_total{` + scrape + `,scraper="nvmlenergy"} 0x20
kube_pod_info{namespace="c",pod="` + pod + `",node="n1"} 1x20
kube_node_status_capacity{node="n1",resource="nvidia_com_gpu"} 8x20`
}
