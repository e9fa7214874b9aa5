package textlog

import (
	"bytes"
	"strings"
	"testing"

	"kanshiki/parsers/internal/badblock"
)

// all joins what a file gives: offset, text, and what is marked.
func all(b []byte) (out []Line, errs []error) {
	for l, err := range Lines(bytes.NewReader(b), int64(len(b)), Options{}) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.Raw = bytes.Clone(l.Raw)
		out = append(out, l)
	}
	return out, errs
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name string
		in   string
		want []string
		last int64 // offset of the last line
		open bool
	}{
		{"unix", "a\nbb\n", []string{"a", "bb"}, 2, false},
		{"windows, open", "a\r\nbb", []string{"a", "bb"}, 3, true},
		{"mark", "\xEF\xBB\xBFa\nb\n", []string{"a", "b"}, 5, false},
		{"utf-16", "\xFF\xFEa\x00\r\x00\n\x00\x42\x30\n\x00", []string{"a", "あ"}, 8, false},
		{"utf-16, no mark", "a\x00b\x00c\x00d\x00\n\x00e\x00f\x00g\x00", []string{"abcd", "efg"}, 10, true},
		{"utf-16, 0x0A within a unit", "\xFF\xFEa\x00\x0A\x30\n\x00", []string{"a\u300A"}, 2, false},
		{"big endian", "\xFE\xFF\x00a\x00\n\x30\x42\x00\n", []string{"a", "あ"}, 6, false},
		{"code page", "\x83\x66\x83\x58\x83\x4E\n", []string{"デスク"}, 0, false},
		{"code page in one line only", "あ\n\x83\x66\x83\x58\n", []string{"あ", "デス"}, 4, false},
		{"empty", "", nil, 0, false},
	} {
		got, errs := all([]byte(c.in))
		var text []string
		for _, l := range got {
			text = append(text, l.Text)
		}
		if len(errs) > 0 || strings.Join(text, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s: %q, %v", c.name, text, errs)
			continue
		}
		if n := len(got); n > 0 && (got[n-1].Offset != c.last || got[n-1].Open != c.open || got[n-1].Number != n) {
			t.Errorf("%s: last %+v", c.name, got[n-1])
		}
	}
}

// TestWhole: the pieces of a file make the file, whatever is in it.
func whole(t *testing.T, b []byte) {
	at := int64(0)
	lines, errs := all(b)
	for i, l := range lines {
		if i == 0 {
			at = l.Offset
		}
		if l.Offset != at {
			t.Fatalf("line %d at %d, want %d", l.Number, l.Offset, at)
		}
		at += l.Length
	}
	if len(lines) > 0 && at != int64(len(b)) || len(errs) > 0 {
		t.Fatalf("lines end at %d of %d, %v", at, len(b), errs)
	}
}

func TestLong(t *testing.T) {
	b := []byte(strings.Repeat("x", 3*MaxLine+5) + "\ny\n")
	got, _ := all(b)
	if len(got) != 5 || !got[0].Piece || got[3].Piece || got[3].Number != 1 || got[4].Text != "y" || got[4].Number != 2 {
		t.Errorf("%d lines", len(got))
	}
	whole(t, b)
}

// TestBadBlock: the hole is one error that lies in it; the rest comes.
func TestBadBlock(t *testing.T) {
	b := []byte(strings.Repeat("0123456\n", 1<<15))
	r := badblock.Reader{ReaderAt: bytes.NewReader(b), Off: 1 << 17, Len: 512}
	lines, errs := 0, 0
	for l, err := range Lines(r, int64(len(b)), Options{}) {
		if err != nil {
			errs++
			if l.Offset != 1<<17 {
				t.Errorf("hole at %d", l.Offset)
			}
			continue
		}
		lines++
	}
	if errs != 1 || lines != 1<<15-1<<13 {
		t.Errorf("%d errors, %d lines", errs, lines)
	}
}

// TestTruncation: a cut within a line leaves it marked.
func TestTruncation(t *testing.T) {
	b := []byte("first\nsecond\nthird\n")
	for n := range b {
		lines, _ := all(b[:n])
		if n > 0 && b[n-1] != '\n' && !lines[len(lines)-1].Open {
			t.Errorf("cut at %d is not marked", n)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\nb"))
	f.Add([]byte("\xFF\xFEa\x00\n\x00"))
	f.Add([]byte("\xFE\xFF\x00a\x00\n"))
	f.Fuzz(func(t *testing.T, b []byte) { whole(t, b) })
}

func BenchmarkLines(b *testing.B) {
	data := []byte(strings.Repeat("1319500800.123    456 192.168.1.10 TCP_MISS/200 1234 GET http://www.example.jp/ - DIRECT/192.0.2.1 text/html\n", 10000))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range Lines(bytes.NewReader(data), int64(len(data)), Options{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
