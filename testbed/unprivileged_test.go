// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testbed

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nobody may read all of a folder but what is named so, up to the folder of all tests.
func readableBut(t *testing.T, folder, secret string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o755)
		case d.Name() == secret:
			return os.Chmod(path, 0)
		}
		return os.Chmod(path, 0o644)
	}))
	for ; folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
		require.NoError(t, os.Chmod(folder, 0o755))
	}
}

// A collector without any privilege tells what it cannot read, why and how to grant it; it estimates that, and
// measures as soon as it may.
func TestWithoutPrivileges(t *testing.T) {
	t.Parallel()
	root, backend := unpackMachine(t, machines+"intel-server.txtar"), newSink(t)
	config := writeFile(t, "config.yaml", hostConfig)
	readableBut(t, root, "energy_uj")
	readableBut(t, filepath.Dir(config), "")
	c := command(t, []string{config, "yaml:receivers::hostenergy::root_path: " + root}, "SINK="+backend.address)
	if os.Getuid() == 0 { // else the tests have no privileges either
		c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	c.run()
	of := func(method string) []point {
		return backend.named("hw.energy", "energy.method", method)
	}
	c.eventually(func() bool { n := len(of("model")); return n > 0 && of("model")[n-1].value > 0 }, "an estimate")
	assert.Empty(t, of("counter"))
	c.eventually(func() bool { return len(backend.named("workload.energy", "", "")) > 0 }, "its parts")
	report := c.output.String()
	for _, want := range []string{"self-report", "RAPL (powercap)", "refused", "permission denied", "-> ", "model of the CPU", "used", "CAP_PERFMON"} {
		assert.Contains(t, report, want)
	}
	assert.Equal(t, 1, strings.Count(report, "self-report"))

	readableBut(t, root, "")
	c.eventually(func() bool { return len(of("counter")) > 0 }, "the counters")
	advance(t, root)
	c.eventually(func() bool { n := len(of("counter")); return of("counter")[n-1].value == 10 }, "what they count")
	require.Zero(t, c.stop())
}
