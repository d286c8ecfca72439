// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !(linux && cgo)

package nvmlenergyreceiver

func newDriver(string) driver { return noDriver{} }

// noDriver stands in where go-nvml does not compile.
type noDriver struct{}

func (noDriver) open() error                { return errBuiltWithout }
func (noDriver) close() error               { return nil }
func (noDriver) count() (int, error)        { return 0, errBuiltWithout }
func (noDriver) device(int) (device, error) { return nil, errBuiltWithout }
