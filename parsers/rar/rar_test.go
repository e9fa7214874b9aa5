package rar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"kanshiki/parsers/internal/badblock"
	"kanshiki/parsers/internal/utf16"
)

// block writes a header by the technote, field by field.
func block(kind byte, flags uint16, rest []byte) []byte {
	b := []byte{kind}
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(7+len(rest)))
	b = append(b, rest...)
	return append(binary.LittleEndian.AppendUint16(nil, uint16(crc32.ChecksumIEEE(b))), b...)
}

func file(name []byte, flags uint16, data string, method byte) []byte {
	var r []byte
	r = binary.LittleEndian.AppendUint32(r, uint32(len(data)))
	r = binary.LittleEndian.AppendUint32(r, uint32(len(data)))
	r = append(r, 2)
	r = binary.LittleEndian.AppendUint32(r, crc32.ChecksumIEEE([]byte(data)))
	r = binary.LittleEndian.AppendUint16(r, 9<<11|31<<5|4)
	r = binary.LittleEndian.AppendUint16(r, 31<<9|8<<5|24)
	r = append(r, 20, method)
	r = binary.LittleEndian.AppendUint16(r, uint16(len(name)))
	r = binary.LittleEndian.AppendUint32(r, 0x20)
	return append(block(fileHeader, longBlock|flags, append(r, name...)), data...)
}

// full codes every unit of a name by itself.
func full(name string) []byte {
	w := utf16.Units(name)
	out := append(bytes.Repeat([]byte("?"), len(w)/2), 0, 0)
	for i := 0; i < len(w); i += 8 {
		out = append(append(out, 0xAA), w[i:min(i+8, len(w))]...)
	}
	return out
}

func sample() []byte {
	b := append([]byte("Rar!\x1a\x07\x00"), block(0x73, 0, make([]byte, 6))...)
	b = append(b, file([]byte(`a\plain.txt`), 0, "hello", stored)...)
	b = append(b, file(full(`条約\文書.doc`), unicodeName, strings.Repeat("text ", 300), stored)...)
	b = append(b, file([]byte("packed.bin"), 0, "not really packed", 0x33)...)
	// The end block that every RAR 4 archive has, as the archiver writes it.
	return append(b, 0xC4, 0x3D, 0x7B, 0x00, 0x40, 0x07, 0x00)
}

func TestMembers(t *testing.T) {
	b := sample()
	a, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(a.Damage) != 0 || !a.Ended || len(a.Members) != 3 {
		t.Fatalf("%v, %d members, damage %v", err, len(a.Members), a.Damage)
	}
	for i, want := range []struct{ name, data string }{{`a\plain.txt`, "hello"}, {`条約\文書.doc`, strings.Repeat("text ", 300)}, {"packed.bin", ""}} {
		m := &a.Members[i]
		got, err := a.Content(m, 1<<20)
		if m.Name != want.name || want.data != "" && (err != nil || string(got) != want.data) || want.data == "" && !errors.Is(err, ErrPacked) {
			t.Errorf("%q: %d bytes, %v", m.Name, len(got), err)
		}
	}
	// 2011-08-24 09:31:08
	if a.Members[0].Modified != 129586518680000000 {
		t.Errorf("time %d", a.Members[0].Modified)
	}
}

func TestNameForms(t *testing.T) {
	// Low bytes with a common high byte 0x04 (Cyrillic), then a run of the code
	// page's own bytes.
	coded := []byte{0x04, 0b01_01_11_00, 0x1F, 0x20, 0x02}
	got := decodeName(append([]byte("??abcd\x00"), coded...), unicodeName)
	if got != "\u041f\u0420abcd" {
		t.Errorf("%q", got)
	}
	if got := decodeName([]byte("\x8f\xf0\x96\xf1.txt"), 0); got != "条約.txt" {
		t.Errorf("%q", got)
	}
}

// TestHole: a header in the middle is gone; the rest is found again and the
// hole is damage.
func TestHole(t *testing.T) {
	b := sample()
	at := bytes.Index(b, []byte("text text")) - 40
	clear(b[at : at+60])
	a, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(a.Damage) != 1 || len(a.Members) != 2 || a.Members[1].Name != "packed.bin" {
		t.Fatalf("%v, members %v, damage %v", err, a.Members, a.Damage)
	}
}

func TestTruncation(t *testing.T) {
	b := sample()
	for n := range b {
		a, err := NewReader(bytes.NewReader(b[:n]), int64(n))
		if err == nil && len(a.Damage) == 0 {
			t.Fatalf("cut at %d: the loss is silent", n)
		}
	}
}

func TestBadBlock(t *testing.T) {
	b := sample()
	for at := int64(0); at+16 <= int64(len(b)); at += 16 {
		a, err := NewReader(badblock.Reader{ReaderAt: bytes.NewReader(b), Off: at, Len: 16}, int64(len(b)))
		if err != nil {
			continue
		}
		lost := len(a.Damage) > 0
		for i := range a.Members {
			if _, err := a.Content(&a.Members[i], 1<<20); err != nil {
				lost = true
			}
		}
		if !lost {
			t.Errorf("bad block at %d: silent", at)
		}
	}
}

func TestRefused(t *testing.T) {
	for s, want := range map[string]error{"": ErrNotRAR, "PK\x03\x04aaaaaaaa": ErrNotRAR, "Rar!\x1a\x07\x01\x00aaaa": ErrVersion5} {
		if _, err := NewReader(strings.NewReader(s), int64(len(s))); !errors.Is(err, want) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzRAR(f *testing.F) {
	f.Add(sample())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for i := range a.Members[:min(len(a.Members), 50)] {
			_, _ = a.Content(&a.Members[i], 1<<20)
		}
	})
}

func BenchmarkRAR(b *testing.B) {
	data := sample()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewReader(bytes.NewReader(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}
