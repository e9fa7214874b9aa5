// Package filetime names the time of Windows: 100 ns ticks since 1601-01-01
// UTC, kept as uint64 from the record to the output.
//
// Source: [MS-DTYP] 2.3.3. Zero means "not set", and values above
// 0x7FFFFFFFFFFFFFFF are invalid.
package filetime

// Unix is the number of ticks from 1601 to 1970.
const Unix = 116444736000000000

// FromUnix converts seconds since 1970 and a rest in nanoseconds. It gives 0
// for a time before 1601 or one that does not fit.
func FromUnix(sec, nsec int64) uint64 {
	const most = (1<<63 - 1) / 10000000
	if sec < -Unix/10000000 || sec > most-Unix/10000000 {
		return 0
	}
	return uint64(sec*10000000 + Unix + nsec/100)
}

// FromDOS converts the date and time words of FAT: 2 s steps, years from 1980,
// no zone. It gives 0 where a part is out of range, which is how FAT says
// "not set".
func FromDOS(date, clock uint16) uint64 {
	y, m, d := int(date>>9)+1980, int(date>>5&15), int(date&31)
	h, min, s := int(clock>>11), int(clock>>5&63), int(clock&31)*2
	return FromCivil(y, m, d, h, min, s)
}

// FromCivil converts a calendar time, or gives 0 where a part is out of range.
func FromCivil(y, m, d, h, min, s int) uint64 {
	if y < 1601 || y > 30827 || m < 1 || m > 12 || d < 1 || d > days(y, m) || h < 0 || h > 23 || min < 0 || min > 59 || s < 0 || s > 59 {
		return 0
	}
	// Days from 1601-01-01 by the civil calendar, with March as first month.
	yy, mm := y, m-3
	if m < 3 {
		yy, mm = y-1, m+9
	}
	n := yy*365 + yy/4 - yy/100 + yy/400 + (153*mm+2)/5 + d - 1
	const first = 1600*365 + 1600/4 - 1600/100 + 1600/400 + (153*10+2)/5
	return uint64(n-first)*864000000000 + uint64(h*3600+min*60+s)*10000000
}

func days(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
