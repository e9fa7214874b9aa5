package main

import (
	"archive/zip"
	"hash"
	"hash/crc32"
	"io"
)

// zipPassword is the one that everybody in this trade uses: it keeps programs
// from running by accident and scanners from deleting them, it is no secret.
const zipPassword = "infected"

// cryptZip writes entries with the old PKWARE cipher ("ZipCrypto", APPNOTE.TXT
// 6.1), which every archiver opens.
type cryptZip struct{ w *zip.Writer }

func newCryptZip(w io.Writer) *cryptZip { return &cryptZip{zip.NewWriter(w)} }

func (z *cryptZip) Close() error { return z.w.Close() }

// create begins an entry, stored without compression; close ends it.
func (z *cryptZip) create(name string) (w io.Writer, close func() error, err error) {
	const encrypted, descriptor, utf8Name = 0x1, 0x8, 0x800
	h := &zip.FileHeader{Name: name, Method: zip.Store, Flags: encrypted | descriptor | utf8Name}
	h.CreatorVersion, h.ReaderVersion = 20, 20
	raw, err := z.w.CreateRaw(h)
	if err != nil {
		return nil, nil, err
	}
	e := &cryptEntry{w: raw, crc: crc32.NewIEEE(), h: h}
	e.keys.init(zipPassword)
	// The last byte of the head is checked against the time, since the CRC
	// follows the data; no time is written, those of evidence stand in the
	// manifest. The others need not be random for a known password.
	var head [12]byte
	e.keys.encrypt(head[:])
	if _, err := raw.Write(head[:]); err != nil {
		return nil, nil, err
	}
	h.CompressedSize64 = 12
	return e, e.close, nil
}

type cryptEntry struct {
	w    io.Writer
	keys cryptKeys
	crc  hash.Hash32
	h    *zip.FileHeader
	buf  []byte
}

func (e *cryptEntry) Write(p []byte) (int, error) {
	e.crc.Write(p)
	e.buf = append(e.buf[:0], p...)
	e.keys.encrypt(e.buf)
	n, err := e.w.Write(e.buf)
	e.h.UncompressedSize64 += uint64(n)
	e.h.CompressedSize64 += uint64(n)
	return n, err
}

func (e *cryptEntry) close() error {
	e.h.CRC32 = e.crc.Sum32()
	//lint:ignore SA1019 the descriptor of a raw entry is written from this field
	e.h.UncompressedSize = uint32(min(e.h.UncompressedSize64, 1<<32-1))
	//lint:ignore SA1019 and from this one
	e.h.CompressedSize = uint32(min(e.h.CompressedSize64, 1<<32-1))
	return nil
}

type cryptKeys [3]uint32

func (k *cryptKeys) init(password string) {
	*k = cryptKeys{0x12345678, 0x23456789, 0x34567890}
	for i := range len(password) {
		k.update(password[i])
	}
}

func (k *cryptKeys) update(b byte) {
	k[0] = crc32.IEEETable[byte(k[0])^b] ^ k[0]>>8
	k[1] = (k[1]+k[0]&0xFF)*134775813 + 1
	k[2] = crc32.IEEETable[byte(k[2])^byte(k[1]>>24)] ^ k[2]>>8
}

func (k *cryptKeys) encrypt(p []byte) {
	for i, b := range p {
		t := k[2] | 2
		p[i] = b ^ byte(t*(t^1)>>8)
		k.update(b)
	}
}
