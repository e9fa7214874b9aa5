package coverage

import "testing"

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		f    Fact
		want Verdict
	}{
		{Fact{History: Recording, State: Read}, Covered},
		{Fact{History: Recording, State: Read, Gaps: 3}, Partial},
		{Fact{History: Recording, State: Partly}, Partial},
		{Fact{History: Recording, State: Unreadable}, NotCovered},
		{Fact{History: Recording, State: NotLooked}, NotCovered},
		{Fact{History: Cleared, State: Read}, NotCovered},
		{Fact{History: NotInWindows, State: Absent}, NotCovered},
		{Fact{History: Recording, State: Read, Untrusted: "clock set back"}, Untrusted},
		{Fact{}, NotCovered},
	} {
		if got := c.f.Verdict(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
}

func TestReconciles(t *testing.T) {
	if !(Counts{10, 7, 2, 1}).Reconciles() || (Counts{10, 7, 2, 0}).Reconciles() {
		t.Error("a silent loss reconciles")
	}
}
