// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Scenario is what the library plays. It is read at each nvmlInit.
type Scenario struct {
	// Clock drives the time, if set.
	Clock *Clock
	// Epoch is the wall time at which the scenario begins, if there is no Clock. The zero value is
	// the first nvmlInit of the process.
	Epoch time.Time
	// GPUs in the order of their indices.
	GPUs []GPU
	// Unsupported symbols answer NVML_ERROR_NOT_SUPPORTED; "field:191" is a field of
	// nvmlDeviceGetFieldValues, "field:185:1" the same in scope 1 only.
	Unsupported []string
	// Driver is the version of the driver. Empty is that of the library.
	Driver string
	// Mismatch is when the driver is replaced under the library: from then on each call fails with
	// NVML_ERROR_LIB_RM_VERSION_MISMATCH. 0 is never.
	Mismatch time.Duration
	Reloads  []Reload
	// Failures and Latencies of all GPUs, and of functions that belong to none.
	Failures  []Failure
	Latencies []Latency
}

// Reload of the driver: all counters start again at 0 and all handles become stale.
type Reload struct {
	At time.Duration
	// Until is when the driver is back, if that is later. Until then each call fails with
	// NVML_ERROR_DRIVER_NOT_LOADED.
	Until time.Duration
}

// Failure of a symbol ("*" for each) from Start until End.
type Failure struct {
	Symbol string
	// Code is what it returns, as NVML numbers it. Hangs is a code as well.
	Code       int
	Start, End time.Duration
}

// Hangs is the code of a call that does not return before the failure ends.
const Hangs = -1

// Latency is real time that each call of a symbol ("*" for each) takes.
type Latency struct {
	Symbol string
	Delay  time.Duration
}

// WriteFile writes the scenario for a library that is about to be initialised. A reader sees the old
// file or the new one, nothing between.
func (s Scenario) WriteFile(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "scenario")
	if err != nil {
		return err
	}
	_, err = file.WriteString(s.String())
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// String is the scenario in its language.
func (s Scenario) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if s.Clock != nil {
		line("clock %s", s.Clock.path)
	}
	if !s.Epoch.IsZero() {
		line("epoch %d", s.Epoch.UnixNano())
	}
	for _, symbol := range s.Unsupported {
		line("unsupported %s", symbol)
	}
	if s.Driver != "" {
		line("driver %s", s.Driver)
	}
	if s.Mismatch > 0 {
		line("driver_mismatch %s", milliseconds(s.Mismatch))
	}
	for _, r := range s.Reloads {
		line("reload %s %s", milliseconds(r.At), milliseconds(max(r.At, r.Until)))
	}
	writeFaults(line, "*", s.Failures, s.Latencies)
	for i, g := range s.GPUs {
		g.write(i, line)
	}
	return b.String()
}

func writeFaults(line func(string, ...any), gpu string, failures []Failure, latencies []Latency) {
	for _, f := range failures {
		code := strconv.Itoa(f.Code)
		if f.Code == Hangs {
			code = "hang"
		}
		line("fail %s %s %s %s %s", gpu, f.Symbol, code, milliseconds(f.Start), milliseconds(f.End))
	}
	for _, l := range latencies {
		line("latency %s %s %s", gpu, l.Symbol, decimal(float64(l.Delay)/float64(time.Microsecond)))
	}
}
