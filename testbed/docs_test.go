// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// tracked lists the files of the repository that match a pattern.
func tracked(t *testing.T, pattern string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", "..", "ls-files", "--cached", "--others", "--exclude-standard", pattern).Output()
	require.NoError(t, err)
	files := strings.Fields(string(out))
	require.NotEmpty(t, files)
	return files
}

func read(tb testing.TB, file string) string {
	tb.Helper()
	content, err := os.ReadFile(filepath.Join("..", file))
	require.NoError(tb, err)
	return string(content)
}

func TestShippedConfigsAreValid(t *testing.T) {
	for _, file := range tracked(t, "distro/config/*.yaml") {
		assert.NoError(t, validate(t, []string{filepath.Join("..", file)}), file)
	}
}

var secretInConfig = regexp.MustCompile(`\$\{env:(\w*(?:TOKEN|USERNAME|PASSWORD))\}`)

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// A part of a config is completed with a pipeline that uses what it configures.
func TestConfigsInDocumentsAreValid(t *testing.T) {
	found := 0
	for _, file := range tracked(t, "*.md") {
		if filepath.Base(file) == "documentation.md" {
			continue // generated, with placeholders
		}
		for _, block := range yamlBlock.FindAllStringSubmatch(read(t, file), -1) {
			found++
			var config map[string]map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(block[1]), &config), "%s:\n%s", file, block[1])
			configs := []string{writeFile(t, "config.yaml", block[1])}
			if config["service"] == nil {
				configs = append(configs, "yaml:"+completion(config))
			}
			var secrets []string
			for _, name := range secretInConfig.FindAllStringSubmatch(block[1], -1) {
				secrets = append(secrets, name[1]+"=secret")
			}
			require.NoError(t, validate(t, configs, secrets...), "%s:\n%s", file, block[1])
		}
	}
	assert.Greater(t, found, 3)
}

func completion(config map[string]map[string]any) string {
	list := func(section, fallback string) string {
		var names []string
		for name := range config[section] {
			names = append(names, name)
		}
		if len(names) == 0 {
			return fallback
		}
		return strings.Join(names, ", ")
	}
	return "{receivers: {otlp/unused: {protocols: {grpc: }}}, exporters: {nop: }, service: {extensions: [" + list("extensions", "") + "], pipelines: {metrics: {receivers: [" +
		list("receivers", "otlp/unused") + "], processors: [" + list("processors", "") + "], exporters: [" + list("exporters", "nop") + "]}}}}"
}

var (
	metricHeading = regexp.MustCompile(`(?m)^### ([\w.]+)$`)
	metricInText  = regexp.MustCompile("`((?:hw|workload|grid|gridintensity|carbonintensity|hostenergy|nvmlenergy)\\.[a-z_.]+)`")
	seriesInText  = regexp.MustCompile(`\b((?:hw|workload|grid)_[a-z_]+_(?:joules|grams|watts)(?:_total)?)\b`)
)

// Every metric that a document names is emitted by a running collector, or is in the documentation
// that is generated from what the components can emit.
func TestMetricsInDocumentsExist(t *testing.T) {
	configs, otlp, prometheus := onFreePorts(t)
	backend := newSink(t)
	c := start(t, append(configs,
		"yaml:exporters::otlp_grpc: {endpoint: "+backend.address+", tls: {insecure: true}}",
		"yaml:processors::carbonintensity::sites: {WORLD: {market_based: 12}}",
		"yaml:processors::carbonintensity::uncertainty: {windows: [1h]}",
		"yaml:service::pipelines::metrics::exporters: [otlp_grpc, prometheus]"))
	c.eventually(func() bool { return scrape(t, prometheus) != nil }, "the Prometheus endpoint")
	everything := identicalHosts(time.Now())
	everything.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetName("hw.host.energy")
	send(t, otlp, everything)
	for _, last := range []string{"workload.emissions", "hw.emissions.uncertainty"} {
		c.eventually(func() bool { return len(backend.named(last, "", "")) > 0 }, last)
	}

	known := map[string]bool{}
	for _, p := range backend.named("", "", "") {
		known[p.metric] = true
	}
	for _, file := range tracked(t, "*documentation.md") {
		for _, heading := range metricHeading.FindAllStringSubmatch(read(t, file), -1) {
			known[strings.TrimPrefix(heading[1], "otelcol_")] = true
		}
	}
	for _, name := range []string{"hw.emissions.marginal", "workload.emissions.marginal", "hw.emissions.embodied", "hw.emissions.revision"} { // need a provider, a GPU
		known[name] = true
	}
	for _, attribute := range []string{
		"hw.id", "hw.type", "hw.name", "hw.parent", "hw.state", "hw.vendor", "hw.model", "grid.zone", "workload.kind", "workload.attribution",
		"workload.run.system", "workload.run.id", "workload.run.project",
	} {
		known[attribute] = true
	}
	scraped := maps.Keys(scrape(t, prometheus))
	for name := range scraped {
		known[name] = true
	}

	for _, file := range tracked(t, "*.md") {
		text := read(t, file)
		for _, mention := range append(metricInText.FindAllStringSubmatch(text, -1), seriesInText.FindAllStringSubmatch(text, -1)...) {
			assert.True(t, known[mention[1]], "%s names %s, which nothing emits", file, mention[1])
		}
	}
}
