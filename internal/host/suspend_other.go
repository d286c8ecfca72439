// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package host

import "time"

// Suspended is not known here.
func Suspended() time.Duration { return 0 }
