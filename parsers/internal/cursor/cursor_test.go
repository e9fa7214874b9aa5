package cursor

import (
	"errors"
	"math"
	"testing"
)

func TestReadsInOrder(t *testing.T) {
	c := New([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	if got := c.U8("a"); got != 1 {
		t.Errorf("U8 = %d", got)
	}
	if got := c.U16("b"); got != 0x0302 {
		t.Errorf("U16 = %#x", got)
	}
	if got := c.U32("c"); got != 0x07060504 {
		t.Errorf("U32 = %#x", got)
	}
	if got := c.U64("d"); got != 0x0f0e0d0c0b0a0908 {
		t.Errorf("U64 = %#x", got)
	}
	if c.Err() != nil || c.Left() != 0 {
		t.Errorf("err %v, left %d", c.Err(), c.Left())
	}
}

func TestStaysAtTheFirstError(t *testing.T) {
	c := At([]byte{1, 2, 3}, 0x100)
	c.Skip(2, "head")
	if got := c.U32("length"); got != 0 {
		t.Errorf("U32 past the end = %d", got)
	}
	if got := c.U8("next"); got != 0 {
		t.Errorf("read after an error = %d", got)
	}
	if c.Left() != 0 {
		t.Errorf("%d bytes left after an error: a loop over them would not end", c.Left())
	}
	var e *Error
	if !errors.As(c.Err(), &e) || e.Offset() != 0x102 {
		t.Fatalf("error %v, want one at 0x102", c.Err())
	}
}

func TestRefusesNegativeAndFarPlaces(t *testing.T) {
	for _, n := range []int{-1, 4, math.MaxInt} {
		c := New([]byte{1, 2, 3})
		if b := c.Take(n, "x"); b != nil || c.Err() == nil {
			t.Errorf("Take(%d) = %v, %v", n, b, c.Err())
		}
		c = New([]byte{1, 2, 3})
		if c.Seek(n, "x"); c.Err() == nil {
			t.Errorf("Seek(%d) accepted", n)
		}
	}
}

func TestAddBase(t *testing.T) {
	var e *Error
	if err := AddBase(Errorf(4, "x"), 0x1000); !errors.As(err, &e) || e.Off != 0x1004 {
		t.Errorf("moved to %v", err)
	}
}
