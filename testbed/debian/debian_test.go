// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindsTheProgram(t *testing.T) {
	found := filepath.Join(t.TempDir(), "redis-server")
	require.NoError(t, os.WriteFile(found, []byte("#!/bin/sh\n"), 0o700))
	t.Setenv("PATH", filepath.Dir(found))
	p, err := Find("redis-server")
	require.NoError(t, err)
	assert.Equal(t, Program{Path: found}, p)
	assert.Empty(t, p.Environment())
}

func TestSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Find("pg_ctl", "postgresql")
	assert.ErrorContains(t, err, "install pg_ctl: it is not in PATH, and Debian's package postgresql cannot be had: ")
}

// What was fetched once is used again, without any program.
func TestFetchesOnce(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "sbin"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "sbin", "served"), nil, 0o700))
	t.Setenv("PATH", t.TempDir())
	path, err := fetch(folder, "served", []string{"served"})
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(folder, "sbin", "served"), path)
}

// A program with libraries of its own runs from where it is unpacked.
func TestFetches(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "rpm")
	path, err := fetch(folder, "rpm2cpio", []string{"rpm2cpio"})
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), path, "--help")
	c.Env = Program{Path: path, Folder: folder}.Environment()
	output, err := c.CombinedOutput()
	require.NotContains(t, string(output), "error while loading shared libraries")
	assert.Contains(t, string(output), "rpm2cpio", err)
}
