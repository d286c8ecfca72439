// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package analysis

// Step is how a sensor follows a sudden change of load. Times are in seconds.
type Step struct {
	// Delay from the change until half of it shows.
	Delay float64
	// Rise from a tenth of the change to nine tenths.
	Rise float64
}

// StepResponse of a sensor to a change at the time edge. The values before and after are those at the
// ends of the series within [from, to]. There is none if they differ by less than least, or if the
// sensor does not get there.
func StepResponse(sensor Series, edge, from, to, least float64) (step Step, ok bool) {
	before, after := sensor.Between(from, edge), sensor.Between(edge, to)
	if len(before) == 0 || len(after) < 2 {
		return Step{}, false
	}
	low, high := mean(tail(before)), mean(tail(after))
	if max(high-low, low-high) < least {
		return Step{}, false
	}
	reached := func(share float64) (float64, bool) {
		for _, p := range after {
			if (p.V-low)/(high-low) >= share {
				return p.T, true
			}
		}
		return 0, false
	}
	t10, ok10 := reached(0.1)
	t50, ok50 := reached(0.5)
	t90, ok90 := reached(0.9)
	return Step{Delay: t50 - edge, Rise: t90 - t10}, ok10 && ok50 && ok90
}

// tail is the last quarter, where the sensor has settled.
func tail(s Series) Series { return s[len(s)-(len(s)+3)/4:] }

func mean(s Series) float64 {
	var sum float64
	for _, p := range s {
		sum += p.V / float64(len(s))
	}
	return sum
}

// Rate is the power between the updates of a polled counter, each at the time of the later one.
func Rate(counter Series) Series {
	changes := counter.Changes()
	var power Series
	for i := 1; i < len(changes); i++ {
		power = append(power, Point{changes[i].T, (changes[i].V - changes[i-1].V) / (changes[i].T - changes[i-1].T)})
	}
	return power
}
