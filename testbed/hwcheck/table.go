// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
)

// table is one measurement's CSV.
type table struct {
	file *os.File
	csv  *csv.Writer
}

func newTable(dir, name string, columns ...string) (*table, error) {
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	t := &table{file, csv.NewWriter(file)}
	return t, t.csv.Write(columns)
}

// add writes a row of strings and numbers. An error stays, and close has it.
func (t *table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		switch c := cell.(type) {
		case string:
			row[i] = c
		case float64:
			row[i] = strconv.FormatFloat(c, 'g', 9, 64)
		case int:
			row[i] = strconv.Itoa(c)
		case uint64:
			row[i] = strconv.FormatUint(c, 10)
		}
	}
	_ = t.csv.Write(row)
}

func (t *table) close() error {
	t.csv.Flush()
	if err := t.csv.Error(); err != nil {
		_ = t.file.Close()
		return err
	}
	return t.file.Close()
}
