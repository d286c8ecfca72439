// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package sensor

import "errors"

func openEvent(uint32, uint64, int) (Event, error) { return nil, errors.ErrUnsupported }
