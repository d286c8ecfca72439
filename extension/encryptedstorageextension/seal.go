// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package encryptedstorageextension

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/component"
)

// version is the first byte of a record. The length of the key's id, the id, the nonce, the cipher text and its tag follow.
const version = 1

// keyring encrypts with the first of its keys and decrypts with each: AES-256-GCM (NIST SP 800-38D) with random nonces of 96
// bits, which allow 2^32 records for each key (section 8.3): at 100 a second 16 months.
type keyring struct {
	first string
	keys  map[string]cipher.AEAD
}

func newKeyring(configs []Key) (*keyring, error) {
	k := &keyring{keys: map[string]cipher.AEAD{}}
	for i, config := range configs {
		key, err := config.load()
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if k.keys[config.ID], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	k.first = configs[0].ID
	return k, nil
}

// place is where a record belongs. It is authenticated, so that no record can be put in another's place.
type place struct {
	kind  component.Kind
	owner component.ID
	name  string
}

func (p place) data(header []byte, key string) []byte {
	data := append([]byte{}, header...)
	for _, part := range []string{p.kind.String(), p.owner.String(), p.name, key} {
		data = binary.AppendUvarint(data, uint64(len(part)))
		data = append(data, part...)
	}
	return data
}

func (k *keyring) seal(p place, key string, plain []byte) []byte {
	aead := k.keys[k.first]
	header := append([]byte{version, byte(len(k.first))}, k.first...)
	record := make([]byte, len(header)+aead.NonceSize(), len(header)+aead.NonceSize()+len(plain)+aead.Overhead())
	copy(record, header)
	nonce := record[len(header):]
	_, _ = rand.Read(nonce) // ends the program if there is no randomness
	return aead.Seal(record, nonce, plain, p.data(header, key))
}

// open refuses what was changed, moved, or never encrypted.
func (k *keyring) open(p place, key string, record []byte) ([]byte, error) {
	id, err := k.keyOf(record)
	if err != nil {
		return nil, fmt.Errorf("record %q: %w", key, err)
	}
	aead := k.keys[id]
	header, rest := record[:2+len(id)], record[2+len(id):]
	if len(rest) < aead.NonceSize()+aead.Overhead() {
		return nil, fmt.Errorf("record %q: has %d bytes: was cut off", key, len(record))
	}
	nonce, sealed := rest[:aead.NonceSize()], rest[aead.NonceSize():]
	plain, err := aead.Open(make([]byte, 0, len(sealed)), nonce, sealed, p.data(header, key))
	if err != nil {
		return nil, fmt.Errorf("record %q: key %q does not open it: it is another key than the one of that id, or the record was changed or moved", key, id)
	}
	return plain, nil
}

var errPlain = errors.New("is not encrypted: it is from before; remove the records, or drain them without encrypted_storage first")

// keyOf is the id of the key that encrypted a record.
func (k *keyring) keyOf(record []byte) (string, error) {
	if len(record) < 2 || record[0] != version || len(record) < 2+int(record[1]) {
		return "", errPlain
	}
	id := string(record[2 : 2+int(record[1])])
	if _, ok := k.keys[id]; !ok {
		if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) {
			return "", errPlain
		}
		return "", fmt.Errorf("key %q encrypted it, which is not under keys", id)
	}
	return id, nil
}
