// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !(linux && cgo)

package nvml

// New makes a driver that cannot be opened: go-nvml does not compile here.
func New(string) Driver { return none{} }

type none struct{}

func (none) Open() error                        { return ErrBuiltWithout }
func (none) Close() error                       { return nil }
func (none) Version() (string, error)           { return "", ErrBuiltWithout }
func (none) Count() (int, error)                { return 0, ErrBuiltWithout }
func (none) Device(int, *Watch) (Device, error) { return nil, ErrBuiltWithout }
