// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package encryptedstorageextension

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// client encrypts values. Keys stay as they are: those of queues are numbers, of nvmlenergy UUIDs of GPUs.
type client struct {
	inner storage.Client
	keys  *keyring
	place place
}

// probe is the key of a record that is only there to tell whether the keys are the right ones.
const probe = "encrypted_storage"

// check opens the probe, or leaves one where nothing is.
func (c *client) check(ctx context.Context) error {
	record, err := c.inner.Get(ctx, probe)
	if err != nil {
		return err
	}
	if record != nil {
		if _, err := c.keys.open(c.place, probe, record); err != nil {
			return err
		}
	}
	if walker, ok := c.inner.(storage.Walker); ok {
		// Records of keys that are gone, or from before there were keys.
		err := walker.Walk(ctx, func(key string, record []byte) ([]*storage.Operation, error) {
			if _, err := c.keys.keyOf(record); err != nil {
				return nil, fmt.Errorf("record %q: %w", key, err)
			}
			return nil, nil
		})
		if err != nil {
			return err
		}
	}
	return c.Set(ctx, probe, nil)
}

func (c *client) Get(ctx context.Context, key string) ([]byte, error) {
	record, err := c.inner.Get(ctx, key)
	if err != nil || record == nil {
		return nil, err
	}
	return c.keys.open(c.place, key, record)
}

func (c *client) Set(ctx context.Context, key string, value []byte) error {
	return c.inner.Set(ctx, key, c.keys.seal(c.place, key, value))
}

func (c *client) Delete(ctx context.Context, key string) error { return c.inner.Delete(ctx, key) }

func (c *client) Batch(ctx context.Context, operations ...*storage.Operation) error {
	sealed := c.seal(operations)
	if err := c.inner.Batch(ctx, sealed...); err != nil {
		return err
	}
	return c.open(operations, sealed)
}

func (c *client) Close(ctx context.Context) error { return c.inner.Close(ctx) }

// seal is operations with encrypted values, in copies: the values are the caller's.
func (c *client) seal(operations []*storage.Operation) []*storage.Operation {
	sealed := make([]*storage.Operation, len(operations))
	for i, o := range operations {
		sealed[i] = &storage.Operation{Type: o.Type, Key: o.Key}
		if o.Type == storage.Set {
			sealed[i].Value = c.keys.seal(c.place, o.Key, o.Value)
		}
	}
	return sealed
}

// open puts what was got into the caller's operations.
func (c *client) open(operations, sealed []*storage.Operation) (err error) {
	for i, o := range operations {
		if o.Type != storage.Get {
			continue
		}
		o.Value = nil
		if sealed[i].Value == nil {
			continue
		}
		if o.Value, err = c.keys.open(c.place, o.Key, sealed[i].Value); err != nil {
			return err
		}
	}
	return nil
}

// walkingClient is one whose storage can be walked through.
type walkingClient struct {
	*client

	walker storage.Walker
}

var _ storage.Walker = (*walkingClient)(nil)

// Walk shows all records but the probe.
func (c *walkingClient) Walk(ctx context.Context, visit storage.WalkFunc) error {
	var asked, sealed []*storage.Operation
	err := c.walker.Walk(ctx, func(key string, record []byte) ([]*storage.Operation, error) {
		if key == probe {
			return nil, nil
		}
		value, err := c.keys.open(c.place, key, record)
		if err != nil {
			return nil, err
		}
		operations, err := visit(key, value)
		asked = append(asked, operations...)
		now := c.seal(operations)
		sealed = append(sealed, now...)
		return now, err
	})
	if err != nil {
		return err
	}
	return c.open(asked, sealed)
}
