// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// statusHost tells the collector how the receiver is, for its health check. A machine without a GPU is
// healthy: the same configuration runs on all nodes.
type statusHost struct{ component.Host }

func (h statusHost) problem(err error) {
	switch {
	case errors.Is(err, nvml.LibraryMismatch):
		// A process stays with the library that it has loaded.
		componentstatus.ReportStatus(h.Host, componentstatus.NewPermanentErrorEvent(err))
	case errors.Is(err, errAllLost):
		componentstatus.ReportStatus(h.Host, componentstatus.NewRecoverableErrorEvent(err))
	}
}

func (h statusHost) fine() {
	componentstatus.ReportStatus(h.Host, componentstatus.NewEvent(componentstatus.StatusOK))
}
