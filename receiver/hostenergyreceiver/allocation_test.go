// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a collection allocates is what its points are made of, and what the kernel's files of 500 containers and 2,000 processes
// are read into. BenchmarkCollection is the same with a clock.
func TestCollectionAllocates(t *testing.T) {
	const warm, rounds, objects, bytes = 5, 10, 30_000, 2_800_000
	if f, err := os.Stat("/dev/shm"); err == nil && f.IsDir() { // many small files
		t.Setenv("TMPDIR", "/dev/shm")
	}
	root := tree(t, "server")
	c := populate(t, root, 500)
	r := newRig(t, root, func(cfg *Config) { cfg.Attribution.Enabled = true; cfg.Controller.InitialDelay = time.Hour })
	require.NoError(t, r.scraper.start(t.Context(), nil))
	defer r.scraper.close(t.Context())
	r.scraper.stop() // its own readings are not in the way
	var before, after runtime.MemStats
	var mallocs, size uint64
	for round := range warm + rounds {
		c.use()
		for _, zone := range []string{"intel-rapl:0", "intel-rapl:0:0"} {
			write(t, energyFile(root, zone), strconv.Itoa(10_000_000+round*500_000))
		}
		runtime.ReadMemStats(&before)
		md, err := r.scraper.scrape(t.Context())
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		if round >= warm {
			require.GreaterOrEqual(t, md.ResourceMetrics().Len(), 500)
			mallocs += after.Mallocs - before.Mallocs
			size += after.TotalAlloc - before.TotalAlloc
		}
	}
	t.Logf("%d objects, %d bytes", mallocs/rounds, size/rounds)
	assert.Less(t, mallocs/rounds, uint64(objects))
	assert.Less(t, size/rounds, uint64(bytes))
}
