package artifact

import (
	"strings"
	"time"

	"kanshiki/forensics/event"
)

// Machine is what the evidence says of the machine it is from; it is read
// before the artifacts that need it. The zero value knows nothing.
type Machine struct {
	Name       string // ComputerName
	Product    string // "Windows 7 Professional"
	Version    string // "6.1"
	Build      int
	Installed  event.Ticks
	Zone       Zone
	ControlSet int // number of the current one, 0 where not known
	Users      map[string]User
	Shutdown   event.Ticks
}

// User is an account of the machine.
type User struct {
	Name    string
	Profile string // from the volume's root, "/" between names: "Users/sato"
	Roaming bool   // central profile: records of it may be from another machine
}

// Zone is the machine's time zone as the registry has it.
type Zone struct {
	Name     string // "Tokyo Standard Time"; "" where not known, and then UTC is assumed
	Bias     int    // minutes: UTC = local + bias
	Standard Rule
	Daylight Rule
}

// Rule is a change between standard and daylight time: a SYSTEMTIME whose year
// is 0 means "the Nth weekday of that month, every year".
type Rule struct {
	Bias                                            int // minutes, added to the zone's
	Year, Month, Weekday, Day, Hour, Minute, Second int
}

// Known tells whether the zone was read.
func (z Zone) Known() bool { return z.Name != "" }

// UTC converts a local time. It returns the zone's name for the event, and
// whether the zone was assumed. In the hour that daylight time repeats, the
// first pass (daylight) is taken.
func (z Zone) UTC(local event.Ticks) (utc event.Ticks, name string, assumed bool) {
	if !local.Valid() {
		return 0, z.label(), !z.Known()
	}
	bias := z.Bias + z.Standard.Bias
	if z.daylight(local) {
		bias = z.Bias + z.Daylight.Bias
	}
	return local.Add(time.Duration(bias) * time.Minute), z.label(), !z.Known()
}

func (z Zone) label() string {
	if z.Known() {
		return z.Name
	}
	return "UTC"
}

func (z Zone) daylight(local event.Ticks) bool {
	if z.Daylight.Month == 0 || z.Standard.Month == 0 || z.Daylight.Bias == z.Standard.Bias {
		return false
	}
	t := local.Time()
	begin, end := z.Daylight.in(t.Year()), z.Standard.in(t.Year())
	if begin.Before(end) {
		return !t.Before(begin) && t.Before(end)
	}
	return !t.Before(begin) || t.Before(end) // southern summer
}

// in is the moment of the change in a year, in local time.
func (r Rule) in(year int) time.Time {
	if r.Year != 0 {
		return time.Date(year, time.Month(r.Month), r.Day, r.Hour, r.Minute, r.Second, 0, time.UTC)
	}
	first := time.Date(year, time.Month(r.Month), 1, r.Hour, r.Minute, r.Second, 0, time.UTC)
	day := 1 + (r.Weekday-int(first.Weekday())+7)%7 + (r.Day-1)*7
	for day > 28 && time.Date(year, time.Month(r.Month), day, 0, 0, 0, 0, time.UTC).Month() != time.Month(r.Month) {
		day -= 7 // "the fifth" means the last
	}
	return time.Date(year, time.Month(r.Month), day, r.Hour, r.Minute, r.Second, 0, time.UTC)
}

// UserOf finds the account whose profile holds a path from the volume's root.
func (m *Machine) UserOf(path string) (sid string, u User, ok bool) {
	for s, u := range m.Users {
		if n := len(u.Profile); n > 0 && len(path) > n && path[n] == '/' && strings.EqualFold(path[:n], u.Profile) && (!ok || s < sid) {
			sid, ok = s, true
		}
	}
	return sid, m.Users[sid], ok
}
