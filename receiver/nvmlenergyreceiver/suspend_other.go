// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package nvmlenergyreceiver

import "time"

func suspended() time.Duration { return 0 }
