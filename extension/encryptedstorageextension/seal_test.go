// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package encryptedstorageextension

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

func ring(tb testing.TB, keys ...Key) *keyring {
	tb.Helper()
	k, err := newKeyring(keys)
	require.NoError(tb, err)
	return k
}

func places() *rapid.Generator[place] {
	return rapid.Custom(func(t *rapid.T) place {
		return place{
			kind:  rapid.SampledFrom([]component.Kind{component.KindExporter, component.KindReceiver, component.KindProcessor}).Draw(t, "kind"),
			owner: component.MustNewIDWithName(rapid.SampledFrom([]string{"a", "aa", "b"}).Draw(t, "type"), rapid.SampledFrom([]string{"", "a", "1"}).Draw(t, "name")),
			name:  rapid.SampledFrom([]string{"", "metrics", "a"}).Draw(t, "storage"),
		}
	})
}

// What was sealed is opened in its place, and nowhere else.
func TestARecordIsOpenedOnlyWhereItBelongs(t *testing.T) {
	k := ring(t, firstKey)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "plain")
		at, elsewhere := places().Draw(t, "place"), places().Draw(t, "elsewhere")
		key, otherKey := rapid.SampledFrom([]string{"", "0", "a"}).Draw(t, "key"), rapid.SampledFrom([]string{"", "0", "a"}).Draw(t, "other key")
		record := k.seal(at, key, plain)
		got, err := k.open(at, key, record)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))
		if at != elsewhere || key != otherKey {
			_, err = k.open(elsewhere, otherKey, record)
			require.ErrorContains(t, err, "changed or moved")
		}
	})
}

// A bit that is not as it was, or a byte that is missing, is noticed.
func TestADamagedRecordIsRefused(t *testing.T) {
	k, at := ring(t, firstKey, secondKey), place{component.KindExporter, queue, "metrics"}
	record := k.seal(at, "0", []byte("twelve joules"))
	for i := range record {
		for bit := range 8 {
			damaged := bytes.Clone(record)
			damaged[i] ^= 1 << bit
			_, err := k.open(at, "0", damaged)
			require.Error(t, err, "bit %d of byte %d", bit, i)
		}
		_, err := k.open(at, "0", record[:i])
		require.Error(t, err, "cut off after %d", i)
	}
	_, err := k.open(at, "0", append(record, 0))
	require.Error(t, err)
}

func FuzzOpen(f *testing.F) {
	k, at := ring(f, firstKey), place{component.KindExporter, queue, "metrics"}
	f.Add(k.seal(at, "0", []byte("x")))
	f.Add([]byte{version, 255})
	f.Fuzz(func(t *testing.T, record []byte) {
		if plain, err := k.open(at, "0", record); err == nil {
			assert.Equal(t, "x", string(plain), "forged")
		}
	})
}

func TestManyAtATime(t *testing.T) {
	e := started(t, &storetest.Memory{}, firstKey)
	write := func(i int) error {
		c, err := e.GetClient(context.Background(), component.KindExporter, queue, "metrics")
		for j := range 100 {
			key := fmt.Sprint(i, " ", j)
			get := storage.GetOperation(key)
			err = errors.Join(err, c.Set(t.Context(), key, []byte(key)), c.Batch(t.Context(), get))
			if string(get.Value) != key {
				err = errors.Join(err, fmt.Errorf("%q instead of %q", get.Value, key))
			}
		}
		return err
	}
	errs := make(chan error)
	for i := range 4 {
		go func() { errs <- write(i) }()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
}

// walkable is a storage whose clients can be walked through, as those of file_storage.
type walkable struct{ *storetest.Memory }

func (w walkable) GetClient(ctx context.Context, kind component.Kind, owner component.ID, name string) (storage.Client, error) {
	_, err := w.Memory.GetClient(ctx, kind, owner, name)
	return w, err
}

func (w walkable) Walk(ctx context.Context, visit storage.WalkFunc) error {
	var all []*storage.Operation
	for key, value := range w.Content() {
		operations, err := visit(key, value)
		if err != nil {
			return err
		}
		all = append(all, operations...)
	}
	return w.Batch(ctx, all...)
}

// BenchmarkSet and BenchmarkGet stand beside the same without encryption.
func BenchmarkSet(b *testing.B) { benchmark(b, storage.Client.Set) }

func BenchmarkGet(b *testing.B) {
	benchmark(b, func(c storage.Client, ctx context.Context, key string, _ []byte) error {
		_, err := c.Get(ctx, key)
		return err
	})
}

func benchmark(b *testing.B, do func(c storage.Client, ctx context.Context, key string, value []byte) error) {
	b.Helper()
	for name, size := range map[string]int{"1kB": 1000, "1MB": 1_000_000} {
		plain := &storetest.Memory{}
		for kind, c := range map[string]storage.Client{"plain": plain, "encrypted": open(b, &storetest.Memory{}, firstKey)} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				value := bytes.Repeat([]byte("x"), size)
				require.NoError(b, c.Set(b.Context(), "0", value))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := do(c, b.Context(), "0", value); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
