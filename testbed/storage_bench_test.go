// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

// BenchmarkStorage is how much room samples take in a block of Prometheus (two hours, compressed by itself), by what they are
// of. Energy is a counter in J to the millijoule, its power a random walk; emissions are energy times an intensity that
// changes each quarter of an hour.
func BenchmarkStorage(b *testing.B) {
	const series, duration = 100, 2 * time.Hour
	for _, interval := range []time.Duration{10 * time.Second, time.Minute} {
		for name, factor := range map[string]func(time.Duration) float64{
			"energy":    func(time.Duration) float64 { return 1 },
			"emissions": func(at time.Duration) float64 { return (300 + 7.3*float64(at/(15*time.Minute))) / 3.6e6 },
		} {
			b.Run(name+"/"+interval.String(), func(b *testing.B) {
				var bytes int64
				for range b.N {
					dir := b.TempDir()
					w, err := tsdb.NewBlockWriter(promslog.NewNopLogger(), dir, duration.Milliseconds())
					require.NoError(b, err)
					appender := w.Appender(b.Context())
					for s := range series {
						walk := rand.New(rand.NewPCG(1, uint64(s)))
						of := labels.FromStrings(model.MetricNameLabel, "hw_"+name+"_total", "hw_id", strconv.Itoa(s))
						power, total := 300.0, 0.0
						for at := time.Duration(0); at < duration; at += interval {
							power = min(700, max(60, power+walk.NormFloat64()*20))
							joules := float64(int64(power*interval.Seconds()*1000)) / 1000
							total += joules * factor(at)
							_, err := appender.Append(0, of, at.Milliseconds(), total)
							require.NoError(b, err)
						}
					}
					require.NoError(b, appender.Commit())
					_, err = w.Flush(b.Context())
					require.NoError(b, err)
					require.NoError(b, w.Close())
					bytes += chunks(b, dir)
				}
				b.ReportMetric(float64(bytes)/float64(b.N)/series/float64(duration/interval), "B/sample")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkHead is the memory that Prometheus needs for a series that is still written, with the labels that ours have: an
// hour of samples of each, a minute apart.
func BenchmarkHead(b *testing.B) {
	const series = 50_000
	var used float64
	for range b.N {
		options := tsdb.DefaultOptions()
		options.RetentionDuration = (24 * time.Hour).Milliseconds()
		before := heap()
		db, err := tsdb.Open(b.TempDir(), promslog.NewNopLogger(), nil, options, nil)
		require.NoError(b, err)
		appender := db.Appender(b.Context())
		for s := range series {
			n := strconv.Itoa(s)
			of := labels.FromStrings(
				model.MetricNameLabel, "workload_emissions_grams_total", "carbon_basis", "production", "carbon_boundary", "lifecycle",
				"carbon_data_quality", "measured", "carbon_gas", "co2e", "carbon_source", "electricitymaps", "energy_method", "counter",
				"grid_zone", "DE", "host_id", "4c4c4544-0044-4c10-8046-"+n, "host_name", "gpu-node-"+strconv.Itoa(s/100), "hw_id", "GPU-5a3e1d80-0000-4000-8000-"+n,
				"hw_type", "gpu", "instance", "gateway:9464", "job", "carbon-energy", "k8s_namespace_name", "team", "k8s_pod_name", "training-"+n,
				"k8s_pod_uid", "1f6cf9cc-5bd8-4d57-9c3f-"+n, "workload_attribution", "measured_share", "workload_kind", "container",
			)
			for at := range 60 {
				_, err := appender.Append(0, of, time.Duration(at*int(time.Minute)).Milliseconds(), float64(at)*1.7)
				require.NoError(b, err)
			}
			if s%1000 == 999 {
				require.NoError(b, appender.Commit())
				appender = db.Appender(b.Context())
			}
		}
		require.NoError(b, appender.Commit())
		used += heap() - before
		require.NoError(b, db.Close())
	}
	b.ReportMetric(used/float64(b.N)/series, "B/series")
	b.ReportMetric(0, "ns/op")
}

// heap is what is in use of it.
func heap() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

// chunks is the size of the samples in the blocks of a folder.
func chunks(b *testing.B, dir string) (size int64) {
	b.Helper()
	require.NoError(b, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Base(filepath.Dir(path)) != "chunks" {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	}))
	return size
}
