package mapi

import (
	"encoding/binary"
	"testing"
)

func entry(kind, id uint16, v uint64) []byte {
	var b []byte
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = binary.LittleEndian.AppendUint16(b, id)
	b = binary.LittleEndian.AppendUint32(b, 6)
	return binary.LittleEndian.AppendUint64(b, v)
}

func sample() []byte {
	b := make([]byte, TopHeader)
	b = append(b, entry(Time, 0x0E06, 129586193812187500)...)
	b = append(b, entry(Unicode, 0x0037, 14)...)
	return append(b, entry(Integer32, 0x0E07, 0xAAAAAAAA00000011)...)
}

func TestDecode(t *testing.T) {
	p, err := Decode(sample(), TopHeader)
	if err != nil || len(p) != 3 {
		t.Fatalf("%v, %v", p, err)
	}
	if p[0] != (Property{0x0E06, Time, 129586193812187500}) || p[2].Value != 0x11 || p[1].Stream() != "__substg1.0_0037001F" {
		t.Errorf("%+v", p)
	}
	if got := p[1].Text([]byte("a\x00b\x00\x00\x00c\x00"), 0); got != "ab" {
		t.Errorf("%q", got)
	}
	if got := (Property{0x37, String8, 0}).Text([]byte("\x89\xef\x8bc\x00x"), 932); got != "会議" {
		t.Errorf("%q", got)
	}
}

func TestTruncation(t *testing.T) {
	b := sample()
	for n := range b {
		p, err := Decode(b[:n], TopHeader)
		if whole := (n - TopHeader) / 16; err == nil && (n < TopHeader || len(p) != whole || (n-TopHeader)%16 != 0) {
			t.Errorf("cut at %d: %d properties, no error", n, len(p))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample(), TopHeader)
	f.Fuzz(func(t *testing.T, b []byte, header int) {
		p, _ := Decode(b, header)
		if len(p) > len(b)/16 {
			t.Error("more properties than bytes")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := sample()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data, TopHeader); err != nil {
			b.Fatal(err)
		}
	}
}
