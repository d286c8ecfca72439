// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"compress/gzip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWriteRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &Trace{About: map[string]string{"gpu": "NVIDIA H100 80GB HBM3", "driver": "580.159.04"}}
		var at time.Duration
		for range rapid.IntRange(0, 50).Draw(t, "rows") {
			at += time.Duration(rapid.IntRange(1, 1e6).Draw(t, "dt")) * time.Microsecond
			want.Add(Row{
				at, rapid.Uint64Max(1<<62).Draw(t, "counter"), rapid.Uint64Max(1e6).Draw(t, "instant"),
				rapid.Uint64Max(1e6).Draw(t, "average"), rapid.SampledFrom([]string{"idle", "bursts"}).Draw(t, "phase"),
			})
		}
		var file bytes.Buffer
		require.NoError(t, want.Write(&file))
		got, err := Read(&file)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
}

func TestReplay(t *testing.T) {
	var tr Trace
	assert.Zero(t, tr.Last())
	tr.Add(Row{At: time.Second, Counter: 5})
	tr.Add(Row{At: 2 * time.Second, Counter: 5}) // nothing new
	tr.Add(Row{At: 3 * time.Second, Counter: 9})
	assert.Len(t, tr.Rows, 2)
	assert.EqualValues(t, 5, tr.At(0).Counter)
	assert.EqualValues(t, 5, tr.At(3*time.Second-1).Counter)
	assert.EqualValues(t, 9, tr.At(3*time.Second).Counter)
	assert.EqualValues(t, 9, tr.At(time.Hour).Counter)
	assert.Equal(t, 3*time.Second, tr.Last())
}

func TestReadRefuses(t *testing.T) {
	for content, want := range map[string]string{
		"":                                       "the first line is not",
		"a,b,c,d,e\n":                            "the first line is not",
		header + "1,2,x,4,idle\n":                "row 1, instant_mw",
		header + "1,2,3,4\n":                     "wrong number of fields",
		header + "1,0,0,0,idle\n-1,0,0,0,idle\n": "row 2 is before the one above",
	} {
		var file bytes.Buffer
		zip := gzip.NewWriter(&file)
		_, err := zip.Write([]byte(content))
		require.NoError(t, err)
		require.NoError(t, zip.Close())
		_, err = Read(&file)
		require.ErrorContains(t, err, want, content)
	}
	_, err := Read(bytes.NewReader([]byte("t_us,counter_mj\n")))
	assert.Error(t, err)
}

const header = "t_us,counter_mj,instant_mw,average_mw,phase\n"
