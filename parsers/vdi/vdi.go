// Package vdi reads disks of VirtualBox, version 1.1: fixed and dynamic ones
// and, as far as they store something themselves, differencing ones.
//
// The layout follows VirtualBox's "VDICore.h" and QEMU's "block/vdi.c".
// Integers are little-endian. A header of 512 bytes, a map of u32 per block
// (the block's place among those stored, or one of two words for "not there"),
// the blocks. There are no checksums.
//
// A differencing disk names its parent by an identifier alone: what it does not
// store is unknown, and is not taken for zeros.
package vdi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// Limits on what hostile input can ask for.
const (
	MaxBlock  = 1 << 30 // bytes of a block; VirtualBox uses 1 MiB
	headSize  = 512
	mapPart   = 64 << 10 // bytes of the map that are read at once
	blockNone = 0xFFFFFFFF
	blockZero = 0xFFFFFFFE
)

// Signature stands at offset 64.
const Signature = "\x7f\x10\xda\xbe"

// ErrUnsupported is in the error for a disk that is known but not read.
var ErrUnsupported = errors.New("is not read yet")

// The types of disk.
const (
	Dynamic      = 1
	Fixed        = 2
	Undo         = 3
	Differencing = 4
)

// Reader is a disk. It is safe for concurrent use.
type Reader struct {
	*container.Disk
	Type    uint32
	Comment string
	UUID    [16]byte
	Parent  [16]byte // of the disk below; zero where there is none
	f       container.File

	mapAt, dataAt    int64
	block, extra     int64
	blocks, existing int64
	problems         container.Problems
}

// Open opens a disk.
func Open(f container.File) (*Reader, error) {
	b := make([]byte, min(headSize, max(f.Size, 0)))
	if n, err := f.R.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("header: %w", err)
	}
	r := &Reader{f: f}
	c := cursor.New(b)
	c.Skip(64, "text")
	if sig := c.Take(4, "signature"); c.Err() == nil && string(sig) != Signature {
		return nil, cursor.Errorf(64, "signature: have % x", sig)
	}
	version := c.U32("version")
	c.U32("header size")
	r.Type = c.U32("type")
	c.U32("flags")
	r.Comment, _, _ = strings.Cut(string(c.Take(256, "comment")), "\x00")
	r.mapAt, r.dataAt = int64(c.U32("place of the map")), int64(c.U32("place of the data"))
	c.Skip(12, "geometry")
	sector := c.U32("sector size")
	c.U32("unused")
	size := c.U64("disk size")
	r.block, r.extra = int64(c.U32("block size")), int64(c.U32("extra bytes of a block"))
	r.blocks, r.existing = int64(c.U32("blocks")), int64(c.U32("blocks stored"))
	copy(r.UUID[:], c.Take(16, "identifier"))
	c.Skip(16, "identifier of the last snapshot")
	copy(r.Parent[:], c.Take(16, "identifier of the parent"))
	switch {
	case c.Err() != nil:
		return nil, c.Err()
	case version != 1<<16|1:
		return nil, fmt.Errorf("version %d.%d %w", version>>16, version&0xFFFF, ErrUnsupported)
	case sector != 512 && sector != 0:
		return nil, fmt.Errorf("sectors of %d bytes %w", sector, ErrUnsupported)
	case r.block == 0 || r.block%512 != 0 || r.block > MaxBlock || r.extra > MaxBlock:
		return nil, cursor.Errorf(376, "blocks of %d and %d bytes", r.block, r.extra)
	case size > uint64(r.blocks)*uint64(r.block) || size > 1<<62:
		return nil, cursor.Errorf(368, "a medium of %d bytes in %d blocks of %d", size, r.blocks, r.block)
	case r.mapAt+4*r.blocks > f.Size:
		return nil, cursor.Errorf(384, "a map of %d blocks at %#x, in a file of %d bytes", r.blocks, r.mapAt, f.Size)
	}
	r.Disk = container.New(container.Layout{Size: int64(size), Span: r.span})
	return r, nil
}

// Variant names the type of disk.
func (r *Reader) Variant() string {
	switch r.Type {
	case Dynamic:
		return "dynamic"
	case Fixed:
		return "fixed"
	case Undo:
		return "undo"
	case Differencing:
		return "differencing"
	}
	return fmt.Sprintf("type %d", r.Type)
}

// Problems lists what was found wrong so far.
func (r *Reader) Problems() []container.Problem { return r.problems.Problems() }

// Fields are the values of the header.
func (r *Reader) Fields() []container.Field {
	out := []container.Field{{Name: "comment", Value: r.Comment}, {Name: "identifier", Value: fmt.Sprintf("%x", r.UUID)},
		{Name: "block size", Value: fmt.Sprint(r.block)}, {Name: "blocks stored", Value: fmt.Sprint(r.existing)}}
	if r.Parent != [16]byte{} {
		out = append(out, container.Field{Name: "identifier of the parent", Value: fmt.Sprintf("%x", r.Parent)})
	}
	return out
}

// child tells a disk that stores only what differs from another one.
func (r *Reader) child() bool { return r.Type == Differencing || r.Type == Undo }

// span tells where the run of the medium that begins at off lies: so many
// blocks as go on in the same way, as far as one part of the map tells.
func (r *Reader) span(off, limit int64) container.Span {
	i, in := off/r.block, off%r.block
	n := min((in+limit+r.block-1)/r.block, mapPart/4)
	b := make([]byte, 4*n)
	if k, err := r.f.R.ReadAt(b, r.mapAt+4*i); k < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return container.Span{Len: min(limit, n*r.block-in), Kind: container.Corrupt, Err: fmt.Errorf("map of blocks from %d on: %w", i, err)}
	}
	at := func(k int64) uint32 { return binary.LittleEndian.Uint32(b[4*k:]) }
	first := at(0)
	run := int64(1)
	for run < n && (first >= blockZero && at(run) == first || first < blockZero && r.extra == 0 && int64(at(run)) == int64(first)+run && at(run) < blockZero) {
		run++
	}
	limit = min(limit, run*r.block-in)
	switch {
	case first == blockNone && r.child():
		return container.Span{Len: limit, Kind: container.Unknown, Err: errors.New("in the disk below, which is named by an identifier alone")}
	case first >= blockZero:
		return container.Span{Len: limit, Kind: container.Zero}
	}
	place := r.dataAt + int64(first)*(r.block+r.extra) + r.extra + in
	if int64(first) >= r.blocks || place >= r.f.Size {
		return container.Span{Len: min(limit, r.block-in), Kind: container.Corrupt,
			Err: fmt.Errorf("block %d is stored as number %d, behind the file's end", i, first)}
	}
	return container.Span{Len: min(limit, r.f.Size-place), From: r.f.R, At: place}
}
