package crashdump

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"testing"

	"kanshiki/fixtures/corpus"
)

// kernelHead is a head as Windows fills it: the text PAGE wherever it says
// nothing.
func kernelHead(signature string, set map[int]uint64, wide ...int) []byte {
	b := make([]byte, HeadSize)
	for i := range b {
		b[i] = "PAGE"[i%4]
	}
	copy(b, signature)
	for at, v := range set {
		binary.LittleEndian.PutUint32(b[at:], uint32(v))
	}
	for _, at := range wide {
		binary.LittleEndian.PutUint64(b[at:], set[at])
	}
	return b
}

const then = 0x1cc6a2b7c3f4d80 // 2011-09-03

func head64() []byte {
	return kernelHead("PAGEDU64", map[int]uint64{8: 15, 12: 7601, 0x30: 0x8664, 0x34: 4, 0x38: 0xd1, 0x40: 0x11, 0x48: 2, 0x50: 0, 0x58: 0xfffff88001234567,
		0xf98: 2, 0xfa0: 0x12345000, 0xfa8: then}, 0x40, 0x48, 0x50, 0x58, 0xfa0, 0xfa8)
}

func head32() []byte {
	return kernelHead("PAGEDUMP", map[int]uint64{8: 15, 12: 2600, 0x20: 0x14c, 0x24: 1, 0x28: 0x50, 0x2c: 1, 0x30: 2, 0x34: 3, 0x38: 4, 0xf88: 4, 0xfa0: 0x10000, 0xfc0: then}, 0xfa0, 0xfc0)
}

func mini() []byte {
	b := make([]byte, 32)
	copy(b, "MDMP\x93\xa7\xb1\x61\x09")
	binary.LittleEndian.PutUint32(b[20:], 1441462855)
	b[24] = 5
	return b
}

func hiber(sig string, length uint32, at int) []byte {
	b := make([]byte, 4096)
	copy(b, sig)
	binary.LittleEndian.PutUint32(b[12:], length)
	binary.LittleEndian.PutUint64(b[at:], then)
	return b
}

func TestHeads(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want Head
	}{
		"64 bit": {head64(), Head{Kind: Kernel64, Major: 15, Minor: 7601, Machine: 0x8664, Processors: 4, BugCheck: 0xd1, HasBugCheck: true,
			Parameters: [4]uint64{0x11, 2, 0, 0xfffff88001234567}, DumpType: 2, Required: 0x12345000, FileTime: then}},
		"32 bit": {head32(), Head{Kind: Kernel32, Major: 15, Minor: 2600, Machine: 0x14c, Processors: 1, BugCheck: 0x50, HasBugCheck: true,
			Parameters: [4]uint64{1, 2, 3, 4}, DumpType: 4, Required: 0x10000, FileTime: then}},
		"not filled": {kernelHead("PAGEDU64", nil), Head{Kind: Kernel64, Major: unset, Minor: unset, Machine: unset, Processors: unset}},
		"minidump":   {mini(), Head{Kind: Minidump, Version: 0x61b1a793, Streams: 9, UnixTime: 1441462855, Flags: 5}},
		"hibr":       {hiber("hibr", 0xa8, 0x20), Head{Kind: Hibernation, Signature: "hibr"}},
		"HIBR 8":     {hiber("HIBR", 0x3b0, 0x20), Head{Kind: Hibernation, Signature: "HIBR", FileTime: then}},
		"WAKE 8 x86": {hiber("WAKE", 0x2c8, 0x18), Head{Kind: Hibernation, Signature: "WAKE", FileTime: then}},
		"RSTR":       {hiber("RSTR", 0, 0x18), Head{Kind: Hibernation, Signature: "RSTR"}},
	} {
		h, err := Parse(c.b)
		if err != nil || *h != c.want {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	for _, b := range [][]byte{nil, []byte("MZ"), make([]byte, 4096), []byte("PAGEDUM")} {
		if _, err := Parse(b); !errors.Is(err, ErrUnknown) {
			t.Errorf("%.8q: %v", b, err)
		}
	}
	if h, _ := Parse(head64()); h.Type() != "kernel" {
		t.Error(h.Type())
	}
	if h := (&Head{DumpType: 99}); h.Type() != "type 99" {
		t.Error(h.Type())
	}
}

// TestCorpus compares with what other programs say of the same files.
func TestCorpus(t *testing.T) {
	n := 0
	for _, row := range corpus.Truth(t, "memory") {
		if row["format"] != "minidump" {
			continue
		}
		h := headOf(t, row["file"])
		if strconv.Itoa(int(h.UnixTime)) != row["timestamp"] || strconv.Itoa(int(h.Streams)) != row["streams"] {
			t.Errorf("%s: time %d, %d streams; want %s, %s", row["file"], h.UnixTime, h.Streams, row["timestamp"], row["streams"])
		}
		n++
	}
	if n == 0 {
		t.Error("no minidump in the truth")
	}
	// The sizes are those of the files: a dump needs the space that it takes.
	for name, want := range map[string]struct {
		kind     Kind
		dumpType uint32
		build    uint32
	}{
		"memory/containers/win7.dmp": {Kernel64, 1, 7601}, "memory/containers/win7_bmp.dmp": {Kernel64, 5, 7601}, "memory/containers/win10.dmp": {Kernel64, 1, 19041},
		"memory/real/triage_x64.dmp": {Kernel64, 4, 19041}, "memory/real/triage_arm64.dmp": {Kernel64, 4, 22000},
	} {
		if h := headOf(t, name); h.Kind != want.kind || h.DumpType != want.dumpType || h.Minor != want.build || h.FileTime == 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if h := headOf(t, "memory/containers/win10.hiberfil"); h.Kind != Hibernation || h.Signature != "HIBR" {
		t.Errorf("%+v", h)
	}
}

func headOf(t *testing.T, name string) *Head {
	t.Helper()
	f, err := os.Open(corpus.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, HeadSize))
	if err != nil {
		t.Fatal(err)
	}
	h, err := Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return h
}

func TestTruncation(t *testing.T) {
	for _, whole := range [][]byte{head64(), head32(), mini(), hiber("HIBR", 0x3b0, 0x20)} {
		want, err := Parse(whole)
		if err != nil {
			t.Fatal(err)
		}
		for n := range whole {
			if h, err := Parse(whole[:n]); err == nil && *h != *want {
				t.Fatalf("%s cut at %#x: loss is silent", want.Kind, n)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range [][]byte{head64(), head32(), mini(), hiber("HIBR", 0x3b0, 0x20), hiber("wake", 0, 0)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := Parse(b); err == nil {
			_ = h.Type()
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := head64()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
