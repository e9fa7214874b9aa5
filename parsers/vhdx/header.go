package vhdx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
)

// Places of the structures at the start (section 2.2).
const (
	header1  = 64 << 10
	header2  = 128 << 10
	regions1 = 192 << 10
	regions2 = 256 << 10
	headSize = 4 << 10
	regiSize = 64 << 10
)

// head is one of the two headers (2.2.2).
type head struct {
	sequence          uint64
	fileWrite, dataID guid.GUID
	log               guid.GUID
	logVersion        uint16
	version           uint16
	logLen            int64
	logAt             int64
}

// update goes on with a CRC-32C.
func update(n uint32, b []byte) uint32 {
	return crc32.Update(n, crc32.MakeTable(crc32.Castagnoli), b)
}

// crc checks the CRC-32C that stands at an offset, which counts as zero.
func crc(b []byte, at int) bool {
	return update(update(update(0, b[:at]), make([]byte, 4)), b[at+4:]) == binary.LittleEndian.Uint32(b[at:])
}

func full(r io.ReaderAt, n, off int64) ([]byte, error) {
	b := make([]byte, n)
	if k, err := r.ReadAt(b, off); k < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}

// readHead takes the sound header with the higher sequence number.
func readHead(f container.File, problems *container.Problems) (*head, error) {
	var best *head
	for _, at := range []int64{header1, header2} {
		b, err := full(f.R, headSize, at)
		switch {
		case err != nil:
			problems.Reportf(at, "header: %v", err)
			continue
		case string(b[:4]) != "head" || !crc(b, 4):
			problems.Reportf(at, "header: signature or checksum is wrong")
			continue
		}
		c := cursor.At(b, at)
		c.Skip(8, "signature")
		h := &head{sequence: c.U64("sequence number")}
		h.fileWrite, h.dataID, h.log = guid.From(c.Take(16, "file write")), guid.From(c.Take(16, "data write")), guid.From(c.Take(16, "log"))
		h.logVersion, h.version = c.U16("log version"), c.U16("version")
		h.logLen, h.logAt = int64(c.U32("log length")), int64(min(c.U64("log offset"), 1<<62))
		if best != nil && h.sequence == best.sequence && *h != *best {
			problems.Reportf(at+8, "both headers have the sequence number %d, and they differ", h.sequence)
		}
		if best == nil || h.sequence > best.sequence {
			best = h
		}
	}
	if best == nil {
		return nil, errors.New("no sound header")
	}
	if best.version != 1 {
		return nil, fmt.Errorf("version %d %w", best.version, ErrUnsupported)
	}
	return best, nil
}

// region is a part of the file (2.2.3).
type region struct{ at, size int64 }

var (
	batRegion      = [16]byte{0x66, 0x77, 0xC2, 0x2D, 0x23, 0xF6, 0x00, 0x42, 0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08}
	metadataRegion = [16]byte{0x06, 0xA2, 0x7C, 0x8B, 0x90, 0x47, 0x9A, 0x4B, 0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E}
)

// readRegions reads the first region table, or the second where that is damaged.
func readRegions(r io.ReaderAt, problems *container.Problems) (bat, metadata region, err error) {
	var use []byte
	var from int64
	for _, at := range []int64{regions1, regions2} {
		b, err := full(r, regiSize, at)
		switch {
		case err != nil:
			problems.Reportf(at, "region table: %v", err)
		case string(b[:4]) != "regi" || !crc(b, 4):
			problems.Reportf(at, "region table: signature or checksum is wrong")
		case use == nil:
			use, from = b, at
		case !bytes.Equal(use, b):
			problems.Reportf(at, "the two region tables differ; the first is used")
		}
	}
	if use == nil {
		return bat, metadata, errors.New("no sound region table")
	}
	n := binary.LittleEndian.Uint32(use[8:])
	if n > maxEntries {
		return bat, metadata, cursor.Errorf(from+8, "region table: %d regions, limit %d", n, maxEntries)
	}
	for i := range int(n) {
		e := use[16+32*i:]
		x := region{int64(min(binary.LittleEndian.Uint64(e[16:]), 1<<62)), int64(binary.LittleEndian.Uint32(e[24:]))}
		switch {
		case bytes.Equal(e[:16], batRegion[:]):
			bat = x
		case bytes.Equal(e[:16], metadataRegion[:]):
			metadata = x
		case binary.LittleEndian.Uint32(e[28:])&1 != 0:
			return bat, metadata, fmt.Errorf("a region %s that a reader must know, so the disk %w", guid.From(e[:16]), ErrUnsupported)
		}
	}
	if bat.size == 0 || metadata.size == 0 {
		return bat, metadata, cursor.Errorf(from, "region table: no table of blocks, or no metadata")
	}
	return bat, metadata, nil
}
