// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml/nvmltest"
)

// reports are the self-reports that were logged.
func (h *harness) reports() (reports []string) {
	for _, entry := range h.logs.All() {
		if strings.HasPrefix(entry.Message, "self-report") {
			reports = append(reports, entry.Message)
		}
	}
	return reports
}

func TestSelfReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		weak := &nvmltest.GPU{ID: "GPU-b", Average: map[nvml.Scope]uint32{nvml.GPU: 100_000}}
		weak.Fail(nvml.SymbolEnergy, nvml.NotSupported)
		h := run(t, nvmltest.New(&nvmltest.GPU{ID: "GPU-a"}, weak), nil)
		h.tick()
		h.tick()
		require.Len(t, h.reports(), 1, "once")
		for _, part := range []string{
			"NVIDIA driver  used",
			"energy counter\n",
			"no energy counter in use: integral of its power (average)",
			"who used it    off   processes::enabled is false",
			"-> set storage to an extension such as file_storage",
		} {
			assert.Contains(t, h.reports()[0], part)
		}
	})
}

func TestSelfReportWithoutADriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, &nvmltest.Driver{Errors: map[string]error{nvml.SymbolInit: nvml.DriverNotLoaded}}, nil)
		require.Len(t, h.reports(), 1)
		assert.Contains(t, h.reports()[0], "NVIDIA driver  absent")
		assert.Contains(t, h.reports()[0], "-> in a container, use the NVIDIA runtime")
	})
}

// A GPU that hangs does not keep the others from being introduced.
func TestSelfReportDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nvmltest.New(&nvmltest.GPU{ID: "GPU-a"})
		d.Hang(nil)
		h := newHarness(t, newConfig(nil), d)
		require.NoError(t, h.Start(t.Context(), componenttest.NewNopHost()))
		time.Sleep(acquaintance + 20*time.Second)
		require.Len(t, h.reports(), 1)
		require.NoError(t, h.Shutdown(t.Context()))
		d.Unhang(nil)
		synctest.Wait()
	})
}
