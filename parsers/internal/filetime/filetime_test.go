package filetime

import (
	"testing"
	"time"
)

func TestFromCivilAgreesWithTime(t *testing.T) {
	for _, s := range []string{"1601-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2000-02-29T12:34:56Z", "2011-08-24T00:31:07Z", "2100-03-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		w, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		want := FromUnix(w.Unix(), 0)
		if got := FromCivil(w.Year(), int(w.Month()), w.Day(), w.Hour(), w.Minute(), w.Second()); got != want {
			t.Errorf("%s: %d, want %d", s, got, want)
		}
	}
}

func TestKnownValue(t *testing.T) {
	// [MS-DTYP]: 1970-01-01 is 116444736000000000 ticks after 1601.
	if FromUnix(0, 0) != 116444736000000000 || FromUnix(1, 500) != 116444736010000005 {
		t.Error("Unix epoch")
	}
}

func TestImpossibleIsUnset(t *testing.T) {
	if FromDOS(0, 0) != 0 || FromCivil(2011, 2, 29, 0, 0, 0) != 0 || FromUnix(1<<62, 0) != 0 || FromUnix(-1<<62, 0) != 0 {
		t.Error("an impossible time got a value")
	}
	// 2011-08-24 09:31:08
	if got, want := FromDOS((2011-1980)<<9|8<<5|24, 9<<11|31<<5|4), FromCivil(2011, 8, 24, 9, 31, 8); got != want {
		t.Errorf("DOS time %d, want %d", got, want)
	}
}
