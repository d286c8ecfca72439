// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	table, err := parseTable(embedded)
	require.NoError(t, err)
	require.Greater(t, len(table.rows), 1000)
	assert.Len(t, table.byName, len(table.rows), "names are unique")
	for _, r := range table.rows {
		assert.Equal(t, r.name, normalise(r.name))
		assert.Contains(t, []string{"ark", "amd", "codecarbon", "teads", "boavizta", "ampere", "nvidia"}, r.source, r.name)
		assert.True(t, r.tdp >= 1 && r.tdp <= 500, "%s: %v W", r.name, r.tdp)
		assert.True(t, r.cores >= 1 && r.cores <= 288, "%s: %d cores", r.name, r.cores)
		assert.True(t, r.threads == 0 || r.threads >= r.cores && r.threads <= 2*r.cores, "%s: %d threads", r.name, r.threads)
		assert.Equal(t, r.idle > 0, r.max > r.idle, r.name)
		if r.class != "client" {
			assert.Positive(t, r.threads, r.name)
		}
	}
	for _, g := range generations {
		_, ok := table.typical(g.class)
		assert.True(t, ok, g.class)
	}
}

func TestTableIsRefused(t *testing.T) {
	for name, content := range map[string]string{
		"tdp":     "a,b,c,d,e,f,g,h,i,j\nx,client,?,1,1,,,,,ark\n",
		"idle":    "a,b,c,d,e,f,g,h,i,j\nx,client,1,1,1,?,,,,ark\n",
		"max":     "a,b,c,d,e,f,g,h,i,j\nx,client,1,1,1,0.1,?,,,ark\n",
		"columns": "a,b\nx,client\n",
	} {
		_, err := parseTable(content)
		assert.Error(t, err, name)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz":  "Xeon Platinum 8259CL",
		"INTEL(R) XEON(R) PLATINUM 8592+":                 "Xeon Platinum 8592+",
		"Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz":       "Xeon E5-2686 v4",
		"Intel(R) Xeon(R) 6980P":                          "Xeon 6980P",
		"AMD EPYC 7763 64-Core Processor":                 "EPYC 7763",
		"AMD EPYC 9575F 64-Core Processor":                "EPYC 9575F",
		"AMD EPYC 7B12":                                   "EPYC 7B12",
		"11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz":  "Core i7-1165G7",
		"13th Gen Intel(R) Core(TM) i9-13900K":            "Core i9-13900K",
		"AMD Ryzen 7 5800X 8-Core Processor":              "Ryzen 7 5800X",
		"AMD Ryzen Threadripper PRO 5995WX 64-Cores":      "Ryzen Threadripper PRO 5995WX",
		"AMD Ryzen Threadripper 3990X 64-Core Processor ": "Ryzen Threadripper 3990X",
	} {
		r, ok := cpus().named(name)
		if assert.True(t, ok, name) {
			assert.Equal(t, want, r.name)
		}
	}
	for _, unknown := range []string{"", "AMD EPYC", "Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel Xeon Processor (Skylake, IBRS)"} {
		_, ok := cpus().named(unknown)
		assert.False(t, ok, unknown)
	}
}

func TestARM(t *testing.T) {
	for _, tt := range []struct{ model, board, want string }{
		{"0x41/0xd08", "Amazon EC2", "Graviton"},
		{"0x41/0xd0c", "Amazon EC2", "Graviton2"},
		{"0x41/0xd0c", "GIGABYTE", "Altra Q80-30"},
		{"0x41/0xd40", "Amazon EC2", "Graviton3"},
		{"0x41/0xd4f", "Amazon EC2", "Graviton4"},
		{"0x41/0xd4f", "NVIDIA", "Grace"},
		{"0x41/0xd4f", "Supermicro", "Grace"},
		{"0x41/0xd4f", "", "Grace"},  // no DMI
		{"0x41/0xd4f", "Google", ""}, // Axion: its power is not published
		{"0xc0/0xac3", "", ""},
	} {
		r, ok := cpus().find(Machine{ARM: true, Model: tt.model, Board: tt.board})
		if assert.Equal(t, tt.want != "", ok, tt) && ok {
			assert.Equal(t, tt.want, r.name)
		}
	}
}

func TestClasses(t *testing.T) {
	for _, tt := range []struct {
		model                    string
		family, number, stepping int
		want                     string
	}{
		{"AMD EPYC", 26, 2, 1, "turin"},
		{"AMD EPYC", 26, 0x11, 0, "turin-dense"},
		{"AMD EPYC 9R14", 25, 0x11, 1, "genoa"},
		{"AMD EPYC 9V45", 25, 0xa0, 2, "bergamo"},
		{"AMD EPYC-Milan Processor", 25, 1, 1, "milan"},
		{"AMD EPYC-Rome Processor", 23, 0x31, 0, "rome"},
		{"AMD EPYC 7571", 23, 1, 2, "naples"},
		{"AMD EPYC", 27, 0, 0, ""},
		{"Intel(R) Xeon(R) CPU @ 2.20GHz", 6, 0x4f, 0, "broadwell"},
		{"Intel(R) Xeon(R) CPU @ 2.00GHz", 6, 0x55, 3, "skylake"},
		{"Intel(R) Xeon(R) CPU @ 2.80GHz", 6, 0x55, 7, "cascadelake"},
		{"Intel(R) Xeon(R) CPU @ 2.60GHz", 6, 0x6a, 6, "icelake"},
		{"Intel(R) Xeon(R) Platinum 8481C", 6, 0x8f, 8, "sapphirerapids"},
		{"INTEL(R) XEON(R) PLATINUM 8581C CPU @ 2.30GHz", 6, 0xcf, 2, "emeraldrapids"},
		{"Intel(R) Xeon(R) 6985P-C", 6, 0xad, 1, "graniterapids"},
		{"Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz", 6, 0x2d, 7, ""},
		{"AMD Ryzen 3 1200 Quad-Core Processor", 23, 1, 1, "client"},
		{"QEMU Virtual CPU version 2.5+", 15, 107, 1, ""},
		{"", 0, 0, 0, ""},
	} {
		class, known := classOf(Machine{Model: tt.model, Family: tt.family, Number: tt.number, Stepping: tt.stepping})
		assert.Equal(t, tt.want, class, tt.model)
		assert.Equal(t, tt.want != "", known, tt.model)
	}
}
