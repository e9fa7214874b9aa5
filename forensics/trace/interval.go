package trace

import "math"

// Interval is how many bytes, at least and at most. A Hi of Unbounded means
// that no witness gives an upper bound.
type Interval struct{ Lo, Hi int64 }

// Unbounded is the upper end that nothing bounds.
const Unbounded = math.MaxInt64

// Exactly is the interval of a witness that counted.
func Exactly(n int64) Interval { return Interval{n, n} }

// Nothing known of a channel.
func anything() Interval { return Interval{0, Unbounded} }

// Add is the sum of two spans of one channel.
func (a Interval) Add(b Interval) Interval {
	return Interval{addBounded(a.Lo, b.Lo), addBounded(a.Hi, b.Hi)}
}

func addBounded(a, b int64) int64 {
	if a > Unbounded-b {
		return Unbounded
	}
	return a + b
}

// Meet is what two witnesses of the same bytes allow together; false says that
// they contradict each other, which is a finding and never an average.
func (a Interval) Meet(b Interval) (Interval, bool) {
	c := Interval{max(a.Lo, b.Lo), min(a.Hi, b.Hi)}
	return c, c.Lo <= c.Hi
}

// Part is what a record contributes when only a part of its time lies in the
// span asked for: anything from nothing to all of it.
func (a Interval) Part() Interval { return Interval{0, a.Hi} }

// Capacity bounds hours without a record: the link's bytes a second times the
// seconds that the machine was up.
func Capacity(bytesPerSecond, seconds int64) Interval {
	if seconds > 0 && bytesPerSecond > Unbounded/seconds {
		return anything()
	}
	return Interval{0, bytesPerSecond * seconds}
}

// Room is what an object of n bytes needs on a channel: at least what
// compression may make of it (ratio percent of n), at most n with the
// channel's overhead (percent on top).
func Room(n int64, ratioPercent, overheadPercent int64) Interval {
	return Interval{n / 100 * ratioPercent, addBounded(n, n/100*overheadPercent)}
}
