// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
)

// module is an SMBIOS structure of type 17.
func module(size uint16, extended uint32, technology byte) []byte {
	raw := make([]byte, 0x54)
	raw[0], raw[1] = 17, 0x54
	binary.LittleEndian.PutUint16(raw[0x0c:], size)
	binary.LittleEndian.PutUint32(raw[0x1c:], extended)
	raw[0x28] = technology
	return raw
}

func TestModuleSize(t *testing.T) {
	for _, tt := range []struct {
		name string
		raw  []byte
		gib  float64
	}{
		{"16 GiB", module(16384, 0, 3), 16},
		{"64 GiB", module(0x7fff, 65536, 3), 64},
		{"512 KiB", module(0x8000|512, 0, 3), 0.5 / 1024},
		{"empty slot", module(0, 0, 2), 0},
		{"unknown", module(0xffff, 0, 2), 0},
		{"persistent", module(0x7fff, 131072, 7), 0},
		{"before SMBIOS 2.7", append([]byte{17, 0x15}, module(8192, 0, 0)[2:0x15]...), 8},
		{"another type", append([]byte{16}, module(8192, 0, 0)[1:]...), 0},
		{"cut off", []byte{17, 0x54, 0, 0}, 0},
		{"empty", nil, 0},
	} {
		assert.InDelta(t, tt.gib, moduleSize(tt.raw), 1e-12, tt.name)
	}
}

func TestAnyFirmware(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := append([]byte{17}, rapid.SliceOfN(rapid.Byte(), 0, 0x60).Draw(t, "raw")...)
		size := moduleSize(raw)
		require.True(t, size >= 0 && size < 1<<22, "%v GiB", size)
	})
}

func TestInstalledModules(t *testing.T) {
	root := tree(t, "server-milan")
	for slot, raw := range [][]byte{module(0x7fff, 65536, 3), module(0, 0, 2), module(16384, 0, 3)} {
		write(t, root.Path("sys/firmware/dmi/entries", fmt.Sprintf("17-%d", slot), "raw"), string(raw))
	}
	_, memory := New(Config{}, root)
	// That of 64 GiB counts as 32.
	assert.InEpsilon(t, 48*memoryIdle, memory.Idle(), 1e-12)
	assert.Contains(t, memory.Describe(), "2 memory modules, 80 GiB (SMBIOS)")

	_, memory = New(Config{MemoryPowerPerGiB: 0.1}, root)
	assert.InEpsilon(t, 8, memory.Idle(), 1e-12, "configured for each GiB there is")
}

func TestUnreadableModules(t *testing.T) {
	root := tree(t, "server-milan")
	require.NoError(t, os.MkdirAll(root.Path("sys/firmware/dmi/entries/17-0/raw"), 0o755)) // root reads whatever the mode is
	_, memory := New(Config{}, root)
	assert.Contains(t, memory.Describe(), "guessed from MemTotal (503.4 GiB), as read ")
	assert.Contains(t, memory.Describe(), "17-0")
}

func TestGuess(t *testing.T) {
	for _, tt := range []struct{ gib, size, modules float64 }{
		{0.9, 1, 1},
		{1.9, 1, 2},
		{3.7, 4, 1},
		{7.6, 4, 2},
		{15.5, 4, 4},
		{62.7, 4, 16},
		{125.6, 8, 16},
		{251.5, 16, 16},
		{376, 16, 24},
		{503.4, 32, 16},
		{755, 32, 24},
		{2015, 128, 16},
	} {
		modules := guess(tt.gib)
		assert.InDelta(t, tt.modules, len(modules), 0, tt.gib)
		assert.InDelta(t, tt.size, modules[0], 0, tt.gib)
	}
}

func TestNoMemTotal(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "proc/meminfo"), "MemFree: 1 kB\n")
	_, memory := New(Config{}, host.Config{RootPath: root})
	assert.Contains(t, memory.Describe(), "holds no MemTotal")
}
