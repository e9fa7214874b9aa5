package fve

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// sectorCipher decrypts whole sectors in place; off is their place on the
// volume.
type sectorCipher interface {
	decrypt(b []byte, off int64)
}

func (v *Volume) setKey(key []byte) error {
	n := 16
	if v.Method == CBC256 || v.Method == CBC256Diffuser || v.Method == XTS256 {
		n = 32
	}
	const tweakAt = 32 // the key of the diffuser lies behind room for 256 bits
	switch v.Method {
	case XTS128, XTS256:
		if len(key) < 2*n {
			return fmt.Errorf("%w: a volume key of %d bytes, %s needs %d", ErrWrongKey, len(key), v.Method, 2*n)
		}
		v.cipher = &xts{aesOf(key[:n]), aesOf(key[n : 2*n]), int(v.SectorSize)}
	case CBC128, CBC256:
		if len(key) < n {
			return fmt.Errorf("%w: a volume key of %d bytes, %s needs %d", ErrWrongKey, len(key), v.Method, n)
		}
		v.cipher = &cbc{block: aesOf(key[:n]), sector: int(v.SectorSize)}
	case CBC128Diffuser, CBC256Diffuser:
		if len(key) < tweakAt+n {
			return fmt.Errorf("%w: a volume key of %d bytes, %s needs %d", ErrWrongKey, len(key), v.Method, tweakAt+n)
		}
		v.cipher = &cbc{block: aesOf(key[:n]), tweak: aesOf(key[tweakAt : tweakAt+n]), sector: int(v.SectorSize)}
	default:
		return &Problem{Off: v.Used, What: fmt.Sprintf("encryption by %s is not known", v.Method)}
	}
	return nil
}

// aesOf never fails: lengths are checked before.
func aesOf(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	return b
}

// cbc is AES-CBC, the IV of a sector its encrypted place in bytes; with a tweak
// key the Elephant diffuser lies over it.
type cbc struct {
	block, tweak cipher.Block
	sector       int
}

func (c *cbc) decrypt(b []byte, off int64) {
	iv := make([]byte, 16)
	for ; len(b) >= c.sector; b, off = b[c.sector:], off+int64(c.sector) {
		s := b[:c.sector]
		clear(iv)
		binary.LittleEndian.PutUint64(iv, uint64(off))
		c.block.Encrypt(iv, iv)
		cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(s, s)
		if c.tweak != nil {
			c.diffuse(s, off)
		}
	}
}

// diffuse undoes the diffuser: B, then A, then the key of the sector.
func (c *cbc) diffuse(s []byte, off int64) {
	const maxWords = 4096 / 4
	var room [maxWords]uint32
	d := room[:len(s)/4]
	for i := range d {
		d[i] = binary.LittleEndian.Uint32(s[4*i:])
	}
	n := len(d)
	m := n - 1 // a sector is a power of two
	for range 3 {
		for i := 0; i < n; i += 4 {
			d[i] += d[(i+2)&m] ^ d[(i+5)&m]
			d[i+1] += d[(i+3)&m] ^ bits.RotateLeft32(d[(i+6)&m], 10)
			d[i+2] += d[(i+4)&m] ^ d[(i+7)&m]
			d[i+3] += d[(i+5)&m] ^ bits.RotateLeft32(d[(i+8)&m], 25)
		}
	}
	for range 5 {
		for i := 0; i < n; i += 4 {
			d[i] += d[(i-2)&m] ^ bits.RotateLeft32(d[(i-5)&m], 9)
			d[i+1] += d[(i-1)&m] ^ d[(i-4)&m]
			d[i+2] += d[i] ^ bits.RotateLeft32(d[(i-3)&m], 13)
			d[i+3] += d[i+1] ^ d[(i-2)&m]
		}
	}
	for i := range d {
		binary.LittleEndian.PutUint32(s[4*i:], d[i])
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(off))
	copy(key[16:], key[:16])
	key[31] = 0x80
	c.tweak.Encrypt(key[:16], key[:16])
	c.tweak.Encrypt(key[16:], key[16:])
	for i := 0; i < len(s); i += 32 {
		subtle.XORBytes(s[i:i+32], s[i:i+32], key[:])
	}
}

// xts is AES-XTS, the tweak of a sector its number.
type xts struct {
	data, tweak cipher.Block
	sector      int
}

func (x *xts) decrypt(b []byte, off int64) {
	var t [16]byte
	for n := uint64(off) / uint64(x.sector); len(b) >= x.sector; b, n = b[x.sector:], n+1 {
		clear(t[:])
		binary.LittleEndian.PutUint64(t[:], n)
		x.tweak.Encrypt(t[:], t[:])
		lo, hi := binary.LittleEndian.Uint64(t[:]), binary.LittleEndian.Uint64(t[8:])
		s := b[:x.sector]
		for i := 0; i < len(s); i += 16 {
			p := s[i : i+16 : i+16]
			binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^lo)
			binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^hi)
			x.data.Decrypt(p, p)
			binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^lo)
			binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^hi)
			carry := hi >> 63
			hi = hi<<1 | lo>>63
			lo = lo<<1 ^ carry*0x87
		}
	}
}
