package fve

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"

	"kanshiki/parsers/internal/badblock"
)

// A small volume made here: 1 MiB, XTS with a known volume key, metadata at
// three places, no protector. Windows has more in its metadata; what the laws
// need is here.
const (
	madeSize = 1 << 20
	headAt   = 0x60000
)

var (
	madePlaces = []int64{0x20000, 0x80000, 0xC0000}
	madeKey    = bytes.Repeat([]byte{0x5A, 0xC3}, 16)
)

func madeVolume() (cipherText, plainText []byte) {
	le := binary.LittleEndian
	plainText = make([]byte, madeSize)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range plainText {
		plainText[i] = byte(rnd.Uint32())
	}
	v := &Volume{Info: Info{Method: XTS128, SectorSize: 512}}
	if err := v.setKey(madeKey); err != nil {
		panic(err)
	}
	c := bytes.Clone(plainText)
	for off := int64(0); off < madeSize; off += 512 {
		encrypt(v.cipher.(*xts), c[off:off+512], off)
	}
	head := bytes.Clone(plainText[:0x2000])
	for off := int64(0); off < 0x2000; off += 512 {
		encrypt(v.cipher.(*xts), head[off:off+512], headAt+off)
	}
	copy(c[headAt:], head)
	boot := make([]byte, 512)
	copy(boot[3:], signature)
	le.PutUint16(boot[11:], 512)
	boot[13] = 8
	copy(boot[160:], guidInfo[:])
	m := make([]byte, 0x10000)
	const n = 112
	copy(m, signature)
	le.PutUint16(m[8:], n/16)
	le.PutUint16(m[10:], 2)
	le.PutUint16(m[12:], uint16(Encrypted))
	le.PutUint64(m[16:], madeSize)
	le.PutUint32(m[28:], 16)
	le.PutUint64(m[56:], headAt)
	le.PutUint32(m[64:], 48)
	le.PutUint32(m[72:], 48)
	le.PutUint16(m[100:], uint16(XTS128))
	for i, at := range madePlaces {
		le.PutUint64(boot[176+8*i:], uint64(at))
		le.PutUint64(m[32+8*i:], uint64(at))
	}
	le.PutUint32(m[n+4:], crc32.ChecksumIEEE(m[:n]))
	copy(c, boot)
	clear(c[512:0x2000]) // Windows leaves its loader there
	for _, at := range madePlaces {
		copy(c[at:], m)
		clear(plainText[at : at+0x10000])
	}
	clear(plainText[headAt : headAt+0x2000])
	return c, plainText
}

// encrypt is XTS the other way, over one sector.
func encrypt(x *xts, s []byte, off int64) {
	var t [16]byte
	binary.LittleEndian.PutUint64(t[:], uint64(off)/512)
	x.tweak.Encrypt(t[:], t[:])
	for i := 0; i < len(s); i += 16 {
		for k := range 16 {
			s[i+k] ^= t[k]
		}
		x.data.Encrypt(s[i:i+16], s[i:i+16])
		carry := byte(0)
		for k := range 16 {
			s[i+k] ^= t[k]
			t[k], carry = t[k]<<1|carry, t[k]>>7
		}
		if carry != 0 {
			t[0] ^= 0x87
		}
	}
}

// get decrypts all that can be had, and says what was told.
func get(r io.ReaderAt, size int64) (out []byte, told int, places []int64) {
	v, err := Open(r, size)
	if err != nil {
		return nil, 1, nil
	}
	for _, p := range v.Problems() {
		told++
		places = append(places, p.Off)
	}
	if err := v.Unlock(VolumeKey(madeKey)); err != nil {
		return nil, told + 1, places
	}
	rd, err := v.Reader()
	if err != nil {
		return nil, told + 1, places
	}
	out = make([]byte, size)
	n, err := rd.ReadAt(out, 0)
	if n < len(out) {
		told++
		var p *Problem
		if errors.As(err, &p) {
			places = append(places, p.Off)
		}
	}
	return out[:n], told, places
}

func TestMade(t *testing.T) {
	c, want := madeVolume()
	got, told, places := get(bytes.NewReader(c), madeSize)
	if told != 0 || !bytes.Equal(got, want) {
		t.Errorf("equal %v, told %d at %v", bytes.Equal(got, want), told, places)
	}
}

// A copy of the metadata that is overwritten, or cannot be read, is no content of
// the volume; where no checksum holds, a copy is used and that is told.
func TestLostCopies(t *testing.T) {
	made, want := madeVolume()
	for lost := 1; lost <= len(madePlaces); lost++ {
		c := bytes.Clone(made)
		for _, at := range madePlaces[:lost] {
			if lost < len(madePlaces) {
				clear(c[at : at+0x10000])
			} else {
				c[at+104]++ // of the creation time: the checksum is of other bytes
			}
		}
		if got, told, _ := get(bytes.NewReader(c), madeSize); told < lost || !bytes.Equal(got, want) {
			t.Errorf("%d copies lost: %d bytes, equal %v, told %d", lost, len(got), bytes.Equal(got, want), told)
		}
	}
}

func TestTruncationLaw(t *testing.T) {
	c, want := madeVolume()
	rnd := rand.New(rand.NewPCG(3, 4))
	cuts := []int{0, 511, 512, 0x1FFF, 0x2000, 0x20000, 0x20001, 0x20070, headAt, headAt + 1, headAt + 0x2000, madeSize - 1}
	for range 200 {
		cuts = append(cuts, rnd.IntN(madeSize))
	}
	for _, cut := range cuts {
		got, told, _ := get(bytes.NewReader(c[:cut]), int64(cut))
		if told == 0 && (len(got) != cut || !bytes.Equal(got, want[:cut])) {
			t.Errorf("cut at %#x: lost in silence", cut)
		}
	}
}

func TestBadBlockLaw(t *testing.T) {
	c, want := madeVolume()
	for off := int64(0); off < madeSize; off += 4096 {
		got, told, places := get(badblock.Reader{ReaderAt: bytes.NewReader(c), Off: off, Len: 4096}, madeSize)
		inside := off == 0 // no boot sector, no volume
		for _, p := range places {
			inside = inside || p >= off && p < off+4096
		}
		if !bytes.Equal(got, want) && (told == 0 || !inside) {
			t.Errorf("block at %#x: told %d at %v", off, told, places)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(uint32(0x20010), uint64(1<<40))
	f.Add(uint32(160), uint64(0))
	f.Add(uint32(0x2003C), uint64(3))
	f.Fuzz(func(_ *testing.T, at uint32, v uint64) {
		c, _ := madeVolume()
		for _, m := range append([]int64{0}, madePlaces...) {
			if o := m + int64(at%(0x20000-8)); o < madeSize-8 {
				binary.LittleEndian.PutUint64(c[o:], v)
			}
		}
		for _, m := range madePlaces { // a forger makes the sum fit
			binary.LittleEndian.PutUint32(c[m+116:], crc32.ChecksumIEEE(c[m:m+112]))
		}
		get(bytes.NewReader(c), madeSize)
	})
}

func BenchmarkDecrypt(b *testing.B) {
	c, _ := madeVolume()
	v, err := Open(bytes.NewReader(c), madeSize)
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 0x10000)
	for _, m := range []Method{XTS128, CBC128, CBC128Diffuser} {
		v.Method = m
		if err := v.Unlock(VolumeKey(append(madeKey[:32:32], madeKey...))); err != nil {
			b.Fatal(err)
		}
		r, err := v.Reader()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(m.String(), func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadAt(p, 0x40000); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
