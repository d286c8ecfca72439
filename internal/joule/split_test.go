// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package joule

import (
	"encoding/json"
	"math"
	"math/big"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSplitGolden(t *testing.T) {
	var cases []struct {
		Weights       []uint64
		Idle          uint64   `json:"idle_mJ"`
		Dynamic       uint64   `json:"dyn_mJ"`
		DynamicShares []uint64 `json:"dyn_shares"`
		Proportional  []uint64 `json:"idle_proportional"`
	}
	file, err := os.ReadFile("testdata/attribution.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(file, &cases))
	require.Len(t, cases, 5)
	for _, tc := range cases {
		assert.Equal(t, tc.DynamicShares, Split(tc.Dynamic, tc.Weights, []uint64{}))
		assert.Equal(t, tc.Proportional, Split(tc.Idle, tc.Weights, []uint64{}))
	}
}

func TestSplit(t *testing.T) {
	const most = math.MaxUint64
	for name, tc := range map[string]struct {
		amount  uint64
		weights []uint64
		want    []uint64
	}{
		"nobody":                  {7, nil, nil},
		"no weight":               {7, []uint64{0, 0}, []uint64{0, 0}},
		"ties go to the first":    {5, []uint64{1, 1, 1}, []uint64{2, 2, 1}},
		"the largest remainder":   {10, []uint64{1, 1, 5}, []uint64{2, 1, 7}},
		"never to weight 0":       {2, []uint64{0, 1, 1, 1}, []uint64{0, 1, 1, 0}},
		"all to one":              {most, []uint64{0, most, 0}, []uint64{0, most, 0}},
		"sums beyond 64 bits":     {most, []uint64{most, most}, []uint64{most/2 + 1, most / 2}},
		"small beside very large": {3, []uint64{1, most, most}, []uint64{0, 2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, Split(tc.amount, tc.weights, nil))
			assert.Equal(t, append([]uint64{42}, tc.want...), Split(tc.amount, tc.weights, []uint64{42}), "appends")
		})
	}
}

// Parts sum to the amount, and each is its exact quota rounded down or up, for numbers of any size.
func TestSplitIsExact(t *testing.T) {
	number := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 100), rapid.Uint64Range(math.MaxUint64-2, math.MaxUint64))
	rapid.Check(t, func(t *rapid.T) {
		amount := number.Draw(t, "amount")
		weights := rapid.SliceOfN(number, 1, 70).Draw(t, "weights")
		parts := Split(amount, weights, nil)
		require.Len(t, parts, len(weights))
		require.Equal(t, parts, Split(amount, weights, nil), "deterministic")
		var sum, sumWeights big.Int
		for i := range weights {
			sum.Add(&sum, new(big.Int).SetUint64(parts[i]))
			sumWeights.Add(&sumWeights, new(big.Int).SetUint64(weights[i]))
		}
		if sumWeights.Sign() == 0 {
			require.Zero(t, sum.Sign())
			return
		}
		require.Equal(t, new(big.Int).SetUint64(amount).String(), sum.String())
		for i := range weights {
			quota := new(big.Int).Mul(new(big.Int).SetUint64(amount), new(big.Int).SetUint64(weights[i]))
			quota, left := quota.QuoRem(quota, &sumWeights, new(big.Int))
			over := new(big.Int).Sub(new(big.Int).SetUint64(parts[i]), quota).Int64()
			require.GreaterOrEqual(t, over, int64(0))
			require.LessOrEqual(t, over, int64(left.Sign()))
			for j := range i { // equal weights differ by at most the one that ties leave over, to the first
				if weights[i] == weights[j] {
					require.LessOrEqual(t, parts[i], parts[j])
					require.LessOrEqual(t, parts[j]-parts[i], uint64(1))
				}
			}
		}
	})
}

func TestSplitDoesNotAllocate(t *testing.T) {
	weights, parts := []uint64{3, 3, 3, 17, 1}, make([]uint64, 0, 8)
	assert.Zero(t, testing.AllocsPerRun(100, func() { parts = Split(7_000_001, weights, parts[:0]) }))
}
