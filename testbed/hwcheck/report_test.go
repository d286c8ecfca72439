// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	r := newReport()
	r.Judge("T4.load.instant-100Hz", "counter against instant-100Hz, load", within(true), -0.512345, "%", "2 %", "")
	r.Without("T10", "activity counters", notSupported, "nvmlGpmSampleGet: FUNCTION_NOT_FOUND\nmore")
	assert.False(t, r.Failed())
	r.Judge("T9.gain", "calls/s", within(false), 123456.7, "times", "", "a note")
	assert.True(t, r.Failed())

	var table strings.Builder
	require.NoError(t, r.Print(&table))
	assert.Equal(t, []string{
		"PASS           T4.load.instant-100Hz  counter against instant-100Hz, load  -0.5123 %     (2 %)  ",
		"NOT SUPPORTED  T10                    activity counters                                         nvmlGpmSampleGet: FUNCTION_NOT_FOUND; more",
		"FAIL           T9.gain                calls/s                              123457 times         a note",
	}, strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n"))

	dir := t.TempDir()
	require.NoError(t, r.WriteFile(dir))
	content, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	var read Report
	require.NoError(t, json.Unmarshal(content, &read))
	assert.Equal(t, r.Verdicts, read.Verdicts)
	assert.Nil(t, read.Verdicts[1].Value)
}

func TestShort(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 250: "250", 0.012345: "0.01235", 1234567: "1234567", 1e-7: "1e-07", -2.5: "-2.5", 0.99999: "1"} {
		assert.Equal(t, want, short(x))
	}
}
