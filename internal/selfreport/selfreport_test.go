// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package selfreport

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestTable(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	Log(zap.New(core), []Row{
		{What: "RAPL", State: Refused, Detail: "open energy_uj:\n permission denied", Remedy: "run as root"},
		{What: "battery", State: Absent, Detail: "no BAT*"},
	})
	require.Equal(t, 1, logs.Len())
	assert.Equal(t, zap.WarnLevel, logs.All()[0].Level)
	assert.Equal(t, strings.Join([]string{
		"self-report",
		"  RAPL     refused  open energy_uj: permission denied",
		"                    -> run as root",
		"  battery  absent   no BAT*",
	}, "\n"), logs.All()[0].Message)
}

func TestNothingToDoIsNoWarning(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	Log(zap.New(core), []Row{{What: "RAPL", State: Used}, {What: "battery", State: Absent}, {What: "storage", State: Off}})
	assert.Equal(t, zap.InfoLevel, logs.All()[0].Level)
}
