// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
)

// tree unpacks testdata/name.txtar, the root of a machine.
func tree(t *testing.T, name string) host.Config {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	require.NoError(t, err)
	root := t.TempDir()
	for _, file := range archive.Files {
		write(t, filepath.Join(root, file.Name), string(file.Data))
	}
	return host.Config{RootPath: root}
}

func write(t require.TestingT, path, content string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func TestIdentify(t *testing.T) {
	for name, want := range map[string]Machine{
		"vm-turin":     {Vendor: "AuthenticAMD", Model: "AMD EPYC", Family: 26, Number: 2, Stepping: 1, Sockets: 1, Cores: 2, Threads: 2, Virtual: true},
		"server-milan": {Vendor: "AuthenticAMD", Model: "AMD EPYC 7763 64-Core Processor", Family: 25, Number: 1, Stepping: 1, Board: "GIGABYTE", Sockets: 2, Cores: 2, Threads: 2},
		"vm-graviton":  {Vendor: "0x41", Model: "0x41/0xd40", Board: "Amazon EC2", Sockets: 1, Cores: 2, Threads: 2, Virtual: true, ARM: true},
		"grace":        {Vendor: "0x41", Model: "0x41/0xd4f", Board: "NVIDIA", Sockets: 2, Cores: 2, Threads: 2, ARM: true},
		"unknown":      {Sockets: 1, Threads: 1},
	} {
		m, err := Identify(tree(t, name))
		require.NoError(t, err, name)
		assert.Equal(t, want, m, name)
	}
	_, err := Identify(host.Config{RootPath: t.TempDir()})
	require.ErrorContains(t, err, "cpuinfo")
}

func TestBareMetalGraviton(t *testing.T) {
	root := tree(t, "vm-graviton")
	write(t, root.Path("sys/class/dmi/id/product_name"), "m7g.metal\n")
	m, err := Identify(root)
	require.NoError(t, err)
	assert.False(t, m.Virtual)
}

// What is said of each machine. TDPs, threads and medians are those of the table.
func TestDescriptions(t *testing.T) {
	for _, tt := range []struct {
		name, machine string
		config        Config
		cpu, memory   string
	}{
		{
			name: "EPYC without a number", machine: "vm-turin",
			cpu:    "AMD EPYC, not in the table: the median of class turin, 2.81 W for a thread, TDP 360 W; a virtual machine whose 2 CPUs are taken for as many of 128 threads: 1.69 W idle, 5.62 W at full load, ±70 % (40 % of the curve (a judgement: idle is known for two CPUs only), 37 % within the class, 40 % for not being in it, 20 % for being virtual)",
			memory: "23.54 GiB of memory of a virtual machine (MemTotal): 4.47 W idle, 9.42 W at full load, ±50 % (module sizes and kinds differ as much)",
		},
		{
			name: "CPU configured", machine: "vm-turin", config: Config{CPU: "EPYC 9965"},
			cpu: "EPYC 9965, TDP 500 W [amd]; a virtual machine whose 2 CPUs are taken for as many of 384 threads: 0.781 W idle, 2.6 W at full load, ±45 % (a judgement: idle is known for two CPUs only, 20 % for being virtual)",
		},
		{
			name: "share configured", machine: "vm-turin", config: Config{CPU: "AMD EPYC 9965", HostShare: 0.25},
			cpu: "EPYC 9965, TDP 500 W [amd]; a virtual machine with 0.25 packages of it (host_share): 37.5 W idle, 125 W at full load, ±41 % (a judgement: idle is known for two CPUs only)",
		},
		{
			name: "watts configured", machine: "vm-turin", config: Config{IdlePowerPerCPU: 0.5, MaxPowerPerCPU: 2, MemoryPowerPerGiB: 0.1},
			cpu:    "configured: 1 W idle, 4 W at full load, ±10 % (the shape between, and what runs)",
			memory: "23.54 GiB of memory of a virtual machine (MemTotal): 2.35 W idle, 2.35 W at full load, ±10 % (configured)",
		},
		{
			name: "two sockets", machine: "server-milan",
			cpu:    "2 x EPYC 7763, TDP 280 W [amd]: 168 W idle, 560 W at full load, ±40 % (a judgement: idle is known for two CPUs only)",
			memory: "16 memory modules of 32 GiB guessed from MemTotal (503.4 GiB): 97.3 W idle, 205 W at full load, ±50 % (module sizes and kinds differ as much)",
		},
		{
			name: "a part of a Graviton", machine: "vm-graviton",
			cpu: "Graviton3, TDP 220 W [boavizta]; a virtual machine whose 2 CPUs are taken for as many of 64 threads: 1.1 W idle, 6.88 W at full load, ±45 % (a judgement: idle is known for one CPU only, 20 % for being virtual)",
		},
		{
			name: "nobody knows", machine: "unknown",
			cpu: "unknown CPU, not in the table: the average of a cloud server for each of 1 CPUs: 0.74 W idle, 3.5 W at full load, ±60 % (the CPU may be any)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.NoError(t, tt.config.Validate())
			cpu, memory := New(tt.config, tree(t, tt.machine))
			assert.Equal(t, tt.cpu, cpu.Describe())
			if tt.memory != "" {
				assert.Equal(t, tt.memory, memory.Describe())
			}
		})
	}
}

