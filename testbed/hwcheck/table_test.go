// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	dir := t.TempDir()
	table, err := newTable(dir, "x.csv", "a", "b", "c", "d")
	require.NoError(t, err)
	table.add("one, two", 0.5, 3, uint64(1)<<63)
	require.NoError(t, table.close())
	content, err := os.ReadFile(filepath.Join(dir, "x.csv"))
	require.NoError(t, err)
	assert.Equal(t, "a,b,c,d\n\"one, two\",0.5,3,9223372036854775808\n", string(content))
	_, err = newTable(filepath.Join(dir, "absent"), "x.csv")
	assert.Error(t, err)
}
