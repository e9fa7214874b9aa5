package trace

import "testing"

func TestIntervals(t *testing.T) {
	if got := Exactly(5).Add(Interval{1, Unbounded}); got != (Interval{6, Unbounded}) {
		t.Errorf("sum %v", got)
	}
	if got, ok := (Interval{5, 10}).Meet(Interval{8, Unbounded}); !ok || got != (Interval{8, 10}) {
		t.Errorf("meet %v %v", got, ok)
	}
	if _, ok := (Interval{5, 10}).Meet(Interval{11, 20}); ok {
		t.Error("contradicting witnesses met")
	}
	if got := Exactly(7).Part(); got != (Interval{0, 7}) {
		t.Errorf("part %v", got)
	}
	if got := Capacity(1<<40, 1<<40); got != anything() {
		t.Errorf("capacity %v", got)
	}
	if got := Capacity(100, 60); got != (Interval{0, 6000}) {
		t.Errorf("capacity %v", got)
	}
}

func TestGradesOnlyFall(t *testing.T) {
	for g, want := range map[Grade]Grade{Proven: Supported, Supported: Possible, Possible: Possible, CannotKnow: CannotKnow} {
		if g.Lower() != want {
			t.Errorf("%s lowered to %s", g, g.Lower())
		}
	}
}
