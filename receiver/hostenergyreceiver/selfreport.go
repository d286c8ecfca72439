// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// tellItself logs once what was found, and keeps the receiver's own telemetry.
func (s *hostScraper) tellItself(ctx context.Context) {
	if !s.introduced {
		s.introduced = true
		selfreport.Log(s.logger, s.rows())
	}
	if s.bmc != nil {
		if what := s.bmc.What(); what != s.asked {
			s.asked = what
			s.logger.Info("the BMC tells the power of the machine; set bmc::redfish::chassis if it is another", zap.String("of", what))
		}
	}
	s.tellUncertainty(ctx, metadata.AttributeHwTypeCPU, s.ladder.cpu.Uncertainty())
	if m := s.ladder.memory; m != nil && m.Idle() > 0 {
		s.tellUncertainty(ctx, metadata.AttributeHwTypeMemory, m.Uncertainty())
	}
	idle, _ := s.ladder.cpu.Idle()
	s.telemetry.HostenergyCPUIdlePower.Record(ctx, idle)
	if table, fitted, ok := s.ladder.cpu.Error(); ok {
		s.telemetry.HostenergyModelError.Record(ctx, table, metric.WithAttributes(attribute.String("model", "table")))
		s.telemetry.HostenergyModelError.Record(ctx, fitted, metric.WithAttributes(attribute.String("model", "calibrated")))
	}
	if s.attribution == nil {
		return
	}
	imbalance := int64(0)
	for _, d := range s.ladder.devices {
		if d.ledger != nil {
			imbalance += d.ledger.Imbalance()
		}
	}
	s.telemetry.HostenergyAttributionImbalance.Record(ctx, float64(imbalance)/1000)
	s.telemetry.HostenergyWorkloads.Record(ctx, int64(len(s.attribution.slots)))
}

func (s *hostScraper) tellUncertainty(ctx context.Context, of metadata.AttributeHwType, uncertainty float64) {
	s.telemetry.HostenergyModelUncertainty.Record(ctx, uncertainty, metric.WithAttributes(attribute.String("hw.type", of.String())))
}

// rows are what was looked for, what was found, and how to get the rest.
func (s *hostScraper) rows() []selfreport.Row {
	rows := append([]selfreport.Row{}, s.ladder.rows...)
	rows = append(rows, s.bmcRow())
	estimates := selfreport.Row{What: "model of the CPU", State: selfreport.Spare, Detail: s.ladder.cpu.Describe()}
	if !s.ladder.measured {
		estimates.State = selfreport.Used
		estimates.Remedy = "see above how to have it measured; where that cannot be, name the CPU in model::cpu, or set model::idle_power_per_cpu and model::max_power_per_cpu"
	}
	rows = append(rows, estimates)
	if m := s.ladder.memory; m != nil {
		row := selfreport.Row{What: "model of the memory", State: selfreport.Used, Detail: m.Describe()}
		switch {
		case m.Idle() == 0:
			row.State = selfreport.Absent
		case s.ladder.finds(sensor.DRAM):
			row.State = selfreport.Spare
		}
		rows = append(rows, row)
	}
	if s.attribution == nil {
		return append(rows, selfreport.Row{What: "who used it", State: selfreport.Off, Detail: "attribution::enabled is false"})
	}
	return append(rows, s.attribution.tracker.Report()...)
}

func (s *hostScraper) bmcRow() selfreport.Row {
	row := selfreport.Row{What: "BMC", State: selfreport.Off, Detail: "neither bmc::ipmi nor bmc::redfish is set"}
	if s.bmc == nil {
		return row
	}
	row.State, row.Detail = selfreport.Used, "asked each "+s.cfg.BMC.Interval.String()+" for the power of the whole machine"
	if what := s.bmc.What(); what != "" {
		row.Detail += ", which is that of " + what
	}
	if err := s.bmc.Problem(); err != nil {
		row.State, row.Detail = selfreport.Refused, err.Error()
		row.Remedy = "check endpoint, username and password, and that the BMC may be reached from here; for /dev/ipmi0: modprobe ipmi_devintf, and access to the device"
	}
	return row
}
