package locator

import "testing"

func TestPrintsAndParses(t *testing.T) {
	for _, l := range []Locator{
		{},
		{Exhibit: "pc-1", Volume: 2, Snapshot: 3, Entry: 1<<48 - 1, Sequence: 65535, Stream: "a/b%c", Inner: `ROOT\Run/é`, Offset: -1},
	} {
		got, err := Parse(l.String())
		if err != nil || got != l {
			t.Errorf("%v: %v, %v", l, got, err)
		}
	}
	for _, s := range []string{"", "a/1.0/2-3/s/i", "a/1/2-3///0", "a/1.0/2-70000///0", "a/1.0/2-3///x", "%zz/1.0/2-3///0"} {
		if _, err := Parse(s); err == nil {
			t.Errorf("%q parsed", s)
		}
	}
}
