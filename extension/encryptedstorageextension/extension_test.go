// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package encryptedstorageextension

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/otelcol-carbon/otelcol-carbon/extension/encryptedstorageextension/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

var (
	queue     = component.MustNewID("otlp_grpc")
	inner     = component.MustNewID("file_storage")
	firstKey  = Key{ID: "first", Value: configopaque.String(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 32))))}
	secondKey = Key{ID: "second", Value: configopaque.String(hex.EncodeToString([]byte(strings.Repeat("b", 32))))}
)

// host has a storage under the name that the tests wrap.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

func started(tb testing.TB, memory storage.Extension, keys ...Key) *encryptedStorage {
	tb.Helper()
	e, err := NewFactory().Create(context.Background(), extensiontest.NewNopSettings(metadata.Type), &Config{Storage: inner, Keys: keys})
	require.NoError(tb, err)
	require.NoError(tb, e.Start(context.Background(), host{inner: memory}))
	return e.(*encryptedStorage)
}

func open(tb testing.TB, memory storage.Extension, keys ...Key) storage.Client {
	tb.Helper()
	c, err := started(tb, memory, keys...).GetClient(context.Background(), component.KindExporter, queue, "metrics")
	require.NoError(tb, err)
	return c
}

func TestWhatIsKeptIsEncrypted(t *testing.T) {
	memory := &storetest.Memory{}
	c := open(t, memory, firstKey)
	require.NoError(t, c.Set(t.Context(), "0", []byte("secret")))
	require.NoError(t, c.Batch(t.Context(), storage.SetOperation("1", []byte("secret")), storage.SetOperation("2", nil)))
	kept := memory.Content()
	for key, record := range kept {
		assert.NotContains(t, string(record), "secret", key)
		assert.Contains(t, string(record), "first", "the key's id")
	}
	assert.NotEqual(t, kept["0"][len(kept["0"])-6:], kept["1"][len(kept["1"])-6:])

	get, absent, empty := storage.GetOperation("0"), storage.GetOperation("9"), storage.GetOperation("2")
	require.NoError(t, c.Batch(t.Context(), get, storage.DeleteOperation("1"), absent, empty))
	assert.Equal(t, "secret", string(get.Value))
	assert.Nil(t, absent.Value)
	assert.NotNil(t, empty.Value)
	assert.Empty(t, empty.Value)
	for _, gone := range []string{"1", "9"} {
		value, err := c.Get(t.Context(), gone)
		require.NoError(t, err)
		assert.Nil(t, value)
	}
	require.NoError(t, c.Delete(t.Context(), "0"))
	assert.NotContains(t, memory.Content(), "0")
	require.NoError(t, c.Close(t.Context()))
	assert.Zero(t, memory.Open())
}

func TestTheCallersValueStays(t *testing.T) {
	c := open(t, &storetest.Memory{}, firstKey)
	set := storage.SetOperation("0", []byte("value"))
	require.NoError(t, c.Batch(t.Context(), set))
	assert.Equal(t, "value", string(set.Value))
}

func TestRotation(t *testing.T) {
	memory := &storetest.Memory{}
	require.NoError(t, open(t, memory, firstKey).Set(t.Context(), "0", []byte("old")))

	c := open(t, memory, secondKey, firstKey)
	value, err := c.Get(t.Context(), "0")
	require.NoError(t, err)
	assert.Equal(t, "old", string(value))
	require.NoError(t, c.Set(t.Context(), "1", []byte("new")))
	assert.Contains(t, string(memory.Content()["1"]), "second")

	_, err = started(t, walkable{memory}, secondKey).GetClient(t.Context(), component.KindExporter, queue, "metrics")
	require.ErrorContains(t, err, `record "0": key "first" encrypted it, which is not under keys`, "too early")
	require.NoError(t, c.Delete(t.Context(), "0"))
	open(t, walkable{memory}, secondKey)
}

func TestAWrongKeyIsRefusedAtTheStart(t *testing.T) {
	memory := &storetest.Memory{}
	open(t, memory, firstKey)
	before := memory.Content()
	other := firstKey
	other.Value = secondKey.Value
	_, err := started(t, memory, other).GetClient(t.Context(), component.KindExporter, queue, "metrics")
	require.ErrorContains(t, err, `: record "encrypted_storage": key "first" does not open it: it is another key than the one of that id`)
	assert.NotContains(t, err.Error(), string(other.Value))
	assert.Equal(t, before, memory.Content(), "nothing was written over")
	assert.Equal(t, 1, memory.Open(), "that of before")

	_, err = started(t, memory, secondKey).GetClient(t.Context(), component.KindExporter, queue, "metrics")
	require.ErrorContains(t, err, `key "first" encrypted it, which is not under keys`)
}

