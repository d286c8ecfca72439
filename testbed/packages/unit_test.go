// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package packages

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	unit = repository + "/deploy/systemd/otelcol-carbon.service"
	// exposure is how exposed systemd 252 finds the unit, from 0 to 10. Later versions know more settings.
	exposure = 1.8
)

func TestUnitIsHardened(t *testing.T) {
	t.Parallel()
	analyze := find(t, "systemd-analyze", "systemd")
	report := mustRun(t, analyze.Environment(), analyze.Path, "security", "--offline=true", "--no-pager", unit)
	score := regexp.MustCompile(`Overall exposure level for otelcol-carbon.service: ([0-9.]+)`).FindStringSubmatch(report)
	require.NotNil(t, score, report)
	got, err := strconv.ParseFloat(score[1], 64)
	require.NoError(t, err)
	t.Logf("systemd-analyze security: %.1f", got)
	assert.LessOrEqual(t, got, exposure, report)
}

// What the receivers read must not be hidden from them.
func TestUnitLeavesSensorsReadable(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(unit)
	require.NoError(t, err)
	for setting, forbidden := range map[string]string{
		"PrivateDevices": "yes", "PrivateUsers": "yes", "PrivateNetwork": "yes", "ProtectProc": "invisible", "ProcSubset": "pid",
	} {
		assert.NotRegexp(t, `(?m)^`+setting+`=`+forbidden, string(content))
	}
	for _, want := range []string{"User=otelcol", "DeviceAllow=char-nvidia* rw", "StateDirectory=otelcol-carbon", "CapabilityBoundingSet=\n"} {
		assert.Contains(t, string(content), "\n"+want)
	}
}

// What cannot be started is not reloaded, and a start that fails is tried for as long as it takes.
func TestUnitKeepsRunning(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(unit)
	require.NoError(t, err)
	start := regexp.MustCompile(`(?m)^ExecStart=(\S+) (.+)$`).FindSubmatch(content)
	require.NotNil(t, start)
	reload := regexp.MustCompile(`(?m)^ExecReload=(.+)$`).FindAllSubmatch(content, -1)
	require.Len(t, reload, 2)
	assert.Equal(t, fmt.Sprintf("%s validate %s", start[1], start[2]), string(reload[0][1]))
	assert.Contains(t, string(content), "\nStartLimitIntervalSec=0\n")
}

// systemd itself finds nothing wrong with the unit, once the program is where the package puts it.
func TestUnitIsValid(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	content, err := os.ReadFile(unit)
	require.NoError(t, err)
	writeIn(t, root, "usr/lib/systemd/system/otelcol-carbon.service", string(content))
	for _, target := range []string{"network-online", "sysinit", "basic", "shutdown", "multi-user"} {
		writeIn(t, root, "usr/lib/systemd/system/"+target+".target", "[Unit]\n")
	}
	copyProgram(t, root, "true")
	for _, name := range []string{"otelcol-carbon", "kill"} {
		require.NoError(t, os.Rename(copyOf(t, root, "true"), root+"/usr/bin/"+name))
	}
	analyze := find(t, "systemd-analyze", "systemd")
	output := mustRun(t, analyze.Environment(), analyze.Path, "verify", "--root="+root, "--man=no", "otelcol-carbon.service")
	for line := range strings.Lines(output) {
		assert.NotContains(t, line, "otelcol-carbon.service")
	}
}

// copyOf is a copy of a program that is in the root.
func copyOf(t *testing.T, root, name string) string {
	t.Helper()
	path := root + "/usr/bin/" + name
	copyFile(t, path, path+".copy")
	return path + ".copy"
}
