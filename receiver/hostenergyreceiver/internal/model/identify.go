// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
)

// Machine is what the kernel tells about the CPUs. What it does not tell is zero.
type Machine struct {
	// Vendor is GenuineIntel, AuthenticAMD, HygonGenuine; on arm64 the implementer, such as 0x41.
	Vendor string
	// Model is the name that the CPU gives itself; on arm64 implementer and part, such as 0x41/0xd0c.
	Model string
	// Family, Number and Stepping of an x86 CPU ("cpu family", "model", "stepping").
	Family, Number, Stepping int
	// Board is the vendor of the system as its firmware says, such as Amazon EC2.
	Board string
	// Sockets, Cores and Threads of the machine, all sockets together. Threads are logical CPUs.
	Sockets, Cores, Threads int
	// Virtual means that it runs in a virtual machine.
	Virtual bool
	// ARM means that it has an ARM CPU.
	ARM bool
}

// Identify reads the machine's /proc/cpuinfo, /sys/devices/system/cpu and /sys/class/dmi.
func Identify(root host.Config) (Machine, error) {
	m, err := readCPUInfo(root.Path("proc", "cpuinfo"))
	m.Board = firstLine(root.Path("sys", "class", "dmi", "id", "sys_vendor"))
	if m.ARM && !m.Virtual {
		// x86 has a CPU flag for it; elsewhere the firmware tells.
		m.Virtual = slices.ContainsFunc(hypervisors, func(vendor string) bool {
			return strings.Contains(m.Board, vendor) && !strings.Contains(firstLine(root.Path("sys", "class", "dmi", "id", "product_name")), ".metal")
		})
	}
	m.readTopology(root.Path("sys", "devices", "system", "cpu"))
	return m, err
}

// hypervisors as sys_vendor names them. EC2 calls its bare machines PRODUCT.metal in product_name.
var hypervisors = []string{"Amazon EC2", "Google", "QEMU", "Microsoft Corporation", "VMware", "Xen", "OpenStack", "Alibaba Cloud", "DigitalOcean", "Hetzner"}

func readCPUInfo(path string) (m Machine, err error) {
	file, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer file.Close()
	var part string
	packages, cores := map[string]bool{}, map[string]bool{}
	var pkg string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20) // flags are long
	for lines.Scan() {
		key, value, found := strings.Cut(lines.Text(), ":")
		if !found {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "processor":
			m.Threads++
		case "vendor_id":
			m.Vendor = value
		case "model name":
			m.Model = value
		case "cpu family":
			m.Family = number(value)
		case "model":
			m.Number = number(value)
		case "stepping":
			m.Stepping = number(value)
		case "physical id":
			pkg, packages[value] = value, true
		case "core id":
			cores[pkg+"/"+value] = true
		case "flags":
			m.Virtual = m.Virtual || slices.Contains(strings.Fields(value), "hypervisor")
		case "CPU implementer":
			m.ARM, m.Vendor = true, value
		case "CPU part":
			part = value // big.LITTLE: the last, which is a big one
		}
	}
	if m.ARM {
		m.Model = m.Vendor + "/" + part
	}
	m.Sockets, m.Cores = len(packages), len(cores)
	return m, lines.Err()
}

// readTopology fills in what /proc/cpuinfo does not tell, as on arm64.
func (m *Machine) readTopology(dir string) {
	packages, cores, threads := map[string]bool{}, map[string]bool{}, 0
	cpus, _ := filepath.Glob(filepath.Join(dir, "cpu[0-9]*"))
	for _, cpu := range cpus {
		pkg := firstLine(filepath.Join(cpu, "topology", "physical_package_id"))
		if pkg == "" {
			continue // offline
		}
		threads++
		packages[pkg] = true
		cores[pkg+"/"+firstLine(filepath.Join(cpu, "topology", "core_id"))] = true
	}
	if m.Sockets == 0 {
		m.Sockets, m.Cores = len(packages), len(cores)
	}
	if m.Threads == 0 {
		m.Threads = threads
	}
	// Where no file tells, one package is a fair guess: more than one is rare, and they do tell.
	m.Sockets = max(m.Sockets, 1)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func firstLine(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return strings.TrimSpace(line)
}
