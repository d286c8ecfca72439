// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package embodied

import (
	"encoding/csv"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestConfig(t *testing.T) {
	c := Default()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"devices": []any{map[string]any{"match": "NVIDIA L4*", "kg": 100, "lifetime": "26280h"}},
	}).Unmarshal(&c))
	require.NoError(t, c.Validate())
	assert.Equal(t, Config{
		Lifetime: 43800 * time.Hour,
		Devices:  []Device{{Match: "NVIDIA L4*", KG: 100, Lifetime: 26280 * time.Hour}},
	}, c)
}

func TestValidate(t *testing.T) {
	for want, c := range map[string]Config{
		"lifetime: 0s: must be at least 24h0m0s":                    {},
		"devices::0::match: not set":                                {Lifetime: DefaultLifetime, Devices: []Device{{KG: 1}}},
		"devices::0::kg: 0: must be above 0 and at most 1e+06 kg":   {Lifetime: DefaultLifetime, Devices: []Device{{Match: "x"}}},
		"devices::0::kg: NaN: must be":                              {Lifetime: DefaultLifetime, Devices: []Device{{Match: "x", KG: math.NaN()}}},
		"devices::0::kg: 2e+06: must be":                            {Lifetime: DefaultLifetime, Devices: []Device{{Match: "x", KG: 2e6}}},
		"devices::1::lifetime: 1h0m0s: must be at least 24h0m0s, o": {Lifetime: DefaultLifetime, Devices: []Device{{Match: "x", KG: 1}, {Match: "y", KG: 1, Lifetime: time.Hour}}},
		"devices::1::lifetime: -1h0m0s: must be":                    {Lifetime: DefaultLifetime, Devices: []Device{{Match: "x", KG: 1}, {Match: "y", KG: 1, Lifetime: -time.Hour}}},
	} {
		assert.ErrorContains(t, c.Validate(), want)
	}
}

func TestEveryRowOfTheTableHasASource(t *testing.T) {
	r := csv.NewReader(strings.NewReader(devices))
	r.Comment = '#'
	rows, err := r.ReadAll()
	require.NoError(t, err)
	assert.Equal(t, []string{"match", "kg", "what", "source"}, rows[0])
	assert.Len(t, table(), len(rows)-1)
	for _, row := range rows[1:] {
		assert.NotContains(t, row, "")
	}
	c := Default()
	c.Devices = table()
	assert.NoError(t, c.Validate())
}
