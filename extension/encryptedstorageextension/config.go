// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package encryptedstorageextension

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
)

// Config says what keeps the records, and the keys.
type Config struct {
	// Storage is the storage extension that is wrapped.
	Storage component.ID `mapstructure:"storage"`
	// Keys encrypt (the first one) and decrypt (all).
	Keys []Key `mapstructure:"keys"`
}

// Key is 32 random bytes in base64 or hexadecimal digits, either in a file or as a value.
type Key struct {
	// ID is written into each record that the key encrypts, in plain text. It must never name another key.
	ID    string              `mapstructure:"id"`
	File  string              `mapstructure:"file"`
	Value configopaque.String `mapstructure:"value"`
}

const (
	keyBytes   = 32 // AES-256
	maxIDBytes = 255
)

func createDefaultConfig() component.Config { return &Config{} }

// Validate names the key of the configuration that is wrong, and never what it holds.
func (c *Config) Validate() error {
	var errs []error
	if c.Storage == (component.ID{}) {
		errs = append(errs, errors.New("storage: not set: name the storage extension that keeps the records, such as file_storage"))
	}
	if len(c.Keys) == 0 {
		errs = append(errs, errors.New("keys: empty: the first one encrypts; make one with: openssl rand -base64 32"))
	}
	seen := map[string]bool{}
	for i, k := range c.Keys {
		name := fmt.Sprintf("keys[%d]", i)
		switch {
		case k.ID == "" || len(k.ID) > maxIDBytes:
			errs = append(errs, fmt.Errorf("%s::id: has %d bytes: must have from 1 to %d", name, len(k.ID), maxIDBytes))
		case seen[k.ID]:
			errs = append(errs, fmt.Errorf("%s::id: %q is another key's: each must have its own", name, k.ID))
		}
		seen[k.ID] = true
		switch {
		case (k.File == "") == (k.Value == ""):
			errs = append(errs, fmt.Errorf("%s: must have one of file and value", name))
		case k.Value != "":
			if _, err := parseKey(string(k.Value)); err != nil {
				errs = append(errs, fmt.Errorf("%s::value: %w", name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// load is the key itself. Errors do not tell what was read.
func (k Key) load() ([]byte, error) {
	if k.File == "" {
		return parseKey(string(k.Value))
	}
	text, err := os.ReadFile(k.File)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.File, err)
	}
	return key, nil
}

func parseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != keyBytes {
		key, err = hex.DecodeString(text)
	}
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("has %d characters: must be %d bytes, as 44 characters of base64 or 64 hexadecimal digits; make it with: openssl rand -base64 32", len(text), keyBytes)
	}
	return key, nil
}
