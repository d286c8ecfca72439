// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write testdata/machines/*.golden")

// machines are the root file systems of machines, as the receiver's own tests have them.
const machines = "../receiver/hostenergyreceiver/internal/sensor/testdata/"

// unpackMachine makes the root file system of a machine.
func unpackMachine(t *testing.T, file string) (root string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	root = t.TempDir()
	for _, f := range archive.Files {
		if filepath.Base(f.Name) == "type" && strings.Contains(f.Name, "event_source") {
			f.Data = []byte("2147483600\n") // no PMU of the machine that the test runs on
		}
		path := filepath.Join(root, f.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, f.Data, 0o600))
	}
	return root
}

// advance adds 10 J to each energy counter, across the end of its range if it has one.
func advance(t *testing.T, root string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		counter, _ := filepath.Match("energy*_input", filepath.Base(path))
		if err != nil || filepath.Base(path) != "energy_uj" && !counter {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		value, err := strconv.ParseUint(strings.TrimSpace(string(content)), 10, 64)
		if err != nil {
			return err
		}
		value += 10_000_000
		if most, err := os.ReadFile(filepath.Join(filepath.Dir(path), "max_energy_range_uj")); err == nil {
			limit, err := strconv.ParseUint(strings.TrimSpace(string(most)), 10, 64)
			if err != nil {
				return err
			}
			value %= limit
		}
		return os.WriteFile(path, []byte(strconv.FormatUint(value, 10)+"\n"), 0o600)
	}))
}

// What the built collector tells of each kind of machine: energy of what has counters, mean power of what has none.
func TestMachines(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(machines + "*.txtar")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 8)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			root, backend := unpackMachine(t, file), newSink(t)
			c := start(t, []string{
				writeFile(t, "config.yaml", hostConfig),
				"yaml:receivers::hostenergy::root_path: " + root,
				"yaml:receivers::hostenergy::collection_interval: 200ms",
				"yaml:receivers::hostenergy::attribution::enabled: false",
				"yaml:receivers::hostenergy::metrics::hw.energy.inner::enabled: true",
			}, "SINK="+backend.address)
			c.eventually(func() bool { return len(backend.named("", "", "")) > 0 }, "the first reading")
			advance(t, root)
			c.eventually(func() bool {
				for _, p := range lastOf(backend.named("", "", "")) {
					if p.value == 0 || p.time.Sub(p.start) < 2*time.Second {
						return false
					}
				}
				return true
			}, "two seconds")
			require.Zero(t, c.stop())
			golden := filepath.Join("testdata/machines", strings.TrimSuffix(filepath.Base(file), ".txtar")+".golden")
			got := portrait(backend)
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
		})
	}
}

// portrait has a line for each stream.
func portrait(backend *sink) string {
	var lines []string
	for _, p := range lastOf(backend.named("", "", "")) {
		value := fmt.Sprintf("%.6g", p.value)
		if p.attributes["energy.method"] != "counter" {
			value = fmt.Sprintf("%.2g/s", p.value/p.time.Sub(p.start).Seconds())
		}
		var labels []string
		for key, label := range p.attributes {
			if !strings.HasPrefix(key, "host.") && !strings.HasPrefix(key, "carbon.") {
				labels = append(labels, key+"="+strconv.Quote(label))
			}
		}
		slices.Sort(labels)
		lines = append(lines, p.metric+"{"+strings.Join(labels, ", ")+"} "+value)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// The BMC tells what the whole machine draws; what no device of it does is the residual: a series of its own, or spread over
// those who used the devices. Its password is told nobody.
func TestBMC(t *testing.T) {
	t.Parallel()
	const watts, secret = 500, "5ecret-of-the-bmc"
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := strings.TrimSuffix(r.URL.Path, "/"); path {
		case "/redfish/v1":
			_, _ = w.Write([]byte(`{"@odata.id": "/redfish/v1/", "Id": "RootService", "Name": "Root", "Chassis": {"@odata.id": "/redfish/v1/Chassis"}, "Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}`))
		case "/redfish/v1/SessionService/Sessions":
			w.Header().Set("X-Auth-Token", "token")
			w.Header().Set("Location", path+"/1")
			w.WriteHeader(http.StatusCreated)
		case "/redfish/v1/Chassis":
			_, _ = w.Write([]byte(`{"@odata.id": "/redfish/v1/Chassis", "Name": "c", "Members": [{"@odata.id": "/redfish/v1/Chassis/1U"}]}`))
		case "/redfish/v1/Chassis/1U":
			_, _ = w.Write([]byte(`{"@odata.id": "/redfish/v1/Chassis/1U", "Id": "1U", "Name": "c", "EnvironmentMetrics": {"@odata.id": "/redfish/v1/Chassis/1U/EnvironmentMetrics"}}`))
		case "/redfish/v1/Chassis/1U/EnvironmentMetrics":
			_, _ = fmt.Fprintf(w, `{"@odata.id": "%s", "Id": "EnvironmentMetrics", "Name": "m", "PowerWatts": {"Reading": %d}}`, path, watts)
		}
	}))
	t.Cleanup(service.Close)
	root, backend := unpackMachine(t, machines+"intel-server.txtar"), newSink(t)
	c := start(t, []string{
		writeFile(t, "config.yaml", hostConfig),
		"yaml:receivers::hostenergy::root_path: " + root,
		"yaml:receivers::hostenergy::collection_interval: 200ms",
		"yaml:receivers::hostenergy::bmc: {interval: 1s, redfish: {endpoint: " + service.URL + ", username: carbon, password: " + secret + "}}",
		"yaml:service::telemetry::logs::level: debug",
	}, "SINK="+backend.address)
	last := func(metric, key, value string) (p point) {
		if points := backend.named(metric, key, value); len(points) > 0 {
			p = points[len(points)-1]
		}
		return p
	}
	c.eventually(func() bool { return last("hw.host.energy", "hw.id", "bmc").value > watts }, "energy of the machine")
	first := backend.named("hw.host.energy", "hw.id", "bmc")[0]
	assert.Zero(t, first.value)
	for _, p := range backend.named("hw.host.energy", "hw.id", "psys") {
		assert.False(t, p.time.After(first.time), "one source of a machine at a time")
	}
	advance(t, root)
	c.eventually(func() bool { return last("hw.energy", "hw.id", "package-1/dram").value == 10 }, "energy of the devices")
	at := time.Now()
	c.eventually(func() bool {
		return last("workload.energy", "workload.kind", "residual").time.After(at.Add(1500 * time.Millisecond))
	}, "the residual")
	residual := last("workload.energy", "workload.kind", "residual")
	whole := watts * residual.time.Sub(residual.start).Seconds()
	assert.InDelta(t, whole-4*10, residual.value, 1.2*watts, "two packages and their memory are taken off")
	assert.Equal(t, "bmc", residual.attributes["hw.id"])
	assert.Equal(t, "enclosure", residual.attributes["hw.type"])
	require.Zero(t, c.stop())
	assert.NotContains(t, c.output.String(), secret)
}
