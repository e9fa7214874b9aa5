package artifact

import (
	"testing"
	"time"

	"kanshiki/forensics/event"
)

func at(s string) event.Ticks {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return event.FromTime(t)
}

func TestZone(t *testing.T) {
	tokyo := Zone{Name: "Tokyo Standard Time", Bias: -540}
	// Romance Standard Time: last Sunday of March 2:00 to last Sunday of October 3:00.
	paris := Zone{Name: "Romance Standard Time", Bias: -60, Standard: Rule{Month: 10, Day: 5, Hour: 3}, Daylight: Rule{Bias: -60, Month: 3, Day: 5, Hour: 2}}
	// AUS Eastern Standard Time: first Sunday of October to first Sunday of April.
	sydney := Zone{Name: "AUS Eastern Standard Time", Bias: -600, Standard: Rule{Month: 4, Day: 1, Hour: 3}, Daylight: Rule{Bias: -60, Month: 10, Day: 1, Hour: 2}}
	for _, c := range []struct {
		z           Zone
		local, want string
	}{
		{tokyo, "2011-08-24 09:31", "2011-08-24 00:31"},
		{paris, "2011-01-10 12:00", "2011-01-10 11:00"},
		{paris, "2011-08-24 12:00", "2011-08-24 10:00"},
		{paris, "2011-03-27 03:30", "2011-03-27 01:30"},
		{paris, "2011-10-30 04:00", "2011-10-30 03:00"},
		{sydney, "2011-01-10 12:00", "2011-01-10 01:00"},
		{sydney, "2011-07-10 12:00", "2011-07-10 02:00"},
		{Zone{}, "2011-07-10 12:00", "2011-07-10 12:00"},
	} {
		got, name, assumed := c.z.UTC(at(c.local))
		if got != at(c.want) || assumed != (c.z.Name == "") || name == "" {
			t.Errorf("%s %s: %s (%s, assumed %v), want %s", c.z.Name, c.local, got, name, assumed, c.want)
		}
	}
}

func TestUserOf(t *testing.T) {
	m := Machine{Users: map[string]User{"S-1": {Name: "sato", Profile: "Users/sato"}, "S-2": {Name: "sa", Profile: "Users/sa"}}}
	if sid, u, ok := m.UserOf("USERS/Sato/AppData/x"); !ok || sid != "S-1" || u.Name != "sato" {
		t.Errorf("%s %v %v", sid, u, ok)
	}
	if _, _, ok := m.UserOf("Windows/x"); ok {
		t.Error("a system path has a user")
	}
}
