package problem

import (
	"fmt"
	"testing"

	"kanshiki/forensics/locator"
)

type placed struct{ off int64 }

func (p placed) Error() string { return "odd bytes" }
func (p placed) Offset() int64 { return p.off }

func TestFromTakesTheErrorsOffset(t *testing.T) {
	p := From(locator.Locator{Exhibit: "a", Offset: 3}, Malformed, Lost, fmt.Errorf("record 7: %w", placed{0x80}))
	if p.At.Offset != 0x80 || p.Found != "record 7: odd bytes" {
		t.Errorf("%+v", p)
	}
}

func TestSortedIsTheSameWhoeverReportsFirst(t *testing.T) {
	a := Problem{Source: "a", Kind: Malformed}
	b := Problem{Source: "b", Kind: Malformed}
	var x, y List
	x.Report(a)
	x.Report(b)
	x.Report(a)
	y.Report(b)
	y.Report(a)
	gx, gy := x.Sorted(), y.Sorted()
	if len(gx) != 2 || len(gy) != 2 || gx[0] != gy[0] || gx[1] != gy[1] {
		t.Errorf("%v and %v", gx, gy)
	}
}
