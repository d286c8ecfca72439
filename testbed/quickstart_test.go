// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakegrid"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/redistest"
)

var providerInConfig = regexp.MustCompile(`(?m)^( *)- type: (\w+)\n`)

// Each quickstart runs as it is written, but for where the services are.
func TestQuickstarts(t *testing.T) {
	t.Parallel()
	grid := fakegrid.Start(t)
	const token = "a-token-of-some-length"
	grid.Require(fakegrid.ElectricityMaps, token)
	hour := time.Now().Truncate(time.Hour)
	for api, zones := range map[fakegrid.API][]string{
		fakegrid.EnergyCharts:    {"de"},
		fakegrid.NESO:            {"GB"},
		fakegrid.ElectricityMaps: {"US-CAL-CISO", "US-MIDA-PJM"},
	} {
		for _, zone := range zones {
			for at := hour.Add(-3 * time.Hour); at.Before(hour.Add(2 * time.Hour)); at = at.Add(30 * time.Minute) {
				grid.Publish(api, zone, fakegrid.Point{Start: at, End: at.Add(30 * time.Minute), GramsPerKWh: new(123.0), Kind: fakegrid.Measured})
				grid.Publish(api, zone, fakegrid.Point{Start: at, End: at.Add(30 * time.Minute), GramsPerKWh: new(123.0), Kind: fakegrid.Forecast})
			}
		}
	}
	apis := map[string]fakegrid.API{"energycharts": fakegrid.EnergyCharts, "neso": fakegrid.NESO, "electricitymaps": fakegrid.ElectricityMaps}
	redis := redistest.Start(t)
	blocks := yamlBlock.FindAllStringSubmatch(read(t, "docs/quickstarts.md"), -1)
	require.Len(t, blocks, 4)
	for i, zone := range []string{"DE", "GB", "US-CAL-CISO", "US-MIDA-PJM"} {
		t.Run(zone, func(t *testing.T) {
			config := providerInConfig.ReplaceAllStringFunc(blocks[i][1], func(line string) string {
				m := providerInConfig.FindStringSubmatch(line)
				if api, ok := apis[m[2]]; ok {
					return line + m[1] + "  endpoint: " + grid.Endpoint(api) + "\n"
				}
				return line
			})
			fleet := strings.Contains(config, "otlp:")
			otlp, backend := freeAddress(t), newSink(t)
			overrides := []string{
				writeFile(t, "my.yaml", config),
				"yaml:exporters::otlp_grpc: {endpoint: " + backend.address + ", tls: {insecure: true}}",
				"yaml:service::pipelines::metrics::exporters: [otlp_grpc]",
			}
			if fleet {
				overrides = append(overrides, "yaml:receivers::otlp::protocols::grpc::endpoint: "+otlp,
					"yaml:extensions::gridintensity::redis::endpoint: "+redis.Addr())
			} else {
				overrides = append(overrides, "yaml:receivers::hostenergy::collection_interval: 200ms")
			}
			c := start(t, overrides, "ELECTRICITYMAPS_TOKEN="+token)
			begin := time.Now().Round(0) // by the clock on the wall, as points have it
			var live point
			c.eventually(func() bool {
				if fleet {
					at := time.Now().Round(0)
					md := counter(begin, at, 300*at.Sub(begin).Seconds())
					md.ResourceMetrics().At(0).Resource().Attributes().PutStr("cloud.region", "us-east-1")
					send(t, otlp, md)
				}
				for _, p := range backend.named("hw.emissions", "", "") {
					if p.attributes["carbon.source"] != "static" && p.value > 0 {
						live = p
					}
				}
				return live.value > 0
			}, "emissions of the live grid")
			assert.Equal(t, zone, live.attributes["grid.zone"])
			if fleet {
				joules := 300 * live.time.Sub(live.start).Seconds()
				assert.InEpsilon(t, joules*123*1.15/3.6e6, live.value, 1e-6, "with the PUE of the region")
			}
			require.Zero(t, c.stop())
		})
	}
}
