// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import "go.opentelemetry.io/collector/pdata/pcommon"

// siblings are the output streams of one input, one for each provenance that its emissions have had. Their
// sum is the total. Most have one or two; more are kept apart.
type siblings [2]sibling

// maxSiblings is how many a stream can have: more provenances than a chain of three providers makes.
const maxSiblings = 16

// moreSiblings are those of a stream that has had many.
type moreSiblings struct {
	siblings [maxSiblings - len(siblings{})]sibling
	seen     int64 // as the account's
}

// sibling is an output stream.
type sibling struct {
	class class // 0 if there is none
	told  bool
	start pcommon.Timestamp // of the first interval that was booked to it
	grams float64
}

// find returns the sibling of a class, or the place for it; nil if there is neither.
func find(among []sibling, c class) *sibling {
	for i := range among {
		if s := &among[i]; s.class == c || s.class == 0 {
			return s
		}
	}
	return nil
}

// add books grams to a class, from a time on if it is new.
func (s *sibling) add(c class, start pcommon.Timestamp, grams float64) {
	if s.class == 0 {
		s.class, s.start = c, start
	}
	s.grams += grams
}
