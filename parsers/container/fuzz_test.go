package container

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// Runs of any kind, length and place, from layouts that hostile bytes made: a
// read ends, gives each byte once, and names what it could not give; ranges
// cover the medium, in order.
func FuzzDisk(f *testing.F) {
	f.Add([]byte{1, 200, 0, 3, 40, 9, 0, 255, 1, 4, 100, 7}, uint16(700), uint16(3), uint16(600))
	f.Add([]byte{2, 0, 0, 5, 255, 255, 0, 16, 64}, uint16(65535), uint16(0), uint16(65535))
	f.Add([]byte{6, 10, 1, 6, 10, 200}, uint16(300), uint16(299), uint16(2))
	file := bytes.Repeat([]byte("0123456789abcdef"), 64)
	f.Fuzz(func(t *testing.T, b []byte, size, off, n uint16) {
		if len(b) < 3 || size == 0 {
			return
		}
		parent := New(Layout{Size: 200, Span: func(_, limit int64) Span { return Span{Len: limit, Kind: Unknown} }})
		l := Layout{Size: int64(size), UnitSize: 64, Workers: 2, CacheBytes: 256,
			Span: func(off, limit int64) Span {
				x := b[int(off/16%int64(len(b)/3))*3:]
				s := Span{Len: int64(int8(x[1])) * 4, Kind: Kind(x[0] % 5), At: int64(int8(x[2])) * 8, Unit: int64(x[2]), Skip: int64(int8(x[2]))}
				switch x[0] >> 5 {
				case 1:
					s.From = bytes.NewReader(file)
				case 2:
					s.From = parent
				}
				return s
			},
			Decode: func(unit int64, dst []byte) error {
				for i := range dst {
					dst[i] = byte(unit)
				}
				if unit%3 == 2 {
					return errUnit
				}
				return nil
			}}
		d := New(l)
		defer d.Close()
		p := make([]byte, n)
		got, err := d.ReadAt(p, int64(off))
		if want := max(min(int64(n), int64(size)-int64(off)), 0); int64(got) > want || err == nil && int64(got) != int64(n) {
			t.Fatalf("%d bytes of %d, %v", got, want, err)
		}
		if e, ok := errors.AsType[*Error](err); ok {
			if e.Ranges[0].Off != int64(off)+int64(got) {
				t.Fatalf("%d bytes are good, damage from %+v", got, e.Ranges[0])
			}
			for _, r := range e.Ranges {
				lo := r.Off - int64(off)
				if !r.Kind.Bad() || r.Len < 1 || lo < 0 || lo+r.Len > int64(n) || !IsZero(p[lo:lo+r.Len]) {
					t.Fatalf("range %+v of a read of %d from %d", r, n, off)
				}
			}
		} else if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		at := int64(0)
		for r := range d.Ranges(0, int64(size)) {
			if r.Off != at || r.Len < 1 {
				t.Fatalf("range %+v at %d", r, at)
			}
			at += r.Len
		}
		if at != int64(size) {
			t.Fatalf("ranges end at %d of %d", at, size)
		}
	})
}
