// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
)

// diary counts what was skipped of a GPU, and logs each change of what troubles it once.
type diary struct {
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	// troubles holds, for each thing that cannot be read, the reason that was logged.
	troubles map[string]metadata.AttributeReason
	disagree bool
}

func newDiary(c *common, id string) *diary {
	return &diary{
		logger: c.logger.With(zap.String("hw.id", id)), telemetry: c.telemetry,
		troubles: map[string]metadata.AttributeReason{},
	}
}

// energy and power are what a reading is made of.
const (
	energy = "energy"
	power  = "power"
)

// reading notes what became of a reading of energy.
func (d *diary) reading(r meter.Reading, o meter.Outcome, source meter.Source) {
	shown := zap.Uint64("counter_mJ", r.Raw)
	switch reason := outcomeReason(o.Counter); {
	case r.CounterErr != nil:
		d.note(energy, r.CounterErr)
	case reason == 0:
		d.note(energy, nil)
	case reason == metadata.AttributeReasonImplausible:
		d.skip(reason)
		if d.changed(energy, reason) {
			d.logger.Warn("the energy counter of a GPU shows what it cannot have drawn: no energy of it until it makes sense", shown)
		}
	default:
		d.skip(reason)
		d.changed(energy, 0)
		d.logger.Warn(surprises[reason], shown)
	}
	if r.Power() && (source != meter.Counter || !meter.Unsupported(r.PowerErr)) {
		d.note(power, r.PowerErr)
	}
	if o.Gap {
		d.skip(metadata.AttributeReasonGap)
	}
	switch {
	case o.From == source:
	case o.From != meter.None:
		d.logger.Warn("energy of a GPU comes from another source now", shown, zap.Stringer("from", o.From), zap.Stringer("source", source))
	case source != meter.Counter:
		d.logger.Info("GPU has no energy counter: its energy is integrated from its power", zap.Stringer("source", source))
	}
}

var surprises = map[metadata.AttributeReason]string{
	metadata.AttributeReasonRebased: "the energy counter of a GPU has jumped, and counts on from there; the jump itself was not counted",
	metadata.AttributeReasonReset:   "the energy counter of a GPU has started again at 0; what it drew between the last reading and that is not known",
}

// note takes the outcome of a call.
func (d *diary) note(what string, err error) {
	if err == nil {
		if d.changed(what, 0) {
			d.logger.Info("GPU can be read again", zap.String("what", what))
		}
		return
	}
	reason := reasonOf(err)
	news := d.changed(what, reason)
	if news {
		d.logger.Warn("GPU cannot be read", zap.String("what", what), zap.Error(err))
	}
	if news || reason != metadata.AttributeReasonUnsupported { // which is for good
		d.skip(reason)
	}
}

func (d *diary) lost() {
	d.logger.Warn("GPU is lost: no points of it until it is back")
}

// disagreement warns when counter and power come to differ by more than a tenth.
func (d *diary) disagreement(ratio float64, _ bool) {
	const tolerated = 0.1
	disagree := math.Abs(ratio) > tolerated
	if disagree != d.disagree {
		d.disagree = disagree
		if disagree {
			d.logger.Warn("the energy counter of a GPU and its power disagree; see the README on calibration", zap.Float64("ratio", ratio))
		} else {
			d.logger.Info("the energy counter of a GPU and its power agree again", zap.Float64("ratio", ratio))
		}
	}
}

func (d *diary) skip(reason metadata.AttributeReason) {
	d.telemetry.NvmlenergyReadingsSkipped.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", reason.String())))
}

// changed notes a reason, 0 for none, and says if that is news.
func (d *diary) changed(what string, reason metadata.AttributeReason) bool {
	before := d.troubles[what]
	d.troubles[what] = reason
	return before != reason
}
