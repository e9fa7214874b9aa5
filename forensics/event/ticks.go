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
	dst = append(two(two(dst, y/100), y%100), '-')
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
	switch p {
	case Milli:
		frac /= 10000
		dst = two(append(dst, '.', byte('0'+frac/100)), frac%100)
	case Micro:
		frac /= 10
		dst = two(two(two(append(dst, '.'), frac/10000), frac/100%100), frac%100)
	case Exact:
		dst = append(dst, '.', byte('0'+frac/1000000))
		dst = two(two(two(dst, frac/10000%100), frac/100%100), frac%100)
	}
	return append(dst, 'Z')
}

// Format is Append to a new string.
func (t Ticks) Format(p Precision) string { return string(t.Append(nil, p)) }

// String has all seven digits.
func (t Ticks) String() string { return t.Format(Exact) }

func two(dst []byte, n uint64) []byte { return append(dst, pairs[2*n], pairs[2*n+1]) }

const pairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// civil splits days since 1601-01-01 into a calendar date, by multiplication
// alone (Neri and Schneider, "Euclidean affine functions and their application
// to calendar algorithms", 2022): a year begins in March there, so that the day
// of a leap year is its last.
func civil(days uint64) (y, m, d uint64) {
	const sinceMarch0 = 584694 // days from 0000-03-01 to 1601-01-01
	n := 4*(days+sinceMarch0) + 3
	century := n / 146097
	p := 2939745 * (n%146097 | 3)
	ofYear := (p & (1<<32 - 1)) / 2939745 / 4
	k := 2141*ofYear + 197913
	y, m, d = 100*century+p>>32, k>>16, k&0xFFFF/2141+1
	if ofYear >= 306 {
		y, m = y+1, m-12
	}
	return y, m, d
}
