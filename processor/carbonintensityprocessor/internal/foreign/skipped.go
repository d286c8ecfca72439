// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

// Why a foreign point was not, or not wholly, made energy of ours.
const (
	// Repeated: the same device again, as for each MIG instance and each pod on a GPU.
	Repeated = "repeated"
	// OtherSource: a preferred source reports the device.
	OtherSource = "other_source"
	// Gap: more than max_gap since the last reading of a power. What was drawn meanwhile is not known.
	Gap = "gap"
	// OutOfOrder: a reading older than the last of its stream.
	OutOfOrder = "out_of_order"
	// Fell: a counter fell and did not say since when it counts.
	Fell = "restarted"
	// BadValue: negative, not a number, more than can be, or without a time.
	BadValue = "value"
	// WrongType: a delta, or a sum that may fall, or no number at all.
	WrongType = "type"
	// WrongUnit: the metric arrives in another unit than the rule says.
	WrongUnit = "unit"
	// NoIdentity: a label is missing that tells the device.
	NoIdentity = "no_identity"
	// StreamLimit: there are more streams or devices than max_streams.
	StreamLimit = "stream_limit"
)

// Reasons are all reasons.
func Reasons() []string {
	return []string{Repeated, OtherSource, Gap, OutOfOrder, Fell, BadValue, WrongType, WrongUnit, NoIdentity, StreamLimit}
}

// Skipped is told how many points of a foreign metric were left out, and why. It is called without a lock held.
type Skipped func(reason, metric string, points int)

// skips are the calls of Skipped that a resource will cause.
type skips map[pair]int

func (s skips) add(reason, metric string) { s[pair{reason, metric}]++ }

func (s skips) tell(skipped Skipped) {
	for why, points := range s {
		skipped(why.key, why.value, points)
	}
}
