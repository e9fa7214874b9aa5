package event

import "time"

// Ticks counts 100 ns since 1601-01-01 UTC, the time of Windows. Zero means
// not set. It is kept exact from the record to the output.
type Ticks uint64

const (
	unixTicks   = 116444736000000000 // 1601 to 1970
	ticksSecond = 10000000
	ticksDay    = 864000000000
	// lastTicks is 9999-12-31T23:59:59.9999999, the last time that RFC 3339
	// can write.
	lastTicks = 2650467743999999999
)

// Valid tells whether the value is a time at all: set, and writable with four
// digits of year. What is not stays as a raw number in the event's fields.
func (t Ticks) Valid() bool { return t != 0 && t <= lastTicks }

// Micros is the time in microseconds since 1970.
func (t Ticks) Micros() int64 { return (int64(t) - unixTicks) / 10 }

// FromTime converts; it gives 0 for what does not fit.
func FromTime(t time.Time) Ticks {
	s := t.Unix()
	if s < -unixTicks/ticksSecond || s > (lastTicks-unixTicks)/ticksSecond {
		return 0
	}
	return Ticks(s*ticksSecond + unixTicks + int64(t.Nanosecond())/100)
}

// Time converts to Go's time, in UTC.
func (t Ticks) Time() time.Time {
	n := int64(t) - unixTicks
	s, r := n/ticksSecond, n%ticksSecond
	return time.Unix(s, r*100).UTC()
}

// Add moves a time by a duration.
func (t Ticks) Add(d time.Duration) Ticks { return Ticks(int64(t) + int64(d)/100) }

// Sub is the duration from u to t.
func (t Ticks) Sub(u Ticks) time.Duration { return time.Duration(int64(t)-int64(u)) * 100 }

// Precision says how fine the clock's record is.
type Precision string

// The precisions.
const (
	Exact     Precision = "100ns"
	Micro     Precision = "us"
	Milli     Precision = "ms"
	Second    Precision = "s"
	TwoSecond Precision = "2s"
	Hour      Precision = "hour"
	Day       Precision = "day"
	OrderOnly Precision = "order only"
)

// Append writes RFC 3339 in UTC with the digits that the precision has.
func (t Ticks) Append(dst []byte, p Precision) []byte {
	if !t.Valid() {
		return dst
	}
	days, rest := uint64(t)/ticksDay, uint64(t)%ticksDay
	y, m, d := civil(days)
	dst = append(dst, byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10), '-')
	dst = append(two(dst, m), '-')
	dst = two(dst, d)
	if p == Day {
		return dst
	}
	sec := rest / ticksSecond
	dst = append(two(append(dst, 'T'), sec/3600), ':')
	dst = append(two(dst, sec/60%60), ':')
	dst = two(dst, sec%60)
	frac := rest % ticksSecond
	digits := 0
	switch p {
	case Milli:
		digits, frac = 3, frac/10000
	case Micro:
		digits, frac = 6, frac/10
	case Exact:
		digits = 7
	}
	if digits > 0 {
		dst = append(dst, '.')
		at := len(dst)
		for range digits {
			dst = append(dst, '0')
		}
		for i := at + digits - 1; i >= at; i-- {
			dst[i] = byte('0' + frac%10)
			frac /= 10
		}
	}
	return append(dst, 'Z')
}

// Format is Append to a new string.
func (t Ticks) Format(p Precision) string { return string(t.Append(nil, p)) }

// String has all seven digits.
func (t Ticks) String() string { return t.Format(Exact) }

func two(dst []byte, n uint64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// civil splits days since 1601-01-01 into a calendar date. Years are counted
// in cycles of 400 from 1601, so no year is special.
func civil(days uint64) (y, m, d uint64) {
	cycle := days / 146097
	days %= 146097
	century := min(days/36524, 3)
	days -= century * 36524
	four := days / 1461
	days %= 1461
	year := min(days/365, 3)
	days -= year * 365
	y = 1601 + cycle*400 + century*100 + four*4 + year
	leap := y%4 == 0 && (y%100 != 0 || y%400 == 0)
	for m = 1; m < 12; m++ {
		n := monthDays[m]
		if m == 2 && leap {
			n++
		}
		if days < n {
			break
		}
		days -= n
	}
	return y, m, days + 1
}

var monthDays = [13]uint64{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
