// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package analysis

// Trapezoid integrates power (W) over the points within [from, to] and gives the energy (J) and the
// time (s) that they cover.
func Trapezoid(power Series, from, to float64) (joules, seconds float64) {
	points := power.Between(from, to)
	for i := 1; i < len(points); i++ {
		dt := points[i].T - points[i-1].T
		joules += dt * (points[i].V + points[i-1].V) / 2
		seconds += dt
	}
	return joules, seconds
}

// Rectangles integrates means that each cover the time since the point before: the 1 s average power.
func Rectangles(means Series, from, to float64) (joules, seconds float64) {
	points := means.Between(from, to)
	for i := 1; i < len(points); i++ {
		dt := points[i].T - points[i-1].T
		joules += dt * points[i].V
		seconds += dt
	}
	return joules, seconds
}

// Window is what a counter added between two of its updates.
type Window struct{ From, To, Joules float64 }

// Seconds is the length of the window.
func (w Window) Seconds() float64 { return w.To - w.From }

// Watts is the mean power of the window.
func (w Window) Watts() float64 { return w.Joules / w.Seconds() }

// CounterWindow is the longest window of a polled counter (J) within [from, to] that begins and ends with
// an update, so that how late the counter publishes does not count as an error. There is none if the
// counter changed less than twice.
func CounterWindow(counter Series, from, to float64) (w Window, ok bool) {
	changes := counter.Between(from, to).Changes()
	if len(changes) < 2 {
		return Window{}, false
	}
	first, last := changes[0], changes[len(changes)-1]
	return Window{From: first.T, To: last.T, Joules: last.V - first.V}, true
}

// RelativeError of a value, as a fraction of what it should be; 0 if that is 0.
func RelativeError(got, want float64) float64 {
	if want == 0 {
		return 0
	}
	return got/want - 1
}
