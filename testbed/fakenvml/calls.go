// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
)

// CallsEnv is the environment variable that holds the path of the file in which the library counts calls.
const CallsEnv = "FAKENVML_CALLS"

// ReadCalls is how often each function has been called since the file was created; "field:185" is a field
// of nvmlDeviceGetFieldValues. It can be read while the library writes.
func ReadCalls(path string) (map[string]uint64, error) {
	table, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]uint64{}, nil
	}
	const row, name = 64, 56
	calls := map[string]uint64{}
	for ; len(table) >= row && table[0] != 0; table = table[row:] {
		symbol, _, _ := bytes.Cut(table[:name], []byte{0})
		calls[string(symbol)] = binary.LittleEndian.Uint64(table[name:])
	}
	return calls, err
}
