// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onFreePorts is the shipped standalone config with its listeners moved out of the way.
func onFreePorts(tb testing.TB) (configs []string, otlp, prometheus string) {
	tb.Helper()
	otlp, prometheus = freeAddress(tb), freeAddress(tb)
	return []string{
		standalone,
		"yaml:receivers::otlp::protocols::grpc::endpoint: " + otlp,
		"yaml:receivers::otlp::protocols::http::endpoint: " + freeAddress(tb),
		"yaml:exporters::prometheus::endpoint: " + prometheus,
	}, otlp, prometheus
}

func TestStandaloneShowsEnergyAndGrams(t *testing.T) {
	configs, _, prometheus := onFreePorts(t)
	c := start(t, configs, "CARBON_ZONE=DE")
	energy := func() float64 {
		total := 0.0
		for _, joules := range series(scrape(t, prometheus)["hw_energy_joules_total"], "hw_type", "cpu") {
			total += joules
		}
		return total
	}
	c.eventually(func() bool { return energy() > 0 }, "energy on the Prometheus endpoint")
	emissions := scrape(t, prometheus)["hw_emissions_grams_total"]
	require.NotEmpty(t, series(emissions, "grid_zone", "DE"))
	for labels := range series(emissions, "grid_zone", "DE") {
		for _, label := range []string{"carbon_boundary=lifecycle", "carbon_data_quality=static", "carbon_gas=co2e", "host_id="} {
			assert.Contains(t, labels, label)
		}
	}
	c.eventually(func() bool { return strings.Contains(c.output.String(), "emissions_g=") }, "grams on the screen")

	assert.Zero(t, c.stop())
	for _, want := range []string{"kWh", "static", "DE"} {
		assert.Contains(t, c.output.String(), want, "the summary")
	}
}

func TestStandaloneSaysThatItKnowsNoZone(t *testing.T) {
	configs, _, _ := onFreePorts(t)
	c := start(t, configs)
	c.eventually(func() bool { return strings.Contains(c.output.String(), "zone=WORLD") }, "the world average")
	assert.Zero(t, c.stop())
	assert.Contains(t, c.output.String(), "world average; set CARBON_ZONE")
}

// The memory that `make run` takes for itself stays small; the rest of what is resident is the
// mapped binary, which the kernel can drop.
func TestStandaloneMemory(t *testing.T) {
	configs, _, prometheus := onFreePorts(t)
	c := start(t, configs, "CARBON_ZONE=DE")
	c.eventually(func() bool { return len(scrape(t, prometheus)["hw_emissions_grams_total"].GetMetric()) > 0 }, "emissions")
	t.Logf("anonymous %.1f MB, resident %.1f MB", c.megabytes("RssAnon"), c.megabytes("VmRSS"))
	assert.Less(t, c.megabytes("RssAnon"), 40.0)
}