func TestGraceHasItsMemoryInIt(t *testing.T) {
	cpu, memory := New(Config{}, tree(t, "grace"))
	assert.Nil(t, memory)
	assert.Equal(t, "Grace", cpu.Name())
	assert.Contains(t, cpu.Describe(), "2 x Grace, TDP 250 W")
}

func TestOnePowerConfigured(t *testing.T) {
	for _, cfg := range []Config{{IdlePowerPerCPU: 3}, {MaxPowerPerCPU: 10}} {
		cpu, _ := New(cfg, tree(t, "vm-turin"))
		assert.InEpsilon(t, 3, cpu.idle, 1e-12)
		assert.InEpsilon(t, 10, cpu.max, 1e-12)
		assert.Contains(t, cpu.Describe(), "in proportion")
		assert.Greater(t, cpu.Uncertainty(), uConfigured)
	}
}

func TestNoFiles(t *testing.T) {
	cpu, memory := New(Config{}, host.Config{RootPath: t.TempDir()})
	assert.Equal(t, "CPU", cpu.Name())
	assert.Contains(t, cpu.Describe(), "cpuinfo: no such file")
	assert.Contains(t, memory.Describe(), "no memory size")
	_, err := memory.Read(start)
	require.ErrorContains(t, err, "no memory size")
}

func TestConfig(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	require.NoError(t, Config{CPU: "EPYC 9654", HostShare: 0.5, MemoryPowerPerGiB: 0.3}.Validate())
	require.NoError(t, Config{CPU: "AMD EPYC 7763 64-Core Processor"}.Validate())
	require.NoError(t, Config{IdlePowerPerCPU: 1, MaxPowerPerCPU: 1}.Validate())
	for want, cfg := range map[string]Config{
		`cpu: "EPYC"`:                   {CPU: "EPYC"},
		"host_share: -1 packages":       {HostShare: -1},
		"host_share: 33 packages":       {HostShare: 33},
		"host_share: 0.5 has no effect": {HostShare: 0.5, IdlePowerPerCPU: 1},
		"idle_power_per_cpu: 1001 W":    {IdlePowerPerCPU: 1001},
		"idle_power_per_cpu: NaN W":     {IdlePowerPerCPU: math.NaN()},
		"max_power_per_cpu: -3 W":       {MaxPowerPerCPU: -3},
		"max_power_per_cpu: 1 W":        {IdlePowerPerCPU: 2, MaxPowerPerCPU: 1},
		"memory_power_per_gib: 10.1 W":  {MemoryPowerPerGiB: 10.1},
	} {
		require.ErrorContains(t, cfg.Validate(), want)
	}
}