func TestRecordsFromBeforeAreRefused(t *testing.T) {
	for _, plain := range []string{"", "x", "plain text", "\x01\xff", "\x01\x02\x00\x01"} {
		memory := storetest.With(map[string][]byte{"mi": []byte(plain)})
		_, err := started(t, walkable{memory}, firstKey).GetClient(t.Context(), component.KindExporter, queue, "metrics")
		require.ErrorContains(t, err, `record "mi": is not encrypted`, "%q", plain)
		_, err = open(t, memory, firstKey).Get(t.Context(), "mi") // of a storage that cannot be walked through
		require.ErrorContains(t, err, "is not encrypted", "%q", plain)
	}
}

func TestWalk(t *testing.T) {
	memory := walkable{&storetest.Memory{}}
	walker, ok := open(t, memory, firstKey).(storage.Walker)
	require.True(t, ok)
	c := walker.(storage.Client)
	require.NoError(t, c.Batch(t.Context(), storage.SetOperation("0", []byte("a")), storage.SetOperation("1", []byte("b"))))
	seen := map[string]string{}
	get := storage.GetOperation("2")
	require.NoError(t, walker.Walk(t.Context(), func(key string, value []byte) ([]*storage.Operation, error) {
		seen[key] = string(value)
		if key == "0" {
			return []*storage.Operation{storage.DeleteOperation(key), storage.SetOperation("2", []byte("c")), get}, nil
		}
		return nil, nil
	}))
	assert.Equal(t, map[string]string{"0": "a", "1": "b"}, seen)
	assert.Equal(t, "c", string(get.Value))
	value, err := c.Get(t.Context(), "0")
	require.NoError(t, err)
	assert.Nil(t, value)

	_, plain := open(t, &storetest.Memory{}, firstKey).(storage.Walker)
	assert.False(t, plain, "only where what is wrapped can")
}

func TestStart(t *testing.T) {
	for want, test := range map[string]struct {
		config Config
		host   host
	}{
		`there is no extension "file_storage"`: {config: Config{Storage: inner, Keys: []Key{firstKey}}},
		"is no storage extension":              {config: Config{Storage: inner, Keys: []Key{firstKey}}, host: host{inner: componenttest.NewNopHost().GetExtensions()[inner]}},
		"no such file":                         {config: Config{Storage: inner, Keys: []Key{{ID: "a", File: "/nowhere"}}}, host: host{inner: &storetest.Memory{}}},
		"key: has 5 characters: must be 32":    {config: Config{Storage: inner, Keys: []Key{{ID: "a", File: file(t, "short")}}}, host: host{inner: &storetest.Memory{}}},
	} {
		e := &encryptedStorage{config: &test.config, id: component.MustNewID("encrypted_storage")}
		err := e.Start(t.Context(), test.host)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "short")
	}
	e := &encryptedStorage{config: &Config{Storage: inner}, id: component.MustNewID("encrypted_storage")}
	assert.Equal(t, []component.ID{inner}, e.Dependencies())
	_, err := e.GetClient(t.Context(), component.KindExporter, queue, "")
	require.ErrorContains(t, err, "encrypted_storage has not been started: list it before otlp_grpc")
}

func TestKeyFromFile(t *testing.T) {
	memory := &storetest.Memory{}
	require.NoError(t, open(t, memory, firstKey).Set(t.Context(), "0", []byte("value")))
	value, err := open(t, memory, Key{ID: "first", File: file(t, string(firstKey.Value)+"\n")}).Get(t.Context(), "0")
	require.NoError(t, err)
	assert.Equal(t, "value", string(value))
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestConfig(t *testing.T) {
	type m = map[string]any
	key := m{"id": "a", "value": string(firstKey.Value)}
	for want, settings := range map[string]m{
		"storage: not set":                   {"keys": []any{key}},
		"keys: empty":                        {"storage": "file_storage"},
		"keys[0]::id: has 0 bytes":           {"storage": "file_storage", "keys": []any{m{"value": string(firstKey.Value)}}},
		`keys[1]::id: "a" is another key's`:  {"storage": "file_storage", "keys": []any{key, key}},
		"keys[0]: must have one of file and": {"storage": "file_storage", "keys": []any{m{"id": "a"}}},
		"keys[0]::value: has 6 characters":   {"storage": "file_storage", "keys": []any{m{"id": "a", "value": "secret"}}},
		"nonce":                              {"storage": "file_storage", "keys": []any{key}, "nonce": 1},
	} {
		cfg := createDefaultConfig()
		err := confmap.NewFromStringMap(settings).Unmarshal(cfg)
		if err == nil {
			err = confmap.Validate(cfg)
		}
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}
