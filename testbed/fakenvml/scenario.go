// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
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
	// nvmlDeviceGetFieldValues.
	Unsupported []string
}

// GPU is a device. Zero values are the defaults of the scenario language.
type GPU struct {
	UUID, Name string
	Power      Waveform
	// Update is how often the counter and the power are published. 0 is 100 ms.
	Update time.Duration
	// Limit is the power limit in W. 0 is 700 W.
	Limit float64
	// Memory is the size in bytes. 0 is 80 GiB.
	Memory uint64
	// Initial is the value of the energy counter at the beginning, in mJ.
	Initial   uint64
	Events    []Event
	Processes []Process
}

// Event happens to a GPU at a time.
type Event struct {
	At   time.Duration
	Kind EventKind
}

// EventKind is a word of the scenario language.
type EventKind string

const (
	// Reset starts the energy counter again at 0.
	Reset EventKind = "reset"
	// Lost makes each call on the GPU fail with NVML_ERROR_GPU_IS_LOST, until Back.
	Lost EventKind = "lost"
	// Back ends Lost.
	Back EventKind = "back"
	// Detach takes the GPU away: the count shrinks, indices shift, its handles stay lost for good.
	Detach EventKind = "detach"
	// Attach brings it back. A GPU whose first event of the two is Attach is not there before it.
	Attach EventKind = "attach"
	// Hang makes each call on the GPU block, until Unhang.
	Hang EventKind = "hang"
	// Unhang ends Hang.
	Unhang EventKind = "unhang"
)

// Process runs on a GPU from Start until End.
type Process struct {
	PID, SMPercent int
	Memory         uint64 // bytes
	Start, End     time.Duration
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
	for i, g := range s.GPUs {
		line("gpu %d %s %s", i, g.UUID, g.Name)
		line("power %d %s", i, g.Power)
		line("update_ms %d %s", i, milliseconds(g.update()))
		if g.Limit > 0 {
			line("limit %d %s", i, decimal(g.Limit))
		}
		if g.Memory > 0 {
			line("memory %d %d", i, g.Memory)
		}
		if g.Initial > 0 {
			line("counter %d %d", i, g.Initial)
		}
		for _, e := range g.Events {
			line("at %d %s %s", i, milliseconds(e.At), e.Kind)
		}
		for _, p := range g.Processes {
			line("proc %d %d %d %d %s %s", i, p.PID, p.SMPercent, p.Memory, milliseconds(p.Start), milliseconds(p.End))
		}
	}
	return b.String()
}

// Counter is what the energy counter shows at a time, in mJ: the integral since the last reset, as
// of the last update, rounded down.
func (g GPU) Counter(t time.Duration) uint64 {
	update, reset, initial := max(t, 0).Truncate(g.update()), time.Duration(0), g.Initial
	for _, e := range g.Events {
		if e.Kind == Reset && e.At <= t && e.At >= reset {
			reset, initial = e.At, 0
		}
	}
	if update < reset {
		return 0
	}
	energy := g.Power.energy(update)
	energy.Sub(energy, g.Power.energy(reset))
	return initial + new(big.Int).Quo(energy.Num(), new(big.Int).Mul(energy.Denom(), big.NewInt(1e9))).Uint64()
}

func (g GPU) update() time.Duration {
	if g.Update == 0 {
		return 100 * time.Millisecond
	}
	return g.Update
}
