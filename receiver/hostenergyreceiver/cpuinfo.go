// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"bufio"
	"os"
	"slices"
	"strings"
)

// cpuInfo is what /proc/cpuinfo says about the first CPU. Its zero value is an unknown CPU.
type cpuInfo struct {
	model   string
	amd     bool // or Hygon, which has AMD's counters
	virtual bool
}

func readCPUInfo(path string) (info cpuInfo) {
	file, err := os.Open(path)
	if err != nil {
		return info
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan() && lines.Text() != ""; {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "vendor_id":
			info.amd = value == "AuthenticAMD" || value == "HygonGenuine"
		case "model name":
			info.model = value
		case "flags":
			info.virtual = slices.Contains(strings.Fields(value), "hypervisor")
		}
	}
	return info
}

func (c cpuInfo) name() string {
	if c.model == "" {
		return "CPU"
	}
	return c.model
}
