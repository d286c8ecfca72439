// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"os"
	"path/filepath"
)

// readModules reads the sizes, in GiB, of the installed memory modules: SMBIOS structures of type 17, as Linux shows
// them to root in /sys/firmware/dmi/entries/17-N/raw. No modules and no error: the firmware lists none.
func readModules(dir string) (gib []float64, err error) {
	entries, err := filepath.Glob(filepath.Join(dir, "17-*", "raw"))
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		raw, err := os.ReadFile(entry)
		if err != nil {
			return nil, err
		}
		if size := moduleSize(raw); size > 0 {
			gib = append(gib, size)
		}
	}
	return gib, nil
}

// moduleSize by the SMBIOS specification (DMTF DSP0134), 7.18 Memory Device: Size is a word at 0Ch, in MiB, or KiB if
// its highest bit is set; 0 is an empty slot, FFFFh unknown; 7FFFh refers to Extended Size, in MiB, a double word at
// 1Ch. Technology at 28h tells persistent memory (4 and above) from DRAM.
func moduleSize(raw []byte) (gib float64) {
	const sizeAt, extendedAt, technologyAt = 0x0c, 0x1c, 0x28
	if len(raw) < sizeAt+2 || raw[0] != 17 {
		return 0
	}
	length := min(int(raw[1]), len(raw))
	if length > technologyAt && raw[technologyAt] >= 4 {
		return 0
	}
	switch size := binary.LittleEndian.Uint16(raw[sizeAt:]); {
	case size == 0xffff:
		return 0
	case size == 0x7fff && length >= extendedAt+4:
		return float64(binary.LittleEndian.Uint32(raw[extendedAt:])&0x7fffffff) / 1024
	case size&0x8000 != 0:
		return float64(size&0x7fff) / (1024 * 1024)
	default:
		return float64(size) / 1024
	}
}
