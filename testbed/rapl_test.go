// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A host's file system that is mounted somewhere is measured, and named, as that host.
func TestRAPLUnderARootPath(t *testing.T) {
	const wrap = 262_143_328_850 // µJ
	root := t.TempDir()
	put := func(name, content string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content+"\n"), 0o600))
	}
	zones := map[string]string{"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram", "intel-rapl:1": "psys"}
	setAll := func(microjoules int) {
		for zone := range zones {
			put("sys/class/powercap/"+zone+"/energy_uj", strconv.Itoa(microjoules))
		}
	}
	for zone, name := range zones {
		put("sys/class/powercap/"+zone+"/name", name)
		put("sys/class/powercap/"+zone+"/max_energy_range_uj", strconv.Itoa(wrap))
	}
	setAll(wrap - 4_000_000)
	put("etc/machine-id", "0123456789abcdef0123456789abcdef")
	put("etc/hostname", "node-7")

	backend := newSink(t)
	c := start(t, []string{
		writeFile(t, "config.yaml", pipeline),
		"yaml:receivers::hostenergy::root_path: " + root,
		"yaml:exporters::otlp_grpc: {endpoint: " + backend.address + ", tls: {insecure: true}}",
		"yaml:service::pipelines::metrics::exporters: [otlp_grpc]",
	})
	value := func(metric, id string) float64 {
		points := backend.named(metric, "hw.id", id)
		if len(points) == 0 {
			return -1
		}
		return points[len(points)-1].value
	}
	c.eventually(func() bool { return value("hw.energy", "package-0") == 0 }, "the first reading")
	setAll(6_000_000) // 10 J later, beyond the wrap
	for _, of := range []struct {
		metric, id string
		want       float64
	}{
		{"hw.energy", "package-0", 10},
		{"hw.energy", "package-0/dram", 10},
		{"hw.host.energy", "psys", 10},
		{"hw.emissions", "package-0", 10 * intensityDE / 3.6e6},
		{"hw.host.emissions", "psys", 10 * intensityDE / 3.6e6},
	} {
		c.eventually(func() bool { return value(of.metric, of.id) > 0 }, of.metric)
		assert.InEpsilon(t, of.want, value(of.metric, of.id), 1e-9, of.metric)
	}
	assert.Empty(t, backend.named("hw.energy.inner", "", ""), "parts of a package are opt-in")
	for _, p := range backend.named("", "", "") {
		assert.Equal(t, "0123456789abcdef0123456789abcdef", p.attributes["host.id"])
		assert.Equal(t, "node-7", p.attributes["host.name"])
		assert.Equal(t, "counter", p.attributes["energy.method"])
	}
}
