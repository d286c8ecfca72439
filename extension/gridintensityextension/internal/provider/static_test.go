// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStaticIsNotAsked(t *testing.T) {
	p, err := static.New(Settings{})
	require.NoError(t, err)
	_, err = p.Latest(t.Context(), "DE")
	require.ErrorIs(t, err, ErrNotOffered)
	_, err = p.History(t.Context(), "DE", time.Time{}, time.Now())
	require.ErrorIs(t, err, ErrNotOffered)
	_, err = p.Forecast(t.Context(), "DE")
	require.ErrorIs(t, err, ErrNotOffered)
	assert.Zero(t, static.Step)
	for zone, want := range map[string]bool{"DE": true, "WORLD": true, "CAMX": true, "us-east-1": true, "Atlantis": false, "": false} {
		_, ok := static.Zone(zone)
		assert.Equal(t, want, ok, zone)
	}
}
