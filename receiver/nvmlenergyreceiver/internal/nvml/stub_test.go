// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !(linux && cgo)

package nvml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuiltWithout(t *testing.T) {
	d := New("")
	require.ErrorIs(t, d.Open(), ErrBuiltWithout)
	require.ErrorContains(t, d.Open(), "CGO_ENABLED=1")
	_, err := d.Version()
	require.ErrorIs(t, err, ErrBuiltWithout)
	_, err = d.Count()
	require.ErrorIs(t, err, ErrBuiltWithout)
	_, err = d.Device(0, &Watch{})
	require.ErrorIs(t, err, ErrBuiltWithout)
	require.NoError(t, d.Close())
}
